/* The workloads, in groups that share one store: a group is what one child process runs for one engine. docs/benchmarks.md says what each does. */
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H
#include "harness.h"

#define FILL_LIMIT_SECONDS 60 /* a slower engine goes on with what it has by then, and the table says so */

struct workload_group {
    const char *name;
    const char *workloads; /* the names that --workloads takes, comma separated */
    void (*run)(struct context *context);
};

extern const struct workload_group workload_groups[]; /* ends with a NULL name */

/* Writes the indexes below `count` in one thread and flushes. With a row: emits the rate, and row.flush, the rate to the end of the flush. */
void fill_random(struct context *context, uint64_t count, const char *row);
double user_bytes(const struct context *context, uint64_t entries);

/* Scans in key order, either way, checking order and every entry. A step is a piece of the scan; at the end it begins again, unless `once`. */
struct scan {
    bool backward, once;
    const uint8_t *deleted; /* one bit per index; NULL: none */
    uint64_t live, seen;    /* a whole scan must see `live` entries; 0: do not check */
    uint64_t position;      /* of the last key, as a number that grows with it */
};
uint64_t scan_step(struct worker *worker);
uint64_t read_step(struct worker *worker); /* one random get of an index below context->entries, which must be there */
uint64_t seek_step(struct worker *worker); /* seek to a random key, then ten times next */

void run_fillseq(struct context *context);
void run_ingest(struct context *context);
void run_random(struct context *context);
void run_fillbatch(struct context *context);
void run_fillsync(struct context *context);
void run_ycsb(struct context *context);
void run_queue(struct context *context);
void run_deleted(struct context *context);
void run_large(struct context *context);
void run_values(struct context *context);
void run_latency(struct context *context);
void run_beside(struct context *context);
void run_seal(struct context *context);
void run_recovery(struct context *context);

#endif
