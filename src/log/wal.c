/* The write-ahead log: opening, appending, rotating. Appends and rotations come one at a time (the caller's commit lock); a
   mapped append is a memcpy and two stores: no system call, no lock, no allocation.

   Invariants, beside those of wal_internal.h:
   1. A record and the zero mark behind it lie wholly before the end record's place: offset <= room = size - end record - mark.
   2. `end` is published (release) after the record's bytes are in place, so that a sync up to `end` takes them along. */
#include "log/wal_internal.h"
#include "base/endian.h"
#include "base/memory.h"
#include "base/status.h"

void wal_install(struct wal *w, struct wal_file *file)
{
    struct wal_file *old = w->current;
    if (old) {
        old->newer = file;
        atomic_fetch_add_explicit(&w->closed_bytes, old->end, memory_order_relaxed);
        atomic_fetch_add_explicit(&w->rotations, 1, memory_order_relaxed);
    }
    w->current = file;
    w->map = file->map;
    w->offset = WAL_HEADER_BYTES;
    w->room = (uint32_t)(file->size - WAL_RECORD_HEADER_BYTES - WAL_MARK_BYTES);
    w->broken_at = 0;
    /* Release: pairs with the acquire of who syncs, as every store of `end`. */
    atomic_store_explicit(&w->end, WAL_POSITION(file->number, WAL_HEADER_BYTES), memory_order_release);
    atomic_store_explicit(&w->prepare_at, 0, memory_order_relaxed); /* a hint: a new spare is wanted */
}

static uint8_t *staged(struct wal *w, size_t bytes)
{
    if (bytes > w->staging_bytes) {
        uint8_t *more = memory_realloc(w->staging, bytes);
        if (!more) {
            return NULL;
        }
        w->staging = more;
        w->staging_bytes = bytes;
    }
    return w->staging;
}

/* Header, payload and mark at w->offset. */
static int put_record(struct wal *w, wal_position at, uint64_t sequence, uint32_t length, nacre_slice payload,
                      uint64_t payload_hash)
{
    wal_position durable = atomic_load_explicit(&w->synced, memory_order_relaxed); /* an older value is as true */
    size_t padded = (size_t)wal_padded(payload.size);
    size_t bytes = WAL_RECORD_HEADER_BYTES + padded + WAL_MARK_BYTES;
    uint8_t *target = w->map ? w->map + w->offset : staged(w, bytes);
    if (!target) {
        return NACRE_NO_MEMORY;
    }
    store_u64(target + bytes - WAL_MARK_BYTES, 0);
    if (payload.size) {
        store_u64(target + WAL_RECORD_HEADER_BYTES + padded - 8, 0); /* the padding */
        memcpy(target + WAL_RECORD_HEADER_BYTES, payload.data, payload.size);
    }
    wal_record_encode(target, at, sequence, length, payload_hash, durable);
    return w->map ? NACRE_OK : w->os->write(w->current->handle, w->offset, target, bytes);
}

/* The tail of the current file is not trusted any more: the log goes on in a new file whose header says so. */
static void break_tail(struct wal *w)
{
    pthread_mutex_lock(&w->files_lock);
    w->broken_at = WAL_POSITION(w->current->number, w->offset);
    w->room = 0;
    atomic_store_explicit(&w->prepare_at, 0, memory_order_relaxed);
    pthread_mutex_unlock(&w->files_lock);
}

static int check_failed(const struct wal *w)
{
    /* Acquire: pairs with the release in wal_sync.c; an append that misses it is told by its sync. */
    if (atomic_load_explicit(&w->failed, memory_order_acquire)) {
        return fail(NACRE_IO, "log file %08x: a sync failed; nothing is appended before the log goes on in a new file",
                    w->current->number);
    }
    return NACRE_OK;
}

/* Ends the current file and makes the spare the current one; `needed` bytes of records must fit into it. files_lock held. */
static int swap_in_spare(struct wal *w, uint64_t needed)
{
    struct wal_file *spare = w->spare;
    if (!spare || spare->void_from != w->broken_at || spare->size < WAL_FILE_OVERHEAD + needed) {
        return fail(NACRE_BUSY, "log file %08x is full and the next one is not ready", w->current->number);
    }
    if (w->broken_at == 0) {
        wal_position at = WAL_POSITION(w->current->number, w->offset);
        int status = put_record(w, at, spare->synced_end > 0, WAL_END_LENGTH, slice_of(NULL, 0), 0);
        if (status != NACRE_OK) {
            return status;
        }
        w->offset += WAL_RECORD_HEADER_BYTES;
    }
    w->current->end = w->offset;
    w->spare = NULL;
    wal_install(w, spare);
    return NACRE_OK;
}

static int make_room(struct wal *w, uint64_t needed)
{
    int status = check_failed(w);
    if (status == NACRE_OK) {
        pthread_mutex_lock(&w->files_lock);
        status = swap_in_spare(w, needed);
        pthread_mutex_unlock(&w->files_lock);
        if (status == NACRE_IO || status == NACRE_NO_SPACE) {
            break_tail(w);
        }
    }
    return status;
}

int wal_append(struct wal *w, uint64_t sequence, nacre_slice payload, uint64_t payload_hash, wal_position *begin,
               wal_position *end)
{
    uint64_t bytes = WAL_RECORD_HEADER_BYTES + wal_padded(payload.size);
    if (payload.size > WAL_FILE_BYTES_MAX - 2 * WAL_FILE_OVERHEAD) {
        return fail(NACRE_LIMIT, "a log record of %zu bytes is too large", payload.size);
    }
    int status = check_failed(w);
    if (status == NACRE_OK && w->offset + bytes > w->room) {
        status = make_room(w, bytes);
    }
    if (status != NACRE_OK) {
        return status;
    }
    wal_position at = WAL_POSITION(w->current->number, w->offset);
    status = put_record(w, at, sequence, (uint32_t)payload.size, payload, payload_hash);
    if (status != NACRE_OK) {
        if (status != NACRE_NO_MEMORY) {
            break_tail(w);
        }
        return status;
    }
    w->offset += (uint32_t)bytes;
    *begin = at;
    *end = at + bytes;
    atomic_store_explicit(&w->appends, atomic_load_explicit(&w->appends, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&w->bytes, atomic_load_explicit(&w->bytes, memory_order_relaxed) + bytes,
                          memory_order_relaxed);
    atomic_store_explicit(&w->end, *end, memory_order_release); /* invariant 2; pairs with the acquire of who syncs */
    return NACRE_OK;
}

int wal_rotate(struct wal *w)
{
    return make_room(w, 0);
}

/* The files that stood there before, so that they can be counted and pruned. */
static int adopt_older(struct wal *w, uint32_t first_file, struct wal_file ***tail, uint32_t *previous)
{
    struct wal_numbers list;
    int status = wal_list(w->os, w->directory, &list);
    for (size_t i = 0; status == NACRE_OK && i < list.count; i++) {
        char path[OS_PATH_MAX];
        nacre_file *handle = NULL;
        if (list.numbers[i] >= first_file) {
            status = fail(NACRE_INVALID, "%s: log file %08x is there already; the first new one cannot be %08x",
                          w->directory, list.numbers[i], first_file);
            break;
        }
        struct wal_file *file = memory_zalloc(sizeof *file);
        if (!file) {
            status = NACRE_NO_MEMORY;
            break;
        }
        file->number = *previous = list.numbers[i];
        **tail = file;
        *tail = &file->newer;
        status = wal_path(path, w->directory, file->number);
        if (status == NACRE_OK && (status = w->os->open(w->os->context, path, NACRE_FILE_READ, &handle)) == NACRE_OK) {
            status = w->os->size(handle, &file->size);
            int closed = w->os->close(handle);
            status = status == NACRE_OK ? closed : status;
        }
        file->end = file->size;
        atomic_fetch_add_explicit(&w->closed_bytes, file->size, memory_order_relaxed);
    }
    wal_numbers_free(&list);
    return status;
}

/* The first file and a spare; while space is saved a spare is what there is room for. */
static int make_first(struct wal *w, uint32_t number, uint32_t previous, struct wal_file **tail)
{
    struct wal_file *first = NULL;
    uint64_t bytes = wal_usual_bytes(w, w->file_bytes);
    w->next_number = number + 1;
    /* Recovery has made all before this file durable. */
    atomic_store_explicit(&w->synced, WAL_POSITION(number, WAL_HEADER_BYTES), memory_order_relaxed);
    int status = wal_file_make(w, number, previous, bytes, (struct wal_gap){ 0 }, &first);
    if (status != NACRE_OK) {
        return status;
    }
    *tail = first;
    wal_install(w, first);
    atomic_store_explicit(&w->oldest_number, w->oldest->number, memory_order_relaxed);
    status = wal_prepare(w, 0);
    return status == NACRE_NO_SPACE && wal_saves_space(w) ? NACRE_OK : status;
}

/* Leaves the directory as it was found. */
static void undo_start(struct wal *w)
{
    if (w->current) {
        struct wal_file **link = &w->oldest;
        while (*link != w->current) {
            link = &(*link)->newer;
        }
        *link = NULL;
        wal_file_destroy(w, w->current);
        w->current = NULL;
    }
}

static int start(struct wal *w, uint32_t first_file)
{
    struct wal_file **tail = &w->oldest;
    uint32_t previous = 0;
    int status = adopt_older(w, first_file, &tail, &previous);
    if (status != NACRE_OK) {
        return status;
    }
    status = make_first(w, first_file, previous, tail);
    if (status == NACRE_NO_SPACE && !wal_saves_space(w)) {
        /* With a number of its own: should the removed file be back after a loss of power, the chain goes by the greater one. */
        undo_start(w);
        wal_save_space(w, true);
        status = make_first(w, w->next_number, previous, tail);
    }
    return status;
}

int wal_open(const struct wal_options *options, uint32_t first_file, struct wal **out)
{
    *out = NULL;
    if (first_file == 0 || options->file_bytes > WAL_FILE_BYTES_MAX) {
        return fail(NACRE_INVALID, "%s: log file %u of %llu bytes cannot be", options->directory, first_file,
                    (unsigned long long)options->file_bytes);
    }
    struct wal *w = memory_alloc_aligned(64, sizeof *w);
    if (!w) {
        return NACRE_NO_MEMORY;
    }
    memset(w, 0, sizeof *w);
    pthread_mutex_init(&w->prepare_lock, NULL);
    pthread_mutex_init(&w->files_lock, NULL);
    w->os = options->os;
    w->logger = options->logger;
    w->sync_times = options->sync_times;
    w->use_maps = options->map;
    w->recycle = options->recycle;
    atomic_store_explicit(&w->saves_space, options->save_space, memory_order_relaxed);
    w->before_sync = options->before_sync;
    w->before_sync_context = options->before_sync_context;
    w->file_bytes = options->file_bytes < 4096 ? 4096 : (options->file_bytes + 4095) & ~(uint64_t)4095;
    w->file_bytes_most = options->file_bytes_most < WAL_FILE_BYTES_MAX ? options->file_bytes_most : WAL_FILE_BYTES_MAX;
    w->next_bytes = w->file_bytes;
    atomic_store_explicit(&w->covering, UINT64_MAX, memory_order_relaxed);
    w->directory = memory_strdup(options->directory);
    int status = w->directory ? start(w, first_file) : NACRE_NO_MEMORY;
    if (status != NACRE_OK) {
        undo_start(w);
        wal_close(w);
        return status;
    }
    *out = w;
    return NACRE_OK;
}

/* Gives back what was allocated ahead. It fails where the file system has failed; the next opening does it then. */
static void trim(struct wal *w)
{
    struct wal_file *current = w->current;
    if (!current || w->room == 0 || atomic_load_explicit(&w->failed, memory_order_acquire)) {
        return;
    }
    if (current->map) {
        (void)w->os->unmap(current->map, current->size);
        current->map = NULL;
    }
    (void)w->os->truncate(current->handle, w->offset);
}

void wal_close(struct wal *w)
{
    if (!w) {
        return;
    }
    trim(w);
    if (w->spare) {
        wal_file_destroy(w, w->spare);
    }
    for (size_t i = 0; i < w->pool_count; i++) {
        wal_file_destroy(w, w->pool[i]);
    }
    for (struct wal_file *file = w->oldest, *newer; file; file = newer) {
        newer = file->newer;
        wal_file_free(w, file);
    }
    pthread_mutex_destroy(&w->files_lock);
    pthread_mutex_destroy(&w->prepare_lock);
    memory_free(w->staging);
    memory_free(w->directory);
    memory_free(w);
}

wal_position wal_end(const struct wal *w)
{
    return atomic_load_explicit(&w->end, memory_order_acquire); /* pairs with the release in wal_append */
}

uint64_t wal_bytes(const struct wal *w)
{
    return atomic_load_explicit(&w->closed_bytes, memory_order_relaxed) + WAL_OFFSET(wal_end(w));
}

uint32_t wal_oldest_file(const struct wal *w)
{
    return atomic_load_explicit(&w->oldest_number, memory_order_relaxed);
}

static void count_file(const struct wal_file *file, struct wal_stats *stats)
{
    stats->mapped_bytes += file->map ? file->size : 0;
    stats->heap_bytes += sizeof *file;
}

static void count_files(struct wal *w, struct wal_stats *stats)
{
    stats->heap_bytes = sizeof *w;
    pthread_mutex_lock(&w->files_lock);
    for (const struct wal_file *file = w->oldest; file; file = file->newer) {
        stats->files++;
        count_file(file, stats);
    }
    for (size_t i = 0; i < w->pool_count; i++) {
        count_file(w->pool[i], stats);
    }
    if (w->spare) {
        count_file(w->spare, stats);
    }
    pthread_mutex_unlock(&w->files_lock);
}

void wal_get_stats(struct wal *w, struct wal_stats *stats)
{
    *stats = (struct wal_stats){
        .appends = atomic_load_explicit(&w->appends, memory_order_relaxed),
        .bytes = atomic_load_explicit(&w->bytes, memory_order_relaxed),
        .syncs = atomic_load_explicit(&w->syncs, memory_order_relaxed),
        .rotations = atomic_load_explicit(&w->rotations, memory_order_relaxed),
        .recycled = atomic_load_explicit(&w->recycled, memory_order_relaxed),
        .sync_ns_total = atomic_load_explicit(&w->sync_ns_total, memory_order_relaxed),
        .sync_ns_max = atomic_load_explicit(&w->sync_ns_max, memory_order_relaxed),
    };
    count_files(w, stats);
}
