/* An arena: a list of chunks, each twice as large as the one before. The first holds the arena itself, so that common patterns cost one
   allocation in all.

   Invariants:
   1. `at` and `end` are inside the newest chunk, and `at` is aligned to 8.
   2. `size` is the sum of all chunks, at most ARENA_MAX.
   One thread at a time, no locks. */
#include "regex/arena.h"
#include "base/memory.h"
#include "base/status.h"

enum { FIRST_CHUNK_BYTES = 4096, CHUNK_BYTES_MAX = 1 << 20 };

struct chunk {
    struct chunk *older;
};

struct arena {
    struct chunk chunk; /* first: the arena lies at the begin of its oldest chunk */
    struct chunk *newest;
    uint8_t *at, *end;
    size_t size, next_chunk_bytes;
    int status;
};

static size_t aligned(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

struct arena *arena_create(void)
{
    struct arena *a = memory_alloc(FIRST_CHUNK_BYTES);
    if (!a)
        return NULL;
    *a = (struct arena){ .newest = &a->chunk,
                         .at = (uint8_t *)a + aligned(sizeof *a),
                         .end = (uint8_t *)a + FIRST_CHUNK_BYTES,
                         .size = FIRST_CHUNK_BYTES,
                         .next_chunk_bytes = 2 * FIRST_CHUNK_BYTES,
                         .status = NACRE_OK };
    return a;
}

void arena_free(struct arena *a)
{
    struct chunk *chunk = a ? a->newest : NULL;
    while (chunk) {
        struct chunk *older = chunk->older;
        memory_free(chunk);
        chunk = older;
    }
}

static void *alloc_from_new_chunk(struct arena *a, size_t bytes)
{
    size_t chunk_bytes = bytes + aligned(sizeof(struct chunk));
    if (chunk_bytes < a->next_chunk_bytes)
        chunk_bytes = a->next_chunk_bytes;
    if (bytes > ARENA_MAX || a->size + chunk_bytes > ARENA_MAX) {
        a->status = fail(NACRE_LIMIT, "regular expression: it is too large: its parts take more than %zu MiB of memory",
                         ARENA_MAX >> 20);
        return NULL;
    }
    struct chunk *chunk = memory_alloc(chunk_bytes);
    if (!chunk) {
        a->status = NACRE_NO_MEMORY;
        return NULL;
    }
    chunk->older = a->newest;
    a->newest = chunk;
    a->size += chunk_bytes;
    if (a->next_chunk_bytes < CHUNK_BYTES_MAX)
        a->next_chunk_bytes *= 2;
    void *memory = (uint8_t *)chunk + aligned(sizeof *chunk);
    a->at = (uint8_t *)memory + bytes;
    a->end = (uint8_t *)chunk + chunk_bytes;
    return memory;
}

void *arena_take(struct arena *a, size_t bytes)
{
    if (bytes <= ARENA_MAX)
        bytes = aligned(bytes);
    if (bytes > (size_t)(a->end - a->at))
        return alloc_from_new_chunk(a, bytes);
    void *memory = a->at;
    a->at += bytes;
    return memory;
}

int arena_status(const struct arena *a)
{
    return a->status;
}
