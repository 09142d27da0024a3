/* The files of the write-ahead log: made ahead of need, recycled, pruned. Everything slow is here and runs without the commit lock.

   A spare gets its final name, durably, and a header with its own number before it can be swapped in, so that a file that is missing from the
   chain was lost to damage. A new file's header is made durable at once too. A recycled one's is only when its old bytes
   are durable already (syncing would write them once more for nothing); else the first wal_sync that reaches the file does it.

   Recycled are only files that this opening made, through the same map: reading or writing a file by large calls gives its
   cached pages a size of up to 2 MiB, and from then on each small mapped append costs a write of that size (bench/log_files.c shows it).

   Any thread. Locks: prepare_lock, then files_lock. */
#include "log/wal_internal.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"

void wal_file_use(struct wal_file *file)
{
    file->users++;
}

void wal_file_free(struct wal *w, struct wal_file *file)
{
    if (file->map) {
        (void)w->os->unmap(file->map, file->size);
    }
    if (file->handle) {
        (void)w->os->close(file->handle); /* nothing that is still needed depends on it */
    }
    memory_free(file);
}

static void warn(const struct wal *w, const char *event, uint32_t number)
{
    char text[1024];
    log_line(w->logger, NACRE_LOG_WARNING, event, "\"file\":\"%08x\",\"detail\":\"%s\"", number,
             log_escape(fail_detail(), text, sizeof text));
}

void wal_file_destroy(struct wal *w, struct wal_file *file)
{
    char path[OS_PATH_MAX];
    uint32_t number = file->number;
    wal_file_free(w, file);
    int status = wal_path(path, w->directory, number);
    if (status == NACRE_OK) {
        status = w->os->remove(w->os->context, path);
    }
    if (status != NACRE_OK && status != NACRE_NOT_FOUND) {
        warn(w, "log_file_not_removed", number); /* it does no harm: the next opening prunes it */
    }
}

/* The file serves again, or goes. */
static void dispose(struct wal *w, struct wal_file *file)
{
    pthread_mutex_lock(&w->files_lock);
    bool keep = w->recycle && file->recyclable && file->size == w->file_bytes && w->pool_count < WAL_POOL_FILES &&
                !wal_saves_space(w);
    if (keep) {
        w->pool[w->pool_count++] = file;
    }
    pthread_mutex_unlock(&w->files_lock);
    if (!keep) {
        wal_file_destroy(w, file);
    }
}

void wal_file_drop(struct wal *w, struct wal_file *file)
{
    pthread_mutex_lock(&w->files_lock);
    file->dropped = true;
    bool idle = file->users == 0;
    pthread_mutex_unlock(&w->files_lock);
    if (idle) {
        dispose(w, file);
    }
}

void wal_file_unuse(struct wal *w, struct wal_file *file)
{
    pthread_mutex_lock(&w->files_lock);
    bool last = --file->users == 0 && file->dropped;
    pthread_mutex_unlock(&w->files_lock);
    if (last) {
        dispose(w, file);
    }
}

/* Header and an empty place for the first record. */
static int put_header(struct wal *w, struct wal_file *file, uint32_t previous, uint32_t flags)
{
    uint8_t bytes[WAL_HEADER_BYTES + WAL_MARK_BYTES] = { 0 };
    struct wal_header header = {
        .number = file->number,
        .previous = previous,
        .flags = flags,
        .size = file->size,
        .durable = atomic_load_explicit(&w->synced, memory_order_relaxed), /* an older value is as true */
        .undecided = file->undecided,
        .void_from = file->void_from,
    };
    if (WAL_FILE(header.durable) == file->number) {
        header.durable = WAL_POSITION(file->number, 0);
    }
    wal_header_encode(&header, bytes);
    if (file->map) {
        memcpy(file->map, bytes, sizeof bytes);
        return NACRE_OK;
    }
    return w->os->write(file->handle, 0, bytes, sizeof bytes);
}

static int make_durable(struct wal *w, struct wal_file *file)
{
    int status = w->os->sync(file->handle);
    if (status == NACRE_OK) {
        status = w->os->sync_directory(w->os->context, w->directory);
    }
    if (status == NACRE_OK) {
        file->synced_end = WAL_HEADER_BYTES;
    }
    return status;
}

static int reserve_space(struct wal *w, struct wal_file *file)
{
    uint64_t size = 0;
    int status = w->os->allocate(file->handle, file->size);
    if (status == NACRE_OK) {
        status = w->os->size(file->handle, &size);
    }
    if (status == NACRE_OK && size < file->size) {
        status = w->os->truncate(file->handle, file->size);
    }
    return status;
}

/* Faults in the next pages. Writable ones cost the appender nothing, but the next sync would write them all: where syncs happen, they are
   only read in. prepare_lock held, or the file is not known to others yet. */
static void populate(struct wal *w, struct wal_file *file, bool writable)
{
    uint64_t left = file->size - file->populated;
    uint64_t bytes = left < WAL_POPULATE_BYTES ? left : WAL_POPULATE_BYTES;
    if (file->map && bytes) {
        (void)w->os->populate(file->map + file->populated, bytes, writable);
    }
    file->populated += bytes;
}

static bool is_syncing(const struct wal *w)
{
    return atomic_load_explicit(&w->syncs, memory_order_relaxed) != w->syncs_at_prepare;
}

int wal_file_make(struct wal *w, uint32_t number, uint32_t previous, uint64_t size, struct wal_gap gap,
                  struct wal_file **out)
{
    char path[OS_PATH_MAX];
    const uint32_t flags = NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE | NACRE_FILE_EXCLUSIVE;
    void *map = NULL;
    int status = wal_path(path, w->directory, number);
    if (status != NACRE_OK) {
        return status;
    }
    struct wal_file *file = memory_zalloc(sizeof *file);
    if (!file) {
        return NACRE_NO_MEMORY;
    }
    file->number = number;
    file->size = size;
    file->undecided = gap.undecided;
    file->void_from = gap.void_from;
    file->recyclable = true;
    status = w->os->open(w->os->context, path, flags, &file->handle);
    if (status != NACRE_OK) {
        memory_free(file);
        return status;
    }
    status = reserve_space(w, file);
    if (status == NACRE_OK && w->use_maps) {
        if (w->os->map(file->handle, size, true, &map) == NACRE_OK) {
            file->map = map;
        } else {
            warn(w, "log_file_not_mapped", number); /* written by calls instead */
        }
    }
    if (status == NACRE_OK && (status = put_header(w, file, previous, 0)) == NACRE_OK) {
        status = make_durable(w, file);
    }
    if (status != NACRE_OK) {
        wal_file_destroy(w, file);
        return status;
    }
    populate(w, file, !is_syncing(w));
    *out = file;
    return NACRE_OK;
}

/* Gives a pruned file a new life under a new number. */
static int recycle(struct wal *w, struct wal_file *file, uint32_t number, uint32_t previous)
{
    char from[OS_PATH_MAX], to[OS_PATH_MAX];
    bool clean = file->synced_end >= file->end;
    file->dropped = false;
    file->synced_end = file->end = file->populated = 0;
    file->newer = NULL;
    int status = wal_path(from, w->directory, file->number);
    if (status != NACRE_OK || (status = wal_path(to, w->directory, number)) != NACRE_OK) {
        return status;
    }
    uint32_t old = file->number;
    file->number = number;
    status = put_header(w, file, previous, WAL_FLAG_RECYCLED);
    if (status == NACRE_OK) {
        status = w->os->rename(w->os->context, from, to);
    }
    if (status != NACRE_OK) {
        file->number = old;
        return status;
    }
    status = clean ? make_durable(w, file) : w->os->sync_directory(w->os->context, w->directory);
    if (status != NACRE_OK) {
        return status;
    }
    populate(w, file, !is_syncing(w));
    atomic_fetch_add_explicit(&w->recycled, 1, memory_order_relaxed);
    return NACRE_OK;
}

/* An idle file of the pool; files_lock held. */
static struct wal_file *take_from_pool(struct wal *w)
{
    return w->pool_count ? w->pool[--w->pool_count] : NULL;
}

int wal_make_spare(struct wal *w, uint64_t size, struct wal_gap gap, bool fresh, struct wal_file **out)
{
    pthread_mutex_lock(&w->files_lock);
    uint32_t previous = w->current->number, number = w->next_number++; /* also after a failure: a name may be left */
    struct wal_file *pooled = !fresh && size == w->file_bytes ? take_from_pool(w) : NULL;
    pthread_mutex_unlock(&w->files_lock);
    if (number == 0) {
        return fail(NACRE_LIMIT, "%s: all log file numbers are used up", w->directory);
    }
    if (pooled) {
        pooled->undecided = gap.undecided;
        pooled->void_from = gap.void_from;
        if (recycle(w, pooled, number, previous) == NACRE_OK) {
            *out = pooled;
            return NACRE_OK;
        }
        warn(w, "log_file_not_recycled", number);
        wal_file_destroy(w, pooled);
        return wal_make_spare(w, size, gap, true, out);
    }
    return wal_file_make(w, number, previous, size, gap, out);
}

uint64_t wal_usual_bytes(const struct wal *w, uint64_t bytes)
{
    return wal_saves_space(w) && bytes > WAL_SMALL_BYTES ? WAL_SMALL_BYTES : bytes;
}

/* The size that a record of `bytes` needs, and whether the spare is as wanted; detaches one that is not (invariant 2). */
static bool wants_spare(struct wal *w, uint64_t bytes, uint64_t *size, struct wal_gap *gap)
{
    uint64_t needed = (bytes + WAL_FILE_OVERHEAD + 4095) & ~(uint64_t)4095;
    uint64_t usual = wal_usual_bytes(w, w->next_bytes);
    *size = needed > usual ? needed : usual;
    pthread_mutex_lock(&w->files_lock);
    *gap = (struct wal_gap){ w->broken_at, w->broken_at };
    struct wal_file *unfit = NULL;
    if (w->spare && (w->spare->size < needed || w->spare->void_from != w->broken_at)) {
        unfit = w->spare;
        w->spare = NULL;
    }
    bool wants = w->spare == NULL;
    pthread_mutex_unlock(&w->files_lock);
    if (unfit) {
        wal_file_drop(w, unfit);
    }
    return wants;
}

static int ensure_spare(struct wal *w, uint64_t bytes)
{
    uint64_t size;
    struct wal_gap gap;
    while (wants_spare(w, bytes, &size, &gap)) { /* again when the tail broke meanwhile */
        struct wal_file *made = NULL;
        int status = wal_make_spare(w, size, gap, gap.void_from != 0, &made);
        if (status != NACRE_OK) {
            return status;
        }
        if (++w->calm_files >= WAL_CALM_FILES && w->next_bytes / 2 >= w->file_bytes) {
            w->next_bytes /= 2;
            w->calm_files = 0;
        }
        pthread_mutex_lock(&w->files_lock);
        w->spare = made;
        pthread_mutex_unlock(&w->files_lock);
    }
    return NACRE_OK;
}

/* The number of the file behind which nothing is ready, or 0. */
static uint32_t unfollowed(struct wal *w)
{
    pthread_mutex_lock(&w->files_lock);
    uint32_t number = w->spare ? 0 : w->current->number;
    pthread_mutex_unlock(&w->files_lock);
    return number;
}

/* An appender waits for what comes after a file. */
static void note_wait(struct wal *w, uint32_t number)
{
    if (number == w->awaited_after) {
        return; /* with others */
    }
    w->awaited_after = number;
    w->calm_files = 0;
    if (w->next_bytes * 2 <= w->file_bytes_most) {
        w->next_bytes *= 2;
    }
}

/* Keeps at least half a window of pages ready before the appender; says where the next look is due. */
static void populate_ahead(struct wal *w)
{
    pthread_mutex_lock(&w->files_lock);
    struct wal_file *file = w->current;
    wal_file_use(file);
    pthread_mutex_unlock(&w->files_lock);
    wal_position end = wal_end(w);
    if (WAL_FILE(end) == file->number) {
        bool writable = !is_syncing(w);
        file->populated = file->populated > WAL_OFFSET(end) ? file->populated : WAL_OFFSET(end) & ~(uint64_t)4095;
        while (file->populated < file->size && file->populated < WAL_OFFSET(end) + WAL_POPULATE_BYTES / 2) {
            populate(w, file, writable);
        }
    }
    pthread_mutex_lock(&w->files_lock);
    if (w->current == file && w->spare) {
        uint64_t due = file->populated - WAL_POPULATE_BYTES / 2;
        /* Relaxed: a hint; a look too many or too late costs little. */
        atomic_store_explicit(
            &w->prepare_at, file->populated == file->size || !file->map ? UINT64_MAX : WAL_POSITION(file->number, due),
            memory_order_relaxed);
    }
    pthread_mutex_unlock(&w->files_lock);
    wal_file_unuse(w, file);
}

int wal_prepare(struct wal *w, uint64_t min_bytes)
{
    /* Small files are late for being small, and are not to grow for it. */
    bool counts = min_bytes && min_bytes <= w->file_bytes - WAL_FILE_OVERHEAD && !wal_saves_space(w);
    uint32_t late = counts ? unfollowed(w) : 0;
    pthread_mutex_lock(&w->prepare_lock);
    if (late) {
        note_wait(w, late);
    }
    int status = min_bytes > WAL_FILE_BYTES_MAX - WAL_FILE_OVERHEAD
                     ? fail(NACRE_LIMIT, "a log record of %llu bytes is too large", (unsigned long long)min_bytes)
                     : ensure_spare(w, min_bytes);
    if (status == NACRE_OK) {
        populate_ahead(w);
    }
    w->syncs_at_prepare = atomic_load_explicit(&w->syncs, memory_order_relaxed);
    pthread_mutex_unlock(&w->prepare_lock);
    return status;
}

bool wal_saves_space(const struct wal *w)
{
    return atomic_load_explicit(&w->saves_space, memory_order_relaxed);
}

void wal_save_space(struct wal *w, bool saves)
{
    struct wal_file *idle;
    atomic_store_explicit(&w->saves_space, saves, memory_order_relaxed);
    do {
        pthread_mutex_lock(&w->files_lock);
        idle = saves ? take_from_pool(w) : NULL;
        pthread_mutex_unlock(&w->files_lock);
        if (idle) {
            wal_file_destroy(w, idle);
        }
    } while (idle);
}

bool wal_wants_prepare(const struct wal *w)
{
    return atomic_load_explicit(&w->end, memory_order_relaxed) >=
           atomic_load_explicit(&w->prepare_at, memory_order_relaxed);
}

int wal_prune(struct wal *w, wal_position position)
{
    for (;;) {
        pthread_mutex_lock(&w->files_lock);
        struct wal_file *file = w->oldest;
        bool needless = file != w->current && file->number < WAL_FILE(position);
        if (needless) {
            w->oldest = file->newer;
            atomic_store_explicit(&w->oldest_number, w->oldest->number, memory_order_relaxed);
            atomic_fetch_sub_explicit(&w->closed_bytes, file->end, memory_order_relaxed);
        }
        pthread_mutex_unlock(&w->files_lock);
        if (!needless) {
            return NACRE_OK;
        }
        wal_file_drop(w, file);
    }
}

uint64_t wal_bytes_before(struct wal *w, uint32_t number)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&w->files_lock);
    for (const struct wal_file *file = w->oldest; file && file != w->current && file->number < number;
         file = file->newer) {
        bytes += file->end;
    }
    pthread_mutex_unlock(&w->files_lock);
    return bytes;
}
