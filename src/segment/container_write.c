/* Writing a container, front to back (container_format.h has the bytes).
   Invariants:
   1. Bytes reach the file in order: file offset = written + used, nothing is written twice; written is a multiple of the buffer until the
      last piece.
   2. A section's checksum is made while its bytes pass by.
   One thread at a time per writer; no locks. */
#include "base/memory.h"
#include "base/status.h"
#include "segment/container_format.h"

/* Written, where the budget of memory allows, in aligned pieces of the size of a huge page: the page cache then keeps each piece as one page where the file system can, and maps
   of the file are made of huge pages. Random reads gain a tenth by it. */

struct section_entry {
    char name[4];
    uint64_t offset, size, checksum;
};

struct container_writer {
    const nacre_os *os;
    nacre_file *file;
    char *path;
    enum container_role role;
    uint64_t id;
    uint32_t kind;
    bool in_section, sync_later;
    uint8_t *buffer;
    size_t buffer_bytes, used;
    uint64_t written; /* bytes that left the buffer */
    uint64_t aside;   /* bytes that spools hold */
    XXH3_state_t *hash;
    size_t section_count;
    struct section_entry sections[CONTAINER_SECTIONS_MAX];
};

static int write_header(struct container_writer *w)
{
    uint8_t header[CONTAINER_HEADER_BYTES] = { 0 };
    memcpy(header, container_magic(w->role), 8);
    store_u32(header + 8, CONTAINER_FORMAT);
    store_u32(header + 12, (uint32_t)w->role);
    store_u64(header + 16, w->id);
    store_u32(header + 24, w->kind);
    store_u64(header + 56, hash_bytes(header, 56));
    return container_write(w, header, sizeof header, NULL);
}

static void writer_free(struct container_writer *w)
{
    memory_free(w->hash);
    memory_free(w->buffer);
    memory_free(w->path);
    memory_free(w);
}

int container_writer_create(const nacre_os *os, const char *path, enum container_role role, uint64_t id, uint32_t kind,
                            struct container_writer **out)
{
    return container_writer_create_with(os, path, role, id, kind, WRITER_BUFFER_BYTES, out);
}

int container_writer_create_with(const nacre_os *os, const char *path, enum container_role role, uint64_t id,
                                 uint32_t kind, size_t buffer_bytes, struct container_writer **out)
{
    *out = NULL;
    struct container_writer *w = memory_zalloc(sizeof *w);
    if (!w)
        return NACRE_NO_MEMORY;
    w->os = os;
    w->role = role;
    w->id = id;
    w->kind = kind;
    w->path = memory_strdup(path);
    w->buffer_bytes = buffer_bytes;
    w->buffer = memory_alloc_aligned(64, buffer_bytes);
    w->hash = memory_alloc_aligned(64, sizeof *w->hash);
    int status = w->path && w->buffer && w->hash ? NACRE_OK : NACRE_NO_MEMORY;
    if (status == NACRE_OK)
        status = os->open(os->context, path,
                          NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE | NACRE_FILE_EXCLUSIVE, &w->file);
    if (status != NACRE_OK) {
        writer_free(w);
        return status;
    }
    status = write_header(w);
    if (status != NACRE_OK) {
        container_writer_abandon(w);
        return status;
    }
    *out = w;
    return NACRE_OK;
}

static int write_out(struct container_writer *w, const uint8_t *bytes, size_t size)
{
    int status = w->os->write(w->file, w->written, bytes, size);
    if (status != NACRE_OK)
        return status;
    /* Write-back starts now, so that the sync at the end finds little to do; it promises nothing, so its failure is no error. */
    (void)w->os->write_behind(w->file, w->written, size);
    w->written += size;
    return NACRE_OK;
}

static int drain(struct container_writer *w)
{
    if (w->used == 0)
        return NACRE_OK;
    int status = write_out(w, w->buffer, w->used);
    if (status == NACRE_OK)
        w->used = 0;
    return status;
}

int container_write(struct container_writer *w, const void *data, size_t size, uint64_t *offset)
{
    uint64_t at = container_offset(w);
    if (size > CONTAINER_BYTES_MAX - at)
        return fail(NACRE_LIMIT, "%s: the file would pass %u bytes", w->path, (unsigned)CONTAINER_BYTES_MAX);
    if (offset)
        *offset = at;
    if (size == 0)
        return NACRE_OK;
    if (w->in_section && XXH3_64bits_update(w->hash, data, size) != XXH_OK)
        return fail(NACRE_INVALID, "%s: checksum state", w->path);
    const uint8_t *bytes = data;
    while (size) {
        int status = NACRE_OK;
        size_t part = size - size % w->buffer_bytes;
        if (w->used == 0 && part) {
            status = write_out(w, bytes, part);
        } else {
            size_t room = w->buffer_bytes - w->used;
            part = size < room ? size : room;
            memcpy(w->buffer + w->used, bytes, part);
            w->used += part;
            if (w->used == w->buffer_bytes)
                status = drain(w);
        }
        if (status != NACRE_OK)
            return status;
        bytes += part;
        size -= part;
    }
    return NACRE_OK;
}

uint64_t container_offset(const struct container_writer *w)
{
    return w->written + w->used;
}

uint64_t container_bytes(const struct container_writer *w)
{
    return container_offset(w) + w->aside;
}

uint64_t container_writer_id(const struct container_writer *w)
{
    return w->id;
}

const nacre_os *container_writer_os(const struct container_writer *w)
{
    return w->os;
}

const char *container_writer_path(const struct container_writer *w)
{
    return w->path;
}

void container_set_aside(struct container_writer *w, uint64_t bytes)
{
    w->aside += bytes;
}

void container_take_back(struct container_writer *w, uint64_t bytes)
{
    w->aside -= bytes;
}

int container_align(struct container_writer *w, size_t alignment)
{
    static const uint8_t zeros[CONTAINER_ALIGNMENT];
    size_t over = (size_t)(container_offset(w) % alignment);
    return over ? container_write(w, zeros, alignment - over, NULL) : NACRE_OK;
}

int container_section_begin(struct container_writer *w, const char name[4])
{
    if (w->in_section || w->section_count == CONTAINER_SECTIONS_MAX)
        return fail(NACRE_INVALID, "%s: section %.4s begins inside another or past the table's end", w->path, name);
    int status = container_align(w, CONTAINER_ALIGNMENT);
    if (status != NACRE_OK)
        return status;
    struct section_entry *s = &w->sections[w->section_count];
    memcpy(s->name, name, 4);
    s->offset = container_offset(w);
    XXH3_64bits_reset(w->hash);
    w->in_section = true;
    return NACRE_OK;
}

int container_section_end(struct container_writer *w)
{
    struct section_entry *s = &w->sections[w->section_count++];
    s->size = container_offset(w) - s->offset;
    s->checksum = XXH3_64bits_digest(w->hash);
    w->in_section = false;
    return NACRE_OK;
}

int container_write_section(struct container_writer *w, const char name[4], nacre_slice contents)
{
    int status = container_section_begin(w, name);
    if (status == NACRE_OK)
        status = container_write(w, contents.data, contents.size, NULL);
    return status == NACRE_OK ? container_section_end(w) : status;
}

static int write_table(struct container_writer *w, uint64_t *checksum)
{
    uint8_t table[CONTAINER_SECTIONS_MAX * CONTAINER_ENTRY_BYTES] = { 0 };
    for (size_t i = 0; i < w->section_count; i++) {
        uint8_t *entry = table + i * CONTAINER_ENTRY_BYTES;
        const struct section_entry *s = &w->sections[i];
        memcpy(entry, s->name, 4);
        store_u64(entry + 8, s->offset);
        store_u64(entry + 16, s->size);
        store_u64(entry + 24, s->checksum);
    }
    size_t table_bytes = w->section_count * CONTAINER_ENTRY_BYTES;
    *checksum = hash_seeded(table, table_bytes, w->id);
    uint64_t at = 0;
    int status = container_align(w, CONTAINER_ALIGNMENT);
    if (status == NACRE_OK)
        status = container_write(w, table, table_bytes, &at);
    if (status == NACRE_OK)
        status = container_align(w, CONTAINER_ALIGNMENT);
    if (status != NACRE_OK)
        return status;

    uint8_t footer[CONTAINER_FOOTER_BYTES] = { 0 };
    store_u64(footer, at);
    store_u32(footer + 8, (uint32_t)w->section_count);
    store_u32(footer + 12, CONTAINER_FORMAT);
    store_u64(footer + 16, *checksum);
    store_u64(footer + 24, w->id);
    store_u64(footer + 32, container_offset(w) + CONTAINER_FOOTER_BYTES);
    store_u32(footer + 40, w->kind);
    store_u32(footer + 44, (uint32_t)w->role);
    memcpy(footer + 48, CONTAINER_END_MAGIC, 8);
    store_u64(footer + 56, hash_bytes(footer, 56));
    return container_write(w, footer, sizeof footer, NULL);
}

void container_writer_sync_later(struct container_writer *w)
{
    w->sync_later = true;
}

/* By another handle of the file: a sync is about the file, not about who wrote. */
int container_sync(const nacre_os *os, const char *path)
{
    nacre_file *file = NULL;
    int status = os->open(os->context, path, NACRE_FILE_READ | NACRE_FILE_WRITE, &file);
    if (status != NACRE_OK)
        return status;
    status = os->sync(file);
    int closed = os->close(file);
    return status == NACRE_OK ? closed : status;
}

int container_writer_finish(struct container_writer *w, uint64_t *bytes, uint64_t *checksum)
{
    int status = write_table(w, checksum);
    if (status == NACRE_OK)
        status = drain(w);
    if (status == NACRE_OK && !w->sync_later)
        status = w->os->sync(w->file);
    if (status != NACRE_OK)
        return status;
    *bytes = w->written;
    nacre_file *file = w->file;
    w->file = NULL;
    status = w->os->close(file);
    if (status != NACRE_OK)
        return status;
    writer_free(w);
    return NACRE_OK;
}

void container_writer_abandon(struct container_writer *w)
{
    if (!w)
        return;
    if (w->file)
        (void)w->os->close(w->file); /* the file goes away: nothing of it matters any more */
    (void)w->os->remove(w->os->context, w->path);
    writer_free(w);
}
