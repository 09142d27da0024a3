/* A free list of 2 MiB chunks under a mutex. A table takes one chunk per several thousand entries, so the mutex is
   never hot.
   Invariants:
   1. `bytes` = chunks taken and not given back + chunks on the list.
   2. The list never holds more than `keep_bytes`; its links lie in the chunks themselves. */
#include "memtable/chunk_pool.h"
#include "base/memory.h"
#include "base/status.h"
#include <pthread.h>
#include <stdatomic.h>

#define PAGE_BYTES 4096u

struct kept_chunk {
    struct kept_chunk *next;
};

struct chunk_pool {
    pthread_mutex_t lock;
    struct kept_chunk *kept;
    uint64_t kept_bytes, keep_bytes;
    _Atomic uint64_t bytes; /* relaxed: a statistic, it orders nothing; so is the next */
    _Atomic int64_t other_bytes;
    bool (*ask)(void *context, uint64_t bytes); /* NULL: there is always room */
    void *ask_context;
    bool excused; /* of those who reserve, one at a time; so is the next */
    uint64_t refused;
};

int chunk_pool_create(uint64_t keep_bytes, struct chunk_pool **created)
{
    struct chunk_pool *pool = memory_zalloc(sizeof *pool);
    if (!pool)
        return NACRE_NO_MEMORY;
    if (pthread_mutex_init(&pool->lock, NULL) != 0) {
        memory_free(pool);
        return fail(NACRE_NO_MEMORY, "chunk pool: the system has no room for a mutex");
    }
    pool->keep_bytes = keep_bytes;
    *created = pool;
    return NACRE_OK;
}

void chunk_pool_free(struct chunk_pool *pool)
{
    if (!pool)
        return;
    while (pool->kept) {
        struct kept_chunk *chunk = pool->kept;
        pool->kept = chunk->next;
        memory_unmap(chunk, CHUNK_BYTES);
    }
    pthread_mutex_destroy(&pool->lock);
    memory_free(pool);
}

/* Gives one back to the system, where more is kept than that. */
static bool let_one_go(struct chunk_pool *pool, uint64_t most)
{
    pthread_mutex_lock(&pool->lock);
    struct kept_chunk *chunk = pool->kept_bytes > most ? pool->kept : NULL;
    if (chunk) {
        pool->kept = chunk->next;
        pool->kept_bytes -= CHUNK_BYTES;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!chunk)
        return false;
    memory_unmap(chunk, CHUNK_BYTES);
    atomic_fetch_sub_explicit(&pool->bytes, CHUNK_BYTES, memory_order_relaxed);
    return true;
}

void chunk_pool_set_keep(struct chunk_pool *pool, uint64_t keep_bytes)
{
    pthread_mutex_lock(&pool->lock);
    pool->keep_bytes = keep_bytes;
    pthread_mutex_unlock(&pool->lock);
    while (let_one_go(pool, keep_bytes)) {}
}

void chunk_pool_trim(struct chunk_pool *pool)
{
    while (let_one_go(pool, 0)) {}
}

void chunk_pool_guard(struct chunk_pool *pool, bool (*ask)(void *context, uint64_t bytes), void *context)
{
    pool->ask = ask;
    pool->ask_context = context;
}

void chunk_pool_excuse(struct chunk_pool *pool, bool excused)
{
    pool->excused = excused;
}

uint64_t chunk_pool_refused(const struct chunk_pool *pool)
{
    return pool->refused;
}

int chunk_pool_ask(struct chunk_pool *pool, uint64_t bytes, bool chunk)
{
    if (!pool->ask || pool->excused || (chunk && chunk_pool_kept_bytes(pool) > 0) ||
        pool->ask(pool->ask_context, bytes))
        return NACRE_OK; /* a kept chunk is taken already */
    pool->refused = bytes;
    return fail(NACRE_BUSY, "the memory budget has no room for %llu bytes more of memtables",
                (unsigned long long)bytes);
}

void *chunk_pool_take(struct chunk_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct kept_chunk *chunk = pool->kept;
    if (chunk) {
        pool->kept = chunk->next;
        pool->kept_bytes -= CHUNK_BYTES;
    }
    pthread_mutex_unlock(&pool->lock);
    if (chunk)
        return chunk;
    void *fresh = memory_map(CHUNK_BYTES);
    if (fresh)
        atomic_fetch_add_explicit(&pool->bytes, CHUNK_BYTES, memory_order_relaxed);
    return fresh;
}

void chunk_pool_give(struct chunk_pool *pool, void *memory)
{
    struct kept_chunk *chunk = memory;
    pthread_mutex_lock(&pool->lock);
    bool keep = pool->kept_bytes + CHUNK_BYTES <= pool->keep_bytes;
    if (keep) {
        chunk->next = pool->kept;
        pool->kept = chunk;
        pool->kept_bytes += CHUNK_BYTES;
    }
    pthread_mutex_unlock(&pool->lock);
    if (keep)
        return;
    memory_unmap(memory, CHUNK_BYTES);
    atomic_fetch_sub_explicit(&pool->bytes, CHUNK_BYTES, memory_order_relaxed);
}

static bool chunk_pool_wants_more(struct chunk_pool *pool, size_t chunks)
{
    pthread_mutex_lock(&pool->lock);
    bool wants = pool->kept_bytes / CHUNK_BYTES < chunks && pool->kept_bytes + CHUNK_BYTES <= pool->keep_bytes;
    pthread_mutex_unlock(&pool->lock);
    return wants && (!pool->ask || pool->ask(pool->ask_context, CHUNK_BYTES));
}

void chunk_pool_warm(struct chunk_pool *pool, size_t chunks)
{
    while (chunk_pool_wants_more(pool, chunks)) {
        uint8_t *fresh = memory_map(CHUNK_BYTES);
        if (!fresh)
            return;
        /* A write to each page makes the system find the memory now and not under a writer. */
        for (size_t at = 0; at < CHUNK_BYTES; at += PAGE_BYTES)
            ((volatile uint8_t *)fresh)[at] = 0;
        atomic_fetch_add_explicit(&pool->bytes, CHUNK_BYTES, memory_order_relaxed);
        chunk_pool_give(pool, fresh);
    }
}

uint64_t chunk_pool_bytes(const struct chunk_pool *pool)
{
    return atomic_load_explicit(&pool->bytes, memory_order_relaxed);
}

uint64_t chunk_pool_kept_bytes(struct chunk_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    uint64_t kept = pool->kept_bytes;
    pthread_mutex_unlock(&pool->lock);
    return kept;
}

void chunk_pool_note(struct chunk_pool *pool, int64_t bytes)
{
    atomic_fetch_add_explicit(&pool->other_bytes, bytes, memory_order_relaxed);
}

uint64_t chunk_pool_table_bytes(struct chunk_pool *pool)
{
    uint64_t kept = chunk_pool_kept_bytes(pool), chunks = chunk_pool_bytes(pool);
    int64_t other = atomic_load_explicit(&pool->other_bytes, memory_order_relaxed);
    return (chunks > kept ? chunks - kept : 0) + (other > 0 ? (uint64_t)other : 0);
}

uint64_t chunk_pool_all_bytes(const struct chunk_pool *pool)
{
    int64_t other = atomic_load_explicit(&pool->other_bytes, memory_order_relaxed);
    return chunk_pool_bytes(pool) + (other > 0 ? (uint64_t)other : 0);
}
