/* Verification of the value log: the headers of its files, and every value that an entry of a memtable or segment points to, with the record it lies in.
   What nobody points to is not judged: an append that a loss of power cut short leaves half a record, which is no damage. Any thread; no locks. */
#include "base/memory.h"
#include "base/status.h"
#include "store/values.h"
#include "tree/version_build.h"

struct verifying {
    nacre_store *store;
    void (*damage)(void *context, int status, const char *detail);
    void *context;
    nacre_verify_report *report;
};

/* One damaged value does not end it. */
static void verify_value(struct verifying *v, const struct entry *entry)
{
    struct value_pointer pointer;
    struct pin pin = { NULL, NULL };
    nacre_slice value;
    if (!value_pointer_decode(entry->value, &pointer)) {
        return; /* the segment's own verification says so */
    }
    int status = value_log_verify(v->store->values, &pointer, entry->key);
    if (status == NACRE_OK) {
        status = value_log_read(v->store->values, &pointer, &value, &pin);
    }
    if (status == NACRE_OK) {
        v->report->bytes += value.size;
        pin_release(&pin);
    } else {
        v->damage(v->context, status, fail_detail());
    }
}

/* A source that cannot be read to its end is told of elsewhere. */
static int verify_source(struct verifying *v, struct cursor *cursor)
{
    int status = NACRE_OK;
    for (cursor_first(cursor); cursor->valid && status == NACRE_OK; cursor_next(cursor)) {
        if (cursor->entry.type == ENTRY_POINTER) {
            verify_value(v, &cursor->entry);
            bool stops = atomic_load_explicit(&v->store->stopping, memory_order_relaxed);
            status = stops ? fail(NACRE_CANCELLED, "the store is closing") : NACRE_OK;
        }
    }
    cursor_close(cursor);
    return status;
}

static int verify_view(struct verifying *v, const struct view *view)
{
    struct segment **list = NULL;
    struct cursor *cursor = NULL;
    size_t count = 0;
    int status = version_segments(view->version, UINT64_MAX, &list, &count);
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        if (list[i]->properties.values.count > 0 &&
            list[i]->kind->cursor_create(list[i]->reader, &cursor) == NACRE_OK) {
            status = verify_source(v, cursor);
        }
    }
    memory_free(list);
    for (uint32_t i = 0; i < view->table_count && status == NACRE_OK; i++) {
        status = memtable_cursor_create(view->tables[i]->memtable, &cursor);
        status = status == NACRE_OK ? verify_source(v, cursor) : status;
    }
    return status;
}

static int verify_collection(nacre_collection *collection, void *context)
{
    struct view *view = view_hold(collection);
    int status = verify_view(context, view);
    view_release(collection->store, view);
    return status;
}

static int verify_header(void *context, struct value_file *file, const struct value_file_info *info)
{
    struct verifying *v = context;
    struct value_file_report report;
    char path[OS_PATH_MAX];
    (void)file;
    if (info->references == 0 && !v->store->leaves_out) {
        return NACRE_OK; /* it is about to go */
    }
    int status = os_path(path, v->store->values_path, VALUE_FILE_NAME, (unsigned long long)info->id);
    if (status == NACRE_OK) {
        status = value_file_scan(v->store->os, path, 1, NULL, NULL, &report);
    }
    if (status == NACRE_NOT_FOUND && v->store->read_only) {
        return NACRE_OK; /* the writer has removed it */
    }
    if (status == NACRE_OK && report.header_damaged) {
        v->damage(v->context, NACRE_CORRUPT, report.damage);
    } else if (status == NACRE_UNSUPPORTED) {
        v->damage(v->context, status, fail_detail());
        status = NACRE_OK;
    }
    v->report->files++;
    return status;
}

int verify_values(nacre_store *store, void (*damage)(void *context, int status, const char *detail), void *context,
                  nacre_verify_report *report)
{
    struct verifying v = { store, damage, context, report };
    int status = value_log_each_file(store->values, verify_header, &v);
    return status == NACRE_OK ? store_each_collection(store, verify_collection, &v) : status;
}
