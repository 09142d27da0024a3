/* Collections of strings whose runs, keys and deletes are awkward: many runs, long keys, keys that are prefixes of others, deletes without their
   keys, cursors that outlive what they read. */
#include "support/gate.h"
#include "support/os_memory.h"
#include "support/searching.h"

static uint64_t random_of(uint64_t *seed, uint64_t bound)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (*seed >> 11) % bound;
}

static void no_merges(struct fixture *f)
{
    assert_ok(nacre_tune(f->store, "level0_runs", "64"));
    assert_ok(nacre_pause_compaction(f->store, 10000));
}

/* A batch that is written whenever it is large. */
struct writer {
    struct fixture *f;
    nacre_batch *batch;
};

static void writer_flush(struct writer *w)
{
    assert_ok(nacre_write(w->f->store, w->batch, NULL));
    nacre_batch_clear(w->batch);
}

static struct writer writer_of(struct fixture *f)
{
    struct writer w = { f, NULL };
    assert_ok(nacre_batch_create(&w.batch));
    return w;
}

static void writer_put(struct writer *w, nacre_slice key)
{
    assert_ok(nacre_batch_put(w->batch, w->f->collection, key, text("v")));
    if (nacre_batch_count(w->batch) >= 2000) {
        writer_flush(w);
    }
}

static void writer_delete(struct writer *w, nacre_slice key)
{
    assert_ok(nacre_batch_delete(w->batch, w->f->collection, key));
    if (nacre_batch_count(w->batch) >= 2000) {
        writer_flush(w);
    }
}

static void writer_end(struct writer *w)
{
    writer_flush(w);
    nacre_batch_free(w->batch);
}

/* ---- many runs ---- */

static void check_twenty(struct fixture *f)
{
    assert_int_equal(found_count(f, "^seg.*", NULL), 12000);
    assert_int_equal(found_count(f, "", NULL), 12000);
    assert_int_equal(found_count(f, "key-0000[0-9]{2}$", NULL), 2000);
    assert_int_equal(found_count(f, "^seg1[0-9]-", NULL), 6000);
    assert_string_equal(found(f, "-key-000599$", NULL),
                        "seg00-key-000599 seg01-key-000599 seg02-key-000599 seg03-key-000599 seg04-key-000599 "
                        "seg05-key-000599 seg06-key-000599 seg07-key-000599 seg08-key-000599 seg09-key-000599 "
                        "seg10-key-000599 seg11-key-000599 seg12-key-000599 seg13-key-000599 seg14-key-000599 "
                        "seg15-key-000599 seg16-key-000599 seg17-key-000599 seg18-key-000599 seg19-key-000599");
}

static void put_twenty(struct fixture *f, bool interleaved)
{
    no_merges(f);
    for (unsigned run = 0; run < 20; run++) {
        struct writer w = writer_of(f);
        for (unsigned i = 0; i < 600; i++) {
            char key[40];
            snprintf(key, sizeof key, "seg%02u-key-%06u", interleaved ? (run + i) % 20 : run, i);
            writer_put(&w, text(key));
        }
        writer_end(&w);
        assert_ok(nacre_flush(f->collection));
    }
}

static void twenty_runs_beside_each_other_are_all_searched(void **state)
{
    put_twenty(*state, false);
    check_twenty(*state);
    in_every_place(*state, check_twenty);
}

static void twenty_runs_through_each_other_are_all_searched(void **state)
{
    put_twenty(*state, true);
    check_twenty(*state);
    in_every_place(*state, check_twenty);
}

/* ---- keys of all lengths ---- */

#define LONGEST 160

/* Keys from 29 to 149 bytes, of which a few have "needle" somewhere. */
static size_t long_key(unsigned i, char *out, bool *needle)
{
    uint64_t seed = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    size_t size = 29 + random_of(&seed, 121);
    *needle = i % 97 == 0;
    for (size_t b = 0; b < size; b++) {
        out[b] = "abcdefghijklmopqrstuvwxyz0123456789/._-"[random_of(&seed, 39)]; /* no n */
    }
    if (*needle) {
        memcpy(out + 9 + random_of(&seed, size - 14), "needle", 6);
    }
    char number[12];
    snprintf(number, sizeof number, "%08u/", i * 7919u % 100000000);
    memcpy(out, number, 9);
    return size;
}

static int compare_slices(const void *a, const void *b)
{
    const nacre_slice *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->size < y->size ? x->size : y->size);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

static void put_long_keys(struct fixture *f, unsigned count)
{
    char(*bytes)[LONGEST] = malloc(count * sizeof *bytes);
    nacre_slice *keys = malloc(count * sizeof *keys), *needles = malloc(count * sizeof *needles);
    size_t found_needles = 0;
    struct writer w = writer_of(f);
    for (unsigned i = 0; i < count; i++) {
        bool needle;
        keys[i] = (nacre_slice){ bytes[i], long_key(i, bytes[i], &needle) };
        if (needle) {
            needles[found_needles++] = keys[i];
        }
        writer_put(&w, keys[i]);
    }
    writer_end(&w);
    qsort(keys, count, sizeof *keys, compare_slices);
    qsort(needles, found_needles, sizeof *needles, compare_slices);
    for (int round = 0; round < 4; round++) {
        assert_finds(f, text(""), NULL, keys, count);
        assert_finds(f, text("needle"), NULL, needles, found_needles);
        assert_finds(f, text("^[0-9]{8}.*ne+dle"), NULL, needles, found_needles);
        if (round == 0) {
            assert_ok(nacre_flush(f->collection));
        } else if (round == 1) {
            compact_all(f);
        } else {
            fixture_reopen(f);
        }
    }
    free(bytes);
    free(keys);
    free(needles);
}

static void segments_over_a_mebibyte_are_read_to_their_end(void **state)
{
    put_long_keys(*state, 31111);
}

static void other_segments_over_a_mebibyte_are_read_to_their_end(void **state)
{
    put_long_keys(*state, 34444);
}

/* ---- keys that are prefixes of others ---- */

static const char *const stems[] = { "a", "abc", "abcd", "abd" };

/* In group g those stems are deleted whose bit is set in g. */
static void check_groups(struct fixture *f)
{
    for (unsigned group = 0; group < 16; group++) {
        char pattern[40], expected[200] = "";
        for (unsigned s = 0; s < 4; s++) {
            char key[20], exactly[40];
            snprintf(key, sizeof key, "g%02u/%s", group, stems[s]);
            snprintf(exactly, sizeof exactly, "^%s$", key);
            bool there = !(group >> s & 1);
            assert_string_equal(found(f, exactly, NULL), there ? key : "");
            assert_string_equal(get(f, key), there ? "v" : "<none>");
            if (there) {
                strncat(expected, expected[0] ? " " : "", 2);
                strncat(expected, key, 20);
            }
        }
        snprintf(pattern, sizeof pattern, "^g%02u", group);
        assert_string_equal(found(f, pattern, NULL), expected);
    }
    assert_int_equal(found_count(f, "/a", NULL), 32);
    assert_int_equal(found_count(f, "bcd?$", NULL), 16);
    assert_int_equal(found_count(f, "/ab", NULL), 24);
}

static void write_groups(struct fixture *f, bool deletes, unsigned order)
{
    for (unsigned group = 0; group < 16; group++) {
        for (unsigned n = 0; n < 4; n++) {
            unsigned s = order % 2 ? 3 - n : (n + order / 2) % 4;
            char key[20];
            snprintf(key, sizeof key, "g%02u/%s", group, stems[s]);
            if (!deletes) {
                put(f, key, "v");
            } else if (group >> s & 1) {
                delete_key(f, key);
            }
        }
    }
}

static void prefixes_of_keys_are_deleted_alone_in_a_memtable(void **state)
{
    for (unsigned order = 0; order < 4; order++) {
        write_groups(*state, false, order);
        write_groups(*state, true, order + 1);
        check_groups(*state);
    }
    in_every_place(*state, check_groups);
}

static void prefixes_of_keys_are_deleted_alone_from_a_segment(void **state)
{
    struct fixture *f = *state;
    no_merges(f);
    write_groups(f, false, 0);
    assert_ok(nacre_flush(f->collection));
    write_groups(f, true, 1);
    in_every_place(f, check_groups);
}

/* ---- deletes ---- */

static void check_k_is_gone(struct fixture *f)
{
    assert_string_equal(found(f, "^k$", NULL), "");
    assert_string_equal(found(f, "k", NULL), "k2 kk");
    assert_string_equal(found(f, "", NULL), "a k2 kk z");
    assert_string_equal(get(f, "k"), "<none>");
}

static void put_k(struct fixture *f)
{
    put_words(f, "a k k2 kk z");
    no_merges(f);
}

static void a_delete_hides_a_key_of_the_same_memtable(void **state)
{
    put_k(*state);
    delete_key(*state, "k");
    in_every_place(*state, check_k_is_gone);
}

/* The seal holds nothing but the delete. */
static void a_delete_alone_hides_a_key_of_an_older_segment(void **state)
{
    struct fixture *f = *state;
    put_k(f);
    assert_ok(nacre_flush(f->collection));
    delete_key(f, "k");
    in_every_place(f, check_k_is_gone);
}

static void a_delete_hides_a_key_of_an_older_sealed_memtable(void **state)
{
    struct fixture *f = *state;
    put_k(f);
    gate_close("segments/");
    assert_ok(nacre_seal(f->collection));
    delete_key(f, "k");
    check_k_is_gone(f);
    assert_ok(nacre_seal(f->collection));
    check_k_is_gone(f);
    gate_open();
    in_every_place(f, check_k_is_gone);
}

static void check_one_is_gone(struct fixture *f)
{
    assert_string_equal(found(f, "k.*", NULL), "k2");
    assert_string_equal(found(f, "", NULL), "k2 z");
    assert_string_equal(found(f, "^k1$", NULL), "");
}

static void a_delete_outside_its_segments_keys_counts(void **state)
{
    struct fixture *f = *state;
    no_merges(f);
    put_words(f, "k1 k2");
    assert_ok(nacre_flush(f->collection));
    put_words(f, "z");
    delete_key(f, "k1");
    in_every_place(f, check_one_is_gone);
}

static void a_key_that_came_back_above_an_old_delete_is_found(void **state)
{
    struct fixture *f = *state;
    no_merges(f);
    delete_key(f, "k");
    assert_ok(nacre_flush(f->collection));
    put_words(f, "k");
    assert_ok(nacre_flush(f->collection));
    for (int round = 0; round < 50; round++) {
        assert_string_equal(found(f, "k", NULL), "k");
    }
    compact_all(f);
    assert_string_equal(found(f, "k", NULL), "k");
}

static void check_ten_left(struct fixture *f)
{
    assert_int_equal(count_of(f, ""), 10);
    assert_int_equal(count_of(f, "^dead"), 0);
    assert_int_equal(count_of(f, "00$"), 1);
    assert_string_equal(found(f, ".", NULL), "live/0 live/00 live/2 live/3 live/4 live/5 live/6 live/7 live/8 live/9");
}

static void one_hundred_and_fifty_thousand_deletes_hide_all_their_keys(void **state)
{
    struct fixture *f = *state;
    char key[40];
    no_merges(f);
    struct writer w = writer_of(f);
    for (unsigned i = 0; i < 150000; i++) {
        snprintf(key, sizeof key, "dead/%u", i * 7919u % 150000);
        writer_put(&w, text(key));
    }
    writer_end(&w);
    put_words(f, "live/0 live/00 live/2 live/3 live/4 live/5 live/6 live/7 live/8 live/9");
    assert_int_equal(count_of(f, "^dead"), 150000);
    assert_ok(nacre_flush(f->collection));
    assert_int_equal(count_of(f, "^dead"), 150000);
    w = writer_of(f);
    for (unsigned i = 0; i < 150000; i++) {
        snprintf(key, sizeof key, "dead/%u", i);
        writer_delete(&w, text(key));
    }
    writer_end(&w);
    in_every_place(f, check_ten_left);
}

static void twelve_quick_seals_keep_their_order_in_a_merge(void **state)
{
    struct fixture *f = *state;
    for (unsigned round = 0; round < 10; round++) {
        no_merges(f);
        for (unsigned seal = 0; seal < 12; seal++) { /* the key lives after even ones */
            if (seal % 2 == round % 2) {
                put(f, "k", seal == 11 ? "last" : "v");
            } else {
                delete_key(f, "k");
            }
            put(f, "other", "v");
            assert_ok(nacre_flush(f->collection));
        }
        const char *expected = round % 2 ? "k other" : "other";
        assert_string_equal(found(f, "", NULL), expected);
        compact_all(f);
        assert_string_equal(found(f, "", NULL), expected);
        assert_string_equal(get(f, "k"), round % 2 ? "last" : "<none>");
        assert_ok(nacre_resume_compaction(f->store));
        fixture_reopen(f);
        assert_string_equal(found(f, "", NULL), expected);
    }
}

/* ---- cursors that are slow ---- */

static void a_slow_cursor_sees_what_it_saw_at_first(void **state)
{
    struct fixture *f = *state;
    enum { KEYS = 3000 };
    char key[40];
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "slow/%05u/%s", i, i % 3 ? "odd" : "third");
        put(f, key, "v");
        if (i % 1000 == 700) {
            assert_ok(nacre_flush(f->collection));
        }
    }
    nacre_cursor *cursors[2];
    nacre_regex_options o = NACRE_REGEX_OPTIONS_INIT;
    for (unsigned c = 0; c < 2; c++) {
        o.reverse = c == 1;
        assert_ok(nacre_regex_scan(f->collection, text("third$"), &o, &cursors[c]));
    }
    for (unsigned n = 0; n < KEYS; n += 3) {
        for (unsigned c = 0; c < 2; c++) {
            snprintf(key, sizeof key, "slow/%05u/third", c ? KEYS - 3 - n : n);
            assert_true(nacre_cursor_valid(cursors[c]));
            nacre_slice at = nacre_cursor_key(cursors[c]);
            assert_int_equal(at.size, strlen(key));
            assert_memory_equal(at.data, key, at.size);
            nacre_cursor_next(cursors[c]);
        }
        snprintf(key, sizeof key, "slow/%05u/third", (n * 7 + 900) % KEYS / 3 * 3);
        delete_key(f, key);
        snprintf(key, sizeof key, "slow/%05u/new third", n);
        put(f, key, "v");
        if (n % 300 == 0) {
            assert_ok(nacre_seal(f->collection));
        } else if (n % 300 == 150) {
            n % 600 == 150 ? compact_all(f) : assert_ok(nacre_flush(f->collection));
            assert_ok(nacre_reclaim(f->store));
        } else if (n == 1503) {
            assert_ok(nacre_delete_prefix(f->collection, text("slow/02"), NULL));
        }
    }
    for (unsigned c = 0; c < 2; c++) {
        assert_false(nacre_cursor_valid(cursors[c]));
        assert_ok(nacre_cursor_status(cursors[c]));
        nacre_cursor_close(cursors[c]);
    }
}

/* ---- opening again ---- */

static void opening_and_closing_changes_no_size(void **state)
{
    struct fixture *f = *state;
    char key[40];
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "usr/share/%u/file", i * 7919u % 5000);
        put(f, key, "");
    }
    assert_ok(nacre_flush(f->collection));
    fixture_reopen(f);
    fixture_reopen(f);
    uint64_t first = os_memory_bytes(f->memory);
    for (int round = 0; round < 4; round++) {
        assert_int_equal(found_count(f, "file$", NULL), 5000);
        fixture_reopen(f);
        uint64_t now = os_memory_bytes(f->memory);
        if (now > first + 4096) {
            print_error("%llu bytes, then %llu\n", (unsigned long long)first, (unsigned long long)now);
        }
        assert_true(now <= first + 4096);
    }
}

static void a_reopen_right_after_a_merge_finds_each_key_once(void **state)
{
    struct fixture *f = *state;
    for (unsigned round = 0; round < 6; round++) {
        char key[40];
        for (unsigned i = 0; i < 500; i++) {
            snprintf(key, sizeof key, "key/%u/%u", i, round % 3);
            put(f, key, "v");
            if (i == 250) {
                assert_ok(nacre_seal(f->collection));
            }
        }
        round % 2 ? compact_all(f) : assert_ok(nacre_seal(f->collection));
        fixture_reopen(f);
        assert_int_equal(found_count(f, "^key", NULL), 500 * (round < 3 ? round + 1 : 3));
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup_strings_in_memory, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(twenty_runs_beside_each_other_are_all_searched),
        CASE(twenty_runs_through_each_other_are_all_searched),
        CASE(segments_over_a_mebibyte_are_read_to_their_end),
        CASE(other_segments_over_a_mebibyte_are_read_to_their_end),
        CASE(prefixes_of_keys_are_deleted_alone_in_a_memtable),
        CASE(prefixes_of_keys_are_deleted_alone_from_a_segment),
        CASE(a_delete_hides_a_key_of_the_same_memtable),
        CASE(a_delete_alone_hides_a_key_of_an_older_segment),
        CASE(a_delete_hides_a_key_of_an_older_sealed_memtable),
        CASE(a_delete_outside_its_segments_keys_counts),
        CASE(a_key_that_came_back_above_an_old_delete_is_found),
        CASE(one_hundred_and_fifty_thousand_deletes_hide_all_their_keys),
        CASE(twelve_quick_seals_keep_their_order_in_a_merge),
        CASE(a_slow_cursor_sees_what_it_saw_at_first),
        CASE(opening_and_closing_changes_no_size),
        CASE(a_reopen_right_after_a_merge_finds_each_key_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
