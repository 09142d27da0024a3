/* Puts the lines into the store, shuffled, one put each, while seals and merges go on; the last ones stay in the memtable, so that the searches
   go over both. Each put is timed. */
#include "store.h"
#include "histogram.h"
#include "machine.h"
#include "support.h"
#include <stdlib.h>
#include <string.h>

#define LIVE_SHARE 20 /* of the lines, at most one in so many stays in the memtable */
#define SEALS      8  /* that are asked for, beside those that happen by themselves */

struct load {
    struct store *store;
    const char *at; /* the next line */
    struct histogram puts, seals;
};

static void put_line(struct load *load)
{
    const char *end = strchrnul(load->at, '\n');
    nacre_slice key = { load->at, (size_t)(end - load->at) }, none = { NULL, 0 };
    check(nacre_put(load->store->collection, key, none, NULL), "nacre_put");
    load->at = end + 1;
}

/* One clock reading for each put: what lies between two of them is a put and the reading of its line. */
static void put_lines(struct load *load, uint64_t count, uint64_t seal_every)
{
    uint64_t before = clock_ns(), now;
    for (uint64_t i = 1; i <= count; i++, before = now) {
        put_line(load);
        now = clock_ns();
        histogram_add(&load->puts, now - before);
        if (i % seal_every == 0) {
            uint64_t start = now;
            check(nacre_seal(load->store->collection), "nacre_seal");
            now = clock_ns();
            histogram_add(&load->seals, now - start);
        }
    }
}

static double seconds_since(uint64_t start)
{
    return (double)(clock_ns() - start) / 1e9;
}

static void add_inserts(struct results *results, const struct load *load, double seconds)
{
    figure_add(results, "insert", (double)load->puts.count / seconds, "keys/s");
    figure_add(results, "insert, p50", histogram_percentile_us(&load->puts, 50), "us");
    figure_add(results, "insert, p99", histogram_percentile_us(&load->puts, 99), "us");
    figure_add(results, "insert, p99.9", histogram_percentile_us(&load->puts, 99.9), "us");
    figure_add(results, "insert, worst", histogram_percentile_us(&load->puts, 100), "us");
    figure_add(results, "seal call, worst", histogram_percentile_us(&load->seals, 100), "us");
}

void store_load(struct store *store, struct results *results, uint64_t live_lines)
{
    const struct corpus *corpus = store->corpus;
    const nacre_slice all = { NULL, 0 };
    struct load *load = allocate(sizeof *load);
    uint64_t live = corpus->lines / LIVE_SHARE < live_lines ? corpus->lines / LIVE_SHARE : live_lines;
    uint64_t settled = corpus->lines - live;
    *load = (struct load){ .store = store, .at = corpus->shuffled };
    uint64_t start = clock_ns();
    double cpu = process_cpu_seconds();
    put_lines(load, settled, settled / SEALS + 1);
    add_inserts(results, load, seconds_since(start));
    check(nacre_flush(store->collection), "nacre_flush");
    figure_add(results, "insert, to the end of the flush", (double)settled / seconds_since(start), "keys/s");
    start = clock_ns();
    check(nacre_compact(store->collection, all, all), "nacre_compact");
    figure_add(results, "merge of everything", seconds_since(start), "s");
    start = clock_ns();
    check(nacre_build_indexes(store->collection), "nacre_build_indexes");
    figure_add(results, "indexes that were missing", seconds_since(start), "s");
    figure_add(results, "processor time of all that, all threads", process_cpu_seconds() - cpu, "s");
    put_lines(load, live, live + 1);
    check(nacre_reclaim(store->handle), "nacre_reclaim");
    check(nacre_prune_log(store->handle), "nacre_prune_log");
    figure_add(results, "keys in the memtable while searching", (double)live, "keys");
    free(load);
}
