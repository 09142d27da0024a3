/* A posting list as gaps: for each number, ascending, the difference to the one before (to -1 for the first), as Elias gamma codes from the least bit of each byte on:
   k zeros, a one, the k low bits of the gap, where k = floor(log2(gap)). Filled up to whole bytes with zeros. Small where numbers come in clusters, as they do in blocks of
   sorted keys. Any thread. */
#ifndef NACRE_STRINGS_GAP_CODE_H
#define NACRE_STRINGS_GAP_CODE_H
#include "base/buffer.h"

/* Numbers up to this can be coded. */
#define GAP_CODE_MAX ((UINT32_C(1) << 28) - 1)
#define GAP_SLACK    8u /* bytes behind the last that can be read */

uint64_t gap_code_bits(const uint32_t *values, uint32_t count);
/* Into zeroed bytes. */
void gap_code_write(uint8_t *bytes, const uint32_t *values, uint32_t count);

/* Decoding, piece by piece. Zero-initialise but for bytes and bits (8 times the number of bytes). */
struct gap_reader {
    const uint8_t *bytes;
    uint64_t bits, at; /* at: bits decoded */
    uint32_t next;     /* the least number that may come */
};
/* ORs the bits of the numbers below `end` to a bitmap that begins with number `begin`, and perhaps bits of numbers up to 63 above them: the bitmap has two words more than
   [begin, end) needs. Pieces follow each other from 0 on. Reads nothing outside of the bytes and the slack, whatever they are. */
void gap_reader_or(struct gap_reader *, uint32_t begin, uint32_t end, uint64_t *bitmap);
#endif
