/* The reader of one ordered segment: what get, cursors and inspection share. Private to src/ordered.

   section ORDR:  0 8 base sequence | 8 8 entries | 16 8 distinct keys | 24 8 digest of the blocks' checksums | 32 4 target block bytes |
                  least key | greatest key (each: varint length, bytes)
   The digest starts at 0 and goes over the blocks in order: digest = (digest ^ checksum) * 0x9e3779b97f4a7c15 + 1.

   Invariants:
   1. The fence is loaded once, by whoever needs it first, under `lock`; fence_ready (release) publishes it and the words of `checked`.
   2. A mapped raw block is read without bounds only after its bit in `checked` was set: checksum, structure and agreement with the fence were
      found right, and its bytes never change.
   3. `index` points to the newest side file that was attached; older ones live as long as the reader. One that is marked bad is not asked.
   Any number of threads. `lock` is a leaf but for the container's own lock. */
#ifndef NACRE_ORDERED_READER_H
#define NACRE_ORDERED_READER_H
#include "filter/prefix_filter.h"
#include "ordered/block.h"
#include "ordered/fence.h"
#include "ordered/learned_index.h"
#include "ordered/position_index.h"
#include "segment/kind.h"
#include <pthread.h>

struct ordered_reader {
    /* What every get touches first. */
    const uint8_t *map;
    _Atomic bool fence_ready;
    _Atomic bool filter_ready; /* `filter` may be read */
    _Atomic(struct position_index *) index;
    _Atomic(struct learned_index *) learned; /* of the newest side file that was asked for one; NULL: ask the fence */
    _Atomic bool learned_looked;             /* for it, in the newest side file */
    struct fence fence;
    uint64_t base_sequence;
    _Atomic uint64_t *checked; /* a bit per block */
    struct container *container;
    struct block_cache *cache;

    uint64_t entries, keys, digest;
    uint32_t block_bytes;
    nacre_slice least_key, greatest_key;
    pthread_mutex_t lock;
    struct ordered_learned *learned_list; /* all that were loaded: they live as long as the reader; lock */
    struct prefix_filter filter;          /* of the first good side file that was asked for it; the keys never change */
};

struct ordered_learned {
    struct learned_index index;
    struct ordered_learned *older;
};

int ordered_load_fence(struct ordered_reader *);
static inline int ordered_need_fence(struct ordered_reader *r)
{
    /* Pairs with the release in ordered_load_fence. */
    return likely(atomic_load_explicit(&r->fence_ready, memory_order_acquire)) ? NACRE_OK : ordered_load_fence(r);
}

/* NULL where the segment has none (yet). The fence is ready and has blocks. */
const struct learned_index *ordered_learned_index(struct ordered_reader *);

/* Views of blocks; the fence is ready. A view is released by the caller. */
int ordered_check_mapped_block(struct ordered_reader *, uint32_t block);
int ordered_fetch_block(struct ordered_reader *, uint32_t block, struct block_view *);
static inline bool ordered_block_is_checked(const struct ordered_reader *r, uint32_t block)
{
    /* Relaxed: what the bit speaks of never changes. */
    return atomic_load_explicit(&r->checked[block / 64], memory_order_relaxed) >> (block % 64) & 1;
}
static inline int ordered_view_block(struct ordered_reader *r, uint32_t block, struct block_view *v)
{
    uint32_t place = fence_place(&r->fence, block);
    if (!r->map || (place & PLACE_COMPRESSED))
        return ordered_fetch_block(r, block, v);
    if (unlikely(!ordered_block_is_checked(r, block))) {
        int status = ordered_check_mapped_block(r, block);
        if (status != NACRE_OK)
            return status;
    }
    block_view_make(r->map + (place & ~PLACE_FLAGS), v);
    v->held = NULL;
    return NACRE_OK;
}
static inline void ordered_release_view(struct block_view *v)
{
    if (v->held)
        cached_block_release(v->held);
    v->held = NULL;
}

/* Reads the block at its place from the file again and checks all of it; for verify. */
int ordered_verify_block(struct ordered_reader *, uint32_t block, struct buffer *stored, struct buffer *raw,
                         struct block_view *);

/* Where the first record with a key >= `key` is: *block and *record, the view is held. *block = number of blocks when there is none. */
int ordered_lower_bound(struct ordered_reader *, nacre_slice key, uint32_t *block, uint32_t *record,
                        struct block_view *);
struct position_index *ordered_index(const struct ordered_reader *); /* NULL while there is no good one */

/* The table's functions. */
int ordered_open(struct container *, struct block_cache *, void **reader);
void ordered_close(void *reader);
void ordered_give_sequence(void *reader, uint64_t sequence);
int ordered_attach_index(void *reader, struct container *index);
void ordered_prefetch(const void *reader, const struct lookup *);
int ordered_get(void *reader, const struct lookup *, struct entry *, struct pin *);
bool ordered_may_have_key(void *reader, const struct lookup *);
bool ordered_may_have_prefix(void *reader, nacre_slice prefix);
int ordered_cursor_create(void *reader, struct cursor **);
int ordered_sample_keys(void *reader, size_t count, struct buffer *keys, size_t *made);
int ordered_build_index(void *reader, const struct index_job *, struct container_writer *index);
bool ordered_index_is_good(const void *reader);
int ordered_verify(void *reader, uint64_t *entries);
int ordered_dump(void *reader, void (*line)(void *context, const char *json), void *context);
uint64_t ordered_memory(const void *reader);
int ordered_salvage(const struct wreck *, const struct salvage_sink *); /* salvage.c */
bool ordered_has_learned_index(const void *reader);

int ordered_builder_create(struct container_writer *segment, const struct build_options *, void **builder);
int ordered_builder_add(void *builder, const struct entry *);
int ordered_builder_finish(void *builder, struct container_writer *index);
void ordered_builder_free(void *builder);
#endif
