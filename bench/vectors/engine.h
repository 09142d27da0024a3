/* What the benchmark of vectors asks of an engine: one table of functions for each. An adapter does what a competent
   user of that library would do, and nothing more. Answers are rows of the set. Whatever fails ends the program. */
#ifndef BENCH_VECTORS_ENGINE_H
#define BENCH_VECTORS_ENGINE_H
#include "distances.h"
#include "row_filter.h"
#include "vector_file.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GRAPH_DEGREE            16  /* M of those that build an HNSW graph */
#define GRAPH_CONSTRUCTION_BEAM 200 /* efConstruction */

struct engine_place {
    enum metric metric; /* cosine: rows and queries are of length one */
    size_t dimension, rows;
    const char *directory; /* for the files of this engine alone; is there */
    unsigned threads;      /* to build with */
    bool synced;           /* inserts: each is on the disk when it returns, where the engine can */
    uint64_t seal_bytes;   /* of nacre: how large a memtable gets; 0: as it comes */
};

struct engine {
    const char *name;
    const char *variant;    /* what an adapter tells its engines apart by */
    bool by_default;        /* false: takes part only where it is named */
    const char *setting;    /* what is swept */
    const double *settings; /* from the fastest to the most exact; ends with 0 */
    void (*version)(char *text, size_t size);

    /* Builds an index over the rows and leaves it in the directory. */
    void (*build)(const struct engine *engine, const struct engine_place *place, const struct vector_file *base);
    void *(*open)(const struct engine *engine, const struct engine_place *place);
    void (*set)(void *state, double setting);
    /* Searches for each of the queries in turn, in the calling thread alone; any number of threads may do it at once.
       Where less than k are found, -1 fills the rest. */
    void (*search)(void *state, const float *queries, size_t count, size_t k, int32_t *rows);
    void (*close)(void *state);

    /* NULL where there is no such thing. */
    void (*search_filtered)(void *state, const float *query, size_t k, const struct row_filter *filter, int32_t *rows);
    void *(*create)(const struct engine *engine, const struct engine_place *place); /* empty, for so many rows */
    void (*insert)(void *state, size_t row, const float *vector);                   /* searches may run meanwhile */
};

/* nacre: it is told the recall that is wanted, where others are told how wide to search. */
static inline bool engine_takes_recall(const struct engine *engine)
{
    return strcmp(engine->setting, "recall") == 0;
}

#define ENGINES_MAX 16

extern const struct engine *const engines[]; /* of this build; ends with NULL */

extern const struct engine engine_nacre, engine_nacre_unmerged, engine_hnswlib, engine_faiss_hnsw,
    engine_faiss_hnsw_sq8, engine_faiss_ivf, engine_faiss_ivf_pq, engine_usearch_f32, engine_usearch_bf16,
    engine_usearch_i8;

#ifdef __cplusplus
}
#endif
#endif
