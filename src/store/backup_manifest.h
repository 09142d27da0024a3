/* What a backup says of itself: the files that it consists of, by name and contents. A file in backups/; docs/formats.md has its bytes. */
#ifndef NACRE_STORE_BACKUP_MANIFEST_H
#define NACRE_STORE_BACKUP_MANIFEST_H
#include "os/copy.h"

struct backup_file {
    char *name;    /* beneath a store's directory (layout.h); owned */
    uint64_t size; /* bytes */
    struct content_sum sum;
    uint64_t id, checksum; /* of containers: what tells that the file is the same without reading it; else 0 */
    uint8_t *pieces;       /* 4 bytes for each piece of COPY_PIECE_BYTES: the low half of its XXH3; owned */
    size_t piece_count;
};

struct backup {
    uint64_t id;         /* 1 and up; greater is newer */
    uint64_t created_ms; /* wall clock */
    uint64_t sequence;   /* the newest write in it */
    uint64_t collections;
    uint64_t copied_bytes; /* of files that no backup before it had */
    struct backup_file *files;
    size_t file_count, file_capacity;
};

int backup_add_file(struct backup *, const struct backup_file *); /* takes over name and pieces, also when it fails */
uint64_t backup_bytes(const struct backup *);                     /* of all its files */
void backup_free(struct backup *);

#define BACKUP_NAME_BYTES  16u /* of a file in backups/: the id, in hexadecimal digits */
#define CONTENT_NAME_BYTES 52u /* of a file in files/, with its NUL: sum and size */
void content_name(const struct backup_file *, char out[CONTENT_NAME_BYTES]);

int backup_encode(const struct backup *, struct buffer *out);
/* Of hostile bytes: all names are those of a store's files, and each file is there once. NACRE_CORRUPT, NACRE_UNSUPPORTED. The path is for the detail. */
int backup_decode(nacre_slice bytes, const char *path, uint64_t id, struct backup *);
int backup_read(const nacre_os *, const char *directory, uint64_t id, struct backup *); /* NACRE_NOT_FOUND */
#endif
