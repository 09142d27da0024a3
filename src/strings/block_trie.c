/* Opening, searching and walking the trie over the separators of blocks; block_trie_format.h has the bytes.

   The children of a node follow in number those of all nodes before it. So the first child of node v, whose bits begin at b, is the number of ones before b, plus
   one for the root: b - v + 1, as there are v zeros before b. A directory says where the bits of each node begin, so that a step downwards waits for two
   loads only: the labels of the children, and the place of one of them.

   Invariants of an open trie:
   1. louds has a zero per node and a one per node but the root; a child's number is greater than its parent's.
   2. Every edge but the root's has at least one byte; the labels of a node's children ascend.
   3. The blocks [first, after) of a node are that of its own separator, if it is terminal, and then those of its children in order, without
      gaps. The root is terminal and has all blocks.
   Immutable; any thread; no locks. */
#include "strings/block_trie.h"
#include "base/endian.h"
#include "base/memory.h"
#include "base/status.h"
#include "strings/block_trie_format.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static inline bool bit_at(const uint8_t *bits, uint64_t i)
{
    return bits[i / 8] >> (i % 8) & 1;
}
static inline uint32_t first_of(const struct block_trie *t, uint32_t node)
{
    return load_u32(t->places + TRIE_PLACE * (size_t)node);
}
static inline uint32_t bits_of(const struct block_trie *t, uint32_t node)
{
    return load_u32(t->places + TRIE_PLACE * (size_t)node + 4);
}
static inline nacre_slice edge_of(const struct block_trie *t, uint32_t node)
{
    const uint8_t *place = t->places + TRIE_PLACE * (size_t)node;
    if (place[8] != TRIE_EDGE_FAR)
        return slice_of(place + 9, place[8]);
    return slice_of(t->edges + load_u32(place + 12), load_u32(place + 8) >> 8);
}

/* ---- opening ---- */

static int misfit(const struct container *c, const char *what, uint64_t which, uint64_t found)
{
    return fail(NACRE_CORRUPT, "%s: block trie: %s %llu: %llu does not fit", c->path, what, (unsigned long long)which,
                (unsigned long long)found);
}

/* Invariant 2, but for the order of labels. */
static int check_edges(const struct container *c, const struct block_trie *t, uint32_t edges)
{
    uint64_t far = 0;
    for (uint32_t node = 0; node < t->nodes; node++) {
        const uint8_t *place = t->places + TRIE_PLACE * (size_t)node;
        uint32_t size = place[8];
        if (size == TRIE_EDGE_FAR) {
            size = load_u32(place + 8) >> 8;
            if (load_u32(place + 12) != far || size <= TRIE_EDGE_INSIDE || size > edges - far)
                return misfit(c, "edge of node", node, size);
            far += size;
        }
        if ((node == 0) != (size == 0) || (place[8] != TRIE_EDGE_FAR && size > TRIE_EDGE_INSIDE))
            return misfit(c, "edge of node", node, size);
        if (t->labels[node] != (node ? *(const uint8_t *)edge_of(t, node).data : 0))
            return misfit(c, "label of node", node, t->labels[node]);
    }
    return far == edges ? NACRE_OK : misfit(c, "end of the edges", edges, far);
}

static int lay_out(const struct container *c, nacre_slice section, uint32_t blocks, struct block_trie *t)
{
    struct reader in = reader_of(section);
    uint64_t nodes = reader_u32(&in);
    uint32_t found = reader_u32(&in), edges = reader_u32(&in), zero = reader_u32(&in);
    if (!in.ok || found != blocks || blocks == 0 || zero != 0)
        return misfit(c, "number of blocks, expected", blocks, found);
    /* Every node ends a separator, or has two children: there are less than twice as many nodes as separators. */
    if (nodes == 0 || nodes >= 2 * (uint64_t)blocks || nodes > UINT32_MAX / 2)
        return misfit(c, "number of nodes, at most twice", blocks, nodes);
    t->bytes = section.data;
    t->blocks = blocks;
    t->nodes = (uint32_t)nodes;
    size_t louds = 8 * trie_louds_words(t->nodes), terminal = 8 * trie_terminal_words(t->nodes);
    t->louds = reader_bytes(&in, louds).data;
    t->terminal = reader_bytes(&in, terminal).data;
    reader_bytes(&in, trie_front_bytes(t->nodes) - TRIE_HEADER - louds - terminal);
    t->places = reader_bytes(&in, TRIE_PLACE * ((size_t)nodes + 1)).data;
    t->labels = reader_bytes(&in, (size_t)nodes).data;
    t->edges = reader_bytes(&in, edges).data;
    if (!in.ok || in.at != in.end)
        return misfit(c, "size of the section", section.size, edges);
    if (first_of(t, t->nodes) != blocks || bits_of(t, t->nodes) != 2 * nodes - 1)
        return misfit(c, "place behind node", nodes - 1, bits_of(t, t->nodes));
    return check_edges(c, t, edges);
}

/* The children [child, child + count) of a node; makes their ends known. */
static int check_children(const struct container *c, const struct block_trie *t, uint32_t node, uint32_t child,
                          uint32_t count, uint32_t *afters)
{
    uint32_t first = first_of(t, node) + bit_at(t->terminal, node);
    if (count == 0)
        return bit_at(t->terminal, node) && first == afters[node] ? NACRE_OK : misfit(c, "leaf", node, first);
    for (uint32_t i = 0; i < count; i++, child++) {
        uint32_t begin = first_of(t, child);
        if (i == 0 ? begin != first : begin <= first || t->labels[child] <= t->labels[child - 1])
            return misfit(c, "first block of node", child, begin);
        if (i > 0)
            afters[child - 1] = begin;
        first = begin;
    }
    afters[child - 1] = afters[node];
    return first < afters[node] ? NACRE_OK : misfit(c, "first block of node", child - 1, first);
}

/* Invariants 1 and 3, node by node: its end was set when it was its parent's turn. */
static int check_nodes(const struct container *c, const struct block_trie *t, uint32_t *afters)
{
    uint64_t bit = 0, bits = 2 * (uint64_t)t->nodes - 1;
    uint32_t next = 1;
    afters[0] = t->blocks;
    if (first_of(t, 0) != 0 || !bit_at(t->terminal, 0))
        return misfit(c, "root", 0, first_of(t, 0));
    for (uint32_t node = 0; node < t->nodes; node++) {
        if (bits_of(t, node) != bit)
            return misfit(c, "place of the bits of node", node, bit);
        uint32_t count = 0;
        for (; bit < bits && bit_at(t->louds, bit); bit++)
            count++;
        if (bit++ == bits || next <= node || count > t->nodes - next)
            return misfit(c, "children of node", node, count);
        int status = check_children(c, t, node, next, count, afters);
        if (status != NACRE_OK)
            return status;
        next += count;
    }
    return bit == bits && next == t->nodes ? NACRE_OK : misfit(c, "number of nodes", t->nodes, next);
}

int block_trie_open(const struct container *c, nacre_slice section, uint32_t blocks, struct block_trie *t)
{
    *t = (struct block_trie){ 0 };
    int status = lay_out(c, section, blocks, t);
    if (status != NACRE_OK)
        return status;
    uint32_t *afters = memory_alloc((size_t)t->nodes * sizeof *afters);
    if (!afters)
        return NACRE_NO_MEMORY;
    status = check_nodes(c, t, afters);
    memory_free(afters);
    return status;
}

/* ---- searching ---- */

/* The first of the ascending labels that is >= `byte`. */
static inline uint32_t label_at_least(const uint8_t *labels, uint32_t count, uint8_t byte)
{
    uint32_t i = 0;
#if defined(__SSE2__)
    /* Over the end: there are edges, other sections and the footer behind them. */
    const __m128i wanted = _mm_set1_epi8((char)byte);
    for (; i < count; i += 16) {
        __m128i some = _mm_loadu_si128((const __m128i *)(const void *)(labels + i));
        uint32_t not_less = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(some, wanted), some));
        if (not_less) {
            i += (uint32_t)__builtin_ctz(not_less);
            return i < count ? i : count;
        }
    }
    return count;
#else
    while (i < count && labels[i] < byte)
        i++;
    return i;
#endif
}

/* How many bytes of the edge the key goes along with. */
static inline size_t along_edge(const struct block_trie *t, uint32_t node, const uint8_t *key, size_t left,
                                size_t *size)
{
    const uint8_t *place = t->places + TRIE_PLACE * (size_t)node;
    if (place[8] != TRIE_EDGE_FAR && left >= 8) {
        uint64_t differ = (load_u64(place + 8) >> 8) ^ load_u64(key);
        size_t same = (size_t)__builtin_ctzll(differ | UINT64_C(1) << 56) / 8;
        *size = place[8];
        return same < *size ? same : *size;
    }
    nacre_slice edge = edge_of(t, node);
    *size = edge.size;
    return slice_shared_prefix(edge, slice_of(key, left));
}

uint32_t block_trie_find(const struct block_trie *t, nacre_slice key)
{
    const uint8_t *at = key.data, *end = key.size ? at + key.size : at;
    uint32_t node = 0, after = t->nodes; /* `after`: the node that begins where the blocks of this one end */
    for (;;) {
        if (at == end) /* the path is the key: all below it is greater */
            return first_of(t, node) - !bit_at(t->terminal, node);
        uint32_t bits = bits_of(t, node), count = bits_of(t, node + 1) - bits - 1, child = bits - node + 1;
        /* Children lie together: with few of them, what is read next is here. */
        __builtin_prefetch(t->places + TRIE_PLACE * (size_t)child);
        uint32_t i = label_at_least(t->labels + child, count, *at);
        if (i == count)
            return first_of(t, after) - 1;
        child += i;
        if (t->labels[child] != *at)
            return first_of(t, child) - 1;
        after = i + 1 < count ? child + 1 : after;
        size_t size, left = (size_t)(end - at), same = along_edge(t, child, at, left, &size);
        if (same < size) {
            bool below = same < left && ((const uint8_t *)edge_of(t, child).data)[same] < at[same];
            return first_of(t, below ? after : child) - 1;
        }
        at += same;
        node = child;
    }
}

/* ---- walking ---- */

void block_trie_root(const struct block_trie *t, struct trie_place *place)
{
    *place = (struct trie_place){ .after = t->blocks, .ends_separator = true, .edge = slice_of(t->edges, 0) };
}

/* `bit` is that of the node among its siblings. */
static void make_place(const struct block_trie *t, const struct trie_place *parent, uint32_t node, uint32_t bit,
                       struct trie_place *place)
{
    place->node = node;
    place->bit = bit;
    place->first = first_of(t, node);
    place->after = bit_at(t->louds, (uint64_t)bit + 1) ? first_of(t, node + 1) : parent->after;
    place->ends_separator = bit_at(t->terminal, node);
    place->edge = edge_of(t, node);
}

bool block_trie_child_first(const struct block_trie *t, const struct trie_place *parent, struct trie_place *child)
{
    uint32_t bit = bits_of(t, parent->node);
    if (!bit_at(t->louds, bit))
        return false;
    make_place(t, parent, bit - parent->node + 1, bit, child);
    return true;
}

bool block_trie_child_next(const struct block_trie *t, const struct trie_place *parent, struct trie_place *child)
{
    if (!bit_at(t->louds, (uint64_t)child->bit + 1))
        return false;
    make_place(t, parent, child->node + 1, child->bit + 1, child);
    return true;
}
