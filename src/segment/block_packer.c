/* Compressing blocks where it pays (block_packer.h). */
#include "segment/block_packer.h"
#include "base/status.h"

#define MISSES 8u  /* so many blocks in a row that did not shrink, and only every */
#define PAUSE  15u /* 16th is tried until one does */

int block_packer_init(struct block_packer *p, enum compression codec)
{
    *p = (struct block_packer){ .codec = codec };
    return codec == COMPRESSION_NONE ? NACRE_OK : compressor_create(codec, &p->compressor);
}

void block_packer_free(struct block_packer *p)
{
    buffer_free(&p->packed);
    compressor_free(p->compressor);
}

int block_packer_try(struct block_packer *p, nacre_slice block, size_t head, size_t *size)
{
    size_t limit = block.size - block.size / 8, packed = 0;
    *size = 0;
    if (!p->compressor || block.size > CODEC_RAW_MAX || limit <= head)
        return NACRE_OK;
    if (p->skip) {
        p->skip--;
        return NACRE_OK;
    }
    buffer_clear(&p->packed);
    int status = buffer_reserve(&p->packed, head + compressor_bound(p->compressor, block.size - head));
    if (status == NACRE_OK)
        status = compressor_run(p->compressor, (const uint8_t *)block.data + head, block.size - head,
                                p->packed.data + head, limit - head, &packed);
    if (status != NACRE_OK)
        return status;
    if (packed) {
        p->misses = 0;
        *size = head + packed;
    } else if (++p->misses >= MISSES) {
        p->skip = PAUSE;
    }
    return NACRE_OK;
}
