/* Following a log that is being written: what is handed out, in which order, and what ends it. */
#include "log/wal_tail.h"
#include "wal_fixture.h"
#include "base/clock.h"
#include "log/wal_format.h"

#define FILE_BYTES 16384u

static struct wal_tail *new_tail(const nacre_os *os, wal_position at)
{
    struct wal_tail *tail = NULL;
    assert_int_equal(wal_tail_create(os, LOG_DIRECTORY, &tail), NACRE_OK);
    wal_tail_place(tail, at, false);
    return tail;
}

/* Reads on; what came must follow what came before. */
static enum wal_tail_end follow(struct wal_tail *tail, struct reading *reading)
{
    enum wal_tail_end end;
    int status = wal_tail_read(tail, UINT64_MAX, check_record, reading, &end);
    if (status != NACRE_OK) {
        fail_msg("wal_tail_read: %s", fail_detail());
    }
    assert_null(reading->wrong);
    return end;
}

static void records_come_as_they_are_appended_over_many_files(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    struct wal_tail *tail = new_tail(os, 0);
    struct reading reading = { 0 };
    assert_int_equal(follow(tail, &reading), WAL_TAIL_WAITS);
    assert_int_equal(reading.count, 0);
    for (uint64_t n = 1; n <= 2000; n++) {
        append(w, n);
        if (n % 7 == 0 || n < 50) {
            assert_int_equal(follow(tail, &reading), WAL_TAIL_WAITS);
            assert_int_equal(reading.last, n);
            assert_int_equal(wal_tail_position(tail), wal_end(w));
        }
    }
    wal_tail_free(tail);
    wal_close(w);
    os_memory_free(os);
}

static int stop_at(void *context, wal_position begin, wal_position end, uint64_t sequence, nacre_slice payload)
{
    (void)begin, (void)end, (void)payload;
    return sequence == *(uint64_t *)context ? NACRE_CANCELLED : NACRE_OK;
}

static void a_visitor_that_stops_gets_the_same_record_again(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    struct wal_tail *tail = new_tail(os, 0);
    uint64_t stop = 40;
    enum wal_tail_end end;
    append_range(w, 1, 100);
    assert_int_equal(wal_tail_read(tail, UINT64_MAX, stop_at, &stop, &end), NACRE_CANCELLED);
    struct reading reading = { 0 };
    assert_int_equal(follow(tail, &reading), WAL_TAIL_WAITS);
    assert_int_equal(reading.first, 40);
    assert_int_equal(reading.last, 100);
    wal_tail_free(tail);
    wal_close(w);
    os_memory_free(os);
}

static void a_stretch_ends_where_it_is_told_to(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 300);
    wal_position from = wal_end(w);
    append_range(w, 301, 600);
    wal_position until = wal_end(w);
    append_range(w, 601, 900);
    struct wal_tail *tail = new_tail(os, from);
    struct reading reading = { 0 };
    enum wal_tail_end end;
    assert_int_equal(wal_tail_read(tail, until, check_record, &reading, &end), NACRE_OK);
    assert_null(reading.wrong);
    assert_int_equal(reading.first, 301);
    assert_int_equal(reading.last, 600);
    assert_int_equal(wal_tail_position(tail), until);
    wal_tail_free(tail);
    wal_close(w);
    os_memory_free(os);
}

/* The writer goes on over some files as soon as the first record is read. */
struct growing {
    struct reading reading;
    struct wal *w;
};

static int check_and_grow(void *context, wal_position begin, wal_position end, uint64_t sequence, nacre_slice payload)
{
    struct growing *growing = context;
    if (sequence == 1) {
        append_range(growing->w, 101, 1000);
        assert_int_equal(wal_sync(growing->w, wal_end(growing->w)), NACRE_OK);
    }
    return check_record(&growing->reading, begin, end, sequence, payload);
}

static void a_log_that_grows_while_it_is_replayed_is_whole(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 100);
    struct growing growing = { .w = w };
    struct wal_replay_report report;
    struct wal_replay_options options = { .os = os, .directory = LOG_DIRECTORY };
    if (wal_replay(&options, check_and_grow, &growing, &report) != NACRE_OK) {
        fail_msg("wal_replay: %s", fail_detail());
    }
    assert_null(growing.reading.wrong);
    assert_int_equal(report.damaged_regions, 0);
    assert_true(growing.reading.last >= 100);
    struct wal_tail *tail = new_tail(os, 0);
    wal_tail_place(tail, report.end, report.ended);
    assert_int_equal(follow(tail, &growing.reading), WAL_TAIL_WAITS);
    assert_int_equal(growing.reading.count, 1000);
    wal_tail_free(tail);
    wal_close(w);
    os_memory_free(os);
}

/* As another process may find it: each byte of a record that is missing yet ends the log for now. */
static void a_record_that_is_half_there_is_the_end_for_now(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 10);
    wal_position begin, end;
    wal_position at = wal_end(w);
    assert_int_equal(append_sized(w, 11, 100, &begin, &end), NACRE_OK);
    for (uint32_t offset = WAL_OFFSET(begin); offset < WAL_OFFSET(begin) + 132; offset += 3) {
        struct wal_tail *tail = new_tail(os, 0);
        struct reading reading = { 0 };
        assert_int_equal(os_memory_flip(os, "log/00000001.log", offset, 0x5a), NACRE_OK);
        assert_int_equal(follow(tail, &reading), WAL_TAIL_WAITS);
        assert_int_equal(reading.last, 10);
        assert_int_equal(wal_tail_position(tail), at);
        assert_int_equal(os_memory_flip(os, "log/00000001.log", offset, 0x5a), NACRE_OK);
        assert_int_equal(follow(tail, &reading), WAL_TAIL_WAITS);
        assert_int_equal(reading.last, 11);
        wal_tail_free(tail);
    }
    wal_close(w);
    os_memory_free(os);
}

static void a_file_that_was_used_again_is_gone(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    struct wal_tail *tail = new_tail(os, 0);
    struct reading reading = { 0 };
    append_range(w, 1, 20);
    assert_int_equal(follow(tail, &reading), WAL_TAIL_WAITS);
    for (uint64_t n = 21; n <= 1500; n++) {
        append(w, n);
        assert_int_equal(wal_prune(w, wal_end(w)), NACRE_OK);
    }
    enum wal_tail_end end = WAL_TAIL_WAITS;
    for (int i = 0; i < 100 && end != WAL_TAIL_GONE; i++) {
        end = follow(tail, &reading);
        clock_sleep_ns(1000000);
    }
    assert_int_equal(end, WAL_TAIL_GONE);
    /* What it handed out before is right all the same. */
    wal_tail_place(tail, WAL_POSITION(wal_oldest_file(w), 0), false);
    struct reading rest = { 0 };
    assert_int_equal(follow(tail, &rest), WAL_TAIL_WAITS);
    assert_int_equal(rest.last, 1500);
    wal_tail_free(tail);
    wal_close(w);
    os_memory_free(os);
}

static void damage_before_what_is_known_to_be_durable_is_doubtful(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    append_range(w, 1, 10);
    uint32_t offset = WAL_OFFSET(wal_end(w));
    while (WAL_FILE(wal_end(w)) < 4) {
        append(w, 11);
        assert_int_equal(wal_sync(w, wal_end(w)), NACRE_OK);
    }
    assert_int_equal(os_memory_flip(os, "log/00000001.log", offset + 9, 1), NACRE_OK);
    struct wal_tail *tail = new_tail(os, 0);
    struct reading reading = { .gaps_allowed = true };
    enum wal_tail_end end = WAL_TAIL_WAITS;
    for (int i = 0; i < 100 && end != WAL_TAIL_DOUBT; i++) { /* the directory is looked at from time to time */
        end = follow(tail, &reading);
        clock_sleep_ns(1000000);
    }
    assert_int_equal(end, WAL_TAIL_DOUBT);
    assert_int_equal(reading.last, 10);
    wal_tail_free(tail);
    wal_close(w);
    os_memory_free(os);
}

static void a_log_that_goes_on_after_a_failed_sync_is_followed(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    struct wal_tail *tail = new_tail(os, 0);
    struct reading reading = { 0 };
    append_range(w, 1, 10);
    assert_int_equal(follow(tail, &reading), WAL_TAIL_WAITS);
    os_memory_fail_matching(os, "sync", LOG_DIRECTORY, OS_FAULT_IO, 1);
    assert_int_not_equal(wal_sync(w, wal_end(w)), NACRE_OK);
    os_memory_heal(os);
    assert_int_equal(wal_recover_from_failure(w), NACRE_OK);
    append_range(w, 11, 20);
    for (int i = 0; i < 100 && reading.last < 20; i++) {
        assert_int_equal(follow(tail, &reading), WAL_TAIL_WAITS);
        clock_sleep_ns(1000000);
    }
    assert_int_equal(reading.last, 20);
    wal_tail_free(tail);
    wal_close(w);
    os_memory_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_as_they_are_appended_over_many_files),
        cmocka_unit_test(a_visitor_that_stops_gets_the_same_record_again),
        cmocka_unit_test(a_stretch_ends_where_it_is_told_to),
        cmocka_unit_test(a_log_that_grows_while_it_is_replayed_is_whole),
        cmocka_unit_test(a_record_that_is_half_there_is_the_end_for_now),
        cmocka_unit_test(a_file_that_was_used_again_is_gone),
        cmocka_unit_test(damage_before_what_is_known_to_be_durable_is_doubtful),
        cmocka_unit_test(a_log_that_goes_on_after_a_failed_sync_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
