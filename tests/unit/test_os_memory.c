/* The file layer in memory: its calls do what this machine's do, and fail as told. */
#include "unit/os_harness.h"
#include "support/os_memory.h"
#include <pthread.h>

static int setup(void **state)
{
    *state = os_memory_create();
    return 0;
}

static int teardown(void **state)
{
    os_memory_free(*state);
    return 0;
}

static void a_file_reads_back_what_was_written(void **state)
{
    nacre_os *os = *state;
    char bytes[8] = "";
    size_t got = 9;
    uint64_t size = 0;
    nacre_file *file = open_file(os, "f", OPEN_NEW);
    assert_fine(os->write(file, 3, "abc", 3));
    assert_fine(os->size(file, &size));
    assert_int_equal(size, 6);
    assert_fine(os->read(file, 0, bytes, sizeof bytes, &got));
    assert_int_equal(got, 6);
    assert_memory_equal(bytes, "\0\0\0abc", 6);
    assert_fine(os->read(file, 6, bytes, sizeof bytes, &got));
    assert_int_equal(got, 0);
    assert_fine(os->close(file));
}

static void opening_tells_what_is_missing_and_what_is_there(void **state)
{
    nacre_os *os = *state;
    nacre_file *file = NULL;
    assert_os(os->open(os->context, "f", NACRE_FILE_READ, &file), NACRE_NOT_FOUND);
    assert_os(os->open(os->context, "d/f", OPEN_NEW, &file), NACRE_NOT_FOUND);
    make_file(os, "f", "x", false);
    assert_os(os->open(os->context, "/./f", OPEN_NEW | NACRE_FILE_EXCLUSIVE, &file), NACRE_EXISTS);
    assert_os(os->open(os->context, "f/f", OPEN_NEW, &file), NACRE_NOT_FOUND);
    assert_null(file);
    file = open_file(os, "f", NACRE_FILE_READ);
    assert_os(os->write(file, 0, "y", 1), NACRE_IO);
    assert_fine(os->close(file));
}

static void directories_hold_names_and_go_only_when_empty(void **state)
{
    nacre_os *os = *state;
    assert_fine(os->make_directory(os->context, "d"));
    assert_os(os->make_directory(os->context, "d/"), NACRE_EXISTS);
    assert_os(os->make_directory(os->context, "e/f"), NACRE_NOT_FOUND);
    make_file(os, "d/one", "1", false);
    make_file(os, "d/two", "2", false);
    assert_true(has_name(os, "d", "one") && has_name(os, "d", "two") && has_name(os, "/", "d"));
    assert_os(os->remove(os->context, "d"), NACRE_IO);
    assert_os(os->remove_directory(os->context, "d"), NACRE_IO);
    assert_fine(os->remove(os->context, "d/one"));
    assert_os(os->remove(os->context, "d/one"), NACRE_NOT_FOUND);
    assert_fine(os->remove(os->context, "d/two"));
    assert_fine(os->remove_directory(os->context, "d"));
    assert_os(os->list(os->context, "d", append_name, (char[1024]){ "" }), NACRE_NOT_FOUND);
}

static void a_rename_replaces_and_takes_a_directorys_files_along(void **state)
{
    nacre_os *os = *state;
    make_file(os, "a", "new", false);
    make_file(os, "b", "old", false);
    assert_fine(os->rename(os->context, "a", "b"));
    assert_string_equal(contents(os, "b"), "new");
    assert_string_equal(contents(os, "a"), "<none>");
    assert_os(os->rename(os->context, "a", "b"), NACRE_NOT_FOUND);
    assert_fine(os->make_directory(os->context, "d"));
    assert_fine(os->rename(os->context, "b", "d/b"));
    assert_fine(os->rename(os->context, "d", "e"));
    assert_string_equal(contents(os, "e/b"), "new");
    assert_string_equal(contents(os, "d/b"), "<none>");
    assert_os(os->rename(os->context, "e", "e/f"), NACRE_IO);
}

static void a_link_is_a_second_name_of_the_same_file(void **state)
{
    nacre_os *os = *state;
    make_file(os, "a", "one", false);
    assert_fine(os->link(os->context, "a", "b"));
    assert_os(os->link(os->context, "a", "b"), NACRE_EXISTS);
    assert_os(os->link(os->context, "c", "d"), NACRE_NOT_FOUND);
    nacre_file *file = open_file(os, "a", NACRE_FILE_READ | NACRE_FILE_WRITE);
    assert_fine(os->write(file, 0, "two", 3));
    assert_fine(os->close(file));
    assert_fine(os->remove(os->context, "a"));
    assert_string_equal(contents(os, "b"), "two");
}

static void a_removed_file_can_be_used_until_it_is_closed(void **state)
{
    nacre_os *os = *state;
    char bytes[4] = "";
    size_t got = 0;
    make_file(os, "a", "kept", false);
    nacre_file *file = open_file(os, "a", NACRE_FILE_READ);
    assert_fine(os->remove(os->context, "a"));
    assert_fine(os->read(file, 0, bytes, sizeof bytes, &got));
    assert_memory_equal(bytes, "kept", 4);
    assert_int_equal(os_memory_bytes(os), 4);
    assert_fine(os->close(file));
    assert_int_equal(os_memory_bytes(os), 0);
}

static void a_map_shows_what_calls_write_and_calls_read_what_a_map_wrote(void **state)
{
    nacre_os *os = *state;
    void *map = NULL, *second = NULL;
    nacre_file *file = open_file(os, "f", OPEN_NEW);
    assert_os(os->map(file, 1, true, &map), NACRE_CORRUPT);
    assert_fine(os->allocate(file, 10000));
    assert_os(os->map(file, 10001, true, &map), NACRE_CORRUPT);
    assert_os(os->map(file, 0, true, &map), NACRE_CORRUPT);
    assert_null(map);
    assert_fine(os->map(file, 10000, true, &map));
    memcpy((char *)map + 4000, "by map", 6);
    assert_fine(os->write(file, 9000, "by call", 7));
    assert_memory_equal((char *)map + 9000, "by call", 7);
    assert_fine(os->map(file, 10000, false, &second));
    assert_memory_equal((char *)second + 4000, "by map", 6);
    char bytes[6];
    size_t got = 0;
    assert_fine(os->read(file, 4000, bytes, sizeof bytes, &got));
    assert_memory_equal(bytes, "by map", 6);
    assert_fine(os->truncate(file, 5 << 20)); /* the map stays where it is */
    memcpy(map, "again", 5);
    assert_memory_equal(second, "again", 5);
    assert_fine(os->populate(map, 10000, true));
    assert_fine(os->unmap(map, 10000));
    assert_fine(os->unmap(second, 10000));
    assert_fine(os->close(file));
}

static void a_cut_off_end_comes_back_as_zeros(void **state)
{
    nacre_os *os = *state;
    char bytes[6];
    size_t got = 0;
    nacre_file *file = open_file(os, "f", OPEN_NEW);
    assert_fine(os->write(file, 0, "abcdef", 6));
    assert_fine(os->truncate(file, 2));
    assert_fine(os->truncate(file, 6));
    assert_fine(os->read(file, 0, bytes, 6, &got));
    assert_int_equal(got, 6);
    assert_memory_equal(bytes, "ab\0\0\0\0", 6);
    assert_fine(os->close(file));
}

static void a_lock_is_held_once_until_it_is_closed_or_its_holder_dies(void **state)
{
    nacre_os *os = *state;
    nacre_file *first = NULL, *second = NULL, *other = NULL;
    char holder[64] = "";
    assert_fine(os->lock(os->context, "LOCK", &first, holder, sizeof holder));
    assert_os(os->lock(os->context, "LOCK", &second, holder, sizeof holder), NACRE_LOCKED);
    assert_null(second);
    assert_string_not_equal(holder, "");
    assert_fine(os->lock(os->context, "LOCK2", &other, holder, sizeof holder));
    assert_fine(os->close(first));
    assert_fine(os->lock(os->context, "LOCK", &first, holder, sizeof holder));
    os_memory_kill(os);
    assert_fine(os->lock(os->context, "LOCK", &second, holder, sizeof holder));
    assert_fine(os->close(first)); /* of before: the lock of now is not its */
    assert_os(os->lock(os->context, "LOCK", &first, holder, sizeof holder), NACRE_LOCKED);
    assert_fine(os->close(second));
    assert_fine(os->close(other));
}

static void the_nth_call_fails_once_or_from_then_on(void **state)
{
    nacre_os *os = *state;
    uint64_t size = 0;
    nacre_file *file = open_file(os, "f", OPEN_NEW);
    os_memory_fail(os, 2, OS_FAULT_IO, false);
    assert_fine(os->size(file, &size));
    assert_os(os->size(file, &size), NACRE_IO);
    assert_fine(os->size(file, &size));
    os_memory_fail(os, 1, OS_FAULT_NO_SPACE, true);
    assert_os(os->write(file, 0, "a", 1), NACRE_NO_SPACE);
    assert_os(os->write(file, 0, "a", 1), NACRE_NO_SPACE);
    os_memory_heal(os);
    assert_fine(os->write(file, 0, "a", 1));
    assert_fine(os->close(file));
}

static void calls_fail_by_their_name_and_path(void **state)
{
    nacre_os *os = *state;
    nacre_file *log = open_file(os, "log", OPEN_NEW), *data = open_file(os, "data", OPEN_NEW);
    os_memory_fail_matching(os, "sync", "log", OS_FAULT_IO, 2);
    os_memory_fail_matching(os, "write", "data", OS_FAULT_NO_SPACE, 1);
    assert_fine(os->sync(data));
    assert_fine(os->write(log, 0, "a", 1));
    assert_os(os->sync(log), NACRE_IO);
    assert_os(os->write(data, 0, "a", 1), NACRE_NO_SPACE);
    assert_fine(os->write(data, 0, "a", 1));
    assert_os(os->sync(log), NACRE_IO);
    assert_fine(os->sync(log));
    assert_fine(os->close(log));
    assert_fine(os->close(data));
}

static void a_short_write_leaves_a_part_and_fails(void **state)
{
    nacre_os *os = *state;
    nacre_file *file = open_file(os, "f", OPEN_NEW);
    os_memory_fail(os, 1, OS_FAULT_SHORT_WRITE, false);
    assert_os(os->write(file, 0, "abcdefgh", 8), NACRE_NO_SPACE);
    assert_fine(os->close(file));
    assert_string_equal(contents(os, "f"), "abcd");
}

static void a_full_disk_takes_what_fits_and_room_comes_back_with_removed_files(void **state)
{
    nacre_os *os = *state;
    uint64_t space = 0;
    make_file(os, "other", "0123456789", false);
    nacre_file *file = open_file(os, "f", OPEN_NEW);
    os_memory_set_space(os, 5);
    assert_os(os->write(file, 0, "abcdefgh", 8), NACRE_NO_SPACE);
    assert_string_equal(contents(os, "f"), "abcde");
    assert_fine(os->write(file, 0, "ABCDE", 5)); /* in place */
    assert_os(os->allocate(file, 6), NACRE_NO_SPACE);
    assert_fine(os->space(os->context, "/", &space));
    assert_int_equal(space, 0);
    assert_fine(os->link(os->context, "other", "another"));
    assert_fine(os->remove(os->context, "other"));
    assert_os(os->allocate(file, 6), NACRE_NO_SPACE);
    assert_fine(os->remove(os->context, "another"));
    assert_fine(os->allocate(file, 15));
    assert_os(os->allocate(file, 16), NACRE_NO_SPACE);
    os_memory_set_space(os, UINT64_MAX);
    assert_fine(os->allocate(file, 1 << 20));
    assert_fine(os->close(file));
}

static void damage_is_seen_by_programs_and_outlives_a_restart(void **state)
{
    nacre_os *os = *state;
    make_file(os, "f", "abcdef", true);
    assert_fine(os->sync_directory(os->context, "/"));
    assert_fine(os_memory_flip(os, "f", 1, 'b' ^ 'X'));
    assert_string_equal(contents(os, "f"), "aXcdef");
    assert_fine(os_memory_resize(os, "f", 3));
    for (uint64_t seed = 0; seed < 20; seed++) {
        os_memory_restart(os, seed);
        assert_string_equal(contents(os, "f"), "aXc");
    }
    assert_os(os_memory_flip(os, "f", 3, 1), NACRE_NOT_FOUND);
    assert_os(os_memory_flip(os, "g", 0, 1), NACRE_NOT_FOUND);
}

static void a_failed_replacing_keeps_the_old_file_and_leaves_none_aside(void **state)
{
    nacre_os *os = *state;
    assert_fine(os->make_directory(os->context, "d"));
    assert_fine(os_replace_file(os, "d", "f", slice_text("old")));
    uint64_t calls = os_memory_calls(os);
    assert_fine(os_replace_file(os, "d", "f", slice_text("old")));
    calls = os_memory_calls(os) - calls;
    for (uint64_t nth = 1; nth <= calls; nth++) {
        os_memory_fail(os, nth, OS_FAULT_NO_SPACE, false);
        assert_os(os_replace_file(os, "d", "f", slice_text("new")), NACRE_NO_SPACE);
        assert_non_null(strstr(fail_detail(), "simulated"));
        assert_string_equal(contents(os, "d/f"), nth == calls ? "new" : "old");
        assert_false(has_name(os, "d", "f.tmp"));
    }
}

struct shared {
    nacre_os *os;
    unsigned number;
};

static void *work(void *context)
{
    const struct shared *s = context;
    char path[32];
    void *map = NULL;
    (void)snprintf(path, sizeof path, "f%u", s->number);
    nacre_file *file = open_file(s->os, path, OPEN_NEW);
    assert_fine(s->os->allocate(file, 64 << 10));
    assert_fine(s->os->map(file, 64 << 10, true, &map));
    for (unsigned i = 0; i < 2000; i++) {
        memset((char *)map + i * 32, (int)i, 32);
        if (i % 50 == s->number) {
            assert_fine(s->os->sync(file));
        }
    }
    assert_fine(s->os->unmap(map, 64 << 10));
    assert_fine(s->os->close(file));
    return NULL;
}

static void *sync_all(void *context)
{
    const struct shared *s = context;
    for (unsigned i = 0; i < 200; i++) {
        for (unsigned n = 0; n < 3; n++) {
            char path[32];
            (void)snprintf(path, sizeof path, "f%u", n);
            nacre_file *file = open_file(s->os, path, OPEN_NEW);
            assert_fine(s->os->sync(file));
            assert_fine(s->os->close(file));
        }
    }
    return NULL;
}

static void threads_use_it_and_maps_are_written_during_syncs(void **state)
{
    pthread_t threads[4];
    struct shared shared[4];
    for (unsigned i = 0; i < 4; i++) {
        shared[i] = (struct shared){ *state, i };
        assert_int_equal(pthread_create(&threads[i], NULL, i < 3 ? work : sync_all, &shared[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(length_of(*state, "f0"), 64 << 10);
}

static void pins_are_seen_by_others_and_go_with_their_handle(void **state)
{
    check_pins(*state, "READERS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_reads_back_what_was_written, setup, teardown),
        cmocka_unit_test_setup_teardown(opening_tells_what_is_missing_and_what_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(directories_hold_names_and_go_only_when_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rename_replaces_and_takes_a_directorys_files_along, setup, teardown),
        cmocka_unit_test_setup_teardown(a_link_is_a_second_name_of_the_same_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_removed_file_can_be_used_until_it_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_map_shows_what_calls_write_and_calls_read_what_a_map_wrote, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cut_off_end_comes_back_as_zeros, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lock_is_held_once_until_it_is_closed_or_its_holder_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(the_nth_call_fails_once_or_from_then_on, setup, teardown),
        cmocka_unit_test_setup_teardown(calls_fail_by_their_name_and_path, setup, teardown),
        cmocka_unit_test_setup_teardown(a_short_write_leaves_a_part_and_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_takes_what_fits_and_room_comes_back_with_removed_files, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(damage_is_seen_by_programs_and_outlives_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_replacing_keeps_the_old_file_and_leaves_none_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(pins_are_seen_by_others_and_go_with_their_handle, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_use_it_and_maps_are_written_during_syncs, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
