/* Public calls: searching. The calls on a cursor are in store/scan.c. */
#include "store/search.h"
#include "api/check.h"
#include "base/memory.h"
#include "base/status.h"

int nacre_cancel_create(nacre_cancel **cancel)
{
    if (!cancel) {
        return fail(NACRE_INVALID, "the place for the cancel flag is NULL");
    }
    *cancel = memory_zalloc(sizeof **cancel);
    return *cancel ? NACRE_OK : NACRE_NO_MEMORY;
}

void nacre_cancel_request(nacre_cancel *cancel)
{
    if (cancel) {
        atomic_store_explicit(&cancel->requested, true, memory_order_relaxed);
    }
}

void nacre_cancel_reset(nacre_cancel *cancel)
{
    if (cancel) {
        atomic_store_explicit(&cancel->requested, false, memory_order_relaxed);
    }
}

void nacre_cancel_free(nacre_cancel *cancel)
{
    memory_free(cancel);
}

static int check_pattern(nacre_slice pattern)
{
    return pattern.data || pattern.size == 0 ? NACRE_OK : fail(NACRE_INVALID, "the pattern's data is NULL");
}

static int check_search(const nacre_collection *collection, nacre_slice pattern, const nacre_regex_options *given,
                        nacre_regex_options *options)
{
    int status;
    if ((status = check_collection(collection)) != NACRE_OK || (status = check_pattern(pattern)) != NACRE_OK ||
        (status = check_options(options, sizeof *options, given, "nacre_regex_options")) != NACRE_OK ||
        (status = check_bound(collection, options->begin, "begin")) != NACRE_OK ||
        (status = check_bound(collection, options->end, "end")) != NACRE_OK) {
        return status;
    }
    return check_snapshot(options->snapshot, collection->store);
}

int nacre_regex_scan(nacre_collection *collection, nacre_slice pattern, const nacre_regex_options *given,
                     nacre_cursor **cursor)
{
    nacre_regex_options options;
    if (!cursor) {
        return fail(NACRE_INVALID, "the place for the cursor is NULL");
    }
    *cursor = NULL;
    int status = check_search(collection, pattern, given, &options);
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t began = STORE_TIME(collection->store, regex_scan);
    status = collection_regex_scan(collection, pattern, &options, cursor);
    STORE_TIMED(collection->store, regex_scan, began);
    return status;
}

int nacre_regex_count(nacre_collection *collection, nacre_slice pattern, const nacre_regex_options *given,
                      uint64_t *count)
{
    nacre_regex_options options;
    if (!count) {
        return fail(NACRE_INVALID, "the place for the count is NULL");
    }
    *count = 0;
    int status = check_search(collection, pattern, given, &options);
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t began = STORE_TIME(collection->store, regex_count);
    status = collection_regex_count(collection, pattern, &options, count);
    STORE_TIMED(collection->store, regex_count, began);
    return status;
}

int nacre_regex_explain(nacre_collection *collection, nacre_slice pattern, const nacre_regex_options *given,
                        char **json)
{
    nacre_regex_options options;
    if (!json) {
        return fail(NACRE_INVALID, "the place for the JSON is NULL");
    }
    *json = NULL;
    int status = check_search(collection, pattern, given, &options);
    return status == NACRE_OK ? collection_regex_explain(collection, pattern, &options, json) : status;
}

int nacre_regex_check(nacre_slice pattern, const nacre_regex_options *given, size_t *position)
{
    nacre_regex_options options;
    int status;
    if (position) {
        *position = 0;
    }
    if ((status = check_pattern(pattern)) != NACRE_OK ||
        (status = check_options(&options, sizeof options, given, "nacre_regex_options")) != NACRE_OK) {
        return status;
    }
    return regex_check_pattern(pattern, &options, position);
}
