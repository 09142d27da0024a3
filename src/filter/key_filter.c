/* Filters of whole keys; key_filter.h has the bytes.
   Half a hash per key is kept while building, which halves the memory; that two keys of a segment have the same half is far rarer than what the
   filter itself takes for present. Any thread may ask; one builds. */
#include "filter/key_filter.h"
#include "base/endian.h"
#include "base/memory.h"
#include "base/status.h"
#include "filter/blocked_bloom.h"

#define HEADER_BYTES 64u
#define AHEAD        16u /* hashes whose blocks are fetched before they are set */

int key_filter_reserve(struct key_filter_builder *b, size_t capacity)
{
    size_t bytes = 0;
    if (!size_multiply(capacity, sizeof *b->hashes, &bytes))
        return fail(NACRE_LIMIT, "a filter of %zu keys", capacity);
    uint32_t *hashes = memory_realloc(b->hashes, bytes);
    if (!hashes)
        return NACRE_NO_MEMORY;
    b->hashes = hashes;
    b->capacity = capacity;
    return NACRE_OK;
}

int key_filter_make(const struct key_filter_builder *b, struct buffer *out)
{
    uint64_t blocks = bloom_blocks_for(b->count);
    if (blocks > UINT32_MAX)
        return fail(NACRE_LIMIT, "too many keys for one filter");
    size_t size = HEADER_BYTES + (size_t)blocks * BLOOM_BLOCK_BYTES;
    int status = buffer_reserve(out, size);
    if (status != NACRE_OK)
        return status;
    uint8_t *at = out->data + out->size;
    memset(at, 0, size);
    store_u32(at, (uint32_t)blocks);
    store_u64(at + 8, b->count);
    for (size_t i = 0; i < b->count; i++) {
        if (i + AHEAD < b->count)
            __builtin_prefetch(at + HEADER_BYTES + bloom_block_offset(blocks, (uint64_t)b->hashes[i + AHEAD] << 32), 1);
        bloom_add(at + HEADER_BYTES, blocks, (uint64_t)b->hashes[i] << 32);
    }
    out->size += size;
    return NACRE_OK;
}

void key_filter_builder_free(struct key_filter_builder *b)
{
    memory_free(b->hashes);
}

int key_filter_open(nacre_slice bytes, struct key_filter *f)
{
    *f = (struct key_filter){ 0 };
    struct reader r = reader_of(bytes);
    uint32_t blocks = reader_u32(&r);
    reader_u32(&r);
    uint64_t keys = reader_u64(&r);
    reader_bytes(&r, HEADER_BYTES - 16);
    if (!r.ok || bytes.size != HEADER_BYTES + (uint64_t)blocks * BLOOM_BLOCK_BYTES ||
        keys > UINT64_MAX / BLOOM_BITS_PER_HASH / 2 || blocks != bloom_blocks_for(keys))
        return fail(NACRE_CORRUPT, "key filter: %zu bytes, %u blocks and %llu keys do not fit", bytes.size, blocks,
                    (unsigned long long)keys);
    *f = (struct key_filter){ r.at, keys, blocks };
    return NACRE_OK;
}

void key_filter_prefetch(const struct key_filter *f, uint64_t hash)
{
    if (f->blocks)
        __builtin_prefetch(f->bits + bloom_block_offset(f->blocks, hash >> 32 << 32));
}

bool key_filter_may_have(const struct key_filter *f, uint64_t hash)
{
    return f->blocks && bloom_may_have(f->bits, f->blocks, hash >> 32 << 32);
}
