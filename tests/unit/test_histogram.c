/* Histograms against sorted lists of the same numbers. */
#include "base/histogram.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint64_t seed = 1;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Of about any size: so many random bits. */
static uint64_t any_size(unsigned bits_most)
{
    unsigned bits = (unsigned)(next_random() % bits_most) + 1;
    return next_random() >> (64 - bits);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static const double shares[] = { 0, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1 };
enum { SHARES = sizeof shares / sizeof shares[0], VALUES = 20000 };

static uint64_t exact(const uint64_t *sorted, size_t count, double share)
{
    size_t at = 0;
    while (at + 1 < count && (double)(at + 1) < share * (double)count) {
        at++;
    }
    return sorted[at];
}

static void percentiles_are_those_of_the_sorted_list_within_a_thirtysecond(void **state)
{
    static uint64_t values[VALUES];
    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        struct histogram *h = calloc(1, sizeof *h);
        struct histogram_sum *sum = calloc(1, sizeof *sum);
        uint64_t total = 0;
        assert_true(h && sum);
        for (size_t i = 0; i < VALUES; i++) {
            values[i] = any_size(3 * round + 5);
            total += values[i];
            histogram_note(h, values[i], 1);
        }
        qsort(values, VALUES, sizeof values[0], by_size);
        histogram_collect(h, sum);
        assert_int_equal(sum->count, VALUES);
        assert_int_equal(sum->sum, total);
        assert_int_equal(sum->greatest, values[VALUES - 1]);
        for (size_t i = 0; i < SHARES; i++) {
            double want = (double)exact(values, VALUES, shares[i]);
            double got = (double)histogram_value_at(sum, shares[i]);
            if (got < want * (1 - 1.0 / 32) - 0.5 || got > want * (1 + 1.0 / 32) + 0.5) {
                fail_msg("share %g: %g, not %g", shares[i], got, want);
            }
        }
        free(h);
        free(sum);
    }
}

static void percentiles_rise_with_the_share(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        struct histogram h = { { 0 }, 0, 0 };
        struct histogram_sum sum = { { 0 }, 0, 0, 0 };
        for (unsigned i = 0; i < round + 1; i++) {
            histogram_note(&h, any_size(40), 1 + next_random() % 40);
        }
        histogram_collect(&h, &sum);
        uint64_t before = 0;
        for (unsigned share = 0; share <= 1000; share++) {
            uint64_t now = histogram_value_at(&sum, share / 1000.0);
            assert_true(now >= before);
            before = now;
        }
        assert_true(before <= sum.greatest);
    }
}

static void nothing_added_is_zero_throughout(void **state)
{
    static const struct histogram h;
    struct histogram_sum sum = { { 0 }, 0, 0, 0 };
    (void)state;
    histogram_collect(&h, &sum);
    assert_int_equal(sum.count, 0);
    assert_int_equal(histogram_value_at(&sum, 0.5), 0);
}

static void the_greatest_values_there_are_do_not_fall_out(void **state)
{
    static struct histogram h;
    struct histogram_sum sum = { { 0 }, 0, 0, 0 };
    (void)state;
    histogram_note(&h, UINT64_MAX, 1);
    histogram_note(&h, UINT64_C(1) << HISTOGRAM_BITS_MOST, 1);
    histogram_note(&h, 0, 1);
    histogram_collect(&h, &sum);
    assert_int_equal(sum.count, 3);
    assert_true(histogram_value_at(&sum, 1) == UINT64_MAX);
    assert_int_equal(histogram_value_at(&sum, 0.1), 0);
}

static void a_weight_counts_as_many_values(void **state)
{
    static struct histogram h;
    struct histogram_sum sum = { { 0 }, 0, 0, 0 };
    (void)state;
    histogram_note(&h, 10, 99);
    histogram_note(&h, 1000, 1);
    histogram_collect(&h, &sum);
    assert_int_equal(sum.count, 100);
    assert_int_equal(sum.sum, 1990);
    assert_int_equal(histogram_value_at(&sum, 0.99), 10);
    assert_true(histogram_value_at(&sum, 1) > 900);
}

static struct histogram shared[2];

static void *add_many(void *context)
{
    unsigned thread = *(unsigned *)context;
    for (uint64_t i = 0; i < 20000; i++) {
        histogram_note(&shared[thread % 2], i % 1000, 1);
    }
    return NULL;
}

static void threads_lose_no_count_and_parts_add_up(void **state)
{
    pthread_t threads[4];
    unsigned numbers[4] = { 0, 1, 2, 3 };
    struct histogram_sum sum = { { 0 }, 0, 0, 0 };
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    histogram_collect(&shared[0], &sum);
    histogram_collect(&shared[1], &sum);
    assert_int_equal(sum.count, 80000);
    assert_int_equal(sum.sum, UINT64_C(4) * 20 * 499500);
    assert_int_equal(sum.greatest, 999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_those_of_the_sorted_list_within_a_thirtysecond),
        cmocka_unit_test(percentiles_rise_with_the_share),
        cmocka_unit_test(nothing_added_is_zero_throughout),
        cmocka_unit_test(the_greatest_values_there_are_do_not_fall_out),
        cmocka_unit_test(a_weight_counts_as_many_values),
        cmocka_unit_test(threads_lose_no_count_and_parts_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
