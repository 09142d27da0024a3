/* Dead rows against an array of flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#undef fail /* base/status.h has its own */
#include "base/status.h"
#include "segment/dead_rows.h"

#define ROWS 200000u

static bool flags[ROWS];

static uint32_t next_below(uint64_t *state, uint32_t bound)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % bound);
}

static void assert_same(const struct dead_rows *rows, uint64_t count, uint64_t valid_from)
{
    uint64_t dead = 0;
    for (uint32_t row = 0; row < ROWS; row++) {
        assert_int_equal(dead_rows_has(rows, row), flags[row]);
        dead += flags[row];
    }
    assert_int_equal(dead, count);
    assert_int_equal(rows->count, count);
    assert_int_equal(rows->valid_from, valid_from);
}

static void rows_and_ranges_of_rows_are_dead_once_added(void **state)
{
    (void)state;
    struct dead_rows *rows = NULL;
    uint64_t random = 5, count = 0, newest = 0;
    assert_int_equal(dead_rows_create(&rows), NACRE_OK);
    for (int i = 0; i < 3000; i++) {
        uint32_t begin = next_below(&random, ROWS), end = begin + 1 + next_below(&random, i % 100 ? 3 : 5000);
        uint64_t sequence = next_below(&random, 1000000) + 1;
        if (end > ROWS)
            end = ROWS;
        if (i % 2)
            end = begin + 1;
        bool fresh = false;
        for (uint32_t row = begin; row < end; row++) {
            fresh |= !flags[row];
            count += !flags[row];
            flags[row] = true;
        }
        assert_int_equal(i % 2 ? dead_rows_add(rows, begin, sequence) : dead_rows_add_range(rows, begin, end, sequence),
                         NACRE_OK);
        if ((fresh || !(i % 2)) && sequence > newest)
            newest = sequence;
    }
    dead_rows_seal(rows);
    assert_same(rows, count, newest);
    assert_true(dead_rows_bytes(rows) < ROWS / 4);
    dead_rows_unref(rows);
}

static void a_copy_is_added_to_alone(void **state)
{
    (void)state;
    struct dead_rows *rows = NULL, *copy = NULL;
    assert_int_equal(dead_rows_copy(NULL, &rows), NACRE_OK);
    assert_int_equal(dead_rows_add(rows, 7, 100), NACRE_OK);
    dead_rows_seal(rows);
    assert_int_equal(dead_rows_copy(rows, &copy), NACRE_OK);
    assert_int_equal(dead_rows_add_range(copy, 1000, 2000, 90), NACRE_OK);
    dead_rows_seal(copy);
    assert_int_equal(rows->count, 1);
    assert_int_equal(copy->count, 1001);
    assert_int_equal(copy->valid_from, 100); /* the greatest, not the newest */
    dead_rows_ref(rows);
    dead_rows_unref(rows);
    assert_true(dead_rows_has(rows, 7));
    assert_false(dead_rows_has(rows, 1000));
    dead_rows_unref(rows);
    assert_true(dead_rows_has(copy, 7) && dead_rows_has(copy, 1999));
    dead_rows_unref(copy);
}

static void nothing_is_dead_where_nothing_is_known(void **state)
{
    (void)state;
    struct dead_rows *rows = NULL;
    assert_false(dead_rows_has(NULL, 0));
    assert_int_equal(dead_rows_bytes(NULL), 0);
    dead_rows_ref(NULL);
    dead_rows_unref(NULL);
    assert_int_equal(dead_rows_create(&rows), NACRE_OK);
    assert_int_equal(dead_rows_add_range(rows, 5, 5, 100), NACRE_OK);
    dead_rows_seal(rows);
    assert_int_equal(rows->count, 0);
    assert_int_equal(rows->valid_from, 0);
    dead_rows_unref(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_ranges_of_rows_are_dead_once_added),
        cmocka_unit_test(a_copy_is_added_to_alone),
        cmocka_unit_test(nothing_is_dead_where_nothing_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
