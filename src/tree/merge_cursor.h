/* Merges cursors into one in internal order, both directions. Owns its children (closes them). With one child it costs nothing. */
#ifndef NACRE_TREE_MERGE_CURSOR_H
#define NACRE_TREE_MERGE_CURSOR_H
#include "base/cursor.h"
/* Takes over children[0..count) also on failure. Same key and sequence in two children: the one with the lower index comes first. */
int merge_cursor_create(struct cursor **children, size_t count, struct cursor **merged);
#endif
