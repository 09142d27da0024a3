/* Gathers records and makes one block of them after another (block.h). */
#ifndef NACRE_ORDERED_BLOCK_WRITER_H
#define NACRE_ORDERED_BLOCK_WRITER_H
#include "base/buffer.h"
#include "ordered/block.h"
#include "segment/block_packer.h"

struct pending_record {
    uint32_t offset;
    uint16_t key_size;
    uint8_t head_size;
};

struct block_writer {
    uint32_t target_bytes;
    uint64_t base_sequence;
    struct buffer records; /* with whole keys */
    struct pending_record *pending;
    size_t count, pending_capacity;
    struct buffer block; /* what block_writer_close makes */
    struct block_packer packer;
};

struct closed_block {
    const uint8_t *bytes; /* until the next close */
    size_t size;
    uint32_t records_offset; /* of the first record in the raw block */
    uint32_t stripped;
    bool compressed;
};

int block_writer_init(struct block_writer *, uint32_t target_bytes, enum compression);
void block_writer_free(struct block_writer *);
/* True when `entry` should begin a new block: the present one is full, or the entry is so large that it gets its own. */
static inline bool block_writer_is_full(const struct block_writer *w, const struct entry *entry)
{
    if (w->count == 0)
        return false;
    size_t used = BLOCK_HEADER_BYTES + 4 * (w->count + 1) + w->records.size;
    return used >= w->target_bytes || entry->key.size + entry->value.size >= w->target_bytes;
}
int block_writer_add(struct block_writer *, const struct entry *);
/* The block of what was added; the checksum is made for its place. Empties the writer. */
int block_writer_close(struct block_writer *, uint64_t segment_id, uint64_t offset, struct closed_block *);
nacre_slice block_writer_key(const struct block_writer *,
                             size_t i); /* of a record that was added; until the next add */
/* Where record i will be, measured from the first one, once `stripped` bytes are gone from each. */
static inline uint32_t block_writer_offset(const struct block_writer *w, size_t i, uint32_t stripped)
{
    return w->pending[i].offset - (uint32_t)i * stripped;
}
#endif
