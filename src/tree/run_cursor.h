/* A cursor over consecutive pieces of one run, each cut to its bounds. Opens one segment at a time, when the position gets there. */
#ifndef NACRE_TREE_RUN_CURSOR_H
#define NACRE_TREE_RUN_CURSOR_H
#include "tree/version.h"
int run_cursor_create(const struct piece *pieces, size_t count,
                      struct cursor **); /* the pieces stay the caller's, and outlive it */
#endif
