/* A block of entries: up to 32 versions in internal order, with front-coded keys, everything but their vectors and the bytes of their values.

    0  8  checksum: XXH3 of the bytes from 8 up to the block's size, plus block_checksum_mix(id of the segment, offset of the block in the area of blocks)
    8  4  size of the block, this header included, without padding
   12  1  number of entries, n: 1 to 32
   13  1  codec of the values: 0 as they are, 1 LZ4, 2 Zstd
   14  1  bytes of a sequence, s: 0 to 8
   15  1  bytes of an expiry, x: 0 to 8
   16  1  bytes of a value's end, e: 0 (no value has any bytes), 1, 2 or 4
   17  1  flags: 1 the key of the last entry goes on in the next block, 2 pointers
   18  2  zeros
   20  4  puts: bit i is set when entry i is a put, and so has a row
   24  4  firsts: bit i is set when entry i is the newest version of its key
   28  4  row of the first put, or which it would have
   32  8  base of the expiries
   40  4  offset of the values in the area of values; 0 when e is
   44  4  bytes of the values there, their checksum included; 0 when e is
   48     pointers, when flagged: 4 bytes; bit i is set when the value of entry i, a put, lies in the value log, and its bytes here say where
          commons, n x 2: bytes that the key has in common with the key before; 0 for the first
          ends, n x 2: where the bytes of key i behind those end in the stream; they begin where those of key i - 1 end
          n x s: zigzag(sequence - base sequence of the segment)
          n x x: expiry - base + 1, or 0: none
          n x e: where the value ends among the raw values of the block; it begins where that of entry i - 1 ends
          stream: bytes of the keys, back to back

   Blocks lie at multiples of 8, filled up with zeros. At least ENTRY_BLOCK_SLACK bytes behind a block may be read.

   values:  8 bytes checksum, as above, over what follows, with the offset in the area of values + ENTRY_VALUES_MIX | the values of the block's entries back to
            back, as its codec says. At multiples of 8, filled up with zeros. */
#ifndef NACRE_VECTORS_ENTRY_BLOCK_H
#define NACRE_VECTORS_ENTRY_BLOCK_H
#include "base/buffer.h"
#include "base/endian.h"
#include "base/entry.h"
#include "base/varint.h"

#define ENTRY_BLOCK_ENTRIES 32u
#define ENTRY_BLOCK_HEADER  48u
#define ENTRY_BLOCK_SLACK   8u
/* A block is closed before 32 entries once its stream, or its values, have so many bytes. */
#define ENTRY_BLOCK_STREAM_TARGET 4096u
#define ENTRY_BLOCK_VALUES_TARGET 32768u
#define ENTRY_VALUES_MIX          (UINT64_C(1) << 40)

enum { ENTRY_BLOCK_GOES_ON = 1, ENTRY_BLOCK_POINTERS = 2 };

struct entry_block {
    const uint8_t *commons, *ends, *sequences, *expiries, *value_ends, *stream;
    uint32_t count, puts, pointers, firsts, first_row;
    uint32_t values_offset, values_bytes;
    uint8_t codec, sequence_bytes, expiry_bytes, value_bytes, flags;
    uint64_t expiry_base;
    void *held; /* private to keys.c */
};

/* Finds what would let a reader of these bytes leave them, or would make it take a row for another; NULL = nothing. */
const char *entry_block_check(const uint8_t *bytes, size_t room, struct entry_block *);
/* Of bytes that were checked before. */
void entry_block_view(const uint8_t *bytes, struct entry_block *);

/* Number i of a column of `width` bytes each, 0 to 8. */
static inline uint64_t entry_column(const uint8_t *column, uint32_t width, uint32_t i)
{
    if (width == 0)
        return 0;
    return load_u64(column + i * (size_t)width) & (UINT64_MAX >> (64 - 8 * width));
}
static inline uint32_t entry_common(const struct entry_block *b, uint32_t i)
{
    return load_u16(b->commons + 2 * (size_t)i);
}
static inline uint32_t entry_begin(const struct entry_block *b, uint32_t i)
{
    return i ? load_u16(b->ends + 2 * (size_t)(i - 1)) : 0;
}
static inline uint32_t entry_end(const struct entry_block *b, uint32_t i)
{
    return load_u16(b->ends + 2 * (size_t)i);
}
static inline uint64_t entry_sequence(const struct entry_block *b, uint64_t base_sequence, uint32_t i)
{
    return base_sequence + unzigzag(entry_column(b->sequences, b->sequence_bytes, i));
}
static inline uint64_t entry_expiry(const struct entry_block *b, uint32_t i)
{
    uint64_t expiry = entry_column(b->expiries, b->expiry_bytes, i);
    return expiry ? expiry - 1 + b->expiry_base : 0;
}
static inline uint32_t entry_value_end(const struct entry_block *b, uint32_t i)
{
    return (uint32_t)entry_column(b->value_ends, b->value_bytes, i);
}
static inline uint32_t entry_value_begin(const struct entry_block *b, uint32_t i)
{
    return i ? entry_value_end(b, i - 1) : 0;
}
static inline bool entry_is_put(const struct entry_block *b, uint32_t i)
{
    return b->puts >> i & 1;
}
static inline uint8_t entry_type_of(const struct entry_block *b, uint32_t i)
{
    return !(b->puts >> i & 1) ? ENTRY_DELETE : b->pointers >> i & 1 ? ENTRY_POINTER : ENTRY_PUT;
}
static inline bool entry_is_newest(const struct entry_block *b, uint32_t i)
{
    return b->firsts >> i & 1;
}
/* The row of entry i, or which it would have if it were a put. */
static inline uint32_t entry_row(const struct entry_block *b, uint32_t i)
{
    return b->first_row + (uint32_t)__builtin_popcount(b->puts & ((1u << i) - 1));
}
/* The entry of a row of the block. */
uint32_t entry_of_row(const struct entry_block *, uint32_t row);

/* Makes key i in `key` (cleared first). NACRE_NO_MEMORY. */
int entry_block_key(const struct entry_block *, uint32_t i, struct buffer *key);
/* Makes key i out of key i - 1, which lies in `key`; of nothing for the first. */
static inline int entry_block_step(const struct entry_block *b, uint32_t i, struct buffer *key)
{
    uint32_t begin = entry_begin(b, i), size = entry_end(b, i) - begin;
    key->size = entry_common(b, i);
    if (__builtin_expect(key->capacity < key->size + size || !key->data, 0)) {
        int status = buffer_reserve(key, size + 64);
        if (status != NACRE_OK)
            return status;
    }
    memcpy(key->data + key->size, b->stream + begin, size);
    key->size += size;
    return NACRE_OK;
}
/* The first entry with a key >= `key`, or b->count; *equal says whether it is that key. */
uint32_t entry_block_lower_bound(const struct entry_block *, nacre_slice key, bool *equal);
/* The first key of the block lies in its stream as it is. */
static inline nacre_slice entry_block_first_key(const struct entry_block *b)
{
    return slice_of(b->stream, entry_end(b, 0));
}
#endif
