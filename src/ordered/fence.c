/* Building and searching the fence index; fence.h has the bytes and the invariants. An open fence is immutable; any thread. */
#include "ordered/fence.h"
#include "base/memory.h"
#include "base/status.h"
#include "ordered/block.h"

#define FENCE_HEADER_BYTES 64u

/* ---- building ---- */

int fence_builder_add(struct fence_builder *b, uint32_t offset, uint32_t flags, nacre_slice last, nacre_slice first)
{
    int status = buffer_append_u32(&b->places, offset | flags);
    if (status == NACRE_OK && b->blocks > 0) {
        if (flags & PLACE_CONTINUES) {
            status = buffer_append(&b->separators, first.data, first.size);
            if (status == NACRE_OK)
                status = buffer_append_u8(&b->separators, 0);
        } else {
            /* As short as can be: up to the first byte in which it differs from the last key before it. */
            status = buffer_append(&b->separators, first.data, slice_shared_prefix(last, first) + 1);
        }
    }
    if (status == NACRE_OK && b->separators.size > UINT32_MAX)
        return fail(NACRE_LIMIT, "separators of more than 4 GiB");
    if (status == NACRE_OK)
        status = buffer_append_u32(&b->ends, (uint32_t)b->separators.size);
    if (status == NACRE_OK)
        b->blocks++;
    return status;
}

void fence_builder_flag(struct fence_builder *b, uint32_t flags)
{
    uint8_t *place = b->places.data + 4 * (size_t)(b->blocks - 1);
    store_u32(place, load_u32(place) | flags);
}

static nacre_slice built_separator(const struct fence_builder *b, uint32_t i)
{
    uint32_t start = i ? load_u32(b->ends.data + 4 * (size_t)(i - 1)) : 0;
    return slice_of(b->separators.data + start, load_u32(b->ends.data + 4 * (size_t)i) - start);
}

static uint32_t padded_count(uint32_t count)
{
    return (count + FENCE_NODE - 1) / FENCE_NODE * FENCE_NODE;
}

static uint32_t count_levels(uint32_t blocks)
{
    uint32_t levels = 1;
    for (uint32_t n = blocks; n > FENCE_NODE; n = (n + FENCE_NODE - 1) / FENCE_NODE)
        levels++;
    return levels;
}

/* All levels into one array, one after another. */
static int make_levels(const struct fence_builder *b, size_t prefix, uint32_t levels, uint64_t **out, size_t *out_count)
{
    size_t total = 0;
    uint32_t n = b->blocks;
    for (uint32_t l = 0; l < levels; l++, n = (n + FENCE_NODE - 1) / FENCE_NODE)
        total += padded_count(n);
    uint64_t *heads = memory_alloc(total * sizeof *heads);
    if (!heads)
        return NACRE_NO_MEMORY;
    memset(heads, 0xff, total * sizeof *heads);
    heads[0] = 0;
    for (uint32_t i = 1; i < b->blocks; i++) {
        nacre_slice s = built_separator(b, i);
        heads[i] = slice_head(slice_of((const uint8_t *)s.data + prefix, s.size - prefix));
    }
    const uint64_t *fine = heads;
    n = b->blocks;
    for (uint32_t l = 1; l < levels; l++) {
        uint64_t *coarse = heads + (fine - heads) + padded_count(n);
        n = (n + FENCE_NODE - 1) / FENCE_NODE;
        for (uint32_t i = 0; i < n; i++)
            coarse[i] = fine[(size_t)i * FENCE_NODE];
        fine = coarse;
    }
    *out = heads;
    *out_count = total;
    return NACRE_OK;
}

static int write_separators(const struct fence_builder *b, struct container_writer *out, size_t prefix)
{
    int status = NACRE_OK;
    for (uint32_t i = 0, end = 0; i < b->blocks && status == NACRE_OK; i++) {
        uint8_t bytes[4];
        end += i ? (uint32_t)(built_separator(b, i).size - prefix) : 0;
        store_u32(bytes, end);
        status = container_write(out, bytes, 4, NULL);
    }
    if (status == NACRE_OK && prefix)
        status = container_write(out, built_separator(b, 1).data, prefix, NULL);
    for (uint32_t i = 1; i < b->blocks && status == NACRE_OK; i++) {
        nacre_slice s = built_separator(b, i);
        status = container_write(out, (const uint8_t *)s.data + prefix, s.size - prefix, NULL);
    }
    return status;
}

size_t fence_builder_prefix(const struct fence_builder *b)
{
    return b->blocks > 1 ? slice_shared_prefix(built_separator(b, 1), built_separator(b, b->blocks - 1)) : 0;
}

int fence_builder_write(struct fence_builder *b, struct container_writer *out, uint32_t end)
{
    size_t prefix = fence_builder_prefix(b);
    uint32_t levels = count_levels(b->blocks);
    uint64_t *heads = NULL;
    size_t head_count = 0;
    int status = buffer_append_u32(&b->places, end);
    if (status == NACRE_OK)
        status = make_levels(b, prefix, levels, &heads, &head_count);
    if (status != NACRE_OK)
        return status;
    uint8_t header[FENCE_HEADER_BYTES] = { 0 };
    store_u32(header, b->blocks);
    store_u32(header + 4, levels);
    store_u32(header + 8, (uint32_t)prefix);
    store_u32(header + 12, (uint32_t)(b->separators.size - (b->blocks - 1) * prefix));
    store_u32(header + 16, end);
    status = container_section_begin(out, "FENC");
    if (status == NACRE_OK)
        status = container_write(out, header, sizeof header, NULL);
    if (status == NACRE_OK)
        status = container_write(out, heads, head_count * sizeof *heads, NULL);
    if (status == NACRE_OK)
        status = container_write(out, b->places.data, b->places.size, NULL);
    if (status == NACRE_OK)
        status = write_separators(b, out, prefix);
    if (status == NACRE_OK)
        status = container_section_end(out);
    memory_free(heads);
    return status;
}

void fence_builder_free(struct fence_builder *b)
{
    buffer_free(&b->places);
    buffer_free(&b->ends);
    buffer_free(&b->separators);
}

/* ---- opening ---- */

static int check_places(const struct container *c, const struct fence *f, uint64_t first, uint64_t limit)
{
    if (fence_offset(f, 0) != first || fence_offset(f, f->blocks) > limit || fence_place(f, f->blocks) & PLACE_FLAGS)
        return fail(NACRE_CORRUPT, "%s: fence index: blocks from %llu to at most %llu expected, %u to %u found",
                    c->path, (unsigned long long)first, (unsigned long long)limit, fence_offset(f, 0),
                    fence_place(f, f->blocks));
    for (uint32_t i = 0; i < f->blocks; i++) {
        uint32_t at = fence_offset(f, i), next = fence_offset(f, i + 1);
        if (next < at || next - at < BLOCK_HEADER_BYTES + 8)
            return fail(NACRE_CORRUPT, "%s: fence index: block %u at %u: an end behind %u expected, %u found", c->path,
                        i, at, at + BLOCK_HEADER_BYTES + 8, next);
    }
    return NACRE_OK;
}

static int check_ends(const struct container *c, const struct fence *f, uint32_t separator_bytes)
{
    uint32_t floor = 0;
    for (uint32_t i = 0; i < f->blocks; i++) {
        uint32_t end = load_u32(f->ends + 4 * (size_t)i);
        if (end < floor || end > separator_bytes || (i == 0 && end != 0))
            return fail(NACRE_CORRUPT, "%s: fence index: end of separator %u: %u to %u expected, %u found", c->path, i,
                        floor, i ? separator_bytes : 0, end);
        floor = end;
    }
    return NACRE_OK;
}

int fence_open(const struct container *c, nacre_slice section, uint64_t first, uint64_t limit, struct fence *f)
{
    *f = (struct fence){ 0 };
    struct reader r = reader_of(section);
    f->blocks = reader_u32(&r);
    f->levels = reader_u32(&r);
    f->prefix_size = reader_u32(&r);
    uint32_t separator_bytes = reader_u32(&r);
    reader_bytes(&r, FENCE_HEADER_BYTES - 16);
    if (!r.ok || f->blocks == 0 || f->blocks > UINT32_MAX / 32 || f->levels != count_levels(f->blocks))
        return fail(NACRE_CORRUPT, "%s: fence index: %u blocks in %u levels do not fit", c->path, f->blocks, f->levels);
    uint32_t n = f->blocks;
    for (uint32_t l = 0; l < f->levels; l++, n = (n + FENCE_NODE - 1) / FENCE_NODE) {
        f->level_count[l] = n;
        f->level[l] = reader_bytes(&r, (size_t)padded_count(n) * 8).data;
    }
    f->places = reader_bytes(&r, 4 * ((size_t)f->blocks + 1)).data;
    f->ends = reader_bytes(&r, 4 * (size_t)f->blocks).data;
    f->prefix = reader_bytes(&r, f->prefix_size).data;
    f->separators = reader_bytes(&r, separator_bytes).data;
    if (!r.ok || r.at != r.end)
        return fail(NACRE_CORRUPT, "%s: fence index: %zu bytes do not fit %u blocks, %u and %u bytes of keys", c->path,
                    section.size, f->blocks, f->prefix_size, separator_bytes);
    int status = check_places(c, f, first, limit);
    return status == NACRE_OK ? check_ends(c, f, separator_bytes) : status;
}

/* ---- searching ---- */

nacre_slice fence_separator(const struct fence *f, uint32_t block)
{
    uint32_t start = block ? load_u32(f->ends + 4 * (size_t)(block - 1)) : 0;
    return slice_of(f->separators + start, load_u32(f->ends + 4 * (size_t)block) - start);
}

/* The last block whose head is <= `head`; block 0 when none is. */
static uint32_t find_head(const struct fence *f, uint64_t head)
{
    uint32_t at = 0;
    for (uint32_t l = f->levels; l-- > 0;) {
        const uint8_t *node = f->level[l] + (size_t)at * FENCE_NODE * 8;
        if (l == 0) { /* what is asked for next */
            __builtin_prefetch(f->places + (size_t)at * FENCE_NODE * 4);
        }
        uint32_t below = 0;
        for (uint32_t i = 0; i < FENCE_NODE; i++)
            below += load_u64(node + 8 * i) <= head;
        at = at * FENCE_NODE + below - (below != 0);
        if (unlikely(at >= f->level_count[l]))
            at = f->level_count[l] - 1; /* fillers are <= the greatest head there is */
    }
    return at;
}

bool fence_strip_prefix(const struct fence *f, nacre_slice *key, uint32_t *outside)
{
    if (f->prefix_size == 0)
        return false;
    size_t part = key->size < f->prefix_size ? key->size : f->prefix_size;
    int order = part ? memcmp(key->data, f->prefix, part) : 0;
    if (order != 0 || key->size < f->prefix_size) {
        *outside = order > 0 ? f->blocks - 1 : 0;
        return true;
    }
    *key = slice_of((const uint8_t *)key->data + f->prefix_size, key->size - f->prefix_size);
    return false;
}

uint32_t fence_find_between(const struct fence *f, uint32_t low, uint32_t after, nacre_slice key)
{
    while (low + 1 < after) {
        uint32_t middle = low + (after - low) / 2;
        if (slice_compare(fence_separator(f, middle), key) <= 0)
            low = middle;
        else
            after = middle;
    }
    return low;
}

uint32_t fence_find(const struct fence *f, nacre_slice key)
{
    uint32_t outside;
    if (fence_strip_prefix(f, &key, &outside))
        return outside;
    uint64_t head = slice_head(key);
    uint32_t block = find_head(f, head);
    if (block == 0 || load_u64(f->level[0] + 8 * (size_t)block) != head)
        return block;
    if (slice_compare(fence_separator(f, block), key) <= 0)
        return block;
    /* Blocks with this head differ further back: the last of them that is not greater, or the one before all of them. */
    return fence_find_between(f, head ? find_head(f, head - 1) : 0, block, key);
}
