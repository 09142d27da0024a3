/* Public calls: reading. The calls on a cursor are in store/scan.c, beside what they step over. */
#include "api/check.h"
#include "base/status.h"

static int read_options(const nacre_read_options *given, const nacre_store *store, nacre_snapshot **snapshot)
{
    *snapshot = NULL;
    if (!given) {
        return NACRE_OK;
    }
    nacre_read_options options;
    int status = check_options(&options, sizeof options, given, "nacre_read_options");
    if (status == NACRE_OK && (status = check_snapshot(options.snapshot, store)) == NACRE_OK) {
        *snapshot = options.snapshot;
    }
    return status;
}

int nacre_get(nacre_collection *collection, nacre_slice key, const nacre_read_options *options, nacre_value *value)
{
    nacre_snapshot *snapshot;
    int status;
    if (!value) {
        return fail(NACRE_INVALID, "the place for the value is NULL");
    }
    *value = (nacre_value){ { NULL, 0 }, NULL };
    if ((status = check_collection(collection)) != NACRE_OK || (status = check_key(collection, key)) != NACRE_OK ||
        (status = read_options(options, collection->store, &snapshot)) != NACRE_OK) {
        return status;
    }
    return collection_get(collection, key, snapshot, value);
}

int nacre_get_vector(nacre_collection *collection, nacre_slice key, const nacre_read_options *options, float *vector,
                     nacre_value *value)
{
    nacre_snapshot *snapshot;
    int status;
    if (value) {
        *value = (nacre_value){ { NULL, 0 }, NULL };
    }
    if ((status = check_collection(collection)) != NACRE_OK || (status = check_holds_vectors(collection)) != NACRE_OK ||
        (status = check_key(collection, key)) != NACRE_OK ||
        (status = read_options(options, collection->store, &snapshot)) != NACRE_OK) {
        return status;
    }
    if (!vector) {
        return fail(NACRE_INVALID, "the place for the vector is NULL");
    }
    return collection_get_vector(collection, key, snapshot, vector, value);
}

void nacre_value_release(nacre_value *value)
{
    if (value) {
        value_release(value);
    }
}

int nacre_multi_get(nacre_collection *collection, const nacre_slice *keys, size_t count,
                    const nacre_read_options *options, nacre_value *values, int *statuses)
{
    nacre_snapshot *snapshot;
    int status;
    if ((status = check_collection(collection)) != NACRE_OK ||
        (status = read_options(options, collection->store, &snapshot)) != NACRE_OK) {
        return status;
    }
    if (count && (!keys || !values || !statuses)) {
        return fail(NACRE_INVALID, "keys, values and statuses must be given");
    }
    for (size_t i = 0; i < count; i++) {
        if ((status = check_key(collection, keys[i])) != NACRE_OK) {
            return fail_context(status, "key %zu", i);
        }
    }
    uint64_t began = STORE_TIME(collection->store, multi_get);
    status = collection_multi_get(collection, keys, count, snapshot, values, statuses);
    STORE_TIMED(collection->store, multi_get, began);
    return status;
}

int nacre_snapshot_create(nacre_store *store, nacre_snapshot **snapshot)
{
    if (!snapshot) {
        return fail(NACRE_INVALID, "the place for the snapshot is NULL");
    }
    *snapshot = NULL;
    int status = check_store(store);
    return status == NACRE_OK ? store_snapshot_create(store, snapshot) : status;
}

void nacre_snapshot_release(nacre_snapshot *snapshot)
{
    if (snapshot) {
        store_snapshot_release(snapshot);
    }
}

int nacre_scan(nacre_collection *collection, const nacre_scan_options *given, nacre_cursor **cursor)
{
    nacre_scan_options options;
    int status;
    if (!cursor) {
        return fail(NACRE_INVALID, "the place for the cursor is NULL");
    }
    *cursor = NULL;
    if ((status = check_collection(collection)) != NACRE_OK ||
        (status = check_scan_options(collection, given, &options)) != NACRE_OK) {
        return status;
    }
    uint64_t began = STORE_TIME(collection->store, scan);
    status = collection_scan(collection, &options, cursor);
    STORE_TIMED(collection->store, scan, began);
    return status;
}
