/* The payload of a log record: one atomic batch, op after op:

     op       u8: 1 put, 2 delete, 3 delete range, 4 merge; | 0x80 when an expiry follows; | 0x40 when a vector follows (puts alone); | 0x20 when the
              value is a pointer into the value log (puts alone)
     id       varint, the collection
     expiry   varint, wall clock in ms (only with 0x80)
     key      varint length, bytes (range: its begin)
     vector   varint length, bytes: little-endian floats, 1 to NACRE_DIMENSION_MAX of them (only with 0x40)
     value    varint length, bytes (put: the value, or where it is; range: its end, empty = open; merge: 8 bytes wall clock in ms, the operand)

   Ops take consecutive sequences, from the record's own on. */
#ifndef NACRE_STORE_BATCH_FORMAT_H
#define NACRE_STORE_BATCH_FORMAT_H
#include "base/buffer.h"

enum batch_op_code { BATCH_PUT = 1, BATCH_DELETE = 2, BATCH_DELETE_RANGE = 3, BATCH_MERGE = 4 };
#define BATCH_HAS_EXPIRY  0x80u
#define BATCH_HAS_VECTOR  0x40u
#define BATCH_IS_POINTER  0x20u
#define BATCH_OP_OVERHEAD 32u /* more than what an op adds to its key, vector and value */

struct batch_op {
    enum batch_op_code code;
    bool pointer; /* puts alone: the value says where in the value log the value is */
    uint32_t collection;
    uint64_t expiry_ms;
    nacre_slice key, value;
    nacre_slice head;   /* encoded as the first bytes of the value; decoded as part of it */
    nacre_slice vector; /* puts in collections of vectors; else empty */
};
int batch_encode(struct buffer *payload, const struct batch_op *);
/* Where an encoded op's key begins, from the op's begin. */
size_t batch_key_offset(const struct batch_op *);
/* What the op's entry is; not of range deletes. */
uint8_t batch_entry_type(const struct batch_op *);
/* The next op; false at the end, or (reader->ok false) at bytes that are none. */
bool batch_decode(struct reader *, struct batch_op *);
#endif
