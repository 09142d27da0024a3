/* Public calls: bulk load. */
#include "store/ingest.h"
#include "api/check.h"
#include "base/status.h"
#include "store/batch.h"

int nacre_segment_writer_create(nacre_collection *collection, const nacre_segment_writer_options *given,
                                nacre_segment_writer **writer)
{
    nacre_segment_writer_options options;
    int status =
        writer ? check_collection(collection) : fail(NACRE_INVALID, "the place for the segment writer is NULL");
    if (status == NACRE_OK) {
        status = check_options(&options, sizeof options, given, "nacre_segment_writer_options");
    }
    return status == NACRE_OK ? segment_writer_create(collection, options.ttl_ms, writer) : status;
}

static int check_writer(const nacre_segment_writer *writer)
{
    if (!writer) {
        return fail(NACRE_INVALID, "the segment writer is NULL");
    }
    return writer->ingested ? fail(NACRE_INVALID, "the segment writer was ingested: it can only be freed")
                            : check_collection(writer->collection);
}

static int put(nacre_segment_writer *writer, nacre_slice key, const float *vector, nacre_slice value)
{
    uint64_t expiry_ms = writer->expires ? expiry_of(writer->collection, writer->ttl_ms) : 0;
    return tree_writer_add(writer->rows, key, value, vector, expiry_ms);
}

int nacre_segment_writer_put(nacre_segment_writer *writer, nacre_slice key, nacre_slice value)
{
    int status = check_writer(writer);
    if (status == NACRE_OK) {
        status = check_put(writer->collection, key, value);
    }
    return status == NACRE_OK ? put(writer, key, NULL, value) : status;
}

int nacre_segment_writer_put_vector(nacre_segment_writer *writer, nacre_slice key, const float *vector,
                                    nacre_slice value)
{
    int status = check_writer(writer);
    if (status == NACRE_OK) {
        status = check_put_vector(writer->collection, key, vector, value);
    }
    return status == NACRE_OK ? put(writer, key, vector, value) : status;
}

void nacre_segment_writer_free(nacre_segment_writer *writer)
{
    segment_writer_free(writer);
}

static int check_writers(const nacre_collection *collection, nacre_segment_writer *const *writers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int status = check_writer(writers[i]);
        if (status != NACRE_OK) {
            return status;
        }
        if (writers[i]->collection != collection) {
            return fail(NACRE_INVALID, "segment writer %zu is of collection '%s', not of '%s'", i,
                        writers[i]->collection->name, collection->name);
        }
        for (size_t k = 0; k < i; k++) {
            if (writers[k] == writers[i]) {
                return fail(NACRE_INVALID, "segment writers %zu and %zu are the same", k, i);
            }
        }
    }
    return NACRE_OK;
}

int nacre_ingest(nacre_collection *collection, nacre_segment_writer *const *writers, size_t count)
{
    int status = check_collection(collection);
    if (status == NACRE_OK && !writers && count > 0) {
        status = fail(NACRE_INVALID, "the segment writers are NULL");
    }
    if (status == NACRE_OK) {
        status = check_writers(collection, writers, count);
    }
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t began = STORE_TIME(collection->store, ingest);
    status = collection_ingest(collection, writers, count);
    STORE_TIMED(collection->store, ingest, began);
    return status;
}
