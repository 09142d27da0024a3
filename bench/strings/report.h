/* Shows the figures to people. */
#ifndef BENCH_STRINGS_REPORT_H
#define BENCH_STRINGS_REPORT_H
#include "results.h"

void report_heading(const struct corpus *corpus, const char *directory);
void report_queries(const struct results *results);
void report_summary(const struct results *results);

#endif
