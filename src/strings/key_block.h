/* A block of keys: up to 64 distinct keys, front-coded, searched and streamed in place.

    0  8  checksum: XXH3 of the bytes from 8 up to the block's size, plus block_checksum_mix(id of the segment, offset of the block)
    8  4  size of the block, these 24 bytes included, without padding
   12  2  number of keys, n: 1 to 64
   14  1  flags: 1 wide (numbers below are 4 bytes, else 1), 2 some key has a byte >= 0x80, 4 some key is not valid UTF-8
   15  1  zero
   16  4  shared: bytes that all keys of the block begin with
   20  4  size of the stream
   24     lcps, n numbers: bytes that key i has in common with key i - 1, less `shared`; lcps[0] is 0
          lens, n numbers: bytes of key i behind shared + lcps[i]
          shared bytes
          stream: for each key those bytes, back to back

   Blocks lie at multiples of 8, filled up with zeros. At least KEY_BLOCK_SLACK bytes behind a block may be read. */
#ifndef NACRE_STRINGS_KEY_BLOCK_H
#define NACRE_STRINGS_KEY_BLOCK_H
#include "base/buffer.h"
#include "base/endian.h"

#define KEY_BLOCK_KEYS   64u
#define KEY_BLOCK_HEADER 24u
#define KEY_BLOCK_SLACK  64u
/* A block is closed before 64 keys once its stream has so many bytes, so that a block with long keys stays small where it can. */
#define KEY_BLOCK_STREAM_TARGET (16u << 10)

enum { KEY_BLOCK_WIDE = 1, KEY_BLOCK_NON_ASCII = 2, KEY_BLOCK_NOT_UTF8 = 4, KEY_BLOCK_FLAGS = 7 };

struct key_block {
    const uint8_t *lcps, *lens; /* of 1 or 4 bytes each */
    const uint8_t *shared_bytes, *stream;
    uint32_t count, shared, stream_size;
    uint8_t flags;
    void *held; /* private to the reader: memory to free on release */
};
static inline uint32_t key_block_lcp(const struct key_block *b, uint32_t i)
{
    return b->flags & KEY_BLOCK_WIDE ? load_u32(b->lcps + 4 * (size_t)i) : b->lcps[i];
}
static inline uint32_t key_block_len(const struct key_block *b, uint32_t i)
{
    return b->flags & KEY_BLOCK_WIDE ? load_u32(b->lens + 4 * (size_t)i) : b->lens[i];
}

/* Sets of keys of a block have a bit per key: the first `count`. */
static inline uint64_t key_block_first(uint32_t count)
{
    return count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

/* Parses the bytes of a block of at most `room` bytes; checks every size (the sums of lens, lcps that fit the key before, order of keys) but
   not the checksum. False when they do not fit. */
bool key_block_check(const uint8_t *bytes, size_t room, struct key_block *);
/* Of bytes that were checked before. */
void key_block_view(const uint8_t *bytes, struct key_block *);

/* Makes key `i` in `key` (cleared first). NACRE_NO_MEMORY. */
int key_block_key(const struct key_block *, uint32_t i, struct buffer *key);
/* The first key >= `key`: its index, or b->count; *equal says whether it is that key. Scans the front-coded keys in place. */
uint32_t key_block_lower_bound(const struct key_block *, nacre_slice key, bool *equal);

/* Makes key i out of key i - 1, which lies in `key` (nothing for key 0). `at`: where its bytes begin in the stream. The buffer then has COPY_SLACK bytes of
   room behind the key. */
#define KEY_BLOCK_COPY_SLACK 16u
static inline int key_block_step(const struct key_block *b, uint32_t i, uint32_t at, struct buffer *key)
{
    size_t kept = b->shared + (size_t)key_block_lcp(b, i), len = key_block_len(b, i);
    if (__builtin_expect(key->capacity < kept + len + KEY_BLOCK_COPY_SLACK, 0)) {
        int status = buffer_reserve(key, kept + len + KEY_BLOCK_COPY_SLACK);
        if (status != NACRE_OK)
            return status;
    }
    if (__builtin_expect(i == 0 && kept, 0))
        memcpy(key->data, b->shared_bytes, kept);
    const uint8_t *from = b->stream + at;
    uint8_t *to = key->data + kept;
    for (size_t done = 0; done < len; done += KEY_BLOCK_COPY_SLACK) /* over the end: there is slack on both sides */
        memcpy(to + done, from + done, KEY_BLOCK_COPY_SLACK);
    key->size = kept + len;
    return NACRE_OK;
}
/* Makes key i - 1 out of key i, which lies in `key`; i > 0. *at is where the bytes of key i begin, then where those of key i - 1 do. */
int key_block_step_back(const struct key_block *, uint32_t i, uint32_t *at, struct buffer *key);
/* Where the bytes of key i begin in the stream. */
uint32_t key_block_at(const struct key_block *, uint32_t i);

/* Steps through all keys, decoding each. The key lies in `key` until the next step. */
struct key_block_walk {
    const struct key_block *block;
    uint32_t next, at; /* index of the next key; where its bytes begin in the stream */
    struct buffer key;
};
void key_block_walk_begin(struct key_block_walk *,
                          const struct key_block *);            /* keeps the buffer's memory; the first time zeroed */
bool key_block_walk_next(struct key_block_walk *, int *status); /* false: at the end, or no memory */
void key_block_walk_end(struct key_block_walk *);               /* frees */
#endif
