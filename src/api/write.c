/* Public calls: writing. A single write is a batch of one, encoded into a buffer that the thread keeps. */
#include "api/check.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/batch.h"

#define KEEP_BYTES ((size_t)1 << 20) /* a larger buffer is not kept */

static _Thread_local struct buffer scratch;
static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void free_scratch(void *buffer)
{
    buffer_free(buffer);
}

static void make_scratch_key(void)
{
    pthread_key_create(&scratch_key, free_scratch);
}

static struct buffer *thread_scratch(void)
{
    if (!scratch.data) {
        pthread_once(&scratch_once, make_scratch_key);
        pthread_setspecific(scratch_key, &scratch);
    }
    buffer_clear(&scratch);
    return &scratch;
}

static void trim_scratch(void)
{
    if (scratch.capacity > KEEP_BYTES) {
        buffer_free(&scratch);
    }
}

static int read_options(const nacre_write_options *given, nacre_write_options *options)
{
    if (!given) {
        *options = (nacre_write_options)NACRE_WRITE_OPTIONS_INIT;
        return NACRE_OK;
    }
    int status = check_options(options, sizeof *options, given, "nacre_write_options");
    if (status == NACRE_OK && (unsigned)options->durability > NACRE_DISK) {
        status = fail(NACRE_INVALID, "durability %d is none of the levels", (int)options->durability);
    }
    return status;
}

static int write_one(nacre_collection *collection, struct batch_op *op, const nacre_write_options *given)
{
    nacre_write_options options;
    int status = read_options(given, &options);
    if (status != NACRE_OK) {
        return status;
    }
    if (op->code == BATCH_PUT) {
        op->expiry_ms = options.ttl_ms | collection->default_ttl_ms ? expiry_of(collection, options.ttl_ms) : 0;
    }
    op->collection = collection->id;
    struct buffer *payload = thread_scratch();
    status = batch_encode(payload, op);
    if (status == NACRE_OK) {
        struct commit_target target = { collection, 1, op->key.size + op->value.size };
        struct commit commit = { .payload = buffer_slice(payload),
                                 .targets = &target,
                                 .target_count = 1,
                                 .sequences = 1,
                                 .durability = options.durability,
                                 .timeout_ms = options.timeout_ms };
        status = store_commit(collection->store, &commit);
    }
    trim_scratch();
    return status;
}

int nacre_put(nacre_collection *collection, nacre_slice key, nacre_slice value, const nacre_write_options *options)
{
    int status;
    if ((status = check_collection(collection)) != NACRE_OK || (status = check_key(collection, key)) != NACRE_OK ||
        (status = check_value(collection, value)) != NACRE_OK) {
        return status;
    }
    struct batch_op op = { .code = BATCH_PUT, .key = key, .value = value };
    status = write_one(collection, &op, options);
    stats_add(&collection->store->stats, STATS_puts, status == NACRE_OK);
    return status;
}

int nacre_delete(nacre_collection *collection, nacre_slice key, const nacre_write_options *options)
{
    int status;
    if ((status = check_collection(collection)) != NACRE_OK || (status = check_key(collection, key)) != NACRE_OK) {
        return status;
    }
    struct batch_op op = { .code = BATCH_DELETE, .key = key };
    status = write_one(collection, &op, options);
    stats_add(&collection->store->stats, STATS_deletes, status == NACRE_OK);
    return status;
}

static int delete_range(nacre_collection *collection, nacre_slice begin, nacre_slice end,
                        const nacre_write_options *options)
{
    struct batch_op op = { .code = BATCH_DELETE_RANGE, .key = begin, .value = end };
    int status = write_one(collection, &op, options);
    stats_add(&collection->store->stats, STATS_range_deletes, status == NACRE_OK);
    return status;
}

int nacre_delete_range(nacre_collection *collection, nacre_slice begin, nacre_slice end,
                       const nacre_write_options *options)
{
    int status = check_collection(collection);
    if (status == NACRE_OK) {
        status = check_range(collection, begin, end);
    }
    return status == NACRE_OK ? delete_range(collection, begin, end, options) : status;
}

int nacre_delete_prefix(nacre_collection *collection, nacre_slice prefix, const nacre_write_options *options)
{
    int status;
    if ((status = check_collection(collection)) != NACRE_OK ||
        (status = check_bound(collection, prefix, "prefix")) != NACRE_OK) {
        return status;
    }
    size_t size = 0;
    uint8_t *end = memory_alloc(prefix.size ? prefix.size : 1);
    if (!end) {
        return NACRE_NO_MEMORY;
    }
    /* A prefix of 0xFF bytes has no end: open. */
    bool bounded = slice_prefix_end(prefix, end, &size);
    status = delete_range(collection, prefix, slice_of(end, bounded ? size : 0), options);
    memory_free(end);
    return status;
}

int nacre_collection_clear(nacre_collection *collection)
{
    int status = check_collection(collection);
    return status == NACRE_OK ? delete_range(collection, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }, NULL)
                              : status;
}

int nacre_batch_create(nacre_batch **batch)
{
    if (!batch) {
        return fail(NACRE_INVALID, "the place for the batch is NULL");
    }
    *batch = memory_zalloc(sizeof **batch);
    return *batch ? NACRE_OK : NACRE_NO_MEMORY;
}

void nacre_batch_free(nacre_batch *batch)
{
    if (batch) {
        buffer_free(&batch->payload);
        memory_free(batch->targets);
        memory_free(batch);
    }
}

void nacre_batch_clear(nacre_batch *batch)
{
    if (!batch) {
        return;
    }
    buffer_clear(&batch->payload);
    batch->target_count = 0;
    batch->count = 0;
    batch->expiries_due = false;
}

size_t nacre_batch_count(const nacre_batch *batch)
{
    return batch ? (size_t)batch->count : 0;
}

size_t nacre_batch_bytes(const nacre_batch *batch)
{
    return batch ? batch->payload.size : 0;
}

static int check_batch(const nacre_batch *batch, const nacre_collection *collection)
{
    return batch ? check_collection(collection) : fail(NACRE_INVALID, "the batch is NULL");
}

int nacre_batch_put(nacre_batch *batch, nacre_collection *collection, nacre_slice key, nacre_slice value)
{
    int status;
    if ((status = check_batch(batch, collection)) != NACRE_OK || (status = check_key(collection, key)) != NACRE_OK ||
        (status = check_value(collection, value)) != NACRE_OK) {
        return status;
    }
    return batch_add(batch, collection, &(struct batch_op){ .code = BATCH_PUT, .key = key, .value = value });
}

int nacre_batch_delete(nacre_batch *batch, nacre_collection *collection, nacre_slice key)
{
    int status;
    if ((status = check_batch(batch, collection)) != NACRE_OK || (status = check_key(collection, key)) != NACRE_OK) {
        return status;
    }
    return batch_add(batch, collection, &(struct batch_op){ .code = BATCH_DELETE, .key = key });
}

int nacre_batch_delete_range(nacre_batch *batch, nacre_collection *collection, nacre_slice begin, nacre_slice end)
{
    int status;
    if ((status = check_batch(batch, collection)) != NACRE_OK ||
        (status = check_range(collection, begin, end)) != NACRE_OK) {
        return status;
    }
    return batch_add(batch, collection, &(struct batch_op){ .code = BATCH_DELETE_RANGE, .key = begin, .value = end });
}

int nacre_write(nacre_store *store, nacre_batch *batch, const nacre_write_options *given)
{
    nacre_write_options options;
    int status = check_store(store);
    if (status == NACRE_OK && !batch) {
        status = fail(NACRE_INVALID, "the batch is NULL");
    }
    if (status != NACRE_OK || (status = read_options(given, &options)) != NACRE_OK || batch->count == 0) {
        return status;
    }
    if (batch->targets[0].collection->store != store) {
        return fail(NACRE_INVALID, "the batch was filled for collections of another store");
    }
    struct buffer stamped = { 0 };
    struct commit commit = { .targets = batch->targets,
                             .target_count = batch->target_count,
                             .sequences = batch->count,
                             .durability = options.durability,
                             .timeout_ms = options.timeout_ms };
    status = batch_stamp(batch, options.ttl_ms, &stamped, &commit.payload);
    if (status == NACRE_OK) {
        status = store_commit(store, &commit);
    }
    buffer_free(&stamped);
    return status;
}

int nacre_sync(nacre_store *store)
{
    int status = check_store(store);
    return status == NACRE_OK ? store_sync(store) : status;
}
