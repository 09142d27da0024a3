/* Searches over the list of leaves, in place of the tree: a key costs a look at its bytes, which lie in memory about in the order of the list,
   and no walk that leads to it.

   Leaves go through a queue: when one comes in, its memory is asked for, and when it comes out, it is there.
   Invariant: a leaf's piece has one lane and number for ever, so the parts of a scan are disjoint, and hold together all that was listed
   when the first of them was begun, however the lists grow. (That all that counts is listed: memtable.c, 7.)
   Threads: any; each scan one at a time. No locks. */
#include "base/memory.h"
#include "memtable/table.h"
#include <stdlib.h>

#define FEW_PER_ONE 16u /* gathering and sorting pays where at most one key of so many is wanted */

/* ---- leaves as they are listed ---- */

/* On to the next piece of the part. */
static bool next_piece(struct memtable_scan *s)
{
    for (;;) {
        if (s->piece)
            s->piece = s->piece->older;
        else if (s->lane < ARENA_SLOTS)
            s->piece = atomic_load_explicit(&s->table->slots[s->lane++].leaves, memory_order_acquire);
        else
            return false;
        if (s->piece && (s->piece->number + s->lane) % s->parts == s->part)
            break;
    }
    s->at = 0;
    s->count = leaf_piece_count(s->piece);
    return true;
}

/* The next place with a leaf whose sketch does not rule it out. */
static inline struct leaf_place *next_listed(struct memtable_scan *s)
{
    const struct automaton *automaton = s->search->automaton;
    for (;;) {
        while (s->at < s->count) {
            struct leaf_place *place = &s->piece->places[s->at++];
            uint64_t sketch = atomic_load_explicit(&place->sketch, memory_order_relaxed);
            if (sketch && !automaton_may_want(automaton, sketch))
                continue;
            if (leaf_place_leaf(place))
                return place;
        }
        if (!next_piece(s))
            return NULL;
    }
}

static inline bool enqueue(struct memtable_scan *s)
{
    struct leaf_place *place = next_listed(s);
    if (!place)
        return false;
    const struct leaf *leaf = leaf_place_leaf(place);
    __builtin_prefetch(leaf);
    __builtin_prefetch((const uint8_t *)leaf + 64);
    s->queue[s->queue_end++ % MEMTABLE_SCAN_AHEAD] = place;
    return true;
}

/* ---- those that are wanted ---- */

static bool is_inside(const struct memtable_search *search, nacre_slice key)
{
    return (search->begin.size == 0 || slice_compare(key, search->begin) >= 0) &&
           (search->end.size == 0 || slice_compare(key, search->end) < 0);
}

/* Makes the sketch where there is none yet; one that there was has let the key pass already. */
static inline bool sketch_lets_pass(const struct automaton *automaton, struct leaf_place *place, nacre_slice key)
{
    if (atomic_load_explicit(&place->sketch, memory_order_relaxed))
        return true;
    uint64_t sketch = sketch_of(key);
    atomic_store_explicit(&place->sketch, sketch, memory_order_relaxed);
    return automaton_may_want(automaton, sketch);
}

static inline const struct leaf *next_wanted(struct memtable_scan *s)
{
    struct memtable_search *search = s->search;
    bool wanted = false, bounded = search->begin.size || search->end.size;
    while (!s->drained && s->queue_end - s->queue_begin < MEMTABLE_SCAN_AHEAD)
        s->drained = !enqueue(s);
    while (s->queue_begin != s->queue_end) {
        struct leaf_place *place = s->queue[s->queue_begin++ % MEMTABLE_SCAN_AHEAD];
        const struct leaf *leaf = leaf_place_leaf(place);
        s->drained = s->drained || !enqueue(s);
        if (search->keys_run++ % MEMTABLE_STOP_KEYS == 0 && search->stop &&
            (s->status = search->stop(search->stop_context)) != NACRE_OK)
            return NULL;
        nacre_slice key = leaf_key(leaf);
        if (bounded && !is_inside(search, key))
            continue;
        if (search->automaton->need_count && !sketch_lets_pass(search->automaton, place, key))
            continue;
        if ((s->status = automaton_wants(search->automaton, key, &wanted)) != NACRE_OK)
            return NULL;
        if (wanted)
            return leaf;
    }
    return NULL;
}

bool memtable_scan_next(struct memtable_scan *s, uint64_t snapshot, struct entry *entry)
{
    for (;;) {
        const struct leaf *leaf = next_wanted(s);
        if (!leaf)
            return false;
        const struct version *version = leaf_version_at(leaf, snapshot);
        if (version) {
            version_read(leaf, version, entry);
            return true;
        }
    }
}

/* ---- those that are wanted, in order ---- */

static int compare_leaves(const void *a, const void *b)
{
    return slice_compare(leaf_key(*(const struct leaf *const *)a), leaf_key(*(const struct leaf *const *)b));
}

bool gathering_pays(const struct memtable *table, uint64_t met, uint64_t wanted)
{
    return wanted * FEW_PER_ONE <= met && met < memtable_entries(table) / 2;
}

int leaves_gather(struct memtable *table, struct memtable_search *search, const struct leaf ***leaves, size_t *count)
{
    struct memtable_scan scan = { .table = table, .search = search, .parts = 1 };
    const struct leaf **list = NULL, *leaf;
    size_t used = 0, capacity = 0;
    while ((leaf = next_wanted(&scan)) != NULL) {
        if (used == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            const struct leaf **larger = memory_realloc(list, capacity * sizeof *list);
            if (!larger) {
                scan.status = NACRE_NO_MEMORY;
                break;
            }
            list = larger;
        }
        list[used++] = leaf;
    }
    if (scan.status != NACRE_OK) {
        memory_free(list);
        return scan.status;
    }
    if (used > 1)
        qsort(list, used, sizeof *list, compare_leaves);
    *leaves = list;
    *count = used;
    return NACRE_OK;
}

size_t leaves_lower(const struct leaf *const *leaves, size_t count, nacre_slice key)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(leaf_key(leaves[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
