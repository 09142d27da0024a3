/* The file layer in memory loses power: what was synced is always there, what was not may be, and both happen. */
#include "unit/os_harness.h"
#include "support/os_memory.h"

#define SEEDS 200u

struct world {
    nacre_os *os, *copy;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->os = os_memory_create();
    w->copy = os_memory_create();
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    os_memory_free(w->os);
    os_memory_free(w->copy);
    free(w);
    return 0;
}

/* The world after a loss of power now, as this seed decides; the world itself goes on. */
static nacre_os *restarted(struct world *w, uint64_t seed)
{
    assert_fine(os_memory_copy_tree(w->copy, w->os));
    os_memory_restart(w->copy, seed);
    return w->copy;
}

/* How many of the seeds leave these contents. */
static unsigned outcomes(struct world *w, const char *path, const char *text)
{
    unsigned count = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        count += strcmp(contents(restarted(w, seed), path), text) == 0;
    }
    return count;
}

static void sync_root(const nacre_os *os)
{
    assert_fine(os->sync_directory(os->context, "/"));
}

static void synced_data_under_a_synced_name_always_survive(void **state)
{
    struct world *w = *state;
    make_file(w->os, "f", "precious", true);
    sync_root(w->os);
    assert_int_equal(outcomes(w, "f", "precious"), SEEDS);
}

static void a_synced_file_may_lack_its_name(void **state)
{
    struct world *w = *state;
    make_file(w->os, "f", "precious", true);
    unsigned there = outcomes(w, "f", "precious"), missing = outcomes(w, "f", "<none>");
    assert_int_equal(there + missing, SEEDS);
    assert_true(there > SEEDS / 10 && missing > SEEDS / 10);
}

static void unsynced_data_survive_or_not(void **state)
{
    struct world *w = *state;
    make_file(w->os, "f", "old", true);
    sync_root(w->os);
    make_file(w->os, "f", "new", false);
    unsigned old = outcomes(w, "f", "old"), fresh = outcomes(w, "f", "new");
    assert_int_equal(old + fresh, SEEDS);
    assert_true(old > SEEDS / 10 && fresh > SEEDS / 10);
}

static void sectors_of_one_write_survive_in_any_combination(void **state)
{
    struct world *w = *state;
    char bytes[4 * 512];
    memset(bytes, 'o', sizeof bytes);
    nacre_file *file = open_file(w->os, "f", OPEN_NEW);
    assert_fine(w->os->write(file, 0, bytes, sizeof bytes));
    assert_fine(w->os->sync(file));
    sync_root(w->os);
    memset(bytes, 'n', sizeof bytes);
    assert_fine(w->os->write(file, 0, bytes, sizeof bytes));
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const char *text = contents(restarted(w, seed), "f");
        unsigned mask = 0;
        for (unsigned i = 0; i < 4; i++) {
            mask |= (text[i * 512] == 'n') << i;
            for (unsigned j = 0; j < 512; j++) {
                assert_int_equal(text[i * 512 + j], text[i * 512]); /* a sector is not torn */
            }
        }
        seen |= 1u << mask;
    }
    assert_int_equal(seen, 0xffff);
    assert_fine(w->os->close(file));
}

static void the_length_and_the_bytes_survive_apart(void **state)
{
    struct world *w = *state;
    nacre_file *file = open_file(w->os, "f", OPEN_NEW);
    assert_fine(w->os->sync(file));
    sync_root(w->os);
    assert_fine(w->os->write(file, 0, "ab", 2));
    assert_fine(w->os->write(file, 2, "cd", 2));
    unsigned empty = 0, half = 0, zeros = 0, whole = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        nacre_os *os = restarted(w, seed);
        uint64_t size = length_of(os, "f");
        const char *text = contents(os, "f");
        empty += size == 0;
        half += size == 2;
        zeros += size == 4 && memcmp(text, "\0\0\0\0", 4) == 0;
        whole += size == 4 && memcmp(text, "abcd", 4) == 0;
    }
    assert_true(empty && half && zeros && whole);
    assert_true(empty + half + zeros + whole == SEEDS);
    assert_fine(w->os->close(file));
}

static void space_that_was_allocated_may_be_gone_and_reads_as_zeros(void **state)
{
    struct world *w = *state;
    nacre_file *file = open_file(w->os, "f", OPEN_NEW);
    assert_fine(w->os->sync(file));
    sync_root(w->os);
    assert_fine(w->os->allocate(file, 5));
    unsigned there = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        nacre_os *os = restarted(w, seed);
        uint64_t size = length_of(os, "f");
        assert_true(size == 0 || size == 5);
        assert_memory_equal(contents(os, "f"), "\0\0\0\0\0", size);
        there += size == 5;
    }
    assert_true(there > 0 && there < SEEDS);
    assert_fine(w->os->close(file));
}

static void a_truncation_that_survives_brings_no_old_bytes_back(void **state)
{
    struct world *w = *state;
    make_file(w->os, "f", "old old old", true);
    sync_root(w->os);
    nacre_file *file = open_file(w->os, "f", OPEN_NEW);
    assert_fine(w->os->truncate(file, 0));
    assert_fine(w->os->truncate(file, 5));
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        nacre_os *os = restarted(w, seed);
        if (length_of(os, "f") == 5) {
            assert_memory_equal(contents(os, "f"), "\0\0\0\0\0", 5);
        }
    }
    assert_fine(w->os->sync(file));
    assert_fine(w->os->truncate(file, 11));
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        assert_memory_equal(contents(restarted(w, seed), "f"), "\0\0\0\0\0\0\0\0\0\0", 5);
    }
    assert_fine(w->os->close(file));
}

static void a_truncation_that_was_synced_is_for_good(void **state)
{
    struct world *w = *state;
    char bytes[2000];
    size_t got = 0;
    memset(bytes, 'o', sizeof bytes);
    nacre_file *file = open_file(w->os, "f", OPEN_NEW);
    assert_fine(w->os->write(file, 0, bytes, sizeof bytes));
    assert_fine(w->os->sync(file));
    sync_root(w->os);
    assert_fine(w->os->truncate(file, 5));
    assert_fine(w->os->sync(file));
    assert_fine(w->os->truncate(file, sizeof bytes));
    assert_fine(w->os->sync(file));
    assert_fine(w->os->write(file, 600, "n", 1));
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        nacre_os *os = restarted(w, seed);
        nacre_file *found = open_file(os, "f", NACRE_FILE_READ);
        assert_fine(os->read(found, 0, bytes, sizeof bytes, &got));
        assert_int_equal(got, sizeof bytes);
        assert_true(bytes[600] == 'n' || bytes[600] == 0);
        bytes[600] = 0;
        for (size_t i = 5; i < sizeof bytes; i++) {
            assert_int_equal(bytes[i], 0);
        }
        assert_fine(os->close(found));
    }
    assert_fine(w->os->close(file));
}

static void stores_to_a_map_survive_by_sector_and_always_once_synced(void **state)
{
    struct world *w = *state;
    void *map = NULL;
    nacre_file *file = open_file(w->os, "f", OPEN_NEW);
    assert_fine(w->os->allocate(file, 1 << 20));
    assert_fine(w->os->map(file, 1 << 20, true, &map));
    memcpy((char *)map + 300000, "synced", 6);
    assert_fine(w->os->sync(file));
    sync_root(w->os);
    memcpy((char *)map + 5000, "loose", 5);
    memcpy((char *)map + 300600, "loose", 5);
    unsigned both = 0, none = 0, first = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        nacre_os *os = restarted(w, seed);
        nacre_file *found = open_file(os, "f", NACRE_FILE_READ);
        char bytes[6], a[5], b[5];
        size_t got = 0;
        assert_fine(os->read(found, 300000, bytes, 6, &got));
        assert_memory_equal(bytes, "synced", 6);
        assert_fine(os->read(found, 5000, a, 5, &got));
        assert_fine(os->read(found, 300600, b, 5, &got));
        bool has_a = memcmp(a, "loose", 5) == 0, has_b = memcmp(b, "loose", 5) == 0;
        both += has_a && has_b;
        none += !has_a && !has_b;
        first += has_a && !has_b;
        assert_fine(os->close(found));
    }
    assert_true(both && none && first);
    assert_fine(w->os->unmap(map, 1 << 20));
    assert_fine(w->os->close(file));
}

static void a_sync_that_failed_is_not_made_good_by_the_next(void **state)
{
    struct world *w = *state;
    make_file(w->os, "f", "old", true);
    sync_root(w->os);
    nacre_file *file = open_file(w->os, "f", OPEN_NEW);
    assert_fine(w->os->write(file, 0, "new", 3));
    os_memory_fail(w->os, 1, OS_FAULT_IO, false);
    assert_os(w->os->sync(file), NACRE_IO);
    assert_fine(w->os->sync(file)); /* says yes, as Linux does */
    unsigned old = outcomes(w, "f", "old"), fresh = outcomes(w, "f", "new");
    assert_int_equal(old + fresh, SEEDS);
    assert_true(old > SEEDS / 10 && fresh > SEEDS / 10);
    assert_fine(w->os->write(file, 0, "new", 3)); /* dirty again, though the same */
    assert_fine(w->os->sync(file));
    assert_int_equal(outcomes(w, "f", "new"), SEEDS);
    assert_fine(w->os->close(file));
}

static void a_failed_sync_of_a_map_is_not_made_good_by_the_next(void **state)
{
    struct world *w = *state;
    void *map = NULL;
    nacre_file *file = open_file(w->os, "f", OPEN_NEW);
    assert_fine(w->os->write(file, 0, "old", 3));
    assert_fine(w->os->sync(file));
    sync_root(w->os);
    assert_fine(w->os->map(file, 3, true, &map));
    memcpy(map, "new", 3);
    os_memory_fail_matching(w->os, "sync", "f", OS_FAULT_IO, 1);
    assert_os(w->os->sync(file), NACRE_IO);
    assert_fine(w->os->sync(file));
    assert_true(outcomes(w, "f", "old") > 0);
    memcpy(map, "abc", 3);
    assert_fine(w->os->sync(file));
    assert_int_equal(outcomes(w, "f", "abc"), SEEDS);
    assert_fine(w->os->unmap(map, 3));
    assert_fine(w->os->close(file));
}

static void a_length_whose_sync_failed_is_not_made_good_by_the_next(void **state)
{
    struct world *w = *state;
    nacre_file *file = open_file(w->os, "f", OPEN_NEW);
    assert_fine(w->os->sync(file));
    sync_root(w->os);
    assert_fine(w->os->write(file, 0, "text", 4));
    os_memory_fail(w->os, 1, OS_FAULT_IO, false);
    assert_os(w->os->sync(file), NACRE_IO);
    assert_fine(w->os->sync(file));
    unsigned empty = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        empty += length_of(restarted(w, seed), "f") == 0;
    }
    assert_true(empty > 0 && outcomes(w, "f", "text") > 0);
    assert_fine(w->os->close(file));
}

static void a_rename_gives_the_old_file_or_the_new_one_never_none(void **state)
{
    struct world *w = *state;
    make_file(w->os, "f", "old", true);
    sync_root(w->os);
    make_file(w->os, "f.tmp", "new", true);
    assert_fine(w->os->rename(w->os->context, "f.tmp", "f"));
    unsigned old = outcomes(w, "f", "old"), fresh = outcomes(w, "f", "new");
    assert_int_equal(old + fresh, SEEDS);
    assert_true(old > SEEDS / 10 && fresh > SEEDS / 10);
    sync_root(w->os);
    assert_int_equal(outcomes(w, "f", "new"), SEEDS);
    assert_int_equal(outcomes(w, "f.tmp", "<none>"), SEEDS);
}

static void replacing_a_file_is_durable_when_it_returns(void **state)
{
    struct world *w = *state;
    assert_fine(w->os->make_directory(w->os->context, "d"));
    sync_root(w->os);
    assert_fine(os_replace_file(w->os, "d", "f", slice_text("one")));
    assert_int_equal(outcomes(w, "d/f", "one"), SEEDS);
    uint64_t calls = os_memory_calls(w->os);
    assert_fine(os_replace_file(w->os, "d", "f", slice_text("two")));
    calls = os_memory_calls(w->os) - calls;
    assert_int_equal(outcomes(w, "d/f", "two"), SEEDS);
    for (uint64_t cut = 1; cut <= calls; cut++) {
        for (uint64_t seed = 0; seed < 20; seed++) {
            nacre_os *os = restarted(w, seed);
            os_memory_cut_at(os, os_memory_calls(os) + cut);
            assert_os(os_replace_file(os, "d", "f", slice_text("three")), NACRE_IO);
            os_memory_restart(os, seed);
            const char *text = contents(os, "d/f");
            assert_true(strcmp(text, "two") == 0 || strcmp(text, "three") == 0);
        }
    }
}

static void names_removed_linked_and_made_survive_or_not(void **state)
{
    struct world *w = *state;
    make_file(w->os, "removed", "r", true);
    make_file(w->os, "linked", "l", true);
    sync_root(w->os);
    assert_fine(w->os->remove(w->os->context, "removed"));
    assert_fine(w->os->link(w->os->context, "linked", "second"));
    assert_fine(w->os->make_directory(w->os->context, "d"));
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        nacre_os *os = restarted(w, seed);
        seen |= 1u << (has_name(os, "/", "removed") + 2 * has_name(os, "/", "second") + 4 * has_name(os, "/", "d"));
        assert_string_equal(contents(os, "linked"), "l");
    }
    assert_int_equal(seen, 0xff);
    sync_root(w->os);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        nacre_os *os = restarted(w, seed);
        assert_true(!has_name(os, "/", "removed") && has_name(os, "/", "second") && has_name(os, "/", "d"));
    }
}

static void what_lies_in_a_directory_goes_with_its_name(void **state)
{
    struct world *w = *state;
    assert_fine(w->os->make_directory(w->os->context, "d"));
    make_file(w->os, "d/f", "x", true);
    assert_fine(w->os->sync_directory(w->os->context, "d"));
    unsigned there = outcomes(w, "d/f", "x"), missing = outcomes(w, "d/f", "<none>");
    assert_int_equal(there + missing, SEEDS);
    assert_true(there && missing);
    sync_root(w->os);
    assert_int_equal(outcomes(w, "d/f", "x"), SEEDS);
}

static void a_file_moved_between_directories_is_in_one_of_them(void **state)
{
    struct world *w = *state;
    assert_fine(w->os->make_directory(w->os->context, "a"));
    assert_fine(w->os->make_directory(w->os->context, "b"));
    sync_root(w->os);
    make_file(w->os, "a/f", "x", true);
    assert_fine(w->os->rename(w->os->context, "a/f", "b/f"));
    assert_fine(w->os->sync_directory(w->os->context, "b"));
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        nacre_os *os = restarted(w, seed);
        assert_string_equal(contents(os, "a/f"), "<none>");
        assert_string_equal(contents(os, "b/f"), "x");
    }
}

static void without_power_every_call_fails_and_nothing_changes(void **state)
{
    struct world *w = *state;
    nacre_os *os = w->os;
    void *map = NULL;
    uint64_t size = 0;
    nacre_file *other = NULL;
    nacre_file *file = open_file(os, "f", OPEN_NEW);
    assert_fine(os->write(file, 0, "before", 6));
    assert_fine(os->sync(file));
    assert_fine(os->map(file, 6, true, &map));
    sync_root(os);
    os_memory_cut_at(os, os_memory_calls(os) + 2);
    os_memory_tick(os);
    memcpy(map, "BEFORE", 6);
    os_memory_tick(os); /* out it goes */
    memcpy(map, "AFTER!", 6);
    assert_os(os->write(file, 0, "after", 5), NACRE_IO);
    assert_os(os->sync(file), NACRE_IO);
    assert_os(os->size(file, &size), NACRE_IO);
    assert_os(os->open(os->context, "f", NACRE_FILE_READ, &other), NACRE_IO);
    assert_os(os->open(os->context, "g", OPEN_NEW, &other), NACRE_IO);
    assert_os(os->remove(os->context, "f"), NACRE_IO);
    assert_os(os->sync_directory(os->context, "/"), NACRE_IO);
    assert_os(os->list(os->context, "/", append_name, (char[1024]){ "" }), NACRE_IO);
    bool present = true;
    assert_os(os_look(os, "g", &present), NACRE_IO);
    assert_true(present); /* not touched */
    assert_false(os_exists(os, "f"));
    unsigned old = outcomes(w, "f", "before"), fresh = outcomes(w, "f", "BEFORE");
    assert_int_equal(old + fresh, SEEDS);
    assert_true(old && fresh);
    os_memory_restart(os, 7);
    assert_os(os->size(file, &size), NACRE_IO); /* a handle of before */
    assert_memory_equal(map, "AFTER!", 6);
    memcpy(map, "ghost!", 6);
    assert_string_not_equal(contents(os, "f"), "ghost!");
    assert_fine(os->unmap(map, 6));
    assert_fine(os->close(file));
}

static void a_killed_process_loses_nothing_but_power_may_still(void **state)
{
    struct world *w = *state;
    void *map = NULL;
    make_file(w->os, "f", "old", true);
    sync_root(w->os);
    nacre_file *file = open_file(w->os, "f", OPEN_NEW);
    assert_fine(w->os->map(file, 3, true, &map));
    memcpy(map, "new", 3);
    make_file(w->os, "g", "unsynced", false);
    os_memory_kill(w->os);
    memcpy(map, "bad", 3); /* what is left of the dead writes no file */
    assert_string_equal(contents(w->os, "f"), "new");
    assert_string_equal(contents(w->os, "g"), "unsynced");
    assert_os(w->os->write(file, 0, "bad", 3), NACRE_IO);
    assert_true(outcomes(w, "f", "old") && outcomes(w, "f", "new"));
    assert_true(outcomes(w, "g", "<none>") && outcomes(w, "g", "unsynced"));
    nacre_file *again = open_file(w->os, "f", NACRE_FILE_WRITE);
    assert_fine(w->os->sync(again));
    assert_int_equal(outcomes(w, "f", "new"), SEEDS);
    assert_fine(w->os->unmap(map, 3));
    assert_fine(w->os->close(file));
    assert_fine(w->os->close(again));
}

static void after_a_restart_what_is_there_stays_there(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < 20; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "f%u", i);
        make_file(w->os, path, "some text", i % 2);
    }
    for (uint64_t seed = 0; seed < 30; seed++) {
        nacre_os *os = restarted(w, seed);
        char before[20][16];
        for (unsigned i = 0; i < 20; i++) {
            char path[16];
            (void)snprintf(path, sizeof path, "f%u", i);
            (void)snprintf(before[i], sizeof before[i], "%.15s", contents(os, path));
        }
        os_memory_restart(os, seed + 1);
        for (unsigned i = 0; i < 20; i++) {
            char path[16];
            (void)snprintf(path, sizeof path, "f%u", i);
            assert_string_equal(contents(os, path), before[i]);
        }
    }
}

/* Two copies of one world and one seed come out the same. */
static void the_seed_alone_decides(void **state)
{
    struct world *w = *state;
    nacre_os *third = os_memory_create();
    for (unsigned i = 0; i < 30; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "f%u", i);
        make_file(w->os, path, "some text", i % 2);
    }
    for (uint64_t seed = 0; seed < 20; seed++) {
        nacre_os *os = restarted(w, seed);
        assert_fine(os_memory_copy_tree(third, w->os));
        os_memory_restart(third, seed);
        for (unsigned i = 0; i < 30; i++) {
            char path[16], text[16];
            (void)snprintf(path, sizeof path, "f%u", i);
            (void)snprintf(text, sizeof text, "%.15s", contents(os, path));
            assert_string_equal(contents(third, path), text);
        }
    }
    os_memory_free(third);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(synced_data_under_a_synced_name_always_survive, setup, teardown),
        cmocka_unit_test_setup_teardown(a_synced_file_may_lack_its_name, setup, teardown),
        cmocka_unit_test_setup_teardown(unsynced_data_survive_or_not, setup, teardown),
        cmocka_unit_test_setup_teardown(sectors_of_one_write_survive_in_any_combination, setup, teardown),
        cmocka_unit_test_setup_teardown(the_length_and_the_bytes_survive_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(space_that_was_allocated_may_be_gone_and_reads_as_zeros, setup, teardown),
        cmocka_unit_test_setup_teardown(a_truncation_that_survives_brings_no_old_bytes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_truncation_that_was_synced_is_for_good, setup, teardown),
        cmocka_unit_test_setup_teardown(stores_to_a_map_survive_by_sector_and_always_once_synced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sync_that_failed_is_not_made_good_by_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_sync_of_a_map_is_not_made_good_by_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(a_length_whose_sync_failed_is_not_made_good_by_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rename_gives_the_old_file_or_the_new_one_never_none, setup, teardown),
        cmocka_unit_test_setup_teardown(replacing_a_file_is_durable_when_it_returns, setup, teardown),
        cmocka_unit_test_setup_teardown(names_removed_linked_and_made_survive_or_not, setup, teardown),
        cmocka_unit_test_setup_teardown(what_lies_in_a_directory_goes_with_its_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_moved_between_directories_is_in_one_of_them, setup, teardown),
        cmocka_unit_test_setup_teardown(without_power_every_call_fails_and_nothing_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_killed_process_loses_nothing_but_power_may_still, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_restart_what_is_there_stays_there, setup, teardown),
        cmocka_unit_test_setup_teardown(the_seed_alone_decides, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
