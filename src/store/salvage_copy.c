/* Salvage copies (salvage.h): the manifest, segments, value files and log of a damaged store, as far as they can be read, into a new one.

   1. What the manifest says is read, over damage where it must be.
   2. Value files are copied. Sound segments are copied, damaged ones, and those that point to values which are lost, rebuilt of what is whole in them, under their ids and
      with their sequences. Where the manifest is not whole, all that are there are merged by sequence.
   3. Tuning is copied. The new store's manifest is written, CURRENT last, and it is opened.
   4. Keys that may be stale are looked for, before it is written to; then the log's records are written to it, flushed, and the whole is verified.
   The damaged store is only read: no lock is taken there. A copy that fails takes away what it made. One thread. */
#include "base/memory.h"
#include "base/status.h"
#include "store/dump.h"
#include "store/layout.h"
#include "store/salvage.h"
#include <stdio.h>

bool store_is_sound(nacre_store *store)
{
    return !store || store_check_writable(store) == NACRE_OK;
}

/* ---- tuning.json ---- */

static int copy_tuning(struct salvage *s)
{
    struct tuning tuning = { 0 };
    char from[OS_PATH_MAX], to[OS_PATH_MAX];
    pthread_mutex_init(&tuning.lock, NULL);
    int status = tuning_load(&tuning, s->os, s->path);
    tuning_destroy(&tuning);
    if (status == NACRE_NO_MEMORY) {
        return status;
    }
    if (status != NACRE_OK) {
        return salvage_report_damage(s, "tuning.json", NULL, NULL, fail_detail());
    }
    status = os_path(from, s->path, "tuning.json");
    if (status == NACRE_OK) {
        status = os_path(to, s->to, "tuning.json");
    }
    if (status == NACRE_OK) {
        status = copier_copy(&s->copier, from, to, UINT64_MAX);
    }
    return status == NACRE_NOT_FOUND ? NACRE_OK : status;
}

/* ---- the new store ---- */

/* What CURRENT and the manifest of the copy say: its log begins anew. The state keeps the old positions, for reading the old log. */
static int write_manifest(struct salvage *s)
{
    struct manifest_state state;
    int status = manifest_state_copy(&s->manifest.state, &state);
    if (status != NACRE_OK) {
        return status;
    }
    state.clean_log_end = 0;
    state.next_log_file = 1;
    for (size_t i = 0; i < state.collection_count; i++) {
        state.collections[i].log_position = 0;
    }
    status = layout_sync(s->os, s->to, layout_always);
    if (status == NACRE_OK) {
        status = manifest_write_copy(s->os, s->to, &state);
    }
    manifest_state_free(&state);
    return status;
}

static int flush_one(nacre_collection *collection, void *context)
{
    (void)context;
    return collection_flush(collection);
}

static int verify(struct salvage *s)
{
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    int status = store_verify(s->store, &report);
    s->entries = report.entries;
    if (status == NACRE_CORRUPT) {
        status = fail(NACRE_CORRUPT, "the copy: %.400s", report.damage ? report.damage : fail_detail());
    }
    memory_free(report.damage);
    return status;
}

static int close_copy(struct salvage *s, int status)
{
    int closed = store_close(s->store);
    s->store = NULL;
    return status == NACRE_OK ? closed : status;
}

static int open_copy(struct salvage *s, bool read_only)
{
    nacre_options options = *s->options;
    options.error_if_exists = options.salvage = false;
    options.error_if_missing = true;
    options.read_only = read_only;
    options.durability = NACRE_OS;
    return read_only ? store_open(s->to, &options, &s->store) : store_open_behind(s->to, &options, &s->store);
}

/* Before the store has a merge: that may settle sequences, by which stale keys are told. */
static int find_stale(struct salvage *s)
{
    int status = open_copy(s, true);
    return status == NACRE_OK ? close_copy(s, salvage_find_stale(s)) : status;
}

static int fill_store(struct salvage *s)
{
    int status = s->lost_count ? find_stale(s) : NACRE_OK;
    if (status == NACRE_OK) {
        status = open_copy(s, false);
    }
    if (status != NACRE_OK) {
        return status;
    }
    status = salvage_log(s);
    if (status == NACRE_OK) {
        status = salvage_report_lost(s);
    }
    if (status == NACRE_OK) {
        status = salvage_find_stale_values(s);
    }
    if (status == NACRE_OK) {
        status = store_each_collection(s->store, flush_one, NULL);
    }
    if (status == NACRE_OK) {
        status = verify(s);
    }
    return close_copy(s, status);
}

/* ---- all of it ---- */

static int read_manifest(struct salvage *s)
{
    int status = given_read(s->os, s->path, &s->given);
    if (status == NACRE_OK) {
        status = manifest_salvage(s->os, s->path, &s->manifest);
    }
    return status == NACRE_OK && s->manifest.detail[0]
               ? salvage_report_damage(s, s->manifest.any ? "manifest" : "CURRENT", NULL, NULL, s->manifest.detail)
               : status;
}

static int copy_all(struct salvage *s)
{
    int status = read_manifest(s);
    if (status == NACRE_OK) {
        status = salvage_copy_values(s);
    }
    if (status == NACRE_OK) {
        status = salvage_segments(s);
    }
    if (status == NACRE_OK) {
        status = value_source_rest(&s->copies);
    }
    if (status == NACRE_OK) {
        status = salvage_weigh_lost(s);
    }
    if (status == NACRE_OK) {
        status = salvage_report_lost(s);
    }
    if (status == NACRE_OK) {
        status = copy_tuning(s);
    }
    if (status == NACRE_OK) {
        status = salvage_note_log_collections(s);
    }
    if (status == NACRE_OK) {
        status = write_manifest(s);
    }
    return status == NACRE_OK ? fill_store(s) : status;
}

static void free_salvage(struct salvage *s)
{
    value_source_close(&s->values);
    value_source_close(&s->copies);
    salvage_free_lost(&s->lost_values);
    for (size_t i = 0; i < s->segment_count; i++) {
        segment_properties_free(&s->segments[i].properties);
        buffer_free(&s->segments[i].words);
    }
    memory_free(s->segments);
    memory_free(s->given.records);
    for (size_t i = 0; i < s->lost_count; i++) {
        buffer_free(&s->lost[i].after);
        buffer_free(&s->lost[i].before);
    }
    memory_free(s->lost);
    memory_free(s->replaced);
    buffer_free(&s->damage);
    buffer_free(&s->stale);
    manifest_salvaged_free(&s->manifest);
    copier_free(&s->copier);
    block_cache_free(s->source.cache);
    block_cache_free(s->target.cache);
}

static int set_up(struct salvage *s)
{
    int status = copier_create(s->os, &s->copier);
    if (status == NACRE_OK) {
        status = os_path(s->source_segments, s->path, "segments");
    }
    if (status == NACRE_OK) {
        status = os_path(s->target_segments, s->to, "segments");
    }
    if (status == NACRE_OK) {
        status = os_path(s->source_values, s->path, "values");
    }
    if (status == NACRE_OK) {
        status = os_path(s->target_values, s->to, "values");
    }
    s->values = (struct value_source){ .os = s->os, .directory = s->source_values };
    s->copies = (struct value_source){ .os = s->os, .directory = s->target_values, .writes = true };
    s->source = (struct segment_env){ .os = s->os, .directory = s->source_segments, .ignore_indexes = true };
    s->target = (struct segment_env){ .os = s->os, .directory = s->target_segments, .ignore_indexes = true };
    if (status == NACRE_OK) {
        status = block_cache_create((uint64_t)16 << 20, &s->source.cache);
    }
    return status == NACRE_OK ? block_cache_create((uint64_t)16 << 20, &s->target.cache) : status;
}

/* A store has one of these; what has none is none. */
struct finding {
    bool any;
};

static void note_part(void *context, const char *name)
{
    struct finding *finding = context;
    size_t folder = 0;
    for (; folder < layout_folder_count; folder++) {
        finding->any |= strcmp(name, layout_folders[folder]) == 0;
    }
    finding->any |= strcmp(name, "CURRENT") == 0;
}

static int check_source(const struct salvage *s)
{
    struct finding finding = { false };
    int status = s->os->list(s->os->context, s->path, note_part, &finding);
    if (status == NACRE_OK && !finding.any) {
        status = NACRE_NOT_FOUND;
    }
    return status == NACRE_NOT_FOUND ? fail(NACRE_NOT_FOUND, "%s: there is nothing of a store", s->path) : status;
}

int store_salvage_copy(const char *path, const char *to, const nacre_options *options, char **report_json)
{
    struct salvage *s = memory_zalloc(sizeof *s);
    if (!s) {
        return NACRE_NO_MEMORY;
    }
    s->os = options->os;
    s->options = options;
    s->path = path;
    s->to = to;
    int status = set_up(s);
    if (status == NACRE_OK) {
        status = check_source(s);
    }
    if (status == NACRE_OK && (status = layout_make(s->os, to, layout_always)) == NACRE_OK) {
        status = copy_all(s);
        if (status == NACRE_OK) {
            status = salvage_report_json(s, report_json);
        }
        if (status != NACRE_OK) {
            layout_remove(s->os, to);
        }
    }
    free_salvage(s);
    memory_free(s);
    return status;
}
