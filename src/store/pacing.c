/* Pacing: writers slow down in proportion to what the background is behind, long before the hard limit, and never by a count of files.

   Debt is the greater of: sealed memtables against their share of the budget, and merges against a few times the base level. From half
   of the limit on every KiB costs a delay that grows with the square of the rest; a thread saves its delays up and sleeps a
   millisecond at a time, so that almost all writes are not delayed at all. At the hard limit a write waits for progress up to its
   timeout and then gets NACRE_BUSY. Locks: progress_lock. */
#include "base/clock.h"
#include "base/status.h"
#include "store/event.h"
#include "store/store.h"
#include <errno.h>
#include <time.h>

#define SLEEP_NS              1000000u
#define LOOK_NS               UINT64_C(100000000)
#define MEMORY_LOOK_NS        UINT64_C(10000000)
#define DELAY_MOST_NS_PER_KIB 50000u /* 20 MB/s just below the limit */

static uint64_t merge_debt_limit(const nacre_store *store)
{
    return 2 * tuning_get(&store->tuning, TUNING_level_base_bytes) +
           atomic_load_explicit(&store->limits.memtable_total, memory_order_relaxed);
}

/* Four memtables fit into the share: three sealed and the active one. At the limit there is no room for a fifth. */
static uint64_t sealed_limit(const nacre_store *store)
{
    uint64_t total = atomic_load_explicit(&store->limits.memtable_total, memory_order_relaxed);
    uint64_t seal = atomic_load_explicit(&store->limits.seal_bytes, memory_order_relaxed);
    return total > seal ? total - seal / 2 : total / 2 + 1;
}

/* How full the memtables' share is, the active one included, so that delays rise steadily and not by whole memtables. */
static double tables_share(const nacre_store *store)
{
    uint64_t bytes = atomic_load_explicit(&store->sealed_bytes, memory_order_relaxed) +
                     atomic_load_explicit(&store->active_bytes, memory_order_relaxed);
    return (double)bytes / (double)atomic_load_explicit(&store->limits.memtable_total, memory_order_relaxed);
}

/* What of the log's limit is used; 0 while the newest file is all there is, as it cannot go. */
static double log_share(nacre_store *store)
{
    if (!atomic_load_explicit(&store->log_open, memory_order_acquire) ||
        wal_oldest_file(store->wal) == WAL_FILE(wal_end(store->wal))) {
        return 0;
    }
    return (double)store_log_bytes(store) / (double)store->log_limit;
}

/* Whoever changes it from none to one, or back, tells. */
static void note_stall(nacre_store *store, enum stall_reason reason)
{
    if (atomic_load_explicit(&store->stall, memory_order_relaxed) == (int)reason) {
        return;
    }
    enum stall_reason before =
        (enum stall_reason)atomic_exchange_explicit(&store->stall, (int)reason, memory_order_acq_rel);
    if ((before == STALL_NONE) == (reason == STALL_NONE)) {
        return;
    }
    uint64_t now = clock_monotonic_ns(), began = atomic_load_explicit(&store->stall_began_ns, memory_order_relaxed);
    if (reason != STALL_NONE) {
        atomic_store_explicit(&store->stall_began_ns, now, memory_order_relaxed);
        event_stall(store, reason, true, 0);
    } else {
        event_stall(store, before, false, began && now > began ? now - began : 0);
    }
}

void pacing_count_stall(nacre_store *store, enum stall_reason reason, uint64_t ns)
{
    stats_add_stall(&store->stats, reason, ns);
    if (store_latencies(store)) {
        latency_record(store->latencies, LATENCY_stall, ns);
    }
}

void pacing_apply(nacre_store *store)
{
    double merges =
        (double)atomic_load_explicit(&store->merge_debt, memory_order_relaxed) / (double)merge_debt_limit(store);
    double sealed = tables_share(store);
    double worst = merges > sealed ? merges : sealed;
    enum stall_reason reason = merges > sealed ? STALL_MERGES : STALL_MEMTABLES;
    double log = 2 * log_share(store) - 1; /* a half, where delays begin, at the three fourths that seals begin at */
    reason = log > worst ? STALL_LOG : reason;
    worst = log > worst ? log : worst;
    worst = worst > 1 ? 1 : worst;
    double over = worst > 0.5 ? 2 * (worst - 0.5) : 0;
    uint64_t delay = (uint64_t)(over * over * DELAY_MOST_NS_PER_KIB);
    atomic_store_explicit(&store->delay_ns_per_kib, delay, memory_order_relaxed);
    note_stall(store, delay ? reason : STALL_NONE);
}

void pacing_update(nacre_store *store)
{
    uint64_t debt = atomic_load_explicit(&store->value_debt, memory_order_relaxed);
    pthread_mutex_lock(&store->collections_lock);
    for (size_t i = 0; i < store->collection_count; i++) {
        debt += tree_debt(store->collections[i]->tree);
    }
    pthread_mutex_unlock(&store->collections_lock);
    atomic_store_explicit(&store->merge_debt, debt, memory_order_relaxed);
    budget_apply(store);
    pacing_apply(store);
}

void store_progress(nacre_store *store)
{
    pthread_mutex_lock(&store->progress_lock);
    pthread_cond_broadcast(&store->progress);
    pthread_mutex_unlock(&store->progress_lock);
}

static bool sealed_over_limit(const nacre_store *store)
{
    return atomic_load_explicit(&store->sealed_bytes, memory_order_relaxed) >= sealed_limit(store);
}

static bool over_limit(nacre_store *store)
{
    return sealed_over_limit(store) || log_share(store) >= 1;
}

static int refuse(nacre_store *store, uint32_t timeout_ms)
{
    if (sealed_over_limit(store)) {
        return fail(NACRE_BUSY, "%llu bytes of sealed memtables wait for their flush, the limit is %llu; waited %u ms",
                    (unsigned long long)atomic_load_explicit(&store->sealed_bytes, memory_order_relaxed),
                    (unsigned long long)sealed_limit(store), timeout_ms);
    }
    return fail(NACRE_BUSY, "the log has %llu bytes that wait for flushes, its limit is %llu; waited %u ms",
                (unsigned long long)store_log_bytes(store), (unsigned long long)store->log_limit, timeout_ms);
}

/* progress_lock held. Until there is progress, or for `look_ns`, as readers let go of memory without telling: then false. Never past `until_ns`. */
static bool wait_for_progress(nacre_store *store, uint64_t look_ns, uint64_t until_ns)
{
    uint64_t next_ns = clock_monotonic_ns() + look_ns;
    next_ns = next_ns < until_ns ? next_ns : until_ns;
    struct timespec next = { .tv_sec = (time_t)(next_ns / 1000000000u), .tv_nsec = (long)(next_ns % 1000000000u) };
    return pthread_cond_timedwait(&store->progress, &store->progress_lock, &next) != ETIMEDOUT;
}

static int wait_for_room(nacre_store *store, uint32_t timeout_ms)
{
    uint64_t start = clock_monotonic_ns(), until_ns = start + (uint64_t)timeout_ms * 1000000u;
    enum stall_reason reason = sealed_over_limit(store) ? STALL_MEMTABLES : STALL_LOG;
    int status = NACRE_OK;
    pthread_mutex_lock(&store->progress_lock);
    while (over_limit(store) && (status = store_check_writable(store)) == NACRE_OK) {
        bool progress = wait_for_progress(store, LOOK_NS, until_ns);
        if (clock_monotonic_ns() >= until_ns && over_limit(store)) {
            status = refuse(store, timeout_ms);
            break;
        }
        if (!progress) {
            work_housekeep(store);
        }
    }
    pthread_mutex_unlock(&store->progress_lock);
    pacing_count_stall(store, reason, clock_monotonic_ns() - start);
    if (status == NACRE_BUSY) {
        stats_add(&store->stats, STATS_busy, 1);
    }
    return status;
}

int pacing_wait_for_memory(nacre_store *store, uint64_t bytes, uint64_t began_ns, uint32_t timeout_ms)
{
    timeout_ms = timeout_ms ? timeout_ms : store->write_timeout_ms;
    uint64_t start = clock_monotonic_ns(), until_ns = began_ns + (uint64_t)timeout_ms * 1000000u;
    int status = NACRE_OK;
    while (!budget_make_room(store, bytes) && (status = store_check_writable(store)) == NACRE_OK) {
        if (clock_monotonic_ns() >= until_ns) {
            status = budget_refuse(store, timeout_ms);
            break;
        }
        pthread_mutex_lock(&store->progress_lock);
        bool progress = wait_for_progress(store, MEMORY_LOOK_NS, until_ns);
        pthread_mutex_unlock(&store->progress_lock);
        if (!progress) {
            work_housekeep(store); /* frees what was flushed, and readers have let go of */
        }
    }
    pacing_count_stall(store, STALL_MEMTABLES, clock_monotonic_ns() - start);
    if (status == NACRE_BUSY) {
        stats_add(&store->stats, STATS_busy, 1);
    }
    return status;
}

int pacing_admit(nacre_store *store, size_t bytes, uint32_t timeout_ms)
{
    static _Thread_local uint64_t owed_ns;
    uint64_t delay = atomic_load_explicit(&store->delay_ns_per_kib, memory_order_relaxed);
    if (__builtin_expect(delay == 0, 1)) {
        return NACRE_OK;
    }
    owed_ns += delay * bytes / 1024;
    if (owed_ns >= SLEEP_NS) {
        uint64_t start = clock_monotonic_ns();
        clock_sleep_ns(SLEEP_NS);
        uint64_t slept = clock_monotonic_ns() - start;
        owed_ns = owed_ns > slept ? owed_ns - slept : 0;
        owed_ns = owed_ns < 8 * SLEEP_NS ? owed_ns : 8 * SLEEP_NS;
        pacing_count_stall(store, (enum stall_reason)atomic_load_explicit(&store->stall, memory_order_relaxed), slept);
    }
    if (!over_limit(store)) {
        return NACRE_OK;
    }
    return wait_for_room(store, timeout_ms ? timeout_ms : store->write_timeout_ms);
}

int pacing_wait_for_flush(nacre_store *store)
{
    int status = NACRE_OK;
    pthread_mutex_lock(&store->progress_lock);
    while (sealed_over_limit(store) && (status = store_check_writable(store)) == NACRE_OK) {
        pthread_cond_wait(&store->progress, &store->progress_lock);
    }
    pthread_mutex_unlock(&store->progress_lock);
    return status;
}
