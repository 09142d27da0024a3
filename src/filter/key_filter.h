/* A filter of whole keys: is a key surely not there? One blocked Bloom filter.

   bytes:  0  4  number of 64-byte blocks: what 10 bits per key take, 0 when there is no key
           4  4  zeros
           8  8  number of keys
           16 48 zeros
           64    the filter
   The hash of a key is the upper half of its XXH3: h = XXH3 with the low 32 bits cleared; blocked_bloom.h says which bits it sets. */
#ifndef NACRE_FILTER_KEY_FILTER_H
#define NACRE_FILTER_KEY_FILTER_H
#include "base/buffer.h"

/* An opened filter: points into bytes that stay. Immutable; any thread. */
struct key_filter {
    const uint8_t *bits;
    uint64_t keys;
    uint32_t blocks;
};
int key_filter_open(nacre_slice bytes, struct key_filter *); /* NACRE_CORRUPT when the frame does not fit */
/* Asks for the line that key_filter_may_have will read. */
void key_filter_prefetch(const struct key_filter *, uint64_t hash);
bool key_filter_may_have(const struct key_filter *, uint64_t hash); /* hash_bytes(key) */

/* Building: the hash of each key, in any order. */
struct key_filter_builder {
    uint32_t *hashes; /* upper halves */
    size_t count, capacity;
};
int key_filter_reserve(struct key_filter_builder *, size_t capacity); /* not less than the present one */
static inline int key_filter_add(struct key_filter_builder *b, uint64_t hash)
{
    if (__builtin_expect(b->count == b->capacity, 0)) {
        int status = key_filter_reserve(b, b->capacity + b->capacity / 2 + 1024);
        if (status != NACRE_OK)
            return status;
    }
    b->hashes[b->count++] = (uint32_t)(hash >> 32);
    return NACRE_OK;
}
int key_filter_make(const struct key_filter_builder *, struct buffer *out); /* appended */
void key_filter_builder_free(struct key_filter_builder *);
#endif
