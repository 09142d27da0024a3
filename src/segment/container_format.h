/* The bytes that container_write.c writes and container_read.c reads. All numbers are little-endian.

   header, 64 bytes at 0:             footer, 64 bytes at the end:          table entry, 32 bytes:
     0  8  magic by role                0  8  offset of the table             0  4  name
     8  4  format version               8  4  number of sections              4  4  zero
     12 4  role                         12 4  format version                  8  8  offset
     16 8  id                           16 8  checksum of the table           16 8  size
     24 4  kind                         24 8  id                              24 8  XXH3 of the section
     28 28 zeros                        32 8  bytes of the file
     56 8  XXH3 of bytes 0..55          40 4  kind
                                        44 4  role
                                        48 8  magic "nacreEND"
                                        56 8  XXH3 of bytes 0..55
   The checksum of the table is XXH3 seeded with the id; it covers all sections' checksums and so is the file's identity. */
#ifndef NACRE_SEGMENT_CONTAINER_FORMAT_H
#define NACRE_SEGMENT_CONTAINER_FORMAT_H
#include "base/endian.h"
#include "base/hash.h"
#include "segment/container.h"

#define CONTAINER_FORMAT       1u
#define CONTAINER_HEADER_BYTES 64u
#define CONTAINER_FOOTER_BYTES 64u
#define CONTAINER_ENTRY_BYTES  32u
#define CONTAINER_ALIGNMENT    64u
#define CONTAINER_SECTIONS_MAX 64u

static inline const char *container_magic(enum container_role role)
{
    return role == CONTAINER_SEGMENT ? "nacreSEG" : "nacreIDX";
}
#define CONTAINER_END_MAGIC "nacreEND"

/* For container_spool.c. */
const nacre_os *container_writer_os(const struct container_writer *);
const char *container_writer_path(const struct container_writer *);
void container_set_aside(struct container_writer *, uint64_t bytes);
void container_take_back(struct container_writer *, uint64_t bytes); /* they were written, or given up */
#endif
