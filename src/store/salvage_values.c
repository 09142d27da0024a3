/* The value files of a damaged store (salvage.h): copied as they are, as far as the disk gives them, and their headers made good. Which values are lost is told by the
   pointers of segments and log alone: each is looked for in what was copied, and has to have the pointer's checksum. What no pointer leads to is nobody's loss.

   A segment some of whose values are lost is made anew without these entries, under its id and with the same sequences.

   Invariants:
   1. Only what a file lacks is lost: a call that fails on a copy ends the salvage. One that fails on the damaged store is tried again, and then is damage of that place.
   2. The head of each record that a pointer leads to is good in the copy: the new store finds the ends of its files by them.
   One thread. */
#include "base/memory.h"
#include "base/status.h"
#include "store/salvage.h"
#include <stdio.h>
#include <stdlib.h>

#define SECTOR_BYTES ((size_t)4096)

/* ---- copying ---- */

struct value_names {
    struct buffer names; /* each with its NUL */
    int status;
};

static void note_value_file(void *context, const char *name)
{
    struct value_names *list = context;
    size_t size = strlen(name);
    if (size == 20 && strcmp(name + 16, ".val") == 0) {
        int status = buffer_append(&list->names, name, size + 1);
        list->status = list->status == NACRE_OK ? status : list->status;
    }
}

static bool may_pass(int status)
{
    return status == NACRE_IO;
}

/* The names; none where the directory is missing, or, which is reported, cannot be read. */
static int list_values(struct salvage *s, struct value_names *list)
{
    int status = s->os->list(s->os->context, s->source_values, note_value_file, list);
    if (may_pass(status)) {
        buffer_clear(&list->names);
        status = s->os->list(s->os->context, s->source_values, note_value_file, list);
    }
    if (may_pass(status)) {
        buffer_clear(&list->names);
        return salvage_report_damage(s, "values", NULL, NULL, fail_detail());
    }
    return status == NACRE_NOT_FOUND ? NACRE_OK : status == NACRE_OK ? list->status : status;
}

/* A run of sectors that the disk would not read. */
struct unread {
    uint64_t offset, size;
    char detail[320];
};

static int report_unread(struct salvage *s, const char *file, struct unread *unread)
{
    struct lost_part lost = { .what = "a part that the disk does not read",
                              .offset = unread->offset,
                              .size = unread->size };
    int status = unread->size ? salvage_report_damage(s, file, NULL, &lost, unread->detail) : NACRE_OK;
    unread->size = 0;
    return status;
}

/* Zeros for what cannot be read. */
static int copy_sectors(struct salvage *s, const char *file, nacre_file *source, nacre_file *target, uint64_t size)
{
    uint8_t *bytes = s->copier.bytes;
    struct unread unread = { .size = 0 };
    int status = NACRE_OK;
    for (uint64_t at = 0; at < size && status == NACRE_OK;) {
        size_t want = size - at < SECTOR_BYTES ? (size_t)(size - at) : SECTOR_BYTES, got = 0;
        status = s->os->read(source, at, bytes, want, &got);
        if (may_pass(status)) {
            (void)snprintf(unread.detail, sizeof unread.detail, "%s", fail_detail());
            memset(bytes, 0, want);
            unread.offset = unread.size ? unread.offset : at;
            unread.size += want;
            got = want;
            status = NACRE_OK;
        } else if (status == NACRE_OK) {
            status = report_unread(s, file, &unread);
        }
        if (got == 0) {
            break;
        }
        status = status == NACRE_OK ? s->os->write(target, at, bytes, got) : status;
        at += got;
    }
    return status == NACRE_OK ? report_unread(s, file, &unread) : status;
}

static int copy_into(struct salvage *s, const char *file, nacre_file *source, const char *to, uint64_t size)
{
    nacre_file *target = NULL;
    int status = s->os->open(s->os->context, to,
                             NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE | NACRE_FILE_EXCLUSIVE, &target);
    if (status != NACRE_OK) {
        return status;
    }
    status = copy_sectors(s, file, source, target, size);
    if (status == NACRE_OK) {
        status = s->os->sync(target);
    }
    int closed = s->os->close(target);
    return status == NACRE_OK ? closed : status;
}

/* Sector by sector. *there: it could be opened. */
static int copy_what_can_be_read(struct salvage *s, const char *file, const char *from, const char *to, bool *there)
{
    nacre_file *source = NULL;
    uint64_t size = 0;
    int status = s->os->open(s->os->context, from, NACRE_FILE_READ, &source);
    bool opened = status == NACRE_OK;
    status = opened ? s->os->size(source, &size) : status;
    *there = status == NACRE_OK;
    if (*there) {
        status = copy_into(s, file, source, to, size);
    } else if (may_pass(status) || status == NACRE_NOT_FOUND) {
        status = salvage_report_damage(s, file, NULL, NULL, fail_detail());
    }
    if (opened) {
        (void)s->os->close(source); /* only read: nothing can be lost */
    }
    return status;
}

static int copy_value_file(struct salvage *s, const char *name)
{
    char file[64], from[OS_PATH_MAX], to[OS_PATH_MAX], damage[320];
    bool there = true;
    (void)snprintf(file, sizeof file, "values/%s", name);
    int status = os_path(from, s->path, "%s", file);
    if (status == NACRE_OK) {
        status = os_path(to, s->to, "%s", file);
    }
    if (status == NACRE_OK) {
        status = copier_copy(&s->copier, from, to, UINT64_MAX);
        if (may_pass(status)) {
            status = copy_what_can_be_read(s, file, from, to, &there);
        }
    }
    if (status != NACRE_OK || !there) {
        return status;
    }
    s->value_files++;
    status = value_file_mend(s->os, to, strtoull(name, NULL, 16), damage);
    return status == NACRE_OK && damage[0] ? salvage_report_damage(s, file, NULL, NULL, damage) : status;
}

int salvage_copy_values(struct salvage *s)
{
    struct value_names list = { .status = NACRE_OK };
    int status = list_values(s, &list);
    for (size_t at = 0; at < list.names.size && status == NACRE_OK;) {
        const char *name = (const char *)list.names.data + at;
        at += strlen(name) + 1;
        status = copy_value_file(s, name);
    }
    bool any = list.names.size > 0;
    buffer_free(&list.names);
    return status == NACRE_OK && any ? s->os->sync_directory(s->os->context, s->target_values) : status;
}

/* ---- segments ---- */

int salvage_check_value(struct salvage *s, const struct salvaged_segment *segment, const struct entry *e)
{
    struct value_pointer pointer = { .file = 0 };
    if (e->type != ENTRY_POINTER) {
        return NACRE_OK;
    }
    int status = value_pointer_decode(e->value, &pointer)
                     ? value_source_mend(&s->copies, &pointer, segment->collection, e->key)
                     : fail(NACRE_CORRUPT, "it is no pointer");
    if (status != NACRE_CORRUPT) {
        return status;
    }
    /* How old settled entries are against those of segments that a merge had replaced, nothing tells. */
    bool ageless = !s->manifest.whole && e->sequence == SEQUENCE_SETTLED;
    status = salvage_lose_value(s, segment->collection ? segment->collection : segment->id, e->key,
                                ageless ? SEQUENCE_MAX : e->sequence, &pointer);
    return status == NACRE_OK ? NACRE_NOT_FOUND : status;
}

int salvage_check_values(struct salvage *s, const struct salvaged_segment *segment, struct segment *opened, bool *whole)
{
    struct cursor *cursor = NULL;
    *whole = true;
    int status = opened->properties.values.count ? opened->kind->cursor_create(opened->reader, &cursor) : NACRE_OK;
    if (status != NACRE_OK || !cursor) {
        return status;
    }
    for (cursor_first(cursor); cursor->valid && status == NACRE_OK; cursor_next(cursor)) {
        status = salvage_check_value(s, segment, &cursor->entry);
        *whole = *whole && status != NACRE_NOT_FOUND;
        status = status == NACRE_NOT_FOUND ? NACRE_OK : status;
    }
    status = status == NACRE_OK ? cursor->status : status;
    cursor_close(cursor);
    return status;
}

static int add_kept(struct salvage *s, const struct salvaged_segment *segment, struct segment *opened,
                    struct segment_builder *builder, uint64_t *kept)
{
    struct cursor *cursor = NULL;
    int status = opened->kind->cursor_create(opened->reader, &cursor);
    if (status != NACRE_OK) {
        return status;
    }
    for (cursor_first(cursor); cursor->valid && status == NACRE_OK; cursor_next(cursor)) {
        status = salvage_check_value(s, segment, &cursor->entry);
        if (status == NACRE_OK) {
            status = segment_builder_add(builder, &cursor->entry);
            *kept += 1;
        } else if (status == NACRE_NOT_FOUND) {
            status = NACRE_OK;
        }
    }
    status = status == NACRE_OK ? cursor->status : status;
    cursor_close(cursor);
    for (size_t i = 0; i < range_set_count(opened->ranges) && status == NACRE_OK; i++) {
        struct range_delete range = range_set_at(opened->ranges, i);
        status = segment_builder_add_range(builder, &range);
        *kept += 1;
    }
    return status;
}

int salvage_leave_out_lost(struct salvage *s, const struct salvaged_segment *segment, struct segment *opened,
                           struct segment **made)
{
    struct segment_builder *builder = NULL;
    struct segment_words own;
    uint64_t kept = 0;
    bool told = salvage_words_of(segment, &own);
    struct build_options options = { .compression = COMPRESSION_LZ4,
                                     .collection = segment->collection,
                                     .words = told ? own : salvage_words_for(s, segment->collection, false),
                                     .dimension = segment->dimension,
                                     .metric = segment->metric };
    *made = NULL;
    int status = segment_builder_create(&s->target, segment->kind, segment->id, &options, &builder);
    if (status == NACRE_OK) {
        status = add_kept(s, segment, opened, builder, &kept);
    }
    if (status != NACRE_OK || kept == 0) {
        segment_builder_abandon(builder);
        return status;
    }
    return segment_builder_finish(builder, made);
}

/* ---- the log ---- */

int salvage_read_logged(struct salvage *s, nacre_slice bytes, struct value_pointer *pointer, nacre_slice *value)
{
    *pointer = (struct value_pointer){ .file = 0 };
    if (!value_pointer_decode(bytes, pointer)) {
        (void)fail(NACRE_CORRUPT, "it is no pointer");
        return NACRE_NOT_FOUND;
    }
    int status = value_source_read(&s->values, pointer, value);
    if (may_pass(status)) {
        (void)value_source_rest(&s->values);
        status = value_source_read(&s->values, pointer, value);
    }
    return status == NACRE_CORRUPT || may_pass(status) ? NACRE_NOT_FOUND : status;
}
