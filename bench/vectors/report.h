/* Tables, as Markdown has them. */
#ifndef BENCH_VECTORS_REPORT_H
#define BENCH_VECTORS_REPORT_H
#include "searches.h"

void report_heading(const struct options *options, const struct dataset *dataset);
void report_searches(const struct options *options, const struct built *builds, const struct engine_results *results);
void report_searches_tsv(const struct options *options, const struct dataset *dataset, const struct built *builds,
                         const struct engine_results *results); /* to options->tsv, where it is given */

#endif
