/* Building an ordered segment, and the side file of one that exists.
   Invariants of a builder:
   1. Entries come in internal order; one that does not is NACRE_INVALID and nothing of it is kept.
   2. The last key of all is that of the newest record in `block`, or `last_key` while the block is empty.
   3. While a block is open, the offsets gathered for its keys are the numbers of their records; its close turns them into offsets.
   One thread at a time. */
#include "base/memory.h"
#include "base/status.h"
#include "ordered/block_writer.h"
#include "ordered/index_builder.h"
#include "ordered/reader.h"

#define BLOCK_BYTES_DEFAULT 4096u
#define BLOCK_BYTES_LEAST   256u
#define BLOCK_BYTES_MOST    (1u << 20)
#define RESERVED_KEYS_MOST  (1u << 20) /* made room for ahead, at most: what is expected may go to several segments */

struct ordered_builder {
    struct container_writer *out;
    struct block_writer block;
    struct fence_builder fence;
    struct index_builder index;
    bool build_index;
    uint8_t learned_index;
    uint32_t block_bytes, greatest_offset;
    uint64_t entries, keys, digest, last_sequence;
    size_t block_first_key; /* of index.positions: the first that began in the open block */
    struct buffer least_key, last_key;
};

int ordered_builder_create(struct container_writer *out, const struct build_options *options, void **builder)
{
    *builder = NULL;
    struct ordered_builder *b = memory_zalloc(sizeof *b);
    if (!b)
        return NACRE_NO_MEMORY;
    b->out = out;
    b->build_index = options->build_index;
    b->learned_index = options->learned_index;
    b->block_bytes = options->block_bytes ? options->block_bytes : BLOCK_BYTES_DEFAULT;
    if (b->block_bytes < BLOCK_BYTES_LEAST)
        b->block_bytes = BLOCK_BYTES_LEAST;
    if (b->block_bytes > BLOCK_BYTES_MOST)
        b->block_bytes = BLOCK_BYTES_MOST;
    int status = block_writer_init(&b->block, b->block_bytes, options->compression);
    if (status == NACRE_OK && b->build_index && options->expected_entries) {
        uint64_t expected = options->expected_entries;
        status = position_builder_reserve(&b->index.positions,
                                          expected < RESERVED_KEYS_MOST ? (size_t)expected : RESERVED_KEYS_MOST);
    }
    if (status != NACRE_OK) {
        ordered_builder_free(b);
        return status;
    }
    *builder = b;
    return NACRE_OK;
}

void ordered_builder_free(void *builder)
{
    struct ordered_builder *b = builder;
    block_writer_free(&b->block);
    fence_builder_free(&b->fence);
    index_builder_free(&b->index);
    buffer_free(&b->least_key);
    buffer_free(&b->last_key);
    memory_free(b);
}

/* Numbers of records become their offsets (invariant 3). The writer's list of records is still that of the closed block. */
static int place_keys(struct ordered_builder *b, const struct closed_block *closed)
{
    struct position_builder *positions = &b->index.positions;
    for (size_t i = b->block_first_key; i < positions->count; i++)
        positions->offsets[i] =
            closed->records_offset + block_writer_offset(&b->block, positions->offsets[i], closed->stripped);
    if (positions->count > b->block_first_key && positions->offsets[positions->count - 1] > b->greatest_offset)
        b->greatest_offset = positions->offsets[positions->count - 1];
    b->block_first_key = positions->count;
    return position_builder_end_block(positions);
}

static int close_block(struct ordered_builder *b)
{
    if (b->block.count == 0)
        return NACRE_OK;
    int status = container_align(b->out, 8);
    if (status != NACRE_OK)
        return status;
    uint64_t offset = container_offset(b->out);
    nacre_slice first = block_writer_key(&b->block, 0), last = block_writer_key(&b->block, b->block.count - 1);
    nacre_slice before = buffer_slice(&b->last_key);
    bool continues = b->fence.blocks && slice_equal(before, first);
    status = fence_builder_add(&b->fence, (uint32_t)offset, continues ? PLACE_CONTINUES : 0, before, first);
    buffer_clear(&b->last_key);
    if (status == NACRE_OK)
        status = buffer_append(&b->last_key, last.data, last.size);
    struct closed_block closed = { 0 };
    if (status == NACRE_OK)
        status = block_writer_close(&b->block, container_writer_id(b->out), offset, &closed);
    if (status != NACRE_OK)
        return status;
    fence_builder_flag(&b->fence, (closed.compressed ? PLACE_COMPRESSED : 0) | (closed.stripped ? PLACE_STRIPPED : 0));
    b->digest = block_digest_add(b->digest, load_u64(closed.bytes));
    status = container_write(b->out, closed.bytes, closed.size, NULL);
    return status == NACRE_OK && b->build_index ? place_keys(b, &closed) : status;
}

/* How the key follows the one before it: less than 0 out of order, 0 the same, else greater, with *shared bytes in common. */
static inline int compare_next(nacre_slice before, nacre_slice key, size_t *shared)
{
    if (likely(before.size >= 8 && key.size >= 8)) {
        uint64_t a = slice_head(before), b = slice_head(key);
        if (likely(a != b)) {
            *shared = (size_t)__builtin_clzll(a ^ b) / 8;
            return a < b ? 1 : -1;
        }
    }
    *shared = slice_shared_prefix(before, key);
    return slice_compare(key, before);
}

int ordered_builder_add(void *builder, const struct entry *e)
{
    struct ordered_builder *b = builder;
    size_t shared = 0;
    int order = 1, status = NACRE_OK;
    if (likely(b->entries)) {
        order =
            compare_next(b->block.count ? block_writer_key(&b->block, b->block.count - 1) : buffer_slice(&b->last_key),
                         e->key, &shared);
        if (unlikely(order < 0 || (order == 0 && e->sequence >= b->last_sequence)))
            return fail(NACRE_INVALID, "entries are not in order: sequence %llu after %llu",
                        (unsigned long long)e->sequence, (unsigned long long)b->last_sequence);
    } else {
        b->block.base_sequence = e->sequence;
        status = buffer_append(&b->least_key, e->key.data, e->key.size);
    }
    if (unlikely(e->key.size > NACRE_KEY_MAX))
        return fail(NACRE_LIMIT, "a key of %zu bytes", e->key.size);
    if (unlikely(block_writer_is_full(&b->block, e)))
        status = close_block(b);
    if (status == NACRE_OK && b->build_index && order > 0)
        status = index_builder_add(&b->index, e->key, shared, (uint32_t)b->block.count);
    if (status == NACRE_OK)
        status = block_writer_add(&b->block, e);
    if (unlikely(status != NACRE_OK))
        return status;
    b->last_sequence = e->sequence;
    b->entries++;
    b->keys += order > 0;
    return NACRE_OK;
}

static int write_description(struct ordered_builder *b)
{
    struct buffer section = { 0 };
    int status = buffer_append_u64(&section, b->block.base_sequence);
    if (status == NACRE_OK)
        status = buffer_append_u64(&section, b->entries);
    if (status == NACRE_OK)
        status = buffer_append_u64(&section, b->keys);
    if (status == NACRE_OK)
        status = buffer_append_u64(&section, b->digest);
    if (status == NACRE_OK)
        status = buffer_append_u32(&section, b->block_bytes);
    if (status == NACRE_OK)
        status = buffer_append_slice(&section, buffer_slice(&b->least_key));
    if (status == NACRE_OK)
        status = buffer_append_slice(&section, buffer_slice(&b->last_key));
    if (status == NACRE_OK)
        status = container_write_section(b->out, "ORDR", buffer_slice(&section));
    buffer_free(&section);
    return status;
}

int ordered_builder_finish(void *builder, struct container_writer *index)
{
    struct ordered_builder *b = builder;
    int status = close_block(b);
    if (status == NACRE_OK)
        status = container_align(b->out, 8);
    if (status == NACRE_OK && b->fence.blocks)
        status = fence_builder_write(&b->fence, b->out, (uint32_t)container_offset(b->out));
    if (status == NACRE_OK)
        status = write_description(b);
    if (status != NACRE_OK || !index)
        return status;
    b->index.positions.greatest_offset = b->greatest_offset;
    status = index_builder_write(&b->index, index);
    return status == NACRE_OK
               ? index_builder_write_learned(b->fence.ends.data, b->fence.separators.data, b->fence.blocks,
                                             fence_builder_prefix(&b->fence), b->learned_index, index)
               : status;
}

/* ---- the side file of a segment that exists ---- */

/* The keys of one block. `before` is the last key of all before it, and then of it. */
static int index_block(struct ordered_reader *r, struct index_builder *index, const struct block_view *v,
                       struct buffer *before, bool *any)
{
    struct buffer key = { 0 };
    int status = buffer_append(&key, v->prefix, v->stripped);
    for (uint32_t i = 0; i < v->count && status == NACRE_OK; i++) {
        struct record rec;
        uint32_t offset = block_slot(v, i);
        record_parse(v->bytes + offset, r->base_sequence, &rec);
        key.size = v->stripped;
        status = buffer_append(&key, rec.key, rec.key_size);
        if (status != NACRE_OK || (*any && slice_equal(buffer_slice(&key), buffer_slice(before))))
            continue;
        size_t shared = *any ? slice_shared_prefix(buffer_slice(&key), buffer_slice(before)) : 0;
        *any = true;
        status = index_builder_add(index, buffer_slice(&key), shared, offset);
        if (offset > index->positions.greatest_offset)
            index->positions.greatest_offset = offset;
        buffer_clear(before);
        if (status == NACRE_OK)
            status = buffer_append(before, key.data, key.size);
    }
    buffer_free(&key);
    return status == NACRE_OK ? position_builder_end_block(&index->positions) : status;
}

int ordered_build_index(void *reader, const struct index_job *job, struct container_writer *out)
{
    /* One thread, and little time and memory. */
    struct ordered_reader *r = reader;
    struct index_builder index = { 0 };
    struct buffer before = { 0 };
    bool any = false;
    int status = ordered_need_fence(r);
    for (uint32_t block = 0; status == NACRE_OK && block < r->fence.blocks; block++) {
        struct block_view v;
        status = ordered_view_block(r, block, &v);
        if (status != NACRE_OK)
            break;
        status = index_block(r, &index, &v, &before, &any);
        ordered_release_view(&v);
    }
    if (status == NACRE_OK)
        status = index_builder_write(&index, out);
    if (status == NACRE_OK)
        status = index_builder_write_learned(r->fence.ends, r->fence.separators, r->fence.blocks, 0,
                                             job ? job->learned_index : 1, out);
    buffer_free(&before);
    index_builder_free(&index);
    return status;
}
