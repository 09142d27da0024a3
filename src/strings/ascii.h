/* Whether bytes are ASCII, eight at a time. */
#ifndef NACRE_STRINGS_ASCII_H
#define NACRE_STRINGS_ASCII_H
#include "base/endian.h"
#include <stdbool.h>
#include <stddef.h>

#define ASCII_HIGH_BITS UINT64_C(0x8080808080808080)

static inline bool bytes_are_ascii(const uint8_t *bytes, size_t size)
{
    uint64_t seen = 0;
    size_t i = 0;
    for (; i + 8 <= size; i += 8)
        seen |= load_u64(bytes + i);
    for (; i < size; i++)
        seen |= bytes[i];
    return (seen & ASCII_HIGH_BITS) == 0;
}
#endif
