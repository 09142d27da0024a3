/* Reading a container: its frame is checked when it is opened, its sections when they are first taken.
   Invariants:
   1. After open: header, footer and table agree with each other and with the file's size; every section lies between the header and
      the table, aligned, and sections do not overlap (they ascend).
   2. section.bytes is NULL until the section's checksum was found right; then it never changes until close.
   Any thread may take sections; `lock` is held while one is read and checked, and takes no other lock. */
#include "base/memory.h"
#include "base/status.h"
#include "segment/container_format.h"
#include <pthread.h>
#include <stdatomic.h>

struct section {
    char name[4];
    uint64_t offset, size, checksum;
    _Atomic(const uint8_t *) bytes; /* invariant 2 */
    uint8_t *owned;                 /* where there is no map */
};

struct table {
    pthread_mutex_t lock;
    size_t count;
    uint64_t offset; /* of the table in the file */
    _Atomic uint64_t heap_bytes;
    struct section sections[];
};

static int read_part(const struct container *c, uint64_t offset, void *to, size_t size)
{
    if (c->map) {
        memcpy(to, c->map + offset, size);
        return NACRE_OK;
    }
    return os_read_exact(c->os, c->file, offset, to, size, c->path);
}

static int check_sum(const struct container *c, const char *part, uint64_t offset, uint64_t expected, uint64_t found)
{
    if (expected == found)
        return NACRE_OK;
    return fail(NACRE_CORRUPT, "%s: %s at %llu: checksum %016llx expected, %016llx found", c->path, part,
                (unsigned long long)offset, (unsigned long long)expected, (unsigned long long)found);
}

static int check_number(const struct container *c, const char *part, uint64_t offset, uint64_t expected, uint64_t found)
{
    if (expected == found)
        return NACRE_OK;
    return fail(NACRE_CORRUPT, "%s: %s at %llu: %llu expected, %llu found", c->path, part, (unsigned long long)offset,
                (unsigned long long)expected, (unsigned long long)found);
}

static int check_header(struct container *c, uint64_t expected_id)
{
    uint8_t header[CONTAINER_HEADER_BYTES];
    int status = read_part(c, 0, header, sizeof header);
    if (status != NACRE_OK)
        return status;
    if (memcmp(header, container_magic(c->role), 8) != 0)
        return fail(NACRE_CORRUPT, "%s: magic at 0: %s expected, other bytes found", c->path, container_magic(c->role));
    status = check_sum(c, "header", 0, load_u64(header + 56), hash_bytes(header, 56));
    if (status != NACRE_OK)
        return status;
    if (load_u32(header + 8) > CONTAINER_FORMAT)
        return fail(NACRE_UNSUPPORTED, "%s: format %u, this build reads up to %u", c->path, load_u32(header + 8),
                    CONTAINER_FORMAT);
    status = check_number(c, "role", 12, (uint64_t)c->role, load_u32(header + 12));
    if (status == NACRE_OK)
        status = check_number(c, "id", 16, expected_id, load_u64(header + 16));
    c->id = expected_id;
    c->kind = load_u32(header + 24);
    return status;
}

static int check_footer(struct container *c, uint64_t *table_offset, uint32_t *section_count)
{
    uint8_t footer[CONTAINER_FOOTER_BYTES];
    uint64_t at = c->bytes - CONTAINER_FOOTER_BYTES;
    int status = read_part(c, at, footer, sizeof footer);
    if (status == NACRE_OK)
        status = check_sum(c, "footer", at, load_u64(footer + 56), hash_bytes(footer, 56));
    if (status != NACRE_OK)
        return status;
    if (memcmp(footer + 48, CONTAINER_END_MAGIC, 8) != 0)
        return fail(NACRE_CORRUPT, "%s: magic at %llu: %s expected, other bytes found", c->path,
                    (unsigned long long)at + 48, CONTAINER_END_MAGIC);
    status = check_number(c, "file size in the footer", at + 32, c->bytes, load_u64(footer + 32));
    if (status == NACRE_OK)
        status = check_number(c, "id in the footer", at + 24, c->id, load_u64(footer + 24));
    if (status == NACRE_OK)
        status = check_number(c, "kind in the footer", at + 40, c->kind, load_u32(footer + 40));
    if (status == NACRE_OK)
        status = check_number(c, "role in the footer", at + 44, (uint64_t)c->role, load_u32(footer + 44));
    if (status != NACRE_OK)
        return status;
    *table_offset = load_u64(footer);
    *section_count = load_u32(footer + 8);
    c->checksum = load_u64(footer + 16);
    if (*section_count > CONTAINER_SECTIONS_MAX)
        return fail(NACRE_CORRUPT, "%s: sections at %llu: at most %u expected, %u found", c->path,
                    (unsigned long long)at + 8, CONTAINER_SECTIONS_MAX, *section_count);
    uint64_t table_bytes = (uint64_t)*section_count * CONTAINER_ENTRY_BYTES;
    uint64_t padded = (table_bytes + CONTAINER_ALIGNMENT - 1) / CONTAINER_ALIGNMENT * CONTAINER_ALIGNMENT;
    if (at < CONTAINER_HEADER_BYTES + padded)
        return fail(NACRE_CORRUPT, "%s: footer at %llu: no room for %u sections", c->path, (unsigned long long)at,
                    *section_count);
    return check_number(c, "place of the table", at, at - padded, *table_offset);
}

static int read_table(struct container *c, uint64_t offset, uint32_t count)
{
    uint8_t bytes[CONTAINER_SECTIONS_MAX * CONTAINER_ENTRY_BYTES];
    size_t size = (size_t)count * CONTAINER_ENTRY_BYTES;
    int status = read_part(c, offset, bytes, size);
    if (status == NACRE_OK)
        status = check_sum(c, "table", offset, c->checksum, hash_seeded(bytes, size, c->id));
    if (status != NACRE_OK)
        return status;
    struct table *table = memory_zalloc(sizeof *table + count * sizeof table->sections[0]);
    if (!table)
        return NACRE_NO_MEMORY;
    pthread_mutex_init(&table->lock, NULL);
    table->count = count;
    table->offset = offset;
    c->table = table;
    uint64_t floor = CONTAINER_HEADER_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = bytes + i * CONTAINER_ENTRY_BYTES;
        struct section *s = &table->sections[i];
        memcpy(s->name, entry, 4);
        s->offset = load_u64(entry + 8);
        s->size = load_u64(entry + 16);
        s->checksum = load_u64(entry + 24);
        atomic_init(&s->bytes, NULL);
        if (s->offset < floor || s->offset > offset || s->size > offset - s->offset || s->offset % CONTAINER_ALIGNMENT)
            return fail(NACRE_CORRUPT, "%s: section %u in the table at %llu: offset %llu, size %llu do not fit",
                        c->path, i, (unsigned long long)offset, (unsigned long long)s->offset,
                        (unsigned long long)s->size);
        floor = s->offset + s->size;
    }
    return NACRE_OK;
}

static int open_frame(struct container *c, uint64_t expected_id, uint64_t expected_bytes, bool map)
{
    int status = c->os->open(c->os->context, c->path, NACRE_FILE_READ, &c->file);
    if (status == NACRE_OK)
        status = c->os->size(c->file, &c->bytes);
    if (status == NACRE_OK && expected_bytes)
        status = check_number(c, "file size", 0, expected_bytes, c->bytes);
    if (status != NACRE_OK)
        return status;
    if (c->bytes < CONTAINER_HEADER_BYTES + CONTAINER_FOOTER_BYTES || c->bytes > CONTAINER_BYTES_MAX)
        return fail(NACRE_CORRUPT, "%s: file size: %u to %u bytes expected, %llu found", c->path,
                    CONTAINER_HEADER_BYTES + CONTAINER_FOOTER_BYTES, (unsigned)CONTAINER_BYTES_MAX,
                    (unsigned long long)c->bytes);
    if (map) {
        void *address = NULL;
        status = c->os->map(c->file, c->bytes, false, &address);
        if (status != NACRE_OK)
            return status;
        c->map = address;
        (void)c->os->close(c->file); /* the map keeps the file; only read: nothing can be lost */
        c->file = NULL;
    }
    uint64_t table_offset = 0;
    uint32_t count = 0;
    status = check_header(c, expected_id);
    if (status == NACRE_OK)
        status = check_footer(c, &table_offset, &count);
    return status == NACRE_OK ? read_table(c, table_offset, count) : status;
}

int container_open(const nacre_os *os, const char *path, enum container_role role, uint64_t expected_id,
                   uint64_t expected_bytes, bool map, struct container **out)
{
    *out = NULL;
    struct container *c = memory_zalloc(sizeof *c);
    if (!c)
        return NACRE_NO_MEMORY;
    c->os = os;
    c->role = role;
    c->path = memory_strdup(path);
    int status = c->path ? open_frame(c, expected_id, expected_bytes, map) : NACRE_NO_MEMORY;
    if (status != NACRE_OK) {
        container_close(c);
        return status;
    }
    *out = c;
    return NACRE_OK;
}

void container_close(struct container *c)
{
    if (!c)
        return;
    struct table *table = c->table;
    if (table) {
        for (size_t i = 0; i < table->count; i++)
            memory_free(table->sections[i].owned);
        pthread_mutex_destroy(&table->lock);
        memory_free(table);
    }
    if (c->map)
        (void)c->os->unmap((void *)(uintptr_t)c->map, c->bytes); /* only read: nothing can be lost */
    if (c->file)
        (void)c->os->close(c->file);
    memory_free(c->path);
    memory_free(c);
}

static struct section *find_section(const struct container *c, const char name[4])
{
    struct table *table = c->table;
    for (size_t i = 0; i < table->count; i++)
        if (memcmp(table->sections[i].name, name, 4) == 0)
            return &table->sections[i];
    return NULL;
}

bool container_has_section(const struct container *c, const char name[4])
{
    return find_section(c, name) != NULL;
}

int container_section_bounds(const struct container *c, const char name[4], uint64_t *offset, uint64_t *size)
{
    const struct section *s = find_section(c, name);
    if (!s)
        return fail(NACRE_NOT_FOUND, "%s: no section %.4s", c->path, name);
    *offset = s->offset;
    *size = s->size;
    return NACRE_OK;
}

static int check_section(const struct container *c, const struct section *s, const uint8_t *bytes)
{
    char part[32] = "section ....";
    memcpy(part + 8, s->name, 4);
    return check_sum(c, part, s->offset, s->checksum, hash_bytes(bytes, (size_t)s->size));
}

/* The lock is held. */
static int load_section(struct container *c, struct section *s)
{
    if (c->map) {
        int status = check_section(c, s, c->map + s->offset);
        if (status == NACRE_OK)
            atomic_store_explicit(&s->bytes, c->map + s->offset,
                                  memory_order_release); /* pairs with container_section */
        return status;
    }
    uint8_t *bytes = memory_alloc_aligned(64, (size_t)s->size + 64);
    if (!bytes)
        return NACRE_NO_MEMORY;
    int status = os_read_exact(c->os, c->file, s->offset, bytes, (size_t)s->size, c->path);
    if (status == NACRE_OK)
        status = check_section(c, s, bytes);
    if (status != NACRE_OK) {
        memory_free(bytes);
        return status;
    }
    s->owned = bytes;
    atomic_fetch_add_explicit(&((struct table *)c->table)->heap_bytes, s->size, memory_order_relaxed); /* a statistic */
    atomic_store_explicit(&s->bytes, bytes, memory_order_release); /* pairs with container_section */
    return NACRE_OK;
}

int container_section(struct container *c, const char name[4], nacre_slice *contents)
{
    *contents = (nacre_slice){ NULL, 0 };
    struct section *s = find_section(c, name);
    if (!s)
        return fail(NACRE_NOT_FOUND, "%s: no section %.4s", c->path, name);
    const uint8_t *bytes = atomic_load_explicit(&s->bytes, memory_order_acquire); /* pairs with load_section */
    if (!bytes) {
        struct table *table = c->table;
        pthread_mutex_lock(&table->lock);
        int status = atomic_load_explicit(&s->bytes, memory_order_relaxed) ? NACRE_OK : load_section(c, s);
        pthread_mutex_unlock(&table->lock);
        if (status != NACRE_OK)
            return status;
        bytes = atomic_load_explicit(&s->bytes, memory_order_acquire);
    }
    *contents = slice_of(bytes, (size_t)s->size);
    return NACRE_OK;
}

int container_read(struct container *c, uint64_t offset, size_t size, struct buffer *scratch, const uint8_t **bytes)
{
    if (offset > c->bytes || size > c->bytes - offset)
        return fail(NACRE_CORRUPT, "%s: %zu bytes at %llu: inside of %llu expected", c->path, size,
                    (unsigned long long)offset, (unsigned long long)c->bytes);
    if (c->map) {
        *bytes = c->map + offset;
        return NACRE_OK;
    }
    buffer_clear(scratch);
    int status = buffer_reserve(scratch, size + 1);
    if (status == NACRE_OK)
        status = os_read_exact(c->os, c->file, offset, scratch->data, size, c->path);
    if (status != NACRE_OK)
        return status;
    scratch->size = size;
    *bytes = scratch->data;
    return NACRE_OK;
}

static int check_zeros(struct container *c, uint64_t from, uint64_t to, struct buffer *scratch)
{
    const uint8_t *bytes = NULL;
    int status = container_read(c, from, (size_t)(to - from), scratch, &bytes);
    for (uint64_t i = 0; status == NACRE_OK && i < to - from; i++)
        if (bytes[i])
            status = check_number(c, "padding", from + i, 0, bytes[i]);
    return status;
}

/* What lies before the first section belongs to the kind. Sections are read again, not taken from where they were kept. */
int container_verify(struct container *c)
{
    struct table *table = c->table;
    struct buffer scratch = { 0 };
    int status = NACRE_OK;
    for (size_t i = 0; i < table->count && status == NACRE_OK; i++) {
        const struct section *s = &table->sections[i];
        const uint8_t *bytes = NULL;
        status = container_read(c, s->offset, (size_t)s->size, &scratch, &bytes);
        if (status == NACRE_OK)
            status = check_section(c, s, bytes);
        uint64_t next = i + 1 < table->count ? table->sections[i + 1].offset : table->offset;
        if (status == NACRE_OK)
            status = check_zeros(c, s->offset + s->size, next, &scratch);
    }
    uint64_t table_end = table->offset + table->count * CONTAINER_ENTRY_BYTES;
    if (status == NACRE_OK)
        status = check_zeros(c, table_end, c->bytes - CONTAINER_FOOTER_BYTES, &scratch);
    buffer_free(&scratch);
    return status;
}

uint64_t container_memory(const struct container *c)
{
    const struct table *table = c->table;
    return sizeof *c + sizeof *table + table->count * sizeof table->sections[0] +
           atomic_load_explicit(&table->heap_bytes, memory_order_relaxed);
}
