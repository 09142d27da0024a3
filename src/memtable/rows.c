/* Rows of vectors (see rows.h). A chunk is its header, then a mark per row, then, at a multiple of 64 bytes, the vectors, `stride` apart.

   Invariants:
   1. A chunk is linked empty, and left as the current one only when all its rows are taken: so rows are taken in the order of the chain, and
      there is none in a chunk before which one has rows left.
   2. A row is given to one put, once. Its floats are written before its version can be found, and never again; its mark goes from NULL to its
      version, once.
   3. A put takes one row, whatever becomes of it: so where `capacity` is at least `reserved`, puts that were reserved for find a row.
   Who finds the mark of a row set, or its version in the tree, sees its floats whole: both are published with release after the floats.
   Threads: any. Locks: `growing`, then the chunk pool's; taken once per chunk, by writers alone. */
#include "memtable/rows.h"
#include "base/memory.h"
#include "base/status.h"
#include "memtable/table.h"

/* Small tables have small chunks, which double in size; then come those of the pool, which are faulted in already where they were used before. */
#define SMALL_CHUNK_FIRST ((size_t)8 << 10)
#define SMALL_CHUNK_LAST  ((size_t)512 << 10)

int rows_init(struct rows *rows, struct chunk_pool *pool, size_t vector_bytes)
{
    if (pthread_mutex_init(&rows->growing, NULL) != 0)
        return fail(NACRE_NO_MEMORY, "memtable: the system has no room for a mutex");
    rows->pool = pool;
    rows->vector_bytes = vector_bytes;
    rows->stride = (vector_bytes + ROW_ALIGNMENT - 1) & ~(size_t)(ROW_ALIGNMENT - 1);
    rows->next_bytes = SMALL_CHUNK_FIRST;
    atomic_init(&rows->first, NULL);
    atomic_init(&rows->current, NULL);
    atomic_init(&rows->capacity, 0);
    atomic_init(&rows->held, 0);
    return NACRE_OK;
}

static void chunk_free(struct rows *rows, struct row_chunk *chunk)
{
    if (chunk->source != ROWS_CHUNK)
        chunk_pool_note(rows->pool, -(int64_t)chunk->bytes);
    switch (chunk->source) {
    case ROWS_ALLOCATED:
        memory_free(chunk);
        return;
    case ROWS_CHUNK:
        chunk_pool_give(rows->pool, chunk);
        return;
    case ROWS_MAPPED:
        memory_unmap(chunk, chunk->bytes);
        return;
    }
}

void rows_destroy(struct rows *rows)
{
    struct row_chunk *chunk = atomic_load_explicit(&rows->first, memory_order_acquire);
    while (chunk) {
        struct row_chunk *next = atomic_load_explicit(&chunk->next, memory_order_acquire);
        chunk_free(rows, chunk);
        chunk = next;
    }
    pthread_mutex_destroy(&rows->growing);
}

/* Bytes of a chunk of so many rows. False: they do not fit the address space. */
static bool chunk_bytes(const struct rows *rows, size_t count, size_t *bytes)
{
    return size_multiply(count, rows->stride + sizeof(struct row_mark), bytes) &&
           size_add(*bytes, sizeof(struct row_chunk) + ROW_ALIGNMENT, bytes);
}

static size_t chunk_capacity(const struct rows *rows, size_t bytes)
{
    return (bytes - sizeof(struct row_chunk) - ROW_ALIGNMENT) / (rows->stride + sizeof(struct row_mark));
}

/* growing held. Memory for a chunk of at least `bytes`; `ask`: if there is room in the budget. */
static int chunk_alloc(struct rows *rows, size_t bytes, bool ask, enum row_chunk_source *source, size_t *size,
                       struct row_chunk **chunk)
{
    while (rows->next_bytes < bytes && rows->next_bytes <= SMALL_CHUNK_LAST)
        rows->next_bytes *= 2;
    bool small = rows->next_bytes <= SMALL_CHUNK_LAST;
    *source = small ? ROWS_ALLOCATED : bytes <= CHUNK_BYTES ? ROWS_CHUNK : ROWS_MAPPED;
    *size = small ? rows->next_bytes : bytes <= CHUNK_BYTES ? CHUNK_BYTES : bytes;
    int status = ask ? chunk_pool_ask(rows->pool, *size, *source == ROWS_CHUNK) : NACRE_OK;
    if (status != NACRE_OK)
        return status;
    rows->next_bytes *= small ? 2 : 1;
    *chunk = small                   ? memory_alloc_aligned(ROW_ALIGNMENT, *size)
             : *source == ROWS_CHUNK ? chunk_pool_take(rows->pool)
                                     : memory_map(bytes);
    return *chunk ? NACRE_OK : NACRE_NO_MEMORY;
}

/* growing held. A further chunk, for at least `count` rows. */
static int grow(struct rows *rows, size_t count, bool ask)
{
    size_t wanted, size;
    enum row_chunk_source source;
    if (!chunk_bytes(rows, count, &wanted))
        return fail(NACRE_NO_MEMORY, "memtable: %zu vectors of %zu bytes do not fit the address space", count,
                    rows->vector_bytes);
    struct row_chunk *chunk = NULL;
    int status = chunk_alloc(rows, wanted, ask, &source, &size, &chunk);
    if (status != NACRE_OK)
        return status;
    size_t capacity = chunk_capacity(rows, size);
    uint64_t before = atomic_load_explicit(&rows->capacity, memory_order_relaxed);
    chunk->before = before;
    chunk->capacity = capacity;
    chunk->bytes = size;
    chunk->source = source;
    atomic_init(&chunk->next, NULL);
    atomic_init(&chunk->taken, 0);
    memset(chunk->marks, 0, capacity * sizeof chunk->marks[0]);
    uintptr_t marks_end = (uintptr_t)(chunk->marks + capacity);
    chunk->vectors = (uint8_t *)(chunk->marks + capacity) + (-marks_end & (ROW_ALIGNMENT - 1));
    atomic_store_explicit(&rows->capacity, before + capacity, memory_order_relaxed);
    /* release: who follows the link finds the chunk whole, and counted. */
    if (rows->last) {
        atomic_store_explicit(&rows->last->next, chunk, memory_order_release);
    } else {
        atomic_store_explicit(&rows->first, chunk, memory_order_release);
        atomic_store_explicit(&rows->current, chunk, memory_order_release);
    }
    rows->last = chunk;
    atomic_fetch_add_explicit(&rows->held, size, memory_order_relaxed);
    if (source != ROWS_CHUNK)
        chunk_pool_note(rows->pool, (int64_t)size);
    return NACRE_OK;
}

/* The chunk after `full` (the first one where that is NULL), made where there is none. NULL + detail. */
static struct row_chunk *chunk_after(struct rows *rows, struct row_chunk *full)
{
    struct row_chunk *_Atomic *link = full ? &full->next : &rows->first;
    struct row_chunk *next = atomic_load_explicit(link, memory_order_acquire);
    if (!next) {
        pthread_mutex_lock(&rows->growing);
        if (rows->last == full)
            (void)grow(rows, 1, false);
        next = atomic_load_explicit(link, memory_order_acquire);
        pthread_mutex_unlock(&rows->growing);
    }
    /* Another thread may have gone further on already; release: as in grow. */
    if (next && full)
        (void)atomic_compare_exchange_strong_explicit(&rows->current, &(struct row_chunk *){ full }, next,
                                                      memory_order_release, memory_order_relaxed);
    return next;
}

bool rows_add(struct rows *rows, const void *vector, struct row_mark **mark, const void **row)
{
    struct row_chunk *chunk = atomic_load_explicit(&rows->current, memory_order_acquire);
    uint64_t place = 0;
    while (!chunk || (place = atomic_fetch_add_explicit(&chunk->taken, 1, memory_order_relaxed)) >= chunk->capacity) {
        chunk = chunk_after(rows, chunk);
        if (!chunk)
            return false;
    }
    uint8_t *floats = chunk->vectors + place * rows->stride;
    memcpy(floats, vector, rows->vector_bytes);
    memset(floats + rows->vector_bytes, 0, rows->stride - rows->vector_bytes);
    *mark = &chunk->marks[place];
    *row = floats;
    return true;
}

static size_t chunk_count(const struct row_chunk *chunk)
{
    /* relaxed: a put that is known to have finished took its row before. */
    uint64_t taken = atomic_load_explicit(&chunk->taken, memory_order_relaxed);
    return taken < chunk->capacity ? (size_t)taken : chunk->capacity;
}

uint64_t rows_taken(const struct rows *rows)
{
    const struct row_chunk *chunk = atomic_load_explicit(&rows->current, memory_order_acquire);
    return chunk ? chunk->before + chunk_count(chunk) : 0; /* invariant 1 */
}

uint64_t rows_bytes(const struct rows *rows)
{
    return rows_taken(rows) * (rows->stride + sizeof(struct row_mark));
}

/* ---- the memtable's calls ---- */

/* Rows that nobody reserved. After rows_taken: what it counted is part of the capacity then. */
static uint64_t rows_left(const struct rows *rows)
{
    return atomic_load_explicit(&rows->capacity, memory_order_relaxed) - rows->reserved;
}

int memtable_reserve_vectors(struct memtable *table, size_t puts)
{
    struct rows *rows = &table->rows;
    uint64_t taken = rows_taken(rows);
    int status = NACRE_OK;
    /* Puts that nobody reserved for must not count against those that come. */
    if (rows->reserved < taken)
        rows->reserved = taken;
    if (rows_left(rows) < puts) {
        pthread_mutex_lock(&rows->growing);
        uint64_t left = rows_left(rows);
        status = left < puts ? grow(rows, puts - (size_t)left, true) : NACRE_OK;
        pthread_mutex_unlock(&rows->growing);
    }
    if (status == NACRE_OK)
        rows->reserved += puts;
    return status;
}

void memtable_unreserve_vectors(struct memtable *table, size_t puts)
{
    table->rows.reserved -= puts;
}

static const struct version *row_marked(const struct row_mark *mark)
{
    return atomic_load_explicit(&mark->version, memory_order_acquire); /* pairs with row_mark_set */
}

/* How many rows from `at` on are marked, at most a block. */
static size_t marked_run(const struct row_chunk *chunk, size_t at, size_t count)
{
    size_t most = count - at < MEMTABLE_BLOCK_ROWS ? count - at : MEMTABLE_BLOCK_ROWS, run = 0;
    while (run < most && row_marked(&chunk->marks[at + run]))
        run++;
    return run;
}

bool memtable_rows_next(struct memtable_rows *walk, struct memtable_row_block *block)
{
    const struct rows *rows = &walk->table->rows;
    const struct row_chunk *chunk = walk->chunk;
    if (!chunk)
        chunk = atomic_load_explicit(&rows->first, memory_order_acquire);
    for (; chunk; walk->at = 0) {
        walk->chunk = chunk;
        for (size_t count = chunk_count(chunk); walk->at < count; walk->at++) {
            size_t run = marked_run(chunk, walk->at, count);
            if (run > 0) {
                *block = (struct memtable_row_block){ .vectors = (const float *)(const void *)(chunk->vectors +
                                                                                               walk->at * rows->stride),
                                                      .stride = rows->stride,
                                                      .count = run,
                                                      .rows = &chunk->marks[walk->at] };
                walk->at += run;
                return true;
            }
        }
        const struct row_chunk *next = atomic_load_explicit(&chunk->next, memory_order_acquire);
        if (!next)
            return false;
        chunk = next;
    }
    return false;
}

bool memtable_row_entry(const struct memtable_row_block *block, size_t i, uint64_t snapshot, struct entry *entry)
{
    const struct row_mark *mark = (const struct row_mark *)block->rows + i;
    const struct version *version = row_marked(mark);
    if (version->sequence > snapshot || leaf_version_at(mark->leaf, snapshot) != version)
        return false;
    version_read(mark->leaf, version, entry);
    return true;
}

uint64_t memtable_vector_bytes(const struct memtable *table)
{
    return rows_taken(&table->rows) * table->rows.stride;
}

uint64_t memtable_row_count(const struct memtable *table)
{
    return rows_taken(&table->rows);
}

uint64_t rows_memory(const struct rows *rows)
{
    return atomic_load_explicit(&rows->held, memory_order_relaxed);
}
