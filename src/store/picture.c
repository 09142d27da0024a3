/* Pictures of a store (picture.h).

   The manifest's state S is copied first, then the log's end L is read: S and the log from S's positions up to L are the store at L, whatever is
   flushed or merged meanwhile, as long as no named file goes.
   Invariants:
   1. Writes of level memory are in no log. So from before their memtables are flushed until L is read all writes go to the log (log_all).
   2. Between S and L no collection is made or dropped (collections_lock): a batch is not cut in two by what S knows.
   3. The hold on the log is older than S, that on segments and value files has no gap before those that S and L need are known.
   A read-only opening has its own S and L, from its last refresh. Its pins keep the files of S, and the log as far as the writer lets them (pins.h).
   Any thread. Locks: house_lock, then collections_lock, the manifest's and commit_lock, each for a look; reap_lock. */
#include "store/picture.h"
#include "base/memory.h"
#include "base/status.h"
#include "log/wal_directory.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int compare_ids(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

/* The distinct ids of the state's segments, ascending. */
static int list_segments(struct picture *p)
{
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < p->state.collection_count; i++) {
        count += p->state.collections[i].piece_count;
    }
    p->segments = memory_alloc((count + 1) * sizeof *p->segments);
    if (!p->segments) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < p->state.collection_count; i++) {
        for (size_t j = 0; j < p->state.collections[i].piece_count; j++) {
            p->segments[kept++] = p->state.collections[i].pieces[j].properties.id;
        }
    }
    qsort(p->segments, count, sizeof *p->segments, compare_ids);
    kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || p->segments[kept - 1] != p->segments[i]) {
            p->segments[kept++] = p->segments[i];
        }
    }
    p->hold.segment_count = kept;
    return NACRE_OK;
}

static int add_file(struct picture *p, const struct picture_file *file)
{
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 64;
        struct picture_file *more = memory_realloc(p->files, capacity * sizeof *more);
        if (!more) {
            return NACRE_NO_MEMORY;
        }
        p->files = more;
        p->capacity = capacity;
    }
    p->files[p->count++] = *file;
    return NACRE_OK;
}

/* Numbers may have been skipped; recovery knows the chain by the files' headers. */
static int add_log(struct picture *p, uint32_t first, wal_position end)
{
    struct wal_numbers list;
    int status = wal_list(p->store->os, p->store->log_path, &list);
    if (status != NACRE_OK) {
        return status;
    }
    for (size_t i = 0; i < list.count && status == NACRE_OK; i++) {
        if (list.numbers[i] >= first && list.numbers[i] <= WAL_FILE(end)) {
            struct picture_file file = { .part = PICTURE_LOG, .id = list.numbers[i] };
            file.most = list.numbers[i] == WAL_FILE(end) ? WAL_OFFSET(end) : UINT64_MAX;
            (void)snprintf(file.name, sizeof file.name, "log/" WAL_FILE_NAME, list.numbers[i]);
            status = add_file(p, &file);
        }
    }
    wal_numbers_free(&list);
    return status;
}

static int add_segment(struct picture *p, const struct manifest_piece *piece, const struct kind *kind)
{
    uint64_t id = piece->properties.id;
    struct picture_file file = { .part = PICTURE_SEGMENT,
                                 .most = UINT64_MAX,
                                 .immutable = true,
                                 .id = id,
                                 .bytes = piece->properties.bytes,
                                 .checksum = piece->properties.checksum,
                                 .kind = kind };
    (void)snprintf(file.name, sizeof file.name, "segments/%016" PRIx64 ".seg", id);
    int status = add_file(p, &file);
    file.part = PICTURE_INDEX;
    file.bytes = file.checksum = 0;
    (void)snprintf(file.name, sizeof file.name, "segments/%016" PRIx64 ".idx", id);
    return status == NACRE_OK ? add_file(p, &file) : status;
}

/* Each segment once, though several pieces may name it. */
static int add_segments(struct picture *p)
{
    int status = NACRE_OK;
    bool *seen = memory_zalloc(p->hold.segment_count + 1);
    if (!seen) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < p->state.collection_count && status == NACRE_OK; i++) {
        const struct manifest_collection *c = &p->state.collections[i];
        for (size_t j = 0; j < c->piece_count && status == NACRE_OK; j++) {
            uint64_t id = c->pieces[j].properties.id;
            const uint64_t *at = bsearch(&id, p->segments, p->hold.segment_count, sizeof id, compare_ids);
            bool *known = &seen[at - p->segments];
            status = *known ? NACRE_OK : add_segment(p, &c->pieces[j], store_kind(c->kind));
            *known = true;
        }
    }
    memory_free(seen);
    return status;
}

static int add_values(struct picture *p)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < p->values.count && status == NACRE_OK; i++) {
        const struct value_listed *listed = &p->values.files[i];
        struct picture_file file = {
            .part = PICTURE_VALUES, .id = listed->id, .most = listed->bytes, .immutable = listed->sealed
        };
        (void)snprintf(file.name, sizeof file.name, "values/" VALUE_FILE_NAME, (unsigned long long)listed->id);
        status = add_file(p, &file);
    }
    return status;
}

static int list_files(struct picture *p, uint32_t first, wal_position end)
{
    struct picture_file tuning = { .part = PICTURE_TUNING, .name = "tuning.json", .most = UINT64_MAX };
    int status = add_log(p, first, end);
    if (status == NACRE_OK) {
        status = add_segments(p);
    }
    if (status == NACRE_OK) {
        status = add_values(p);
    }
    return status == NACRE_OK ? add_file(p, &tuning) : status;
}

static void log_everything(nacre_store *store, bool begin)
{
    pthread_mutex_lock(&store->commit_lock);
    store->log_all += begin ? 1 : -1;
    pthread_mutex_unlock(&store->commit_lock);
}

/* S, then L. */
static int copy_state(struct picture *p, wal_position *end)
{
    nacre_store *store = p->store;
    pthread_mutex_lock(&store->collections_lock);
    int status = manifest_copy_state(store->manifest, &p->state);
    pthread_mutex_lock(&store->commit_lock);
    *end = wal_end(store->wal);
    p->state.last_sequence = atomic_load_explicit(&store->last_sequence, memory_order_relaxed);
    pthread_mutex_unlock(&store->commit_lock);
    pthread_mutex_unlock(&store->collections_lock);
    return status;
}

#define LOG_WORTH_ROTATING ((uint32_t)64 << 10) /* bytes of the newest file */

/* The log goes on in a file of its own. */
static int rotate_log(nacre_store *store)
{
    int status = NACRE_BUSY;
    for (int attempt = 0; attempt < 8 && status == NACRE_BUSY; attempt++) {
        pthread_mutex_lock(&store->commit_lock);
        bool worth = WAL_OFFSET(wal_end(store->wal)) > LOG_WORTH_ROTATING;
        status = worth && store_check_writable(store) == NACRE_OK ? wal_rotate(store->wal) : NACRE_OK;
        pthread_mutex_unlock(&store->commit_lock);
        if (status == NACRE_BUSY) {
            int prepared = wal_prepare(store->wal, 4096);
            status = prepared == NACRE_OK ? NACRE_BUSY : prepared;
        }
    }
    return status;
}

static int flush_one(nacre_collection *collection, void *context)
{
    (void)context;
    return collection_flush(collection);
}

/* A failure costs nothing but a longer log to copy. */
static void shorten_log(nacre_store *store)
{
    if (rotate_log(store) == NACRE_OK && store_each_collection(store, flush_one, NULL) == NACRE_OK) {
        (void)store_prune_log(store);
    }
}

static int take_of_writer(struct picture *p, bool short_log, wal_position *end)
{
    nacre_store *store = p->store;
    if (short_log) {
        shorten_log(store);
    }
    log_everything(store, true);
    int status = store_flush_unlogged(store);
    if (status == NACRE_OK) {
        pthread_mutex_lock(&store->house_lock);
        p->hold.oldest_log_file = wal_oldest_file(store->wal);
        hold_add(store, &p->hold);
        pthread_mutex_unlock(&store->house_lock);
        atomic_fetch_add_explicit(&store->reap_holds, 1, memory_order_seq_cst);
        status = copy_state(p, end);
        if (status == NACRE_OK && (status = list_segments(p)) == NACRE_OK) {
            hold_segments(store, &p->hold, p->segments);
            status = value_list_take(store, &p->values);
        }
        atomic_fetch_sub_explicit(&store->reap_holds, 1, memory_order_seq_cst);
    }
    log_everything(store, false);
    return status;
}

static int take_of_reader(struct picture *p, wal_position *end)
{
    int status = reader_point(p->store, &p->state, end, &p->pin);
    p->state.last_sequence = atomic_load_explicit(&p->store->last_sequence, memory_order_relaxed);
    p->hold.oldest_log_file = p->state.next_log_file;
    if (status == NACRE_OK) {
        pins_open(&p->reading, p->store->os, p->store->path);
        status = pins_set(&p->reading, PIN_READING, true);
    }
    if (status == NACRE_OK) {
        status = list_segments(p);
    }
    return status == NACRE_OK ? value_list_take(p->store, &p->values) : status;
}

int picture_take(nacre_store *store, bool short_log, struct picture *p)
{
    wal_position end = 0;
    *p = (struct picture){ .store = store, .folders = layout_always };
    int status = store->read_only ? take_of_reader(p, &end) : take_of_writer(p, short_log, &end);
    if (status == NACRE_OK) {
        p->state.clean_log_end = end;
        status = list_files(p, p->hold.oldest_log_file, end);
    }
    if (status != NACRE_OK) {
        picture_release(p);
    }
    return status;
}

/* A log file that the writer prunes may come back as another one, under another name: it was whole if none was pruned until now. */
static int check_log(const struct picture *p)
{
    struct manifest_state now = { 0 };
    int status = manifest_verify(p->store->os, p->store->path, &now);
    bool pruned = status == NACRE_OK && now.next_log_file > p->state.next_log_file;
    manifest_state_free(&now);
    return pruned ? fail(NACRE_BUSY, "%s: the writer pruned its log while it was copied; try again", p->store->path)
                  : status;
}

int picture_copied(struct picture *p, size_t index, int status)
{
    const struct picture_file *file = &p->files[index - 1];
    bool more = index < p->count && p->files[index].part == PICTURE_LOG;
    if (p->store->read_only) {
        if (status == NACRE_NOT_FOUND) {
            return fail(NACRE_BUSY, "%s/%s: the writer removed it while it was copied; try again", p->store->path,
                        file->name);
        }
        /* Once: when the last of its files is copied or, where the list has none, the first of the others. */
        bool last = file->part == PICTURE_LOG ? !more : index == 1;
        return status == NACRE_OK && last ? check_log(p) : status;
    }
    if (status == NACRE_OK && file->part == PICTURE_LOG) {
        hold_log_from(p->store, &p->hold, more ? (uint32_t)p->files[index].id : UINT32_MAX);
        work_housekeep(p->store);
    }
    return status;
}

void picture_release(struct picture *p)
{
    if (!p->store->read_only) {
        hold_remove(p->store, &p->hold);
        work_housekeep(p->store);
    }
    reader_pin_unref(p->pin);
    pins_close(&p->reading);
    value_list_release(&p->values);
    manifest_state_free(&p->state);
    memory_free(p->segments);
    memory_free(p->files);
    p->files = NULL;
    p->segments = NULL;
    p->pin = NULL;
    p->count = 0;
}
