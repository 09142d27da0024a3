/* The fence index of a segment: where each block is, and which block a key belongs to.

   section FENC:
     0  4  number of blocks, N
     4  4  number of levels, L
     8  4  size of the common prefix, P
     12 4  bytes of separators, S
     16 4  end of the last block; 44 zeros up to 64
     levels, the finest first: level 0 has N heads, level i + 1 has the first head of each node of level i; a node is 16 heads; each level is
         filled up to whole nodes with UINT64_MAX; the last level is one node
     places: (N + 1) x 4, block offset | flags (blocks lie at multiples of 8); the last is the end of the last block
     separator ends: N x 4, ascending offsets into the separators
     common prefix, P bytes
     separators, S bytes, without the common prefix
   The separator of block i > 0 is greater than every key of blocks before i and not greater than any key of block i, except that where block i
   begins with more versions of the last key of block i - 1, it is that key and a zero byte. That of block 0 is empty. A head is a
   separator's first 8 bytes (after the common prefix) as a big-endian number. So the block to look in for a key is the last one whose separator is
   <= the key, and the newest version of the key is there if it is anywhere.

   Invariants of an open fence: places ascend by at least a block's least size and lie between the header and the sections; separator ends ascend
   up to S. Nothing is assumed of the heads' order: a wrong one can mislead a search, never lead it astray. */
#ifndef NACRE_ORDERED_FENCE_H
#define NACRE_ORDERED_FENCE_H
#include "base/buffer.h"
#include "base/endian.h"
#include "segment/container.h"

#define FENCE_NODE       16u
#define FENCE_LEVELS_MAX 8u
#define PLACE_COMPRESSED 1u /* the block is not usable in place */
#define PLACE_STRIPPED   2u /* its records miss the shared bytes */
#define PLACE_CONTINUES  4u /* its first record is an older version of the last key of the block before */
#define PLACE_FLAGS      7u

struct fence {
    uint32_t blocks, levels, prefix_size;
    const uint8_t *level[FENCE_LEVELS_MAX]; /* arrays of u64 */
    uint32_t level_count[FENCE_LEVELS_MAX];
    const uint8_t *places, *ends, *prefix, *separators;
};

static inline uint32_t fence_place(const struct fence *f, uint32_t block)
{
    return load_u32(f->places + 4 * (size_t)block);
}
static inline uint32_t fence_offset(const struct fence *f, uint32_t block)
{
    return fence_place(f, block) & ~PLACE_FLAGS;
}

/* Checks the section's structure. `first` and `limit` bound the blocks in the file. */
int fence_open(const struct container *, nacre_slice section, uint64_t first, uint64_t limit, struct fence *);
uint32_t fence_find(const struct fence *, nacre_slice key); /* the block to look in */
/* Takes the common prefix off the key. True: it has not got it, and *outside is the block to look in. */
bool fence_strip_prefix(const struct fence *, nacre_slice *key, uint32_t *outside);
/* The last of the blocks [low, after) whose separator is <= the key (without the common prefix); low's is. */
uint32_t fence_find_between(const struct fence *, uint32_t low, uint32_t after, nacre_slice key);
nacre_slice fence_separator(const struct fence *, uint32_t block); /* without the common prefix */

/* ---- building ---- */
struct fence_builder {
    struct buffer places, ends, separators;
    uint32_t blocks;
};
/* The next block: it begins with `first`; `last` is the last key before it (ignored for block 0). */
int fence_builder_add(struct fence_builder *, uint32_t offset, uint32_t flags, nacre_slice last, nacre_slice first);
void fence_builder_flag(struct fence_builder *, uint32_t flags); /* more flags for the last block */
size_t fence_builder_prefix(const struct fence_builder *);       /* bytes that all separators but the first share */
int fence_builder_write(struct fence_builder *, struct container_writer *, uint32_t end);
void fence_builder_free(struct fence_builder *);
#endif
