/* Gathers ascending keys and makes one block of them after another (key_block.h). */
#ifndef NACRE_STRINGS_KEY_BLOCK_WRITER_H
#define NACRE_STRINGS_KEY_BLOCK_WRITER_H
#include "strings/key_block.h"

struct key_block_writer {
    uint32_t count;
    uint32_t common[KEY_BLOCK_KEYS], rests[KEY_BLOCK_KEYS]; /* bytes in common with the key before; bytes behind them */
    size_t shared;                                          /* bytes that all keys so far begin with */
    struct buffer stream; /* the first key as a whole, then what lies behind `common` */
    struct buffer block;  /* what close makes */
    struct key_block_walk walk;
};

/* True when a key of `size` bytes, `common` of which it shares with the key before, should begin a new block. */
static inline bool key_block_writer_is_full(const struct key_block_writer *w, size_t common, size_t size)
{
    size_t shared = common < w->shared ? common : w->shared;
    return w->count == KEY_BLOCK_KEYS ||
           (w->count > 0 && w->stream.size - shared + (size - common) > KEY_BLOCK_STREAM_TARGET);
}
/* `common` does not count for the first key of a block. */
int key_block_writer_add(struct key_block_writer *, nacre_slice key, size_t common);
/* The block of what was added, with a checksum for its place; *bytes is readable until the next close, KEY_BLOCK_SLACK bytes behind it too. Empties the
   writer. */
int key_block_writer_close(struct key_block_writer *, uint64_t segment_id, uint64_t offset, nacre_slice *bytes);
void key_block_writer_free(struct key_block_writer *);
#endif
