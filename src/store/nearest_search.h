/* What the parts of a search for nearest neighbours share: the filter (nearest_filter.c), which rows count (nearest_current.c), the layers
   (nearest.c), what the caller gets (nearest_result.c) and what is told of it (nearest_explain.c). Private to these. */
#ifndef NACRE_STORE_NEAREST_SEARCH_H
#define NACRE_STORE_NEAREST_SEARCH_H
#include "distance/distance.h"
#include "regex/regex.h"
#include "store/nearest.h"
#include "store/search.h"
#include "tree/version_build.h"

/* ---- filters ---- */

/* All filters of one search as one range of keys and one question. One thread at a time. */
struct search_filter {
    struct key_range range;                /* empty = open; lives as long as the options and the regex do */
    bool nothing;                          /* no key can pass */
    bool asks;                             /* keys in the range have to be asked about */
    struct nearest_filter asked;           /* for the kinds */
    struct buffer prefix_end, pattern_end; /* memory of the range */
    struct regex *regex;                   /* or NULL */
    struct dfa *dfa;                       /* made at the first question */
    bool (*callback)(void *context, nacre_slice key, nacre_slice value);
    void *callback_context;
    nacre_store *store; /* where values are in the value log */
    int status;         /* why a question could not be answered; the answer was false */
};
int search_filter_create(struct search_filter *, nacre_store *, const nacre_nearest_options *);
void search_filter_free(struct search_filter *); /* takes a zeroed one */

static inline bool key_range_has(const struct key_range *range, nacre_slice key)
{
    return (range->begin.size == 0 || slice_compare(key, range->begin) >= 0) &&
           (range->end.size == 0 || slice_compare(key, range->end) < 0);
}

/* ---- a search ---- */

struct nearest_search {
    nacre_collection *collection;
    struct view *view; /* held */
    struct distance distance;
    struct nearest nearest;
    struct search_stop stop;
    struct search_filter filter;
    struct nearest_report sum; /* of all layers; `exact`: all were */
    /* Where the search is, for nearest_current.c: tables[0, newer_tables) are newer than the layer searched. */
    uint32_t newer_tables;
    const struct memtable *table; /* searched now, or NULL */
    const struct piece *piece;    /* searched now, or NULL */
    size_t run;                   /* of the piece */
    bool newer_runs_known;        /* by the piece's dead rows */
    int status;                   /* why is_current could not tell */
    struct nearest_layer
        *layers; /* one per memtable and piece, newest first, where somebody wants to know; else NULL */
};
struct nearest_layer {
    struct nearest_report report;
    uint64_t took_ns;
};

/* Goes through all layers; what was found is in nearest.found, sorted. `explained`: with layers. To be ended also after a failure. */
int nearest_search_run(struct nearest_search *, nacre_collection *, const float *query, size_t k,
                       const nacre_nearest_options *, bool explained);
void nearest_search_end(struct nearest_search *);

/* nearest.is_current; the context is the search. */
bool search_row_is_current(void *search, nacre_slice key, uint64_t sequence);

/* ---- what was found ---- */

/* The entries of search->nearest.found, which is sorted, as the caller's. */
int neighbors_make(struct nearest_search *, nacre_neighbors *);

/* The piece with a number: pieces are numbered from the newest run on. */
const struct piece *search_piece(const struct version *, size_t number, size_t *run);
#endif
