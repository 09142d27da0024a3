/* Nodes of the radix tree: finding, walking, adding, copying, locking.
   Invariants (those of the whole tree are in memtable.c):
   1. A node4's or node16's first `count` bytes and children are whole: they are written before `count` (release), read
      after it (acquire). Later they change only in that a slot gets another child.
   2. A node48's child is written before its `place`, and that before its bit in `present`; a node256's child before its
      bit.
   3. A copy is made under the lock of the original, which no one changes any more. */
#include "memtable/node.h"
#include <sched.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SPINS_BEFORE_YIELD 100
#define NODE_ALIGNMENT     64u

static const size_t node_bytes[] = { sizeof(struct node4), sizeof(struct node16), sizeof(struct node48),
                                     sizeof(struct node256) };
_Static_assert(sizeof(struct node4) == 64, "a node4 is one cache line");

struct small_keys {
    uint64_t low, high;
    unsigned count;
};

static inline unsigned node_count(const struct node *node)
{
    return atomic_load_explicit(&node->count, memory_order_acquire);
}

static inline struct small_keys small_keys(const struct node *node)
{
    struct small_keys keys = { .count = node_count(node) };
    if (node->kind == NODE_4) {
        keys.low = atomic_load_explicit(&((const struct node4 *)node)->keys, memory_order_relaxed);
    } else {
        keys.low = atomic_load_explicit(&((const struct node16 *)node)->keys[0], memory_order_relaxed);
        keys.high = atomic_load_explicit(&((const struct node16 *)node)->keys[1], memory_order_relaxed);
    }
    return keys;
}

static inline node_slot *small_children(struct node *node)
{
    return node->kind == NODE_4 ? ((struct node4 *)node)->children : ((struct node16 *)node)->children;
}

/* small_find: the index of `byte`. small_next, small_prev: the index of the least byte >= from, the greatest <= from.
   -1: none. */
#ifdef __SSE2__
static inline __m128i keys_vector(struct small_keys keys)
{
    return _mm_set_epi64x((long long)keys.high, (long long)keys.low);
}

static inline int small_find(struct small_keys keys, uint8_t byte)
{
    __m128i equal = _mm_cmpeq_epi8(keys_vector(keys), _mm_set1_epi8((char)byte));
    unsigned mask = (unsigned)_mm_movemask_epi8(equal) & ((1u << keys.count) - 1);
    return mask ? __builtin_ctz(mask) : -1;
}

static inline uint8_t least_byte(__m128i v)
{
    v = _mm_min_epu8(v, _mm_srli_si128(v, 8));
    v = _mm_min_epu8(v, _mm_srli_si128(v, 4));
    v = _mm_min_epu8(v, _mm_srli_si128(v, 2));
    v = _mm_min_epu8(v, _mm_srli_si128(v, 1));
    return (uint8_t)_mm_cvtsi128_si32(v);
}

/* 0xFF in the bytes that hold a child. */
static inline __m128i keys_used(struct small_keys keys)
{
    __m128i index = _mm_set_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm_cmplt_epi8(index, _mm_set1_epi8((char)keys.count));
}

static inline int small_next(struct small_keys keys, int from)
{
    if (from > 255)
        return -1;
    __m128i vector = keys_vector(keys);
    __m128i fit =
        _mm_and_si128(_mm_cmpeq_epi8(_mm_max_epu8(vector, _mm_set1_epi8((char)from)), vector), keys_used(keys));
    if (_mm_movemask_epi8(fit) == 0)
        return -1;
    __m128i others_high = _mm_or_si128(vector, _mm_xor_si128(fit, _mm_set1_epi8(-1)));
    return small_find(keys, least_byte(others_high));
}

static inline int small_prev(struct small_keys keys, int from)
{
    if (from < 0)
        return -1;
    __m128i vector = keys_vector(keys), ones = _mm_set1_epi8(-1);
    __m128i fit =
        _mm_and_si128(_mm_cmpeq_epi8(_mm_min_epu8(vector, _mm_set1_epi8((char)from)), vector), keys_used(keys));
    if (_mm_movemask_epi8(fit) == 0)
        return -1;
    /* The greatest byte is the complement of the least complement. */
    __m128i complement = _mm_or_si128(_mm_xor_si128(vector, ones), _mm_xor_si128(fit, ones));
    return small_find(keys, (uint8_t)~least_byte(complement));
}
#else
static inline int key_at(struct small_keys keys, unsigned index)
{
    return (uint8_t)((index < 8 ? keys.low : keys.high) >> (index % 8 * 8));
}

static inline int small_find(struct small_keys keys, uint8_t byte)
{
    for (unsigned i = 0; i < keys.count; i++) {
        if (key_at(keys, i) == byte)
            return (int)i;
    }
    return -1;
}

static inline int small_next(struct small_keys keys, int from)
{
    int best = -1;
    for (unsigned i = 0; i < keys.count; i++) {
        if (key_at(keys, i) >= from && (best < 0 || key_at(keys, i) < key_at(keys, (unsigned)best)))
            best = (int)i;
    }
    return best;
}

static inline int small_prev(struct small_keys keys, int from)
{
    int best = -1;
    for (unsigned i = 0; i < keys.count; i++) {
        if (key_at(keys, i) <= from && (best < 0 || key_at(keys, i) > key_at(keys, (unsigned)best)))
            best = (int)i;
    }
    return best;
}
#endif

static inline uint8_t small_key(struct small_keys keys, int index)
{
    return (uint8_t)((index < 8 ? keys.low : keys.high) >> (index % 8 * 8));
}

static inline node_child slot_load(const node_slot *slot)
{
    /* acquire: pairs with the release store that put the child there; what it points to is whole. */
    return atomic_load_explicit(slot, memory_order_acquire);
}

node_slot *node_find(struct node *node, uint8_t byte)
{
    if (node->kind <= NODE_16) {
        int index = small_find(small_keys(node), byte);
        return index < 0 ? NULL : &small_children(node)[index];
    }
    if (node->kind == NODE_48) {
        struct node48 *node48 = (struct node48 *)node;
        unsigned place = atomic_load_explicit(&node48->place[byte], memory_order_acquire);
        return place ? &node48->children[place - 1] : NULL;
    }
    return &((struct node256 *)node)->children[byte];
}

static inline _Atomic uint64_t *present_bits(struct node *node)
{
    return node->kind == NODE_48 ? ((struct node48 *)node)->present : ((struct node256 *)node)->present;
}

static int present_next(_Atomic uint64_t *present, int from)
{
    if (from > 255)
        return -1;
    uint64_t mask = UINT64_MAX << (from & 63);
    for (int word = from >> 6; word < 4; word++, mask = UINT64_MAX) {
        uint64_t bits = atomic_load_explicit(&present[word], memory_order_acquire) & mask;
        if (bits)
            return word * 64 + __builtin_ctzll(bits);
    }
    return -1;
}

static int present_prev(_Atomic uint64_t *present, int from)
{
    if (from < 0)
        return -1;
    uint64_t mask = UINT64_MAX >> (63 - (from & 63));
    for (int word = from >> 6; word >= 0; word--, mask = UINT64_MAX) {
        uint64_t bits = atomic_load_explicit(&present[word], memory_order_acquire) & mask;
        if (bits)
            return word * 64 + 63 - __builtin_clzll(bits);
    }
    return -1;
}

static node_child child_at(struct node *node, int byte)
{
    if (byte < 0)
        return 0;
    return slot_load(node_find(node, (uint8_t)byte));
}

node_child node_next(struct node *node, int from, int *byte)
{
    if (node->kind <= NODE_16) {
        struct small_keys keys = small_keys(node);
        int index = small_next(keys, from);
        if (index < 0)
            return 0;
        *byte = small_key(keys, index);
        return slot_load(&small_children(node)[index]);
    }
    *byte = present_next(present_bits(node), from);
    return child_at(node, *byte);
}

node_child node_prev(struct node *node, int from, int *byte)
{
    if (node->kind <= NODE_16) {
        struct small_keys keys = small_keys(node);
        int index = small_prev(keys, from);
        if (index < 0)
            return 0;
        *byte = small_key(keys, index);
        return slot_load(&small_children(node)[index]);
    }
    *byte = present_prev(present_bits(node), from);
    return child_at(node, *byte);
}

void node_prefetch_children(struct node *node)
{
    if (node->kind > NODE_16)
        return; /* too many: they come one by one */
    unsigned count = node_count(node);
    node_slot *children = small_children(node);
    for (unsigned i = 0; i < count; i++)
        child_prefetch(atomic_load_explicit(&children[i], memory_order_relaxed));
}

void node_look_ahead(struct node *node, int byte)
{
    node_child next = node_next(node, byte + 1, &byte);
    if (!next || child_is_leaf(next))
        return;
    node_prefetch_children(child_node(next));
    if (node->kind > NODE_16)
        child_prefetch(node_next(node, byte + 1, &byte));
}

static void node_init(struct node *node, enum node_kind kind, const uint8_t *prefix, size_t prefix_size)
{
    memset(node, 0, node_bytes[kind]);
    node->kind = (uint8_t)kind;
    node->prefix_size = (uint32_t)prefix_size;
    if (prefix_size > PREFIX_NEAR)
        node->prefix.far = prefix;
    else if (prefix_size)
        memcpy(node->prefix.near, prefix, prefix_size);
}

static struct node *node_create(struct arena *arena, arena_lane *lane, enum node_kind kind, const uint8_t *prefix,
                                size_t size)
{
    struct node *node = arena_alloc(arena, lane, node_bytes[kind], NODE_ALIGNMENT);
    if (node)
        node_init(node, kind, prefix, size);
    return node;
}

void node_root_init(struct node256 *root)
{
    node_init(&root->head, NODE_256, NULL, 0);
}

struct node4 *node4_create(struct arena *arena, arena_lane *lane, const uint8_t *prefix, size_t prefix_size)
{
    return (struct node4 *)node_create(arena, lane, NODE_4, prefix, prefix_size);
}

static void copy_children(struct node *to, struct node *from)
{
    atomic_store_explicit(&to->terminal, atomic_load_explicit(&from->terminal, memory_order_relaxed),
                          memory_order_relaxed);
    if (from->kind <= NODE_16) {
        struct small_keys keys = small_keys(from);
        for (unsigned i = 0; i < keys.count; i++)
            node_add(to, small_key(keys, (int)i), slot_load(&small_children(from)[i]));
        return;
    }
    int byte = 0;
    for (node_child child = node_next(from, 0, &byte); child; child = node_next(from, byte + 1, &byte)) {
        node_add(to, (uint8_t)byte, child);
    }
}

struct node *node_copy_cut(struct arena *arena, arena_lane *lane, struct node *node, size_t cut)
{
    struct node *copy = node_create(arena, lane, node->kind, node_prefix(node) + cut, node->prefix_size - cut);
    if (copy)
        copy_children(copy, node);
    return copy;
}

struct node *node_copy_grown(struct arena *arena, arena_lane *lane, struct node *node)
{
    struct node *copy =
        node_create(arena, lane, (enum node_kind)(node->kind + 1), node_prefix(node), node->prefix_size);
    if (copy)
        copy_children(copy, node);
    return copy;
}

bool node_is_full(struct node *node)
{
    static const unsigned capacity[] = { 4, 16, 48, UINT8_MAX + 1 };
    return node_count(node) == capacity[node->kind];
}

static void small_add(struct node *node, uint8_t byte, node_child child)
{
    unsigned count = atomic_load_explicit(&node->count, memory_order_relaxed);
    _Atomic uint64_t *word =
        node->kind == NODE_4 ? &((struct node4 *)node)->keys : &((struct node16 *)node)->keys[count / 8];
    uint64_t bytes = atomic_load_explicit(word, memory_order_relaxed);
    /* release: a reader that goes by an older count does not look here; one that goes by the new count has acquired it.
       The slot store is a release too, for readers of later values of the same slot. */
    atomic_store_explicit(word, bytes | (uint64_t)byte << (count % 8 * 8), memory_order_relaxed);
    atomic_store_explicit(&small_children(node)[count], child, memory_order_release);
    atomic_store_explicit(&node->count, (uint8_t)(count + 1), memory_order_release);
}

void node_add(struct node *node, uint8_t byte, node_child child)
{
    if (node->kind <= NODE_16) {
        small_add(node, byte, child);
        return;
    }
    if (node->kind == NODE_48) {
        struct node48 *node48 = (struct node48 *)node;
        unsigned count = atomic_load_explicit(&node->count, memory_order_relaxed);
        atomic_store_explicit(&node48->children[count], child, memory_order_release);
        atomic_store_explicit(&node48->place[byte], (uint8_t)(count + 1), memory_order_release);
        atomic_store_explicit(&node->count, (uint8_t)(count + 1), memory_order_relaxed);
    } else {
        atomic_store_explicit(&((struct node256 *)node)->children[byte], child, memory_order_release);
    }
    _Atomic uint64_t *word = &present_bits(node)[byte / 64];
    uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, bits | UINT64_C(1) << (byte % 64), memory_order_release);
}

static inline void pause_processor(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

bool node_lock(struct node *node)
{
    for (unsigned spins = 0;; spins++) {
        uint8_t state = atomic_load_explicit(&node->lock, memory_order_acquire);
        if (state == NODE_OBSOLETE)
            return false;
        /* acquire: pairs with the release in node_unlock. */
        if (state == NODE_FREE && atomic_compare_exchange_weak_explicit(&node->lock, &state, NODE_LOCKED,
                                                                        memory_order_acquire, memory_order_relaxed)) {
            return true;
        }
        /* The holder may have lost the processor that this thread is using up. */
        if (spins < SPINS_BEFORE_YIELD)
            pause_processor();
        else
            sched_yield();
    }
}
