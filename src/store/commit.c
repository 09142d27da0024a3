/* The write path: one record into the log, its entries into the memtables, then visible in order (publish.h).

   1. Under commit_lock: sequences are assigned, memory for the entries is assured, the record is in the log, the tables are
      known not to be flushed before this commit has applied (table.writers). Nothing there waits for a disk.
   2. A commit is visible only when it and all before it are applied and as durable as each asked for.
   3. Nothing fails between the log and the memtable: what could fail is done before the record is appended.
   Any thread. Locks: commit_lock. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/values.h"

#define TARGETS_INLINE 8

struct commit_run {
    const struct commit *commit;
    struct table *inline_tables[TARGETS_INLINE], **tables;
    uint64_t first_sequence, last_sequence, ticket;
    wal_position end;
    struct change_list changes;        /* gathered while transactions are about */
    uint64_t largest_table;            /* bytes of the largest memtable written to, unless it was sealed */
    uint64_t began_waiting_ns;         /* for memory; 0: it did not */
    uint64_t short_of_memory;          /* bytes that a memtable was refused; 0: none */
    uint64_t applied[BATCH_MERGE + 1]; /* operations by code */
    bool logged;
    bool frees; /* it deletes and does nothing else */
};

static bool only_deletes(nacre_slice payload)
{
    struct reader reader = reader_of(payload);
    struct batch_op op;
    bool only = true;
    while (only && batch_decode(&reader, &op)) {
        only = op.code == BATCH_DELETE || op.code == BATCH_DELETE_RANGE;
    }
    return only;
}

static int check_state(nacre_store *store, const struct commit_run *run)
{
    return run->frees ? store_check_freeing(store) : store_check_writable(store);
}

static void unreserve(const struct commit *commit, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct commit_target *target = &commit->targets[i];
        memtable_unreserve(target->collection->active->memtable, target->entries, target->bytes);
        memtable_unreserve_vectors(target->collection->active->memtable, target->vectors);
    }
}

static int reserve_for(struct memtable *memtable, const struct commit_target *target)
{
    int status = memtable_reserve(memtable, target->entries, target->bytes);
    if (status == NACRE_OK && target->vectors > 0 &&
        (status = memtable_reserve_vectors(memtable, target->vectors)) != NACRE_OK) {
        memtable_unreserve(memtable, target->entries, target->bytes);
    }
    return status;
}

static int reserve(struct commit_run *run)
{
    const struct commit *commit = run->commit;
    for (size_t i = 0; i < commit->target_count; i++) {
        const struct commit_target *target = &commit->targets[i];
        struct table *table = target->collection->active;
        int status = atomic_load_explicit(&target->collection->dropped, memory_order_relaxed)
                         ? fail(NACRE_NOT_FOUND, "collection '%s' was dropped", target->collection->name)
                         : table_keep_values(table, commit->value_files, commit->value_file_count);
        if (status == NACRE_OK) {
            status = reserve_for(table->memtable, target);
            run->short_of_memory = status == NACRE_BUSY ? chunk_pool_refused(target->collection->store->chunks) : 0;
        }
        if (status != NACRE_OK) {
            unreserve(commit, i);
            return status;
        }
    }
    return NACRE_OK;
}

/* Who only frees space on a full disk does not wait for memory that nothing else may take. */
static int reserve_or_excuse(nacre_store *store, struct commit_run *run)
{
    if (!run->frees) {
        return reserve(run);
    }
    chunk_pool_excuse(store->chunks, true);
    int status = reserve(run);
    chunk_pool_excuse(store->chunks, false);
    return status;
}

/* commit_lock held. */
static int enter(nacre_store *store, struct commit_run *run, uint64_t payload_hash)
{
    const struct commit *commit = run->commit;
    int status = check_state(store, run);
    if (status == NACRE_OK && publish_full(&store->publisher)) {
        status = NACRE_BUSY;
    }
    if (status == NACRE_OK && commit->check) {
        status = commit->check->ask(commit->check);
    }
    if (status != NACRE_OK || (status = reserve_or_excuse(store, run)) != NACRE_OK) {
        return status;
    }
    uint64_t last = atomic_load_explicit(&store->last_sequence, memory_order_relaxed);
    run->first_sequence = last + 1;
    run->last_sequence = last + commit->sequences;
    wal_position begin = 0;
    if (!run->logged && store->log_all > 0) {
        run->logged = true;
        payload_hash = wal_payload_hash(commit->payload); /* rare: while a picture is taken */
    }
    if (run->logged) {
        status = wal_append(store->wal, run->first_sequence, commit->payload, payload_hash, &begin, &run->end);
        if (status != NACRE_OK) {
            unreserve(commit, commit->target_count);
            return status;
        }
    }
    /* seq_cst: pairs with the scanner's load in cursor_settle_gap (gap.h, invariant 2). */
    atomic_store_explicit(&store->last_sequence, run->last_sequence, memory_order_seq_cst);
    changes_note(store, &run->changes, run->first_sequence, run->last_sequence);
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

/* Gets in, making room in the log, or in memory, where that is what is missing. */
static int enter_patiently(nacre_store *store, struct commit_run *run, uint64_t payload_hash)
{
    for (;;) {
        pthread_mutex_lock(&store->commit_lock);
        int status = enter(store, run, payload_hash);
        uint64_t short_of_memory = run->short_of_memory;
        bool crowded = status == NACRE_BUSY && publish_full(&store->publisher);
        run->short_of_memory = 0;
        pthread_mutex_unlock(&store->commit_lock);
        if (status != NACRE_BUSY) {
            if (status == NACRE_IO || status == NACRE_NO_SPACE) {
                store_set_state(store, NACRE_STATE_READ_ONLY, status, fail_detail());
            }
            return status;
        }
        uint64_t start = clock_monotonic_ns();
        if (short_of_memory > 0) {
            run->began_waiting_ns = run->began_waiting_ns ? run->began_waiting_ns : start;
            status = pacing_wait_for_memory(store, short_of_memory, run->began_waiting_ns, run->commit->timeout_ms);
            if (status != NACRE_OK) {
                return status;
            }
            continue;
        }
        if (crowded) {
            publish_wait(&store->publisher, publish_visible(&store->publisher) + 1, &store->log_failed);
            pacing_count_stall(store, STALL_TICKETS, clock_monotonic_ns() - start);
            if (atomic_load_explicit(&store->log_failed, memory_order_acquire)) {
                return check_state(store, run);
            }
            continue;
        }
        status = wal_prepare(store->wal, run->commit->payload.size + 4096);
        pacing_count_stall(store, STALL_DISK, clock_monotonic_ns() - start);
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
                           .type = batch_entry_type(op),
                           .vector = op->vector.size ? op->vector.data : NULL };
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
        run->applied[op.code]++;
        table_note_hidden(table, owner, &op);
        if (op.code == BATCH_PUT || op.code == BATCH_MERGE) {
            gap_note_put(&owner->gaps, op.key);
        }
    }
    return status;
}

static void count_applied(nacre_store *store, const struct commit_run *run)
{
    static const enum stats_counter counters[] = { [BATCH_PUT] = STATS_puts,
                                                   [BATCH_DELETE] = STATS_deletes,
                                                   [BATCH_DELETE_RANGE] = STATS_range_deletes,
                                                   [BATCH_MERGE] = STATS_operands_put };
    for (unsigned code = BATCH_PUT; code <= BATCH_MERGE; code++) {
        if (run->applied[code]) {
            stats_add(&store->stats, counters[code], run->applied[code]);
        }
    }
}

/* Lets go of the tables; seals those that are full by now. */
static void leave_tables(struct commit_run *run)
{
    for (size_t i = 0; i < run->commit->target_count; i++) {
        struct table *table = run->tables[i];
        uint64_t bytes = memtable_bytes(table->memtable);
        bool full = table_is_full(run->commit->targets[i].collection, table);
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
                "the log failed before this write; whether it survives is decided by the next opening or a resume");
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
    if (status == NACRE_READ_ONLY && only_deletes(commit.payload)) {
        run.frees = true; /* and waits for nothing: it is what others wait for */
        status = store_check_freeing(store);
    } else if (status == NACRE_OK) {
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
    changes_gather(store, commit.payload, commit.sequences, &run.changes);
    status = enter_patiently(store, &run, run.logged ? wal_payload_hash(commit.payload) : 0);
    if (status != NACRE_OK) {
        goto done;
    }
    int applied = apply(&run);
    leave_tables(&run);
    if (applied != NACRE_OK) {
        /* Past what was reserved: the batch is in the log but not whole in memory. Only a new open can make it whole. */
        store_set_state(store, NACRE_STATE_FAILED, applied,
                        "memory ran out while a logged write was applied; open the store again");
        status = applied;
        goto done;
    }
    publish_applied(&store->publisher, run.ticket);
    status = finish(store, &run);
    count_applied(store, &run);
    stats_add(&store->stats, STATS_commits, 1);
    stats_add(&store->stats, STATS_commit_bytes, commit.payload.size);
    if (run.logged && wal_wants_prepare(store->wal)) {
        /* Every few MiB of log. */
        work_prepare_log(store);
        atomic_store_explicit(&store->active_bytes, run.largest_table, memory_order_relaxed);
        pacing_apply(store);
        work_housekeep(store);
    }
done:
    change_list_free(&run.changes);
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
