/* Public calls: transactions. */
#include "api/check.h"
#include "base/clock.h"
#include "base/operand.h"
#include "base/status.h"
#include "store/txn.h"

static int check_txn(const nacre_txn *txn)
{
    return txn ? store_check_process(txn->store) : fail(NACRE_INVALID, "the transaction is NULL");
}

static int check_txn_collection(const nacre_txn *txn, const nacre_collection *collection)
{
    int status = check_txn(txn);
    if (status != NACRE_OK || (status = check_collection(collection)) != NACRE_OK) {
        return status;
    }
    return collection->store == txn->store
               ? NACRE_OK
               : fail(NACRE_INVALID, "'%s' is a collection of another store than the transaction's", collection->name);
}

int nacre_txn_begin(nacre_store *store, const nacre_txn_options *given, nacre_txn **txn)
{
    nacre_txn_options options;
    if (!txn) {
        return fail(NACRE_INVALID, "the place for the transaction is NULL");
    }
    *txn = NULL;
    int status = check_store(store);
    if (status != NACRE_OK ||
        (status = check_options(&options, sizeof options, given, "nacre_txn_options")) != NACRE_OK) {
        return status;
    }
    if ((unsigned)options.isolation > NACRE_SNAPSHOT_ISOLATION) {
        return fail(NACRE_INVALID, "isolation %d is none of the levels", (int)options.isolation);
    }
    return store_txn_begin(store, &options, txn);
}

int nacre_txn_get(nacre_txn *txn, nacre_collection *collection, nacre_slice key, nacre_value *value)
{
    int status;
    if (!value) {
        return fail(NACRE_INVALID, "the place for the value is NULL");
    }
    *value = (nacre_value){ { NULL, 0 }, NULL };
    if ((status = check_txn_collection(txn, collection)) != NACRE_OK ||
        (status = check_key(collection, key)) != NACRE_OK) {
        return status;
    }
    return txn_get(txn, collection, key, value);
}

int nacre_txn_get_vector(nacre_txn *txn, nacre_collection *collection, nacre_slice key, float *vector,
                         nacre_value *value)
{
    int status;
    if (value) {
        *value = (nacre_value){ { NULL, 0 }, NULL };
    }
    if ((status = check_txn_collection(txn, collection)) != NACRE_OK ||
        (status = check_holds_vectors(collection)) != NACRE_OK || (status = check_key(collection, key)) != NACRE_OK) {
        return status;
    }
    if (!vector) {
        return fail(NACRE_INVALID, "the place for the vector is NULL");
    }
    return txn_get_vector(txn, collection, key, vector, value);
}

int nacre_txn_put(nacre_txn *txn, nacre_collection *collection, nacre_slice key, nacre_slice value)
{
    int status;
    if ((status = check_txn_collection(txn, collection)) != NACRE_OK ||
        (status = check_put(collection, key, value)) != NACRE_OK) {
        return status;
    }
    return txn_write(txn, collection, &(struct batch_op){ .code = BATCH_PUT, .key = key, .value = value });
}

int nacre_txn_put_vector(nacre_txn *txn, nacre_collection *collection, nacre_slice key, const float *vector,
                         nacre_slice value)
{
    int status;
    if ((status = check_txn_collection(txn, collection)) != NACRE_OK ||
        (status = check_put_vector(collection, key, vector, value)) != NACRE_OK) {
        return status;
    }
    return txn_write(
        txn, collection,
        &(struct batch_op){
            .code = BATCH_PUT, .key = key, .value = value, .vector = slice_of(vector, collection->vector_bytes) });
}

int nacre_txn_delete(nacre_txn *txn, nacre_collection *collection, nacre_slice key)
{
    int status;
    if ((status = check_txn_collection(txn, collection)) != NACRE_OK ||
        (status = check_key(collection, key)) != NACRE_OK) {
        return status;
    }
    return txn_write(txn, collection, &(struct batch_op){ .code = BATCH_DELETE, .key = key });
}

int nacre_txn_merge(nacre_txn *txn, nacre_collection *collection, nacre_slice key, nacre_slice operand)
{
    int status;
    if ((status = check_txn_collection(txn, collection)) != NACRE_OK ||
        (status = check_merge(collection, key, operand)) != NACRE_OK) {
        return status;
    }
    uint8_t clock[OPERAND_CLOCK_BYTES]; /* for reads of the transaction; the commit puts its own in */
    store_u64(clock, clock_wall_ms());
    struct batch_op op = { .code = BATCH_MERGE, .key = key, .head = slice_of(clock, sizeof clock), .value = operand };
    return txn_write(txn, collection, &op);
}

int nacre_txn_scan(nacre_txn *txn, nacre_collection *collection, const nacre_scan_options *given, nacre_cursor **cursor)
{
    nacre_scan_options options;
    int status;
    if (!cursor) {
        return fail(NACRE_INVALID, "the place for the cursor is NULL");
    }
    *cursor = NULL;
    if ((status = check_txn_collection(txn, collection)) != NACRE_OK ||
        (status = check_scan_options(collection, given, &options)) != NACRE_OK) {
        return status;
    }
    if (options.snapshot) {
        return fail(NACRE_INVALID, "a transaction reads at its own snapshot: the options must not have another");
    }
    return txn_scan(txn, collection, &options, cursor);
}

int nacre_txn_savepoint(nacre_txn *txn, uint64_t *savepoint)
{
    int status = check_txn(txn);
    if (status == NACRE_OK && !savepoint) {
        status = fail(NACRE_INVALID, "the place for the savepoint is NULL");
    }
    return status == NACRE_OK ? txn_savepoint(txn, savepoint) : status;
}

int nacre_txn_rollback_to(nacre_txn *txn, uint64_t savepoint)
{
    int status = check_txn(txn);
    return status == NACRE_OK ? txn_rollback_to(txn, savepoint) : status;
}

int nacre_txn_commit(nacre_txn *txn, const nacre_write_options *given)
{
    nacre_write_options options;
    int status = check_txn(txn);
    if (status == NACRE_OK) {
        status = check_write_options(given, &options);
    }
    if (status != NACRE_OK) {
        return status;
    }
    nacre_store *store = txn->store; /* the transaction may be gone afterwards */
    uint64_t began = STORE_TIME(store, commit);
    status = txn_commit(txn, &options);
    STORE_TIMED(store, commit, began);
    return status;
}

int nacre_txn_conflict(const nacre_txn *txn, const char **collection, nacre_slice *key)
{
    int status = check_txn(txn);
    if (status == NACRE_OK && (!collection || !key)) {
        status = fail(NACRE_INVALID, "the places for the collection and the key must be given");
    }
    if (status != NACRE_OK) {
        return status;
    }
    *collection = txn->conflict_collection ? txn->conflict_collection->name : NULL;
    *key = buffer_slice(&txn->conflict_key);
    return txn->conflict_collection ? NACRE_OK : NACRE_NOT_FOUND;
}

void nacre_txn_abort(nacre_txn *txn)
{
    if (txn && store_check_process(txn->store) == NACRE_OK) {
        txn_end(txn);
    }
}
