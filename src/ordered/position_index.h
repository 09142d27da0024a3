/* The position index: a hash table from whole keys to where their newest version lies. Filter and locator in one: a key that it does not
   name is surely not in the segment.

   section PHDR:  0 8 number of keys | 8 4 number of buckets | 12 4 bits of an offset | 16 4 buckets that keys hash to, buckets0 | 20 4 zeros
   section PIDX:  buckets of 64 bytes, checked page by page (4096 bytes) against PSUM
     0  20 fingerprints: 10 x 2 bytes, 0 = empty
     20 4  overflow: bit (hash >> 16) % 32 is set for each key that had to pass on from this bucket to the next
     24 40 positions: 10 x 4 bytes, block << bits | offset of the record in the (raw) block; 0 bits: the block alone
   section PSUM:  8 bytes per page of PIDX, its XXH3 mixed with its number
   With h = XXH3 of the key: bucket = (h >> 32) * buckets0 >> 32, fingerprint = h % 65536 (0 becomes 1). A key whose bucket is full goes to
   the next one; the table has as many buckets behind the last as that takes.

   Invariants of an attached index: a page is believed only after its checksum was found right (a bit per page remembers); positions are
   checked against the block's bounds by whoever follows them. Once `bad` is set it is not asked any more. Any thread. */
#ifndef NACRE_ORDERED_POSITION_INDEX_H
#define NACRE_ORDERED_POSITION_INDEX_H
#include "base/buffer.h"
#include "base/endian.h"
#include "segment/block_cache.h"
#include "segment/container.h"
#include <stdatomic.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BUCKET_BYTES     64u
#define BUCKET_SLOTS     10u
#define INDEX_PAGE_BYTES 4096u

struct position_index {
    const uint8_t *buckets; /* in the map, or NULL: pages come through the cache */
    uint32_t first_buckets; /* that keys hash to */
    uint32_t bucket_count;  /* with those behind */
    uint32_t offset_bits;
    _Atomic bool bad; /* damage was found */
    uint32_t page_count;
    uint64_t keys, pages_offset, pages_bytes;
    const uint8_t *sums; /* in the section */
    struct container *container;
    struct block_cache *cache;
    struct position_index *older; /* replaced; lives as long as the reader */
    _Atomic uint64_t checked[];   /* a bit per page */
};

/* The sections' frames are checked; the pages are not read. */
int position_index_open(struct container *, struct block_cache *, struct position_index **);
void position_index_free(struct position_index *);
int position_index_check_page(struct position_index *,
                              uint32_t page); /* mapped; sets the bit, or `bad` with NACRE_CORRUPT */
void position_index_mark_bad(struct position_index *, const char *why); /* logged once */

/* Candidates of one key. Begin, then next until it is false; *status tells whether the index could be read. End always. */
struct position_probe {
    struct position_index *index;
    const uint8_t *bucket;
    struct cached_block *held;
    uint32_t number, fingerprint, overflow_bit, matches;
    int status;
};
const uint8_t *position_probe_page(
    struct position_probe *); /* the bucket, its page checked or fetched; NULL with status */

static inline uint32_t position_bucket(const struct position_index *x, uint64_t hash)
{
    return (uint32_t)((hash >> 32) * x->first_buckets >> 32);
}
static inline uint32_t position_fingerprint(uint64_t hash)
{
    uint32_t f = hash & 0xffff;
    return f ? f : 1;
}
static inline void position_prefetch(const struct position_index *x, uint64_t hash)
{
    if (x->buckets)
        __builtin_prefetch(x->buckets + (size_t)position_bucket(x, hash) * BUCKET_BYTES);
}

/* A bit per slot of the bucket that has the fingerprint. */
static inline uint32_t bucket_matches(const uint8_t *bucket, uint32_t fingerprint)
{
#if defined(__SSE2__)
    const __m128i wanted = _mm_set1_epi16((short)fingerprint);
    __m128i low = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)(const void *)bucket), wanted);
    __m128i high = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)(const void *)(bucket + 16)), wanted);
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high)) & ((1u << BUCKET_SLOTS) - 1);
#else
    uint32_t matches = 0;
    for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
        matches |= (uint32_t)(load_u16(bucket + 2 * i) == fingerprint) << i;
    return matches;
#endif
}
static inline bool position_page_is_checked(const struct position_index *x, uint32_t number)
{
    uint32_t page = number / (INDEX_PAGE_BYTES / BUCKET_BYTES);
    /* Pairs with nothing that must be seen: what the bit speaks of never changes. */
    return atomic_load_explicit(&x->checked[page / 64], memory_order_relaxed) >> (page % 64) & 1;
}
static inline bool position_probe_load(struct position_probe *p)
{
    const struct position_index *x = p->index;
    if (__builtin_expect(x->buckets && position_page_is_checked(x, p->number), 1))
        p->bucket = x->buckets + (size_t)p->number * BUCKET_BYTES;
    else if (!position_probe_page(p))
        return false;
    p->matches = bucket_matches(p->bucket, p->fingerprint);
    return true;
}
static inline void position_probe_begin(struct position_probe *p, struct position_index *x, uint64_t hash)
{
    p->index = x;
    p->held = NULL;
    p->number = position_bucket(x, hash);
    p->fingerprint = position_fingerprint(hash);
    p->overflow_bit = 1u << (hash >> 16 & 31);
    p->status = NACRE_OK;
    if (!position_probe_load(p))
        p->matches = 0;
}
static inline bool position_probe_next(struct position_probe *p, uint32_t *position)
{
    for (;;) {
        if (p->matches) {
            *position = load_u32(p->bucket + 24 + 4 * (size_t)__builtin_ctz(p->matches));
            p->matches &= p->matches - 1;
            return true;
        }
        if (__builtin_expect(p->status != NACRE_OK || !(load_u32(p->bucket + 20) & p->overflow_bit), 1))
            return false;
        if (++p->number >= p->index->bucket_count || !position_probe_load(p))
            return false;
    }
}
static inline void position_probe_end(struct position_probe *p)
{
    if (p->held)
        cached_block_release(p->held);
}

/* ---- building ---- */
struct position_builder {
    uint64_t *hashes;
    uint32_t *offsets;    /* of records in their blocks */
    uint32_t *block_ends; /* for each block: how many keys came up to its end */
    size_t count, capacity, blocks, block_capacity;
    uint32_t greatest_offset;
};
int position_builder_reserve(struct position_builder *, size_t capacity); /* not less than the present one */
int position_builder_grow(struct position_builder *);
static inline int position_builder_add(struct position_builder *b, uint64_t hash, uint32_t offset)
{
    if (__builtin_expect(b->count == b->capacity, 0)) {
        int status = position_builder_grow(b);
        if (status != NACRE_OK)
            return status;
    }
    b->hashes[b->count] = hash;
    b->offsets[b->count++] = offset;
    return NACRE_OK;
}
int position_builder_end_block(struct position_builder *);
int position_builder_write(struct position_builder *, struct container_writer *);
void position_builder_free(struct position_builder *);
#endif
