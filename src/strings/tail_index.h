/* How many keys end with given bytes: the section TAIL, a dictionary of the last 8 bytes of keys (of shorter keys: the whole key), ordered by their bytes read from the last
   one back, a shorter one before those that it ends.

   0  4  number of tails, N
   4  4  bytes of the tails, T
   8  8  number of keys
   16    groups: for every 32nd tail: 4 where it begins | 4 number of keys of all tails before it
         tails, each: 1 head | where the head's upper half is 8: 1 common << 4 | size | bytes from the last but `common` on back to the first, size - common of them |
         where the head's lower half is 0: varint number of keys

   Head: upper half: common, the number of last bytes that it has in common with the tail before (0 for the first of a group), its size being 8; or 8: common and size follow.
   Lower half: number of keys, 1 to 15, or 0.

   Absent where it would take more than a 24th of the keys' bytes and 64 KiB: tails are mostly different then. Immutable; any thread. */
#ifndef NACRE_STRINGS_TAIL_INDEX_H
#define NACRE_STRINGS_TAIL_INDEX_H
#include "base/buffer.h"

#define TAIL_BYTES 8u
#define TAIL_GROUP 32u

struct tail_index {
    const uint8_t *groups, *begin, *end;
    uint32_t tails, group_count;
    uint64_t keys;
};
/* Checks the frame. NACRE_CORRUPT. */
int tail_index_open(nacre_slice section, uint64_t keys, struct tail_index *);
/* Keys that end with these 1 to 8 bytes. False: the bytes looked at are no good. */
bool tail_index_keys(const struct tail_index *, const uint8_t *bytes, unsigned size, uint64_t *keys);
/* All of it: order, counts, ends. NACRE_CORRUPT. */
int tail_index_verify(const struct tail_index *);

/* ---- building ---- */
/* The last byte is the highest one, what is missing is zero: so tails order by value, then size. */
struct tail {
    uint64_t value;
    uint32_t keys; /* 0: no tail */
    uint32_t size;
};
struct tail_builder {
    struct tail *slots; /* a hash table, at most 3/4 full */
    size_t capacity, count;
    uint64_t keys, key_bytes;
    bool dropped;
};
void tail_builder_prefetch(const struct tail_builder *, nacre_slice key); /* what adding it will read */
int tail_builder_add(struct tail_builder *, nacre_slice key);
int tail_builder_make(
    struct tail_builder *,
    struct buffer *section); /* appends nothing where it is left out. No key may be added afterwards */
void tail_builder_free(struct tail_builder *);
#endif
