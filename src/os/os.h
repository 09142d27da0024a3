/* The file layer: the public table nacre_os (include/nacre/nacre.h), this machine's implementation, and helpers over
   it. All that touches the disk goes through here. */
#ifndef NACRE_OS_OS_H
#define NACRE_OS_OS_H
#include "base/buffer.h"

const nacre_os *os_posix(void);

/* A short read is NACRE_CORRUPT. */
int os_read_exact(const nacre_os *, nacre_file *, uint64_t offset, void *bytes, size_t size, const char *path);
/* The whole file; one longer than `limit` bytes is NACRE_CORRUPT. */
int os_read_file(const nacre_os *, const char *path, uint64_t limit, struct buffer *out);
/* Written aside as path.tmp, synced, renamed, directory synced: either the old or the new contents survive. After a
   failure of the last step the new contents are there, but may not survive a loss of power; after any other, the old
   ones are. */
int os_replace_file(const nacre_os *, const char *directory, const char *name, nacre_slice contents);
/* Whether there is such a file or directory. A failure that leaves it open is returned, and *present is not touched:
   what is absent and what cannot be read must not be taken for one another where something is made or dropped for it. */
int os_look(const nacre_os *, const char *path, bool *present);
/* Whether the layer has pins. */
bool os_has_pins(const nacre_os *);
/* A hint: pages of a map are wanted soon. Nothing where the layer has no such call. */
void os_read_ahead(const nacre_os *, const void *address, uint64_t size);
bool os_exists(const nacre_os *, const char *path); /* also false where it cannot be told */
#define OS_PATH_MAX 4096
/* NACRE_LIMIT when too long. */
int os_path(char out[OS_PATH_MAX], const char *directory, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#endif
