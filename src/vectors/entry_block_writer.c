/* Making blocks of entries and their values; entry_block.h has the bytes. One thread at a time. */
#include "vectors/entry_block_writer.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/block_sum.h"

#define VALUES_MOST (UINT32_MAX - (1u << 20))

struct widths {
    uint8_t sequence, expiry, value;
    uint64_t expiry_base;
};

int entry_block_writer_init(struct entry_block_writer *w, enum compression codec)
{
    *w = (struct entry_block_writer){ 0 };
    return block_packer_init(&w->packer, codec);
}

void entry_block_writer_free(struct entry_block_writer *w)
{
    buffer_free(&w->stream);
    buffer_free(&w->values);
    buffer_free(&w->block);
    block_packer_free(&w->packer);
}

int entry_block_writer_add(struct entry_block_writer *w, const struct entry *e, size_t common, bool newest)
{
    if (e->value.size > VALUES_MOST - w->values.size)
        return fail(NACRE_LIMIT, "a value of %zu bytes is too large for a segment", e->value.size);
    if (w->count == 0)
        common = 0;
    if (w->values.size == 0) { /* the first 8 bytes are for the checksum */
        int status = buffer_append_u64(&w->values, 0);
        if (status != NACRE_OK)
            return status;
    }
    int status = e->value.size ? buffer_append(&w->values, e->value.data, e->value.size) : NACRE_OK;
    size_t rest = e->key.size - common;
    if (status == NACRE_OK && rest)
        status = buffer_append(&w->stream, (const uint8_t *)e->key.data + common, rest);
    if (status != NACRE_OK)
        return status;
    w->puts |= (uint32_t)entry_sets(e) << w->count;
    w->pointers |= (uint32_t)(e->type == ENTRY_POINTER) << w->count;
    w->firsts |= (uint32_t)newest << w->count;
    w->pending[w->count++] = (struct pending_entry){ e->sequence, e->expiry_ms, (uint32_t)(w->values.size - 8),
                                                     (uint16_t)common, (uint16_t)w->stream.size };
    return NACRE_OK;
}

static uint8_t bytes_of(uint64_t most)
{
    return most ? (uint8_t)((71 - __builtin_clzll(most)) / 8) : 0;
}

static struct widths measure(const struct entry_block_writer *w)
{
    struct widths widths = { .expiry_base = UINT64_MAX };
    uint64_t sequences = 0, expiry_most = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        const struct pending_entry *p = &w->pending[i];
        sequences |= zigzag(p->sequence - w->base_sequence);
        if (p->expiry_ms && p->expiry_ms < widths.expiry_base)
            widths.expiry_base = p->expiry_ms;
        if (p->expiry_ms > expiry_most)
            expiry_most = p->expiry_ms;
    }
    widths.sequence = bytes_of(sequences);
    if (expiry_most)
        widths.expiry = bytes_of(expiry_most - widths.expiry_base + 1);
    else
        widths.expiry_base = 0;
    widths.value = bytes_of(w->values.size - 8);
    if (widths.value == 3)
        widths.value = 4;
    return widths;
}

/* The values as they are stored, behind room for their checksum. */
static int pack_values(struct entry_block_writer *w, nacre_slice *stored, uint8_t *codec)
{
    size_t packed = 0;
    *stored = buffer_slice(&w->values);
    *codec = 0;
    int status = w->values.size < 24 ? NACRE_OK : block_packer_try(&w->packer, *stored, 8, &packed);
    if (packed) {
        *stored = slice_of(w->packer.packed.data, packed);
        *codec = (uint8_t)w->packer.codec;
    }
    return status;
}

static int append_columns(struct entry_block_writer *w, const struct widths *widths)
{
    struct buffer *out = &w->block;
    int status = w->pointers ? buffer_append_u32(out, w->pointers) : NACRE_OK;
    for (uint32_t i = 0; i < w->count && status == NACRE_OK; i++)
        status = buffer_append_u16(out, w->pending[i].common);
    for (uint32_t i = 0; i < w->count && status == NACRE_OK; i++)
        status = buffer_append_u16(out, w->pending[i].end);
    for (uint32_t i = 0; i < w->count && status == NACRE_OK; i++) {
        uint64_t sequence = zigzag(w->pending[i].sequence - w->base_sequence);
        status = buffer_append(out, &sequence, widths->sequence);
    }
    for (uint32_t i = 0; i < w->count && status == NACRE_OK; i++) {
        uint64_t expiry = w->pending[i].expiry_ms;
        expiry = expiry ? expiry - widths->expiry_base + 1 : 0;
        status = buffer_append(out, &expiry, widths->expiry);
    }
    for (uint32_t i = 0; i < w->count && status == NACRE_OK; i++)
        status = buffer_append(out, &w->pending[i].value_end, widths->value);
    return status == NACRE_OK ? buffer_append(out, w->stream.data, w->stream.size) : status;
}

static void begin_next(struct entry_block_writer *w)
{
    w->first_row += (uint32_t)__builtin_popcount(w->puts);
    w->count = w->puts = w->pointers = w->firsts = 0;
    buffer_clear(&w->stream);
    buffer_clear(&w->values);
}

int entry_block_writer_close(struct entry_block_writer *w, uint64_t segment_id, uint64_t offset, uint64_t values_offset,
                             bool goes_on, nacre_slice *block, nacre_slice *values)
{
    struct widths widths = measure(w);
    uint8_t codec = 0;
    *values = (nacre_slice){ NULL, 0 };
    int status = widths.value ? pack_values(w, values, &codec) : NACRE_OK;
    buffer_clear(&w->block);
    if (status == NACRE_OK)
        status = buffer_reserve(&w->block, ENTRY_BLOCK_HEADER);
    if (status != NACRE_OK)
        return status;
    w->block.size = ENTRY_BLOCK_HEADER;
    status = append_columns(w, &widths);
    if (status != NACRE_OK)
        return status;
    uint8_t *header = w->block.data;
    memset(header, 0, ENTRY_BLOCK_HEADER);
    store_u32(header + 8, (uint32_t)w->block.size);
    header[12] = (uint8_t)w->count;
    header[13] = codec;
    header[14] = widths.sequence;
    header[15] = widths.expiry;
    header[16] = widths.value;
    header[17] = (uint8_t)((goes_on ? ENTRY_BLOCK_GOES_ON : 0) | (w->pointers ? ENTRY_BLOCK_POINTERS : 0));
    store_u32(header + 20, w->puts);
    store_u32(header + 24, w->firsts);
    store_u32(header + 28, w->first_row);
    store_u64(header + 32, widths.expiry_base);
    if (values->size) {
        uint8_t *sum = (uint8_t *)(uintptr_t)values->data; /* it lies in a buffer of the writer */
        store_u32(header + 40, (uint32_t)values_offset);
        store_u32(header + 44, (uint32_t)values->size);
        store_u64(sum, hash_bytes(sum + 8, values->size - 8) +
                           block_checksum_mix(segment_id, values_offset + ENTRY_VALUES_MIX));
    }
    store_u64(header, hash_bytes(header + 8, w->block.size - 8) + block_checksum_mix(segment_id, offset));
    *block = buffer_slice(&w->block);
    begin_next(w);
    return NACRE_OK;
}
