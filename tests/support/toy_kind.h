/* The simplest kind of collection that can be: a segment is one section of entries, all in memory; a search asks for
   each of them. It proves that a kind needs nothing but `struct kind`. */
#ifndef TESTS_TOY_KIND_H
#define TESTS_TOY_KIND_H
#include "segment/kind.h"
#define TOY_KIND      99
#define TOY_RUNS_KIND 98
extern const struct kind kind_toy;
#define TOY_INDEXED_KIND 97
extern const struct kind kind_toy_runs;    /* the same, merged by whole runs, and it knows its dead rows */
extern const struct kind kind_toy_indexed; /* and with an index in two steps, which takes as long as the test wants */
extern struct toy_index_watch {
    _Atomic bool hold;                   /* full builds wait while it is set, looking up */
    _Atomic bool holding;                /* one does */
    _Atomic int fail;                    /* the next build fails so */
    _Atomic unsigned begun, quick, full; /* begun: full ones */
    _Atomic size_t sources;              /* of the last full build */
} toy_index_watch;
#endif
