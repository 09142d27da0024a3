/* Walks over keys; see key_walk.h. */
#include "vectors/key_walk.h"

static void stand(struct key_walk *w, uint32_t index, int status)
{
    w->index = index;
    w->status = status;
    w->valid = status == NACRE_OK;
}

static void enter(struct key_walk *w, uint32_t block)
{
    if (w->viewed)
        keys_release(&w->entries);
    w->viewed = w->valid = false;
    w->block = block;
    if (block >= w->keys->blocks)
        return;
    w->status = keys_view(w->keys, block, &w->entries);
    w->viewed = w->status == NACRE_OK;
    if (w->viewed)
        stand(w, 0, entry_block_key(&w->entries, 0, &w->key));
}

void key_walk_begin(struct key_walk *w, struct vector_keys *keys)
{
    *w = (struct key_walk){ .keys = keys };
    w->status = keys_need(keys);
    if (w->status == NACRE_OK)
        enter(w, 0);
}

void key_walk_end(struct key_walk *w)
{
    if (w->viewed)
        keys_release(&w->entries);
    buffer_free(&w->key);
}

void key_walk_next(struct key_walk *w)
{
    if (w->index + 1 == w->entries.count)
        enter(w, w->block + 1);
    else
        stand(w, w->index + 1, entry_block_step(&w->entries, w->index + 1, &w->key));
}

void key_walk_to(struct key_walk *w, nacre_slice key)
{
    struct entry_block b;
    uint32_t block, index;
    bool equal;
    for (uint32_t i = w->index + 1; i < w->entries.count; i++) { /* mostly it is near */
        stand(w, i, entry_block_step(&w->entries, i, &w->key));
        if (!w->valid || slice_compare(buffer_slice(&w->key), key) >= 0)
            return;
    }
    w->status = keys_find_from(w->keys, w->block, key, &block, &index, &equal, &b);
    keys_release(&w->entries);
    w->viewed = w->valid = false;
    if (w->status != NACRE_OK)
        return;
    w->block = block;
    w->entries = b;
    w->viewed = block < w->keys->blocks;
    if (w->viewed)
        stand(w, index, entry_block_key(&w->entries, index, &w->key));
}
