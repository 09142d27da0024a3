/* Checksums of blocks, for kinds that keep their data in blocks ahead of the sections. */
#ifndef NACRE_SEGMENT_BLOCK_SUM_H
#define NACRE_SEGMENT_BLOCK_SUM_H
#include <stdint.h>

/* Added to the checksum of a block's bytes, so that a block which lies at another place, or in another file, is not taken for good. */
static inline uint64_t block_checksum_mix(uint64_t segment_id, uint64_t offset)
{
    return (segment_id ^ 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu + offset * 0xc4ceb9fe1a85ec53u;
}
/* Over the checksums of all blocks in order, from 0. */
static inline uint64_t block_digest_add(uint64_t digest, uint64_t checksum)
{
    return (digest ^ checksum) * 0x9e3779b97f4a7c15u + 1;
}
#endif
