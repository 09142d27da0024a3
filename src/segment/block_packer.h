/* Compressing the blocks of one file as they come: what does not shrink by an eighth stays as it is, and where blocks do not shrink, few are tried. One
   thread at a time. */
#ifndef NACRE_SEGMENT_BLOCK_PACKER_H
#define NACRE_SEGMENT_BLOCK_PACKER_H
#include "base/buffer.h"
#include "segment/codec.h"

struct block_packer {
    enum compression codec;
    struct compressor *compressor; /* NULL = none */
    struct buffer packed;
    uint32_t misses, skip; /* tries in a row that did not shrink a block; blocks to let pass untried */
};

int block_packer_init(struct block_packer *, enum compression);
void block_packer_free(struct block_packer *);
/* Packs what follows the first `head` bytes of a block. *size: of the packed block in packed.data, until the next try, where the first `head` bytes are
   the caller's to fill; 0 where it does not pay. */
int block_packer_try(struct block_packer *, nacre_slice block, size_t head, size_t *size);
#endif
