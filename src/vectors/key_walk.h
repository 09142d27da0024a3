/* A walk forward over the keys of a segment, which goes to a key in steps while that is near, else by the fence. Two of them leapfrog over the keys that two segments
   have in common. One thread at a time. */
#ifndef NACRE_VECTORS_KEY_WALK_H
#define NACRE_VECTORS_KEY_WALK_H
#include "vectors/keys.h"

struct key_walk {
    struct vector_keys *keys;
    struct entry_block entries;
    bool viewed, valid; /* valid: `key` is that of entry `index` of block `block` */
    uint32_t block, index;
    struct buffer key;
    int status;
};
void key_walk_begin(struct key_walk *, struct vector_keys *); /* on the first entry */
void key_walk_end(struct key_walk *);
void key_walk_next(struct key_walk *); /* only when valid */
/* To the first entry at or behind this one whose key is not less; only when valid. `key` is not that of this walk. */
void key_walk_to(struct key_walk *, nacre_slice key);
/* True when the walk, which has just been moved by one entry, is still on the key it was on. */
static inline bool key_walk_goes_on(const struct key_walk *w)
{
    return w->valid && !entry_is_newest(&w->entries, w->index);
}
static inline uint64_t key_walk_sequence(const struct key_walk *w)
{
    return entry_sequence(&w->entries, w->keys->base_sequence, w->index);
}
static inline bool key_walk_is_put(const struct key_walk *w)
{
    return entry_is_put(&w->entries, w->index);
}
static inline uint32_t key_walk_row(const struct key_walk *w)
{
    return entry_row(&w->entries, w->index);
}
#endif
