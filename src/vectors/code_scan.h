/* Scans of codes, and re-ranking on full vectors what they leave. Private to src/vectors/.

   A scan collects candidates: rows that may be among the `wanted` nearest, by what their codes prove. code_rank then compares as few of them as it must on full vectors
   and hands them out from near to far. One thread at a time per scan. */
#ifndef NACRE_VECTORS_CODE_SCAN_H
#define NACRE_VECTORS_CODE_SCAN_H
#include "vectors/graph_layout.h"
#include "vectors/row_gate.h"

struct code_candidate {
    float least, most; /* its distance in graph space is between */
    uint32_t row;      /* | CODE_COMPARED: `most` is from the full vector */
};
#define CODE_COMPARED UINT32_C(0x80000000)

struct code_scan {
    const struct graph *graph;
    const struct code_query *query;
    const struct vector_rows
        *rows; /* and the query as it is: what codes of 4 bits prove is too little to tell candidates by */
    const struct distance *distance;
    struct row_gate *gate; /* NULL: every row passes */
    size_t wanted;
    struct code_candidate *list; /* owned */
    size_t count, capacity;
    size_t full; /* the list is looked through when it has so many */
    float reach; /* rows farther than this were left out: `wanted` others are nearer. INFINITY: none was */
    uint64_t examined;
};
void code_scan_begin(struct code_scan *, const struct graph *, const struct code_query *, const struct vector_rows *,
                     const struct distance *, struct row_gate *, size_t wanted);
void code_scan_free(struct code_scan *);
int code_scan_rows(struct code_scan *, uint32_t begin, uint32_t end); /* NACRE_NO_MEMORY, or as vector_rows_need */
int code_scan_list(struct code_scan *, const uint32_t *rows, uint32_t count);
int code_scan_narrow(struct code_scan *); /* ends it: only candidates are left */

/* Rows whose codes lie together in the caches: what is done at once, and between two looks at a search's `stop`. */
uint32_t code_scan_block(const struct graph *);

/* Gives the candidates to search->accept, from near to far, until it has enough (*enough) or no more is sure: rows that are not candidates are farther than
   `reach`. `list` is used up. Rows that were given are closed in the gate. */
int code_rank(const struct graph *, const struct vector_rows *, const struct graph_search *, struct row_gate *,
              struct code_candidate *list, size_t count, float reach, bool *enough);

/* The search, exactly: all rows of the range that pass, nearest first, until there are enough. */
int code_search(const struct graph *, const struct vector_rows *, const struct graph_search *, struct row_gate *,
                const struct code_query *);
#endif
