/* Where a value lies in the value log, as entries of type ENTRY_POINTER carry it: 24 bytes, little-endian.

     0  8  id of the value file
     8  4  offset of the value's first byte in it
     12 4  bytes of the value
     16 8  checksum of the value: XXH3, seeded with the file and the offset */
#ifndef NACRE_VALUES_VALUE_POINTER_H
#define NACRE_VALUES_VALUE_POINTER_H
#include "base/endian.h"
#include "base/slice.h"

#define VALUE_POINTER_BYTES 24u

struct value_pointer {
    uint64_t file;
    uint32_t offset;
    uint32_t size;
    uint64_t checksum;
};

static inline void value_pointer_encode(const struct value_pointer *pointer, uint8_t bytes[VALUE_POINTER_BYTES])
{
    store_u64(bytes, pointer->file);
    store_u32(bytes + 8, pointer->offset);
    store_u32(bytes + 12, pointer->size);
    store_u64(bytes + 16, pointer->checksum);
}

/* False: the slice is no pointer. */
static inline bool value_pointer_decode(nacre_slice bytes, struct value_pointer *pointer)
{
    if (bytes.size != VALUE_POINTER_BYTES) {
        return false;
    }
    const uint8_t *at = bytes.data;
    *pointer = (struct value_pointer){ load_u64(at), load_u32(at + 8), load_u32(at + 12), load_u64(at + 16) };
    return true;
}
#endif
