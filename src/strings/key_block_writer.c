/* Making blocks of keys; key_block.h has the bytes. One thread at a time. */
#include "strings/key_block_writer.h"
#include "base/hash.h"
#include "segment/block_sum.h"
#include "base/utf8.h"

int key_block_writer_add(struct key_block_writer *w, nacre_slice key, size_t common)
{
    if (w->count == 0) {
        common = 0;
        w->shared = key.size;
    } else if (common < w->shared) {
        w->shared = common;
    }
    size_t rest = key.size - common;
    int status = buffer_append(&w->stream, (const uint8_t *)key.data + common, rest);
    if (status != NACRE_OK)
        return status;
    w->common[w->count] = (uint32_t)common;
    w->rests[w->count++] = (uint32_t)rest;
    return NACRE_OK;
}

/* The first key is kept as a whole: what it shares with all others is not part of its bytes in the stream. */
static void settle_first(struct key_block_writer *w)
{
    w->common[0] = (uint32_t)w->shared;
    w->rests[0] -= (uint32_t)w->shared;
}

static bool needs_wide(const struct key_block_writer *w)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < w->count; i++)
        most |= (w->common[i] - (uint32_t)w->shared) | w->rests[i];
    return most > 255;
}

static void put_numbers(const struct key_block_writer *w, bool wide, uint8_t *at)
{
    uint32_t shared = (uint32_t)w->shared;
    for (uint32_t i = 0; i < w->count; i++) {
        if (wide) {
            store_u32(at + 4 * (size_t)i, w->common[i] - shared);
            store_u32(at + 4 * (size_t)(w->count + i), w->rests[i]);
        } else {
            at[i] = (uint8_t)(w->common[i] - shared);
            at[w->count + i] = (uint8_t)w->rests[i];
        }
    }
}

static int find_kinds_of_bytes(struct key_block_writer *w, const uint8_t *block, uint8_t *flags)
{
    if (utf8_is_ascii(slice_of(w->stream.data, w->stream.size)))
        return NACRE_OK;
    *flags |= KEY_BLOCK_NON_ASCII;
    struct key_block b;
    int status = NACRE_OK;
    key_block_view(block, &b);
    key_block_walk_begin(&w->walk, &b);
    while (key_block_walk_next(&w->walk, &status))
        if (!utf8_is_valid(buffer_slice(&w->walk.key))) {
            *flags |= KEY_BLOCK_NOT_UTF8;
            break;
        }
    return status;
}

int key_block_writer_close(struct key_block_writer *w, uint64_t segment_id, uint64_t offset, nacre_slice *bytes)
{
    settle_first(w);
    bool wide = needs_wide(w);
    size_t numbers = 2 * (size_t)w->count * (wide ? 4 : 1);
    size_t size = KEY_BLOCK_HEADER + numbers + w->stream.size; /* the stream begins with the shared bytes */
    buffer_clear(&w->block);
    int status = buffer_reserve(&w->block, size + KEY_BLOCK_SLACK);
    if (status != NACRE_OK)
        return status;
    uint8_t *block = w->block.data, flags = wide ? KEY_BLOCK_WIDE : 0;
    store_u32(block + 8, (uint32_t)size);
    store_u16(block + 12, (uint16_t)w->count);
    block[14] = flags;
    block[15] = 0;
    store_u32(block + 16, (uint32_t)w->shared);
    store_u32(block + 20, (uint32_t)(w->stream.size - w->shared));
    put_numbers(w, wide, block + KEY_BLOCK_HEADER);
    if (w->stream.size)
        memcpy(block + KEY_BLOCK_HEADER + numbers, w->stream.data, w->stream.size);
    memset(block + size, 0, KEY_BLOCK_SLACK);
    status = find_kinds_of_bytes(w, block, &flags);
    if (status != NACRE_OK)
        return status;
    block[14] = flags;
    store_u64(block, hash_bytes(block + 8, size - 8) + block_checksum_mix(segment_id, offset));
    *bytes = slice_of(block, size);
    w->count = 0;
    buffer_clear(&w->stream);
    return NACRE_OK;
}

void key_block_writer_free(struct key_block_writer *w)
{
    buffer_free(&w->stream);
    buffer_free(&w->block);
    key_block_walk_end(&w->walk);
}
