/* How a segment's index answers (see graph.h): the way that is expected to be the quickest, and others when it turns out not to lead far enough.

   - A scan of the codes, all of them or those that the filter allows: exact, and costs the same whatever is asked.
   - A walk over the graph. What does not pass is walked over and left out afterwards, so the beam is wider by as much as the filter is narrow.
   - A walk over the rows that pass (filtered_walk.h). It needs to ask about all rows it meets, so the filter has to be a bitmap.

   A walk's beam is as wide as the curve of the graph says for the recall. The beam counts by what in it passes: where that is too little, as the filter goes against the
   direction of the query or all around it is dead, the walk is done again with a wider beam, or another way is taken, before anything is given. When rows
   that were given turn out not to be good, the rest of the beam follows, then wider beams, at last a scan: k rows come back if there are k.

   1. A row is given once: what was given is closed in the gate.
   Threads: any; a search by one. Locks: those of graph_walk.h. */
#include "base/memory.h"
#include "base/status.h"
#include "distance/distance.h"
#include "vectors/filtered_walk.h"
#include "vectors/graph_curve.h"
#include "vectors/graph_lookup.h"
#include "vectors/walk_rank.h"
#include <math.h>

#define FILTERED_BEAM 1.25  /* times what a beam over all rows is */
#define FILTERED_COST 4.5   /* of a walk over the rows that pass, in plain ones */
#define LIST_COST     2.0   /* of a scanned row that is not behind the last one, in such that are */
#define ASK_NS        150.0 /* about what a question to `allows` costs: a key is decoded for it */
#define WORD_NS       0.5   /* of a bitmap, looked through */
#define NEARLY        0.7   /* of the beam that is needed has to pass */
#define PROBE_BEAM    32u
#define AGAINST       4.0  /* times fewer rows pass around the query than do in all */
#define AGAINST_BEAM  128u /* entries more, then */
#define STOP_ROWS     64u  /* expanded between two looks at `stop`: some 100 us */
#define ASKED_EXACTLY 0.9999f

enum way { WAY_SCAN, WAY_WALK, WAY_FILTERED };

struct indexed_search {
    const struct graph *graph;
    const struct vector_rows *rows;
    const struct graph_search *search;
    struct row_gate gate;
    double passing;  /* rows, about */
    uint32_t needed; /* entries of a beam that pass */
    uint32_t seeds[PROBE_BEAM], seed_count;
    bool gave; /* a walk's rows: what a scan adds does not make the answer exact */
};

/* ---- what it would cost, in ns ---- */

static double scan_cost(const struct indexed_search *s)
{
    const struct graph_search *search = s->search;
    double range = search->end - search->begin, part = range > 0 ? s->passing / range : 0;
    if (search->allowed)
        return s->passing * (double)s->graph->scan_ns * (part < 1 ? LIST_COST : 1) + range / 64 * WORD_NS;
    double asked = search->allows ? (double)search->k / (part > 0 ? part : 1) : 0;
    return range * (double)s->graph->scan_ns + (asked < range ? asked : range) * ASK_NS;
}

static double walk_cost(const struct indexed_search *s, double beam)
{
    double examined = graph_curve_examined(&s->graph->curve, beam), part = s->passing / s->graph->rows;
    double asked = s->search->allows ? 2 * (double)s->search->k / (part > 0 ? part : 1) : 0;
    return examined * (double)s->graph->walk_ns + (asked < beam ? asked : beam) * ASK_NS;
}

static enum way choose_way(const struct indexed_search *s, uint32_t *beam)
{
    double part = s->passing / s->graph->rows, scan = scan_cost(s);
    double plain_beam = part > 0 ? s->needed / part : BEAM_MAX;
    double filtered_beam = s->needed * FILTERED_BEAM;
    double plain = walk_cost(s, plain_beam), filtered = walk_cost(s, filtered_beam) * FILTERED_COST;
    *beam = filtered_beam < BEAM_MAX ? (uint32_t)filtered_beam : BEAM_MAX;
    if (!s->graph->has_graph || s->search->exact || s->needed == 0)
        return WAY_SCAN;
    if (s->search->allows || plain < filtered) {
        *beam = plain_beam < BEAM_MAX ? (uint32_t)plain_beam : BEAM_MAX;
        return plain < scan && plain_beam < BEAM_MAX ? WAY_WALK : WAY_SCAN;
    }
    return filtered < scan ? WAY_FILTERED : WAY_SCAN;
}

/* ---- going it ---- */

static int scan(struct indexed_search *s)
{
    struct code_query query;
    int status = code_query_create(&query, &s->graph->book);
    if (status == NACRE_OK) {
        code_query_set(&query, &s->graph->book, s->search->distance);
        s->search->report->strategy = s->search->allowed ? "filter scan" : "codes";
        s->search->report->exact = !s->gave;
        status = code_search(s->graph, s->rows, s->search, &s->gate, &query);
    }
    code_query_free(&query);
    return status;
}

static int stop_due(const struct graph_search *search)
{
    return search->stop ? search->stop(search->stop_context) : NACRE_OK;
}

static int offer_strays(struct indexed_search *s, struct walk *walk)
{
    const struct graph *graph = s->graph;
    float distances[GRAPH_DEGREE_MAX];
    uint32_t rows[GRAPH_DEGREE_MAX], count = 0;
    for (uint32_t i = 0; i <= graph->stray_count; i++) {
        if (count == GRAPH_DEGREE_MAX || (i == graph->stray_count && count > 0)) {
            walk_estimate(walk, rows, count, distances);
            walk_offer(walk, rows, distances, count);
            count = 0;
        }
        if (i < graph->stray_count && row_gate_may_pass(&s->gate, graph->stray[i]) && walk_mark(walk, graph->stray[i]))
            rows[count++] = graph->stray[i];
    }
    return stop_due(s->search);
}

/* Rows that have the query's very vector: to the front of the beam, so that they are compared first. Those with one vector ascend,
   as the nearest do: when there are more than the beam holds the first are enough. */
static void offer_lookups(struct indexed_search *s, struct walk *walk)
{
    uint32_t begin, end, offered = 0;
    graph_lookup_find(s->graph, s->search->distance->query, &begin, &end);
    for (uint32_t i = begin; i < end && offered < walk->width; i++) {
        uint32_t row = s->graph->lookups[i].row;
        if (row >= s->graph->rows || !row_gate_may_pass(&s->gate, row))
            continue;
        if (!walk_mark(walk, row))
            walk_leave_out(walk, row);
        walk_offer(walk, &row, &(float){ 0 }, 1);
        offered++;
    }
    walk->examined += offered;
}

/* A short walk over all rows to where the query is: what passes there is where the filtered walk begins. *against: next to nothing does, though the filter is not that
   narrow. Then the nearest rows that pass lie all around, far apart, and a beam finds fewer of them than the curve says. */
static void probe(struct indexed_search *s, struct walk *walk, bool *against)
{
    uint32_t passing = 0;
    walk_run(walk, PROBE_BEAM);
    s->search->report->examined += walk->examined;
    for (uint32_t i = 0; i < walk->count; i++) {
        s->seeds[i] = beam_row(&walk->beam[i]);
        passing += row_gate_may_pass(&s->gate, s->seeds[i]);
    }
    s->seed_count = walk->count;
    *against = passing * AGAINST < walk->count * s->passing / s->graph->rows;
}

static int walk_once(struct indexed_search *s, enum way way, struct walk *walk, uint32_t beam)
{
    int status = walk_widen(walk, beam);
    if (status != NACRE_OK)
        return status;
    if (way == WAY_FILTERED) {
        filtered_walk_begin(walk, &s->gate, beam, s->seeds, s->seed_count);
    } else {
        walk_begin(walk, beam);
        walk_enter(walk);
    }
    while (status == NACRE_OK &&
           (way == WAY_FILTERED ? filtered_walk_go_some(walk, &s->gate, STOP_ROWS) : walk_go_some(walk, STOP_ROWS)))
        status = stop_due(s->search);
    if (status == NACRE_OK)
        status = offer_strays(s, walk);
    if (status == NACRE_OK)
        offer_lookups(s, walk);
    s->search->report->examined += walk->examined;
    return status;
}

/* Gives what the beam holds. */
static int give_beam(struct indexed_search *s, struct walk_rank *rank, bool *enough)
{
    s->gave = true;
    int status = NACRE_OK;
    while (status == NACRE_OK && !*enough && rank->at < rank->walk->count)
        status = walk_rank_next(rank, enough);
    return status;
}

/* Walks with wider and wider beams; *enough is false when a scan has to do the rest. */
static int walk_on(struct indexed_search *s, enum way way, struct walk *walk, uint32_t beam, bool *enough)
{
    double most = scan_cost(s);
    int status = NACRE_OK;
    if (way == WAY_FILTERED) {
        bool against;
        probe(s, walk, &against);
        beam = against ? beam + AGAINST_BEAM : beam;
        if (beam > BEAM_MAX || walk_cost(s, beam) * FILTERED_COST > most)
            return NACRE_OK;
    }
    while (status == NACRE_OK && !*enough) {
        struct walk_rank rank = { .walk = walk, .rows = s->rows, .search = s->search, .gate = &s->gate };
        status = walk_once(s, way, walk, beam);
        double passing = walk_rank_passing(&rank);
        bool full = walk->count == beam;
        if (status == NACRE_OK && (passing >= NEARLY * s->needed || passing >= s->passing))
            status = give_beam(s, &rank, enough);
        beam = beam < BEAM_MAX / 2 ? 2 * beam : BEAM_MAX;
        /* A beam that was not filled will not be next time either. */
        if (!full || beam == BEAM_MAX || walk_cost(s, beam) > most)
            break;
    }
    return status;
}

static int walk(struct indexed_search *s, enum way way, uint32_t beam)
{
    struct walk *walk;
    bool enough = false;
    int status = walk_take(s->graph, beam > PROBE_BEAM ? beam : PROBE_BEAM, &walk);
    if (status == NACRE_OK) {
        code_query_set(&walk->query, &s->graph->book, s->search->distance);
        s->search->report->strategy = way == WAY_FILTERED ? "filtered walk" : "walk";
        status = walk_on(s, way, walk, beam, &enough);
    }
    walk_return(walk);
    return status == NACRE_OK && !enough ? scan(s) : status;
}

int graph_nearest(const struct graph *graph, const struct vector_rows *rows, struct graph_search *search)
{
    struct indexed_search s = { .graph = graph, .rows = rows, .search = search };
    uint32_t beam;
    if (search->begin >= search->end || search->k == 0) {
        search->report->exact = true;
        return NACRE_OK;
    }
    double live = search->dead ? 1 - (double)search->dead->count / graph->rows : 1;
    s.passing = (search->end - search->begin) * search->allowed_part * live;
    s.needed = search->recall > ASKED_EXACTLY ? 0 : graph_curve_beam(&graph->curve, search->k, search->recall);
    row_gate_begin(&s.gate, search);
    enum way way = choose_way(&s, &beam);
    int status = way == WAY_SCAN ? scan(&s) : walk(&s, way, beam);
    row_gate_free(&s.gate);
    return status;
}
