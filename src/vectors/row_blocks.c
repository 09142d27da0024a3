/* Checking blocks of vectors; row_blocks.h has the bytes.
   Invariants:
   1. A block's bit in `checked` is set (release) only after its bytes, where rows are read, were found right, and all numbers in them finite, as whoever computes
      with them relies on; they never change then.
   2. Without a map a block of `memory` is written under `lock` alone, and only while its bit is not set.
   Any thread; the container's lock may be taken under `lock`. */
#include "base/endian.h"
#include "base/memory.h"
#include "base/status.h"
#include "distance/distance.h"
#include "vectors/reader.h"

int row_blocks_open(struct container *c, uint64_t begin, uint32_t rows, size_t stride, struct row_blocks **out)
{
    *out = NULL;
    struct row_blocks *b = memory_zalloc(sizeof *b);
    if (!b)
        return NACRE_NO_MEMORY;
    *b = (struct row_blocks){ .container = c, .begin = begin, .rows = rows, .stride = stride };
    b->shift = row_block_shift(stride);
    b->blocks = (uint32_t)(((uint64_t)rows + (UINT64_C(1) << b->shift) - 1) >> b->shift);
    pthread_mutex_init(&b->lock, NULL);
    size_t words = ((size_t)b->blocks + 63) / 64;
    b->checked = memory_alloc(words * sizeof *b->checked + 1);
    if (!c->map && rows)
        b->memory = memory_map((size_t)rows * stride);
    if (!b->checked || (!c->map && rows && !b->memory)) {
        row_blocks_close(b);
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < words; i++)
        atomic_init(&b->checked[i], 0);
    *out = b;
    return NACRE_OK;
}

void row_blocks_close(struct row_blocks *b)
{
    if (!b)
        return;
    memory_unmap(b->memory, (size_t)b->rows * b->stride);
    memory_free((void *)b->checked);
    pthread_mutex_destroy(&b->lock);
    memory_free(b);
}

const uint8_t *row_blocks_vectors(const struct row_blocks *b)
{
    return b->memory ? b->memory : b->container->map ? b->container->map + b->begin : NULL;
}

uint64_t row_blocks_memory(const struct row_blocks *b)
{
    return sizeof *b + ((uint64_t)b->blocks + 63) / 64 * 8 + atomic_load_explicit(&b->in_heap, memory_order_relaxed);
}

static uint64_t block_offset(const struct row_blocks *b, uint32_t block)
{
    return ((uint64_t)block << b->shift) * b->stride; /* from row 0 on */
}

static size_t block_size(const struct row_blocks *b, uint32_t block)
{
    uint64_t end = block + 1 == b->blocks ? (uint64_t)b->rows * b->stride : block_offset(b, block + 1);
    return (size_t)(end - block_offset(b, block));
}

static int check(const struct row_blocks *b, uint32_t block, const uint8_t *bytes)
{
    struct container *c = b->container;
    nacre_slice sums;
    int status = container_section(c, "VSUM", &sums);
    if (status == NACRE_NOT_FOUND)
        return fail(NACRE_CORRUPT, "%s: section VSUM expected, none found", c->path);
    if (status == NACRE_OK && sums.size != 8 * (size_t)b->blocks)
        status = fail(NACRE_CORRUPT, "%s: section VSUM: %zu bytes expected, %zu found", c->path, 8 * (size_t)b->blocks,
                      sums.size);
    if (status != NACRE_OK)
        return status;
    uint64_t offset = b->begin + block_offset(b, block);
    uint64_t expected = load_u64((const uint8_t *)sums.data + 8 * (size_t)block);
    uint64_t found = row_block_checksum(c->id, offset, bytes, block_size(b, block));
    if (expected == found && vector_is_finite(bytes, (uint32_t)(block_size(b, block) / 4)))
        return NACRE_OK;
    if (expected == found)
        return fail(NACRE_CORRUPT, "%s: vectors at %llu: finite numbers expected", c->path, (unsigned long long)offset);
    return fail(NACRE_CORRUPT, "%s: vectors at %llu: checksum %016llx expected, %016llx found", c->path,
                (unsigned long long)offset, (unsigned long long)expected, (unsigned long long)found);
}

/* The lock is held. */
static int fill(struct row_blocks *b, uint32_t block)
{
    struct container *c = b->container;
    uint8_t *to = b->memory + block_offset(b, block);
    int status = os_read_exact(c->os, c->file, b->begin + block_offset(b, block), to, block_size(b, block), c->path);
    if (status == NACRE_OK)
        status = check(b, block, to);
    if (status == NACRE_OK)
        atomic_fetch_add_explicit(&b->in_heap, block_size(b, block), memory_order_relaxed); /* a statistic */
    return status;
}

static void mark(struct row_blocks *b, uint32_t block)
{
    atomic_fetch_or_explicit(&b->checked[block / 64], UINT64_C(1) << (block % 64),
                             memory_order_release); /* pairs with row_block_is_taken */
}

int row_blocks_take(struct row_blocks *b, uint32_t block)
{
    int status = NACRE_OK;
    if (!b->memory) {
        status = check(b, block, b->container->map + b->begin + block_offset(b, block));
        if (status == NACRE_OK)
            mark(b, block);
        return status;
    }
    pthread_mutex_lock(&b->lock);
    if (!row_block_is_taken(b, block)) {
        status = fill(b, block);
        if (status == NACRE_OK)
            mark(b, block);
    }
    pthread_mutex_unlock(&b->lock);
    return status;
}

int row_blocks_verify(struct row_blocks *b, uint32_t block, struct buffer *scratch, const uint8_t **rows)
{
    int status = container_read(b->container, b->begin + block_offset(b, block), block_size(b, block), scratch, rows);
    return status == NACRE_OK ? check(b, block, *rows) : status;
}

int row_blocks_peek(struct row_blocks *b, uint32_t block, struct buffer *scratch, const uint8_t **rows)
{
    if (b->memory && !row_block_is_taken(b, block))
        return row_blocks_verify(b, block, scratch, rows);
    *rows = row_blocks_vectors(b) + block_offset(b, block);
    return row_block_is_taken(b, block) ? NACRE_OK : row_blocks_take(b, block);
}

int vector_rows_need_range(const struct vector_rows *rows, uint32_t begin, uint32_t end)
{
    struct row_blocks *b = rows->blocks;
    int status = NACRE_OK;
    if (!b || begin >= end)
        return NACRE_OK;
    for (uint32_t block = begin >> b->shift; status == NACRE_OK && block <= (end - 1) >> b->shift; block++)
        if (!row_block_is_taken(b, block))
            status = row_blocks_take(b, block);
    return status;
}

int vector_rows_need_list(const struct vector_rows *rows, const uint32_t *list, size_t count)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < count && status == NACRE_OK; i++)
        status = vector_rows_need(rows, list[i]);
    return status;
}
