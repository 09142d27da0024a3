/* Opens the log files that a replay needs and reads them. Lengths come from the file system, never from a file's own bytes.

   The writer of a store maps its files. Who only looks reads them: another process may cut a file beneath a map. */
#include "base/memory.h"
#include "base/status.h"
#include "log/wal_replay.h"
#include <stdio.h>

#define READ_BYTES ((size_t)1 << 20)

const char *replay_name(const struct replay_file *file, char out[32])
{
    (void)snprintf(out, 32, WAL_FILE_NAME, file->number);
    return out;
}

static int read_header(struct replay *r, struct replay_file *file)
{
    uint8_t bytes[WAL_HEADER_BYTES] = { 0 };
    size_t got = 0;
    char name[32];
    int status = r->os->read(file->handle, 0, bytes, sizeof bytes, &got);
    if (status != NACRE_OK) {
        return status;
    }
    status = wal_header_decode(bytes, replay_name(file, name), &file->header);
    if (status == NACRE_UNSUPPORTED) {
        return status; /* sound, and not ours to cut or to keep aside */
    }
    if (status == NACRE_OK && file->header.number != file->number && file->number != 0) {
        status = fail(NACRE_CORRUPT, "%s: offset 12: file number: expected %08x, found %08x", name, file->number,
                      file->header.number);
    }
    file->header_good = status == NACRE_OK;
    if (!file->header_good) {
        (void)snprintf(file->header_damage, sizeof file->header_damage, "%s", fail_detail());
        file->header = (struct wal_header){ .number = file->number };
    }
    return NACRE_OK;
}

int replay_load_one(struct replay *r, const char *path, uint32_t number, bool writable, struct replay_file *file)
{
    *file = (struct replay_file){ .number = number, .writable = writable };
    int status = r->os->open(r->os->context, path, NACRE_FILE_READ | (writable ? NACRE_FILE_WRITE : 0), &file->handle);
    if (status == NACRE_OK) {
        status = r->os->size(file->handle, &file->size);
    }
    if (status == NACRE_OK) {
        file->size = file->size < WAL_FILE_BYTES_MAX ? file->size : WAL_FILE_BYTES_MAX;
        status = read_header(r, file);
    }
    return status;
}

int replay_load(struct replay *r, uint32_t first_number, bool writable)
{
    struct wal_numbers list;
    int status = wal_list(r->os, r->directory, &list);
    if (status != NACRE_OK) {
        return status;
    }
    r->report->last_file = list.count ? list.numbers[list.count - 1] : 0;
    r->files = memory_zalloc((list.count + 1) * sizeof *r->files);
    status = r->files ? NACRE_OK : NACRE_NO_MEMORY;
    for (size_t i = 0; status == NACRE_OK && i < list.count; i++) {
        char path[OS_PATH_MAX];
        if (list.numbers[i] < first_number || list.numbers[i] > WAL_FILE(r->end)) {
            continue;
        }
        status = wal_path(path, r->directory, list.numbers[i]);
        if (status == NACRE_OK) {
            status = replay_load_one(r, path, list.numbers[i], writable, &r->files[r->count++]);
        }
    }
    wal_numbers_free(&list);
    return status;
}

int replay_need(struct replay *r, struct replay_file *file, uint64_t end)
{
    void *map = NULL;
    int status = NACRE_OK;
    end = end < file->size ? end : file->size;
    if (!file->bytes && file->writable && file->size > 0 &&
        r->os->map(file->handle, file->size, false, &map) == NACRE_OK) {
        file->bytes = map;
        file->mapped = true;
        file->there = file->size;
    }
    if (!file->bytes) {
        file->bytes = file->read = memory_alloc((size_t)file->size); /* touched only as far as it is read */
        status = file->bytes ? NACRE_OK : NACRE_NO_MEMORY;
    }
    while (status == NACRE_OK && file->there < end) {
        uint64_t left = file->size - file->there;
        size_t got = 0, wanted = (size_t)(left < READ_BYTES ? left : READ_BYTES);
        status = r->os->read(file->handle, file->there, file->read + file->there, wanted, &got);
        file->there += got;
        if (status == NACRE_OK && got < wanted) {
            file->size = file->there; /* cut meanwhile */
            return NACRE_OK;
        }
    }
    return status;
}

void replay_unload_one(struct replay *r, struct replay_file *file)
{
    if (file->mapped) {
        (void)r->os->unmap((void *)(uintptr_t)file->bytes, file->size);
    } else {
        memory_free(file->read);
    }
    if (file->handle) {
        (void)r->os->close(file->handle); /* what had to be durable was synced */
    }
}

void replay_unload(struct replay *r)
{
    for (size_t i = 0; i < r->count; i++) {
        replay_unload_one(r, &r->files[i]);
    }
    memory_free(r->files);
    memory_free(r->chunk);
}
