/* The bytes of log headers and records. */
#include "log/wal_format.h"
#include "wal_fixture.h"

static const wal_position at = WAL_POSITION(7, 4096);

static void encode(uint8_t file[8192], uint32_t length, wal_position durable)
{
    uint8_t bytes[256];
    nacre_slice payload = payload_of(3, length <= sizeof bytes ? length : 0, bytes);
    memset(file, 0, 8192);
    memcpy(file + WAL_OFFSET(at) + WAL_RECORD_HEADER_BYTES, bytes, payload.size);
    wal_record_encode(file + WAL_OFFSET(at), at, 3, length, wal_payload_hash(payload), durable);
}

static void a_record_reads_back_as_it_was_written(void **state)
{
    (void)state;
    uint8_t file[8192];
    struct wal_record record;
    encode(file, 100, WAL_POSITION(5, 640));
    assert_int_equal(wal_record_check(file, sizeof file, at, &record), WAL_GOOD);
    assert_int_equal(record.length, 100);
    assert_int_equal(record.sequence, 3);
    assert_int_equal(record.durable, WAL_POSITION(5, 640));
    assert_int_equal(record.next, 4096 + 32 + 104);
    assert_false(record.is_end);
}

static void an_end_record_says_so(void **state)
{
    (void)state;
    uint8_t file[8192];
    struct wal_record record;
    encode(file, WAL_END_LENGTH, 0);
    assert_int_equal(wal_record_check(file, sizeof file, at, &record), WAL_GOOD);
    assert_true(record.is_end);
    assert_int_equal(record.next, 4096 + 32);
}

static void every_flipped_bit_of_a_record_is_noticed(void **state)
{
    (void)state;
    uint8_t file[8192];
    struct wal_record record;
    encode(file, 104, WAL_POSITION(7, 64));
    for (uint32_t bit = 0; bit < (32 + 104) * 8; bit++) {
        file[WAL_OFFSET(at) + bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(wal_record_check(file, sizeof file, at, &record), WAL_GOOD);
        file[WAL_OFFSET(at) + bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(wal_record_check(file, sizeof file, at, &record), WAL_GOOD);
}

static void a_record_of_another_file_or_place_never_passes(void **state)
{
    (void)state;
    uint8_t file[8192];
    struct wal_record record;
    encode(file, 100, 0);
    assert_int_equal(wal_record_check(file, sizeof file, WAL_POSITION(8, 4096), &record), WAL_BAD_HEADER);
    memmove(file + 4104, file + 4096, 256);
    assert_int_equal(wal_record_check(file, sizeof file, WAL_POSITION(7, 4104), &record), WAL_BAD_HEADER);
}

static void a_length_beyond_the_file_is_not_believed(void **state)
{
    (void)state;
    uint8_t file[8192];
    struct wal_record record;
    encode(file, 100, 0);
    assert_int_equal(wal_record_check(file, 4096 + 32 + 99, at, &record), WAL_CUT_SHORT);
    assert_int_equal(wal_record_check(file, 4096 + 32 + 100, at, &record), WAL_GOOD);
    assert_int_equal(record.next, 4096 + 32 + 104); /* wherever the file ends */
    assert_int_equal(wal_record_check(file, 4096 + 31, at, &record), WAL_CUT_SHORT);
    assert_int_equal(wal_record_check(file, 4096, at, &record), WAL_ABSENT);
    encode(file, UINT32_MAX - 1, 0);
    assert_int_equal(wal_record_check(file, sizeof file, at, &record), WAL_CUT_SHORT);
}

static void zeros_are_no_record(void **state)
{
    (void)state;
    uint8_t file[8192] = { 0 };
    struct wal_record record;
    assert_int_equal(wal_record_check(file, sizeof file, at, &record), WAL_ABSENT);
}

static void how_far_the_log_was_durable_is_kept_up_to_six_files_back(void **state)
{
    (void)state;
    uint8_t file[8192];
    struct wal_record record;
    for (uint32_t back = 0; back < 7; back++) {
        wal_position durable = WAL_POSITION(7 - back, back ? 8184 : 4096);
        encode(file, 100, durable);
        wal_record_check(file, sizeof file, at, &record);
        assert_int_equal(record.durable, durable);
    }
    encode(file, 100, WAL_POSITION(0, 64));
    wal_record_check(file, sizeof file, at, &record);
    assert_int_equal(record.durable, 0);
}

static void a_header_reads_back_and_every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    uint8_t bytes[WAL_HEADER_BYTES];
    struct wal_header header = {
        9, 7, WAL_FLAG_RECYCLED, 1 << 20, WAL_POSITION(8, 64), WAL_POSITION(7, 80), WAL_POSITION(7, 96)
    };
    struct wal_header back = { 0 };
    wal_header_encode(&header, bytes);
    assert_int_equal(wal_header_decode(bytes, "x", &back), NACRE_OK);
    assert_int_equal(back.number, 9);
    assert_int_equal(back.previous, 7);
    assert_int_equal(back.flags, WAL_FLAG_RECYCLED);
    assert_int_equal(back.size, 1 << 20);
    assert_int_equal(back.durable, header.durable);
    assert_int_equal(back.undecided, header.undecided);
    assert_int_equal(back.void_from, header.void_from);
    for (uint32_t bit = 0; bit < WAL_HEADER_BYTES * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(wal_header_decode(bytes, "x", &back), NACRE_CORRUPT);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void a_header_that_points_behind_itself_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[WAL_HEADER_BYTES];
    struct wal_header back, headers[] = {
        { .number = 9, .previous = 9 },
        { .number = 9, .durable = WAL_POSITION(10, 0) },
        { .number = 9, .undecided = WAL_POSITION(10, 0) },
        { .number = 9, .void_from = UINT64_MAX },
        { .number = 0 },
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        wal_header_encode(&headers[i], bytes);
        assert_int_equal(wal_header_decode(bytes, "x", &back), NACRE_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_reads_back_as_it_was_written),
        cmocka_unit_test(an_end_record_says_so),
        cmocka_unit_test(every_flipped_bit_of_a_record_is_noticed),
        cmocka_unit_test(a_record_of_another_file_or_place_never_passes),
        cmocka_unit_test(a_length_beyond_the_file_is_not_believed),
        cmocka_unit_test(zeros_are_no_record),
        cmocka_unit_test(how_far_the_log_was_durable_is_kept_up_to_six_files_back),
        cmocka_unit_test(a_header_reads_back_and_every_flipped_bit_is_noticed),
        cmocka_unit_test(a_header_that_points_behind_itself_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
