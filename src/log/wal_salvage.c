/* What salvage writes. A damaged file as it was found is first kept under another name; then the damage is made passable in place, so that positions
   of records stay what they are: a filler lies over it, an end record ends the file before it, a header is made anew. One thread. */
#include "base/memory.h"
#include "base/status.h"
#include "log/wal_replay.h"
#include <stdio.h>

#define COPY_BYTES ((size_t)1 << 20)
#define COPIES_MAX 1000

int replay_cover(struct replay *r, struct replay_file *file, uint64_t offset, uint64_t found)
{
    uint8_t record[WAL_RECORD_HEADER_BYTES];
    uint32_t length = (uint32_t)(found - offset - WAL_RECORD_HEADER_BYTES);
    wal_record_encode(record, WAL_POSITION(file->number, offset), WAL_FILLER_SEQUENCE, length, 0, 0);
    return r->os->write(file->handle, offset, record, sizeof record);
}

int replay_relink(struct replay *r, struct replay_file *file, uint32_t previous)
{
    uint8_t bytes[WAL_HEADER_BYTES];
    if (!file->header_good) {
        file->header = (struct wal_header){ .number = file->number, .flags = WAL_FLAG_RECYCLED, .size = file->size };
        file->header_good = true;
    }
    file->header.previous = previous;
    wal_header_encode(&file->header, bytes);
    return r->os->write(file->handle, 0, bytes, sizeof bytes);
}

/* The first name that is not taken: <name>.corrupt, <name>.corrupt.2, ... */
static int find_copy_name(struct replay *r, uint32_t number, char path[OS_PATH_MAX])
{
    char suffix[16] = "";
    for (unsigned copy = 2; copy <= COPIES_MAX; copy++) {
        int status = os_path(path, r->directory, WAL_FILE_NAME ".corrupt%s", number, suffix);
        if (status != NACRE_OK || !os_exists(r->os, path)) {
            return status;
        }
        (void)snprintf(suffix, sizeof suffix, ".%u", copy);
    }
    return fail(NACRE_LIMIT, "%s: there are %u copies of this damaged file already", path, COPIES_MAX);
}

static int copy_bytes(struct replay *r, nacre_file *from, nacre_file *to)
{
    uint8_t *bytes = memory_alloc(COPY_BYTES);
    size_t got = COPY_BYTES;
    int status = bytes ? r->os->truncate(to, 0) : NACRE_NO_MEMORY;
    for (uint64_t at = 0; status == NACRE_OK && got == COPY_BYTES; at += got) {
        status = r->os->read(from, at, bytes, COPY_BYTES, &got);
        if (status == NACRE_OK && got > 0) {
            status = r->os->write(to, at, bytes, got);
        }
    }
    memory_free(bytes);
    return status == NACRE_OK ? r->os->sync(to) : status;
}

int replay_keep_copy(struct replay *r, struct replay_file *file)
{
    const uint32_t flags = NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE;
    char path[OS_PATH_MAX], aside[OS_PATH_MAX];
    nacre_file *copy = NULL;
    if (file->copied || !file->writable) {
        return NACRE_OK;
    }
    int status = find_copy_name(r, file->number, path);
    if (status == NACRE_OK) {
        status = os_path(aside, r->directory, WAL_FILE_NAME ".corrupt.tmp", file->number);
    }
    if (status == NACRE_OK && (status = r->os->open(r->os->context, aside, flags, &copy)) == NACRE_OK) {
        status = copy_bytes(r, file->handle, copy);
        int closed = r->os->close(copy);
        status = status == NACRE_OK ? closed : status;
    }
    if (status == NACRE_OK && (status = r->os->rename(r->os->context, aside, path)) == NACRE_OK) {
        status = r->os->sync_directory(r->os->context, r->directory);
    }
    file->copied = status == NACRE_OK;
    return status;
}
