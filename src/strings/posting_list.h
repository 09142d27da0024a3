/* Posting lists: which of the blocks 0 to blocks - 1 have something. Where a list is not kept as gaps, its form and its size follow from `blocks` and from `count`, the number
   of blocks that are in it, so that nothing else must be kept to find its bytes:

   none        0, 1 or all blocks are in it. The one block of a list of one is kept by whoever keeps the count.
   bitmap      bit b % 8 of byte b / 8 for block b; where nothing else is smaller
   Elias-Fano  of the blocks that are in it, or of those that are not where these are fewer (Elias, "Efficient Storage and Retrieval by Content and Address of
               Static Files", 1974). With n numbers below u: low = floor(log2(u / n)), 0 where n > u / 2; then
                 upper: n + (u >> low) + 1 bits: for number i of value v, bit (v >> low) + i is set; filled up to whole bytes with zeros
                 lower: the low bits of each number, low bits each, least first; filled up likewise

   Gaps (gap_code.h) are taken where they come to less than 9/10 of that; then their bytes are kept, too.

   All bits count from the least of the first byte. Lists lie back to back at any byte; POSTING_SLACK bytes behind the last can be read. Any thread. */
#ifndef NACRE_STRINGS_POSTING_LIST_H
#define NACRE_STRINGS_POSTING_LIST_H
#include "base/buffer.h"

#define POSTING_SLACK 16u

/* Bytes of a list that is not kept as gaps. count <= blocks. */
uint64_t posting_list_size(uint32_t blocks, uint32_t count);
/* Appends the list of `count` ascending blocks. *gap_bytes: its bytes when it is kept as gaps, else 0. NACRE_NO_MEMORY. */
int posting_list_append(struct buffer *out, uint32_t blocks, const uint32_t *values, uint32_t count,
                        uint32_t *gap_bytes);

/* A list as found: `bytes` has gap_bytes, or where these are 0 posting_list_size(blocks, count), and the slack. Its content is not believed: what does not fit is left out. */
struct posting_list {
    const uint8_t *bytes;
    uint32_t blocks, count;
    uint32_t only; /* the block of a list of one */
    uint32_t gap_bytes;
};
/* A bitmap has a bit per block in (blocks + 63) / 64 words. OR leaves the bits past the last block as they are, AND clears them. */
void posting_list_or(const struct posting_list *, uint64_t *bitmap);
void posting_list_and(const struct posting_list *, uint64_t *bitmap);
/* Whether the bytes are those of a list of so many blocks, to the last bit. NACRE_NO_MEMORY. */
int posting_list_check(const struct posting_list *, bool *good);
#endif
