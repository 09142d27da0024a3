/* The vectors of a segment in place: blocks of rows, each checked, checksum and numbers, when one of its rows is first asked for.

   With a map rows are read in it. Without one there is address space for all rows, and a block is read into its place when it is asked for; it stays there as long
   as the segment is open. Either way `vectors` never changes, and a row may be read only after vector_rows_need said NACRE_OK for it. Any thread.

   Rows lie right behind the container's header, `stride` bytes apart. A block has 2^shift rows: as many as fit VECTOR_BLOCK_BYTES, at least one.
   section VSUM:  for each block its XXH3, plus block_checksum_mix(id of the segment, offset of the block) */
#ifndef NACRE_VECTORS_ROW_BLOCKS_H
#define NACRE_VECTORS_ROW_BLOCKS_H
#include "base/buffer.h"
#include "base/hash.h"
#include "segment/block_sum.h"
#include "segment/container.h"
#include <pthread.h>
#include <stdatomic.h>

#define VECTOR_BLOCK_BYTES \
    32768u /* small, as rows are read in any order; then a checksum costs about what fetching the block does */

struct row_blocks {
    struct container *container;
    _Atomic uint64_t *checked; /* a bit per block */
    uint32_t shift, blocks, rows;
    size_t stride;
    uint64_t begin;           /* of row 0 in the file */
    uint8_t *memory;          /* where there is no map */
    pthread_mutex_t lock;     /* a leaf: filling a block of `memory` */
    _Atomic uint64_t in_heap; /* bytes of memory that were filled */
};

static inline uint32_t row_block_shift(size_t stride)
{
    uint32_t shift = 0;
    while (stride << (shift + 1) <= VECTOR_BLOCK_BYTES)
        shift++;
    return shift;
}
static inline uint64_t row_block_checksum(uint64_t segment_id, uint64_t offset, const void *bytes, size_t size)
{
    return hash_bytes(bytes, size) + block_checksum_mix(segment_id, offset);
}

/* Rows from `begin` on, which lie in the file. */
int row_blocks_open(struct container *, uint64_t begin, uint32_t rows, size_t stride, struct row_blocks **);
void row_blocks_close(struct row_blocks *); /* takes NULL */
const uint8_t *row_blocks_vectors(const struct row_blocks *);
uint64_t row_blocks_memory(const struct row_blocks *); /* heap */

int row_blocks_take(struct row_blocks *, uint32_t block); /* checks it, and reads it where there is no map */
static inline bool row_block_is_taken(const struct row_blocks *b, uint32_t block)
{
    /* Pairs with the release in row_blocks_take. */
    return atomic_load_explicit(&b->checked[block / 64], memory_order_acquire) >> (block % 64) & 1;
}
/* Rows of one block, checked, without taking it: in place, or in `scratch`. */
int row_blocks_peek(struct row_blocks *, uint32_t block, struct buffer *scratch, const uint8_t **rows);
/* The same, read and checked again whatever was found before. */
int row_blocks_verify(struct row_blocks *, uint32_t block, struct buffer *scratch, const uint8_t **rows);
#endif
