/* The value files that a copy of the store needs, kept while it is made. */
#ifndef NACRE_STORE_VALUE_LIST_H
#define NACRE_STORE_VALUE_LIST_H
#include "store/store.h"

struct value_listed {
    struct value_file *file; /* a reference */
    uint64_t id;
    uint64_t bytes; /* so many first bytes belong to the copy */
    bool sealed;    /* it never changes: it may be linked instead */
};
struct value_list {
    struct value_listed *files; /* ascending by id */
    size_t count, capacity;
};
/* All that anybody refers to now. With `reap_holds` raised from before the manifest's state was copied, and called after the end of the log was read,
   it has all that these two point to. */
int value_list_take(nacre_store *, struct value_list *);
void value_list_release(struct value_list *);
#endif
