/* Unaligned little-endian loads and stores. */
#ifndef NACRE_BASE_ENDIAN_H
#define NACRE_BASE_ENDIAN_H
#include <stdint.h>
#include <string.h>
static inline uint16_t load_u16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, 2);
    return v;
}
static inline uint32_t load_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static inline uint64_t load_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}
static inline void store_u16(void *p, uint16_t v)
{
    memcpy(p, &v, 2);
}
static inline void store_u32(void *p, uint32_t v)
{
    memcpy(p, &v, 4);
}
static inline void store_u64(void *p, uint64_t v)
{
    memcpy(p, &v, 8);
}
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "nacre runs on little-endian machines"
#endif
#endif
