/* LEB128 numbers of 1 to 10 bytes, and differences as small numbers. */
#ifndef NACRE_BASE_VARINT_H
#define NACRE_BASE_VARINT_H
#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX 10
static inline size_t varint_size(uint64_t v)
{
    return v == 0 ? 1 : (size_t)(63 - __builtin_clzll(v)) / 7 + 1;
}
static inline uint8_t *varint_put(uint8_t *at, uint64_t v)
{
    while (v >= 0x80) {
        *at++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *at++ = (uint8_t)v;
    return at;
}
/* NULL when the bytes end first or the number does not fit 64 bits. */
static inline const uint8_t *varint_get(const uint8_t *at, const uint8_t *end, uint64_t *v)
{
    if (at < end && *at < 0x80) {
        *v = *at;
        return at + 1;
    }
    uint64_t result = 0;
    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return NULL;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *v = result;
            return at;
        }
    }
    return NULL;
}

/* A difference of two numbers (modulo 2^64), near zero to either side, as a small number, and back. */
static inline uint64_t zigzag(uint64_t delta)
{
    return (delta << 1) ^ (uint64_t)((int64_t)delta >> 63);
}
static inline uint64_t unzigzag(uint64_t number)
{
    return (number >> 1) ^ (0 - (number & 1));
}
#endif
