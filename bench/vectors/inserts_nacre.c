/* Inserts that are nacre's alone: by several writers at level disk; seals of large memtables; and the opening of a
   store with a million vectors. */
#include "adapters/nacre_store.h"
#include "child.h"
#include "inserts.h"
#include "machine.h"
#include "measure.h"
#include "support.h"
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define WRITERS_MAX 8
#define SEALS       5

struct written {
    bool whole;
    double rate;
};

struct writers_work {
    const struct dataset *dataset;
    const char *directory;
    double seconds;
    unsigned writers;
    struct written *written;
    struct nacre_store_state *state;
    atomic_size_t next;
    uint64_t until;
};

static void *write_on(void *context)
{
    struct writers_work *work = context;
    while (clock_ns() < work->until) {
        size_t row = atomic_fetch_add(&work->next, 1);
        nacre_store_put(work->state, row, vector_file_floats(&work->dataset->base, row % work->dataset->base.rows));
    }
    return NULL;
}

static void write_all(void *context)
{
    struct writers_work *work = context;
    pthread_t threads[WRITERS_MAX];
    struct engine_place place = {
        .metric = work->dataset->metric,
        .dimension = work->dataset->base.dimension,
        .directory = work->directory,
        .synced = true,
    };
    work->state = nacre_store_make(&place);
    uint64_t start = clock_ns();
    work->until = start + (uint64_t)(work->seconds * 1e9);
    for (unsigned i = 0; i < work->writers; i++) {
        if (pthread_create(&threads[i], NULL, write_on, work) != 0) {
            die("a thread cannot be started");
        }
    }
    for (unsigned i = 0; i < work->writers; i++) {
        pthread_join(threads[i], NULL);
    }
    work->written->rate = (double)work->next / ((double)(clock_ns() - start) / 1e9);
    work->written->whole = true;
    nacre_store_close(work->state);
}

bool inserts_by_writers(const struct options *options, const struct dataset *dataset)
{
    static const unsigned counts[] = { 1, WRITERS_MAX };
    char directory[PATH_SIZE];
    bool whole = true;
    struct written *written = shared_allocate(2 * sizeof *written);
    snprintf(directory, sizeof directory, "%s/writers", options->directory);
    for (int i = 0; i < 2; i++) {
        struct writers_work work = { dataset, directory, 10 * options->seconds, counts[i], &written[i], .state = NULL };
        directory_remove(directory);
        directory_make(directory);
        whole &= child_run("writers", write_all, &work) && written[i].whole;
    }
    directory_remove(directory);
    printf("Inserts at level disk per second: 1 writer %.0f, %d writers %.0f (x %.1f); fdatasync alone %.0f.\n\n",
           written[0].rate, WRITERS_MAX, written[1].rate, written[1].rate / written[0].rate,
           disk_sync_rate(options->directory, true, 1));
    return whole;
}

/* A row of one of a thousand clusters, the same each time. */
static void make_up(size_t row, size_t dimension, float *vector)
{
    uint32_t centre = row_label((uint32_t)(row % 1000)), noise = row_label((uint32_t)row);
    for (size_t i = 0; i < dimension; i++) {
        centre = row_label(centre + 0x9E3779B9u);
        noise = row_label(noise + 0x9E3779B9u);
        vector[i] = (float)centre / 4294967296.0f + 0.5f * (float)noise / 4294967296.0f;
    }
}

struct seal_work {
    const char *directory;
    size_t rows, dimension;
    unsigned seals;
    bool reopen;
    struct sealed {
        bool whole;
        double worst_us, worst_cpu_us;       /* of the calls, by the clock and of processor time of their thread */
        double flush_seconds, build_seconds; /* after the last */
        double open_ms, first_ms, second_ms; /* of the store, and of the first searches */
        double insert_rate;
    } * sealed;
};

static double search_ms(struct nacre_store_state *state, const float *query)
{
    nacre_neighbors found = { 0 };
    uint64_t start = clock_ns();
    nacre_check(nacre_nearest(state->vectors, query, 10, NULL, &found), "nearest");
    double milliseconds = (double)(clock_ns() - start) / 1e6;
    nacre_neighbors_release(&found);
    return milliseconds;
}

static void open_again(const struct engine_place *place, struct sealed *sealed)
{
    float *query = allocate(place->dimension * sizeof *query);
    make_up(place->rows + 1, place->dimension, query);
    uint64_t start = clock_ns();
    struct nacre_store_state *state = nacre_store_open(place);
    sealed->open_ms = (double)(clock_ns() - start) / 1e6;
    sealed->first_ms = search_ms(state, query);
    make_up(place->rows + 2, place->dimension, query);
    sealed->second_ms = search_ms(state, query);
    nacre_store_close(state);
    free(query);
}

static void seal(void *context)
{
    struct seal_work *work = context;
    struct sealed *sealed = work->sealed;
    struct engine_place place = {
        METRIC_L2, work->dimension, work->rows, work->directory, 0, false, UINT64_C(2) << 30
    };
    struct nacre_store_state *state = nacre_store_make(&place);
    float *vector = allocate(work->dimension * sizeof *vector);
    uint64_t inserting = 0;
    for (unsigned i = 0; i < work->seals; i++) {
        for (size_t row = 0; row < work->rows; row++) {
            make_up(row, work->dimension, vector);
            uint64_t start = clock_ns();
            nacre_store_put(state, i * work->rows + row, vector);
            inserting += clock_ns() - start;
        }
        double cpu = thread_cpu_seconds();
        uint64_t start = clock_ns();
        nacre_check(nacre_seal(state->vectors), "seal");
        sealed->worst_us = fmax(sealed->worst_us, (double)(clock_ns() - start) / 1e3);
        sealed->worst_cpu_us = fmax(sealed->worst_cpu_us, (thread_cpu_seconds() - cpu) * 1e6);
    }
    sealed->insert_rate = (double)work->rows * work->seals / ((double)inserting / 1e9);
    uint64_t start = clock_ns();
    nacre_check(nacre_flush(state->vectors), "flush");
    uint64_t flushed = clock_ns();
    nacre_check(nacre_build_indexes(state->vectors), "build indexes");
    sealed->flush_seconds = (double)(flushed - start) / 1e9;
    sealed->build_seconds = (double)(clock_ns() - flushed) / 1e9;
    nacre_store_close(state);
    if (work->reopen) {
        open_again(&place, sealed);
    }
    free(vector);
    sealed->whole = true;
}

bool inserts_sealed(const struct options *options)
{
    static const struct {
        size_t rows, dimension;
        unsigned seals;
        bool reopen;
    } sizes[] = { { 10000, 768, SEALS, false }, { 1000000, 100, 1, true } };
    char directory[PATH_SIZE];
    bool whole = true;
    printf(
        "| in the memtable | inserts per s (os) | worst seal us | worst seal CPU us | then flush s | then indexes s | "
        "open ms | first search ms | second |\n|---|---|---|---|---|---|---|---|---|\n");
    snprintf(directory, sizeof directory, "%s/seals", options->directory);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct sealed *sealed = shared_allocate(sizeof *sealed);
        struct seal_work work = {
            directory, sizes[i].rows, sizes[i].dimension, sizes[i].seals, sizes[i].reopen, sealed
        };
        directory_remove(directory);
        directory_make(directory);
        if (child_run("seals", seal, &work) && sealed->whole) {
            printf("| %zu x %zu, %u times | %.0f | %.1f | %.1f | %.1f | %.1f | %.2f | %.2f | %.2f |\n", work.rows,
                   work.dimension, work.seals, sealed->insert_rate, sealed->worst_us, sealed->worst_cpu_us,
                   sealed->flush_seconds, sealed->build_seconds, sealed->open_ms, sealed->first_ms, sealed->second_ms);
        } else {
            whole = false;
        }
    }
    directory_remove(directory);
    printf("\n");
    return whole;
}
