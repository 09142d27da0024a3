/* A lock-free skip list with the memtable's promises, to compare with: inlined keys and values, arena memory through
   the same lanes, one node per version, insert by compare-and-swap, height by p = 1/4. Only for bench/memtables.c. */
#ifndef NACRE_BENCH_SKIPLIST_H
#define NACRE_BENCH_SKIPLIST_H
#include "base/entry.h"
#include "memtable/arena.h"

struct skiplist;
struct skiplist_node;

struct skiplist *skiplist_create(struct chunk_pool *); /* NULL: no memory */
void skiplist_free(struct skiplist *);
int skiplist_put(struct skiplist *, const struct entry *); /* any thread */
bool skiplist_get(const struct skiplist *, nacre_slice key, uint64_t snapshot, struct entry *found);
/* In internal order; NULL at the end. */
const struct skiplist_node *skiplist_first(const struct skiplist *);
const struct skiplist_node *skiplist_next(const struct skiplist_node *, struct entry *entry);
uint64_t skiplist_bytes(const struct skiplist *);
#endif
