/* What a segment remembers of the filters it was searched with: for each of the last few, which of its rows are allowed. Keys of a segment never
   change, so what was found out stays true.

   Finding all rows that are allowed costs a question about every key; a walk asks about some. So that is done where few rows are allowed, or when searches
   have asked so much already that it would have cost no more: filter_memory_note counts.
   Any number of threads. */
#ifndef NACRE_VECTORS_FILTER_MEMORY_H
#define NACRE_VECTORS_FILTER_MEMORY_H
#include "base/slice.h"
#include <stdatomic.h>

#define FILTERS_REMEMBERED  8u
#define FILTER_IDENTITY_MAX 1024u /* bytes; filters with a longer one are not remembered */

/* The rows that a filter allows, out of [begin, end) of a segment. Counted; immutable once others see it. */
struct filter_rows {
    atomic_uint references;
    uint32_t begin, end;
    uint32_t count; /* of those allowed */
    size_t words;   /* for all rows of the segment */
    uint64_t
        allowed[]; /* a bit per row of the segment, the first in bit 0 of word 0; none is set outside of [begin, end) */
};
int filter_rows_create(uint32_t rows, uint32_t begin, uint32_t end, struct filter_rows **); /* none; 1 reference */
void filter_rows_unref(struct filter_rows *);                                               /* NULL is fine */
static inline void filter_rows_allow(struct filter_rows *f, uint32_t row)                   /* each once */
{
    f->allowed[row / 64] |= UINT64_C(1) << (row % 64);
    f->count++;
}
uint32_t filter_rows_count(const struct filter_rows *, uint32_t begin, uint32_t end); /* in a part of its range */

/* The place for it in a segment, NULL at first: made when it is first needed. Without memory nothing is remembered. */
struct filter_memory;
typedef struct filter_memory *_Atomic filter_memory_place;

/* What is remembered of all of [begin, end), with a reference; else NULL. */
struct filter_rows *filter_memory_find(filter_memory_place *, nacre_slice identity, uint32_t begin, uint32_t end);
/* `asked` more questions were asked for this filter: how many it were so far. */
uint64_t filter_memory_note(filter_memory_place *, nacre_slice identity, uint64_t asked);
/* Takes a reference of its own. What was longest not searched with goes. */
void filter_memory_keep(filter_memory_place *, nacre_slice identity, struct filter_rows *);
void filter_memory_free(struct filter_memory *);            /* NULL is fine */
uint64_t filter_memory_bytes(const struct filter_memory *); /* NULL: 0 */
#endif
