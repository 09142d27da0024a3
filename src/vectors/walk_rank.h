/* From the beam of a walk to rows on full vectors. Private to src/vectors/. */
#ifndef NACRE_VECTORS_WALK_RANK_H
#define NACRE_VECTORS_WALK_RANK_H
#include "vectors/code_scan.h"
#include "vectors/graph_walk.h"

/* What is kept while a beam is given out, part after part. */
struct walk_rank {
    struct walk *walk; /* after it has run */
    const struct vector_rows *rows;
    const struct graph_search *search;
    struct row_gate *gate;
    uint32_t at; /* entries of the beam before it were taken */
};
/* How many entries of the beam pass: counted where that is quick, else reckoned from the first ones. */
double walk_rank_passing(struct walk_rank *);
/* Gives the next 2 k entries that pass, or fewer where the beam ends, from near to far, until there are enough. */
int walk_rank_next(struct walk_rank *, bool *enough);
#endif
