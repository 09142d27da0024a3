/* What the log does when the disk fails, is full, or memory runs out. */
#include "log/wal_format.h"
#include "wal_fixture.h"
#include <pthread.h>

#define FILE_BYTES 65536u

static void after_a_failed_sync_nothing_unsynced_is_called_durable(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    wal_position synced = append(w, 1);
    assert_int_equal(wal_sync(w, synced), NACRE_OK);
    wal_position unsynced = append(w, 2);
    os_memory_fail_matching(os, "sync", ".log", OS_FAULT_IO, 1);
    assert_int_equal(wal_sync(w, unsynced), NACRE_IO);
    assert_int_equal(wal_sync(w, unsynced), NACRE_IO); /* never tried again */
    assert_int_equal(wal_sync(w, synced), NACRE_OK);
    assert_int_equal(wal_synced(w), synced);
    wal_position begin, end;
    assert_int_equal(append_sized(w, 3, 10, &begin, &end), NACRE_IO);
    assert_int_equal(wal_rotate(w), NACRE_IO);
    wal_close(w);
    os_memory_free(os);
}

static void after_a_failure_the_log_goes_on_in_a_new_file(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 50; seed++) {
        nacre_os *os = new_disk();
        struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
        append_range(w, 1, 50);
        assert_int_equal(wal_sync(w, wal_end(w)), NACRE_OK);
        append_range(w, 51, 60);
        wal_position unsynced = wal_end(w);
        os_memory_fail_matching(os, "sync", ".log", OS_FAULT_IO, 1);
        assert_int_equal(wal_sync(w, unsynced), NACRE_IO);
        assert_int_equal(wal_recover_from_failure(w), NACRE_OK);
        assert_true(WAL_FILE(wal_end(w)) > WAL_FILE(unsynced));
        assert_int_equal(wal_sync(w, unsynced), NACRE_IO); /* still not */
        append_range(w, 61, 500);
        assert_int_equal(wal_sync(w, wal_end(w)), NACRE_OK);
        append_range(w, 501, 510);
        os_memory_restart(os, seed);
        wal_close(w);
        struct reading reading = { .gaps_allowed = true };
        struct wal_replay_report report;
        assert_int_equal(replay_log(os, (struct wal_replay_options){ .truncate = true }, &reading, &report), NACRE_OK);
        assert_in_range(reading.count, 490, 510); /* 51 to 60 may be there or not: who appended them was told */
        assert_in_range(reading.last, 500, 510);
        uint64_t count = reading.count;
        assert_int_equal(replay_log(os, (struct wal_replay_options){ .truncate = true }, &reading, &report), NACRE_OK);
        assert_int_equal(reading.count, count);
        assert_int_equal(report.torn_bytes, 0);
        os_memory_free(os);
    }
}

static void records_before_a_failure_survive_the_process(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 60);
    os_memory_fail_matching(os, "sync", ".log", OS_FAULT_IO, 1);
    assert_int_equal(wal_sync(w, wal_end(w)), NACRE_IO);
    assert_int_equal(wal_recover_from_failure(w), NACRE_OK);
    append_range(w, 61, 70);
    os_memory_kill(os);
    wal_close(w);
    expect_log(os, 70);
    os_memory_free(os);
}

static void a_failure_in_an_older_file_gives_up_all_that_follows_it(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 10);
    assert_int_equal(wal_sync(w, wal_end(w)), NACRE_OK);
    wal_position synced = wal_end(w);
    append_range(w, 11, 1500);
    assert_true(WAL_FILE(wal_end(w)) > 3);
    os_memory_fail_matching(os, "sync", "00000002.log", OS_FAULT_IO, 1);
    assert_int_equal(wal_sync(w, wal_end(w)), NACRE_IO);
    assert_int_equal(wal_synced(w), synced);
    assert_int_equal(wal_recover_from_failure(w), NACRE_OK);
    append_range(w, 1501, 1502);
    assert_int_equal(wal_sync(w, wal_end(w)), NACRE_OK);
    os_memory_restart(os, 8); /* 11 to 1500 in any state */
    wal_close(w);
    struct reading reading = { .gaps_allowed = true };
    struct wal_replay_report report;
    assert_int_equal(replay_log(os, (struct wal_replay_options){ .truncate = true }, &reading, &report), NACRE_OK);
    assert_int_equal(reading.last, 1502);
    assert_true(reading.count >= 12);
    os_memory_free(os);
}

static void without_a_failure_there_is_nothing_to_recover_from(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    wal_position end = append(w, 1);
    assert_int_equal(wal_recover_from_failure(w), NACRE_OK);
    assert_int_equal(wal_end(w), end);
    assert_int_equal(wal_sync(w, end + 8), NACRE_INVALID);
    wal_close(w);
    os_memory_free(os);
}

static void many_failures_are_all_remembered(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    wal_position lost[20];
    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(wal_sync(w, append(w, 2 * i + 1)), NACRE_OK);
        lost[i] = append(w, 2 * i + 2);
        os_memory_fail_matching(os, "sync", ".log", OS_FAULT_IO, 1);
        assert_int_equal(wal_sync(w, lost[i]), NACRE_IO);
        assert_int_equal(wal_recover_from_failure(w), NACRE_OK);
    }
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(wal_sync(w, lost[i]), NACRE_IO);
    }
    wal_close(w);
    os_memory_free(os);
}

static void a_write_that_failed_was_not_appended_even_if_its_bytes_are_there(void **state)
{
    (void)state;
    enum os_fault faults[] = { OS_FAULT_IO, OS_FAULT_NO_SPACE, OS_FAULT_SHORT_WRITE };
    for (size_t i = 0; i < 3; i++) {
        nacre_os *os = new_disk();
        struct wal_options options = log_options(os, FILE_BYTES);
        options.map = false;
        struct wal *w;
        wal_position begin, end;
        assert_int_equal(wal_open(&options, FIRST_LOG_FILE, &w), NACRE_OK);
        append_range(w, 1, 10);
        os_memory_fail_matching(os, "write", ".log", faults[i], 1);
        assert_int_equal(append_sized(w, 11, 100, &begin, &end), faults[i] == OS_FAULT_IO ? NACRE_IO : NACRE_NO_SPACE);
        uint32_t old = WAL_FILE(wal_end(w));
        assert_int_equal(append_sized(w, 11, 50, &begin, &end), NACRE_OK); /* other bytes under the same number */
        assert_true(WAL_FILE(end) > old);
        append_range(w, 12, 20);
        if (i == 1) {
            assert_int_equal(wal_sync(w, wal_end(w)), NACRE_OK);
            os_memory_restart(os, 5);
        }
        wal_close(w);
        expect_log(os, 20);
        expect_log(os, 20);
        os_memory_free(os);
    }
}

/* The whole record got to the file, and still the call failed. */
static void put_record_by_hand(nacre_os *os, wal_position at, uint64_t n)
{
    uint8_t bytes[WAL_RECORD_HEADER_BYTES + 100];
    char path[64];
    nacre_file *file;
    nacre_slice payload = payload_of(n, 100, bytes + WAL_RECORD_HEADER_BYTES);
    wal_record_encode(bytes, at, n, 100, wal_payload_hash(payload), 0);
    assert_int_equal(os->open(os->context, log_path(WAL_FILE(at), path), NACRE_FILE_READ | NACRE_FILE_WRITE, &file),
                     NACRE_OK);
    assert_int_equal(os->write(file, WAL_OFFSET(at), bytes, sizeof bytes), NACRE_OK);
    assert_int_equal(os->close(file), NACRE_OK);
}

static void a_record_whose_write_failed_is_never_replayed(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal_options options = log_options(os, FILE_BYTES);
    options.map = false;
    struct wal *w;
    wal_position begin, end;
    assert_int_equal(wal_open(&options, FIRST_LOG_FILE, &w), NACRE_OK);
    append_range(w, 1, 10);
    wal_position broken = wal_end(w);
    os_memory_fail_matching(os, "write", ".log", OS_FAULT_IO, 1);
    assert_int_equal(append_sized(w, 11, 100, &begin, &end), NACRE_IO);
    put_record_by_hand(os, broken, 11);
    assert_int_equal(append_sized(w, 11, 50, &begin, &end), NACRE_OK);
    append_range(w, 12, 20);
    wal_close(w);
    expect_log(os, 20);
    os_memory_free(os);
}

static void a_full_disk_lets_what_fits_be_appended_and_says_so_then(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    os_memory_set_space(os, 1000);
    wal_position begin, end;
    uint64_t n = 0;
    int status = NACRE_OK;
    while (status == NACRE_OK) {
        status = append_sized(w, n + 1, 500, &begin, &end);
        n += status == NACRE_OK;
    }
    assert_int_equal(status, NACRE_NO_SPACE);
    assert_true(n > 2 * FILE_BYTES / 600);
    assert_int_equal(wal_sync(w, wal_end(w)), NACRE_OK);
    os_memory_set_space(os, UINT64_MAX);
    append_range(w, n + 1, n + 10);
    wal_close(w);
    expect_log(os, n + 10);
    os_memory_free(os);
}

/* Opens, appends, rotates, prunes, syncs and closes with one call failing; whatever was called durable must be there. */
static void each_failing_call_leaves_a_log_that_opens(void **state)
{
    (void)state;
    for (int mapped = 0; mapped < 2; mapped++) {
        bool failed_somewhere = true;
        for (uint64_t nth = 1; failed_somewhere && nth < 400; nth++) {
            nacre_os *os = new_disk();
            struct wal_options options = log_options(os, 8192);
            options.map = mapped;
            struct wal *w = NULL;
            wal_position begin = 0, end = 0;
            uint64_t last = 0, durable = 0;
            uint64_t before = os_memory_calls(os);
            os_memory_fail(os, nth, nth % 3 ? OS_FAULT_IO : OS_FAULT_SHORT_WRITE, false);
            int status = wal_open(&options, FIRST_LOG_FILE, &w);
            if (status != NACRE_OK) {
                os_memory_heal(os);
                options.map = true;
                assert_int_equal(wal_open(&options, FIRST_LOG_FILE + 5, &w), NACRE_OK);
            }
            while (last < 60) {
                status = append_sized(w, last + 1, 300, &begin, &end);
                last += status == NACRE_OK;
                if (last % 7 == 0 && wal_sync(w, wal_end(w)) == NACRE_OK) {
                    durable = last;
                } else if (last % 7 == 0) {
                    break;
                }
            }
            failed_somewhere = os_memory_calls(os) - before >= nth;
            os_memory_heal(os);
            os_memory_restart(os, nth);
            wal_close(w);
            struct reading reading = { 0 };
            struct wal_replay_report report;
            if (replay_log(os, (struct wal_replay_options){ .truncate = true }, &reading, &report) != NACRE_OK) {
                fail_msg("call %llu: %s", (unsigned long long)nth, fail_detail());
            }
            assert_in_range(reading.last, durable, last);
            os_memory_free(os);
        }
    }
}

static uint64_t allocations_left;

static bool refuse(void *context, size_t bytes)
{
    (void)context, (void)bytes;
    return allocations_left == 0 || --allocations_left == 0;
}

static void each_failing_allocation_is_reported(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        nacre_os *os = new_disk();
        struct wal_options options = log_options(os, FILE_BYTES);
        struct wal *w = NULL;
        allocations_left = nth;
        memory_set_fault(refuse, NULL);
        int status = wal_open(&options, FIRST_LOG_FILE, &w);
        memory_set_fault(NULL, NULL);
        if (status == NACRE_OK) {
            append_range(w, 1, 3);
            wal_close(w);
        } else {
            assert_int_equal(status, NACRE_NO_MEMORY);
            assert_null(w);
        }
        struct wal_replay_options replay = { .os = os, .directory = LOG_DIRECTORY, .truncate = true };
        struct reading reading = { 0 };
        struct wal_replay_report report;
        allocations_left = nth;
        memory_set_fault(refuse, NULL);
        int replayed = wal_replay(&replay, check_record, &reading, &report);
        memory_set_fault(NULL, NULL);
        assert_true(replayed == NACRE_OK || replayed == NACRE_NO_MEMORY);
        expect_log(os, status == NACRE_OK ? 3 : 0);
        os_memory_free(os);
        if (status == NACRE_OK && replayed == NACRE_OK) {
            return;
        }
    }
}

#define USUAL_BYTES (1u << 20)

/* Records 1 to 50 of an opening before, and room for one file of the usual size, or for none. */
static nacre_os *nearly_full_disk(uint64_t free_bytes, uint32_t *next)
{
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, USUAL_BYTES);
    append_range(w, 1, 50);
    assert_int_equal(wal_sync(w, wal_end(w)), NACRE_OK);
    wal_close(w);
    *next = expect_log(os, 50).last_file + 1; /* recovery ends the file */
    os_memory_set_space(os, free_bytes);
    return os;
}

static void a_log_begins_small_where_the_disk_has_no_room_for_two_files(void **state)
{
    (void)state;
    for (unsigned usual = 0; usual < 2; usual++) {
        uint32_t next;
        nacre_os *os = nearly_full_disk((300 << 10) + usual * USUAL_BYTES, &next);
        uint64_t before = os_memory_bytes(os);
        struct wal *w = open_log(os, next, USUAL_BYTES);
        assert_true(wal_saves_space(w));
        assert_int_equal(os_memory_bytes(os), before + 2 * 65536);
        append_range(w, 51, 200);
        wal_position begin, end;
        assert_int_equal(append_sized(w, 201, 69000, &begin, &end), NACRE_OK); /* it has a file that holds it */
        assert_int_equal(wal_sync(w, wal_end(w)), NACRE_OK);
        os_memory_set_space(os, UINT64_MAX);
        wal_save_space(w, false);
        rotate(w);
        rotate(w);
        append_range(w, 202, 300);
        assert_true(os_memory_bytes(os) > before + USUAL_BYTES);
        wal_close(w);
        expect_log(os, 300);
        os_memory_free(os);
    }
}

static void a_log_that_begins_small_loses_nothing_when_the_power_fails_at_any_call(void **state)
{
    (void)state;
    bool whole = false;
    for (uint64_t nth = 1; !whole; nth++) {
        uint32_t next;
        nacre_os *os = nearly_full_disk((300 << 10) + nth % 2 * USUAL_BYTES, &next);
        struct wal_options options = log_options(os, USUAL_BYTES);
        uint64_t durable = 50;
        struct wal *w = NULL;
        os_memory_cut_at(os, os_memory_calls(os) + nth / 2);
        if (wal_open(&options, next, &w) == NACRE_OK) {
            wal_position begin, end;
            for (uint64_t n = 51; n <= 400 && append_sized(w, n, 700, &begin, &end) == NACRE_OK; n++) {
                durable = n % 10 == 0 && wal_sync(w, end) == NACRE_OK ? n : durable;
            }
            whole = durable == 400;
            wal_close(w);
        }
        os_memory_restart(os, nth);
        os_memory_set_space(os, UINT64_MAX);
        struct reading reading = { 0 };
        struct wal_replay_report report;
        if (replay_log(os, (struct wal_replay_options){ .truncate = true }, &reading, &report) != NACRE_OK) {
            fail_msg("call %llu: %s", (unsigned long long)nth / 2, fail_detail());
        }
        assert_true(reading.last >= durable);
        os_memory_free(os);
    }
}

static void a_failed_replay_can_be_tried_again(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, 8192);
    append_range(w, 1, 200);
    wal_close(w);
    int status = NACRE_IO;
    for (uint64_t nth = 1; status != NACRE_OK; nth++) {
        struct reading reading = { 0 };
        struct wal_replay_report report;
        os_memory_fail(os, nth, OS_FAULT_IO, false);
        status = replay_log(os, (struct wal_replay_options){ .truncate = true }, &reading, &report);
        os_memory_heal(os);
        assert_true(status == NACRE_OK || status == NACRE_IO);
        expect_log(os, 200);
    }
    os_memory_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_failed_sync_nothing_unsynced_is_called_durable),
        cmocka_unit_test(after_a_failure_the_log_goes_on_in_a_new_file),
        cmocka_unit_test(records_before_a_failure_survive_the_process),
        cmocka_unit_test(a_failure_in_an_older_file_gives_up_all_that_follows_it),
        cmocka_unit_test(without_a_failure_there_is_nothing_to_recover_from),
        cmocka_unit_test(many_failures_are_all_remembered),
        cmocka_unit_test(a_write_that_failed_was_not_appended_even_if_its_bytes_are_there),
        cmocka_unit_test(a_record_whose_write_failed_is_never_replayed),
        cmocka_unit_test(a_full_disk_lets_what_fits_be_appended_and_says_so_then),
        cmocka_unit_test(each_failing_call_leaves_a_log_that_opens),
        cmocka_unit_test(each_failing_allocation_is_reported),
        cmocka_unit_test(a_log_begins_small_where_the_disk_has_no_room_for_two_files),
        cmocka_unit_test(a_log_that_begins_small_loses_nothing_when_the_power_fails_at_any_call),
        cmocka_unit_test(a_failed_replay_can_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
