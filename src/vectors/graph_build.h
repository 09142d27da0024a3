/* A graph while it is built. Private to src/vectors/graph_build*.c, graph_prune.c and graph_merge.c.

   Lists have room for more than the degree of the finished graph: reverse neighbours are taken in until a list is
   full, then it is pruned. */
#ifndef NACRE_VECTORS_GRAPH_BUILD_H
#define NACRE_VECTORS_GRAPH_BUILD_H
#include "vectors/graph_walk.h"
#include <stdatomic.h>

/* ---- threads: graph_build_threads.c ---- */

struct build_threads;
/* Does the items [begin, end) of a loop; `worker` is the number of the thread, below the count of threads. */
typedef int (*build_step)(void *context, uint32_t worker, size_t begin, size_t end);
/* `stop` (may be NULL) is asked between groups of items. */
int build_threads_create(uint32_t threads, int (*stop)(void *context), void *stop_context, struct build_threads **);
void build_threads_free(struct build_threads *);
uint32_t build_threads_count(const struct build_threads *);
/* What the job's stop says: for steps that take longer than some ms, and for work outside of loops. */
int build_threads_stop(const struct build_threads *);
/* All items of [0, count), `group` at a time, in all threads, the calling one among them. The first failure, with its
   detail, ends it; all steps have returned then. */
int build_threads_run(struct build_threads *, size_t count, size_t group, build_step, void *context);

/* ---- pruning: graph_prune.c ---- */

struct pruner { /* memory of one thread */
    struct code_query query;
    uint32_t *rows;
    float *distances; /* of the candidates, then their norms */
    size_t capacity;
};
int pruner_create(struct pruner *, const struct code_book *);
void pruner_free(struct pruner *);
/* Of `count` candidates, ascending by distance from a row, those that become its neighbours: at most `degree`, none
   nearer to one that was chosen before it than to the row. NACRE_NO_MEMORY. */
int prune(struct pruner *, const struct graph *, const struct beam_entry *candidates, size_t count, uint32_t degree,
          float alpha, uint32_t *chosen, uint32_t *chosen_count);

/* ---- the build ---- */

struct build_worker { /* of one thread */
    struct walk *walk;
    struct pruner pruner;
    struct beam_entry *candidates; /* of reverse neighbours */
    size_t candidate_capacity;
};

struct graph_builder {
    const struct graph_job *job;
    const struct graph_source *source; /* whose lists are taken over; NULL: none */
    bool keeps_book;                   /* the source's */
    struct graph graph;                /* what walks see; its tables are those below */
    struct build_threads *threads;
    struct build_worker *workers;
    uint8_t *codes;      /* rows x stride */
    uint32_t *neighbors; /* rows x graph.degree */
    uint16_t *counts;    /* of neighbours */
    bool *copied;        /* rows whose code comes from the source; NULL: none */
    size_t codes_bytes, neighbors_bytes;
    uint32_t *twin_of; /* for each row the first with the same code: it alone takes part in the growing of the graph */
    uint32_t *order;   /* rows to insert, shuffled; twins are not among them */
    size_t order_count;
    uint32_t *entries;
    uint8_t *entry_codes;
    uint32_t *stray;
    size_t stray_capacity;
    struct graph_lookup *lookups;
};

static inline uint32_t *builder_list(const struct graph_builder *builder, uint32_t row)
{
    return builder->neighbors + (size_t)row * builder->graph.degree;
}
static inline const uint8_t *builder_code(const struct graph_builder *builder, uint32_t row)
{
    return builder->codes + (size_t)row * builder->graph.book.stride;
}

unsigned build_bits(uint32_t dimension); /* graph_build.c: of a code */
/* graph_build_codes.c: the code table; twins and the order of insertion. */
int build_codes(struct graph_builder *);
int build_order(struct graph_builder *);
/* graph_build_insert.c: builder->order[first ..) into the graph, `beam` wide. */
/* The first of the order, at most `most`, and their codes. Walks begin there, so they are in the graph before any row searches it. */
int build_choose_entries(struct graph_builder *, size_t most);
int build_link_entries(struct graph_builder *); /* as neighbours of each other: the beginning of a graph */
/* A list is made anew from the rows of worker->candidates, each once, at whatever distance. */
int build_prune_list(struct graph_builder *, struct build_worker *, uint32_t row, size_t count);
int build_insert(struct graph_builder *, size_t first, uint32_t beam);
int build_prune_all(
    struct graph_builder *); /* lists longer than the finished degree; then no list has more places than that */
/* graph_build_reach.c: twins get their places, every row is reached or in the list of strays. */
int build_link_twins(struct graph_builder *);
int build_reach(struct graph_builder *);
/* A row that searches are to scan. */
int build_list_stray(struct graph_builder *, uint32_t row);
/* graph_build_find.c: walks lead to rows from their vectors; lookups. */
int build_find_rows(struct graph_builder *);
/* graph_merge.c: the source whose lists are taken over, if any; its book in place of the one that was trained, where
   it still suits; its codes; its lists, as those of the first *adopted rows of the order, which is changed. */
void build_choose_source(struct graph_builder *);
int build_choose_book(struct graph_builder *);
int build_copy_codes(struct graph_builder *);
int build_adopt_lists(struct graph_builder *, size_t *adopted);
/* graph_file.c */
int graph_write(const struct graph *, const struct build_threads *, struct container_writer *);
#endif
