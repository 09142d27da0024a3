/* How many keys hold a literal of one, two or three bytes: the section GCNT, a dictionary (gram_dictionary.h) over the keys' bytes as they are, without
   begin and end. One byte and two bytes: all that occur. Three bytes: those whose gram, with A-Z folded, is in at least `blocks` blocks; all or none of
   these are kept. */
#ifndef NACRE_STRINGS_LITERAL_COUNTS_H
#define NACRE_STRINGS_LITERAL_COUNTS_H
#include "strings/gram_builder.h"
#include "strings/gram_dictionary.h"

/* Literals of three bytes in fewer blocks are not kept: that many blocks are quickly looked at. */
#define LITERAL_BLOCKS 64u

struct literal_builder;
int literal_builder_create(struct literal_builder **);
int literal_builder_add(struct literal_builder *, nacre_slice key, size_t shared); /* as string_index_builder_add */
/* All keys came; `grams` were given the same. Appends the section. */
int literal_builder_make(struct literal_builder *, const struct gram_builder *grams, struct buffer *section);
uint64_t literal_builder_memory(const struct literal_builder *);
void literal_builder_free(struct literal_builder *);
#endif
