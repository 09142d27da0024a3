/* A cursor over consecutive pieces of one run, each cut to its bounds. Opens one segment at a time, when the position gets there. With a
   search it gives only the keys that this wants, of those in [begin, end). */
#ifndef NACRE_TREE_RUN_CURSOR_H
#define NACRE_TREE_RUN_CURSOR_H
#include "tree/version.h"
int run_cursor_create(const struct piece *pieces, size_t count,
                      struct cursor **); /* the pieces stay the caller's, and outlive it */
int run_match_cursor_create(const struct piece *pieces, size_t count, struct search *, nacre_slice begin,
                            nacre_slice end, struct cursor **); /* so do the search and the bounds */
#endif
