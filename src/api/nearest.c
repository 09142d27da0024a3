/* Public calls: nearest neighbours. */
#include "store/nearest.h"
#include "api/check.h"
#include "base/status.h"

static int check_query(const nacre_collection *collection, const float *query, size_t k)
{
    int status = check_vector(collection, query);
    if (status != NACRE_OK) {
        return fail_context(status, "the query");
    }
    if (k == 0) {
        return fail(NACRE_INVALID, "k is 0; it is 1 to %u", NACRE_NEAREST_MAX);
    }
    return k <= NACRE_NEAREST_MAX ? NACRE_OK : fail(NACRE_LIMIT, "k is %zu; the limit is %u", k, NACRE_NEAREST_MAX);
}

static int check_search(const nacre_collection *collection, const float *query, size_t k,
                        const nacre_nearest_options *given, nacre_nearest_options *options)
{
    int status;
    if ((status = check_collection(collection)) != NACRE_OK ||
        (status = check_query(collection, query, k)) != NACRE_OK ||
        (status = check_options(options, sizeof *options, given, "nacre_nearest_options")) != NACRE_OK ||
        (status = check_bound(collection, options->begin, "begin")) != NACRE_OK ||
        (status = check_bound(collection, options->end, "end")) != NACRE_OK ||
        (status = check_bound(collection, options->key_prefix, "key_prefix")) != NACRE_OK ||
        (status = check_snapshot(options->snapshot, collection->store)) != NACRE_OK) {
        return status;
    }
    if (!options->key_regex.data && options->key_regex.size) {
        return fail(NACRE_INVALID, "key_regex: its data is NULL");
    }
    if (!(options->recall >= 0 && options->recall <= 1)) { /* nor NaN */
        return fail(NACRE_INVALID, "recall is %g; it is over 0 and up to 1, or 0 for the default",
                    (double)options->recall);
    }
    return NACRE_OK;
}

int nacre_nearest(nacre_collection *collection, const float *query, size_t k, const nacre_nearest_options *given,
                  nacre_neighbors *neighbors)
{
    nacre_nearest_options options;
    if (!neighbors) {
        return fail(NACRE_INVALID, "the place for the neighbours is NULL");
    }
    *neighbors = (nacre_neighbors){ 0 };
    int status = check_search(collection, query, k, given, &options);
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t began = STORE_TIME(collection->store, nearest);
    status = collection_nearest(collection, query, k, &options, neighbors);
    STORE_TIMED(collection->store, nearest, began);
    return status;
}

int nacre_nearest_explain(nacre_collection *collection, const float *query, size_t k,
                          const nacre_nearest_options *given, char **json)
{
    nacre_nearest_options options;
    if (!json) {
        return fail(NACRE_INVALID, "the place for the JSON is NULL");
    }
    *json = NULL;
    int status = check_search(collection, query, k, given, &options);
    return status == NACRE_OK ? collection_nearest_explain(collection, query, k, &options, json) : status;
}

void nacre_neighbors_release(nacre_neighbors *neighbors)
{
    if (neighbors) {
        neighbors_release(neighbors);
    }
}
