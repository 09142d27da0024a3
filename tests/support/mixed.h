/* A collection of everything that a plain model has not: values large enough for the value log and overwritten there, time to live, a compaction filter, operands. It is written
   in rounds, and what it answers after the last is known. */
#ifndef TESTS_MIXED_H
#define TESTS_MIXED_H
#include <nacre/nacre.h>

#define MIXED_ROUNDS 3
#define MIXED_KEYS   40
#define MIXED_NAME   "mixed"

/* Those of the model (model.h), and the filter. */
const nacre_hooks *mixed_hooks(void);
/* Opens the collection, and makes it where it is missing. */
int mixed_open(nacre_store *, nacre_collection **);
/* One round of writes, 0 to MIXED_ROUNDS - 1; the first failure. */
int mixed_write(nacre_collection *, unsigned round);
nacre_slice mixed_key(unsigned index, char out[8]);
/* Whether the answer to a get is right after all rounds; else what was expected. */
bool mixed_is_right(unsigned index, int status, nacre_slice value);
/* Gets and a scan: NULL where no answer is wrong, else what is. *status: the first failure, NACRE_OK. */
const char *mixed_compare(nacre_collection *, int *status);
#endif
