/* The store's side of the value log: which values go there, who keeps their files, and how entries that point there are read. */
#ifndef NACRE_STORE_VALUES_H
#define NACRE_STORE_VALUES_H
#include "store/batch_format.h"
#include "store/store.h"

#define VALUE_REFS_INLINE 4

/* The value files that a write's pointers lie in, one reference each. Zero at first. */
struct value_refs {
    struct value_file *room[VALUE_REFS_INLINE], **list;
    size_t count, capacity;
};
void value_refs_release(struct value_refs *);

/* Whether a put of so many bytes goes to the value log. */
static inline bool collection_logs_value(const nacre_collection *collection, size_t bytes)
{
    return collection->value_log_threshold != 0 && bytes >= collection->value_log_threshold;
}
/* Writes the op's value to the value log; the op is then a put by pointer, encoded in `pointer`. What no commit follows is garbage there. */
int value_write(nacre_collection *, struct batch_op *, uint8_t pointer[VALUE_POINTER_BYTES], struct value_refs *);

/* Where the entry is a put by pointer: reads its value, takes the place of *pin (which may hold the pointer's own bytes) and makes the entry a plain put.
   The files must be kept by a view or table that the caller is within or holds. On failure nothing is pinned. `key` is the entry's. */
int value_resolve(nacre_store *, nacre_slice key, struct entry *, struct pin *);
/* Before a value of a walk is resolved: reads ahead what may come next. */
void value_read_ahead(nacre_store *, struct value_ahead *, const struct entry *);

/* For a verification (verify_values.c): whether each value that an entry of a memtable or segment points to is there, and whole. */
int verify_values(nacre_store *, void (*damage)(void *context, int status, const char *detail), void *context,
                  nacre_verify_report *);

/* ---- tables ---- */
/* The table's entries will point into these files. NACRE_NO_MEMORY. commit_lock held, or recovery. */
int table_keep_values(struct table *, struct value_file *const *files, size_t count);
void table_release_values(struct table *);

/* ---- life ---- */
int store_open_values(nacre_store *);  /* needs tuning and manifest */
int store_sync_values(void *store);    /* what was written there is durable; a failure makes the store read-only */
void store_keep_values(nacre_store *); /* the housekeeper's: files made, sealed, removed */
/* Replay: whether the value of an op is where its record says; keeps its file for the table. */
int recovery_check_value(nacre_store *, struct table *, const struct batch_op *);
#endif
