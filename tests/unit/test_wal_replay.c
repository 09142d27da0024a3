/* Torn tails are cut, damage is named: what replay makes of logs that are not whole. */
#include "log/wal_format.h"
#include "wal_fixture.h"

#define FILE_BYTES 8192u

static struct reading reading;
static struct wal_replay_report report;

static int replay(const nacre_os *os, struct wal_replay_options options)
{
    reading.gaps_allowed = options.salvage;
    return replay_log(os, options, &reading, &report);
}

static size_t read_log_file(nacre_os *os, uint32_t number, uint8_t *bytes, size_t size)
{
    char path[64];
    nacre_file *file;
    size_t got;
    assert_int_equal(os->open(os->context, log_path(number, path), NACRE_FILE_READ, &file), NACRE_OK);
    assert_int_equal(os->read(file, 0, bytes, size, &got), NACRE_OK);
    assert_int_equal(os->close(file), NACRE_OK);
    return got;
}

static void write_log_file(nacre_os *os, uint32_t number, uint64_t offset, const void *bytes, size_t size)
{
    char path[64];
    nacre_file *file;
    assert_int_equal(os->open(os->context, log_path(number, path), NACRE_FILE_READ | NACRE_FILE_WRITE, &file),
                     NACRE_OK);
    assert_int_equal(os->write(file, offset, bytes, size), NACRE_OK);
    assert_int_equal(os->sync(file), NACRE_OK);
    assert_int_equal(os->close(file), NACRE_OK);
}

static void wipe(nacre_os *os, uint32_t number, uint64_t from, uint64_t to)
{
    uint8_t *zeros = calloc(1, to - from);
    write_log_file(os, number, from, zeros, to - from);
    free(zeros);
}

/* Records of `size` bytes each, the last `unsynced` of them not synced; then the process dies. Returns the end; ends[n] is that of record n. */
static wal_position make_log(nacre_os *os, uint64_t count, uint64_t unsynced, size_t size, wal_position *ends)
{
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    wal_position begin, end = 0;
    for (uint64_t n = 1; n <= count; n++) {
        assert_int_equal(append_sized(w, n, size, &begin, &end), NACRE_OK);
        if (ends) {
            ends[n] = end;
        }
        if (n + unsynced <= count) {
            assert_int_equal(wal_sync(w, end), NACRE_OK);
        }
    }
    os_memory_kill(os);
    wal_close(w);
    return end;
}

static void a_tail_torn_at_any_byte_is_cut_and_what_was_before_it_stays(void **state)
{
    (void)state;
    static uint8_t whole[FILE_BYTES];
    wal_position ends[40] = { WAL_POSITION(1, WAL_HEADER_BYTES) };
    nacre_os *made = new_disk();
    wal_position last = make_log(made, 20, 20, 60, ends);
    read_log_file(made, 1, whole, sizeof whole);
    for (uint32_t cut = WAL_HEADER_BYTES; cut <= WAL_OFFSET(last); cut++) {
        nacre_os *os = os_memory_create();
        os_memory_copy_tree(os, made);
        wipe(os, 1, cut, FILE_BYTES);
        uint64_t expected = 0; /* records that lost nothing but zeros */
        while (expected < 20 && (WAL_OFFSET(ends[expected + 1]) <= cut ||
                                 memcmp(whole + cut, (uint8_t[200]){ 0 }, WAL_OFFSET(ends[expected + 1]) - cut) == 0)) {
            expected++;
        }
        assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true }), NACRE_OK);
        assert_int_equal(reading.last, expected);
        if (WAL_OFFSET(ends[expected]) + 8 < cut) {
            assert_true(report.torn_bytes > 0);
            assert_int_equal(report.torn_at, ends[expected]);
        }
        uint64_t torn = report.torn_bytes;
        assert_int_equal(expect_log(os, expected).torn_bytes, 0);
        struct wal *w = open_log(os, 2, FILE_BYTES);
        append_range(w, expected + 1, expected + 3);
        wal_close(w);
        assert_int_equal(expect_log(os, expected + 3).torn_bytes, 0);
        assert_true(torn <= WAL_OFFSET(last));
        os_memory_free(os);
    }
    os_memory_free(made);
}

static void good_records_behind_a_hole_that_never_was_durable_are_thrown_away(void **state)
{
    (void)state;
    wal_position ends[200];
    nacre_os *os = new_disk();
    make_log(os, 199, 190, 100, ends); /* several files */
    wipe(os, 1, WAL_OFFSET(ends[20]), WAL_OFFSET(ends[21]));
    assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true }), NACRE_OK);
    assert_int_equal(reading.last, 20);
    assert_true(report.torn_records > 100);
    assert_int_equal(report.torn_at, ends[20]);
    uint32_t next = report.last_file + 1;
    struct wal *w = open_log(os, next, FILE_BYTES);
    append_range(w, 21, 30);
    assert_int_equal(wal_sync(w, wal_end(w)), NACRE_OK);
    wal_close(w);
    assert_int_equal(expect_log(os, 30).torn_bytes, 0);
    os_memory_free(os);
}

static void what_was_cut_off_takes_no_space(void **state)
{
    (void)state;
    static uint8_t bytes[FILE_BYTES];
    wal_position ends[100];
    nacre_os *os = new_disk();
    make_log(os, 50, 50, 100, ends);
    wipe(os, 1, WAL_OFFSET(ends[20]), WAL_OFFSET(ends[21]));
    expect_log(os, 20);
    assert_int_equal(read_log_file(os, 1, bytes, sizeof bytes), WAL_OFFSET(ends[20]) + WAL_RECORD_HEADER_BYTES);
    os_memory_free(os);
}

static void a_hole_in_what_was_durable_is_damage_with_file_offset_expected_and_found(void **state)
{
    (void)state;
    wal_position ends[200];
    nacre_os *os = new_disk();
    make_log(os, 199, 10, 100, ends);
    char place[64];
    assert_int_equal(os_memory_flip(os, "log/00000002.log", WAL_OFFSET(ends[100]) + 40, 4), NACRE_OK);
    assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true }), NACRE_CORRUPT);
    assert_int_equal(reading.last, 100);
    assert_non_null(strstr(fail_detail(), "00000002.log"));
    (void)snprintf(place, sizeof place, "offset %u", WAL_OFFSET(ends[100]));
    assert_non_null(strstr(fail_detail(), place));
    assert_non_null(strstr(fail_detail(), "expected"));
    assert_non_null(strstr(fail_detail(), "found"));
    assert_non_null(strstr(report.damage, "00000002.log"));
    /* nothing was cut: with the byte back in place, all is there */
    assert_int_equal(os_memory_flip(os, "log/00000002.log", WAL_OFFSET(ends[100]) + 40, 4), NACRE_OK);
    expect_log(os, 199);
    os_memory_free(os);
}

static void flip_all(nacre_os *os, uint32_t files, wal_position end, bool clean)
{
    for (uint32_t number = 1; number <= files; number++) {
        char path[64];
        log_path(number, path);
        for (uint32_t offset = 0; offset < FILE_BYTES; offset++) {
            assert_int_equal(os_memory_flip(os, path, offset, offset % 2 ? 0x80 : 0x01), NACRE_OK);
            int status = replay(os, (struct wal_replay_options){ .clean_end = clean ? end : 0 });
            if (status == NACRE_OK) {
                /* no effect, or the one record that nothing later vouches for */
                assert_true(reading.last == 100 || (!clean && reading.last == 99 && report.torn_bytes > 0));
            } else {
                assert_int_equal(status, NACRE_CORRUPT);
                assert_int_equal(report.damaged_regions, 1);
            }
            assert_int_equal(os_memory_flip(os, path, offset, offset % 2 ? 0x80 : 0x01), NACRE_OK);
        }
    }
}

static void every_flipped_byte_of_a_synced_log_is_found_or_has_no_effect(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    wal_position end = make_log(os, 100, 0, 100, NULL);
    assert_int_equal(WAL_FILE(end), 2);
    flip_all(os, 2, end, false);
    flip_all(os, 2, end, true);
    expect_log(os, 100);
    os_memory_free(os);
}

static void a_missing_file_in_the_middle_is_damage(void **state)
{
    (void)state;
    for (uint32_t number = 1; number <= 3; number++) {
        nacre_os *os = new_disk();
        char path[64];
        uint32_t last = WAL_FILE(make_log(os, 220, number == 2 ? 220 : 0, 100, NULL));
        assert_true(last > 3);
        assert_int_equal(os->remove(os->context, log_path(number, path)), NACRE_OK);
        assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true }), NACRE_CORRUPT);
        assert_non_null(strstr(fail_detail(), strrchr(path, '/') + 1));
        os_memory_free(os);
    }
}

static void a_missing_newest_file_is_damage_when_it_was_durable(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    char path[64];
    wal_position end = make_log(os, 100, 0, 100, NULL);
    assert_int_equal(os->remove(os->context, log_path(WAL_FILE(end), path)), NACRE_OK);
    (void)os->remove(os->context, log_path(WAL_FILE(end) + 1, path)); /* a spare, if there is one */
    assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true }), NACRE_CORRUPT);
    os_memory_free(os);
}

static void a_log_that_is_gone_is_damage_when_it_had_a_clean_end(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal_replay_options options = { .from = WAL_POSITION(3, 64), .clean_end = WAL_POSITION(3, 640) };
    assert_int_equal(replay(os, options), NACRE_CORRUPT);
    options.clean_end = WAL_POSITION(3, 64); /* nothing was in it */
    assert_int_equal(replay(os, options), NACRE_OK);
    os_memory_free(os);
}

static void a_bad_header_of_a_file_with_durable_records_is_damage(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    make_log(os, 100, 0, 100, NULL);
    for (uint32_t number = 1; number <= 2; number++) {
        char path[64];
        assert_int_equal(os_memory_flip(os, log_path(number, path), 20, 1), NACRE_OK);
        assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true }), NACRE_CORRUPT);
        assert_non_null(strstr(fail_detail(), strrchr(path, '/') + 1));
        assert_int_equal(os_memory_flip(os, path, 20, 1), NACRE_OK);
    }
    os_memory_free(os);
}

static void what_is_missing_before_a_clean_end_is_damage(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    wal_position ends[100], end = make_log(os, 50, 50, 100, ends);
    wipe(os, 1, WAL_OFFSET(ends[49]), FILE_BYTES);
    assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true, .clean_end = end }), NACRE_CORRUPT);
    assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true, .clean_end = ends[49] }), NACRE_OK);
    assert_int_equal(reading.last, 49);
    os_memory_free(os);
}

static void a_file_cut_short_is_damage_where_it_was_durable_and_a_tail_where_not(void **state)
{
    (void)state;
    for (int durable = 0; durable < 2; durable++) {
        nacre_os *os = new_disk();
        wal_position ends[100];
        make_log(os, 50, durable ? 0 : 50, 100, ends);
        assert_int_equal(os_memory_resize(os, "log/00000001.log", WAL_OFFSET(ends[20]) + 50), NACRE_OK);
        if (durable) { /* a later file's records say what is missing */
            struct wal *w = open_log(os, 3, FILE_BYTES);
            append_range(w, 51, 52);
            wal_close(w);
        }
        assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true }),
                         durable ? NACRE_CORRUPT : NACRE_OK);
        assert_int_equal(reading.last, 20);
        os_memory_free(os);
    }
}

/* A salvaged log replays without salvage, also after a power cut, and can be written on. */
static void expect_salvaged(nacre_os *os, uint64_t count, uint64_t last)
{
    os_memory_restart(os, 9);
    for (int i = 0; i < 2; i++) {
        reading.gaps_allowed = true;
        if (replay_log(os, (struct wal_replay_options){ .truncate = true }, &reading, &report) != NACRE_OK) {
            fail_msg("%s", fail_detail());
        }
        assert_int_equal(reading.count, count + (uint64_t)i);
        assert_int_equal(reading.last, last + (uint64_t)i);
        assert_int_equal(report.damaged_regions, 0);
        if (i == 0) {
            struct wal *w = open_log(os, report.last_file + 1, FILE_BYTES);
            append(w, last + 1);
            wal_close(w);
        }
    }
}

static void salvage_keeps_the_file_and_hands_out_what_is_good_around_the_damage(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    wal_position ends[200];
    static uint8_t before[FILE_BYTES], copy[FILE_BYTES];
    make_log(os, 199, 0, 100, ends);
    assert_int_equal(os_memory_flip(os, "log/00000001.log", WAL_OFFSET(ends[10]) + 40, 4), NACRE_OK);
    assert_int_equal(os_memory_flip(os, "log/00000002.log", WAL_OFFSET(ends[99]) + 4, 4), NACRE_OK);
    assert_int_equal(os_memory_flip(os, "log/00000003.log", 4, 4), NACRE_OK);
    read_log_file(os, 1, before, FILE_BYTES);
    assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true, .salvage = true }), NACRE_OK);
    assert_int_equal(reading.count, 197);
    assert_int_equal(reading.last, 199);
    assert_int_equal(report.damaged_regions, 3);
    nacre_file *file;
    size_t got;
    assert_int_equal(os->open(os->context, "log/00000001.log.corrupt", NACRE_FILE_READ, &file), NACRE_OK);
    assert_int_equal(os->read(file, 0, copy, FILE_BYTES, &got), NACRE_OK);
    assert_int_equal(os->close(file), NACRE_OK);
    assert_int_equal(got, FILE_BYTES);
    assert_memory_equal(copy, before, FILE_BYTES);
    assert_true(os_exists(os, "log/00000002.log.corrupt"));
    expect_salvaged(os, 197, 199);
    os_memory_free(os);
}

static void salvage_goes_on_behind_a_missing_file(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    make_log(os, 220, 0, 100, NULL);
    assert_int_equal(os->remove(os->context, "log/00000002.log"), NACRE_OK);
    assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true, .salvage = true }), NACRE_OK);
    assert_int_equal(reading.first, 1);
    assert_int_equal(reading.last, 220);
    assert_in_range(reading.count, 100, 219);
    assert_int_equal(report.damaged_regions, 1);
    expect_salvaged(os, reading.count, 220);
    os_memory_free(os);
}

static void salvage_at_the_end_of_the_log_ends_it_there(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    wal_position ends[100], end = make_log(os, 50, 0, 100, ends);
    wipe(os, 1, WAL_OFFSET(ends[40]), WAL_OFFSET(end));
    struct wal_replay_options options = { .truncate = true, .salvage = true, .clean_end = end };
    assert_int_equal(replay(os, options), NACRE_OK);
    assert_int_equal(reading.last, 40);
    assert_int_equal(report.damaged_regions, 1);
    expect_salvaged(os, 40, 40);
    os_memory_free(os);
}

static void salvage_makes_up_for_a_missing_newest_file(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    char path[64];
    wal_position end = make_log(os, 100, 0, 100, NULL);
    assert_int_equal(os->remove(os->context, log_path(WAL_FILE(end), path)), NACRE_OK);
    (void)os->remove(os->context, log_path(WAL_FILE(end) + 1, path));
    assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true, .salvage = true }), NACRE_OK);
    assert_int_equal(report.damaged_regions, 1);
    expect_salvaged(os, reading.count, reading.last);
    os_memory_free(os);
}

static void a_position_inside_of_salvaged_damage_reads_on_behind_it(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    wal_position ends[100];
    make_log(os, 50, 0, 100, ends);
    wipe(os, 1, WAL_OFFSET(ends[20]), WAL_OFFSET(ends[25]));
    assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true, .salvage = true }), NACRE_OK);
    assert_int_equal(replay(os, (struct wal_replay_options){ .from = ends[22], .truncate = true }), NACRE_OK);
    assert_int_equal(reading.first, 26);
    assert_int_equal(reading.last, 50);
    os_memory_free(os);
}

/* The power fails at each call of a salvage; the second attempt gets the same records, and the first copy of the damaged file stays. */
static void a_salvage_that_was_interrupted_can_be_repeated(void **state)
{
    (void)state;
    nacre_os *made = new_disk();
    wal_position ends[200];
    make_log(made, 199, 0, 100, ends);
    os_memory_flip(made, "log/00000001.log", WAL_OFFSET(ends[10]) + 40, 4);
    os_memory_flip(made, "log/00000002.log", 4, 4);
    os_memory_flip(made, "log/00000003.log", WAL_OFFSET(ends[120]) + 4, 4);
    bool interrupted = true;
    for (uint64_t at = 1; interrupted; at++) {
        for (uint64_t seed = 1; seed < 4; seed++) {
            nacre_os *os = os_memory_create();
            os_memory_copy_tree(os, made);
            os_memory_cut_at(os, os_memory_calls(os) + at);
            interrupted = replay(os, (struct wal_replay_options){ .truncate = true, .salvage = true }) != NACRE_OK;
            os_memory_restart(os, seed);
            assert_int_equal(replay(os, (struct wal_replay_options){ .truncate = true, .salvage = true }), NACRE_OK);
            assert_int_equal(reading.count, 197);
            expect_salvaged(os, 197, 199);
            os_memory_free(os);
        }
    }
    os_memory_free(made);
}

static void a_read_only_replay_writes_nothing(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    static uint8_t before[FILE_BYTES], after[FILE_BYTES];
    wal_position ends[100];
    make_log(os, 50, 50, 100, ends);
    wipe(os, 1, WAL_OFFSET(ends[30]), WAL_OFFSET(ends[31]));
    read_log_file(os, 1, before, FILE_BYTES);
    uint64_t bytes = os_memory_bytes(os);
    assert_int_equal(replay(os, (struct wal_replay_options){ 0 }), NACRE_OK);
    assert_int_equal(reading.last, 30);
    assert_true(report.torn_bytes > 0);
    read_log_file(os, 1, after, FILE_BYTES);
    assert_memory_equal(before, after, FILE_BYTES);
    assert_int_equal(os_memory_bytes(os), bytes);
    os_memory_free(os);
}

/* A log with a hole and files behind it, replayed with the power failing at each call: always the same records in the end. */
static void a_power_cut_while_the_tail_is_cut_changes_nothing(void **state)
{
    (void)state;
    wal_position ends[300];
    nacre_os *made = new_disk();
    make_log(made, 250, 240, 100, ends);
    wipe(made, 1, WAL_OFFSET(ends[30]), WAL_OFFSET(ends[31]));
    bool cut_happened = true;
    for (uint64_t at = 1; cut_happened; at++) {
        for (uint64_t seed = 1; seed <= 6; seed++) {
            nacre_os *os = os_memory_create();
            os_memory_copy_tree(os, made);
            os_memory_cut_at(os, os_memory_calls(os) + at);
            int status = replay(os, (struct wal_replay_options){ .truncate = true });
            cut_happened = status != NACRE_OK;
            os_memory_restart(os, seed);
            uint32_t next = expect_log(os, 30).last_file + 1;
            struct wal *w = open_log(os, next, FILE_BYTES);
            append_range(w, 31, 33);
            assert_int_equal(wal_sync(w, wal_end(w)), NACRE_OK);
            os_memory_restart(os, seed + 77);
            wal_close(w);
            expect_log(os, 33);
            os_memory_free(os);
        }
    }
    os_memory_free(made);
}

static void what_replay_handed_out_is_durable_when_it_returns(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 40; seed++) {
        nacre_os *os = new_disk();
        make_log(os, 150, 150, 100, NULL); /* killed, not cut: the pages are there, but not on disk */
        uint32_t next = expect_log(os, 150).last_file + 1;
        os_memory_restart(os, seed);
        expect_log(os, 150);
        struct wal *w = open_log(os, next, FILE_BYTES);
        wal_close(w);
        os_memory_free(os);
    }
}

static void a_dump_shows_one_file_as_far_as_it_can_be_read(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    wal_position ends[100];
    make_log(os, 50, 0, 100, ends);
    struct reading dumped = { .gaps_allowed = true };
    assert_int_equal(wal_dump_file(os, "log/00000001.log", check_record, &dumped, &report), NACRE_OK);
    assert_int_equal(dumped.count, 50);
    assert_int_equal(report.records, 50);
    assert_int_equal(report.damaged_regions, 0);
    os_memory_flip(os, "log/00000001.log", WAL_OFFSET(ends[10]) + 40, 4);
    os_memory_flip(os, "log/00000001.log", 2, 4);
    dumped = (struct reading){ .gaps_allowed = true };
    assert_int_equal(wal_dump_file(os, "log/00000001.log", check_record, &dumped, &report), NACRE_OK);
    assert_int_equal(dumped.count, 49);
    assert_int_equal(report.damaged_regions, 2);
    assert_null(dumped.wrong);
    assert_int_equal(wal_dump_file(os, "log/00000099.log", check_record, &dumped, &report), NACRE_NOT_FOUND);
    os_memory_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tail_torn_at_any_byte_is_cut_and_what_was_before_it_stays),
        cmocka_unit_test(good_records_behind_a_hole_that_never_was_durable_are_thrown_away),
        cmocka_unit_test(what_was_cut_off_takes_no_space),
        cmocka_unit_test(a_hole_in_what_was_durable_is_damage_with_file_offset_expected_and_found),
        cmocka_unit_test(every_flipped_byte_of_a_synced_log_is_found_or_has_no_effect),
        cmocka_unit_test(a_missing_file_in_the_middle_is_damage),
        cmocka_unit_test(a_missing_newest_file_is_damage_when_it_was_durable),
        cmocka_unit_test(a_log_that_is_gone_is_damage_when_it_had_a_clean_end),
        cmocka_unit_test(a_bad_header_of_a_file_with_durable_records_is_damage),
        cmocka_unit_test(what_is_missing_before_a_clean_end_is_damage),
        cmocka_unit_test(a_file_cut_short_is_damage_where_it_was_durable_and_a_tail_where_not),
        cmocka_unit_test(salvage_keeps_the_file_and_hands_out_what_is_good_around_the_damage),
        cmocka_unit_test(salvage_goes_on_behind_a_missing_file),
        cmocka_unit_test(salvage_at_the_end_of_the_log_ends_it_there),
        cmocka_unit_test(salvage_makes_up_for_a_missing_newest_file),
        cmocka_unit_test(a_position_inside_of_salvaged_damage_reads_on_behind_it),
        cmocka_unit_test(a_salvage_that_was_interrupted_can_be_repeated),
        cmocka_unit_test(a_read_only_replay_writes_nothing),
        cmocka_unit_test(a_power_cut_while_the_tail_is_cut_changes_nothing),
        cmocka_unit_test(what_replay_handed_out_is_durable_when_it_returns),
        cmocka_unit_test(a_dump_shows_one_file_as_far_as_it_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
