/* Building the trie over the separators of blocks; block_trie_format.h has the bytes.
   A node stands for a range of separators that begin with the same bytes, its path: as many as the first and the last of them have in common. Nodes are made
   in the order of their numbers; those whose children are still to be made are the rest of the list. One thread at a time. */
#include "base/endian.h"
#include "base/memory.h"
#include "base/status.h"
#include "strings/block_trie.h"
#include "strings/block_trie_format.h"

struct node {
    uint32_t first, after; /* its separators */
    uint32_t depth;        /* bytes of its path */
};

struct making {
    const struct block_trie_builder *builder;
    struct node *nodes;
    uint32_t count; /* nodes there are */
    uint8_t *louds, *terminal, *places, *labels;
    uint64_t bit;
};

int block_trie_builder_add(struct block_trie_builder *b, size_t common, nacre_slice first)
{
    int status = buffer_reserve(&b->separators, 1);
    if (status == NACRE_OK &&
        b->blocks > 0) /* as short as can be: up to the first byte in which it differs from the last key before it */
        status = buffer_append(&b->separators, first.data, common + 1);
    if (status == NACRE_OK && b->separators.size > UINT32_MAX)
        return fail(NACRE_LIMIT, "separators of more than 4 GiB");
    if (status == NACRE_OK)
        status = buffer_append_u32(&b->ends, (uint32_t)b->separators.size);
    if (status == NACRE_OK)
        b->blocks++;
    return status;
}

void block_trie_builder_free(struct block_trie_builder *b)
{
    buffer_free(&b->separators);
    buffer_free(&b->ends);
    *b = (struct block_trie_builder){ 0 };
}

static nacre_slice separator(const struct block_trie_builder *b, uint32_t i)
{
    uint32_t begin = i ? load_u32(b->ends.data + 4 * (size_t)(i - 1)) : 0;
    return slice_of(b->separators.data + begin, load_u32(b->ends.data + 4 * (size_t)i) - begin);
}

static void set_bit(uint8_t *bits, uint64_t i)
{
    bits[i / 8] = (uint8_t)(bits[i / 8] | 1 << (i % 8));
}

/* The end of the separators from `first` on that have the same byte at `depth`, by steps that grow and then shrink. */
static uint32_t end_of_group(const struct block_trie_builder *b, uint32_t first, uint32_t after, uint32_t depth)
{
    uint8_t byte = ((const uint8_t *)separator(b, first).data)[depth];
    uint32_t low = first, step = 1;
    while (step < after - low && ((const uint8_t *)separator(b, low + step).data)[depth] == byte) {
        low += step;
        step *= 2;
    }
    uint32_t high = step < after - low ? low + step : after;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (((const uint8_t *)separator(b, middle).data)[depth] == byte)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static void add_children(struct making *m, uint32_t index)
{
    const struct block_trie_builder *b = m->builder;
    struct node node = m->nodes[index];
    uint32_t first = node.first;
    if (separator(b, first).size == node.depth) {
        set_bit(m->terminal, index);
        first++;
    }
    while (first < node.after) {
        uint32_t end = end_of_group(b, first, node.after, node.depth);
        size_t depth = slice_shared_prefix(separator(b, first), separator(b, end - 1));
        m->nodes[m->count] = (struct node){ first, end, (uint32_t)depth };
        m->labels[m->count++] = ((const uint8_t *)separator(b, first).data)[node.depth];
        set_bit(m->louds, m->bit++);
        first = end;
    }
    m->bit++;
}

/* Nodes and their bits. There are less than twice as many nodes as separators. */
static void make_nodes(struct making *m)
{
    m->nodes[0] = (struct node){ 0, m->builder->blocks, 0 };
    m->labels[0] = 0;
    m->count = 1;
    for (uint32_t i = 0; i < m->count; i++) {
        store_u32(m->places + TRIE_PLACE * (size_t)i, m->nodes[i].first);
        store_u32(m->places + TRIE_PLACE * (size_t)i + 4, (uint32_t)m->bit);
        add_children(m, i);
    }
}

/* In the place, or in the edges and its place says where. */
static int put_edge(uint8_t *place, nacre_slice edge, struct buffer *edges)
{
    memset(place + 8, 0, 8);
    if (edge.size <= TRIE_EDGE_INSIDE) {
        place[8] = (uint8_t)edge.size;
        if (edge.size)
            memcpy(place + 9, edge.data, edge.size);
        return NACRE_OK;
    }
    if (edge.size > NACRE_STRING_KEY_MAX || edges->size > UINT32_MAX - edge.size)
        return fail(NACRE_LIMIT, "an edge of %zu bytes behind %zu others", edge.size, edges->size);
    store_u32(place + 8, TRIE_EDGE_FAR | (uint32_t)edge.size << 8);
    store_u32(place + 12, (uint32_t)edges->size);
    return buffer_append(edges, edge.data, edge.size);
}

/* Parents come before their children, so the depth of the parent is known from the walk over the bits. */
static int put_edges(const struct making *m, struct buffer *edges)
{
    uint64_t bit = 0;
    uint32_t child = 1;
    int status = put_edge(m->places, (nacre_slice){ NULL, 0 }, edges);
    for (uint32_t i = 0; i < m->count; i++, bit++) {
        for (; m->louds[bit / 8] >> (bit % 8) & 1; bit++, child++) {
            const struct node *n = &m->nodes[child];
            uint32_t begin = m->nodes[i].depth;
            nacre_slice edge =
                slice_of((const uint8_t *)separator(m->builder, n->first).data + begin, n->depth - begin);
            status = put_edge(m->places + TRIE_PLACE * (size_t)child, edge, edges);
            if (status != NACRE_OK)
                return status;
        }
    }
    uint8_t *behind = m->places + TRIE_PLACE * (size_t)m->count;
    store_u32(behind, m->builder->blocks);
    store_u32(behind + 4, (uint32_t)m->bit);
    memset(behind + 8, 0, 8);
    return status;
}

static int append_section(const struct making *m, const struct buffer *edges, struct buffer *out)
{
    static const uint8_t zeros[TRIE_PLACE];
    size_t louds = 8 * trie_louds_words(m->count), terminal = 8 * trie_terminal_words(m->count);
    const struct {
        const void *data;
        size_t size;
    } parts[] = {
        { m->louds, louds },
        { m->terminal, terminal },
        { zeros, trie_front_bytes(m->count) - TRIE_HEADER - louds - terminal },
        { m->places, TRIE_PLACE * ((size_t)m->count + 1) },
        { m->labels, m->count },
        { edges->data, edges->size },
    };
    uint8_t header[TRIE_HEADER] = { 0 };
    store_u32(header, m->count);
    store_u32(header + 4, m->builder->blocks);
    store_u32(header + 8, (uint32_t)edges->size);
    int status = buffer_append(out, header, sizeof header);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == NACRE_OK; i++)
        status = buffer_append(out, parts[i].data, parts[i].size);
    return status;
}

int block_trie_builder_make(const struct block_trie_builder *b, struct buffer *section)
{
    if (b->blocks == 0 || b->blocks > UINT32_MAX / 4)
        return fail(NACRE_LIMIT, "a trie over %u blocks", b->blocks);
    uint32_t most = 2 * b->blocks;
    struct buffer edges = { 0 };
    struct making m = {
        .builder = b,
        .nodes = memory_alloc((size_t)most * sizeof *m.nodes),
        .louds = memory_zalloc(8 * trie_louds_words(most)),
        .terminal = memory_zalloc(8 * trie_terminal_words(most)),
        .places = memory_alloc(TRIE_PLACE * ((size_t)most + 1)),
        .labels = memory_alloc(most),
    };
    int status = m.nodes && m.louds && m.terminal && m.places && m.labels ? NACRE_OK : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        make_nodes(&m);
        status = put_edges(&m, &edges);
    }
    if (status == NACRE_OK)
        status = append_section(&m, &edges, section);
    buffer_free(&edges);
    memory_free(m.nodes);
    memory_free(m.louds);
    memory_free(m.terminal);
    memory_free(m.places);
    memory_free(m.labels);
    return status;
}
