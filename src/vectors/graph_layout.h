/* What the files of the graph share. Private to src/vectors/graph*.c and code_*.c.

   A graph: for each row up to `degree` neighbours, GRAPH_NO_ROW behind the last; entry points with their codes close together; the code table. All in place in the
   side file, or in memory while it is built. */
#ifndef NACRE_VECTORS_GRAPH_LAYOUT_H
#define NACRE_VECTORS_GRAPH_LAYOUT_H
#include "distance/code_dot.h"
#include "vectors/code_book.h"
#include "vectors/graph.h"

struct walk_pool; /* graph_walk.h */

/* Measured when the graph is built, on a sample of its rows: what beams of so many rows find and cost. All ascend. */
#define GRAPH_CURVE_POINTS 16u
struct graph_curve_point {
    uint32_t beam;
    float examined;              /* rows, per walk */
    float recall_10, recall_100; /* of the 10 nearest, of the 100 nearest (0 for beams that hold fewer) */
};
struct graph_curve {
    uint32_t count;
    struct graph_curve_point points[GRAPH_CURVE_POINTS];
};

#define GRAPH_DEGREE_MAX 128u /* neighbours of a row, also while a graph is built */
#define GRAPH_ENTRY_MAX  1024u
#define GRAPH_BEAM_LEAST 10u /* of a search */

struct graph_lookup { /* graph_lookup.h; as in the file */
    uint32_t hash;    /* low half of the XXH3 of the row's vector */
    uint32_t row;
};

struct graph {
    uint32_t rows;
    struct code_book book;
    code_dot_list dot_list; /* of the book's codes */
    const uint8_t *codes;   /* rows x book.stride, aligned to 64 */
    bool has_graph;
    uint32_t degree;            /* greatest number of neighbours: places of a list */
    const uint32_t *neighbors;  /* rows x degree, aligned to 64 */
    const uint32_t *entries;    /* entry points */
    const uint8_t *entry_codes; /* theirs, entry_count x book.stride */
    uint32_t entry_count;
    const uint32_t *stray; /* rows that no walk reaches, or that the one for their own vector passes by: scanned */
    uint32_t stray_count;
    const struct graph_lookup *lookups; /* all rows, but for dot; ascending. Files of earlier builds have none */
    uint32_t lookup_count;
    struct graph_curve curve;
    float walk_ns, scan_ns;      /* measured: per row that a walk examines; per row that a scan of the codes does */
    struct walk_pool *walks;     /* memory for walks, used again: graph_walk.h */
    _Atomic int soundness;       /* index.c: an enum soundness */
    struct graph *older;         /* reader.c: graphs of side files that were replaced */
    struct container *index;     /* the side file; NULL while it is built */
    struct graph_memory *memory; /* graph_file.c: what lies on the heap */
};

/* How graphs are made. Measured by bench/graphs.c, which changes it, and so do tests. */
struct graph_tuning {
    uint32_t degree;     /* of a finished list */
    uint32_t room;       /* of a list while the graph grows: more are taken in before it is pruned */
    uint32_t build_beam; /* of an insertion */
    uint32_t merge_beam; /* of an insertion into a graph that was there */
    uint32_t entries;    /* most entry points */
    uint32_t batch_part; /* rows are inserted in batches of 1 / this of those that are there */
    uint32_t least_rows; /* segments with fewer rows have codes alone */
    uint32_t ahead_beam; /* beams this wide and wider are walked one row ahead */
    float merge_least;   /* a graph is built on a source's when that has at least this part of the rows */
    float alpha;   /* a candidate is left out when a chosen one is nearer to it by this factor (of squared distances) */
    unsigned bits; /* of a code; 0: 4 from long_dimension on, else 8 */
    uint32_t long_dimension;
};
extern struct graph_tuning graph_tuning;
#endif
