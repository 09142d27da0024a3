/* Growable buffers and checked reading (see buffer.h). */
#include "base/buffer.h"
#include "base/endian.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/varint.h"
#include <stdarg.h>
#include <stdio.h>

int buffer_reserve(struct buffer *b, size_t extra)
{
    size_t need;
    if (b->data && b->capacity - b->size >= extra) {
        return NACRE_OK;
    }
    if (!size_add(b->size, extra, &need)) {
        return fail(NACRE_NO_MEMORY, "a buffer of %zu bytes cannot grow by %zu", b->size, extra);
    }
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity < need) {
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    }
    uint8_t *data = memory_realloc(b->data, capacity);
    if (!data) {
        return NACRE_NO_MEMORY;
    }
    b->data = data;
    b->capacity = capacity;
    return NACRE_OK;
}

int buffer_append(struct buffer *b, const void *data, size_t size)
{
    int status = buffer_reserve(b, size);
    if (status == NACRE_OK && size) {
        memcpy(b->data + b->size, data, size);
        b->size += size;
    }
    return status;
}

int buffer_append_u8(struct buffer *b, uint8_t v)
{
    return buffer_append(b, &v, 1);
}

int buffer_append_u16(struct buffer *b, uint16_t v)
{
    return buffer_append(b, &v, 2);
}

int buffer_append_u32(struct buffer *b, uint32_t v)
{
    return buffer_append(b, &v, 4);
}

int buffer_append_u64(struct buffer *b, uint64_t v)
{
    return buffer_append(b, &v, 8);
}

int buffer_append_varint(struct buffer *b, uint64_t v)
{
    int status = buffer_reserve(b, VARINT_MAX);
    if (status == NACRE_OK) {
        b->size = (size_t)(varint_put(b->data + b->size, v) - b->data);
    }
    return status;
}

int buffer_append_slice(struct buffer *b, nacre_slice s)
{
    size_t extra = 0;
    if (!size_add(s.size, VARINT_MAX, &extra)) {
        return fail(NACRE_NO_MEMORY, "a slice of %zu bytes is too long", s.size);
    }
    int status = buffer_reserve(b, extra); /* for both, so that never one goes in without the other */
    if (status == NACRE_OK) {
        status = buffer_append_varint(b, s.size);
    }
    return status == NACRE_OK ? buffer_append(b, s.data, s.size) : status;
}

int buffer_append_format(struct buffer *b, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    int status = size < 0 ? fail(NACRE_INVALID, "the format '%.64s' cannot be printed", format)
                          : buffer_reserve(b, (size_t)size + 1);
    if (status == NACRE_OK) {
        (void)vsnprintf((char *)b->data + b->size, (size_t)size + 1, format, again);
        b->size += (size_t)size;
    }
    va_end(again);
    return status;
}

void buffer_clear(struct buffer *b)
{
    b->size = 0;
}

void buffer_free(struct buffer *b)
{
    memory_free(b->data);
    *b = (struct buffer){ 0 };
}

nacre_slice reader_bytes(struct reader *r, size_t size)
{
    if (!r->ok || (size_t)(r->end - r->at) < size) {
        r->ok = false;
        return (nacre_slice){ NULL, 0 };
    }
    nacre_slice bytes = { r->at, size };
    if (size) { /* at may be NULL */
        r->at += size;
    }
    return bytes;
}

uint8_t reader_u8(struct reader *r)
{
    nacre_slice s = reader_bytes(r, 1);
    return s.data ? *(const uint8_t *)s.data : 0;
}

uint16_t reader_u16(struct reader *r)
{
    nacre_slice s = reader_bytes(r, 2);
    return s.data ? load_u16(s.data) : 0;
}

uint32_t reader_u32(struct reader *r)
{
    nacre_slice s = reader_bytes(r, 4);
    return s.data ? load_u32(s.data) : 0;
}

uint64_t reader_u64(struct reader *r)
{
    nacre_slice s = reader_bytes(r, 8);
    return s.data ? load_u64(s.data) : 0;
}

uint64_t reader_varint(struct reader *r)
{
    uint64_t v = 0;
    const uint8_t *after = r->ok ? varint_get(r->at, r->end, &v) : NULL;
    if (!after) {
        r->ok = false;
        return 0;
    }
    r->at = after;
    return v;
}

nacre_slice reader_slice(struct reader *r)
{
    uint64_t size = reader_varint(r);
    if (size > SIZE_MAX) {
        r->ok = false;
    }
    return reader_bytes(r, (size_t)size);
}
