/* Making version blocks; version_block.h has the bytes. One thread at a time. */
#include "strings/version_block_writer.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/varint.h"
#include "segment/block_sum.h"

#define VALUES_MOST (UINT32_MAX - (1u << 20))

/* How the columns will be. */
struct columns {
    uint8_t sequence_bytes, expiry_bytes, end_bytes;
    bool counted, deletes, specials;
    uint64_t expiry_base;
};

int version_block_writer_init(struct version_block_writer *w, enum compression codec)
{
    *w = (struct version_block_writer){ .plain = true, .newest_plain = true };
    return block_packer_init(&w->packer, codec);
}

void version_block_writer_free(struct version_block_writer *w)
{
    memory_free(w->pending);
    buffer_free(&w->values);
    buffer_free(&w->block);
    block_packer_free(&w->packer);
}

static int grow_pending(struct version_block_writer *w)
{
    size_t capacity = w->capacity ? w->capacity * 2 : 2 * KEY_BLOCK_KEYS;
    struct pending_version *pending = memory_realloc(w->pending, capacity * sizeof *pending);
    if (!pending)
        return NACRE_NO_MEMORY;
    w->pending = pending;
    w->capacity = capacity;
    return NACRE_OK;
}

int version_block_writer_add(struct version_block_writer *w, const struct entry *e, bool new_key)
{
    if (e->value.size > VALUES_MOST - w->values.size || w->count >= UINT32_MAX / 64)
        return fail(NACRE_LIMIT, "a value of %zu bytes is too large for a segment", e->value.size);
    if (w->count == w->capacity) {
        int status = grow_pending(w);
        if (status != NACRE_OK)
            return status;
    }
    if (e->value.size) {
        int status = buffer_append(&w->values, e->value.data, e->value.size);
        if (status != NACRE_OK)
            return status;
    }
    bool alive = e->type != ENTRY_DELETE && e->expiry_ms == 0;
    if (!new_key || !alive || e->type != ENTRY_PUT || e->value.size || e->sequence != w->base_sequence)
        w->plain = false;
    if (new_key && !alive)
        w->newest_plain = false;
    w->keys += new_key;
    w->pending[w->count++] = (struct pending_version){ e->sequence, e->expiry_ms, (uint32_t)w->values.size, e->type };
    w->afters[w->keys - 1] = (uint32_t)w->count;
    return NACRE_OK;
}

/* The bits of a type: version_block.h. */
static bool is_lower(uint8_t type)
{
    return type == ENTRY_DELETE || type == ENTRY_MERGE;
}

static bool is_special(uint8_t type)
{
    return type == ENTRY_POINTER || type == ENTRY_MERGE;
}

static uint8_t bytes_of(uint64_t most)
{
    return most ? (uint8_t)((71 - __builtin_clzll(most)) / 8) : 0;
}

static struct columns measure(const struct version_block_writer *w)
{
    struct columns c = { .counted = w->count > w->keys, .expiry_base = UINT64_MAX };
    uint64_t sequences = 0, expiry_most = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct pending_version *p = &w->pending[i];
        sequences |= zigzag(p->sequence - w->base_sequence);
        c.deletes |= is_lower(p->type);
        c.specials |= is_special(p->type);
        if (p->expiry_ms && p->expiry_ms < c.expiry_base)
            c.expiry_base = p->expiry_ms;
        if (p->expiry_ms > expiry_most)
            expiry_most = p->expiry_ms;
    }
    c.sequence_bytes = bytes_of(sequences);
    if (expiry_most)
        c.expiry_bytes = bytes_of(expiry_most - c.expiry_base + 1);
    else
        c.expiry_base = 0;
    c.end_bytes = bytes_of(w->values.size);
    if (c.end_bytes == 3)
        c.end_bytes = 4;
    return c;
}

/* A number of `width` bytes; what is behind it may be overwritten. */
static inline uint8_t *put_number(uint8_t *at, uint64_t number, uint8_t width)
{
    store_u64(at, number);
    return at + width;
}

/* A bit per version. Returns where it ends. */
static uint8_t *put_bits(const struct version_block_writer *w, bool (*is_set)(uint8_t type), uint8_t *at)
{
    memset(at, 0, (w->count + 7) / 8);
    for (size_t i = 0; i < w->count; i++)
        at[i / 8] = (uint8_t)(at[i / 8] | is_set(w->pending[i].type) << (i % 8));
    return at + (w->count + 7) / 8;
}

/* The columns and the values. */
static void put_body(const struct version_block_writer *w, const struct columns *c, uint8_t *at)
{
    if (c->counted) {
        memcpy(at, w->afters, 4 * (size_t)w->keys);
        at += 4 * (size_t)w->keys;
    }
    for (size_t i = 0; i < w->count && c->sequence_bytes; i++)
        at = put_number(at, zigzag(w->pending[i].sequence - w->base_sequence), c->sequence_bytes);
    if (c->deletes)
        at = put_bits(w, is_lower, at);
    if (c->specials)
        at = put_bits(w, is_special, at);
    for (size_t i = 0; i < w->count && c->expiry_bytes; i++) {
        uint64_t expiry = w->pending[i].expiry_ms;
        at = put_number(at, expiry ? expiry - c->expiry_base + 1 : 0, c->expiry_bytes);
    }
    for (size_t i = 0; i < w->count && c->end_bytes; i++)
        at = put_number(at, w->pending[i].value_end, c->end_bytes);
    if (w->values.size)
        memcpy(at, w->values.data, w->values.size);
}

static size_t body_size(const struct version_block_writer *w, const struct columns *c)
{
    return (c->counted ? 4 * (size_t)w->keys : 0) + ((size_t)c->deletes + c->specials) * ((w->count + 7) / 8) +
           w->count * ((size_t)c->sequence_bytes + c->expiry_bytes + c->end_bytes) + w->values.size;
}

static void put_header(const struct version_block_writer *w, const struct columns *c, uint8_t *at, size_t size,
                       size_t raw_size, bool packed)
{
    memset(at, 0, VERSION_BLOCK_HEADER);
    store_u32(at + 8, (uint32_t)size);
    store_u32(at + 12, (uint32_t)raw_size);
    store_u32(at + 16, (uint32_t)w->count);
    store_u16(at + 20, (uint16_t)w->keys);
    at[22] = packed ? (uint8_t)w->packer.codec : 0;
    at[23] = (uint8_t)((c->counted ? VERSIONS_COUNTED : 0) | (c->deletes ? VERSIONS_DELETES : 0) |
                       (c->specials ? VERSIONS_SPECIALS : 0));
    at[24] = c->sequence_bytes;
    at[25] = c->expiry_bytes;
    at[26] = c->end_bytes;
    store_u64(at + 32, c->expiry_base);
}

static int make_block(struct version_block_writer *w, uint64_t segment_id, uint64_t offset, nacre_slice *bytes)
{
    struct columns c = measure(w);
    size_t raw_size = VERSION_BLOCK_HEADER + body_size(w, &c), packed = 0;
    if (raw_size > UINT32_MAX)
        return fail(NACRE_LIMIT, "a block of %zu bytes is too large", raw_size);
    buffer_clear(&w->block);
    int status = buffer_reserve(&w->block, raw_size + 8);
    if (status != NACRE_OK)
        return status;
    put_body(w, &c, w->block.data + VERSION_BLOCK_HEADER);
    status = block_packer_try(&w->packer, slice_of(w->block.data, raw_size), VERSION_BLOCK_HEADER, &packed);
    if (status != NACRE_OK)
        return status;
    uint8_t *block = packed ? w->packer.packed.data : w->block.data;
    size_t size = packed ? packed : raw_size;
    put_header(w, &c, block, size, raw_size, packed != 0);
    store_u64(block, hash_bytes(block + 8, size - 8) + block_checksum_mix(segment_id, offset));
    *bytes = slice_of(block, size);
    return NACRE_OK;
}

int version_block_writer_close(struct version_block_writer *w, uint64_t segment_id, uint64_t offset, nacre_slice *bytes)
{
    *bytes = (nacre_slice){ NULL, 0 };
    int status = w->plain ? NACRE_OK : make_block(w, segment_id, offset, bytes);
    w->count = 0;
    w->keys = 0;
    w->plain = w->newest_plain = true;
    buffer_clear(&w->values);
    return status;
}
