/* Transactions: beginning, ending, memory, savepoints (see txn.h). A thread keeps one ended transaction, as long as it is small, for the next.
   No locks of its own. */
#include "store/txn.h"
#include "base/memory.h"
#include "base/status.h"

/* Not counted of a transaction that has a place among the read points, so that a short one adds to no counter that others add to; there are READ_POINTS of
   these, which bounds what is not counted. Others are counted from their first byte on. */
#define FREE_BYTES  ((uint64_t)16 << 10)
#define BARE_BYTES  (sizeof(nacre_txn) + 1024) /* what it takes with its first operation, about */
#define GRANT_BYTES ((uint64_t)64 << 10)       /* the store's share is taken in such pieces, */
#define GRANT_FIRST ((uint64_t)4 << 10)        /* until it has one of these in smaller ones */
#define SHARE       8u                         /* all transactions together: the memory budget divided by it */
#define KEEP_BYTES  ((size_t)64 << 10)         /* a larger transaction is not kept */

static _Thread_local nacre_txn *kept;
static _Thread_local bool kept_known; /* to the end of the thread */
static pthread_key_t kept_key;
static pthread_once_t kept_once = PTHREAD_ONCE_INIT;

static void free_memory(nacre_txn *txn)
{
    buffer_free(&txn->batch.payload);
    memory_free(txn->batch.targets);
    memory_free(txn->ops);
    key_set_free(&txn->writes);
    key_set_free(&txn->reads);
    buffer_free(&txn->read_keys);
    memory_free(txn->read_collections);
    memory_free(txn->savepoints);
    buffer_free(&txn->conflict_key);
    memory_free(txn);
}

static void free_kept(void *place)
{
    nacre_txn **mine = place;
    if (*mine) {
        free_memory(*mine);
        *mine = NULL;
    }
}

static void make_key(void)
{
    pthread_key_create(&kept_key, free_kept);
}

static size_t memory_of(const nacre_txn *txn)
{
    return txn->batch.payload.capacity + txn->batch.target_capacity * sizeof *txn->batch.targets +
           txn->op_capacity * sizeof *txn->ops +
           (txn->writes.capacity + txn->reads.capacity) * sizeof *txn->writes.items + txn->read_keys.capacity +
           txn->savepoint_capacity * sizeof *txn->savepoints + txn->conflict_key.capacity;
}

/* Empties it, but for its memory. */
static void clear(nacre_txn *txn)
{
    buffer_clear(&txn->batch.payload);
    txn->batch.target_count = 0;
    txn->batch.count = 0;
    txn->batch.stamps_due = txn->batch.values_due = false;
    txn->repeats = 0;
    txn->doomed = NACRE_OK;
    key_set_clear(&txn->writes);
    key_set_clear(&txn->reads);
    buffer_clear(&txn->read_keys);
    txn->read_collection_count = 0;
    txn->savepoint_count = 0;
    txn->next_savepoint = 0;
    txn->bytes = txn->granted = 0;
    txn->conflict_collection = NULL;
    txn->conflict_sequence = 0;
    buffer_clear(&txn->conflict_key);
}

static void keep(nacre_txn *txn)
{
    if (kept || memory_of(txn) > KEEP_BYTES) {
        free_memory(txn);
        return;
    }
    if (!kept_known) {
        pthread_once(&kept_once, make_key);
        pthread_setspecific(kept_key, &kept);
        kept_known = true;
    }
    kept = txn;
}

static nacre_txn *take(void)
{
    nacre_txn *txn = kept;
    kept = NULL;
    return txn ? txn : memory_zalloc(sizeof *txn);
}

int store_txn_begin(nacre_store *store, const nacre_txn_options *options, nacre_txn **place)
{
    int status = store->read_only ? NACRE_OK : changes_want(store);
    nacre_txn *txn = status == NACRE_OK ? take() : NULL;
    if (!txn) {
        return NACRE_NO_MEMORY;
    }
    clear(txn);
    txn->store = store;
    txn->serializable = options->isolation == NACRE_SERIALIZABLE;
    snapshot_enter_transaction(store, &txn->snapshot);
    txn->uncounted = txn->snapshot.point ? FREE_BYTES : 0;
    txn->bytes = txn->snapshot.point ? 0 : BARE_BYTES;
    stats_add(&store->stats, STATS_txns, 1);
    *place = txn;
    return NACRE_OK;
}

void txn_end(nacre_txn *txn)
{
    nacre_store *store = txn->store;
    while (txn->scans) {
        txn_scan_detach(txn->scans);
    }
    while (txn->ranges) {
        struct txn_range *range = txn->ranges;
        txn->ranges = range->next;
        buffer_free(&range->begin);
        buffer_free(&range->end);
        memory_free(range);
    }
    txn->range_count = 0;
    if (txn->granted) {
        atomic_fetch_sub_explicit(&store->changes.txn_bytes, txn->granted, memory_order_relaxed);
    }
    snapshot_leave(&txn->snapshot);
    keep(txn);
}

/* ---- memory ---- */

int txn_charge(nacre_txn *txn, uint64_t bytes)
{
    _Atomic uint64_t *shared = &txn->store->changes.txn_bytes;
    const uint64_t wanted = txn->bytes + bytes, share = txn->store->memory_budget / SHARE;
    if (wanted > txn->granted + txn->uncounted) {
        const uint64_t piece = txn->granted < GRANT_BYTES ? GRANT_FIRST : GRANT_BYTES;
        uint64_t more = (wanted - txn->granted - txn->uncounted + piece - 1) / piece * piece;
        uint64_t before = atomic_fetch_add_explicit(shared, more, memory_order_relaxed);
        if (before + more > share) {
            atomic_fetch_sub_explicit(shared, more, memory_order_relaxed);
            return fail(NACRE_LIMIT,
                        "the transaction would grow over %llu bytes, of the %llu that all transactions together may "
                        "have (an eighth of memory_budget)",
                        (unsigned long long)wanted, (unsigned long long)share);
        }
        txn->granted += more;
    }
    txn->bytes = wanted;
    return NACRE_OK;
}

void txn_discharge(nacre_txn *txn, uint64_t bytes)
{
    txn->bytes -= bytes;
}

/* ---- savepoints ---- */

int txn_savepoint(nacre_txn *txn, uint64_t *savepoint)
{
    if (txn->savepoint_count == txn->savepoint_capacity) {
        size_t capacity = txn->savepoint_capacity ? 2 * txn->savepoint_capacity : 8;
        int status = txn_charge(txn, (capacity - txn->savepoint_capacity) * sizeof *txn->savepoints);
        if (status != NACRE_OK) {
            return status;
        }
        struct txn_savepoint *more = memory_realloc(txn->savepoints, capacity * sizeof *more);
        if (!more) {
            return NACRE_NO_MEMORY;
        }
        txn->savepoints = more;
        txn->savepoint_capacity = capacity;
    }
    *savepoint = ++txn->next_savepoint;
    txn->savepoints[txn->savepoint_count++] = (struct txn_savepoint){ *savepoint, (size_t)txn->batch.count };
    return NACRE_OK;
}

static struct commit_target *target_of(struct nacre_batch *batch, uint32_t collection)
{
    struct commit_target *target = batch->targets;
    while (target->collection->id != collection) {
        target++;
    }
    return target;
}

static void take_back(nacre_txn *txn, size_t number)
{
    const struct txn_op *op = &txn->ops[number];
    const struct batch_op words = txn_op_at(txn, number);
    struct commit_target *target = target_of(&txn->batch, words.collection);
    target->entries--;
    target->bytes -= words.key.size + words.value.size;
    target->vectors -= words.vector.size != 0;
    if (op->previous == TXN_NO_OP) {
        key_set_remove_last(&txn->writes); /* the key came with this operation, and all later keys are gone */
    } else {
        txn->writes.items[op->item].newest = op->previous;
        txn->repeats--;
    }
    txn_discharge(txn, txn_op_bytes(&words));
    txn->batch.payload.size = op->at;
    txn->batch.count--;
}

int txn_rollback_to(nacre_txn *txn, uint64_t savepoint)
{
    size_t at = txn->savepoint_count;
    while (at > 0 && txn->savepoints[at - 1].name > savepoint) {
        at--;
    }
    if (at == 0 || txn->savepoints[at - 1].name != savepoint) {
        return fail(NACRE_INVALID, "the transaction has no savepoint %llu, or went back beyond it",
                    (unsigned long long)savepoint);
    }
    txn->savepoint_count = at;
    while (txn->batch.count > txn->savepoints[at - 1].ops) {
        take_back(txn, (size_t)txn->batch.count - 1);
    }
    return NACRE_OK;
}
