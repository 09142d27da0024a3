/* Any bytes as a log file: looked at by itself, replayed (strictly, with salvage, with a clean end), cut, and written on. */
#include "base/status.h"
#include "log/wal_format.h"
#include "os/os.h"
#include "support/os_memory.h"
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX 65536u

static int visit(void *context, wal_position begin, wal_position end, uint64_t sequence, nacre_slice payload)
{
    uint64_t *sum = context;
    if (begin >= end) {
        abort();
    }
    for (size_t i = 0; i < payload.size; i++) { /* every byte handed out can be read */
        *sum += ((const uint8_t *)payload.data)[i];
    }
    *sum += sequence;
    return NACRE_OK;
}

static void put_file(nacre_os *os, uint32_t number, const uint8_t *data, size_t size)
{
    char path[64];
    nacre_file *file;
    (void)snprintf(path, sizeof path, "log/" WAL_FILE_NAME, number);
    if (os->open(os->context, path, NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE, &file) != NACRE_OK ||
        (size > 0 && os->write(file, 0, data, size) != NACRE_OK) || os->close(file) != NACRE_OK) {
        abort();
    }
}

/* Half of the inputs are made to pass the checksums at the first levels, so that what lies behind is reached. */
static void mend(uint8_t *data, size_t size, uint32_t number)
{
    struct wal_header header;
    struct wal_record record;
    if (size < WAL_HEADER_BYTES || !(data[0] & 1)) {
        return;
    }
    memcpy(&header, data, sizeof header);
    header.number = number;
    header.previous = data[1] & 2 ? 0 : header.previous % 3;
    wal_header_encode(&header, data);
    uint64_t at = WAL_HEADER_BYTES;
    while (at + WAL_RECORD_HEADER_BYTES <= size && data[at] % 8 != 0) {
        uint32_t length = data[at + 1] % 8 == 0 ? WAL_END_LENGTH : (uint32_t)(data[at + 1] % 64);
        uint64_t left = size - at - WAL_RECORD_HEADER_BYTES;
        nacre_slice payload = { data + at + WAL_RECORD_HEADER_BYTES,
                                length == WAL_END_LENGTH || length > left ? 0 : length };
        wal_position durable = WAL_POSITION(number, (uint64_t)data[at + 2] * 8);
        wal_record_encode(data + at, WAL_POSITION(number, at), data[at + 3], length, wal_payload_hash(payload),
                          durable);
        if (wal_record_check(data, size, WAL_POSITION(number, at), &record) != WAL_GOOD) {
            return;
        }
        at = record.next;
    }
}

static void write_on(nacre_os *os, uint32_t after)
{
    struct wal_options options = { .os = os, .directory = "log", .file_bytes = 4096, .map = true, .recycle = true };
    struct wal *w;
    wal_position begin, end;
    nacre_slice payload = { "more", 4 };
    if (wal_open(&options, after + 1, &w) != NACRE_OK ||
        wal_append(w, 1, payload, wal_payload_hash(payload), &begin, &end) != NACRE_OK) {
        abort();
    }
    wal_close(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wal_replay_report report, again;
    uint64_t sum = 0;
    size = size < 2 * FILE_MAX ? size : 2 * FILE_MAX;
    uint8_t *copy = malloc(size + 1);
    nacre_os *os = os_memory_create();
    if (!copy || os->make_directory(os->context, "log") != NACRE_OK) {
        abort();
    }
    memcpy(copy, data, size);
    size_t half = size / 2 & ~(size_t)7;
    mend(copy, half, 1);
    mend(copy + half, size - half, 2);
    put_file(os, 1, copy, half);
    put_file(os, 2, copy + half, size - half);
    (void)wal_dump_file(os, "log/00000001.log", visit, &sum, &report);
    struct wal_replay_options options = { .os = os, .directory = "log" };
    options.from = WAL_POSITION(1, size % 5 == 0 ? size % FILE_MAX : 0);
    options.clean_end = size % 7 == 0 ? WAL_POSITION(2, size / 2) : 0;
    (void)wal_replay(&options, visit, &sum, &report);
    options.truncate = true;
    int status = wal_replay(&options, visit, &sum, &report);
    if (status == NACRE_OK) {
        uint64_t records = report.records;
        write_on(os, report.last_file);
        /* what was cut stays cut, what was added is there */
        if (wal_replay(&options, visit, &sum, &again) != NACRE_OK || again.records != records + 1 ||
            again.torn_bytes != 0) {
            abort();
        }
    } else {
        options.salvage = true;
        if (wal_replay(&options, visit, &sum, &report) != NACRE_OK) {
            abort();
        }
        options.salvage = false; /* what was salvaged stays, without salvage */
        options.clean_end = 0;
        if (wal_replay(&options, visit, &sum, &again) != NACRE_OK || again.records != report.records) {
            abort();
        }
    }
    os_memory_free(os);
    free(copy);
    return 0;
}
