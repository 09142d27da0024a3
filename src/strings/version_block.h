/* The versions of the keys of one key block: sequences, deletes, expiries, values. Lies right behind its key block. A block whose keys all have one
   version, a put without expiry and value at the segment's base sequence, has none: all of it is made up.
   version_block.c has the layout. Stored compressed where that shrinks it (as blocks of the ordered kind are). */
#ifndef NACRE_STRINGS_VERSION_BLOCK_H
#define NACRE_STRINGS_VERSION_BLOCK_H
#include "base/buffer.h"
#include "base/entry.h"

struct versions_view {
    struct pin pin; /* what keeps the bytes */
    uint64_t base_sequence;
    uint32_t keys, versions;
    /* The rest is private to version_block.c. */
    uint8_t flags, sequence_bytes, expiry_bytes, end_bytes;
    const uint8_t *firsts, *sequences, *deletes, *expiries, *ends, *values;
    uint64_t expiry_base;
    size_t values_size;
};
/* Versions of key `i` are [first, after), newest first. */
void versions_of_key(const struct versions_view *, uint32_t i, uint32_t *first, uint32_t *after);
/* All but the key. The value points into the view. */
void versions_entry(const struct versions_view *, uint32_t version, struct entry *);
#endif
