/* A blocked Bloom filter (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007): the bits of a hash lie in one block of 64 bytes, so that
   asking costs one cache line.

   With a hash h: block = (h >> 32) * blocks >> 32; of its 512 bits, bit (h * odd[i] mod 2^64) >> 55 is set for each of six odd constants; bit i is
   bit i % 8 of byte i / 8. At 10 bits per hash about 1 % of absent ones are taken for present. */
#ifndef NACRE_FILTER_BLOCKED_BLOOM_H
#define NACRE_FILTER_BLOCKED_BLOOM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOOM_BLOCK_BYTES   64u
#define BLOOM_BITS_PER_HASH 10u
#define BLOOM_PROBES        6u

static const uint64_t bloom_odd[BLOOM_PROBES] = { 0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu, 0x165667b19e3779f9u,
                                                  0xd6e8feb86659fd93u, 0xff51afd7ed558ccdu, 0xc4ceb9fe1a85ec53u };

/* How many blocks so many hashes want; 0 for none. */
static inline uint64_t bloom_blocks_for(uint64_t hashes)
{
    return (hashes * BLOOM_BITS_PER_HASH + BLOOM_BLOCK_BYTES * 8 - 1) / (BLOOM_BLOCK_BYTES * 8);
}
static inline size_t bloom_block_offset(uint64_t blocks, uint64_t hash)
{
    return (size_t)((hash >> 32) * blocks >> 32) * BLOOM_BLOCK_BYTES;
}
static inline void bloom_add(uint8_t *filter, uint64_t blocks, uint64_t hash)
{
    uint8_t *block = filter + bloom_block_offset(blocks, hash);
    for (uint32_t i = 0; i < BLOOM_PROBES; i++) {
        uint32_t bit = (uint32_t)(hash * bloom_odd[i] >> 55);
        block[bit / 8] = (uint8_t)(block[bit / 8] | 1u << (bit % 8));
    }
}
static inline bool bloom_may_have(const uint8_t *filter, uint64_t blocks, uint64_t hash)
{
    const uint8_t *block = filter + bloom_block_offset(blocks, hash);
    for (uint32_t i = 0; i < BLOOM_PROBES; i++) {
        uint32_t bit = (uint32_t)(hash * bloom_odd[i] >> 55);
        if (!(block[bit / 8] >> (bit % 8) & 1))
            return false;
    }
    return true;
}
#endif
