/* Beam search over the rows of a graph that pass a filter. Private to src/vectors/. */
#ifndef NACRE_VECTORS_FILTERED_WALK_H
#define NACRE_VECTORS_FILTERED_WALK_H
#include "vectors/graph_walk.h"
#include "vectors/row_gate.h"

/* Begins a walk for walk->query; only rows that pass get into the beam. It starts at `seeds`, as far as they pass, at most GRAPH_DEGREE_MAX, and at others. */
void filtered_walk_begin(struct walk *, struct row_gate *, uint32_t beam, const uint32_t *seeds, uint32_t seed_count);
bool filtered_walk_go_some(struct walk *, struct row_gate *, uint32_t most); /* as walk_go_some */
#endif
