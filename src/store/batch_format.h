/* The payload of a log record: one atomic batch, op after op:

     op       u8: 1 put, 2 delete, 3 delete range; | 0x80 when an expiry follows
     id       varint, the collection
     expiry   varint, wall clock in ms (only with 0x80)
     key      varint length, bytes (range: its begin)
     value    varint length, bytes (put: the value; range: its end, empty = open)

   Ops take consecutive sequences, from the record's own on. */
#ifndef NACRE_STORE_BATCH_FORMAT_H
#define NACRE_STORE_BATCH_FORMAT_H
#include "base/buffer.h"

enum batch_op_code { BATCH_PUT = 1, BATCH_DELETE = 2, BATCH_DELETE_RANGE = 3 };
#define BATCH_HAS_EXPIRY  0x80u
#define BATCH_OP_OVERHEAD 32u /* more than what an op adds to its key and value */

struct batch_op {
    enum batch_op_code code;
    uint32_t collection;
    uint64_t expiry_ms;
    nacre_slice key, value;
};
int batch_encode(struct buffer *payload, const struct batch_op *);
/* The next op; false at the end, or (reader->ok false) at bytes that are none. */
bool batch_decode(struct reader *, struct batch_op *);
#endif
