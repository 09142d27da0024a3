/* Filters of prefixes and of whole keys: never a false no, few a false yes, and only lengths that are worth their bytes. */
#include "segment_fixture.h"
#include "base/hash.h"
#include "filter/key_filter.h"
#include "filter/prefix_filter.h"

/* Keys: a format of two ascending numbers, of which `divisor` keys in a row share the first. */
static void make(const char *format, uint32_t count, uint32_t divisor, struct buffer *out)
{
    struct prefix_filter_builder b = { 0 };
    char before[128] = "";
    for (uint32_t i = 0; i < count; i++) {
        char key[128];
        int size = snprintf(key, sizeof key, format, i / divisor * 7919, i * 1000);
        size_t shared = slice_shared_prefix(slice_text(before), slice_of(key, (size_t)size));
        assert_int_equal(prefix_filter_add(&b, slice_of(key, (size_t)size), i ? shared : 0), NACRE_OK);
        memcpy(before, key, sizeof before);
    }
    assert_int_equal(prefix_filter_make(&b, out), NACRE_OK);
    prefix_filter_builder_free(&b);
}

static void kept_lengths_never_deny_what_is_there(void **state)
{
    (void)state;
    struct buffer bytes = { 0 };
    struct prefix_filter f;
    make("%08u/%08u/and-a-long-tail-of-it", 30000, 10, &bytes);
    assert_int_equal(prefix_filter_open(buffer_slice(&bytes), &f), NACRE_OK);
    assert_int_equal(f.count, 2); /* 4 and 8: from 16 on all prefixes differ */
    assert_int_equal(f.part[0].length, 4);
    assert_int_equal(f.part[1].length, 8);
    size_t false_yes = 0;
    for (uint32_t i = 0; i < 30000; i++) {
        char key[128];
        int size = snprintf(key, sizeof key, "%08u/%08u/and-a-long-tail-of-it", i / 10 * 7919, i * 1000);
        for (int length = 0; length <= size; length++)
            assert_true(prefix_filter_may_have(&f, slice_of(key, (size_t)length)));
        (void)snprintf(key, sizeof key, "%08u", i * 7919 + 1);
        false_yes += i < 12000 && prefix_filter_may_have(&f, slice_text(key));
    }
    assert_true(false_yes < 360); /* 1 % of 12000 is 120 */
    buffer_free(&bytes);
}

static void keys_as_short_as_a_length_count_for_it(void **state)
{
    (void)state;
    struct buffer bytes = { 0 };
    struct prefix_filter f;
    struct prefix_filter_builder b = { 0 };
    const char *const keys[] = { "aaaa", "aaaab", "aaaac", "bbbb", "bbbbc", "bbbbd" };
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(prefix_filter_add(&b, slice_text(keys[i]),
                                           i ? slice_shared_prefix(slice_text(keys[i - 1]), slice_text(keys[i])) : 0),
                         NACRE_OK);
    assert_int_equal(prefix_filter_make(&b, &bytes), NACRE_OK);
    prefix_filter_builder_free(&b);
    assert_int_equal(prefix_filter_open(buffer_slice(&bytes), &f), NACRE_OK);
    assert_int_equal(f.count, 1);
    assert_true(prefix_filter_may_have(&f, slice_text("aaaa")));
    assert_true(prefix_filter_may_have(&f, slice_text("bbbbz"))); /* the longest kept length is 4 */
    assert_true(prefix_filter_may_have(&f, slice_text("zzz")));   /* shorter than any kept */
    assert_false(prefix_filter_may_have(&f, slice_text("cccc")));
    buffer_free(&bytes);
}

static void lengths_that_tell_nothing_are_not_kept(void **state)
{
    (void)state;
    struct buffer bytes = { 0 };
    struct prefix_filter f;
    struct prefix_filter_builder b = { 0 };
    for (uint32_t i = 0; i < 10000; i++) { /* only the first four bytes are shared */
        char key[32];
        int size = snprintf(key, sizeof key, "%04u%08u", i / 10, i * 9973);
        assert_int_equal(prefix_filter_add(&b, slice_of(key, (size_t)size), i % 10 ? 4 : 0), NACRE_OK);
    }
    assert_int_equal(prefix_filter_make(&b, &bytes), NACRE_OK);
    prefix_filter_builder_free(&b);
    assert_int_equal(prefix_filter_open(buffer_slice(&bytes), &f), NACRE_OK);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.part[0].length, 4);
    buffer_clear(&bytes);
    make("the same first sixteen/%08u-%08u", 100, 1, &bytes); /* one prefix of 4, 8 and 16, none of 32 twice */
    assert_int_equal(bytes.size, 0);
    make("%u%u", 1, 1, &bytes);
    assert_int_equal(bytes.size, 0);
    buffer_free(&bytes);
}

static void hostile_bytes_are_refused(void **state)
{
    (void)state;
    struct buffer bytes = { 0 };
    struct prefix_filter f;
    make("%08u/%08u/tail", 3000, 10, &bytes);
    for (size_t size = 0; size < bytes.size; size++)
        assert_int_equal(prefix_filter_open(slice_of(bytes.data, size), &f), NACRE_CORRUPT);
    for (size_t i = 0; i < 40; i++) {
        bytes.data[i] ^= 0x55;
        if (prefix_filter_open(buffer_slice(&bytes), &f) == NACRE_OK)
            (void)prefix_filter_may_have(&f, slice_text("a long enough prefix of any kind"));
        bytes.data[i] ^= 0x55;
    }
    assert_int_equal(buffer_append_u8(&bytes, 0), NACRE_OK);
    assert_int_equal(prefix_filter_open(buffer_slice(&bytes), &f), NACRE_CORRUPT);
    buffer_free(&bytes);
}

/* However few keys were expected. */
static void a_filter_of_keys_takes_more_keys_than_it_was_reserved_for(void **state)
{
    (void)state;
    for (size_t reserved = 0; reserved < 5; reserved++) {
        struct key_filter_builder b = { 0 };
        struct buffer bytes = { 0 };
        struct key_filter f;
        if (reserved)
            assert_int_equal(key_filter_reserve(&b, reserved), NACRE_OK);
        for (uint32_t i = 0; i < 5000; i++) {
            assert_int_equal(key_filter_add(&b, hash_bytes(&i, sizeof i)), NACRE_OK);
            assert_true(b.count <= b.capacity);
        }
        assert_int_equal(key_filter_make(&b, &bytes), NACRE_OK);
        assert_int_equal(key_filter_open(buffer_slice(&bytes), &f), NACRE_OK);
        for (uint32_t i = 0; i < 5000; i++)
            assert_true(key_filter_may_have(&f, hash_bytes(&i, sizeof i)));
        buffer_free(&bytes);
        key_filter_builder_free(&b);
    }
}

static void a_filter_of_keys_never_denies_one_and_rarely_takes_another_for_one(void **state)
{
    (void)state;
    struct key_filter_builder b = { 0 };
    struct buffer bytes = { 0 };
    struct key_filter f;
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < 20000; i++)
        assert_int_equal(key_filter_add(&b, hash_bytes(&i, sizeof i)), NACRE_OK);
    assert_int_equal(key_filter_make(&b, &bytes), NACRE_OK);
    assert_true(bytes.size < 20000 * 10 / 8 + 200);
    assert_int_equal(key_filter_open(buffer_slice(&bytes), &f), NACRE_OK);
    for (uint64_t i = 0; i < 20000; i++)
        assert_true(key_filter_may_have(&f, hash_bytes(&i, sizeof i)));
    for (uint64_t i = 20000; i < 60000; i++)
        wrong += key_filter_may_have(&f, hash_bytes(&i, sizeof i));
    assert_true(wrong < 40000 / 50);
    for (size_t size = 0; size < bytes.size; size += 1 + size / 2)
        assert_int_equal(key_filter_open(slice_of(bytes.data, size), &f), NACRE_CORRUPT);
    buffer_free(&bytes);
    key_filter_builder_free(&b);
}

static void a_filter_of_no_keys_has_none(void **state)
{
    (void)state;
    struct key_filter_builder b = { 0 };
    struct buffer bytes = { 0 };
    struct key_filter f;
    assert_int_equal(key_filter_make(&b, &bytes), NACRE_OK);
    assert_int_equal(key_filter_open(buffer_slice(&bytes), &f), NACRE_OK);
    assert_false(key_filter_may_have(&f, hash_bytes("a", 1)));
    buffer_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_lengths_never_deny_what_is_there),
        cmocka_unit_test(keys_as_short_as_a_length_count_for_it),
        cmocka_unit_test(lengths_that_tell_nothing_are_not_kept),
        cmocka_unit_test(a_filter_of_keys_takes_more_keys_than_it_was_reserved_for),
        cmocka_unit_test(hostile_bytes_are_refused),
        cmocka_unit_test(a_filter_of_keys_never_denies_one_and_rarely_takes_another_for_one),
        cmocka_unit_test(a_filter_of_no_keys_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
