/* Whether a value file that a backup has copied holds what the backup needs of it.

   Each of its records is checked. Where all are good and there are as many bytes of them as segments point to, that is all. Else what is damaged may be
   of an append that a crash cut short, which is no damage as nothing points to it (verify_values.c); or a place that an append had taken and not
   filled when the file was copied. So the pointers are followed, into the copy: those of the picture's segments, and those of memtables.

   Entries of memtables that are newer than the picture are left out: their values need not have been written when the file was copied. Newer segments
   are left out likewise, as merges write values under old sequences. So nothing is judged that only the log of the picture points to when its memtable
   was flushed while the backup was made.
   One thread. Locks: collections_lock. */
#include "base/memory.h"
#include "base/status.h"
#include "store/backup.h"
#include "store/picture.h"
#include "store/values.h"
#include "values/value_format.h"
#include <stdlib.h>

struct pointing { /* segments that point into the file */
    const struct picture_file **list;
    size_t count;
    uint64_t bytes; /* of records, each as often as it is pointed to */
};
struct following {
    struct value_log *copy;
    uint64_t file, newest; /* sequence */
};

static int compare_files(const void *key, const void *share)
{
    uint64_t id = *(const uint64_t *)key, other = ((const struct value_share *)share)->file;
    return id < other ? -1 : id > other;
}

static int compare_segments(const void *left, const void *right)
{
    const struct picture_file *a = *(const struct picture_file *const *)left,
                              *b = *(const struct picture_file *const *)right;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* The picture's segments, ascending by id. */
static int list_segments(const struct picture *picture, struct pointing *pointing)
{
    pointing->list = memory_alloc((picture->count + 1) * sizeof *pointing->list);
    if (!pointing->list) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < picture->count; i++) {
        if (picture->files[i].part == PICTURE_SEGMENT) {
            pointing->list[pointing->count++] = &picture->files[i];
        }
    }
    qsort((void *)pointing->list, pointing->count, sizeof *pointing->list, compare_segments);
    return NACRE_OK;
}

/* The bytes of the file that each of the segments points to; a segment is the same in all of its pieces. */
static void count_bytes(const struct picture *picture, uint64_t file, const struct pointing *pointing, uint64_t *bytes)
{
    const struct manifest_state *state = &picture->state;
    for (size_t i = 0; i < state->collection_count; i++) {
        for (size_t j = 0; j < state->collections[i].piece_count; j++) {
            const struct segment_properties *properties = &state->collections[i].pieces[j].properties;
            const struct value_shares *shares = &properties->values;
            const struct value_share *share =
                shares->count ? bsearch(&file, shares->list, shares->count, sizeof *shares->list, compare_files) : NULL;
            struct picture_file wanted = { .id = properties->id };
            const struct picture_file *key = &wanted;
            const struct picture_file **at = share ? bsearch((const void *)&key, (const void *)pointing->list,
                                                             pointing->count, sizeof *pointing->list, compare_segments)
                                                   : NULL;
            if (at) {
                bytes[at - pointing->list] = share->bytes;
            }
        }
    }
}

static int find_pointing(const struct picture *picture, uint64_t file, struct pointing *pointing)
{
    size_t kept = 0;
    int status = list_segments(picture, pointing);
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t *bytes = memory_zalloc((pointing->count + 1) * sizeof *bytes);
    if (!bytes) {
        return NACRE_NO_MEMORY;
    }
    count_bytes(picture, file, pointing, bytes);
    for (size_t i = 0; i < pointing->count; i++) {
        if (bytes[i] > 0) {
            pointing->list[kept++] = pointing->list[i];
            pointing->bytes += bytes[i];
        }
    }
    pointing->count = kept;
    memory_free(bytes);
    return NACRE_OK;
}

/* ---- following pointers ---- */

static int follow(const struct following *f, const struct entry *entry)
{
    struct value_pointer pointer;
    struct pin pin = { NULL, NULL };
    nacre_slice value;
    if (entry->type != ENTRY_POINTER || entry->sequence > f->newest || !value_pointer_decode(entry->value, &pointer) ||
        pointer.file != f->file) {
        return NACRE_OK;
    }
    int status = value_log_verify(f->copy, &pointer, entry->key);
    if (status == NACRE_OK) {
        status = value_log_read(f->copy, &pointer, &value, &pin);
        pin_release(&pin);
    }
    return status;
}

static int follow_all(const struct following *f, struct cursor *cursor)
{
    int status = NACRE_OK;
    for (cursor_first(cursor); cursor->valid && status == NACRE_OK; cursor_next(cursor)) {
        status = follow(f, &cursor->entry);
    }
    status = status == NACRE_OK ? cursor->status : status;
    cursor_close(cursor);
    return status;
}

static int follow_segment(const struct following *f, struct segment_env *env, const struct picture_file *file)
{
    struct segment *segment = NULL;
    struct cursor *cursor = NULL;
    int status = segment_open(env, file->kind, file->id, file->bytes, &segment);
    if (status == NACRE_OK) {
        status = file->kind->cursor_create(segment->reader, &cursor);
    }
    if (status == NACRE_OK) {
        status = follow_all(f, cursor);
    }
    segment_unref(segment);
    return status;
}

static int follow_tables(nacre_collection *collection, void *context)
{
    struct view *view = view_hold(collection);
    struct cursor *cursor = NULL;
    int status = NACRE_OK;
    for (uint32_t i = 0; i < view->table_count && status == NACRE_OK; i++) {
        status = memtable_cursor_create(view->tables[i]->memtable, &cursor);
        status = status == NACRE_OK ? follow_all(context, cursor) : status;
    }
    view_release(collection->store, view);
    return status;
}

static int follow_into(const struct picture *picture, const struct picture_file *file, const struct segment_env *copies,
                       const struct pointing *pointing)
{
    nacre_store *store = picture->store;
    struct following f = { .file = file->id, .newest = picture->state.last_sequence };
    struct value_log_options options = { .os = copies->os,
                                         .directory = copies->directory,
                                         .logger = store->logger,
                                         .file_bytes = tuning_get(&store->tuning, TUNING_value_file_bytes),
                                         .read_only = true };
    struct segment_env env = *copies;
    env.directory = store->segments.directory; /* the copies of segments have got their places already */
    env.ignore_indexes = true;
    int status = value_log_open(&options, &f.copy);
    for (size_t i = 0; i < pointing->count && status == NACRE_OK; i++) {
        status = follow_segment(&f, &env, pointing->list[i]);
    }
    if (status == NACRE_OK) {
        status = store_each_collection(store, follow_tables, &f);
    }
    value_log_close(f.copy);
    return status;
}

int backup_check_values(const struct picture *picture, const struct picture_file *file,
                        const struct segment_env *copies, const char *path)
{
    struct value_file_report report;
    struct pointing pointing = { 0 };
    int status = value_file_scan(copies->os, path, 0, NULL, NULL, &report);
    if (status == NACRE_OK && report.header_damaged) {
        status = fail(NACRE_CORRUPT, "%s", report.damage);
    }
    if (status == NACRE_OK) {
        status = find_pointing(picture, file->id, &pointing);
    }
    if (status == NACRE_OK && (report.damaged > 0 || report.holes > 0 ||
                               pointing.bytes > report.end - VALUE_HEADER_BYTES - report.hole_bytes)) {
        status = follow_into(picture, file, copies, &pointing);
    }
    memory_free((void *)pointing.list);
    return status == NACRE_OK ? NACRE_OK : fail_context(status, "the copy of %s/%s", picture->store->path, file->name);
}
