/* One sharded cache for blocks that cannot be used in place: decompressed ones, and all blocks where maps are off. */
#ifndef NACRE_SEGMENT_BLOCK_CACHE_H
#define NACRE_SEGMENT_BLOCK_CACHE_H
#include "base/entry.h"
struct block_cache;
struct cached_block; /* counted; bytes stay while it is held */
int block_cache_create(uint64_t capacity_bytes, struct block_cache **);
void block_cache_free(struct block_cache *);
void block_cache_set_capacity(struct block_cache *, uint64_t bytes);
struct cached_block *block_cache_get(struct block_cache *, uint64_t file_id, uint64_t offset); /* held, or NULL */
/* Takes over `bytes` (memory_alloc); returns it held. When another thread was first, that block is returned and `bytes` freed. NULL: no memory, `bytes` freed. */
struct cached_block *block_cache_put(struct block_cache *, uint64_t file_id, uint64_t offset, void *bytes, size_t size);
const uint8_t *cached_block_bytes(const struct cached_block *, size_t *size);
void cached_block_hold(struct cached_block *);
void cached_block_release(void *block); /* fits struct pin */
uint64_t block_cache_bytes(const struct block_cache *);
void block_cache_counts(const struct block_cache *, uint64_t *hits, uint64_t *misses);
/* What the cache is worth, for who shares out memory. Counts since it was made. */
struct cache_pressure {
    uint64_t hits, misses;
    uint64_t near;           /* of the misses: blocks that a cache larger by the reach would have had still */
    uint64_t loads, load_ns; /* of those misses that were timed, one in 32: from the miss to the block */
};
void block_cache_pressure(struct block_cache *, struct cache_pressure *);
void block_cache_set_reach(struct block_cache *, uint64_t bytes);
/* Once in CACHE_PRESSED_EVERY misses of a part of the cache. Before the cache is used. Called by who missed, with no lock of the cache held. */
#define CACHE_PRESSED_EVERY 4096u
void block_cache_watch(struct block_cache *, void (*pressed)(void *context), void *context);
/* Of the calling thread alone: lookups since it began. */
struct block_cache_lookups {
    uint64_t hits, misses;
};
struct block_cache_lookups block_cache_own_lookups(void);
uint64_t block_cache_memory(struct block_cache *); /* heap: blocks and tables */
void block_cache_drop_file(struct block_cache *, uint64_t file_id);
struct decompressor;
struct decompressor *block_cache_decompressor(struct block_cache *); /* working memory that all readers share */
#endif
