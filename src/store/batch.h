/* A user's batch: the encoded ops, and what each collection of it gets. */
#ifndef NACRE_STORE_BATCH_H
#define NACRE_STORE_BATCH_H
#include "store/values.h"

struct nacre_batch {
    struct buffer payload;
    struct commit_target *targets;
    size_t target_count, target_capacity;
    uint64_t count;
    bool stamps_due; /* some puts take the collection's expiry, or some merges the time of nacre_write */
    bool values_due; /* some puts go to the value log */
};
/* `op->collection` is filled in. Expiry is put in when the batch is written (batch_stamp), as the clock runs from there. */
int batch_add(struct nacre_batch *, nacre_collection *, struct batch_op *);
/* What is committed for a batch: its own payload, or, where puts expire, operands need their clock or values go to the value log, a copy with expiries, clocks
   and pointers. */
struct stamped_batch {
    struct commit commit; /* durability and timeout are the caller's to set */
    struct buffer payload;
    struct commit_target *targets;
    struct value_refs values;
};
int batch_stamp(const struct nacre_batch *, uint64_t ttl_ms, struct stamped_batch *);
void batch_stamp_free(struct stamped_batch *);                 /* also after a failure */
uint64_t expiry_of(const nacre_collection *, uint64_t ttl_ms); /* 0 = never */
#endif
