/* The plain model that stores are compared with: two collections over a fixed set of keys, each key with the number of its value (0 = none).
   Keys are chosen to hurt (prefixes of each other, zero bytes, 0xFF, one long common prefix), values follow from their number. */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H
#include <nacre/nacre.h>

#define MODEL_KEYS        120
#define MODEL_COLLECTIONS 2

struct model {
    uint32_t values[MODEL_COLLECTIONS][MODEL_KEYS];
};

nacre_slice model_key(unsigned index);               /* in key order: index order is key order */
nacre_slice model_value(uint32_t number, char *out); /* out: MODEL_VALUE_MAX bytes */
#define MODEL_VALUE_MAX 6000
extern const char *const model_names[MODEL_COLLECTIONS];

uint64_t model_random(uint64_t *seed); /* xorshift; seed is not 0 */

/* One random atomic write: applied to the model and put into the batch. */
void model_random_batch(struct model *, nacre_batch *, nacre_collection *collections[MODEL_COLLECTIONS], uint64_t *seed,
                        uint32_t *next_value);
/* NULL when the store shows exactly the model, by scans both ways and by gets; else what differs (a static buffer). */
const char *model_compare(const struct model *, nacre_collection *collections[MODEL_COLLECTIONS], nacre_snapshot *);
#endif
