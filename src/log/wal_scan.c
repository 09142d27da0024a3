/* Looks behind a bad place of the log for record headers. A good one (its checksum is seeded with its own position) tells how far the log
   was durable when it was appended; that decides whether the bad place is damage or a tail that never was durable.

   The tail of a file made ahead is mostly zeros that were never written; they are read by large calls, as faulting them in through
   a map costs ten times as much. */
#include "base/endian.h"
#include "base/memory.h"
#include "log/wal_replay.h"

#define CHUNK_BYTES ((size_t)256 << 10)

struct scan {
    const struct replay_file *file;
    wal_position enough;
    struct scan_result *result;
    uint64_t skip_to; /* inside the payload of a good header nothing is looked for */
};

/* One place; `there` bytes are readable from it. */
static void look_at(struct scan *scan, const uint8_t *bytes, uint64_t there, uint64_t offset)
{
    struct wal_record record;
    const struct replay_file *file = scan->file;
    uint32_t length = load_u32(bytes + 24);
    if (length != WAL_END_LENGTH && length > file->size) {
        return; /* no need to hash */
    }
    enum wal_check check = wal_header_check(bytes, there, WAL_POSITION(file->number, offset), file->size, &record);
    if (check != WAL_GOOD && check != WAL_CUT_SHORT) {
        return;
    }
    scan->result->records += !record.is_end && !record.is_filler;
    scan->result->durable = record.durable > scan->result->durable ? record.durable : scan->result->durable;
    scan->skip_to = check == WAL_GOOD ? record.next : file->size;
    scan->result->content_end = scan->skip_to;
}

static void scan_chunk(struct scan *scan, const uint8_t *bytes, uint64_t there, uint64_t offset, uint64_t until)
{
    bool fresh = scan->file->header_good && !(scan->file->header.flags & WAL_FLAG_RECYCLED);
    for (uint64_t at = 0; at + 8 <= there && offset + at < until && scan->result->durable <= scan->enough; at += 8) {
        if (load_u64(bytes + at) == 0) {
            continue; /* no checksum is 0 */
        }
        if (fresh && offset + at + 8 > scan->result->content_end) {
            scan->result->content_end = offset + at + 8;
        }
        if (at + WAL_RECORD_HEADER_BYTES <= there && offset + at >= scan->skip_to) {
            look_at(scan, bytes + at, there - at, offset + at);
        }
    }
}

int replay_scan(struct replay *r, const struct replay_file *file, uint64_t offset, wal_position enough,
                struct scan_result *result)
{
    struct scan scan = { file, enough, result, 0 };
    *result = (struct scan_result){ .content_end = offset };
    if (file->header_good) {
        result->durable = file->header.durable;
    }
    if (!r->chunk && !(r->chunk = memory_alloc(CHUNK_BYTES + WAL_RECORD_HEADER_BYTES))) {
        return NACRE_NO_MEMORY;
    }
    for (uint64_t at = wal_padded(offset); at < file->size && result->durable <= enough; at += CHUNK_BYTES) {
        size_t got = 0;
        int status = r->os->read(file->handle, at, r->chunk, CHUNK_BYTES + WAL_RECORD_HEADER_BYTES, &got);
        if (status != NACRE_OK) {
            return status;
        }
        scan_chunk(&scan, r->chunk, got, at, at + CHUNK_BYTES);
    }
    return NACRE_OK;
}

bool replay_next_good(const struct replay_file *file, uint64_t offset, uint64_t *found)
{
    for (uint64_t at = wal_padded(offset); at + WAL_RECORD_HEADER_BYTES <= file->size; at += 8) {
        struct wal_record record;
        if (load_u64(file->bytes + at) != 0 &&
            wal_record_check(file->bytes, file->size, WAL_POSITION(file->number, at), &record) == WAL_GOOD) {
            *found = at;
            return true;
        }
    }
    return false;
}
