/* The value log by itself, on a disk in memory: appends, files, syncs and their failures, losses of power, damage. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "os/os.h"
#include "support/os_memory.h"
#include "values/value_format.h"
#include "values/value_log.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h> /* last: it has a macro named fail */

#define DIRECTORY  "values"
#define FILE_BYTES 16384u
#define VALUE_MAX  40000u
#define VALUES_MAX 256u

/* Value number n tells by itself what it must hold. */
struct kept {
    struct value_pointer pointer;
    struct value_file *file;
};

static uint64_t counter;

static uint64_t next_id(void *context)
{
    (void)context;
    return UINT64_C(7) << 32 | ++counter;
}

static size_t size_of(uint64_t n)
{
    return n % 37 == 5 ? VALUE_MAX : n % 11 == 3 ? 0 : 1 + hash_seeded(&n, sizeof n, 2) % 1500;
}

static nacre_slice value_of(uint64_t n, uint8_t *bytes)
{
    size_t size = size_of(n);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = hash_seeded(&n, sizeof n, i + 3);
        memcpy(bytes + i, &word, size - i < 8 ? size - i : 8);
    }
    return slice_of(bytes, size);
}

static nacre_os *new_disk(void)
{
    nacre_os *os = os_memory_create();
    assert_int_equal(os->make_directory(os->context, DIRECTORY), NACRE_OK);
    assert_int_equal(os->sync_directory(os->context, ""), NACRE_OK);
    return os;
}

static int try_open_with(const nacre_os *os, bool map, uint64_t file_bytes, struct value_log **log)
{
    struct value_log_options options = {
        .os = os, .directory = DIRECTORY, .file_bytes = file_bytes, .map = map, .next_id = next_id
    };
    return value_log_open(&options, log);
}

static int try_open(const nacre_os *os, bool map, struct value_log **log)
{
    return try_open_with(os, map, FILE_BYTES, log);
}

static struct value_log *open_log(const nacre_os *os, bool map)
{
    struct value_log *log = NULL;
    if (try_open(os, map, &log) != NACRE_OK) {
        fail_msg("value_log_open: %s", fail_detail());
    }
    return log;
}

static nacre_slice key_of(uint64_t n, char room[24])
{
    return slice_of(room, (size_t)snprintf(room, 24, "key %llu", (unsigned long long)n));
}

static int append(struct value_log *log, uint64_t n, struct kept *kept)
{
    static _Thread_local uint8_t bytes[VALUE_MAX + 8];
    char room[24];
    return value_log_append(log, n % 5 == 0 ? VALUE_STREAM_MERGES : VALUE_STREAM_WRITES, 3, key_of(n, room),
                            value_of(n, bytes), &kept->pointer, &kept->file);
}

static void must_append(struct value_log *log, uint64_t n, struct kept *kept)
{
    if (append(log, n, kept) != NACRE_OK) {
        fail_msg("value_log_append: %s", fail_detail());
    }
}

static int read_back(struct value_log *log, uint64_t n, const struct kept *kept)
{
    static uint8_t bytes[VALUE_MAX + 8];
    nacre_slice value, expected = value_of(n, bytes);
    struct pin pin = { NULL, NULL };
    int status = value_log_read(log, &kept->pointer, &value, &pin);
    if (status == NACRE_OK) {
        assert_true(slice_equal(value, expected));
        pin_release(&pin);
    }
    return status;
}

static void release(struct kept *kept, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        value_file_unref(kept[i].file);
        kept[i].file = NULL;
    }
}

static void hold_again(struct value_log *log, struct kept *kept, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(value_file_hold(log, kept[i].pointer.file, &kept[i].file), NACRE_OK);
    }
}

static int count_file(void *context, struct value_file *file, const struct value_file_info *info)
{
    (void)file;
    size_t *counts = context;
    counts[0]++;
    counts[1] += info->active;
    return NACRE_OK;
}

static void values_are_read_back_from_maps_and_by_calls(void **state)
{
    (void)state;
    for (int map = 0; map < 2; map++) {
        nacre_os *os = new_disk();
        struct value_log *log = open_log(os, map);
        struct kept kept[VALUES_MAX];
        for (uint64_t n = 0; n < VALUES_MAX; n++) {
            must_append(log, n, &kept[n]);
            assert_int_equal(read_back(log, n, &kept[n]), NACRE_OK);
        }
        assert_int_equal(value_log_start(log), NACRE_OK);
        assert_int_equal(value_log_prepare(log), NACRE_OK);
        for (uint64_t n = 0; n < VALUES_MAX; n++) {
            assert_int_equal(read_back(log, n, &kept[n]), NACRE_OK);
        }
        size_t counts[2] = { 0, 0 };
        assert_int_equal(value_log_each_file(log, count_file, counts), NACRE_OK);
        assert_true(counts[0] > 10);
        assert_int_equal(counts[1], 2); /* one per stream */
        assert_int_equal(value_log_sync(log), NACRE_OK);
        release(kept, VALUES_MAX);
        value_log_close(log);
        log = open_log(os, map);
        hold_again(log, kept, VALUES_MAX);
        assert_int_equal(value_log_start(log), NACRE_OK);
        for (uint64_t n = 0; n < VALUES_MAX; n++) {
            assert_int_equal(read_back(log, n, &kept[n]), NACRE_OK);
        }
        release(kept, VALUES_MAX);
        value_log_close(log);
        os_memory_free(os);
    }
}

static void files_without_references_go_and_others_stay(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct value_log *log = open_log(os, true);
    struct kept kept[VALUES_MAX];
    for (uint64_t n = 0; n < VALUES_MAX; n++) {
        must_append(log, n, &kept[n]);
    }
    assert_int_equal(value_log_start(log), NACRE_OK);
    value_log_rotate(log);
    assert_int_equal(value_log_prepare(log), NACRE_OK);
    release(&kept[1], VALUES_MAX - 1);
    assert_int_equal(value_log_remove_unused(log), NACRE_OK);
    size_t counts[2] = { 0, 0 };
    assert_int_equal(value_log_each_file(log, count_file, counts), NACRE_OK);
    assert_int_equal(counts[0], 1);
    assert_int_equal(read_back(log, 0, &kept[0]), NACRE_OK);
    assert_int_equal(read_back(log, VALUES_MAX - 1, &kept[VALUES_MAX - 1]), NACRE_CORRUPT);
    release(kept, 1);
    assert_int_equal(value_log_remove_unused(log), NACRE_OK);
    value_log_close(log);
    log = open_log(os, true);
    struct value_log_stats stats;
    value_log_get_stats(log, &stats);
    assert_int_equal(stats.files, 0);
    value_log_close(log);
    os_memory_free(os);
}

struct worker {
    pthread_t thread;
    struct value_log *log;
    uint64_t first;
    struct kept kept[VALUES_MAX / 4];
};

static void *work(void *context)
{
    struct worker *worker = context;
    for (uint64_t i = 0; i < VALUES_MAX / 4; i++) {
        if (append(worker->log, worker->first + i, &worker->kept[i]) != NACRE_OK ||
            (i % 16 == 0 && value_log_sync(worker->log) != NACRE_OK) ||
            (i % 8 == 0 && value_log_prepare(worker->log) != NACRE_OK)) {
            abort();
        }
    }
    return NULL;
}

static void threads_append_beside_each_other(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct value_log *log = open_log(os, true);
    static struct worker workers[4];
    for (size_t i = 0; i < 4; i++) {
        workers[i].log = log;
        workers[i].first = i * VALUES_MAX;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    for (size_t i = 0; i < 4; i++) {
        for (uint64_t n = 0; n < VALUES_MAX / 4; n++) {
            assert_int_equal(read_back(log, workers[i].first + n, &workers[i].kept[n]), NACRE_OK);
        }
        release(workers[i].kept, VALUES_MAX / 4);
    }
    value_log_close(log);
    os_memory_free(os);
}

#define RUSH_VALUES 4000u

struct rusher {
    pthread_t thread;
    struct value_log *log;
    uint64_t first;
    struct kept kept[RUSH_VALUES];
};

static void *rush(void *context)
{
    struct rusher *rusher = context;
    for (uint64_t i = 0; i < RUSH_VALUES; i++) {
        if (append(rusher->log, rusher->first + i, &rusher->kept[i]) != NACRE_OK) {
            abort();
        }
    }
    return NULL;
}

static int (*write_below)(nacre_file *, uint64_t, const void *, size_t);
static _Atomic uint64_t zero_bytes;

static int write_counted(nacre_file *file, uint64_t offset, const void *bytes, size_t size)
{
    const uint8_t *first = bytes;
    bool zeros = size > VALUE_MAX && first[0] == 0 && memcmp(first, first + 1, size - 1) == 0;
    atomic_fetch_add(&zero_bytes, zeros ? size : 0);
    return write_below(file, offset, bytes, size);
}

/* Much is appended and nothing synced, so zeros are written ahead of the values: never over one. */
static void zeros_that_are_written_ahead_meet_no_value(void **state)
{
    (void)state;
    nacre_os *os = new_disk(), counted = *os;
    struct value_log *log = NULL;
    static struct rusher rushers[4];
    write_below = os->write;
    counted.write = write_counted;
    assert_int_equal(try_open_with(&counted, true, 64 << 20, &log), NACRE_OK);
    for (size_t i = 0; i < 4; i++) {
        rushers[i].log = log;
        rushers[i].first = i * RUSH_VALUES;
        assert_int_equal(pthread_create(&rushers[i].thread, NULL, rush, &rushers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(rushers[i].thread, NULL);
    }
    assert_true(atomic_load(&zero_bytes) > 1 << 20);
    for (size_t i = 0; i < 4; i++) {
        for (uint64_t n = 0; n < RUSH_VALUES; n++) {
            assert_int_equal(read_back(log, rushers[i].first + n, &rushers[i].kept[n]), NACRE_OK);
        }
        release(rushers[i].kept, RUSH_VALUES);
    }
    value_log_close(log);
    os_memory_free(os);
}

static _Atomic bool appended_all;

static void *seal_all_the_time(void *log)
{
    while (!atomic_load(&appended_all)) {
        if (value_log_prepare(log) != NACRE_OK) {
            abort();
        }
    }
    return NULL;
}

/* A value larger than a file gets a file of its own: it is no full one before its value is in it. */
static void large_values_are_appended_while_full_files_are_sealed(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct value_log *log = open_log(os, true);
    pthread_t sealer;
    struct kept kept;
    atomic_store(&appended_all, false);
    assert_int_equal(pthread_create(&sealer, NULL, seal_all_the_time, log), 0);
    for (uint64_t i = 0; i < 500; i++) {
        uint64_t n = 37 * i + 5;
        assert_int_equal(size_of(n), VALUE_MAX);
        must_append(log, n, &kept);
        assert_int_equal(read_back(log, n, &kept), NACRE_OK);
        release(&kept, 1);
        assert_int_equal(value_log_remove_unused(log), NACRE_OK);
    }
    atomic_store(&appended_all, true);
    pthread_join(sealer, NULL);
    value_log_close(log);
    os_memory_free(os);
}

/* What was synced survives a loss of power at every call; what was not is there or is found out. */
static void synced_values_survive_a_loss_of_power(void **state)
{
    (void)state;
    for (uint64_t cut = 1;; cut++) {
        nacre_os *os = new_disk();
        struct value_log *log = NULL;
        struct kept kept[40];
        size_t appended = 0, synced = 0;
        os_memory_cut_at(os, os_memory_calls(os) + cut);
        int status = try_open(os, cut % 2, &log);
        while (status == NACRE_OK && appended < 40) {
            status = append(log, appended, &kept[appended]);
            appended += status == NACRE_OK;
            if (status == NACRE_OK && appended % 7 == 0 && (status = value_log_sync(log)) == NACRE_OK) {
                synced = appended;
            }
            if (status == NACRE_OK && appended % 9 == 0) {
                status = value_log_prepare(log);
            }
        }
        release(kept, appended);
        value_log_close(log);
        os_memory_restart(os, cut);
        log = open_log(os, cut % 2);
        for (size_t n = 0; n < appended; n++) {
            int held = value_file_hold(log, kept[n].pointer.file, &kept[n].file);
            int checked = held == NACRE_OK ? value_log_check(log, &kept[n].pointer) : held;
            assert_true(checked == NACRE_OK || (n >= synced && checked == NACRE_CORRUPT));
            assert_int_equal(held == NACRE_OK ? read_back(log, n, &kept[n]) : held, checked);
        }
        assert_int_equal(value_log_start(log), NACRE_OK);
        for (size_t n = 0; n < synced; n++) {
            assert_int_equal(read_back(log, n, &kept[n]), NACRE_OK);
        }
        release(kept, appended);
        value_log_close(log);
        os_memory_free(os);
        if (status == NACRE_OK) {
            break;
        }
    }
}

static void a_failed_sync_is_not_tried_again_and_recovery_writes_the_values_anew(void **state)
{
    (void)state;
    for (int map = 0; map < 2; map++) {
        nacre_os *os = new_disk();
        struct value_log *log = open_log(os, map);
        struct kept kept[64];
        for (uint64_t n = 0; n < 60; n++) {
            must_append(log, n, &kept[n]);
        }
        os_memory_fail_matching(os, "sync", DIRECTORY, OS_FAULT_IO, 1);
        assert_int_equal(value_log_sync(log), NACRE_IO);
        assert_int_equal(value_log_sync(log), NACRE_IO);
        assert_int_equal(append(log, 60, &kept[60]), NACRE_IO);
        for (uint64_t n = 0; n < 60; n++) {
            assert_int_equal(read_back(log, n, &kept[n]), NACRE_OK);
        }
        assert_int_equal(value_log_recover(log), NACRE_OK);
        for (uint64_t n = 60; n < 64; n++) {
            must_append(log, n, &kept[n]);
        }
        assert_int_equal(value_log_sync(log), NACRE_OK);
        release(kept, 64);
        value_log_close(log);
        os_memory_restart(os, 17);
        log = open_log(os, map);
        hold_again(log, kept, 64);
        for (uint64_t n = 0; n < 64; n++) {
            assert_int_equal(read_back(log, n, &kept[n]), NACRE_OK);
        }
        release(kept, 64);
        value_log_close(log);
        os_memory_free(os);
    }
}

/* The n-th call fails: an append says so or has done it, and what was appended stays. */
static void appends_fail_alone(void **state)
{
    (void)state;
    static const enum os_fault faults[] = { OS_FAULT_IO, OS_FAULT_NO_SPACE, OS_FAULT_SHORT_WRITE };
    for (uint64_t nth = 1; nth < 120; nth++) {
        nacre_os *os = new_disk();
        struct value_log *log = open_log(os, nth % 2);
        struct kept kept[64];
        bool good[64] = { false };
        os_memory_fail(os, nth, faults[nth % 3], false);
        for (uint64_t n = 0; n < 64; n++) {
            good[n] = append(log, n, &kept[n]) == NACRE_OK;
            if (n % 16 == 15 && value_log_sync(log) != NACRE_OK) {
                assert_int_equal(value_log_recover(log), NACRE_OK);
            }
            if (n % 8 == 7 && value_log_prepare(log) != NACRE_OK) {
                assert_int_equal(value_log_recover(log), NACRE_OK); /* where it was a sync */
            }
        }
        os_memory_heal(os);
        size_t failures = 0;
        for (uint64_t n = 0; n < 64; n++) {
            failures += !good[n];
            if (good[n]) {
                assert_int_equal(read_back(log, n, &kept[n]), NACRE_OK);
                value_file_unref(kept[n].file);
            }
        }
        assert_true(failures <= 1);
        value_log_close(log);
        os_memory_free(os);
    }
}

static int count_damage(void *context, const struct value_record *record, const char *damage)
{
    (void)record;
    *(unsigned *)context += damage != NULL;
    return NACRE_OK;
}

/* Each byte of a file flipped: the value that it belongs to is found damaged, or nothing is. */
static void each_damaged_byte_is_found_or_unused(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct value_log *log = open_log(os, false);
    struct kept kept[12];
    size_t count = 0;
    uint64_t first = 0;
    for (uint64_t n = 0; count < 12; n++) {
        if (n % 5 != 0 && n % 37 != 5) {
            must_append(log, n, &kept[count]);
            first = count++ == 0 ? kept[0].pointer.file : first;
        }
    }
    value_log_rotate(log);
    assert_int_equal(value_log_prepare(log), NACRE_OK);
    char path[64];
    struct value_file_report report;
    (void)snprintf(path, sizeof path, DIRECTORY "/" VALUE_FILE_NAME, (unsigned long long)first);
    assert_int_equal(value_file_scan(os, path, 0, NULL, NULL, &report), NACRE_OK);
    assert_int_equal(report.records, 12);
    assert_int_equal(report.damaged + report.holes, 0);
    assert_true(report.sealed);
    assert_int_equal(report.end, report.bytes);
    for (uint64_t at = 0; at < report.bytes; at++) {
        unsigned damaged = 0, lost = 0;
        struct value_file_report now;
        assert_int_equal(os_memory_flip(os, path, at, (uint8_t)(1u << at % 8)), NACRE_OK);
        int status = value_file_scan(os, path, 0, count_damage, &damaged, &now);
        for (size_t i = 0, n = 0; i < count; n++) {
            if (n % 5 != 0 && n % 37 != 5) {
                lost += read_back(log, n, &kept[i++]) != NACRE_OK;
            }
        }
        assert_true(lost <= 1);
        bool found = status != NACRE_OK || now.header_damaged || now.damaged > 0 || now.holes > 0 || now.records < 12;
        assert_true(lost == 0 || found);
        assert_int_equal(os_memory_flip(os, path, at, (uint8_t)(1u << at % 8)), NACRE_OK);
    }
    release(kept, count);
    value_log_close(log);
    os_memory_free(os);
}

static int get_back(struct value_log *log, uint64_t n, const struct value_pointer *pointer)
{
    char room[24];
    nacre_slice value;
    struct pin pin = { NULL, NULL };
    int status = value_log_get(log, pointer, key_of(n, room), &value, &pin);
    if (status == NACRE_OK) {
        assert_int_equal(value.size, pointer->size);
        pin_release(&pin);
    }
    return status;
}

static void flip_value(nacre_os *os, const struct value_pointer *pointer)
{
    char path[64];
    snprintf(path, sizeof path, DIRECTORY "/" VALUE_FILE_NAME, (unsigned long long)pointer->file);
    assert_int_equal(os_memory_flip(os, path, pointer->offset + pointer->size / 2, 4), NACRE_OK);
}

/* Numbers 5 and 42 are large. */
static void readers_check_a_large_value_of_a_sealed_file_once_and_others_each_time(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct value_log *log = open_log(os, true);
    struct kept kept[44];
    assert_int_equal(value_log_start(log), NACRE_OK);
    for (uint64_t n = 0; n < 44; n++) {
        must_append(log, n, &kept[n]);
    }
    value_log_rotate(log);
    assert_int_equal(value_log_prepare(log), NACRE_OK);
    assert_int_equal(get_back(log, 5, &kept[5].pointer), NACRE_OK);
    assert_int_equal(get_back(log, 7, &kept[7].pointer), NACRE_OK);
    flip_value(os, &kept[5].pointer);
    flip_value(os, &kept[7].pointer);
    flip_value(os, &kept[42].pointer);
    assert_int_equal(get_back(log, 5, &kept[5].pointer), NACRE_OK);
    assert_int_equal(read_back(log, 5, &kept[5]), NACRE_CORRUPT); /* who verifies, or copies, looks again */
    assert_int_equal(get_back(log, 7, &kept[7].pointer), NACRE_CORRUPT);
    assert_int_equal(get_back(log, 42, &kept[42].pointer), NACRE_CORRUPT);
    assert_int_equal(get_back(log, 42, &kept[42].pointer), NACRE_CORRUPT);
    /* Pointers that are not that value's, and another key's entry that leads to it. */
    struct value_pointer bad[] = { kept[5].pointer, kept[5].pointer, kept[5].pointer };
    bad[0].checksum++;
    bad[1].size--;
    bad[2].offset += 8;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(get_back(log, 5, &bad[i]), NACRE_CORRUPT);
    }
    assert_int_equal(get_back(log, 6, &kept[5].pointer), NACRE_CORRUPT);
    release(kept, 44);
    value_log_close(log);
    log = open_log(os, true);
    hold_again(log, kept, 44);
    assert_int_equal(get_back(log, 5, &kept[5].pointer), NACRE_CORRUPT);
    release(kept, 44);
    value_log_close(log);
    os_memory_free(os);
}

static struct {
    unsigned calls;
    uint64_t bytes;
    const uint8_t *first, *end; /* of the last one */
} asked;

static int note_read_ahead(void *address, uint64_t size)
{
    asked.calls++;
    asked.bytes += size;
    asked.first = address;
    asked.end = asked.first + size;
    return NACRE_OK;
}

/* From the second one on each value of a run was asked for before it is read. */
static void walks_in_the_order_of_the_file_are_read_ahead_and_others_are_not(void **state)
{
    (void)state;
    enum { COUNT = 3000, BYTES = 1000 };
    static uint8_t bytes[BYTES];
    static struct value_pointer pointers[COUNT];
    struct value_file *file = NULL;
    nacre_os *disk = new_disk(), os = *disk;
    struct value_log *log = NULL;
    os.struct_size = sizeof os;
    os.read_ahead = note_read_ahead;
    struct value_log_options options = {
        .os = &os, .directory = DIRECTORY, .file_bytes = 64u << 20, .map = true, .next_id = next_id
    };
    assert_int_equal(value_log_open(&options, &log), NACRE_OK);
    for (unsigned n = 0; n < COUNT; n++) {
        value_file_unref(file);
        assert_int_equal(value_log_append(log, VALUE_STREAM_WRITES, 1, slice_of("key", 3), slice_of(bytes, BYTES),
                                          &pointers[n], &file),
                         NACRE_OK);
    }
    const uint64_t all = (uint64_t)pointers[COUNT - 1].offset + BYTES - pointers[0].offset;
    struct value_ahead up = { 0 }, down = { 0 }, mixed = { 0 };
    nacre_slice value;
    struct pin pin;
    for (unsigned n = 0; n < COUNT; n++) {
        value_log_read_ahead(log, &up, &pointers[n]);
        assert_int_equal(value_log_read(log, &pointers[n], &value, &pin), NACRE_OK);
        assert_true(n == 0 || asked.end >= (const uint8_t *)value.data + BYTES);
    }
    assert_in_range(asked.calls, 3, 9); /* 64 KiB, twice as much each time */
    assert_in_range(asked.bytes, all - 2 * BYTES, all);
    memset(&asked, 0, sizeof asked);
    for (unsigned n = COUNT; n-- > 0;) {
        value_log_read_ahead(log, &down, &pointers[n]);
        assert_int_equal(value_log_read(log, &pointers[n], &value, &pin), NACRE_OK);
        assert_true(n == COUNT - 1 || asked.first <= (const uint8_t *)value.data);
    }
    assert_in_range(asked.calls, 3, 9);
    assert_in_range(asked.bytes, all - 2 * BYTES, all + 1000);
    memset(&asked, 0, sizeof asked);
    for (unsigned n = 0; n < COUNT; n++) {
        value_log_read_ahead(log, &mixed, &pointers[n * UINT64_C(1237) % COUNT]);
    }
    assert_int_equal(asked.calls, 0);
    os.struct_size = offsetof(nacre_os, read_ahead); /* of a program that was built before there was such a call */
    for (unsigned n = 0; n < COUNT; n++) {
        value_log_read_ahead(log, &up, &pointers[n]);
    }
    assert_int_equal(asked.calls, 0);
    value_file_unref(file);
    value_log_close(log);
    os_memory_free(disk);
}

static void pointers_that_lead_nowhere_are_damage(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct value_log *log = open_log(os, true);
    struct kept kept;
    nacre_slice value;
    struct pin pin = { NULL, NULL };
    must_append(log, 1, &kept);
    struct value_pointer good = kept.pointer, bad[] = { good, good, good, good, good };
    bad[0].file++;
    bad[1].offset = 0;
    bad[2].offset = UINT32_MAX;
    bad[3].size = UINT32_MAX;
    bad[4].checksum++;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(value_log_read(log, &bad[i], &value, &pin), NACRE_CORRUPT);
        assert_int_equal(value_log_check(log, &bad[i]), NACRE_CORRUPT);
    }
    value_file_unref(kept.file);
    value_log_close(log);
    os_memory_free(os);
}

/* ---- a reader that looks while a writer makes a file ---- */

/* The steps in which a writer in another process makes the file, one at each call of the reader's file layer from `first` on. */
static struct making {
    const nacre_os *os;
    const char *from, *to; /* a file as the writer would have made it, and where it is made */
    unsigned calls, first, steps;
} making;

static nacre_file *open_for_making(const char *path, uint32_t flags)
{
    nacre_file *file = NULL;
    assert_int_equal(making.os->open(making.os->context, path, flags, &file), NACRE_OK);
    return file;
}

static void copy_part(nacre_file *from, nacre_file *to, uint64_t begin, uint64_t end)
{
    static uint8_t bytes[FILE_BYTES];
    size_t got = 0;
    assert_int_equal(making.os->read(from, begin, bytes, (size_t)(end - begin), &got), NACRE_OK);
    assert_int_equal(making.os->write(to, begin, bytes, got), NACRE_OK);
}

/* Space, header, a value. */
static void make_on(void)
{
    nacre_file *from = open_for_making(making.from, NACRE_FILE_READ),
               *to = open_for_making(making.to, NACRE_FILE_READ | NACRE_FILE_WRITE);
    switch (making.steps++) {
    case 0:
        assert_int_equal(making.os->truncate(to, FILE_BYTES), NACRE_OK);
        break;
    case 1:
        copy_part(from, to, 0, VALUE_HEADER_BYTES);
        break;
    case 2:
        copy_part(from, to, VALUE_HEADER_BYTES, FILE_BYTES);
        break;
    default:
        break;
    }
    making.os->close(from);
    making.os->close(to);
}

static void count_call(void)
{
    if (++making.calls > making.first) {
        make_on();
    }
}

static int open_counted(void *context, const char *path, uint32_t flags, nacre_file **file)
{
    count_call();
    return making.os->open(context, path, flags, file);
}

static int read_counted(nacre_file *file, uint64_t offset, void *bytes, size_t size, size_t *got)
{
    count_call();
    return making.os->read(file, offset, bytes, size, got);
}

static int size_counted(nacre_file *file, uint64_t *size)
{
    count_call();
    return making.os->size(file, size);
}

/* The reader opens when so many of the steps are done, and the others follow from its call number `first` on. */
static void read_while_made(const struct kept *kept, unsigned done, unsigned first)
{
    struct value_log *log = NULL;
    struct kept found = *kept;
    nacre_os counted = *making.os;
    counted.open = open_counted;
    counted.read = read_counted;
    counted.size = size_counted;
    making.calls = making.steps = 0;
    making.first = first;
    making.os->close(open_for_making(making.to, NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE));
    while (making.steps < done) {
        make_on();
    }
    const struct value_log_options options = {
        .os = &counted, .directory = DIRECTORY, .file_bytes = FILE_BYTES, .map = true, .read_only = true
    };
    assert_int_equal(value_log_open(&options, &log), NACRE_OK);
    making.first = UINT32_MAX;
    while (making.steps < 3) {
        make_on();
    }
    hold_again(log, &found, 1);
    if (read_back(log, 1, &found) != NACRE_OK) {
        fail_msg("%u steps done, the others from call %u on: %s", done, first, fail_detail());
    }
    value_file_unref(found.file);
    value_log_close(log);
    assert_int_equal(making.os->remove(making.os->context, making.to), NACRE_OK);
}

static void a_reader_that_looks_while_a_file_is_being_made_reads_its_values_later(void **state)
{
    (void)state;
    char path[64];
    struct kept kept;
    nacre_os *os = new_disk();
    struct value_log *log = open_log(os, false);
    must_append(log, 1, &kept);
    snprintf(path, sizeof path, DIRECTORY "/" VALUE_FILE_NAME, (unsigned long long)kept.pointer.file);
    making = (struct making){ .os = os, .from = "made", .to = path };
    assert_int_equal(os->link(os->context, path, making.from), NACRE_OK);
    assert_int_equal(os->remove(os->context, path), NACRE_OK);
    for (unsigned done = 0; done <= 3; done++) {
        for (unsigned first = 0; first < 8; first++) {
            read_while_made(&kept, done, first);
        }
    }
    value_file_unref(kept.file);
    value_log_close(log);
    os_memory_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_back_from_maps_and_by_calls),
        cmocka_unit_test(files_without_references_go_and_others_stay),
        cmocka_unit_test(threads_append_beside_each_other),
        cmocka_unit_test(zeros_that_are_written_ahead_meet_no_value),
        cmocka_unit_test(large_values_are_appended_while_full_files_are_sealed),
        cmocka_unit_test(synced_values_survive_a_loss_of_power),
        cmocka_unit_test(a_failed_sync_is_not_tried_again_and_recovery_writes_the_values_anew),
        cmocka_unit_test(appends_fail_alone),
        cmocka_unit_test(each_damaged_byte_is_found_or_unused),
        cmocka_unit_test(readers_check_a_large_value_of_a_sealed_file_once_and_others_each_time),
        cmocka_unit_test(walks_in_the_order_of_the_file_are_read_ahead_and_others_are_not),
        cmocka_unit_test(pointers_that_lead_nowhere_are_damage),
        cmocka_unit_test(a_reader_that_looks_while_a_file_is_being_made_reads_its_values_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
