/* Public calls: writing. A single write is a batch of one, encoded into a buffer that the thread keeps. */
#include "api/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/operand.h"
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

static enum latency_class class_of(const struct batch_op *op)
{
    switch (op->code) {
    case BATCH_DELETE:
        return LATENCY_delete;
    case BATCH_DELETE_RANGE:
        return LATENCY_delete_range;
    case BATCH_MERGE:
        return LATENCY_merge;
    default:
        return op->vector.size ? LATENCY_put_vector : LATENCY_put;
    }
}

static int write_one(nacre_collection *collection, struct batch_op *op, const nacre_write_options *given)
{
    nacre_write_options options;
    enum latency_class class = class_of(op);
    uint64_t began = latency_begin(store_latencies(collection->store), class, latency_table[class].every);
    int status = check_write_options(given, &options);
    if (status != NACRE_OK) {
        return status;
    }
    if (op->code == BATCH_PUT || op->code == BATCH_MERGE) {
        op->expiry_ms = options.ttl_ms | collection->default_ttl_ms ? expiry_of(collection, options.ttl_ms) : 0;
    }
    op->collection = collection->id;
    uint8_t pointer[VALUE_POINTER_BYTES];
    struct value_refs values = { 0 };
    struct buffer *payload = thread_scratch();
    if (op->code == BATCH_PUT && collection_logs_value(collection, op->value.size)) {
        status = value_write(collection, op, pointer, &values);
    }
    if (status == NACRE_OK) {
        status = batch_encode(payload, op);
    }
    if (status == NACRE_OK) {
        struct commit_target target = { collection, 1, op->key.size + op->head.size + op->value.size,
                                        op->vector.size != 0 };
        struct commit commit = { .payload = buffer_slice(payload),
                                 .targets = &target,
                                 .target_count = 1,
                                 .sequences = 1,
                                 .durability = options.durability,
                                 .timeout_ms = options.timeout_ms,
                                 .value_files = values.list,
                                 .value_file_count = values.count };
        status = store_commit(collection->store, &commit);
    }
    value_refs_release(&values);
    trim_scratch();
    latency_end(collection->store->latencies, class, began);
    return status;
}

int nacre_put(nacre_collection *collection, nacre_slice key, nacre_slice value, const nacre_write_options *options)
{
    int status = check_put(collection, key, value);
    struct batch_op op = { .code = BATCH_PUT, .key = key, .value = value };
    return status == NACRE_OK ? write_one(collection, &op, options) : status;
}

static struct batch_op op_of_vector(const nacre_collection *collection, nacre_slice key, const float *vector,
                                    nacre_slice value)
{
    return (struct batch_op){
        .code = BATCH_PUT, .key = key, .value = value, .vector = slice_of(vector, collection->vector_bytes)
    };
}

int nacre_put_vector(nacre_collection *collection, nacre_slice key, const float *vector, nacre_slice value,
                     const nacre_write_options *options)
{
    int status = check_put_vector(collection, key, vector, value);
    if (status != NACRE_OK) {
        return status;
    }
    struct batch_op op = op_of_vector(collection, key, vector, value);
    return write_one(collection, &op, options);
}

int nacre_merge(nacre_collection *collection, nacre_slice key, nacre_slice operand, const nacre_write_options *options)
{
    int status = check_merge(collection, key, operand);
    if (status != NACRE_OK) {
        return status;
    }
    uint8_t clock[OPERAND_CLOCK_BYTES];
    store_u64(clock, clock_wall_ms());
    struct batch_op op = { .code = BATCH_MERGE, .key = key, .head = slice_of(clock, sizeof clock), .value = operand };
    return write_one(collection, &op, options);
}

int nacre_delete(nacre_collection *collection, nacre_slice key, const nacre_write_options *options)
{
    int status;
    if ((status = check_collection(collection)) != NACRE_OK || (status = check_key(collection, key)) != NACRE_OK) {
        return status;
    }
    struct batch_op op = { .code = BATCH_DELETE, .key = key };
    return write_one(collection, &op, options);
}

static int delete_range(nacre_collection *collection, nacre_slice begin, nacre_slice end,
                        const nacre_write_options *options)
{
    struct batch_op op = { .code = BATCH_DELETE_RANGE, .key = begin, .value = end };
    return write_one(collection, &op, options);
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
    batch->stamps_due = batch->values_due = false;
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
    if ((status = check_batch(batch, collection)) != NACRE_OK ||
        (status = check_put(collection, key, value)) != NACRE_OK) {
        return status;
    }
    return batch_add(batch, collection, &(struct batch_op){ .code = BATCH_PUT, .key = key, .value = value });
}

int nacre_batch_put_vector(nacre_batch *batch, nacre_collection *collection, nacre_slice key, const float *vector,
                           nacre_slice value)
{
    int status;
    if ((status = check_batch(batch, collection)) != NACRE_OK ||
        (status = check_put_vector(collection, key, vector, value)) != NACRE_OK) {
        return status;
    }
    struct batch_op op = op_of_vector(collection, key, vector, value);
    return batch_add(batch, collection, &op);
}

int nacre_batch_merge(nacre_batch *batch, nacre_collection *collection, nacre_slice key, nacre_slice operand)
{
    int status;
    if ((status = check_batch(batch, collection)) != NACRE_OK ||
        (status = check_merge(collection, key, operand)) != NACRE_OK) {
        return status;
    }
    static const uint8_t clock[OPERAND_CLOCK_BYTES]; /* it is put in when the batch is written */
    struct batch_op op = { .code = BATCH_MERGE, .key = key, .head = slice_of(clock, sizeof clock), .value = operand };
    return batch_add(batch, collection, &op);
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
    if (status != NACRE_OK || (status = check_write_options(given, &options)) != NACRE_OK || batch->count == 0) {
        return status;
    }
    if (batch->targets[0].collection->store != store) {
        return fail(NACRE_INVALID, "the batch was filled for collections of another store");
    }
    struct stamped_batch stamped;
    uint64_t began = STORE_TIME(store, write);
    status = batch_stamp(batch, options.ttl_ms, &stamped);
    if (status == NACRE_OK) {
        stamped.commit.durability = options.durability;
        stamped.commit.timeout_ms = options.timeout_ms;
        status = store_commit(store, &stamped.commit);
    }
    batch_stamp_free(&stamped);
    STORE_TIMED(store, write, began);
    return status;
}

int nacre_sync(nacre_store *store)
{
    int status = check_store(store);
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t began = STORE_TIME(store, sync);
    status = store_sync(store);
    STORE_TIMED(store, sync, began);
    return status;
}
