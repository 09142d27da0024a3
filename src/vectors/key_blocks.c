/* Taking blocks of entries and values: checked when they are first used, in place where they are mapped and not compressed, else from the block cache. keys.h has the
   invariants. Any thread; no locks but those of first use and of the cache. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/block_cache.h"
#include "segment/block_sum.h"
#include "segment/codec.h"
#include "vectors/keys.h"

static int damage(const struct vector_keys *k, uint64_t offset, const char *what, uint64_t expected, uint64_t found)
{
    return fail(NACRE_CORRUPT, "%s: block at %llu: %s: %llx expected, %llx found", k->container->path,
                (unsigned long long)offset, what, (unsigned long long)expected, (unsigned long long)found);
}

static void set_checked(struct vector_keys *k, uint32_t block, unsigned part)
{
    atomic_fetch_or_explicit(&k->checked[block / 32], UINT64_C(1) << (block % 32 * 2 + part), memory_order_relaxed);
}

static uint64_t block_place(const struct vector_keys *k, uint32_t block)
{
    return k->blocks_begin + keys_block_offset(k, block);
}

static uint32_t block_room(const struct vector_keys *k, uint32_t block)
{
    return keys_block_offset(k, block + 1) - keys_block_offset(k, block);
}

static int check_zeros(const struct vector_keys *k, uint64_t place, const uint8_t *bytes, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        if (bytes[i])
            return damage(k, place, "padding", 0, bytes[i]);
    return NACRE_OK;
}

/* ---- entries ---- */

/* That its values lie in their area. */
static int check_place_of_values(const struct vector_keys *k, uint64_t place, const struct entry_block *b)
{
    uint32_t raw = entry_value_end(b, b->count - 1);
    if (raw == 0)
        return NACRE_OK;
    if (b->values_offset % 8 || b->values_offset > k->values_end - k->blocks_end ||
        b->values_bytes > k->values_end - k->blocks_end - b->values_offset)
        return damage(k, place, "offset of its values", 0, b->values_offset);
    if (b->codec == 0 ? b->values_bytes - 8 != raw : raw > CODEC_RAW_MAX)
        return damage(k, place, "size of its values", raw, b->values_bytes);
    return NACRE_OK;
}

static int check_block(const struct vector_keys *k, uint32_t block, const uint8_t *bytes, struct entry_block *b)
{
    uint64_t place = block_place(k, block);
    uint32_t room = block_room(k, block), size = load_u32(bytes + 8);
    if (size < ENTRY_BLOCK_HEADER || size > room || room - size > 7)
        return damage(k, place, "size", room, size);
    uint64_t expected = load_u64(bytes), found = hash_bytes(bytes + 8, size - 8) +
                                                 block_checksum_mix(k->container->id, keys_block_offset(k, block));
    if (expected != found)
        return damage(k, place, "checksum", expected, found);
    int status = check_zeros(k, place, bytes, size, room);
    if (status != NACRE_OK)
        return status;
    const char *fault = entry_block_check(bytes, size, b);
    if (fault)
        return fail(NACRE_CORRUPT, "%s: block at %llu: its %s: does not fit the rest of it", k->container->path,
                    (unsigned long long)place, fault);
    uint32_t row = keys_block_row(k, block), rows = keys_block_row(k, block + 1) - row;
    if (b->first_row != row)
        return damage(k, place, "first row", row, b->first_row);
    if ((uint32_t)__builtin_popcount(b->puts) != rows)
        return damage(k, place, "rows", rows, (uint32_t)__builtin_popcount(b->puts));
    return check_place_of_values(k, place, b);
}

int keys_check_mapped_block(struct vector_keys *k, uint32_t block)
{
    struct entry_block b;
    int status = check_block(k, block, k->map + block_place(k, block), &b);
    if (status == NACRE_OK)
        set_checked(k, block, CHECKED_ENTRIES);
    return status;
}

void keys_free_held(void *held)
{
    cached_block_release(held);
}

/* Bytes of the file in memory of their own, with zeros behind them. */
static int read_copy(const struct vector_keys *k, uint64_t place, size_t size, uint8_t **out)
{
    struct container *c = k->container;
    uint8_t *copy = memory_alloc(size + ENTRY_BLOCK_SLACK);
    *out = NULL;
    if (!copy)
        return NACRE_NO_MEMORY;
    int status = NACRE_OK;
    if (c->map)
        memcpy(copy, c->map + place, size);
    else
        status = os_read_exact(c->os, c->file, place, copy, size, c->path);
    memset(copy + size, 0, ENTRY_BLOCK_SLACK);
    if (status == NACRE_OK)
        *out = copy;
    else
        memory_free(copy);
    return status;
}

int keys_fetch_block(struct vector_keys *k, uint32_t block, struct entry_block *b)
{
    uint64_t place = block_place(k, block), id = k->container->id;
    struct cached_block *held = block_cache_get(k->cache, id, place);
    if (!held) {
        uint8_t *copy = NULL;
        int status = read_copy(k, place, block_room(k, block), &copy);
        if (status == NACRE_OK)
            status = check_block(k, block, copy, b);
        if (status != NACRE_OK) {
            memory_free(copy);
            return status;
        }
        held = block_cache_put(k->cache, id, place, copy, block_room(k, block) + (size_t)ENTRY_BLOCK_SLACK);
        if (!held)
            return NACRE_NO_MEMORY;
    }
    entry_block_view(cached_block_bytes(held, NULL), b);
    b->held = held;
    return NACRE_OK;
}

int keys_verify_block(struct vector_keys *k, uint32_t block, struct buffer *raw, struct entry_block *b,
                      uint64_t *checksum)
{
    uint8_t *copy = NULL;
    int status = read_copy(k, block_place(k, block), block_room(k, block), &copy);
    if (status != NACRE_OK)
        return status;
    buffer_free(raw);
    *raw = (struct buffer){ copy, block_room(k, block), block_room(k, block) + (size_t)ENTRY_BLOCK_SLACK };
    *checksum = load_u64(copy);
    return check_block(k, block, copy, b);
}

/* ---- values ---- */

static uint64_t values_place(const struct vector_keys *k, const struct entry_block *b)
{
    return k->blocks_end + b->values_offset;
}

static int check_values(const struct vector_keys *k, const struct entry_block *b, const uint8_t *bytes)
{
    uint64_t expected = load_u64(bytes),
             found = hash_bytes(bytes + 8, b->values_bytes - 8) +
                     block_checksum_mix(k->container->id, b->values_offset + ENTRY_VALUES_MIX);
    return expected == found ? NACRE_OK : damage(k, values_place(k, b), "checksum of values", expected, found);
}

/* `stored` was checked. */
static int unpack_values(const struct vector_keys *k, const struct entry_block *b, const uint8_t *stored, uint8_t **out)
{
    size_t raw_size = entry_value_end(b, b->count - 1);
    uint8_t *raw = memory_alloc(raw_size);
    if (!raw)
        return NACRE_NO_MEMORY;
    int status = NACRE_OK;
    if (b->codec == 0)
        memcpy(raw, stored + 8, raw_size);
    else
        status = decompressor_run(block_cache_decompressor(k->cache), (enum compression)b->codec, stored + 8,
                                  b->values_bytes - 8, raw, raw_size);
    if (status != NACRE_OK) {
        memory_free(raw);
        return fail_context(status, "%s: values at %llu", k->container->path, (unsigned long long)values_place(k, b));
    }
    *out = raw;
    return NACRE_OK;
}

/* Read, checked and unpacked; not from the cache. */
static int load_values(const struct vector_keys *k, const struct entry_block *b, uint8_t **raw, uint64_t *checksum)
{
    struct buffer scratch = { 0 };
    const uint8_t *stored = NULL;
    int status = container_read(k->container, values_place(k, b), b->values_bytes, &scratch, &stored);
    if (status == NACRE_OK)
        status = check_values(k, b, stored);
    if (status == NACRE_OK) {
        *checksum = load_u64(stored);
        status = unpack_values(k, b, stored, raw);
    }
    buffer_free(&scratch);
    return status;
}

static int fetch_values(struct vector_keys *k, const struct entry_block *b, const uint8_t **values, struct pin *pin)
{
    uint64_t place = values_place(k, b), id = k->container->id;
    struct cached_block *held = block_cache_get(k->cache, id, place);
    if (!held) {
        uint8_t *raw = NULL;
        uint64_t checksum = 0;
        int status = load_values(k, b, &raw, &checksum);
        if (status != NACRE_OK)
            return status;
        held = block_cache_put(k->cache, id, place, raw, entry_value_end(b, b->count - 1));
        if (!held)
            return NACRE_NO_MEMORY;
    }
    *values = cached_block_bytes(held, NULL);
    *pin = (struct pin){ cached_block_release, held };
    return NACRE_OK;
}

int keys_values(struct vector_keys *k, uint32_t block, const struct entry_block *b, const uint8_t **values,
                struct pin *pin)
{
    *pin = (struct pin){ NULL, NULL };
    if (!k->map || b->codec != 0)
        return fetch_values(k, b, values, pin);
    const uint8_t *stored = k->map + values_place(k, b);
    if (__builtin_expect(!keys_is_checked(k, block, CHECKED_VALUES), 0)) {
        int status = check_values(k, b, stored);
        if (status != NACRE_OK)
            return status;
        set_checked(k, block, CHECKED_VALUES);
    }
    *values = stored + 8;
    return NACRE_OK;
}

int keys_value(struct vector_keys *k, uint32_t block, const struct entry_block *b, uint32_t i, nacre_slice *value,
               struct pin *pin)
{
    uint32_t begin = entry_value_begin(b, i), end = entry_value_end(b, i);
    *pin = (struct pin){ NULL, NULL };
    *value = slice_of("", 0);
    if (begin == end)
        return NACRE_OK;
    const uint8_t *values = NULL;
    int status = keys_values(k, block, b, &values, pin);
    if (status == NACRE_OK)
        *value = slice_of(values + begin, end - begin);
    return status;
}

int keys_verify_values(struct vector_keys *k, const struct entry_block *b, uint64_t *checksum)
{
    uint8_t *raw = NULL;
    int status = load_values(k, b, &raw, checksum);
    if (status == NACRE_OK)
        memory_free(raw);
    return status;
}
