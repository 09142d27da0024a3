/* Sets of keys (see key_set.h). Invariant: slots are filled in the order of the items, also after the table grew, so that taking out the newest item
   leaves the table as it was before that came. */
#include "store/key_set.h"
#include "base/memory.h"
#include "base/status.h"

#define FEW 12u /* items that need no table */

static size_t first_slot(const struct key_set *set, uint64_t hash)
{
    return (size_t)hash & (set->slot_count - 1);
}

static bool is_key(const struct key_item *item, const void *bytes, uint64_t hash, const nacre_collection *collection,
                   nacre_slice key)
{
    return item->hash == hash && item->collection == collection && slice_equal(key_item_key(item, bytes), key);
}

struct key_item *key_set_find(const struct key_set *set, const void *bytes, uint64_t hash,
                              const nacre_collection *collection, nacre_slice key)
{
    if (!set->slots) {
        for (size_t i = 0; i < set->count; i++) {
            if (is_key(&set->items[i], bytes, hash, collection, key)) {
                return &set->items[i];
            }
        }
        return NULL;
    }
    for (size_t slot = first_slot(set, hash); set->slots[slot]; slot = (slot + 1) & (set->slot_count - 1)) {
        struct key_item *item = &set->items[set->slots[slot] - 1];
        if (is_key(item, bytes, hash, collection, key)) {
            return item;
        }
    }
    return NULL;
}

const struct key_item *key_set_find_hash(const struct key_set *set, uint64_t hash)
{
    if (!set->slots) {
        for (size_t i = 0; i < set->count; i++) {
            if (set->items[i].hash == hash) {
                return &set->items[i];
            }
        }
        return NULL;
    }
    for (size_t slot = first_slot(set, hash); set->slots[slot]; slot = (slot + 1) & (set->slot_count - 1)) {
        if (set->items[set->slots[slot] - 1].hash == hash) {
            return &set->items[set->slots[slot] - 1];
        }
    }
    return NULL;
}

static void fill_slot(struct key_set *set, size_t number)
{
    size_t slot = first_slot(set, set->items[number].hash);
    while (set->slots[slot]) {
        slot = (slot + 1) & (set->slot_count - 1);
    }
    set->slots[slot] = (uint32_t)number + 1;
}

static int grow_table(struct key_set *set)
{
    size_t slot_count = set->slots ? 2 * set->slot_count : 64;
    uint32_t *slots = memory_zalloc(slot_count * sizeof *slots);
    if (!slots) {
        return NACRE_NO_MEMORY;
    }
    memory_free(set->slots);
    set->slots = slots;
    set->slot_count = slot_count;
    for (size_t i = 0; i < set->count; i++) {
        fill_slot(set, i);
    }
    return NACRE_OK;
}

int key_set_reserve(struct key_set *set)
{
    if (set->count + 1 >= KEY_SET_MOST) {
        return fail(NACRE_LIMIT, "a transaction has at most %u keys", KEY_SET_MOST);
    }
    if (set->count == set->capacity) {
        size_t capacity = set->capacity ? 2 * set->capacity : FEW;
        struct key_item *items = memory_realloc(set->items, capacity * sizeof *items);
        if (!items) {
            return NACRE_NO_MEMORY;
        }
        set->items = items;
        set->capacity = capacity;
    }
    bool full = set->slots ? 2 * (set->count + 1) > set->slot_count : set->count + 1 > FEW;
    return full ? grow_table(set) : NACRE_OK;
}

void key_set_add(struct key_set *set, const struct key_item *item)
{
    set->items[set->count++] = *item;
    if (set->slots) {
        fill_slot(set, set->count - 1);
    }
}

void key_set_remove_last(struct key_set *set)
{
    if (set->slots) {
        size_t slot = first_slot(set, set->items[set->count - 1].hash);
        while (set->slots[slot] != set->count) {
            slot = (slot + 1) & (set->slot_count - 1);
        }
        set->slots[slot] = 0;
    }
    set->count--;
}

void key_set_clear(struct key_set *set)
{
    set->count = 0;
    memory_free(set->slots);
    set->slots = NULL;
    set->slot_count = 0;
}

void key_set_free(struct key_set *set)
{
    key_set_clear(set);
    memory_free(set->items);
    *set = (struct key_set){ 0 };
}
