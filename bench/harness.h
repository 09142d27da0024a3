/* What all workloads share: the options, the store under test, threads that repeat a step, checks of what was read, and the lines that a child process
   prints for its parent:

       row <name> <value>       one figure; the names are those of report.c
       note <text>              something the reader of the table should know

   Figures are printed as they come, so a child that is stopped by its time limit has told what it had. */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H
#include "adapters/engine.h"
#include "data.h"
#include "histogram.h"
#include "support.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAMES_MAX 64

struct options {
    const char *engines, *workloads; /* comma separated; NULL: all */
    uint64_t num;                    /* entries */
    size_t value_size;
    unsigned threads; /* of the rows with several threads */
    unsigned runs;
    double seconds; /* of each row that is bounded by time */
    const char *directory, *json;
    bool quick;
};

struct context {
    const struct options *options;
    const struct engine *engine;
    const char *group; /* of workloads; chosen by its own name, all of it is wanted */
    struct engine_config config;
    void *store;
    size_t value_size;
    uint64_t entries;                         /* indexes below this are in the store */
    uint64_t least_version, greatest_version; /* that a value read may have */
};

bool wanted(const struct context *context, const char *workload);

void emit(const char *row, double value);
void emit_percentiles(const char *row, const struct histogram *latency); /* row.p50, .p99, .p999, .max */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

void store_open(struct context *context, enum level level);
void store_close(struct context *context);
void store_clear(const struct context *context); /* while it is closed: the next open makes an empty one */
/* Waits until the engine's own threads have come to rest: neither processor time nor bytes written for half a second. */
void store_settle(const struct context *context);
void store_compact(const struct context *context); /* where there is such a thing; then settles */

struct worker {
    struct context *context;
    void *session, *cursor, *state;
    unsigned number, threads; /* of the run, from 0 */
    struct random random;
    uint64_t position; /* steps done */
    uint8_t key[KEY_SIZE];
    uint8_t *value; /* VALUE_SIZE_MAX bytes */
    struct histogram *latency;
};

/* Does one piece of work; gives how many items that was, 0 when there is no more. */
typedef uint64_t (*step_function)(struct worker *worker);

struct load {
    step_function step;
    unsigned threads;
    uint64_t steps;        /* of all threads together; 0: no limit */
    double seconds;        /* 0: no limit */
    unsigned sample_every; /* a power of two: of so many steps one is timed; 0: none */
    bool cursor;           /* each worker gets a cursor that lasts for the whole run */
    void *state;           /* worker n gets states[n] where there are states, else this */
    void *const *states;
    step_function beside; /* one more thread does this meanwhile; not counted */
    void *beside_state;
};

struct outcome {
    uint64_t items;
    double seconds, rate, cpu_us; /* per item, including the engine's own threads */
    bool cut_short;               /* by `seconds`, with steps left */
    struct histogram latency;
};

void run_load(struct context *context, const struct load *load, struct outcome *outcome);

static inline void put_random(struct worker *worker, uint64_t index, uint64_t version)
{
    size_t size = worker->context->value_size;
    key_random(index, worker->key);
    value_fill(index, version, worker->value, size);
    worker->context->engine->put(worker->session, (struct slice){ worker->key, KEY_SIZE },
                                 (struct slice){ worker->value, size });
}

void check_value(const struct context *context, uint64_t index,
                 struct slice value);                                           /* ends the program when it is wrong */
uint64_t check_entry(const struct context *context, const struct entry *entry); /* gives the index */
bool get_random(struct worker *worker, uint64_t index);                         /* checked; false: not found */

#endif
