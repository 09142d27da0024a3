/* Large values: written to the value log before their commit, kept by the tables whose entries point to them, read where they lie.

   Invariants:
   1. A value is written before the record that points to it is appended, and synced before that record is (wal_options.before_sync), or before a segment
      that points to it is named by a manifest.
   2. A table keeps the files its entries point to from before the record is in the log; segments take over when it is flushed. So a file without a
      reference is needed by no memtable and no segment, nor by a record of the log that recovery would apply.
   Any thread. Locks: commit_lock for tables; the value log's own. */
#include "store/values.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"

/* ---- writing ---- */

static int add_ref(struct value_refs *refs, struct value_file *file)
{
    if (!refs->list) {
        refs->list = refs->room;
        refs->capacity = VALUE_REFS_INLINE;
    }
    if (refs->count > 0 && refs->list[refs->count - 1] == file) {
        value_file_unref(file);
        return NACRE_OK;
    }
    if (refs->count == refs->capacity) {
        struct value_file **more = memory_alloc(2 * refs->capacity * sizeof(struct value_file *));
        if (!more) {
            value_file_unref(file);
            return NACRE_NO_MEMORY;
        }
        memcpy(more, refs->list, refs->count * sizeof(struct value_file *));
        if (refs->list != refs->room) {
            memory_free(refs->list);
        }
        refs->list = more;
        refs->capacity *= 2;
    }
    refs->list[refs->count++] = file;
    return NACRE_OK;
}

void value_refs_release(struct value_refs *refs)
{
    for (size_t i = 0; i < refs->count; i++) {
        value_file_unref(refs->list[i]);
    }
    if (refs->list != refs->room) {
        memory_free(refs->list);
    }
    *refs = (struct value_refs){ 0 };
}

int value_write(nacre_collection *collection, struct batch_op *op, uint8_t pointer[VALUE_POINTER_BYTES],
                struct value_refs *refs)
{
    struct value_pointer place;
    struct value_file *file = NULL;
    nacre_store *store = collection->store;
    int status = store_check_writable(store);
    if (status == NACRE_OK) {
        status =
            value_log_append(store->values, VALUE_STREAM_WRITES, collection->id, op->key, op->value, &place, &file);
    }
    if (status == NACRE_OK) {
        status = add_ref(refs, file);
    }
    if (status == NACRE_OK) {
        value_pointer_encode(&place, pointer);
        op->value = slice_of(pointer, VALUE_POINTER_BYTES);
        op->pointer = true;
    }
    return status;
}

/* ---- reading ---- */

int value_resolve(nacre_store *store, nacre_slice key, struct entry *entry, struct pin *pin)
{
    struct value_pointer pointer;
    if (entry->type != ENTRY_POINTER) {
        return NACRE_OK;
    }
    bool decoded = value_pointer_decode(entry->value, &pointer);
    size_t size = entry->value.size;
    pin_release(pin);
    if (!decoded) {
        return fail(NACRE_CORRUPT, "an entry that points into the value log has %zu bytes instead of %u", size,
                    VALUE_POINTER_BYTES);
    }
    int status = value_log_get(store->values, &pointer, key, &entry->value, pin);
    entry->type = ENTRY_PUT;
    return status;
}

void value_read_ahead(nacre_store *store, struct value_ahead *ahead, const struct entry *entry)
{
    struct value_pointer pointer;
    if (entry->type == ENTRY_POINTER && value_pointer_decode(entry->value, &pointer)) {
        value_log_read_ahead(store->values, ahead, &pointer);
    }
}

/* ---- tables ---- */

int table_keep_values(struct table *table, struct value_file *const *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = table->value_file_count;
        while (at > 0 && table->value_files[at - 1] != files[i]) { /* mostly the last one */
            at--;
        }
        if (at > 0) {
            continue;
        }
        void *items = table->value_files;
        int status =
            memory_grow(&items, &table->value_file_capacity, table->value_file_count + 1, sizeof(struct value_file *));
        table->value_files = items;
        if (status != NACRE_OK) {
            return status;
        }
        value_file_ref(files[i]);
        table->value_files[table->value_file_count++] = files[i];
    }
    return NACRE_OK;
}

void table_release_values(struct table *table)
{
    for (size_t i = 0; i < table->value_file_count; i++) {
        value_file_unref(table->value_files[i]);
    }
    memory_free(table->value_files);
}

int recovery_check_value(nacre_store *store, struct table *table, const struct batch_op *op)
{
    struct value_pointer pointer;
    struct value_file *file = NULL;
    if (!value_pointer_decode(op->value, &pointer)) {
        return fail(NACRE_CORRUPT, "a put by pointer has %zu bytes instead of %u", op->value.size, VALUE_POINTER_BYTES);
    }
    int status = value_file_hold(store->values, pointer.file, &file);
    if (status == NACRE_OK) {
        status = value_log_check(store->values, &pointer);
    }
    if (status == NACRE_OK) {
        status = table_keep_values(table, &file, 1);
    }
    value_file_unref(file);
    return status;
}

/* ---- life ---- */

static uint64_t next_id(void *context)
{
    nacre_store *store = context;
    return manifest_next_segment_id(store->manifest);
}

static void wake(void *context)
{
    nacre_store *store = context;
    if (!atomic_load_explicit(&store->stopping, memory_order_relaxed)) {
        work_housekeep(store);
    }
}

static bool may_remove(void *context, uint64_t *noticed)
{
    nacre_store *store = context;
    if (atomic_load_explicit(&store->reap_holds, memory_order_seq_cst) != 0) {
        return false;
    }
    /* The edit that made it unused is at or before this position. */
    *noticed = *noticed ? *noticed : manifest_position(store->manifest);
    bool pinned = pins_first(&store->pins, *noticed) < *noticed;
    if (pinned) {
        atomic_store_explicit(&store->values_pinned, true, memory_order_relaxed);
    }
    return !pinned;
}

int store_open_values(nacre_store *store)
{
    struct value_log_options options = { .os = os_handles_reopening_layer(store->handles),
                                         .directory = store->values_path,
                                         .logger = store->logger,
                                         .file_bytes = tuning_get(&store->tuning, TUNING_value_file_bytes),
                                         .map = tuning_get(&store->tuning, TUNING_segment_map) != 0,
                                         .read_only = store->read_only,
                                         .next_id = next_id,
                                         .wake = wake,
                                         .may_remove = may_remove,
                                         .context = store };
    return value_log_open(&options, &store->values);
}

int store_sync_values(void *context)
{
    nacre_store *store = context;
    int status = value_log_sync(store->values);
    if (status != NACRE_OK && value_log_has_failed(store->values)) {
        store_fail_log(store, status, fail_detail());
    }
    return status;
}

static void note_trouble(nacre_store *store)
{
    char text[1024];
    stats_add(&store->stats, STATS_background_errors, 1);
    log_line(store->logger, NACRE_LOG_WARNING, "housekeeping_error", "\"detail\":\"%s\"",
             log_escape(fail_detail(), text, sizeof text));
}

void store_keep_values(nacre_store *store)
{
    if (!store->values || !atomic_load_explicit(&store->log_open, memory_order_acquire)) {
        return; /* recovery sees to them itself */
    }
    if (value_log_prepare(store->values) != NACRE_OK) {
        note_trouble(store); /* the next large value meets it, too, and says so to its writer */
    }
    /* The sync tells why; it succeeds where nacre_resume has come in between. */
    if (value_log_has_failed(store->values) && value_log_sync(store->values) != NACRE_OK) {
        store_fail_log(store, NACRE_IO, fail_detail());
    }
    atomic_store_explicit(&store->values_pinned, false,
                          memory_order_relaxed); /* looked at by the housekeeper, after this */
    if (store_weigh_values(store) != NACRE_OK || value_log_remove_unused(store->values) != NACRE_OK) {
        note_trouble(store);
    }
}
