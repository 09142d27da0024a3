/* Prefix filters; prefix_filter.h has the bytes.
   Invariant: the hashes of a length are those of its distinct prefixes, once each: keys ascend, so equal prefixes are neighbours. */
#include "filter/prefix_filter.h"
#include "base/endian.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "filter/blocked_bloom.h"

#define SAMPLE_KEYS 8192u /* after so many keys a length with nearly as many prefixes is given up, to save the work */

static const uint32_t lengths[PREFIX_LENGTHS] = { 4, 8, 16, 32 };

static inline uint64_t prefix_hash(const void *key, uint32_t length)
{
    return hash_seeded(key, length, length);
}

static int append_hash(struct prefix_hashes *part, uint64_t hash)
{
    if (part->count == part->capacity) {
        size_t capacity = part->capacity ? part->capacity * 2 : 1024;
        uint64_t *hashes = memory_realloc(part->hashes, capacity * sizeof *hashes);
        if (!hashes)
            return NACRE_NO_MEMORY;
        part->hashes = hashes;
        part->capacity = capacity;
    }
    part->hashes[part->count++] = hash;
    return NACRE_OK;
}

int prefix_filter_add(struct prefix_filter_builder *b, nacre_slice key, size_t shared)
{
    bool first = b->keys++ == 0;
    for (uint32_t i = 0; i < PREFIX_LENGTHS && lengths[i] <= key.size; i++) {
        struct prefix_hashes *part = &b->part[i];
        if (part->dropped || (!first && shared >= lengths[i]))
            continue;
        int status = append_hash(part, prefix_hash(key.data, lengths[i]));
        if (status != NACRE_OK)
            return status;
        if (part->count >= SAMPLE_KEYS && part->count >= b->keys - b->keys / 4)
            part->dropped = true;
    }
    return NACRE_OK;
}

static int append_zeros(struct buffer *out, size_t size)
{
    int status = buffer_reserve(out, size);
    if (status != NACRE_OK)
        return status;
    memset(out->data + out->size, 0, size);
    out->size += size;
    return NACRE_OK;
}

static uint32_t blocks_for(size_t prefixes)
{
    return (uint32_t)bloom_blocks_for(prefixes);
}

/* Worth its place: at least two keys share a prefix on average, and there is more than one prefix to tell apart. */
static bool is_worth_keeping(const struct prefix_filter_builder *b, uint32_t i)
{
    const struct prefix_hashes *part = &b->part[i];
    return !part->dropped && part->count > 1 && part->count <= b->keys / 2;
}

int prefix_filter_make(struct prefix_filter_builder *b, struct buffer *out)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < PREFIX_LENGTHS; i++)
        kept += is_worth_keeping(b, i);
    if (kept == 0)
        return NACRE_OK;
    size_t start = out->size;
    int status = buffer_append_u32(out, kept);
    if (status == NACRE_OK)
        status = buffer_append_u32(out, 0);
    for (uint32_t i = 0; i < PREFIX_LENGTHS && status == NACRE_OK; i++) {
        if (!is_worth_keeping(b, i))
            continue;
        status = buffer_append_u32(out, lengths[i]);
        if (status == NACRE_OK)
            status = buffer_append_u32(out, blocks_for(b->part[i].count));
        if (status == NACRE_OK)
            status = buffer_append_u64(out, b->part[i].count);
    }
    if (status == NACRE_OK)
        status = append_zeros(out, (BLOOM_BLOCK_BYTES - (out->size - start) % BLOOM_BLOCK_BYTES) % BLOOM_BLOCK_BYTES);
    for (uint32_t i = 0; i < PREFIX_LENGTHS && status == NACRE_OK; i++) {
        if (!is_worth_keeping(b, i))
            continue;
        uint64_t blocks = blocks_for(b->part[i].count);
        size_t at = out->size;
        status = append_zeros(out, (size_t)blocks * BLOOM_BLOCK_BYTES);
        for (size_t k = 0; k < b->part[i].count && status == NACRE_OK; k++)
            bloom_add(out->data + at, blocks, b->part[i].hashes[k]);
    }
    return status;
}

void prefix_filter_builder_free(struct prefix_filter_builder *b)
{
    for (uint32_t i = 0; i < PREFIX_LENGTHS; i++)
        memory_free(b->part[i].hashes);
}

int prefix_filter_open(nacre_slice bytes, struct prefix_filter *f)
{
    *f = (struct prefix_filter){ 0 };
    struct reader r = reader_of(bytes);
    uint32_t count = reader_u32(&r);
    reader_u32(&r);
    if (!r.ok || count == 0 || count > PREFIX_LENGTHS)
        return fail(NACRE_CORRUPT, "prefix filter: 1 to 4 lengths expected, %u found", count);
    for (uint32_t i = 0; i < count; i++) {
        f->part[i].length = reader_u32(&r);
        f->part[i].blocks = reader_u32(&r);
        reader_u64(&r);
        if (f->part[i].length == 0 || f->part[i].blocks == 0 || (i && f->part[i].length <= f->part[i - 1].length))
            return fail(NACRE_CORRUPT, "prefix filter: ascending lengths expected, %u found at %u", f->part[i].length,
                        i);
    }
    size_t front = 8 + 16 * (size_t)count;
    reader_bytes(&r, (BLOOM_BLOCK_BYTES - front % BLOOM_BLOCK_BYTES) % BLOOM_BLOCK_BYTES);
    for (uint32_t i = 0; i < count; i++)
        f->part[i].bits = reader_bytes(&r, (size_t)f->part[i].blocks * BLOOM_BLOCK_BYTES).data;
    if (!r.ok || r.at != r.end)
        return fail(NACRE_CORRUPT, "prefix filter: %zu bytes do not fit its %u lengths", bytes.size, count);
    f->count = count;
    return NACRE_OK;
}

bool prefix_filter_may_have(const struct prefix_filter *f, nacre_slice prefix)
{
    for (uint32_t i = f->count; i-- > 0;) {
        if (f->part[i].length > prefix.size)
            continue;
        return bloom_may_have(f->part[i].bits, f->part[i].blocks, prefix_hash(prefix.data, f->part[i].length));
    }
    return true;
}
