/* Times searches. The clock runs from the first thread's start to the last one's end. */
#include "measure.h"
#include "machine.h"
#include "median.h"
#include "options.h"
#include "support.h"
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct searcher {
    pthread_t thread;
    const struct engine *engine;
    void *state;
    const float *queries;
    size_t count, k;
    uint64_t until; /* passes are begun as long as the clock is below */
    int32_t *answers;
    size_t done;
};

static void *search_again(void *context)
{
    struct searcher *searcher = context;
    do {
        searcher->engine->search(searcher->state, searcher->queries, searcher->count, searcher->k, searcher->answers);
        searcher->done += searcher->count;
    } while (clock_ns() < searcher->until);
    return NULL;
}

struct rate measure_searches(const struct engine *engine, void *state, const struct dataset *dataset, size_t k,
                             unsigned threads, double seconds, int32_t *answers)
{
    struct searcher searchers[THREADS_MAX] = { 0 };
    size_t done = 0;
    double cpu = process_cpu_seconds();
    uint64_t start = clock_ns();
    for (unsigned i = 0; i < threads; i++) {
        size_t from = dataset->queries.rows * i / threads, to = dataset->queries.rows * (i + 1) / threads;
        searchers[i] = (struct searcher){
            .engine = engine,
            .state = state,
            .queries = vector_file_floats(&dataset->queries, from),
            .count = to - from,
            .k = k,
            .until = start + (uint64_t)(seconds * 1e9),
            .answers = answers + from * k,
        };
        if (i + 1 < threads && pthread_create(&searchers[i].thread, NULL, search_again, &searchers[i]) != 0) {
            die("a thread cannot be started");
        }
    }
    search_again(&searchers[threads - 1]); /* the last one is this thread */
    for (unsigned i = 0; i < threads; i++) {
        if (i + 1 < threads) {
            pthread_join(searchers[i].thread, NULL);
        }
        done += searchers[i].done;
    }
    double wall = (double)(clock_ns() - start) / 1e9;
    cpu = process_cpu_seconds() - cpu;
    return (struct rate){ (double)done / wall, (double)done / cpu };
}

double thread_cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
