/* Searches of an index against a look through all rows: exact ones agree with it in every distance, others find what was asked for; whatever the filter, the dead
   rows and what is refused. */
#include "index_fixture.h"
#include "vector_rows.h"
#include "base/memory.h"
#include "base/status.h"
#include "os/os.h"
#include "segment/container.h"
#include "segment/dead_rows.h"
#include "segment/nearest.h"
#include "support/directory.h"
#include "vectors/graph.h"
#include "vectors/graph_layout.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
static const nacre_metric metrics[] = { NACRE_L2, NACRE_COSINE, NACRE_DOT };
static char directory[256];

/* ---- an index of rows ---- */

struct indexed {
    struct vector_rows rows;
    struct index_file file;
    struct graph *graph; /* the file's */
};

static void index_rows(struct indexed *indexed, struct vector_rows rows, bool codes_only)
{
    char path[300];
    struct graph_job job = { .rows = &indexed->rows, .threads = 2, .codes_only = codes_only };
    (void)snprintf(path, sizeof path, "%s/index", directory);
    indexed->rows = rows;
    indexed->file = index_build_and_open(path, &job, true);
    indexed->graph = indexed->file.graph;
}

static void free_indexed(struct indexed *indexed)
{
    index_close_file(&indexed->file);
    free((void *)(uintptr_t)indexed->rows.vectors);
}

/* ---- a search, and what a look through all rows says ---- */

struct asked { /* context of a search */
    const struct indexed *indexed;
    size_t k;
    uint32_t begin, end;
    const uint64_t *allowed; /* given to the search as it is, or behind `allows` */
    bool by_callback;
    struct dead_rows *dead;
    uint32_t refuse; /* accept counts only rows that are no multiple of it; 0: all */
    /* What came. */
    struct found {
        float distance;
        uint32_t row;
    } * found, *expected;
    size_t found_count, good_count, expected_count;
    uint64_t *asked_about; /* a bit per row */
    bool in_order;
};

static bool bit_of(const uint64_t *bits, uint32_t row)
{
    return bits[row >> 6] >> (row & 63) & 1;
}

static bool is_good(const struct asked *a, uint32_t row)
{
    return !a->refuse || row % a->refuse != 0;
}

static int compare_found(const void *left, const void *right)
{
    const struct found *a = left, *b = right;
    if (a->distance != b->distance)
        return a->distance < b->distance ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static bool allows(void *context, uint32_t row)
{
    struct asked *a = context;
    assert_false(bit_of(a->asked_about, row)); /* once per row */
    a->asked_about[row >> 6] |= UINT64_C(1) << (row & 63);
    return bit_of(a->allowed, row);
}

static int accept(void *context, uint32_t row, float distance, bool *enough)
{
    struct asked *a = context;
    assert_true(row >= a->begin && row < a->end && !dead_rows_has(a->dead, row));
    assert_true(!a->allowed || bit_of(a->allowed, row));
    struct found found = { distance, row };
    if (a->found_count && compare_found(&a->found[a->found_count - 1], &found) >= 0)
        a->in_order = false;
    assert_true(a->found_count < a->indexed->rows.count);
    a->found[a->found_count++] = found;
    a->good_count += is_good(a, row);
    *enough = a->good_count == a->k;
    return NACRE_OK;
}

static void look_through(struct asked *a, const struct distance *distance)
{
    const struct vector_rows *rows = &a->indexed->rows;
    a->expected_count = 0;
    for (uint32_t row = a->begin; row < a->end; row++) {
        if (!is_good(a, row) || dead_rows_has(a->dead, row) || (a->allowed && !bit_of(a->allowed, row)))
            continue;
        struct found found = { distance_to(distance, vector_row(rows, row)), row };
        size_t at = a->expected_count;
        if (at == a->k && compare_found(&a->expected[at - 1], &found) < 0)
            continue;
        at = at < a->k ? a->expected_count++ : at - 1;
        for (; at > 0 && compare_found(&a->expected[at - 1], &found) > 0; at--)
            a->expected[at] = a->expected[at - 1];
        a->expected[at] = found;
    }
}

/* Which part of the expected rows was found; checks what always holds. */
static double search(struct asked *a, const float *query, float recall, bool exact, struct nearest_report *report)
{
    const struct vector_rows *rows = &a->indexed->rows;
    struct distance distance;
    size_t words = rows->count / 64 + 1, allowed_count = 0, hits = 0, good = 0;
    distance_begin(&distance, rows->metric, query, rows->dimension);
    a->found = malloc((rows->count + 1) * sizeof *a->found);
    a->expected = malloc((rows->count + 1) * sizeof *a->expected);
    a->asked_about = calloc(words, 8);
    a->found_count = a->good_count = 0;
    a->in_order = true;
    for (uint32_t row = a->begin; row < a->end; row++)
        allowed_count += !a->allowed || bit_of(a->allowed, row);
    *report = (struct nearest_report){ 0 };
    struct graph_search s = { .distance = &distance,
                              .k = a->k,
                              .recall = recall,
                              .exact = exact,
                              .begin = a->begin,
                              .end = a->end,
                              .allowed = a->by_callback ? NULL : a->allowed,
                              .allows = a->by_callback ? allows : NULL,
                              .allowed_part = a->end > a->begin ? (double)allowed_count / (a->end - a->begin) : 0,
                              .context = a,
                              .dead = a->dead,
                              .accept = accept,
                              .report = report };
    assert_int_equal(graph_nearest(a->indexed->graph, rows, &s), NACRE_OK);
    look_through(a, &distance);
    assert_int_equal(a->good_count, a->expected_count); /* if k match, k come */
    struct found *given = malloc((a->found_count + 1) * sizeof *given);
    memcpy(given, a->found, a->found_count * sizeof *given);
    qsort(given, a->found_count, sizeof *given, compare_found);
    for (size_t i = 0; i < a->found_count; i++) {
        assert_true(i == 0 || given[i].row != given[i - 1].row); /* each once */
        assert_true(given[i].distance == distance_to(&distance, vector_row(rows, given[i].row)));
        if (!is_good(a, given[i].row))
            continue;
        if (report->exact && exact) {
            assert_int_equal(given[i].row, a->expected[good].row);
            assert_true(given[i].distance == a->expected[good].distance);
        }
        hits += a->expected_count > 0 && given[i].distance <= a->expected[a->expected_count - 1].distance;
        good++;
    }
    double part = a->expected_count ? (double)hits / (double)a->expected_count : 1;
    free(given);
    free(a->found);
    free(a->expected);
    free(a->asked_about);
    return part;
}

static uint64_t *random_bits(uint32_t rows, double part, uint64_t *random)
{
    uint64_t *bits = calloc(rows / 64 + 1, 8);
    for (uint32_t row = 0; row < rows; row++)
        if (random_unit(random) < part)
            bits[row >> 6] |= UINT64_C(1) << (row & 63);
    return bits;
}

static struct dead_rows *random_dead(uint32_t rows, double part, uint64_t *random)
{
    struct dead_rows *dead;
    assert_int_equal(dead_rows_create(&dead), NACRE_OK);
    for (uint32_t row = 0; row < rows; row++)
        if (random_unit(random) < part)
            assert_int_equal(dead_rows_add(dead, row, 7), NACRE_OK);
    dead_rows_seal(dead);
    return dead;
}

/* A search with everything by chance. */
static void search_anyhow(const struct indexed *indexed, const float *query, bool exact, uint64_t *random)
{
    static const double parts[] = { 1, 0.9, 0.5, 0.1, 0.01, 0 };
    uint32_t rows = indexed->rows.count;
    struct asked asked = { .indexed = indexed, .k = 1 + random_below(random, 200), .end = rows };
    struct nearest_report report;
    uint64_t *bits =
        random_below(random, 2) ? random_bits(rows, parts[random_below(random, COUNT(parts))], random) : NULL;
    asked.allowed = bits;
    asked.by_callback = bits && random_below(random, 2);
    asked.dead = random_below(random, 3) == 0 ? random_dead(rows, random_unit(random), random) : NULL;
    asked.refuse = random_below(random, 3) == 0 ? 1 + (uint32_t)random_below(random, 5) : 0;
    if (random_below(random, 3) == 0) {
        asked.begin = (uint32_t)random_below(random, rows + 1);
        asked.end = asked.begin + (uint32_t)random_below(random, rows - asked.begin + 1);
    }
    if (random_below(random, 2))
        asked.k = 1 + random_below(random, 10);
    (void)search(&asked, query, (float)(0.5 + random_unit(random) / 2), exact, &report);
    assert_true(!exact || report.exact);
    assert_true(!exact || asked.in_order);
    dead_rows_unref(asked.dead);
    free(bits);
}

static void check_shape(nacre_metric metric, enum shape shape, uint32_t count, uint32_t dimension, bool codes_only,
                        int searches, uint64_t seed)
{
    uint64_t random = seed;
    struct indexed indexed;
    float *query = malloc(dimension * sizeof *query);
    index_rows(&indexed, random_rows(metric, shape, count, dimension, &random), codes_only);
    for (int i = 0; i < searches; i++) {
        random_vector(i % 4 ? shape : SHAPE_NORMAL, dimension, &random, query);
        search_anyhow(&indexed, i % 5 ? query : row_vector(&indexed.rows, (uint32_t)random_below(&random, count)),
                      i % 2, &random);
    }
    free(query);
    free_indexed(&indexed);
}

static void searches_agree_with_a_look_through_all_rows(void **state)
{
    (void)state;
    static const uint32_t dimensions[] = { 1, 2, 3, 5, 16, 33, 100, 300 };
    uint64_t seed = 1;
    for (unsigned bits = 4; bits <= 8; bits += 4) {
        graph_tuning.bits = bits;
        for (size_t m = 0; m < COUNT(metrics); m++)
            for (size_t d = 0; d < COUNT(dimensions); d++)
                for (int shape = 0; shape < SHAPE_COUNT; shape++) {
                    uint32_t count = 1 + (uint32_t)(seed * 7919 % 700);
                    check_shape(metrics[m], (enum shape)shape, count, dimensions[d], true, 10, seed++);
                }
    }
    check_shape(NACRE_L2, SHAPE_NORMAL, 50, 5000, true, 10, seed++);
}

static void searches_of_a_graph_agree_with_a_look_through_all_rows(void **state)
{
    (void)state;
    uint64_t seed = 1000;
    uint32_t least = graph_tuning.least_rows;
    graph_tuning.least_rows = 500;
    for (unsigned bits = 4; bits <= 8; bits += 4) {
        graph_tuning.bits = bits;
        for (size_t m = 0; m < COUNT(metrics); m++)
            for (int shape = 0; shape < SHAPE_COUNT; shape++)
                check_shape(metrics[m], (enum shape)shape, 1500, shape % 2 ? 20 : 3, false, 40, seed++);
    }
    graph_tuning.least_rows = least;
}

/* ---- recall ---- */

static struct indexed large; /* with a graph */
#define LARGE_ROWS      20000u
#define LARGE_DIMENSION 24u

static int make_large(void **state)
{
    (void)state;
    uint64_t random = 42;
    uint32_t least = graph_tuning.least_rows;
    (void)snprintf(directory, sizeof directory, "test_graph_nearest.%d", (int)getpid());
    (void)mkdir(directory, 0700);
    graph_tuning.least_rows = 500;
    index_rows(&large, random_rows(NACRE_L2, SHAPE_NORMAL, LARGE_ROWS, LARGE_DIMENSION, &random), false);
    graph_tuning.least_rows = least;
    return 0;
}

static int remove_large(void **state)
{
    (void)state;
    free_indexed(&large);
    directory_remove(directory);
    return 0;
}

/* The part of the rows that are nearest to a row of their own, or any: filters that go with position and filters that do not. */
static uint64_t *near_rows(const float *centre, double part)
{
    struct distance distance;
    struct found *all = malloc(LARGE_ROWS * sizeof *all);
    uint64_t *bits = calloc(LARGE_ROWS / 64 + 1, 8);
    distance_begin(&distance, NACRE_L2, centre, LARGE_DIMENSION);
    for (uint32_t row = 0; row < LARGE_ROWS; row++)
        all[row] = (struct found){ distance_to(&distance, vector_row(&large.rows, row)), row };
    qsort(all, LARGE_ROWS, sizeof *all, compare_found);
    for (uint32_t i = 0; i < (uint32_t)(part * LARGE_ROWS); i++)
        bits[all[i].row >> 6] |= UINT64_C(1) << (all[i].row & 63);
    free(all);
    return bits;
}

static double average_recall(struct asked *asked, float recall, int searches, uint64_t *random)
{
    float query[LARGE_DIMENSION];
    struct nearest_report report;
    double sum = 0;
    for (int i = 0; i < searches; i++) {
        random_vector(SHAPE_NORMAL, LARGE_DIMENSION, random, query);
        sum += search(asked, query, recall, false, &report);
    }
    return sum / searches;
}

static void the_recall_asked_for_is_reached(void **state)
{
    (void)state;
    static const float recalls[] = { 0.8f, 0.9f, 0.95f, 0.99f };
    static const size_t wanted[] = { 1, 10, 40, 100, 300 };
    uint64_t random = 9;
    for (size_t r = 0; r < COUNT(recalls); r++)
        for (size_t k = 0; k < COUNT(wanted); k++) {
            struct asked asked = { .indexed = &large, .k = wanted[k], .end = LARGE_ROWS };
            double part = average_recall(&asked, recalls[r], 200, &random);
            assert_true(part >= (double)recalls[r] - 0.01);
        }
}

static void filters_of_any_width_keep_the_recall(void **state)
{
    (void)state;
    static const double parts[] = { 1, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001, 0.0005 };
    uint64_t random = 10;
    for (size_t p = 0; p < COUNT(parts); p++)
        for (int by_position = 0; by_position < 2; by_position++)
            for (int by_callback = 0; by_callback < 2; by_callback++) {
                uint64_t *bits = by_position ? near_rows(row_vector(&large.rows, 5), parts[p])
                                             : random_bits(LARGE_ROWS, parts[p], &random);
                struct asked asked = { .indexed = &large, .k = 10, .end = LARGE_ROWS, .allowed = bits };
                asked.by_callback = by_callback;
                assert_true(average_recall(&asked, 0.9f, 60, &random) >= 0.88);
                free(bits);
            }
}

static void ranges_of_rows_keep_the_recall(void **state)
{
    (void)state;
    uint64_t random = 11;
    for (uint32_t width = LARGE_ROWS; width > 4; width /= 3) {
        struct asked asked = { .indexed = &large, .k = 10, .begin = (LARGE_ROWS - width) / 2 };
        asked.end = asked.begin + width;
        assert_true(average_recall(&asked, 0.9f, 60, &random) >= 0.88);
    }
}

static void dead_rows_all_around_the_query_do_not_hide_the_living(void **state)
{
    (void)state;
    static const double parts[] = { 0.001, 0.01, 0.1, 0.5, 0.9, 0.999 };
    struct nearest_report report;
    for (size_t p = 0; p < COUNT(parts); p++) {
        const float *centre = row_vector(&large.rows, 77);
        uint64_t *bits = near_rows(centre, parts[p]);
        double sum = 0;
        struct asked asked = { .indexed = &large, .k = 10, .end = LARGE_ROWS };
        assert_int_equal(dead_rows_create(&asked.dead), NACRE_OK);
        for (uint32_t row = 0; row < LARGE_ROWS; row++)
            if (bit_of(bits, row))
                assert_int_equal(dead_rows_add(asked.dead, row, 7), NACRE_OK);
        dead_rows_seal(asked.dead);
        for (uint32_t i = 0; i < 20; i++) { /* the centre, and places ever farther from it */
            float query[LARGE_DIMENSION];
            for (uint32_t e = 0; e < LARGE_DIMENSION; e++)
                query[e] = centre[e] + (row_vector(&large.rows, 1000 + i)[e] - centre[e]) * (float)i / 20;
            sum += search(&asked, query, 0.9f, false, &report);
        }
        assert_true(sum / 20 >= 0.88);
        dead_rows_unref(asked.dead);
        free(bits);
    }
}

static void rows_that_are_refused_are_made_up_for(void **state)
{
    (void)state;
    uint64_t random = 12;
    for (uint32_t refuse = 1; refuse < 5; refuse++) { /* 1: all */
        struct asked asked = { .indexed = &large, .k = 30, .end = LARGE_ROWS, .refuse = refuse };
        assert_true(average_recall(&asked, 0.9f, refuse == 1 ? 3 : 30, &random) >= 0.88);
    }
}

static int stop_at_once(void *context)
{
    (*(int *)context)++;
    return NACRE_BUSY;
}

static void a_stop_ends_the_search_with_its_status(void **state)
{
    (void)state;
    struct distance distance;
    struct nearest_report report = { 0 };
    distance_begin(&distance, NACRE_L2, row_vector(&large.rows, 3), LARGE_DIMENSION);
    for (int exact = 0; exact < 2; exact++) {
        struct asked asked = { .indexed = &large };
        int looks = 0;
        struct graph_search s = { .distance = &distance,
                                  .k = 10,
                                  .recall = 0.9f,
                                  .exact = exact,
                                  .end = LARGE_ROWS,
                                  .allowed_part = 1,
                                  .context = &asked,
                                  .accept = accept,
                                  .stop = stop_at_once,
                                  .stop_context = &looks,
                                  .report = &report };
        assert_int_equal(graph_nearest(large.graph, &large.rows, &s), NACRE_BUSY);
        assert_int_equal(looks, 1);
    }
}

static bool no_memory(void *context, size_t bytes)
{
    (void)bytes;
    return (*(int *)context)-- == 0;
}

static int accept_first(void *context, uint32_t row, float distance, bool *enough)
{
    (void)row;
    (void)distance;
    *enough = ++*(int *)context == 10;
    return NACRE_OK;
}

static void searches_without_memory_say_so(void **state)
{
    (void)state;
    struct distance distance;
    struct nearest_report report = { 0 };
    distance_begin(&distance, NACRE_L2, row_vector(&large.rows, 3), LARGE_DIMENSION);
    for (int exact = 0; exact < 2; exact++) {
        int status = NACRE_NO_MEMORY;
        for (int turn = 0; status != NACRE_OK; turn++) {
            int left = turn, found = 0;
            struct graph_search s = { .distance = &distance,
                                      .k = 10,
                                      .recall = 0.9f,
                                      .exact = exact,
                                      .end = LARGE_ROWS,
                                      .allowed_part = 1,
                                      .context = &found,
                                      .accept = accept_first,
                                      .report = &report };
            memory_set_fault(no_memory, &left);
            status = graph_nearest(large.graph, &large.rows, &s);
            memory_set_fault(NULL, NULL);
            assert_true(status == NACRE_OK || status == NACRE_NO_MEMORY);
            assert_true(turn < 20);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_agree_with_a_look_through_all_rows),
        cmocka_unit_test(searches_of_a_graph_agree_with_a_look_through_all_rows),
        cmocka_unit_test(the_recall_asked_for_is_reached),
        cmocka_unit_test(filters_of_any_width_keep_the_recall),
        cmocka_unit_test(ranges_of_rows_keep_the_recall),
        cmocka_unit_test(dead_rows_all_around_the_query_do_not_hide_the_living),
        cmocka_unit_test(rows_that_are_refused_are_made_up_for),
        cmocka_unit_test(a_stop_ends_the_search_with_its_status),
        cmocka_unit_test(searches_without_memory_say_so),
    };
    return cmocka_run_group_tests(tests, make_large, remove_large);
}
