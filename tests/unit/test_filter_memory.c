/* Filters that a segment remembers: what is found again, what goes, and threads beside each other. */
#include "memtable_model.h"
#include "base/memory.h"
#include "vectors/filter_memory.h"
#include <pthread.h>

static struct filter_rows *rows_of(uint32_t rows, uint32_t begin, uint32_t end, uint32_t every)
{
    struct filter_rows *f;
    assert_int_equal(filter_rows_create(rows, begin, end, &f), NACRE_OK);
    for (uint32_t row = begin; row < end; row++)
        if (row % every == 0)
            filter_rows_allow(f, row);
    return f;
}

static void keep(filter_memory_place *place, const char *identity, struct filter_rows *f)
{
    filter_memory_keep(place, slice_text(identity), f);
    filter_rows_unref(f);
}

static void rows_in_a_part_of_the_range_are_counted(void **state)
{
    (void)state;
    struct filter_rows *f = rows_of(1000, 100, 900, 7);
    for (uint32_t begin = 100; begin < 900; begin += 13)
        for (uint32_t end = begin; end <= 900; end += 29) {
            uint32_t count = 0;
            for (uint32_t row = begin; row < end; row++)
                count += row % 7 == 0;
            assert_int_equal(filter_rows_count(f, begin, end), count);
        }
    filter_rows_unref(f);
    f = rows_of(128, 0, 128, 1);
    assert_int_equal(filter_rows_count(f, 0, 128), 128);
    assert_int_equal(filter_rows_count(f, 64, 128), 64);
    filter_rows_unref(f);
}

static void what_was_kept_is_found_for_any_part_of_its_range(void **state)
{
    (void)state;
    filter_memory_place place = NULL;
    keep(&place, "a", rows_of(1000, 100, 900, 2));
    keep(&place, "b", rows_of(1000, 0, 1000, 3));
    assert_null(filter_memory_find(&place, slice_text("a"), 99, 900));
    assert_null(filter_memory_find(&place, slice_text("a"), 100, 901));
    assert_null(filter_memory_find(&place, slice_text("c"), 100, 101));
    struct filter_rows *f = filter_memory_find(&place, slice_text("a"), 100, 900);
    assert_non_null(f);
    assert_int_equal(f->count, 400);
    filter_rows_unref(f);
    f = filter_memory_find(&place, slice_text("b"), 10, 20);
    assert_non_null(f);
    assert_int_equal(filter_rows_count(f, 10, 20), 3);
    filter_rows_unref(f);
    filter_memory_free(place);
}

static void the_filter_that_was_longest_not_used_goes(void **state)
{
    (void)state;
    filter_memory_place place = NULL;
    char name[2] = { 'a', 0 };
    for (unsigned i = 0; i < FILTERS_REMEMBERED; i++, name[0]++)
        keep(&place, name, rows_of(640, 0, 640, i + 1));
    uint64_t bytes = filter_memory_bytes(place);
    struct filter_rows *held = filter_memory_find(&place, slice_text("b"), 0, 640);
    filter_rows_unref(filter_memory_find(&place, slice_text("a"), 0, 640));
    keep(&place, "z", rows_of(640, 0, 640, 1)); /* c goes */
    keep(&place, "y", rows_of(640, 0, 640, 1)); /* d goes */
    assert_null(filter_memory_find(&place, slice_text("c"), 0, 640));
    assert_null(filter_memory_find(&place, slice_text("d"), 0, 640));
    filter_rows_unref(filter_memory_find(&place, slice_text("a"), 0, 640));
    for (char more[2] = "A"; more[0] < 'Q'; more[0]++)
        keep(&place, more, rows_of(640, 0, 640, 1)); /* all of the first ones go */
    assert_null(filter_memory_find(&place, slice_text("b"), 0, 640));
    assert_int_equal(held->count, 320); /* who holds rows keeps them */
    filter_rows_unref(held);
    assert_int_equal(filter_memory_bytes(place), bytes);
    filter_memory_free(place);
}

static void questions_add_up_for_each_filter(void **state)
{
    (void)state;
    filter_memory_place place = NULL;
    assert_int_equal(filter_memory_note(&place, slice_text("a"), 10), 10);
    assert_int_equal(filter_memory_note(&place, slice_text("b"), 5), 5);
    assert_int_equal(filter_memory_note(&place, slice_text("a"), 7), 17);
    keep(&place, "a", rows_of(64, 0, 64, 1));
    assert_int_equal(filter_memory_note(&place, slice_text("a"), 0), 17);
    filter_memory_free(place);
}

static void filters_without_an_identity_or_with_a_long_one_are_not_remembered(void **state)
{
    static char long_one[FILTER_IDENTITY_MAX + 1];
    (void)state;
    filter_memory_place place = NULL;
    nacre_slice none = { NULL, 0 }, too_long = { long_one, sizeof long_one };
    struct filter_rows *f = rows_of(64, 0, 64, 1);
    filter_memory_keep(&place, none, f);
    filter_memory_keep(&place, too_long, f);
    assert_int_equal(filter_memory_note(&place, too_long, 3), 3);
    assert_null(filter_memory_find(&place, too_long, 0, 64));
    assert_null(place);
    assert_int_equal(filter_memory_bytes(place), 0);
    filter_rows_unref(f);
}

static bool never(void *context, size_t bytes)
{
    (void)context;
    (void)bytes;
    return true;
}

static void without_memory_nothing_is_remembered(void **state)
{
    (void)state;
    filter_memory_place place = NULL;
    struct filter_rows *f = rows_of(64, 0, 64, 1), *none = NULL;
    memory_set_fault(never, NULL);
    filter_memory_keep(&place, slice_text("a"), f);
    assert_int_equal(filter_memory_note(&place, slice_text("a"), 3), 3);
    assert_int_equal(filter_rows_create(64, 0, 64, &none), NACRE_NO_MEMORY);
    memory_set_fault(NULL, NULL);
    assert_null(place);
    assert_int_equal(filter_memory_note(&place, slice_text("a"), 4), 4);
    memory_set_fault(never, NULL);
    filter_memory_keep(&place, slice_text("b"), f);
    memory_set_fault(NULL, NULL);
    assert_null(filter_memory_find(&place, slice_text("b"), 0, 64));
    filter_rows_unref(f);
    filter_memory_free(place);
}

static filter_memory_place shared;
static void *search_often(void *context)
{
    uint64_t random = (uintptr_t)context;
    for (int i = 0; i < 3000; i++) {
        char name[2] = { (char)('a' + random_below(&random, 12)), 0 };
        uint32_t every = (uint32_t)(name[0] - 'a' + 1);
        struct filter_rows *f = filter_memory_find(&shared, slice_text(name), 0, 100);
        if (f) {
            uint32_t expected = (999 + every) / every;
            if (f->count != expected && f->count != 0)
                abort();
            if (filter_rows_count(f, 0, every) != 1)
                abort();
            filter_rows_unref(f);
        } else if (filter_memory_note(&shared, slice_text(name), 5) > 20) {
            keep(&shared, name, rows_of(1000, 0, 1000, every));
        }
    }
    return NULL;
}

static void threads_find_and_keep_beside_each_other(void **state)
{
    (void)state;
    pthread_t threads[4];
    shared = NULL;
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_often, (void *)(i + 1)), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    filter_memory_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_a_part_of_the_range_are_counted),
        cmocka_unit_test(what_was_kept_is_found_for_any_part_of_its_range),
        cmocka_unit_test(the_filter_that_was_longest_not_used_goes),
        cmocka_unit_test(questions_add_up_for_each_filter),
        cmocka_unit_test(filters_without_an_identity_or_with_a_long_one_are_not_remembered),
        cmocka_unit_test(without_memory_nothing_is_remembered),
        cmocka_unit_test(threads_find_and_keep_beside_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
