/* Graphs over vectors: what walks find, that every row is reached, merges, stops, and files whose bytes are hostile. */
#include "index_fixture.h"
#include "base/memory.h"
#include "distance/distance.h"
#include "vectors/graph_walk.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define K 10u

static char path[256];
static uint64_t state;

static double uniform(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(state >> 11) / 9007199254740992.0;
}

static float normal(void)
{
    return (float)(sqrt(-2 * log(uniform() + 1e-12)) * cos(6.283185307179586 * uniform()));
}

/* ---- rows ---- */

static struct vector_rows make_rows(uint32_t count, uint32_t dimension, nacre_metric metric, uint32_t clusters)
{
    float *centers = calloc((size_t)clusters * dimension + 1, sizeof *centers);
    float *vectors = malloc((size_t)count * dimension * sizeof *vectors);
    assert_non_null(centers);
    assert_non_null(vectors);
    for (size_t i = 0; i < (size_t)clusters * dimension; i++) {
        centers[i] = 3 * normal();
    }
    for (uint32_t row = 0; row < count; row++) {
        uint32_t cluster = clusters ? (uint32_t)(uniform() * clusters) : 0;
        for (uint32_t i = 0; i < dimension; i++) {
            vectors[(size_t)row * dimension + i] = (clusters ? centers[cluster * dimension + i] : 0) + normal();
        }
    }
    free(centers);
    return (struct vector_rows){ (const uint8_t *)vectors, dimension * sizeof(float), count, dimension, metric, NULL };
}

static const float *row_of(const struct vector_rows *rows, uint32_t row)
{
    return (const float *)(const void *)(rows->vectors + row * rows->stride);
}

static void free_rows(const struct vector_rows *rows)
{
    free((void *)(uintptr_t)rows->vectors);
}

/* ---- graphs ---- */

static int build(const struct graph_job *job)
{
    return index_build(path, job);
}

static struct index_file build_and_open_job(const struct graph_job *job, bool map)
{
    return index_build_and_open(path, job, map);
}

static struct index_file build_and_open(const struct vector_rows *rows, uint32_t threads)
{
    return build_and_open_job(&(struct graph_job){ .rows = rows, .threads = threads }, true);
}

static void close_and_free(struct index_file *opened, const struct vector_rows *rows)
{
    index_close_file(opened);
    (void)unlink(path);
    free_rows(rows);
}

static void assert_sound(const struct graph *graph, const struct vector_rows *rows)
{
    if (graph_verify(graph, rows) != NACRE_OK) {
        fail_msg("%s", fail_detail());
    }
}

/* Frees the rows. */
static void assert_builds_a_sound_one(const struct vector_rows *rows)
{
    struct index_file opened = build_and_open(rows, 1);
    assert_sound(opened.graph, rows);
    close_and_free(&opened, rows);
}

static int compare_floats(const void *a, const void *b)
{
    float x, y;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    return x < y ? -1 : x > y;
}

/* The part of the K nearest of each query that is in the beam of a walk; equal distances count as found. */
static double recall(const struct graph *graph, const struct vector_rows *rows, const struct vector_rows *queries,
                     uint32_t beam)
{
    struct walk *walk;
    float *all = malloc(rows->count * sizeof *all);
    uint32_t k = rows->count < K ? rows->count : K;
    size_t hits = 0;
    assert_non_null(all);
    assert_in_range(beam, 1, 256);
    assert_int_equal(walk_take(graph, beam, &walk), NACRE_OK);
    for (uint32_t q = 0; q < queries->count; q++) {
        struct distance distance;
        float found[256];
        distance_begin(&distance, rows->metric, row_of(queries, q), rows->dimension);
        distance_to_rows(&distance, rows->vectors, rows->stride, rows->count, all);
        code_query_set(&walk->query, &graph->book, &distance);
        walk_run(walk, beam);
        uint32_t count = walk->count;
        for (uint32_t i = 0; i < count; i++) {
            found[i] = distance_to(&distance, row_of(rows, beam_row(&walk->beam[i])));
        }
        qsort(all, rows->count, sizeof *all, compare_floats);
        qsort(found, count, sizeof *found, compare_floats);
        for (uint32_t i = 0; i < k && i < count; i++) {
            hits += found[i] <= all[k - 1];
        }
    }
    walk_return(walk);
    free(all);
    return (double)hits / (queries->count * k);
}

/* The first rows are the queries. */
static double recall_of_first(const struct graph *graph, const struct vector_rows *rows, uint32_t count, uint32_t beam)
{
    struct vector_rows queries = *rows;
    queries.count = count;
    return recall(graph, rows, &queries, beam);
}

static void assert_recall(uint32_t dimension, nacre_metric metric, uint32_t clusters, uint32_t beam, double least)
{
    state = dimension + (uint64_t)metric;
    struct vector_rows rows = make_rows(6000, dimension, metric, clusters);
    struct index_file opened = build_and_open(&rows, 1);
    assert_true(opened.graph->has_graph);
    assert_sound(opened.graph, &rows);
    double found = recall_of_first(opened.graph, &rows, 100, beam);
    if (found < least) {
        fail_msg("recall is %.3f", found);
    }
    close_and_free(&opened, &rows);
}

static void walks_find_the_nearest_by_l2(void **unused)
{
    (void)unused;
    assert_recall(24, NACRE_L2, 0, 64, 0.93);
    assert_recall(33, NACRE_L2, 50, 64, 0.97);
}

static void walks_find_the_nearest_by_cosine(void **unused)
{
    (void)unused;
    assert_recall(24, NACRE_COSINE, 0, 64, 0.93);
    assert_recall(48, NACRE_COSINE, 30, 64, 0.97);
    assert_recall(128, NACRE_COSINE, 30, 64, 0.95); /* long enough for codes of 4 bits */
}

static void walks_find_the_nearest_by_dot(void **unused)
{
    (void)unused;
    assert_recall(24, NACRE_DOT, 0, 200, 0.9);
    assert_recall(32, NACRE_DOT, 20, 200, 0.9);
}

static void one_dimension_is_enough(void **unused)
{
    (void)unused;
    assert_recall(1, NACRE_L2, 0, 64, 0.9);
}

static void many_dimensions_are_not_too_many(void **unused)
{
    (void)unused;
    state = 5;
    struct vector_rows rows = make_rows(1100, 65535 / 16, NACRE_L2, 10);
    assert_builds_a_sound_one(&rows);
}

/* ---- shapes ---- */

static void small_segments_have_codes_alone(void **unused)
{
    (void)unused;
    state = 1;
    for (uint32_t count = 0; count < 4; count++) {
        struct vector_rows rows = make_rows(count, 10, NACRE_L2, 0);
        struct index_file opened = build_and_open(&rows, 1);
        assert_false(opened.graph->has_graph);
        assert_true(graph_is_whole(opened.graph));
        assert_sound(opened.graph, &rows);
        close_and_free(&opened, &rows);
    }
}

static void graphs_of_few_rows_are_sound(void **unused)
{
    (void)unused;
    uint32_t least = graph_tuning.least_rows;
    graph_tuning.least_rows = 1;
    state = 2;
    for (uint32_t count = 1; count < 40; count++) {
        struct vector_rows rows = make_rows(count, 3, NACRE_L2, 0);
        struct index_file opened = build_and_open(&rows, 2);
        assert_true(opened.graph->has_graph);
        assert_sound(opened.graph, &rows);
        assert_true(recall(opened.graph, &rows, &rows, 64) > 0.999);
        close_and_free(&opened, &rows);
    }
    graph_tuning.least_rows = least;
}

static void codes_alone_are_not_whole_where_a_graph_pays(void **unused)
{
    (void)unused;
    state = 3;
    struct vector_rows rows = make_rows(5000, 8, NACRE_L2, 0);
    struct graph_job job = { .rows = &rows, .threads = 1, .codes_only = true };
    struct index_file opened = build_and_open_job(&job, true);
    assert_false(graph_is_whole(opened.graph));
    assert_sound(opened.graph, &rows);
    close_and_free(&opened, &rows);
}

static void files_that_are_not_mapped_are_read(void **unused)
{
    (void)unused;
    state = 4;
    struct vector_rows rows = make_rows(3000, 16, NACRE_L2, 0);
    struct graph_job job = { .rows = &rows, .threads = 1 };
    struct index_file opened = build_and_open_job(&job, false);
    assert_sound(opened.graph, &rows);
    assert_true(graph_memory(opened.graph) > 3000 * 16);
    assert_true(recall(opened.graph, &rows, &rows, 32) > 0.9);
    close_and_free(&opened, &rows);
}

/* ---- twins ---- */

static void equal_vectors_are_all_reached(void **unused)
{
    (void)unused;
    state = 6;
    struct vector_rows rows = make_rows(20000, 16, NACRE_L2, 0);
    float *vectors = (float *)(uintptr_t)rows.vectors;
    for (uint32_t row = 0; row < rows.count; row++) {
        if (row % 3 != 0) { /* of three vectors thousands of copies each */
            memcpy(vectors + row * 16, vectors + row % 9 / 3 * 48, 16 * sizeof(float));
        }
    }
    struct index_file opened = build_and_open(&rows, 2);
    assert_sound(opened.graph, &rows);
    for (uint32_t i = 0; i < opened.graph->stray_count; i++) {
        assert_true(opened.graph->stray[i] % 3 == 0);
    }
    assert_true(recall_of_first(opened.graph, &rows, 100, 64) > 0.93);
    close_and_free(&opened, &rows);
}

static void nothing_but_equal_vectors_is_fine(void **unused)
{
    (void)unused;
    state = 7;
    struct vector_rows rows = make_rows(5000, 8, NACRE_COSINE, 0);
    for (uint32_t row = 1; row < rows.count; row++) {
        memcpy((float *)(uintptr_t)rows.vectors + row * 8, rows.vectors, 8 * sizeof(float));
    }
    assert_builds_a_sound_one(&rows);
}

/* ---- threads and stops ---- */

static void threads_do_not_change_the_graph(void **unused)
{
    (void)unused;
    state = 8;
    struct vector_rows rows = make_rows(4000, 20, NACRE_L2, 30);
    struct index_file one = build_and_open(&rows, 1);
    size_t bytes = (size_t)rows.count * one.graph->degree * sizeof(uint32_t);
    void *lists = malloc(bytes);
    assert_non_null(lists);
    memcpy(lists, one.graph->neighbors, bytes);
    index_close_file(&one);
    struct index_file three = build_and_open(&rows, 3);
    assert_memory_equal(lists, three.graph->neighbors, bytes);
    free(lists);
    close_and_free(&three, &rows);
}

static int stop_after(void *context)
{
    _Atomic int *left = context;
    return atomic_fetch_sub(left, 1) <= 0 ? NACRE_BUSY : NACRE_OK;
}

static void a_build_ends_when_it_is_told_to(void **unused)
{
    (void)unused;
    state = 9;
    struct vector_rows rows = make_rows(3000, 8, NACRE_DOT, 0);
    for (int allowed = 0; allowed < 400; allowed += 13) {
        _Atomic int left = allowed;
        struct graph_job job = { .rows = &rows, .threads = 2, .stop = stop_after, .stop_context = &left };
        int status = build(&job);
        assert_true(status == NACRE_BUSY || (status == NACRE_OK && atomic_load(&left) >= 0));
    }
    (void)unlink(path);
    free_rows(&rows);
}

static void a_build_beyond_its_memory_is_refused(void **unused)
{
    (void)unused;
    state = 10;
    struct vector_rows rows = make_rows(3000, 8, NACRE_L2, 0);
    struct graph_job job = { .rows = &rows, .threads = 1, .memory_budget = 100000 };
    assert_int_equal(build(&job), NACRE_NO_MEMORY);
    (void)unlink(path);
    free_rows(&rows);
}

static bool fail_at(void *context, size_t bytes)
{
    _Atomic int *left = context;
    (void)bytes;
    return atomic_fetch_sub(left, 1) == 0;
}

static void a_build_survives_every_failed_allocation(void **unused)
{
    (void)unused;
    state = 11;
    struct vector_rows rows = make_rows(1200, 6, NACRE_L2, 0);
    bool built = false;
    for (int at = 0; !built && at < 100000; at += 1 + at / 30) {
        struct container_writer *writer;
        struct graph_job job = { .rows = &rows, .threads = 2 };
        _Atomic int left = at;
        (void)unlink(path);
        assert_int_equal(container_writer_create(os_posix(), path, CONTAINER_INDEX, INDEX_ID, NACRE_VECTORS, &writer),
                         NACRE_OK);
        memory_set_fault(fail_at, &left);
        int status = graph_build(&job, writer);
        memory_set_fault(NULL, NULL);
        container_writer_abandon(writer);
        built = atomic_load(&left) >= 0;
        assert_int_equal(status, built ? NACRE_OK : NACRE_NO_MEMORY);
    }
    assert_true(built);
    free_rows(&rows);
}

/* ---- merges ---- */

/* Rows of `old` but for every `lost`-th, and `more` fresh ones between them; *map is the old rows' numbers now. */
static struct vector_rows churn(const struct vector_rows *old, uint32_t lost, uint32_t more, uint32_t **map)
{
    struct vector_rows fresh = make_rows(more, old->dimension, old->metric, 0);
    float *vectors = malloc(((size_t)old->count + more) * old->stride);
    *map = malloc(old->count * sizeof **map);
    assert_non_null(vectors);
    assert_non_null(*map);
    uint32_t count = 0, taken = 0;
    for (uint32_t row = 0; row < old->count; row++) {
        if ((row + (uint32_t)(uniform() * 2)) % lost == 0) {
            (*map)[row] = GRAPH_NO_ROW;
        } else {
            memcpy(vectors + (size_t)count * old->dimension, row_of(old, row), old->stride);
            (*map)[row] = count++;
        }
        while (taken < more && (uint64_t)taken * old->count < (uint64_t)row * more) {
            memcpy(vectors + (size_t)count++ * old->dimension, row_of(&fresh, taken++), old->stride);
        }
    }
    free_rows(&fresh);
    return (struct vector_rows){ (const uint8_t *)vectors, old->stride, count, old->dimension, old->metric, NULL };
}

/* A sound graph of `rows`, made out of the opened one, which stays open under its map while the new file takes its name. */
static struct index_file merge_and_open(const struct index_file *opened, uint32_t *map, const struct vector_rows *rows,
                                        uint32_t threads)
{
    struct graph_source source = { opened->graph, map };
    struct graph_job job = { .rows = rows, .sources = &source, .source_count = 1, .threads = threads };
    struct index_file merged = build_and_open_job(&job, true);
    assert_sound(merged.graph, rows);
    return merged;
}

static void merges_keep_recall_over_ten_churns(void **unused)
{
    (void)unused;
    state = 12;
    struct vector_rows rows = make_rows(6000, 24, NACRE_L2, 0);
    struct index_file opened = build_and_open(&rows, 1);
    for (int round = 0; round < 10; round++) {
        uint32_t *map;
        struct vector_rows next = churn(&rows, 5, 1400, &map);
        struct index_file merged = merge_and_open(&opened, map, &next, 2);
        index_close_file(&opened);
        free_rows(&rows);
        free(map);
        opened = merged;
        rows = next;
    }
    double churned = recall_of_first(opened.graph, &rows, 200, 48);
    index_close_file(&opened);
    opened = build_and_open(&rows, 1);
    double fresh = recall_of_first(opened.graph, &rows, 200, 48);
    if (churned < fresh - 0.01) {
        fail_msg("recall is %.4f after ten churns, %.4f when built anew", churned, fresh);
    }
    close_and_free(&opened, &rows);
}

static void a_merge_of_other_data_trains_its_codes_anew(void **unused)
{
    (void)unused;
    state = 13;
    struct vector_rows rows = make_rows(3000, 12, NACRE_DOT, 0);
    struct index_file opened = build_and_open(&rows, 1);
    uint32_t *map;
    struct vector_rows next = churn(&rows, 1000, 3000, &map);
    for (uint32_t row = 0; row < next.count; row += 2) { /* far longer than any before */
        float *vector = (float *)(uintptr_t)row_of(&next, row);
        bool old = false;
        for (uint32_t i = 0; i < rows.count && !old; i++) {
            old = map[i] == row;
        }
        for (uint32_t i = 0; i < 12 && !old; i++) {
            vector[i] *= 20;
        }
    }
    struct index_file merged = merge_and_open(&opened, map, &next, 1);
    assert_true(merged.graph->book.unit < opened.graph->book.unit);
    index_close_file(&opened);
    close_and_free(&merged, &next);
    free(map);
    free_rows(&rows);
}

static void a_source_that_lost_nearly_all_is_not_built_on(void **unused)
{
    (void)unused;
    state = 14;
    struct vector_rows rows = make_rows(4000, 12, NACRE_L2, 0), half = rows;
    half.count = 1000;
    struct index_file opened = build_and_open(&half, 1);
    uint32_t *map = malloc(half.count * sizeof *map);
    assert_non_null(map);
    for (uint32_t row = 0; row < half.count; row++) {
        map[row] = row % 50 ? GRAPH_NO_ROW : row;
    }
    struct index_file merged = merge_and_open(&opened, map, &rows, 1);
    index_close_file(&opened);
    close_and_free(&merged, &rows);
    free(map);
}

/* A row that is inserted by one thread must not be where the walks of others begin: its list is being written. */
static void a_merge_of_few_rows_begins_at_rows_that_the_source_had(void **unused)
{
    (void)unused;
    uint32_t least = graph_tuning.least_rows;
    graph_tuning.least_rows = 1;
    state = 15;
    for (uint32_t count = 4; count < 40; count += 3) {
        struct vector_rows rows = make_rows(count, 8, NACRE_L2, 0);
        struct index_file opened = build_and_open(&rows, 1);
        uint32_t *map;
        struct vector_rows next = churn(&rows, 1000, count, &map);
        struct index_file merged = merge_and_open(&opened, map, &next, 3);
        assert_true(merged.graph->entry_count > 0);
        for (uint32_t entry = 0; entry < merged.graph->entry_count; entry++) {
            bool had = false;
            for (uint32_t row = 0; row < count && !had; row++) {
                had = map[row] == merged.graph->entries[entry];
            }
            assert_true(had);
        }
        assert_true(recall(merged.graph, &next, &next, 128) > 0.999);
        index_close_file(&opened);
        close_and_free(&merged, &next);
        free(map);
        free_rows(&rows);
    }
    graph_tuning.least_rows = least;
}

/* ---- hostile bytes ---- */

/* Bytes of tables are changed in a copy: walks must end and stay inside, whatever they find. */
static void walks_stay_inside_whatever_the_bytes(void **unused)
{
    (void)unused;
    state = 15;
    struct vector_rows rows = make_rows(1500, 10, NACRE_L2, 0);
    struct graph_job job = { .rows = &rows, .threads = 1 };
    assert_int_equal(build(&job), NACRE_OK);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    uint8_t *good = malloc(size), *bad = malloc(size);
    assert_non_null(good);
    assert_non_null(bad);
    rewind(file);
    assert_int_equal(fread(good, 1, size, file), size);
    (void)fclose(file);
    uint32_t opened_count = 0;
    for (uint32_t round = 0; round < 300; round++) {
        memcpy(bad, good, size);
        uint32_t flips = 1 + (uint32_t)(uniform() * (round % 3 ? 4000 : 3));
        for (uint32_t i = 0; i < flips; i++) {
            bad[64 + (size_t)(uniform() * (double)(size - 600))] = (uint8_t)(uniform() * 256);
        }
        file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bad, 1, size, file), size);
        assert_int_equal(fclose(file), 0);
        struct index_file opened;
        if (container_open(os_posix(), path, CONTAINER_INDEX, INDEX_ID, 0, round % 2, &opened.container) != NACRE_OK) {
            continue;
        }
        if (graph_open(opened.container, &rows, &opened.graph) == NACRE_OK) {
            opened_count++;
            if (opened.graph->has_graph) {
                (void)recall_of_first(opened.graph, &rows, 3, 32);
            }
            (void)graph_verify(opened.graph, &rows);
            graph_close(opened.graph);
        }
        container_close(opened.container);
    }
    assert_true(opened_count > 10);
    (void)unlink(path);
    free(good);
    free(bad);
    free_rows(&rows);
}

static void an_index_of_other_rows_is_refused(void **unused)
{
    (void)unused;
    state = 16;
    struct vector_rows rows = make_rows(1500, 10, NACRE_L2, 0), other = rows;
    struct graph_job job = { .rows = &rows, .threads = 1 };
    struct container *container;
    struct graph *graph;
    assert_int_equal(build(&job), NACRE_OK);
    assert_int_equal(container_open(os_posix(), path, CONTAINER_INDEX, INDEX_ID, 0, true, &container), NACRE_OK);
    other.count--;
    assert_int_equal(graph_open(container, &other, &graph), NACRE_CORRUPT);
    other = rows;
    other.metric = NACRE_COSINE;
    assert_int_equal(graph_open(container, &other, &graph), NACRE_CORRUPT);
    other = rows;
    other.dimension--;
    assert_int_equal(graph_open(container, &other, &graph), NACRE_CORRUPT);
    container_close(container);
    (void)unlink(path);
    free_rows(&rows);
}

int main(void)
{
    (void)snprintf(path, sizeof path, "test_graph.%d.index", (int)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_find_the_nearest_by_l2),
        cmocka_unit_test(walks_find_the_nearest_by_cosine),
        cmocka_unit_test(walks_find_the_nearest_by_dot),
        cmocka_unit_test(one_dimension_is_enough),
        cmocka_unit_test(many_dimensions_are_not_too_many),
        cmocka_unit_test(small_segments_have_codes_alone),
        cmocka_unit_test(graphs_of_few_rows_are_sound),
        cmocka_unit_test(codes_alone_are_not_whole_where_a_graph_pays),
        cmocka_unit_test(files_that_are_not_mapped_are_read),
        cmocka_unit_test(equal_vectors_are_all_reached),
        cmocka_unit_test(nothing_but_equal_vectors_is_fine),
        cmocka_unit_test(threads_do_not_change_the_graph),
        cmocka_unit_test(a_build_ends_when_it_is_told_to),
        cmocka_unit_test(a_build_beyond_its_memory_is_refused),
        cmocka_unit_test(a_build_survives_every_failed_allocation),
        cmocka_unit_test(merges_keep_recall_over_ten_churns),
        cmocka_unit_test(a_merge_of_other_data_trains_its_codes_anew),
        cmocka_unit_test(a_source_that_lost_nearly_all_is_not_built_on),
        cmocka_unit_test(a_merge_of_few_rows_begins_at_rows_that_the_source_had),
        cmocka_unit_test(walks_stay_inside_whatever_the_bytes),
        cmocka_unit_test(an_index_of_other_rows_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
