/* Reading backups: listing, verifying, restoring (backup.h). Takes no lock of the directory: a removal beside it can make it fail, not go wrong, as
   every byte is held against the backup's own file.

   A restore writes CURRENT last: half of one is no store. One that fails takes away what it made. Any thread. */
#include "base/memory.h"
#include "base/status.h"
#include "store/backup.h"
#include "base/endian.h"
#include "store/layout.h"
#include <inttypes.h>

/* ---- one file ---- */

static int check_pieces(const struct copier *c, const char *path, const struct backup_file *file)
{
    for (size_t i = 0; i < file->piece_count; i++) {
        uint32_t expected = load_u32(file->pieces + 4 * i), found = load_u32(c->pieces.data + 4 * i);
        if (expected != found) {
            uint64_t begin = (uint64_t)i * COPY_PIECE_BYTES, end = begin + COPY_PIECE_BYTES;
            return fail(NACRE_CORRUPT, "%s (%s): bytes %" PRIu64 " to %" PRIu64 ": checksum %08x expected, %08x found",
                        path, file->name, begin, end < file->size ? end : file->size, expected, found);
        }
    }
    return content_sum_equal(c->sum, file->sum)
               ? NACRE_OK
               : fail(NACRE_CORRUPT,
                      "%s (%s): contents %016" PRIx64 "%016" PRIx64 " expected, %016" PRIx64 "%016" PRIx64 " found",
                      path, file->name, file->sum.high, file->sum.low, c->sum.high, c->sum.low);
}

int backup_check_file(struct copier *c, const char *directory, const struct backup_file *file, const char *to)
{
    char path[OS_PATH_MAX], name[CONTENT_NAME_BYTES];
    content_name(file, name);
    int status = os_path(path, directory, "files/%s", name);
    if (status == NACRE_OK) {
        status = to ? copier_copy(c, path, to, UINT64_MAX) : copier_read(c, path, UINT64_MAX);
    }
    if (status == NACRE_NOT_FOUND) {
        return fail(NACRE_CORRUPT, "%s (%s): is missing", path, file->name);
    }
    if (status == NACRE_OK && c->size != file->size) {
        return fail(NACRE_CORRUPT, "%s (%s): %" PRIu64 " bytes expected, %" PRIu64 " found", path, file->name,
                    file->size, c->size);
    }
    return status == NACRE_OK ? check_pieces(c, path, file) : status;
}

/* ---- verifying ---- */

static int note_damage(nacre_verify_report *report, struct buffer *text, int status)
{
    report->damaged++;
    (void)status;
    return buffer_append_format(text, "%s\n", fail_detail());
}

static bool is_damage(int status)
{
    return status == NACRE_CORRUPT || status == NACRE_IO || status == NACRE_UNSUPPORTED;
}

static int verify_files(struct copier *c, const char *directory, const struct backup *b, nacre_verify_report *report,
                        struct buffer *text)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < b->file_count && status == NACRE_OK; i++) {
        status = backup_check_file(c, directory, &b->files[i], NULL);
        report->files++;
        report->bytes += c->size;
        status = is_damage(status) ? note_damage(report, text, status) : status;
    }
    return status;
}

int backup_verify(const nacre_os *os, const char *directory, uint64_t id, nacre_verify_report *report)
{
    struct copier copier;
    struct backup b = { 0 };
    struct buffer text = { 0 };
    report->files = report->bytes = report->entries = report->damaged = 0;
    report->damage = NULL;
    int status = backup_pick(os, directory, &id);
    if (status != NACRE_OK || (status = copier_create(os, &copier)) != NACRE_OK) {
        return status;
    }
    status = backup_read(os, directory, id, &b);
    report->files = status != NACRE_NOT_FOUND;
    if (is_damage(status)) {
        status = note_damage(report, &text, status);
    } else if (status == NACRE_OK) {
        status = verify_files(&copier, directory, &b, report, &text);
    }
    backup_free(&b);
    copier_free(&copier);
    if (status != NACRE_OK) {
        buffer_free(&text);
        return status;
    }
    report->damage = (char *)text.data;
    return report->damaged
               ? fail(NACRE_CORRUPT, "backup %" PRIu64 " of %s: %" PRIu64 " damaged places; the report lists them", id,
                      directory, report->damaged)
               : NACRE_OK;
}

/* ---- restoring ---- */

static int restore_file(struct copier *c, const char *directory, const struct backup_file *file, const char *path,
                        const char *name)
{
    char to[OS_PATH_MAX];
    int status = os_path(to, path, "%s", name);
    return status == NACRE_OK ? backup_check_file(c, directory, file, to) : status;
}

static const struct backup_file *find_current(const struct backup *b)
{
    for (size_t i = 0; i < b->file_count; i++) {
        if (strcmp(b->files[i].name, "CURRENT") == 0) {
            return &b->files[i];
        }
    }
    return NULL;
}

static unsigned folders_of(const struct backup *b)
{
    unsigned folders = layout_always;
    for (size_t i = 0; i < b->file_count; i++) {
        size_t folder;
        if (layout_is_file(b->files[i].name, &folder) && folder < layout_folder_count) {
            folders |= 1u << folder;
        }
    }
    return folders;
}

/* All but CURRENT, made durable; then that, aside and renamed. */
static int restore_files(struct copier *c, const char *directory, const struct backup *b, const char *path)
{
    const nacre_os *os = c->os;
    const struct backup_file *current = find_current(b);
    char from[OS_PATH_MAX], to[OS_PATH_MAX];
    int status =
        current ? NACRE_OK : fail(NACRE_CORRUPT, "backup %" PRIu64 " of %s: has no file CURRENT", b->id, directory);
    for (size_t i = 0; i < b->file_count && status == NACRE_OK; i++) {
        if (&b->files[i] != current) {
            status = restore_file(c, directory, &b->files[i], path, b->files[i].name);
        }
    }
    if (status == NACRE_OK && (status = layout_sync(os, path, folders_of(b))) == NACRE_OK &&
        (status = restore_file(c, directory, current, path, "CURRENT.tmp")) == NACRE_OK &&
        (status = os_path(from, path, "CURRENT.tmp")) == NACRE_OK &&
        (status = os_path(to, path, "CURRENT")) == NACRE_OK &&
        (status = os->rename(os->context, from, to)) == NACRE_OK) {
        status = os->sync_directory(os->context, path);
    }
    return status;
}

int backup_restore(const nacre_os *os, const char *directory, uint64_t id, const char *path)
{
    struct copier copier;
    struct backup b = { 0 };
    int status = backup_pick(os, directory, &id);
    if (status != NACRE_OK || (status = copier_create(os, &copier)) != NACRE_OK) {
        return status;
    }
    status = backup_read(os, directory, id, &b);
    if (status == NACRE_OK) {
        status = layout_make(os, path, folders_of(&b));
        bool made = status != NACRE_EXISTS;
        if (status == NACRE_OK) {
            status = restore_files(&copier, directory, &b, path);
        }
        if (status != NACRE_OK && made) {
            layout_remove(os, path);
        }
    }
    backup_free(&b);
    copier_free(&copier);
    return status;
}

/* ---- listing ---- */

static int describe(const nacre_os *os, const char *directory, uint64_t id, struct buffer *json)
{
    struct backup b;
    int status = backup_read(os, directory, id, &b);
    if (is_damage(status)) {
        char text[2048];
        return buffer_append_format(json, "{\"id\":%" PRIu64 ",\"damage\":\"%s\"}", id,
                                    log_escape(fail_detail(), text, sizeof text));
    }
    if (status == NACRE_OK) {
        status = buffer_append_format(
            json,
            "{\"id\":%" PRIu64 ",\"created_ms\":%" PRIu64 ",\"sequence\":%" PRIu64 ",\"collections\":%" PRIu64
            ",\"files\":%zu,\"bytes\":%" PRIu64 ",\"copied_bytes\":%" PRIu64 "}",
            id, b.created_ms, b.sequence, b.collections, b.file_count, backup_bytes(&b), b.copied_bytes);
    }
    backup_free(&b);
    return status;
}

int backup_list_json(const nacre_os *os, const char *directory, char **json)
{
    struct backup_ids list;
    struct buffer text = { 0 };
    int status = backup_ids_list(os, directory, &list);
    if (status == NACRE_OK) {
        status = buffer_append_format(&text, "{\"backups\":[");
    }
    for (size_t i = 0; i < list.count && status == NACRE_OK; i++) {
        status = i ? buffer_append_u8(&text, ',') : NACRE_OK;
        if (status == NACRE_OK) {
            status = describe(os, directory, list.ids[i], &text);
        }
    }
    backup_ids_free(&list);
    if (status == NACRE_OK) {
        status = buffer_append_format(&text, "]}");
    }
    if (status != NACRE_OK) {
        buffer_free(&text);
        return status;
    }
    *json = (char *)text.data;
    return NACRE_OK;
}
