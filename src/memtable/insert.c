/* Puts: the descent, and the five ways in which a new key changes the tree.

   The descent takes no locks. Where it ends, the node that must change is locked, and its parent before it when the
   node is to be replaced; then what the descent saw is checked again. When it no longer holds, the put starts again
   from the root.
   Threads: any. Locks: nodes, parent before child; then the arena's. list_lock or the rows' growing, then the
   arena's or the pool's. (Invariants: memtable.c.) */
#include "base/status.h"
#include "memtable/table.h"

enum outcome { PUT_DONE, PUT_DUPLICATE, PUT_RETRY, PUT_NO_MEMORY };

struct put {
    struct memtable *table;
    struct slot *slot;
    struct arena *arena;
    arena_lane *lane;
    const struct entry *entry;
    const uint8_t *key;
    size_t key_size;
    struct leaf *leaf;        /* made when first needed, kept over retries */
    struct version *version;  /* the entry's own, in `leaf` or to be added to another */
    struct leaf *owner;       /* where it went */
    struct leaf_place *place; /* for it in the list of leaves */
};

/* Where the descent ended: `node` begins at key byte `depth`, its prefix not counted, and hangs under `byte` of
   `parent`. */
struct place {
    struct node *parent, *node;
    size_t depth;
    uint8_t byte;
};

static bool put_has_leaf(struct put *put)
{
    if (put->leaf)
        return true;
    if (put->table->searched && !put->place) {
        put->place = leaf_list_take(&put->slot->leaves, put->arena, put->lane, &put->table->list_lock);
        if (!put->place)
            return false;
    }
    put->leaf = put->owner = leaf_create(put->arena, put->lane, put->entry);
    put->version = put->leaf ? (struct version *)leaf_newest(put->leaf) : NULL;
    return put->leaf != NULL;
}

/* Right before the leaf can be found in the tree, when nothing can keep it from that any more: so whoever adds a version to it adds to a
   leaf that is listed, and a leaf that lost a race is not. */
static inline void list_leaf(struct put *put)
{
    if (put->place)
        atomic_store_explicit(&put->place->leaf, put->leaf, memory_order_release); /* pairs with leaf_place_leaf */
}

static enum outcome add_version(struct put *put, struct leaf *leaf)
{
    /* Where there is a leaf with the version in it, the key came in by another thread meanwhile. */
    if (!put->leaf)
        put->version = version_create(put->arena, put->lane, put->entry);
    if (!put->version)
        return PUT_NO_MEMORY;
    put->owner = leaf;
    return leaf_add(leaf, put->version) ? PUT_DONE : PUT_DUPLICATE;
}

/* Hangs the leaf into a node that is locked or not yet published and has room; the key goes on at `depth`. */
static void hang_leaf(struct node *node, struct leaf *leaf, size_t depth)
{
    nacre_slice key = leaf_key(leaf);
    if (depth == key.size)
        atomic_store_explicit(&node->terminal, leaf, memory_order_release);
    else
        node_add(node, ((const uint8_t *)key.data)[depth], leaf_child(leaf));
}

static node_child load_child(struct node *node, uint8_t byte)
{
    const node_slot *slot = node_find(node, byte);
    return slot ? atomic_load_explicit(slot, memory_order_acquire) : 0;
}

/* The parent is locked and so is the node: puts `copy` in its place. */
static void replace_node(const struct place *place, struct node *replacement)
{
    /* release: pairs with readers' acquire loads of slots; the replacement is whole. */
    atomic_store_explicit(node_find(place->parent, place->byte), node_as_child(replacement), memory_order_release);
    node_unlock_obsolete(place->node);
    node_unlock(place->parent);
}

/* Locks the node and before it its parent. */
static bool lock_with_parent(const struct place *place)
{
    if (!node_lock(place->parent))
        return false;
    if (load_child(place->parent, place->byte) == node_as_child(place->node) && node_lock(place->node))
        return true;
    node_unlock(place->parent);
    return false;
}

static void unlock_with_parent(const struct place *place)
{
    node_unlock(place->node);
    node_unlock(place->parent);
}

/* The key ends where the node's prefix ends. */
static enum outcome add_terminal(struct put *put, struct node *node)
{
    if (!put_has_leaf(put))
        return PUT_NO_MEMORY;
    if (!node_lock(node))
        return PUT_RETRY;
    bool free = !atomic_load_explicit(&node->terminal, memory_order_relaxed);
    if (free) {
        list_leaf(put);
        atomic_store_explicit(&node->terminal, put->leaf, memory_order_release);
    }
    node_unlock(node);
    return free ? PUT_DONE : PUT_RETRY;
}

/* The node has no child under the key's byte at `at`, and no room. */
static enum outcome add_child_grown(struct put *put, const struct place *place, size_t at)
{
    if (!lock_with_parent(place))
        return PUT_RETRY;
    enum outcome outcome = PUT_RETRY;
    if (node_is_full(place->node) && !load_child(place->node, put->key[at])) {
        struct node *grown = node_copy_grown(put->arena, put->lane, place->node);
        if (grown) {
            list_leaf(put);
            node_add(grown, put->key[at], leaf_child(put->leaf));
            replace_node(place, grown);
            return PUT_DONE;
        }
        outcome = PUT_NO_MEMORY;
    }
    unlock_with_parent(place);
    return outcome;
}

static enum outcome add_child(struct put *put, const struct place *place, size_t at)
{
    if (!put_has_leaf(put))
        return PUT_NO_MEMORY;
    if (node_is_full(place->node))
        return add_child_grown(put, place, at);
    if (!node_lock(place->node))
        return PUT_RETRY;
    bool possible = !node_is_full(place->node) && !load_child(place->node, put->key[at]);
    if (possible) {
        list_leaf(put);
        node_add(place->node, put->key[at], leaf_child(put->leaf));
    }
    node_unlock(place->node);
    return possible ? PUT_DONE : PUT_RETRY;
}

/* Under the key's byte at `at` is the leaf of another key: a node4 takes its place, with what both keys share as its
   prefix. */
static enum outcome split_leaf(struct put *put, struct node *node, struct leaf *other, size_t at)
{
    if (!put_has_leaf(put))
        return PUT_NO_MEMORY;
    size_t begin = at + 1;
    nacre_slice key = leaf_key(other);
    nacre_slice mine = { put->key + begin, put->key_size - begin };
    nacre_slice theirs = { (const uint8_t *)key.data + begin, key.size - begin };
    size_t shared = slice_shared_prefix(mine, theirs);
    if (!node_lock(node))
        return PUT_RETRY;
    enum outcome outcome = PUT_RETRY;
    node_slot *slot = node_find(node, put->key[at]);
    if (atomic_load_explicit(slot, memory_order_relaxed) == leaf_child(other)) {
        struct node4 *above = node4_create(put->arena, put->lane, theirs.data, shared);
        outcome = above ? PUT_DONE : PUT_NO_MEMORY;
        if (above) {
            hang_leaf(&above->head, other, begin + shared);
            hang_leaf(&above->head, put->leaf, begin + shared);
            list_leaf(put);
            /* release: as in replace_node. */
            atomic_store_explicit(slot, node_as_child(&above->head), memory_order_release);
        }
    }
    node_unlock(node);
    return outcome;
}

/* The key shares only the first `shared` bytes of the node's prefix: a node4 with those takes its place, above the leaf
   and a copy of the node with the rest. */
static enum outcome split_prefix(struct put *put, const struct place *place, size_t shared)
{
    if (!put_has_leaf(put))
        return PUT_NO_MEMORY;
    if (!lock_with_parent(place))
        return PUT_RETRY;
    const uint8_t *prefix = node_prefix(place->node);
    struct node4 *above = node4_create(put->arena, put->lane, prefix, shared);
    struct node *copy = above ? node_copy_cut(put->arena, put->lane, place->node, shared + 1) : NULL;
    if (!copy) {
        unlock_with_parent(place);
        return PUT_NO_MEMORY;
    }
    node_add(&above->head, prefix[shared], node_as_child(copy));
    hang_leaf(&above->head, put->leaf, place->depth + shared);
    list_leaf(put);
    replace_node(place, &above->head);
    return PUT_DONE;
}

/* How many bytes of the node's prefix the rest of the key begins with. */
static size_t matching_prefix(const struct node *node, const uint8_t *rest, size_t rest_size)
{
    size_t size = node->prefix_size;
    if (size <= PREFIX_NEAR && rest_size >= PREFIX_NEAR) {
        uint64_t difference = load_u64(node->prefix.near) ^ load_u64(rest);
        size_t same = difference ? (size_t)__builtin_ctzll(difference) / 8 : PREFIX_NEAR;
        return same < size ? same : size;
    }
    return slice_shared_prefix((nacre_slice){ node_prefix(node), size }, (nacre_slice){ rest, rest_size });
}

static enum outcome put_once(struct put *put, struct node *root)
{
    struct place place = { .node = root };
    for (;;) {
        struct node *node = place.node;
        if (node->prefix_size) {
            size_t shared = matching_prefix(node, put->key + place.depth, put->key_size - place.depth);
            if (shared < node->prefix_size)
                return split_prefix(put, &place, shared);
        }
        size_t at = place.depth + node->prefix_size;
        if (at == put->key_size) {
            struct leaf *leaf = atomic_load_explicit(&node->terminal, memory_order_acquire);
            return leaf ? add_version(put, leaf) : add_terminal(put, node);
        }
        node_child child = load_child(node, put->key[at]);
        if (!child)
            return add_child(put, &place, at);
        if (child_is_leaf(child)) {
            struct leaf *leaf = child_leaf(child);
            bool same = slice_equal(leaf_key(leaf), put->entry->key);
            return same ? add_version(put, leaf) : split_leaf(put, node, leaf, at);
        }
        place = (struct place){ node, child_node(child), at + 1, put->key[at] };
    }
}

int memtable_put(struct memtable *table, const struct entry *entry)
{
    if (entry->key.size > ENTRY_KEY_MAX) {
        return fail(NACRE_LIMIT, "a key of %zu bytes: at most %u are allowed", entry->key.size, ENTRY_KEY_MAX);
    }
    if (entry->value.size > NACRE_VALUE_MAX) {
        return fail(NACRE_LIMIT, "a value of %zu bytes: at most %u are allowed", entry->value.size, NACRE_VALUE_MAX);
    }
    struct slot *slot = memtable_slot(table);
    struct put put = { .table = table, .slot = slot, .arena = &table->arena, .lane = &slot->lane, .entry = entry };
    struct entry with_row;
    struct row_mark *mark = NULL;
    if (table->rows.vector_bytes && entry_sets(entry)) {
        with_row = *entry;
        put.entry = &with_row;
        if (!rows_add(&table->rows, entry->vector, &mark, &with_row.vector))
            return NACRE_NO_MEMORY;
    }
    if (entry->type == ENTRY_MERGE)
        memtable_note_operand(table, entry->value);
    put.key = entry->key.size ? entry->key.data : &(const uint8_t){ 0 };
    put.key_size = entry->key.size;
    enum outcome outcome;
    do
        outcome = put_once(&put, &table->root.head);
    while (outcome == PUT_RETRY);
    if (outcome == PUT_NO_MEMORY)
        return NACRE_NO_MEMORY;
    if (mark && outcome == PUT_DONE)
        row_mark_set(mark, put.owner, put.version);
    memtable_count(slot, entry, outcome == PUT_DONE);
    return NACRE_OK;
}
