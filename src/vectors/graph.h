/* The index of a segment of vectors: codes and, for segments where it pays, one flat graph of bounded degree over its rows. Kept in the segment's side file; opened in
   place. Built from the full vectors, with the indexes of the segments that a merge came from used again.

   Structure and pruning follow DiskANN's Vamana (Subramanya et al., NeurIPS 2019) and NSG (Fu et al., VLDB 2019); codes are walked, full vectors re-rank. */
#ifndef NACRE_VECTORS_GRAPH_H
#define NACRE_VECTORS_GRAPH_H
#include "vectors/reader.h"

struct distance;
struct dead_rows;

/* ---- building ---- */
#define GRAPH_NO_ROW UINT32_MAX
struct graph_source { /* an older index whose rows are among the new ones, mostly */
    const struct graph *graph;
    const uint32_t *rows; /* for each of its rows: its number now, or GRAPH_NO_ROW */
};
struct graph_job {
    const struct vector_rows *rows;
    const struct graph_source *sources;
    size_t source_count;
    uint32_t threads;
    uint64_t memory_budget;
    bool codes_only;
    int (*stop)(void *context); /* at least every 50 ms, in any of the job's threads */
    void *stop_context;
};
/* Writes the sections of the side file. Every row can be reached from the entry points by the walk, or is in the list of those that are scanned. */
int graph_build(const struct graph_job *, struct container_writer *index);
uint64_t graph_build_bytes(uint64_t rows, uint32_t dimension); /* of heap that it takes, about; less for codes alone */

/* ---- reading ---- */
/* Sizes and offsets are checked, contents as far as a walk needs not to leave the tables (neighbours are checked as they are followed, or here). NACRE_CORRUPT. */
int graph_open(struct container *index, const struct vector_rows *, struct graph **);
void graph_close(struct graph *);
bool graph_is_whole(
    const struct graph *); /* has all that the segment should have: false for codes without the graph that pays */
int graph_verify(const struct graph *,
                 const struct vector_rows
                     *); /* all of it: neighbours in bounds, codes near their vectors, every row reachable or listed */
uint64_t graph_memory(const struct graph *); /* heap */

/* ---- searching ---- */
struct graph_search {
    const struct distance *distance;
    size_t k;
    float recall;
    bool exact;
    uint32_t begin, end; /* only rows in [begin, end) */
    /* Of these only rows that pass: rows in `allowed` (a bit per row of the segment, the first in bit 0 of word 0; NULL: all), that `allows` says yes to (asked
       once per row at most where that is cheap to remember; NULL: all). */
    const uint64_t *allowed;
    bool (*allows)(void *context, uint32_t row);
    double allowed_part;          /* of [begin, end): about how many pass, 1 = all; so that the way is chosen */
    void *context;                /* of allows and accept */
    const struct dead_rows *dead; /* walked over, not accepted; may be NULL */
    /* Given passing rows in ascending order (distance on full vectors, then row), each once. *enough = true ends the search; it is set when k rows were found good. */
    int (*accept)(void *context, uint32_t row, float distance, bool *enough);
    int (*stop)(void *context);
    void *stop_context;
    struct nearest_report *report; /* never NULL */
};
/* Gives `accept` rows until it has enough: at the recall asked for by a walk, or a scan where that is cheaper or the walk ran dry; exactly, by a scan of the codes with
   re-ranking of all that their bounds cannot rule out, when the search is exact. */
int graph_nearest(const struct graph *, const struct vector_rows *, struct graph_search *);
#endif
