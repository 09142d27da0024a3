/* The autotuner: moves the shares of the memory budget and how late level 0 is merged by what the store has measured, in bounded steps, where the
   user has set nothing. Decided by the housekeeper when work has woken it; an idle store decides nothing. */
#ifndef NACRE_STORE_AUTOTUNE_H
#define NACRE_STORE_AUTOTUNE_H
#include "base/buffer.h"
#include "store/store.h"

int autotune_create(nacre_store *); /* before the background threads; the store's parts are there */
void autotune_free(nacre_store *);
void autotune_step(nacre_store *); /* the housekeeper: a window may be over */
/* Tests: what is counted, name by name: see autotune.c. From the first drive on these stand for what the store has measured, and only a drive ends a window. */
#define AUTOTUNE_SEEN(X) \
    X(hits) \
    X(misses) \
    X(near) \
    X(loads) X(load_ns) X(get_ns) X(move_ns) X(reads) X(merge_ns) X(merges) X(flushes) X(stall_ns) X(commit_bytes)
struct autotune_seen {
#define AUTOTUNE_FIELD(name) uint64_t name;
    AUTOTUNE_SEEN(AUTOTUNE_FIELD)
#undef AUTOTUNE_FIELD
};
/* So much more was counted in `ns` more of time, while the cache was full or not: the window ends, and is decided on. */
void autotune_drive(nacre_store *, const struct autotune_seen *more, uint64_t ns, bool cache_is_full);
void autotune_settle(nacre_store *);               /* the user has set something: other values count from now on */
int autotune_json(nacre_store *, struct buffer *); /* "autotune":{...}, with the comma behind */
#endif
