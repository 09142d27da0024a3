/* An ordered walk over a memtable, both ways, while puts go on (contract: base/cursor.h).

   The cursor keeps the nodes from the root down to its leaf, with the byte it took in each. Nodes on this path may be
   replaced under it; it does not notice and need not:
   1. Each node on the path was loaded at or after the last seek (or seek_before, first, last), from the root or from a
      node on the path.
   2. A key whose put had finished by then is reachable from the root at that time, so from each node on the path whose
      place begins it, at all later times (invariants 5 and 6 of memtable.c). So stepping through these nodes meets
      every such key: nothing that was there at the last seek is ever missed, above all nothing that a snapshot taken
      before may see.
   3. The children of a node are visited by the value of their byte, strictly rising or falling, never by their index. A
      slot's keys all begin with the node's place, its prefix and that byte, whatever child the slot holds at the time;
      so keys come in order, each once, also when children appear between two steps.
   4. What is put after the last seek may or may not be met. It is met whole: slots and chains are published by release
      stores.
   5. Versions of a leaf are found by sequence, from the chain as it is at that step; chains only grow.
   One thread at a time; no locks. */
#include "base/memory.h"
#include "memtable/table.h"

#define AT_TERMINAL   (-1)
#define FRAMES_INLINE 24u

struct frame {
    struct node *node;
    int byte; /* of the child the path goes on with; AT_TERMINAL */
};

struct memtable_cursor {
    struct cursor cursor;
    struct memtable *table;
    const struct leaf *leaf;
    const struct version *version;
    struct frame *frames;
    size_t depth, capacity; /* of frames */
    struct frame inline_frames[FRAMES_INLINE];
};

static struct memtable_cursor *self(struct cursor *cursor)
{
    return (struct memtable_cursor *)cursor;
}

static bool become_invalid(struct memtable_cursor *c, int status)
{
    c->cursor.valid = false;
    c->cursor.status = status;
    return false;
}

static void stand_on(struct memtable_cursor *c, const struct version *version)
{
    c->version = version;
    version_read(c->leaf, version, &c->cursor.entry);
    c->cursor.valid = true;
}

static bool grow_frames(struct memtable_cursor *c)
{
    size_t capacity = c->capacity * 2;
    bool is_inline = c->frames == c->inline_frames;
    struct frame *frames = memory_realloc(is_inline ? NULL : c->frames, capacity * sizeof *frames);
    if (!frames)
        return become_invalid(c, NACRE_NO_MEMORY);
    if (is_inline)
        memcpy(frames, c->inline_frames, sizeof c->inline_frames);
    c->frames = frames;
    c->capacity = capacity;
    return true;
}

static bool push(struct memtable_cursor *c, struct node *node, int byte)
{
    if (c->depth == c->capacity && !grow_frames(c))
        return false;
    c->frames[c->depth++] = (struct frame){ node, byte };
    return true;
}

/* Sets leaf to the first one below `child` and completes the path. False: no memory. Every node but the root has a leaf
   below. */
static bool descend_first(struct memtable_cursor *c, node_child child)
{
    while (!child_is_leaf(child)) {
        struct node *node = child_node(child);
        const struct leaf *terminal = node_terminal(node);
        if (!push(c, node, AT_TERMINAL))
            return false;
        node_prefetch_children(node);
        if (terminal) {
            c->leaf = terminal;
            return true;
        }
        child = node_next(node, 0, &c->frames[c->depth - 1].byte);
    }
    c->leaf = child_leaf(child);
    return true;
}

static bool descend_last(struct memtable_cursor *c, node_child child)
{
    while (!child_is_leaf(child)) {
        struct node *node = child_node(child);
        if (!push(c, node, AT_TERMINAL))
            return false;
        node_prefetch_children(node);
        child = node_prev(node, 255, &c->frames[c->depth - 1].byte);
        if (!child) {
            c->leaf = node_terminal(node);
            return true;
        }
    }
    c->leaf = child_leaf(child);
    return true;
}

/* From the path as it stands to the next leaf after it. False: none, or no memory (status). */
static bool advance(struct memtable_cursor *c)
{
    while (c->depth > 0) {
        struct frame *top = &c->frames[c->depth - 1];
        node_child child = node_next(top->node, top->byte + 1, &top->byte);
        if (child) {
            if (!child_is_leaf(child))
                node_look_ahead(top->node, top->byte);
            return descend_first(c, child);
        }
        c->depth--;
    }
    return become_invalid(c, NACRE_OK);
}

static bool retreat(struct memtable_cursor *c)
{
    for (; c->depth > 0; c->depth--) {
        struct frame *top = &c->frames[c->depth - 1];
        if (top->byte == AT_TERMINAL)
            continue;
        node_child child = node_prev(top->node, top->byte - 1, &top->byte);
        if (child)
            return descend_last(c, child);
        top->byte = AT_TERMINAL;
        c->leaf = node_terminal(top->node);
        if (c->leaf)
            return true;
    }
    return become_invalid(c, NACRE_OK);
}

static void start(struct memtable_cursor *c)
{
    c->depth = 0;
    c->cursor.status = NACRE_OK;
    c->cursor.valid = false;
}

/* Walks down along `key` as far as the tree goes with it. Leaves the path so that all leaves before its end are before
   the key, and gives what is to be done next. */
enum landing { LANDED_ON_LEAF, BEFORE_SUBTREE, AFTER_SUBTREE, AFTER_PATH, FAILED };

/* LANDED_ON_LEAF: c->leaf hangs at the end of the path and may be before, at or after the key. BEFORE_SUBTREE,
   AFTER_SUBTREE: the key lies before or after all of *child, which hangs at the end of the path. AFTER_PATH: after the
   terminal and all children up to the byte at the end of the path, before the next ones. */
static enum landing walk_along(struct memtable_cursor *c, nacre_slice key, node_child *child)
{
    const uint8_t *bytes = key.data;
    size_t depth = 0;
    *child = node_as_child(&c->table->root.head);
    for (;;) {
        struct node *node = child_node(*child);
        int order = node_compare_key(node, key, depth);
        if (order != 0)
            return order < 0 ? BEFORE_SUBTREE : AFTER_SUBTREE;
        depth += node->prefix_size;
        if (!push(c, node, bytes[depth]))
            return FAILED;
        const node_slot *slot = node_find(node, bytes[depth]);
        *child = slot ? atomic_load_explicit(slot, memory_order_acquire) : 0;
        if (!*child)
            return AFTER_PATH;
        if (child_is_leaf(*child)) {
            c->leaf = child_leaf(*child);
            return LANDED_ON_LEAF;
        }
        depth++;
    }
}

static void cursor_go_first(struct cursor *cursor)
{
    struct memtable_cursor *c = self(cursor);
    start(c);
    struct node *root = &c->table->root.head;
    push(c, root, AT_TERMINAL); /* fits: the first frames are inline */
    c->leaf = node_terminal(root);
    if (c->leaf || advance(c))
        stand_on(c, leaf_newest(c->leaf));
}

static void cursor_go_last(struct cursor *cursor)
{
    struct memtable_cursor *c = self(cursor);
    start(c);
    push(c, &c->table->root.head, 256);
    if (retreat(c))
        stand_on(c, leaf_version_above(c->leaf, 0));
}

static void cursor_go_seek(struct cursor *cursor, nacre_slice key)
{
    struct memtable_cursor *c = self(cursor);
    node_child child;
    start(c);
    bool found = false;
    switch (walk_along(c, key, &child)) {
    case LANDED_ON_LEAF:
        found = slice_compare(leaf_key(c->leaf), key) >= 0 || advance(c);
        break;
    case BEFORE_SUBTREE:
        if (child_node(child) == &c->table->root.head) {
            cursor_go_first(cursor); /* the empty key: also when the root has nothing below */
            return;
        }
        found = descend_first(c, child);
        break;
    case AFTER_SUBTREE:
    case AFTER_PATH:
        found = advance(c);
        break;
    case FAILED:
        break;
    }
    if (found)
        stand_on(c, leaf_newest(c->leaf));
}

static void cursor_go_seek_before(struct cursor *cursor, nacre_slice key)
{
    struct memtable_cursor *c = self(cursor);
    node_child child;
    start(c);
    bool found = false;
    switch (walk_along(c, key, &child)) {
    case LANDED_ON_LEAF:
        found = slice_compare(leaf_key(c->leaf), key) < 0 || retreat(c);
        break;
    case AFTER_SUBTREE:
        found = descend_last(c, child);
        break;
    case BEFORE_SUBTREE:
    case AFTER_PATH:
        found = retreat(c);
        break;
    case FAILED:
        break;
    }
    if (found)
        stand_on(c, leaf_version_above(c->leaf, 0));
}

static void cursor_go_next(struct cursor *cursor)
{
    struct memtable_cursor *c = self(cursor);
    const struct version *older = version_next(c->version);
    if (older)
        stand_on(c, older);
    else if (advance(c))
        stand_on(c, leaf_newest(c->leaf));
}

static void cursor_go_prev(struct cursor *cursor)
{
    struct memtable_cursor *c = self(cursor);
    const struct version *newer = leaf_version_above(c->leaf, c->version->sequence);
    if (newer)
        stand_on(c, newer);
    else if (retreat(c))
        stand_on(c, leaf_version_above(c->leaf, 0));
}

static void cursor_go_away(struct cursor *cursor)
{
    struct memtable_cursor *c = self(cursor);
    if (c->frames != c->inline_frames)
        memory_free(c->frames);
    memory_free(c);
}

int memtable_cursor_create(struct memtable *table, struct cursor **created)
{
    static const struct cursor_ops ops = { cursor_go_first, cursor_go_last, cursor_go_seek, cursor_go_seek_before,
                                           cursor_go_next,  cursor_go_prev, cursor_go_away };
    struct memtable_cursor *c = memory_zalloc(sizeof *c);
    if (!c)
        return NACRE_NO_MEMORY;
    c->cursor.ops = &ops;
    c->table = table;
    c->frames = c->inline_frames;
    c->capacity = FRAMES_INLINE;
    *created = &c->cursor;
    return NACRE_OK;
}
