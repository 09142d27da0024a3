/* Times searches. */
#ifndef BENCH_VECTORS_MEASURE_H
#define BENCH_VECTORS_MEASURE_H
#include "dataset.h"
#include "engine.h"

struct rate {
    double wall,
        cpu; /* queries per second of the clock, and per second of processor time of all threads of the process */
};

/* All queries, divided among the threads, again and again for so many seconds at least, and once at least.
   answers: k rows for each query. */
struct rate measure_searches(const struct engine *engine, void *state, const struct dataset *dataset, size_t k,
                             unsigned threads, double seconds, int32_t *answers);

double thread_cpu_seconds(void); /* of the calling thread */


#endif
