/* A cursor over versions in internal order (entry.h), of one memtable, segment, level or merge of them.
   Invariants:
   1. valid implies status == NACRE_OK, and `entry` is the version the cursor stands on.
   2. entry.key and entry.value stay readable until the cursor moves or closes (values often longer; never rely on it).
   3. seek stands on the newest version of the least key >= target; seek_before on the OLDEST version of the greatest
      key < target; first and last likewise on the first and last version of all. next and prev step by one version.
   4. An error makes the cursor invalid and stays in `status` until the next seek, seek_before, first or last.
   A cursor belongs to one thread at a time. */
#ifndef NACRE_BASE_CURSOR_H
#define NACRE_BASE_CURSOR_H
#include "base/entry.h"

struct cursor;
struct cursor_ops {
    void (*first)(struct cursor *);
    void (*last)(struct cursor *);
    void (*seek)(struct cursor *, nacre_slice key);
    void (*seek_before)(struct cursor *, nacre_slice key);
    void (*next)(struct cursor *); /* only when valid */
    void (*prev)(struct cursor *); /* only when valid */
    void (*close)(struct cursor *);
};
struct cursor {
    const struct cursor_ops *ops;
    struct entry entry;
    bool valid;
    int status;
};
static inline void cursor_first(struct cursor *c)
{
    c->ops->first(c);
}
static inline void cursor_last(struct cursor *c)
{
    c->ops->last(c);
}
static inline void cursor_seek(struct cursor *c, nacre_slice key)
{
    c->ops->seek(c, key);
}
static inline void cursor_seek_before(struct cursor *c, nacre_slice key)
{
    c->ops->seek_before(c, key);
}
static inline void cursor_next(struct cursor *c)
{
    c->ops->next(c);
}
static inline void cursor_prev(struct cursor *c)
{
    c->ops->prev(c);
}
static inline void cursor_close(struct cursor *c)
{
    if (c)
        c->ops->close(c);
}
#endif
