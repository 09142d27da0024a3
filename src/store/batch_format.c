/* Encoding of batches (see batch_format.h). */
#include "store/batch_format.h"
#include "base/entry.h"
#include "base/operand.h"
#include "base/varint.h"

static uint8_t *put_bytes(uint8_t *at, nacre_slice bytes)
{
    if (bytes.size) {
        memcpy(at, bytes.data, bytes.size);
    }
    return at + bytes.size;
}

static uint8_t *put_slice(uint8_t *at, nacre_slice slice)
{
    return put_bytes(varint_put(at, slice.size), slice);
}

int batch_encode(struct buffer *payload, const struct batch_op *op)
{
    int status =
        buffer_reserve(payload, BATCH_OP_OVERHEAD + op->key.size + op->vector.size + op->head.size + op->value.size);
    if (status != NACRE_OK) {
        return status;
    }
    uint8_t *at = payload->data + payload->size;
    *at++ = (uint8_t)((unsigned)op->code | (op->expiry_ms ? BATCH_HAS_EXPIRY : 0) |
                      (op->vector.size ? BATCH_HAS_VECTOR : 0) | (op->pointer ? BATCH_IS_POINTER : 0));
    at = varint_put(at, op->collection);
    if (op->expiry_ms) {
        at = varint_put(at, op->expiry_ms);
    }
    at = put_slice(at, op->key);
    if (op->vector.size) {
        at = put_slice(at, op->vector);
    }
    if (op->code != BATCH_DELETE) {
        at = varint_put(at, op->head.size + op->value.size);
        at = put_bytes(at, op->head);
        at = put_bytes(at, op->value);
    }
    payload->size = (size_t)(at - payload->data);
    return NACRE_OK;
}

size_t batch_key_offset(const struct batch_op *op)
{
    return 1 + varint_size(op->collection) + (op->expiry_ms ? varint_size(op->expiry_ms) : 0) +
           varint_size(op->key.size);
}

/* What no writer makes: checksums keep chance out, not intent. The limit of the collection's kind is for who knows the collection. */
static bool is_sound(const struct batch_op *op, bool has_vector)
{
    size_t floats = op->vector.size / sizeof(float);
    if (has_vector && (op->code != BATCH_PUT || op->vector.size % sizeof(float) != 0 || floats == 0 ||
                       floats > NACRE_DIMENSION_MAX)) {
        return false;
    }
    if ((op->pointer && op->code != BATCH_PUT) || (op->code == BATCH_MERGE && op->value.size < OPERAND_CLOCK_BYTES)) {
        return false;
    }
    if (op->key.size > ENTRY_KEY_MAX || op->value.size > NACRE_VALUE_MAX) {
        return false;
    }
    if (op->code != BATCH_DELETE_RANGE) {
        return op->key.size > 0;
    }
    return op->value.size <= ENTRY_KEY_MAX && (op->value.size == 0 || slice_compare(op->key, op->value) < 0);
}

uint8_t batch_entry_type(const struct batch_op *op)
{
    if (op->code == BATCH_PUT) {
        return op->pointer ? ENTRY_POINTER : ENTRY_PUT;
    }
    return op->code == BATCH_MERGE ? ENTRY_MERGE : ENTRY_DELETE;
}

bool batch_decode(struct reader *reader, struct batch_op *op)
{
    if (!reader->ok || reader->at == reader->end) {
        return false;
    }
    uint8_t code = reader_u8(reader);
    uint64_t collection = reader_varint(reader);
    op->code = (enum batch_op_code)(code & ~(BATCH_HAS_EXPIRY | BATCH_HAS_VECTOR | BATCH_IS_POINTER));
    op->pointer = code & BATCH_IS_POINTER;
    op->expiry_ms = code & BATCH_HAS_EXPIRY ? reader_varint(reader) : 0;
    op->key = reader_slice(reader);
    op->head = (nacre_slice){ NULL, 0 };
    op->vector = code & BATCH_HAS_VECTOR ? reader_slice(reader) : (nacre_slice){ NULL, 0 };
    op->value = op->code == BATCH_DELETE ? (nacre_slice){ NULL, 0 } : reader_slice(reader);
    op->collection = (uint32_t)collection;
    if (op->code < BATCH_PUT || op->code > BATCH_MERGE || collection > UINT32_MAX ||
        !is_sound(op, code & BATCH_HAS_VECTOR)) {
        reader->ok = false;
    }
    return reader->ok;
}
