/* Which rows a search of a segment's index may give. Private to src/vectors/.

   A row passes when it is in the range, allowed, not dead, not given before, and the search's `allows` says yes. What `allows` said is remembered for the whole search, as
   it is asked by walks and scans that follow one another. One thread at a time. */
#ifndef NACRE_VECTORS_ROW_GATE_H
#define NACRE_VECTORS_ROW_GATE_H
#include "segment/dead_rows.h"
#include "vectors/graph.h"

struct row_gate {
    const struct graph_search *search;
    uint32_t *answers; /* hash table: row * 2 + (it passes), or GATE_EMPTY; owned */
    uint32_t count, capacity;
};
void row_gate_begin(struct row_gate *, const struct graph_search *);
void row_gate_free(struct row_gate *);
int row_gate_close(struct row_gate *, uint32_t row); /* the row was given: it passes no more. NACRE_NO_MEMORY */
bool row_gate_is_closed(const struct row_gate *, uint32_t row);
bool row_gate_ask(struct row_gate *, uint32_t row);

/* In range and allowed by the bitmap: what costs next to nothing to know. */
static inline bool row_gate_holds(const struct row_gate *gate, uint32_t row)
{
    const struct graph_search *search = gate->search;
    return row >= search->begin && row < search->end &&
           (!search->allowed || (search->allowed[row >> 6] >> (row & 63) & 1));
}
/* All but what `allows` says. */
static inline bool row_gate_may_pass(const struct row_gate *gate, uint32_t row)
{
    return row_gate_holds(gate, row) && !dead_rows_has(gate->search->dead, row) &&
           (gate->count == 0 || !row_gate_is_closed(gate, row));
}
/* What `allows` says of a row that may pass. */
static inline bool row_gate_allows(struct row_gate *gate, uint32_t row)
{
    return !gate->search->allows || row_gate_ask(gate, row);
}
#endif
