/* Batches as users fill them (see batch.h). One thread at a time. */
#include "store/batch.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"

uint64_t expiry_of(const nacre_collection *collection, uint64_t ttl_ms)
{
    uint64_t ttl = ttl_ms ? ttl_ms : collection->default_ttl_ms;
    if (ttl == 0 || ttl == UINT64_MAX) {
        return 0;
    }
    uint64_t expiry;
    return __builtin_add_overflow(clock_wall_ms(), ttl, &expiry) ? 0 : expiry;
}

static int target_for(struct nacre_batch *batch, nacre_collection *collection, struct commit_target **target)
{
    for (size_t i = batch->target_count; i-- > 0;) {
        if (batch->targets[i].collection == collection) {
            *target = &batch->targets[i];
            return NACRE_OK;
        }
    }
    if (batch->target_count > 0 && batch->targets[0].collection->store != collection->store) {
        return fail(NACRE_INVALID, "a batch belongs to one store; '%s' is a collection of another", collection->name);
    }
    if (batch->target_count == batch->target_capacity) {
        size_t capacity = batch->target_capacity ? 2 * batch->target_capacity : 4;
        struct commit_target *more = memory_realloc(batch->targets, capacity * sizeof *more);
        if (!more) {
            return NACRE_NO_MEMORY;
        }
        batch->targets = more;
        batch->target_capacity = capacity;
    }
    *target = &batch->targets[batch->target_count++];
    **target = (struct commit_target){ collection, 0, 0 };
    return NACRE_OK;
}

int batch_add(struct nacre_batch *batch, nacre_collection *collection, struct batch_op *op)
{
    uint64_t bytes = (uint64_t)op->key.size + op->value.size + BATCH_OP_OVERHEAD;
    if (batch->payload.size + bytes > NACRE_BATCH_MAX) {
        return fail(NACRE_LIMIT, "the batch would grow over %llu bytes", (unsigned long long)NACRE_BATCH_MAX);
    }
    struct commit_target *target = NULL;
    size_t before = batch->target_count;
    op->collection = collection->id;
    int status = target_for(batch, collection, &target);
    if (status == NACRE_OK && (status = batch_encode(&batch->payload, op)) != NACRE_OK) {
        batch->target_count = before;
    }
    if (status != NACRE_OK) {
        return status;
    }
    target->entries++;
    target->bytes += op->key.size + op->value.size;
    batch->count++;
    batch->expiries_due |= op->code == BATCH_PUT && collection->default_ttl_ms != 0;
    return NACRE_OK;
}

static const nacre_collection *collection_of(const struct nacre_batch *batch, uint32_t id)
{
    size_t i = 0;
    while (batch->targets[i].collection->id != id) {
        i++;
    }
    return batch->targets[i].collection;
}

int batch_stamp(const struct nacre_batch *batch, uint64_t ttl_ms, struct buffer *stamped, nacre_slice *payload)
{
    *payload = buffer_slice(&batch->payload);
    if (ttl_ms == 0 && !batch->expiries_due) {
        return NACRE_OK;
    }
    struct reader reader = reader_of(*payload);
    struct batch_op op;
    int status = NACRE_OK;
    while (status == NACRE_OK && batch_decode(&reader, &op)) {
        if (op.code == BATCH_PUT) {
            op.expiry_ms = expiry_of(collection_of(batch, op.collection), ttl_ms);
        }
        status = batch_encode(stamped, &op);
    }
    *payload = buffer_slice(stamped);
    return status;
}
