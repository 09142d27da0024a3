/* The exact neighbours of queries: every query against every row, in blocks of rows that stay in a cache, by as many
   threads as there are processors. A thread takes groups of queries and keeps a list of the nearest for each. */
#include "truth.h"
#include "support.h"
#include "vector_file.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define GROUP   16
#define THREADS 64

struct nearest {
    size_t count;
    float distances[TRUTH_NEIGHBORS]; /* ascending */
    int32_t rows[TRUTH_NEIGHBORS];
};

struct search {
    enum metric metric;
    const struct vector_file *base, *queries;
    const struct row_filter *filter;
    struct nearest *found; /* one for each query */
    atomic_size_t next;    /* query that no thread has taken yet */
};

/* Rows come in ascending order, so that among equals the first stays before the later ones. */
static void nearest_offer(struct nearest *nearest, float distance, int32_t row)
{
    if (nearest->count == TRUTH_NEIGHBORS && distance >= nearest->distances[TRUTH_NEIGHBORS - 1]) {
        return;
    }
    size_t at = nearest->count < TRUTH_NEIGHBORS ? nearest->count++ : TRUTH_NEIGHBORS - 1;
    for (; at > 0 && nearest->distances[at - 1] > distance; at--) {
        nearest->distances[at] = nearest->distances[at - 1];
        nearest->rows[at] = nearest->rows[at - 1];
    }
    nearest->distances[at] = distance;
    nearest->rows[at] = row;
}

static void search_group(struct search *search, size_t from, size_t to)
{
    size_t dimension = search->base->dimension, block = (size_t)(256 << 10) / (dimension * sizeof(float));
    for (size_t begin = 0; begin < search->base->rows; begin += block) {
        size_t end = begin + block < search->base->rows ? begin + block : search->base->rows;
        for (size_t query = from; query < to; query++) {
            const float *vector = vector_file_floats(search->queries, query);
            for (size_t row = begin; row < end; row++) {
                if (search->filter != NULL && !filter_allows(search->filter, (uint32_t)row)) {
                    continue;
                }
                float distance =
                    metric_distance(search->metric, vector, vector_file_floats(search->base, row), dimension);
                nearest_offer(&search->found[query], distance, (int32_t)row);
            }
        }
    }
}

static void *search_groups(void *context)
{
    struct search *search = context;
    size_t from;
    while ((from = atomic_fetch_add(&search->next, GROUP)) < search->queries->rows) {
        search_group(search, from, from + GROUP < search->queries->rows ? from + GROUP : search->queries->rows);
    }
    return NULL;
}

static void search_all(struct search *search)
{
    pthread_t threads[THREADS];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t count = processors < 1 ? 1 : processors > THREADS ? THREADS : (size_t)processors;
    for (size_t i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, search_groups, search) != 0) {
            die("a thread cannot be started");
        }
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
}

void truth_search(enum metric metric, const struct vector_file *base, const struct vector_file *queries,
                  const struct row_filter *filter, int32_t *rows)
{
    struct search search = { .metric = metric, .base = base, .queries = queries, .filter = filter };
    search.found = allocate(queries->rows * sizeof *search.found);
    search_all(&search);
    for (size_t query = 0; query < queries->rows; query++) {
        const struct nearest *nearest = &search.found[query];
        for (size_t i = 0; i < TRUTH_NEIGHBORS; i++) {
            rows[query * TRUTH_NEIGHBORS + i] = i < nearest->count ? nearest->rows[i] : -1;
        }
    }
    free(search.found);
}

static void read_vectors(struct vector_file *file, enum metric metric, const char *set, const char *kind)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s.%s.fvecs", set, kind);
    vector_file_read(file, path, 0);
    for (size_t i = 0; i < file->rows && metric == METRIC_COSINE; i++) {
        normalize(file->floats + i * file->dimension, file->dimension);
    }
}

void truth_make(enum metric metric, const char *set)
{
    char path[PATH_SIZE];
    struct vector_file base, queries;
    read_vectors(&base, metric, set, "base");
    read_vectors(&queries, metric, set, "query");
    if (base.dimension != queries.dimension || base.rows < TRUTH_NEIGHBORS) {
        die("%s: base and queries do not fit", set);
    }
    int32_t *rows = allocate(queries.rows * TRUTH_NEIGHBORS * sizeof *rows);
    truth_search(metric, &base, &queries, NULL, rows);
    snprintf(path, sizeof path, "%s.truth.ivecs", set);
    FILE *output = vector_file_create(path);
    for (size_t query = 0; query < queries.rows; query++) {
        vector_file_append(output, rows + query * TRUTH_NEIGHBORS, TRUTH_NEIGHBORS);
    }
    vector_file_close(output);
    free(rows);
    vector_file_free(&base);
    vector_file_free(&queries);
}
