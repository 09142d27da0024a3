/* Gathers the posting lists of grams (regex/analysis.h) of a segment's keys and makes the sections GRAM and GPOS; gram_builder.c has how. */
#ifndef NACRE_STRINGS_GRAM_BUILDER_H
#define NACRE_STRINGS_GRAM_BUILDER_H
#include "base/buffer.h"
#include "regex/analysis.h"
#include "segment/container.h"

struct gram_builder;
int gram_builder_create(struct gram_builder **);
/* As string_index_builder_add. NACRE_NO_MEMORY. */
int gram_builder_add(struct gram_builder *, nacre_slice key, size_t shared, uint32_t block);
/* Once written: in how many blocks a gram is; *known is false when grams of its length were given up. */
uint32_t gram_builder_blocks(const struct gram_builder *, gram, bool *known);
int gram_builder_write(struct gram_builder *, uint32_t blocks, uint64_t keys, struct container_writer *);
uint64_t gram_builder_memory(const struct gram_builder *);
void gram_builder_free(struct gram_builder *);
#endif
