/* The value log: opening, appending, closing. Any thread appends; the lock is held only to take a place in the active file and to give it
   back, never while bytes are written. Invariants are those of value_internal.h, and:
   1. An append that fails leaves a hole: nobody has its pointer. Its file takes no more appends, but what is in it is as good as before.
   2. Zeros are written ahead (make_pages) only where no append has a place but the one that writes them; who gets a place among them waits for ahead_lock.
   Locks: lock; prepare_lock where a file has to be made; ahead_lock, under which lock is taken; under lock it is only tried. */
#include "values/value_log.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "values/value_internal.h"
#include <stdlib.h>

#define STAGED_MOST 65536u /* a larger record is written from where it is, by two calls */
#define AHEAD_BYTES ((uint64_t)128 << 10)
#define AHEAD_LEAST ((uint64_t)1 << 20) /* so much is not yet durable: nobody syncs each append */

void value_log_wake(const struct value_log *log)
{
    if (log->options.wake) {
        log->options.wake(log->options.context);
    }
}

void value_log_warn(const struct value_log *log, const char *event, uint64_t id)
{
    char text[1024];
    log_line(log->logger, NACRE_LOG_WARNING, event, "\"file\":\"%016llx\",\"detail\":\"%s\"", (unsigned long long)id,
             log_escape(fail_detail(), text, sizeof text));
}

/* ---- append ---- */

/* A place in a file that this append alone writes. */
struct place {
    struct value_file *file; /* referenced */
    uint64_t offset, bytes;
    /* Writing back is due from here up to the piece (AHEAD_BYTES) of the place; the place itself where it is not. */
    uint64_t behind;
    uint64_t ahead; /* from here on zeros are to be written first, by the holder of ahead_lock; 0: none */
    bool waits;     /* for zeros that are being written ahead */
};

/* `lock` held. The log's next file becomes the active one; false when there is none that fits. */
static bool take_spare(struct value_log *log, enum value_stream stream, uint64_t bytes)
{
    struct value_file *spare = log->spare;
    if (!spare || VALUE_HEADER_BYTES + bytes + VALUE_FILE_SLACK > spare->made_bytes) {
        return false;
    }
    if (log->active[stream]) {
        value_file_retire(log->active[stream]);
    }
    log->spare = NULL;
    spare->active = true;
    log->active[stream] = spare;
    return true;
}

/* `lock` held. Records seldom begin at a page, and for each write the system takes pages as large as its aligned part alone has need of: small ones, which cost
   it more than a copy, then and when they are written back. Zeros over the whole of an aligned piece of the file get it large pages, and records are
   written into these. Where each append is synced, the zeros would be written to the disk, too. */
static void plan_ahead(struct value_log *log, struct place *place)
{
    struct value_file *file = place->file;
    uint64_t from = (place->offset + AHEAD_BYTES - 1) & ~(AHEAD_BYTES - 1), end = place->offset + place->bytes;
    if (file->ahead) {
        place->waits = end > file->ahead;
    } else if (from < end && place->bytes <= STAGED_MOST && file->written - file->synced >= AHEAD_LEAST &&
               from + AHEAD_BYTES <= file->made_bytes && pthread_mutex_trylock(&log->ahead_lock) == 0) {
        file->ahead = place->ahead = from;
    }
}

/* `lock` held. */
static bool take_place(struct value_log *log, struct value_file *file, uint64_t bytes, struct place *place)
{
    uint64_t at = atomic_load_explicit(&file->end, memory_order_relaxed);
    if (at + bytes + VALUE_FILE_SLACK > file->made_bytes) {
        return false;
    }
    /* Release: pairs with the acquire of who checks bounds; a pointer is given out later still. */
    atomic_store_explicit(&file->end, at + bytes, memory_order_release);
    atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
    file->writers++;
    *place = (struct place){ .file = file, .offset = at, .bytes = bytes, .behind = at };
    plan_ahead(log, place);
    if (at >= file->behind + VALUE_WRITE_BEHIND_BYTES) {
        place->behind = file->behind;
        file->behind = at & ~(AHEAD_BYTES - 1);
    }
    return true;
}

static int take_place_of_its_own(struct value_log *log, uint64_t bytes, struct place *place)
{
    struct value_file *file = NULL;
    pthread_mutex_lock(
        &log->prepare_lock); /* until the place is taken: else the file may be sealed first, as a full one is */
    int status = value_file_make(log, VALUE_HEADER_BYTES + bytes + VALUE_FILE_SLACK, &file);
    if (status == NACRE_OK) {
        pthread_mutex_lock(&log->lock);
        (void)take_place(log, file, bytes, place); /* made to fit */
        pthread_mutex_unlock(&log->lock);
    }
    pthread_mutex_unlock(&log->prepare_lock);
    return status;
}

static int make_spare(struct value_log *log)
{
    pthread_mutex_lock(&log->prepare_lock);
    pthread_mutex_lock(&log->lock);
    bool there = log->spare != NULL;
    pthread_mutex_unlock(&log->lock);
    struct value_file *file = NULL;
    int status = there ? NACRE_OK : value_file_make(log, log->options.file_bytes, &file);
    if (file) {
        pthread_mutex_lock(&log->lock);
        log->spare = file;
        pthread_mutex_unlock(&log->lock);
    }
    pthread_mutex_unlock(&log->prepare_lock);
    return status;
}

static int find_place(struct value_log *log, enum value_stream stream, uint64_t bytes, struct place *place)
{
    if (VALUE_HEADER_BYTES + bytes + VALUE_FILE_SLACK > log->options.file_bytes) {
        return take_place_of_its_own(log, bytes, place);
    }
    for (;;) {
        pthread_mutex_lock(&log->lock);
        log->used = true;
        struct value_file *file = log->active[stream];
        bool found = file && take_place(log, file, bytes, place), swapped = false;
        if (!found) {
            swapped = take_spare(log, stream, bytes);
            found = swapped && take_place(log, log->active[stream], bytes, place);
        }
        pthread_mutex_unlock(&log->lock);
        if (swapped) {
            value_log_wake(log);
        }
        if (found) {
            return NACRE_OK;
        }
        int status = make_spare(log);
        if (status != NACRE_OK) {
            return status;
        }
    }
}

/* No error: it is for speed alone. */
static void make_pages(struct value_log *log, const struct place *place)
{
    static const uint8_t zeros[AHEAD_BYTES];
    if (place->waits) {
        pthread_mutex_lock(&log->ahead_lock);
        pthread_mutex_unlock(&log->ahead_lock);
    }
    if (place->ahead) {
        nacre_file *handle = atomic_load_explicit(&place->file->handle, memory_order_relaxed);
        (void)log->os->write(handle, place->ahead, zeros, sizeof zeros);
        pthread_mutex_lock(&log->lock);
        place->file->ahead = 0;
        pthread_mutex_unlock(&log->lock);
        pthread_mutex_unlock(&log->ahead_lock);
    }
}

static int write_record(const struct value_log *log, const struct place *place,
                        const uint8_t header[VALUE_RECORD_HEADER_BYTES], nacre_slice key, nacre_slice value)
{
    nacre_file *handle = atomic_load_explicit(&place->file->handle, memory_order_relaxed);
    bool whole = place->bytes <= STAGED_MOST;
    size_t front = VALUE_RECORD_HEADER_BYTES + key.size, staged = whole ? (size_t)place->bytes : front;
    uint8_t *bytes = memory_alloc(staged);
    if (!bytes) {
        return NACRE_NO_MEMORY;
    }
    memcpy(bytes, header, VALUE_RECORD_HEADER_BYTES);
    memcpy(bytes + VALUE_RECORD_HEADER_BYTES, key.data, key.size);
    if (whole) {
        if (value.size) {
            memcpy(bytes + front, value.data, value.size);
        }
        memset(bytes + front + value.size, 0, staged - front - value.size);
    }
    int status = log->os->write(handle, place->offset, bytes, staged);
    if (status == NACRE_OK && !whole) {
        status =
            log->os->write(handle, place->offset + front, value.data, value.size); /* the padding is zeros already */
    }
    memory_free(bytes);
    return status;
}

/* Gives the place back, written or as a hole. */
static void leave_place(struct value_log *log, const struct place *place, bool written)
{
    struct value_file *file = place->file;
    if (place->behind < place->offset) {
        nacre_file *handle = atomic_load_explicit(&file->handle, memory_order_relaxed);
        /* The pages of the last piece will be written to again, and may be one to the system. */
        uint64_t end = place->offset & ~(AHEAD_BYTES - 1);
        (void)log->os->write_behind(handle, place->behind, end - place->behind);
    }
    pthread_mutex_lock(&log->lock);
    file->written += written ? place->bytes : 0;
    if (--file->writers == 0) {
        file->settled = atomic_load_explicit(&file->end, memory_order_relaxed);
    }
    if (!written && file->active) {
        value_file_retire(file);
    }
    bool due = !file->active && file->writers == 0;
    pthread_mutex_unlock(&log->lock);
    if (due) {
        value_log_wake(log); /* it can be sealed */
    }
}

int value_log_append(struct value_log *log, enum value_stream stream, uint32_t collection, nacre_slice key,
                     nacre_slice value, struct value_pointer *pointer, struct value_file **file)
{
    uint8_t header[VALUE_RECORD_HEADER_BYTES];
    struct place place;
    if (key.size == 0 || key.size > ENTRY_KEY_MAX || value.size > NACRE_VALUE_MAX) {
        return fail(NACRE_LIMIT, "a value of %zu bytes under a key of %zu does not go into a value file", value.size,
                    key.size);
    }
    if (atomic_load_explicit(&log->failed, memory_order_acquire)) {
        return value_log_report_failure(log);
    }
    int status = find_place(log, stream, value_record_bytes(key.size, value.size), &place);
    if (status != NACRE_OK) {
        return status;
    }
    value_record_encode(header, place.file->id, place.offset, collection, key, value, pointer);
    make_pages(log, &place);
    status = write_record(log, &place, header, key, value);
    leave_place(log, &place, status == NACRE_OK);
    if (status != NACRE_OK) {
        value_file_unref(place.file);
        return status;
    }
    atomic_fetch_add_explicit(&log->appends, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&log->appended_bytes, place.bytes, memory_order_relaxed);
    *file = place.file;
    return NACRE_OK;
}

bool value_log_rotate_garbage(struct value_log *log, unsigned percent)
{
    bool any = false;
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < VALUE_STREAMS; i++) {
        struct value_file *file = log->active[i];
        uint64_t bytes = file ? atomic_load_explicit(&file->end, memory_order_relaxed) - VALUE_HEADER_BYTES : 0;
        uint64_t live = file ? atomic_load_explicit(&file->usage.live_bytes, memory_order_relaxed) : 0;
        uint64_t garbage = live < bytes ? bytes - live : 0;
        if (bytes > 0 && (double)garbage * 100 >= (double)percent * (double)bytes) {
            value_file_retire(file);
            any = true;
        }
    }
    pthread_mutex_unlock(&log->lock);
    return any;
}

void value_log_rotate(struct value_log *log)
{
    (void)value_log_rotate_garbage(log, 0);
}

/* ---- open and close ---- */

struct found_files {
    struct value_log *log;
    uint64_t *ids;
    size_t count, capacity;
    int status;
};

static void note_file(void *context, const char *name)
{
    struct found_files *found = context;
    char *end = NULL;
    unsigned long long id = strtoull(name, &end, 16);
    if (end != name + 16 || strcmp(end, ".val") != 0 || id == 0 || found->status != NACRE_OK) {
        return;
    }
    void *items = found->ids;
    found->status = memory_grow(&items, &found->capacity, found->count + 1, sizeof *found->ids);
    found->ids = items;
    if (found->status == NACRE_OK) {
        found->ids[found->count++] = id;
    }
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left, right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

/* What the file's header and size say, in this order: where another process is making the file, its space is there before its header. One with a
   bad header is taken as it is: its values have their own checksums. *made: the header is good. */
static int look_into(struct value_log *log, struct value_file *file, bool *made)
{
    char path[OS_PATH_MAX];
    uint8_t bytes[VALUE_HEADER_BYTES];
    struct value_header header;
    nacre_file *handle = NULL;
    uint64_t size = 0;
    size_t got = 0;
    int status = value_file_path(log, file->id, path);
    if (status != NACRE_OK || (status = log->os->open(log->os->context, path, NACRE_FILE_READ, &handle)) != NACRE_OK) {
        return status;
    }
    status = log->os->read(handle, 0, bytes, sizeof bytes, &got);
    if (status == NACRE_OK) {
        status = log->os->size(handle, &size);
    }
    log->os->close(handle);
    if (status != NACRE_OK) {
        return status;
    }
    bool good = got == sizeof bytes && value_header_decode(bytes, path, &header) == NACRE_OK && header.id == file->id;
    *made = good;
    file->made_bytes = good ? header.made_bytes : size;
    bool sealed = !good || size < header.made_bytes;
    atomic_store_explicit(&file->sealed, sealed, memory_order_release);
    file->settled = size;
    file->written = !sealed; /* something there may not be durable */
    atomic_store_explicit(&file->end, size, memory_order_release);
    return NACRE_OK;
}

int value_log_adopt(struct value_log *log, uint64_t id, bool wanted)
{
    bool made = false;
    struct value_file *file = memory_zalloc(sizeof *file);
    if (!file) {
        return NACRE_NO_MEMORY;
    }
    file->log = log;
    file->id = id;
    int status = look_into(log, file, &made);
    if (status == NACRE_OK && log->options.read_only && !wanted && !made) {
        memory_free(file);
        return NACRE_OK;
    }
    if (status == NACRE_OK) {
        pthread_mutex_lock(&log->lock);
        status = value_file_register(log, file);
        if (status == NACRE_OK && !value_file_is_sealed(file) && !log->options.read_only) {
            file->next_open = log->open_files;
            log->open_files = file;
        }
        pthread_mutex_unlock(&log->lock);
    }
    if (status != NACRE_OK) {
        memory_free(file);
    }
    /* A file that goes while a reader looks is one that it does not need. */
    return status == NACRE_NOT_FOUND && log->options.read_only ? NACRE_OK : status;
}

static int adopt_all(struct value_log *log)
{
    struct found_files found = { .log = log };
    int status = log->os->list(log->os->context, log->directory, note_file, &found);
    if (status == NACRE_NOT_FOUND) {
        status = NACRE_OK;
    }
    status = status == NACRE_OK ? found.status : status;
    if (status == NACRE_OK && found.count > 0) {
        qsort(found.ids, found.count, sizeof *found.ids, compare_ids);
    }
    for (size_t i = 0; i < found.count && status == NACRE_OK; i++) {
        status = value_log_adopt(log, found.ids[i], false);
    }
    memory_free(found.ids);
    return status;
}

int value_log_open(const struct value_log_options *options, struct value_log **out)
{
    *out = NULL;
    if (options->file_bytes < 4096 || options->file_bytes > UINT32_MAX) {
        return fail(NACRE_INVALID, "%s: value files of %llu bytes cannot be", options->directory,
                    (unsigned long long)options->file_bytes);
    }
    struct value_log *log = memory_alloc_aligned(64, sizeof *log);
    if (!log) {
        return NACRE_NO_MEMORY;
    }
    memset(log, 0, sizeof *log);
    pthread_mutex_init(&log->lock, NULL);
    pthread_mutex_init(&log->prepare_lock, NULL);
    pthread_mutex_init(&log->sync_lock, NULL);
    pthread_mutex_init(&log->ahead_lock, NULL);
    log->os = options->os;
    log->logger = options->logger;
    log->options = *options;
    log->directory = memory_strdup(options->directory);
    int status = log->directory ? adopt_all(log) : NACRE_NO_MEMORY;
    if (status != NACRE_OK) {
        value_log_close(log);
        return status;
    }
    *out = log;
    return NACRE_OK;
}

/* Gives back the space behind the newest value of a file all of which is durable; the next opening does it with others. */
static void trim(struct value_log *log)
{
    for (struct value_file *file = log->open_files; file; file = file->next_open) {
        nacre_file *handle = atomic_load_explicit(&file->handle, memory_order_relaxed);
        bool durable = file->owned && file != log->spare && file->written == file->synced && !file->failed;
        if (handle && durable) {
            (void)log->os->truncate(handle, file->settled);
        }
    }
}

void value_log_close(struct value_log *log)
{
    if (!log) {
        return;
    }
    trim(log);
    if (log->spare) {
        char path[OS_PATH_MAX];
        if (value_file_path(log, log->spare->id, path) == NACRE_OK) {
            (void)log->os->remove(log->os->context, path); /* else the next opening does it */
        }
    }
    for (size_t i = 0; i < log->file_count; i++) {
        value_file_free(log->files[i]);
    }
    memory_free(log->files);
    value_table_free(&log->table);
    pthread_mutex_destroy(&log->lock);
    pthread_mutex_destroy(&log->prepare_lock);
    pthread_mutex_destroy(&log->ahead_lock);
    pthread_mutex_destroy(&log->sync_lock);
    memory_free(log->directory);
    memory_free(log);
}
