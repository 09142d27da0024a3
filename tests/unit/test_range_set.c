/* Range sets against a plain look through the list. */
#include "memtable_model.h"

struct list {
    struct range_delete *ranges;
    uint8_t (*bytes)[16];
    size_t count;
};

static struct list list_create(size_t count, uint64_t *random)
{
    struct list list = { calloc(count, sizeof *list.ranges), calloc(count, 16), count };
    for (size_t i = 0; i < count; i++) {
        nacre_slice begin = random_key(random, KEYS_TINY, list.bytes[i]),
                    end = random_key(random, KEYS_TINY, list.bytes[i] + 8);
        list.ranges[i] = (struct range_delete){ begin, end, 1 + random_below(random, count * 2) };
    }
    return list;
}

static void list_free(struct list *list)
{
    free(list->ranges);
    free(list->bytes);
}

static bool covers(const struct range_delete *range, nacre_slice key)
{
    return slice_compare(range->begin, key) <= 0 && (range->end.size == 0 || slice_compare(key, range->end) < 0);
}

static uint64_t brute_covering(const struct list *list, nacre_slice key, uint64_t snapshot)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct range_delete *range = &list->ranges[i];
        if (covers(range, key) && range->sequence <= snapshot && range->sequence > newest)
            newest = range->sequence;
    }
    return newest;
}

static void lookups_agree_with_a_look_through_the_list(void **state)
{
    (void)state;
    for (size_t count = 1; count < 200; count += count / 4 + 1) {
        uint64_t random = count;
        struct list list = list_create(count, &random);
        struct range_set *set;
        uint8_t bytes[8];
        assert_int_equal(range_set_create(list.ranges, count, &set), NACRE_OK);
        for (int i = 0; i < 3000; i++) {
            nacre_slice key = random_key(&random, KEYS_TINY, bytes);
            uint64_t snapshot = random_below(&random, count * 2 + 2);
            assert_int_equal(range_set_covering(set, key, snapshot, NULL), brute_covering(&list, key, snapshot));
        }
        range_set_free(set);
        list_free(&list);
    }
}

static void all_keys_of_a_fragment_get_the_answer_of_the_fragment(void **state)
{
    (void)state;
    uint64_t random = 5;
    struct list list = list_create(60, &random);
    struct range_set *set;
    assert_int_equal(range_set_create(list.ranges, list.count, &set), NACRE_OK);
    for (int i = 0; i < 3000; i++) {
        uint8_t bytes[8], other_bytes[8];
        nacre_slice key = random_key(&random, KEYS_TINY, bytes), other = random_key(&random, KEYS_TINY, other_bytes);
        uint64_t snapshot = random_below(&random, 130);
        struct range_delete fragment;
        uint64_t answer = range_set_covering(set, key, snapshot, &fragment);
        assert_int_equal(fragment.sequence, answer);
        assert_true(covers(&fragment, key));
        if (covers(&fragment, other))
            assert_int_equal(brute_covering(&list, other, snapshot), answer);
    }
    range_set_free(set);
    list_free(&list);
}

static void the_ranges_come_back_as_given_in_order_of_begin(void **state)
{
    (void)state;
    uint64_t random = 6;
    struct list list = list_create(100, &random);
    struct range_set *set;
    bool seen[100] = { false };
    uint64_t newest = 0;
    assert_int_equal(range_set_create(list.ranges, list.count, &set), NACRE_OK);
    assert_int_equal(range_set_count(set), list.count);
    for (size_t i = 0; i < list.count; i++) {
        struct range_delete range = range_set_at(set, i);
        if (i > 0)
            assert_true(slice_compare(range_set_at(set, i - 1).begin, range.begin) <= 0);
        size_t match = 0;
        while (match < list.count && (seen[match] || list.ranges[match].sequence != range.sequence ||
                                      !slice_equal(list.ranges[match].begin, range.begin) ||
                                      !slice_equal(list.ranges[match].end, range.end))) {
            match++;
        }
        assert_true(match < list.count);
        seen[match] = true;
        if (range.sequence > newest)
            newest = range.sequence;
    }
    assert_int_equal(range_set_newest(set), newest);
    range_set_free(set);
    list_free(&list);
}

static void no_ranges_make_no_set(void **state)
{
    (void)state;
    struct range_set *set = (struct range_set *)state;
    struct range_delete fragment;
    assert_int_equal(range_set_create(NULL, 0, &set), NACRE_OK);
    assert_null(set);
    assert_int_equal(range_set_count(set), 0);
    assert_int_equal(range_set_newest(set), 0);
    assert_int_equal(range_set_covering(set, slice_text("k"), SEQUENCE_MAX, &fragment), 0);
    assert_int_equal(fragment.begin.size, 0);
    assert_int_equal(fragment.end.size, 0);
    range_set_free(set);
}

static void an_open_range_covers_to_the_end_and_an_inverted_one_nothing(void **state)
{
    (void)state;
    struct range_delete list[] = { { slice_text("m"), slice_text(""), 7 },
                                   { slice_text("z"), slice_text("a"), 9 },
                                   { slice_text("q"), slice_text("q"), 8 } };
    struct range_set *set;
    assert_int_equal(range_set_create(list, 3, &set), NACRE_OK);
    assert_int_equal(range_set_covering(set, slice_text("l\xFF"), SEQUENCE_MAX, NULL), 0);
    assert_int_equal(range_set_covering(set, slice_text("m"), SEQUENCE_MAX, NULL), 7);
    assert_int_equal(range_set_covering(set, slice_text("q"), SEQUENCE_MAX, NULL), 7);
    assert_int_equal(
        range_set_covering(set, slice_text("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), SEQUENCE_MAX, NULL), 7);
    assert_int_equal(range_set_covering(set, slice_text("q"), 6, NULL), 0);
    range_set_free(set);
}

static void many_nested_ranges_take_memory_in_proportion(void **state)
{
    (void)state;
    enum { RANGES = 20000 };
    struct range_delete *list = calloc(RANGES, sizeof *list);
    char(*ends)[12] = calloc(RANGES, sizeof *ends);
    for (unsigned i = 0; i < RANGES; i++) { /* a queue trimmed from its begin again and again */
        snprintf(ends[i], sizeof ends[i], "%08u", i + 1);
        list[i] = (struct range_delete){ slice_text(""), { ends[i], 8 }, i + 1 };
    }
    struct range_set *set;
    assert_int_equal(range_set_create(list, RANGES, &set), NACRE_OK);
    assert_in_range(range_set_bytes(set), RANGES, RANGES * 400);
    assert_int_equal(range_set_covering(set, slice_text("00010000"), 15000, NULL), 15000);
    assert_int_equal(range_set_covering(set, slice_text("00010000"), 10001, NULL), 10001);
    assert_int_equal(range_set_covering(set, slice_text("00010000"), 10000, NULL), 0);
    range_set_free(set);
    free(ends);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_agree_with_a_look_through_the_list),
        cmocka_unit_test(all_keys_of_a_fragment_get_the_answer_of_the_fragment),
        cmocka_unit_test(the_ranges_come_back_as_given_in_order_of_begin),
        cmocka_unit_test(no_ranges_make_no_set),
        cmocka_unit_test(an_open_range_covers_to_the_end_and_an_inverted_one_nothing),
        cmocka_unit_test(many_nested_ranges_take_memory_in_proportion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
