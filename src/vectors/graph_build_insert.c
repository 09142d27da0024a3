/* The growth of a graph: rows are inserted in batches. The rows of a batch search the graph as it was before the
   batch, at the same time; then what they chose becomes theirs, and they become neighbours of what they chose. So the
   outcome does not depend on the number of threads or on chance, and nothing is locked (Dobson et al., ParlayANN,
   PPoPP 2024).

   1. While rows of a batch search, no list that can be reached changes.
   2. While reverse neighbours are added, a list is changed by the one thread that has its row. */
#include "base/memory.h"
#include "base/status.h"
#include "vectors/graph_build.h"

#define SEARCH_GROUP  8u
#define REVERSE_GROUP 32u
#define STOP_ROWS     65536u
#define ENTRIES_LEAST 32u
#define FIRST_BATCH   32u /* at least this many at a time */

/* The rows that chose a row, as a list through `next`; places in it are numbers of chosen pairs + 1. */
struct batch {
    struct graph_builder *builder;
    const uint32_t *rows;
    size_t count;
    uint32_t beam;
    uint32_t *inbox;  /* for each row of the graph its first pair, 0 = none; all 0 between batches */
    uint32_t *next;   /* pair -> the next pair of the same target */
    uint32_t *source; /* pair -> the row that chose */
    uint32_t *targets;
    size_t target_count;
};

/* ---- choosing ---- */

static int search_group(void *context, uint32_t number, size_t begin, size_t end)
{
    const struct batch *batch = context;
    struct graph_builder *builder = batch->builder;
    struct build_worker *worker = &builder->workers[number];
    int status = NACRE_OK;
    for (size_t i = begin; i < end && status == NACRE_OK; i++) {
        uint32_t row = batch->rows[i], chosen = 0;
        code_query_set_row(&worker->walk->query, &builder->graph.book, builder_code(builder, row));
        walk_run(worker->walk, batch->beam);
        /* A row may be met by its own walk: lists that were taken over name the row that stands for its twins, though
           that may be new. */
        walk_leave_out(worker->walk, row);
        status = prune(&worker->pruner, &builder->graph, worker->walk->beam, worker->walk->count, graph_tuning.degree,
                       graph_tuning.alpha, builder_list(builder, row), &chosen);
        builder->counts[row] = (uint16_t)chosen;
    }
    return status;
}

/* ---- being chosen ---- */

static void sort_candidates(struct beam_entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct beam_entry entry = entries[i];
        size_t at = i;
        for (; at > 0 && entries[at - 1].distance > entry.distance; at--) {
            entries[at] = entries[at - 1];
        }
        entries[at] = entry;
    }
}

/* A list that is too long: all of it and the new ones, `count` candidates whose distances are not known. */
int build_prune_list(struct graph_builder *builder, struct build_worker *worker, uint32_t row, size_t count)
{
    const struct graph *graph = &builder->graph;
    struct walk *walk = worker->walk;
    struct beam_entry *candidates = worker->candidates;
    code_query_set_row(&walk->query, &graph->book, builder_code(builder, row));
    for (size_t begin = 0; begin < count; begin += GRAPH_DEGREE_MAX) {
        uint32_t rows[GRAPH_DEGREE_MAX];
        float distances[GRAPH_DEGREE_MAX];
        uint32_t here = count - begin < GRAPH_DEGREE_MAX ? (uint32_t)(count - begin) : GRAPH_DEGREE_MAX;
        for (uint32_t i = 0; i < here; i++) {
            rows[i] = candidates[begin + i].row;
        }
        walk_estimate(walk, rows, here, distances);
        for (uint32_t i = 0; i < here; i++) {
            candidates[begin + i].distance = distances[i];
        }
    }
    sort_candidates(candidates, count);
    uint32_t chosen = 0, *list = builder_list(builder, row);
    int status =
        prune(&worker->pruner, graph, candidates, count, graph_tuning.degree, graph_tuning.alpha, list, &chosen);
    memset(list + chosen, 0xFF, (graph->degree - chosen) * sizeof *list);
    builder->counts[row] = (uint16_t)chosen;
    return status;
}

static int add_reverse(const struct batch *batch, struct build_worker *worker, uint32_t row)
{
    struct graph_builder *builder = batch->builder;
    uint32_t *list = builder_list(builder, row);
    size_t count = builder->counts[row], more = 0;
    for (uint32_t pair = batch->inbox[row]; pair; pair = batch->next[pair - 1]) {
        more++;
    }
    if (count + more > builder->graph.degree) {
        void *grown = worker->candidates;
        int status = memory_grow(&grown, &worker->candidate_capacity, count + more, sizeof *worker->candidates);
        worker->candidates = grown;
        if (status != NACRE_OK) {
            return status;
        }
        for (size_t i = 0; i < count; i++) {
            worker->candidates[i].row = list[i];
        }
        for (uint32_t pair = batch->inbox[row]; pair; pair = batch->next[pair - 1]) {
            worker->candidates[count++].row = batch->source[pair - 1];
        }
        return build_prune_list(builder, worker, row, count);
    }
    for (uint32_t pair = batch->inbox[row]; pair; pair = batch->next[pair - 1]) {
        list[count++] = batch->source[pair - 1];
    }
    builder->counts[row] = (uint16_t)count;
    return NACRE_OK;
}

static int reverse_group(void *context, uint32_t number, size_t begin, size_t end)
{
    struct batch *batch = context;
    int status = NACRE_OK;
    for (size_t i = begin; i < end && status == NACRE_OK; i++) {
        status = add_reverse(batch, &batch->builder->workers[number], batch->targets[i]);
        batch->inbox[batch->targets[i]] = 0;
    }
    return status;
}

static void collect_pairs(struct batch *batch)
{
    const struct graph_builder *builder = batch->builder;
    uint32_t pairs = 0;
    batch->target_count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = batch->rows[i];
        const uint32_t *list = builder_list(builder, row);
        for (uint32_t n = 0; n < builder->counts[row]; n++) {
            uint32_t target = list[n];
            if (!batch->inbox[target]) {
                batch->targets[batch->target_count++] = target;
            }
            batch->source[pairs] = row;
            batch->next[pairs] = batch->inbox[target];
            batch->inbox[target] = ++pairs;
        }
    }
}

static int link_batch(struct batch *batch)
{
    collect_pairs(batch);
    return build_threads_run(batch->builder->threads, batch->target_count, REVERSE_GROUP, reverse_group, batch);
}

/* ---- batches ---- */

static size_t batch_most(const struct graph_builder *builder)
{
    size_t part = builder->order_count / graph_tuning.batch_part;
    return part > FIRST_BATCH ? part : FIRST_BATCH;
}

static int create_batch(struct graph_builder *builder, struct batch *batch)
{
    size_t most = batch_most(builder);
    most = most > GRAPH_ENTRY_MAX ? most : GRAPH_ENTRY_MAX;
    size_t pairs = most * graph_tuning.degree;
    *batch = (struct batch){ .builder = builder };
    batch->inbox = memory_zalloc(builder->graph.rows * sizeof *batch->inbox);
    batch->next = memory_alloc(pairs * sizeof *batch->next);
    batch->source = memory_alloc(pairs * sizeof *batch->source);
    batch->targets = memory_alloc(pairs * sizeof *batch->targets);
    return batch->inbox && batch->next && batch->source && batch->targets ? NACRE_OK : NACRE_NO_MEMORY;
}

static void free_batch(struct batch *batch)
{
    memory_free(batch->inbox);
    memory_free(batch->next);
    memory_free(batch->source);
    memory_free(batch->targets);
}

int build_insert(struct graph_builder *builder, size_t first, uint32_t beam)
{
    struct batch batch;
    int status = create_batch(builder, &batch);
    size_t there = first;
    batch.beam = beam;
    while (status == NACRE_OK && first < builder->order_count) {
        size_t count = there / graph_tuning.batch_part;
        count = count > FIRST_BATCH ? count : FIRST_BATCH;
        count = count < batch_most(builder) ? count : batch_most(builder);
        count = count < builder->order_count - first ? count : builder->order_count - first;
        batch.rows = builder->order + first;
        batch.count = count;
        status = build_threads_run(builder->threads, count, SEARCH_GROUP, search_group, &batch);
        if (status == NACRE_OK) {
            status = link_batch(&batch);
        }
        first += count;
        there += count;
    }
    free_batch(&batch);
    return status;
}

/* ---- the beginning ---- */

/* Entry points among themselves: each may become a neighbour of each. */
static int link_entries_group(void *context, uint32_t number, size_t begin, size_t end)
{
    const struct batch *batch = context;
    struct graph_builder *builder = batch->builder;
    int status = NACRE_OK;
    for (size_t i = begin; i < end && status == NACRE_OK; i++) {
        struct build_worker *worker = &builder->workers[number];
        void *grown = worker->candidates;
        status = memory_grow(&grown, &worker->candidate_capacity, batch->count, sizeof *worker->candidates);
        worker->candidates = grown;
        size_t count = 0;
        for (size_t other = 0; status == NACRE_OK && other < batch->count; other++) {
            worker->candidates[count].row = batch->rows[other];
            count += other != i;
        }
        if (status == NACRE_OK) {
            status = build_prune_list(builder, worker, batch->rows[i], count);
        }
    }
    return status;
}

int build_link_entries(struct graph_builder *builder)
{
    struct batch batch;
    int status = create_batch(builder, &batch);
    batch.rows = builder->order;
    batch.count = builder->graph.entry_count;
    if (status == NACRE_OK) {
        status = build_threads_run(builder->threads, batch.count, SEARCH_GROUP, link_entries_group, &batch);
    }
    if (status == NACRE_OK) {
        status = link_batch(&batch);
    }
    free_batch(&batch);
    return status;
}

/* Looking at all entry points is a part of each walk: as many as pay for themselves. */
static size_t entries_for(size_t rows)
{
    size_t count = ENTRIES_LEAST;
    while (count < graph_tuning.entries && count * count * 16 < rows) {
        count++;
    }
    count = count < graph_tuning.entries ? count : graph_tuning.entries;
    return count < rows ? count : rows;
}

int build_choose_entries(struct graph_builder *builder, size_t most)
{
    struct graph *graph = &builder->graph;
    size_t count = entries_for(builder->order_count);
    count = count < most ? count : most;
    builder->entries = memory_alloc(count * sizeof *builder->entries);
    builder->entry_codes = memory_alloc_aligned(64, (count * graph->book.stride + 63) / 64 * 64);
    if (!builder->entries || !builder->entry_codes) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        builder->entries[i] = builder->order[i];
        memcpy(builder->entry_codes + i * graph->book.stride, builder_code(builder, builder->order[i]),
               graph->book.stride);
    }
    graph->entries = builder->entries;
    graph->entry_codes = builder->entry_codes;
    graph->entry_count = (uint32_t)count;
    return NACRE_OK;
}

/* ---- the end ---- */

static int prune_group(void *context, uint32_t number, size_t begin, size_t end)
{
    struct graph_builder *builder = context;
    struct build_worker *worker = &builder->workers[number];
    int status = NACRE_OK;
    for (size_t row = begin; row < end && status == NACRE_OK; row++) {
        size_t count = builder->counts[row];
        if (count <= graph_tuning.degree) {
            continue;
        }
        void *grown = worker->candidates;
        status = memory_grow(&grown, &worker->candidate_capacity, count, sizeof *worker->candidates);
        worker->candidates = grown;
        for (size_t i = 0; status == NACRE_OK && i < count; i++) {
            worker->candidates[i].row = builder_list(builder, (uint32_t)row)[i];
        }
        if (status == NACRE_OK) {
            status = build_prune_list(builder, worker, (uint32_t)row, count);
        }
    }
    return status;
}

int build_prune_all(struct graph_builder *builder)
{
    int status = build_threads_run(builder->threads, builder->graph.rows, REVERSE_GROUP, prune_group, builder);
    uint32_t degree = graph_tuning.degree;
    for (size_t row = 0; status == NACRE_OK && row < builder->graph.rows; row++) {
        memmove(builder->neighbors + row * degree, builder_list(builder, (uint32_t)row),
                degree * sizeof *builder->neighbors);
        status = row % STOP_ROWS ? NACRE_OK : build_threads_stop(builder->threads);
    }
    if (status == NACRE_OK) {
        builder->graph.degree = degree;
    }
    return status;
}
