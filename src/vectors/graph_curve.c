/* The curve of a graph (see graph_curve.h): beams of growing width are tried on rows of the sample, against what a scan of the codes proves to be nearest.

   1. A row of the sample is looked for as if it were not in the graph: it is marked before the walk begins, so no walk goes through it, though the lists around it were pruned
      as if one could. Searches for vectors from outside find at least as much.
   2. The answers are exact: code_scan.h's bounds.
   Threads: those of the build; each works on one group of the sample at a time. */
#include "vectors/graph_curve.h"
#include "base/memory.h"
#include "base/status.h"
#include "distance/distance.h"
#include "vectors/walk_rank.h"
#include <math.h>
#include <string.h>
#include <time.h>

#define SAMPLE_ROWS  320u /* no multiple of 7919: take_sample */
#define GROUP        8u   /* searched together, block by block of the codes, which are then in the caches */
#define NEAREST      100u
#define GOOD_ENOUGH  0.9995f /* a curve ends there */
#define WALKS_LEAST  256u    /* of the widest beams: few rows miss many of their neighbours, and have to be met */
#define WALKS_ROWS   48000u  /* beam width times walks, about */
#define WALKS_STEP   8u
#define SCAN_PARTS   8u
#define SCAN_ROWS    16384u
#define SCAN_WANTED  16u
#define BEYOND_POWER 0.7
#define BEYOND_MOST  4.0
#define MARGIN       0.15 /* of what is to be missed is kept in hand: a sample is a sample */

/* Widths grow by about 1.4, later 1.6. */
static const uint32_t beams[GRAPH_CURVE_POINTS] = {
    GRAPH_BEAM_LEAST, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 1000, 1600, 2500
};

static double thread_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double between(double x, double x0, double y0, double x1, double y1)
{
    return x1 > x0 ? y0 + (y1 - y0) * (x - x0) / (x1 - x0) : y1;
}

static double recall_at(const struct graph_curve_point *point, bool of_100)
{
    return (double)(of_100 ? point->recall_100 : point->recall_10);
}

/* Behind the last point. What is missed falls about as a power of the beam; the power is a cautious one. 0: that is too far to guess. */
static double beam_beyond(const struct graph_curve *curve, bool of_100, double recall)
{
    const struct graph_curve_point *last = curve->count ? &curve->points[curve->count - 1] : NULL;
    if (!last || recall_at(last, of_100) <= 0 || recall >= 1)
        return 0;
    double times = pow((1 - recall_at(last, of_100)) / (1 - recall), 1 / BEYOND_POWER);
    return times <= BEYOND_MOST ? last->beam * times : 0;
}

/* Of the 10 or of the 100 nearest. Recall bends down over beam, so a straight line promises no more than there is. */
static double beam_for(const struct graph_curve *curve, bool of_100, double recall)
{
    for (uint32_t i = 0; i < curve->count; i++) {
        const struct graph_curve_point *point = &curve->points[i], *last = point - 1;
        if (recall_at(point, of_100) < recall)
            continue;
        if (i == 0 || recall_at(last, of_100) <= 0)
            return point->beam;
        return between(recall, recall_at(last, of_100), last->beam, recall_at(point, of_100), point->beam);
    }
    return beam_beyond(curve, of_100, recall);
}

uint32_t graph_curve_beam(const struct graph_curve *curve, size_t k, float recall)
{
    double wanted = (double)recall + (1 - (double)recall) * MARGIN;
    double ten = beam_for(curve, false, wanted), hundred = beam_for(curve, true, wanted), beam = ten;
    if (k > 10) {
        double part = log10((double)k / 10);
        beam = k >= 100 ? hundred * (double)k / 100 : ten * pow(hundred / ten, part);
        if (ten <= 0 || hundred <= 0)
            return 0;
    }
    beam = beam > 0 && beam < (double)k ? (double)k : beam;
    return beam < BEAM_MAX ? (uint32_t)ceil(beam) : BEAM_MAX;
}

double graph_curve_examined(const struct graph_curve *curve, double beam)
{
    if (curve->count == 0)
        return 0;
    for (uint32_t i = 0; i + 1 < curve->count; i++) {
        const struct graph_curve_point *point = &curve->points[i], *next = point + 1;
        if (beam < next->beam)
            return between(beam > point->beam ? beam : point->beam, point->beam, (double)point->examined, next->beam,
                           (double)next->examined);
    }
    const struct graph_curve_point *last = &curve->points[curve->count - 1];
    return (double)last->examined * (beam > last->beam ? beam / last->beam : 1);
}

/* ---- measuring ---- */

struct sampled { /* a row that is looked for */
    uint32_t row;
    float within[2]; /* the distance of its 10th and its 100th nearest */
};

struct measuring {
    struct graph *graph;
    const struct vector_rows *rows;
    struct sampled *sample;
    uint32_t count;
    const struct build_threads *threads;
    uint32_t nearest[2]; /* 10 and 100, or how many other rows there are */
    uint32_t beam;
    struct tally { /* of one item: no two threads write to the same */
        uint64_t examined, hits[2];
        double walk_ns;
    } * tallies;
};

struct looking { /* context of a search for one row */
    const struct measuring *measuring;
    const struct sampled *sampled;
    float distances[NEAREST];
    uint32_t found, wanted;
};

static int take_row(void *context, uint32_t row, float distance, bool *enough) /* graph_search.accept */
{
    struct looking *l = context;
    if (row != l->sampled->row)
        l->distances[l->found++] = distance;
    *enough = l->found == l->wanted;
    return NACRE_OK;
}

static struct graph_search search_for(const struct measuring *m, const struct distance *distance,
                                      struct looking *looking, struct nearest_report *report)
{
    return (struct graph_search){ .distance = distance,
                                  .k = looking->wanted,
                                  .recall = 1,
                                  .end = m->graph->rows,
                                  .allowed_part = 1,
                                  .context = looking,
                                  .accept = take_row,
                                  .report = report };
}

static int begin_distance(const struct measuring *m, uint32_t row, struct distance *distance)
{
    int status = vector_rows_need(m->rows, row);
    if (status == NACRE_OK)
        distance_begin(distance, m->rows->metric, vector_row(m->rows, row), m->rows->dimension);
    return status;
}

/* The answers for some rows, which are scanned for block by block together. */
struct truth {
    struct code_query query;
    struct code_scan scan;
    struct distance distance;
};

static int find_answers(const struct measuring *m, struct sampled *sampled, struct truth *truth)
{
    struct nearest_report report = { 0 };
    struct row_gate gate;
    struct looking looking = { .measuring = m, .sampled = sampled, .wanted = m->nearest[1] };
    struct graph_search search = search_for(m, &truth->distance, &looking, &report);
    bool enough;
    row_gate_begin(&gate, &search);
    code_scan_narrow(&truth->scan);
    int status =
        code_rank(m->graph, m->rows, &search, &gate, truth->scan.list, truth->scan.count, truth->scan.reach, &enough);
    for (int i = 0; i < 2 && looking.found > 0; i++)
        sampled->within[i] = looking.distances[(m->nearest[i] < looking.found ? m->nearest[i] : looking.found) - 1];
    row_gate_free(&gate);
    return status;
}

static int scan_group(const struct measuring *m, struct sampled *sampled, uint32_t count, struct truth *truths)
{
    const struct graph *graph = m->graph;
    int status = NACRE_OK;
    for (uint32_t i = 0; i < count && status == NACRE_OK; i++) {
        status = code_query_create(&truths[i].query, &graph->book);
        if (status == NACRE_OK)
            status = begin_distance(m, sampled[i].row, &truths[i].distance);
        if (status == NACRE_OK)
            code_query_set(&truths[i].query, &graph->book, &truths[i].distance);
        code_scan_begin(&truths[i].scan, graph, &truths[i].query, m->rows, &truths[i].distance, NULL,
                        m->nearest[1] + 1);
    }
    uint32_t block = code_scan_block(graph);
    for (uint32_t at = 0, end; at < graph->rows && status == NACRE_OK; at = end) {
        end = graph->rows - at < block ? graph->rows : at + block;
        for (uint32_t i = 0; i < count && status == NACRE_OK; i++)
            status = code_scan_rows(&truths[i].scan, at, end);
        if (status == NACRE_OK)
            status = build_threads_stop(m->threads);
    }
    for (uint32_t i = 0; i < count && status == NACRE_OK; i++)
        status = find_answers(m, &sampled[i], &truths[i]);
    return status;
}

static int answer_step(void *context, uint32_t worker, size_t begin, size_t end) /* build_step: groups of the sample */
{
    struct measuring *m = context;
    int status = NACRE_OK;
    (void)worker;
    for (size_t group = begin; group < end && status == NACRE_OK; group++) {
        struct truth truths[GROUP];
        memset(truths, 0, sizeof truths);
        uint32_t first = (uint32_t)group * GROUP, count = m->count - first < GROUP ? m->count - first : GROUP;
        status = scan_group(m, m->sample + first, count, truths);
        for (uint32_t i = 0; i < GROUP; i++) {
            code_scan_free(&truths[i].scan);
            code_query_free(&truths[i].query);
        }
    }
    return status;
}

static int count_hits(const struct measuring *m, const struct sampled *sampled, const struct distance *distance,
                      struct walk *walk, int of, uint64_t *hits)
{
    struct nearest_report report = { 0 };
    struct row_gate gate;
    struct looking looking = { .measuring = m, .sampled = sampled, .wanted = m->nearest[of] };
    struct graph_search search = search_for(m, distance, &looking, &report);
    struct walk_rank rank = { .walk = walk, .rows = m->rows, .search = &search, .gate = &gate };
    bool enough;
    row_gate_begin(&gate, &search);
    int status = walk_rank_next(&rank, &enough);
    for (uint32_t i = 0; i < looking.found; i++)
        *hits += looking.distances[i] <= sampled->within[of];
    row_gate_free(&gate);
    return status;
}

static int walk_to(const struct measuring *m, const struct sampled *sampled, struct walk *walk, struct tally *tally)
{
    struct distance distance;
    int status = begin_distance(m, sampled->row, &distance);
    if (status != NACRE_OK)
        return status;
    double begun = thread_ns();
    code_query_set(&walk->query, &m->graph->book, &distance);
    walk_begin(walk, m->beam);
    (void)walk_mark(walk, sampled->row);
    walk_enter(walk);
    walk_go(walk);
    tally->walk_ns += thread_ns() - begun;
    tally->examined += walk->examined;
    for (int of = 0; of < 2 && status == NACRE_OK; of++)
        if (m->beam >= m->nearest[of])
            status = count_hits(m, sampled, &distance, walk, of, &tally->hits[of]);
    return status;
}

static int walk_step(void *context, uint32_t worker, size_t begin, size_t end) /* build_step: rows of the sample */
{
    struct measuring *m = context;
    struct walk *walk;
    int status = walk_take(m->graph, m->beam, &walk);
    (void)worker;
    for (size_t i = begin; i < end && status == NACRE_OK; i++)
        status = walk_to(m, &m->sample[i], walk, &m->tallies[i]);
    walk_return(walk);
    return status;
}

static float part_of(uint64_t hits, uint32_t walks, uint32_t nearest, float least)
{
    float part = (float)((double)hits / ((double)walks * nearest));
    return part > 1 ? 1 : part > least ? part : least;
}

/* Adds a point to the curve. */
static int measure_beam(struct measuring *m, struct build_threads *threads, double *walk_ns, double *examined)
{
    struct graph_curve *curve = &m->graph->curve;
    struct graph_curve_point last = curve->count ? curve->points[curve->count - 1] : (struct graph_curve_point){ 0 };
    struct tally sum = { 0 };
    uint32_t walks = WALKS_ROWS / m->beam;
    walks = walks < WALKS_LEAST ? WALKS_LEAST : walks;
    walks = walks < m->count ? walks : m->count;
    memset(m->tallies, 0, m->count * sizeof *m->tallies);
    int status = build_threads_run(threads, walks, WALKS_STEP, walk_step, m);
    for (uint32_t i = 0; i < walks; i++) {
        sum.examined += m->tallies[i].examined;
        sum.hits[0] += m->tallies[i].hits[0];
        sum.hits[1] += m->tallies[i].hits[1];
        sum.walk_ns += m->tallies[i].walk_ns;
    }
    float examined_here = (float)sum.examined / (float)walks;
    *walk_ns += sum.walk_ns;
    *examined += (double)sum.examined;
    if (status == NACRE_OK)
        curve->points[curve->count++] =
            (struct graph_curve_point){ .beam = m->beam,
                                        .examined = examined_here > last.examined ? examined_here : last.examined,
                                        .recall_10 = part_of(sum.hits[0], walks, m->nearest[0], last.recall_10),
                                        .recall_100 = part_of(sum.hits[1], walks, m->nearest[1], last.recall_100) };
    return status;
}

static void take_sample(struct measuring *m)
{
    uint32_t rows = m->graph->rows;
    for (uint32_t i = 0; i < m->count; i++) {
        uint64_t begin = (uint64_t)i * rows / m->count, end = (uint64_t)(i + 1) * rows / m->count;
        uint64_t mixed = (i + UINT64_C(1)) * UINT64_C(0x9E3779B97F4A7C15);
        /* Not at even distances: rows ascend by key, and keys may have a rhythm. The last beams take the first rows only, so the order is mixed too. */
        m->sample[(i * 7919u) % m->count].row = (uint32_t)(begin + (mixed >> 32) % (end - begin));
    }
}

static int measure_walks(struct measuring *m, struct build_threads *threads)
{
    struct graph *graph = m->graph;
    double walk_ns = 0, examined = 0;
    take_sample(m);
    int status = build_threads_run(threads, (m->count + GROUP - 1) / GROUP, 1, answer_step, m);
    for (uint32_t i = 0; i < GRAPH_CURVE_POINTS && status == NACRE_OK; i++) {
        m->beam = beams[i];
        status = measure_beam(m, threads, &walk_ns, &examined);
        const struct graph_curve_point *point = &graph->curve.points[i];
        if (status == NACRE_OK && point->recall_10 >= GOOD_ENOUGH && point->recall_100 >= GOOD_ENOUGH)
            break;
    }
    graph->walk_ns = examined > 0 ? (float)(walk_ns / examined) : 0;
    return status;
}

/* A scan as searches do it: the codes come from memory. The quickest part counts, as nothing makes a scan quicker than it is. */
static int measure_scan(struct graph *graph, const struct vector_rows *rows)
{
    struct measuring m = { .graph = graph, .rows = rows };
    struct truth truth = { .scan.list = NULL };
    double least = INFINITY;
    int status = code_query_create(&truth.query, &graph->book);
    if (status == NACRE_OK)
        status = begin_distance(&m, graph->rows / 2, &truth.distance);
    if (status == NACRE_OK)
        code_query_set(&truth.query, &graph->book, &truth.distance);
    code_scan_begin(&truth.scan, graph, &truth.query, rows, &truth.distance, NULL, SCAN_WANTED);
    for (uint32_t part = 0; part < SCAN_PARTS && status == NACRE_OK; part++) {
        uint32_t begin = (uint32_t)((uint64_t)graph->rows * part / SCAN_PARTS);
        uint32_t end = (uint32_t)((uint64_t)graph->rows * (part + 1) / SCAN_PARTS);
        end = end - begin < SCAN_ROWS ? end : begin + SCAN_ROWS;
        double begun = thread_ns();
        status = code_scan_rows(&truth.scan, begin, end);
        double spent = end > begin ? (thread_ns() - begun) / (end - begin) : INFINITY;
        least = spent < least ? spent : least;
    }
    graph->scan_ns = least < INFINITY ? (float)least : 0;
    code_scan_free(&truth.scan);
    code_query_free(&truth.query);
    return status;
}

int graph_curve_measure(struct graph *graph, const struct vector_rows *rows, struct build_threads *threads)
{
    struct measuring m = { .graph = graph, .rows = rows, .threads = threads };
    graph->curve.count = 0;
    int status = graph->rows > 0 ? measure_scan(graph, rows) : NACRE_OK;
    if (status != NACRE_OK || !graph->has_graph || graph->rows < 2)
        return status;
    m.count = graph->rows < SAMPLE_ROWS ? graph->rows : SAMPLE_ROWS;
    m.nearest[0] = graph->rows - 1 < 10 ? graph->rows - 1 : 10;
    m.nearest[1] = graph->rows - 1 < NEAREST ? graph->rows - 1 : NEAREST;
    m.sample = memory_zalloc(m.count * sizeof *m.sample);
    m.tallies = memory_zalloc(m.count * sizeof *m.tallies);
    status = m.sample && m.tallies ? measure_walks(&m, threads) : NACRE_NO_MEMORY;
    memory_free(m.sample);
    memory_free(m.tallies);
    return status;
}
