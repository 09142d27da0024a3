/* The plain model that stores are compared with: two collections over a fixed set of keys, each key with the number of its value (0 = none).
   Keys are chosen to hurt (prefixes of each other, zero bytes, 0xFF, long common prefixes), values follow from their number. Collections of kind strings
   are searched too, by patterns of which the model knows what they match. */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H
#include <nacre/nacre.h>

#define MODEL_KEYS        133
#define MODEL_COLLECTIONS 2
#define MODEL_PATTERNS    24

struct model {
    nacre_kind kinds[MODEL_COLLECTIONS]; /* 0 = ordered */
    uint32_t values[MODEL_COLLECTIONS][MODEL_KEYS];
};

nacre_slice model_key(unsigned index);               /* in key order: index order is key order */
nacre_slice model_value(uint32_t number, char *out); /* out: MODEL_VALUE_MAX bytes */
#define MODEL_VALUE_MAX 6000
extern const char *const model_names[MODEL_COLLECTIONS];

nacre_slice model_pattern(unsigned index);
bool model_matches(unsigned pattern, unsigned key);

/* Opens the collections, and makes them where they are missing. The first failure. */
int model_open(const struct model *, nacre_store *, nacre_collection *collections[MODEL_COLLECTIONS]);

uint64_t model_random(uint64_t *seed); /* xorshift; seed is not 0 */

/* One random atomic write: applied to the model and put into the batch. */
void model_random_batch(struct model *, nacre_batch *, nacre_collection *collections[MODEL_COLLECTIONS], uint64_t *seed,
                        uint32_t *next_value);
/* NULL when the store shows exactly the model, by scans both ways, by gets and by some searches; else what differs (a static buffer). */
const char *model_compare(const struct model *, nacre_collection *collections[MODEL_COLLECTIONS], nacre_snapshot *);
/* The same of one search: a count and a cursor. NULL also where a call failed, as *status says; what was found until then was right. */
const char *model_compare_search(const struct model *, nacre_collection *, unsigned c, unsigned pattern,
                                 const nacre_regex_options *, int *status);
/* Of some searches. */
const char *model_compare_searches(const struct model *, nacre_collection *, unsigned c, nacre_snapshot *);
#endif
