/* Snapshots: a sequence that merges must keep seeing. Those of transactions have a place of their own (read_points.h), as long as there is room. Lock:
   snapshots_lock, which also orders them against the list that a merge takes: a snapshot made later is at least as new as all that merge reads.

   While a unit in which a compaction filter acted is installed, none is made: snapshots_held is raised first, then the points are looked through, while a
   transaction takes its point first and then looks whether they are held (all seq_cst): one of the two finds the other. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/store.h"
#include <stdlib.h>

#define WORTH_A_LOOK_MS      1000u
#define WORTH_A_LOOK_CHANGES 256u

static void enter_list(nacre_store *store, nacre_snapshot *snapshot, bool of_transaction)
{
    snapshot->store = store;
    snapshot->created_ms = clock_wall_ms();
    snapshot->of_transaction = of_transaction;
    snapshot->point = NULL;
    snapshot->next = NULL;
    snapshot->views = NULL;
    pthread_mutex_lock(&store->snapshots_lock);
    while (atomic_load_explicit(&store->snapshots_held, memory_order_relaxed) > 0) { /* it changes under the lock */
        pthread_cond_wait(&store->snapshots_free, &store->snapshots_lock);
    }
    if (store->read_only) {
        /* Merges are the writer's, who knows nothing of it: what it sees is kept instead. */
        snapshot->views = view_set_hold(store, &snapshot->sequence);
    } else {
        snapshot->sequence = publish_visible(&store->publisher);
    }
    /* visible only grows, so the list stays sorted by adding at its end: `snapshots` points to the newest. */
    snapshot->previous = store->snapshots;
    if (store->snapshots) {
        store->snapshots->next = snapshot;
    }
    store->snapshots = snapshot;
    store->snapshot_count++;
    store->transaction_count += of_transaction;
    pthread_mutex_unlock(&store->snapshots_lock);
    snapshot->holder = (struct holder){ .kind = of_transaction ? HOLDER_TRANSACTION : HOLDER_SNAPSHOT,
                                        .sequence = snapshot->sequence };
    holder_add(&store->holders, &snapshot->holder);
}

void snapshot_enter_transaction(nacre_store *store, nacre_snapshot *snapshot)
{
    if (!stats_thread_shard) {
        stats_choose_shard();
    }
    snapshot->views = NULL;
    snapshot->point = store->read_only ? NULL
                                       : read_points_take(&store->read_points, &store->publisher, stats_thread_shard,
                                                          &snapshot->sequence);
    if (snapshot->point && atomic_load_explicit(&store->snapshots_held, memory_order_seq_cst) > 0) {
        (void)read_point_release(snapshot->point);
        snapshot->point = NULL;
    }
    if (!snapshot->point) {
        enter_list(store, snapshot, true);
        return;
    }
    snapshot->store = store;
    snapshot->of_transaction = true;
}

int store_snapshot_create(nacre_store *store, nacre_snapshot **snapshot)
{
    nacre_snapshot *fresh = memory_alloc(sizeof *fresh);
    if (!fresh) {
        return NACRE_NO_MEMORY;
    }
    enter_list(store, fresh, false);
    *snapshot = fresh;
    return NACRE_OK;
}

static int look_for_work(nacre_collection *collection, void *context)
{
    (void)context;
    work_post(collection->store, WORK_MERGE, collection);
    return NACRE_OK;
}

/* What a long-lived snapshot kept alive may go now: trees look for work again. Short ones kept hardly anything. */
static void look_again(nacre_store *store, bool kept_things)
{
    if (kept_things && !store->read_only) {
        (void)store_each_collection(store, look_for_work, NULL);
    }
}

static bool leave_list(nacre_store *store, nacre_snapshot *snapshot)
{
    holder_remove(&store->holders, &snapshot->holder);
    pthread_mutex_lock(&store->snapshots_lock);
    if (snapshot->previous) {
        snapshot->previous->next = snapshot->next;
    }
    if (snapshot->next) {
        snapshot->next->previous = snapshot->previous;
    } else {
        store->snapshots = snapshot->previous;
    }
    store->snapshot_count--;
    store->transaction_count -= snapshot->of_transaction;
    bool kept_things = snapshot->previous == NULL && clock_wall_ms() - snapshot->created_ms >= WORTH_A_LOOK_MS;
    pthread_mutex_unlock(&store->snapshots_lock);
    view_set_release(snapshot->views, store);
    return kept_things;
}

void snapshot_leave(nacre_snapshot *snapshot)
{
    nacre_store *store = snapshot->store;
    if (snapshot->point) {
        /* The clock is asked only where enough was written meanwhile for anything to have been kept. */
        bool kept_things = publish_visible(&store->publisher) - snapshot->sequence > WORTH_A_LOOK_CHANGES &&
                           read_point_age_ms(snapshot->point) >= WORTH_A_LOOK_MS;
        read_point_release(snapshot->point);
        look_again(store, kept_things);
    } else {
        look_again(store, leave_list(store, snapshot));
    }
}

void store_snapshot_release(nacre_snapshot *snapshot)
{
    snapshot_leave(snapshot);
    memory_free(snapshot);
}

/* No transaction reads at the sequence or a later one. */
static bool read_points_are_before(nacre_store *store, uint64_t sequence)
{
    uint64_t points[READ_POINTS];
    bool before = true;
    for (size_t i = read_points_list(&store->read_points, points); i-- > 0;) {
        before = before && points[i] < sequence;
    }
    return before;
}

/* lock held. */
static void let_go(nacre_store *store)
{
    if (atomic_fetch_sub_explicit(&store->snapshots_held, 1, memory_order_seq_cst) == 1) {
        pthread_cond_broadcast(&store->snapshots_free);
    }
}

/* A snapshot that sees the entries as they were before the filter must never see them otherwise; one that is made once the unit is installed always does. */
bool store_begin_filtered(void *context, uint64_t least_sequence)
{
    nacre_store *store = context;
    pthread_mutex_lock(&store->snapshots_lock);
    atomic_fetch_add_explicit(&store->snapshots_held, 1, memory_order_seq_cst);
    bool unseen = (!store->snapshots || store->snapshots->sequence < least_sequence) &&
                  read_points_are_before(store, least_sequence);
    if (!unseen) {
        let_go(store);
    }
    pthread_mutex_unlock(&store->snapshots_lock);
    return unseen;
}

void store_end_filtered(void *context)
{
    nacre_store *store = context;
    pthread_mutex_lock(&store->snapshots_lock);
    let_go(store);
    pthread_mutex_unlock(&store->snapshots_lock);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int store_sees(void *context, uint64_t sequence)
{
    nacre_store *store = context;
    if (!atomic_load_explicit(&store->log_open, memory_order_acquire) ||
        publish_visible(&store->publisher) >= sequence) {
        return NACRE_OK; /* nobody reads before the log is open */
    }
    return atomic_load_explicit(&store->log_failed, memory_order_acquire)
               ? fail(NACRE_READ_ONLY, "the log failed before an ingest became visible")
               : NACRE_BUSY;
}

int store_snapshots(void *context, uint64_t **sequences, size_t *count)
{
    nacre_store *store = context;
    uint64_t points[READ_POINTS];
    int status = NACRE_OK;
    *sequences = NULL;
    *count = 0;
    const size_t point_count = read_points_list(&store->read_points, points);
    pthread_mutex_lock(&store->snapshots_lock);
    const size_t wanted = store->snapshot_count + point_count;
    if (wanted > 0) {
        *sequences = memory_alloc(wanted * sizeof **sequences);
        status = *sequences ? NACRE_OK : NACRE_NO_MEMORY;
        for (const nacre_snapshot *s = store->snapshots; s && *sequences; s = s->previous) {
            (*sequences)[(*count)++] = s->sequence;
        }
    }
    pthread_mutex_unlock(&store->snapshots_lock);
    if (*sequences) {
        memcpy(*sequences + *count, points, point_count * sizeof *points);
        *count = wanted;
        qsort(*sequences, wanted, sizeof **sequences, by_number);
    }
    return status;
}

void store_count_snapshots(nacre_store *store, struct snapshot_counts *counts)
{
    const uint64_t now = clock_wall_ms();
    *counts = (struct snapshot_counts){ 0 };
    counts->transactions = read_points_count(&store->read_points, &counts->oldest_transaction_age_ms);
    pthread_mutex_lock(&store->snapshots_lock);
    for (const nacre_snapshot *s = store->snapshots; s; s = s->previous) {
        uint64_t *count = s->of_transaction ? &counts->transactions : &counts->snapshots;
        uint64_t *oldest = s->of_transaction ? &counts->oldest_transaction_age_ms : &counts->oldest_snapshot_age_ms;
        uint64_t age = now > s->created_ms ? now - s->created_ms : 0;
        ++*count;
        *oldest = age > *oldest ? age : *oldest;
    }
    pthread_mutex_unlock(&store->snapshots_lock);
}
