/* Filters over the first 4, 8, 16 and 32 bytes of keys: is there surely no key with a given prefix? One blocked Bloom filter per
   length; a length is kept only where keys share prefixes of it (else it would cost as much as a filter of whole keys and tell little more).

   bytes:  0  4  number of lengths kept, n (1 to 4)
           4  4  zeros
           n x 16:  4 length | 4 number of 64-byte blocks | 8 number of distinct prefixes
           zeros up to a multiple of 64
           the filters, in the order of the lengths (ascending), blocks x 64 bytes each
   The hash of a prefix is its XXH3, seeded with its length; blocked_bloom.h says which bits it sets. */
#ifndef NACRE_FILTER_PREFIX_FILTER_H
#define NACRE_FILTER_PREFIX_FILTER_H
#include "base/buffer.h"

#define PREFIX_LENGTHS 4u

/* An opened filter: points into bytes that stay. Immutable; any thread. */
struct prefix_filter {
    uint32_t count;
    struct {
        uint32_t length, blocks;
        const uint8_t *bits;
    } part[PREFIX_LENGTHS];
};
int prefix_filter_open(nacre_slice bytes, struct prefix_filter *); /* NACRE_CORRUPT when the frame does not fit */
/* By the longest kept length <= prefix.size; true when there is none. */
bool prefix_filter_may_have(const struct prefix_filter *, nacre_slice prefix);

/* Building: distinct keys in ascending order. */
struct prefix_filter_builder {
    uint64_t keys;
    struct prefix_hashes {
        uint64_t *hashes;
        size_t count, capacity;
        bool dropped;
    } part[PREFIX_LENGTHS];
};
/* `shared`: how many first bytes the key has in common with the key added before it (0 for the first). */
int prefix_filter_add(struct prefix_filter_builder *, nacre_slice key, size_t shared);
int prefix_filter_make(struct prefix_filter_builder *,
                       struct buffer *out); /* appends nothing when no length is worth keeping */
void prefix_filter_builder_free(struct prefix_filter_builder *);
#endif
