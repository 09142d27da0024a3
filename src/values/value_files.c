/* The files of the value log: made ahead of need, sealed, counted, removed. Everything slow is here and in value_sync.c.

   A new file gets its space, its header and its durable name before anything is appended to it, so that a pointer that survives a loss of power
   names a file that does. A full one is synced, then cut: so a file that is shorter than it was made has all its bytes durable, and
   recovery need not read it.

   Any thread. Locks: prepare_lock, then sync_lock, then lock. */
#include "base/memory.h"
#include "base/status.h"
#include "values/value_internal.h"

int value_file_path(const struct value_log *log, uint64_t id, char out[OS_PATH_MAX])
{
    return os_path(out, log->directory, VALUE_FILE_NAME, (unsigned long long)id);
}

uint64_t value_file_id(const struct value_file *file)
{
    return file->id;
}

/* ---- the list ---- */

int value_file_register(struct value_log *log, struct value_file *file)
{
    void *items = log->files;
    int status = memory_grow(&items, &log->file_capacity, log->file_count + 1, sizeof *log->files);
    log->files = items;
    if (status != NACRE_OK || (status = value_table_reserve(&log->table)) != NACRE_OK) {
        return status;
    }
    size_t at = log->file_count;
    while (at > 0 && log->files[at - 1]->id > file->id) {
        at--;
    }
    memmove(&log->files[at + 1], &log->files[at], (log->file_count - at) * sizeof *log->files);
    log->files[at] = file;
    log->file_count++;
    value_table_insert(&log->table, file->id, file);
    return NACRE_OK;
}

static void leave_open_files(struct value_log *log, const struct value_file *file)
{
    struct value_file **link = &log->open_files;
    while (*link && *link != file) {
        link = &(*link)->next_open;
    }
    if (*link) {
        *link = file->next_open;
    }
}

/* `lock` held. */
static void unregister(struct value_log *log, const struct value_file *file)
{
    size_t at = 0;
    while (log->files[at] != file) {
        at++;
    }
    log->file_count--;
    memmove(&log->files[at], &log->files[at + 1], (log->file_count - at) * sizeof *log->files);
    value_table_remove(&log->table, file->id);
    leave_open_files(log, file);
}

void value_file_free(struct value_file *file)
{
    while (file) {
        struct value_file *superseded = file->superseded;
        const nacre_os *os = file->log->os;
        uint8_t *map = atomic_load_explicit(&file->map, memory_order_relaxed);
        nacre_file *handle = atomic_load_explicit(&file->handle, memory_order_relaxed);
        if (map) {
            (void)os->unmap(map, file->map_bytes);
        }
        if (handle) {
            (void)os->close(handle); /* nothing that is still needed depends on it */
        }
        memory_free(atomic_load_explicit(&file->checked, memory_order_relaxed));
        memory_free(file);
        file = superseded;
    }
}

/* ---- references ---- */

static struct value_file *hold(struct value_log *log, uint64_t id)
{
    pthread_mutex_lock(&log->lock);
    struct value_file *file = value_table_find(&log->table, id);
    if (file) {
        atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&log->lock);
    return file;
}

int value_file_hold(struct value_log *log, uint64_t id, struct value_file **out)
{
    struct value_file *file = hold(log, id);
    if (!file && log->options.read_only) { /* made by the writer since */
        int status = value_log_adopt(log, id, true);
        if (status != NACRE_OK) {
            *out = NULL;
            return status;
        }
        file = hold(log, id);
    }
    *out = file;
    return file ? NACRE_OK
                : fail(NACRE_CORRUPT, "%s: value file " VALUE_FILE_NAME " is missing", log->directory,
                       (unsigned long long)id);
}

void value_file_ref(struct value_file *file)
{
    atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
}

void value_file_unref(struct value_file *file)
{
    if (!file) {
        return;
    }
    struct value_log *log = file->log;
    /* acq_rel: who removes the file sees all that the others did with it. The log itself outlives all references. */
    if (atomic_fetch_sub_explicit(&file->references, 1, memory_order_acq_rel) == 1) {
        atomic_store_explicit(&log->unused, true, memory_order_release);
        value_log_wake(log);
    }
}

void value_file_retire(struct value_file *file)
{
    struct value_log *log = file->log;
    for (size_t i = 0; i < VALUE_STREAMS; i++) {
        if (log->active[i] == file) {
            log->active[i] = NULL;
        }
    }
    file->active = false;
}

/* ---- making ---- */

static int reserve_space(const nacre_os *os, nacre_file *handle, uint64_t bytes)
{
    uint64_t size = 0;
    int status = os->allocate(handle, bytes);
    if (status == NACRE_OK) {
        status = os->size(handle, &size);
    }
    if (status == NACRE_OK && size < bytes) {
        status = os->truncate(handle, bytes);
    }
    return status;
}

static int fill_in(struct value_log *log, struct value_file *file, nacre_file *handle)
{
    const nacre_os *os = log->os;
    uint8_t bytes[VALUE_HEADER_BYTES];
    int status = reserve_space(os, handle, file->made_bytes);
    if (status == NACRE_OK) {
        value_header_encode(&(struct value_header){ file->id, file->made_bytes }, bytes);
        status = os->write(handle, 0, bytes, sizeof bytes);
    }
    if (status == NACRE_OK) {
        status = os->sync(handle);
    }
    if (status == NACRE_OK) {
        status = os->sync_directory(os->context, log->directory);
    }
    if (status == NACRE_OK && log->options.map) {
        void *map = NULL;
        if (os->map(handle, file->made_bytes, false, &map) == NACRE_OK) {
            file->map_bytes = file->made_bytes;
            atomic_store_explicit(&file->map, map, memory_order_release);
        } else {
            value_log_warn(log, "value_file_not_mapped", file->id); /* read by calls instead */
        }
    }
    return status;
}

static int list_new(struct value_log *log, struct value_file *file)
{
    pthread_mutex_lock(&log->lock);
    int status = value_file_register(log, file);
    if (status == NACRE_OK) {
        file->next_open = log->open_files;
        log->open_files = file;
    }
    pthread_mutex_unlock(&log->lock);
    return status;
}

int value_file_make(struct value_log *log, uint64_t bytes, struct value_file **out)
{
    const nacre_os *os = log->os;
    const uint32_t flags = NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE | NACRE_FILE_EXCLUSIVE;
    char path[OS_PATH_MAX];
    nacre_file *handle = NULL;
    struct value_file *file = memory_zalloc(sizeof *file);
    if (!file) {
        return NACRE_NO_MEMORY;
    }
    file->log = log;
    file->id = log->options.next_id(log->options.context);
    file->made_bytes = bytes;
    file->settled = file->behind = VALUE_HEADER_BYTES;
    file->owned = true;
    atomic_init(&file->references, 1);
    atomic_init(&file->end, VALUE_HEADER_BYTES);
    int status = value_file_path(log, file->id, path);
    if (status != NACRE_OK || (status = os->open(os->context, path, flags, &handle)) != NACRE_OK) {
        memory_free(file);
        return status;
    }
    atomic_store_explicit(&file->handle, handle, memory_order_release);
    if ((status = fill_in(log, file, handle)) != NACRE_OK || (status = list_new(log, file)) != NACRE_OK) {
        value_file_free(file);
        (void)os->remove(os->context, path); /* else the next opening does it */
        return fail_context(status, "a value file could not be made");
    }
    *out = file;
    return NACRE_OK;
}

/* ---- sealing ---- */

/* A file that takes no more appends and has none running, in use; NULL when there is none. */
static struct value_file *next_to_seal(struct value_log *log)
{
    pthread_mutex_lock(&log->lock);
    struct value_file *file = log->open_files;
    while (file && (file->active || file == log->spare || !file->owned || file->writers > 0 || file->failed)) {
        file = file->next_open;
    }
    if (file) {
        atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&log->lock);
    return file;
}

void value_file_close_stale_handle(struct value_file *file)
{
    nacre_file *handle = NULL;
    pthread_mutex_lock(&file->log->lock);
    if (atomic_load_explicit(&file->map, memory_order_relaxed)) {
        handle = atomic_exchange_explicit(&file->handle, NULL, memory_order_acq_rel);
    }
    pthread_mutex_unlock(&file->log->lock);
    if (handle) {
        (void)file->log->os->close(handle);
    }
}

/* sync_lock held; it is synced. */
static int cut(struct value_file *file)
{
    struct value_log *log = file->log;
    int status = log->os->truncate(atomic_load_explicit(&file->handle, memory_order_relaxed), file->settled);
    if (status != NACRE_OK) {
        return status; /* it stays long; recovery reads all of it */
    }
    pthread_mutex_lock(&log->lock);
    atomic_store_explicit(&file->end, file->settled, memory_order_release);
    atomic_store_explicit(&file->sealed, true, memory_order_release);
    file->owned = false;
    leave_open_files(log, file);
    pthread_mutex_unlock(&log->lock);
    value_file_close_stale_handle(file);
    value_file_unref(file); /* the log's */
    return NACRE_OK;
}

static int seal_full(struct value_log *log)
{
    int status = NACRE_OK;
    struct value_file *file;
    while (status == NACRE_OK && (file = next_to_seal(log)) != NULL) {
        pthread_mutex_lock(&log->sync_lock);
        status = value_file_sync(file);
        if (status == NACRE_OK && file->owned) {
            status = cut(file);
        }
        pthread_mutex_unlock(&log->sync_lock);
        value_file_unref(file);
    }
    return status;
}

static bool wants_spare(struct value_log *log)
{
    pthread_mutex_lock(&log->lock);
    bool wants = log->used && !log->spare && log->active[VALUE_STREAM_WRITES];
    pthread_mutex_unlock(&log->lock);
    return wants;
}

int value_log_prepare(struct value_log *log)
{
    struct value_file *file = NULL;
    if (atomic_load_explicit(&log->failed, memory_order_acquire)) {
        return NACRE_OK; /* value_log_recover sees to it */
    }
    pthread_mutex_lock(&log->prepare_lock);
    int status = wants_spare(log) ? value_file_make(log, log->options.file_bytes, &file) : NACRE_OK;
    if (file) {
        pthread_mutex_lock(&log->lock);
        log->spare = file;
        pthread_mutex_unlock(&log->lock);
    }
    int sealed = seal_full(log);
    pthread_mutex_unlock(&log->prepare_lock);
    return status == NACRE_OK ? sealed : status;
}

/* A file that an opening before this one left unsealed, in use; NULL when there is no more. Those that nobody needs stay for their removal.
   sync_lock held. */
static struct value_file *next_left(struct value_log *log)
{
    pthread_mutex_lock(&log->lock);
    struct value_file *file = log->open_files;
    while (file && (file->owned || file->sync_round == log->sync_round ||
                    atomic_load_explicit(&file->references, memory_order_acquire) == 0)) {
        file = file->next_open;
    }
    if (file) {
        file->sync_round = log->sync_round;
        atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&log->lock);
    return file;
}

/* sync_lock held. Where something that is no record lies at the end, the file stays as it is. */
static int seal_left(struct value_file *file)
{
    struct value_log *log = file->log;
    uint64_t end = 0;
    bool certain = false;
    int status = value_file_sync(file);
    if (status == NACRE_OK) {
        status = value_file_find_end(log, file->id, &end, &certain);
    }
    if (status == NACRE_OK && certain) {
        pthread_mutex_lock(&log->lock);
        file->settled = end;
        file->owned = true;
        atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
        pthread_mutex_unlock(&log->lock);
        status = value_file_load(file);
        status = status == NACRE_OK ? cut(file) : status;
    }
    return status;
}

int value_log_start(struct value_log *log)
{
    int status = NACRE_OK;
    pthread_mutex_lock(&log->sync_lock);
    log->sync_round++;
    for (struct value_file *file; status == NACRE_OK && (file = next_left(log)) != NULL;) {
        status = seal_left(file);
        value_file_unref(file);
    }
    pthread_mutex_unlock(&log->sync_lock);
    pthread_mutex_lock(&log->lock);
    log->started = true;
    pthread_mutex_unlock(&log->lock);
    atomic_store_explicit(&log->unused, true, memory_order_release);
    return status;
}

/* ---- removing ---- */

/* Takes one out of the list. */
static struct value_file *take_unused(struct value_log *log)
{
    struct value_file *found = NULL;
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->file_count && !found; i++) {
        struct value_file *file = log->files[i];
        /* Acquire: pairs with the release of who let go last. */
        if (file->owned || atomic_load_explicit(&file->references, memory_order_acquire) != 0) {
            continue;
        }
        /* Asked last: who copies files has said so before it looked which ones are needed. */
        if (log->options.may_remove && !log->options.may_remove(log->options.context, &file->noticed)) {
            atomic_store_explicit(&log->unused, true, memory_order_release);
        } else {
            found = file;
        }
    }
    if (found) {
        unregister(log, found);
    }
    pthread_mutex_unlock(&log->lock);
    return found;
}

void value_log_forget_unused(struct value_log *log)
{
    pthread_mutex_lock(&log->lock);
    for (size_t i = log->file_count; i-- > 0;) {
        struct value_file *file = log->files[i];
        if (!file->owned && atomic_load_explicit(&file->references, memory_order_acquire) == 0) {
            unregister(log, file);
            value_file_free(file); /* unmapped and closed: the only reader of this log is the one who asks */
        }
    }
    pthread_mutex_unlock(&log->lock);
}

int value_log_remove_unused(struct value_log *log)
{
    int status = NACRE_OK;
    pthread_mutex_lock(&log->lock);
    bool started = log->started;
    pthread_mutex_unlock(&log->lock);
    if (!started || !atomic_exchange_explicit(&log->unused, false, memory_order_acq_rel)) {
        return NACRE_OK;
    }
    for (struct value_file *file; (file = take_unused(log)) != NULL;) {
        char path[OS_PATH_MAX];
        int one = value_file_path(log, file->id, path);
        value_file_free(file);
        one = one == NACRE_OK ? log->os->remove(log->os->context, path) : one;
        status =
            status == NACRE_OK && one != NACRE_NOT_FOUND ? one : status; /* what is left goes at the next opening */
        atomic_fetch_add_explicit(&log->removed, 1, memory_order_relaxed);
    }
    return status;
}
