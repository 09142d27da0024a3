/* A sorted dictionary from grams (regex/analysis.h) to numbers, with groups of 16 that are found by binary search. What the sections GRAM and GCNT are:

   0  4  number of entries, E
   4  4  bytes of the entries, T
   8  4  blocks: GRAM: number of blocks; GCNT: in how many blocks a gram must be, for literals of three bytes to be kept; 0: none are
   12 4  lengths: GRAM: 1, 2 and 4 for grams of one, two and three bytes; GCNT: zero
   16 8  bytes of the section GPOS without the slack; GCNT: zero
   24 8  number of keys
   32    groups: for every sixteenth entry: 4 gram | 4 where it begins in the entries | 8 where its list begins in GPOS (GCNT: zero)
         entries, ascending by gram, each: varint gram - gram before (not in the first of a group), then
           GCNT: varint number of keys
           GRAM: varint 2 * number of blocks + (1 when its list is kept as gaps); then, when it is: varint bytes of the list; else, when the number is 1 and there are more
                 blocks than 1: varint block

   Invariant: entries are decoded with bounds, and what they say is checked by whoever uses it: any bytes are harmless. Immutable; any thread. */
#ifndef NACRE_STRINGS_GRAM_DICTIONARY_H
#define NACRE_STRINGS_GRAM_DICTIONARY_H
#include "base/buffer.h"
#include "regex/analysis.h"

#define DICTIONARY_GROUP 16u

enum { GRAMS_OF_1 = 1, GRAMS_OF_2 = 2, GRAMS_OF_3 = 4 };

struct gram_dictionary {
    uint32_t entries, blocks, lengths, groups;
    uint64_t list_bytes, keys;
    bool has_lists; /* GRAM */
    const uint8_t *group_bytes, *begin, *end;
};
/* Checks the frame. NACRE_CORRUPT. */
int gram_dictionary_open(nacre_slice section, bool has_lists, struct gram_dictionary *);

struct gram_entry {
    gram gram;
    uint32_t count, only, gap_bytes;
    uint64_t list; /* where it begins in GPOS */
};
bool gram_dictionary_find(const struct gram_dictionary *, gram, struct gram_entry *); /* false: it is not there */
/* Walks all entries and checks order, groups, counts (1 to `most`), sizes of lists and ends. `visit` may be NULL; what it returns but NACRE_OK ends the walk. */
int gram_dictionary_walk(const struct gram_dictionary *, uint64_t most,
                         int (*visit)(void *context, const struct gram_entry *), void *context);

/* ---- building ---- */
struct gram_dictionary_builder {
    struct buffer groups, entries;
    uint32_t count, blocks, lengths;
    uint64_t list_bytes, keys;
    gram last;
    bool has_lists;
};
/* Ascending. Of `e`, list is not looked at: its list is taken to follow the one before in GPOS. */
int gram_dictionary_builder_add(struct gram_dictionary_builder *, const struct gram_entry *e);
int gram_dictionary_builder_make(const struct gram_dictionary_builder *, struct buffer *section);
void gram_dictionary_builder_free(struct gram_dictionary_builder *);
#endif
