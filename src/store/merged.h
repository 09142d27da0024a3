/* Values that are made of operands (nacre_merge), for reads. */
#ifndef NACRE_STORE_MERGED_H
#define NACRE_STORE_MERGED_H
#include "merge/fold.h"
#include "store/store.h"

/* One value at work: takes the versions of a key from its newest operand down to the base. One thread at a time. */
struct merged {
    nacre_collection *collection;
    struct merge_fold *fold; /* the caller's, who keeps it for the next */
    nacre_slice key;
    uint64_t floor; /* versions below are under a range delete */
    nacre_slice value;
    bool has_value;
    int status;
    uint32_t operands; /* that were taken */
};
/* NACRE_UNSUPPORTED where the collection's operator is not there. The key lives as long as the struct. */
int merged_begin(struct merged *, nacre_collection *, struct merge_fold *, nacre_slice key, uint64_t floor);
/* The next older version; true: it wants another. The entry is not needed after the call. */
bool merged_add(struct merged *, const struct entry *);
/* After the last version: the value, in memory of the fold. The operator's failure, as all others, is the result. */
int merged_end(struct merged *, nacre_slice *value);

/* Versions of a key that nobody else has, newer than all others: a transaction's own. `each` gives them to `visit`, the newest first, until that says false. */
struct merged_own {
    void (*each)(const void *context, nacre_slice key, bool (*visit)(void *visitor, const struct entry *),
                 void *visitor);
    const void *context;
};
/* The value of a key whose newest version for the lookup, or of `own` (NULL: none), is a live operand; in memory of the fold. Inside a read section, or with
   the view held. */
int merged_value(nacre_collection *, const struct view *, const struct lookup *, const struct merged_own *own,
                 struct merge_fold *, nacre_slice *value);
#endif
