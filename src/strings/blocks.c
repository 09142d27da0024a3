/* Taking the blocks of a strings segment: checked when they are first used, in place where they are mapped and not compressed, else from the block
   cache. reader.h has the invariants. Any thread; no locks but those of first use. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/block_cache.h"
#include "segment/block_sum.h"
#include "segment/codec.h"
#include "strings/reader.h"

static int damage(const struct strings_reader *r, uint32_t offset, const char *what, uint64_t expected, uint64_t found)
{
    return fail(NACRE_CORRUPT, "%s: block at %u: %s: %llx expected, %llx found", r->container->path, offset, what,
                (unsigned long long)expected, (unsigned long long)found);
}

/* What blocks of both kinds have in common. `bytes` reach up to what comes next. */
static int check_stored(const struct strings_reader *r, uint32_t offset, const uint8_t *bytes, uint32_t room,
                        uint32_t least)
{
    uint32_t size = load_u32(bytes + 8);
    if (size < least || size > room || room - size > 7)
        return damage(r, offset, "stored size", room, size);
    uint64_t expected = load_u64(bytes),
             found = hash_bytes(bytes + 8, size - 8) + block_checksum_mix(r->container->id, offset);
    if (expected != found)
        return damage(r, offset, "checksum", expected, found);
    for (uint32_t i = size; i < room; i++)
        if (bytes[i])
            return damage(r, offset, "padding", 0, bytes[i]);
    return NACRE_OK;
}

static void set_checked(struct strings_reader *r, uint32_t block, unsigned part)
{
    atomic_fetch_or_explicit(&r->checked[block / 32], UINT64_C(1) << (block % 32 * 2 + part), memory_order_relaxed);
}

/* The bytes of a block in memory of their own, with zeros behind them. */
static int read_block(struct strings_reader *r, uint32_t offset, uint32_t room, uint32_t slack, uint8_t **out)
{
    struct buffer scratch = { 0 };
    const uint8_t *bytes = NULL;
    int status = container_read(r->container, offset, room, &scratch, &bytes);
    uint8_t *copy = status == NACRE_OK ? memory_alloc((size_t)room + slack) : NULL;
    if (copy) {
        memcpy(copy, bytes, room);
        memset(copy + room, 0, slack);
    } else if (status == NACRE_OK) {
        status = NACRE_NO_MEMORY;
    }
    buffer_free(&scratch);
    *out = copy;
    return status;
}

/* ---- keys ---- */

static int check_keys(const struct strings_reader *r, uint32_t block, const uint8_t *bytes, struct key_block *b)
{
    uint32_t offset = strings_block_offset(r, block), room = strings_keys_end(r, block) - offset;
    int status = check_stored(r, offset, bytes, room, KEY_BLOCK_HEADER);
    if (status != NACRE_OK)
        return status;
    if (!key_block_check(bytes, load_u32(bytes + 8), b))
        return fail(NACRE_CORRUPT, "%s: block at %u: its keys do not fit", r->container->path, offset);
    uint32_t keys = strings_block_rank(r, block + 1) - strings_block_rank(r, block);
    if (b->count != keys)
        return damage(r, offset, "number of keys", keys, b->count);
    if (b->flags != (r->flags[block] & KEY_BLOCK_FLAGS))
        return damage(r, offset, "flags", r->flags[block], b->flags);
    return NACRE_OK;
}

int strings_check_mapped_block(struct strings_reader *r, uint32_t block)
{
    struct key_block b;
    int status = check_keys(r, block, r->map + strings_block_offset(r, block), &b);
    if (status == NACRE_OK)
        set_checked(r, block, CHECKED_KEYS);
    return status;
}

void strings_free_held(void *held)
{
    cached_block_release(held);
}

int strings_fetch_block(struct strings_reader *r, uint32_t block, struct key_block *b)
{
    uint32_t offset = strings_block_offset(r, block), room = strings_keys_end(r, block) - offset;
    struct cached_block *held = block_cache_get(r->cache, r->container->id, offset);
    if (!held) {
        uint8_t *copy = NULL;
        int status = read_block(r, offset, room, KEY_BLOCK_SLACK, &copy);
        if (status == NACRE_OK)
            status = check_keys(r, block, copy, b);
        if (status != NACRE_OK) {
            memory_free(copy);
            return status;
        }
        held = block_cache_put(r->cache, r->container->id, offset, copy, (size_t)room + KEY_BLOCK_SLACK);
        if (!held)
            return NACRE_NO_MEMORY;
    }
    key_block_view(cached_block_bytes(held, NULL), b);
    b->held = held;
    return NACRE_OK;
}

int strings_verify_block(struct strings_reader *r, uint32_t block, struct buffer *raw, struct key_block *b,
                         uint64_t *checksum)
{
    uint32_t offset = strings_block_offset(r, block), room = strings_keys_end(r, block) - offset;
    uint8_t *copy = NULL;
    int status = read_block(r, offset, room, KEY_BLOCK_SLACK, &copy);
    if (status != NACRE_OK)
        return status;
    buffer_free(raw);
    *raw = (struct buffer){ copy, room, (size_t)room + KEY_BLOCK_SLACK };
    *checksum = load_u64(copy);
    return check_keys(r, block, copy, b);
}

/* ---- versions ---- */

static int check_raw_versions(const struct strings_reader *r, uint32_t block, const uint8_t *raw, size_t size)
{
    const char *fault = version_block_check(raw, size, strings_block_rank(r, block + 1) - strings_block_rank(r, block));
    return fault ? fail(NACRE_CORRUPT, "%s: versions at %u: their %s: does not fit the rest", r->container->path,
                        strings_versions_offset(r, block), fault)
                 : NACRE_OK;
}

static int check_stored_versions(const struct strings_reader *r, uint32_t block, const uint8_t *bytes)
{
    uint32_t offset = strings_versions_offset(r, block), room = strings_block_end(r, block) - offset;
    int status = check_stored(r, offset, bytes, room, VERSION_BLOCK_HEADER);
    if (status != NACRE_OK)
        return status;
    uint32_t size = load_u32(bytes + 8), raw_size = load_u32(bytes + 12);
    if (bytes[22] == 0 && raw_size != size)
        return damage(r, offset, "raw size", size, raw_size);
    if (bytes[22] != 0 && (raw_size > CODEC_RAW_MAX || raw_size < VERSION_BLOCK_HEADER))
        return damage(r, offset, "greatest raw size", CODEC_RAW_MAX, raw_size);
    return NACRE_OK;
}

/* `stored` was checked; the copy has slack behind it. */
static int unpack_versions(struct strings_reader *r, uint32_t block, const uint8_t *stored, uint8_t **out, size_t *size)
{
    size_t stored_size = load_u32(stored + 8), raw_size = load_u32(stored + 12);
    uint8_t *raw = memory_alloc(raw_size + VERSION_BLOCK_SLACK);
    if (!raw)
        return NACRE_NO_MEMORY;
    memcpy(raw, stored, VERSION_BLOCK_HEADER);
    int status = NACRE_OK;
    if (stored[22] == 0)
        memcpy(raw + VERSION_BLOCK_HEADER, stored + VERSION_BLOCK_HEADER, raw_size - VERSION_BLOCK_HEADER);
    else
        status = decompressor_run(block_cache_decompressor(r->cache), (enum compression)stored[22],
                                  stored + VERSION_BLOCK_HEADER, stored_size - VERSION_BLOCK_HEADER,
                                  raw + VERSION_BLOCK_HEADER, raw_size - VERSION_BLOCK_HEADER);
    if (status != NACRE_OK)
        status = fail_context(status, "%s: versions at %u", r->container->path, strings_versions_offset(r, block));
    memset(raw + raw_size, 0, VERSION_BLOCK_SLACK);
    if (status == NACRE_OK)
        status = check_raw_versions(r, block, raw, raw_size);
    if (status != NACRE_OK) {
        memory_free(raw);
        return status;
    }
    *out = raw;
    *size = raw_size;
    return NACRE_OK;
}

/* Read, checked and unpacked; not from the cache. */
static int load_versions(struct strings_reader *r, uint32_t block, uint8_t **raw, size_t *size, uint64_t *checksum)
{
    uint32_t offset = strings_versions_offset(r, block), room = strings_block_end(r, block) - offset;
    struct buffer scratch = { 0 };
    const uint8_t *stored = NULL;
    int status = container_read(r->container, offset, room, &scratch, &stored);
    if (status == NACRE_OK)
        status = check_stored_versions(r, block, stored);
    if (status == NACRE_OK) {
        *checksum = load_u64(stored);
        status = unpack_versions(r, block, stored, raw, size);
    }
    buffer_free(&scratch);
    return status;
}

static int fetch_versions(struct strings_reader *r, uint32_t block, struct versions_view *v)
{
    uint32_t offset = strings_versions_offset(r, block);
    struct cached_block *held = block_cache_get(r->cache, r->container->id, offset);
    if (!held) {
        uint8_t *raw = NULL;
        size_t size = 0;
        uint64_t checksum = 0;
        int status = load_versions(r, block, &raw, &size, &checksum);
        if (status != NACRE_OK)
            return status;
        held = block_cache_put(r->cache, r->container->id, offset, raw, size);
        if (!held)
            return NACRE_NO_MEMORY;
    }
    versions_make(v, cached_block_bytes(held, NULL), r->base_sequence);
    v->pin = (struct pin){ cached_block_release, held };
    return NACRE_OK;
}

int strings_view_versions(struct strings_reader *r, uint32_t block, struct versions_view *v)
{
    uint32_t offset = strings_versions_offset(r, block);
    v->pin = (struct pin){ NULL, NULL };
    if (offset == 0) {
        versions_make_plain(v, strings_block_rank(r, block + 1) - strings_block_rank(r, block), r->base_sequence);
        return NACRE_OK;
    }
    if (!r->map || r->map[offset + 22] != 0)
        return fetch_versions(r, block, v);
    if (__builtin_expect(!strings_is_checked(r, block, CHECKED_VERSIONS), 0)) {
        const uint8_t *bytes = r->map + offset;
        int status = check_stored_versions(r, block, bytes);
        if (status == NACRE_OK)
            status = check_raw_versions(r, block, bytes, load_u32(bytes + 12));
        if (status != NACRE_OK)
            return status;
        set_checked(r, block, CHECKED_VERSIONS);
    }
    versions_make(v, r->map + offset, r->base_sequence);
    return NACRE_OK;
}

int strings_verify_versions(struct strings_reader *r, uint32_t block, struct buffer *raw, struct versions_view *v,
                            uint64_t *checksum)
{
    uint8_t *copy = NULL;
    size_t size = 0;
    int status = load_versions(r, block, &copy, &size, checksum);
    if (status != NACRE_OK)
        return status;
    buffer_free(raw);
    *raw = (struct buffer){ copy, size, size + VERSION_BLOCK_SLACK };
    versions_make(v, copy, r->base_sequence);
    v->pin = (struct pin){ NULL, NULL };
    return NACRE_OK;
}

/* ---- finding a key ---- */

int strings_find(struct strings_reader *r, nacre_slice key, uint32_t *block, uint32_t *index, bool *equal,
                 struct key_block *b)
{
    *b = (struct key_block){ 0 };
    *equal = false;
    *index = 0;
    *block = r->blocks;
    if (r->blocks == 0)
        return NACRE_OK;
    uint32_t at = block_trie_find(&r->trie, key);
    strings_prefetch_block(r, at);
    int status = strings_view_block(r, at, b);
    if (status != NACRE_OK)
        return status;
    *index = key_block_lower_bound(b, key, equal);
    *block = at;
    if (*index < b->count)
        return NACRE_OK;
    strings_release_block(b);
    *b = (struct key_block){ 0 };
    *index = 0;
    *block = ++at;
    return at < r->blocks ? strings_view_block(r, at, b) : NACRE_OK;
}

int strings_lower_bound(struct strings_reader *r, nacre_slice key, uint32_t *block, uint32_t *index, bool *equal)
{
    struct key_block b;
    int status = strings_find(r, key, block, index, equal, &b);
    if (status == NACRE_OK)
        strings_release_block(&b);
    return status;
}
