/* All states of a DFA over some bytes, and what is known of each for sure (dfa_explore of regex.h).

   States are found breadth first. Then two walks against the direction of the steps: a state from which some continuation leads to a key that
   is not wanted is not universal; a state from which some continuation leads to one that is wanted is not dead. The ends decide where the
   walks begin. An assertion that looks ahead makes acceptance lag one byte behind; so a state may be universal though no step of its
   own leads to `all`.

   Invariants:
   1. Nodes 0, 1, 2 are dead, all, unsure; the others are the states that were found, in the order of finding.
   2. A node's steps are one per class of the alphabet.
   Threads: one at a time. No locks. */
#include "base/memory.h"
#include "regex/regex.h"

#define FIXED 3u /* nodes of absorbing states */

struct exploration {
    struct dfa *dfa;
    uint32_t classes[256], class_count; /* of the alphabet */
    automaton_state *states;            /* of the nodes */
    uint32_t count, most;
    uint32_t *nodes;          /* of the rows: 0 = not found */
    uint32_t row_capacity;    /* of both: there are no more nodes than rows */
    uint32_t *steps;          /* of a node by each class: nodes */
    uint32_t *before_begin;   /* of a node: where in `before` the nodes begin that lead to it */
    uint32_t *before, *queue; /* queue: scratch of the walks */
    bool *not_universal, *not_dead;
};

static void find_classes(struct exploration *e, const uint64_t alphabet[4])
{
    const struct syntax_tree *tree = regex_syntax(e->dfa->regex);
    bool known[256] = { false };
    for (unsigned byte = 0; byte < (tree->bytes ? 256 : 128); byte++) {
        uint8_t class = e->dfa->classes[byte];
        if ((alphabet[byte / 64] >> byte % 64 & 1) && !known[class]) {
            known[class] = true;
            e->classes[e->class_count++] = class;
        }
    }
}

/* The node of a state, new if it was not found before; UINT32_MAX when there are too many or memory fails (*status). */
static uint32_t node_of(struct exploration *e, automaton_state state, int *status)
{
    uint32_t row = state / e->dfa->stride;
    if (row < FIXED)
        return row;
    if (row >= e->row_capacity) {
        uint32_t capacity = row * 2;
        uint32_t *nodes = memory_realloc(e->nodes, capacity * sizeof *nodes);
        if (nodes)
            e->nodes = nodes;
        automaton_state *states = memory_realloc(e->states, capacity * sizeof *states);
        if (states)
            e->states = states;
        if (!nodes || !states) {
            *status = NACRE_NO_MEMORY;
            return UINT32_MAX;
        }
        memset(nodes + e->row_capacity, 0, (capacity - e->row_capacity) * sizeof *nodes);
        e->row_capacity = capacity;
    }
    if (e->nodes[row] == 0) {
        if (e->count == e->most)
            return UINT32_MAX;
        e->states[e->count] = state;
        e->nodes[row] = e->count++;
    }
    return e->nodes[row];
}

/* Whether all was found. */
static bool find_states(struct exploration *e, int *status)
{
    if (node_of(e, e->dfa->automaton.start, status) == UINT32_MAX)
        return false;
    for (uint32_t node = FIXED; node < e->count; node++) {
        automaton_state state = e->states[node];
        (void)dfa_accepts(e->dfa, state);
        for (uint32_t i = 0; i < e->class_count; i++) {
            automaton_state next = e->dfa->table[state + e->classes[i]];
            if (next == DFA_UNKNOWN)
                next = dfa_build(e->dfa, state, e->classes[i]);
            if (next == e->dfa->automaton.unsure || node_of(e, next, status) == UINT32_MAX)
                return false;
        }
    }
    return true;
}

static int find_steps(struct exploration *e)
{
    size_t steps = (size_t)(e->count - FIXED) * e->class_count;
    e->steps = memory_alloc(steps * sizeof *e->steps);
    e->before = memory_alloc(steps * sizeof *e->before);
    e->before_begin = memory_zalloc((e->count + 2) * sizeof *e->before_begin);
    e->queue = memory_alloc(e->count * sizeof *e->queue);
    e->not_universal = memory_zalloc(e->count);
    e->not_dead = memory_zalloc(e->count);
    if (!e->steps || !e->before || !e->before_begin || !e->queue || !e->not_universal || !e->not_dead)
        return NACRE_NO_MEMORY;
    /* Sorted by target: count, add up, put. While putting, before_begin[n + 1] is where the next one of n goes. */
    for (size_t i = 0; i < steps; i++) {
        automaton_state state = e->states[FIXED + i / e->class_count];
        uint32_t row = e->dfa->table[state + e->classes[i % e->class_count]] / e->dfa->stride;
        e->steps[i] = row < FIXED ? row : e->nodes[row];
        e->before_begin[e->steps[i] + 2]++;
    }
    for (uint32_t node = 0; node < e->count; node++)
        e->before_begin[node + 2] += e->before_begin[node + 1];
    for (size_t i = 0; i < steps; i++)
        e->before[e->before_begin[e->steps[i] + 1]++] = FIXED + (uint32_t)(i / e->class_count);
    return NACRE_OK;
}

/* Marks all nodes that lead to `seed` or to one whose end says `end`. */
static void walk_back(struct exploration *e, uint32_t seed, automaton_state end, bool *marked)
{
    uint32_t queued = 0;
    marked[seed] = true;
    e->queue[queued++] = seed;
    for (uint32_t node = FIXED; node < e->count; node++) {
        if (e->dfa->table[e->states[node] + e->dfa->end_class] == end) {
            marked[node] = true;
            e->queue[queued++] = node;
        }
    }
    while (queued > 0) {
        uint32_t node = e->queue[--queued];
        for (uint32_t i = e->before_begin[node]; i < e->before_begin[node + 1]; i++) {
            uint32_t before = e->before[i];
            if (!marked[before]) {
                marked[before] = true;
                e->queue[queued++] = before;
            }
        }
    }
}

static automaton_state redirected(const struct exploration *e, automaton_state state)
{
    uint32_t row = state == DFA_UNKNOWN ? 0 : state / e->dfa->stride;
    uint32_t node = row < e->row_capacity ? e->nodes[row] : 0;
    if (node < FIXED)
        return state;
    return !e->not_universal[node] ? e->dfa->automaton.all : !e->not_dead[node] ? AUTOMATON_DEAD : state;
}

static void redirect(struct exploration *e)
{
    for (uint32_t row = FIXED; row < e->dfa->rows; row++) {
        for (uint32_t i = 0; i < e->class_count; i++) {
            automaton_state *step = &e->dfa->table[row * e->dfa->stride + e->classes[i]];
            *step = redirected(e, *step);
        }
    }
    e->dfa->automaton.start = redirected(e, e->dfa->automaton.start);
}

static void exploration_free(struct exploration *e)
{
    memory_free(e->states);
    memory_free(e->nodes);
    memory_free(e->steps);
    memory_free(e->before_begin);
    memory_free(e->before);
    memory_free(e->queue);
    memory_free(e->not_universal);
    memory_free(e->not_dead);
}

int dfa_explore(struct dfa *dfa, const uint64_t alphabet[4], uint32_t most_rows, bool *complete)
{
    struct exploration e = { .dfa = dfa, .count = FIXED, .most = FIXED, .row_capacity = dfa->rows + 16 };
    int status = NACRE_OK;
    *complete = dfa->automaton.start < dfa->automaton.unsure;
    if (dfa->automaton.start <= dfa->automaton.unsure)
        return NACRE_OK;
    if (most_rows > FIXED)
        e.most = most_rows;
    find_classes(&e, alphabet);
    e.states = memory_alloc(e.row_capacity * sizeof *e.states);
    e.nodes = memory_zalloc(e.row_capacity * sizeof *e.nodes);
    if (!e.states || !e.nodes)
        status = NACRE_NO_MEMORY;
    bool all = status == NACRE_OK && find_states(&e, &status);
    if (all && status == NACRE_OK)
        status = find_steps(&e);
    if (all && status == NACRE_OK) {
        walk_back(&e, 0, AUTOMATON_DEAD, e.not_universal);
        walk_back(&e, 1, dfa->automaton.all, e.not_dead);
        redirect(&e);
        *complete = true;
    }
    exploration_free(&e);
    return status;
}
