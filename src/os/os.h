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
/* Also true when it cannot be told: no store is to be made over one that cannot be read. */
bool os_exists(const nacre_os *, const char *path);
#define OS_PATH_MAX 4096
/* NACRE_LIMIT when too long. */
int os_path(char out[OS_PATH_MAX], const char *directory, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#endif
