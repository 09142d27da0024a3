/* Beam search over the rows that pass (see filtered_walk.h), in the manner of ACORN (Patel et al., SIGMOD 2024): what does not pass is not kept, but its neighbours are
   looked at, so that paths lead through it.

   1. All rows in the beam pass. A row is offered at most once.
   2. A row that does not pass is marked when its list has been looked through; that happens once.
   3. It begins at rows it is given, at the nearest entry points that pass, and at some rows that pass, wherever they are: a filter may allow only rows far from
      the query.
   Threads and locks: as graph_walk.h. */
#include "vectors/filtered_walk.h"
#include <assert.h>

#define SEEDS         4u  /* the nearest entry points that pass */
#define SEEDS_ASKED   32u /* at most so many are asked about, where asking is slow */
#define SPREAD_ROWS   32u /* rows that pass from all over the range */
#define SPREAD_WORDS  64u /* of the bitmap that are looked at for one of them */
#define ENOUGH        24u /* rows that pass around one row: no more lists are opened for it */
#define BRIDGES_AHEAD 4u

static bool passes(struct row_gate *gate, uint32_t row)
{
    return row_gate_may_pass(gate, row) && row_gate_allows(gate, row);
}

static void offer_marked(struct walk *walk, const uint32_t *rows, uint32_t count)
{
    float distances[GRAPH_DEGREE_MAX];
    walk_estimate(walk, rows, count, distances);
    walk_offer(walk, rows, distances, count);
}

/* ---- where it begins ---- */

struct seed {
    float distance;
    uint32_t row;
};

/* The entry points that hold, nearest first, at most SEEDS_ASKED. */
static uint32_t nearest_entries(struct walk *walk, const struct row_gate *gate, struct seed seeds[SEEDS_ASKED])
{
    const struct graph *graph = walk->graph;
    const struct code_book *book = &graph->book;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < graph->entry_count; i++) {
        const uint8_t *code = graph->entry_codes + i * book->stride;
        int32_t dot;
        if (graph->entries[i] >= graph->rows || !row_gate_may_pass(gate, graph->entries[i]))
            continue;
        graph->dot_list(walk->query.elements, code, book->stride, &(uint32_t){ 0 }, 1, book->code_bytes, &dot);
        struct seed seed = { code_distance(&walk->query, dot, code_row_of(book, code)->norm2), graph->entries[i] };
        uint32_t at = kept < SEEDS_ASKED ? kept++ : SEEDS_ASKED;
        for (; at > 0 && seeds[at - 1].distance > seed.distance; at--)
            if (at < SEEDS_ASKED)
                seeds[at] = seeds[at - 1];
        if (at < SEEDS_ASKED)
            seeds[at] = seed;
        walk->examined++;
    }
    return kept;
}

static void enter_at_entries(struct walk *walk, struct row_gate *gate)
{
    struct seed seeds[SEEDS_ASKED];
    uint32_t count = nearest_entries(walk, gate, seeds), rows[SEEDS], found = 0;
    for (uint32_t i = 0; i < count && found < SEEDS; i++)
        if (row_gate_allows(gate, seeds[i].row) && walk_mark(walk, seeds[i].row))
            rows[found++] = seeds[i].row;
    offer_marked(walk, rows, found);
}

/* The first row from `at` on that holds, or GRAPH_NO_ROW when there is none near. */
static uint32_t next_held(const struct graph_search *search, uint32_t at)
{
    if (!search->allowed)
        return at;
    uint64_t bits = search->allowed[at / 64] & (UINT64_MAX << (at % 64));
    for (uint32_t word = at / 64, last = (search->end - 1) / 64, i = 0; i < SPREAD_WORDS; i++) {
        if (bits)
            return word * 64 + (uint32_t)__builtin_ctzll(bits);
        if (word++ == last)
            break;
        bits = search->allowed[word];
    }
    return GRAPH_NO_ROW;
}

static void enter_all_over(struct walk *walk, struct row_gate *gate)
{
    const struct graph_search *search = gate->search;
    uint32_t rows[SPREAD_ROWS], found = 0;
    for (uint32_t i = 0; i < SPREAD_ROWS; i++) {
        uint64_t range = search->end - search->begin;
        uint32_t row = next_held(search, search->begin + (uint32_t)(range * i / SPREAD_ROWS));
        if (row < search->end && passes(gate, row) && walk_mark(walk, row))
            rows[found++] = row;
    }
    offer_marked(walk, rows, found);
}

/* ---- on the way ---- */

struct surroundings {
    uint32_t fresh[GRAPH_DEGREE_MAX]; /* rows that pass, marked */
    uint32_t fresh_count;
    uint32_t bridges[GRAPH_DEGREE_MAX]; /* rows that do not */
    uint32_t bridge_count;
};

static const uint32_t *list_of(const struct graph *graph, uint32_t row)
{
    return graph->neighbors + (size_t)row * graph->degree;
}

static void prefetch_list(const struct graph *graph, uint32_t row)
{
    for (uint32_t i = 0; i < graph->degree; i += 16)
        __builtin_prefetch(list_of(graph, row) + i);
}

static void prefetch_code(const struct graph *graph, uint32_t row)
{
    const uint8_t *code = graph->codes + row * graph->book.stride;
    for (size_t at = 0; at < graph->book.stride; at += 64)
        __builtin_prefetch(code + at);
}

static void add_fresh(struct walk *walk, struct surroundings *around, uint32_t row)
{
    (void)walk_mark(walk, row);
    prefetch_code(walk->graph, row);
    around->fresh[around->fresh_count++] = row;
}

static void look_around(struct walk *walk, struct row_gate *gate, uint32_t row, struct surroundings *around)
{
    const struct graph *graph = walk->graph;
    const uint32_t *list = list_of(graph, row);
    uint32_t passing = 0;
    around->fresh_count = around->bridge_count = 0;
    for (uint32_t i = 0; i < graph->degree && list[i] < graph->rows; i++) {
        if (walk_has_met(walk, list[i])) {
            passing += row_gate_holds(gate, list[i]); /* or it was a bridge; that is as good */
        } else if (passes(gate, list[i])) {
            add_fresh(walk, around, list[i]);
            passing++;
        } else {
            around->bridges[around->bridge_count++] = list[i];
        }
    }
    for (uint32_t b = 0; b < around->bridge_count && b < BRIDGES_AHEAD; b++)
        prefetch_list(graph, around->bridges[b]);
    for (uint32_t b = 0; b < around->bridge_count && passing < ENOUGH; b++) {
        const uint32_t *far = list_of(graph, around->bridges[b]);
        if (b + BRIDGES_AHEAD < around->bridge_count)
            prefetch_list(graph, around->bridges[b + BRIDGES_AHEAD]);
        (void)walk_mark(walk, around->bridges[b]);
        for (uint32_t i = 0; i < graph->degree && far[i] < graph->rows && around->fresh_count < GRAPH_DEGREE_MAX; i++) {
            if (!row_gate_holds(gate, far[i]))
                continue;
            passing++;
            if (!walk_has_met(walk, far[i]) && passes(gate, far[i]))
                add_fresh(walk, around, far[i]);
        }
    }
}

static void enter_at(struct walk *walk, struct row_gate *gate, const uint32_t *seeds, uint32_t count)
{
    uint32_t rows[GRAPH_DEGREE_MAX], found = 0;
    assert(count <= GRAPH_DEGREE_MAX);
    for (uint32_t i = 0; i < count; i++)
        if (passes(gate, seeds[i]) && walk_mark(walk, seeds[i]))
            rows[found++] = seeds[i];
    offer_marked(walk, rows, found);
}

void filtered_walk_begin(struct walk *walk, struct row_gate *gate, uint32_t beam, const uint32_t *seeds,
                         uint32_t seed_count)
{
    walk_begin(walk, beam);
    enter_at(walk, gate, seeds, seed_count);
    enter_at_entries(walk, gate);
    enter_all_over(walk, gate);
}

bool filtered_walk_go_some(struct walk *walk, struct row_gate *gate, uint32_t most)
{
    struct surroundings around;
    for (uint32_t i = 0; i < most; i++) {
        uint32_t row = walk_next(walk);
        if (row == GRAPH_NO_ROW)
            return false;
        look_around(walk, gate, row, &around);
        offer_marked(walk, around.fresh, around.fresh_count);
    }
    return true;
}
