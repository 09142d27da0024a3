/* Repeats a count and takes the median of its times. */
#ifndef BENCH_STRINGS_MEASURE_H
#define BENCH_STRINGS_MEASURE_H
#include <stdbool.h>
#include <stdint.h>

#define COUNT_FAILED UINT64_MAX

struct timing {
    double wall_us, cpu_us; /* medians; cpu: of this thread and of the processes it waited for */
    unsigned runs;
    uint64_t count;
};

typedef uint64_t (*counter)(void *state); /* COUNT_FAILED: it could not be done */

/* One run that does not count, then at least 5 and at least 20 ms, unless 0.2 s are reached. Ends the program when the count changes.
   false: the counter failed. */
bool measure(counter count, void *state, struct timing *timing);

double thread_cpu_us(void); /* of the calling thread and of the processes that were waited for */

#endif
