/* Learned dead ranges (see gap.h for the invariants). */
#include "store/gap.h"
#include "base/memory.h"

void gap_cache_init(struct gap_cache *cache)
{
    atomic_init(&cache->count, 0);
    atomic_init(&cache->next_slot, 0);
    atomic_init(&cache->version, 0);
    atomic_init(&cache->retired, NULL);
    for (unsigned i = 0; i < GAP_SLOTS; i++) {
        atomic_init(&cache->slots[i], NULL);
    }
}

void gap_free_list(struct gap *gap)
{
    while (gap) {
        struct gap *next = gap->next_retired;
        memory_free(gap);
        gap = next;
    }
}

struct gap *gap_take_retired(struct gap_cache *cache)
{
    return atomic_exchange_explicit(&cache->retired, NULL, memory_order_acquire); /* pairs with retire */
}

void gap_cache_free(struct gap_cache *cache)
{
    gap_free_list(gap_take_retired(cache));
    for (unsigned i = 0; i < GAP_SLOTS; i++) {
        memory_free(atomic_load_explicit(&cache->slots[i], memory_order_relaxed));
    }
}

static void retire(struct gap_cache *cache, struct gap *gap)
{
    struct gap *head = atomic_load_explicit(&cache->retired, memory_order_relaxed);
    do {
        gap->next_retired = head;
    } while (!atomic_compare_exchange_weak_explicit(&cache->retired, &head, gap, memory_order_release,
                                                    memory_order_relaxed));
}

static bool holds(const struct gap *gap, nacre_slice key)
{
    return (!gap->has_begin || slice_compare(key, gap_begin(gap)) >= 0) &&
           (!gap->has_end || slice_compare(key, gap_end(gap)) < 0);
}

/* Puts `fresh` (may be NULL) in the place of `old`; false when the slot holds something else by now. Takes over both. */
static bool replace(struct gap_cache *cache, unsigned slot, struct gap *old, struct gap *fresh)
{
    if (!atomic_compare_exchange_strong_explicit(&cache->slots[slot], &old, fresh, memory_order_seq_cst,
                                                 memory_order_seq_cst)) {
        return false;
    }
    if (old && !fresh) {
        atomic_fetch_sub_explicit(&cache->count, 1, memory_order_seq_cst);
    }
    if (old) {
        retire(cache, old);
    }
    return true;
}

static void set_begin(struct gap *gap, nacre_slice key)
{
    gap->has_begin = true;
    gap->begin_size = (uint16_t)key.size;
    if (key.size) {
        memcpy(gap->begin, key.data, key.size);
    }
}

static void set_end(struct gap *gap, nacre_slice key)
{
    gap->has_end = true;
    gap->end_size = (uint16_t)key.size;
    if (key.size) {
        memcpy(gap->end, key.data, key.size);
    }
}

/* What stays of a gap when `key` comes alive: the part before it, or behind it for a gap that a reverse cursor is making. NULL: nothing. */
static struct gap *cut_copy(const struct gap *gap, nacre_slice key)
{
    bool keep_behind = gap->since == UINT64_MAX && !gap->has_begin && gap->has_end;
    if (key.size >= GAP_KEY_MAX || (!keep_behind && gap->has_begin && slice_equal(key, gap_begin(gap)))) {
        return NULL;
    }
    struct gap *fresh = memory_alloc(sizeof *fresh);
    if (!fresh) {
        return NULL;
    }
    *fresh = *gap;
    if (keep_behind) {
        set_begin(fresh, key);
        fresh->begin[fresh->begin_size++] = 0; /* the least key after it */
    } else {
        set_end(fresh, key);
    }
    return fresh;
}

static void cut_slot(struct gap_cache *cache, unsigned slot, nacre_slice key)
{
    for (;;) {
        struct gap *gap = atomic_load_explicit(&cache->slots[slot], memory_order_seq_cst);
        if (!gap || !holds(gap, key)) {
            return;
        }
        struct gap *fresh = cut_copy(gap, key);
        if (replace(cache, slot, gap, fresh)) {
            return;
        }
        memory_free(fresh);
    }
}

void gap_cut(struct gap_cache *cache, nacre_slice key)
{
    uint64_t before, after = atomic_load_explicit(&cache->version, memory_order_seq_cst);
    do {
        before = after;
        for (unsigned i = 0; i < GAP_SLOTS; i++) {
            cut_slot(cache, i, key);
        }
        after = atomic_load_explicit(&cache->version, memory_order_seq_cst);
    } while (after != before);
}

static bool meets(const struct gap *gap, nacre_slice smallest, nacre_slice greatest)
{
    return (!gap->has_begin || slice_compare(greatest, gap_begin(gap)) >= 0) &&
           (!gap->has_end || slice_compare(smallest, gap_end(gap)) < 0);
}

void gap_cut_range(struct gap_cache *cache, nacre_slice smallest, nacre_slice greatest)
{
    uint64_t before, after = atomic_load_explicit(&cache->version, memory_order_seq_cst);
    do {
        before = after;
        for (unsigned i = 0; i < GAP_SLOTS; i++) {
            struct gap *gap;
            do {
                gap = atomic_load_explicit(&cache->slots[i], memory_order_seq_cst);
            } while (gap && meets(gap, smallest, greatest) && !replace(cache, i, gap, NULL));
        }
        after = atomic_load_explicit(&cache->version, memory_order_seq_cst);
    } while (after != before);
}

void gap_clear(struct gap_cache *cache)
{
    uint64_t before, after = atomic_load_explicit(&cache->version, memory_order_seq_cst);
    do {
        before = after;
        for (unsigned i = 0; i < GAP_SLOTS; i++) {
            struct gap *gap;
            do {
                gap = atomic_load_explicit(&cache->slots[i], memory_order_seq_cst);
            } while (gap && !replace(cache, i, gap, NULL));
        }
        after = atomic_load_explicit(&cache->version, memory_order_seq_cst);
    } while (after != before);
}

const struct gap *gap_find(const struct gap_cache *cache, nacre_slice key, uint64_t snapshot)
{
    if (atomic_load_explicit(&cache->count, memory_order_relaxed) == 0) {
        return NULL;
    }
    for (unsigned i = 0; i < GAP_SLOTS; i++) {
        const struct gap *gap = atomic_load_explicit(&cache->slots[i], memory_order_acquire); /* pairs with replace */
        if (gap && gap->since <= snapshot && gap->since != UINT64_MAX && holds(gap, key)) {
            return gap;
        }
    }
    return NULL;
}

int gap_register(struct gap_cache *cache, const void *owner, nacre_slice bound, bool reverse)
{
    if (bound.size > GAP_KEY_MAX) {
        return -1;
    }
    struct gap *gap = memory_zalloc(sizeof *gap);
    if (!gap) {
        return -1;
    }
    gap->since = UINT64_MAX;
    gap->owner = owner;
    if (reverse) {
        set_end(gap, bound);
    } else {
        set_begin(gap, bound);
    }
    unsigned start = atomic_load_explicit(&cache->next_slot, memory_order_relaxed);
    for (unsigned i = 0; i < 2 * GAP_SLOTS; i++) { /* first round: empty slots only */
        unsigned slot = (start + i) % GAP_SLOTS;
        struct gap *old = atomic_load_explicit(&cache->slots[slot], memory_order_acquire);
        if (old && (i < GAP_SLOTS || old->since == UINT64_MAX)) {
            continue; /* in the second round: another cursor is at work on it */
        }
        if (old) {
            atomic_store_explicit(&cache->next_slot, slot + 1,
                                  memory_order_relaxed); /* turns are taken in being replaced */
        }
        /* Counted first, so that a writer that could miss the slot's change does not skip the look (invariant 2). */
        if (!old) {
            atomic_fetch_add_explicit(&cache->count, 1, memory_order_seq_cst);
        }
        if (replace(cache, slot, old, gap)) {
            return (int)slot;
        }
        if (!old) {
            atomic_fetch_sub_explicit(&cache->count, 1, memory_order_seq_cst);
        }
    }
    memory_free(gap);
    return -1;
}

/* The slot of a settled gap that ends where `tentative` begins (or begins where it ends), or -1. */
static int neighbour(struct gap_cache *cache, const struct gap *tentative, bool reverse, struct gap **found)
{
    for (unsigned i = 0; i < GAP_SLOTS; i++) {
        struct gap *other = atomic_load_explicit(&cache->slots[i], memory_order_acquire);
        if (!other || other->since == UINT64_MAX) {
            continue;
        }
        const struct gap *left = reverse ? tentative : other, *right = reverse ? other : tentative;
        if (left->has_end && right->has_begin && slice_compare(gap_end(left), gap_begin(right)) >= 0 &&
            (!left->has_begin || slice_compare(gap_begin(left), gap_begin(right)) <= 0)) {
            *found = other;
            return (int)i;
        }
    }
    return -1;
}

static void empty_slot(struct gap_cache *cache, unsigned slot)
{
    struct gap *now;
    do {
        now = atomic_load_explicit(&cache->slots[slot], memory_order_seq_cst);
    } while (now && !replace(cache, slot, now, NULL));
}

/* Invariant 3: `fresh` takes the neighbour's range in as well, in the neighbour's slot. True when that was done and the tentative one is gone. */
static bool grow_neighbour(struct gap_cache *cache, int slot, struct gap *tentative, const struct gap *fresh,
                           bool reverse)
{
    struct gap *other = NULL;
    int at = neighbour(cache, fresh, reverse, &other);
    struct gap *grown = at < 0 ? NULL : memory_alloc(sizeof *grown);
    if (!grown) {
        return false;
    }
    *grown = *fresh;
    grown->since = fresh->since > other->since ? fresh->since : other->since;
    if (reverse) {
        grown->has_end = other->has_end;
        grown->end_size = other->end_size;
        memcpy(grown->end, other->end, sizeof grown->end);
    } else {
        grown->has_begin = other->has_begin;
        grown->begin_size = other->begin_size;
        memcpy(grown->begin, other->begin, sizeof grown->begin);
    }
    if (!replace(cache, (unsigned)at, other, grown)) {
        memory_free(grown);
        return false;
    }
    atomic_fetch_add_explicit(&cache->version, 1, memory_order_seq_cst);
    if (!replace(cache, (unsigned)slot, tentative, NULL)) {
        /* A writer cut the tentative one: it may have missed the grown one. Both go. */
        empty_slot(cache, (unsigned)at);
        empty_slot(cache, (unsigned)slot);
    }
    return true;
}

void gap_settle(struct gap_cache *cache, int slot, const void *owner, bool confirmed, uint64_t since, bool has_stop,
                nacre_slice stop, bool reverse)
{
    for (;;) {
        struct gap *gap = atomic_load_explicit(&cache->slots[slot], memory_order_seq_cst);
        if (!gap || gap->owner != owner || gap->since != UINT64_MAX) {
            return;
        }
        struct gap *fresh = NULL;
        if (confirmed && has_stop && stop.size < GAP_KEY_MAX && (fresh = memory_alloc(sizeof *fresh)) != NULL) {
            *fresh = *gap;
            fresh->since = since;
            fresh->owner = NULL;
            if (reverse && (!fresh->has_begin || slice_compare(gap_begin(fresh), stop) <= 0)) {
                set_begin(fresh, stop);
                fresh->begin[fresh->begin_size++] = 0;
            } else if (!reverse && (!fresh->has_end || slice_compare(gap_end(fresh), stop) > 0)) {
                set_end(fresh, stop);
            }
        }
        if (fresh && grow_neighbour(cache, slot, gap, fresh, reverse)) {
            memory_free(fresh);
            return;
        }
        if (replace(cache, (unsigned)slot, gap, fresh)) {
            return;
        }
        memory_free(fresh);
    }
}

uint64_t gap_cache_bytes(const struct gap_cache *cache)
{
    return atomic_load_explicit(&cache->count, memory_order_relaxed) * sizeof(struct gap);
}
