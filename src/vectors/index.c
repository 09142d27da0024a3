/* Side files of segments of vectors: a graph (vectors/graph.h) made from the segment's rows, attached, replaced.
   Invariants:
   1. `graph` is the newest that was attached; those it replaced follow in `older` and live as long as the reader, as searches may still be in them.
   2. A graph is made of rows that were all checked.
   3. A search uses a graph only after all of its side file was found to be what its checksums say; one that is not stays unused until another is attached.
   Building and attaching: one at a time per segment, beside any number of readers. */
#include "vectors/index.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "vectors/graph_layout.h"
#include "vectors/key_walk.h"

#define STOP_BLOCKS     64u /* of vectors: some milliseconds when they come from a disk */
#define STOP_KEYS       1024u
#define VERSIONS_MAPPED 8u

static struct graph *newest(const struct vector_reader *r)
{
    return atomic_load_explicit(&r->graph, memory_order_acquire); /* pairs with vectors_attach_index */
}

/* ---- reading ---- */

int vectors_attach_index(void *reader, struct container *index)
{
    struct vector_reader *r = reader;
    struct graph *g = NULL;
    int status = graph_open(index, &r->rows, &g);
    if (status != NACRE_OK)
        return status;
    g->older = atomic_load_explicit(&r->graph, memory_order_relaxed); /* one attaches at a time */
    atomic_store_explicit(&r->graph, g, memory_order_release);        /* pairs with `newest` */
    return NACRE_OK;
}

enum soundness { NOT_LOOKED_AT, SOUND, DAMAGED };

bool vectors_index_is_good(const void *reader)
{
    const struct graph *g = newest(reader);
    return g && graph_is_whole(g) && atomic_load_explicit(&g->soundness, memory_order_relaxed) != DAMAGED;
}

/* Invariant 3. Threads that come at once each do it: nothing but the answer is published. */
static int look_at(struct graph *g)
{
    int status = container_verify(g->index);
    if (status != NACRE_OK && status != NACRE_CORRUPT)
        return NOT_LOOKED_AT; /* it could not be read, or there was no memory: next time */
    int soundness = status == NACRE_OK ? SOUND : DAMAGED;
    if (atomic_exchange_explicit(&g->soundness, soundness, memory_order_relaxed) != soundness && soundness == DAMAGED) {
        char text[512];
        log_line(g->index->logger, NACRE_LOG_WARNING, "index_damaged", "\"detail\":\"%s\"",
                 log_escape(fail_detail(), text, sizeof text));
    }
    return soundness;
}

const struct graph *index_to_search(struct vector_reader *r)
{
    struct graph *g = newest(r);
    int soundness = g ? atomic_load_explicit(&g->soundness, memory_order_relaxed) : DAMAGED;
    if (soundness == NOT_LOOKED_AT)
        soundness = look_at(g);
    return soundness == SOUND ? g : NULL;
}

void index_close(struct vector_reader *r)
{
    struct graph *g = newest(r);
    while (g) {
        struct graph *older = g->older;
        graph_close(g);
        g = older;
    }
}

uint64_t index_memory(const struct vector_reader *r)
{
    uint64_t bytes = 0;
    for (const struct graph *g = newest(r); g; g = g->older)
        bytes += graph_memory(g);
    return bytes;
}

int index_verify(struct vector_reader *r)
{
    const struct graph *g = newest(r);
    int status = g ? container_verify(g->index) : NACRE_OK;
    return status == NACRE_OK && g ? graph_verify(g, &r->rows) : status;
}

/* ---- building ---- */

static int ask(const struct index_job *job)
{
    return job && job->stop ? job->stop(job->stop_context) : NACRE_OK;
}

/* Invariant 2. */
static int check_rows(struct vector_reader *r, const struct index_job *job)
{
    uint32_t step = STOP_BLOCKS << r->rows.blocks->shift;
    int status = NACRE_OK;
    for (uint32_t row = 0; row < r->rows.count && status == NACRE_OK; row += step) {
        uint32_t end = r->rows.count - row < step ? r->rows.count : row + step;
        status = vector_rows_need_range(&r->rows, row, end);
        if (status == NACRE_OK)
            status = ask(job);
    }
    return status;
}

struct mapping {
    struct vector_reader *from, *to;
    uint32_t *rows;  /* of `from` -> of `to`, or GRAPH_NO_ROW */
    uint64_t *taken; /* a bit per row of `to` that some source has */
};

/* The rows of the key that `to` stands on that have this vector: a version is known by its vector, as merges forget its sequence. Both vectors are checked. */
static void map_row(struct mapping *m, uint32_t from, uint32_t to)
{
    const struct vector_rows *a = &m->from->rows, *b = &m->to->rows;
    if ((m->taken[to / 64] >> (to % 64) & 1) || m->rows[from] != GRAPH_NO_ROW ||
        memcmp(vector_row(a, from), vector_row(b, to), a->stride) != 0)
        return;
    m->rows[from] = to;
    m->taken[to / 64] |= UINT64_C(1) << (to % 64);
}

/* Both stand on the newest version of one key, and are moved behind it. Of the many versions that snapshots may keep the newest are enough: all others are inserted
   as new ones are. */
static int map_key(struct mapping *m, struct key_walk *from, struct key_walk *to)
{
    uint32_t candidates[VERSIONS_MAPPED], count = 0;
    int status = NACRE_OK;
    do {
        if (key_walk_is_put(to) && count < VERSIONS_MAPPED)
            candidates[count++] = key_walk_row(to);
        key_walk_next(to);
    } while (key_walk_goes_on(to));
    do {
        uint32_t row = key_walk_row(from);
        bool put = key_walk_is_put(from);
        status = put ? vector_rows_need(&m->from->rows, row) : NACRE_OK;
        for (uint32_t i = 0; status == NACRE_OK && put && i < count; i++)
            map_row(m, row, candidates[i]);
        key_walk_next(from);
    } while (status == NACRE_OK && key_walk_goes_on(from));
    return status;
}

int index_map_rows(struct vector_reader *from_reader, struct vector_reader *to_reader, uint64_t *taken, uint32_t *rows,
                   const struct index_job *job)
{
    struct mapping m = { from_reader, to_reader, rows, taken };
    struct key_walk from, to;
    uint32_t looked = 0;
    int status = NACRE_OK;
    for (uint32_t row = 0; row < from_reader->rows.count; row++)
        rows[row] = GRAPH_NO_ROW;
    key_walk_begin(&from, from_reader->keys);
    key_walk_begin(&to, to_reader->keys);
    while (status == NACRE_OK && from.valid && to.valid) {
        int order = slice_compare(buffer_slice(&from.key), buffer_slice(&to.key));
        if (order < 0)
            key_walk_to(&from, buffer_slice(&to.key));
        else if (order > 0)
            key_walk_to(&to, buffer_slice(&from.key));
        else
            status = map_key(&m, &from, &to);
        if (status == NACRE_OK && ++looked % STOP_KEYS == 0)
            status = ask(job);
    }
    if (status == NACRE_OK)
        status = from.status;
    if (status == NACRE_OK)
        status = to.status;
    key_walk_end(&from);
    key_walk_end(&to);
    return status;
}

/* What the graph of an older reader is of use for. `sources` has room for it. */
static int add_source(struct vector_reader *r, struct vector_reader *from, uint64_t *taken, struct graph_job *build,
                      struct graph_source *sources, const struct index_job *job)
{
    struct graph *g = newest(from);
    if (!g || from->rows.stride != r->rows.stride || from->rows.metric != r->rows.metric)
        return NACRE_OK;
    uint32_t *rows = memory_alloc(from->rows.count * sizeof *rows + 1);
    if (!rows)
        return NACRE_NO_MEMORY;
    sources[build->source_count++] = (struct graph_source){ .graph = g, .rows = rows };
    return index_map_rows(from, r, taken, rows, job);
}

static int find_sources(struct vector_reader *r, const struct index_job *job, struct graph_job *build)
{
    struct graph_source *sources = memory_zalloc(job->source_count * sizeof *sources + 1);
    uint64_t *taken = memory_zalloc(((size_t)r->rows.count + 63) / 64 * 8 + 1);
    int status = sources && taken ? NACRE_OK : NACRE_NO_MEMORY;
    build->sources = sources;
    for (size_t i = 0; i < job->source_count && status == NACRE_OK; i++)
        status = add_source(r, job->sources[i], taken, build, sources, job);
    memory_free(taken);
    return status;
}

static void free_sources(struct graph_job *build)
{
    for (size_t i = 0; i < build->source_count; i++)
        memory_free((void *)(uintptr_t)build->sources[i].rows);
    memory_free((void *)(uintptr_t)build->sources);
}

int vectors_build_index(void *reader, const struct index_job *job, struct container_writer *index)
{
    struct vector_reader *r = reader;
    struct graph_job build = { .rows = &r->rows, .threads = 1 };
    if (job) {
        build.threads = job->threads ? job->threads : 1;
        build.memory_budget = job->memory_budget;
        build.codes_only = job->quick;
        build.stop = job->stop;
        build.stop_context = job->stop_context;
    }
    int status = check_rows(r, job);
    if (status == NACRE_OK && job && job->source_count && !job->quick)
        status = find_sources(r, job, &build);
    if (status == NACRE_OK)
        status = graph_build(&build, index);
    free_sources(&build);
    return status;
}
