/* The autotuner (see autotune.h).

   What is moved. cache_bytes: what the block cache does not have of the memory budget is the memtables', and seal_bytes a fourth of that.
   level0_runs: from how many runs on level 0 is merged.

   A window is some work: misses of the cache, flushes, units of merging, or timed reads. At its end the counts since the last window are added to
   sums that fade with TAU_NS, and each way to move is weighed in nanoseconds that it would have saved or cost while they were gathered:
   - a step more cache: the misses on blocks that such a cache would have had still (near, block_cache.h) times what a miss took;
   - a step less: the share of hits that the step has, were all blocks asked for alike; nothing while it is empty;
   - memtables by a step larger or smaller: merges read and write more or less in proportion, as level 0 fills so much later or sooner; half of
     the merges' time counts, as it passes behind the calls, and all of the time that writers were held;
   - more or fewer runs of level 0: merges in the same way, against gets and moves of cursors, which ask each run.

   Invariants:
   1. What the user has set is not moved, nor the memory where either of its two parameters is set; tuning_choose sees to it under tuning.lock.
   2. Cache and memtables together stay in the memory budget: the cache grows only into what memtables have given back (budget.c).
   3. One decision per window at most, of one step; it has to save RATIO times what it costs, and GAIN_LEAST of the time that passed; after one the
      other way WAIT windows pass.
   Locks: deciding, held by who ends a window: the housekeeper, or a test; > those of a seal. autotune.lock, which is held for the figures alone. */
#include "store/autotune.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/event.h"
#include <stdio.h>

typedef unsigned long long number;

#define MIB              (UINT64_C(1) << 20)
#define KEPT             16u
#define REASON_BYTES     224u
#define TAU_NS           1e9 /* older evidence weighs half after about so long */
#define WINDOW_MISSES    4096
#define WINDOW_READS     16384
#define RATIO            2.0
#define GAIN_LEAST       0.01
#define WAIT             8u
#define STEP_PART        16u /* of the budget */
#define SHARE_PART       8u  /* neither gets less than this part of it */
#define CACHE_LEAST      (8 * MIB)
#define SEAL_MOST        (64 * MIB)
#define MERGE_WEIGHT     0.5
#define MISS_NS          4000.0 /* while none was timed */
#define RUN_GET          0.01   /* of a get's time, for each run that level 0 may have more */
#define RUN_MOVE         0.04   /* of a move's */
#define RUNS_MOST_FACTOR 2u
#define RUNS_LEAST_PART  2u

enum seen { /* what is counted in a window */
#define SEEN_ENUM(name) SEEN_##name,
            AUTOTUNE_SEEN(SEEN_ENUM)
#undef SEEN_ENUM
                SEEN_COUNT
};

struct decision {
    uint64_t time_ms, from, to;
    enum tuning_name parameter;
    char reason[REASON_BYTES];
};

struct autotune {
    pthread_mutex_t lock;
    uint64_t windows, decisions;
    struct decision kept[KEPT]; /* the newest, at decisions % KEPT - 1 */
    pthread_mutex_t deciding;   /* one window at a time; guards the rest */
    bool driven, cache_is_full;
    uint64_t last[SEEN_COUNT], last_ns;
    double sums[SEEN_COUNT], ns;
    struct lever {
        int direction;         /* of its last move */
        uint64_t moved_window; /* when that was */
    } memory, runs;
};

static void pressed(void *context)
{
    work_tune(context);
}

int autotune_create(nacre_store *store)
{
    struct autotune *a = memory_zalloc(sizeof *a);
    if (!a) {
        return NACRE_NO_MEMORY;
    }
    pthread_mutex_init(&a->lock, NULL);
    pthread_mutex_init(&a->deciding, NULL);
    a->last_ns = clock_monotonic_ns();
    store->autotune = a;
    block_cache_set_reach(store->cache, store->memory_budget / STEP_PART);
    block_cache_watch(store->cache, pressed, store);
    return NACRE_OK;
}

void autotune_free(nacre_store *store)
{
    if (store->autotune) {
        pthread_mutex_destroy(&store->autotune->lock);
        pthread_mutex_destroy(&store->autotune->deciding);
        memory_free(store->autotune);
        store->autotune = NULL;
    }
}

/* ---- what was measured ---- */

static uint64_t time_of(const nacre_store *store, enum latency_class class, uint64_t *count)
{
    struct histogram_sum sum = { 0 };
    latency_collect(store->latencies, class, &sum);
    *count += sum.count;
    return sum.sum;
}

static void look(nacre_store *store, uint64_t now[SEEN_COUNT])
{
    struct cache_pressure cache;
    struct work_figures work[WORK_CLASSES];
    block_cache_pressure(store->cache, &cache);
    work_get_figures(store, work);
    now[SEEN_hits] = cache.hits;
    now[SEEN_misses] = cache.misses;
    now[SEEN_near] = cache.near;
    now[SEEN_loads] = cache.loads;
    now[SEEN_load_ns] = cache.load_ns;
    now[SEEN_reads] = 0;
    now[SEEN_get_ns] =
        time_of(store, LATENCY_get, &now[SEEN_reads]) + time_of(store, LATENCY_multi_get, &now[SEEN_reads]);
    now[SEEN_move_ns] = time_of(store, LATENCY_cursor_move, &now[SEEN_reads]);
    now[SEEN_merge_ns] = work[WORK_MERGE].busy_ns;
    now[SEEN_merges] = work[WORK_MERGE].done;
    now[SEEN_flushes] = stats_sum(&store->stats, STATS_flushes);
    now[SEEN_stall_ns] =
        stats_sum(&store->stats, STATS_stall_ns_memtables) + stats_sum(&store->stats, STATS_stall_ns_merges);
    now[SEEN_commit_bytes] = stats_sum(&store->stats, STATS_commit_bytes);
}

/* Time that passed, with what was counted in it, is added to sums that fade. */
static void add_window(struct autotune *a, const uint64_t more[SEEN_COUNT], double passed)
{
    double keep = TAU_NS / (TAU_NS + passed);
    for (unsigned i = 0; i < SEEN_COUNT; i++) {
        a->sums[i] = a->sums[i] * keep + (double)more[i];
    }
    a->ns = a->ns * keep + passed;
    pthread_mutex_lock(&a->lock);
    a->windows++;
    pthread_mutex_unlock(&a->lock);
}

/* False: too little has been done since the last window. */
static bool window_ends(struct autotune *a, nacre_store *store)
{
    uint64_t now[SEEN_COUNT], more[SEEN_COUNT], at = clock_monotonic_ns();
    look(store, now);
    for (unsigned i = 0; i < SEEN_COUNT; i++) {
        more[i] = now[i] > a->last[i] ? now[i] - a->last[i] : 0; /* sums over threads may lag */
    }
    if (more[SEEN_misses] < WINDOW_MISSES && more[SEEN_reads] < WINDOW_READS && more[SEEN_flushes] == 0 &&
        more[SEEN_merges] == 0) {
        return false;
    }
    memcpy(a->last, now, sizeof now);
    add_window(a, more, (double)(at - a->last_ns));
    a->last_ns = at;
    uint64_t most = atomic_load_explicit(&store->limits.cache_bytes, memory_order_relaxed);
    a->cache_is_full = block_cache_bytes(store->cache) + store->memory_budget / STEP_PART > most;
    return true;
}

/* ---- moving ---- */

static void keep_decision(struct autotune *a, enum tuning_name parameter, uint64_t from, uint64_t to,
                          const char *reason)
{
    pthread_mutex_lock(&a->lock);
    struct decision *d = &a->kept[a->decisions++ % KEPT];
    *d = (struct decision){ .time_ms = clock_wall_ms(), .from = from, .to = to, .parameter = parameter };
    (void)snprintf(d->reason, sizeof d->reason, "%s", reason);
    pthread_mutex_unlock(&a->lock);
}

/* Tables that are over the size that memtables are sealed at now; and whether merges have work under the tuning of now. */
static int look_at_collection(nacre_collection *collection, void *context)
{
    (void)context;
    nacre_store *store = collection->store;
    struct view *view = view_hold(collection);
    if (table_is_full(collection, view->tables[0])) {
        (void)collection_seal(collection, view->tables[0]); /* without memory the next commit tries */
    }
    view_release(store, view);
    tree_retuned(collection->tree);
    if (tree_wants_work(collection->tree)) {
        work_post(store, WORK_MERGE, collection);
    }
    return NACRE_OK;
}

static bool move(nacre_store *store, enum tuning_name parameter, uint64_t from, uint64_t to, const char *reason)
{
    if (!tuning_choose(&store->tuning, parameter, to)) {
        return false;
    }
    store_apply_tuning(store);
    keep_decision(store->autotune, parameter, from, to, reason);
    (void)store_each_collection(store, look_at_collection, NULL);
    event_tuned(store, tuning_name_of(parameter), to, reason);
    return true;
}

static bool may_move(const struct autotune *a, const struct lever *lever, int direction)
{
    return lever->direction == 0 || lever->direction == direction || a->windows - lever->moved_window > WAIT;
}

static void moved(const struct autotune *a, struct lever *lever, int direction)
{
    lever->direction = direction;
    lever->moved_window = a->windows;
}

static bool pays(const struct autotune *a, double gain, double cost)
{
    return gain > RATIO * cost && gain > GAIN_LEAST * a->ns;
}

/* Time that goes with what is written. Merges that were left over, or come of fewer runs having been chosen for reads, say nothing about how much is
   going to be merged: they count as far as memtables fill. */
static double writing_ns(const nacre_store *store, const double *sums)
{
    double filled =
        sums[SEEN_commit_bytes] / (double)atomic_load_explicit(&store->limits.seal_bytes, memory_order_relaxed);
    return (MERGE_WEIGHT * sums[SEEN_merge_ns] + sums[SEEN_stall_ns]) * (filled < 1 ? filled : 1);
}

/* ---- the memory budget ---- */

struct shares {
    uint64_t budget, step, cache, tables, cache_most, cache_least;
};

static struct shares shares_of(const nacre_store *store)
{
    uint64_t budget = store->memory_budget,
             least = budget / SHARE_PART > CACHE_LEAST ? budget / SHARE_PART : CACHE_LEAST;
    uint64_t chosen = tuning_now(&store->tuning, TUNING_cache_bytes);
    struct shares s = {
        .budget = budget, .step = budget / STEP_PART, .cache_least = least, .cache_most = budget - budget / SHARE_PART
    };
    s.cache = chosen ? chosen : budget / 2;
    s.tables = budget - s.cache;
    return s;
}

/* The share of memtables that counts: beyond, they are sealed at the same size and only more of them may wait. */
static double tables_that_count(uint64_t tables)
{
    return (double)(tables < 4 * SEAL_MOST ? tables : 4 * SEAL_MOST);
}

/* By what part merges do less with memtables of `after` bytes than with `before`; negative: more. */
static double merges_spared(uint64_t before, uint64_t after)
{
    return 1 - tables_that_count(before) / tables_that_count(after);
}

static double cache_loss(const struct autotune *a, const struct shares *s, double miss_ns)
{
    return a->cache_is_full ? a->sums[SEEN_hits] * miss_ns * (double)s->step / (double)s->cache : 0;
}

static bool tune_memory(nacre_store *store)
{
    struct autotune *a = store->autotune;
    const double *sums = a->sums;
    struct shares s = shares_of(store);
    double miss_ns = sums[SEEN_loads] >= 1 ? sums[SEEN_load_ns] / sums[SEEN_loads] : MISS_NS;
    double merges = writing_ns(store, sums);
    char reason[REASON_BYTES];
    uint64_t larger = s.cache + s.step < s.cache_most ? s.cache + s.step : s.cache_most;
    uint64_t smaller = s.cache > s.cache_least + s.step ? s.cache - s.step : s.cache_least;
    if (larger > s.cache && may_move(a, &a->memory, 1)) {
        double gain = sums[SEEN_near] * miss_ns, cost = -merges * merges_spared(s.tables, s.budget - larger);
        (void)snprintf(reason, sizeof reason,
                       "more cache saves %.0f ms and costs %.0f ms of merges in %.0f ms: %.0f hits, %.0f misses, %.0f "
                       "of them near, %.1f us each",
                       gain / 1e6, cost / 1e6, a->ns / 1e6, sums[SEEN_hits], sums[SEEN_misses], sums[SEEN_near],
                       miss_ns / 1e3);
        if (pays(a, gain, cost) && move(store, TUNING_cache_bytes, s.cache, larger, reason)) {
            moved(a, &a->memory, 1);
            return true;
        }
    }
    if (smaller < s.cache && may_move(a, &a->memory, -1)) {
        double gain = merges * merges_spared(s.tables, s.budget - smaller), cost = cache_loss(a, &s, miss_ns);
        (void)snprintf(reason, sizeof reason,
                       "larger memtables save %.0f ms of merges and stalls and cost %.0f ms of reads in %.0f ms: "
                       "merges %.0f ms, stalls %.0f ms, %.1f MB written, %.0f hits of the cache",
                       gain / 1e6, cost / 1e6, a->ns / 1e6, sums[SEEN_merge_ns] / 1e6, sums[SEEN_stall_ns] / 1e6,
                       sums[SEEN_commit_bytes] / 1e6, sums[SEEN_hits]);
        if (pays(a, gain, cost) && move(store, TUNING_cache_bytes, s.cache, smaller, reason)) {
            moved(a, &a->memory, -1);
            return true;
        }
    }
    return false;
}

/* ---- level 0 ---- */

static bool tune_runs(nacre_store *store)
{
    struct autotune *a = store->autotune;
    const double *sums = a->sums;
    uint64_t runs = tuning_now(&store->tuning, TUNING_level0_runs),
             base = tuning_get(&store->tuning, TUNING_level0_runs);
    uint64_t most = base * RUNS_MOST_FACTOR, least = base / RUNS_LEAST_PART > 1 ? base / RUNS_LEAST_PART : 1;
    uint64_t more = runs + runs / 3 + 1 < most ? runs + runs / 3 + 1 : most;
    uint64_t fewer = runs - runs / 4 - 1 > least && runs > runs / 4 + 1 ? runs - runs / 4 - 1 : least;
    double per_run = RUN_GET * sums[SEEN_get_ns] + RUN_MOVE * sums[SEEN_move_ns];
    double merges = writing_ns(store, sums);
    char reason[REASON_BYTES];
    int direction = 0;
    double gain = 0, cost = 0;
    if (more > runs && may_move(a, &a->runs, 1)) {
        gain = merges * (1 - (double)runs / (double)more);
        cost = per_run * (double)(more - runs);
        direction = pays(a, gain, cost) ? 1 : 0;
    }
    if (direction == 0 && fewer < runs && may_move(a, &a->runs, -1)) {
        gain = per_run * (double)(runs - fewer);
        cost = merges * ((double)runs / (double)fewer - 1);
        direction = pays(a, gain, cost) ? -1 : 0;
    }
    (void)snprintf(reason, sizeof reason,
                   "saves %.0f ms and costs %.0f ms in %.0f ms: merges %.0f ms, stalls %.0f ms, gets %.0f ms, moves of "
                   "cursors %.0f ms",
                   gain / 1e6, cost / 1e6, a->ns / 1e6, sums[SEEN_merge_ns] / 1e6, sums[SEEN_stall_ns] / 1e6,
                   sums[SEEN_get_ns] / 1e6, sums[SEEN_move_ns] / 1e6);
    if (direction == 0 || !move(store, TUNING_level0_runs, runs, direction > 0 ? more : fewer, reason)) {
        return false;
    }
    moved(a, &a->runs, direction);
    return true;
}

static bool is_on(const nacre_store *store)
{
    return store->autotune && tuning_get(&store->tuning, TUNING_autotune) &&
           atomic_load_explicit(&store->log_open, memory_order_acquire);
}

/* deciding held; true: something was moved. */
static bool decide(nacre_store *store)
{
    return (!tuning_is_set(&store->tuning, TUNING_cache_bytes) && tune_memory(store)) ||
           (!tuning_is_set(&store->tuning, TUNING_level0_runs) && tune_runs(store));
}

void autotune_step(nacre_store *store)
{
    struct autotune *a = store->autotune;
    if (!is_on(store)) {
        return;
    }
    pthread_mutex_lock(&a->deciding);
    bool moved_something = !a->driven && window_ends(a, store) && decide(store);
    pthread_mutex_unlock(&a->deciding);
    if (!moved_something) {
        budget_apply(store);
    }
}

void autotune_drive(nacre_store *store, const struct autotune_seen *seen, uint64_t ns, bool cache_is_full)
{
    struct autotune *a = store->autotune;
    const uint64_t more[SEEN_COUNT] = {
#define SEEN_FIELD(name) seen->name,
        AUTOTUNE_SEEN(SEEN_FIELD)
#undef SEEN_FIELD
    };
    if (!is_on(store)) {
        return;
    }
    pthread_mutex_lock(&a->deciding);
    if (!a->driven) {
        memset(a->sums, 0, sizeof a->sums);
        a->ns = 0;
        a->driven = true;
    }
    a->cache_is_full = cache_is_full;
    add_window(a, more, (double)ns);
    (void)decide(store);
    pthread_mutex_unlock(&a->deciding);
}

void autotune_settle(nacre_store *store)
{
    if (store->autotune) {
        (void)store_each_collection(store, look_at_collection, NULL);
    }
}

/* ---- telling ---- */

static int append_decision(const struct decision *d, bool first, struct buffer *text)
{
    char reason[2 * REASON_BYTES];
    return buffer_append_format(text,
                                "%s{\"time_ms\":%llu,\"parameter\":\"%s\",\"from\":%llu,\"to\":%llu,\"reason\":\"%s\"}",
                                first ? "" : ",", (number)d->time_ms, tuning_name_of(d->parameter), (number)d->from,
                                (number)d->to, log_escape(d->reason, reason, sizeof reason));
}

int autotune_json(nacre_store *store, struct buffer *text)
{
    struct autotune *a = store->autotune;
    static const struct decision none[KEPT];
    struct decision kept[KEPT];
    uint64_t windows = 0, decisions = 0;
    memcpy(kept, none, sizeof kept);
    if (a) {
        pthread_mutex_lock(&a->lock);
        windows = a->windows;
        decisions = a->decisions;
        memcpy(kept, a->kept, sizeof kept);
        pthread_mutex_unlock(&a->lock);
    }
    const struct store_limits *limits = &store->limits;
    int status = buffer_append_format(
        text,
        "\"autotune\":{\"enabled\":%s,\"windows\":%llu,\"decided\":%llu,\"memtable_share\":%llu,"
        "\"cache_share\":%llu,\"seal_bytes\":%llu,\"level0_runs\":%llu,\"decisions\":[",
        a && tuning_get(&store->tuning, TUNING_autotune) ? "true" : "false", (number)windows, (number)decisions,
        (number)atomic_load_explicit(&limits->memtable_share, memory_order_relaxed),
        (number)atomic_load_explicit(&limits->cache_share, memory_order_relaxed),
        (number)atomic_load_explicit(&limits->seal_share, memory_order_relaxed),
        (number)tuning_now(&store->tuning, TUNING_level0_runs));
    uint64_t first = decisions > KEPT ? decisions - KEPT : 0;
    for (uint64_t i = first; i < decisions && status == NACRE_OK; i++) {
        status = append_decision(&kept[i % KEPT], i == first, text);
    }
    return status == NACRE_OK ? buffer_append_format(text, "]},") : status;
}
