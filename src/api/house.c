/* Public calls: keeping house and looking inside. */
#include "api/check.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/announce.h"
#include "store/autotune.h"
#include "store/dump.h"
#include "store/salvage.h"

/* Calls that change files need a store that was opened for writing. */
static int check_owner(nacre_store *store)
{
    int status = check_store(store);
    if (status == NACRE_OK && store->read_only) {
        status = fail(NACRE_READ_ONLY, "%s was opened read-only", store->path);
    }
    return status;
}

static int check_owned(nacre_collection *collection)
{
    int status = check_collection(collection);
    return status == NACRE_OK ? check_owner(collection->store) : status;
}

int nacre_seal(nacre_collection *collection)
{
    int status = check_owned(collection);
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t began = STORE_TIME(collection->store, seal);
    status = collection_seal(collection, NULL);
    STORE_TIMED(collection->store, seal, began);
    return status;
}

int nacre_flush(nacre_collection *collection)
{
    int status = check_owned(collection);
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t began = STORE_TIME(collection->store, flush);
    status = collection_flush(collection);
    STORE_TIMED(collection->store, flush, began);
    return status;
}

int nacre_compact(nacre_collection *collection, nacre_slice begin, nacre_slice end)
{
    int status;
    if ((status = check_owned(collection)) != NACRE_OK || (status = check_range(collection, begin, end)) != NACRE_OK) {
        return status;
    }
    uint64_t began = STORE_TIME(collection->store, compact);
    if ((status = collection_flush(collection)) != NACRE_OK) {
        return status;
    }
    status = tree_compact(collection->tree, begin, end);
    STORE_TIMED(collection->store, compact, began);
    pacing_update(collection->store);
    store_progress(collection->store);
    work_housekeep(collection->store);
    return status;
}

int nacre_pause_compaction(nacre_store *store, uint32_t timeout_ms)
{
    int status = check_owner(store);
    return status == NACRE_OK ? store_pause_compaction(store, timeout_ms) : status;
}

int nacre_resume_compaction(nacre_store *store)
{
    int status = check_owner(store);
    return status == NACRE_OK ? store_resume_compaction(store) : status;
}

int nacre_build_indexes(nacre_collection *collection)
{
    int status = check_owned(collection);
    return status == NACRE_OK ? tree_build_indexes(collection->tree, true) : status;
}

int nacre_set_async_index_build(nacre_store *store, bool enabled)
{
    return nacre_tune(store, "async_index_build", enabled ? "1" : "0");
}

int nacre_prune_log(nacre_store *store)
{
    int status = check_owner(store);
    return status == NACRE_OK ? store_prune_log(store) : status;
}

int nacre_reclaim(nacre_store *store)
{
    int status = check_store(store);
    return status == NACRE_OK ? store_reclaim(store) : status;
}

int nacre_resume(nacre_store *store)
{
    int status = check_store(store);
    return status == NACRE_OK ? store_resume(store) : status;
}

int nacre_checkpoint(nacre_store *store, const char *path)
{
    int status = check_store(store);
    if (status == NACRE_OK && (!path || !*path)) {
        status = fail(NACRE_INVALID, "the path of the checkpoint is %s", path ? "empty" : "NULL");
    }
    return status == NACRE_OK ? store_checkpoint(store, path) : status;
}

static int read_options(const nacre_options *given, nacre_options *options)
{
    int status = check_options(options, sizeof *options, given, "nacre_options");
    if (status == NACRE_OK) {
        status = check_os(options->os);
    }
    if (status == NACRE_OK && !options->os) {
        options->os = os_posix();
    }
    return status;
}

static int check_report(const nacre_verify_report *report)
{
    if (report && report->struct_size >= sizeof *report) {
        return NACRE_OK;
    }
    return fail(NACRE_INVALID, "the report is %s",
                report ? "shorter than this library's; make it with NACRE_VERIFY_REPORT_INIT" : "NULL");
}

int nacre_verify(nacre_store *store, nacre_verify_report *report)
{
    int status = check_store(store);
    if (status == NACRE_OK) {
        status = check_report(report);
    }
    return status == NACRE_OK ? store_verify(store, report) : status;
}

int nacre_verify_path(const char *path, const nacre_options *given, nacre_verify_report *report)
{
    nacre_options options;
    nacre_store *store = NULL;
    if (!path || !*path) {
        return fail(NACRE_INVALID, "the path of the store must be given");
    }
    int status = check_report(report);
    if (status == NACRE_OK) {
        status = read_options(given, &options);
    }
    if (status != NACRE_OK) {
        return status;
    }
    options.read_only = true;
    options.error_if_exists = options.salvage = false;
    if ((status = store_open_to_verify(path, &options, &store)) == NACRE_OK) {
        status = store_verify(store, report);
        (void)store_close(store); /* it was only read; the detail is the verification's */
    }
    return status;
}

int nacre_tune(nacre_store *store, const char *name, const char *value)
{
    int status = check_owner(store);
    if (status == NACRE_OK && (!name || !value)) {
        status = fail(NACRE_INVALID, "the parameter's name and value must be given");
    }
    enum tuning_name which;
    if (status == NACRE_OK &&
        (status = tuning_set(&store->tuning, store->os, store->path, name, value, &which)) == NACRE_OK) {
        store_apply_tuning(store);
        autotune_settle(store);
    }
    return status;
}

int nacre_set_autotune(nacre_store *store, bool enabled)
{
    return nacre_tune(store, NACRE_TUNING_AUTOTUNE, enabled ? "1" : "0");
}

int nacre_tuning(nacre_store *store, char **json)
{
    int status = check_store(store);
    if (status == NACRE_OK && !json) {
        status = fail(NACRE_INVALID, "the place for the text is NULL");
    }
    return status == NACRE_OK ? tuning_json(&store->tuning, json) : status;
}

int nacre_stats(nacre_store *store, char **json)
{
    int status = check_store(store);
    if (status == NACRE_OK && !json) {
        status = fail(NACRE_INVALID, "the place for the text is NULL");
    }
    return status == NACRE_OK ? store_stats_json(store, json) : status;
}

int nacre_metrics(nacre_store *store, char **text)
{
    int status = check_store(store);
    if (status == NACRE_OK && !text) {
        status = fail(NACRE_INVALID, "the place for the text is NULL");
    }
    return status == NACRE_OK ? store_metrics_text(store, text) : status;
}

int nacre_writer_stats(const char *path, const nacre_options *given, uint32_t timeout_ms, char **json)
{
    nacre_options options;
    if (!path || !*path || !json) {
        return fail(NACRE_INVALID, "the path and the place for the text must be given");
    }
    *json = NULL;
    int status = read_options(given, &options);
    return status == NACRE_OK ? announcer_ask(options.os, path, timeout_ms ? timeout_ms : 1000, json) : status;
}

int nacre_dump(const char *kind, const char *path, const nacre_options *given,
               void (*line)(void *context, const char *json), void *context)
{
    nacre_options options;
    if (!kind || !path || !line) {
        return fail(NACRE_INVALID, "kind, path and line must be given");
    }
    int status = read_options(given, &options);
    return status == NACRE_OK ? store_dump(options.os, kind, path, line, context) : status;
}

int nacre_salvage(const char *path, const nacre_options *given, char **report_json)
{
    nacre_options options;
    nacre_store *store = NULL;
    int status = read_options(given, &options);
    if (status != NACRE_OK) {
        return status;
    }
    char *unwanted = NULL;
    options.salvage = true;
    options.error_if_missing = true;
    options.read_only = false;
    if ((status = nacre_open(path, &options, &store)) != NACRE_OK) {
        return status;
    }
    status = store_salvage_report(store, report_json ? report_json : &unwanted);
    memory_free(unwanted);
    int closed = store_close(store);
    return status == NACRE_OK ? closed : status;
}

int nacre_salvage_copy(const char *path, const char *to, const nacre_options *given, char **report_json)
{
    nacre_options options;
    if (!path || !*path || !to || !*to) {
        return fail(NACRE_INVALID, "the paths of the damaged store and of the new one must be given");
    }
    int status = read_options(given, &options);
    if (status != NACRE_OK) {
        return status;
    }
    char *report = NULL;
    status = store_salvage_copy(path, to, &options, &report);
    if (status == NACRE_OK && report_json) {
        *report_json = report;
    } else {
        memory_free(report);
    }
    return status;
}
