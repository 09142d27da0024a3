/* The entries of a segment of vectors: its blocks of entries (entry_block.h), found by key or by row, and their values.

   After the container's header: rows (row_blocks.h), zeros up to a multiple of 8, the area of blocks, the area of values. Sections, of which a segment without
   entries (only range deletes) has VECS alone:

   section VECS:   0 4 dimension | 4 4 metric | 8 4 entries | 12 4 rows | 16 4 keys | 20 4 blocks of entries | 24 4 rows that a newer version of their key in the
                   segment supersedes | 28 4 shared: bytes that all keys begin with | 32 8 base sequence | 40 8 greatest sequence of a row | 48 8 least expiry
                   of a row, 0: none has one | 56 8 digest of the blocks' checksums | 64 8 digest of the values' checksums (both in the order of the blocks:
                   block_sum.h) | 72 4 where the blocks begin | 76 4 where they end and the values begin | 80 4 where the values end | 84 4 zero | least key |
                   greatest key (each: varint length, bytes)
   section HEAD:   for each block 8: bytes [shared, shared + 8) of its first key as a big-endian number, zeros where it ends
   section KDIR:   for each block 4 offset in the area of blocks | 4 row of its first put; and one more: size of the area, number of rows
   section KFIL:   a filter of the keys (filter/key_filter.h)
   section VSUM:   row_blocks.h; absent without rows

   Invariants:
   1. HEAD and KDIR are loaded once by whoever needs them first, under `lock`; `ready` (release) publishes them and the words of `checked`. So is the filter, with
      `filter_ready`.
   2. What was loaded fits: blocks ascend, at multiples of 8, and have room for a header; the rows of a block are at most as many as its entries may be.
   3. A mapped block is read without bounds only after its bit in `checked` was set: checksum, structure and rows were found right, and its bytes never change.
   Any number of threads; `lock` is a leaf but for the container's own. */
#ifndef NACRE_VECTORS_KEYS_H
#define NACRE_VECTORS_KEYS_H
#include "filter/key_filter.h"
#include "segment/kind.h"
#include "vectors/entry_block.h"
#include <pthread.h>
#include <stdatomic.h>

struct vector_keys {
    const uint8_t *map;
    _Atomic bool ready, filter_ready;
    uint32_t blocks, rows, entries, keys, shadowed, shared;
    uint64_t base_sequence, greatest_sequence, least_expiry, digest, values_digest;
    uint64_t blocks_begin, blocks_end, values_end; /* in the file */
    const uint8_t *heads, *directory;
    nacre_slice least_key, greatest_key;
    _Atomic uint64_t *checked; /* two bits per block: entries, values */
    struct container *container;
    struct block_cache *cache;
    struct key_filter filter;
    pthread_mutex_t lock;
};

/* Describes the segment; nothing but section VECS is read. */
struct vector_description {
    uint32_t dimension;
    nacre_metric metric;
};
int keys_open(struct container *, struct block_cache *, struct vector_description *, struct vector_keys **);
void keys_close(struct vector_keys *);
uint64_t keys_memory(const struct vector_keys *);
bool keys_may_have(struct vector_keys *, const struct lookup *);

int keys_load(struct vector_keys *);
static inline int keys_need(struct vector_keys *k)
{
    /* Pairs with the release in keys_load. */
    return __builtin_expect(atomic_load_explicit(&k->ready, memory_order_acquire), 1) ? NACRE_OK : keys_load(k);
}

/* All below: after keys_need. */
static inline uint32_t keys_block_offset(const struct vector_keys *k, uint32_t block) /* block <= blocks */
{
    return load_u32(k->directory + 8 * (size_t)block);
}
static inline uint32_t keys_block_row(const struct vector_keys *k, uint32_t block)
{
    return load_u32(k->directory + 8 * (size_t)block + 4);
}

/* Views of blocks, checked; a view is released by the caller. */
enum { CHECKED_ENTRIES, CHECKED_VALUES };
static inline bool keys_is_checked(const struct vector_keys *k, uint32_t block, unsigned part)
{
    /* Relaxed: what the bit speaks of never changes. */
    return atomic_load_explicit(&k->checked[block / 32], memory_order_relaxed) >> (block % 32 * 2 + part) & 1;
}
int keys_check_mapped_block(struct vector_keys *, uint32_t block);
int keys_fetch_block(struct vector_keys *, uint32_t block, struct entry_block *); /* where maps are off */
static inline int keys_view(struct vector_keys *k, uint32_t block, struct entry_block *b)
{
    if (__builtin_expect(!k->map, 0))
        return keys_fetch_block(k, block, b);
    if (__builtin_expect(!keys_is_checked(k, block, CHECKED_ENTRIES), 0)) {
        int status = keys_check_mapped_block(k, block);
        if (status != NACRE_OK)
            return status;
    }
    entry_block_view(k->map + k->blocks_begin + keys_block_offset(k, block), b);
    return NACRE_OK;
}
void keys_free_held(void *held);
static inline void keys_release(struct entry_block *b)
{
    if (b->held)
        keys_free_held(b->held);
    b->held = NULL;
}

/* The raw values of a block that has any, back to back; they live as long as the segment, or as *pin where pin->release is set. */
int keys_values(struct vector_keys *, uint32_t block, const struct entry_block *, const uint8_t **values, struct pin *);
/* The value of one entry, likewise. */
int keys_value(struct vector_keys *, uint32_t block, const struct entry_block *, uint32_t i, nacre_slice *value,
               struct pin *);

/* Where the first entry with a key >= `key` is, and the view of its block, to be released; *block == blocks, and the view zeroed, when there is none. */
int keys_find(struct vector_keys *, nacre_slice key, uint32_t *block, uint32_t *index, bool *equal,
              struct entry_block *);
/* The same, for a key that is not in a block ahead of `from`: quick when it is near. */
int keys_find_from(struct vector_keys *, uint32_t from, nacre_slice key, uint32_t *block, uint32_t *index, bool *equal,
                   struct entry_block *);
/* The block of a row (< rows), which is the last that begins at or ahead of it and has rows. */
uint32_t keys_block_of_row(const struct vector_keys *, uint32_t row);

/* Read at their place from the file again and checked; for verify. The buffer keeps the bytes. */
int keys_verify_block(struct vector_keys *, uint32_t block, struct buffer *raw, struct entry_block *,
                      uint64_t *checksum);
int keys_verify_values(struct vector_keys *, const struct entry_block *, uint64_t *checksum);
#endif
