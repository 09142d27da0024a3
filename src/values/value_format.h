/* The bytes of a value file (docs/formats.md, "Value files"): header and records, made and checked. Pure functions.

   header, 64 bytes at 0:                     record, at a multiple of 8:
     0  8  magic "nacreVAL"                     0  8  XXH3 of the value, seeded with file and value's offset
     8  4  format version                       8  4  bytes of the value
     12 4  zero                                 12 4  bytes of the key
     16 8  id                                   16 4  collection
     24 8  bytes the file was made with         20 4  low half of XXH3 of bytes 0..19, seeded with file and record's offset
     32 24 zeros                                24 8  XXH3 of the key, seeded likewise
     56 8  XXH3 of bytes 0..55                  32    key, then value, then zeros up to a multiple of 8

   A file that is shorter than it was made is sealed: all that is in it was durable when it was cut. */
#ifndef NACRE_VALUES_VALUE_FORMAT_H
#define NACRE_VALUES_VALUE_FORMAT_H
#include "values/value_log.h"

#define VALUE_MAGIC               "nacreVAL"
#define VALUE_FORMAT              1u
#define VALUE_HEADER_BYTES        64u
#define VALUE_RECORD_HEADER_BYTES 32u
#define VALUE_ALIGNMENT           8u
/* So much of a file is never used, so that it is always cut when it is sealed. */
#define VALUE_FILE_SLACK 8u

struct value_header {
    uint64_t id;
    uint64_t made_bytes;
};

struct value_record_header {
    uint64_t checksum; /* of the value */
    uint32_t value_size, key_size, collection;
    uint64_t key_hash;
};

static inline uint64_t value_record_bytes(size_t key_size, size_t value_size)
{
    return ((uint64_t)VALUE_RECORD_HEADER_BYTES + key_size + value_size + VALUE_ALIGNMENT - 1) &
           ~(uint64_t)(VALUE_ALIGNMENT - 1);
}

void value_header_encode(const struct value_header *, uint8_t bytes[VALUE_HEADER_BYTES]);
/* NACRE_CORRUPT with expected and found in the detail, NACRE_UNSUPPORTED for a sound header of another format; `path` is for the detail
   only. */
int value_header_decode(const uint8_t bytes[VALUE_HEADER_BYTES], const char *path, struct value_header *);

uint64_t value_checksum(uint64_t file, uint64_t offset, nacre_slice value); /* offset: of the value */
/* The 32 bytes before the key of a record at `offset`; fills in the pointer. NACRE_LIMIT is the caller's to see to. */
void value_record_encode(uint8_t bytes[VALUE_RECORD_HEADER_BYTES], uint64_t file, uint64_t offset, uint32_t collection,
                         nacre_slice key, nacre_slice value, struct value_pointer *);
/* Whether a record of file `file` may begin with these bytes at `offset`. Key and value are not looked at. */
bool value_record_decode(const uint8_t bytes[VALUE_RECORD_HEADER_BYTES], uint64_t file, uint64_t offset,
                         struct value_record_header *);
bool value_record_key_is_good(const struct value_record_header *, uint64_t file, uint64_t offset, nacre_slice key);
#endif
