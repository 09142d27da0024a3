/* Any bytes as the payload of a log record, as recovery and `nacre dump log` read it: each op lies within the payload and is one that a writer
   may make, encodes again to what decodes to the same, and goes into a memtable that then shows it. */
#include "memtable/chunk_pool.h"
#include "memtable/memtable.h"
#include "store/batch_format.h"
#include <stdlib.h>

#define OPS_MOST 2000

static void must(bool fine)
{
    if (!fine) {
        abort();
    }
}

static bool lies_within(nacre_slice part, const uint8_t *data, size_t size)
{
    const uint8_t *at = part.data;
    return part.size == 0 || (at >= data && part.size <= size && (size_t)(at - data) <= size - part.size);
}

static void check_again(const struct batch_op *op, struct buffer *again)
{
    struct batch_op same;
    buffer_clear(again);
    must(batch_encode(again, op) == NACRE_OK);
    struct reader reader = reader_of(buffer_slice(again));
    must(batch_decode(&reader, &same) && same.code == op->code && same.collection == op->collection &&
         same.expiry_ms == op->expiry_ms && slice_equal(same.key, op->key) && slice_equal(same.value, op->value));
    must(!batch_decode(&reader, &same) && reader.ok);
}

static void apply(struct memtable *memtable, const struct batch_op *op, uint64_t sequence)
{
    if (op->code == BATCH_DELETE_RANGE) {
        must(memtable_delete_range(memtable, &(struct range_delete){ op->key, op->value, sequence }) == NACRE_OK);
        must(memtable_covering(memtable, op->key.size ? op->key : slice_of("\0", 1), UINT64_MAX) == sequence ||
             op->key.size == 0);
        return;
    }
    struct entry found, entry = { .key = op->key,
                                  .value = op->value,
                                  .sequence = sequence,
                                  .expiry_ms = op->expiry_ms,
                                  .type = op->code == BATCH_PUT ? ENTRY_PUT : ENTRY_DELETE };
    must(memtable_put(memtable, &entry) == NACRE_OK);
    must(memtable_get(memtable, op->key, UINT64_MAX, &found) && found.sequence == sequence &&
         slice_equal(found.value, op->value));
}

static void walk(struct memtable *memtable, uint64_t entries)
{
    struct cursor *cursor = NULL;
    uint64_t forth = 0, back = 0;
    must(memtable_cursor_create(memtable, &cursor) == NACRE_OK);
    for (cursor_first(cursor); cursor->valid; cursor_next(cursor)) {
        forth++;
    }
    for (cursor_last(cursor); cursor->valid; cursor_prev(cursor)) {
        back++;
    }
    must(forth == entries && back == entries);
    cursor_close(cursor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chunk_pool *pool = NULL;
    struct memtable *memtable = NULL;
    struct buffer again = { 0 };
    struct reader reader = reader_of(slice_of(data, size));
    struct batch_op op;
    uint64_t sequence = 0, entries = 0;
    must(chunk_pool_create(0, &pool) == NACRE_OK && memtable_create(pool, false, &memtable) == NACRE_OK);
    while (sequence < OPS_MOST && batch_decode(&reader, &op)) {
        must(lies_within(op.key, data, size) && lies_within(op.value, data, size));
        check_again(&op, &again);
        entries += op.code != BATCH_DELETE_RANGE;
        must(memtable_reserve(memtable, 1, op.key.size + op.value.size) == NACRE_OK);
        apply(memtable, &op, ++sequence);
    }
    walk(memtable, entries);
    memtable_unref(memtable);
    chunk_pool_free(pool);
    buffer_free(&again);
    return 0;
}
