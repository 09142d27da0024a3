/* UTF-8 as Go reads it: shortest forms only, no surrogates, nothing over U+10FFFF; a byte that is not part of that counts as one character U+FFFD. */
#ifndef NACRE_BASE_UTF8_H
#define NACRE_BASE_UTF8_H
#include "base/buffer.h"

enum { UTF8_BYTES_MAX = 4 };

static inline uint32_t utf8_size(uint32_t code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}
uint32_t utf8_encode(uint32_t code, uint8_t out[UTF8_BYTES_MAX]); /* the number of bytes; code is at most U+10FFFF */
/* Where valid UTF-8 ends in it: its size, or the place of the first byte that is not. */
size_t utf8_valid_size(nacre_slice);
static inline bool utf8_is_valid(nacre_slice text)
{
    return utf8_valid_size(text) == text.size;
}
bool utf8_is_ascii(nacre_slice);
/* Appends the text with EF BF BD in place of each byte that is not part of valid UTF-8. NACRE_NO_MEMORY. */
int utf8_repair(nacre_slice text, struct buffer *out);
/* The character at `bytes`, whose validity is known. */
uint32_t utf8_decode(const uint8_t *bytes, uint32_t *size);
#endif
