/* Checkpoints: another directory that opens as this store was at one point.

   The manifest's state S is copied first, then the log's end L is read: S and the log from S's positions up to L are the store at L,
   whatever is flushed or merged meanwhile, as long as no named file goes. So log pruning (house_lock) and the removal of segments
   (reap_holds) wait. CURRENT is written last: half a checkpoint is no store. */
#include "base/memory.h"
#include "base/status.h"
#include "store/store.h"

#define COPY_BYTES ((size_t)1 << 20)

struct copying {
    nacre_store *store;
    const nacre_os *os;
    const char *path;
    uint8_t *bytes; /* COPY_BYTES */
};

/* The first `size` bytes of a file; the copy is as long as the original (the rest reads as zeros). */
static int copy_file(struct copying *copying, const char *from, const char *to, uint64_t most)
{
    const nacre_os *os = copying->os;
    nacre_file *source = NULL, *target = NULL;
    uint64_t length = 0;
    int status = os->open(os->context, from, NACRE_FILE_READ, &source);
    if (status == NACRE_OK) {
        status = os->size(source, &length);
    }
    if (status == NACRE_OK) {
        status = os->open(os->context, to,
                          NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE | NACRE_FILE_EXCLUSIVE, &target);
    }
    uint64_t end = most < length ? most : length;
    for (uint64_t at = 0; status == NACRE_OK && at < end;) {
        size_t got = 0, want = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
        status = os->read(source, at, copying->bytes, want, &got);
        if (status == NACRE_OK && got == 0) {
            status = fail(NACRE_IO, "%s: ends at %llu, %llu bytes were expected", from, (unsigned long long)at,
                          (unsigned long long)end);
        }
        if (status == NACRE_OK) {
            status = os->write(target, at, copying->bytes, got);
        }
        at += got;
    }
    if (status == NACRE_OK && end < length) {
        status = os->truncate(target, length);
    }
    if (status == NACRE_OK) {
        status = os->sync(target);
    }
    if (target) {
        os->close(target);
    }
    if (source) {
        os->close(source);
    }
    return status;
}

static int link_or_copy(struct copying *copying, const char *from, const char *to)
{
    int status = copying->os->link(copying->os->context, from, to);
    return status == NACRE_UNSUPPORTED ? copy_file(copying, from, to, UINT64_MAX) : status;
}

static int copy_segment(struct copying *copying, uint64_t id)
{
    char from[OS_PATH_MAX], to[OS_PATH_MAX], directory[OS_PATH_MAX];
    struct segment_env there = copying->store->segments;
    there.directory = directory;
    int status = os_path(directory, copying->path, "segments");
    for (int index = 0; index < 2 && status == NACRE_OK; index++) {
        if ((status = segment_path(&copying->store->segments, id, index, from)) != NACRE_OK ||
            (status = segment_path(&there, id, index, to)) != NACRE_OK) {
            break;
        }
        status = link_or_copy(copying, from, to);
        /* Several pieces may name one segment; side files are made again when missing. */
        if (status == NACRE_EXISTS || (index && status == NACRE_NOT_FOUND)) {
            status = NACRE_OK;
        }
    }
    return status;
}

static int copy_segments(struct copying *copying, const struct manifest_state *state)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < state->collection_count; i++) {
        for (size_t j = 0; j < state->collections[i].piece_count && status == NACRE_OK; j++) {
            status = copy_segment(copying, state->collections[i].pieces[j].properties.id);
        }
    }
    return status;
}

static int copy_log(struct copying *copying, uint32_t first, wal_position end)
{
    int status = NACRE_OK;
    for (uint32_t number = first; number <= WAL_FILE(end) && status == NACRE_OK; number++) {
        char from[OS_PATH_MAX], to[OS_PATH_MAX];
        if ((status = os_path(from, copying->store->log_path, WAL_FILE_NAME, number)) == NACRE_OK &&
            (status = os_path(to, copying->path, "log/" WAL_FILE_NAME, number)) == NACRE_OK) {
            status = copy_file(copying, from, to, number == WAL_FILE(end) ? WAL_OFFSET(end) : UINT64_MAX);
            status = status == NACRE_NOT_FOUND
                         ? NACRE_OK
                         : status; /* numbers may have been skipped; recovery knows by the files' headers */
        }
    }
    return status;
}

static int make_target(const struct copying *copying)
{
    static const char *const names[] = { "manifest", "log", "segments" };
    const nacre_os *os = copying->os;
    char path[OS_PATH_MAX];
    int status = os->make_directory(os->context, copying->path);
    if (status == NACRE_EXISTS) {
        return fail(NACRE_EXISTS, "%s: exists already; a checkpoint makes its own directory", copying->path);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0] && status == NACRE_OK; i++) {
        status = os_path(path, copying->path, "%s", names[i]);
        if (status == NACRE_OK) {
            status = os->make_directory(os->context, path);
        }
    }
    return status;
}

static int sync_target(const struct copying *copying)
{
    static const char *const names[] = { "log", "segments", "..", "." };
    char path[OS_PATH_MAX];
    int status = NACRE_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && status == NACRE_OK; i++) {
        status = os_path(path, copying->path, "%s", names[i]);
        if (status == NACRE_OK) {
            status = copying->os->sync_directory(copying->os->context, path);
        }
    }
    return status;
}

static int copy_tuning(struct copying *copying)
{
    char from[OS_PATH_MAX], to[OS_PATH_MAX];
    int status = os_path(from, copying->store->path, "tuning.json");
    if (status != NACRE_OK || (status = os_path(to, copying->path, "tuning.json")) != NACRE_OK) {
        return status;
    }
    status = copy_file(copying, from, to, UINT64_MAX);
    return status == NACRE_NOT_FOUND ? NACRE_OK : status;
}

/* house_lock and a hold on the removal of segments are held. */
static int copy_all(struct copying *copying)
{
    nacre_store *store = copying->store;
    struct manifest_state state = { 0 };
    int status = manifest_copy_state(store->manifest, &state);
    if (status != NACRE_OK) {
        return status;
    }
    pthread_mutex_lock(&store->commit_lock);
    wal_position end = wal_end(store->wal);
    state.last_sequence = atomic_load_explicit(&store->last_sequence, memory_order_relaxed);
    pthread_mutex_unlock(&store->commit_lock);
    state.clean_log_end = end;
    if ((status = copy_segments(copying, &state)) == NACRE_OK && (status = copy_tuning(copying)) == NACRE_OK &&
        (status = copy_log(copying, wal_oldest_file(store->wal), end)) == NACRE_OK &&
        (status = sync_target(copying)) == NACRE_OK) {
        status = manifest_write_copy(store->os, copying->path, &state);
    }
    manifest_state_free(&state);
    return status;
}

int store_checkpoint(nacre_store *store, const char *path)
{
    if (store->read_only) {
        return fail(
            NACRE_READ_ONLY,
            "%s was opened read-only; copy its directory while no writer works, or make the checkpoint in the writer",
            store->path);
    }
    struct copying copying = { store, store->os, path, memory_alloc(COPY_BYTES) };
    if (!copying.bytes) {
        return NACRE_NO_MEMORY;
    }
    int status = store_flush_unlogged(store); /* what no log holds */
    if (status == NACRE_OK) {
        status = make_target(&copying);
    }
    if (status == NACRE_OK) {
        pthread_mutex_lock(&store->house_lock);
        atomic_fetch_add_explicit(&store->reap_holds, 1, memory_order_seq_cst);
        status = copy_all(&copying);
        atomic_fetch_sub_explicit(&store->reap_holds, 1, memory_order_seq_cst);
        pthread_mutex_unlock(&store->house_lock);
        work_housekeep(store);
    }
    memory_free(copying.bytes);
    return status;
}
