/* A user's batch: the encoded ops, and what each collection of it gets. */
#ifndef NACRE_STORE_BATCH_H
#define NACRE_STORE_BATCH_H
#include "store/batch_format.h"
#include "store/store.h"

struct nacre_batch {
    struct buffer payload;
    struct commit_target *targets;
    size_t target_count, target_capacity;
    uint64_t count;
    bool expiries_due; /* some puts take the expiry that nacre_write gives or the collection's default */
};
/* `op->collection` is filled in. Expiry is put in when the batch is written (batch_stamp), as the clock runs from there. */
int batch_add(struct nacre_batch *, nacre_collection *, struct batch_op *);
/* The payload to log: the batch's own, or, where puts expire, a copy in `stamped` with expiries. */
int batch_stamp(const struct nacre_batch *, uint64_t ttl_ms, struct buffer *stamped, nacre_slice *payload);
uint64_t expiry_of(const nacre_collection *, uint64_t ttl_ms); /* 0 = never */
#endif
