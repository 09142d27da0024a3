/* Invariants:
   1. A node's fields but its links never change once it is linked; level 0 holds all nodes in internal order.
   2. A node is linked from level 0 upwards by compare-and-swap (release), links are followed with acquire.
   3. Nothing is freed before the list. */
#include "skiplist.h"
#include "base/memory.h"
#include <sched.h>

#define HEIGHT_MAX 12

struct skiplist_node {
    uint64_t head; /* of the key: most comparisons end here */
    uint64_t sequence;
    uint32_t value_size;
    uint16_t key_size;
    uint8_t height, type;
    struct skiplist_node *_Atomic next[]; /* then the key, then the value */
};

struct lane_line {
    _Alignas(64) arena_lane lane;
    uint64_t unused;
};

struct skiplist {
    struct lane_line lanes[ARENA_SLOTS];
    struct arena arena;
    _Atomic int height;
    struct skiplist_node *first;
};

static const uint8_t *node_key(const struct skiplist_node *node)
{
    return (const uint8_t *)&node->next[node->height];
}

static arena_lane *own_lane(struct skiplist *list)
{
    int processor = sched_getcpu();
    return &list->lanes[(unsigned)(processor < 0 ? 0 : processor) % ARENA_SLOTS].lane;
}

static struct skiplist_node *node_create(struct skiplist *list, int height, const struct entry *entry)
{
    size_t links = (size_t)height * sizeof(struct skiplist_node *);
    size_t bytes = sizeof(struct skiplist_node) + links + entry->key.size + entry->value.size;
    struct skiplist_node *node = arena_alloc(&list->arena, own_lane(list), bytes, 8);
    if (!node)
        return NULL;
    *node = (struct skiplist_node){ slice_head(entry->key),    entry->sequence, (uint32_t)entry->value.size,
                                    (uint16_t)entry->key.size, (uint8_t)height, entry->type };
    uint8_t *key = (uint8_t *)&node->next[height];
    for (int level = 0; level < height; level++)
        atomic_init(&node->next[level], NULL);
    if (entry->key.size)
        memcpy(key, entry->key.data, entry->key.size);
    if (entry->value.size)
        memcpy(key + entry->key.size, entry->value.data, entry->value.size);
    return node;
}

struct skiplist *skiplist_create(struct chunk_pool *pool)
{
    struct skiplist *list = memory_alloc_aligned(_Alignof(struct skiplist), sizeof *list);
    if (!list)
        return NULL;
    memset(list, 0, sizeof *list);
    atomic_init(&list->height, 1);
    if (arena_init(&list->arena, pool) != NACRE_OK) {
        memory_free(list);
        return NULL;
    }
    struct entry nothing = { { "", 0 }, { "", 0 }, SEQUENCE_MAX, 0, ENTRY_PUT, NULL };
    list->first = node_create(list, HEIGHT_MAX, &nothing);
    if (list->first)
        return list;
    skiplist_free(list);
    return NULL;
}

void skiplist_free(struct skiplist *list)
{
    if (!list)
        return;
    arena_destroy(&list->arena);
    memory_free(list);
}

static struct skiplist_node *load_next(const struct skiplist_node *node, int level)
{
    return atomic_load_explicit(&node->next[level], memory_order_acquire);
}

/* Is the node before (key, sequence)? */
static bool is_before(const struct skiplist_node *node, uint64_t head, nacre_slice key, uint64_t sequence)
{
    if (node->head != head)
        return node->head < head;
    int order = slice_compare((nacre_slice){ node_key(node), node->key_size }, key);
    return order != 0 ? order < 0 : node->sequence > sequence;
}

static struct skiplist_node *advance_on_level(struct skiplist_node *node, int level, uint64_t head, nacre_slice key,
                                              uint64_t sequence, struct skiplist_node **after)
{
    struct skiplist_node *next = load_next(node, level);
    while (next) {
        struct skiplist_node *following = load_next(next, level);
        __builtin_prefetch(following);
        if (!is_before(next, head, key, sequence))
            break;
        node = next;
        next = following;
    }
    *after = next;
    return node;
}

static int random_height(void)
{
    static _Thread_local uint64_t state;
    if (state == 0)
        state = (uint64_t)(uintptr_t)&state | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    int height = 1;
    for (uint64_t bits = state; height < HEIGHT_MAX && (bits & 3) == 0; bits >>= 2)
        height++;
    return height;
}

int skiplist_put(struct skiplist *list, const struct entry *entry)
{
    struct skiplist_node *before[HEIGHT_MAX], *after[HEIGHT_MAX], *node = list->first;
    uint64_t head = slice_head(entry->key);
    int height = random_height(), top = atomic_load_explicit(&list->height, memory_order_relaxed);
    while (height > top && !atomic_compare_exchange_weak_explicit(&list->height, &top, height, memory_order_relaxed,
                                                                  memory_order_relaxed)) {}
    if (height > top)
        top = height;
    for (int level = top - 1; level >= 0; level--) {
        node = advance_on_level(node, level, head, entry->key, entry->sequence, &after[level]);
        before[level] = node;
    }
    struct skiplist_node *fresh = node_create(list, height, entry);
    if (!fresh)
        return NACRE_NO_MEMORY;
    for (int level = 0; level < height; level++) {
        for (;;) {
            atomic_store_explicit(&fresh->next[level], after[level], memory_order_relaxed);
            if (atomic_compare_exchange_strong_explicit(&before[level]->next[level], &after[level], fresh,
                                                        memory_order_release, memory_order_relaxed)) {
                break;
            }
            before[level] = advance_on_level(before[level], level, head, entry->key, entry->sequence, &after[level]);
        }
    }
    return NACRE_OK;
}

static void node_read(const struct skiplist_node *node, struct entry *entry)
{
    const uint8_t *key = node_key(node);
    *entry = (struct entry){
        { key, node->key_size }, { key + node->key_size, node->value_size }, node->sequence, 0, node->type, NULL
    };
}

bool skiplist_get(const struct skiplist *list, nacre_slice key, uint64_t snapshot, struct entry *found)
{
    struct skiplist_node *node = list->first, *after = NULL;
    uint64_t head = slice_head(key);
    for (int level = atomic_load_explicit(&list->height, memory_order_relaxed) - 1; level >= 0; level--) {
        node = advance_on_level(node, level, head, key, snapshot, &after);
    }
    if (!after || !slice_equal((nacre_slice){ node_key(after), after->key_size }, key))
        return false;
    node_read(after, found);
    return true;
}

const struct skiplist_node *skiplist_first(const struct skiplist *list)
{
    return load_next(list->first, 0);
}

const struct skiplist_node *skiplist_next(const struct skiplist_node *node, struct entry *entry)
{
    const struct skiplist_node *next = load_next(node, 0);
    __builtin_prefetch(next);
    node_read(node, entry);
    return next;
}

uint64_t skiplist_bytes(const struct skiplist *list)
{
    return arena_bytes(&list->arena);
}
