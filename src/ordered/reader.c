/* Opening an ordered segment, taking its blocks, and the calls that need no record: filters and memory. reader.h has the invariants. */
#include "ordered/reader.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/block_cache.h"
#include "segment/codec.h"

#define FIRST_BLOCK 64u /* right behind the container's header */

int ordered_open(struct container *c, struct block_cache *cache, void **out)
{
    *out = NULL;
    nacre_slice section;
    int status = container_section(c, "ORDR", &section);
    if (status != NACRE_OK)
        return status;
    struct ordered_reader *r = memory_zalloc(sizeof *r);
    if (!r)
        return NACRE_NO_MEMORY;
    struct reader in = reader_of(section);
    r->map = c->map;
    r->container = c;
    r->cache = cache;
    r->base_sequence = reader_u64(&in);
    r->entries = reader_u64(&in);
    r->keys = reader_u64(&in);
    r->digest = reader_u64(&in);
    r->block_bytes = reader_u32(&in);
    r->least_key = reader_slice(&in);
    r->greatest_key = reader_slice(&in);
    if (!in.ok || in.at != in.end || r->keys > r->entries ||
        (r->entries && slice_compare(r->least_key, r->greatest_key) > 0)) {
        memory_free(r);
        return fail(NACRE_CORRUPT, "%s: section ORDR: %zu bytes do not fit", c->path, section.size);
    }
    atomic_init(&r->fence_ready, false);
    atomic_init(&r->filter_ready, false);
    atomic_init(&r->index, NULL);
    atomic_init(&r->learned, NULL);
    atomic_init(&r->learned_looked, true); /* there is no side file yet */
    pthread_mutex_init(&r->lock, NULL);
    *out = r;
    return NACRE_OK;
}

void ordered_close(void *reader)
{
    struct ordered_reader *r = reader;
    position_index_free(atomic_load_explicit(&r->index, memory_order_acquire));
    pthread_mutex_destroy(&r->lock);
    while (r->learned_list) {
        struct ordered_learned *older = r->learned_list->older;
        memory_free(r->learned_list);
        r->learned_list = older;
    }
    memory_free(r->checked);
    memory_free(r);
}

void ordered_give_sequence(void *reader, uint64_t sequence)
{
    ((struct ordered_reader *)reader)->base_sequence = sequence; /* settled entries are 0 away from it */
}

/* An empty segment (only range deletes) has no section FENC and no blocks. The lock is held. */
static int load_fence(struct ordered_reader *r)
{
    struct container *c = r->container;
    nacre_slice section;
    if (r->entries == 0) {
        if (container_has_section(c, "FENC"))
            return fail(NACRE_CORRUPT, "%s: no blocks expected, section FENC found", c->path);
        return NACRE_OK;
    }
    uint64_t limit = 0, size = 0;
    int status = container_section(c, "FENC", &section);
    if (status == NACRE_OK)
        status = container_section_bounds(c, "FENC", &limit, &size);
    if (status == NACRE_OK)
        status = fence_open(c, section, FIRST_BLOCK, limit, &r->fence);
    if (status != NACRE_OK)
        return status == NACRE_NOT_FOUND ? fail(NACRE_CORRUPT, "%s: section FENC expected, none found", c->path)
                                         : status;
    size_t words = ((size_t)r->fence.blocks + 63) / 64;
    r->checked = memory_zalloc(words * sizeof *r->checked);
    return r->checked ? NACRE_OK : NACRE_NO_MEMORY;
}

int ordered_load_fence(struct ordered_reader *r)
{
    int status = NACRE_OK;
    pthread_mutex_lock(&r->lock);
    if (!atomic_load_explicit(&r->fence_ready, memory_order_relaxed)) {
        status = load_fence(r);
        if (status == NACRE_OK)
            atomic_store_explicit(&r->fence_ready, true, memory_order_release); /* pairs with ordered_need_fence */
    }
    pthread_mutex_unlock(&r->lock);
    return status;
}

/* ---- blocks ---- */

static int block_damage(const struct ordered_reader *r, uint32_t block, const char *what, uint64_t expected,
                        uint64_t found)
{
    return fail(NACRE_CORRUPT, "%s: block %u at %u: %s: %llx expected, %llx found", r->container->path, block,
                fence_offset(&r->fence, block), what, (unsigned long long)expected, (unsigned long long)found);
}

/* What can be said of a stored block before it is decompressed. `bytes` reach up to the next block. */
static int check_stored(const struct ordered_reader *r, uint32_t block, const uint8_t *bytes)
{
    uint32_t place = fence_place(&r->fence, block), offset = place & ~PLACE_FLAGS;
    uint32_t room = fence_offset(&r->fence, block + 1) - offset, size = load_u32(bytes + 8),
             raw_size = load_u32(bytes + 12);
    if (size < BLOCK_HEADER_BYTES || size > room || room - size > 7)
        return block_damage(r, block, "stored size", room, size);
    uint64_t expected = load_u64(bytes),
             found = hash_bytes(bytes + 8, size - 8) + block_checksum_mix(r->container->id, offset);
    if (expected != found)
        return block_damage(r, block, "checksum", expected, found);
    for (uint32_t i = size; i < room; i++)
        if (bytes[i])
            return block_damage(r, block, "padding", 0, bytes[i]);
    uint32_t flags = (bytes[22] ? PLACE_COMPRESSED : 0) | (bytes[23] & BLOCK_STRIPPED ? PLACE_STRIPPED : 0);
    if (flags != (place & (PLACE_COMPRESSED | PLACE_STRIPPED)))
        return block_damage(r, block, "flags", place & PLACE_FLAGS, flags);
    if (bytes[22] == 0 && raw_size != size)
        return block_damage(r, block, "raw size", size, raw_size);
    if (bytes[22] != 0 && raw_size > CODEC_RAW_MAX)
        return block_damage(r, block, "greatest raw size", CODEC_RAW_MAX, raw_size);
    return NACRE_OK;
}

static int check_raw(const struct ordered_reader *r, uint32_t block, const uint8_t *bytes, size_t size)
{
    const char *fault = block_check(bytes, size);
    return fault ? fail(NACRE_CORRUPT, "%s: block %u at %u: its %s: does not fit the rest of it", r->container->path,
                        block, fence_offset(&r->fence, block), fault)
                 : NACRE_OK;
}

int ordered_check_mapped_block(struct ordered_reader *r, uint32_t block)
{
    const uint8_t *bytes = r->map + fence_offset(&r->fence, block);
    int status = check_stored(r, block, bytes);
    if (status == NACRE_OK)
        status = check_raw(r, block, bytes, load_u32(bytes + 8));
    if (status == NACRE_OK)
        atomic_fetch_or_explicit(&r->checked[block / 64], UINT64_C(1) << (block % 64), memory_order_relaxed);
    return status;
}

/* A checked raw copy of the stored block, in memory of its own with slack behind it. */
static int unpack_block(struct ordered_reader *r, uint32_t block, const uint8_t *stored, uint8_t **out,
                        size_t *out_size)
{
    int status = check_stored(r, block, stored);
    if (status != NACRE_OK)
        return status;
    size_t size = load_u32(stored + 8), raw_size = load_u32(stored + 12);
    if (raw_size < BLOCK_HEADER_BYTES)
        return block_damage(r, block, "least raw size", BLOCK_HEADER_BYTES, raw_size);
    uint8_t *raw = memory_alloc(raw_size + BLOCK_SLACK_BYTES);
    if (!raw)
        return NACRE_NO_MEMORY;
    if (stored[22] == 0) {
        memcpy(raw, stored, raw_size);
    } else {
        memcpy(raw, stored, BLOCK_HEADER_BYTES);
        status = decompressor_run(block_cache_decompressor(r->cache), (enum compression)stored[22],
                                  stored + BLOCK_HEADER_BYTES, size - BLOCK_HEADER_BYTES, raw + BLOCK_HEADER_BYTES,
                                  raw_size - BLOCK_HEADER_BYTES);
        if (status != NACRE_OK)
            status =
                fail_context(status, "%s: block %u at %u", r->container->path, block, fence_offset(&r->fence, block));
    }
    memset(raw + raw_size, 0, BLOCK_SLACK_BYTES);
    if (status == NACRE_OK)
        status = check_raw(r, block, raw, raw_size);
    if (status != NACRE_OK) {
        memory_free(raw);
        return status;
    }
    *out = raw;
    *out_size = raw_size;
    return NACRE_OK;
}

int ordered_fetch_block(struct ordered_reader *r, uint32_t block, struct block_view *v)
{
    uint32_t offset = fence_offset(&r->fence, block);
    struct cached_block *held = block_cache_get(r->cache, r->container->id, offset);
    if (!held) {
        struct buffer scratch = { 0 };
        const uint8_t *stored = NULL;
        uint8_t *raw = NULL;
        size_t size = 0;
        int status =
            container_read(r->container, offset, fence_offset(&r->fence, block + 1) - offset, &scratch, &stored);
        if (status == NACRE_OK)
            status = unpack_block(r, block, stored, &raw, &size);
        buffer_free(&scratch);
        if (status != NACRE_OK)
            return status;
        held = block_cache_put(r->cache, r->container->id, offset, raw, size);
        if (!held)
            return NACRE_NO_MEMORY;
    }
    block_view_make(cached_block_bytes(held, NULL), v);
    v->held = held;
    return NACRE_OK;
}

int ordered_verify_block(struct ordered_reader *r, uint32_t block, struct buffer *stored, struct buffer *raw,
                         struct block_view *v)
{
    uint32_t offset = fence_offset(&r->fence, block);
    const uint8_t *bytes = NULL;
    uint8_t *copy = NULL;
    size_t size = 0;
    int status = container_read(r->container, offset, fence_offset(&r->fence, block + 1) - offset, stored, &bytes);
    if (status == NACRE_OK)
        status = unpack_block(r, block, bytes, &copy, &size);
    if (status != NACRE_OK)
        return status;
    buffer_free(raw);
    *raw = (struct buffer){ copy, size, size };
    block_view_make(copy, v);
    v->held = NULL;
    return NACRE_OK;
}

/* The newest side file is looked at once, when a key is first sought after it came; damage in it is noted, and the fence asked as before. */
static void look_for_learned(struct ordered_reader *r)
{
    pthread_mutex_lock(&r->lock);
    struct position_index *x = ordered_index(r);
    nacre_slice section;
    if (x && !atomic_load_explicit(&r->learned_looked, memory_order_relaxed) &&
        container_has_section(x->container, "LERN")) {
        struct ordered_learned *loaded = memory_zalloc(sizeof *loaded);
        int status = loaded ? container_section(x->container, "LERN", &section) : NACRE_NO_MEMORY;
        if (status == NACRE_OK)
            status = learned_open(x->container->path, section, r->fence.blocks, &loaded->index);
        if (status == NACRE_CORRUPT)
            position_index_mark_bad(x, fail_detail());
        if (status == NACRE_OK) {
            loaded->older = r->learned_list;
            r->learned_list = loaded;
            atomic_store_explicit(&r->learned, &loaded->index,
                                  memory_order_release); /* pairs with ordered_learned_index */
        } else {
            memory_free(loaded);
        }
    }
    atomic_store_explicit(&r->learned_looked, true, memory_order_relaxed); /* stands alone: a hint */
    pthread_mutex_unlock(&r->lock);
}

const struct learned_index *ordered_learned_index(struct ordered_reader *r)
{
    if (unlikely(!atomic_load_explicit(&r->learned_looked, memory_order_relaxed)))
        look_for_learned(r);
    return atomic_load_explicit(&r->learned, memory_order_acquire); /* pairs with look_for_learned */
}

static uint32_t find_block(struct ordered_reader *r, nacre_slice key)
{
    const struct learned_index *learned = ordered_learned_index(r);
    return learned ? learned_find(learned, &r->fence, key) : fence_find(&r->fence, key);
}

bool ordered_has_learned_index(const void *reader)
{
    const struct position_index *x = ordered_index(reader);
    return x && container_has_section(x->container, "LERN");
}

int ordered_lower_bound(struct ordered_reader *r, nacre_slice key, uint32_t *block, uint32_t *record,
                        struct block_view *v)
{
    v->held = NULL;
    int status = ordered_need_fence(r);
    if (status != NACRE_OK)
        return status;
    *block = r->fence.blocks;
    *record = 0;
    if (r->fence.blocks == 0)
        return NACRE_OK;
    uint32_t b = find_block(r, key);
    if (r->map) { /* header, heads and slots: all at once */
        const uint8_t *at = r->map + fence_offset(&r->fence, b);
        __builtin_prefetch(at);
        __builtin_prefetch(at + 64);
        __builtin_prefetch(at + 128);
        __builtin_prefetch(at + 192);
    }
    status = ordered_view_block(r, b, v);
    if (status != NACRE_OK)
        return status;
    *record = block_lower_bound(v, r->base_sequence, key);
    *block = b;
    if (likely(*record < v->count))
        return NACRE_OK;
    ordered_release_view(v);
    *block = ++b;
    *record = 0;
    return b < r->fence.blocks ? ordered_view_block(r, b, v) : NACRE_OK;
}

/* ---- the side file ---- */

struct position_index *ordered_index(const struct ordered_reader *r)
{
    struct position_index *x =
        atomic_load_explicit(&r->index, memory_order_acquire); /* pairs with ordered_attach_index */
    return x && likely(!atomic_load_explicit(&x->bad, memory_order_relaxed)) ? x : NULL;
}

bool ordered_index_is_good(const void *reader)
{
    return ordered_index(reader) != NULL;
}

/* Cheap: no page and no filter is read before it is asked. */
int ordered_attach_index(void *reader, struct container *index)
{
    struct ordered_reader *r = reader;
    struct position_index *x = NULL;
    int status = position_index_open(index, r->cache, &x);
    if (status != NACRE_OK)
        return status;
    if (x->keys != r->keys) {
        status = fail(NACRE_CORRUPT, "%s: position index: %llu keys expected, %llu found", index->path,
                      (unsigned long long)r->keys, (unsigned long long)x->keys);
        position_index_free(x);
        return status;
    }
    x->older = atomic_load_explicit(&r->index, memory_order_relaxed); /* one attaches at a time */
    pthread_mutex_lock(&r->lock);                              /* who looks for a learned index now looks again */
    atomic_store_explicit(&r->index, x, memory_order_release); /* pairs with ordered_index */
    atomic_store_explicit(&r->learned_looked, false, memory_order_relaxed);
    pthread_mutex_unlock(&r->lock);
    return NACRE_OK;
}

void ordered_prefetch(const void *reader, const struct lookup *lookup)
{
    const struct position_index *x = ordered_index(reader);
    if (x)
        position_prefetch(x, lookup->hash);
}

bool ordered_may_have_key(void *reader, const struct lookup *lookup)
{
    struct ordered_reader *r = reader;
    struct position_index *x = ordered_index(r);
    if (unlikely(!x)) {
        return r->entries && slice_compare(lookup->key, r->least_key) >= 0 &&
               slice_compare(lookup->key, r->greatest_key) <= 0;
    }
    struct position_probe probe;
    uint32_t position;
    position_probe_begin(&probe, x, lookup->hash);
    bool found = position_probe_next(&probe, &position) || probe.status != NACRE_OK;
    position_probe_end(&probe);
    return found;
}

/* From the newest side file; one without prefix filters makes an empty one, which says yes to all. False while there is none to ask. */
static bool load_filter(struct ordered_reader *r)
{
    pthread_mutex_lock(&r->lock);
    struct position_index *x = ordered_index(r);
    bool ready = atomic_load_explicit(&r->filter_ready, memory_order_relaxed);
    if (!ready && x) {
        nacre_slice section;
        int status = NACRE_OK;
        if (container_has_section(x->container, "PFIX")) {
            status = container_section(x->container, "PFIX", &section);
            if (status == NACRE_OK)
                status = prefix_filter_open(section, &r->filter);
        }
        ready = status == NACRE_OK;
        if (ready)
            atomic_store_explicit(&r->filter_ready, true,
                                  memory_order_release); /* pairs with ordered_may_have_prefix */
        else if (status == NACRE_CORRUPT)
            position_index_mark_bad(x, fail_detail());
    }
    pthread_mutex_unlock(&r->lock);
    return ready;
}

bool ordered_may_have_prefix(void *reader, nacre_slice prefix)
{
    struct ordered_reader *r = reader;
    if (r->entries == 0)
        return false;
    if (slice_compare(r->greatest_key, prefix) < 0)
        return false;
    if (slice_compare(r->least_key, prefix) > 0 && !slice_has_prefix(r->least_key, prefix))
        return false;
    if (!ordered_index(r))
        return true;
    /* Pairs with load_filter. */
    if (unlikely(!atomic_load_explicit(&r->filter_ready, memory_order_acquire)) && !load_filter(r))
        return true;
    return prefix_filter_may_have(&r->filter, prefix);
}

uint64_t ordered_memory(const void *reader)
{
    const struct ordered_reader *r = reader;
    uint64_t bytes = sizeof *r;
    if (atomic_load_explicit(&r->fence_ready, memory_order_acquire))
        bytes += ((uint64_t)r->fence.blocks + 63) / 64 * 8;
    for (const struct position_index *x = atomic_load_explicit(&r->index, memory_order_acquire); x; x = x->older)
        bytes += sizeof *x + ((uint64_t)x->page_count + 63) / 64 * 8;
    if (atomic_load_explicit(&r->learned, memory_order_acquire))
        bytes += sizeof(struct ordered_learned);
    return bytes;
}
