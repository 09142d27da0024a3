/* What the command line asks for. */
#ifndef BENCH_STRINGS_OPTIONS_H
#define BENCH_STRINGS_OPTIONS_H
#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *lines;     /* NAME.txt, beside NAME.shuf.txt */
    uint64_t limit_lines;  /* 0: all */
    uint64_t live_lines;   /* that stay in the memtable, at most */
    const char *queries;   /* ids or classes, comma separated; NULL: all */
    const char *peers;     /* names, comma separated; NULL: those that take part by default; "none" */
    const char *phases;    /* of nacre, comma separated; NULL: all */
    const char *directory; /* for the store and the peers' indexes */
    const char *tsv, *save_peers, *load_peers; /* files, or NULL */
    double seconds;                            /* of the searches beside a writer */
    bool reuse;                                /* use the store that is in the directory, and leave it there */
    bool engine;                               /* nacre takes part */
};

void options_parse(struct options *options, int count, char **arguments);

#endif
