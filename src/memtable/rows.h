/* The vectors of a memtable, one after the other in the order they came, in chunks that never move. Append-only; writers take a row with one
   atomic addition, readers take no lock.

   A row has a mark: the version that it is of, NULL until that version can be found in the tree, and for ever where its put brought a sequence
   that was there already. The floats of a row are read only by who has seen its mark, or has come to it by its version. */
#ifndef NACRE_MEMTABLE_ROWS_H
#define NACRE_MEMTABLE_ROWS_H
#include "memtable/chunk_pool.h"
#include "memtable/leaf.h"
#include <pthread.h>

#define ROW_ALIGNMENT 64u

struct row_mark {
    const struct leaf *leaf; /* whole once `version` is */
    const struct version *_Atomic version;
};

enum row_chunk_source { ROWS_ALLOCATED, ROWS_CHUNK, ROWS_MAPPED };

struct row_chunk {
    struct row_chunk *_Atomic next;
    uint64_t before; /* rows of the chunks before it */
    size_t capacity; /* rows */
    size_t bytes;    /* of all of it */
    uint8_t *vectors;
    enum row_chunk_source source;
    _Alignas(ROW_ALIGNMENT) _Atomic uint64_t taken; /* rows, and how often one was wanted when all were taken */
    _Alignas(ROW_ALIGNMENT) struct row_mark marks[];
};

struct rows {
    struct chunk_pool *pool;
    size_t vector_bytes, stride;                               /* constant; 0: there are no rows */
    struct row_chunk *_Atomic first;                           /* the chain along `next`; set once */
    _Alignas(ROW_ALIGNMENT) struct row_chunk *_Atomic current; /* where rows are taken from; those before it are full */
    pthread_mutex_t growing;
    struct row_chunk *last;    /* growing */
    size_t next_bytes;         /* of the next chunk, as long as they are small; growing */
    _Atomic uint64_t capacity; /* rows of all chunks; written under growing */
    _Atomic uint64_t held;     /* bytes of all chunks; relaxed: a statistic */
    uint64_t reserved;         /* rows, since the table was made: belongs to the caller of memtable_reserve_vectors */
};

int rows_init(struct rows *, struct chunk_pool *, size_t vector_bytes);
void rows_destroy(struct rows *);
/* A row with a copy of the vector, not marked. False + detail: NACRE_NO_MEMORY, only past what was reserved. Any thread. Locks: growing, then
   the pool's, once per chunk. */
bool rows_add(struct rows *, const void *vector, struct row_mark **mark, const void **row);
/* Right after the version has come into the tree. */
static inline void row_mark_set(struct row_mark *mark, const struct leaf *leaf, const struct version *version)
{
    mark->leaf = leaf;
    atomic_store_explicit(&mark->version, version, memory_order_release); /* pairs with row_marked in rows.c */
}
uint64_t rows_taken(const struct rows *);
uint64_t rows_bytes(const struct rows *);  /* of the rows taken */
uint64_t rows_memory(const struct rows *); /* all of their chunks */
#endif
