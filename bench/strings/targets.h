/* What nacre should reach, and whether it did. */
#ifndef BENCH_STRINGS_TARGETS_H
#define BENCH_STRINGS_TARGETS_H
#include "results.h"

/* Prints a line for each target: what was reached, what was asked, met or not. */
void targets_print(const struct results *results);

/* The geometric mean over the queries that both counted of `engine`'s time over nacre's; 0: there are none. */
double geometric_mean(const struct results *results, size_t engine, const char *class_name, unsigned *queries);

#endif
