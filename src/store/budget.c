/* One budget of memory for all of a store (see budget.h).

   memory_budget >= memtables + block cache + what is outside of both (readers of segments, dead rows, transactions, the store's parts, memtables that
   readers hold) + what flushes, merges and builds hold or are likely to. What is outside is looked at after flushes and merges, every few MiB of log, and
   when a write waits; the cache gets what memtables and that leave, and when that is nothing, memtables get less: they are sealed earlier, writers slowed
   down and held (pacing.c).

   Invariants:
   1. A region of memory is reserved for memtables only where the sum above stays within the budget with it, the cache counted with all that it may grow
      to (budget_has_room); or where memtables hold no more than LEAST_PART of the budget, so that writes go on whatever the others need.
   2. limits.cache_bytes, which the sum goes by, rises before the cache may grow and falls after it has given way; one thread at a time does that.
   Between a look and the next, readers of new segments are not counted, and a share that was worked out while a region was taken does not know of it: that is
   what BUDGET_ON_TOP is for.

   A build of an index is counted with what it was granted from its begin on. One build always gets its grant, so that work goes on whatever the budget;
   others wait for it. Flushes ask for nothing: they give memory back. A thread that was lent by a build does not wait (it would for itself).
   Locks: budget.lock, which takes no other; budget.sharing, then those of the cache. budget_has_room takes none. */
#include "store/budget.h"
#include "base/clock.h"
#include "base/status.h"
#include "store/store.h"
#include <time.h>

#define MIB           (UINT64_C(1) << 20)
#define CACHE_LEAST   MIB
#define LEAST_PART    8u /* of the budget: memtables keep it, whatever else needs memory */
#define ROOM_AHEAD    (2 * CHUNK_BYTES)
#define BUFFER_PART   64u /* of the budget: the buffer of a file that is written */
#define BUFFER_LEAST  ((size_t)64 << 10)
#define GATHERED      (2 * MIB)
#define LOOK_EVERY_NS UINT64_C(50000000)
#define AT_REST_NS    UINT64_C(10000000000)

static _Thread_local unsigned grants_held; /* by this thread */

void budget_init(struct budget *b)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&b->lock, NULL);
    pthread_mutex_init(&b->sharing, NULL);
    pthread_cond_init(&b->returned, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void budget_destroy(struct budget *b)
{
    pthread_mutex_destroy(&b->lock);
    pthread_mutex_destroy(&b->sharing);
    pthread_cond_destroy(&b->returned);
}

/* ---- what is outside ---- */

struct look {
    uint64_t bytes, segments, tables, collections;
};

static int add_collection(nacre_collection *c, void *context)
{
    struct look *look = context;
    struct tree_stats tree;
    tree_get_stats(c->tree, &tree);
    look->bytes += tree.readers_bytes + tree.dead_bytes + tree.version_bytes + gap_cache_bytes(&c->gaps);
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        look->segments += tree.level_bytes[level];
    }
    struct view *view = view_hold(c);
    for (uint32_t i = 0; i < view->table_count; i++) {
        look->tables += memtable_memory(view->tables[i]->memtable);
    }
    view_release(c->store, view);
    look->collections++;
    return NACRE_OK;
}

static uint64_t load(const _Atomic uint64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed); /* stands alone */
}

static uint64_t building(nacre_store *store)
{
    int64_t metered = atomic_load_explicit(&store->building.bytes, memory_order_relaxed);
    uint64_t granted = load(&store->budget.granted);
    return metered > 0 && (uint64_t)metered > granted ? (uint64_t)metered : granted;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Of the parts of the store themselves. */
static uint64_t parts_bytes(nacre_store *store, const struct look *look)
{
    struct wal_stats wal = { 0 };
    struct value_log_stats values = { 0 };
    if (atomic_load_explicit(&store->log_open, memory_order_acquire)) {
        wal_get_stats(store->wal, &wal);
    }
    if (store->values) {
        value_log_get_stats(store->values, &values);
    }
    return sizeof *store + sizeof *store->latencies + wal.heap_bytes + values.heap_bytes +
           less(block_cache_memory(store->cache), block_cache_bytes(store->cache)) +
           look->collections * sizeof(nacre_collection) + load(&store->changes.txn_bytes);
}

/* Those of readers: tables that are flushed, but held. */
static void look_outside(nacre_store *store)
{
    struct look look = { 0, 0, 0, 0 };
    (void)store_each_collection(store, add_collection, &look); /* without memory for that: as it was */
    look.bytes += parts_bytes(store, &look);
    uint64_t held = less(chunk_pool_table_bytes(store->chunks), look.tables);
    look.bytes += held;
    atomic_store_explicit(&store->budget.tables, look.tables, memory_order_relaxed);
    atomic_store_explicit(&store->budget.held, held, memory_order_relaxed);
    atomic_store_explicit(&store->budget.outside, look.bytes, memory_order_relaxed);
    atomic_store_explicit(&store->budget.segment_bytes, look.segments, memory_order_relaxed);
}

/* ---- who gets what ---- */

size_t budget_buffer_bytes(const nacre_store *store)
{
    size_t bytes = WRITER_BUFFER_BYTES;
    while (bytes > BUFFER_LEAST && bytes > store->memory_budget / BUFFER_PART) {
        bytes /= 2;
    }
    return bytes;
}

/* What flushes and merges in all background threads are likely to hold at once: two files each, and what their kinds gather. Builds have grants. */
static uint64_t likely_building(const nacre_store *store)
{
    uint64_t likely = store->background_threads * (2 * budget_buffer_bytes(store) + GATHERED);
    uint64_t most = store->memory_budget / 8 * 3;
    return likely < most ? likely : most;
}

void budget_note_work(nacre_store *store)
{
    atomic_store_explicit(&store->budget.worked_ns, clock_monotonic_ns(), memory_order_relaxed);
}

/* The cache leaves room for what is likely while there is work now and then; where all is at rest it has that too. */
static uint64_t building_soon(nacre_store *store)
{
    uint64_t worked = load(&store->budget.worked_ns), built = building(store), likely = likely_building(store);
    bool soon = worked != 0 && clock_monotonic_ns() - worked < AT_REST_NS;
    return soon && likely > built ? likely : built;
}

/* The budget, and what was set to more than fits it. */
static uint64_t budget_of(const nacre_store *store)
{
    uint64_t shares = load(&store->limits.memtable_share) + load(&store->limits.cache_share);
    return store->memory_budget > shares ? store->memory_budget : shares;
}

/* Memtables of all sorts, and chunks kept for them: exact, as each is counted when it is taken. */
static uint64_t tables_bytes(const nacre_store *store)
{
    return store->chunks ? chunk_pool_all_bytes(store->chunks) : 0;
}

/* `more`: what memtables are about to take. */
static void share(nacre_store *store, uint64_t more)
{
    struct store_limits *limits = &store->limits;
    pthread_mutex_lock(&store->budget.sharing);
    uint64_t tables = load(&limits->memtable_share), seal = load(&limits->seal_share);
    uint64_t cache = load(&limits->cache_share), all = budget_of(store);
    uint64_t held = load(&store->budget.held);
    uint64_t left = less(all, load(&store->budget.outside) + building_soon(store));
    uint64_t most = left > all / LEAST_PART + CACHE_LEAST ? left - CACHE_LEAST : all / LEAST_PART;
    if (tables > most) {
        tables = most;
        seal = seal < tables / 4 ? seal : tables / 4;
    }
    /* Where memtables hold more than they have been given, the cache grows as they are flushed. */
    uint64_t now = less(tables_bytes(store), held) + more;
    uint64_t rest = less(left, tables > now ? tables : now);
    cache = cache < rest ? cache : rest > CACHE_LEAST ? rest : CACHE_LEAST;
    atomic_store_explicit(&limits->memtable_total, tables, memory_order_relaxed);
    atomic_store_explicit(&limits->seal_bytes, seal, memory_order_relaxed);
    uint64_t before = load(&limits->cache_bytes);
    if (cache > before) {
        atomic_store_explicit(&limits->cache_bytes, cache, memory_order_relaxed);
    }
    if (cache != before && store->cache) {
        block_cache_set_capacity(store->cache, cache);
    }
    atomic_store_explicit(&limits->cache_bytes, cache, memory_order_relaxed);
    pthread_mutex_unlock(&store->budget.sharing);
}

void budget_share(nacre_store *store)
{
    share(store, 0);
}

/* Memtables that take more than their part wait for flushes, but for some slack: chunks of many that are small. */
static uint64_t tables_most(const nacre_store *store)
{
    uint64_t total = load(&store->limits.memtable_total);
    return total + total / 4 + CHUNK_BYTES;
}

bool budget_has_room(void *context, uint64_t bytes)
{
    nacre_store *store = context;
    const struct budget *b = &store->budget;
    uint64_t tables = tables_bytes(store), held = load(&b->held), own = less(tables, held), all = budget_of(store);
    if (own <= all / LEAST_PART || !atomic_load_explicit(&store->log_open, memory_order_acquire)) {
        return true; /* the least that memtables keep; recovery has its own bound */
    }
    uint64_t cache = load(&store->limits.cache_bytes), cached = block_cache_bytes(store->cache);
    uint64_t built = building(store), likely = likely_building(store);
    uint64_t others =
        less(load(&b->outside), held) + (cache > cached ? cache : cached) + (built > likely ? built : likely);
    return own + bytes <= tables_most(store) && tables + others + bytes <= all;
}

/* Collections that are written now and then each keep a memtable: together they must not come to more than the part of all. */
static void seal_largest(nacre_store *store)
{
    nacre_collection *largest = NULL;
    struct table *table = NULL;
    uint64_t bytes = 0;
    pthread_mutex_lock(&store->collections_lock);
    pthread_mutex_lock(&store->commit_lock);
    for (size_t i = 0; i < store->collection_count; i++) {
        nacre_collection *c = store->collections[i];
        uint64_t one = memtable_memory(c->active->memtable);
        if (one > bytes && memtable_entries(c->active->memtable) > 0 &&
            !atomic_load_explicit(&c->dropped, memory_order_relaxed)) {
            largest = c;
            table = c->active; /* compared only */
            bytes = one;
        }
    }
    pthread_mutex_unlock(&store->commit_lock);
    pthread_mutex_unlock(&store->collections_lock);
    if (largest) {
        (void)collection_seal(largest, table); /* without memory, the next round tries */
    }
}

static void look_if_due(nacre_store *store)
{
    struct budget *b = &store->budget;
    uint64_t now = clock_monotonic_ns(), looked = load(&b->looked_ns);
    if (now - looked >= LOOK_EVERY_NS && atomic_compare_exchange_strong_explicit(
                                             &b->looked_ns, &looked, now, memory_order_relaxed, memory_order_relaxed)) {
        look_outside(store);
    }
}

/* Flushes that are due free less than a fourth of what memtables hold: not enough for all threads to have something to do. */
static bool little_is_sealed(const nacre_store *store)
{
    return load(&store->sealed_bytes) < less(tables_bytes(store), load(&store->budget.held)) / 4 &&
           atomic_load_explicit(&store->log_open, memory_order_acquire);
}

void budget_apply(nacre_store *store)
{
    look_if_due(store);
    budget_share(store);
    if (load(&store->budget.tables) > load(&store->limits.memtable_total) && little_is_sealed(store)) {
        seal_largest(store);
    }
}

bool budget_make_room(nacre_store *store, uint64_t bytes)
{
    look_if_due(store);
    budget_note_work(store); /* what is sealed is flushed before long */
    chunk_pool_trim(store->chunks);
    share(store, bytes + ROOM_AHEAD);
    if (budget_has_room(store, bytes)) {
        return true;
    }
    if (little_is_sealed(store)) {
        seal_largest(store);
    }
    return false;
}

int budget_refuse(nacre_store *store, uint32_t waited_ms)
{
    typedef unsigned long long number;
    return fail(NACRE_BUSY,
                "memory: of memory_budget, %llu bytes, memtables hold %llu, and %llu are used elsewhere; waited %u ms",
                (number)budget_of(store), (number)tables_bytes(store),
                (number)(less(load(&store->budget.outside), load(&store->budget.held)) + building(store) +
                         block_cache_bytes(store->cache)),
                waited_ms);
}

/* ---- grants ---- */

static uint64_t grants_most(const nacre_store *store)
{
    return store->memory_budget / 4 * 3;
}

uint64_t budget_grant(void *context, uint64_t wanted)
{
    nacre_store *store = context;
    struct budget *b = &store->budget;
    uint64_t most = grants_most(store);
    bool waited = false;
    wanted = wanted < most ? wanted : most;
    pthread_mutex_lock(&b->lock);
    while (grants_held == 0 && b->builds > 0 &&
           atomic_load_explicit(&b->granted, memory_order_relaxed) + wanted > most &&
           !atomic_load_explicit(&store->stopping, memory_order_relaxed)) {
        uint64_t until_ns = clock_monotonic_ns() + LOOK_EVERY_NS; /* a close is not told of here */
        struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000u),
                                  .tv_nsec = (long)(until_ns % 1000000000u) };
        (void)pthread_cond_timedwait(&b->returned, &b->lock, &until);
        waited = true;
    }
    b->builds++;
    grants_held++;
    atomic_fetch_add_explicit(&b->granted, wanted, memory_order_relaxed);
    pthread_mutex_unlock(&b->lock);
    atomic_fetch_add_explicit(&b->waits, waited, memory_order_relaxed);
    budget_share(store);
    return wanted;
}

void budget_give_back(void *context, uint64_t granted)
{
    nacre_store *store = context;
    struct budget *b = &store->budget;
    pthread_mutex_lock(&b->lock);
    b->builds--;
    grants_held--;
    atomic_fetch_sub_explicit(&b->granted, granted, memory_order_relaxed);
    pthread_cond_broadcast(&b->returned);
    pthread_mutex_unlock(&b->lock);
    budget_share(store);
}
