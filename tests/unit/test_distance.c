/* Distances against sums in double, on every level of the processor, with rows and queries that end where memory ends. */
#include "distance/distance.h"
#include "base/cpu.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define ROWS       11
#define DIMENSIONS 65535
#define ROOM       ((size_t)4 << 20) /* for ROWS of the longest */

static const nacre_metric metrics[] = { NACRE_L2, NACRE_COSINE, NACRE_DOT };
static uint8_t *row_end; /* behind it is no memory */
static float *query_end; /* nor here */
static uint64_t random_state = 88172645463325252u;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static float random_float(void) /* -1..1 */
{
    return (float)((double)(random_bits() >> 40) / (1 << 23) - 1);
}

static void *memory_with_an_end(size_t bytes)
{
    uint8_t *memory = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED && mprotect(memory + bytes, 4096, PROT_NONE) == 0);
    return memory + bytes;
}

static int set_up(void **state)
{
    (void)state;
    row_end = memory_with_an_end(ROOM);
    query_end = memory_with_an_end(ROOM);
    return 0;
}

static bool limit_to(int level)
{
    cpu_limit((enum cpu_level)level);
    return level <= CPU_AVX512 && cpu_level() == (enum cpu_level)level;
}

/* ---- the truth ---- */

static float element(const void *row, size_t i)
{
    float f;
    memcpy(&f, (const uint8_t *)row + 4 * i, 4);
    return f;
}

static double clamp(double distance)
{
    return distance > FLT_MAX ? (double)FLT_MAX : distance < -FLT_MAX ? -(double)FLT_MAX : distance;
}

/* The distance, and by how much floats may be off. */
static double truth(nacre_metric metric, const float *query, const void *row, size_t n, double *tolerance)
{
    double squares = 0, dot = 0, sizes = 0, query2 = 0, row2 = 0, epsilon = ((double)n / 16 + 16) * (double)FLT_EPSILON;
    for (size_t i = 0; i < n; i++) {
        double q = (double)query[i], x = (double)element(row, i);
        squares += (q - x) * (q - x);
        dot += q * x;
        sizes += fabs(q * x);
        query2 += q * q;
        row2 += x * x;
    }
    if (metric == NACRE_L2) {
        *tolerance = clamp(squares) * epsilon + 2e-45;
        return clamp(squares);
    }
    if (metric == NACRE_DOT) {
        *tolerance = sizes * epsilon + 2e-45;
        return clamp(-dot);
    }
    *tolerance = epsilon;
    return query2 * row2 == 0 ? 1 : 1 - dot / sqrt(query2 * row2);
}

static uint32_t bits(float f)
{
    uint32_t b;
    memcpy(&b, &f, 4);
    return b;
}

/* All forms on ROWS rows that end where memory ends: the same bits, and near the truth. */
static void check_rows(nacre_metric metric, const float *query, size_t n, size_t stride)
{
    const uint8_t *rows = row_end - (ROWS - 1) * stride - 4 * n;
    float all[ROWS], listed[2 * ROWS];
    uint32_t list[2 * ROWS];
    struct distance d;
    distance_begin(&d, metric, query, (uint32_t)n);
    distance_to_rows(&d, rows, stride, ROWS, all);
    size_t count = 1 + random_bits() % (2 * ROWS);
    for (size_t i = 0; i < count; i++)
        list[i] = (uint32_t)(random_bits() % ROWS);
    distance_to_list(&d, rows, stride, list, count, listed);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(bits(listed[i]), bits(all[list[i]]));
    for (size_t i = 0; i < ROWS; i++) {
        double tolerance, expected = truth(metric, query, rows + i * stride, n, &tolerance);
        assert_int_equal(bits(distance_to(&d, rows + i * stride)), bits(all[i]));
        if (!(fabs((double)all[i] - expected) <= tolerance))
            fail_msg("metric %d, level %d, dimension %zu: %.9g, expected %.9g", (int)metric, (int)cpu_level(), n,
                     (double)all[i], expected);
    }
}

static float *fill(size_t n, size_t stride, float (*value)(void)) /* gives the query */
{
    float *query = query_end - n;
    for (size_t i = 0; i < n; i++)
        query[i] = value();
    for (size_t r = 0; r < ROWS; r++)
        for (size_t i = 0; i < n; i++) {
            float x = value();
            memcpy(row_end - r * stride - 4 * n + 4 * i, &x, 4);
        }
    return query;
}

static void check_all(size_t n, float (*value)(void))
{
    size_t stride = 4 * n + random_bits() % 8;
    float *query = fill(n, stride, value);
    for (int level = CPU_PORTABLE; limit_to(level); level++)
        for (size_t m = 0; m < sizeof metrics / sizeof metrics[0]; m++)
            check_rows(metrics[m], query, n, stride);
}

/* ---- the tests ---- */

static void every_dimension_agrees_with_sums_in_double(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 1100; n++)
        check_all(n, random_float);
    static const size_t large[] = { 1536, 2047, 4096, 10001, 32768, 65534, 65535 };
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
        check_all(large[i], random_float);
}

static float scale;
static float scaled_float(void)
{
    return random_float() * scale;
}

static void no_scale_of_numbers_is_too_small_or_too_large(void **state)
{
    (void)state;
    for (scale = 1e-44f; scale < 1e38f; scale *= 3)
        for (size_t n = 1; n < 200; n += 1 + n / 5)
            check_all(n, scaled_float);
}

static float extreme_float(void)
{
    static const float values[] = { 0,     -0.0f,   1,        -1,      1e30f,  -1e30f,  1e-40f, -1e-40f, 1e-45f,
                                    1e19f, FLT_MAX, -FLT_MAX, FLT_MIN, 1e-20f, -3e-23f, 1e-15f, 0.0f,    0.5f };
    return values[random_bits() % (sizeof values / sizeof values[0])];
}

static void mixes_of_extremes_overflow_to_the_largest_float_and_never_to_nan(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++)
        for (size_t n = 1; n < 80; n++)
            check_all(n, extreme_float);
}

static float tiny_or_zero(void)
{
    return random_bits() % 2 ? 0 : 1e-22f * random_float();
}

static void sums_that_would_vanish_in_floats_do_not(void **state)
{
    (void)state;
    for (size_t n = 1; n < 300; n += 7)
        check_all(n, tiny_or_zero);
}

static void a_vector_is_at_distance_zero_from_itself(void **state)
{
    (void)state;
    for (int level = CPU_PORTABLE; limit_to(level); level++)
        for (size_t n = 1; n < 300; n++)
            for (scale = 1e-30f; scale < 1e36f; scale *= 1e5f) {
                float *query = fill(n, 4 * n, scaled_float);
                uint8_t *row = row_end - 4 * n;
                struct distance d;
                memcpy(row, query, 4 * n);
                distance_begin(&d, NACRE_L2, query, (uint32_t)n);
                assert_int_equal(bits(distance_to(&d, row)), 0);
                distance_begin(&d, NACRE_COSINE, query, (uint32_t)n);
                assert_int_equal(bits(distance_to(&d, row)), 0);
                for (size_t i = 0; i < n; i++) {
                    float x = 2 * query[i];
                    memcpy(row + 4 * i, &x, 4);
                }
                assert_int_equal(bits(distance_to(&d, row)), 0);
            }
}

static void where_a_row_lies_changes_no_bit(void **state)
{
    (void)state;
    static const size_t dimensions[] = { 1, 7, 16, 31, 33, 100, 129, 768 };
    for (int level = CPU_PORTABLE; limit_to(level); level++)
        for (size_t m = 0; m < 3; m++)
            for (size_t k = 0; k < sizeof dimensions / sizeof dimensions[0]; k++) {
                size_t n = dimensions[k];
                float *query = fill(n, 4 * n, random_float);
                struct distance d;
                distance_begin(&d, metrics[m], query, (uint32_t)n);
                uint32_t first = bits(distance_to(&d, row_end - 4 * n));
                for (size_t shift = 1; shift <= 64; shift++) {
                    memmove(row_end - 4 * n - shift, row_end - 4 * n - shift + 1, 4 * n);
                    assert_int_equal(bits(distance_to(&d, row_end - 4 * n - shift)), first);
                }
            }
}

static void many_rows_and_long_lists_are_answered_whole(void **state)
{
    (void)state;
    enum { MANY = 1000, N = 5 };
    static float rows[MANY][N], alone[MANY], together[MANY];
    uint32_t list[MANY];
    for (size_t i = 0; i < MANY; i++) {
        list[i] = (uint32_t)(MANY - 1 - i);
        for (size_t k = 0; k < N; k++)
            rows[i][k] = i % 10 == 3 ? extreme_float() : random_float();
    }
    for (int level = CPU_PORTABLE; limit_to(level); level++)
        for (size_t m = 0; m < 3; m++) {
            struct distance d;
            distance_begin(&d, metrics[m], rows[0], N);
            for (size_t i = 0; i < MANY; i++)
                alone[i] = distance_to(&d, rows[i]);
            for (size_t count = 0; count <= MANY; count += count < 140 ? 1 : 43) {
                together[count < MANY ? count : 0] = 7;
                distance_to_rows(&d, rows, sizeof rows[0], count, together);
                assert_memory_equal(together, alone, count * 4);
                assert_true(count == MANY || bits(together[count]) == bits(7)); /* nothing is written behind */
                distance_to_list(&d, rows, sizeof rows[0], list, count, together);
                for (size_t i = 0; i < count; i++)
                    assert_int_equal(bits(together[i]), bits(alone[list[i]]));
                assert_true(count == MANY || bits(together[count]) == bits(7));
            }
        }
}

static void what_has_no_angle_or_is_not_finite_still_has_a_distance(void **state)
{
    (void)state;
    float zero[40] = { 0 }, ones[40], bad[40];
    for (size_t i = 0; i < 40; i++)
        ones[i] = 1;
    for (int level = CPU_PORTABLE; limit_to(level); level++)
        for (size_t m = 0; m < 3; m++)
            for (size_t i = 0; i < 40; i++) {
                static const float values[] = { INFINITY, -INFINITY, NAN };
                struct distance d;
                memcpy(bad, ones, sizeof bad);
                bad[i] = values[i % 3];
                bad[39 - i] = values[i / 3 % 3];
                distance_begin(&d, metrics[m], i % 2 ? ones : zero, 40);
                assert_false(isnan(distance_to(&d, bad)));
                if (metrics[m] == NACRE_COSINE)
                    assert_true(distance_to(&d, zero) == 1);
            }
}

static void vectors_are_known_to_be_finite_zero_and_how_long(void **state)
{
    (void)state;
    for (int level = CPU_PORTABLE; limit_to(level); level++)
        for (uint32_t n = 1; n < 70; n++) {
            float *v = query_end - n;
            static const float odd[] = { INFINITY, -INFINITY, NAN, -NAN };
            double sum = 0;
            for (uint32_t i = 0; i < n; i++)
                v[i] = random_bits() % 2 ? 0.0f : -0.0f;
            assert_true(vector_is_zero(v, n) && vector_is_finite(v, n) && vector_norm2(v, n) == 0);
            for (uint32_t i = 0; i < n; i++) {
                v[i] = i % 2 ? 1e-45f : -1e-45f;
                assert_false(vector_is_zero(v, n));
                v[i] = 0;
            }
            for (uint32_t i = 0; i < n; i++) {
                v[i] = i % 3 == 0 ? FLT_MAX : i % 3 == 1 ? -FLT_MAX : random_float();
                sum += (double)v[i] * (double)v[i];
            }
            assert_true(vector_is_finite(v, n));
            assert_true(fabs(vector_norm2(v, n) - sum) <= 1e-13 * sum);
            for (uint32_t i = 0; i < n; i++) {
                float kept = v[i];
                v[i] = odd[i % 4];
                assert_false(vector_is_finite(v, n));
                v[i] = kept;
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dimension_agrees_with_sums_in_double),
        cmocka_unit_test(no_scale_of_numbers_is_too_small_or_too_large),
        cmocka_unit_test(mixes_of_extremes_overflow_to_the_largest_float_and_never_to_nan),
        cmocka_unit_test(sums_that_would_vanish_in_floats_do_not),
        cmocka_unit_test(a_vector_is_at_distance_zero_from_itself),
        cmocka_unit_test(where_a_row_lies_changes_no_bit),
        cmocka_unit_test(many_rows_and_long_lists_are_answered_whole),
        cmocka_unit_test(what_has_no_angle_or_is_not_finite_still_has_a_distance),
        cmocka_unit_test(vectors_are_known_to_be_finite_zero_and_how_long),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
