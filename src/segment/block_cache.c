/* The sharded block cache: a hash table per shard, evicted by CLOCK.
   Invariants:
   1. A block in a table has one reference for the table; every handle has one more. A block is freed at zero.
   2. shard.bytes counts the blocks of its table; after every put shard.bytes <= shard.capacity. A block that does not fit, because it is too
      large or everything else is held, is handed out without being kept.
   3. A new block starts unreferenced (CLOCK bit off): one scan passes through without driving out what was asked for twice.
   4. ghosts remember blocks that were driven out, by a part of their hash and by how much had been driven out of the shard by then: a miss on one
      is near when since then no more was driven out than the shard's part of the reach. One overwrites another now and then: near is counted
      too low rather than too high.
   Any thread. One lock per shard, held for a table operation only; no other lock is taken under it. */
#include "segment/block_cache.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "segment/codec.h"
#include <pthread.h>
#include <stdatomic.h>

#define SHARD_BYTES_LEAST ((uint64_t)4 << 20) /* smaller caches get fewer shards */
#define SHARDS_MOST       16u
#define BUCKETS_FIRST     64u
#define GHOST_BLOCK       8192u /* a ghost for so many bytes of the first capacity */
#define GHOSTS_LEAST      256u
#define GHOSTS_MOST       32768u
#define LOAD_EVERY        32u /* misses of a thread, of which one is timed */

struct cached_block {
    struct cached_block *next;          /* in its bucket */
    struct cached_block *older, *newer; /* CLOCK ring */
    struct block_cache *cache;
    uint64_t file_id, offset, hash;
    size_t size, charge; /* charge: with this struct */
    void *bytes;
    atomic_uint references;
    bool used; /* CLOCK bit; the shard's lock */
};

struct ghost {
    uint32_t tag;      /* of the hash; 0: none */
    uint32_t departed; /* KiB that had been driven out; wraps */
};

struct shard {
    _Alignas(64) pthread_mutex_t lock;
    struct ghost *ghosts;
    uint64_t driven_out, near, loads, load_ns;
    struct cached_block **buckets;
    size_t bucket_count, count;
    struct cached_block *hand;
    uint64_t bytes, capacity, hits, misses;
};

struct block_cache {
    uint32_t shard_count, ghost_count; /* of each shard; a power of two */
    _Atomic uint64_t reach;
    void (*pressed)(void *context); /* may be NULL */
    void *pressed_context;
    struct decompressor *decompressor;
    _Atomic uint64_t bytes; /* of all blocks that live, kept or only held */
    struct shard shards[SHARDS_MOST];
};

int block_cache_create(uint64_t capacity, struct block_cache **out)
{
    *out = NULL;
    struct block_cache *cache = memory_alloc_aligned(64, sizeof *cache);
    if (!cache)
        return NACRE_NO_MEMORY;
    memset(cache, 0, sizeof *cache);
    cache->shard_count = 1;
    while (cache->shard_count < SHARDS_MOST && capacity / (cache->shard_count * 2) >= SHARD_BYTES_LEAST)
        cache->shard_count *= 2;
    cache->ghost_count = GHOSTS_LEAST;
    while (cache->ghost_count < GHOSTS_MOST &&
           (uint64_t)cache->ghost_count * cache->shard_count * GHOST_BLOCK < capacity)
        cache->ghost_count *= 2;
    for (uint32_t i = 0; i < cache->shard_count; i++)
        pthread_mutex_init(&cache->shards[i].lock, NULL);
    bool made = (cache->decompressor = decompressor_create()) != NULL;
    for (uint32_t i = 0; i < cache->shard_count && made; i++) {
        struct shard *shard = &cache->shards[i];
        shard->bucket_count = BUCKETS_FIRST;
        shard->buckets = memory_zalloc(BUCKETS_FIRST * sizeof *shard->buckets);
        shard->capacity = capacity / cache->shard_count;
        shard->ghosts = memory_zalloc(cache->ghost_count * sizeof *shard->ghosts);
        made = shard->buckets && shard->ghosts;
    }
    if (!made) {
        block_cache_free(cache);
        return NACRE_NO_MEMORY;
    }
    *out = cache;
    return NACRE_OK;
}

static _Thread_local struct block_cache_lookups own_lookups;

struct block_cache_lookups block_cache_own_lookups(void)
{
    return own_lookups;
}

static void block_free(struct cached_block *block)
{
    memory_take_over(block->bytes); /* of whoever works in this thread: freed for it as if it were its own */
    memory_take_over(block);
    atomic_fetch_sub_explicit(&block->cache->bytes, block->charge, memory_order_relaxed); /* a statistic */
    memory_free(block->bytes);
    memory_free(block);
}

void cached_block_hold(struct cached_block *block)
{
    atomic_fetch_add_explicit(&block->references, 1, memory_order_relaxed); /* the caller holds one already */
}

void cached_block_release(void *handle)
{
    struct cached_block *block = handle;
    /* Release and acquire: every holder's reads come before the free. */
    if (atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel) == 1)
        block_free(block);
}

/* ---- inside a shard, its lock held ---- */

static struct cached_block **shard_find(struct shard *shard, uint64_t hash, uint64_t file_id, uint64_t offset)
{
    struct cached_block **link = &shard->buckets[hash & (shard->bucket_count - 1)];
    while (*link && ((*link)->offset != offset || (*link)->file_id != file_id))
        link = &(*link)->next;
    return link;
}

static void shard_remove(struct shard *shard, struct cached_block *block)
{
    struct cached_block **link = shard_find(shard, block->hash, block->file_id, block->offset);
    *link = block->next;
    if (block->newer == block) {
        shard->hand = NULL;
    } else {
        block->older->newer = block->newer;
        block->newer->older = block->older;
        if (shard->hand == block)
            shard->hand = block->newer;
    }
    shard->count--;
    shard->bytes -= block->charge;
    cached_block_release(block);
}

static uint32_t ghost_tag(uint64_t hash)
{
    return (uint32_t)(hash >> 16) | 1;
}

static void shard_remember(struct shard *shard, const struct cached_block *block)
{
    shard->driven_out += block->charge;
    shard->ghosts[block->hash & (block->cache->ghost_count - 1)] =
        (struct ghost){ .tag = ghost_tag(block->hash), .departed = (uint32_t)(shard->driven_out / 1024) };
}

/* Whether a larger cache would have had it; it is forgotten. */
static bool shard_was_near(const struct block_cache *cache, struct shard *shard, uint64_t hash)
{
    struct ghost *ghost = &shard->ghosts[hash & (cache->ghost_count - 1)];
    if (ghost->tag != ghost_tag(hash))
        return false;
    ghost->tag = 0;
    uint64_t reach = atomic_load_explicit(&cache->reach, memory_order_relaxed) / cache->shard_count;
    return (uint32_t)(shard->driven_out / 1024) - ghost->departed <= reach / 1024;
}

/* Two rounds at most: the first clears bits, the second finds every block free to go that nobody holds. */
static void shard_make_room(struct shard *shard, uint64_t size)
{
    size_t steps = 2 * shard->count;
    while (shard->hand && shard->bytes + size > shard->capacity && steps--) {
        struct cached_block *block = shard->hand;
        /* Relaxed: only the table gives out new references, under this lock, so a count of one cannot rise meanwhile. */
        bool held = atomic_load_explicit(&block->references, memory_order_relaxed) > 1;
        shard->hand = block->newer;
        if (!held && !block->used) {
            shard_remember(shard, block);
            shard_remove(shard, block);
        } else if (!held) {
            block->used = false;
        }
    }
}

static void shard_grow(struct shard *shard)
{
    size_t wanted = shard->bucket_count * 2;
    struct cached_block **buckets = memory_zalloc(wanted * sizeof *buckets);
    if (!buckets)
        return; /* longer chains, nothing worse */
    for (size_t i = 0; i < shard->bucket_count; i++) {
        struct cached_block *block = shard->buckets[i];
        while (block) {
            struct cached_block *next = block->next;
            block->next = buckets[block->hash & (wanted - 1)];
            buckets[block->hash & (wanted - 1)] = block;
            block = next;
        }
    }
    memory_free(shard->buckets);
    shard->buckets = buckets;
    shard->bucket_count = wanted;
}

static void shard_insert(struct shard *shard, struct cached_block *block)
{
    if (shard->count >= shard->bucket_count)
        shard_grow(shard);
    struct cached_block **bucket = &shard->buckets[block->hash & (shard->bucket_count - 1)];
    block->next = *bucket;
    *bucket = block;
    if (shard->hand) { /* behind the hand: it is looked at last */
        block->newer = shard->hand;
        block->older = shard->hand->older;
        block->older->newer = block;
        shard->hand->older = block;
    } else {
        block->newer = block->older = block;
        shard->hand = block;
    }
    shard->count++;
    shard->bytes += block->charge;
    cached_block_hold(block);
}

/* ---- the calls ---- */

static uint64_t place_hash(uint64_t file_id, uint64_t offset)
{
    uint64_t place[2] = { file_id, offset };
    return hash_bytes(place, sizeof place);
}

static struct shard *shard_of(struct block_cache *cache, uint64_t hash)
{
    return &cache->shards[(hash >> 48) & (cache->shard_count - 1)];
}

/* Of this thread: the miss that is timed until its block is put. */
static _Thread_local struct {
    uint64_t hash, began;
    uint32_t left;
} timed_load;

static void load_begins(uint64_t hash)
{
    if (timed_load.left-- == 0) {
        timed_load.left = LOAD_EVERY - 1;
        timed_load.hash = hash;
        timed_load.began = clock_monotonic_ns();
    }
}

/* 0: it was not timed. */
static uint64_t load_took(uint64_t hash)
{
    if (timed_load.began == 0 || timed_load.hash != hash)
        return 0;
    uint64_t took = clock_monotonic_ns() - timed_load.began;
    timed_load.began = 0;
    return took;
}

struct cached_block *block_cache_get(struct block_cache *cache, uint64_t file_id, uint64_t offset)
{
    bool pressed = false;
    uint64_t hash = place_hash(file_id, offset);
    struct shard *shard = shard_of(cache, hash);
    pthread_mutex_lock(&shard->lock);
    struct cached_block *block = *shard_find(shard, hash, file_id, offset);
    if (block) {
        cached_block_hold(block);
        block->used = true;
        shard->hits++;
    } else {
        shard->near += shard_was_near(cache, shard, hash);
        pressed = ++shard->misses % CACHE_PRESSED_EVERY == 0;
    }
    pthread_mutex_unlock(&shard->lock);
    if (!block)
        load_begins(hash);
    if (pressed && cache->pressed)
        cache->pressed(cache->pressed_context);
    own_lookups.hits += block != NULL;
    own_lookups.misses += block == NULL;
    return block;
}

struct cached_block *block_cache_put(struct block_cache *cache, uint64_t file_id, uint64_t offset, void *bytes,
                                     size_t size)
{
    struct cached_block *fresh = memory_zalloc(sizeof *fresh);
    if (!fresh) {
        memory_free(bytes);
        return NULL;
    }
    *fresh = (struct cached_block){ .cache = cache,
                                    .file_id = file_id,
                                    .offset = offset,
                                    .hash = place_hash(file_id, offset),
                                    .size = size,
                                    .charge = size + sizeof *fresh,
                                    .bytes = bytes };
    memory_give_away(bytes); /* the cache's from here on, whoever read it */
    memory_give_away(fresh);
    atomic_init(&fresh->references, 1);
    atomic_fetch_add_explicit(&cache->bytes, fresh->charge, memory_order_relaxed); /* a statistic */
    struct shard *shard = shard_of(cache, fresh->hash);
    uint64_t took = load_took(fresh->hash);
    pthread_mutex_lock(&shard->lock);
    shard->loads += took != 0;
    shard->load_ns += took;
    struct cached_block *block = *shard_find(shard, fresh->hash, file_id, offset);
    if (block) {
        cached_block_hold(block);
    } else if (fresh->charge <= shard->capacity) {
        shard_make_room(shard, fresh->charge);
        if (shard->bytes + fresh->charge <= shard->capacity)
            shard_insert(shard, fresh);
    }
    pthread_mutex_unlock(&shard->lock);
    if (!block)
        return fresh;
    cached_block_release(fresh);
    return block;
}

const uint8_t *cached_block_bytes(const struct cached_block *block, size_t *size)
{
    if (size)
        *size = block->size;
    return block->bytes;
}

void block_cache_set_capacity(struct block_cache *cache, uint64_t capacity)
{
    for (uint32_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->lock);
        shard->capacity = capacity / cache->shard_count;
        shard_make_room(shard, 0);
        pthread_mutex_unlock(&shard->lock);
    }
}

void block_cache_drop_file(struct block_cache *cache, uint64_t file_id)
{
    for (uint32_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->lock);
        size_t steps = shard->count;
        struct cached_block *block = shard->hand;
        while (block && steps--) {
            struct cached_block *next = block->newer;
            if (block->file_id == file_id)
                shard_remove(shard, block);
            block = shard->hand ? next : NULL;
        }
        pthread_mutex_unlock(&shard->lock);
    }
}

uint64_t block_cache_bytes(const struct block_cache *cache)
{
    return atomic_load_explicit(&cache->bytes, memory_order_relaxed);
}

uint64_t block_cache_memory(struct block_cache *cache)
{
    uint64_t bytes = sizeof *cache + block_cache_bytes(cache);
    for (uint32_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->lock);
        bytes += shard->bucket_count * sizeof *shard->buckets + cache->ghost_count * sizeof *shard->ghosts;
        pthread_mutex_unlock(&shard->lock);
    }
    return bytes;
}

void block_cache_counts(const struct block_cache *cache, uint64_t *hits, uint64_t *misses)
{
    *hits = *misses = 0;
    for (uint32_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard =
            (struct shard *)(uintptr_t)&cache->shards[i]; /* its lock is no part of what `const` promises */
        pthread_mutex_lock(&shard->lock);
        *hits += shard->hits;
        *misses += shard->misses;
        pthread_mutex_unlock(&shard->lock);
    }
}

void block_cache_pressure(struct block_cache *cache, struct cache_pressure *pressure)
{
    *pressure = (struct cache_pressure){ 0 };
    for (uint32_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->lock);
        pressure->hits += shard->hits;
        pressure->misses += shard->misses;
        pressure->near += shard->near;
        pressure->loads += shard->loads;
        pressure->load_ns += shard->load_ns;
        pthread_mutex_unlock(&shard->lock);
    }
}

void block_cache_set_reach(struct block_cache *cache, uint64_t bytes)
{
    atomic_store_explicit(&cache->reach, bytes, memory_order_relaxed);
}

void block_cache_watch(struct block_cache *cache, void (*pressed)(void *context), void *context)
{
    cache->pressed_context = context;
    cache->pressed = pressed;
}

struct decompressor *block_cache_decompressor(struct block_cache *cache)
{
    return cache->decompressor;
}

void block_cache_free(struct block_cache *cache)
{
    if (!cache)
        return;
    for (uint32_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        while (shard->hand)
            shard_remove(shard, shard->hand);
        memory_free(shard->buckets);
        memory_free(shard->ghosts);
        pthread_mutex_destroy(&shard->lock);
    }
    decompressor_free(cache->decompressor);
    memory_free(cache);
}
