/* A set of vectors, its queries, and their exact neighbours. */
#include "dataset.h"
#include "support.h"
#include "truth.h"
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-5f /* of distances, which sum in another order here and there */

static void read_vectors(struct vector_file *file, const char *set, const char *kind, size_t limit, enum metric metric)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s.%s.fvecs", set, kind);
    vector_file_read(file, path, limit);
    for (size_t i = 0; i < file->rows && metric == METRIC_COSINE; i++) {
        normalize(file->floats + i * file->dimension, file->dimension);
    }
}

static void read_truth(struct dataset *dataset, const char *set, bool all_rows)
{
    char path[PATH_SIZE];
    struct vector_file file;
    dataset->truth = allocate(dataset->queries.rows * TRUTH_NEIGHBORS * sizeof *dataset->truth);
    if (!all_rows) {
        truth_search(dataset->metric, &dataset->base, &dataset->queries, NULL, dataset->truth);
        return;
    }
    snprintf(path, sizeof path, "%s.truth.ivecs", set);
    vector_file_read(&file, path, dataset->queries.rows);
    if (file.rows != dataset->queries.rows || file.dimension != TRUTH_NEIGHBORS) {
        die("%s is of other queries", path);
    }
    for (size_t i = 0; i < file.rows * file.dimension; i++) {
        if (file.integers[i] < 0 || (size_t)file.integers[i] >= dataset->base.rows) {
            die("%s: there is no row %d", path, file.integers[i]);
        }
        dataset->truth[i] = file.integers[i];
    }
    vector_file_free(&file);
}

void dataset_read(struct dataset *dataset, const char *set, enum metric metric, size_t rows, size_t queries)
{
    const char *slash = strrchr(set, '/');
    *dataset = (struct dataset){ .name = slash != NULL ? slash + 1 : set, .metric = metric };
    read_vectors(&dataset->base, set, "base", rows, metric);
    read_vectors(&dataset->queries, set, "query", queries, metric);
    if (dataset->base.dimension != dataset->queries.dimension) {
        die("%s: base and queries do not fit", set);
    }
    read_truth(dataset, set, rows == 0 || dataset->base.rows < rows);
}

void dataset_free(struct dataset *dataset)
{
    free(dataset->truth);
    vector_file_free(&dataset->base);
    vector_file_free(&dataset->queries);
}

static void check_answer(const struct dataset *dataset, const int32_t *answers, size_t at,
                         const struct row_filter *filter)
{
    if ((size_t)answers[at] >= dataset->base.rows ||
        (filter != NULL && !filter_allows(filter, (uint32_t)answers[at]))) {
        die("row %d is no answer", answers[at]);
    }
    for (size_t i = 0; i < at; i++) {
        if (answers[i] == answers[at]) {
            die("row %d is given twice", answers[at]);
        }
    }
}

double dataset_recall(const struct dataset *dataset, const int32_t *truth, const int32_t *answers, size_t queries,
                      size_t k, const struct row_filter *filter)
{
    size_t found = 0, wanted = 0;
    for (size_t query = 0; query < queries; query++, truth += TRUTH_NEIGHBORS, answers += k) {
        const float *vector = vector_file_floats(&dataset->queries, query);
        size_t nearest = 0, dimension = dataset->base.dimension;
        while (nearest < k && truth[nearest] >= 0) {
            nearest++;
        }
        wanted += nearest;
        for (size_t i = 0; i < k && nearest > 0; i++) {
            if (answers[i] < 0) {
                continue;
            }
            check_answer(dataset, answers, i, filter);
            float last = metric_distance(dataset->metric, vector,
                                         vector_file_floats(&dataset->base, (size_t)truth[nearest - 1]), dimension);
            float distance = metric_distance(dataset->metric, vector,
                                             vector_file_floats(&dataset->base, (size_t)answers[i]), dimension);
            found += distance <= last + TOLERANCE * fabsf(last);
        }
    }
    return wanted == 0 ? 1 : (double)found / (double)wanted;
}
