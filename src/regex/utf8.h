/* Characters of patterns and trees as UTF-8. */
#ifndef NACRE_REGEX_UTF8_H
#define NACRE_REGEX_UTF8_H
#include "base/slice.h"

enum { UTF8_BYTES_MAX = 4 };

static inline uint32_t utf8_size(uint32_t code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}
uint32_t utf8_encode(uint32_t code, uint8_t out[UTF8_BYTES_MAX]); /* the number of bytes; code is at most U+10FFFF */
/* Where valid UTF-8 ends in it: its size, or the place of the first byte that is not. */
size_t utf8_valid_size(nacre_slice);
/* The character at `bytes`, whose validity is known. */
uint32_t utf8_decode(const uint8_t *bytes, uint32_t *size);
#endif
