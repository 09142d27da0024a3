/* Searches among a part of the rows. */
#ifndef BENCH_VECTORS_FILTERS_H
#define BENCH_VECTORS_FILTERS_H
#include "dataset.h"
#include "options.h"

/* Prints a table. false: an engine did not come to its end. */
bool filters_run(const struct options *options, const struct dataset *dataset);

#endif
