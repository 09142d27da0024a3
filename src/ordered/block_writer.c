/* Making blocks of the ordered kind; block.h has the bytes.
   Records are gathered with whole keys. When the block closes, its first and last key tell what all share; the shared bytes are taken
   out of the records only where that saves a sixteenth of the block: a reader that found a record by position then has to look at
   the block's head too, which costs a cache miss. One thread at a time. */
#include "ordered/block_writer.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"

int block_writer_init(struct block_writer *w, uint32_t target_bytes, enum compression codec)
{
    *w = (struct block_writer){ .target_bytes = target_bytes };
    int status = buffer_reserve(&w->records, target_bytes + (size_t)(target_bytes / 2));
    return status == NACRE_OK ? block_packer_init(&w->packer, codec) : status;
}

void block_writer_free(struct block_writer *w)
{
    buffer_free(&w->records);
    buffer_free(&w->block);
    memory_free(w->pending);
    block_packer_free(&w->packer);
}

static int grow_pending(struct block_writer *w)
{
    size_t capacity = w->pending_capacity ? w->pending_capacity * 2 : 256;
    struct pending_record *pending = memory_realloc(w->pending, capacity * sizeof *pending);
    if (!pending)
        return NACRE_NO_MEMORY;
    w->pending = pending;
    w->pending_capacity = capacity;
    return NACRE_OK;
}

static inline uint8_t *put_head(uint8_t *at, const struct entry *e, uint64_t base_sequence)
{
    uint64_t delta = zigzag(e->sequence - base_sequence);
    uint32_t sequence_bytes = delta ? (uint32_t)(71 - __builtin_clzll(delta)) / 8 : 1;
    uint32_t flags =
        (e->type & 1u) | (e->type & 2u) << 6 | (e->expiry_ms ? RECORD_EXPIRY : 0) | (sequence_bytes - 1) << 4;
    uint8_t *head = at++;
    if (likely(e->key.size <= 255 && e->value.size <= 255)) {
        *at++ = (uint8_t)e->key.size;
        *at++ = (uint8_t)e->value.size;
    } else if (e->key.size <= 255 && e->value.size <= UINT16_MAX) {
        flags |= 4;
        *at++ = (uint8_t)e->key.size;
        store_u16(at, (uint16_t)e->value.size);
        at += 2;
    } else if (e->key.size <= 255) {
        flags |= 8;
        *at++ = (uint8_t)e->key.size;
        store_u32(at, (uint32_t)e->value.size);
        at += 4;
    } else {
        flags |= 12;
        store_u16(at, (uint16_t)e->key.size);
        store_u32(at + 2, (uint32_t)e->value.size);
        at += 6;
    }
    store_u64(at, delta);
    at += sequence_bytes;
    if (e->expiry_ms) {
        store_u64(at, e->expiry_ms);
        at += 8;
    }
    *head = (uint8_t)flags;
    return at;
}

int block_writer_add(struct block_writer *w, const struct entry *e)
{
    size_t needed = RECORD_HEAD_MAX + BLOCK_SLACK_BYTES + e->key.size + e->value.size;
    if (unlikely(w->records.size > UINT32_MAX / 2 || e->value.size > UINT32_MAX - (UINT32_C(1) << 20)))
        return fail(NACRE_LIMIT, "a value of %zu bytes is too large for a segment", e->value.size);
    if (unlikely(w->records.capacity - w->records.size < needed)) {
        int status = buffer_reserve(&w->records, needed);
        if (status != NACRE_OK)
            return status;
    }
    if (unlikely(w->count == w->pending_capacity)) {
        int status = grow_pending(w);
        if (status != NACRE_OK)
            return status;
    }
    uint8_t *start = w->records.data + w->records.size;
    uint8_t *at = put_head(start, e, w->base_sequence);
    w->pending[w->count++] =
        (struct pending_record){ (uint32_t)w->records.size, (uint16_t)e->key.size, (uint8_t)(at - start) };
    if (e->key.size)
        memcpy(at, e->key.data, e->key.size);
    at += e->key.size;
    if (e->value.size)
        memcpy(at, e->value.data, e->value.size);
    w->records.size = (size_t)(at + e->value.size - w->records.data);
    return NACRE_OK;
}

nacre_slice block_writer_key(const struct block_writer *w, size_t i)
{
    const struct pending_record *p = &w->pending[i];
    return slice_of(w->records.data + p->offset + p->head_size, p->key_size);
}

/* Takes `stripped` bytes out of each key. The size of the key keeps its width, so only one or two bytes of a head change. */
static void strip_keys(struct block_writer *w, uint32_t stripped)
{
    uint8_t *to = w->records.data;
    for (size_t i = 0; i < w->count; i++) {
        const struct pending_record *p = &w->pending[i];
        uint8_t *from = w->records.data + p->offset;
        size_t end = i + 1 < w->count ? w->pending[i + 1].offset : w->records.size;
        uint32_t rest = p->key_size - stripped;
        if ((from[0] & RECORD_SIZES) == RECORD_SIZES)
            store_u16(from + 1, (uint16_t)rest);
        else
            from[1] = (uint8_t)rest;
        memmove(to, from, p->head_size);
        to += p->head_size;
        size_t tail = end - p->offset - p->head_size - stripped;
        memmove(to, from + p->head_size + stripped, tail);
        to += tail;
    }
    w->records.size = (size_t)(to - w->records.data);
}

/* Heads, slots, the shared bytes. Returns the offset of the first record. */
static uint32_t put_front(const struct block_writer *w, uint8_t *block, uint32_t shared, uint32_t stripped, bool wide)
{
    uint8_t *head = block + BLOCK_HEADER_BYTES;
    uint8_t *slot = head + 2 * w->count;
    uint32_t first = BLOCK_HEADER_BYTES + (uint32_t)w->count * (wide ? 6 : 4) + stripped;
    for (size_t i = 0; i < w->count; i++, head += 2) {
        const struct pending_record *p = &w->pending[i];
        const uint8_t *key = w->records.data + p->offset + p->head_size + shared;
        uint32_t rest = p->key_size - shared;
        store_u16(head, (uint16_t)((rest > 0 ? key[0] << 8 : 0) | (rest > 1 ? key[1] : 0)));
        uint32_t offset = first + block_writer_offset(w, i, stripped);
        if (wide)
            store_u32(slot + 4 * i, offset);
        else
            store_u16(slot + 2 * i, (uint16_t)offset);
    }
    if (stripped)
        memcpy(block + first - stripped, block_writer_key(w, 0).data, stripped);
    return first;
}

int block_writer_close(struct block_writer *w, uint64_t segment_id, uint64_t offset, struct closed_block *closed)
{
    uint32_t shared = (uint32_t)slice_shared_prefix(block_writer_key(w, 0), block_writer_key(w, w->count - 1));
    bool strip = w->count > 1 && (w->count - 1) * (size_t)shared >= w->records.size / 16 && shared;
    uint32_t stripped = strip ? shared : 0;
    size_t body = w->records.size - w->count * (size_t)stripped;
    size_t last = BLOCK_HEADER_BYTES + w->count * 4 + stripped + block_writer_offset(w, w->count - 1, stripped);
    bool wide = last > UINT16_MAX;
    size_t raw_size = BLOCK_HEADER_BYTES + w->count * (wide ? 6u : 4u) + stripped + body;
    if (raw_size > UINT32_MAX)
        return fail(NACRE_LIMIT, "a block of %zu bytes is too large", raw_size);

    buffer_clear(&w->block);
    int status = buffer_reserve(&w->block, raw_size);
    if (status != NACRE_OK)
        return status;
    uint8_t *block = w->block.data;
    uint32_t first = put_front(w, block, shared, stripped, wide);
    if (strip)
        strip_keys(w, stripped);
    memcpy(block + first, w->records.data, w->records.size);
    size_t packed = 0;
    status = block_packer_try(&w->packer, slice_of(block, raw_size), BLOCK_HEADER_BYTES, &packed);
    if (status != NACRE_OK)
        return status;

    uint8_t *bytes = packed ? w->packer.packed.data : block;
    size_t size = packed ? packed : raw_size;
    store_u32(bytes + 8, (uint32_t)size);
    store_u32(bytes + 12, (uint32_t)raw_size);
    store_u32(bytes + 16, (uint32_t)w->count);
    store_u16(bytes + 20, (uint16_t)shared);
    bytes[22] = packed ? (uint8_t)w->packer.codec : 0;
    bytes[23] = (uint8_t)((wide ? BLOCK_WIDE_SLOTS : 0) | (strip ? BLOCK_STRIPPED : 0));
    store_u64(bytes, hash_bytes(bytes + 8, size - 8) + block_checksum_mix(segment_id, offset));
    *closed = (struct closed_block){ bytes, size, first, stripped, packed != 0 };
    w->count = 0;
    w->records.size = 0;
    return NACRE_OK;
}
