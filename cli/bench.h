/* What the workloads of `nacre bench` share. */
#ifndef NACRE_CLI_BENCH_H
#define NACRE_CLI_BENCH_H
#include "histogram.h"
#include "session.h"
#include <pthread.h>

#define BENCH_COLLECTION "bench"
#define BENCH_KEY_SIZE   16u
#define BENCH_THREADS    256u
#define POOL_STARTS      (UINT64_C(1) << 20) /* values begin at one of so many places of the pool */

struct bench {
    const struct arguments *arguments;
    const char *path;
    struct session session;
    uint64_t entries, value_size, threads, batch;
    nacre_durability durability; /* of fills but fillsync */
    unsigned char *pool;         /* POOL_STARTS + value_size random bytes that values are pieces of */
};

/* The scenario `compaction`: the store is open, and closed by the caller. Returns what the process ends with. */
int bench_compaction(struct bench *);

struct worker;
struct workload {
    const char *name;
    int (*work)(struct worker *); /* returns a status of the library */
    bool fresh;                   /* begins with an empty collection */
    bool writes;                  /* or deletes */
    bool random;                  /* order of the keys */
    bool timed;                   /* each operation by itself */
    bool alone;                   /* one thread, whatever --threads says */
    unsigned part;                /* so many operations for each 1000 of --num; 0 = one for all */
};
/* Whether an entry is one that a fill put, with the values of this or of another size. */
bool workload_made(const struct bench *, nacre_slice key, nacre_slice value);
extern const struct workload workload_table[];
const struct workload *workload_find(const char *name, size_t size);

struct worker {
    struct bench *bench;
    const struct workload *workload;
    pthread_t thread;
    uint64_t first, end; /* its share of the operations */
    uint64_t random;     /* state */
    struct histogram *times;
    uint64_t operations, bytes, found, looked_up, wrong;
    int status;
    char detail[512]; /* of the failure */
};

#endif
