/* A log in memory whose records tell by themselves what they must contain: record number n has sequence n and a payload made from n. */
#ifndef NACRE_TESTS_WAL_FIXTURE_H
#define NACRE_TESTS_WAL_FIXTURE_H
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "log/wal.h"
#include "os/os.h"
#include "support/os_memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h> /* last: it has a macro named fail */

#define LOG_DIRECTORY  "log"
#define FIRST_LOG_FILE 1u
#define PAYLOAD_MAX    70000u

__attribute__((unused)) static size_t payload_size(uint64_t n)
{
    uint64_t dice = hash_seeded(&n, sizeof n, 1) % 64;
    return dice == 0 ? 0 : dice == 1 ? 3000 + n % 5000 : 1 + hash_seeded(&n, sizeof n, 2) % 300;
}

__attribute__((unused)) static nacre_slice payload_of(uint64_t n, size_t size, uint8_t *bytes)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = hash_seeded(&n, sizeof n, i + 3);
        memcpy(bytes + i, &word, size - i < 8 ? size - i : 8);
    }
    return slice_of(bytes, size);
}

__attribute__((unused)) static nacre_os *new_disk(void)
{
    nacre_os *os = os_memory_create();
    assert_int_equal(os->make_directory(os->context, LOG_DIRECTORY), NACRE_OK);
    assert_int_equal(os->sync_directory(os->context, ""), NACRE_OK);
    return os;
}

__attribute__((unused)) static struct wal_options log_options(const nacre_os *os, uint64_t file_bytes)
{
    return (struct wal_options){
        .os = os, .directory = LOG_DIRECTORY, .file_bytes = file_bytes, .map = true, .recycle = true
    };
}

__attribute__((unused)) static struct wal *open_log(const nacre_os *os, uint32_t first, uint64_t file_bytes)
{
    struct wal_options options = log_options(os, file_bytes);
    struct wal *w = NULL;
    if (wal_open(&options, first, &w) != NACRE_OK) {
        fail_msg("wal_open: %s", fail_detail());
    }
    return w;
}

/* Appends record n, making room where it is missing. */
__attribute__((unused)) static int append_sized(struct wal *w, uint64_t n, size_t size, wal_position *begin,
                                                wal_position *end)
{
    static _Thread_local uint8_t bytes[PAYLOAD_MAX];
    nacre_slice payload = payload_of(n, size, bytes);
    for (;;) {
        int status = wal_append(w, n, payload, wal_payload_hash(payload), begin, end);
        if (status != NACRE_BUSY || (status = wal_prepare(w, size)) != NACRE_OK) {
            return status;
        }
    }
}

__attribute__((unused)) static wal_position append(struct wal *w, uint64_t n)
{
    wal_position begin, end;
    assert_int_equal(append_sized(w, n, payload_size(n), &begin, &end), NACRE_OK);
    return end;
}

__attribute__((unused)) static void append_range(struct wal *w, uint64_t first, uint64_t last)
{
    for (uint64_t n = first; n <= last; n++) {
        append(w, n);
    }
}

__attribute__((unused)) static void rotate(struct wal *w)
{
    assert_int_equal(wal_prepare(w, 0), NACRE_OK);
    assert_int_equal(wal_rotate(w), NACRE_OK);
}

/* Checks each record, and that they come in order without a gap. */
struct reading {
    uint64_t first, last; /* 0 while there is none */
    uint64_t count;
    bool gaps_allowed;
    const char *wrong;
    wal_position end;
};

__attribute__((unused)) static int check_record(void *context, wal_position begin, wal_position end, uint64_t sequence,
                                                nacre_slice payload)
{
    struct reading *reading = context;
    static _Thread_local uint8_t bytes[PAYLOAD_MAX];
    if (payload.size > PAYLOAD_MAX || !slice_equal(payload, payload_of(sequence, payload.size, bytes))) {
        reading->wrong = "a record has a payload that was never appended";
    } else if (begin >= end || begin < reading->end) {
        reading->wrong = "positions do not grow";
    } else if (reading->count && !reading->gaps_allowed && sequence != reading->last + 1) {
        reading->wrong = "a record is missing in the middle";
    }
    reading->first = reading->count++ ? reading->first : sequence;
    reading->last = sequence;
    reading->end = end;
    return NACRE_OK;
}

__attribute__((unused)) static int replay_log(const nacre_os *os, struct wal_replay_options options,
                                              struct reading *reading, struct wal_replay_report *report)
{
    bool gaps_allowed = reading->gaps_allowed;
    *reading = (struct reading){ .gaps_allowed = gaps_allowed };
    options.os = os;
    options.directory = LOG_DIRECTORY;
    int status = wal_replay(&options, check_record, reading, report);
    if (reading->wrong) {
        fail_msg("%s", reading->wrong);
    }
    return status;
}

/* Replays for writing; the log must hold 1..last and be whole. */
__attribute__((unused)) static struct wal_replay_report expect_log(const nacre_os *os, uint64_t last)
{
    struct reading reading = { 0 };
    struct wal_replay_report report;
    if (replay_log(os, (struct wal_replay_options){ .truncate = true }, &reading, &report) != NACRE_OK) {
        fail_msg("wal_replay: %s", fail_detail());
    }
    assert_int_equal(reading.last, last);
    assert_int_equal(reading.count, last);
    return report;
}

__attribute__((unused)) static const char *log_path(uint32_t number, char out[64])
{
    (void)snprintf(out, 64, LOG_DIRECTORY "/" WAL_FILE_NAME, number);
    return out;
}
#endif
