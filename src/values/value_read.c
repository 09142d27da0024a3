/* Reading values. A value is checked when it is read: its checksum is seeded with where it lies, so a pointer to another place, or a file
   with other contents under its name, is found out as damage is. Readers of sealed files are spared that from the second time on (value_checked.c).

   Any thread; the lock is taken only when a file is read for the first time. */
#include "base/memory.h"
#include "base/status.h"
#include "values/value_internal.h"

static int open_handle(struct value_file *file, nacre_file **handle)
{
    struct value_log *log = file->log;
    char path[OS_PATH_MAX];
    uint32_t flags =
        log->options.read_only || value_file_is_sealed(file) ? NACRE_FILE_READ : NACRE_FILE_READ | NACRE_FILE_WRITE;
    int status = value_file_path(log, file->id, path);
    if (status == NACRE_OK) {
        status = log->os->open(log->os->context, path, flags, handle);
    }
    return status == NACRE_NOT_FOUND ? fail(NACRE_CORRUPT, "%s: value file " VALUE_FILE_NAME " is missing",
                                            log->directory, (unsigned long long)file->id)
                                     : status;
}

int value_file_load(struct value_file *file)
{
    struct value_log *log = file->log;
    /* Acquire: pairs with the releases below. */
    if (atomic_load_explicit(&file->handle, memory_order_acquire) ||
        atomic_load_explicit(&file->map, memory_order_acquire)) {
        return NACRE_OK;
    }
    nacre_file *handle = NULL;
    void *map = NULL;
    uint64_t bytes = atomic_load_explicit(&file->end, memory_order_acquire);
    int status = open_handle(file, &handle);
    if (status != NACRE_OK) {
        return status;
    }
    /* One that its writer may yet cut is read by calls where that is another process. */
    bool maps = log->options.map && (!log->options.read_only || value_file_is_sealed(file));
    if (maps && bytes > 0 && log->os->map(handle, bytes, false, &map) != NACRE_OK) {
        value_log_warn(log, "value_file_not_mapped", file->id); /* read by calls instead */
        map = NULL;
    }
    pthread_mutex_lock(&log->lock);
    bool first = !atomic_load_explicit(&file->handle, memory_order_relaxed) &&
                 !atomic_load_explicit(&file->map, memory_order_relaxed);
    bool keeps_handle = first && (!map || !value_file_is_sealed(file));
    if (first) {
        file->map_bytes = bytes;
        atomic_store_explicit(&file->map, map, memory_order_release);
    }
    if (keeps_handle) {
        atomic_store_explicit(&file->handle, handle, memory_order_release);
    }
    pthread_mutex_unlock(&log->lock);
    if (!keeps_handle) {
        (void)log->os->close(handle);
    }
    if (!first && map) {
        (void)log->os->unmap(map, bytes);
    }
    return NACRE_OK;
}

int value_find(const struct value_log *log, const struct value_pointer *pointer, struct value_file **out)
{
    struct value_file *file = value_table_find(&log->table, pointer->file);
    if (!file) {
        return fail(NACRE_CORRUPT, "%s: value file " VALUE_FILE_NAME " is missing", log->directory,
                    (unsigned long long)pointer->file);
    }
    /* Acquire: pairs with the release of the append. */
    uint64_t end = atomic_load_explicit(&file->end, memory_order_acquire);
    if (pointer->offset < VALUE_HEADER_BYTES + VALUE_RECORD_HEADER_BYTES ||
        (uint64_t)pointer->offset + pointer->size > end) {
        return fail(
            NACRE_CORRUPT, "%s/" VALUE_FILE_NAME ": offset %u: a value of %u bytes was expected, the file has %llu",
            log->directory, (unsigned long long)pointer->file, pointer->offset, pointer->size, (unsigned long long)end);
    }
    *out = file;
    return NACRE_OK;
}

static void free_value(void *bytes)
{
    memory_free(bytes);
}

static int read_bytes(struct value_file *file, const struct value_pointer *pointer, nacre_slice *value, struct pin *pin)
{
    char path[OS_PATH_MAX];
    const struct value_log *log = file->log;
    uint8_t *bytes = memory_alloc(pointer->size ? pointer->size : 1);
    int status = bytes ? value_file_path(log, file->id, path) : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        status = os_read_exact(log->os, atomic_load_explicit(&file->handle, memory_order_acquire), pointer->offset,
                               bytes, pointer->size, path);
    }
    if (status != NACRE_OK) {
        memory_free(bytes);
        return status;
    }
    *value = slice_of(bytes, pointer->size);
    *pin = (struct pin){ free_value, bytes };
    return NACRE_OK;
}

static int check(const struct value_log *log, const struct value_pointer *pointer, nacre_slice value)
{
    uint64_t found = value_checksum(pointer->file, pointer->offset, value);
    return found == pointer->checksum
               ? NACRE_OK
               : fail(NACRE_CORRUPT,
                      "%s/" VALUE_FILE_NAME
                      ": offset %u: checksum of a value of %u bytes: expected %016llx, found %016llx",
                      log->directory, (unsigned long long)pointer->file, pointer->offset, pointer->size,
                      (unsigned long long)pointer->checksum, (unsigned long long)found);
}

/* With a key: its checksum may be left out where it was right before. */
static int read_value(struct value_file *file, const struct value_pointer *pointer, const nacre_slice *key,
                      nacre_slice *value, struct pin *pin)
{
    int status = value_file_load(file);
    if (status != NACRE_OK) {
        return status;
    }
    *pin = (struct pin){ NULL, NULL };
    const uint8_t *map = atomic_load_explicit(&file->map, memory_order_acquire);
    if (map) {
        *value = slice_of(map + pointer->offset, pointer->size);
    } else if ((status = read_bytes(file, pointer, value, pin)) != NACRE_OK) {
        return status;
    }
    if (map && key && value_is_checked(file, pointer, *key)) {
        return NACRE_OK;
    }
    status = check(file->log, pointer, *value);
    if (status != NACRE_OK) {
        pin_release(pin);
    } else if (map && key) {
        value_note_checked(file, pointer);
    }
    return status;
}

static int read_counted(struct value_log *log, const struct value_pointer *pointer, const nacre_slice *key,
                        nacre_slice *value, struct pin *pin)
{
    struct value_file *file = NULL;
    int status = value_find(log, pointer, &file);
    if (status == NACRE_OK) {
        status = read_value(file, pointer, key, value, pin);
    }
    atomic_fetch_add_explicit(&log->reads, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&log->read_bytes, pointer->size, memory_order_relaxed);
    return status;
}

int value_log_read(struct value_log *log, const struct value_pointer *pointer, nacre_slice *value, struct pin *pin)
{
    return read_counted(log, pointer, NULL, value, pin);
}

int value_log_get(struct value_log *log, const struct value_pointer *pointer, nacre_slice key, nacre_slice *value,
                  struct pin *pin)
{
    return read_counted(log, pointer, &key, value, pin);
}

int value_log_check(struct value_log *log, const struct value_pointer *pointer)
{
    struct value_file *file = NULL;
    struct pin pin = { NULL, NULL };
    nacre_slice value;
    int status = value_find(log, pointer, &file);
    if (status == NACRE_OK && !value_file_is_sealed(file)) {
        status = read_value(file, pointer, NULL, &value, &pin);
        pin_release(&pin);
    }
    return status;
}

static int disagree(const struct value_log *log, const struct value_pointer *pointer, const char *what)
{
    return fail(NACRE_CORRUPT, "%s/" VALUE_FILE_NAME ": offset %u: %s", log->directory,
                (unsigned long long)pointer->file, pointer->offset, what);
}

int value_log_verify(struct value_log *log, const struct value_pointer *pointer, nacre_slice key)
{
    struct value_file *file = NULL;
    struct value_record_header header;
    uint64_t front = VALUE_RECORD_HEADER_BYTES + key.size;
    struct pin pin = { NULL, NULL };
    nacre_slice bytes;
    int status = value_find(log, pointer, &file);
    if (status != NACRE_OK || (status = value_file_load(file)) != NACRE_OK) {
        return status;
    }
    if (pointer->offset < VALUE_HEADER_BYTES + front) {
        return disagree(log, pointer, "no record of such a key can be before a value that begins here");
    }
    struct value_pointer record = { pointer->file, (uint32_t)(pointer->offset - front), (uint32_t)front, 0 };
    const uint8_t *map = atomic_load_explicit(&file->map, memory_order_acquire);
    if (map) {
        bytes = slice_of(map + record.offset, front);
    } else if ((status = read_bytes(file, &record, &bytes, &pin)) != NACRE_OK) {
        return status;
    }
    const uint8_t *at = bytes.data;
    if (!value_record_decode(at, pointer->file, record.offset, &header)) {
        status = disagree(log, pointer, "the header before a value is damaged");
    } else if (header.value_size != pointer->size || header.checksum != pointer->checksum) {
        status = disagree(log, pointer, "the header before a value is not that of the value");
    } else if (!slice_equal(slice_of(at + VALUE_RECORD_HEADER_BYTES, key.size), key)) {
        status = disagree(log, pointer, "the key before a value is not that of the entry which points to it");
    }
    pin_release(&pin);
    return status;
}
