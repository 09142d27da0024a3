/* Range deletes. A set is immutable: made from a list, fragmented so that a point is covered by one fragment that
   holds the sequences of all ranges over it. Readers share it without locks. */
#ifndef NACRE_BASE_RANGE_SET_H
#define NACRE_BASE_RANGE_SET_H
#include "base/slice.h"

struct range_delete {
    nacre_slice begin, end;
    uint64_t sequence;
}; /* [begin, end); an empty end = to the end of all keys */

struct range_set;
/* Copies the bytes of the keys. An empty list gives *set = NULL, which every call below takes. */
int range_set_create(const struct range_delete *list, size_t count, struct range_set **set);
void range_set_free(struct range_set *);
/* The greatest sequence <= snapshot of the ranges over `key`; 0 when none. *fragment (may be NULL) receives the bounds of
   the fragment, valid as long as the set: keys inside it get the same answer. */
uint64_t range_set_covering(const struct range_set *, nacre_slice key, uint64_t snapshot,
                            struct range_delete *fragment);
/* The ranges as given (unfragmented), in begin order, for writing them on; index < range_set_count. */
size_t range_set_count(const struct range_set *);
struct range_delete range_set_at(const struct range_set *, size_t index);
uint64_t range_set_newest(const struct range_set *); /* greatest sequence; 0 when empty */
size_t range_set_bytes(const struct range_set *);    /* memory it takes */
#endif
