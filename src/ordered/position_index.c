/* Building, opening and checking the position index; position_index.h has the bytes, the invariants and the probing itself. */
#include "ordered/position_index.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"

#define HEADER_BYTES     24u
#define BUCKETS_PER_PAGE (INDEX_PAGE_BYTES / BUCKET_BYTES)
#define KEYS_PER_BUCKET  8u  /* of 10 slots: 5 % of the keys live in the next bucket, 8 bytes a key */
#define AHEAD            12u /* keys whose buckets are fetched before they are filled */

static uint64_t page_sum(const uint8_t *page, size_t size, uint32_t number)
{
    return hash_bytes(page, size) + (uint64_t)number * 0x9e3779b97f4a7c15u;
}

/* ---- building ---- */

int position_builder_reserve(struct position_builder *b, size_t capacity)
{
    uint64_t *hashes = memory_realloc(b->hashes, capacity * sizeof *hashes);
    if (!hashes) {
        return NACRE_NO_MEMORY;
    }
    b->hashes = hashes;
    uint32_t *offsets = memory_realloc(b->offsets, capacity * sizeof *offsets);
    if (!offsets) {
        return NACRE_NO_MEMORY;
    }
    b->offsets = offsets;
    b->capacity = capacity;
    return NACRE_OK;
}

int position_builder_grow(struct position_builder *b)
{
    return position_builder_reserve(b, b->capacity ? b->capacity * 2 : 4096);
}

int position_builder_end_block(struct position_builder *b)
{
    if (b->blocks == b->block_capacity) {
        size_t capacity = b->block_capacity ? b->block_capacity * 2 : 1024;
        uint32_t *ends = memory_realloc(b->block_ends, capacity * sizeof *ends);
        if (!ends)
            return NACRE_NO_MEMORY;
        b->block_ends = ends;
        b->block_capacity = capacity;
    }
    if (b->count > UINT32_MAX)
        return fail(NACRE_LIMIT, "more than 4294967295 keys in a segment");
    b->block_ends[b->blocks++] = (uint32_t)b->count;
    return NACRE_OK;
}

static uint32_t bits_for(uint32_t greatest)
{
    return greatest ? 32 - (uint32_t)__builtin_clz(greatest) : 0;
}

/* Puts a key into its bucket or the first behind that has room; false when it would pass the end of the table. */
static bool bucket_insert(uint8_t *table, uint32_t bucket, uint32_t bucket_count, uint64_t hash, uint32_t position)
{
    uint32_t fingerprint = position_fingerprint(hash);
    for (; bucket < bucket_count; bucket++) {
        uint8_t *at = table + (size_t)bucket * BUCKET_BYTES;
        uint32_t empty = bucket_matches(at, 0);
        if (empty) {
            uint32_t slot = (uint32_t)__builtin_ctz(empty);
            store_u16(at + 2 * slot, (uint16_t)fingerprint);
            store_u32(at + 24 + 4 * slot, position);
            return true;
        }
        store_u32(at + 20, load_u32(at + 20) | 1u << (hash >> 16 & 31));
    }
    return false;
}

static bool fill_table(const struct position_builder *b, uint8_t *table, uint32_t first_buckets, uint32_t bucket_count,
                       uint32_t offset_bits)
{
    size_t key = 0;
    for (uint32_t block = 0; block < b->blocks; block++) {
        for (; key < b->block_ends[block]; key++) {
            if (key + AHEAD < b->count)
                __builtin_prefetch(table + ((b->hashes[key + AHEAD] >> 32) * first_buckets >> 32) * BUCKET_BYTES, 1);
            uint32_t bucket = (uint32_t)((b->hashes[key] >> 32) * first_buckets >> 32);
            uint32_t position = offset_bits ? block << offset_bits | b->offsets[key] : block;
            if (!bucket_insert(table, bucket, bucket_count, b->hashes[key], position))
                return false;
        }
    }
    return true;
}

struct table {
    uint8_t *buckets;
    size_t mapped_bytes;
    uint32_t bucket_count;
};

/* The table, with as many buckets behind the last as it takes. */
static int make_table(const struct position_builder *b, uint32_t first_buckets, uint32_t offset_bits, struct table *out)
{
    for (uint64_t behind = 16;; behind *= 4) {
        uint64_t bucket_count = first_buckets + behind;
        if (bucket_count > UINT32_MAX)
            return fail(NACRE_LIMIT, "too many keys for one index");
        size_t bytes = (size_t)bucket_count * BUCKET_BYTES;
        uint8_t *table = memory_map(bytes); /* zeroed, in huge pages where it is large */
        if (!table)
            return NACRE_NO_MEMORY;
        if (fill_table(b, table, first_buckets, (uint32_t)bucket_count, offset_bits)) {
            while (bucket_count > first_buckets &&
                   bucket_matches(table + (bucket_count - 1) * BUCKET_BYTES, 0) == (1u << BUCKET_SLOTS) - 1)
                bucket_count--;
            *out = (struct table){ table, bytes, (uint32_t)bucket_count };
            return NACRE_OK;
        }
        memory_unmap(table, bytes);
    }
}

static int write_sums(const uint8_t *table, size_t bytes, struct container_writer *out)
{
    int status = container_section_begin(out, "PSUM");
    for (size_t at = 0; at < bytes && status == NACRE_OK; at += INDEX_PAGE_BYTES) {
        size_t size = bytes - at < INDEX_PAGE_BYTES ? bytes - at : INDEX_PAGE_BYTES;
        uint8_t sum[8];
        store_u64(sum, page_sum(table + at, size, (uint32_t)(at / INDEX_PAGE_BYTES)));
        status = container_write(out, sum, sizeof sum, NULL);
    }
    return status == NACRE_OK ? container_section_end(out) : status;
}

int position_builder_write(struct position_builder *b, struct container_writer *out)
{
    uint32_t first_buckets = (uint32_t)((b->count + KEYS_PER_BUCKET - 1) / KEYS_PER_BUCKET);
    uint32_t block_bits = bits_for(b->blocks ? (uint32_t)b->blocks - 1 : 0), offset_bits = bits_for(b->greatest_offset);
    if (first_buckets == 0)
        first_buckets = 1;
    if (offset_bits > 31 || block_bits + offset_bits > 32)
        offset_bits = 0;
    struct table table = { 0 };
    int status = make_table(b, first_buckets, offset_bits, &table);
    if (status != NACRE_OK)
        return status;
    uint8_t header[HEADER_BYTES] = { 0 };
    store_u64(header, b->count);
    store_u32(header + 8, table.bucket_count);
    store_u32(header + 12, offset_bits);
    store_u32(header + 16, first_buckets);
    size_t bytes = (size_t)table.bucket_count * BUCKET_BYTES;
    status = container_write_section(out, "PHDR", slice_of(header, sizeof header));
    if (status == NACRE_OK)
        status = container_write_section(out, "PIDX", slice_of(table.buckets, bytes));
    if (status == NACRE_OK)
        status = write_sums(table.buckets, bytes, out);
    memory_unmap(table.buckets, table.mapped_bytes);
    return status;
}

void position_builder_free(struct position_builder *b)
{
    memory_free(b->hashes);
    memory_free(b->offsets);
    memory_free(b->block_ends);
}

/* ---- opening ---- */

int position_index_open(struct container *c, struct block_cache *cache, struct position_index **out)
{
    *out = NULL;
    nacre_slice section, sums = { NULL, 0 };
    uint64_t offset = 0, bytes = 0;
    int status = container_section(c, "PHDR", &section);
    if (status == NACRE_OK)
        status = container_section_bounds(c, "PIDX", &offset, &bytes);
    if (status == NACRE_OK)
        status = container_section(c, "PSUM", &sums);
    if (status != NACRE_OK)
        return status;
    struct reader r = reader_of(section);
    uint64_t keys = reader_u64(&r);
    uint32_t bucket_count = reader_u32(&r), offset_bits = reader_u32(&r), first_buckets = reader_u32(&r);
    uint64_t pages = (bytes + INDEX_PAGE_BYTES - 1) / INDEX_PAGE_BYTES;
    if (!r.ok || section.size != HEADER_BYTES || offset_bits > 31 || first_buckets == 0 ||
        bucket_count < first_buckets || bytes != (uint64_t)bucket_count * BUCKET_BYTES || sums.size != pages * 8)
        return fail(NACRE_CORRUPT, "%s: position index: %u of %u buckets, offsets of %u bits and %llu bytes do not fit",
                    c->path, first_buckets, bucket_count, offset_bits, (unsigned long long)bytes);
    size_t words = (size_t)(pages + 63) / 64;
    struct position_index *x = memory_zalloc(sizeof *x + words * sizeof x->checked[0]);
    if (!x)
        return NACRE_NO_MEMORY;
    x->buckets = c->map ? c->map + offset : NULL;
    x->first_buckets = first_buckets;
    x->bucket_count = bucket_count;
    x->offset_bits = offset_bits;
    x->page_count = (uint32_t)pages;
    x->keys = keys;
    x->pages_offset = offset;
    x->pages_bytes = bytes;
    x->sums = sums.data;
    x->container = c;
    x->cache = cache;
    atomic_init(&x->bad, false);
    for (size_t i = 0; i < words; i++)
        atomic_init(&x->checked[i], 0);
    *out = x;
    return NACRE_OK;
}

void position_index_free(struct position_index *x)
{
    while (x) {
        struct position_index *older = x->older;
        memory_free(x);
        x = older;
    }
}

void position_index_mark_bad(struct position_index *x, const char *why)
{
    if (atomic_exchange_explicit(&x->bad, true, memory_order_relaxed))
        return; /* nothing is published by it */
    char text[512];
    log_line(x->container->logger, NACRE_LOG_WARNING, "index_damaged", "\"detail\":\"%s\"",
             log_escape(why, text, sizeof text));
}

static size_t page_size(const struct position_index *x, uint32_t page)
{
    uint64_t at = (uint64_t)page * INDEX_PAGE_BYTES;
    return x->pages_bytes - at < INDEX_PAGE_BYTES ? (size_t)(x->pages_bytes - at) : INDEX_PAGE_BYTES;
}

static int check_page(struct position_index *x, uint32_t page, const uint8_t *bytes)
{
    uint64_t expected = load_u64(x->sums + 8 * (size_t)page), found = page_sum(bytes, page_size(x, page), page);
    if (expected == found)
        return NACRE_OK;
    int status = fail(NACRE_CORRUPT, "%s: page of the position index at %llu: checksum %016llx expected, %016llx found",
                      x->container->path, (unsigned long long)(x->pages_offset + (uint64_t)page * INDEX_PAGE_BYTES),
                      (unsigned long long)expected, (unsigned long long)found);
    position_index_mark_bad(x, fail_detail());
    return status;
}

int position_index_check_page(struct position_index *x, uint32_t page)
{
    int status = check_page(x, page, x->buckets + (size_t)page * INDEX_PAGE_BYTES);
    if (status == NACRE_OK)
        atomic_fetch_or_explicit(&x->checked[page / 64], UINT64_C(1) << (page % 64), memory_order_relaxed);
    return status;
}

/* Tells side files from segments, and a side file from the one that replaced it; what a closed one leaves behind ages out. */
static uint64_t cache_id(const struct position_index *x)
{
    return x->container->checksum | UINT64_C(1) << 63;
}

/* Where there is no map: the page through the cache. */
static int fetch_page(struct position_probe *p, uint32_t page, const uint8_t **bytes)
{
    struct position_index *x = p->index;
    uint64_t id = cache_id(x), offset = x->pages_offset + (uint64_t)page * INDEX_PAGE_BYTES;
    if (p->held)
        cached_block_release(p->held);
    p->held = block_cache_get(x->cache, id, offset);
    if (!p->held) {
        size_t size = page_size(x, page);
        uint8_t *fresh = memory_alloc(size);
        if (!fresh)
            return NACRE_NO_MEMORY;
        int status = os_read_exact(x->container->os, x->container->file, offset, fresh, size, x->container->path);
        if (status == NACRE_OK)
            status = check_page(x, page, fresh);
        if (status != NACRE_OK) {
            memory_free(fresh);
            return status;
        }
        p->held = block_cache_put(x->cache, id, offset, fresh, size);
        if (!p->held)
            return NACRE_NO_MEMORY;
    }
    size_t size = 0;
    *bytes = cached_block_bytes(p->held, &size);
    if (size == page_size(x, page))
        return NACRE_OK;
    return fail(NACRE_CORRUPT, "%s: page of the position index at %llu: its size changed", x->container->path,
                (unsigned long long)offset);
}

const uint8_t *position_probe_page(struct position_probe *p)
{
    struct position_index *x = p->index;
    uint32_t page = p->number / BUCKETS_PER_PAGE;
    const uint8_t *bytes = NULL;
    if (x->buckets) {
        p->status = position_index_check_page(x, page);
        bytes = x->buckets + (size_t)page * INDEX_PAGE_BYTES;
    } else {
        p->status = fetch_page(p, page, &bytes);
    }
    if (p->status != NACRE_OK)
        return NULL;
    p->bucket = bytes + (size_t)(p->number % BUCKETS_PER_PAGE) * BUCKET_BYTES;
    return p->bucket;
}
