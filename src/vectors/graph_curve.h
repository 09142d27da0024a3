/* What walks over a graph find and cost, by the width of their beam. Private to src/vectors/. */
#ifndef NACRE_VECTORS_GRAPH_CURVE_H
#define NACRE_VECTORS_GRAPH_CURVE_H
#include "vectors/graph_build.h"

/* Measures graph->curve, walk_ns and scan_ns on a sample of the rows, once the graph is whole. */
int graph_curve_measure(struct graph *, const struct vector_rows *, struct build_threads *);

/* The beam that finds this part of the k nearest, or 0 where none that was measured does. */
uint32_t graph_curve_beam(const struct graph_curve *, size_t k, float recall);
/* About how many rows a walk with such a beam examines. */
double graph_curve_examined(const struct graph_curve *, double beam);
#endif
