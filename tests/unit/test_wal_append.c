/* Appending, rotating, recycling and pruning, and reading back what was written. */
#include "wal_fixture.h"

#define FILE_BYTES 65536u

static void what_is_appended_is_replayed_in_order(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 50);
    wal_close(w);
    os_memory_kill(os);
    assert_int_equal(expect_log(os, 50).torn_bytes, 0);
    os_memory_free(os);
}

static void a_log_without_maps_holds_the_same(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal_options options = log_options(os, FILE_BYTES);
    options.map = false;
    struct wal *w = NULL;
    assert_int_equal(wal_open(&options, FIRST_LOG_FILE, &w), NACRE_OK);
    append_range(w, 1, 2000);
    wal_position end = wal_end(w);
    assert_int_equal(wal_sync(w, end), NACRE_OK);
    wal_close(w);
    os_memory_restart(os, 4);
    assert_int_equal(expect_log(os, 2000).torn_bytes, 0);
    os_memory_free(os);
}

static void records_fill_one_file_after_the_other(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 3000);
    struct wal_stats stats;
    wal_get_stats(w, &stats);
    assert_true(stats.rotations > 5);
    assert_int_equal(stats.appends, 3000);
    assert_int_equal(WAL_FILE(wal_end(w)), FIRST_LOG_FILE + stats.rotations);
    assert_int_equal(wal_oldest_file(w), FIRST_LOG_FILE);
    assert_true(wal_bytes(w) >= stats.bytes);
    wal_close(w);
    assert_int_equal(expect_log(os, 3000).torn_bytes, 0);
    os_memory_free(os);
}

static void each_opening_goes_on_in_a_new_file(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    uint32_t first = FIRST_LOG_FILE;
    for (uint64_t opening = 0; opening < 10; opening++) {
        struct wal *w = open_log(os, first, FILE_BYTES);
        append_range(w, opening * 40 + 1, opening * 40 + 40);
        wal_close(w);
        os_memory_kill(os);
        first = expect_log(os, opening * 40 + 40).last_file + 1;
        first += opening % 3 == 0 ? 5 : 0; /* numbers may have gaps */
    }
    os_memory_free(os);
}

static void an_opening_does_not_reuse_a_number(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, 4, FILE_BYTES);
    append_range(w, 1, 3);
    wal_close(w);
    struct wal_options options = log_options(os, FILE_BYTES);
    assert_int_equal(wal_open(&options, 4, &w), NACRE_INVALID);
    assert_null(w);
    os_memory_free(os);
}

static void a_record_larger_than_a_file_gets_a_file_of_its_size(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, 4096);
    wal_position begin, end;
    assert_int_equal(append_sized(w, 1, 10, &begin, &end), NACRE_OK);
    assert_int_equal(append_sized(w, 2, 60000, &begin, &end), NACRE_OK);
    assert_int_equal(append_sized(w, 3, 10, &begin, &end), NACRE_OK);
    wal_close(w);
    expect_log(os, 3);
    os_memory_free(os);
}

static void a_full_file_without_a_spare_is_busy(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, 4096);
    uint8_t bytes[1000] = { 0 };
    nacre_slice payload = slice_of(bytes, sizeof bytes);
    wal_position begin, end;
    int status = NACRE_OK;
    for (int i = 0; i < 7 && status == NACRE_OK; i++) {
        status = wal_append(w, 1, payload, wal_payload_hash(payload), &begin, &end);
    }
    assert_int_equal(status, NACRE_BUSY);
    assert_true(wal_wants_prepare(w));
    assert_int_equal(wal_prepare(w, 0), NACRE_OK);
    assert_false(wal_wants_prepare(w));
    assert_int_equal(wal_append(w, 1, payload, wal_payload_hash(payload), &begin, &end), NACRE_OK);
    wal_close(w);
    os_memory_free(os);
}

static uint64_t file_size(const nacre_os *os, uint32_t number)
{
    char path[64];
    nacre_file *file;
    uint64_t size = 0;
    snprintf(path, sizeof path, LOG_DIRECTORY "/" WAL_FILE_NAME, number);
    assert_int_equal(os->open(os->context, path, NACRE_FILE_READ, &file), NACRE_OK);
    assert_int_equal(os->size(file, &size), NACRE_OK);
    assert_int_equal(os->close(file), NACRE_OK);
    return size;
}

static void files_grow_while_an_appender_waits_for_them_and_shrink_again(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal_options options = log_options(os, 4096);
    struct wal *w = NULL;
    wal_position begin, end;
    uint64_t n = 0;
    options.file_bytes_most = 20000;
    assert_int_equal(wal_open(&options, FIRST_LOG_FILE, &w), NACRE_OK);
    while (WAL_FILE(wal_end(w)) < 6) {
        assert_int_equal(append_sized(w, ++n, 1000, &begin, &end), NACRE_OK);
    }
    static const uint64_t sizes[] = { 0, 4096, 4096, 8192, 16384, 16384 };
    for (uint32_t number = 1; number < 6; number++) {
        assert_int_equal(file_size(os, number), sizes[number]);
    }
    while (WAL_FILE(wal_end(w)) < 60) { /* from here on each is ready before it is needed */
        assert_int_equal(wal_prepare(w, 0), NACRE_OK);
        assert_int_equal(append_sized(w, ++n, 1000, &begin, &end), NACRE_OK);
    }
    assert_int_equal(file_size(os, 15), 16384);
    assert_int_equal(file_size(os, 30), 8192);
    assert_int_equal(file_size(os, 59), 4096);
    wal_close(w);
    expect_log(os, n);
    os_memory_free(os);
}

static void a_rotated_file_is_followed_by_the_spare(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 5);
    assert_int_equal(wal_rotate(w), NACRE_OK);
    assert_int_equal(WAL_FILE(wal_end(w)), 2);
    assert_int_equal(wal_rotate(w), NACRE_BUSY);
    append_range(w, 6, 9);
    wal_close(w);
    expect_log(os, 9);
    os_memory_free(os);
}

static void pruned_files_are_used_again_and_their_old_records_never_pass(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    uint64_t n = 1, first_kept = 1;
    wal_position from = 0;
    for (int round = 0; round < 40; round++) {
        append_range(w, n, n + 200);
        n += 201;
        if (round % 3 == 2) {
            rotate(w);
            from = wal_end(w);
            first_kept = n;
            assert_int_equal(wal_prune(w, from), NACRE_OK);
            assert_int_equal(wal_oldest_file(w), WAL_FILE(from));
            assert_int_equal(wal_prepare(w, 0), NACRE_OK);
        }
    }
    struct wal_stats stats;
    wal_get_stats(w, &stats);
    assert_true(stats.recycled > 5);
    os_memory_kill(os); /* before the tail is trimmed: old bytes stand behind the newest record */
    wal_close(w);
    struct reading reading = { 0 };
    struct wal_replay_report report;
    assert_int_equal(replay_log(os, (struct wal_replay_options){ .from = from, .truncate = true }, &reading, &report),
                     NACRE_OK);
    assert_int_equal(reading.first, first_kept);
    assert_int_equal(reading.last, n - 1);
    assert_int_equal(report.torn_bytes, 0);
    os_memory_free(os);
}

static void visit_name(void *context, const char *name)
{
    *(size_t *)context += strlen(name) == 12;
}

static void pruning_leaves_two_spares_at_most(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 6000);
    size_t files = 0;
    assert_int_equal(wal_prune(w, wal_end(w)), NACRE_OK);
    assert_int_equal(os->list(os->context, LOG_DIRECTORY, visit_name, &files), NACRE_OK);
    assert_in_range(files, 1, 4); /* current, perhaps a spare, two to be recycled */
    assert_int_equal(wal_bytes(w), WAL_OFFSET(wal_end(w)));
    wal_close(w);
    files = 0;
    assert_int_equal(os->list(os->context, LOG_DIRECTORY, visit_name, &files), NACRE_OK);
    assert_int_equal(files, 1);
    os_memory_free(os);
}

static void pruning_takes_away_files_of_earlier_openings(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 1000);
    wal_close(w);
    struct wal_replay_report report = expect_log(os, 1000);
    w = open_log(os, report.last_file + 1, FILE_BYTES);
    assert_int_equal(wal_oldest_file(w), FIRST_LOG_FILE);
    append_range(w, 1001, 1010);
    wal_position from = WAL_POSITION(WAL_FILE(wal_end(w)), 0);
    assert_int_equal(wal_prune(w, from), NACRE_OK);
    assert_int_equal(wal_oldest_file(w), report.last_file + 1);
    assert_false(os_exists(os, LOG_DIRECTORY "/00000001.log"));
    wal_close(w);
    struct reading reading = { 0 };
    assert_int_equal(replay_log(os, (struct wal_replay_options){ .from = from }, &reading, &report), NACRE_OK);
    assert_int_equal(reading.first, 1001);
    assert_int_equal(reading.last, 1010);
    os_memory_free(os);
}

static void a_pruned_file_that_comes_back_does_no_harm(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 30; seed++) {
        nacre_os *os = new_disk();
        struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
        append_range(w, 1, 900);
        rotate(w);
        wal_position from = wal_end(w), end = append(w, 901);
        assert_int_equal(wal_sync(w, end), NACRE_OK);
        assert_int_equal(wal_prune(w, from), NACRE_OK);
        os_memory_restart(os, seed); /* removals and renames are durable or not */
        wal_close(w);
        struct reading reading = { 0 };
        struct wal_replay_report report;
        assert_int_equal(
            replay_log(os, (struct wal_replay_options){ .from = from, .truncate = true }, &reading, &report), NACRE_OK);
        assert_int_equal(reading.first, 901);
        assert_int_equal(reading.last, 901);
        os_memory_free(os);
    }
}

/* A log whose current file is a recycled one, full of old records that were never synced. Returns the last record. */
static uint64_t make_recycled(nacre_os *os, struct wal **out, wal_position *from)
{
    struct wal *w = *out = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 900); /* as if it were in segments by now */
    rotate(w);
    assert_int_equal(wal_prune(w, wal_end(w)), NACRE_OK);
    *from = wal_end(w);
    uint64_t n = 901;
    while (WAL_FILE(append(w, n)) == WAL_FILE(*from)) {
        n++;
    }
    append_range(w, n + 1, n + 9);
    struct wal_stats stats;
    wal_get_stats(w, &stats);
    assert_int_equal(stats.recycled, 1);
    return n + 9;
}

static void a_recycled_file_has_a_durable_name_before_its_records_are_called_durable(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 40; seed++) {
        nacre_os *os = new_disk();
        struct wal *w;
        wal_position from;
        uint64_t last = make_recycled(os, &w, &from);
        assert_int_equal(wal_sync(w, wal_end(w)), NACRE_OK);
        os_memory_restart(os, seed);
        wal_close(w);
        struct reading reading = { 0 };
        struct wal_replay_report report;
        assert_int_equal(
            replay_log(os, (struct wal_replay_options){ .from = from, .truncate = true }, &reading, &report), NACRE_OK);
        assert_int_equal(reading.first, 901);
        assert_int_equal(reading.last, last);
        os_memory_free(os);
    }
}

static void old_bytes_of_a_recycled_file_are_not_a_torn_tail(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w;
    wal_position from;
    uint64_t last = make_recycled(os, &w, &from);
    os_memory_kill(os);
    wal_close(w);
    struct reading reading = { 0 };
    struct wal_replay_report report;
    assert_int_equal(replay_log(os, (struct wal_replay_options){ .from = from }, &reading, &report), NACRE_OK);
    assert_int_equal(reading.last, last);
    assert_int_equal(report.torn_bytes, 0);
    os_memory_free(os);
}

static void replay_begins_at_the_position_asked_for(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 700);
    wal_position from = wal_end(w);
    append_range(w, 701, 1500);
    wal_close(w);
    struct reading reading = { 0 };
    struct wal_replay_report report;
    assert_int_equal(replay_log(os, (struct wal_replay_options){ .from = from }, &reading, &report), NACRE_OK);
    assert_int_equal(reading.first, 701);
    assert_int_equal(reading.last, 1500);
    os_memory_free(os);
}

static void replay_of_a_log_that_is_being_written_stops_where_told(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 1000);
    wal_position end = wal_end(w);
    append_range(w, 1001, 1300);
    struct reading reading = { 0 };
    struct wal_replay_report report;
    assert_int_equal(replay_log(os, (struct wal_replay_options){ .end = end }, &reading, &report), NACRE_OK);
    assert_int_equal(reading.last, 1000);
    assert_int_equal(report.torn_bytes, 0);
    wal_close(w);
    os_memory_free(os);
}

static void an_empty_directory_is_an_empty_log(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    assert_int_equal(expect_log(os, 0).last_file, 0);
    os_memory_free(os);
}

static int stop_at_third(void *context, wal_position begin, wal_position end, uint64_t sequence, nacre_slice payload)
{
    (void)begin, (void)end, (void)payload;
    ++*(int *)context;
    return sequence == 3 ? NACRE_CANCELLED : NACRE_OK;
}

static void a_visitors_error_ends_the_replay(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 9);
    wal_close(w);
    struct wal_replay_options options = { .os = os, .directory = LOG_DIRECTORY, .truncate = true };
    struct wal_replay_report report;
    int visited = 0;
    assert_int_equal(wal_replay(&options, stop_at_third, &visited, &report), NACRE_CANCELLED);
    assert_int_equal(visited, 3);
    expect_log(os, 9);
    os_memory_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_is_replayed_in_order),
        cmocka_unit_test(a_log_without_maps_holds_the_same),
        cmocka_unit_test(records_fill_one_file_after_the_other),
        cmocka_unit_test(each_opening_goes_on_in_a_new_file),
        cmocka_unit_test(an_opening_does_not_reuse_a_number),
        cmocka_unit_test(a_record_larger_than_a_file_gets_a_file_of_its_size),
        cmocka_unit_test(a_full_file_without_a_spare_is_busy),
        cmocka_unit_test(files_grow_while_an_appender_waits_for_them_and_shrink_again),
        cmocka_unit_test(a_rotated_file_is_followed_by_the_spare),
        cmocka_unit_test(pruned_files_are_used_again_and_their_old_records_never_pass),
        cmocka_unit_test(pruning_leaves_two_spares_at_most),
        cmocka_unit_test(pruning_takes_away_files_of_earlier_openings),
        cmocka_unit_test(a_pruned_file_that_comes_back_does_no_harm),
        cmocka_unit_test(a_recycled_file_has_a_durable_name_before_its_records_are_called_durable),
        cmocka_unit_test(old_bytes_of_a_recycled_file_are_not_a_torn_tail),
        cmocka_unit_test(replay_begins_at_the_position_asked_for),
        cmocka_unit_test(replay_of_a_log_that_is_being_written_stops_where_told),
        cmocka_unit_test(an_empty_directory_is_an_empty_log),
        cmocka_unit_test(a_visitors_error_ends_the_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
