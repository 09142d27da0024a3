/* Distinct keys of collections, in the order they came: what a transaction read, or wrote. The keys' bytes lie in a buffer of the caller's,
   at offsets, as it may move. Up to a few keys are compared one by one; beyond that there is a table (open addressing, at most half full).
   The newest key can be taken out again, as often as one likes.
   One thread at a time. */
#ifndef NACRE_STORE_KEY_SET_H
#define NACRE_STORE_KEY_SET_H
#include "base/slice.h"
#include <stdbool.h>

struct key_item {
    uint64_t hash; /* change_hash */
    nacre_collection *collection;
    size_t at;       /* where the key's bytes begin */
    uint32_t size;   /* of the key */
    uint32_t newest; /* the owner's own */
};
struct key_set {
    struct key_item *items;
    size_t count, capacity;
    uint32_t *slots; /* item + 1, or 0; NULL while there are few */
    size_t slot_count;
};
#define KEY_SET_MOST UINT32_MAX /* keys, less one */

/* The item, or NULL. `bytes`: where offsets count from. */
struct key_item *key_set_find(const struct key_set *, const void *bytes, uint64_t hash,
                              const nacre_collection *collection, nacre_slice key);
/* An item with this hash, or NULL. */
const struct key_item *key_set_find_hash(const struct key_set *, uint64_t hash);
/* Makes room for one more: key_set_add after it does not fail. NACRE_NO_MEMORY, NACRE_LIMIT. */
int key_set_reserve(struct key_set *);
/* Adds an item that is not in it; its number is what `count` was. */
void key_set_add(struct key_set *, const struct key_item *);
void key_set_remove_last(struct key_set *);
void key_set_clear(struct key_set *); /* keeps the memory */
void key_set_free(struct key_set *);
static inline nacre_slice key_item_key(const struct key_item *item, const void *bytes)
{
    return (nacre_slice){ (const uint8_t *)bytes + item->at, item->size };
}
#endif
