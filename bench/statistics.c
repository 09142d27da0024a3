/* What the timing of calls costs: the same puts and gets with the tuning parameter `statistics` 1 and 0, in turn, in one store. Processor time of the
   thread alone, medians of rounds. */
#include "median.h"
#include <nacre/nacre.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 41, CALLS = 100000, KEYS = 400000 };

static void must(int status, const char *what)
{
    if (status != NACRE_OK) {
        fprintf(stderr, "%s: %s\n", what, nacre_last_error());
        exit(1);
    }
}

static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static uint64_t seed = 88172645463325252u;

static nacre_slice next_key(char key[16])
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    snprintf(key, 16, "%015llu", (unsigned long long)(seed % KEYS));
    return (nacre_slice){ key, 15 };
}

static double puts_cost(nacre_collection *collection)
{
    char key[16], value[100];
    memset(value, 'v', sizeof value);
    double start = thread_seconds();
    for (unsigned i = 0; i < CALLS; i++) {
        must(nacre_put(collection, next_key(key), (nacre_slice){ value, sizeof value }, NULL), "put");
    }
    return (thread_seconds() - start) / CALLS * 1e9;
}

static double gets_cost(nacre_collection *collection)
{
    char key[16];
    nacre_value value;
    double start = thread_seconds();
    for (unsigned i = 0; i < CALLS; i++) {
        int status = nacre_get(collection, next_key(key), NULL, &value);
        must(status == NACRE_NOT_FOUND ? NACRE_OK : status, "get");
        nacre_value_release(&value);
    }
    return (thread_seconds() - start) / CALLS * 1e9;
}

static double moves_cost(nacre_collection *collection)
{
    nacre_cursor *cursor;
    unsigned moves = 0;
    must(nacre_scan(collection, NULL, &cursor), "scan");
    double start = thread_seconds();
    for (; nacre_cursor_valid(cursor) && moves < CALLS; moves++) {
        nacre_cursor_next(cursor);
    }
    double took = thread_seconds() - start;
    nacre_cursor_close(cursor);
    return took / moves * 1e9;
}

static void compare(nacre_store *store, nacre_collection *collection, const char *name,
                    double (*cost)(nacre_collection *))
{
    static double costs[2][ROUNDS];
    (void)cost(collection);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < 2; i++) {
            unsigned on = (i + round) % 2;
            must(nacre_tune(store, "statistics", on ? "1" : "0"), "tune");
            costs[on][round] = cost(collection);
        }
    }
    double without = median(costs[0], ROUNDS), with = median(costs[1], ROUNDS);
    printf("%-12s without %7.1f ns  with %7.1f ns  %+5.2f %%\n", name, without, with, 100 * (with - without) / without);
}

int main(int argc, char **argv)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    nacre_collection *collection;
    if (argc != 2) {
        fprintf(stderr, "usage: bench_statistics DIRECTORY (a new one, which stays)\n");
        return 2;
    }
    options.durability = NACRE_OS;
    options.error_if_exists = true;
    must(nacre_open(argv[1], &options, &store), "open");
    must(nacre_collection_create(store, "bench", NULL, &collection), "create");
    compare(store, collection, "put", puts_cost);
    compare(store, collection, "get, memory", gets_cost);
    must(nacre_compact(collection, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }), "compact");
    compare(store, collection, "get, segment", gets_cost);
    compare(store, collection, "cursor next", moves_cost);
    nacre_collection_close(collection);
    must(nacre_close(store), "close");
    return 0;
}
