/* The sections GRAM and GPOS as found: which blocks have a gram. Points into bytes that stay. Any thread. */
#ifndef NACRE_STRINGS_GRAM_INDEX_H
#define NACRE_STRINGS_GRAM_INDEX_H
#include "strings/gram_dictionary.h"
#include "strings/posting_list.h"

struct gram_index {
    struct gram_dictionary dictionary;
    const uint8_t *lists;
};
/* Checks the frames; blocks and keys must be those of the segment. NACRE_CORRUPT. */
int gram_index_open(nacre_slice gram_section, nacre_slice lists_section, uint32_t blocks, uint64_t keys,
                    struct gram_index *);
/* The list of a gram. It is that of all blocks where grams of this length are not kept, or where its entry is no good (*good is false then). */
struct posting_list gram_index_list(const struct gram_index *, gram, bool *good);
/* All of it, to the last bit. NACRE_CORRUPT, NACRE_NO_MEMORY. */
int gram_index_verify(const struct gram_index *);
#endif
