/* Re-ranking candidates on full vectors (see code_scan.h): from the front, by what their codes say they are away at least, until what was compared is nearer than
   all that was not.

   1. `list` is a heap, the least `least` on top; `ranked` a heap, the nearest on top, equal distances by row.
   2. A row is given when its distance, as one of graph space, is below every `least` in the list and at most `reach`: then no other row can come before it.
   3. The search's `allows` is asked when a row would be compared, no sooner: it may be slow, and few rows come so far.
   Threads: one at a time. Locks: none. */
#include "vectors/code_scan.h"
#include "base/memory.h"
#include "base/status.h"
#include "distance/distance.h"

#define BATCH_MOST 32u
#define BATCH_NEXT 8u /* after the first `k` */

struct ranked_row {
    float distance; /* by the metric */
    uint32_t row;
};

struct ranking {
    const struct graph *graph;
    const struct vector_rows *rows;
    const struct graph_search *search;
    struct row_gate *gate;
    struct code_candidate *list;
    size_t left;               /* in the list */
    struct ranked_row *ranked; /* owned; as many places as the list had */
    size_t ranked_count;
    size_t compared;
};

static void sift_candidate(struct code_candidate *heap, size_t count, size_t at)
{
    struct code_candidate moved = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && heap[child + 1].least < heap[child].least;
        if (moved.least <= heap[child].least)
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static bool is_nearer(const struct ranked_row *a, const struct ranked_row *b)
{
    return a->distance < b->distance || (a->distance == b->distance && a->row < b->row);
}

static void push_ranked(struct ranking *r, struct ranked_row row)
{
    size_t at = r->ranked_count++;
    for (size_t parent; at > 0 && is_nearer(&row, &r->ranked[parent = (at - 1) / 2]); at = parent)
        r->ranked[at] = r->ranked[parent];
    r->ranked[at] = row;
}

static struct ranked_row pop_ranked(struct ranking *r)
{
    struct ranked_row top = r->ranked[0], moved = r->ranked[--r->ranked_count];
    size_t at = 0, count = r->ranked_count;
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && is_nearer(&r->ranked[child + 1], &r->ranked[child]);
        if (!is_nearer(&r->ranked[child], &moved))
            break;
        r->ranked[at] = r->ranked[child];
    }
    r->ranked[at] = moved;
    return top;
}

/* Compares the next candidates. */
static int compare_batch(struct ranking *r)
{
    uint32_t rows[BATCH_MOST];
    float distances[BATCH_MOST];
    size_t k = r->search->k, most = r->compared < k ? k - r->compared : BATCH_NEXT, count = 0;
    most = most < BATCH_MOST ? most : BATCH_MOST;
    while (count < most && r->left > 0) {
        rows[count] = r->list[0].row & ~CODE_COMPARED;
        count += row_gate_allows(r->gate, rows[count]);
        r->list[0] = r->list[--r->left];
        sift_candidate(r->list, r->left, 0);
    }
    int status = vector_rows_need_list(r->rows, rows, count);
    if (status == NACRE_OK && r->search->stop)
        status = r->search->stop(r->search->stop_context);
    if (status != NACRE_OK)
        return status;
    distance_to_list(r->search->distance, r->rows->vectors, r->rows->stride, rows, count, distances);
    for (size_t i = 0; i < count; i++)
        push_ranked(r, (struct ranked_row){ distances[i], rows[i] });
    r->compared += count;
    return NACRE_OK;
}

/* Invariant 2, for the nearest of those compared. */
static bool is_sure(const struct ranking *r, float reach)
{
    float away = code_space_distance(&r->graph->book, r->search->distance, r->ranked[0].distance);
    return away <= reach && (r->left == 0 || away < r->list[0].least);
}

static int give_nearest(struct ranking *r, bool *enough)
{
    struct ranked_row row = pop_ranked(r);
    int status = row_gate_close(r->gate, row.row);
    return status == NACRE_OK ? r->search->accept(r->search->context, row.row, row.distance, enough) : status;
}

int code_rank(const struct graph *graph, const struct vector_rows *rows, const struct graph_search *search,
              struct row_gate *gate, struct code_candidate *list, size_t count, float reach, bool *enough)
{
    struct ranking r = { graph, rows, search, gate, list, count, NULL, 0, 0 };
    int status = NACRE_OK;
    *enough = false;
    r.ranked = memory_alloc((count + 1) * sizeof *r.ranked);
    if (!r.ranked)
        return NACRE_NO_MEMORY;
    for (size_t at = count / 2; at-- > 0;)
        sift_candidate(list, count, at);
    while (status == NACRE_OK && !*enough) {
        if (r.ranked_count > 0 && is_sure(&r, reach))
            status = give_nearest(&r, enough);
        else if (r.left > 0)
            status = compare_batch(&r);
        else
            break;
    }
    search->report->reranked += r.compared;
    memory_free(r.ranked);
    return status;
}
