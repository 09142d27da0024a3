/* nacre_regex_find: what it says of its arguments. Where matches lie is tested with src/regex. */
#include <nacre/nacre.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static nacre_slice text_slice(const char *text)
{
    return (nacre_slice){ text, strlen(text) };
}

static int find(const char *pattern, const nacre_regex_options *options, const char *text, size_t *begin, size_t *size)
{
    return nacre_regex_find(text_slice(pattern), options, text_slice(text), 0, begin, size);
}

static void options_say_how_a_pattern_is_read(void **state)
{
    nacre_regex_options options = NACRE_REGEX_OPTIONS_INIT;
    size_t begin, size;
    (void)state;
    assert_int_equal(find("LIB", NULL, "a lib", &begin, &size), NACRE_NOT_FOUND);
    options.ignore_case = true;
    assert_int_equal(find("LIB", &options, "a lib", &begin, &size), NACRE_OK);
    assert_int_equal(begin, 2);
    assert_int_equal(size, 3);
    assert_int_equal(find(".", NULL, "\xc3\xa9", &begin, &size), NACRE_OK);
    assert_int_equal(size, 2);
    options.bytes = true;
    assert_int_equal(find(".", &options, "\xc3\xa9", &begin, &size), NACRE_OK);
    assert_int_equal(size, 1);
}

static void pattern_and_text_may_be_empty(void **state)
{
    const nacre_slice nothing = { NULL, 0 };
    size_t begin = 7, size = 7;
    (void)state;
    assert_int_equal(nacre_regex_find(nothing, NULL, nothing, 0, &begin, &size), NACRE_OK);
    assert_int_equal(begin + size, 0);
    assert_int_equal(nacre_regex_find(text_slice("a"), NULL, nothing, 0, &begin, &size), NACRE_NOT_FOUND);
}

static void what_is_wrong_is_refused_with_a_reason(void **state)
{
    nacre_regex_options options = NACRE_REGEX_OPTIONS_INIT;
    const nacre_slice broken = { NULL, 3 };
    size_t begin = 7, size = 7;
    (void)state;
    assert_int_equal(find("a(", NULL, "a", &begin, &size), NACRE_INVALID);
    assert_non_null(strstr(nacre_last_error(), "regular expression"));
    assert_int_equal(begin + size, 0);
    assert_int_equal(nacre_regex_find(text_slice("a"), NULL, text_slice("a"), 2, &begin, &size), NACRE_INVALID);
    assert_int_equal(nacre_regex_find(text_slice("a"), NULL, text_slice("a"), 0, NULL, &size), NACRE_INVALID);
    assert_int_equal(nacre_regex_find(text_slice("a"), NULL, text_slice("a"), 0, &begin, NULL), NACRE_INVALID);
    assert_int_equal(nacre_regex_find(broken, NULL, text_slice("a"), 0, &begin, &size), NACRE_INVALID);
    assert_int_equal(nacre_regex_find(text_slice("a"), NULL, broken, 0, &begin, &size), NACRE_INVALID);
    options.struct_size = 1;
    assert_int_equal(find("a", &options, "a", &begin, &size), NACRE_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_say_how_a_pattern_is_read),
        cmocka_unit_test(pattern_and_text_may_be_empty),
        cmocka_unit_test(what_is_wrong_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
