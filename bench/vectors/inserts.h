/* Inserts one by one, beside searches. */
#ifndef BENCH_VECTORS_INSERTS_H
#define BENCH_VECTORS_INSERTS_H
#include "dataset.h"
#include "options.h"

/* Prints tables. false: an engine did not come to its end. */
bool inserts_run(const struct options *options, const struct dataset *dataset);

/* Only where nacre is in this build: many writers at level disk; seals of large memtables, and the opening of a large
   store. */
bool inserts_by_writers(const struct options *options, const struct dataset *dataset);
bool inserts_sealed(const struct options *options);

#endif
