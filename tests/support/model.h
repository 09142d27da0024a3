/* The plain model that stores are compared with: three collections over a fixed set of keys, each key with the number of its value (0 = none).
   Keys are chosen to hurt (prefixes of each other, zero bytes, 0xFF, long common prefixes), values follow from their number. Collections of kind strings
   are searched too, by patterns of which the model knows what they match; those of kind vectors for nearest neighbours, of vectors that follow from the values'
   numbers as well. */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H
#include <nacre/nacre.h>

#define MODEL_KEYS        133
#define MODEL_COLLECTIONS 3
#define MODEL_PATTERNS    24
#define MODEL_DIMENSION   20

struct model {
    nacre_kind kinds[MODEL_COLLECTIONS];     /* 0 = ordered */
    nacre_metric metrics[MODEL_COLLECTIONS]; /* of vectors: 0 = L2 */
    uint64_t value_log_threshold;            /* of all collections; 0 = the default */
    bool merges; /* the collections that hold no vectors take operands: stores need model_hooks */
    uint32_t values[MODEL_COLLECTIONS][MODEL_KEYS];
};

nacre_slice model_key(unsigned index);               /* in key order: index order is key order */
nacre_slice model_value(uint32_t number, char *out); /* out: MODEL_VALUE_MAX bytes */
#define MODEL_VALUE_MAX 6000
extern const char *const model_names[MODEL_COLLECTIONS];

nacre_slice model_pattern(unsigned index);
bool model_matches(unsigned pattern, unsigned key);

/* The first collection's operator can combine, the second one's cannot. */
extern const nacre_hooks model_hooks;
uint32_t model_merged(uint32_t number, uint32_t operand); /* the number that a value (0 = none) has behind an operand */
nacre_slice model_operand(uint32_t operand, char *out);   /* out: 16 bytes */

/* Opens the collections, and makes them where they are missing. The first failure. */
int model_open(const struct model *, nacre_store *, nacre_collection *collections[MODEL_COLLECTIONS]);

uint64_t model_random(uint64_t *seed); /* xorshift; seed is not 0 */

/* One random atomic write: applied to the model and put into the batch. */
void model_random_batch(struct model *, nacre_batch *, nacre_collection *collections[MODEL_COLLECTIONS], uint64_t *seed,
                        uint32_t *next_value);
/* One random ingest into one collection, by one to four writers: applied to the model, then done. The first failure; the model has it then all the same. */
int model_random_ingest(struct model *, nacre_collection *collections[MODEL_COLLECTIONS], uint64_t *seed,
                        uint32_t *next_value);
/* NULL when the store shows exactly the model, by scans both ways, by gets and by some searches; else what differs (a static buffer). */
const char *model_compare(const struct model *, nacre_collection *collections[MODEL_COLLECTIONS], nacre_snapshot *);
/* The same of one search: a count and a cursor. NULL also where a call failed, as *status says; what was found until then was right. */
const char *model_compare_search(const struct model *, nacre_collection *, unsigned c, unsigned pattern,
                                 const nacre_regex_options *, int *status);
/* One search for nearest neighbours. */
struct model_nearest {
    uint32_t query; /* the vector of this number */
    size_t k;
    bool exact, callback; /* callback: a function of key and value filters too */
    int pattern;          /* -1: none */
    nacre_slice prefix, begin, end;
};
void model_vector(uint32_t number, float *out); /* MODEL_DIMENSION floats */
struct model_nearest model_random_nearest(uint64_t *seed);
/* As model_compare_search. An answer that is not said to be exact may lack nearer ones, and nothing else. */
const char *model_compare_nearest(const struct model *, nacre_collection *, unsigned c, const struct model_nearest *,
                                  nacre_snapshot *, int *status);
/* Of some searches for nearest neighbours, and gets of vectors. */
const char *model_compare_nearests(const struct model *, nacre_collection *, unsigned c, nacre_snapshot *);
/* Of some searches by patterns. */
const char *model_compare_searches(const struct model *, nacre_collection *, unsigned c, nacre_snapshot *);
#endif
