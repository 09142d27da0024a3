/* Rows of a graph are found by searches for their own vectors, at whatever recall: rows far from all others, rows nearer to each other than codes can tell, after merges. */
#include "index_fixture.h"
#include "distance/distance.h"
#include "segment/dead_rows.h"
#include "segment/nearest.h"
#include "vector_rows.h"
#include <stdio.h>

#define ROWS           4000u
#define CLUSTERS       32u
#define FAR_PART       0.01
#define COPIED         100u /* rows whose vectors others have, or nearly */
#define NEAR_LOST_MOST 0u
#define ROUNDS         4u /* of merges */

static char path[256];

enum data { UNIFORM, CLUSTERED, OUTLIERS, DUPLICATES, NEAR_DUPLICATES };

static void make_vector(enum data data, const struct vector_rows *rows, uint32_t row, uint64_t *random)
{
    float *vector = (float *)(uintptr_t)row_vector(rows, row);
    uint64_t cluster = random_below(random, CLUSTERS);
    bool far = data == OUTLIERS && random_unit(random) < FAR_PART;
    double size = 5 + 15 * random_unit(random);
    const float *copied = NULL;
    if ((data == DUPLICATES || data == NEAR_DUPLICATES) && row >= COPIED && random_unit(random) < 0.04)
        copied = row_vector(rows, (uint32_t)random_below(random, COPIED / 20));
    for (uint32_t i = 0; i < rows->dimension; i++) {
        uint64_t centre = cluster * 1000003 + i * 7919 + 1;
        double noise = random_normal(random);
        if (copied)
            vector[i] = copied[i] + (data == NEAR_DUPLICATES ? 0.001f * (float)noise : 0);
        else if (data == UNIFORM)
            vector[i] = (float)random_unit(random);
        else
            vector[i] = (float)(far ? size * noise : 3 * random_normal(&centre) + noise);
    }
}

static struct vector_rows make_rows(enum data data, nacre_metric metric, uint32_t dimension, uint64_t *random)
{
    struct vector_rows rows = { NULL, dimension * sizeof(float), ROWS, dimension, metric, NULL };
    rows.vectors = malloc(ROWS * rows.stride);
    assert_non_null(rows.vectors);
    for (uint32_t row = 0; row < ROWS; row++)
        make_vector(data, &rows, row, random);
    return rows;
}

static void free_rows(const struct vector_rows *rows)
{
    free((void *)(uintptr_t)rows->vectors);
}

/* ---- searches ---- */

static int take_first(void *context, uint32_t row, float distance, bool *enough) /* graph_search.accept */
{
    (void)row;
    *(float *)context = distance;
    *enough = true;
    return NACRE_OK;
}

static float nearest_distance(const struct index_file *file, const struct vector_rows *rows, const float *query,
                              float recall, const struct dead_rows *dead)
{
    struct distance distance;
    struct nearest_report report = { 0 };
    float found = INFINITY;
    distance_begin(&distance, rows->metric, query, rows->dimension);
    struct graph_search search = { .distance = &distance,
                                   .k = 1,
                                   .recall = recall,
                                   .end = rows->count,
                                   .allowed_part = 1,
                                   .context = &found,
                                   .dead = dead,
                                   .accept = take_first,
                                   .report = &report };
    assert_int_equal(graph_nearest(file->graph, rows, &search), NACRE_OK);
    return found;
}

static void assert_each_finds_itself(const struct index_file *file, const struct vector_rows *rows)
{
    static const float recalls[] = { 0.01f, 0.95f, 0.99f };
    assert_int_equal(graph_verify(file->graph, rows), NACRE_OK);
    for (size_t i = 0; i < sizeof recalls / sizeof *recalls; i++) {
        uint32_t lost = 0, last = 0;
        for (uint32_t row = 0; row < rows->count; row++) {
            if (nearest_distance(file, rows, row_vector(rows, row), recalls[i], NULL) > 0) {
                lost++;
                last = row;
            }
        }
        if (lost)
            fail_msg("%u rows do not find themselves at recall %g, row %u is one", lost, (double)recalls[i], last);
    }
}

static void assert_rows_find_themselves(enum data data, nacre_metric metric, uint32_t dimension, uint64_t seed)
{
    struct vector_rows rows = make_rows(data, metric, dimension, &seed);
    struct graph_job job = { .rows = &rows, .threads = 2 };
    struct index_file file = index_build_and_open(path, &job, true);
    assert_each_finds_itself(&file, &rows);
    index_close_file(&file);
    free_rows(&rows);
}

static void rows_in_clusters_find_themselves(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 3; seed++)
        assert_rows_find_themselves(CLUSTERED, NACRE_L2, 32, seed);
    assert_rows_find_themselves(CLUSTERED, NACRE_COSINE, 32, 4);
}

static void rows_far_from_all_others_find_themselves(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 3; seed++)
        assert_rows_find_themselves(OUTLIERS, NACRE_L2, 32, seed);
    assert_rows_find_themselves(OUTLIERS, NACRE_COSINE, 32, 4);
    assert_rows_find_themselves(OUTLIERS, NACRE_L2, 128, 5);
}

static void rows_all_over_find_themselves(void **unused)
{
    (void)unused;
    assert_rows_find_themselves(UNIFORM, NACRE_L2, 32, 1);
}

static void rows_with_equal_vectors_find_themselves(void **unused)
{
    (void)unused;
    assert_rows_find_themselves(DUPLICATES, NACRE_L2, 32, 1);
    assert_rows_find_themselves(DUPLICATES, NACRE_COSINE, 128, 2);
}

/* Nearer to each other than their codes are to them, and more of them than a beam holds. */
static void rows_that_codes_do_not_tell_apart_find_themselves(void **unused)
{
    (void)unused;
    assert_rows_find_themselves(NEAR_DUPLICATES, NACRE_L2, 32, 1);
    assert_rows_find_themselves(NEAR_DUPLICATES, NACRE_L2, 128, 2);
    assert_rows_find_themselves(NEAR_DUPLICATES, NACRE_COSINE, 32, 3);
}

/* Of two rows with one vector that codes do not tell from others, the live one is found. */
static void a_dead_row_does_not_hide_one_with_its_vector(void **unused)
{
    (void)unused;
    uint64_t random = 7;
    struct vector_rows rows = make_rows(NEAR_DUPLICATES, NACRE_L2, 32, &random);
    memcpy((float *)(uintptr_t)row_vector(&rows, 0), row_vector(&rows, ROWS - 1), rows.stride);
    for (uint32_t row = 1; row < ROWS / 20; row++) { /* as near as that to both */
        float *vector = (float *)(uintptr_t)row_vector(&rows, row);
        for (uint32_t i = 0; i < rows.dimension; i++)
            vector[i] = row_vector(&rows, 0)[i] + 0.001f * (float)random_normal(&random);
    }
    struct graph_job job = { .rows = &rows, .threads = 1 };
    struct index_file file = index_build_and_open(path, &job, true);
    for (uint32_t hidden = 0; hidden < ROWS; hidden += ROWS - 1) {
        struct dead_rows *dead;
        assert_int_equal(dead_rows_create(&dead), NACRE_OK);
        assert_int_equal(dead_rows_add(dead, hidden, 1), NACRE_OK);
        dead_rows_seal(dead);
        assert_true(nearest_distance(&file, &rows, row_vector(&rows, 0), 0.95f, dead) == 0);
        dead_rows_unref(dead);
    }
    index_close_file(&file);
    free_rows(&rows);
}

/* No lookup helps a vector that is no row's: walks have to lead there. */
static void vectors_near_rows_far_from_all_others_find_them(void **unused)
{
    (void)unused;
    uint32_t lost = 0;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        uint64_t random = seed;
        struct vector_rows rows = make_rows(OUTLIERS, NACRE_L2, 32, &random);
        struct graph_job job = { .rows = &rows, .threads = 2 };
        struct index_file file = index_build_and_open(path, &job, true);
        for (uint32_t row = 0; row < ROWS; row++) {
            float query[32];
            for (uint32_t i = 0; i < 32; i++)
                query[i] = row_vector(&rows, row)[i] + 0.001f * (float)random_normal(&random);
            lost += nearest_distance(&file, &rows, query, 0.95f, NULL) > 0.01f;
        }
        index_close_file(&file);
        free_rows(&rows);
    }
    if (lost > NEAR_LOST_MOST)
        fail_msg("%u of %u rows are not found from near them", lost, 3 * ROWS);
}

/* ---- merges ---- */

/* Two rows in five are replaced, and the graph is made from the one there was; again and again. */
static void rows_find_themselves_after_merges(void **unused)
{
    (void)unused;
    uint64_t random = 11;
    struct vector_rows rows = make_rows(OUTLIERS, NACRE_L2, 32, &random);
    uint32_t *map = malloc(ROWS * sizeof *map);
    assert_non_null(map);
    struct graph_job job = { .rows = &rows, .threads = 2 };
    struct index_file file = index_build_and_open(path, &job, true);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t row = 0; row < ROWS; row++) {
            bool replaced = random_unit(&random) < 0.4;
            map[row] = replaced ? GRAPH_NO_ROW : row;
            if (replaced)
                make_vector(OUTLIERS, &rows, row, &random);
        }
        struct graph_source source = { file.graph, map };
        job.sources = &source;
        job.source_count = 1;
        struct index_file merged = index_build_and_open(path, &job, true);
        index_close_file(&file);
        file = merged;
        assert_each_finds_itself(&file, &rows);
    }
    index_close_file(&file);
    free(map);
    free_rows(&rows);
}

static int remove_file(void **unused)
{
    (void)unused;
    return unlink(path);
}

int main(void)
{
    (void)snprintf(path, sizeof path, "test_graph_find.%d.index", (int)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_clusters_find_themselves),
        cmocka_unit_test(rows_far_from_all_others_find_themselves),
        cmocka_unit_test(rows_all_over_find_themselves),
        cmocka_unit_test(rows_with_equal_vectors_find_themselves),
        cmocka_unit_test(rows_that_codes_do_not_tell_apart_find_themselves),
        cmocka_unit_test(a_dead_row_does_not_hide_one_with_its_vector),
        cmocka_unit_test(vectors_near_rows_far_from_all_others_find_them),
        cmocka_unit_test(rows_find_themselves_after_merges),
    };
    return cmocka_run_group_tests(tests, NULL, remove_file);
}
