/* Nearest neighbours over all layers of a collection of vectors: memtables, newest first, then segments, at one sequence (see nearest.c). */
#ifndef NACRE_STORE_NEAREST_H
#define NACRE_STORE_NEAREST_H
#include "store/store.h"

int collection_nearest(nacre_collection *, const float *query, size_t k, const nacre_nearest_options *,
                       nacre_neighbors *);
int collection_nearest_explain(nacre_collection *, const float *query, size_t k, const nacre_nearest_options *,
                               char **json);
void neighbors_release(nacre_neighbors *);
#endif
