/* Compression of blocks: one call each way over LZ4 and Zstd, with their working memory kept for the next call. */
#ifndef NACRE_SEGMENT_CODEC_H
#define NACRE_SEGMENT_CODEC_H
#include "segment/kind.h"

#define CODEC_RAW_MAX \
    ((size_t)64 << 20) /* larger blocks are never compressed, and one that says it is larger is damaged */

/* Compressing; one thread at a time per compressor. */
struct compressor;
int compressor_create(enum compression, struct compressor **);
void compressor_free(struct compressor *);
size_t compressor_bound(const struct compressor *, size_t raw_size); /* room that `to` needs */
/* *stored = 0 when it did not shrink to less than `limit` bytes. */
int compressor_run(struct compressor *, const void *raw, size_t raw_size, void *to, size_t limit, size_t *stored);

/* Decompressing; any thread. NACRE_CORRUPT when the bytes are damaged or do not make exactly raw_size bytes. */
struct decompressor;
struct decompressor *decompressor_create(void);
void decompressor_free(struct decompressor *);
int decompressor_run(struct decompressor *, enum compression, const void *stored, size_t stored_size, void *raw,
                     size_t raw_size);
#endif
