/* The inner nodes of the adaptive radix tree, and the leaves.

   A node's place in the tree stands for the bytes on the path to it; all keys below begin with them, then with the
   node's prefix. The key that ends right there hangs at `terminal`, the others under the next byte. Prefix and kind
   never change: a node that needs another prefix or more room is replaced by a copy and is then obsolete.

   Writers change a node under its lock, in steps that a reader can meet half done; readers take no lock (invariants:
   memtable.c). */
#ifndef NACRE_MEMTABLE_NODE_H
#define NACRE_MEMTABLE_NODE_H
#include "memtable/arena.h"
#include "memtable/leaf.h"

enum node_kind { NODE_4, NODE_16, NODE_48, NODE_256 };
enum node_lock { NODE_FREE, NODE_LOCKED, NODE_OBSOLETE }; /* obsolete is for ever */

#define PREFIX_NEAR 8u

struct node {
    _Atomic uint8_t lock;
    uint8_t kind;
    _Atomic uint8_t count; /* children of a node4, node16 or node48; published by it in the first two */
    uint32_t prefix_size;
    union {
        uint8_t near[PREFIX_NEAR]; /* prefixes up to PREFIX_NEAR bytes */
        const uint8_t *far;        /* longer ones: bytes of some leaf's key */
    } prefix;
    struct leaf *_Atomic terminal;
};

/* A child: a node's address, or a leaf's with bit 0 set; 0 is none. */
typedef uintptr_t node_child;
typedef _Atomic node_child node_slot;

/* Children in the order they came; `keys` holds their bytes in the same order. One cache line. */
struct node4 {
    struct node head;
    _Atomic uint64_t keys;
    node_slot children[4];
};
struct node16 {
    struct node head;
    _Atomic uint64_t keys[2];
    node_slot children[16];
};
/* `present` has a bit per byte that has a child, set last; it serves the ordered walks. */
struct node48 {
    struct node head;
    _Atomic uint64_t present[4];
    _Atomic uint8_t place[256]; /* 1 + index into children; 0 = none */
    node_slot children[48];
};
struct node256 {
    struct node head;
    _Atomic uint64_t present[4];
    node_slot children[256];
};

/* The most that one put takes for nodes: a node256 copied for a new prefix, and the node4 above it, both aligned. */
#define NODE_BYTES_MAX (sizeof(struct node256) + sizeof(struct node4) + 2 * (64 - 8))

static inline bool child_is_leaf(node_child child)
{
    return child & 1;
}
static inline struct leaf *child_leaf(node_child child)
{
    return (struct leaf *)(child - 1);
}
static inline struct node *child_node(node_child child)
{
    return (struct node *)child;
}
static inline node_child leaf_child(struct leaf *leaf)
{
    return (node_child)leaf + 1;
}
static inline node_child node_as_child(struct node *node)
{
    return (node_child)node;
}

static inline const uint8_t *node_prefix(const struct node *node)
{
    return node->prefix_size <= PREFIX_NEAR ? node->prefix.near : node->prefix.far;
}

static inline struct leaf *node_terminal(struct node *node)
{
    return atomic_load_explicit(&node->terminal, memory_order_acquire);
}

/* How a key, whose bytes before `depth` are the node's place, lies to the keys below: < 0 before all of them, or the terminal's
   own; > 0 behind all of them; 0 when it goes on behind the prefix. */
static inline int node_compare_key(const struct node *node, nacre_slice key, size_t depth)
{
    size_t left = key.size - depth, shared = node->prefix_size < left ? node->prefix_size : left;
    int order = shared ? memcmp((const uint8_t *)key.data + depth, node_prefix(node), shared) : 0;
    return order ? order : left <= node->prefix_size ? -1 : 0;
}

/* The slot of the child under `byte`; NULL, or a slot that holds 0, when there is none. */
node_slot *node_find(struct node *, uint8_t byte);
/* The child under the least byte >= from (0..256), or the greatest <= from (-1..255); 0 when none. */
node_child node_next(struct node *, int from, int *byte);
node_child node_prev(struct node *, int from, int *byte);
/* Brings the first lines of the child, or of all children of a small node, into the cache. */
static inline void child_prefetch(node_child child)
{
    const node_child memory = child & ~(node_child)1; /* a number: a missing child is no pointer to count from */
    __builtin_prefetch((const void *)memory);
    __builtin_prefetch((const void *)(memory + 64));
    __builtin_prefetch((const void *)(memory + 128));
}
void node_prefetch_children(struct node *);
/* Fetches what an ascending walk will need when it is through with the child under `byte`: the leaves below the next child, whose
   own lines were fetched one child earlier, and the lines of the one after. */
void node_look_ahead(struct node *, int byte);

void node_root_init(struct node256 *root);
/* An empty node4. `prefix` must live as long as the arena when longer than PREFIX_NEAR. NULL + detail. */
struct node4 *node4_create(struct arena *, arena_lane *, const uint8_t *prefix, size_t prefix_size);
/* For a locked node: a copy without the first `cut` bytes of the prefix, or one with room for more children. NULL +
   detail. */
struct node *node_copy_cut(struct arena *, arena_lane *, struct node *, size_t cut);
struct node *node_copy_grown(struct arena *, arena_lane *, struct node *);
bool node_is_full(struct node *);
/* The node is locked or not published yet, not full, and has no child under `byte`. */
void node_add(struct node *, uint8_t byte, node_child);

/* Waits for the lock. False when the node is obsolete: start again from the root. */
bool node_lock(struct node *);
static inline void node_unlock(struct node *node)
{
    /* release: pairs with the acquire in node_lock. */
    atomic_store_explicit(&node->lock, NODE_FREE, memory_order_release);
}
static inline void node_unlock_obsolete(struct node *node)
{
    atomic_store_explicit(&node->lock, NODE_OBSOLETE, memory_order_release);
}
#endif
