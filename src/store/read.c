/* Point reads: memtables newest first, then the segments, inside one RCU read section. No lock, no allocation for small values. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/status.h"
#include "store/merged.h"
#include "store/value.h"
#include "store/values.h"
#include <urcu/urcu-bp.h>

/* A get that is timed is also looked at more closely: what it asked, and what the block cache had. */
struct get_watch {
    uint64_t began; /* 0: this one is not */
    struct lookup_counts counts;
    struct block_cache_lookups cache;
};

static inline void get_watch_begin(struct get_watch *watch, const nacre_collection *collection, struct lookup *lookup)
{
    watch->began = STORE_TIME(collection->store, get);
    if (__builtin_expect(watch->began != 0, 0)) {
        watch->counts = (struct lookup_counts){ 0 };
        watch->cache = block_cache_own_lookups();
        lookup->counts = &watch->counts;
    }
}

static inline void get_watch_end(const struct get_watch *watch, nacre_collection *collection)
{
    if (__builtin_expect(watch->began != 0, 0)) {
        struct block_cache_lookups cache = block_cache_own_lookups();
        cache.hits -= watch->cache.hits;
        cache.misses -= watch->cache.misses;
        read_figures_add(&collection->reads, &watch->counts, &cache);
        STORE_TIMED(collection->store, get, watch->began);
        work_note_reads(collection->store, LATENCY_EVERY_get);
    }
}

static bool expired(const struct entry *entry)
{
    return entry->expiry_ms != 0 && entry->expiry_ms <= clock_wall_ms();
}

/* The newest version in the memtables, or the newest range delete over the key in them (*covered). */
static bool find_in_tables(const struct view *view, const struct lookup *lookup, uint64_t *covered, struct entry *entry)
{
    *covered = 0;
    for (uint32_t i = 0; i < view->table_count; i++) {
        const struct memtable *memtable = view->tables[i]->memtable;
        if (memtable_has_ranges(memtable)) {
            uint64_t range = memtable_covering(memtable, lookup->key, lookup->snapshot);
            *covered = range > *covered ? range : *covered;
        }
        if (memtable_get(memtable, lookup->key, lookup->snapshot, entry)) {
            return true;
        }
    }
    return false;
}

/* Inside a read section; entry->value and *pin live as the view does. */
static int find(const struct view *view, const struct lookup *lookup, struct entry *entry, struct pin *pin)
{
    uint64_t covered;
    int status = NACRE_OK;
    if (!find_in_tables(view, lookup, &covered, entry)) {
        status = version_get(view->version, lookup, covered, entry, pin);
    }
    if (status == NACRE_OK && (entry->type == ENTRY_DELETE || entry->sequence < covered || expired(entry))) {
        pin_release(pin);
        status = NACRE_NOT_FOUND;
    }
    return status;
}

/* A value that is made of operands. */
static int give_merged(nacre_collection *collection, const struct view *view, const struct lookup *lookup,
                       const struct merged_own *own, nacre_value *value)
{
    struct merge_fold fold = { 0 };
    nacre_slice bytes;
    int status = merged_value(collection, view, lookup, own, &fold, &bytes);
    if (status == NACRE_OK) {
        status = value_copy(collection->store, bytes, value);
    }
    fold_free(&fold);
    return status;
}

static int give(nacre_collection *collection, struct view *view, const struct lookup *lookup, struct entry *entry,
                struct pin *pin, nacre_value *value)
{
    if (__builtin_expect(entry->type == ENTRY_MERGE, 0)) {
        pin_release(pin);
        return give_merged(collection, view, lookup, NULL, value);
    }
    int resolved = value_resolve(collection->store, lookup->key, entry, pin);
    if (resolved != NACRE_OK) {
        return resolved;
    }
    if (entry->value.size <= VALUE_COPY_MOST) {
        int status = value_copy(collection->store, entry->value, value);
        pin_release(pin);
        return status;
    }
    atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed); /* inside the read section: not zero */
    return value_pin(collection->store, view, pin, entry->value, value);
}

/* The vector and the value are optional. */
static inline int get_one(nacre_collection *collection, nacre_slice key, const nacre_snapshot *snapshot, float *vector,
                          nacre_value *value)
{
    struct lookup lookup = { .key = key, .hash = hash_bytes(key.data, key.size) };
    struct entry entry;
    struct pin pin = { NULL, NULL };
    struct get_watch watch;
    stats_add(&collection->store->stats, STATS_gets, 1);
    get_watch_begin(&watch, collection, &lookup);
    urcu_bp_read_lock();
    struct view *view = view_at(collection, snapshot, &lookup.snapshot);
    int status = find(view, &lookup, &entry, &pin);
    if (status == NACRE_OK) {
        if (vector) {
            memcpy(vector, entry.vector, collection->vector_bytes);
        }
        if (value) {
            status = give(collection, view, &lookup, &entry, &pin, value);
        } else {
            pin_release(&pin);
        }
    }
    urcu_bp_read_unlock();
    stats_add(&collection->store->stats, STATS_get_hits, status == NACRE_OK);
    get_watch_end(&watch, collection);
    return status;
}

int collection_get(nacre_collection *collection, nacre_slice key, const nacre_snapshot *snapshot, nacre_value *value)
{
    return get_one(collection, key, snapshot, NULL, value);
}

int collection_get_vector(nacre_collection *collection, nacre_slice key, const nacre_snapshot *snapshot, float *vector,
                          nacre_value *value)
{
    return get_one(collection, key, snapshot, vector, value);
}

int collection_get_merged(nacre_collection *collection, nacre_slice key, const nacre_snapshot *snapshot,
                          const struct merged_own *own, nacre_value *value)
{
    struct lookup lookup = { .key = key, .hash = hash_bytes(key.data, key.size) };
    stats_add(&collection->store->stats, STATS_gets, 1);
    urcu_bp_read_lock();
    struct view *view = view_at(collection, snapshot, &lookup.snapshot);
    int status = give_merged(collection, view, &lookup, own, value);
    urcu_bp_read_unlock();
    stats_add(&collection->store->stats, STATS_get_hits, status == NACRE_OK);
    return status;
}

#define MULTI_GET_AHEAD 8

int collection_multi_get(nacre_collection *collection, const nacre_slice *keys, size_t count,
                         const nacre_snapshot *snapshot, nacre_value *values, int *statuses)
{
    struct lookup ahead[MULTI_GET_AHEAD];
    int worst = NACRE_OK;
    uint64_t hits = 0;
    stats_add(&collection->store->stats, STATS_gets, count);
    urcu_bp_read_lock();
    uint64_t sequence;
    struct view *view = view_at(collection, snapshot, &sequence);
    for (size_t first = 0; first < count; first += MULTI_GET_AHEAD) {
        size_t some = count - first < MULTI_GET_AHEAD ? count - first : MULTI_GET_AHEAD;
        for (size_t i = 0; i < some; i++) {
            nacre_slice key = keys[first + i];
            ahead[i] = (struct lookup){ key, hash_bytes(key.data, key.size), sequence, NULL };
            version_prefetch(view->version, 0, &ahead[i]);
        }
        for (size_t i = 0; i < some; i++) {
            struct entry entry;
            struct pin pin = { NULL, NULL };
            int status = find(view, &ahead[i], &entry, &pin);
            values[first + i] = (nacre_value){ { NULL, 0 }, NULL };
            if (status == NACRE_OK) {
                status = give(collection, view, &ahead[i], &entry, &pin, &values[first + i]);
            }
            statuses[first + i] = status;
            hits += status == NACRE_OK;
            worst = status != NACRE_OK && status != NACRE_NOT_FOUND ? status : worst;
        }
    }
    urcu_bp_read_unlock();
    stats_add(&collection->store->stats, STATS_get_hits, hits);
    return worst;
}
