/* Gathers the versions of the keys of a block and makes one version block of them after another (version_block.h). */
#ifndef NACRE_STRINGS_VERSION_BLOCK_WRITER_H
#define NACRE_STRINGS_VERSION_BLOCK_WRITER_H
#include "segment/block_packer.h"
#include "strings/key_block.h"
#include "strings/version_block.h"

/* With so many bytes of values a key begins a new block, so that one value is not paid for by taking many apart. */
#define VERSION_BLOCK_VALUES_TARGET (32u << 10)

struct pending_version {
    uint64_t sequence, expiry_ms;
    uint32_t value_end;
    uint8_t type;
};

struct version_block_writer {
    uint64_t base_sequence;
    struct pending_version *pending;
    size_t count, capacity;
    uint32_t keys, afters[KEY_BLOCK_KEYS];
    bool plain;        /* nothing so far that cannot be made up */
    bool newest_plain; /* no key's newest version is a delete, or has an expiry */
    struct buffer values;
    struct buffer block; /* what close makes */
    struct block_packer packer;
};

int version_block_writer_init(struct version_block_writer *, enum compression);
void version_block_writer_free(struct version_block_writer *);
static inline bool version_block_writer_is_full(const struct version_block_writer *w)
{
    return w->values.size >= VERSION_BLOCK_VALUES_TARGET;
}
int version_block_writer_add(struct version_block_writer *, const struct entry *, bool new_key);
/* Empties the writer; *bytes is empty when no block is needed, else readable until the next close. */
int version_block_writer_close(struct version_block_writer *, uint64_t segment_id, uint64_t offset, nacre_slice *bytes);
#endif
