/* Reading values out of damaged files, and mending the heads before them (value_salvage.h).

   Invariants:
   1. Nothing but bytes that are known to be wrong is written: a header whose checksum is wrong, or a head and a key that are not those of the proven value behind them.
   One thread; no locks. */
#include "values/value_salvage.h"
#include "base/status.h"
#include "values/value_format.h"
#include <stdio.h>

int value_source_rest(struct value_source *source)
{
    int status = NACRE_OK;
    if (source->handle) {
        status = source->changed ? source->os->sync(source->handle) : NACRE_OK;
        int closed = source->os->close(source->handle);
        status = status == NACRE_OK && source->changed ? closed : status;
        source->handle = NULL;
        source->changed = false;
    }
    return status;
}

void value_source_close(struct value_source *source)
{
    (void)value_source_rest(source); /* who needs it to be durable has asked before */
    buffer_free(&source->bytes);
}

static int open_file(struct value_source *source, uint64_t id)
{
    char path[OS_PATH_MAX];
    uint32_t flags = source->writes ? NACRE_FILE_READ | NACRE_FILE_WRITE : NACRE_FILE_READ;
    if (source->handle && source->id == id) {
        return NACRE_OK;
    }
    int status = value_source_rest(source);
    if (status == NACRE_OK) {
        status = os_path(path, source->directory, VALUE_FILE_NAME, (unsigned long long)id);
    }
    if (status == NACRE_OK) {
        status = source->os->open(source->os->context, path, flags, &source->handle);
    }
    if (status == NACRE_NOT_FOUND) {
        source->handle = NULL;
        return fail(NACRE_CORRUPT, "the value file is missing");
    }
    if (status == NACRE_OK) {
        source->id = id;
        status = source->os->size(source->handle, &source->size);
        if (status != NACRE_OK) {
            (void)source->os->close(source->handle);
        }
    }
    source->handle = status == NACRE_OK ? source->handle : NULL;
    return status;
}

/* The value, with the `front` bytes before it. */
static int read_proven(struct value_source *source, const struct value_pointer *pointer, size_t front)
{
    size_t size = front + pointer->size, got = 0;
    int status = open_file(source, pointer->file);
    if (status != NACRE_OK) {
        return status;
    }
    if (pointer->offset < VALUE_HEADER_BYTES + front || (uint64_t)pointer->offset + pointer->size > source->size) {
        return fail(NACRE_CORRUPT, "offset %u: a value of %u bytes was expected, the file has %llu", pointer->offset,
                    pointer->size, (unsigned long long)source->size);
    }
    buffer_clear(&source->bytes);
    status = buffer_reserve(&source->bytes, size + 1);
    while (status == NACRE_OK && source->bytes.size < size) {
        status = source->os->read(source->handle, pointer->offset - front + source->bytes.size,
                                  source->bytes.data + source->bytes.size, size - source->bytes.size, &got);
        source->bytes.size += status == NACRE_OK ? got : 0;
        if (status == NACRE_OK && got == 0) {
            status = fail(NACRE_CORRUPT, "offset %u: the file ends in a value", pointer->offset);
        }
    }
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t found =
        value_checksum(pointer->file, pointer->offset, slice_of(source->bytes.data + front, pointer->size));
    return found == pointer->checksum
               ? NACRE_OK
               : fail(NACRE_CORRUPT, "offset %u: checksum of a value of %u bytes: expected %016llx, found %016llx",
                      pointer->offset, pointer->size, (unsigned long long)pointer->checksum, (unsigned long long)found);
}

int value_source_read(struct value_source *source, const struct value_pointer *pointer, nacre_slice *value)
{
    int status = read_proven(source, pointer, 0);
    if (status == NACRE_OK) {
        *value = slice_of(source->bytes.data, pointer->size);
    }
    return status;
}

static bool head_is_good(const struct value_source *source, const struct value_pointer *pointer, uint64_t offset,
                         nacre_slice key)
{
    struct value_record_header header;
    nacre_slice found = slice_of(source->bytes.data + VALUE_RECORD_HEADER_BYTES, key.size);
    return value_record_decode(source->bytes.data, pointer->file, offset, &header) && header.key_size == key.size &&
           header.value_size == pointer->size && header.checksum == pointer->checksum && slice_equal(found, key) &&
           value_record_key_is_good(&header, pointer->file, offset, key);
}

int value_source_mend(struct value_source *source, const struct value_pointer *pointer, uint32_t collection,
                      nacre_slice key)
{
    size_t front = VALUE_RECORD_HEADER_BYTES + key.size;
    struct value_pointer made;
    int status = read_proven(source, pointer, front);
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t offset = pointer->offset - front;
    if (offset % VALUE_ALIGNMENT != 0) {
        return fail(NACRE_CORRUPT, "offset %u: no record of such a key can be before a value that begins here",
                    pointer->offset);
    }
    if (!source->writes || head_is_good(source, pointer, offset, key)) {
        return NACRE_OK;
    }
    nacre_slice value = slice_of(source->bytes.data + front, pointer->size);
    value_record_encode(source->bytes.data, pointer->file, offset, collection, key, value, &made);
    memcpy(source->bytes.data + VALUE_RECORD_HEADER_BYTES, key.data, key.size);
    source->changed = true;
    return source->os->write(source->handle, offset, source->bytes.data, front);
}

static int write_header(const nacre_os *os, const char *path, const struct value_header *header)
{
    uint8_t bytes[VALUE_HEADER_BYTES];
    nacre_file *handle = NULL;
    value_header_encode(header, bytes);
    int status = os->open(os->context, path, NACRE_FILE_READ | NACRE_FILE_WRITE, &handle);
    if (status != NACRE_OK) {
        return status;
    }
    status = os->write(handle, 0, bytes, sizeof bytes);
    if (status == NACRE_OK) {
        status = os->sync(handle);
    }
    int closed = os->close(handle);
    return status == NACRE_OK ? closed : status;
}

int value_file_mend(const nacre_os *os, const char *path, uint64_t id, char damage[320])
{
    struct value_file_report report;
    damage[0] = 0;
    int status = value_file_scan(os, path, 1, NULL, NULL, &report);
    if (status == NACRE_UNSUPPORTED) {
        (void)snprintf(damage, 320, "%s", fail_detail());
    } else if (status != NACRE_OK || !report.header_damaged) {
        return status;
    } else {
        (void)snprintf(damage, 320, "%s", report.damage);
    }
    uint64_t bytes = report.bytes > VALUE_HEADER_BYTES ? report.bytes : VALUE_HEADER_BYTES;
    struct value_header header = { .id = id, .made_bytes = bytes + VALUE_FILE_SLACK };
    return write_header(os, path, &header);
}
