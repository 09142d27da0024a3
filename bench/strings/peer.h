/* What the benchmark asks of a peer: one table of functions for each. An adapter does what a competent user of that program would do to count the lines
   that a pattern matches, and nothing more. */
#ifndef BENCH_STRINGS_PEER_H
#define BENCH_STRINGS_PEER_H
#include "corpus.h"
#include "query.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer {
    const char *name;
    bool by_default;                          /* false: takes part only where it is named */
    void (*version)(char *text, size_t size); /* leaves it empty where the program is not installed */
    /* Gets ready to search these lines, and makes its index, in `directory`, where it has one. */
    void *(*open)(const struct corpus *corpus, const char *directory);
    void (*close)(void *state);
    uint64_t (*index_bytes)(
        void *state); /* of its files, beside the file of lines or in place of it; NULL: it has none */
    /* Compiles; not timed. false: the pattern is not for this peer. */
    bool (*prepare)(void *state, const struct query *query);
    uint64_t (*count)(void *state); /* lines that the prepared pattern matches; COUNT_FAILED where it gave up */
    void (*finish)(void *state);    /* lets go of the prepared pattern */
};

#define PEERS_MAX 8

/* Those of this build, fastest scanner first; ends with NULL. */
extern const struct peer *const peers[];

extern const struct peer peer_hyperscan, peer_re2, peer_re2_lines, peer_ripgrep, peer_plocate, peer_fts5;

#endif
