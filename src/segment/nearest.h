/* A search for the nearest neighbours of a vector, as the store hands it to the kinds, and the k best rows found so far. One thread at a time.

   A row counts when it is the newest version of its key that the snapshot sees, in all layers together; it is a put, has not expired, is covered by no range
   delete, and the filter allows it. The kind answers for its own segment: the row's version is the newest <= snapshot of the segment, a put, not
   expired, in [begin, end), allowed. nearest_offer asks the rest of the store (is_current) about rows that would get in. */
#ifndef NACRE_SEGMENT_NEAREST_H
#define NACRE_SEGMENT_NEAREST_H
#include "base/buffer.h"
#include "base/entry.h"

struct distance;  /* distance/distance.h */
struct dead_rows; /* segment/dead_rows.h */

struct nearest_filter {
    bool (*allows)(void *context, const struct entry *); /* its key; value and type where the filter wants the value */
    void *context;
    /* Not NACRE_OK once a question could not be answered: `allows` says no from then on, and nothing may be concluded. NULL: all can be. */
    const int *status;
    bool wants_value;
    /* Filters of equal identity allow the same keys, so that a segment may remember which of its rows those are; empty: nothing is to be remembered. */
    nacre_slice identity;
};

/* How a search went in one segment or memtable. */
struct nearest_report {
    const char *
        strategy; /* a constant: "rows", "range", "vectors", "codes", "walk", "filtered walk", "filter scan"; NULL = not looked at */
    uint64_t rows;     /* there are */
    uint64_t examined; /* whose distance was computed or estimated */
    uint64_t reranked; /* whose distance was computed on full vectors */
    uint64_t filtered; /* that the filter was asked about */
    bool exact;        /* nothing was left out that could be nearer */
};

struct neighbor {
    float distance;
    uint32_t source; /* as nearest.source was when it was offered */
    uint32_t row;
    struct buffer key;  /* owned */
    struct entry entry; /* as it was offered: for rows of memtables, whose entries stay */
};

struct nearest {
    const struct distance *distance; /* the query, with metric and dimension */
    size_t k;
    float recall; /* of the k nearest, on average; in (0, 1] */
    bool exact;
    nacre_slice begin, end;              /* only keys in [begin, end); empty = open */
    const struct nearest_filter *filter; /* NULL: all keys */
    uint64_t snapshot, now_ms;
    const struct dead_rows
        *dead; /* of the segment searched, only where the snapshot may use it; NULL: nothing is known */
    int (*stop)(
        void *context); /* looked at every 100 us or so: NACRE_OK to go on, else the status to return. May be NULL */
    void *stop_context;
    /* No newer layer than the one searched has a version of the key that the snapshot sees, or a range delete over it. NULL: yes. */
    bool (*is_current)(void *context, nacre_slice key, uint64_t sequence);
    void *current_context;
    uint32_t source;               /* number of the layer searched; for the caller */
    struct nearest_report *report; /* of the layer searched; counts are added. NULL: nobody asks */
    /* The best so far over all layers: a heap, the farthest first. */
    struct neighbor *found;
    size_t found_count, found_capacity;
};

/* A row farther than this is not among the k best so far; one just as far may be, by its key. INFINITY while there are fewer than k. */
float nearest_bound(const struct nearest *);
/* Would a row at this distance with this key get in, as far as distance and key say? */
bool nearest_fits(const struct nearest *, float distance, nacre_slice key);
/* Takes the row in if it is among the k best and current. *current (may be NULL): false for a row that would have got in but is not current, so that it does
   not count as one of its segment's k; a row that k nearer ones of other layers keep out counts, and the store is not asked. `entry` needs its key and sequence
   alone. NACRE_NO_MEMORY; what was found stays. */
int nearest_offer(struct nearest *, float distance, const struct entry *, uint32_t row, bool *current);
void nearest_sort(struct nearest *); /* ends the search: ascending by distance, then key; the heap is no more */
void nearest_free(struct nearest *); /* what was found */
#endif
