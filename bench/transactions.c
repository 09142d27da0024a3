/* What transactions cost: a get and a put of one random key, plainly, and the same in a transaction of each level; and what a plain put costs while a
   transaction is open, with keys noted for ranges and without. At level os, with 1 to `threads` threads on keys of their own. The sides take turns
   in each round; medians over the rounds are printed, in operations per second of CPU time and of the clock.
   Usage: bench_transactions [directory, default .] [rounds, default 7] [threads, default 2] */
#include "median.h"
#include <nacre/nacre.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEYS        100000u
#define VALUE_BYTES 100u
#define STEPS       40000u /* of each thread, per side and round */
#define ROUNDS_MAX  50u
#define THREADS_MAX 16u

enum side { PLAIN, SERIALIZABLE, SNAPSHOT, PUT, PUT_BESIDE, PUT_BESIDE_RANGES, SIDES };
static const char *const side_names[SIDES] = {
    "get and put, plain",         "get and put, serializable transaction", "get and put, snapshot isolation", "put",
    "put, a transaction is open", "put, one that reads ranges is open"
};

struct worker {
    enum side side;
    unsigned number;
    uint64_t seed;
    nacre_store *store;
    nacre_collection *collection;
    double cpu_seconds;
};

static void must(int status, const char *what)
{
    if (status != NACRE_OK) {
        (void)fprintf(stderr, "%s: %s: %s\n", what, nacre_status_name(status), nacre_last_error());
        exit(1);
    }
}

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static nacre_slice random_key(struct worker *w, char out[24])
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return (nacre_slice){ out, (size_t)snprintf(out, 24, "%02u/%012u", w->number, (unsigned)(w->seed % KEYS)) };
}

static void plain_step(struct worker *w, nacre_slice key, nacre_slice content)
{
    nacre_value value;
    must(nacre_get(w->collection, key, NULL, &value), "get");
    nacre_value_release(&value);
    must(nacre_put(w->collection, key, content, NULL), "put");
}

static void txn_step(struct worker *w, nacre_slice key, nacre_slice content)
{
    nacre_txn_options options = NACRE_TXN_OPTIONS_INIT;
    nacre_txn *txn;
    nacre_value value;
    options.isolation = w->side == SERIALIZABLE ? NACRE_SERIALIZABLE : NACRE_SNAPSHOT_ISOLATION;
    must(nacre_txn_begin(w->store, &options, &txn), "begin");
    must(nacre_txn_get(txn, w->collection, key, &value), "get");
    nacre_value_release(&value);
    must(nacre_txn_put(txn, w->collection, key, content), "put");
    must(nacre_txn_commit(txn, NULL), "commit");
}

static void *work(void *context)
{
    struct worker *w = context;
    char name[24], bytes[VALUE_BYTES];
    memset(bytes, 'v', sizeof bytes);
    nacre_slice content = { bytes, sizeof bytes };
    const double begin = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned i = 0; i < STEPS; i++) {
        nacre_slice key = random_key(w, name);
        if (w->side == PLAIN) {
            plain_step(w, key, content);
        } else if (w->side == SERIALIZABLE || w->side == SNAPSHOT) {
            txn_step(w, key, content);
        } else {
            must(nacre_put(w->collection, key, content, NULL), "put");
        }
    }
    w->cpu_seconds = seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
    return NULL;
}

static nacre_txn *open_beside(nacre_store *store, nacre_collection *collection, enum side side)
{
    nacre_txn *txn = NULL;
    nacre_cursor *cursor;
    if (side == PUT_BESIDE || side == PUT_BESIDE_RANGES) {
        must(nacre_txn_begin(store, NULL, &txn), "begin");
    }
    if (side == PUT_BESIDE_RANGES) {
        must(nacre_txn_scan(txn, collection, NULL, &cursor), "scan");
        nacre_cursor_close(cursor);
    }
    return txn;
}

/* Steps per second of CPU and of the clock, of all threads together. */
static void run(nacre_store *store, nacre_collection *collection, enum side side, unsigned threads, double rates[2])
{
    struct worker workers[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    double cpu = 0;
    nacre_txn *beside = open_beside(store, collection, side);
    const double begin = seconds(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < threads; i++) {
        workers[i] = (struct worker){ side, i, 88172645463325252u + i, store, collection, 0 };
        if (pthread_create(&ids[i], NULL, work, &workers[i]) != 0) {
            exit(1);
        }
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        cpu += workers[i].cpu_seconds;
    }
    rates[0] = threads * (double)STEPS / cpu;
    rates[1] = threads * (double)STEPS / (seconds(CLOCK_MONOTONIC) - begin);
    nacre_txn_abort(beside);
}

static void fill(nacre_collection *collection, unsigned threads)
{
    char name[24], bytes[VALUE_BYTES] = { 0 };
    for (unsigned t = 0; t < threads; t++) {
        for (unsigned i = 0; i < KEYS; i++) {
            nacre_slice key = { name, (size_t)snprintf(name, sizeof name, "%02u/%012u", t, i) };
            must(nacre_put(collection, key, (nacre_slice){ bytes, sizeof bytes }, NULL), "put");
        }
    }
}

/* A store of its own for each side: what one writes is not in the other's way. */
static void compare(const char *directory, unsigned rounds, unsigned threads)
{
    nacre_store *stores[SIDES];
    nacre_collection *collections[SIDES];
    static double rates[SIDES][2][ROUNDS_MAX];
    nacre_options options = NACRE_OPTIONS_INIT;
    options.durability = NACRE_OS;
    options.error_if_exists = true;
    for (unsigned s = 0; s < SIDES; s++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/transactions-%u-%u.nacre", directory, threads, s);
        must(nacre_open(path, &options, &stores[s]), path);
        must(nacre_collection_create(stores[s], "keys", NULL, &collections[s]), "create");
        fill(collections[s], threads);
    }
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned s = 0; s < SIDES; s++) {
            double rate[2];
            run(stores[s], collections[s], (enum side)s, threads, rate);
            rates[s][0][round] = rate[0];
            rates[s][1][round] = rate[1];
        }
    }
    for (unsigned s = 0; s < SIDES; s++) {
        double medians[2], against[2];
        const enum side base = s < PUT ? PLAIN : PUT;
        for (unsigned i = 0; i < 2; i++) {
            medians[i] = median(rates[s][i], rounds);
            against[i] = 100 * medians[i] / median(rates[base][i], rounds);
        }
        printf("| %u | %s | %.0f | %.0f %% | %.0f | %.0f %% |\n", threads, side_names[s], medians[0], against[0],
               medians[1], against[1]);
        nacre_collection_close(collections[s]);
        must(nacre_close(stores[s]), "close");
    }
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : ".";
    unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 7;
    unsigned threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 2;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    threads = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
    printf("| threads | | per CPU second | | per second | |\n|---|---|---|---|---|---|\n");
    for (unsigned t = 1; t <= threads; t *= 2) {
        compare(directory, rounds, t);
    }
    return 0;
}
