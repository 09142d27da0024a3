/* Lists of value files in the properties of a segment: sums, order, bytes from a disk. */
#include "segment/segment.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct value_shares three(void)
{
    struct value_shares shares = { 0 };
    static const uint64_t files[] = { 9, 4, 9, UINT64_C(1) << 40, 4, 9 };
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(value_shares_add(&shares, files[i], 100 + i), NACRE_OK);
    }
    return shares;
}

static void pointers_add_up_per_file_in_the_order_of_the_files(void **state)
{
    (void)state;
    struct value_shares shares = three();
    assert_int_equal(shares.count, 3);
    assert_int_equal(shares.list[0].file, 4);
    assert_int_equal(shares.list[0].pointers, 2);
    assert_int_equal(shares.list[0].bytes, 101 + 104);
    assert_int_equal(shares.list[1].file, 9);
    assert_int_equal(shares.list[1].pointers, 3);
    assert_int_equal(shares.list[2].file, UINT64_C(1) << 40);
    assert_int_equal(shares.pointers, 6);
    assert_int_equal(shares.bytes, 600 + 15);
    value_shares_free(&shares);
}

static void many_files_stay_in_order_whatever_the_order_they_come_in(void **state)
{
    (void)state;
    struct value_shares shares = { 0 };
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(value_shares_add(&shares, i * 7919 % 1000, 1), NACRE_OK);
    }
    assert_int_equal(shares.count, 1000);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(shares.list[i].file, i);
        assert_int_equal(shares.list[i].pointers, 1);
    }
    value_shares_free(&shares);
}

static void decode_gives_back_what_was_encoded(void **state)
{
    (void)state;
    struct value_shares shares = three(), again = { 0 };
    struct buffer bytes = { 0 };
    assert_int_equal(value_shares_encode(&shares, &bytes), NACRE_OK);
    struct reader in = reader_of(buffer_slice(&bytes));
    assert_int_equal(value_shares_decode(&in, shares.count, &again), NACRE_OK);
    assert_ptr_equal(in.at, in.end);
    assert_true(value_shares_equal(&shares, &again));
    assert_int_equal(again.bytes, shares.bytes);
    value_shares_free(&again);
    value_shares_free(&shares);
    buffer_free(&bytes);
}

static int decode(const uint64_t *numbers, size_t count, uint64_t files)
{
    struct value_shares shares = { 0 };
    struct buffer bytes = { 0 };
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(buffer_append_varint(&bytes, numbers[i]), NACRE_OK);
    }
    struct reader in = reader_of(buffer_slice(&bytes));
    int status = value_shares_decode(&in, files, &shares);
    value_shares_free(&shares);
    buffer_free(&bytes);
    return status;
}

static void hostile_lists_are_damage(void **state)
{
    (void)state;
    static const uint64_t good[] = { 1, 1, 50, 2, 1, 50 }, backward[] = { 2, 1, 50, 1, 1, 50 },
                          twice[] = { 2, 1, 50, 2, 1, 50 }, empty[] = { 1, 0, 50, 2, 1, 50 },
                          pointers[] = { 1, UINT64_MAX, 50, 2, 1, 50 }, bytes[] = { 1, 1, UINT64_MAX, 2, 1, 50 };
    assert_int_equal(decode(good, 6, 2), NACRE_OK);
    assert_int_equal(decode(backward, 6, 2), NACRE_CORRUPT);
    assert_int_equal(decode(twice, 6, 2), NACRE_CORRUPT);
    assert_int_equal(decode(empty, 6, 2), NACRE_CORRUPT);
    assert_int_equal(decode(pointers, 6, 2), NACRE_CORRUPT);
    assert_int_equal(decode(bytes, 6, 2), NACRE_CORRUPT);
    assert_int_equal(decode(good, 6, 3), NACRE_CORRUPT);
    assert_int_equal(decode(good, 5, 2), NACRE_CORRUPT);
    assert_int_equal(decode(good, 6, UINT64_MAX), NACRE_CORRUPT); /* never allocated */
}

static struct segment_properties properties(void)
{
    struct segment_properties p = { .id = 7, .entries = 10, .values = three() };
    assert_int_equal(buffer_append(&p.smallest, "a", 1), NACRE_OK);
    assert_int_equal(buffer_append(&p.greatest, "z", 1), NACRE_OK);
    return p;
}

static void properties_carry_the_list_and_copies_are_their_own(void **state)
{
    (void)state;
    struct segment_properties p = properties(), decoded = { 0 }, copy;
    struct buffer bytes = { 0 };
    assert_int_equal(segment_properties_encode(&p, &bytes), NACRE_OK);
    struct reader in = reader_of(buffer_slice(&bytes));
    assert_int_equal(segment_properties_decode(&in, &decoded), NACRE_OK);
    assert_ptr_equal(in.at, in.end);
    assert_true(value_shares_equal(&p.values, &decoded.values));
    assert_int_equal(segment_properties_copy(&decoded, &copy), NACRE_OK);
    segment_properties_free(&decoded);
    assert_true(value_shares_equal(&p.values, &copy.values));
    segment_properties_free(&copy);
    segment_properties_free(&p);
    buffer_free(&bytes);
}

static void properties_with_more_pointers_than_entries_are_damage(void **state)
{
    (void)state;
    struct segment_properties p = properties(), decoded = { 0 };
    struct buffer bytes = { 0 };
    p.entries = 5;
    assert_int_equal(segment_properties_encode(&p, &bytes), NACRE_OK);
    struct reader in = reader_of(buffer_slice(&bytes));
    assert_int_equal(segment_properties_decode(&in, &decoded), NACRE_CORRUPT);
    segment_properties_free(&p);
    buffer_free(&bytes);
}

static void properties_cut_anywhere_are_damage(void **state)
{
    (void)state;
    struct segment_properties p = properties();
    struct buffer bytes = { 0 };
    assert_int_equal(segment_properties_encode(&p, &bytes), NACRE_OK);
    for (size_t size = 0; size < bytes.size; size++) {
        struct segment_properties decoded = { 0 };
        struct reader in = reader_of(slice_of(bytes.data, size));
        assert_int_equal(segment_properties_decode(&in, &decoded), NACRE_CORRUPT);
    }
    segment_properties_free(&p);
    buffer_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointers_add_up_per_file_in_the_order_of_the_files),
        cmocka_unit_test(many_files_stay_in_order_whatever_the_order_they_come_in),
        cmocka_unit_test(decode_gives_back_what_was_encoded),
        cmocka_unit_test(hostile_lists_are_damage),
        cmocka_unit_test(properties_carry_the_list_and_copies_are_their_own),
        cmocka_unit_test(properties_with_more_pointers_than_entries_are_damage),
        cmocka_unit_test(properties_cut_anywhere_are_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
