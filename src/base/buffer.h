/* A growable byte buffer. Owned by one thread at a time. Zero-initialise; free with buffer_free. */
#ifndef NACRE_BASE_BUFFER_H
#define NACRE_BASE_BUFFER_H
#include "base/slice.h"

struct buffer {
    uint8_t *data;
    size_t size, capacity;
};

int buffer_reserve(struct buffer *, size_t extra); /* NACRE_NO_MEMORY; contents kept */
int buffer_append(struct buffer *, const void *data, size_t size);
int buffer_append_u8(struct buffer *, uint8_t);
int buffer_append_u16(struct buffer *, uint16_t); /* little-endian */
int buffer_append_u32(struct buffer *, uint32_t);
int buffer_append_u64(struct buffer *, uint64_t);
int buffer_append_varint(struct buffer *, uint64_t);
int buffer_append_slice(struct buffer *, nacre_slice); /* varint length, bytes */
int buffer_append_format(struct buffer *, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* no NUL counted, one kept behind */
void buffer_clear(struct buffer *);        /* keeps the memory */
void buffer_free(struct buffer *);
static inline nacre_slice buffer_slice(const struct buffer *b)
{
    return (nacre_slice){ b->data, b->size };
}

/* Reading back hostile bytes: each call checks the bounds; after a failure `ok` stays false and values are 0. */
struct reader {
    const uint8_t *at, *end;
    bool ok;
};
static inline struct reader reader_of(nacre_slice s)
{
    return (struct reader){ s.data, s.size ? (const uint8_t *)s.data + s.size : s.data, true };
}
uint8_t reader_u8(struct reader *);
uint16_t reader_u16(struct reader *);
uint32_t reader_u32(struct reader *);
uint64_t reader_u64(struct reader *);
uint64_t reader_varint(struct reader *);
nacre_slice reader_bytes(struct reader *, size_t size);
nacre_slice reader_slice(struct reader *); /* varint length, bytes */
#endif
