/* The build of a segment's index: codes for all rows; for segments where it pays a graph that is grown row by row over
   the codes; then the curve that tells how wide a walk has to be, and the file.

   Threads: the caller's and as many more as the job allows; all have ended when graph_build returns. */
#include "base/memory.h"
#include "base/status.h"
#include "vectors/graph_build.h"
#include "vectors/graph_curve.h"

struct graph_tuning graph_tuning = {
    .degree = 32,
    .room = 48,
    .build_beam = 128,
    .merge_beam = 128,
    .ahead_beam = 48,
    .merge_least = 0.4f,
    .entries = 256,
    .batch_part = 32,
    .least_rows = 1000,
    .alpha = 1.0f,
    .bits = 0,
    .long_dimension = 96,
};

#define CLEAR_GROUP 16384u
#define WORKER_BYTES \
    65536u /* about: a beam, candidates, lists of the pruning; without what grows with rows and dimension */

/* What 4 bits lose in the estimate of a distance averages out over many dimensions, and half as much comes from
   memory. */
unsigned build_bits(uint32_t dimension)
{
    return graph_tuning.bits ? graph_tuning.bits : dimension >= graph_tuning.long_dimension ? 4 : 8;
}

uint64_t graph_build_bytes(uint64_t rows, uint32_t dimension)
{
    uint64_t code = ((uint64_t)dimension * build_bits(dimension) + 7) / 8 + sizeof(struct code_row) + 63;
    uint64_t lists = (uint64_t)graph_tuning.room * 4 + 2;
    uint64_t order =
        8 + 8; /* twins and order; then the marks and the queue, or the inbox; lookups take the place of pairs, too */
    uint64_t pairs = 12 * (uint64_t)graph_tuning.degree / graph_tuning.batch_part;
    return rows * (code + lists + order + pairs) + 2 * ((uint64_t)WORKER_BYTES + (uint64_t)dimension * 16 + rows / 4);
}

static int create_workers(struct graph_builder *builder)
{
    uint32_t count = build_threads_count(builder->threads);
    builder->workers = memory_zalloc(count * sizeof *builder->workers);
    if (!builder->workers) {
        return NACRE_NO_MEMORY;
    }
    uint32_t beam =
        graph_tuning.build_beam > graph_tuning.merge_beam ? graph_tuning.build_beam : graph_tuning.merge_beam;
    int status = NACRE_OK;
    for (uint32_t i = 0; i < count && status == NACRE_OK; i++) {
        status = walk_take(&builder->graph, beam, &builder->workers[i].walk);
        if (status == NACRE_OK) {
            status = pruner_create(&builder->workers[i].pruner, &builder->graph.book);
        }
        if (status == NACRE_OK) {
            status = code_query_prepare_rows(&builder->workers[i].walk->query, &builder->graph.book);
        }
    }
    return status;
}

static void free_builder(struct graph_builder *builder)
{
    for (uint32_t i = 0; builder->workers && i < build_threads_count(builder->threads); i++) {
        walk_return(builder->workers[i].walk);
        pruner_free(&builder->workers[i].pruner);
        memory_free(builder->workers[i].candidates);
    }
    memory_free(builder->workers);
    walk_pool_free(builder->graph.walks);
    build_threads_free(builder->threads);
    memory_unmap(builder->codes, builder->codes_bytes);
    memory_unmap(builder->neighbors, builder->neighbors_bytes);
    memory_free(builder->counts);
    memory_free(builder->copied);
    memory_free(builder->twin_of);
    memory_free(builder->order);
    memory_free(builder->entries);
    memory_free(builder->entry_codes);
    memory_free(builder->stray);
    memory_free(builder->lookups);
    code_book_free(&builder->graph.book);
}

static int clear_lists(void *context, uint32_t worker, size_t begin, size_t end)
{
    struct graph_builder *builder = context;
    (void)worker;
    memset(builder_list(builder, (uint32_t)begin), 0xFF,
           (end - begin) * builder->graph.degree * sizeof *builder->neighbors);
    return NACRE_OK;
}

static int create_lists(struct graph_builder *builder)
{
    struct graph *graph = &builder->graph;
    graph->degree = graph_tuning.room;
    if (!size_multiply(graph->rows, graph->degree * sizeof *builder->neighbors, &builder->neighbors_bytes)) {
        return fail(NACRE_NO_MEMORY, "a graph of %u rows does not fit in memory", graph->rows);
    }
    builder->neighbors = memory_map(builder->neighbors_bytes);
    builder->counts = memory_zalloc(graph->rows * sizeof *builder->counts);
    if (!builder->neighbors || !builder->counts) {
        return NACRE_NO_MEMORY;
    }
    graph->neighbors = builder->neighbors;
    return build_threads_run(builder->threads, graph->rows, CLEAR_GROUP, clear_lists, builder);
}

static int prepare(struct graph_builder *builder)
{
    int status = walk_pool_create(&builder->graph.walks);
    if (status == NACRE_OK) {
        status = build_order(builder);
    }
    if (status == NACRE_OK) {
        status = create_lists(builder);
    }
    return status == NACRE_OK ? create_workers(builder) : status;
}

static int finish(struct graph_builder *builder)
{
    int status = build_prune_all(builder);
    if (status == NACRE_OK) {
        status = build_link_twins(builder);
    }
    if (status == NACRE_OK) {
        status = build_reach(builder);
    }
    return status == NACRE_OK ? build_find_rows(builder) : status;
}

static int grow_graph(struct graph_builder *builder)
{
    size_t there = 0;
    uint32_t beam = builder->source ? graph_tuning.merge_beam : graph_tuning.build_beam;
    int status = prepare(builder);
    if (status == NACRE_OK && builder->source) {
        status = build_adopt_lists(builder, &there);
    }
    if (status == NACRE_OK) {
        status = build_choose_entries(builder, builder->source ? there : builder->order_count);
    }
    if (status == NACRE_OK && !builder->source) {
        there = builder->graph.entry_count;
        status = build_link_entries(builder);
    }
    if (status == NACRE_OK) {
        status = build_insert(builder, there, beam);
    }
    if (status == NACRE_OK) {
        status = finish(builder);
    }
    builder->graph.has_graph = status == NACRE_OK;
    return status;
}

static int check_budget(const struct graph_job *job)
{
    uint64_t needed = graph_build_bytes(job->rows->count, job->rows->dimension);
    if (job->memory_budget && needed > job->memory_budget) {
        return fail(NACRE_NO_MEMORY, "the graph of %u rows takes %llu bytes to build, %llu are allowed",
                    job->rows->count, (unsigned long long)needed, (unsigned long long)job->memory_budget);
    }
    return NACRE_OK;
}

int graph_build(const struct graph_job *job, struct container_writer *index)
{
    struct graph_builder builder = { .job = job };
    struct graph *graph = &builder.graph;
    graph->rows = job->rows->count;
    bool grow = !job->codes_only && graph->rows >= graph_tuning.least_rows;
    int status = grow ? check_budget(job) : NACRE_OK;
    if (status == NACRE_OK) {
        status = build_threads_create(job->threads, job->stop, job->stop_context, &builder.threads);
    }
    if (status == NACRE_OK) {
        status =
            code_book_train(&graph->book, job->rows, build_bits(job->rows->dimension), job->stop, job->stop_context);
    }
    if (status == NACRE_OK) {
        if (grow) {
            build_choose_source(&builder);
        }
        status = builder.source ? build_choose_book(&builder) : NACRE_OK;
    }
    if (status == NACRE_OK) {
        graph->dot_list = code_dot_list_for(graph->book.bits, graph->book.code_bytes);
        status = build_codes(&builder);
    }
    if (status == NACRE_OK && grow) {
        status = grow_graph(&builder);
    }
    if (status == NACRE_OK) {
        status = graph_curve_measure(graph, job->rows, builder.threads);
    }
    if (status == NACRE_OK) {
        status = graph_write(graph, builder.threads, index);
    }
    free_builder(&builder);
    return status;
}
