/* Searches while one thread inserts as fast as it can, with seals and merges on. Twice: the writer puts new keys, the lines under further folders, and a count must lie
   between what it was before and that and all puts begun; then it puts the same lines again and again, and no count may change.

   Threads: the writer and the one that searches. They share three atomics: `stop`, `begun`, which the writer raises before each put, and `written`, which it raises
   behind it. */
#include "store.h"
#include "histogram.h"
#include "machine.h"
#include "support.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_SIZE_MAX 4096

struct writer {
    struct store *store;
    bool new_keys; /* each round of the lines goes to a folder of its own */
    atomic_bool stop;
    atomic_uint_least64_t begun, written; /* puts; begun >= those that a search can see >= written */
};

/* All lines once, under a folder, or as they are where its name is empty. */
static void write_round(struct writer *writer, const char *folder)
{
    const struct corpus *corpus = writer->store->corpus;
    const char *at = corpus->shuffled;
    char key[KEY_SIZE_MAX];
    size_t before = strlen(folder);
    nacre_slice none = { NULL, 0 };
    memcpy(key, folder, before);
    for (uint64_t line = 0; line < corpus->lines && !atomic_load_explicit(&writer->stop, memory_order_relaxed);
         line++) {
        const char *end = strchrnul(at, '\n');
        size_t size = (size_t)(end - at);
        if (before + size <= sizeof key) {
            memcpy(key + before, at, size);
            atomic_fetch_add(&writer->begun, 1);
            check(nacre_put(writer->store->collection, (nacre_slice){ key, before + size }, none, NULL), "nacre_put");
            atomic_fetch_add(&writer->written, 1);
        }
        at = end + 1;
    }
}

static void *write_lines(void *opaque)
{
    struct writer *writer = opaque;
    for (unsigned round = 1; !atomic_load(&writer->stop); round++) {
        char folder[32] = "";
        if (writer->new_keys) {
            snprintf(folder, sizeof folder, "srv/copy-%u/", round);
        }
        write_round(writer, folder);
    }
    return NULL;
}

struct percentiles {
    struct histogram *all, *typical; /* typical: every class but general */
};

static void search_once(struct writer *writer, const struct results *results, size_t query, uint64_t base,
                        const struct percentiles *into)
{
    const struct query *asked = &results->queries->list[query];
    nacre_regex_options options = NACRE_REGEX_OPTIONS_INIT;
    uint64_t count = 0, start = clock_ns();
    options.parallelism = 1;
    check(nacre_regex_count(writer->store->collection, (nacre_slice){ asked->pattern, strlen(asked->pattern) },
                            &options, &count),
          asked->pattern);
    uint64_t taken = clock_ns() - start;
    uint64_t most = base + (writer->new_keys ? atomic_load(&writer->begun) : 0);
    if (count < base || count > most) {
        die("%s beside a writer: %llu, not between %llu and %llu", asked->pattern, (unsigned long long)count,
            (unsigned long long)base, (unsigned long long)most);
    }
    histogram_add(into->all, taken);
    if (strcmp(asked->class_name, "general") != 0) {
        histogram_add(into->typical, taken);
    }
}

static uint64_t *count_all(struct store *store, const struct results *results)
{
    uint64_t *counts = allocate(results->queries->count * sizeof *counts);
    nacre_regex_options options = NACRE_REGEX_OPTIONS_INIT;
    for (size_t i = 0; i < results->queries->count; i++) {
        const char *pattern = results->queries->list[i].pattern;
        check(nacre_regex_count(store->collection, (nacre_slice){ pattern, strlen(pattern) }, &options, &counts[i]),
              pattern);
    }
    return counts;
}

static void add_percentiles(struct results *results, const char *const names[5], const struct percentiles *taken,
                            double rate)
{
    figure_add(results, names[0], rate, "keys/s");
    figure_add(results, names[1], histogram_percentile_us(taken->all, 50) / 1e3, "ms");
    figure_add(results, names[2], histogram_percentile_us(taken->all, 95) / 1e3, "ms");
    figure_add(results, names[3], histogram_percentile_us(taken->all, 99) / 1e3, "ms");
    figure_add(results, names[4], histogram_percentile_us(taken->typical, 95) / 1e3, "ms");
}

static void run(struct store *store, struct results *results, double seconds, bool new_keys, const char *const names[5])
{
    pthread_t thread;
    struct writer writer = { .store = store, .new_keys = new_keys };
    struct percentiles taken = { allocate(sizeof *taken.all), allocate(sizeof *taken.typical) };
    uint64_t *base = count_all(store, results), start = clock_ns(), end = start + (uint64_t)(seconds * 1e9);
    if (pthread_create(&thread, NULL, write_lines, &writer) != 0) {
        die("no thread for the writer");
    }
    for (size_t query = 0; clock_ns() < end; query = (query + 1) % results->queries->count) {
        search_once(&writer, results, query, base[query], &taken);
    }
    double rate = (double)atomic_load(&writer.written) * 1e9 / (double)(clock_ns() - start);
    atomic_store(&writer.stop, true);
    pthread_join(thread, NULL);
    add_percentiles(results, names, &taken, rate);
    free(base);
    free(taken.all);
    free(taken.typical);
}

void store_beside_writer(struct store *store, struct results *results, double seconds)
{
    static const char *const same[5] = { "beside a writer, same keys: inserts",
                                         "beside a writer, same keys: p50 of all queries",
                                         "beside a writer, same keys: p95 of all queries",
                                         "beside a writer, same keys: p99 of all queries",
                                         "beside a writer, same keys: p95 of typical queries" };
    static const char *const fresh[5] = { "beside a writer, new keys: inserts",
                                          "beside a writer, new keys: p50 of all queries",
                                          "beside a writer, new keys: p95 of all queries",
                                          "beside a writer, new keys: p99 of all queries",
                                          "beside a writer, new keys: p95 of typical queries" };
    run(store, results, seconds, true, fresh);
    run(store, results, seconds, false, same);
}
