/* The write path: one record into the log, its entries into the memtables, then visible in order (publish.h).

   1. Under commit_lock: sequences are assigned, memory for the entries is assured, the record is in the log, the tables are
      known not to be flushed before this commit has applied (table.writers). Nothing there waits for a disk.
   2. A commit is visible only when it and all before it are applied and as durable as each asked for.
   3. Nothing fails between the log and the memtable: what could fail is done before the record is appended.
   Any thread. Locks: commit_lock. */
#include "base/memory.h"
#include "base/status.h"
#include "store/batch_format.h"
#include "store/store.h"

#define TARGETS_INLINE 8

struct commit_run {
    const struct commit *commit;
    struct table *inline_tables[TARGETS_INLINE], **tables;
    uint64_t first_sequence, last_sequence, ticket;
    wal_position end;
    uint64_t largest_table; /* bytes of the largest memtable written to, unless it was sealed */
    bool logged;
};

static void unreserve(const struct commit *commit, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct commit_target *target = &commit->targets[i];
        memtable_unreserve(target->collection->active->memtable, target->entries, target->bytes);
    }
}

static int reserve(const struct commit *commit)
{
    for (size_t i = 0; i < commit->target_count; i++) {
        const struct commit_target *target = &commit->targets[i];
        int status = atomic_load_explicit(&target->collection->dropped, memory_order_relaxed)
                         ? fail(NACRE_NOT_FOUND, "collection '%s' was dropped", target->collection->name)
                         : memtable_reserve(target->collection->active->memtable, target->entries, target->bytes);
        if (status != NACRE_OK) {
            unreserve(commit, i);
            return status;
        }
    }
    return NACRE_OK;
}

/* commit_lock held. */
static int enter(nacre_store *store, struct commit_run *run, uint64_t payload_hash)
{
    const struct commit *commit = run->commit;
    int status = store_check_writable(store);
    if (status == NACRE_OK && publish_full(&store->publisher)) {
        status = NACRE_BUSY;
    }
    if (status != NACRE_OK || (status = reserve(commit)) != NACRE_OK) {
        return status;
    }
    uint64_t last = atomic_load_explicit(&store->last_sequence, memory_order_relaxed);
    run->first_sequence = last + 1;
    run->last_sequence = last + commit->sequences;
    wal_position begin = 0;
    if (run->logged) {
        status = wal_append(store->wal, run->first_sequence, commit->payload, payload_hash, &begin, &run->end);
        if (status != NACRE_OK) {
            unreserve(commit, commit->target_count);
            return status;
        }
    }
    /* seq_cst: pairs with the scanner's load in cursor_settle_gap (gap.h, invariant 2). */
    atomic_store_explicit(&store->last_sequence, run->last_sequence, memory_order_seq_cst);
    for (size_t i = 0; i < commit->target_count; i++) {
        struct table *table = commit->targets[i].collection->active;
        run->tables[i] = table;
        atomic_fetch_add_explicit(&table->writers, 1, memory_order_relaxed); /* ordered by commit_lock for who seals */
        if (!run->logged) {
            atomic_store_explicit(&table->unlogged, true, memory_order_relaxed);
        } else if (table->first == 0) {
            table->first = begin;
        }
    }
    run->ticket = publish_take(&store->publisher, run->last_sequence, commit->durability == NACRE_DISK ? run->end : 0);
    return NACRE_OK;
}

/* Gets in, making room in the log where that is what is missing. */
static int enter_patiently(nacre_store *store, struct commit_run *run, uint64_t payload_hash)
{
    for (;;) {
        pthread_mutex_lock(&store->commit_lock);
        int status = enter(store, run, payload_hash);
        bool crowded = status == NACRE_BUSY && publish_full(&store->publisher);
        pthread_mutex_unlock(&store->commit_lock);
        if (status != NACRE_BUSY) {
            if (status == NACRE_IO || status == NACRE_NO_SPACE) {
                store_set_state(store, NACRE_STATE_READ_ONLY, status, fail_detail());
            }
            return status;
        }
        if (crowded) {
            publish_wait(&store->publisher, publish_visible(&store->publisher) + 1, &store->log_failed);
            if (atomic_load_explicit(&store->log_failed, memory_order_acquire)) {
                return store_check_writable(store);
            }
            continue;
        }
        status = wal_prepare(store->wal, run->commit->payload.size + 4096);
        if (status != NACRE_OK) {
            store_set_state(store, NACRE_STATE_READ_ONLY, status, fail_detail());
            return status;
        }
    }
}

static struct table *table_of(const struct commit_run *run, uint32_t collection, nacre_collection **owner)
{
    for (size_t i = 0;; i++) {
        if (run->commit->targets[i].collection->id == collection) {
            *owner = run->commit->targets[i].collection;
            return run->tables[i];
        }
    }
}

int apply_op(struct memtable *memtable, const struct batch_op *op, uint64_t sequence)
{
    if (op->code == BATCH_DELETE_RANGE) {
        return memtable_delete_range(memtable, &(struct range_delete){ op->key, op->value, sequence });
    }
    struct entry entry = { .key = op->key,
                           .value = op->value,
                           .sequence = sequence,
                           .expiry_ms = op->expiry_ms,
                           .type = op->code == BATCH_PUT ? ENTRY_PUT : ENTRY_DELETE };
    return memtable_put(memtable, &entry);
}

static int apply(struct commit_run *run)
{
    struct reader reader = reader_of(run->commit->payload);
    struct batch_op op;
    uint64_t sequence = run->first_sequence;
    int status = NACRE_OK;
    while (batch_decode(&reader, &op)) {
        nacre_collection *owner;
        struct table *table = table_of(run, op.collection, &owner);
        int one = apply_op(table->memtable, &op, sequence++);
        status = status == NACRE_OK ? one : status;
        if (op.code == BATCH_PUT) {
            gap_note_put(&owner->gaps, op.key);
        }
    }
    return status;
}

/* Lets go of the tables; seals those that are full by now. */
static void leave_tables(nacre_store *store, struct commit_run *run)
{
    uint64_t seal_bytes = atomic_load_explicit(&store->limits.seal_bytes, memory_order_relaxed);
    for (size_t i = 0; i < run->commit->target_count; i++) {
        struct table *table = run->tables[i];
        uint64_t bytes = memtable_bytes(table->memtable);
        bool full = bytes >= seal_bytes;
        run->largest_table = bytes > run->largest_table && !full ? bytes : run->largest_table;
        /* Release: pairs with the acquire of who flushes the table (seal.c). From here on it may go away. */
        atomic_fetch_sub_explicit(&table->writers, 1, memory_order_release);
        if (full) {
            /* A seal that finds no memory is tried by the next commit; this one is done. */
            (void)collection_seal(run->commit->targets[i].collection, table);
        }
    }
}

static int finish(nacre_store *store, struct commit_run *run)
{
    if (run->commit->durability == NACRE_DISK) {
        int status = wal_sync(store->wal, run->end);
        if (status != NACRE_OK) {
            store_fail_log(store, status, fail_detail());
            return status;
        }
    }
    publish_advance(&store->publisher, wal_synced(store->wal));
    if (publish_visible(&store->publisher) >= run->last_sequence ||
        publish_wait(&store->publisher, run->last_sequence, &store->log_failed)) {
        return NACRE_OK;
    }
    return fail(NACRE_IO,
                "the log failed before this write; whether it survives is decided by the next open or nacre_resume");
}

static void fill_durability(const nacre_store *store, struct commit *commit)
{
    if (commit->durability == NACRE_DURABILITY_DEFAULT) {
        commit->durability = store->durability;
    }
}

int store_commit(nacre_store *store, const struct commit *given)
{
    struct commit commit = *given;
    fill_durability(store, &commit);
    struct commit_run run = { .commit = &commit, .logged = commit.durability != NACRE_MEMORY };
    run.tables = run.inline_tables;
    int status = store_check_writable(store);
    if (status == NACRE_OK) {
        status = pacing_admit(store, commit.payload.size, commit.timeout_ms);
    }
    if (status != NACRE_OK) {
        return status;
    }
    if (commit.target_count > TARGETS_INLINE) {
        run.tables = memory_alloc(commit.target_count * sizeof *run.tables);
        if (!run.tables) {
            return NACRE_NO_MEMORY;
        }
    }
    status = enter_patiently(store, &run, run.logged ? wal_payload_hash(commit.payload) : 0);
    if (status != NACRE_OK) {
        goto done;
    }
    int applied = apply(&run);
    leave_tables(store, &run);
    if (applied != NACRE_OK) {
        /* Past what was reserved: the batch is in the log but not whole in memory. Only a new open can make it whole. */
        store_set_state(store, NACRE_STATE_FAILED, applied,
                        "memory ran out while a logged write was applied; open the store again");
        status = applied;
        goto done;
    }
    publish_applied(&store->publisher, run.ticket);
    status = finish(store, &run);
    stats_add(&store->stats, STATS_commits, 1);
    stats_add(&store->stats, STATS_commit_bytes, commit.payload.size);
    if (run.logged && wal_wants_prepare(store->wal)) {
        /* Every few MiB of log. */
        atomic_store_explicit(&store->active_bytes, run.largest_table, memory_order_relaxed);
        pacing_apply(store);
        work_housekeep(store);
    }
done:
    if (run.tables != run.inline_tables) {
        memory_free(run.tables);
    }
    return status;
}

static int flush_unlogged(nacre_collection *collection, void *context)
{
    (void)context;
    bool unlogged = false;
    struct view *view = view_hold(collection);
    for (uint32_t i = 0; i < view->table_count; i++) {
        unlogged |= atomic_load_explicit(&view->tables[i]->unlogged, memory_order_relaxed);
    }
    view_release(collection->store, view);
    return unlogged ? collection_flush(collection) : NACRE_OK;
}

int store_flush_unlogged(nacre_store *store)
{
    return store_each_collection(store, flush_unlogged, NULL);
}

int store_sync(nacre_store *store)
{
    int status = store_check_writable(store);
    if (status != NACRE_OK) {
        return status;
    }
    status = wal_sync(store->wal, wal_end(store->wal));
    if (status != NACRE_OK) {
        store_fail_log(store, status, fail_detail());
        return status;
    }
    publish_advance(&store->publisher, wal_synced(store->wal));
    return store_flush_unlogged(store);
}
