/* Opening the entries of a segment of vectors, and finding a key or a row among them. keys.h has the bytes and the invariants.
   Any thread; `lock` is taken once, at first use. */
#include "vectors/keys.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/container_format.h"
#include "vectors/vectors.h"

/* ---- opening ---- */

static bool describe(struct vector_keys *k, struct vector_description *d, nacre_slice section)
{
    struct reader in = reader_of(section);
    d->dimension = reader_u32(&in);
    d->metric = (nacre_metric)reader_u32(&in);
    k->entries = reader_u32(&in);
    k->rows = reader_u32(&in);
    k->keys = reader_u32(&in);
    k->blocks = reader_u32(&in);
    k->shadowed = reader_u32(&in);
    k->shared = reader_u32(&in);
    k->base_sequence = reader_u64(&in);
    k->greatest_sequence = reader_u64(&in);
    k->least_expiry = reader_u64(&in);
    k->digest = reader_u64(&in);
    k->values_digest = reader_u64(&in);
    k->blocks_begin = reader_u32(&in);
    k->blocks_end = reader_u32(&in);
    k->values_end = reader_u32(&in);
    uint32_t zero = reader_u32(&in);
    k->least_key = reader_slice(&in);
    k->greatest_key = reader_slice(&in);
    return in.ok && in.at == in.end && zero == 0;
}

/* Of the numbers among each other, and of the areas with the file. */
static bool fits(const struct vector_keys *k, const struct vector_description *d)
{
    uint64_t rows_end = CONTAINER_HEADER_BYTES + (uint64_t)k->rows * d->dimension * 4;
    bool empty = k->entries == 0;
    return d->dimension > 0 && d->dimension <= UINT16_MAX && d->metric >= NACRE_L2 && d->metric <= NACRE_DOT &&
           k->rows <= VECTORS_ROWS_MAX && k->rows <= k->entries && k->keys <= k->entries && k->blocks <= k->entries &&
           k->shadowed <= k->rows && (k->keys == 0) == empty && (k->blocks == 0) == empty &&
           k->entries <= (uint64_t)k->blocks * ENTRY_BLOCK_ENTRIES && rows_end <= k->blocks_begin &&
           k->blocks_begin - rows_end < 8 && k->blocks_begin % 8 == 0 && k->blocks_begin <= k->blocks_end &&
           k->blocks_end <= k->values_end && k->values_end <= k->container->bytes &&
           slice_compare(k->least_key, k->greatest_key) <= 0 && k->greatest_key.size <= NACRE_KEY_MAX &&
           k->shared <= k->least_key.size && k->shared <= slice_shared_prefix(k->least_key, k->greatest_key);
}

int keys_open(struct container *c, struct block_cache *cache, struct vector_description *d, struct vector_keys **out)
{
    *out = NULL;
    nacre_slice section;
    int status = container_section(c, "VECS", &section);
    if (status != NACRE_OK)
        return status;
    struct vector_keys *k = memory_zalloc(sizeof *k);
    if (!k)
        return NACRE_NO_MEMORY;
    k->map = c->map;
    k->container = c;
    k->cache = cache;
    if (!describe(k, d, section) || !fits(k, d)) {
        memory_free(k);
        return fail(NACRE_CORRUPT, "%s: section VECS: its %zu bytes do not fit each other or the file", c->path,
                    section.size);
    }
    atomic_init(&k->ready, false);
    atomic_init(&k->filter_ready, false);
    pthread_mutex_init(&k->lock, NULL);
    *out = k;
    return NACRE_OK;
}

void keys_close(struct vector_keys *k)
{
    if (!k)
        return;
    pthread_mutex_destroy(&k->lock);
    memory_free((void *)k->checked);
    memory_free(k);
}

uint64_t keys_memory(const struct vector_keys *k)
{
    bool ready = atomic_load_explicit(&k->ready, memory_order_acquire);
    return sizeof *k + (ready ? ((uint64_t)k->blocks + 31) / 32 * 8 : 0);
}

/* ---- first use; the lock is held ---- */

static int take_section(const struct vector_keys *k, const char name[4], uint64_t bytes, nacre_slice *section)
{
    int status = container_section(k->container, name, section);
    if (status == NACRE_NOT_FOUND)
        return fail(NACRE_CORRUPT, "%s: section %.4s expected, none found", k->container->path, name);
    if (status == NACRE_OK && bytes && section->size != bytes)
        return fail(NACRE_CORRUPT, "%s: section %.4s: %llu bytes expected, %zu found", k->container->path, name,
                    (unsigned long long)bytes, section->size);
    return status;
}

/* Invariant 2. */
static int check_directory(const struct vector_keys *k)
{
    uint64_t size = k->blocks_end - k->blocks_begin;
    bool good = keys_block_offset(k, 0) == 0 && keys_block_row(k, 0) == 0;
    uint32_t block = 0;
    for (; good && block < k->blocks; block++) {
        uint32_t offset = keys_block_offset(k, block), end = keys_block_offset(k, block + 1);
        uint32_t row = keys_block_row(k, block), after = keys_block_row(k, block + 1);
        good = end > offset && end - offset >= ENTRY_BLOCK_HEADER && end % 8 == 0 && end <= size && after >= row &&
               after - row <= ENTRY_BLOCK_ENTRIES;
    }
    if (good && keys_block_offset(k, k->blocks) == size && keys_block_row(k, k->blocks) == k->rows)
        return NACRE_OK;
    return fail(NACRE_CORRUPT, "%s: section KDIR: block %u does not fit", k->container->path, block);
}

static int load(struct vector_keys *k)
{
    nacre_slice section;
    if (k->blocks == 0)
        return k->values_end == k->blocks_begin
                   ? NACRE_OK
                   : fail(NACRE_CORRUPT, "%s: section VECS: bytes of blocks without blocks", k->container->path);
    int status = take_section(k, "HEAD", 8 * (uint64_t)k->blocks, &section);
    if (status != NACRE_OK)
        return status;
    k->heads = section.data;
    status = take_section(k, "KDIR", 8 * ((uint64_t)k->blocks + 1), &section);
    if (status != NACRE_OK)
        return status;
    k->directory = section.data;
    status = check_directory(k);
    if (status != NACRE_OK)
        return status;
    size_t words = ((size_t)k->blocks + 31) / 32;
    k->checked = memory_zalloc(words * sizeof *k->checked);
    return k->checked ? NACRE_OK : NACRE_NO_MEMORY;
}

int keys_load(struct vector_keys *k)
{
    int status = NACRE_OK;
    pthread_mutex_lock(&k->lock);
    if (!atomic_load_explicit(&k->ready, memory_order_relaxed)) {
        status = load(k);
        if (status == NACRE_OK)
            atomic_store_explicit(&k->ready, true, memory_order_release); /* pairs with keys_need */
    }
    pthread_mutex_unlock(&k->lock);
    return status;
}

static bool load_filter(struct vector_keys *k)
{
    nacre_slice section;
    pthread_mutex_lock(&k->lock);
    bool ready = atomic_load_explicit(&k->filter_ready, memory_order_relaxed);
    if (!ready && take_section(k, "KFIL", 0, &section) == NACRE_OK &&
        key_filter_open(section, &k->filter) == NACRE_OK && k->filter.keys == k->keys) {
        atomic_store_explicit(&k->filter_ready, true, memory_order_release); /* pairs with keys_may_have */
        ready = true;
    }
    pthread_mutex_unlock(&k->lock);
    return ready;
}

/* A filter that is damaged says yes: who then looks is told of damage there, or needs no filter. */
bool keys_may_have(struct vector_keys *k, const struct lookup *lookup)
{
    if (k->entries == 0 || slice_compare(lookup->key, k->least_key) < 0 ||
        slice_compare(lookup->key, k->greatest_key) > 0)
        return false;
    /* Pairs with load_filter. */
    if (__builtin_expect(!atomic_load_explicit(&k->filter_ready, memory_order_acquire), 0) && !load_filter(k))
        return true;
    return key_filter_may_have(&k->filter, lookup->hash);
}

/* ---- finding ---- */

static inline uint64_t head_at(const struct vector_keys *k, uint32_t block)
{
    return load_u64(k->heads + 8 * (size_t)block);
}

/* The first block of [low, high) whose head is at least `head`. Without branches but the loop's: which way it goes is not foreseen. */
static uint32_t first_not_less(const struct vector_keys *k, uint32_t low, uint32_t high, uint64_t head)
{
    uint32_t count = high - low;
    if (count == 0)
        return low;
    while (count > 1) {
        uint32_t half = count / 2;
        low += half & (0 - (uint32_t)(head_at(k, low + half - 1) < head));
        count -= half;
    }
    return low + (head_at(k, low) < head);
}

/* The first block of [low, high), which all have the key's head, whose first key is not less. */
static int first_key_not_less(struct vector_keys *k, uint32_t low, uint32_t high, nacre_slice key, uint32_t *block)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct entry_block b;
        int status = keys_view(k, middle, &b);
        if (status != NACRE_OK)
            return status;
        bool less = slice_compare(entry_block_first_key(&b), key) < 0;
        keys_release(&b);
        if (less)
            low = middle + 1;
        else
            high = middle;
    }
    *block = low;
    return NACRE_OK;
}

/* Gallops: moves *low on, but not past the first block whose head is at least `head`, and returns a block that is not ahead of that one. */
static uint32_t near_end(const struct vector_keys *k, uint32_t *low, uint64_t head)
{
    uint32_t step = 1;
    while (step < k->blocks - *low && head_at(k, *low + step) < head) {
        *low += step;
        step *= 2;
    }
    return step < k->blocks - *low ? *low + step : k->blocks;
}

/* The last block from `from` on whose first key is less than `key`, or `from`. */
static int find_block(struct vector_keys *k, uint32_t from, nacre_slice key, uint32_t *block)
{
    size_t shared = k->shared, part = key.size < shared ? key.size : shared;
    int order = part ? memcmp(key.data, k->least_key.data, part) : 0;
    *block = from;
    if (order < 0 || (order == 0 && key.size < shared))
        return NACRE_OK;
    if (order > 0) {
        *block = k->blocks - 1;
        return NACRE_OK;
    }
    uint64_t head = key.size > shared ? slice_head(slice_of((const uint8_t *)key.data + shared, key.size - shared)) : 0;
    uint32_t low = from, high = from ? near_end(k, &low, head) : k->blocks;
    low = first_not_less(k, low, high, head);
    if (low < k->blocks && head_at(k, low) == head) {
        high = head == UINT64_MAX ? k->blocks : first_not_less(k, low, k->blocks, head + 1);
        int status = first_key_not_less(k, low, high, key, &low);
        if (status != NACRE_OK)
            return status;
    }
    *block = low > from ? low - 1 : from;
    return NACRE_OK;
}

int keys_find_from(struct vector_keys *k, uint32_t from, nacre_slice key, uint32_t *block, uint32_t *index, bool *equal,
                   struct entry_block *b)
{
    *b = (struct entry_block){ 0 };
    *equal = false;
    *index = 0;
    *block = k->blocks;
    if (from >= k->blocks)
        return NACRE_OK;
    uint32_t at = 0;
    int status = find_block(k, from, key, &at);
    if (status != NACRE_OK)
        return status;
    status = keys_view(k, at, b);
    if (status != NACRE_OK)
        return status;
    *index = entry_block_lower_bound(b, key, equal);
    *block = at;
    if (*index < b->count)
        return NACRE_OK;
    keys_release(b);
    *b = (struct entry_block){ 0 };
    *index = 0;
    *block = ++at;
    if (at == k->blocks)
        return NACRE_OK;
    status = keys_view(k, at, b);
    if (status == NACRE_OK)
        *equal = slice_equal(entry_block_first_key(b), key);
    return status;
}

int keys_find(struct vector_keys *k, nacre_slice key, uint32_t *block, uint32_t *index, bool *equal,
              struct entry_block *b)
{
    return keys_find_from(k, 0, key, block, index, equal, b);
}

/* Blocks have about the same number of rows: the guess is good, and what it is off is galloped over. */
uint32_t keys_block_of_row(const struct vector_keys *k, uint32_t row)
{
    uint32_t guess = (uint32_t)((uint64_t)row * k->blocks / k->rows), step = 1, low, high;
    if (keys_block_row(k, guess) <= row) {
        low = guess;
        while (step < k->blocks - low && keys_block_row(k, low + step) <= row) {
            low += step;
            step *= 2;
        }
        high = step < k->blocks - low ? low + step : k->blocks;
    } else {
        high = guess;
        while (step < high && keys_block_row(k, high - step) > row) {
            high -= step;
            step *= 2;
        }
        low = step < high ? high - step : 0;
    }
    while (high - low > 1) { /* row(low) <= row < row(high) */
        uint32_t middle = low + (high - low) / 2;
        if (keys_block_row(k, middle) <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}
