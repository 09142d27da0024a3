/* Beam search over a graph's codes, and its parts for those who walk in another way. Private to src/vectors/graph*.c.

   A walk is memory for one search at a time: marks of rows that were met, a beam, a query. It is borrowed from the
   graph (walk_take) and given back, so that searches allocate nothing that grows with the rows.

     struct walk *walk;
     walk_take(graph, beam, &walk);              NACRE_NO_MEMORY
     code_query_set(&walk->query, &graph->book, distance);
     walk_run(walk, beam);                       walk->beam[0 .. walk->count): nearest first, by estimate
     walk_return(walk);

   Neighbours are checked as they are followed: no bytes of a file lead outside of the tables. A walk is used by one
   thread at a time; walk_take and walk_return may be called by any. */
#ifndef NACRE_VECTORS_GRAPH_WALK_H
#define NACRE_VECTORS_GRAPH_WALK_H
#include "vectors/graph_layout.h"
#include <string.h>

#define BEAM_EXPANDED UINT32_C(0x80000000)
#define BEAM_MAX      65536u

/* Little-endian, its 8 bytes are one ascending number, as distances are never negative. */
struct beam_entry {
    uint32_t row;   /* | BEAM_EXPANDED: its neighbours were looked at */
    float distance; /* estimate in graph space, at least 0 */
};

struct walk {
    const struct graph *graph;
    struct code_query query;
    struct beam_entry *beam; /* ascending */
    uint32_t count, width;   /* entries in the beam; most that it holds */
    uint32_t next;           /* no entry before it is unexpanded */
    uint64_t examined;       /* rows whose distance was estimated since walk_begin */
    /* Marks: a bit per row, and the rows marked so far, to take them back. */
    uint64_t *marks;
    uint32_t *marked;
    size_t marked_count, marked_capacity; /* more were marked than the list holds when the count is above */
    size_t beam_capacity;
    struct walk *next_free;
};

int walk_take(const struct graph *, uint32_t beam, struct walk **);
void walk_return(struct walk *);              /* takes NULL */
int walk_widen(struct walk *, uint32_t beam); /* room for a wider beam; NACRE_NO_MEMORY, the walk stays as it is */

int walk_pool_create(struct walk_pool **);
void walk_pool_free(struct walk_pool *); /* all walks have been returned */
uint64_t walk_pool_bytes(const struct walk_pool *);

/* The whole search for walk->query: from the entry points until no row of the beam is unexpanded. */
void walk_run(struct walk *, uint32_t beam);

/* ---- parts ---- */
void walk_begin(struct walk *, uint32_t beam); /* takes all marks back, empties the beam */
void walk_enter(struct walk *);                /* offers the nearest entry points; they are marked */
/* Goes on until no row of the beam is unexpanded. */
void walk_go(struct walk *);
bool walk_go_some(struct walk *, uint32_t most); /* expands at most so many rows; false when it has come to the end */
/* Marks a row (below graph->rows); true when it was not marked. */
static inline bool walk_mark(struct walk *walk, uint32_t row)
{
    uint64_t bit = UINT64_C(1) << (row & 63), *word = &walk->marks[row >> 6];
    bool fresh = !(*word & bit);
    *word |= bit;
    if (fresh && walk->marked_count < walk->marked_capacity) {
        walk->marked[walk->marked_count] = row;
    }
    walk->marked_count += fresh;
    return fresh;
}
static inline bool walk_has_met(const struct walk *walk, uint32_t row)
{
    return walk->marks[row >> 6] >> (row & 63) & 1;
}
/* The neighbours of a row that were not marked yet, marked now and their codes on the way to the cache; at most
   graph->degree. */
uint32_t walk_gather(struct walk *, uint32_t row, uint32_t *fresh);
/* Estimated distances of rows from walk->query. */
void walk_estimate(struct walk *, const uint32_t *rows, uint32_t count, float *distances);
/* Puts rows into the beam where they are nearer than its last or it is not full; count at most GRAPH_DEGREE_MAX. */
void walk_offer(struct walk *, const uint32_t *rows, const float *distances, uint32_t count);
void walk_leave_out(struct walk *, uint32_t row); /* takes a row out of the beam, if it is there */
/* The nearest unexpanded row of the beam, expanded from now on; GRAPH_NO_ROW when there is none. */
static inline uint32_t walk_next(struct walk *walk)
{
    while (walk->next < walk->count) {
        struct beam_entry *entry = &walk->beam[walk->next++];
        if (!(entry->row & BEAM_EXPANDED)) {
            uint32_t row = entry->row;
            entry->row |= BEAM_EXPANDED;
            return row;
        }
    }
    return GRAPH_NO_ROW;
}
static inline uint32_t beam_row(const struct beam_entry *entry)
{
    return entry->row & ~BEAM_EXPANDED;
}
#endif
