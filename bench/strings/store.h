/* nacre, through its public header alone: a collection of strings with the lines as keys. */
#ifndef BENCH_STRINGS_STORE_H
#define BENCH_STRINGS_STORE_H
#include "corpus.h"
#include "options.h"
#include "results.h"
#include <nacre/nacre.h>
#include <stdbool.h>
#include <stdint.h>

struct store {
    char *directory;
    nacre_store *handle;
    nacre_collection *collection;
    const struct corpus *corpus;
};

void check(int status, const char *call); /* ends the program when a call failed */

/* Opens the store under the directory, at level os; `made` gets whether it is new. */
void store_open(struct store *store, const struct corpus *corpus, const char *directory, bool *made);
void store_close(struct store *store);

/* Puts all lines in, most of them merged and indexed, the last ones in a memtable; adds its figures. */
void store_load(struct store *store, struct results *results, uint64_t live_lines);
/* What it takes on the disk and in memory. */
void store_sizes(const struct store *store, struct results *results, uint64_t memory_before);

/* One query: once, and measured, with one thread and with two. */
void store_warm(struct store *store, const struct results *results, size_t query);
void store_query(struct store *store, struct results *results, size_t query);

/* Gets, scans and enumerations; each is checked against the lines. */
void store_reads(struct store *store, struct results *results);

/* Searches while a thread inserts at full speed; changes what is in the store. */
void store_beside_writer(struct store *store, struct results *results, double seconds);

#endif
