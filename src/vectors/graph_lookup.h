/* The rows of a graph by the hashes of their vectors. Private to src/vectors/graph*.c.

   Codes say how far away a row is to within their error. Where many rows lie nearer to each other than that, a beam is full of them before the one that is looked for has a place. A search
   for the very vector of a row finds it here. Any thread. */
#ifndef NACRE_VECTORS_GRAPH_LOOKUP_H
#define NACRE_VECTORS_GRAPH_LOOKUP_H
#include "vectors/graph_layout.h"

struct build_threads;

struct graph_lookup graph_lookup_of(const struct vector_rows *, uint32_t row); /* its vector was checked */
/* By hash; those of one hash stay in order. `unsorted` is used up. What the threads' stop says. */
int graph_lookup_sort(struct graph_lookup *unsorted, struct graph_lookup *sorted, size_t count,
                      const struct build_threads *);
/* graph->lookups[*begin .. *end): all rows that have this vector, seldom others. In a damaged file they may be any, also beyond graph->rows. */
void graph_lookup_find(const struct graph *, const void *vector, uint32_t *begin, uint32_t *end);
#endif
