/* Codes: what they lose is bounded as they say, whatever the vectors; trained on a few wild rows they still tell the others apart. */
#include "vector_rows.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "distance/code_dot.h"
#include "vectors/code_book.h"
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const nacre_metric metrics[] = { NACRE_L2, NACRE_COSINE, NACRE_DOT };
static const uint32_t dimensions[] = { 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 129, 300, 1000 };
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Squared distance in graph space, in double. */
static double true_distance(const struct code_book *book, const float *query, const float *row)
{
    double qq = 0, xx = 0, qx = 0, apart = 0;
    for (uint32_t i = 0; i < book->dimension; i++) {
        double q = (double)query[i], x = (double)row[i];
        qq += q * q;
        xx += x * x;
        qx += q * x;
        apart += (q - x) * (q - x);
    }
    if (book->metric == NACRE_L2)
        return apart * book->unit * book->unit;
    if (book->metric == NACRE_COSINE)
        return 2 - 2 * qx / sqrt(qq) / sqrt(xx);
    return 2 - 2 * qx / sqrt(qq) * book->unit;
}

static void dot_one(const struct code_book *book, const struct code_query *q, const uint8_t *code, int32_t *dot)
{
    (book->bits == 8 ? code8_dot_rows : code4_dot_rows)(q->elements, code, book->stride, 1, book->code_bytes, dot);
}

static void check_query(const struct code_book *book, const struct vector_rows *rows, const uint8_t *codes,
                        struct code_query *q, const float *query)
{
    struct distance distance;
    distance_begin(&distance, book->metric, query, book->dimension);
    code_query_set(q, book, &distance);
    for (uint32_t row = 0; row < rows->count; row++) {
        const uint8_t *code = codes + row * book->stride;
        const struct code_row *kept = code_row_of(book, code);
        int32_t dot;
        dot_one(book, q, code, &dot);
        double truth = true_distance(book, query, row_vector(rows, row));
        float estimate = code_distance(q, dot, kept->norm2), by_metric = distance_to(&distance, row_vector(rows, row));
        float away = code_space_distance(book, &distance, by_metric);
        struct code_range range = code_range_of(q, kept, estimate);
        double least = (double)range.least, most = (double)range.most;
        assert_true(least * least <= truth * (1 + 1e-12) + 1e-14);
        assert_true(most * most >= truth * (1 - 1e-12) - 1e-14);
        assert_true((double)away * (double)away >= truth * (1 - 1e-12) - 1e-14);
        assert_true(code_can_reach(q, kept, estimate, away));
        if (fabsf(by_metric) > 1e-30f && fabsf(by_metric) < 1e30f)
            assert_true(away <= code_space_slack(book, (float)sqrt(truth + 1e-14) * 1.0000001f));
        assert_false(isnan(estimate));
    }
}

static void check_bounds(nacre_metric metric, enum shape shape, uint32_t dimension, unsigned bits, uint64_t seed)
{
    uint64_t random = seed;
    struct vector_rows rows = random_rows(metric, shape, 1 + (uint32_t)random_below(&random, 60), dimension, &random);
    float *query = malloc(dimension * sizeof *query);
    struct code_book book;
    struct code_query q;
    assert_int_equal(code_book_train(&book, &rows, bits, NULL, NULL), NACRE_OK);
    assert_true(code_book_is_sound(&book));
    assert_int_equal(code_query_create(&q, &book), NACRE_OK);
    uint8_t *codes = aligned_alloc(64, (rows.count * book.stride + 63) / 64 * 64);
    for (uint32_t row = 0; row < rows.count; row++)
        code_book_encode(&book, row_vector(&rows, row), codes + row * book.stride);
    for (int i = 0; i < 6; i++) {
        random_vector(i < 3 ? shape : (enum shape)random_below(&random, SHAPE_COUNT), dimension, &random, query);
        check_query(&book, &rows, codes, &q, query);
    }
    for (uint32_t row = 0; row < rows.count; row += 7) /* rows themselves, and rows nearly */
        check_query(&book, &rows, codes, &q, row_vector(&rows, row));
    code_query_free(&q);
    code_book_free(&book);
    free(codes);
    free(query);
    free((void *)(uintptr_t)rows.vectors);
}

static void the_true_distance_is_in_the_range_that_an_estimate_gives(void **state)
{
    (void)state;
    static const enum cpu_level levels[] = { CPU_PORTABLE, CPU_AVX2, CPU_AVX512 };
    uint64_t seed = 1;
    for (size_t l = 0; l < COUNT(levels); l++) {
        cpu_limit(levels[l]);
        for (size_t m = 0; m < COUNT(metrics); m++)
            for (size_t d = 0; d < COUNT(dimensions); d++)
                for (int shape = 0; shape < SHAPE_COUNT; shape++) {
                    check_bounds(metrics[m], (enum shape)shape, dimensions[d], 8, seed++);
                    check_bounds(metrics[m], (enum shape)shape, dimensions[d], 4, seed++);
                }
    }
    cpu_limit(CPU_AVX512);
}

static void extremes_of_floats_keep_the_bounds(void **state)
{
    (void)state;
    static const float values[] = { 0,      -0.0f,   FLT_MAX, -FLT_MAX, FLT_MIN, -FLT_MIN,
                                    1e-45f, -1e-45f, 1,       -1,       1e20f,   -1e-20f };
    uint64_t random = 7;
    for (int turn = 0; turn < 600; turn++) {
        uint32_t dimension = 1 + (uint32_t)random_below(&random, 40);
        size_t m = random_below(&random, 3), choices = 2 + random_below(&random, COUNT(values) - 1);
        struct vector_rows rows = random_rows(metrics[m], SHAPE_NORMAL, 20, dimension, &random);
        struct code_book book;
        struct code_query q;
        for (uint32_t row = 0; row < rows.count; row++) {
            float *vector = (float *)(uintptr_t)row_vector(&rows, row);
            for (uint32_t i = 0; i < dimension; i++)
                if (random_below(&random, 3) == 0)
                    vector[i] = values[random_below(&random, choices)];
            if (vector_is_zero(vector, dimension))
                vector[0] = 1;
        }
        assert_int_equal(code_book_train(&book, &rows, turn % 2 ? 8 : 4, NULL, NULL), NACRE_OK);
        assert_true(code_book_is_sound(&book));
        assert_int_equal(code_query_create(&q, &book), NACRE_OK);
        uint8_t *codes = calloc(rows.count, book.stride);
        for (uint32_t row = 0; row < rows.count; row++)
            code_book_encode(&book, row_vector(&rows, row), codes + row * book.stride);
        for (uint32_t row = 0; row < rows.count; row++)
            check_query(&book, &rows, codes, &q, row_vector(&rows, row));
        code_query_free(&q);
        code_book_free(&book);
        free(codes);
        free((void *)(uintptr_t)rows.vectors);
    }
}

/* How far estimates are off, on average, as a part of the average distance: for searches, or for rows as queries. */
static double average_error(const struct vector_rows *rows, unsigned bits, uint32_t first, bool of_rows)
{
    struct code_book book;
    struct code_query q;
    double error = 0, size = 0;
    assert_int_equal(code_book_train(&book, rows, bits, NULL, NULL), NACRE_OK);
    assert_int_equal(code_query_create(&q, &book), NACRE_OK);
    assert_int_equal(code_query_prepare_rows(&q, &book), NACRE_OK);
    uint8_t *codes = calloc(rows->count, book.stride);
    for (uint32_t row = 0; row < rows->count; row++)
        code_book_encode(&book, row_vector(rows, row), codes + row * book.stride);
    for (uint32_t a = first; a < rows->count; a += 10) {
        struct distance distance;
        distance_begin(&distance, rows->metric, row_vector(rows, a), rows->dimension);
        if (of_rows)
            code_query_set_row(&q, &book, codes + a * book.stride);
        else
            code_query_set(&q, &book, &distance);
        for (uint32_t b = first; b < rows->count; b++) {
            int32_t dot;
            dot_one(&book, &q, codes + b * book.stride, &dot);
            float estimate = code_distance(&q, dot, code_row_of(&book, codes + b * book.stride)->norm2);
            double truth = true_distance(&book, row_vector(rows, a), row_vector(rows, b));
            error += fabs((double)estimate - truth);
            size += truth;
        }
    }
    code_query_free(&q);
    code_book_free(&book);
    free(codes);
    return error / size;
}

static void estimates_are_near_the_truth(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (int shape = SHAPE_NORMAL; shape <= SHAPE_UNEVEN; shape++)
        for (int of_rows = 0; of_rows < 2; of_rows++)
            for (size_t m = 0; m < 2; m++) {
                struct vector_rows rows = random_rows(metrics[m], (enum shape)shape, 300, 65, &random);
                assert_true(average_error(&rows, 8, 0, of_rows) < 0.01);
                assert_true(average_error(&rows, 4, 0, of_rows) < 0.08);
                free((void *)(uintptr_t)rows.vectors);
            }
}

static void a_few_wild_rows_do_not_spoil_the_codes_of_the_others(void **state)
{
    (void)state;
    uint64_t random = 5;
    struct vector_rows rows = random_rows(NACRE_L2, SHAPE_NORMAL, 4000, 32, &random);
    for (uint32_t row = 0; row < 3; row++)
        for (uint32_t i = 0; i < rows.dimension; i++)
            ((float *)(uintptr_t)row_vector(&rows, row * 3))[i] *= 1e20f;
    assert_true(average_error(&rows, 8, 10, false) < 0.02);
    free((void *)(uintptr_t)rows.vectors);
}

static bool no_memory(void *context, size_t bytes)
{
    (void)bytes;
    return (*(int *)context)-- == 0;
}

static void training_without_memory_says_so(void **state)
{
    (void)state;
    uint64_t random = 5;
    struct vector_rows rows = random_rows(NACRE_L2, SHAPE_NORMAL, 40, 32, &random);
    for (int turn = 0, status = NACRE_NO_MEMORY; status != NACRE_OK; turn++) {
        struct code_book book;
        int left = turn;
        memory_set_fault(no_memory, &left);
        status = code_book_train(&book, &rows, 8, NULL, NULL);
        memory_set_fault(NULL, NULL);
        assert_int_equal(status, turn < 4 ? NACRE_NO_MEMORY : NACRE_OK);
        if (status == NACRE_OK)
            code_book_free(&book);
    }
    free((void *)(uintptr_t)rows.vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_true_distance_is_in_the_range_that_an_estimate_gives),
        cmocka_unit_test(extremes_of_floats_keep_the_bounds),
        cmocka_unit_test(estimates_are_near_the_truth),
        cmocka_unit_test(a_few_wild_rows_do_not_spoil_the_codes_of_the_others),
        cmocka_unit_test(training_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
