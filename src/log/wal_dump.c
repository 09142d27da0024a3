/* One log file by itself, as far as it can be read: for looking inside. Nothing is written. One thread; no locks. */
#include "base/status.h"
#include "log/wal_replay.h"
#include <stdio.h>

/* The number that the records were written under: the header's, or the one in the file's name. */
static int find_number(struct replay_file *file, const char *path)
{
    const char *slash = strrchr(path, '/');
    char name[13] = { 0 };
    (void)snprintf(name, sizeof name, "%s", slash ? slash + 1 : path);
    if (file->header_good) {
        file->number = file->header.number;
    } else if (!wal_parse_name(name, &file->number)) {
        return fail(NACRE_CORRUPT, "%s", file->header_damage);
    }
    return NACRE_OK;
}

static void note_damage(struct wal_replay_report *report, const struct replay_file *file, uint64_t offset,
                        enum wal_check check, const struct wal_record *record)
{
    if (report->damaged_regions++ == 0) {
        (void)snprintf(report->damage, sizeof report->damage, "offset %llu: %s: expected %016llx, found %016llx",
                       (unsigned long long)offset, file->header_good ? wal_check_text(check) : file->header_damage,
                       (unsigned long long)record->expected, (unsigned long long)record->found);
    }
}

static int dump_records(struct replay_file *file, wal_visitor *visit, void *context, struct wal_replay_report *report)
{
    uint64_t offset = WAL_HEADER_BYTES, found;
    int status = NACRE_OK;
    while (status == NACRE_OK) {
        struct wal_record record;
        wal_position at = WAL_POSITION(file->number, offset);
        enum wal_check check = wal_record_check(file->bytes, file->size, at, &record);
        if (check != WAL_GOOD) {
            if (!replay_next_good(file, offset + 8, &found)) {
                break;
            }
            note_damage(report, file, offset, check, &record);
            offset = found;
            continue;
        }
        if (record.is_end) {
            return NACRE_OK;
        }
        if (!record.is_filler) {
            report->records++;
            report->bytes += record.length;
            status = visit(context, at, WAL_POSITION(file->number, record.next), record.sequence,
                           slice_of(file->bytes + offset + WAL_RECORD_HEADER_BYTES, record.length));
        }
        offset = record.next;
    }
    report->torn_at = WAL_POSITION(file->number, offset);
    return status;
}

int wal_dump_file(const nacre_os *os, const char *path, wal_visitor *visit, void *context,
                  struct wal_replay_report *report)
{
    *report = (struct wal_replay_report){ 0 };
    struct replay_file file;
    struct replay r = { .os = os, .directory = "", .files = NULL, .report = report, .end = UINT64_MAX };
    int status = replay_load_one(&r, path, 0, false, &file);
    if (status == NACRE_OK) {
        status = find_number(&file, path);
    }
    if (status == NACRE_OK && (status = replay_need(&r, &file, UINT64_MAX)) == NACRE_OK) {
        report->last_file = file.number;
        if (!file.header_good) {
            report->damaged_regions = 1;
            (void)snprintf(report->damage, sizeof report->damage, "%s", file.header_damage);
        }
        status = dump_records(&file, visit, context, report);
    }
    if (status == NACRE_OK && report->torn_at) {
        struct scan_result found;
        status = replay_scan(&r, &file, WAL_OFFSET(report->torn_at), UINT64_MAX, &found);
        report->torn_bytes = found.content_end - WAL_OFFSET(report->torn_at);
        report->torn_records = found.records;
        report->torn_at = report->torn_bytes ? report->torn_at : 0;
    }
    replay_unload_one(&r, &file);
    replay_unload(&r);
    return status;
}
