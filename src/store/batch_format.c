/* Encoding of batches (see batch_format.h). */
#include "store/batch_format.h"
#include "base/entry.h"
#include "base/varint.h"

int batch_encode(struct buffer *payload, const struct batch_op *op)
{
    int status = buffer_reserve(payload, BATCH_OP_OVERHEAD + op->key.size + op->value.size);
    if (status != NACRE_OK) {
        return status;
    }
    uint8_t *at = payload->data + payload->size;
    *at++ = (uint8_t)((unsigned)op->code | (op->expiry_ms ? BATCH_HAS_EXPIRY : 0));
    at = varint_put(at, op->collection);
    if (op->expiry_ms) {
        at = varint_put(at, op->expiry_ms);
    }
    at = varint_put(at, op->key.size);
    if (op->key.size) {
        memcpy(at, op->key.data, op->key.size);
        at += op->key.size;
    }
    if (op->code != BATCH_DELETE) {
        at = varint_put(at, op->value.size);
        if (op->value.size) {
            memcpy(at, op->value.data, op->value.size);
            at += op->value.size;
        }
    }
    payload->size = (size_t)(at - payload->data);
    return NACRE_OK;
}

/* What no writer makes: checksums keep chance out, not intent. The limit of the collection's kind is for who knows the collection. */
static bool is_sound(const struct batch_op *op)
{
    if (op->key.size > ENTRY_KEY_MAX || op->value.size > NACRE_VALUE_MAX) {
        return false;
    }
    if (op->code != BATCH_DELETE_RANGE) {
        return op->key.size > 0;
    }
    return op->value.size <= ENTRY_KEY_MAX && (op->value.size == 0 || slice_compare(op->key, op->value) < 0);
}

bool batch_decode(struct reader *reader, struct batch_op *op)
{
    if (!reader->ok || reader->at == reader->end) {
        return false;
    }
    uint8_t code = reader_u8(reader);
    uint64_t collection = reader_varint(reader);
    op->code = (enum batch_op_code)(code & ~BATCH_HAS_EXPIRY);
    op->expiry_ms = code & BATCH_HAS_EXPIRY ? reader_varint(reader) : 0;
    op->key = reader_slice(reader);
    op->value = op->code == BATCH_DELETE ? (nacre_slice){ NULL, 0 } : reader_slice(reader);
    op->collection = (uint32_t)collection;
    if (op->code < BATCH_PUT || op->code > BATCH_DELETE_RANGE || collection > UINT32_MAX || !is_sound(op)) {
        reader->ok = false;
    }
    return reader->ok;
}
