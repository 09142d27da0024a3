/* Sequences that transactions read at, for merges to keep: as snapshot.c does for snapshots, but without a lock, since each transaction, however short, has one.

   Invariant: whoever lists the points has before seen a visible sequence that is at least that of all that it may drop versions from. A point that
   it does not find is at least that new: it is stored first, and then the visible sequence is read, and must be the same (both seq_cst).
   Any thread. */
#ifndef NACRE_STORE_READ_POINTS_H
#define NACRE_STORE_READ_POINTS_H
#include "store/publish.h"
#include <stddef.h>

#define READ_POINTS 128u
struct read_point {
    _Alignas(64) _Atomic uint64_t taken; /* sequence + 1; 0 = free */
    _Atomic uint64_t since_ms;           /* by clock_coarse_ms */
};
struct read_points {
    struct read_point points[READ_POINTS];
};

/* A point at the visible sequence; NULL: all are taken. `hint`: where to look first, as different as possible in different threads. */
struct read_point *read_points_take(struct read_points *, const struct publisher *, unsigned hint, uint64_t *sequence);
uint64_t read_point_age_ms(const struct read_point *);
void read_point_release(struct read_point *);
size_t read_points_list(struct read_points *, uint64_t sequences[READ_POINTS]); /* how many; in no order */
size_t read_points_count(struct read_points *, uint64_t *oldest_age_ms);
#endif
