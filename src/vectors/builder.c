/* Building a segment of vectors. Vectors go to the file as they come; blocks of entries and values, which lie behind them, are set aside until all are there
   (container_spool). What is kept in memory per block of entries is a few bytes, and per key half a hash.
   Invariants of a builder:
   1. Entries come in internal order; one that does not is NACRE_INVALID and nothing of it is kept.
   2. `last_key` is the key of the newest entry; all keys so far begin with the first `shared` bytes of `least_key`.
   3. A fence's head has the bytes of its key behind the first `depth`, all of which least_key begins with, too.
   4. `row_hash_begin` is the first row of the block of vectors whose bytes lie in `vectors`.
   One thread at a time. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/block_sum.h"
#include "segment/container_format.h"
#include "vectors/entry_block_writer.h"
#include "vectors/keys.h"
#include "vectors/reader.h"

struct fence_entry {
    uint64_t head;
    uint32_t depth, offset, row;
};

struct vectors_builder {
    struct container_writer *out;
    struct container_spool *blocks, *values;
    struct entry_block_writer writer;
    struct key_filter_builder filter;
    uint32_t dimension;
    nacre_metric metric;
    size_t stride;
    uint32_t block_rows; /* of a block of vectors */
    uint32_t rows, keys, entries, shadowed;
    struct fence_entry *fence;
    size_t block_count, fence_capacity;
    struct buffer vectors, sums; /* rows of the open block of vectors; checksums of those before */
    uint64_t vectors_offset;     /* of the open block */
    uint64_t digest, values_digest, last_sequence, greatest_sequence, least_expiry;
    size_t shared;
    struct buffer least_key, last_key;
};

int vectors_builder_create(struct container_writer *out, const struct build_options *options, void **builder)
{
    *builder = NULL;
    if (options->dimension == 0 || options->dimension > UINT16_MAX || options->metric < NACRE_L2 ||
        options->metric > NACRE_DOT)
        return fail(NACRE_INVALID, "a segment of vectors of %u dimensions and metric %d", options->dimension,
                    (int)options->metric);
    struct vectors_builder *b = memory_zalloc(sizeof *b);
    if (!b)
        return NACRE_NO_MEMORY;
    b->out = out;
    b->dimension = options->dimension;
    b->metric = options->metric;
    b->stride = 4 * (size_t)options->dimension;
    b->block_rows = 1u << row_block_shift(b->stride);
    b->vectors_offset = container_offset(out);
    int status = entry_block_writer_init(&b->writer, options->compression);
    if (status == NACRE_OK)
        status = container_spool_create(out, "blocks", &b->blocks);
    if (status == NACRE_OK)
        status = container_spool_create(out, "values", &b->values);
    if (status != NACRE_OK) {
        vectors_builder_free(b);
        return status;
    }
    *builder = b;
    return NACRE_OK;
}

void vectors_builder_free(void *builder)
{
    struct vectors_builder *b = builder;
    container_spool_free(b->blocks);
    container_spool_free(b->values);
    entry_block_writer_free(&b->writer);
    key_filter_builder_free(&b->filter);
    memory_free(b->fence);
    buffer_free(&b->vectors);
    buffer_free(&b->sums);
    buffer_free(&b->least_key);
    buffer_free(&b->last_key);
    memory_free(b);
}

/* ---- vectors ---- */

static int close_vectors(struct vectors_builder *b)
{
    nacre_slice rows = buffer_slice(&b->vectors);
    uint64_t checksum = row_block_checksum(container_writer_id(b->out), b->vectors_offset, rows.data, rows.size);
    int status = buffer_append_u64(&b->sums, checksum);
    if (status == NACRE_OK)
        status = container_write(b->out, rows.data, rows.size, NULL);
    b->vectors_offset += rows.size;
    buffer_clear(&b->vectors);
    return status;
}

static int add_vector(struct vectors_builder *b, const struct entry *e)
{
    if (b->rows == VECTORS_ROWS_MAX)
        return fail(NACRE_LIMIT, "more than %u vectors in a segment", VECTORS_ROWS_MAX);
    int status = buffer_append(&b->vectors, e->vector, b->stride);
    if (status == NACRE_OK && b->vectors.size == b->block_rows * b->stride)
        status = close_vectors(b);
    b->rows++;
    if (e->sequence > b->greatest_sequence)
        b->greatest_sequence = e->sequence;
    if (e->expiry_ms && (b->least_expiry == 0 || e->expiry_ms < b->least_expiry))
        b->least_expiry = e->expiry_ms;
    return status;
}

/* ---- entries ---- */

static int close_block(struct vectors_builder *b, bool goes_on)
{
    nacre_slice block, values;
    int status = container_spool_align(b->blocks, 8);
    if (status == NACRE_OK)
        status = container_spool_align(b->values, 8);
    if (status == NACRE_OK)
        status = entry_block_writer_close(&b->writer, container_writer_id(b->out), container_spool_size(b->blocks),
                                          container_spool_size(b->values), goes_on, &block, &values);
    if (status != NACRE_OK)
        return status;
    b->digest = block_digest_add(b->digest, load_u64(block.data));
    status = container_spool_append(b->blocks, block.data, block.size);
    if (status != NACRE_OK || values.size == 0)
        return status;
    b->values_digest = block_digest_add(b->values_digest, load_u64(values.data));
    return container_spool_append(b->values, values.data, values.size);
}

/* The block that `key` begins. The one before it is closed. */
static int begin_block(struct vectors_builder *b, nacre_slice key)
{
    int status = memory_grow((void **)&b->fence, &b->fence_capacity, b->block_count + 1, sizeof *b->fence);
    if (status == NACRE_OK)
        status = container_spool_align(b->blocks, 8);
    if (status != NACRE_OK)
        return status;
    size_t depth = b->shared;
    const uint8_t *bytes = key.size ? key.data : (const uint8_t *)"";
    b->fence[b->block_count++] = (struct fence_entry){ .head = slice_head(slice_of(bytes + depth, key.size - depth)),
                                                       .depth = (uint32_t)depth,
                                                       .offset = (uint32_t)container_spool_size(b->blocks),
                                                       .row = b->writer.first_row };
    return NACRE_OK;
}

static int set_last_key(struct vectors_builder *b, nacre_slice key, size_t common)
{
    int status = NACRE_OK;
    if (b->last_key.capacity < key.size || !b->last_key.data)
        status = buffer_reserve(&b->last_key, key.size + 64); /* more than is missing, whatever there is */
    if (status != NACRE_OK)
        return status;
    if (key.size > common)
        memcpy(b->last_key.data + common, (const uint8_t *)key.data + common, key.size - common);
    b->last_key.size = key.size;
    return NACRE_OK;
}

static int note_key(struct vectors_builder *b, nacre_slice key, size_t common)
{
    if (b->entries == 0) {
        b->shared = key.size;
        int status = buffer_append(&b->least_key, key.data, key.size);
        if (status != NACRE_OK)
            return status;
    } else if (common < b->shared) {
        b->shared = common;
    }
    int status = key_filter_add(&b->filter, hash_bytes(key.data, key.size));
    if (status == NACRE_OK)
        status = set_last_key(b, key, common);
    b->keys++;
    return status;
}

/* What is wrong with an entry by itself; NULL = nothing. */
static int check_entry(const struct vectors_builder *b, const struct entry *e)
{
    if (e->key.size > NACRE_KEY_MAX || b->entries == UINT32_MAX)
        return fail(NACRE_LIMIT, "a key of %zu bytes, as number %u of a segment", e->key.size, b->entries);
    if (e->type == ENTRY_MERGE)
        return fail(NACRE_INVALID, "an operand of a merge in a segment of vectors");
    if (entry_sets(e) != (e->vector != NULL) || (!entry_sets(e) && e->value.size))
        return fail(NACRE_INVALID, "a put without a vector, or a delete with a vector or a value");
    if (e->value.size + (uint64_t)b->stride + 2 * e->key.size + (1u << 16) >
        CONTAINER_BYTES_MAX - container_bytes(b->out) - b->vectors.size)
        return fail(NACRE_LIMIT, "the segment would pass %u bytes", (unsigned)CONTAINER_BYTES_MAX);
    return NACRE_OK;
}

static int add_entry(struct vectors_builder *b, const struct entry *e, size_t common, bool newest)
{
    int status = NACRE_OK;
    if (b->writer.count && entry_block_writer_is_full(&b->writer, e->key.size - common, e->value.size))
        status = close_block(b, !newest);
    if (status == NACRE_OK && newest)
        status = note_key(b, e->key, common);
    if (status == NACRE_OK && b->writer.count == 0)
        status = begin_block(b, e->key);
    if (status == NACRE_OK)
        status = entry_block_writer_add(&b->writer, e, common, newest);
    if (status == NACRE_OK && entry_sets(e)) {
        b->shadowed += !newest;
        status = add_vector(b, e);
    }
    return status;
}

int vectors_builder_add(void *builder, const struct entry *e)
{
    struct vectors_builder *b = builder;
    nacre_slice last = buffer_slice(&b->last_key), key = e->key;
    size_t common = 0;
    bool newest = true, in_order = true;
    if (b->entries) {
        common = slice_shared_prefix(last, key);
        newest = common < key.size || common < last.size;
        if (!newest)
            in_order = e->sequence < b->last_sequence;
        else if (common < last.size)
            in_order = common < key.size && ((const uint8_t *)last.data)[common] < ((const uint8_t *)key.data)[common];
    } else {
        b->writer.base_sequence = e->sequence;
    }
    if (!in_order)
        return fail(NACRE_INVALID, "entries are not in order: sequence %llu after %llu",
                    (unsigned long long)e->sequence, (unsigned long long)b->last_sequence);
    int status = check_entry(b, e);
    if (status == NACRE_OK)
        status = add_entry(b, e, common, newest);
    if (status != NACRE_OK)
        return status;
    b->last_sequence = e->sequence;
    b->entries++;
    return NACRE_OK;
}

/* ---- the end ---- */

/* Invariant 3, turned to the bytes behind what all keys share in the end. */
static uint64_t final_head(const struct vectors_builder *b, const struct fence_entry *f)
{
    uint8_t bytes[16] = { 0 };
    size_t more = f->depth - b->shared;
    if (more >= 8)
        return slice_head(slice_of(b->least_key.data + b->shared, 8));
    if (more)
        memcpy(bytes, b->least_key.data + b->shared, more);
    store_u64(bytes + more, __builtin_bswap64(f->head));
    return slice_head(slice_of(bytes, 8));
}

static int write_fence(struct vectors_builder *b, uint64_t blocks_size)
{
    struct buffer heads = { 0 }, directory = { 0 };
    int status = buffer_reserve(&heads, 8 * b->block_count);
    if (status == NACRE_OK)
        status = buffer_reserve(&directory, 8 * (b->block_count + 1));
    for (size_t i = 0; i < b->block_count && status == NACRE_OK; i++) {
        status = buffer_append_u64(&heads, final_head(b, &b->fence[i]));
        if (status == NACRE_OK)
            status = buffer_append_u32(&directory, b->fence[i].offset);
        if (status == NACRE_OK)
            status = buffer_append_u32(&directory, b->fence[i].row);
    }
    if (status == NACRE_OK)
        status = buffer_append_u32(&directory, (uint32_t)blocks_size);
    if (status == NACRE_OK)
        status = buffer_append_u32(&directory, b->rows);
    if (status == NACRE_OK)
        status = container_write_section(b->out, "HEAD", buffer_slice(&heads));
    if (status == NACRE_OK)
        status = container_write_section(b->out, "KDIR", buffer_slice(&directory));
    buffer_free(&heads);
    buffer_free(&directory);
    return status;
}

static int write_filter(struct vectors_builder *b)
{
    struct buffer filter = { 0 };
    int status = key_filter_make(&b->filter, &filter);
    if (status == NACRE_OK)
        status = container_write_section(b->out, "KFIL", buffer_slice(&filter));
    buffer_free(&filter);
    return status;
}

static int write_description(struct vectors_builder *b, uint64_t blocks_begin, uint64_t blocks_end, uint64_t values_end)
{
    struct buffer section = { 0 };
    const uint32_t counts[] = { b->dimension, (uint32_t)b->metric,      b->entries,  b->rows,
                                b->keys,      (uint32_t)b->block_count, b->shadowed, (uint32_t)b->shared };
    const uint64_t numbers[] = { b->writer.base_sequence, b->greatest_sequence, b->least_expiry, b->digest,
                                 b->values_digest };
    const uint32_t places[] = { (uint32_t)blocks_begin, (uint32_t)blocks_end, (uint32_t)values_end, 0 };
    int status = buffer_append(&section, counts, sizeof counts);
    if (status == NACRE_OK)
        status = buffer_append(&section, numbers, sizeof numbers);
    if (status == NACRE_OK)
        status = buffer_append(&section, places, sizeof places);
    if (status == NACRE_OK)
        status = buffer_append_slice(&section, buffer_slice(&b->least_key));
    if (status == NACRE_OK)
        status = buffer_append_slice(&section, buffer_slice(&b->last_key));
    if (status == NACRE_OK)
        status = container_write_section(b->out, "VECS", buffer_slice(&section));
    buffer_free(&section);
    return status;
}

/* The areas behind the vectors. */
static int write_areas(struct vectors_builder *b, uint64_t *blocks_begin, uint64_t *blocks_end, uint64_t *values_end)
{
    int status = b->writer.count ? close_block(b, false) : NACRE_OK;
    if (status == NACRE_OK && b->vectors.size)
        status = close_vectors(b);
    if (status == NACRE_OK)
        status = container_spool_align(b->blocks, 8);
    if (status == NACRE_OK)
        status = container_spool_align(b->values, 8);
    if (status == NACRE_OK)
        status = container_align(b->out, 8);
    *blocks_begin = container_offset(b->out);
    if (status == NACRE_OK)
        status = container_spool_write(b->blocks);
    *blocks_end = container_offset(b->out);
    if (status == NACRE_OK)
        status = container_spool_write(b->values);
    *values_end = container_offset(b->out);
    if (status == NACRE_OK) { /* the builder may outlive the writer */
        container_spool_free(b->blocks);
        container_spool_free(b->values);
        b->blocks = b->values = NULL;
    }
    return status;
}

int vectors_builder_finish(void *builder, struct container_writer *index)
{
    struct vectors_builder *b = builder;
    uint64_t blocks_begin = 0, blocks_end = 0, values_end = 0;
    (void)index; /* kinds with quick_index are asked for one once their segment can be read */
    int status = write_areas(b, &blocks_begin, &blocks_end, &values_end);
    if (status == NACRE_OK && b->rows)
        status = container_write_section(b->out, "VSUM", buffer_slice(&b->sums));
    if (status == NACRE_OK && b->block_count)
        status = write_fence(b, blocks_end - blocks_begin);
    if (status == NACRE_OK && b->block_count)
        status = write_filter(b);
    return status == NACRE_OK ? write_description(b, blocks_begin, blocks_end, values_end) : status;
}
