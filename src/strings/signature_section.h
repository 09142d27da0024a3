/* The section SGNT: the signatures of all blocks.

   0  4  list of features: 1 (signature.c)
   4  4  number of blocks
   8  8  XXH3 of the features: 4 bytes each, measure, class, threshold
   16    8 for each block */
#ifndef NACRE_STRINGS_SIGNATURE_SECTION_H
#define NACRE_STRINGS_SIGNATURE_SECTION_H
#include "base/buffer.h"

/* What comes before the signatures; these are to be appended behind it. */
int signature_section_append(uint32_t blocks, struct buffer *out);
/* NACRE_CORRUPT when the section is not that of so many blocks; NACRE_UNSUPPORTED when its features are others. */
int signature_section_open(nacre_slice section, uint32_t blocks, const uint64_t **words);
#endif
