/* The container of every immutable file (segments and their side files):

     header | parts written front to back, each at its place | sections ... | table of sections | footer

   written once, front to back, then synced. The table names each section (four letters), its offset, size and checksum; the footer
   (fixed size, at the end) holds the table's place and checksum, the file's identity, and its own checksum. Sections are checked
   when they are first taken (container_section), blocks by their owner. docs/formats.md has the byte tables. */
#ifndef NACRE_SEGMENT_CONTAINER_H
#define NACRE_SEGMENT_CONTAINER_H
#include "base/buffer.h"
#include "base/cursor.h"
#include "base/range_set.h"
#include "os/os.h"

struct block_cache; /* segment/block_cache.h */

/* ---- writing ---- */
struct container_writer;
enum container_role { CONTAINER_SEGMENT = 1, CONTAINER_INDEX = 2 };
#define CONTAINER_BYTES_MAX \
    UINT32_MAX /* offsets inside a file fit 32 bits; a file that would grow past it is NACRE_LIMIT */
#define WRITER_BUFFER_BYTES ((size_t)2 << 20)
/* Makes `path` (NACRE_EXISTS when it is there). Writes through a buffer of WRITER_BUFFER_BYTES and starts write-back as it goes. */
int container_writer_create(const nacre_os *, const char *path, enum container_role, uint64_t id, uint32_t kind,
                            struct container_writer **);
/* The same with a buffer of `buffer_bytes`: WRITER_BUFFER_BYTES over a power of two, where memory is short. */
int container_writer_create_with(const nacre_os *, const char *path, enum container_role, uint64_t id, uint32_t kind,
                                 size_t buffer_bytes, struct container_writer **);
int container_write(struct container_writer *, const void *data, size_t size,
                    uint64_t *offset); /* *offset = where it landed; may be NULL */
int container_align(struct container_writer *,
                    size_t alignment); /* zeros up to a multiple of `alignment` (at most 64) */
uint64_t container_offset(const struct container_writer *);
uint64_t container_bytes(const struct container_writer *); /* the offset, and what was set aside for later */
uint64_t container_writer_id(const struct container_writer *);
int container_section_begin(struct container_writer *,
                            const char name[4]); /* aligns to 64 bytes; what is written until _end is the section */
int container_section_end(struct container_writer *);
int container_write_section(struct container_writer *, const char name[4], nacre_slice contents);
/* The finish does not sync: what is written goes to the disk beside what its writer does next, and container_sync waits for it. */
void container_writer_sync_later(struct container_writer *);
int container_sync(const nacre_os *, const char *path);
/* Table, footer, sync, close; frees the writer. *checksum identifies the contents (a side file names that of its segment). */
int container_writer_finish(struct container_writer *, uint64_t *bytes, uint64_t *checksum);
void container_writer_abandon(
    struct container_writer *); /* closes and removes the file; also right after a failed finish; takes NULL */

/* Bytes that belong behind a part which is still being written: set aside, in memory while they are few, else in a file beside the container,
   and copied into it when their place comes. Freed before the writer is. */
struct container_spool;
/* `name` tells the spools of one container apart. */
int container_spool_create(struct container_writer *, const char *name, struct container_spool **);
int container_spool_append(struct container_spool *, const void *data,
                           size_t size);                               /* NACRE_LIMIT as container_write */
int container_spool_align(struct container_spool *, size_t alignment); /* as container_align */
uint64_t container_spool_size(const struct container_spool *);
int container_spool_write(struct container_spool *); /* all of it, where the container has come to; once */
void container_spool_free(struct container_spool *); /* removes its file; takes NULL */

/* ---- reading ---- */
struct container {
    const nacre_os *os;
    nacre_file *file;   /* NULL where there is a map */
    const uint8_t *map; /* whole file, or NULL where maps are off: then use container_read */
    uint64_t bytes, id, checksum;
    uint32_t kind;
    enum container_role role;
    char *path;
    const nacre_logger *logger; /* for who finds damage that can be worked around; set by the opener, may be NULL */
    struct container *older;    /* segment.c: side files that were replaced; they live as long as the segment */
    void *table;                /* private */
};
/* Checks size (when expected_bytes != 0), header, footer, table. A file that is shorter or longer than expected is NACRE_CORRUPT. */
int container_open(const nacre_os *, const char *path, enum container_role, uint64_t expected_id,
                   uint64_t expected_bytes, bool map, struct container **);
void container_close(struct container *);
bool container_has_section(const struct container *, const char name[4]);
/* The section's bytes: in place when mapped, else read once and kept until close. Its checksum is verified the first time. NACRE_NOT_FOUND. Any thread. */
int container_section(struct container *, const char name[4], nacre_slice *contents);
int container_section_bounds(const struct container *, const char name[4], uint64_t *offset, uint64_t *size);
/* Bytes that their owner checks: in place when mapped, else into `scratch`. Bounds are checked. */
int container_read(struct container *, uint64_t offset, size_t size, struct buffer *scratch, const uint8_t **bytes);
int container_verify(struct container *);            /* all sections and the zeros between them */
uint64_t container_memory(const struct container *); /* heap bytes */
#endif
