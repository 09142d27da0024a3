/* Rows that their codes do not tell from others, by the hash of their vectors. Private to src/vectors/graph*.c.

   Codes say how far away a row is to within their error. Where many rows lie nearer to each other than that, a beam is full of them before the one that is looked for has
   a place. A search for the very vector of such a row finds it here; rows whose codes are enough are not listed. Any thread. */
#ifndef NACRE_VECTORS_GRAPH_LOOKUP_H
#define NACRE_VECTORS_GRAPH_LOOKUP_H
#include "vectors/graph_layout.h"

struct graph_lookup graph_lookup_of(const struct vector_rows *, uint32_t row); /* its vector was checked */
int graph_lookup_compare(const void *, const void *); /* of two struct graph_lookup, as qsort wants it */
void graph_lookup_sort(struct graph_lookup *, size_t count);
/* graph->lookups[*begin .. *end): rows that may have this vector, none that is not listed. Not all may be below graph->rows. */
void graph_lookup_find(const struct graph *, const void *vector, uint32_t *begin, uint32_t *end);
#endif
