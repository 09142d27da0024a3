/* What is left of a damaged segment of the ordered kind: every block whose checksum is right, wherever it lies. The fence is not asked: blocks tell their
   place themselves. Two passes, as the sequences may have to be told from all of them together. One thread; no locks. */
#include "base/hash.h"
#include "base/memory.h"
#include "ordered/reader.h"
#include "segment/codec.h"
#include "segment/container_format.h"
#include "segment/wreck.h"

#define ORDR_BASE_AT   0u
#define ORDR_DIGEST_AT 24u

struct ordered_salvage {
    const struct wreck *wreck;
    const struct salvage_sink *sink;
    struct wreck_blocks found;
    struct wreck_sequences read;
    struct wreck_walk walk;
    uint64_t base;
};

static bool looks_like_block(const uint8_t *bytes, uint32_t size)
{
    uint32_t raw_size = load_u32(bytes + 12);
    return bytes[22] <= COMPRESSION_ZSTD &&
           (bytes[22] == 0 ? raw_size == size : raw_size >= BLOCK_HEADER_BYTES && raw_size <= CODEC_RAW_MAX);
}

static const struct block_shape shape = { BLOCK_HEADER_BYTES + 8, looks_like_block };

/* A raw copy with slack behind it; *raw is NULL where the block is not what it should be though its checksum is. */
static int unpack(const struct wreck *w, const struct wreck_block *block, uint8_t **raw)
{
    const uint8_t *stored = w->bytes + block->offset;
    size_t size = load_u32(stored + 12);
    int status = NACRE_OK;
    *raw = memory_zalloc(size + BLOCK_SLACK_BYTES);
    if (!*raw)
        return NACRE_NO_MEMORY;
    if (stored[22] == 0) {
        memcpy(*raw, stored, size);
    } else {
        memcpy(*raw, stored, BLOCK_HEADER_BYTES);
        status =
            decompressor_run(w->decompressor, (enum compression)stored[22], stored + BLOCK_HEADER_BYTES,
                             block->size - BLOCK_HEADER_BYTES, *raw + BLOCK_HEADER_BYTES, size - BLOCK_HEADER_BYTES);
    }
    if (status == NACRE_NO_MEMORY || (status == NACRE_OK && block_check(*raw, size) == NULL))
        return status;
    memory_free(*raw);
    *raw = NULL;
    return NACRE_OK;
}

static int note_sequences(struct ordered_salvage *s, const uint8_t *raw)
{
    struct block_view v;
    block_view_make(raw, &v);
    for (uint32_t i = 0; i < v.count; i++) {
        struct record r;
        record_parse(raw + block_slot(&v, i), 0, &r);
        wreck_note_sequence(&s->read, r.sequence);
    }
    return NACRE_OK;
}

static int give_records(struct ordered_salvage *s, const uint8_t *raw, uint64_t offset)
{
    struct block_view v;
    struct buffer key = { 0 };
    block_view_make(raw, &v);
    int status = buffer_append(&key, v.prefix, v.stripped);
    for (uint32_t i = 0; i < v.count && status == NACRE_OK; i++) {
        struct record r;
        record_parse(raw + block_slot(&v, i), s->base, &r);
        key.size = v.stripped;
        status = buffer_append(&key, r.key, r.key_size);
        if (status == NACRE_OK && i == 0)
            status = wreck_note_gap(&s->walk, offset, buffer_slice(&key));
        struct entry e = { .key = buffer_slice(&key),
                           .value = record_value(&r),
                           .sequence = r.sequence,
                           .expiry_ms = r.expiry_ms,
                           .type = r.type };
        if (status == NACRE_OK)
            status = s->sink->entry(s->sink->context, &e);
    }
    buffer_clear(&s->walk.key);
    if (status == NACRE_OK)
        status = buffer_append(&s->walk.key, key.data, key.size);
    s->walk.any = true;
    buffer_free(&key);
    return status;
}

static int pass(struct ordered_salvage *s, bool give)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < s->found.count && status == NACRE_OK; i++) {
        const struct wreck_block *block = &s->found.blocks[i];
        uint8_t *raw = NULL;
        status = unpack(s->wreck, block, &raw);
        if (raw && status == NACRE_OK) {
            status = give ? give_records(s, raw, block->offset) : note_sequences(s, raw);
            if (give)
                s->walk.end = (block->offset + block->size + 7) / 8 * 8;
        }
        memory_free(raw);
    }
    return status;
}

int ordered_salvage(const struct wreck *w, const struct salvage_sink *sink)
{
    struct ordered_salvage s = {
        .wreck = w,
        .sink = sink,
        .walk = { .wreck = w, .sink = sink, .what = "blocks of entries", .end = CONTAINER_HEADER_BYTES }
    };
    int status = wreck_find_blocks(w, CONTAINER_HEADER_BYTES, 0, w->parts_end < w->size ? w->parts_end : w->size,
                                   &shape, &s.found);
    s.read.digest = s.found.digest;
    if (status == NACRE_OK)
        status = pass(&s, false);
    if (status == NACRE_OK && s.read.entries &&
        !wreck_base_sequence(w, "ORDR", ORDR_BASE_AT, ORDR_DIGEST_AT, &s.read, &s.base))
        status = sink->doubt(sink->context);
    if (status == NACRE_OK)
        status = pass(&s, true);
    if (status == NACRE_OK)
        status = wreck_note_tail(&s.walk, &s.read, wreck_is_complete(w, "ORDR", ORDR_DIGEST_AT, s.read.digest),
                                 w->parts_end);
    buffer_free(&s.walk.key);
    wreck_blocks_free(&s.found);
    return status;
}
