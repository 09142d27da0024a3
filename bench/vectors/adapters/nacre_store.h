/* A store of nacre with one collection of vectors, as the benchmark uses it. */
#ifndef BENCH_VECTORS_NACRE_STORE_H
#define BENCH_VECTORS_NACRE_STORE_H
#include "../engine.h"
#include <nacre/nacre.h>

struct nacre_store_state {
    nacre_store *store;
    nacre_collection *vectors;
    size_t dimension;
    float recall;
};

/* Level os, or disk where the place says synced. */
struct nacre_store_state *nacre_store_make(const struct engine_place *place); /* a new one */
struct nacre_store_state *nacre_store_open(const struct engine_place *place);
void nacre_store_put(struct nacre_store_state *state, size_t row, const float *vector);
void nacre_store_close(struct nacre_store_state *state);

void nacre_check(int code, const char *what); /* ends the program where it is not NACRE_OK */

#endif
