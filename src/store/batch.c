/* Batches as users fill them (see batch.h). One thread at a time. */
#include "store/batch.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/operand.h"
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
    **target = (struct commit_target){ .collection = collection };
    return NACRE_OK;
}

int batch_add(struct nacre_batch *batch, nacre_collection *collection, struct batch_op *op)
{
    uint64_t bytes = (uint64_t)op->key.size + op->vector.size + op->head.size + op->value.size + BATCH_OP_OVERHEAD;
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
    target->bytes += op->key.size + op->head.size + op->value.size;
    target->vectors += op->vector.size != 0;
    batch->count++;
    batch->stamps_due |= (op->code == BATCH_PUT && collection->default_ttl_ms != 0) || op->code == BATCH_MERGE;
    batch->values_due |= op->code == BATCH_PUT && collection_logs_value(collection, op->value.size);
    return NACRE_OK;
}

static struct commit_target *target_of(struct commit_target *targets, uint32_t id)
{
    size_t i = 0;
    while (targets[i].collection->id != id) {
        i++;
    }
    return &targets[i];
}

/* Expiry, and a pointer for a large value. */
static int stamp_put(struct stamped_batch *stamped, struct batch_op *op, uint64_t ttl_ms,
                     uint8_t pointer[VALUE_POINTER_BYTES])
{
    struct commit_target *target = target_of(stamped->targets, op->collection);
    op->expiry_ms = expiry_of(target->collection, ttl_ms);
    if (!collection_logs_value(target->collection, op->value.size)) {
        return NACRE_OK;
    }
    target->bytes -= op->value.size;
    target->bytes += VALUE_POINTER_BYTES;
    return value_write(target->collection, op, pointer, &stamped->values);
}

/* Expiry, and the clock in place of the one that holds its room. */
static void stamp_merge(const struct stamped_batch *stamped, struct batch_op *op, uint64_t ttl_ms, nacre_slice clock)
{
    op->expiry_ms = expiry_of(target_of(stamped->targets, op->collection)->collection, ttl_ms);
    op->head = clock;
    op->value = slice_of((const uint8_t *)op->value.data + clock.size, op->value.size - clock.size);
}

int batch_stamp(const struct nacre_batch *batch, uint64_t ttl_ms, struct stamped_batch *stamped)
{
    *stamped = (struct stamped_batch){ .commit = { .payload = buffer_slice(&batch->payload),
                                                   .targets = batch->targets,
                                                   .target_count = batch->target_count,
                                                   .sequences = batch->count } };
    if (ttl_ms == 0 && !batch->stamps_due && !batch->values_due) {
        return NACRE_OK;
    }
    struct reader reader = reader_of(stamped->commit.payload);
    struct batch_op op;
    uint8_t pointer[VALUE_POINTER_BYTES], clock[OPERAND_CLOCK_BYTES];
    store_u64(clock, clock_wall_ms());
    stamped->targets = memory_alloc(batch->target_count * sizeof *stamped->targets);
    if (!stamped->targets) {
        return NACRE_NO_MEMORY;
    }
    memcpy(stamped->targets, batch->targets, batch->target_count * sizeof *stamped->targets);
    int status = NACRE_OK;
    while (status == NACRE_OK && batch_decode(&reader, &op)) {
        if (op.code == BATCH_PUT) {
            status = stamp_put(stamped, &op, ttl_ms, pointer);
        } else if (op.code == BATCH_MERGE) {
            stamp_merge(stamped, &op, ttl_ms, slice_of(clock, sizeof clock));
        }
        if (status == NACRE_OK) {
            status = batch_encode(&stamped->payload, &op);
        }
    }
    stamped->commit.payload = buffer_slice(&stamped->payload);
    stamped->commit.targets = stamped->targets;
    stamped->commit.value_files = stamped->values.list;
    stamped->commit.value_file_count = stamped->values.count;
    return status;
}

void batch_stamp_free(struct stamped_batch *stamped)
{
    buffer_free(&stamped->payload);
    memory_free(stamped->targets);
    value_refs_release(&stamped->values);
}
