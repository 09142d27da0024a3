/* What searches find, asked in all the ways that must agree; and the places that keys pass through on their way to the disk. */
#ifndef TESTS_SEARCHING_H
#define TESTS_SEARCHING_H
#include "store_fixture.h"

/* "k1 k2 k3": the keys that a pattern finds, in order; a static buffer. Asserts that a cursor backwards and counts on 1, 2 and 4 threads find the
   same. NULL options: the defaults; parallelism and reverse are overwritten. */
const char *found(struct fixture *, const char *pattern, const nacre_regex_options *);
/* How many, asked in the same ways. */
uint64_t found_count(struct fixture *, const char *pattern, const nacre_regex_options *);
/* A count alone. */
uint64_t count_of(struct fixture *, const char *pattern);
/* Exactly these keys (ascending), asked in the same ways. */
void assert_finds(struct fixture *, nacre_slice pattern, const nacre_regex_options *, const nacre_slice *keys,
                  size_t count);

void put_words(struct fixture *, const char *words); /* keys separated by spaces */
void compact_all(struct fixture *);
/* Calls `check` with the keys in a memtable, in one replayed from the log, in a sealed one, in a segment, in one opened anew, merged, and merged
   and opened anew. For fixtures in memory. */
void in_every_place(struct fixture *, void (*check)(struct fixture *));
#endif
