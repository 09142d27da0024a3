/* The last step of a build: a row is found by a search for its own vector, however narrow the beam.

   That every row can be reached is not enough: a walk keeps the nearest rows it has met and forgets the others, so it may never come by the row whose list leads to
   the one that is looked for. Each row is looked for with GRAPH_BEAM_LEAST rows in the beam. It is

   - found, when nothing in the beam is nearer by the codes but rows with the same vector;
   - passed by, when the walk has met neither it nor its vector: it becomes a neighbour of a row where the walk ended. New links lead other walks elsewhere, so all rows are looked
     for again, and those that are still passed by are listed as strays, which searches scan;
   - unclear else: codes say that others are as near. Links do not help, and a wider beam may have more of them.

   Strays and unclear rows are listed by the hashes of their vectors (graph_lookup.h). To repair a graph by searching it for what it holds is after NSG, whose tree must span all rows
   (Fu et al., VLDB 2019); here the walk itself has to get there.

   1. What a walk with GRAPH_BEAM_LEAST rows expands, every wider one does (graph_walk.c, 5.). So a row that is met here is met by all searches.
   2. Links are added, or replace such that there is another way to: what could be reached still can be.
   3. Lists do not change after the last time all rows were looked for.
   By the dot product the nearest to a row's vector may be another row: nothing is promised, nothing is done.

   Threads: the builder's; links are changed by the calling one alone. */
#include "base/memory.h"
#include "base/status.h"
#include "distance/distance.h"
#include "vectors/graph_build.h"
#include "vectors/graph_lookup.h"

#define ROUNDS_MOST 3u
#define FIND_GROUP  256u /* rows, a multiple of 64 */
/* So many strays of the rows, and LISTED_FEW, are better than another round: each search scans them. */
#define LISTED_PART 8192u
#define LISTED_FEW  4u

enum sight { SIGHT_FOUND, SIGHT_PASSED_BY, SIGHT_UNCLEAR };

struct finding {
    struct graph_builder *builder;
    uint64_t *passed_by, *unclear; /* a bit per row */
};

static uint32_t count_bits(const struct finding *finding, const uint64_t *bits)
{
    uint32_t count = 0;
    for (size_t i = 0; i < finding->builder->graph.rows / 64 + 1; i++) {
        count += (uint32_t)__builtin_popcountll(bits[i]);
    }
    return count;
}

/* ---- looking ---- */

static bool same_vector(const struct graph_builder *builder, uint32_t a, uint32_t b)
{
    const struct vector_rows *rows = builder->job->rows;
    return a == b || (builder->twin_of[a] == builder->twin_of[b] &&
                      memcmp(vector_row(rows, a), vector_row(rows, b), rows->dimension * sizeof(float)) == 0);
}

static int look_for(const struct graph_builder *builder, struct walk *walk, uint32_t row, enum sight *sight)
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
    uint32_t same = 0;
    while (same < walk->count && same_vector(builder, row, beam_row(&walk->beam[same]))) {
        if (beam_row(&walk->beam[same++]) == row) {
            *sight = SIGHT_FOUND;
            return NACRE_OK;
        }
    }
    *sight = same > 0 || walk_has_met(walk, row) ? SIGHT_UNCLEAR : SIGHT_PASSED_BY;
    return NACRE_OK;
}

static int look_for_group(void *context, uint32_t worker, size_t begin, size_t end) /* build_step */
{
    const struct finding *finding = context;
    struct graph_builder *builder = finding->builder;
    int status = NACRE_OK;
    for (size_t row = begin; row < end && status == NACRE_OK; row++) {
        enum sight sight = SIGHT_FOUND;
        status = look_for(builder, builder->workers[worker].walk, (uint32_t)row, &sight);
        finding->passed_by[row / 64] |= (uint64_t)(sight == SIGHT_PASSED_BY) << (row % 64);
        finding->unclear[row / 64] |= (uint64_t)(sight == SIGHT_UNCLEAR) << (row % 64);
    }
    return status;
}

static int look_for_all(const struct finding *finding)
{
    struct graph_builder *builder = finding->builder;
    size_t bytes = (builder->graph.rows / 64 + 1) * sizeof(uint64_t);
    memset(finding->passed_by, 0, bytes);
    memset(finding->unclear, 0, bytes);
    return build_threads_run(builder->threads, builder->graph.rows, FIND_GROUP, look_for_group, (void *)finding);
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

/* Invariant 2: is the row's neighbour also one of another of its neighbours? */
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

/* From the nearest of the beam that has a place for it. Without one the row is passed by again, and listed. */
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

static int link_row(struct graph_builder *builder, uint32_t row)
{
    struct walk *walk = builder->workers[0].walk;
    enum sight sight;
    int status = look_for(builder, walk, row, &sight); /* links made for others may lead to it by now */
    if (status == NACRE_OK && sight == SIGHT_PASSED_BY) {
        link_from_beam(builder, walk, row);
    }
    return status == NACRE_OK ? build_threads_stop(builder->threads) : status;
}

/* ---- all rows ---- */

static int list_lookup(struct graph_builder *builder, uint32_t row)
{
    builder->lookups[builder->graph.lookup_count++] = graph_lookup_of(builder->job->rows, row);
    return row % FIND_GROUP ? NACRE_OK : build_threads_stop(builder->threads);
}

typedef int (*row_step)(struct graph_builder *, uint32_t row);

static int for_each(const struct finding *finding, const uint64_t *bits, row_step step)
{
    struct graph_builder *builder = finding->builder;
    int status = NACRE_OK;
    for (size_t word = 0; word < builder->graph.rows / 64 + 1 && status == NACRE_OK; word++) {
        for (uint64_t left = bits[word]; left && status == NACRE_OK; left &= left - 1) {
            status = step(builder, (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(left));
        }
    }
    return status;
}

static int list_lookups(const struct finding *finding)
{
    struct graph_builder *builder = finding->builder;
    size_t count = (size_t)count_bits(finding, finding->passed_by) + count_bits(finding, finding->unclear);
    builder->lookups = memory_alloc((count + 1) * sizeof *builder->lookups);
    builder->graph.lookups = builder->lookups;
    int status = builder->lookups ? for_each(finding, finding->passed_by, list_lookup) : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        status = for_each(finding, finding->unclear, list_lookup);
    }
    if (status == NACRE_OK) {
        graph_lookup_sort(builder->lookups, count);
    }
    return status;
}

/* Until few rows are passed by. */
static int link_all(const struct finding *finding)
{
    uint32_t few = finding->builder->graph.rows / LISTED_PART + LISTED_FEW;
    int status = look_for_all(finding);
    for (uint32_t round = 1; status == NACRE_OK && round < ROUNDS_MOST; round++) {
        if (count_bits(finding, finding->passed_by) <= few) {
            break;
        }
        status = for_each(finding, finding->passed_by, link_row);
        if (status == NACRE_OK) {
            status = look_for_all(finding);
        }
    }
    return status;
}

int build_find_rows(struct graph_builder *builder)
{
    struct finding finding = { .builder = builder };
    size_t bytes = (builder->graph.rows / 64 + 1) * sizeof(uint64_t);
    if (builder->graph.book.metric == NACRE_DOT) {
        return NACRE_OK;
    }
    finding.passed_by = memory_alloc(bytes);
    finding.unclear = memory_alloc(bytes);
    int status = finding.passed_by && finding.unclear ? link_all(&finding) : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        status = for_each(&finding, finding.passed_by, build_list_stray);
    }
    if (status == NACRE_OK) {
        status = list_lookups(&finding);
    }
    memory_free(finding.unclear);
    memory_free(finding.passed_by);
    return status;
}
