/* The side file of a strings segment: what makes searches fast and can always be made again. Sections, each with its own checksum, each of which
   may be missing or damaged without changing an answer:

   section  | holds
   SGNT     | block signatures (signature.h)
   GRAM     | dictionary of grams, GPOS their posting lists over blocks (n-grams for n = 1 to 3: regex/analysis.h says over what)
   GCNT     | exact numbers of keys that hold a literal of one or two bytes, or of three bytes that are common; case counts
   TAIL     | dictionary of the last 8 bytes of keys, with numbers of keys
   KFIL     | filter of whole keys, PFIX of prefixes (filter/prefix_filter.h)

   A side file names nothing but its segment; index_open checks what is cheap. Each part is verified when first used; a damaged part is as if it were not
   there, and marks the index as bad, so that it is built anew. All reading calls: any thread. */
#ifndef NACRE_STRINGS_STRING_INDEX_H
#define NACRE_STRINGS_STRING_INDEX_H
#include "regex/analysis.h"
#include "segment/container.h"

struct string_index;
int string_index_open(struct container *, uint32_t blocks, uint64_t keys, struct string_index **);
void string_index_free(struct string_index *);
bool string_index_is_good(const struct string_index *);
uint64_t string_index_memory(const struct string_index *);
int string_index_verify(struct string_index *); /* all parts, all bytes */

/* Posting lists. A bitmap has a bit per block, in (blocks + 63) / 64 words; bits past the last block stay as they are (and: become 0). A gram whose list is not kept (too large for what it
   tells, or damaged) counts as being in every block. */
bool string_index_has_grams(struct string_index *);             /* the dictionary and the lists are there and good */
uint32_t string_index_gram_blocks(struct string_index *, gram); /* how many blocks have it */
void string_index_gram_or(struct string_index *, gram, uint64_t *bitmap);
void string_index_gram_and(struct string_index *, gram, uint64_t *bitmap);

/* Keys (distinct, whatever their versions) that hold these 1 to 3 bytes, exactly as they are, anywhere. False: not kept. */
bool string_index_literal_keys(struct string_index *, const uint8_t *bytes, unsigned size, uint64_t *keys);
/* Keys that end with these 1 to 8 bytes. False: cannot say (the tails were nearly all different, or are damaged). */
bool string_index_tail_keys(struct string_index *, const uint8_t *bytes, unsigned size, uint64_t *keys);
/* A word per block; NULL when missing. */
const uint64_t *string_index_signatures(struct string_index *);
void string_index_prefetch_key(const struct string_index *, uint64_t hash); /* what may_have_key will read */
bool string_index_may_have_key(struct string_index *, uint64_t hash);
bool string_index_may_have_prefix(struct string_index *, nacre_slice prefix);

/* ---- building ---- */
struct string_index_builder;
int string_index_builder_create(uint64_t expected_keys, struct string_index_builder **);
/* Distinct keys in ascending order. `shared`: bytes in common with the key added before (0 for the first). `block`: never falls. `hash`: hash_bytes(key). */
int string_index_builder_add(struct string_index_builder *, nacre_slice key, size_t shared, uint32_t block,
                             uint64_t hash);
int string_index_builder_write(struct string_index_builder *, uint32_t blocks, struct container_writer *);
uint64_t string_index_builder_memory(const struct string_index_builder *);
void string_index_builder_free(struct string_index_builder *);
#endif
