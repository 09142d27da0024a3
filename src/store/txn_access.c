/* What a transaction reads and writes, key by key (see txn.h). No locks of its own. */
#include "base/memory.h"
#include "base/status.h"
#include "store/merged.h"
#include "store/txn.h"
#include "store/value.h"

struct batch_op txn_op_at(const nacre_txn *txn, size_t op)
{
    const struct buffer *payload = &txn->batch.payload;
    struct reader reader = reader_of(slice_of(payload->data + txn->ops[op].at, payload->size - txn->ops[op].at));
    struct batch_op words = { 0 };
    (void)batch_decode(&reader, &words); /* what batch_encode wrote */
    return words;
}

uint32_t txn_find_own(const nacre_txn *txn, nacre_collection *collection, nacre_slice key)
{
    if (txn->writes.count == 0) {
        return TXN_NO_OP;
    }
    const struct key_item *item =
        key_set_find(&txn->writes, txn->batch.payload.data, change_hash(collection->id, key), collection, key);
    return item ? item->newest : TXN_NO_OP;
}

uint32_t txn_op_beneath(const nacre_txn *txn, uint32_t op)
{
    return txn_op_at(txn, op).code == BATCH_MERGE ? txn->ops[op].previous : TXN_NO_OP;
}

/* ---- writing ---- */

uint64_t txn_op_bytes(const struct batch_op *op)
{
    return op->key.size + op->vector.size + op->head.size + op->value.size + BATCH_OP_OVERHEAD + sizeof(struct txn_op) +
           sizeof(struct key_item) + 2 * sizeof(uint32_t);
}

static int reserve(nacre_txn *txn)
{
    if (txn->batch.count == txn->op_capacity) {
        size_t capacity = txn->op_capacity ? 2 * txn->op_capacity : 8;
        if (capacity >= TXN_NO_OP) {
            return fail(NACRE_LIMIT, "a transaction has less than %u operations", TXN_NO_OP);
        }
        struct txn_op *more = memory_realloc(txn->ops, capacity * sizeof *more);
        if (!more) {
            return NACRE_NO_MEMORY;
        }
        txn->ops = more;
        txn->op_capacity = capacity;
    }
    return key_set_reserve(&txn->writes);
}

/* The operation is in the batch: it becomes its key's newest. */
static void index_op(nacre_txn *txn, nacre_collection *collection, const struct batch_op *op, size_t at, uint64_t hash)
{
    const uint32_t number = (uint32_t)txn->batch.count - 1;
    txn->ops[number] = (struct txn_op){ .at = at, .previous = TXN_NO_OP };
    struct key_item *item = key_set_find(&txn->writes, txn->batch.payload.data, hash, collection, op->key);
    if (item) {
        txn->ops[number].previous = item->newest;
        txn->repeats++;
    } else {
        item = &txn->writes.items[txn->writes.count];
        key_set_add(&txn->writes, &(struct key_item){ .hash = hash,
                                                      .collection = collection,
                                                      .at = at + batch_key_offset(op),
                                                      .size = (uint32_t)op->key.size });
    }
    item->newest = number;
    txn->ops[number].item = (uint32_t)(item - txn->writes.items);
}

int txn_write(nacre_txn *txn, nacre_collection *collection, struct batch_op *op)
{
    if (txn->doomed != NACRE_OK) {
        return txn_fail_conflict(txn);
    }
    const uint64_t bytes = txn_op_bytes(op), hash = change_hash(collection->id, op->key);
    const size_t at = txn->batch.payload.size;
    int status = txn_charge(txn, bytes);
    if (status != NACRE_OK) {
        return status;
    }
    if ((status = reserve(txn)) != NACRE_OK || (status = batch_add(&txn->batch, collection, op)) != NACRE_OK) {
        txn_discharge(txn, bytes);
        return status;
    }
    index_op(txn, collection, op, at, hash);
    return NACRE_OK;
}

/* ---- reading ---- */

int txn_note_collection(nacre_txn *txn, nacre_collection *collection)
{
    for (size_t i = txn->read_collection_count; i-- > 0;) {
        if (txn->read_collections[i] == collection) {
            return NACRE_OK;
        }
    }
    if (txn->read_collection_count == txn->read_collection_capacity) {
        size_t capacity = txn->read_collection_capacity ? 2 * txn->read_collection_capacity : 4;
        nacre_collection **more = memory_realloc(txn->read_collections, capacity * sizeof *more);
        if (!more) {
            return NACRE_NO_MEMORY;
        }
        txn->read_collections = more;
        txn->read_collection_capacity = capacity;
    }
    txn->read_collections[txn->read_collection_count++] = collection;
    return NACRE_OK;
}

/* Before the store is asked: what is not remembered is not read. */
static int remember_read(nacre_txn *txn, nacre_collection *collection, nacre_slice key)
{
    const uint64_t hash = change_hash(collection->id, key);
    if (key_set_find(&txn->reads, txn->read_keys.data, hash, collection, key)) {
        return NACRE_OK;
    }
    const uint64_t bytes = key.size + sizeof(struct key_item) + 2 * sizeof(uint32_t);
    int status = txn_charge(txn, bytes);
    if (status != NACRE_OK) {
        return status;
    }
    const size_t at = txn->read_keys.size;
    if ((status = txn_note_collection(txn, collection)) != NACRE_OK ||
        (status = key_set_reserve(&txn->reads)) != NACRE_OK ||
        (status = buffer_append(&txn->read_keys, key.data, key.size)) != NACRE_OK) {
        txn_discharge(txn, bytes);
        return status;
    }
    key_set_add(&txn->reads,
                &(struct key_item){ .hash = hash, .collection = collection, .at = at, .size = (uint32_t)key.size });
    return NACRE_OK;
}

struct own_operands {
    const nacre_txn *txn;
    uint32_t newest;
};

/* merged_own.each */
static void each_own(const void *context, nacre_slice key, bool (*visit)(void *visitor, const struct entry *),
                     void *visitor)
{
    const nacre_txn *txn = ((const struct own_operands *)context)->txn;
    bool more = true;
    for (uint32_t op = ((const struct own_operands *)context)->newest; op != TXN_NO_OP && more;
         op = txn_op_beneath(txn, op)) {
        const struct batch_op words = txn_op_at(txn, op);
        more = visit(visitor, &(struct entry){ .key = key,
                                               .value = words.value,
                                               .sequence = TXN_OWN_SEQUENCE | op,
                                               .type = batch_entry_type(&words) });
    }
}

int txn_get(nacre_txn *txn, nacre_collection *collection, nacre_slice key, nacre_value *value)
{
    const uint32_t newest = txn_find_own(txn, collection, key);
    if (newest != TXN_NO_OP) {
        const struct batch_op op = txn_op_at(txn, newest);
        if (op.code == BATCH_MERGE) { /* as it is written, what it is merged into need not be remembered as read */
            const struct own_operands own = { txn, newest };
            return collection_get_merged(collection, key, &txn->snapshot, &(struct merged_own){ each_own, &own },
                                         value);
        }
        return op.code == BATCH_PUT ? value_copy(txn->store, op.value, value) : NACRE_NOT_FOUND;
    }
    int status = txn->serializable ? remember_read(txn, collection, key) : NACRE_OK;
    return status == NACRE_OK ? collection_get(collection, key, &txn->snapshot, value) : status;
}

int txn_get_vector(nacre_txn *txn, nacre_collection *collection, nacre_slice key, float *vector, nacre_value *value)
{
    const uint32_t own = txn_find_own(txn, collection, key);
    if (own != TXN_NO_OP) {
        const struct batch_op op = txn_op_at(txn, own);
        if (op.code != BATCH_PUT) {
            return NACRE_NOT_FOUND;
        }
        int status = value ? value_copy(txn->store, op.value, value) : NACRE_OK;
        if (status == NACRE_OK) {
            memcpy(vector, op.vector.data, op.vector.size);
        }
        return status;
    }
    int status = txn->serializable ? remember_read(txn, collection, key) : NACRE_OK;
    return status == NACRE_OK ? collection_get_vector(collection, key, &txn->snapshot, vector, value) : status;
}
