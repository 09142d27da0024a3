/* Salvage copies of stores whose value files are damaged, cut or gone, one kind of damage at a time. The copy opens, verifies and can be read; what has the right checksum
   is there; each key that lost a value is named once, and is absent, or shows an older value and is named as stale. */
#include "values_fixture.h"

/* ---- one kind of damage at a time ---- */

static bool same_files(const char *one, const char *other)
{
    static char bytes[sizeof bytes_of_file];
    size_t size = read_whole(one);
    memcpy(bytes, bytes_of_file, size);
    return read_whole(other) == size && memcmp(bytes, bytes_of_file, size) == 0;
}

static void a_sound_store_is_copied_byte_for_byte(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "4096");
    put_ten();
    put_number("k", 10);
    end_store();
    salvage();
    assert_non_null(strstr(report, "\"damaged\":0"));
    assert_non_null(strstr(report, "\"rebuilt\":0"));
    expect_ten_but("");
    expect_sound("k", 10);
    close_store();
    static struct file all[FILES_MAX];
    list_files("/store/segments");
    memcpy(all, files, sizeof all);
    unsigned count = file_count, segments = 0;
    for (unsigned i = 0; i < count; i++) {
        char copy[64];
        snprintf(copy, sizeof copy, "/copy%.50s", all[i].path + strlen("/store"));
        if (strstr(copy, ".seg")) {
            assert_true(same_files(all[i].path, copy));
            segments++;
        }
    }
    assert_true(segments > 0);
}

static void a_missing_file_costs_the_keys_whose_values_it_had(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "65536");
    put_ten();
    close_store();
    assert_ok(nacre_open("/store", &options, &store)); /* with another value file */
    assert_ok(nacre_collection_open(store, NAME, &collection));
    put_number("c", 12);
    put_number("k", 10);
    put_number("l", 11);
    flush();
    end_store();
    const char *path = "";
    (void)find_record("k", 10, &path);
    assert_int_equal(struck->remove(struck->context, path), NACRE_OK);
    salvage();
    expect_lost("k", -1);
    expect_lost("l", -1);
    expect_lost("c", 2);                                               /* with the older value beneath */
    assert_non_null(strstr(report, "\"rebuilt\":0,\"unreadable\":1")); /* nothing was left of that segment */
    expect_sound("a", 0);
    expect_sound("j", 9);
    close_store();
}

static void all_files_missing_cost_all_values(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "4096");
    put_ten();
    assert_ok(nacre_put(collection, text("small"), text("in the segment"), NULL));
    flush();
    end_store();
    remove_all("/store/values");
    salvage();
    expect_ten_but("abcdefghij");
    nacre_value value;
    assert_ok(nacre_get(collection, text("small"), NULL, &value));
    nacre_value_release(&value);
    close_store();
    assert_int_equal(struck->remove_directory(struck->context, "/store/values"), NACRE_OK);
    assert_ok(nacre_salvage_copy("/store", "/copy2", &options, NULL)); /* not even the folder */
}

static void cut_file(bool at_a_record)
{
    open_with(NACRE_ORDERED, "65536");
    put_ten();
    end_store();
    const char *path = "";
    uint64_t at = find_record("g", 6, &path);
    assert_int_equal(os_memory_resize(struck, path, at_a_record ? at : at + 100), NACRE_OK);
    salvage();
    expect_ten_but("ghij");
    close_store();
}

static void a_file_that_is_cut_in_a_record_keeps_those_before(void **state)
{
    (void)state;
    cut_file(false);
}

static void a_file_that_is_cut_between_records_keeps_those_before(void **state)
{
    (void)state;
    cut_file(true);
}

static void a_file_of_no_bytes_is_as_one_that_is_missing(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "65536");
    put_ten();
    end_store();
    const char *path = "";
    (void)find_record("g", 6, &path);
    assert_int_equal(os_memory_resize(struck, path, 0), NACRE_OK);
    salvage();
    expect_ten_but("abcdefghij");
    close_store();
}

/* The value is proven by the pointer: heads are made anew. */
static void a_damaged_head_costs_nothing(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "65536");
    put_ten();
    put_number("k", 10); /* in the log */
    end_store();
    flip_record("d", 3, 9);  /* the value's size */
    flip_record("f", 5, 13); /* the key's size */
    flip_record("h", 7, 1);  /* the checksum */
    flip_record("k", 10, 12);
    flip_record("j", 9, HEAD); /* the key */
    salvage();
    expect_ten_but("");
    expect_sound("k", 10);
    assert_non_null(strstr(report, "\"damaged\":0,"));
    close_store();
}

static void a_damaged_header_of_a_file_is_made_anew(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "4096");
    put_ten();
    end_store();
    const char *path = "";
    (void)find_record("d", 3, &path);
    flip(path, 20);
    salvage();
    expect_ten_but("");
    if (!strstr(report, "\"damaged\":1,")) { /* of the file */
        fail_msg("%s", report);
    }
    close_store();
}

/* Of a file that a crash left open the end is found by its records' heads. */
static void a_damaged_head_at_the_end_of_an_open_file_costs_nothing(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "65536");
    put_ten();
    end_store();
    flip_record("j", 9, 9);
    salvage();
    expect_ten_but("");
    close_store();
    open_copy(); /* the file was cut to its end */
    expect_ten_but("");
    close_store();
}

static void damaged_values_cost_their_keys_alone(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "65536");
    put_ten();
    end_store();
    flip_value("b", 1);
    flip_value("e", 4);
    salvage();
    expect_ten_but("be");
    close_store();
}

/* ---- other versions ---- */

static void an_older_value_shows_and_is_named_as_stale(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "65536");
    put_ten();
    put_number("b", 100);
    put_number("c", 101);
    flush();
    put_number("d", 102);
    flush();
    end_store();
    flip_value("b", 100);
    flip_value("c", 2); /* of this one only what nobody sees */
    flip_value("d", 3);
    flip_value("d", 102);
    salvage();
    expect_lost("b", 1);
    expect_right("c", 101);
    assert_int_equal(times_lost("c"), 1);
    expect_lost("d", -1);
    expect_sound("e", 4);
    close_store();
}

static void versions_under_snapshots_name_their_key_once(void **state)
{
    (void)state;
    const nacre_slice none = { NULL, 0 };
    nacre_snapshot *snapshots[4];
    open_with(NACRE_ORDERED, "65536");
    for (unsigned n = 0; n < 4; n++) {
        put_number("k", n);
        put_number("l", n);
        assert_ok(nacre_snapshot_create(store, &snapshots[n]));
    }
    assert_ok(nacre_compact(collection, none, none)); /* one segment with all versions */
    assert_int_equal(os_memory_copy_tree(struck, disk), NACRE_OK);
    for (unsigned n = 0; n < 4; n++) {
        nacre_snapshot_release(snapshots[n]);
    }
    close_store();
    flip_value("k", 3);
    flip_value("k", 2);
    flip_value("l", 0);
    flip_value("l", 1);
    salvage();
    expect_lost("k", 1);
    expect_right("l", 3);
    assert_int_equal(times_lost("l"), 1);
    close_store();
}

/* What is left is made of operands alone: nothing says so but the report. */
static void operands_over_a_lost_value_are_stale(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "65536");
    put_ten();
    assert_ok(nacre_merge(collection, text("b"), text(".1"), NULL));
    flush();
    assert_ok(nacre_merge(collection, text("c"), text(".1"), NULL)); /* in the log */
    end_store();
    flip_value("b", 1);
    flip_value("c", 2);
    salvage();
    assert_int_equal(times_lost("b"), 1);
    assert_int_equal(times_lost("c"), 1);
    assert_int_equal(times_stale("b"), 1);
    assert_int_equal(times_stale("c"), 1);
    nacre_value value;
    assert_ok(nacre_get(collection, text("b"), NULL, &value));
    assert_memory_equal(value.slice.data, ".1", 2);
    nacre_value_release(&value);
    expect_sound("d", 3);
    close_store();
}

static void a_deleted_key_stays_deleted(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "65536");
    put_ten();
    assert_ok(nacre_delete(collection, text("b"), NULL));
    flush();
    assert_ok(nacre_delete(collection, text("c"), NULL));
    end_store();
    flip_value("b", 1);
    flip_value("c", 2);
    salvage();
    assert_int_equal(number_of("b"), -1);
    assert_int_equal(number_of("c"), -1);
    assert_int_equal(times_stale("b") + times_stale("c"), 0);
    close_store();
}

/* ---- the log ---- */

static void pointers_in_the_log_are_as_those_in_segments(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "65536");
    put_ten();
    put_number("b", 100);
    put_number("c", 101);
    put_number("k", 102);
    put_number("d", 103);
    put_number("d", 104);
    put_number("e", 105);
    put_number("e", 106);
    put_number("f", 107);
    end_store();
    flip_value("b", 100); /* over an older one */
    flip_value("k", 102); /* over none */
    flip_value("d", 103); /* beneath a newer one */
    flip_value("e", 106); /* over one of the log */
    flip_value("f", 5);   /* beneath one of the log */
    salvage();
    expect_lost("b", 1);
    expect_sound("c", 101);
    expect_lost("k", -1);
    expect_right("d", 104);
    assert_int_equal(times_lost("d"), 1);
    expect_lost("e", 105);
    expect_right("f", 107);
    assert_int_equal(times_lost("f"), 1);
    assert_non_null(strstr(report, "\"lost_values\":4"));
    close_store();
}

static void a_key_that_loses_values_in_segments_and_log_is_named_once(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "65536");
    put_number("k", 1);
    flush();
    put_number("k", 2);
    put_number("k", 3);
    end_store();
    remove_all("/store/values");
    salvage();
    expect_lost("k", -1);
    close_store();
}

/* ---- without a manifest ---- */

static void without_a_manifest_it_is_the_same(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "65536");
    put_ten();
    put_number("b", 100);
    put_number("c", 101);
    flush();
    put_number("d", 102);
    end_store();
    flip_value("b", 100);
    flip_value("e", 4);
    flip_value("d", 102);
    flip_record("f", 5, 9);
    lose_manifest();
    salvage();
    expect_lost("b", 1);
    expect_sound("c", 101);
    expect_lost("d", 3);
    expect_lost("e", -1);
    expect_sound("f", 5);
    expect_sound("a", 0);
    close_store();
}

static void all_files_missing_without_a_manifest_cost_all_values(void **state)
{
    (void)state;
    open_with(NACRE_STRINGS, "4096");
    put_ten();
    assert_ok(nacre_put(collection, text("small"), text("in the segment"), NULL));
    flush();
    end_store();
    remove_all("/store/values");
    lose_manifest();
    salvage();
    expect_ten_but("abcdefghij");
    close_store();
}

/* Both are damaged: what is left of the segment is made anew without what the value file lacks. */
static void a_damaged_segment_with_damaged_values(void **state)
{
    (void)state;
    open_with(NACRE_ORDERED, "65536");
    put_ten();
    end_store();
    flip_value("b", 1);
    list_files("/store/segments");
    for (unsigned i = 0; i < file_count; i++) {
        if (strstr(files[i].path, ".seg")) {
            flip(files[i].path, 56); /* its header: every entry can be read */
        }
    }
    salvage();
    expect_ten_but("b");
    close_store();
}

/* ---- kinds ---- */

static void vectors_keep_theirs_where_the_value_is_there(void **state)
{
    (void)state;
    char key[8];
    open_with(NACRE_VECTORS, "65536");
    for (unsigned i = 0; i < 40; i++) {
        const float vector[DIMENSION] = { (float)i, 1, 2, 3 };
        snprintf(key, sizeof key, "v%02u", i);
        assert_ok(nacre_put_vector(collection, text(key), vector, value_of(i), NULL));
        if (i == 29) {
            flush();
        }
    }
    end_store();
    flip_value("v05", 5);
    flip_value("v17", 17);
    flip_value("v35", 35); /* of the log */
    salvage();
    for (unsigned i = 0; i < 40; i++) {
        float vector[DIMENSION] = { 0 };
        bool lost = i == 5 || i == 17 || i == 35;
        snprintf(key, sizeof key, "v%02u", i);
        if (lost) {
            expect_lost(key, -1);
        } else {
            expect_sound(key, i);
            assert_ok(nacre_get_vector(collection, text(key), NULL, vector, NULL));
            assert_true(vector[0] == (float)i && vector[3] == 3);
        }
    }
    close_store();
}

static void strings_are_found_by_search_where_their_values_are(void **state)
{
    (void)state;
    open_with(NACRE_STRINGS, "65536");
    put_ten();
    end_store();
    flip_value("b", 1);
    salvage();
    expect_ten_but("b");
    uint64_t count = 0;
    assert_ok(nacre_regex_count(collection, text("[a-c]"), NULL, &count));
    assert_int_equal(count, 2);
    close_store();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_disks(a_sound_store_is_copied_byte_for_byte),
        on_disks(a_missing_file_costs_the_keys_whose_values_it_had),
        on_disks(all_files_missing_cost_all_values),
        on_disks(a_file_that_is_cut_in_a_record_keeps_those_before),
        on_disks(a_file_that_is_cut_between_records_keeps_those_before),
        on_disks(a_file_of_no_bytes_is_as_one_that_is_missing),
        on_disks(a_damaged_head_costs_nothing),
        on_disks(a_damaged_header_of_a_file_is_made_anew),
        on_disks(a_damaged_head_at_the_end_of_an_open_file_costs_nothing),
        on_disks(damaged_values_cost_their_keys_alone),
        on_disks(an_older_value_shows_and_is_named_as_stale),
        on_disks(versions_under_snapshots_name_their_key_once),
        on_disks(operands_over_a_lost_value_are_stale),
        on_disks(a_deleted_key_stays_deleted),
        on_disks(pointers_in_the_log_are_as_those_in_segments),
        on_disks(a_key_that_loses_values_in_segments_and_log_is_named_once),
        on_disks(without_a_manifest_it_is_the_same),
        on_disks(all_files_missing_without_a_manifest_cost_all_values),
        on_disks(a_damaged_segment_with_damaged_values),
        on_disks(vectors_keep_theirs_where_the_value_is_there),
        on_disks(strings_are_found_by_search_where_their_values_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
