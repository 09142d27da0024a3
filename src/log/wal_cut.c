/* Ending the log behind its last good record, so that what is cut off can never be read as records again.

   Order, so that a crash at any point leaves either the state before (the next replay judges and cuts again, in the same place or, where
   bytes of the tail were lost, in an earlier unsynced one) or the state after:
   1. files behind the cut are removed, the directory is synced; where all of a file goes, it goes last, so that the files behind it are
      never there without it (a file missing from the chain is damage);
   2. the file is truncated at the cut, an end record is written there, the file is synced.
   New records go to a file with a greater number only after that. */
#include "log/wal_replay.h"

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

int replay_end(struct replay *r, struct replay_file *file, uint64_t offset)
{
    uint8_t record[WAL_RECORD_HEADER_BYTES];
    int status = r->os->truncate(file->handle, offset);
    if (status == NACRE_OK) {
        wal_record_encode(record, WAL_POSITION(file->number, offset), 0, WAL_END_LENGTH, 0, 0);
        status = r->os->write(file->handle, offset, record, sizeof record);
    }
    return status;
}

static int trim(struct replay *r, struct replay_file *file, uint64_t offset)
{
    uint64_t size = 0;
    int status = r->os->size(file->handle, &size);
    return status == NACRE_OK && size > offset ? r->os->truncate(file->handle, offset) : status;
}

int replay_cut(struct replay *r, size_t index, uint64_t offset, bool ended)
{
    bool whole = offset < WAL_HEADER_BYTES; /* nothing of it is believed */
    int status = remove_files(r, index + 1, r->count);
    if (status != NACRE_OK || whole) {
        return status == NACRE_OK ? remove_files(r, index, index + 1) : status;
    }
    status = ended ? trim(r, &r->files[index], offset) : replay_end(r, &r->files[index], offset);
    return status == NACRE_OK ? r->os->sync(r->files[index].handle) : status;
}
