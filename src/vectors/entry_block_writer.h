/* Gathers entries and makes one block of them after another, with their values (entry_block.h). */
#ifndef NACRE_VECTORS_ENTRY_BLOCK_WRITER_H
#define NACRE_VECTORS_ENTRY_BLOCK_WRITER_H
#include "segment/block_packer.h"
#include "vectors/entry_block.h"

struct pending_entry {
    uint64_t sequence, expiry_ms;
    uint32_t value_end;
    uint16_t common, end;
};

struct entry_block_writer {
    uint64_t base_sequence;
    uint32_t count, puts, pointers, firsts, first_row; /* first_row: of the open block */
    struct pending_entry pending[ENTRY_BLOCK_ENTRIES];
    struct buffer stream, values;
    struct buffer block; /* what close makes */
    struct block_packer packer;
};

int entry_block_writer_init(struct entry_block_writer *, enum compression);
void entry_block_writer_free(struct entry_block_writer *);
/* True when an entry whose key has so many bytes behind what it shares with the one before, and so many of value, should begin a new block. */
static inline bool entry_block_writer_is_full(const struct entry_block_writer *w, size_t rest, size_t value)
{
    return w->count == ENTRY_BLOCK_ENTRIES ||
           (w->count > 0 && (w->stream.size + rest > ENTRY_BLOCK_STREAM_TARGET ||
                             (value && w->values.size > 8 && w->values.size + value > ENTRY_BLOCK_VALUES_TARGET)));
}
/* `common` does not count for the first entry of a block. */
int entry_block_writer_add(struct entry_block_writer *, const struct entry *, size_t common, bool newest);
/* The block and its values, which will lie at these places of their areas; readable until the next close. *values is empty when there are none. */
int entry_block_writer_close(struct entry_block_writer *, uint64_t segment_id, uint64_t offset, uint64_t values_offset,
                             bool goes_on, nacre_slice *block, nacre_slice *values);
#endif
