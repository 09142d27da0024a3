/* A block of the ordered kind: records in internal order, found by binary search without decoding.

   block (all of it, as it is in memory; a compressed block keeps the first 24 bytes and packs the rest):
     0  8  checksum of bytes 8.. as stored, mixed with the segment's id and the block's offset
     8  4  stored size, header included
     12 4  raw size, header included
     16 4  number of records, at least 1
     20 2  shared: how many first bytes all keys have in common
     22 1  codec: 0 as it is, 1 LZ4, 2 Zstd
     23 1  flags: 1 slots are 4 bytes wide, 2 the shared bytes are kept once (stripped from the records)
     24    heads: 2 bytes per record, its key's bytes [shared, shared + 2) as a big-endian number, zeros past its end
           slots: 2 or 4 bytes per record, its offset in the block
           shared bytes, when stripped
           records, back to back, up to the raw size
   record:
     1     flags: 1 put (else delete), 2 has expiry, 4|8 size class, 16|32|64 sequence bytes - 1, 128 special: a put by pointer into the
           value log with 1, an operand of a merge without
     1-2   size of the key (without the shared bytes, when stripped); 2 bytes in class 3
     1-4   size of the value: 1, 2, 4, 4 bytes by class
     1-8   zigzag(sequence - base sequence of the segment)
     8     expiry_ms, when flagged
           key, value

   Invariants of a checked block:
   1. slot i is where record i begins; the first follows the slots and shared bytes, each next one the record before it, the last ends at the raw size.
   2. Every key has at least `shared` bytes, so every record has them where they are not stripped.
   Whoever parses a record of a checked block needs no bounds; 8 bytes past a block's end are always readable. */
#ifndef NACRE_ORDERED_BLOCK_H
#define NACRE_ORDERED_BLOCK_H
#include "base/endian.h"
#include "base/entry.h"
#include "base/varint.h"
#include "segment/block_sum.h"
#include <nacre/nacre.h>

#define BLOCK_HEADER_BYTES 24u
#define BLOCK_SLACK_BYTES  8u /* readable behind a block's end: a parser may load a whole word */
#define BLOCK_WIDE_SLOTS   1u
#define BLOCK_STRIPPED     2u

#define RECORD_PUT      1u
#define RECORD_SPECIAL  128u
#define RECORD_EXPIRY   2u
#define RECORD_SIZES    12u
#define RECORD_HEAD_MAX 23u

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

struct cached_block;

struct block_view {
    const uint8_t *bytes; /* checked */
    uint32_t size, count;
    uint32_t shared, stripped; /* stripped: shared, or 0 where records have whole keys */
    uint32_t slot_shift;       /* 1 or 2: log2 of a slot's bytes */
    const uint8_t *heads, *slots;
    const uint8_t *prefix;     /* `shared` bytes */
    struct cached_block *held; /* what keeps the bytes, or NULL: the map does */
};

struct record {
    const uint8_t *key; /* without the stripped bytes; the value follows it */
    uint32_t key_size, value_size;
    uint64_t sequence, expiry_ms;
    uint8_t type;
};

/* Of a record that is known to be good. */
static inline void record_parse(const uint8_t *at, uint64_t base_sequence, struct record *r)
{
    uint32_t flags = at[0];
    if (likely((flags & RECORD_SIZES) == 0)) {
        r->key_size = at[1];
        r->value_size = at[2];
        at += 3;
    } else if ((flags & RECORD_SIZES) == 4) {
        r->key_size = at[1];
        r->value_size = load_u16(at + 2);
        at += 4;
    } else if ((flags & RECORD_SIZES) == 8) {
        r->key_size = at[1];
        r->value_size = load_u32(at + 2);
        at += 6;
    } else {
        r->key_size = load_u16(at + 1);
        r->value_size = load_u32(at + 3);
        at += 7;
    }
    uint32_t sequence_bytes = (flags >> 4 & 7) + 1;
    r->sequence = base_sequence + unzigzag(load_u64(at) & (UINT64_MAX >> (64 - 8 * sequence_bytes)));
    at += sequence_bytes;
    r->expiry_ms = 0;
    if (unlikely(flags & RECORD_EXPIRY)) {
        r->expiry_ms = load_u64(at);
        at += 8;
    }
    r->type = (uint8_t)((flags & RECORD_PUT) |
                        (flags & RECORD_SPECIAL) >> 6); /* 1 ENTRY_PUT, 2 ENTRY_MERGE, both ENTRY_POINTER */
    r->key = at;
}
static inline const uint8_t *record_end(const struct record *r)
{
    return r->key + r->key_size + (size_t)r->value_size;
}
static inline nacre_slice record_value(const struct record *r)
{
    return (nacre_slice){ r->key + r->key_size, r->value_size };
}

/* True when a record lies whole between `at` and `end`. */
static inline bool record_fits(const uint8_t *at, const uint8_t *end)
{
    static const uint8_t size_bytes[4] = { 2, 3, 5, 6 };
    size_t room = (size_t)(end - at);
    if (room < 4)
        return false;
    uint32_t flags = at[0], sizes = flags >> 2 & 3;
    size_t head = 1u + size_bytes[sizes] + (flags >> 4 & 7) + 1 + (flags & RECORD_EXPIRY ? 8 : 0);
    if (room < head)
        return false;
    size_t body = sizes == 0   ? (size_t)at[1] + at[2]
                  : sizes == 1 ? (size_t)at[1] + load_u16(at + 2)
                  : sizes == 2 ? (size_t)at[1] + load_u32(at + 2)
                               : (size_t)load_u16(at + 1) + load_u32(at + 3);
    return body <= room - head;
}

static inline uint32_t block_slot(const struct block_view *v, uint32_t i)
{
    return v->slot_shift == 1 ? load_u16(v->slots + 2 * (size_t)i) : load_u32(v->slots + 4 * (size_t)i);
}

/* Fills a view of a checked block. */
void block_view_make(const uint8_t *bytes, struct block_view *);
/* Finds every fault of structure that would let a reader leave the block; NULL = none. `size` bytes are readable, and
   BLOCK_SLACK_BYTES more. The block is raw. */
const char *block_check(const uint8_t *bytes, size_t size);
/* The first record whose key is >= `key`; count when all are less. */
uint32_t block_lower_bound(const struct block_view *, uint64_t base_sequence, nacre_slice key);
/* The key of a record against `key`. */
int block_key_compare(const struct block_view *, const struct record *, nacre_slice key);
#endif
