/* Dead ranges that cursors have learned: a queue that is popped at its front, or a range that was deleted key by key, is walked
   once and then jumped over, however many tombstones and dead versions still lie in memtables and segments.

   A gap says: every key in [begin, end) is deleted or expired at every sequence >= since. It is about keys, not about where they
   are kept, so that seals and merges do not touch it; only a put into it does.
   Invariants:
   1. a writer looks at the gaps after its sequence is assigned and before it is visible (gap_note_put) and cuts every gap that
      holds its key.
   2. a scanner first registers a tentative gap, then reads which sequence was assigned last; only if its own view is at least that new does it
      confirm: every later writer has seen the gap, every earlier one is in the scanner's view. (seq_cst on both sides.)
   3. a gap that grows to take in its neighbour is installed first, then `version` goes up, and only then the neighbour is looked at
      again: a writer that may have missed the larger gap sees the new version and looks once more, one that did not has changed the
      neighbour before.
   4. gaps are immutable objects; slots change by compare-and-swap; old objects are freed after a grace period.
   Any thread, inside an RCU read section. No locks. */
#ifndef NACRE_STORE_GAP_H
#define NACRE_STORE_GAP_H
#include "base/slice.h"
#include <stdatomic.h>

#define GAP_SLOTS   8u
#define GAP_KEY_MAX 128u /* longer keys make no gaps */
#define GAP_WORTH   128u /* dead keys in a row that make a cursor register one */
#define GAP_GROWTH  16u  /* dead keys behind a gap that make it grow */

struct gap {
    uint64_t since;    /* UINT64_MAX while tentative */
    const void *owner; /* the cursor of a tentative gap */
    bool has_begin, has_end;
    uint16_t begin_size, end_size;
    uint8_t begin[GAP_KEY_MAX], end[GAP_KEY_MAX + 1];
    struct gap *next_retired;
};
struct gap_cache {
    _Atomic uint32_t count; /* slots in use: the writers' fast test */
    _Atomic uint32_t next_slot;
    _Atomic uint64_t version;
    _Atomic(struct gap *) slots[GAP_SLOTS];
    _Atomic(struct gap *) retired;
};
void gap_cache_init(struct gap_cache *);
uint64_t gap_cache_bytes(const struct gap_cache *); /* heap */
void gap_cache_free(struct gap_cache *);            /* no users left */
struct gap *gap_take_retired(struct gap_cache *);   /* free with gap_free_list after a grace period */
void gap_free_list(struct gap *);

/* The writer's side; `key` is about to become visible as a put. */
void gap_cut(struct gap_cache *, nacre_slice key);
static inline void gap_note_put(struct gap_cache *cache, nacre_slice key)
{
    /* seq_cst: pairs with the registration in gap_register (invariant 2). */
    if (atomic_load_explicit(&cache->count, memory_order_seq_cst) != 0) {
        gap_cut(cache, key);
    }
}

/* For who makes puts visible that it did not see one by one: all gaps go. Their sequences are assigned already (invariant 2). */
void gap_clear(struct gap_cache *);
/* All keys from `smallest` to `greatest` are: gaps that hold any of them go. */
void gap_cut_range(struct gap_cache *, nacre_slice smallest, nacre_slice greatest);
static inline void gap_note_range(struct gap_cache *cache, nacre_slice smallest, nacre_slice greatest)
{
    if (atomic_load_explicit(&cache->count, memory_order_seq_cst) != 0) { /* as in gap_note_put */
        gap_cut_range(cache, smallest, greatest);
    }
}

/* The scanner's side. gap_find: the gap that holds `key` and counts at `snapshot`, or NULL. */
const struct gap *gap_find(const struct gap_cache *, nacre_slice key, uint64_t snapshot);
/* A tentative gap from `bound` on (forward), or up to it (reverse). Returns its slot, or -1. */
int gap_register(struct gap_cache *, const void *owner, nacre_slice bound, bool reverse);
/* The cursor came to `stop`, the first live key (or, with has_stop false, to the end): ends or begins the gap there. With
   confirmed = false it is only taken away. */
void gap_settle(struct gap_cache *, int slot, const void *owner, bool confirmed, uint64_t since, bool has_stop,
                nacre_slice stop, bool reverse);
static inline nacre_slice gap_begin(const struct gap *g)
{
    return (nacre_slice){ g->begin, g->begin_size };
}
static inline nacre_slice gap_end(const struct gap *g)
{
    return (nacre_slice){ g->end, g->end_size };
}
#endif
