/* A store in memory with one collection of vectors, and a plain list of what is in it, which is searched row by row. */
#ifndef TESTS_VECTOR_STORE_H
#define TESTS_VECTOR_STORE_H
#include "store_fixture.h"

#define VECTOR_KEY_SIZE 32

struct vector_item {
    bool live;
    uint32_t version; /* its vector and value follow from its number and this */
};

struct vector_store {
    nacre_os *os;
    nacre_options options;
    nacre_store *store;
    nacre_collection *collection;
    nacre_metric metric;
    uint32_t dimension;
    size_t count; /* of items; item i has key "group/number", in the order of the numbers within a group */
    struct vector_item *items;
    uint64_t seed;
};

/* The metric L2 is that of clusters of points, as real data are; of cosine and dot likewise. */
void vector_store_create(struct vector_store *, nacre_metric, uint32_t dimension, size_t count);
void vector_store_free(struct vector_store *);
void vector_store_reopen(struct vector_store *);
void vector_store_tune(struct vector_store *, const char *name, const char *value); /* asserts */

uint64_t vector_random(struct vector_store *, uint64_t below);
nacre_slice vector_key(size_t item, char out[VECTOR_KEY_SIZE]);
size_t vector_item_of(nacre_slice key);
nacre_slice vector_value(size_t item, uint32_t version, char out[VECTOR_KEY_SIZE]);
void vector_of(const struct vector_store *, size_t item, uint32_t version, float *out);
void vector_query(struct vector_store *, float *out); /* a random one, near some of them */

void vector_put(struct vector_store *, size_t item); /* a new version; both the store and the list */
void vector_delete(struct vector_store *, size_t item);
void vector_put_all(struct vector_store *); /* in batches */

/* The list's answer: live items that `wanted` says yes to (NULL: all), the k nearest. Returns how many. */
struct vector_found {
    float distance;
    size_t item;
};
size_t vector_list_nearest(const struct vector_store *, const struct vector_item *items, const float *query, size_t k,
                           bool (*wanted)(size_t item), struct vector_found *found);
/* Asserts that an exact search gives exactly that; that one at the given recall gives as many, right and in order. Returns the part of the k nearest that
   the latter found. `options`: the filters that `wanted` stands for, and the snapshot that `items` stands for. */
double vector_assert_nearest(struct vector_store *, const struct vector_item *items, const float *query, size_t k,
                             const nacre_nearest_options *options, bool (*wanted)(size_t item));
#endif
