/* The versions of the keys of one key block: sequences, what they are, expiries, values. Lies right behind its key block, at a multiple of 8. A block whose keys
   all have one version, a put without expiry and value at the segment's base sequence, has none: all of it is made up.

    0  8  checksum: XXH3 of the bytes from 8 up to the stored size, plus block_checksum_mix(id of the segment, offset of this block)
    8  4  stored size, header included
   12  4  raw size, header included
   16  4  number of versions, v
   20  2  number of keys, n: that of the key block
   22  1  codec: 0 as it is, 1 LZ4, 2 Zstd; it packs everything behind the header
   23  1  flags: 1 counted, 2 some version is a delete or an operand of a merge, 4 some version is a pointer or an operand
   24  1  bytes of a sequence, s: 0 to 8
   25  1  bytes of an expiry, x: 0 to 8
   26  1  bytes of an end, e: 0 (no value has any bytes), 1, 2 or 4
   27  5  zeros
   32  8  base of the expiries
   40     counted: n x 4, how many versions there are up to and with key i; else each key has one
          v x s, zigzag(sequence - base sequence of the segment)
          deletes, when flagged: (v + 7) / 8 bytes; bit i % 8 of byte i / 8 is set when version i is a delete, or an operand
          specials, when flagged: as many bytes; the bit is set when version i is a put by pointer into the value log (its bit in deletes is not set), or an
          operand (it is)
          v x x, expiry - base + 1, or 0: none
          v x e, where the value of version i ends in the values; it begins where that of version i - 1 ends
          values, up to the raw size
   The versions of a key are together, the newest first; keys are in the order of the key block. */
#ifndef NACRE_STRINGS_VERSION_BLOCK_H
#define NACRE_STRINGS_VERSION_BLOCK_H
#include "base/buffer.h"
#include "base/entry.h"

#define VERSION_BLOCK_HEADER 40u
#define VERSION_BLOCK_SLACK  8u /* readable behind a block: a number is loaded as a whole word */

enum { VERSIONS_COUNTED = 1, VERSIONS_DELETES = 2, VERSIONS_SPECIALS = 4 };

struct versions_view {
    struct pin pin; /* what keeps the bytes */
    uint64_t base_sequence;
    uint32_t keys, versions;
    /* The rest is private to version_block.c. */
    uint8_t flags, sequence_bytes, expiry_bytes, end_bytes;
    const uint8_t *afters, *sequences, *deletes, *specials, *expiries, *ends, *values;
    uint64_t expiry_base;
    size_t values_size;
};
/* Versions of key `i` are [first, after), newest first. */
void versions_of_key(const struct versions_view *, uint32_t i, uint32_t *first, uint32_t *after);
/* All but the key. The value points into the view. */
void versions_entry(const struct versions_view *, uint32_t version, struct entry *);

/* What is left to be made up for a block of `keys` keys without versions. */
void versions_make_plain(struct versions_view *, uint32_t keys, uint64_t base_sequence);
/* Of a raw block that was checked; base_sequence is that of the segment. Leaves the pin alone. */
void versions_make(struct versions_view *, const uint8_t *raw, uint64_t base_sequence);
/* Finds what would let a reader of these `size` raw bytes leave them; NULL = nothing. The block should have `keys` keys. */
const char *version_block_check(const uint8_t *raw, size_t size, uint32_t keys);
#endif
