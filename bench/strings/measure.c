/* Repeats a count and takes the median of its times. */
#include "measure.h"
#include "machine.h"
#include "median.h"
#include "support.h"
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define RUNS_LEAST 5
#define RUNS_MOST  1000
#define LEAST_US   20e3
#define ENOUGH_US  200e3
#define LONG_US    500e3 /* a first run that took so long is the measurement: warming up is nothing beside it */

double thread_cpu_us(void)
{
    struct timespec own;
    struct rusage children;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    return (double)own.tv_sec * 1e6 + (double)own.tv_nsec / 1e3 +
           (double)(children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1e6 +
           (double)(children.ru_utime.tv_usec + children.ru_stime.tv_usec);
}

static bool run_once(counter count, void *state, struct timing *timing)
{
    double cpu = thread_cpu_us();
    uint64_t start = clock_ns();
    uint64_t counted = count(state);
    timing->wall_us = (double)(clock_ns() - start) / 1e3;
    timing->cpu_us = thread_cpu_us() - cpu;
    if (timing->runs > 0 && counted != timing->count && counted != COUNT_FAILED) {
        die("a count was %llu, and then %llu", (unsigned long long)timing->count, (unsigned long long)counted);
    }
    timing->count = counted;
    timing->runs++;
    return counted != COUNT_FAILED;
}

bool measure(counter count, void *state, struct timing *timing)
{
    double wall[RUNS_MOST], cpu[RUNS_MOST], total = 0;
    unsigned runs = 0;
    *timing = (struct timing){ .runs = 0 };
    if (!run_once(count, state, timing)) {
        return false;
    }
    if (timing->wall_us >= LONG_US) {
        return true;
    }
    while (runs < RUNS_MOST && total < ENOUGH_US && (runs < RUNS_LEAST || total < LEAST_US)) {
        if (!run_once(count, state, timing)) {
            return false;
        }
        wall[runs] = timing->wall_us;
        cpu[runs++] = timing->cpu_us;
        total += timing->wall_us;
    }
    timing->wall_us = median(wall, runs);
    timing->cpu_us = median(cpu, runs);
    timing->runs = runs;
    return true;
}
