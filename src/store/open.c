/* Opening and closing a store. See docs/architecture.md for the order of steps and why a crash between any two of them is harmless. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/announce.h"
#include "store/autotune.h"
#include "store/event.h"
#include "store/values.h"
#include <stdio.h>
#include <stdlib.h>

#define MIB             (UINT64_C(1) << 20)
#define READ_ONLY_TRIES 8

/* ---- limits ---- */

static uint64_t choose(uint64_t set, uint64_t chosen)
{
    return set ? set : chosen;
}

/* tuning.lock held. */
static void share_memory(nacre_store *store)
{
    const struct tuning *t = &store->tuning;
    uint64_t chosen = atomic_load_explicit(&t->chosen[TUNING_cache_bytes], memory_order_relaxed);
    uint64_t memtables = chosen ? store->memory_budget - chosen : store->memory_budget / 2;
    uint64_t seal = memtables / 4 < 64 * MIB ? memtables / 4 : 64 * MIB;
    seal = choose(tuning_get(t, TUNING_seal_bytes), seal);
    memtables = seal * 4 > memtables ? seal * 4 : memtables;
    uint64_t rest = store->memory_budget > memtables + 8 * MIB ? store->memory_budget - memtables : 8 * MIB;
    uint64_t cache = choose(tuning_get(t, TUNING_cache_bytes), rest);
    atomic_store_explicit(&store->limits.memtable_share, memtables, memory_order_relaxed);
    atomic_store_explicit(&store->limits.seal_share, seal, memory_order_relaxed);
    atomic_store_explicit(&store->limits.cache_share, cache, memory_order_relaxed);
    tuning_note_worked_out(&store->tuning, TUNING_seal_bytes, seal);
    tuning_note_worked_out(&store->tuning, TUNING_cache_bytes, cache);
    if (store->chunks) {
        chunk_pool_set_keep(store->chunks, 2 * seal);
    }
    budget_share(store);
}

static uint64_t log_file_bytes(const nacre_store *store)
{
    uint64_t chosen = store->log_limit / 128;
    chosen = chosen < MIB ? MIB : chosen > 8 * MIB ? 8 * MIB : chosen;
    return choose(tuning_get(&store->tuning, TUNING_log_file_bytes), chosen);
}

void store_apply_tuning(nacre_store *store)
{
    struct tuning *t = &store->tuning;
    pthread_mutex_lock(&store->tuning.lock);
    share_memory(store);
    atomic_store_explicit(&store->limits.seal_vector_bytes,
                          tuning_get(t, TUNING_vector_scan_us) * VECTOR_SCAN_BYTES_PER_US, memory_order_relaxed);
    os_handles_set_most(store->handles, tuning_get(t, TUNING_file_handles));
    struct tree_tuning *trees = &store->tree_tuning;
    atomic_store(&trees->segment_bytes, tuning_get(t, TUNING_segment_bytes));
    atomic_store(&trees->level_base_bytes, tuning_get(t, TUNING_level_base_bytes));
    atomic_store(&trees->level_ratio, tuning_get(t, TUNING_level_ratio));
    atomic_store(&trees->level0_runs, tuning_now(t, TUNING_level0_runs));
    atomic_store(&trees->tombstone_percent, tuning_get(t, TUNING_tombstone_percent));
    atomic_store(&trees->tier_runs, tuning_get(t, TUNING_tier_runs));
    atomic_store(&trees->runs_most, tuning_get(t, TUNING_runs_most));
    uint64_t large = store->memory_budget < 1024 * MIB ? 2 * store->memory_budget : 2048 * MIB;
    uint64_t run_segment = choose(tuning_get(t, TUNING_run_segment_bytes), large);
    atomic_store(&trees->run_segment_bytes, run_segment);
    tuning_note_worked_out(t, TUNING_run_segment_bytes, run_segment);
    tuning_note_worked_out(t, TUNING_log_file_bytes, log_file_bytes(store));
    atomic_store(&trees->learned_index, (uint8_t)tuning_get(t, TUNING_learned_index));
    atomic_store(&trees->index_memory_bytes, store->memory_budget / 4 * 3);
    atomic_store(&trees->block_bytes, tuning_get(t, TUNING_block_bytes));
    atomic_store(&trees->async_index_build, tuning_get(t, TUNING_async_index_build) != 0);
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        enum tuning_name name = level < 2   ? TUNING_compression_top
                                : level < 4 ? TUNING_compression_middle
                                            : TUNING_compression_bottom;
        atomic_store(&trees->compression[level], (uint32_t)tuning_get(t, name));
    }
    pthread_mutex_unlock(&store->tuning.lock);
}

static void copy_options(nacre_store *store, const nacre_options *options)
{
    store->read_only = options->read_only;
    store->durability = options->durability ? options->durability : NACRE_DISK;
    store->memory_budget = options->memory_budget ? options->memory_budget : 512 * MIB;
    store->memory_budget = store->memory_budget < 16 * MIB ? 16 * MIB : store->memory_budget;
    store->log_limit = options->log_limit ? options->log_limit : 1024 * MIB;
    store->log_limit = store->log_limit < 4 * MIB ? 4 * MIB : store->log_limit;
    store->background_threads = options->background_threads ? options->background_threads : 2;
    store->write_timeout_ms = options->write_timeout_ms ? options->write_timeout_ms : 10000;
    if (options->logger) {
        store->logger_copy = *options->logger;
        store->logger = &store->logger_copy;
    }
}

static void init_locks(nacre_store *store)
{
    pthread_mutexattr_t adaptive;
    pthread_mutexattr_init(&adaptive);
    pthread_mutexattr_settype(&adaptive, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&store->commit_lock, &adaptive);
    pthread_mutexattr_destroy(&adaptive);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&store->collections_lock, NULL);
    pthread_mutex_init(&store->snapshots_lock, NULL);
    pthread_mutex_init(&store->state_lock, NULL);
    pthread_mutex_init(&store->progress_lock, NULL);
    pthread_mutex_init(&store->reap_lock, NULL);
    pthread_mutex_init(&store->house_lock, NULL);
    pthread_mutex_init(&store->reserve_lock, NULL);
    atomic_init(&store->reserved, UINT64_MAX);
    pthread_mutex_init(&store->retire_lock, NULL);
    pthread_mutex_init(&store->tuning.lock, NULL);
    pthread_mutex_init(&store->work.lock, NULL);
    holders_init(&store->holders);
    budget_init(&store->budget);
    pthread_mutex_init(&store->reader.lock, NULL);
    pthread_cond_init(&store->progress, &monotonic);
    pthread_cond_init(&store->snapshots_free, &monotonic);
    pthread_cond_init(&store->work.wake, &monotonic);
    pthread_cond_init(&store->work.idle, &monotonic);
    pthread_cond_init(&store->work.housekeeping, &monotonic);
    pthread_cond_init(&store->work.preparing, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void destroy_locks(nacre_store *store)
{
    pthread_mutex_destroy(&store->commit_lock);
    pthread_mutex_destroy(&store->collections_lock);
    pthread_mutex_destroy(&store->snapshots_lock);
    pthread_mutex_destroy(&store->state_lock);
    pthread_mutex_destroy(&store->progress_lock);
    pthread_mutex_destroy(&store->reap_lock);
    pthread_mutex_destroy(&store->retire_lock);
    pthread_mutex_destroy(&store->house_lock);
    pthread_mutex_destroy(&store->reserve_lock);
    pthread_mutex_destroy(&store->work.lock);
    holders_destroy(&store->holders);
    budget_destroy(&store->budget);
    pthread_mutex_destroy(&store->reader.lock);
    pthread_cond_destroy(&store->progress);
    pthread_cond_destroy(&store->snapshots_free);
    pthread_cond_destroy(&store->work.wake);
    pthread_cond_destroy(&store->work.idle);
    pthread_cond_destroy(&store->work.housekeeping);
    pthread_cond_destroy(&store->work.preparing);
    tuning_destroy(&store->tuning);
}

/* ---- the directory ---- */

struct foreign {
    bool any;
    char name[256];
};

static void look_for_foreign(void *context, const char *name)
{
    static const char *const ours[] = { "LOCK",        "CURRENT",         "manifest", "log",
                                        "segments",    "values",          PINS_FILE,  "tuning.json",
                                        "CURRENT.tmp", "tuning.json.tmp", "WATCH",    "STATS",
                                        "STATS.tmp",   "RESERVE",         "GIVEN",    "GIVEN.tmp" };
    struct foreign *foreign = context;
    size_t size = strlen(name);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (strcmp(name, ours[i]) == 0) {
            return;
        }
    }
    foreign->any = true;
    size = size < sizeof foreign->name - 1 ? size : sizeof foreign->name - 1;
    memcpy(foreign->name, name, size);
    foreign->name[size] = 0;
}

/* Segments and log files are made only when CURRENT is durable: where there are some without it, it was lost, and a new store in its
   place would remove them. */
static int look_for_orphans(const nacre_store *store)
{
    struct foreign orphan = { false, "" };
    const char *const directories[] = { store->segments_path, store->log_path, store->values_path };
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        int status = store->os->list(store->os->context, directories[i], look_for_foreign, &orphan);
        if (orphan.any) {
            return fail(NACRE_CORRUPT, "%s: CURRENT is missing, but '%s' is in %s: this was a store", store->path,
                        orphan.name, directories[i]);
        }
        if (status != NACRE_OK && status != NACRE_NOT_FOUND) {
            return status;
        }
    }
    return NACRE_OK;
}

/* *present: CURRENT is there. A directory with other things in it is not made a store. */
static int look_at_directory(const nacre_store *store, const nacre_options *options, bool *present)
{
    char path[OS_PATH_MAX];
    int status = os_path(path, store->path, "CURRENT");
    if (status != NACRE_OK) {
        return status;
    }
    if ((status = os_look(store->os, path, present)) != NACRE_OK) {
        return status;
    }
    if (*present) {
        return options->error_if_exists ? fail(NACRE_EXISTS, "%s: there is a store already", store->path) : NACRE_OK;
    }
    struct foreign foreign = { false, "" };
    status = store->os->list(store->os->context, store->path, look_for_foreign, &foreign);
    if (status == NACRE_OK && foreign.any) {
        return fail(NACRE_INVALID, "%s: not a store (no file CURRENT) and not empty: it holds '%s'", store->path,
                    foreign.name);
    }
    if (status == NACRE_OK && (status = look_for_orphans(store)) != NACRE_OK) {
        return status;
    }
    if (options->error_if_missing || options->read_only) {
        return fail(NACRE_NOT_FOUND, "%s: there is no store", store->path);
    }
    return status == NACRE_NOT_FOUND ? NACRE_OK : status;
}

static int make_directory(nacre_store *store, const char *path)
{
    int status = store->os->make_directory(store->os->context, path);
    return status == NACRE_EXISTS ? NACRE_OK : status;
}

static int sync_parent(nacre_store *store)
{
    char parent[OS_PATH_MAX];
    int status = os_path(parent, store->path, "..");
    return status == NACRE_OK ? store->os->sync_directory(store->os->context, parent) : status;
}

static int make_directories(nacre_store *store)
{
    static const char *const names[] = { "manifest", "log", "segments", "values" };
    char path[OS_PATH_MAX];
    int status = NACRE_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && status == NACRE_OK; i++) {
        status = os_path(path, store->path, "%s", names[i]);
        if (status == NACRE_OK) {
            status = make_directory(store, path);
        }
    }
    return status == NACRE_OK ? store->os->sync_directory(store->os->context, store->path) : status;
}

static int lock_directory(nacre_store *store)
{
    char path[OS_PATH_MAX], holder[256] = "";
    int status = os_path(path, store->path, "LOCK");
    if (status == NACRE_OK) {
        status = store->os->lock(store->os->context, path, &store->lock_file, holder, sizeof holder);
    }
    if (status == NACRE_LOCKED) {
        return fail(NACRE_LOCKED, "%s: the store is open for writing by %s", store->path,
                    holder[0] ? holder : "another process");
    }
    return status;
}

static int set_paths(nacre_store *store, const char *path)
{
    char text[OS_PATH_MAX];
    int status = NACRE_OK;
    store->path = memory_strdup(path);
    if (!store->path || (status = os_path(text, path, "segments")) != NACRE_OK) {
        return store->path ? status : NACRE_NO_MEMORY;
    }
    store->segments_path = memory_strdup(text);
    status = os_path(text, path, "log");
    store->log_path = status == NACRE_OK ? memory_strdup(text) : NULL;
    status = status == NACRE_OK ? os_path(text, path, "values") : status;
    store->values_path = status == NACRE_OK ? memory_strdup(text) : NULL;
    bool all = store->segments_path && store->log_path && store->values_path;
    return all ? NACRE_OK : status == NACRE_OK ? NACRE_NO_MEMORY : status;
}

/* ---- what was left over by a crash ---- */

struct strays {
    nacre_store *store;
    const struct manifest_state *state;
    struct buffer names;
    int status;
};

static bool is_named(const struct manifest_state *state, uint64_t id)
{
    for (size_t i = 0; i < state->collection_count; i++) {
        for (size_t j = 0; j < state->collections[i].piece_count; j++) {
            if (state->collections[i].pieces[j].properties.id == id) {
                return true;
            }
        }
    }
    return false;
}

static void note_stray(void *context, const char *name)
{
    struct strays *strays = context;
    char *end = NULL;
    unsigned long long id = strtoull(name, &end, 16);
    bool ours = end == name + 16 && (strcmp(end, ".seg") == 0 || strcmp(end, ".idx") == 0);
    bool temporary = end == name + 16 && strstr(end, ".tmp") != NULL;
    if ((ours && !is_named(strays->state, id)) || temporary) {
        int status = buffer_append(&strays->names, name, strlen(name) + 1);
        strays->status = strays->status == NACRE_OK ? status : strays->status;
    }
}

/* A reader of another process may use a segment that the manifest has forgotten: then it goes when that reader does. */
static int remove_stray(nacre_store *store, const char *name, bool pinned)
{
    char path[OS_PATH_MAX];
    if (pinned && !strstr(name, ".tmp")) {
        store_reap(store, strtoull(name, NULL, 16));
        return NACRE_OK;
    }
    int status = os_path(path, store->segments_path, "%s", name);
    if (status == NACRE_OK) {
        status = store->os->remove(store->os->context, path);
        status = status == NACRE_NOT_FOUND ? NACRE_OK : status;
    }
    return status;
}

static int remove_strays(nacre_store *store, const struct manifest_state *state)
{
    struct strays strays = { .store = store, .state = state };
    uint64_t now = manifest_position(store->manifest);
    bool pinned = pins_first(&store->pins, now) < now;
    int status = store->os->list(store->os->context, store->segments_path, note_stray, &strays);
    status = status == NACRE_OK ? strays.status : status;
    for (size_t at = 0; status == NACRE_OK && at < strays.names.size;
         at += strlen((char *)strays.names.data + at) + 1) {
        status = remove_stray(store, (char *)strays.names.data + at, pinned);
    }
    buffer_free(&strays.names);
    return status;
}

/* ---- open ---- */

int store_make_parts(nacre_store *store)
{
    int status = tuning_load(&store->tuning, store->os, store->path);
    if (status != NACRE_OK) {
        return status;
    }
    store_apply_tuning(store);
    status = block_cache_create(atomic_load(&store->limits.cache_bytes), &store->cache);
    if (status == NACRE_OK) {
        status = chunk_pool_create(2 * atomic_load(&store->limits.seal_bytes), &store->chunks);
    }
    if (status == NACRE_OK) {
        chunk_pool_guard(store->chunks, budget_has_room, store);
        status = store_open_values(store);
    }
    status = status == NACRE_OK ? gone_list_create(&store->gone) : status;
    store->segments =
        (struct segment_env){ .os = os_handles_reopening_layer(store->handles),
                              .logger = store->logger,
                              .directory = store->segments_path,
                              .cache = store->cache,
                              .buffer_bytes = budget_buffer_bytes(store),
                              .map = tuning_get(&store->tuning, TUNING_segment_map) != 0,
                              .values = store->leaves_out ? NULL : store->values, /* some may be missing */
                              .reap = store_reap,
                              .reap_context = store,
                              .gone = store->gone };
    store->trees = (struct tree_env){ .segments = &store->segments,
                                      .manifest = store->manifest,
                                      .logger = store->logger,
                                      .tuning = &store->tree_tuning,
                                      .context = store,
                                      .leave_out = store_leave_out,
                                      .snapshots = store_snapshots,
                                      .sees = store_sees,
                                      .publish = view_publish,
                                      .index_wanted = store_index_wanted,
                                      .oldest_operand = view_oldest_operand,
                                      .has_operands = view_has_operands,
                                      .begin_filtered = store_begin_filtered,
                                      .end_filtered = store_end_filtered,
                                      .stop = &store->stopping,
                                      .paused = &store->work.paused,
                                      .drains = &store->values_drain,
                                      .lend = work_lend,
                                      .index_threads = work_index_threads,
                                      .done = event_tree_done,
                                      .grant = budget_grant,
                                      .give_back = budget_give_back,
                                      .building = &store->building };
    return status;
}

int store_make_collections(nacre_store *store, const struct manifest_state *state)
{
    store->next_collection = state->next_collection;
    store->collections = memory_zalloc((state->collection_count + 1) * sizeof *store->collections);
    if (!store->collections) {
        return NACRE_NO_MEMORY;
    }
    int status = NACRE_OK;
    for (size_t i = 0; i < state->collection_count && status == NACRE_OK; i++) {
        nacre_collection *made = NULL;
        status = collection_make(store, &state->collections[i], &made);
        if (status == NACRE_OK) {
            made->slot = (uint32_t)store->collection_count;
            store->collections[store->collection_count++] = made;
        }
    }
    return status;
}

/* Where the disk is so busy that the next file comes late: but not beyond what is set, nor so large that the log's limit is a few files. */
static uint64_t log_file_bytes_most(const nacre_store *store)
{
    return tuning_get(&store->tuning, TUNING_log_file_bytes) ? 0 : store->log_limit / 16;
}

static int open_log(nacre_store *store, const struct manifest_state *state)
{
    struct wal_options options = { .os = store->os,
                                   .directory = store->log_path,
                                   .logger = store->logger,
                                   .file_bytes = log_file_bytes(store),
                                   .file_bytes_most = log_file_bytes_most(store),
                                   .map = tuning_get(&store->tuning, TUNING_log_map) != 0,
                                   .recycle = tuning_get(&store->tuning, TUNING_log_recycle) != 0,
                                   .save_space = atomic_load_explicit(&store->space_low, memory_order_relaxed),
                                   .before_sync = store_sync_values,
                                   .before_sync_context = store,
                                   .sync_times = &store->latencies->shards[0][LATENCY_log_sync] };
    uint32_t first =
        store->recovery.last_file > state->next_log_file ? store->recovery.last_file : state->next_log_file;
    return wal_open(&options, first + 1, &store->wal);
}

/* A store that was opened on a full disk is as one whose disk got full: what frees space goes on. */
static void look_for_room(nacre_store *store)
{
    char reason[OS_PATH_MAX + 128];
    if (wal_saves_space(store->wal)) {
        (void)snprintf(reason, sizeof reason,
                       "%s: the disk is full: there was no room for two log files of %llu bytes when it was opened",
                       store->path, (unsigned long long)log_file_bytes(store));
        store_set_state(store, NACRE_STATE_READ_ONLY, NACRE_NO_SPACE, reason);
    }
}

static int flush_one(nacre_collection *collection, void *context)
{
    (void)context;
    return collection_flush(collection);
}

/* After a salvage: what could be read goes into segments and the damaged files go (copies are kept), so that the next open needs no salvage. */
static int leave_damaged_log(nacre_store *store)
{
    int status = store_each_collection(store, flush_one, NULL);
    return status == NACRE_OK ? store_prune_log(store) : status;
}

/* Everything after the lock, for writing. */
static int open_for_writing(nacre_store *store, bool present, bool salvage, bool stays_behind)
{
    struct manifest_state state = { 0 };
    uint64_t at = clock_monotonic_ns();
    int status = make_directories(store);
    if (status == NACRE_OK) {
        status = present ? manifest_open(store->os, store->path, false, store->logger, &store->manifest)
                         : manifest_create(store->os, store->path, &store->manifest);
    }
    if (status == NACRE_OK && !present) {
        status = sync_parent(store);
    }
    if (status == NACRE_OK) {
        status = pins_make(&store->pins, store->os, store->path);
    }
    if (status == NACRE_OK) {
        status = store_make_parts(store);
    }
    if (status == NACRE_OK) {
        status = manifest_copy_state(store->manifest, &state);
    }
    if (status != NACRE_OK) {
        goto done;
    }
    given_open(&store->given, store->os, store->path, store->manifest, &state);
    at = event_phase(store, "manifest", at);
    /* Segment ids of this opening differ from all before. The clean end is good for one opening only, but for as many tries as that takes: what
       was found to be damaged is not to be a torn tail the next time. */
    struct manifest_edit opening = { .has_opening = true, .opening = state.opening + 1 };
    struct manifest_edit unclean = { .has_clean_log_end = true, .clean_log_end = 0 };
    if ((status = manifest_commit(store->manifest, &opening)) != NACRE_OK ||
        (status = remove_strays(store, &state)) != NACRE_OK ||
        (status = store_make_collections(store, &state)) != NACRE_OK) {
        goto done;
    }
    at = event_phase(store, "segments", at);
    if ((status = autotune_create(store)) != NACRE_OK || (status = work_start(store)) != NACRE_OK ||
        (status = store_recover(store, &state, salvage)) != NACRE_OK) {
        goto done;
    }
    at = event_phase(store, "replay", at);
    if ((state.clean_log_end && (status = manifest_commit(store->manifest, &unclean)) != NACRE_OK) ||
        (status = open_log(store, &state)) != NACRE_OK ||
        (!salvage && (status = value_log_start(store->values)) != NACRE_OK)) {
        goto done; /* what a salvage has lost may yet be wanted from the value files: they stay */
    }
    atomic_store_explicit(&store->log_open, true, memory_order_release);
    /* Release: memtables show the operands of the log. */
    atomic_store_explicit(&store->behind, stays_behind, memory_order_release);
    (void)event_phase(store, "log", at);
    event_recovered(store);
    look_for_room(store);
    if (store->recovery.damaged_regions && (status = leave_damaged_log(store)) != NACRE_OK) {
        goto done;
    }
    for (size_t i = 0; i < store->collection_count; i++) {
        struct table *active = store->collections[i]->active;
        if (table_is_full(store->collections[i], active)) {
            (void)collection_seal(store->collections[i],
                                  active); /* what replay filled; without memory, the next commit tries */
        }
        if (tree_wants_work(store->collections[i]->tree)) {
            work_post(store, WORK_MERGE, store->collections[i]);
        }
        store_index_wanted(store, store->collections[i]);
    }
    work_housekeep(store);
    store->announcer = store->on_this_machine ? announcer_start(store) : NULL;
done:
    manifest_state_free(&state);
    return status;
}

/* ---- close ---- */

static void free_store(nacre_store *store)
{
    announcer_stop(store->announcer);
    atomic_store_explicit(&store->stopping, true, memory_order_relaxed);
    if (store->work.ids) {
        work_stop(store);
    }
    views_free_retired(store);
    views_free_retired(store); /* what the first round let go of */
    reader_close(store);
    for (size_t i = 0; i < store->collection_count; i++) {
        collection_free(store->collections[i]);
    }
    reader_pin_unref(store->reader.pin); /* the views had theirs */
    pins_close(&store->reader.pins);
    memory_free(store->collections);
    if (!store->read_only && store->segments_path) {
        (void)store_remove_reaped(store); /* what is left is removed by the next open */
    }
    memory_free(store->reap_list);
    pins_close(&store->pins);
    wal_close(store->wal);
    value_log_close(store->values);
    manifest_close(store->manifest);
    autotune_free(store);
    block_cache_free(store->cache);
    gone_list_free(store->gone);
    chunk_pool_free(store->chunks);
    change_ring_free(&store->changes.ring);
    if (store->lock_file) {
        store->os->close(store->lock_file);
    }
    os_handles_free(store->handles);
    destroy_locks(store);
    given_destroy(&store->given);
    hooks_free(&store->hooks);
    memory_free(store->path);
    memory_free(store->segments_path);
    memory_free(store->log_path);
    memory_free(store->latencies);
    memory_free(store->values_path);
    buffer_free(&store->left_out);
    memory_free(store);
}

static int new_store(const char *path, const nacre_options *options, nacre_store **store)
{
    nacre_store *s = memory_alloc_aligned(64, sizeof *s);
    if (!s) {
        return NACRE_NO_MEMORY;
    }
    memset(s, 0, sizeof *s);
    init_locks(s);
    given_init(&s->given);
    copy_options(s, options);
    publish_init(&s->publisher, 0);
    s->fork_generation = store_fork_generation();
    s->latencies = memory_zalloc(sizeof *s->latencies);
    s->on_this_machine = !options->os || options->os == os_posix();
    int status = os_handles_create(options->os ? options->os : os_posix(), &s->handles);
    if (status == NACRE_OK) {
        s->os = os_handles_layer(s->handles);
        status = s->latencies ? hooks_copy(options->hooks, &s->hooks) : NACRE_NO_MEMORY;
    }
    if (status == NACRE_OK) {
        status = set_paths(s, path);
    }
    if (status != NACRE_OK) {
        free_store(s);
        return status;
    }
    *store = s;
    return NACRE_OK;
}

static int try_read_only(const char *path, const nacre_options *options, bool leaves_out, nacre_store **store)
{
    int status = NACRE_OK;
    for (unsigned attempt = 0; attempt < READ_ONLY_TRIES; attempt++) {
        nacre_store *s = NULL;
        bool present = false;
        if ((status = new_store(path, options, &s)) != NACRE_OK) {
            return status;
        }
        s->leaves_out = leaves_out;
        if ((status = look_at_directory(s, options, &present)) == NACRE_OK && (status = reader_open(s)) == NACRE_OK) {
            *store = s;
            return NACRE_OK;
        }
        free_store(s);
        if (status == NACRE_NO_MEMORY || status == NACRE_UNSUPPORTED || status == NACRE_INVALID || !present) {
            return status;
        }
        clock_sleep_ns(2000000u << attempt);
    }
    return status;
}

/* *gave_up: the disk was full, and the reserve has made some room. */
static int try_writing(const char *path, const nacre_options *options, bool stays_behind, nacre_store **store,
                       bool *gave_up)
{
    nacre_store *s = NULL;
    bool present = false;
    int status = new_store(path, options, &s);
    if (status != NACRE_OK) {
        return status;
    }
    status = look_at_directory(s, options, &present);
    if (status == NACRE_OK) {
        status = make_directory(s, s->path);
    }
    if (status == NACRE_OK) {
        status = lock_directory(s);
    }
    if (status == NACRE_OK) {
        status = look_at_directory(s, options, &present); /* again, now that nobody else writes */
    }
    if (status == NACRE_OK) {
        atomic_store_explicit(&s->behind, true, memory_order_relaxed);
        status = open_for_writing(s, present, options->salvage, stays_behind);
        *gave_up = status == NACRE_NO_SPACE && reserve_give_up(s);
    }
    if (status != NACRE_OK) {
        free_store(s);
        return status;
    }
    *store = s;
    return NACRE_OK;
}

static int open_writer(const char *path, const nacre_options *options, bool stays_behind, nacre_store **store)
{
    bool gave_up = false;
    int status = try_writing(path, options, stays_behind, store, &gave_up);
    return gave_up ? try_writing(path, options, stays_behind, store, &gave_up) : status;
}

int store_open(const char *path, const nacre_options *options, nacre_store **store)
{
    return options->read_only ? try_read_only(path, options, false, store) : open_writer(path, options, false, store);
}

int store_open_behind(const char *path, const nacre_options *options, nacre_store **store)
{
    return open_writer(path, options, true, store);
}

static bool is_damage(int status)
{
    return status == NACRE_CORRUPT || status == NACRE_IO || status == NACRE_UNSUPPORTED;
}

bool store_leave_out(void *context, int status)
{
    nacre_store *store = context;
    const char *detail = fail_detail();
    return store->leaves_out && is_damage(status) &&
           buffer_append(&store->left_out, detail, strlen(detail) + 1) == NACRE_OK;
}

int store_open_to_verify(const char *path, const nacre_options *options, nacre_store **store)
{
    int status = try_read_only(path, options, false, store);
    /* Only then: beside a writer files that go look like damage, until a try meets none. */
    return is_damage(status) ? try_read_only(path, options, true, store) : status;
}

static int check_handles(nacre_store *store)
{
    unsigned collections = 0;
    pthread_mutex_lock(&store->collections_lock);
    for (size_t i = 0; i < store->collection_count; i++) {
        collections += atomic_load_explicit(&store->collections[i]->handles, memory_order_acquire);
    }
    pthread_mutex_unlock(&store->collections_lock);
    unsigned cursors = atomic_load_explicit(&store->cursors, memory_order_relaxed);
    uint64_t values = stats_sum(&store->stats, STATS_values_held) - stats_sum(&store->stats, STATS_values_released);
    unsigned writers = atomic_load_explicit(&store->segment_writers, memory_order_acquire);
    struct snapshot_counts held;
    store_count_snapshots(store, &held);
    if (collections + cursors + held.snapshots + held.transactions + values + writers == 0) {
        return NACRE_OK;
    }
    return fail(
        NACRE_HANDLES_OPEN,
        "%s: still open: %u collection handles, %u cursors, %llu snapshots, %llu transactions, %llu values, %u segment "
        "writers; release them first",
        store->path, collections, cursors, (unsigned long long)held.snapshots, (unsigned long long)held.transactions,
        (unsigned long long)values, writers);
}

/* All that was acknowledged is in the log or in segments; what is in the log is made durable, and the manifest told where it ends. */
static int end_log(nacre_store *store)
{
    if (atomic_load_explicit(&store->state, memory_order_acquire) != NACRE_STATE_OK) {
        return NACRE_OK;
    }
    wal_position end = wal_end(store->wal);
    int status = wal_sync(store->wal, end);
    if (status == NACRE_OK) {
        struct manifest_edit edit = { .has_clean_log_end = true,
                                      .clean_log_end = end,
                                      .has_last_sequence = true,
                                      .last_sequence =
                                          atomic_load_explicit(&store->last_sequence, memory_order_relaxed) };
        status = manifest_commit(store->manifest, &edit);
    }
    return status;
}

int store_close(nacre_store *store)
{
    int status = check_handles(store);
    if (status != NACRE_OK) {
        return status;
    }
    announcer_stop(store->announcer);
    store->announcer = NULL;
    atomic_store_explicit(&store->stopping, true, memory_order_seq_cst);
    if (store->work.ids) {
        work_stop(store);
    }
    if (!store->read_only) {
        status = end_log(store);
    }
    free_store(store);
    return status;
}
