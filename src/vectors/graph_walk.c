/* Beam search over the codes of a graph.

   1. The beam ascends; entries before `next` are expanded.
   2. A row is offered at most once in a walk: it is marked before its distance is estimated.
   3. The bits in `marks` are those of the rows in `marked`, or, when more were marked than that holds, any.
   4. Every neighbour that is used is below graph->rows: a list ends at the first that is not.

   Threads: a walk belongs to one thread at a time. Locks: that of the pool, around the list of free walks. */
#include "vectors/graph_walk.h"
#include "base/memory.h"
#include "base/status.h"
#include <assert.h>
#include <pthread.h>

#define FREE_WALKS_MAX  16u /* kept for the next searches; more than that search at the same time seldom */
#define ENTRIES_OFFERED 4u
#define LINE            64u

struct walk_pool {
    pthread_mutex_t lock;
    struct walk *free; /* guarded by `lock`, as the rest */
    uint32_t free_count;
    uint64_t bytes;
};

/* ---- memory ---- */

int walk_pool_create(struct walk_pool **pool)
{
    *pool = memory_zalloc(sizeof **pool);
    if (!*pool) {
        return NACRE_NO_MEMORY;
    }
    (void)pthread_mutex_init(&(*pool)->lock, NULL);
    return NACRE_OK;
}

static void free_walk(struct walk *walk)
{
    code_query_free(&walk->query);
    memory_free(walk->marked);
    memory_free(walk->marks);
    memory_free(walk->beam);
    memory_free(walk);
}

void walk_pool_free(struct walk_pool *pool)
{
    if (!pool) {
        return;
    }
    while (pool->free) {
        struct walk *walk = pool->free;
        pool->free = walk->next_free;
        free_walk(walk);
    }
    (void)pthread_mutex_destroy(&pool->lock);
    memory_free(pool);
}

static size_t marks_words(const struct graph *graph)
{
    return graph->rows / 64 + 1;
}

static uint64_t walk_bytes(const struct walk *walk)
{
    return sizeof *walk + marks_words(walk->graph) * 8 + walk->marked_capacity * 4 +
           walk->beam_capacity * sizeof *walk->beam + walk->graph->book.elements;
}

uint64_t walk_pool_bytes(const struct walk_pool *pool)
{
    struct walk_pool *locked = (struct walk_pool *)(uintptr_t)pool;
    (void)pthread_mutex_lock(&locked->lock);
    uint64_t bytes = sizeof *pool + pool->bytes;
    (void)pthread_mutex_unlock(&locked->lock);
    return bytes;
}

int walk_widen(struct walk *walk, uint32_t beam)
{
    /* Offers are merged in before the beam is cut. */
    size_t wanted = (size_t)(beam ? beam : 1) + GRAPH_DEGREE_MAX;
    void *entries = walk->beam;
    int status = memory_grow(&entries, &walk->beam_capacity, wanted, sizeof *walk->beam);
    walk->beam = entries;
    return status;
}

static int create_walk(const struct graph *graph, struct walk **created)
{
    struct walk *walk = memory_zalloc(sizeof *walk);
    if (!walk) {
        return NACRE_NO_MEMORY;
    }
    walk->graph = graph;
    /* Beyond this many it is as fast to clear all. */
    walk->marked_capacity = marks_words(graph) / 4 + GRAPH_ENTRY_MAX;
    walk->marks = memory_zalloc(marks_words(graph) * 8);
    walk->marked = memory_alloc(walk->marked_capacity * sizeof *walk->marked);
    int status = walk->marks && walk->marked ? code_query_create(&walk->query, &graph->book) : NACRE_NO_MEMORY;
    if (status != NACRE_OK) {
        free_walk(walk);
        return status;
    }
    *created = walk;
    return NACRE_OK;
}

int walk_take(const struct graph *graph, uint32_t beam, struct walk **taken)
{
    struct walk_pool *pool = graph->walks;
    (void)pthread_mutex_lock(&pool->lock);
    struct walk *walk = pool->free;
    if (walk) {
        pool->free = walk->next_free;
        pool->free_count--;
        pool->bytes -= walk_bytes(walk);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    int status = walk ? NACRE_OK : create_walk(graph, &walk);
    if (status == NACRE_OK) {
        status = walk_widen(walk, beam);
    }
    if (status != NACRE_OK) {
        walk_return(walk);
        walk = NULL;
    }
    *taken = walk;
    return status;
}

void walk_return(struct walk *walk)
{
    if (!walk) {
        return;
    }
    struct walk_pool *pool = walk->graph->walks;
    (void)pthread_mutex_lock(&pool->lock);
    bool keep = pool->free_count < FREE_WALKS_MAX;
    if (keep) {
        walk->next_free = pool->free;
        pool->free = walk;
        pool->free_count++;
        pool->bytes += walk_bytes(walk);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (!keep) {
        free_walk(walk);
    }
}

/* ---- the beam ---- */

static inline uint64_t key_of(struct beam_entry entry)
{
    uint32_t bits;
    memcpy(&bits, &entry.distance, 4);
    return (uint64_t)bits << 32 | entry.row;
}

/* How many of beam[0 .. end) are before the key. No branch depends on them: which way it goes cannot be foretold. */
static inline uint32_t place_of(const struct beam_entry *beam, uint32_t end, uint64_t key)
{
    const struct beam_entry *base = beam;
    if (end == 0) {
        return 0;
    }
    for (uint32_t left = end; left > 1;) {
        uint32_t half = left / 2;
        base += half & -(uint32_t)(key_of(base[half - 1]) < key); /* gcc would branch on ?: */
        left -= half;
    }
    return (uint32_t)(base - beam) + (key_of(*base) < key);
}

static inline void prefetch_neighbors(const struct graph *graph, uint32_t row)
{
    const uint32_t *list = graph->neighbors + (size_t)row * graph->degree;
    for (uint32_t at = 0; at < graph->degree; at += LINE / sizeof *list) {
        __builtin_prefetch(list + at);
    }
}

void walk_offer(struct walk *walk, const uint32_t *rows, const float *distances, uint32_t count)
{
    struct beam_entry news[GRAPH_DEGREE_MAX];
    uint32_t kept = 0;
    assert(count <= GRAPH_DEGREE_MAX);
    float worst = walk->count < walk->width ? __builtin_inff() : walk->beam[walk->count - 1].distance;
    for (uint32_t i = 0; i < count; i++) {
        if (distances[i] < worst) {
            struct beam_entry entry = { rows[i], distances[i] };
            uint64_t key = key_of(entry);
            uint32_t at = kept++;
            for (; at > 0 && key_of(news[at - 1]) > key; at--) {
                news[at] = news[at - 1];
            }
            news[at] = entry;
            prefetch_neighbors(walk->graph, rows[i]); /* it will be expanded, likely */
        }
    }
    /* From the back, so that each entry moves once. */
    uint32_t end = walk->count;
    for (uint32_t left = kept; left > 0; left--) {
        uint32_t place = place_of(walk->beam, end, key_of(news[left - 1]));
        memmove(&walk->beam[place + left], &walk->beam[place], (end - place) * sizeof *walk->beam);
        walk->beam[place + left - 1] = news[left - 1];
        end = place;
    }
    if (kept) {
        walk->count = walk->count + kept < walk->width ? walk->count + kept : walk->width;
        walk->next = end < walk->next ? end : walk->next;
    }
}

void walk_leave_out(struct walk *walk, uint32_t row)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < walk->count; i++) {
        if (beam_row(&walk->beam[i]) != row) {
            walk->beam[kept++] = walk->beam[i];
        }
    }
    walk->count = kept;
}

/* ---- walking ---- */

void walk_begin(struct walk *walk, uint32_t beam)
{
    if (walk->marked_count > walk->marked_capacity) {
        memset(walk->marks, 0, marks_words(walk->graph) * 8);
    } else {
        for (size_t i = 0; i < walk->marked_count; i++) {
            walk->marks[walk->marked[i] >> 6] = 0;
        }
    }
    walk->marked_count = 0;
    walk->count = walk->next = 0;
    walk->width = beam;
    walk->examined = 0;
}

static inline void prefetch_code(const struct graph *graph, uint32_t row)
{
    const uint8_t *code = graph->codes + (size_t)row * graph->book.stride;
    for (size_t at = 0; at < graph->book.stride; at += LINE) {
        __builtin_prefetch(code + at);
    }
}

uint32_t walk_gather(struct walk *walk, uint32_t row, uint32_t *fresh)
{
    const struct graph *graph = walk->graph;
    const uint32_t *list = graph->neighbors + (size_t)row * graph->degree;
    uint64_t *marks = walk->marks;
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph->degree && list[i] < graph->rows; i++) {
        uint32_t neighbor = list[i];
        uint64_t word = marks[neighbor >> 6], bit = UINT64_C(1) << (neighbor & 63);
        fresh[count] = neighbor; /* without a branch: whether it was met cannot be foretold */
        count += !(word & bit);
        marks[neighbor >> 6] = word | bit;
    }
    for (uint32_t i = 0; i < count; i++) {
        prefetch_code(graph, fresh[i]);
    }
    if (walk->marked_count + count <= walk->marked_capacity) {
        memcpy(walk->marked + walk->marked_count, fresh, count * sizeof *fresh);
    }
    walk->marked_count += count;
    return count;
}

void walk_estimate(struct walk *walk, const uint32_t *rows, uint32_t count, float *distances)
{
    const struct graph *graph = walk->graph;
    const struct code_book *book = &graph->book;
    int32_t dots[GRAPH_DEGREE_MAX];
    assert(count <= GRAPH_DEGREE_MAX);
    graph->dot_list(walk->query.elements, graph->codes, book->stride, rows, count, book->code_bytes, dots);
    for (uint32_t i = 0; i < count; i++) {
        const struct code_row *row = code_row_of(book, graph->codes + rows[i] * book->stride);
        float distance = code_distance(&walk->query, dots[i], row->norm2);
        distances[i] = distance > 0 ? distance : 0; /* not a NaN either, whatever the file holds */
    }
    walk->examined += count;
}

static void dot_entries(const struct walk *walk, uint32_t begin, uint32_t count, int32_t *dots)
{
    const struct graph *graph = walk->graph;
    const struct code_book *book = &graph->book;
    const uint8_t *codes = graph->entry_codes + begin * book->stride;
    if (book->bits == 8) {
        code8_dot_rows(walk->query.elements, codes, book->stride, count, book->code_bytes, dots);
    } else {
        code4_dot_rows(walk->query.elements, codes, book->stride, count, book->code_bytes, dots);
    }
}

void walk_enter(struct walk *walk)
{
    const struct graph *graph = walk->graph;
    const struct code_book *book = &graph->book;
    struct beam_entry best[ENTRIES_OFFERED];
    uint32_t kept = 0;
    for (uint32_t begin = 0; begin < graph->entry_count; begin += GRAPH_DEGREE_MAX) {
        int32_t dots[GRAPH_DEGREE_MAX];
        uint32_t count = graph->entry_count - begin < GRAPH_DEGREE_MAX ? graph->entry_count - begin : GRAPH_DEGREE_MAX;
        dot_entries(walk, begin, count, dots);
        for (uint32_t i = 0; i < count; i++) {
            const struct code_row *row = code_row_of(book, graph->entry_codes + (begin + i) * book->stride);
            float distance = code_distance(&walk->query, dots[i], row->norm2);
            struct beam_entry entry = { graph->entries[begin + i], distance > 0 ? distance : 0 };
            uint32_t at = kept;
            for (; at > 0 && key_of(best[at - 1]) > key_of(entry); at--) {
                if (at < ENTRIES_OFFERED) {
                    best[at] = best[at - 1];
                }
            }
            if (at < ENTRIES_OFFERED) {
                best[at] = entry;
                kept += kept < ENTRIES_OFFERED;
            }
        }
    }
    walk->examined += graph->entry_count;
    for (uint32_t i = 0; i < kept; i++) {
        if (best[i].row < graph->rows && walk_mark(walk, best[i].row)) {
            walk_offer(walk, &best[i].row, &best[i].distance, 1);
        }
    }
}

static bool go_step_by_step(struct walk *walk, uint32_t most)
{
    uint32_t fresh[GRAPH_DEGREE_MAX], row;
    float distances[GRAPH_DEGREE_MAX];
    for (uint32_t i = 0; i < most; i++) {
        row = walk_next(walk);
        if (row == GRAPH_NO_ROW) {
            return false;
        }
        uint32_t count = walk_gather(walk, row, fresh);
        walk_estimate(walk, fresh, count, distances);
        walk_offer(walk, fresh, distances, count);
    }
    return true;
}

/* The next row's neighbours are gathered before this one's are looked at, so that their codes are on the way meanwhile.
   Sometimes a nearer row would have been found first: in a wide beam that makes no difference. */
static bool go_one_ahead(struct walk *walk, uint32_t most)
{
    uint32_t lists[2][GRAPH_DEGREE_MAX], counts[2] = { 0, 0 }, expanded = 0;
    float distances[GRAPH_DEGREE_MAX];
    for (uint32_t now = 0;; now = !now) {
        bool goes_on = expanded < most;
        uint32_t row = goes_on ? walk_next(walk) : GRAPH_NO_ROW;
        if (row == GRAPH_NO_ROW && counts[now] == 0) {
            return !goes_on;
        }
        expanded += row != GRAPH_NO_ROW;
        counts[!now] = row == GRAPH_NO_ROW ? 0 : walk_gather(walk, row, lists[!now]);
        walk_estimate(walk, lists[now], counts[now], distances);
        walk_offer(walk, lists[now], distances, counts[now]);
        counts[now] = 0;
    }
}

bool walk_go_some(struct walk *walk, uint32_t most)
{
    return walk->width >= graph_tuning.ahead_beam ? go_one_ahead(walk, most) : go_step_by_step(walk, most);
}

void walk_go(struct walk *walk)
{
    while (walk_go_some(walk, UINT32_MAX)) {}
}

void walk_run(struct walk *walk, uint32_t beam)
{
    walk_begin(walk, beam);
    walk_enter(walk);
    walk_go(walk);
}
