/* Samples of a memtable's keys: the tree is opened level by level until there are enough subtrees side by side, and the first keys of some
   of them are taken. Subtrees count as equal, so that no more of the table is read than that.
   Any thread; no locks (invariants: memtable.c). */
#include "base/memory.h"
#include "memtable/table.h"

#define SUBTREES_PER_SAMPLE 64u

struct row { /* subtrees and leaves, ascending */
    node_child *items;
    size_t count, capacity;
};

static int row_add(struct row *row, node_child item)
{
    if (row->count == row->capacity) {
        size_t capacity = row->capacity ? 2 * row->capacity : 256;
        node_child *items = memory_realloc(row->items, capacity * sizeof *items);
        if (!items)
            return NACRE_NO_MEMORY;
        row->items = items;
        row->capacity = capacity;
    }
    row->items[row->count++] = item;
    return NACRE_OK;
}

static int open_node(struct row *row, struct node *node)
{
    struct leaf *terminal = node_terminal(node);
    int byte = 0, status = terminal ? row_add(row, leaf_child(terminal)) : NACRE_OK;
    for (node_child child = node_next(node, 0, &byte); child && status == NACRE_OK;
         child = node_next(node, byte + 1, &byte)) {
        status = row_add(row, child);
    }
    return status;
}

/* Fills `row` with at least `wanted` parts, or with all leaves. */
static int open_tree(struct memtable *table, size_t wanted, struct row *row)
{
    bool opened = true;
    int status = row_add(row, node_as_child(&table->root.head));
    while (status == NACRE_OK && opened && row->count < wanted) {
        struct row below = { 0 };
        opened = false;
        for (size_t i = 0; i < row->count && status == NACRE_OK; i++) {
            bool is_leaf = child_is_leaf(row->items[i]);
            opened |= !is_leaf;
            status = is_leaf ? row_add(&below, row->items[i]) : open_node(&below, child_node(row->items[i]));
        }
        memory_free(row->items);
        *row = below;
    }
    return status;
}

static const struct leaf *first_leaf(node_child child)
{
    while (!child_is_leaf(child)) {
        struct node *node = child_node(child);
        const struct leaf *terminal = node_terminal(node);
        int byte;
        if (terminal)
            return terminal;
        child = node_next(node, 0, &byte); /* every node but the root has a leaf below */
    }
    return child_leaf(child);
}

int memtable_sample_keys(struct memtable *table, size_t count, struct buffer *keys, size_t *made)
{
    struct row row = { 0 };
    int status = open_tree(table, count * SUBTREES_PER_SAMPLE, &row);
    *made = 0;
    for (size_t i = 1; i <= count && row.count > count && status == NACRE_OK; i++) {
        status = buffer_append_slice(keys, leaf_key(first_leaf(row.items[i * row.count / (count + 1)])));
        *made += status == NACRE_OK;
    }
    memory_free(row.items);
    return status;
}
