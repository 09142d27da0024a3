/* The automaton over the trie of separators: which blocks it may want keys of.

   The keys of block b lie from its separator up to, without it, that of block b + 1. Where the path of a place is a prefix of both, all keys of the block begin with it,
   and what the automaton says of the path holds for them. So a place that covers the separators of blocks [first, after) and is dead, or accepts all, decides blocks [first, after - 1); the
   last one also reaches into what follows and is left to be looked at (but under the root, behind which nothing follows).
   One thread at a time; no locks. The stack grows with the depth of the trie. */
#include "base/memory.h"
#include "strings/segment_search.h"

struct walk_frame {
    struct trie_place place;
    automaton_state state;
    bool entered; /* its children have begun; `child` is the one at hand */
    struct trie_place child;
};
struct trie_walker {
    const struct block_trie *trie;
    struct automaton *automaton;
    uint64_t *some, *all;
    uint32_t first, last; /* blocks of interest */
    uint32_t places_left;
    struct walk_frame *frames;
    size_t depth, capacity;
};

static int push(struct trie_walker *w, const struct trie_place *place, automaton_state state)
{
    if (w->depth == w->capacity) {
        size_t capacity = w->capacity ? 2 * w->capacity : 32;
        struct walk_frame *frames = memory_realloc(w->frames, capacity * sizeof *frames);
        if (!frames)
            return NACRE_NO_MEMORY;
        w->frames = frames;
        w->capacity = capacity;
    }
    w->frames[w->depth++] = (struct walk_frame){ .place = *place, .state = state, .entered = false };
    return NACRE_OK;
}

static void set_bits(const struct trie_walker *w, uint64_t *bits, uint32_t from, uint32_t after)
{
    if (from < w->first)
        from = w->first;
    if (after > w->last + 1)
        after = w->last + 1;
    if (from < after)
        bits_set_range(bits, from, after);
}

/* What the place's state says of its blocks, or a frame for its children. */
static int visit(struct trie_walker *w, const struct trie_place *place, automaton_state state)
{
    if (place->after <= w->first || place->first > w->last)
        return NACRE_OK; /* none of interest; the block before `first` is the parent's matter */
    bool decided = state == AUTOMATON_DEAD || state == w->automaton->all;
    if (decided || state == w->automaton->unsure || w->places_left == 0) {
        uint32_t sure = !decided ? place->first : place->node == 0 ? place->after : place->after - 1;
        if (state == w->automaton->all)
            set_bits(w, w->all, place->first, sure);
        set_bits(w, w->some, sure, place->after);
        return NACRE_OK;
    }
    w->places_left--;
    if (place->ends_separator)
        set_bits(w, w->some, place->first, place->first + 1);
    return push(w, place, state);
}

int trie_walk(const struct block_trie *trie, struct automaton *automaton, uint32_t first, uint32_t last,
              uint32_t most_places, uint64_t *some, uint64_t *all, bool *finished)
{
    struct trie_walker w = { .trie = trie,
                             .automaton = automaton,
                             .some = some,
                             .all = all,
                             .first = first,
                             .last = last,
                             .places_left = most_places };
    struct trie_place root;
    block_trie_root(trie, &root);
    int status = visit(&w, &root, automaton->start);
    while (status == NACRE_OK && w.depth > 0) {
        struct walk_frame *top = &w.frames[w.depth - 1];
        bool more = top->entered ? block_trie_child_next(trie, &top->place, &top->child)
                                 : block_trie_child_first(trie, &top->place, &top->child);
        top->entered = true;
        if (!more) {
            w.depth--;
            continue;
        }
        automaton_state state = automaton->run(automaton, top->state, top->child.edge.data, top->child.edge.size);
        struct trie_place child = top->child; /* a push may move the frames */
        status = visit(&w, &child, state);
    }
    *finished = w.places_left > 0;
    memory_free(w.frames);
    return status;
}
