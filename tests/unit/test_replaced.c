/* What segments say of those that they replace: written and read back, cut anywhere, and the list of those that wait for their removal. */
#include "base/status.h"
#include "segment/replaced.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h> /* last: it has a macro named fail */

static nacre_slice text(const char *t)
{
    return slice_of(t, strlen(t));
}

static void encode_three(struct buffer *groups)
{
    const uint64_t inputs[] = { UINT64_C(0x100000002), UINT64_C(0x100000003) }, cut = 7;
    assert_int_equal(replaced_encode(true, text("b"), text("m"), inputs, 2, groups), NACRE_OK);
    assert_int_equal(replaced_encode(false, text(""), text("b"), NULL, 0, groups), NACRE_OK);
    assert_int_equal(replaced_encode(false, text("x"), text(""), &cut, 1, groups), NACRE_OK);
}

static void expect(struct replaced_reader *reader, uint64_t id, bool by_own, const char *begin, const char *end)
{
    struct replaced one;
    assert_true(replaced_next(reader, &one));
    assert_int_equal(one.id, id);
    assert_int_equal(one.by_own, by_own);
    assert_true(slice_equal(one.begin, text(begin)));
    assert_true(slice_equal(one.end, text(end)));
}

static void groups_are_read_back(void **state)
{
    (void)state;
    struct buffer groups = { 0 };
    struct replaced one;
    encode_three(&groups);
    struct replaced_reader reader = replaced_reader_of(buffer_slice(&groups));
    expect(&reader, UINT64_C(0x100000002), true, "b", "m");
    expect(&reader, UINT64_C(0x100000003), true, "b", "m");
    expect(&reader, 7, false, "x", "");
    assert_false(replaced_next(&reader, &one));
    reader = replaced_reader_of(slice_of(NULL, 0));
    assert_false(replaced_next(&reader, &one));
    buffer_free(&groups);
}

/* Every prefix ends, without a read behind it; what it has wholly is right. */
static void what_is_cut_ends(void **state)
{
    (void)state;
    struct buffer groups = { 0 };
    encode_three(&groups);
    for (size_t size = 0; size <= groups.size; size++) {
        struct buffer cut = { 0 };
        struct replaced one;
        size_t count = 0;
        assert_int_equal(buffer_append(&cut, groups.data, size), NACRE_OK);
        struct replaced_reader reader = replaced_reader_of(buffer_slice(&cut));
        while (replaced_next(&reader, &one)) {
            static const uint64_t ids[] = { UINT64_C(0x100000002), UINT64_C(0x100000003), 7 };
            assert_true(count < 3);
            assert_int_equal(one.id, ids[count++]);
        }
        assert_true(size < groups.size || count == 3);
        buffer_free(&cut);
    }
    buffer_free(&groups);
}

static size_t count_gone(struct gone_list *list, uint64_t collection, uint64_t *first)
{
    struct buffer groups = { 0 };
    struct replaced one;
    size_t count = 0;
    assert_int_equal(gone_list_encode(list, collection, &groups), NACRE_OK);
    struct replaced_reader reader = replaced_reader_of(buffer_slice(&groups));
    while (replaced_next(&reader, &one)) {
        assert_false(one.by_own);
        assert_int_equal(one.begin.size + one.end.size, 0);
        *first = count++ ? *first : one.id;
    }
    buffer_free(&groups);
    return count;
}

static void gone_segments_are_listed_until_they_are_removed(void **state)
{
    (void)state;
    struct gone_list *list;
    uint64_t first = 0;
    assert_int_equal(gone_list_create(&list), NACRE_OK);
    assert_int_equal(count_gone(list, 1, &first), 0);
    gone_list_add(list, 5, 1);
    gone_list_add(list, 5, 1);
    gone_list_add(list, 6, 2);
    gone_list_add(list, 8, 1);
    assert_int_equal(count_gone(list, 1, &first), 2);
    assert_int_equal(count_gone(list, 2, &first), 1);
    assert_int_equal(first, 6);
    gone_list_remove(list, 5);
    gone_list_remove(list, 99);
    assert_int_equal(count_gone(list, 1, &first), 1);
    assert_int_equal(first, 8);
    gone_list_free(list);
    gone_list_add(NULL, 1, 1);
    gone_list_remove(NULL, 1);
    assert_int_equal(count_gone(NULL, 1, &first), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_read_back),
        cmocka_unit_test(what_is_cut_ends),
        cmocka_unit_test(gone_segments_are_listed_until_they_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
