/* Ending the log behind its last good record, so that what is cut off can never be read as records again.

   Order, so that a crash at any point leaves either the state before (the next replay judges and cuts again, in the same place or, where
   bytes of the tail were lost, in an earlier unsynced one) or the state after:
   1. files behind the cut are removed, the directory is synced; where all of a file goes, it goes last, so that the files behind it are
      never there without it (a file missing from the chain is damage);
   2. the file is truncated at the cut, an end record is written there, the file is synced.
   New records go to a file with a greater number only after that. */
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "log/wal_replay.h"

#define COPY_BYTES ((size_t)1 << 20)

static int remove_files(struct replay *r, size_t from, size_t to)
{
    int status = NACRE_OK;
    for (size_t i = to; i-- > from && status == NACRE_OK;) {
        char path[OS_PATH_MAX];
        status = wal_path(path, r->directory, r->files[i].number);
        if (status == NACRE_OK) {
            status = r->os->remove(r->os->context, path);
        }
    }
    if (status == NACRE_OK && from < to) {
        status = r->os->sync_directory(r->os->context, r->directory);
    }
    return status;
}

static int write_end(struct replay *r, struct replay_file *file, uint64_t offset, bool ended)
{
    uint8_t record[WAL_RECORD_HEADER_BYTES];
    uint64_t size = 0;
    int status = r->os->size(file->handle, &size);
    if (status == NACRE_OK && size > offset) {
        status = r->os->truncate(file->handle, offset);
    }
    if (status == NACRE_OK && !ended) {
        wal_record_encode(record, WAL_POSITION(file->number, offset), 0, WAL_END_LENGTH, 0, 0);
        status = r->os->write(file->handle, offset, record, sizeof record);
    }
    return status == NACRE_OK ? r->os->sync(file->handle) : status;
}

int replay_cut(struct replay *r, size_t index, uint64_t offset, bool ended)
{
    bool whole = offset < WAL_HEADER_BYTES; /* nothing of it is believed */
    int status = remove_files(r, index + 1, r->count);
    if (status == NACRE_OK) {
        status = whole ? remove_files(r, index, index + 1) : write_end(r, &r->files[index], offset, ended);
    }
    return status;
}

int replay_keep_copy(struct replay *r, struct replay_file *file)
{
    char path[OS_PATH_MAX];
    nacre_file *copy = NULL;
    uint64_t size = 0;
    if (file->copied || !file->writable) {
        return NACRE_OK;
    }
    int status = os_path(path, r->directory, WAL_FILE_NAME ".corrupt", file->number);
    if (status != NACRE_OK) {
        return status;
    }
    uint8_t *bytes = memory_alloc(COPY_BYTES);
    if (!bytes) {
        return NACRE_NO_MEMORY;
    }
    const uint32_t flags = NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE;
    status = r->os->open(r->os->context, path, flags, &copy);
    if (status == NACRE_OK && (status = r->os->truncate(copy, 0)) == NACRE_OK) {
        status = r->os->size(file->handle, &size);
    }
    for (uint64_t at = 0; status == NACRE_OK && at < size;) {
        size_t got = 0;
        status = r->os->read(file->handle, at, bytes, COPY_BYTES, &got);
        if (status == NACRE_OK && got == 0) {
            break;
        }
        if (status == NACRE_OK) {
            status = r->os->write(copy, at, bytes, got);
        }
        at += got;
    }
    if (status == NACRE_OK && (status = r->os->sync(copy)) == NACRE_OK) {
        status = r->os->sync_directory(r->os->context, r->directory);
    }
    if (copy) {
        int closed = r->os->close(copy);
        status = status == NACRE_OK ? closed : status;
    }
    memory_free(bytes);
    file->copied = status == NACRE_OK;
    return status;
}
