/* Which rows of a segment newer segments supersede: a bitmap beside the segment, not in it. A cache of what the newer segments say: nothing on disk, made
   anew where it is missing.

   Counted and, once published, immutable. It tells what is dead to those who see all that superseded it: to a reader whose snapshot is at
   least `valid_from`. For older snapshots the rows count as live, and what each newer segment holds of their keys has to be looked up. */
#ifndef NACRE_SEGMENT_DEAD_ROWS_H
#define NACRE_SEGMENT_DEAD_ROWS_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct roaring_bitmap_s; /* roaring/roaring.h */

struct dead_rows {
    atomic_uint references;
    struct roaring_bitmap_s *bitmap; /* owned; rows are numbered as the kind does */
    uint64_t valid_from;             /* greatest sequence that superseded one of them; 0 = none is dead */
    uint64_t count;                  /* rows in the bitmap, once published */
};
int dead_rows_create(struct dead_rows **);                         /* none dead; 1 reference */
int dead_rows_copy(const struct dead_rows *, struct dead_rows **); /* to add to; NULL copies as none dead */
void dead_rows_seal(struct dead_rows *);                           /* counts and shrinks it: ready to be published */
void dead_rows_ref(struct dead_rows *);                            /* NULL is fine */
void dead_rows_unref(struct dead_rows *);                          /* NULL is fine; the last one frees it */
int dead_rows_add(struct dead_rows *, uint32_t row, uint64_t superseded_by); /* a sequence */
int dead_rows_add_range(struct dead_rows *, uint32_t begin, uint32_t end,
                        uint64_t superseded_by);            /* rows [begin, end) */
bool dead_rows_has(const struct dead_rows *, uint32_t row); /* NULL: none is dead */
uint64_t dead_rows_bytes(const struct dead_rows *);         /* heap */
#endif
