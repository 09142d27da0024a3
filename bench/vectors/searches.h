/* Builds an index with each engine, and searches it from the fastest setting to the most exact one. */
#ifndef BENCH_VECTORS_SEARCHES_H
#define BENCH_VECTORS_SEARCHES_H
#include "builds.h"

#define SETTINGS_MAX  32
#define RECALL_ENOUGH 0.9975 /* where a sweep ends */

struct point {
    bool present;
    double recall;
    double cpu_rate, wall_rate; /* queries per second of processor time, and of the clock, by one thread */
    double several_rate;        /* of the clock, by several */
};

struct engine_results {
    unsigned runs;                                       /* that came to their end */
    double memory[RUNS_MAX], memory_anonymous[RUNS_MAX]; /* bytes resident that came with opening and searching */
    double open_seconds[RUNS_MAX];
    struct point points[RUNS_MAX][SETTINGS_MAX];
};

/* builds, results: one for each of `engines`, in shared memory. */
void searches_run(const struct options *options, const struct dataset *dataset, struct built *builds,
                  struct engine_results *results);

/* Medians over the runs. */
struct point searches_point(const struct engine_results *results, size_t setting);

/* Queries per second, by `rate`, at such a recall: between the settings about it that no other beats, the time for a
   query taken as linear in the logarithm of what is missed. Where even the fastest finds more, its rate; 0: it is not
   reached. */
double searches_rate_at(const struct engine_results *results, double recall, double (*rate)(const struct point *));

#endif
