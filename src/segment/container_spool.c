/* Bytes set aside while a container is written: the newest in memory, those before them in a file beside the container.
   Invariants:
   1. size = written + memory.size; bytes [0, written) are in the file, which is there once written is not 0.
   2. The writer counts `size` bytes as set aside until they are written to it, or the spool is freed.
   One thread at a time, that of the writer. No locks. */
#include "base/memory.h"
#include "base/status.h"
#include "segment/container_format.h"

#define SPOOL_MEMORY ((size_t)1 << 20)

struct container_spool {
    struct container_writer *writer;
    struct buffer path; /* text */
    nacre_file *file;   /* NULL while all is in memory */
    uint64_t written;
    struct buffer memory;
};

int container_spool_create(struct container_writer *w, const char *name, struct container_spool **out)
{
    *out = NULL;
    struct container_spool *s = memory_zalloc(sizeof *s);
    if (!s)
        return NACRE_NO_MEMORY;
    s->writer = w;
    int status = buffer_append_format(&s->path, "%s.%s.tmp", container_writer_path(w), name);
    if (status != NACRE_OK) {
        container_spool_free(s);
        return status;
    }
    *out = s;
    return NACRE_OK;
}

static int write_out(struct container_spool *s, const void *bytes, size_t size)
{
    const nacre_os *os = container_writer_os(s->writer);
    int status = NACRE_OK;
    if (!s->file)
        status = os->open(os->context, (const char *)s->path.data,
                          NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE, &s->file);
    if (status == NACRE_OK)
        status = os->write(s->file, s->written, bytes, size);
    if (status == NACRE_OK)
        s->written += size;
    return status;
}

int container_spool_append(struct container_spool *s, const void *data, size_t size)
{
    int status = NACRE_OK;
    if (size > CONTAINER_BYTES_MAX - container_bytes(s->writer))
        return fail(NACRE_LIMIT, "%s: the file would pass %u bytes", container_writer_path(s->writer),
                    (unsigned)CONTAINER_BYTES_MAX);
    if (s->memory.size + size > SPOOL_MEMORY) {
        status = s->memory.size ? write_out(s, s->memory.data, s->memory.size) : NACRE_OK;
        if (status != NACRE_OK)
            return status;
        buffer_clear(&s->memory);
    }
    if (size >= SPOOL_MEMORY)
        status = write_out(s, data, size);
    else if (size)
        status = buffer_append(&s->memory, data, size);
    if (status == NACRE_OK)
        container_set_aside(s->writer, size);
    return status;
}

int container_spool_align(struct container_spool *s, size_t alignment)
{
    static const uint8_t zeros[CONTAINER_ALIGNMENT];
    size_t over = (size_t)(container_spool_size(s) % alignment);
    return over ? container_spool_append(s, zeros, alignment - over) : NACRE_OK;
}

uint64_t container_spool_size(const struct container_spool *s)
{
    return s->written + s->memory.size;
}

static int copy_file(struct container_spool *s)
{
    const nacre_os *os = container_writer_os(s->writer);
    struct buffer part = { 0 };
    int status = buffer_reserve(&part, SPOOL_MEMORY);
    for (uint64_t at = 0; status == NACRE_OK && at < s->written;) {
        size_t size = s->written - at < SPOOL_MEMORY ? (size_t)(s->written - at) : SPOOL_MEMORY;
        status = os_read_exact(os, s->file, at, part.data, size, (const char *)s->path.data);
        if (status == NACRE_OK)
            status = container_write(s->writer, part.data, size, NULL);
        at += size;
    }
    buffer_free(&part);
    return status;
}

int container_spool_write(struct container_spool *s)
{
    int status = s->written ? copy_file(s) : NACRE_OK;
    if (status == NACRE_OK)
        status = container_write(s->writer, s->memory.data, s->memory.size, NULL);
    if (status != NACRE_OK)
        return status;
    container_take_back(s->writer, container_spool_size(s));
    s->written = 0;
    buffer_clear(&s->memory);
    return NACRE_OK;
}

void container_spool_free(struct container_spool *s)
{
    if (!s)
        return;
    const nacre_os *os = container_writer_os(s->writer);
    container_take_back(s->writer, container_spool_size(s));
    if (s->file) {
        (void)os->close(s->file); /* nothing of it matters any more */
        (void)os->remove(os->context, (const char *)s->path.data);
    }
    buffer_free(&s->memory);
    buffer_free(&s->path);
    memory_free(s);
}
