/* An ordered walk over those keys of a memtable that an automaton wants, both ways, while puts go on.

   The automaton runs along the tree: a node's place is walked once for all keys below, a place from which nothing can be wanted is
   left out with all that is below it, and where everything is wanted nothing below is walked. The walker goes ahead of the keys
   that are decided: each leaf it comes to is asked into the cache and waits in a queue for its turn.
   Invariants:
   1. path: as in memtable_cursor.c (1 to 5 there), so nothing that was in the table at the last seek is missed. `place` of a frame
      rises (going backward, falls) strictly: BEFORE_ALL, AT_TERMINAL, bytes 0 to 255, AFTER_ALL.
   2. frame.state is the automaton's after the node's place and prefix, `depth` bytes; it is not dead.
   3. the queue holds the leaves between the last one decided and the end of the path, in the direction of travel; a leaf's state is
      that after its first `depth` bytes, not dead.
   4. valid: `leaf` is wanted and inside the bounds. Each move begins inside of them, so only the far one is looked at.
   5. gathered: once is_gathered, it holds all wanted leaves that had been listed, in order, and path and queue are empty: the cursor goes over it
      instead. `at` lies between the leaf given last and the next one in the direction of travel. Keys put later are not met; what a reader
      can see had been put before it made its cursors (memtable.c, 7).
   Turning round begins anew from the leaf the cursor stands on.
   One thread at a time; no locks. */
#include "base/memory.h"
#include "memtable/table.h"

enum { BEFORE_ALL = -2, AT_TERMINAL = -1, AFTER_ALL = 256 };

#define FRAMES_FIRST 32u
#define QUEUE_LEAVES 16u /* a power of two: about what a fetch from memory takes, in keys */

struct frame {
    struct node *node;
    size_t depth;
    automaton_state state;
    int place;
};

struct candidate {
    const struct leaf *leaf;
    size_t depth;
    automaton_state state;
};

struct match_cursor {
    struct cursor cursor; /* first */
    struct memtable *table;
    struct memtable_search *search;
    struct automaton *automaton;
    const struct leaf *leaf;
    const struct version *version;
    bool backward;
    unsigned since_stop; /* keys and nodes since `stop` was asked */
    unsigned queue_first, queue_count;
    struct candidate queue[QUEUE_LEAVES];
    struct frame *frames;
    size_t depth, capacity; /* of frames */
    uint64_t met, wanted;   /* keys */
    uint64_t gather_at;     /* keys met when the list is thought of next */
    bool is_gathered;       /* else the tree is walked */
    const struct leaf **gathered;
    size_t gathered_count, at;
};

static struct match_cursor *self(struct cursor *cursor)
{
    return (struct match_cursor *)cursor;
}

static bool become_invalid(struct match_cursor *c, int status)
{
    c->cursor.valid = false;
    c->cursor.status = status;
    return false;
}

static void stand_on(struct match_cursor *c, const struct version *version)
{
    c->version = version;
    version_read(c->leaf, version, &c->cursor.entry);
    c->cursor.valid = true;
}

static bool push(struct match_cursor *c, struct node *node, size_t depth, automaton_state state, int place)
{
    if (c->depth == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : FRAMES_FIRST;
        struct frame *frames = memory_realloc(c->frames, capacity * sizeof *frames);
        if (!frames)
            return become_invalid(c, NACRE_NO_MEMORY);
        c->frames = frames;
        c->capacity = capacity;
    }
    c->frames[c->depth++] = (struct frame){ node, depth, state, place };
    return true;
}

static inline automaton_state run(struct automaton *a, automaton_state state, const uint8_t *bytes, size_t size)
{
    return state > a->unsure ? a->run(a, state, bytes, size) : state;
}

/* The state behind a child's byte and the prefix of the node it leads to. */
static automaton_state run_into(struct automaton *a, automaton_state state, uint8_t byte, const struct node *node)
{
    uint8_t edge[1 + PREFIX_NEAR] = { byte };
    if (node->prefix_size > PREFIX_NEAR)
        return run(a, run(a, state, edge, 1), node_prefix(node), node->prefix_size);
    memcpy(edge + 1, node->prefix.near, PREFIX_NEAR);
    return run(a, state, edge, 1 + node->prefix_size);
}

/* ---- the walker: leaves in the direction of travel, wanted or not known yet ---- */

static inline void give(struct candidate *found, const struct leaf *leaf, size_t depth, automaton_state state)
{
    *found = (struct candidate){ leaf, depth, state };
}

/* What hangs under `byte` at the end of the path: a leaf is given, a node becomes the end of the path. False: neither. */
static inline bool take_child(struct match_cursor *c, node_child child, int byte, struct candidate *found)
{
    struct automaton *a = c->automaton;
    const struct frame *top = &c->frames[c->depth - 1];
    if (child_is_leaf(child)) {
        uint8_t edge = (uint8_t)byte;
        automaton_state state = run(a, top->state, &edge, 1);
        if (state == AUTOMATON_DEAD)
            return false;
        child_prefetch(child);
        give(found, child_leaf(child), top->depth + 1, state);
        return true;
    }
    struct node *node = child_node(child);
    automaton_state state = run_into(a, top->state, (uint8_t)byte, node);
    c->since_stop++;
    if (state == AUTOMATON_DEAD)
        return false;
    node_prefetch_children(node);
    push(c, node, top->depth + 1 + node->prefix_size, state, c->backward ? AFTER_ALL : BEFORE_ALL);
    return false;
}

static inline bool take_terminal(struct frame *top, struct candidate *found)
{
    const struct leaf *terminal = node_terminal(top->node);
    top->place = AT_TERMINAL;
    if (terminal)
        give(found, terminal, top->depth, top->state);
    return terminal != NULL;
}

static bool walk_forward(struct match_cursor *c, struct candidate *found)
{
    while (c->depth > 0 && c->cursor.status == NACRE_OK) {
        struct frame *top = &c->frames[c->depth - 1];
        if (top->place == BEFORE_ALL && take_terminal(top, found))
            return true;
        node_child child = node_next(top->node, top->place + 1, &top->place);
        if (!child) {
            c->depth--;
            continue;
        }
        if (!child_is_leaf(child))
            node_look_ahead(top->node, top->place);
        if (take_child(c, child, top->place, found))
            return true;
    }
    return false;
}

static bool walk_backward(struct match_cursor *c, struct candidate *found)
{
    while (c->depth > 0 && c->cursor.status == NACRE_OK) {
        struct frame *top = &c->frames[c->depth - 1];
        if (top->place <= AT_TERMINAL) {
            c->depth--;
            continue;
        }
        node_child child = node_prev(top->node, top->place - 1, &top->place);
        if (!child) {
            if (take_terminal(top, found))
                return true;
        } else if (take_child(c, child, top->place, found)) {
            return true;
        }
    }
    return false;
}

/* ---- deciding ---- */

static void enqueue(struct match_cursor *c, const struct candidate *candidate)
{
    c->queue[(c->queue_first + c->queue_count++) % QUEUE_LEAVES] = *candidate;
}

static inline bool outside(const struct match_cursor *c, nacre_slice key)
{
    const struct memtable_search *search = c->search;
    return c->backward ? search->begin.size && slice_compare(key, search->begin) < 0
                       : search->end.size && slice_compare(key, search->end) >= 0;
}

static bool stopped(struct match_cursor *c)
{
    if (++c->since_stop < MEMTABLE_STOP_KEYS)
        return false;
    c->since_stop = 0;
    int status = c->search->stop ? c->search->stop(c->search->stop_context) : NACRE_OK;
    if (status != NACRE_OK)
        become_invalid(c, status);
    return status != NACRE_OK;
}

static bool find_gathered(struct match_cursor *c)
{
    if (c->backward ? c->at == 0 : c->at == c->gathered_count)
        return become_invalid(c, NACRE_OK);
    c->leaf = c->gathered[c->backward ? --c->at : c->at++];
    return true;
}

/* Leaves the tree for the list, if that is cheaper; `passed` is the key decided last, which is not wanted. */
static bool gather(struct match_cursor *c, nacre_slice passed)
{
    c->gather_at *= 2;
    if (!gathering_pays(c->table, c->met, c->wanted))
        return true;
    int status = leaves_gather(c->table, c->search, &c->gathered, &c->gathered_count);
    if (status != NACRE_OK)
        return become_invalid(c, status);
    c->is_gathered = true;
    c->depth = 0;
    c->queue_count = 0;
    c->at = leaves_lower(c->gathered, c->gathered_count, passed);
    return true;
}

/* Sets leaf to the next one that is wanted. False: none, or a status. */
static bool find(struct match_cursor *c)
{
    for (;;) {
        if (c->is_gathered)
            return find_gathered(c);
        struct candidate candidate;
        while (c->queue_count < QUEUE_LEAVES &&
               (c->backward ? walk_backward(c, &candidate) : walk_forward(c, &candidate)))
            enqueue(c, &candidate);
        if (c->cursor.status != NACRE_OK || stopped(c))
            return false;
        if (c->queue_count == 0)
            return become_invalid(c, NACRE_OK);
        candidate = c->queue[c->queue_first++ % QUEUE_LEAVES];
        c->queue_count--;
        nacre_slice key = leaf_key(candidate.leaf);
        if (outside(c, key))
            return become_invalid(c, NACRE_OK);
        bool wanted;
        c->search->keys_run++;
        int status = automaton_finish(c->automaton, candidate.state, key, candidate.depth, &wanted);
        if (status != NACRE_OK)
            return become_invalid(c, status);
        c->met++;
        if (wanted) {
            c->wanted++;
            c->leaf = candidate.leaf;
            return true;
        }
        if (c->met >= c->gather_at && !gather(c, key))
            return false;
    }
}

/* ---- moves ---- */

static void start(struct match_cursor *c, bool backward)
{
    c->depth = 0;
    c->queue_count = 0;
    c->backward = backward;
    c->cursor.status = NACRE_OK;
    c->cursor.valid = false;
}

static void start_at_edge(struct match_cursor *c, bool backward)
{
    start(c, backward);
    if (c->is_gathered)
        c->at = backward ? c->gathered_count : 0;
    else if (c->automaton->start != AUTOMATON_DEAD)
        push(c, &c->table->root.head, 0, c->automaton->start, backward ? AFTER_ALL : BEFORE_ALL);
}

/* Puts the path so that the walk gives the keys from `key` on, or those before it. */
static void start_at(struct match_cursor *c, nacre_slice key, bool backward)
{
    struct automaton *a = c->automaton;
    const uint8_t *bytes = key.data;
    struct node *node = &c->table->root.head;
    automaton_state state = a->start;
    size_t depth = 0; /* where the node's prefix begins */
    start(c, backward);
    if (c->is_gathered) {
        c->at = leaves_lower(c->gathered, c->gathered_count, key);
        return;
    }
    while (state != AUTOMATON_DEAD) {
        int order = node_compare_key(node, key, depth);
        bool all_of_it = backward ? order > 0 : order < 0;
        if (order != 0 && !all_of_it)
            return;
        state = run(a, state, node_prefix(node), node->prefix_size);
        depth += node->prefix_size;
        if (state == AUTOMATON_DEAD)
            return;
        if (all_of_it) {
            push(c, node, depth, state, backward ? AFTER_ALL : BEFORE_ALL);
            return;
        }
        if (!push(c, node, depth, state, bytes[depth]))
            return;
        const node_slot *slot = node_find(node, bytes[depth]);
        node_child child = slot ? atomic_load_explicit(slot, memory_order_acquire) : 0;
        if (!child)
            return;
        state = run(a, state, &bytes[depth], 1);
        depth++;
        if (child_is_leaf(child)) {
            const struct leaf *leaf = child_leaf(child);
            if (state != AUTOMATON_DEAD && (slice_compare(leaf_key(leaf), key) < 0) == backward)
                enqueue(c, &(struct candidate){ leaf, depth, state });
            return;
        }
        node = child_node(child);
    }
}

static void stand_on_found(struct match_cursor *c)
{
    if (c->cursor.status == NACRE_OK && find(c))
        stand_on(c, c->backward ? leaf_version_above(c->leaf, 0) : leaf_newest(c->leaf));
}

static void match_first(struct cursor *cursor)
{
    struct match_cursor *c = self(cursor);
    if (c->search->begin.size)
        start_at(c, c->search->begin, false);
    else
        start_at_edge(c, false);
    stand_on_found(c);
}

static void match_last(struct cursor *cursor)
{
    struct match_cursor *c = self(cursor);
    if (c->search->end.size)
        start_at(c, c->search->end, true);
    else
        start_at_edge(c, true);
    stand_on_found(c);
}

static void match_seek(struct cursor *cursor, nacre_slice key)
{
    struct match_cursor *c = self(cursor);
    nacre_slice begin = c->search->begin;
    start_at(c, slice_compare(key, begin) < 0 ? begin : key, false);
    stand_on_found(c);
}

static void match_seek_before(struct cursor *cursor, nacre_slice key)
{
    struct match_cursor *c = self(cursor);
    nacre_slice end = c->search->end;
    start_at(c, end.size && slice_compare(end, key) < 0 ? end : key, true);
    stand_on_found(c);
}

/* To the next wanted leaf in a direction, from the one the cursor stands on. */
static bool leave_leaf(struct match_cursor *c, bool backward)
{
    const struct leaf *here = c->leaf;
    if (c->backward != backward) {
        start_at(c, leaf_key(here), backward);
        if (c->cursor.status != NACRE_OK)
            return false;
    }
    do {
        if (!find(c))
            return false;
    } while (c->leaf == here);
    return true;
}

static void match_next(struct cursor *cursor)
{
    struct match_cursor *c = self(cursor);
    const struct version *older = version_next(c->version);
    if (older)
        stand_on(c, older);
    else if (leave_leaf(c, false))
        stand_on(c, leaf_newest(c->leaf));
}

static void match_prev(struct cursor *cursor)
{
    struct match_cursor *c = self(cursor);
    const struct version *newer = leaf_version_above(c->leaf, c->version->sequence);
    if (newer)
        stand_on(c, newer);
    else if (leave_leaf(c, true))
        stand_on(c, leaf_version_above(c->leaf, 0));
}

static void match_close(struct cursor *cursor)
{
    memory_free(self(cursor)->gathered);
    memory_free(self(cursor)->frames);
    memory_free(cursor);
}

int memtable_match_cursor_create(struct memtable *table, struct memtable_search *search, struct cursor **created)
{
    static const struct cursor_ops ops = { match_first, match_last, match_seek, match_seek_before,
                                           match_next,  match_prev, match_close };
    struct match_cursor *c = memory_zalloc(sizeof *c);
    if (!c)
        return NACRE_NO_MEMORY;
    c->cursor.ops = &ops;
    c->table = table;
    c->search = search;
    c->automaton = search->automaton;
    c->gather_at = table->searched && search->list_after ? search->list_after : UINT64_MAX;
    *created = &c->cursor;
    return NACRE_OK;
}
