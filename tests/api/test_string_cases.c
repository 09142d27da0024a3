/* What a collection of strings finds, by known cases: the same exact answers in a memtable, replayed from the log, sealed, flushed, opened anew and
   merged. */
#include "support/gate.h"
#include "support/searching.h"
#include <pthread.h>

struct answer {
    const char *pattern, *keys;
};

static void assert_answers(struct fixture *f, const struct answer *answers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *got = found(f, answers[i].pattern, NULL);
        if (strcmp(got, answers[i].keys) != 0) {
            print_error("'%s' finds: %s\n", answers[i].pattern, got);
        }
        assert_string_equal(got, answers[i].keys);
    }
}
#define ANSWERS(f, answers) assert_answers(f, answers, sizeof answers / sizeof answers[0])

#define WORDS \
    "TEST TeSt Test a aaa abc123def another_long_key_with_underscores_instead_of_dashes apple application apply " \
    "banana " \
    "bandana caf\xc3\xa9 cat catalog dog doggy hello-world hello.world hello@world hello_world na\xc3\xafve test123 " \
    "test456 test789 very-long-key-with-multiple-segments-separated-by-dashes xyz789 z zzz " \
    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"

static const struct answer word_answers[] = {
    { "^app.*", "apple application apply" },
    { ".*log$", "catalog" },
    { "^cat$", "cat" },
    { "^test[0-9]+$", "test123 test456 test789" },
    { "^(dog|cat)$", "cat dog" },
    { "^hello.world$", "hello-world hello.world hello@world hello_world" },
    { "^dog(gy)?$", "dog doggy" },
    { "^a+$", "a aaa" },
    { "^z*$", "z zzz" },
    { "^test[0-9]{3}$", "test123 test456 test789" },
    { "^[a-z]{3,5}$", "aaa apple apply cat dog doggy zzz" },
    { "^[^0-9]+$",
      "TEST TeSt Test a aaa another_long_key_with_underscores_instead_of_dashes apple application apply banana bandana "
      "caf\xc3\xa9 cat catalog dog doggy hello-world hello.world hello@world hello_world na\xc3\xafve "
      "very-long-key-with-multiple-segments-separated-by-dashes z zzz \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
    { "^caf\xc3\xa9$", "caf\xc3\xa9" },
    { "^Test$", "Test" },
    { "^[a-z]+[0-9]+[a-z]+$", "abc123def" },
    { "^[a-z]+-[a-z]+$", "hello-world" },
    { "^[a-z]+_[a-z]+$", "hello_world" },
    { "^(test|xyz)[0-9]{3}(def)?$", "test123 test456 test789 xyz789" },
    { ".*", WORDS },
};

static void check_words(struct fixture *f)
{
    ANSWERS(f, word_answers);
}

static void patterns_find_their_words_wherever_these_lie(void **state)
{
    struct fixture *f = *state;
    put_words(f, WORDS);
    in_every_place(f, check_words);
}

/* Patterns that go wrong where an expression is taken for a prefix, for anchored, or for one over bytes. */
static const struct answer name_answers[] = {
    { "libssl", "libssl libssl3 xlibssl.so" },
    { "^app", "application" },
    { "^h.*g$", "hanging" },
    { "(?i)readme", "README readme.md" },
    { "\xc3\xa9", "caf\xc3\xa9" },
    { "[0-9]{2}", "42" },
    { "\\.so$", "foo.so xlibssl.so" },
    { "a|b", "a1 application b caf\xc3\xa9 hanging libssl libssl3 readme.md xlibssl.so" },
    { "^libssl$", "libssl" },
    { "ssl[0-9]?$", "libssl libssl3" },
    { "^.{2}$", "42 a1" },
    { "o+", "application foo.so xlibssl.so" },
    { "[^a-z]$", "42 README a1 caf\xc3\xa9 libssl3" },
    { "^(a|b)", "a1 application b" },
    { "\\bso\\b", "foo.so xlibssl.so" },
};

static void check_names(struct fixture *f)
{
    ANSWERS(f, name_answers);
}

static void memtable_and_segment_answer_alike(void **state)
{
    struct fixture *f = *state;
    put_words(f, "libssl xlibssl.so libssl3 application hanging README readme.md caf\xc3\xa9 42 a1 foo.so b");
    in_every_place(f, check_names);
}

static void check_fruits_left(struct fixture *f)
{
    static const struct answer answers[] = {
        { "^(app|ban).*", "application apply bandana" },
        { "^apple$", "" },
        { "^banana", "" },
        { "^app", "application apply" },
    };
    ANSWERS(f, answers);
}

static void deleted_keys_are_not_found(void **state)
{
    struct fixture *f = *state;
    put_words(f, "apple application apply banana bandana");
    delete_key(f, "apple");
    delete_key(f, "banana");
    in_every_place(f, check_fruits_left);
}

static void check_nothing_found(struct fixture *f)
{
    static const struct answer answers[] = {
        { "^xyz.*", "" }, { ".*9999$", "" }, { "^[0-9]+$", "" }, { "^UPPER$", "" }
    };
    ANSWERS(f, answers);
}

static void patterns_of_other_keys_find_nothing(void **state)
{
    struct fixture *f = *state;
    put_words(f, "apple banana cherry");
    in_every_place(f, check_nothing_found);
}

/* ---- numbered keys ---- */

static void put_numbered(struct fixture *f, unsigned from, unsigned to, const char *(*name)(unsigned number, char *out))
{
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    for (unsigned i = from; i < to; i++) {
        char key[64];
        assert_ok(nacre_batch_put(batch, f->collection, text(name(i, key)), text("v")));
        if (i % 500 == 499 || i + 1 == to) {
            assert_ok(nacre_write(f->store, batch, NULL));
            nacre_batch_clear(batch);
        }
    }
    nacre_batch_free(batch);
}

static const char *greek_key(unsigned i, char *out)
{
    static const char *const letters[] = { "alpha", "beta", "gamma", "delta" };
    snprintf(out, 64, "key-%08u-%s", i, letters[i % 4]);
    return out;
}

static void check_greek(struct fixture *f)
{
    assert_int_equal(found_count(f, "^key-00000000-alpha$", NULL), 1);
    assert_int_equal(found_count(f, "^key-0000.*", NULL), 10000);
    assert_int_equal(found_count(f, ".*-alpha$", NULL), 2500);
    assert_int_equal(found_count(f, "key-.*-beta", NULL), 2500);
    assert_int_equal(found_count(f, "^key-[0-9]{8}-(alpha|gamma)$", NULL), 5000);
}

static void ten_thousand_keys_are_counted_exactly(void **state)
{
    struct fixture *f = *state;
    put_numbered(f, 0, 10000, greek_key);
    in_every_place(f, check_greek);
}

static const char *plain_key(unsigned i, char *out)
{
    snprintf(out, 64, "key-%08u", i);
    return out;
}

static void check_plain(struct fixture *f)
{
    assert_int_equal(found_count(f, "key-0000.*", NULL), 10000);
    assert_int_equal(found_count(f, "key-.*99", NULL), 280);
    assert_int_equal(found_count(f, "key-0[0-9]{7}", NULL), 10000);
}

static void ten_runs_are_all_searched(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "level0_runs", "64"));
    assert_ok(nacre_pause_compaction(f->store, 10000));
    for (unsigned i = 0; i < 10000; i += 1000) {
        put_numbered(f, i, i + 1000, plain_key);
        assert_ok(nacre_flush(f->collection));
    }
    check_plain(f);
    in_every_place(f, check_plain);
}

static const char *batch_key(unsigned i, char *out)
{
    snprintf(out, 64, "batch-%u-key-%03u", i / 100, i % 100);
    return out;
}

static void a_merge_of_five_runs_loses_nothing(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_pause_compaction(f->store, 10000));
    for (unsigned i = 0; i < 500; i += 100) {
        put_numbered(f, i, i + 100, batch_key);
        assert_ok(nacre_flush(f->collection));
    }
    assert_int_equal(found_count(f, "batch-.*", NULL), 500);
    compact_all(f);
    assert_int_equal(found_count(f, "batch-.*", NULL), 500);
    assert_int_equal(found_count(f, "batch-3-key-.*", NULL), 100);
}

static const char *large_key(unsigned i, char *out)
{
    snprintf(out, 64, "large-key-%08u", i);
    return out;
}

static void searches_between_writes_see_all_of_them(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "seal_bytes", "262144")); /* several seals on the way */
    for (unsigned i = 0; i < 20000; i += 1000) {
        put_numbered(f, i, i + 1000, large_key);
        assert_int_equal(count_of(f, "^large-key-.*"), i + 1000);
        assert_int_equal(count_of(f, "key-0*7[0-9]{3}$"), i >= 7000 ? 1000 : 0);
    }
}

static const char *persistent_key(unsigned i, char *out)
{
    snprintf(out, 64, "persist-key-%u", i);
    return out;
}

static void what_was_flushed_and_what_was_not_is_there_after_a_reopen(void **state)
{
    struct fixture *f = *state;
    nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    unsigned keys = 0;
    put_numbered(f, 0, 100, persistent_key);
    assert_ok(nacre_flush(f->collection));
    put_numbered(f, 100, 150, persistent_key);
    fixture_reopen(f);
    o.begin = text("persist-key-");
    o.end = text("persist-key-~");
    assert_ok(nacre_scan(f->collection, &o, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        keys++;
    }
    nacre_cursor_close(cursor);
    assert_int_equal(keys, 150);
    assert_int_equal(found_count(f, "persist.*", NULL), 150);
}

/* ---- while a flush runs ---- */

static const char *flushed_key(unsigned i, char *out)
{
    snprintf(out, 64, "flush-key-%06u", i);
    return out;
}

static void *flush_it(void *context)
{
    struct fixture *f = context;
    assert_ok(nacre_flush(f->collection));
    return NULL;
}

static void keys_are_found_while_they_are_flushed(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    put_numbered(f, 0, 2000, flushed_key);
    gate_close("segments/");
    assert_int_equal(pthread_create(&thread, NULL, flush_it, f), 0);
    for (int round = 0; round < 20; round++) {
        assert_int_equal(found_count(f, "^flush-key-.*", NULL), 2000);
    }
    gate_open();
    for (int round = 0; round < 20; round++) { /* across the moment when the segment takes over */
        assert_int_equal(count_of(f, "^flush-key-.*"), 2000);
    }
    pthread_join(thread, NULL);
    assert_int_equal(found_count(f, "^flush-key-.*", NULL), 2000);
}

/* ---- small things ---- */

static void a_reader_beside_the_writer_finds_what_is_in_the_log_alone(void **state)
{
    struct fixture *f = *state;
    struct fixture reader = *f;
    for (unsigned i = 0; i < 500; i++) {
        char key[64];
        snprintf(key, sizeof key, "ro-key-%06u", i);
        put(f, key, "v");
    }
    reader.options.read_only = true;
    fixture_open(&reader);
    assert_int_equal(found_count(&reader, "^ro-key-.*", NULL), 500);
    assert_code(nacre_put(reader.collection, text("k"), text("v"), NULL), NACRE_READ_ONLY);
    assert_code(nacre_delete(reader.collection, text("k"), NULL), NACRE_READ_ONLY);
    assert_string_equal(found(&reader, "^ro-key-00049[89]", NULL), "ro-key-000498 ro-key-000499");
    fixture_close(&reader);
}

static void a_deleted_key_that_is_put_again_is_found(void **state)
{
    struct fixture *f = *state;
    put(f, "foo", "1");
    delete_key(f, "foo");
    assert_ok(nacre_flush(f->collection));
    assert_string_equal(found(f, "^foo$", NULL), "");
    put(f, "foo", "2");
    assert_string_equal(found(f, "^foo$", NULL), "foo");
    assert_ok(nacre_flush(f->collection));
    assert_string_equal(found(f, "^foo$", NULL), "foo");
    compact_all(f);
    assert_string_equal(found(f, "^foo$", NULL), "foo");
    assert_string_equal(get(f, "foo"), "2");
}

static void a_limit_ends_cursors_and_counts(void **state)
{
    struct fixture *f = *state;
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    put_words(f, "test0 test1 test2 test3 test4");
    assert_ok(nacre_flush(f->collection));
    put_words(f, "test5 test6 test7 test8 test9");
    o.limit = 3;
    assert_string_equal(found(f, "test.*", &o), "test0 test1 test2");
    o.limit = 10;
    assert_int_equal(found_count(f, "test.*", &o), 10);
    o.limit = 11;
    assert_int_equal(found_count(f, "test.*", &o), 10);
    o.limit = 2;
    o.reverse = true;
    nacre_cursor *cursor;
    assert_ok(nacre_regex_scan(f->collection, text("test"), &o, &cursor));
    assert_memory_equal(nacre_cursor_key(cursor).data, "test9", 5);
    nacre_cursor_next(cursor);
    assert_memory_equal(nacre_cursor_key(cursor).data, "test8", 5);
    nacre_cursor_next(cursor);
    assert_false(nacre_cursor_valid(cursor));
    nacre_cursor_close(cursor);
}

/* ---- many threads ---- */

struct thread_of {
    struct fixture *f;
    unsigned number;
};

static void *write_hundred(void *context)
{
    struct thread_of *t = context;
    for (unsigned i = 0; i < 100; i++) {
        char key[64];
        snprintf(key, sizeof key, "writer-%u-key-%u", t->number, i);
        put(t->f, key, "v");
        if (i % 10 == 9) { /* who wrote finds it at once */
            char pattern[64];
            snprintf(pattern, sizeof pattern, "^writer-%u-key-", t->number);
            assert_int_equal(count_of(t->f, pattern), i + 1);
        }
    }
    return NULL;
}

static void *count_up(void *context)
{
    struct thread_of *t = context;
    uint64_t last = 0;
    for (unsigned round = 0; round < 20; round++) {
        uint64_t now = count_of(t->f, "writer-.*");
        assert_true(now >= last && now <= 1000);
        last = now;
    }
    return NULL;
}

static void ten_writers_and_five_readers_agree(void **state)
{
    enum { THREADS = 15 };
    struct thread_of threads[THREADS];
    pthread_t handles[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = (struct thread_of){ *state, i };
        assert_int_equal(pthread_create(&handles[i], NULL, i < 10 ? write_hundred : count_up, &threads[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(handles[i], NULL);
    }
    assert_int_equal(found_count(*state, "writer-.*", NULL), 1000);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup_strings_in_memory, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(patterns_find_their_words_wherever_these_lie),
        CASE(memtable_and_segment_answer_alike),
        CASE(deleted_keys_are_not_found),
        CASE(patterns_of_other_keys_find_nothing),
        CASE(ten_thousand_keys_are_counted_exactly),
        CASE(ten_runs_are_all_searched),
        CASE(a_merge_of_five_runs_loses_nothing),
        CASE(searches_between_writes_see_all_of_them),
        CASE(what_was_flushed_and_what_was_not_is_there_after_a_reopen),
        CASE(keys_are_found_while_they_are_flushed),
        CASE(a_reader_beside_the_writer_finds_what_is_in_the_log_alone),
        CASE(a_deleted_key_that_is_put_again_is_found),
        CASE(a_limit_ends_cursors_and_counts),
        CASE(ten_writers_and_five_readers_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
