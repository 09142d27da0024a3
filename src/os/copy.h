/* Copying files through a file layer, with a sum of what was copied. */
#ifndef NACRE_OS_COPY_H
#define NACRE_OS_COPY_H
#include "os/os.h"

/* The XXH3-128 of a file's bytes: what names contents. */
struct content_sum {
    uint64_t low, high;
};
static inline bool content_sum_equal(struct content_sum a, struct content_sum b)
{
    return a.low == b.low && a.high == b.high;
}

/* Bytes are copied in pieces of so many, and each piece has a sum of its own, the low half of its XXH3, so that damage can be told a place. */
#define COPY_PIECE_BYTES ((size_t)1 << 20)

struct copier {
    const nacre_os *os;
    uint8_t *bytes;       /* COPY_PIECE_BYTES; owned */
    struct buffer pieces; /* 4 bytes per piece of the file copied last */
    struct content_sum sum;
    uint64_t size;  /* of the file copied last */
    uint64_t total; /* bytes written so far, of all files */
};
int copier_create(const nacre_os *, struct copier *);
void copier_free(struct copier *);
/* The first `most` bytes of a file into a new one (NACRE_EXISTS when it is there), synced; sum, size and pieces are those of what was
   copied. After a failure the new file is removed, as far as that can be. */
int copier_copy(struct copier *, const char *from, const char *to, uint64_t most);
/* Reads a file as copier_copy does, and writes nothing. */
int copier_read(struct copier *, const char *path, uint64_t most);
/* Makes a new file of bytes. */
int copier_write(struct copier *, nacre_slice contents, const char *to);
#endif
