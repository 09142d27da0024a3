/* Status codes, the thread's detail, log lines, clocks. */
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static int fail_with(const char *text)
{
    return (fail)(NACRE_IO, "%s", text); /* in brackets: cmocka has a macro of that name */
}

static void every_code_has_its_name_and_text(void **state)
{
    (void)state;
    assert_string_equal(nacre_status_name(NACRE_OK), "NACRE_OK");
    assert_string_equal(nacre_status_name(-11), "NACRE_CORRUPT");
    assert_string_equal(nacre_status_text(NACRE_NO_SPACE), "the disk is full");
    for (int status = 0; status >= -18; status--) {
        assert_string_not_equal(nacre_status_name(status), "NACRE_?");
        assert_string_not_equal(nacre_status_text(status), nacre_status_text(1));
    }
    assert_string_equal(nacre_status_name(-19), "NACRE_?");
    assert_string_equal(nacre_status_name(1), "NACRE_?");
    assert_string_equal(nacre_version(), "0.1.0");
}

static void a_failure_tells_its_status_and_keeps_its_detail(void **state)
{
    (void)state;
    assert_int_equal((fail)(NACRE_CORRUPT, "%s: offset %d", "file", 7), NACRE_CORRUPT);
    assert_string_equal(fail_detail(), "file: offset 7");
    assert_string_equal(nacre_last_error(), "file: offset 7");
    assert_int_equal(fail_context(NACRE_IO, "while sealing '%s'", "users"), NACRE_IO);
    assert_string_equal(fail_detail(), "while sealing 'users': file: offset 7");
    assert_int_equal((fail)(NACRE_IO, "again: %s", fail_detail()), NACRE_IO);
    assert_string_equal(fail_detail(), "again: while sealing 'users': file: offset 7");
}

static void a_long_detail_is_cut(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    assert_int_equal(fail_with(text), NACRE_IO);
    assert_int_equal(strlen(fail_detail()), 1023);
    assert_int_equal(fail_context(NACRE_IO, "before"), NACRE_IO);
    assert_int_equal(strlen(fail_detail()), 1023);
    assert_memory_equal(fail_detail(), "before: xxx", 11);
    assert_int_equal(fail_with("short"), NACRE_IO);
    assert_string_equal(fail_detail(), "short");
}

static void *fail_elsewhere(void *context)
{
    *(bool *)context = strcmp(fail_detail(), "") == 0 && fail_with("elsewhere") == NACRE_IO;
    return NULL;
}

static void each_thread_has_its_own_detail(void **state)
{
    (void)state;
    pthread_t thread;
    bool began_empty = false;
    assert_int_equal(fail_with("here"), NACRE_IO);
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &began_empty), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(began_empty);
    assert_string_equal(fail_detail(), "here");
}

static char last_line[8192];

static void keep_line(void *context, nacre_log_level level, const char *event, const char *fields)
{
    (void)context;
    (void)snprintf(last_line, sizeof last_line, "%d %s %s", (int)level, event, fields);
}

static void log_lines_are_objects_of_the_level_asked_for(void **state)
{
    (void)state;
    nacre_logger logger = { .struct_size = sizeof logger, .level = NACRE_LOG_INFO, .write = keep_line };
    log_line(&logger, NACRE_LOG_INFO, "flush", "\"bytes\":%d", 7);
    assert_string_equal(last_line, "3 flush {\"bytes\":7}");
    log_line(&logger, NACRE_LOG_DEBUG, "detail", "\"a\":1");
    assert_string_equal(last_line, "3 flush {\"bytes\":7}");
    log_line(NULL, NACRE_LOG_ERROR, "nobody", "\"a\":1");
    log_line(&logger, NACRE_LOG_ERROR, "long", "\"a\":\"%5000d\"", 1);
    assert_string_equal(last_line, "1 long {\"error\":\"the line was too long\"}");
}

static void assert_escaped(const char *text, const char *want)
{
    char out[128];
    assert_string_equal(log_escape(text, out, sizeof out), want);
}

static void text_from_outside_becomes_a_json_string(void **state)
{
    (void)state;
    assert_escaped("plain /path", "plain /path");
    assert_escaped("a\"b\\c\n", "a\\\"b\\\\c\\u000a");
    assert_escaped("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9a", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9a");
    assert_escaped("\xff", "\\u00ff");                                  /* never UTF-8 */
    assert_escaped("\xe2\x82", "\\u00e2\\u0082");                       /* cut off */
    assert_escaped("\xc0\xaf", "\\u00c0\\u00af");                       /* overlong */
    assert_escaped("\xed\xa0\x80", "\\u00ed\\u00a0\\u0080");            /* a surrogate */
    assert_escaped("\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080"); /* beyond the last character */
    assert_escaped("\xc3"
                   "a",
                   "\\u00c3a");
}

static void an_escaped_text_that_does_not_fit_is_cut_between_characters(void **state)
{
    (void)state;
    char out[9];
    assert_string_equal(log_escape("\n\n", out, sizeof out), "\\u000a");
    assert_string_equal(log_escape("abcdefgh", out, 8), "ab");
    assert_string_equal(log_escape("x", out, 1), "");
    out[0] = 'k';
    assert_ptr_equal(log_escape("x", out, 0), out);
    assert_int_equal(out[0], 'k');
}

static uint64_t fixed_time(void)
{
    return 12345;
}

static void the_wall_clock_can_be_set_and_the_other_never_goes_back(void **state)
{
    (void)state;
    clock_set_wall_ms(fixed_time);
    assert_int_equal(clock_wall_ms(), 12345);
    clock_set_wall_ms(NULL);
    assert_true(clock_wall_ms() > UINT64_C(1600000000000));
    uint64_t before = clock_monotonic_ns();
    clock_sleep_ns(2000000);
    assert_true(clock_monotonic_ns() - before >= 2000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_name_and_text),
        cmocka_unit_test(a_failure_tells_its_status_and_keeps_its_detail),
        cmocka_unit_test(a_long_detail_is_cut),
        cmocka_unit_test(each_thread_has_its_own_detail),
        cmocka_unit_test(log_lines_are_objects_of_the_level_asked_for),
        cmocka_unit_test(text_from_outside_becomes_a_json_string),
        cmocka_unit_test(an_escaped_text_that_does_not_fit_is_cut_between_characters),
        cmocka_unit_test(the_wall_clock_can_be_set_and_the_other_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
