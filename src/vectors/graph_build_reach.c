/* Late steps of a build: twins are hung behind the row that stands for them, and every row is reached from the
   entry points or is in the list of strays.

   Twins of a row make a tree: the row has the first of them as a neighbour, each has the row and some more of them. So
   a walk that finds the row finds them all, in few steps. */
#include "base/memory.h"
#include "base/status.h"
#include "vectors/graph_build.h"

#define REACH_ROUNDS 3u
#define REACH_BEAM   64u
#define STOP_ROWS    65536u

/* Adds a neighbour; a full list gives up its last one, the farthest. */
static void set_last(struct graph_builder *builder, uint32_t row, uint32_t neighbor)
{
    uint32_t *list = builder_list(builder, row), degree = builder->graph.degree;
    uint32_t at = builder->counts[row] < degree ? builder->counts[row]++ : degree - 1;
    list[at] = neighbor;
}

int build_link_twins(struct graph_builder *builder)
{
    uint32_t rows = builder->graph.rows;
    /* For each row that stands for others: the twin whose list is being filled, and how many it has. */
    uint32_t *parent = memory_alloc(rows * sizeof *parent);
    if (!parent) {
        return NACRE_NO_MEMORY;
    }
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t first = builder->twin_of[row];
        if (first == row) {
            parent[row] = row;
            continue;
        }
        builder_list(builder, row)[0] = first;
        builder->counts[row] = 1;
        uint32_t above = parent[first];
        if (above == first) {
            set_last(builder, first, row);
            parent[first] = row;
            continue;
        }
        set_last(builder, above, row);
        parent[row] = GRAPH_NO_ROW;
        if (builder->counts[above] == builder->graph.degree) {
            /* Full: the first of its own twins goes on. */
            parent[first] = builder_list(builder, above)[1];
        }
    }
    memory_free(parent);
    return NACRE_OK;
}

/* ---- reach ---- */

struct reach {
    struct graph_builder *builder;
    uint64_t *reached;
    uint32_t *queue;
    size_t queue_end;
};

static void reach_row(struct reach *reach, uint32_t row)
{
    uint64_t bit = UINT64_C(1) << (row & 63);
    if (!(reach->reached[row >> 6] & bit)) {
        reach->reached[row >> 6] |= bit;
        reach->queue[reach->queue_end++] = row;
    }
}

/* All that can be reached from the queue's rows from `begin` on. */
static int spread(struct reach *reach, size_t begin)
{
    const struct graph_builder *builder = reach->builder;
    for (; begin < reach->queue_end; begin++) {
        const uint32_t *list = builder_list(builder, reach->queue[begin]);
        for (uint32_t i = 0; i < builder->graph.degree && list[i] < builder->graph.rows; i++) {
            reach_row(reach, list[i]);
        }
        int status = begin % STOP_ROWS ? NACRE_OK : build_threads_stop(builder->threads);
        if (status != NACRE_OK) {
            return status;
        }
    }
    return NACRE_OK;
}

static int reach_all(struct reach *reach)
{
    const struct graph *graph = &reach->builder->graph;
    memset(reach->reached, 0, (graph->rows / 64 + 1) * sizeof *reach->reached);
    reach->queue_end = 0;
    for (uint32_t i = 0; i < graph->entry_count; i++) {
        reach_row(reach, graph->entries[i]);
    }
    return spread(reach, 0);
}

/* A way to a row that has none: from a near one that is reached, with a free place or, where it may, by giving up its
   last neighbour. */
static bool lead_to(struct graph_builder *builder, uint32_t row, bool may_give_up)
{
    struct walk *walk = builder->workers[0].walk;
    code_query_set_row(&walk->query, &builder->graph.book, builder_code(builder, row));
    walk_run(walk, REACH_BEAM);
    for (uint32_t i = 0; i < walk->count; i++) {
        uint32_t near = beam_row(&walk->beam[i]);
        if (near != row && builder->counts[near] < builder->graph.degree) {
            set_last(builder, near, row);
            return true;
        }
    }
    if (walk->count && may_give_up) {
        uint32_t near = beam_row(&walk->beam[walk->count / 2]);
        if (near != row) { /* else the walk has found a way */
            set_last(builder, near, row);
        }
    }
    return walk->count && may_give_up;
}

int build_list_stray(struct graph_builder *builder, uint32_t row)
{
    void *grown = builder->stray;
    int status = memory_grow(&grown, &builder->stray_capacity, builder->graph.stray_count + 1, sizeof *builder->stray);
    builder->stray = grown;
    builder->graph.stray = grown;
    if (status == NACRE_OK) {
        builder->stray[builder->graph.stray_count++] = row;
    }
    return status;
}

/* One look at all rows that are not reached. */
static int lead_all(struct reach *reach, bool may_give_up, bool *found_any)
{
    struct graph_builder *builder = reach->builder;
    int status = NACRE_OK;
    *found_any = false;
    for (uint32_t row = 0; row < builder->graph.rows && status == NACRE_OK; row++) {
        if (reach->reached[row >> 6] >> (row & 63) & 1) {
            continue;
        }
        *found_any = true;
        if (lead_to(builder, row, may_give_up)) {
            size_t begin = reach->queue_end;
            reach_row(reach, row);
            status = spread(reach, begin);
        } else if (!may_give_up) {
            status = build_list_stray(builder, row);
        }
        if (status == NACRE_OK) {
            status = build_threads_stop(builder->threads);
        }
    }
    return status;
}

int build_reach(struct graph_builder *builder)
{
    uint32_t rows = builder->graph.rows;
    struct reach reach = { .builder = builder };
    reach.reached = memory_alloc((rows / 64 + 1) * sizeof *reach.reached);
    reach.queue = memory_alloc(rows * sizeof *reach.queue);
    int status = reach.reached && reach.queue ? NACRE_OK : NACRE_NO_MEMORY;
    bool found_any = true;
    for (uint32_t round = 0; status == NACRE_OK && found_any && round < REACH_ROUNDS; round++) {
        status = reach_all(&reach);
        if (status == NACRE_OK) {
            status = lead_all(&reach, round + 1 < REACH_ROUNDS, &found_any);
        }
    }
    memory_free(reach.reached);
    memory_free(reach.queue);
    return status;
}
