/* Inserts one by one, each of them timed, into an empty index or store, alone and while threads search what is there
   already. nacre seals, builds and merges meanwhile, as it does by itself. */
#include "inserts.h"
#include "builds.h"
#include "child.h"
#include "histogram.h"
#include "machine.h"
#include "measure.h"
#include "support.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEARCHED_ROWS 1000 /* are there before searches begin */
#define BEAM          65
#define RECALL        0.95
#define SECONDS_MAX   60 /* of one engine's inserts */

struct insert_results {
    bool whole;
    size_t rows;
    double seconds, cpu_seconds; /* cpu_seconds: of the inserting thread */
    double searches;             /* per second, of all searchers */
    struct histogram inserts, searched;
};

struct work {
    const struct options *options;
    const struct dataset *dataset;
    const struct engine *engine;
    struct engine_place place;
    struct insert_results *results;
    unsigned searchers;
};

struct searcher {
    pthread_t thread;
    const struct work *work;
    void *state;
    atomic_bool *stop;
    size_t first;
    struct histogram times;
};

static void *search_on(void *context)
{
    struct searcher *searcher = context;
    const struct work *work = searcher->work;
    const struct vector_file *queries = &work->dataset->queries;
    int32_t *answers = allocate(work->options->k * sizeof *answers);
    for (size_t query = searcher->first; !atomic_load_explicit(searcher->stop, memory_order_relaxed); query++) {
        uint64_t start = clock_ns();
        work->engine->search(searcher->state, vector_file_floats(queries, query % queries->rows), 1, work->options->k,
                             answers);
        histogram_add(&searcher->times, clock_ns() - start);
    }
    free(answers);
    return NULL;
}

static size_t insert_rows(const struct work *work, void *state, size_t from, uint64_t until)
{
    size_t row = from;
    for (uint64_t now = clock_ns(); row < work->dataset->base.rows && now < until; row++) {
        uint64_t start = clock_ns();
        work->engine->insert(state, row, vector_file_floats(&work->dataset->base, row));
        now = clock_ns();
        histogram_add(&work->results->inserts, now - start);
    }
    return row - from;
}

static void insert(void *context)
{
    struct work *work = context;
    struct insert_results *results = work->results;
    atomic_bool stop = false;
    void *state = work->engine->create(work->engine, &work->place);
    work->engine->set(state, engine_takes_recall(work->engine) ? RECALL : BEAM);
    for (size_t row = 0; row < SEARCHED_ROWS && row < work->dataset->base.rows; row++) {
        work->engine->insert(state, row, vector_file_floats(&work->dataset->base, row));
    }
    struct searcher *searchers = allocate((work->searchers + 1) * sizeof *searchers);
    for (unsigned i = 0; i < work->searchers; i++) {
        searchers[i].work = work;
        searchers[i].state = state;
        searchers[i].stop = &stop;
        searchers[i].first = i * work->dataset->queries.rows / work->searchers;
        if (pthread_create(&searchers[i].thread, NULL, search_on, &searchers[i]) != 0) {
            die("a thread cannot be started");
        }
    }
    double cpu = thread_cpu_seconds();
    uint64_t start = clock_ns();
    results->rows = insert_rows(work, state, SEARCHED_ROWS, start + (uint64_t)SECONDS_MAX * 1000000000);
    results->seconds = (double)(clock_ns() - start) / 1e9;
    results->cpu_seconds = thread_cpu_seconds() - cpu;
    atomic_store(&stop, true);
    for (unsigned i = 0; i < work->searchers; i++) {
        pthread_join(searchers[i].thread, NULL);
        histogram_merge(&results->searched, &searchers[i].times);
    }
    results->searches = (double)results->searched.count / results->seconds;
    results->whole = true;
    free(searchers);
    work->engine->close(state);
}

static void report(const char *name, const char *level, const struct insert_results *results)
{
    const struct histogram *inserts = &results->inserts, *searched = &results->searched;
    printf("| %s%s | %zu | %.0f | %.1f | %.1f | %.1f | %.1f | %.0f |", name, level, results->rows,
           (double)results->rows / results->seconds, results->cpu_seconds * 1e6 / (double)results->rows,
           histogram_percentile_us(inserts, 50), histogram_percentile_us(inserts, 99),
           histogram_percentile_us(inserts, 99.9), (double)inserts->greatest / 1e3);
    if (searched->count > 0) {
        printf(" %.0f | %.0f | %.0f | %.0f |\n", results->searches, histogram_percentile_us(searched, 50),
               histogram_percentile_us(searched, 99), (double)searched->greatest / 1e3);
    } else {
        printf(" - | - | - | - |\n");
    }
}

static bool insert_by(const struct options *options, const struct dataset *dataset, size_t engine, bool synced,
                      unsigned searchers)
{
    char directory[PATH_SIZE];
    struct insert_results *results = shared_allocate(sizeof *results);
    struct work work = { options, dataset, engines[engine], .results = results, .searchers = searchers };
    work.place = build_place(options, dataset, engine, directory);
    work.place.synced = synced;
    snprintf(directory, sizeof directory, "%s/inserts", options->directory); /* not where a kept index may lie */
    directory_remove(directory);
    directory_make(directory);
    bool whole = child_run(engines[engine]->name, insert, &work) && results->whole;
    directory_remove(directory);
    if (whole) {
        report(engines[engine]->name, !engine_takes_recall(engines[engine]) ? "" : synced ? ", disk" : ", os", results);
    }
    return whole;
}

static bool insert_table(const struct options *options, const struct dataset *dataset, unsigned searchers)
{
    bool whole = true;
    printf("Inserts one by one, %u threads searching meanwhile; times in microseconds of the clock.\n\n", searchers);
    printf("| | inserts | per s | CPU each | p50 | p99 | p99.9 | max | searches per s | p50 | p99 | max |\n"
           "|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; engines[i] != NULL; i++) {
        if (!option_takes_engine(options, engines[i]) || engines[i]->create == NULL) {
            continue;
        }
        whole &= insert_by(options, dataset, i, false, searchers);
        if (engine_takes_recall(engines[i])) {
            whole &= insert_by(options, dataset, i, true, searchers);
        }
    }
    printf("\n");
    return whole;
}

bool inserts_run(const struct options *options, const struct dataset *dataset)
{
    bool whole = true, nacre = false;
    if (dataset->base.rows <= SEARCHED_ROWS) {
        die("--insert takes more than %d rows", SEARCHED_ROWS);
    }
    for (size_t i = 0; engines[i] != NULL; i++) {
        nacre |= engine_takes_recall(engines[i]) && option_takes_engine(options, engines[i]);
    }
    if (name_listed(options->phases, "inserts")) {
        whole &= insert_table(options, dataset, 0);
        whole &= insert_table(options, dataset, options->threads);
    }
#ifdef BENCH_WITH_NACRE
    if (nacre && name_listed(options->phases, "writers")) {
        whole &= inserts_by_writers(options, dataset);
    }
    if (nacre && name_listed(options->phases, "seals")) {
        whole &= inserts_sealed(options);
    }
#else
    (void)nacre;
#endif
    return whole;
}
