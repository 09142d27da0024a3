/* What the command line asks for. */
#ifndef BENCH_VECTORS_OPTIONS_H
#define BENCH_VECTORS_OPTIONS_H
#include "distances.h"
#include <stdbool.h>
#include <stddef.h>

#define RUNS_MAX    9
#define THREADS_MAX 64

struct engine;

enum bench_mode { MODE_SEARCH, MODE_INSERT, MODE_FILTER };

struct options {
    enum bench_mode mode;
    const char *set; /* a path: SET.base.fvecs and so on */
    enum metric metric;
    const char *engines;  /* names, comma separated; NULL: those that take part by default */
    const char *phases;   /* of MODE_INSERT, comma separated; NULL: all */
    size_t rows, queries; /* 0: all */
    size_t k;
    unsigned runs, threads;
    double seconds;        /* each measurement of searches takes at least */
    const char *directory; /* for indexes and stores */
    bool reuse;            /* take the indexes that are in the directory, and leave them there */
    const char *tsv;       /* file, or NULL */
};

void options_parse(struct options *options, int count, char **arguments);
bool option_takes_engine(const struct options *options, const struct engine *engine);

#endif
