/* Any bytes as the payload of a log record, as recovery and `nacre dump log` read it: each op lies within the payload and is one that a writer
   may make, encodes again to what decodes to the same, and goes into a memtable that then shows it: those with vectors of DIMENSION into one
   that holds such. */
#include "memtable/chunk_pool.h"
#include "memtable/memtable.h"
#include "store/batch_format.h"
#include <stdlib.h>

#define OPS_MOST  2000
#define DIMENSION 3u

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
    must(batch_decode(&reader, &same) && same.code == op->code && same.pointer == op->pointer &&
         same.collection == op->collection && same.expiry_ms == op->expiry_ms && slice_equal(same.key, op->key) &&
         slice_equal(same.vector, op->vector) && slice_equal(same.value, op->value));
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
                                  .type = batch_entry_type(op),
                                  .vector = op->vector.size == DIMENSION * sizeof(float) ? op->vector.data : NULL };
    must(memtable_put(memtable, &entry) == NACRE_OK);
    must(memtable_get(memtable, op->key, UINT64_MAX, &found) && found.sequence == sequence &&
         found.type == entry.type && slice_equal(found.value, op->value));
    must((found.vector != NULL) == (entry.vector != NULL));
    must(!entry.vector || memcmp(found.vector, entry.vector, op->vector.size) == 0);
}

/* Each row is met once, marked with a version that leads back to it. */
static void walk_rows(struct memtable *memtable, uint64_t rows)
{
    struct memtable_rows walk = { .table = memtable };
    struct memtable_row_block block;
    struct entry entry;
    uint64_t met = 0;
    while (memtable_rows_next(&walk, &block)) {
        for (size_t i = 0; i < block.count; i++, met++) {
            must(!memtable_row_entry(&block, i, UINT64_MAX, &entry) ||
                 entry.vector == (const uint8_t *)block.vectors + i * block.stride);
        }
    }
    must(met == rows);
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
    struct memtable *plain = NULL, *vectors = NULL;
    struct buffer again = { 0 };
    struct reader reader = reader_of(slice_of(data, size));
    struct batch_op op;
    uint64_t sequence = 0, entries = 0, rows = 0;
    must(chunk_pool_create(0, &pool) == NACRE_OK &&
         memtable_create(pool, &(struct memtable_options){ .searched = false }, &plain) == NACRE_OK &&
         memtable_create(pool, &(struct memtable_options){ .vector_bytes = DIMENSION * sizeof(float) }, &vectors) ==
             NACRE_OK);
    while (sequence < OPS_MOST && batch_decode(&reader, &op)) {
        bool row = op.vector.size == DIMENSION * sizeof(float);
        struct memtable *memtable = row ? vectors : plain;
        must(lies_within(op.key, data, size) && lies_within(op.vector, data, size) &&
             lies_within(op.value, data, size));
        check_again(&op, &again);
        entries += op.code != BATCH_DELETE_RANGE;
        rows += row;
        must(memtable_reserve(memtable, 1, op.key.size + op.value.size) == NACRE_OK);
        must(memtable_reserve_vectors(memtable, row) == NACRE_OK);
        apply(memtable, &op, ++sequence);
    }
    walk(plain, entries - rows);
    walk(vectors, rows);
    walk_rows(vectors, rows);
    memtable_unref(plain);
    memtable_unref(vectors);
    chunk_pool_free(pool);
    buffer_free(&again);
    return 0;
}
