/* What was counted and how long it took, by query and by engine. Engine 0 is nacre. */
#ifndef BENCH_STRINGS_RESULTS_H
#define BENCH_STRINGS_RESULTS_H
#include "corpus.h"
#include "measure.h"
#include "peer.h"
#include "query.h"
#include <stdbool.h>
#include <stdint.h>

#define ENGINES_MAX (PEERS_MAX + 2)
#define NACRE       0 /* one thread */
#define NACRE_TWO   1 /* the same search with two threads */
#define FIRST_PEER  2
#define FIGURES_MAX 96

struct result {
    bool present;
    struct timing timing;
};

/* One number beside the queries. */
struct figure {
    const char *name, *unit;
    double value;
};

struct results {
    const struct corpus *corpus;
    const struct queries *queries;
    const char *engines[ENGINES_MAX]; /* NULL: not in this run */
    size_t engine_count;
    struct result *list; /* engine_count for each query */
    struct figure figures[FIGURES_MAX];
    size_t figure_count;
};

void results_init(struct results *results, const struct corpus *corpus, const struct queries *queries);
void results_free(struct results *results);
struct result *result_of(const struct results *results, size_t query, size_t engine);
size_t engine_number(const struct results *results, const char *name); /* engine_count: there is none */

void figure_add(struct results *results, const char *name, double value, const char *unit);
bool figure_get(const struct results *results, const char *name, double *value);

/* The count that most engines give; of several, that of the first engine. false: nobody counted. */
bool results_majority(const struct results *results, size_t query, uint64_t *count);
/* How many counts differ from the majority; says which, on standard output. */
unsigned results_check(const struct results *results);

/* Lines of fields separated by tabs:
       lines   NAME LINES BYTES
       query   ID CLASS ENGINE COUNT WALL_US CPU_US RUNS PATTERN
       figure  NAME VALUE UNIT */
void results_save(const struct results *results, const char *path, bool peers_only);
/* Takes over the peers' rows of a file; it must be of the same lines and patterns. */
void results_load_peers(struct results *results, const char *path);

#endif
