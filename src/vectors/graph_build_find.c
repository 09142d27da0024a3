/* The last step of a build: a row is found by a search for its own vector, and mostly by such for vectors near it.

   That every row can be reached is not enough: a walk keeps the nearest rows it has met and forgets the others, so it may never come by the row whose list leads to the one that is looked for.
   That happens to rows in few lists, as those far from all others are. They are looked for with GRAPH_BEAM_LEAST rows in the beam. One that is passed by becomes a neighbour of a row where the
   walk ended; if that is in vain, it is listed as a stray, which searches scan, as long as these are few. To repair a graph by searching it for what it holds is after NSG, whose tree must span
   all rows (Fu et al., VLDB 2019); here the walk itself has to get there. To look for all rows would take a seventh of a build, and what new links do to walks for other rows is not looked at.

   What is promised for a row's own vector rests on nothing of this: all rows are listed by the hashes of their vectors (graph_lookup.h). So it holds too where codes do not tell rows
   from each other, and a beam is full before the right one has a place.

   1. Links are added, or replace such that there is another way to: what could be reached still can be.
   By the dot product the nearest to a row's vector may be another row: nothing is promised, nothing is done.

   Threads: the builder's; links are changed by the calling one alone. */
#include "base/memory.h"
#include "base/status.h"
#include "distance/distance.h"
#include "vectors/graph_build.h"
#include "vectors/graph_lookup.h"

#define LISTED_MOST 8u   /* rows in so many lists are not looked for */
#define FIND_GROUP  256u /* rows, a multiple of 64 */
#define STOP_ROWS   65536u
#define STRAYS_PART 8192u /* so many strays of the rows, and STRAYS_FEW: each search scans them */
#define STRAYS_FEW  4u

struct finding {
    struct graph_builder *builder;
    uint8_t *listed;     /* in how many lists each row is, up to LISTED_MOST */
    uint64_t *passed_by; /* a bit per row */
};

/* ---- looking ---- */

static bool same_vector(const struct graph_builder *builder, uint32_t a, uint32_t b)
{
    const struct vector_rows *rows = builder->job->rows;
    return builder->twin_of[a] == builder->twin_of[b] &&
           memcmp(vector_row(rows, a), vector_row(rows, b), rows->dimension * sizeof(float)) == 0;
}

/* Has the walk for the row's vector met neither the row nor, near the end, its vector? */
static int look_for(const struct graph_builder *builder, struct walk *walk, uint32_t row, bool *passed_by)
{
    const struct vector_rows *rows = builder->job->rows;
    struct distance distance;
    int status = vector_rows_need(rows, row);
    if (status != NACRE_OK) {
        return status;
    }
    distance_begin(&distance, rows->metric, vector_row(rows, row), rows->dimension);
    code_query_set(&walk->query, &builder->graph.book, &distance);
    walk_run(walk, GRAPH_BEAM_LEAST);
    *passed_by = !walk_has_met(walk, row);
    for (uint32_t i = 0; i < walk->count && *passed_by; i++) {
        *passed_by = !same_vector(builder, row, beam_row(&walk->beam[i]));
    }
    return NACRE_OK;
}

static int count_lists(const struct finding *finding)
{
    const struct graph_builder *builder = finding->builder;
    int status = NACRE_OK;
    for (uint32_t row = 0; row < builder->graph.rows && status == NACRE_OK; row++) {
        const uint32_t *list = builder_list(builder, row);
        for (uint32_t i = 0; i < builder->counts[row]; i++) {
            uint8_t *listed = &finding->listed[list[i]];
            *listed = (uint8_t)(*listed + (*listed < LISTED_MOST));
        }
        status = row % STOP_ROWS ? NACRE_OK : build_threads_stop(builder->threads);
    }
    return status;
}

static int look_for_group(void *context, uint32_t worker, size_t begin, size_t end) /* build_step */
{
    const struct finding *finding = context;
    struct graph_builder *builder = finding->builder;
    int status = NACRE_OK;
    for (size_t row = begin; row < end && status == NACRE_OK; row++) {
        bool passed_by = false;
        if (finding->listed[row] < LISTED_MOST &&
            builder->twin_of[row] == row) { /* twins hang behind the one that stands for them */
            status = look_for(builder, builder->workers[worker].walk, (uint32_t)row, &passed_by);
        }
        finding->passed_by[row / 64] |= (uint64_t)passed_by << (row % 64);
    }
    return status;
}

/* ---- links ---- */

static bool is_in_list(const struct graph_builder *builder, uint32_t row, uint32_t neighbor)
{
    const uint32_t *list = builder_list(builder, row);
    for (uint32_t i = 0; i < builder->counts[row]; i++) {
        if (list[i] == neighbor) {
            return true;
        }
    }
    return false;
}

/* Invariant 1: is the row's neighbour also one of another of its neighbours? */
static bool has_another_way(const struct graph_builder *builder, uint32_t row, uint32_t neighbor)
{
    const uint32_t *list = builder_list(builder, row);
    for (uint32_t i = 0; i < builder->counts[row]; i++) {
        if (list[i] != neighbor && is_in_list(builder, list[i], neighbor)) {
            return true;
        }
    }
    return false;
}

static bool append_neighbor(struct graph_builder *builder, uint32_t row, uint32_t neighbor)
{
    if (builder->counts[row] == builder->graph.degree) {
        return false;
    }
    builder_list(builder, row)[builder->counts[row]++] = neighbor;
    return true;
}

static bool replace_neighbor(struct graph_builder *builder, uint32_t row, uint32_t neighbor)
{
    uint32_t *list = builder_list(builder, row);
    for (uint32_t i = builder->counts[row]; i-- > 0;) {
        if (has_another_way(builder, row, list[i])) {
            list[i] = neighbor;
            return true;
        }
    }
    return false;
}

/* From the nearest of the beam that has a place for it. */
static void link_from_beam(struct graph_builder *builder, const struct walk *walk, uint32_t row)
{
    bool linked = false;
    for (uint32_t i = 0; i < walk->count && !linked; i++) {
        linked = append_neighbor(builder, beam_row(&walk->beam[i]), row);
    }
    for (uint32_t i = 0; i < walk->count && !linked; i++) {
        linked = replace_neighbor(builder, beam_row(&walk->beam[i]), row);
    }
}

static bool are_few_strays(const struct graph *graph)
{
    return graph->stray_count < graph->rows / STRAYS_PART + STRAYS_FEW;
}

static int lead_to_row(struct graph_builder *builder, uint32_t row)
{
    struct walk *walk = builder->workers[0].walk;
    bool passed_by;
    int status = look_for(builder, walk, row, &passed_by); /* links made for others may lead to it by now */
    if (status == NACRE_OK && passed_by) {
        link_from_beam(builder, walk, row);
        status = look_for(builder, walk, row, &passed_by);
    }
    if (status == NACRE_OK && passed_by && are_few_strays(&builder->graph)) {
        status = build_list_stray(builder, row);
    }
    return status == NACRE_OK ? build_threads_stop(builder->threads) : status;
}

static int lead_to_all(const struct finding *finding)
{
    struct graph_builder *builder = finding->builder;
    int status = count_lists(finding);
    if (status == NACRE_OK) {
        status = build_threads_run(builder->threads, builder->graph.rows, FIND_GROUP, look_for_group,
                                   (void *)(uintptr_t)finding);
    }
    for (size_t word = 0; word < builder->graph.rows / 64 + 1 && status == NACRE_OK; word++) {
        for (uint64_t left = finding->passed_by[word]; left && status == NACRE_OK; left &= left - 1) {
            status = lead_to_row(builder, (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(left));
        }
    }
    return status;
}

/* ---- lookups ---- */

struct listing {
    const struct graph_builder *builder;
    struct graph_lookup *unsorted;
};

static int list_group(void *context, uint32_t worker, size_t begin, size_t end) /* build_step */
{
    const struct listing *listing = context;
    const struct vector_rows *rows = listing->builder->job->rows;
    int status = NACRE_OK;
    (void)worker;
    for (size_t row = begin; row < end && status == NACRE_OK; row++) {
        status = vector_rows_need(rows, (uint32_t)row);
        if (status == NACRE_OK) {
            listing->unsorted[row] = graph_lookup_of(rows, (uint32_t)row);
        }
    }
    return status;
}

static int list_lookups(struct graph_builder *builder)
{
    uint32_t rows = builder->graph.rows;
    struct listing listing = { .builder = builder };
    listing.unsorted = memory_alloc(rows * sizeof *listing.unsorted);
    builder->lookups = memory_alloc(rows * sizeof *builder->lookups);
    int status = listing.unsorted && builder->lookups ? NACRE_OK : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        status = build_threads_run(builder->threads, rows, FIND_GROUP, list_group, &listing);
    }
    if (status == NACRE_OK) {
        status = graph_lookup_sort(listing.unsorted, builder->lookups, rows, builder->threads);
    }
    memory_free(listing.unsorted);
    builder->graph.lookups = builder->lookups;
    builder->graph.lookup_count = rows;
    return status;
}

int build_find_rows(struct graph_builder *builder)
{
    struct finding finding = { .builder = builder };
    if (builder->graph.book.metric == NACRE_DOT) {
        return NACRE_OK;
    }
    finding.passed_by = memory_zalloc((builder->graph.rows / 64 + 1) * sizeof *finding.passed_by);
    finding.listed = memory_zalloc(builder->graph.rows);
    int status = finding.passed_by && finding.listed ? lead_to_all(&finding) : NACRE_NO_MEMORY;
    memory_free(finding.listed);
    memory_free(finding.passed_by);
    return status == NACRE_OK ? list_lookups(builder) : status;
}
