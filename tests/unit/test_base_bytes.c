/* Slices, numbers of variable length, buffers and readers of hostile bytes. */
#include "base/buffer.h"
#include "base/endian.h"
#include "base/entry.h"
#include "base/memory.h"
#include "base/varint.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void keys_order_by_unsigned_bytes_and_a_prefix_goes_first(void **state)
{
    (void)state;
    const nacre_slice keys[] = { { NULL, 0 },        slice_of("\0", 1),  slice_text("a"),
                                 slice_of("a\0", 2), slice_text("ab"),   slice_text("b"),
                                 slice_text("\x7f"), slice_text("\x80"), slice_text("\xff") };
    const size_t count = sizeof keys / sizeof *keys;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            int order = slice_compare(keys[i], keys[j]);
            assert_true(i < j ? order < 0 : i > j ? order > 0 : order == 0);
            assert_int_equal(slice_equal(keys[i], keys[j]), i == j);
            assert_true(slice_head(keys[i]) <= slice_head(keys[j]) || i > j);
        }
    }
}

static void heads_order_like_the_first_eight_bytes(void **state)
{
    (void)state;
    assert_true(slice_head(slice_text("abcdefgh")) == slice_head(slice_text("abcdefghi")));
    assert_true(slice_head(slice_text("abcdefgh")) < slice_head(slice_text("abcdefgi")));
    assert_true(slice_head(slice_text("abc")) == UINT64_C(0x6162630000000000));
    assert_true(slice_head((nacre_slice){ NULL, 0 }) == 0);
}

static void shared_prefixes_are_counted_at_every_length(void **state)
{
    (void)state;
    char a[40], b[40];
    for (size_t size = 0; size <= 40; size++) {
        memset(a, 'x', sizeof a);
        memset(b, 'x', sizeof b);
        assert_int_equal(slice_shared_prefix(slice_of(a, size), slice_of(b, 40)), size);
        for (size_t at = 0; at < size; at++) {
            b[at] = 'y';
            assert_int_equal(slice_shared_prefix(slice_of(a, size), slice_of(b, 40)), at);
            b[at] = 'x';
        }
    }
    assert_true(slice_has_prefix(slice_text("abc"), slice_text("ab")));
    assert_true(slice_has_prefix(slice_text("abc"), (nacre_slice){ NULL, 0 }));
    assert_false(slice_has_prefix(slice_text("ab"), slice_text("abc")));
}

static void the_end_of_a_prefix_passes_over_ff(void **state)
{
    (void)state;
    uint8_t out[4];
    size_t size = 9;
    assert_true(slice_prefix_end(slice_text("ab"), out, &size));
    assert_true(slice_equal(slice_of(out, size), slice_text("ac")));
    assert_true(slice_prefix_end(slice_of("a\xff\xff", 3), out, &size));
    assert_true(slice_equal(slice_of(out, size), slice_text("b")));
    assert_true(slice_prefix_end(slice_of("\0", 1), out, &size));
    assert_true(slice_equal(slice_of(out, size), slice_of("\1", 1)));
    assert_false(slice_prefix_end(slice_of("\xff\xff", 2), out, &size));
    assert_false(slice_prefix_end((nacre_slice){ NULL, 0 }, out, &size));
}

static void newer_versions_go_before_older_ones_of_their_key(void **state)
{
    (void)state;
    struct entry old = { .key = slice_text("key1"), .sequence = 1 },
                 fresh = { .key = slice_text("key1"), .sequence = 300 };
    struct entry longer = { .key = slice_text("key10"), .sequence = SEQUENCE_MAX };
    assert_true(entry_compare(&fresh, &old) < 0);
    assert_true(entry_compare(&old, &fresh) > 0);
    assert_int_equal(entry_compare(&old, &old), 0);
    assert_true(entry_compare(&old, &longer) < 0);
}

static void numbers_of_every_length_read_back(void **state)
{
    (void)state;
    uint8_t bytes[VARINT_MAX];
    for (unsigned shift = 0; shift < 64; shift++) {
        for (int off = -1; off <= 1; off++) {
            uint64_t want = (UINT64_C(1) << shift) + (uint64_t)(int64_t)off, got = 0;
            size_t size = (size_t)(varint_put(bytes, want) - bytes);
            assert_int_equal(size, varint_size(want));
            assert_ptr_equal(varint_get(bytes, bytes + size, &got), bytes + size);
            assert_true(got == want);
            assert_null(varint_get(bytes, bytes + size - 1, &got));
        }
    }
}

static void numbers_beyond_64_bits_are_refused(void **state)
{
    (void)state;
    uint64_t got = 0;
    uint8_t most[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 };
    assert_ptr_equal(varint_get(most, most + 10, &got), most + 10);
    assert_true(got == UINT64_MAX);
    most[9] = 0x02;
    assert_null(varint_get(most, most + 10, &got));
    uint8_t endless[11];
    memset(endless, 0x80, sizeof endless);
    assert_null(varint_get(endless, endless + 11, &got));
}

static void what_a_buffer_took_a_reader_gives_back(void **state)
{
    (void)state;
    struct buffer b = { 0 };
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(buffer_append_u8(&b, (uint8_t)i), NACRE_OK);
        assert_int_equal(buffer_append_u16(&b, (uint16_t)(i * 1000)), NACRE_OK);
        assert_int_equal(buffer_append_u32(&b, i * 100000), NACRE_OK);
        assert_int_equal(buffer_append_u64(&b, UINT64_MAX - i), NACRE_OK);
        assert_int_equal(buffer_append_varint(&b, (uint64_t)i << 40), NACRE_OK);
        assert_int_equal(buffer_append_slice(&b, slice_of("0123456789", i % 11)), NACRE_OK);
        assert_int_equal(buffer_append_format(&b, "<%u>", i % 10), NACRE_OK);
        assert_int_equal(b.data[b.size], 0);
    }
    struct reader r = reader_of(buffer_slice(&b));
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(reader_u8(&r), i);
        assert_int_equal(reader_u16(&r), (uint16_t)(i * 1000));
        assert_int_equal(reader_u32(&r), i * 100000);
        assert_true(reader_u64(&r) == UINT64_MAX - i);
        assert_true(reader_varint(&r) == (uint64_t)i << 40);
        assert_true(slice_equal(reader_slice(&r), slice_of("0123456789", i % 11)));
        const char want[] = { '<', (char)('0' + i % 10), '>' };
        assert_true(slice_equal(reader_bytes(&r, 3), slice_of(want, 3)));
    }
    assert_true(r.ok && r.at == r.end);
    buffer_clear(&b);
    assert_int_equal(b.size, 0);
    assert_non_null(b.data);
    buffer_free(&b);
    assert_null(b.data);
}

static void numbers_lie_little_endian_first(void **state)
{
    (void)state;
    struct buffer b = { 0 };
    assert_int_equal(buffer_append_u32(&b, 0x04030201), NACRE_OK);
    assert_int_equal(buffer_append_u16(&b, 0x0605), NACRE_OK);
    assert_memory_equal(b.data, "\1\2\3\4\5\6", 6);
    assert_int_equal(load_u16(b.data + 1), 0x0302);
    buffer_free(&b);
}

static void a_reader_stops_for_good_at_the_first_short_read(void **state)
{
    (void)state;
    const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7 };
    struct reader r = reader_of(slice_of(bytes, sizeof bytes));
    assert_int_equal(reader_u32(&r), 0x04030201);
    assert_int_equal(reader_u32(&r), 0);
    assert_false(r.ok);
    assert_int_equal(reader_u8(&r), 0); /* though a byte would be there */
    assert_int_equal(reader_varint(&r), 0);
    assert_int_equal(reader_slice(&r).size, 0);
    assert_false(r.ok);
}

static void a_slice_longer_than_what_is_left_is_refused(void **state)
{
    (void)state;
    const uint8_t endless[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'x' };
    struct reader r = reader_of(slice_of(endless, sizeof endless));
    assert_null(reader_slice(&r).data);
    assert_false(r.ok);
    r = reader_of((nacre_slice){ NULL, 0 });
    assert_int_equal(reader_bytes(&r, 0).size, 0);
    assert_true(r.ok);
    assert_null(reader_bytes(&r, SIZE_MAX).data);
    assert_false(r.ok);
}

static bool fail_all(void *context, size_t bytes)
{
    (void)context, (void)bytes;
    return true;
}

static void a_buffer_that_cannot_grow_keeps_what_it_has(void **state)
{
    (void)state;
    struct buffer b = { 0 };
    assert_int_equal(buffer_append(&b, "kept", 4), NACRE_OK);
    char large[200] = "";
    memory_set_fault(fail_all, NULL);
    int status[] = { buffer_append(&b, large, sizeof large), buffer_append_slice(&b, slice_of(large, sizeof large)),
                     buffer_append_format(&b, "%200d", 1), buffer_reserve(&b, SIZE_MAX),
                     buffer_append_slice(&b, slice_of(large, SIZE_MAX)) };
    memory_set_fault(NULL, NULL);
    for (size_t i = 0; i < sizeof status / sizeof *status; i++) {
        assert_int_equal(status[i], NACRE_NO_MEMORY);
    }
    assert_true(slice_equal(buffer_slice(&b), slice_text("kept")));
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_order_by_unsigned_bytes_and_a_prefix_goes_first),
        cmocka_unit_test(heads_order_like_the_first_eight_bytes),
        cmocka_unit_test(shared_prefixes_are_counted_at_every_length),
        cmocka_unit_test(the_end_of_a_prefix_passes_over_ff),
        cmocka_unit_test(newer_versions_go_before_older_ones_of_their_key),
        cmocka_unit_test(numbers_of_every_length_read_back),
        cmocka_unit_test(numbers_beyond_64_bits_are_refused),
        cmocka_unit_test(what_a_buffer_took_a_reader_gives_back),
        cmocka_unit_test(numbers_lie_little_endian_first),
        cmocka_unit_test(a_reader_stops_for_good_at_the_first_short_read),
        cmocka_unit_test(a_slice_longer_than_what_is_left_is_refused),
        cmocka_unit_test(a_buffer_that_cannot_grow_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
