/* What the entries of a segment keep in the value log: per value file how many of them point into it, and the bytes of these records. */
#ifndef NACRE_SEGMENT_VALUE_SHARES_H
#define NACRE_SEGMENT_VALUE_SHARES_H
#include "base/buffer.h"

struct value_share {
    uint64_t file; /* id of the value file */
    uint64_t pointers, bytes;
};
struct value_shares { /* ascending by file; zeroed = none */
    struct value_share *list;
    size_t count, capacity;
    uint64_t pointers, bytes; /* of all files */
    size_t last;              /* where the last one was added: the next is often there too */
};

/* One more pointer to a record of `bytes`. */
int value_shares_add(struct value_shares *, uint64_t file, uint64_t bytes);
int value_shares_copy(const struct value_shares *, struct value_shares *copy);
void value_shares_free(struct value_shares *);
bool value_shares_equal(const struct value_shares *, const struct value_shares *);
/* Per file varint file, varint pointers, varint bytes. decode reads `count` of them into a zeroed struct; what does not fit is NACRE_CORRUPT. */
int value_shares_encode(const struct value_shares *, struct buffer *out);
int value_shares_decode(struct reader *, uint64_t count, struct value_shares *);
#endif
