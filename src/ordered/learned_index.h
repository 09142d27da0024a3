/* A learned index over the fence of a segment: predicts which block a key belongs to, where that is quicker than walking the fence's levels.

   A *digest* of a key is the part behind the prefix that all separators share, as a number whose digits are the bytes' ranks among those that occur in the
   separators (0: the key has ended), as many as fit 64 bits: 17 decimal digits, 10 of 64 letters. It keeps the keys' order. A byte that does not occur
   ends it: the rest is the greatest there is below the next rank. With more than LEARNED_ALPHABET_MAX different bytes it is the first 8 bytes as
   a big-endian number.

   The model is a static piecewise-linear one from digests to blocks (Ferragina and Vinciguerra, "The PGM-index", VLDB 2020), its pieces made by
   the shrinking cone (Galakatos et al., "FITing-Tree", SIGMOD 2019); a table over the digest's first bits finds the piece (as in Kipf et al.,
   "RadixSpline", aiDM 2020). Its true maximum error is worked out over all digests when it is made, so a lookup looks at 2 x error + 1 of them,
   and where the digest it finds is the key's own, it compares whole keys, as the fence does: the answer is always that of fence_find.

   section LERN of the side file:
     0  4  number of blocks, N
     4  4  number of pieces, P
     8  4  greatest error, at most LEARNED_ERROR_MAX
     12 4  shift: a digest less the first one, shifted right so far, is a place in the table
     16 4  digits of a digest, or 0: the first 8 bytes
     20 4  base of the digits; 40 zeros up to 64
     ranks: 256 x 2, of each byte, | 0x8000 where it does not occur: then of the greatest smaller one that does
     table: (1024 + 2) x 4, the first piece to look at
     digests: N x 8, ascending, of the separators
     pieces: P x 24, ascending by their first digest: 8 first digest, 8 slope (double, blocks per digest), 4 block at the first digest, 4 zeros

   It is written where it pays (learned_pays in the .c, from measurements: docs/performance.md, "Learned index"). */
#ifndef NACRE_ORDERED_LEARNED_INDEX_H
#define NACRE_ORDERED_LEARNED_INDEX_H
#include "ordered/fence.h"

#define LEARNED_ALPHABET_MAX 150u /* more leave fewer than 9 digits, which take longer to make than they tell */
#define LEARNED_ERROR_MAX    7u

struct learned_index {
    uint32_t blocks, pieces, error, shift, digits;
    uint64_t base, powers[65]; /* of the base */
    const uint8_t *ranks, *table, *digests, *lines;
};

/* Structure alone: the section's bytes are checked by its checksum. `blocks`: of the segment's fence. */
int learned_open(const char *path, nacre_slice section, uint32_t blocks, struct learned_index *);
/* What fence_find gives. */
uint32_t learned_find(const struct learned_index *, const struct fence *, nacre_slice key);
/* Makes the section of a fence that is being built or is open; leaves `section` empty where it does not pay, unless `always`. */
int learned_make(const uint8_t *ends, const uint8_t *separators, uint32_t blocks, size_t prefix, bool always,
                 struct buffer *section);
/* The greatest error that a model should have; its pieces and error are the outcome. For the benchmark. */
int learned_make_bounded(const uint8_t *ends, const uint8_t *separators, uint32_t blocks, size_t prefix, uint32_t bound,
                         struct buffer *section);
#endif
