/* Lazy DFAs (see lazy_dfa.h and regex.h).

   A state is the offset of its row in `table`: one step per class of bytes, then one for the end. What a state stands for (struct place) is kept
   packed: the context, then the distances between ids as varints. A hash table over these bytes finds the state that is there already.

   Invariants:
   1. Rows 0 (dead), 1 (all) and 2 (unsure) lead to themselves by every class, the end included.
   2. Different rows stand for different places.
   3. used <= budget but for the first allocation of each array, which is small.
   4. A step that found no room leads to `unsure` for good (until a restart).
   Threads: one at a time. No locks. */
#include "base/hash.h"
#include "base/memory.h"
#include "regex/lazy_dfa.h"

#define DEFAULT_BUDGET ((size_t)8 << 20)
#define FIRST_ROWS     16u
#define VARINT_MAX     5u

struct lazy_row {
    uint32_t place; /* where its bytes begin; they end where those of the next row begin */
    uint32_t hash;
};

/* ---- room ---- */

/* Makes an array of *capacity bytes larger, twice if the budget has that, at least `needed`. */
static void *grow(struct lazy_dfa *d, void *array, size_t *capacity, size_t needed)
{
    size_t left = d->budget > d->used ? d->budget - d->used : 0;
    size_t wanted = *capacity * 2 > needed ? *capacity * 2 : needed;
    if (wanted - *capacity > left)
        wanted = *capacity + left;
    if (wanted < needed)
        return NULL;
    void *larger = memory_realloc(array, wanted);
    if (larger) {
        d->used += wanted - *capacity;
        *capacity = wanted;
    }
    return larger;
}

static bool room_for_row(struct lazy_dfa *d)
{
    size_t row = d->dfa.stride * sizeof(uint32_t);
    if (d->dfa.rows == d->table_rows) {
        size_t capacity = d->table_rows * row;
        uint32_t *table = grow(d, d->dfa.table, &capacity, capacity + row);
        if (!table)
            return false;
        d->dfa.table = table;
        uint64_t rows = capacity / row, most = DFA_UNKNOWN / d->dfa.stride;
        d->table_rows = (uint32_t)(rows < most ? rows : most);
        if (d->dfa.rows == d->table_rows)
            return false;
    }
    if (d->dfa.rows + 1 >= d->row_capacity) { /* the row behind tells where the last place ends */
        size_t capacity = d->row_capacity * sizeof *d->row_places;
        struct lazy_row *rows = grow(d, d->row_places, &capacity, capacity + 2 * sizeof *rows);
        if (!rows)
            return false;
        d->row_places = rows;
        d->row_capacity = (uint32_t)(capacity / sizeof *rows);
    }
    return true;
}

static void slot_put(struct lazy_dfa *d, uint32_t row)
{
    uint32_t at = d->row_places[row].hash & (d->slot_count - 1);
    while (d->slots[at] != 0)
        at = (at + 1) & (d->slot_count - 1);
    d->slots[at] = row;
}

/* At most 3/4 of the slots are taken. */
static bool room_for_slot(struct lazy_dfa *d)
{
    if ((d->dfa.rows + 1) * (uint64_t)4 <= d->slot_count * (uint64_t)3)
        return true;
    size_t bytes = d->slot_count * sizeof *d->slots;
    if (d->used + bytes > d->budget)
        return false;
    uint32_t *slots = memory_zalloc(bytes * 2);
    if (!slots)
        return false;
    memory_free(d->slots);
    d->slots = slots;
    d->slot_count *= 2;
    d->used += bytes;
    for (uint32_t row = LAZY_DFA_FIRST; row < d->dfa.rows; row++)
        slot_put(d, row);
    return true;
}

/* ---- places ---- */

static size_t pack(const struct place *place, uint8_t *out)
{
    uint8_t *at = out;
    uint32_t before = 0;
    *at++ = place->context;
    for (uint32_t i = 0; i < place->count; i++) {
        uint32_t distance = place->ids[i] - before;
        before = place->ids[i];
        for (; distance >= 0x80; distance >>= 7)
            *at++ = (uint8_t)(distance | 0x80);
        *at++ = (uint8_t)distance;
    }
    return (size_t)(at - out);
}

void lazy_dfa_place(struct lazy_dfa *d, automaton_state state)
{
    const struct lazy_row *row = &d->row_places[state / d->dfa.stride];
    const uint8_t *at = d->places + row[0].place, *end = d->places + row[1].place;
    struct place *place = &d->subset->from;
    uint32_t id = 0, count = 0;
    place->context = *at++;
    while (at < end) {
        uint32_t distance = 0, shift = 0;
        for (; *at >= 0x80; shift += 7)
            distance |= (uint32_t)(*at++ & 0x7F) << shift;
        distance |= (uint32_t)*at++ << shift;
        id += distance;
        place->ids[count++] = id;
    }
    place->count = count;
}

/* The row with the last packed bytes, or 0. */
static uint32_t find_row(const struct lazy_dfa *d, const uint8_t *bytes, size_t size, uint32_t hash)
{
    for (uint32_t at = hash & (d->slot_count - 1); d->slots[at] != 0; at = (at + 1) & (d->slot_count - 1)) {
        const struct lazy_row *row = &d->row_places[d->slots[at]];
        if (row->hash == hash && row[1].place - row[0].place == size &&
            memcmp(d->places + row[0].place, bytes, size) == 0)
            return d->slots[at];
    }
    return 0;
}

/* The state of a place, made if there is none. */
static automaton_state state_of(struct lazy_dfa *d, const struct place *place)
{
    size_t most = 1 + (size_t)place->count * VARINT_MAX;
    if (d->places_capacity - d->places_size < most) {
        uint8_t *places = grow(d, d->places, &d->places_capacity, d->places_size + most);
        if (!places)
            return d->dfa.automaton.unsure;
        d->places = places;
    }
    uint8_t *bytes = d->places + d->places_size;
    size_t size = pack(place, bytes);
    uint32_t hash = (uint32_t)hash_bytes(bytes, size), row = find_row(d, bytes, size, hash);
    if (row != 0)
        return row * d->dfa.stride;
    if (!room_for_row(d) || !room_for_slot(d) || d->places_size + size > UINT32_MAX)
        return d->dfa.automaton.unsure;
    row = d->dfa.rows++;
    d->row_places[row] = (struct lazy_row){ (uint32_t)d->places_size, hash };
    d->places_size += size;
    d->row_places[row + 1].place = (uint32_t)d->places_size;
    slot_put(d, row);
    memset(d->dfa.table + (size_t)row * d->dfa.stride, 0xFF, d->dfa.stride * sizeof(uint32_t));
    return row * d->dfa.stride;
}

static automaton_state state_after(struct lazy_dfa *d, enum subset_outcome outcome)
{
    switch (outcome) {
    case SUBSET_DEAD:
        return AUTOMATON_DEAD;
    case SUBSET_ALL:
        return d->dfa.automaton.all;
    case SUBSET_SOME:
        return state_of(d, &d->subset->to);
    default:
        return d->dfa.automaton.unsure;
    }
}

automaton_state dfa_build(struct dfa *dfa, automaton_state state, uint32_t class)
{
    struct lazy_dfa *d = (struct lazy_dfa *)dfa;
    lazy_dfa_place(d, state);
    unsigned byte = class == dfa->end_class ? END_OF_KEY : d->program->representative[class];
    automaton_state next = state_after(d, subset_step(d->subset, byte));
    dfa->table[state + class] = next;
    return next;
}

/* ---- the automaton ---- */

static automaton_state dfa_run(struct automaton *a, automaton_state state, const uint8_t *bytes, size_t size)
{
    struct dfa *dfa = (struct dfa *)a;
    const uint32_t *table = dfa->table;
    const uint8_t *classes = dfa->classes, *end = bytes + size;
    const automaton_state first = a->unsure + 1;
    size_t now = state; /* as wide as an address: the path from state to state is one load */
    if (state < first)
        return state;
    while (bytes < end) {
        const uint32_t *column = table + classes[*bytes++];
        automaton_state next = column[now];
        if (__builtin_expect(next - first >= DFA_UNKNOWN - first, 0)) { /* absorbing, or not made yet */
            if (next == DFA_UNKNOWN) {
                next = dfa_build(dfa, (automaton_state)now, classes[bytes[-1]]);
                table = dfa->table;
            }
            if (next < first)
                return next;
        }
        now = next;
    }
    return (automaton_state)now;
}

static bool dfa_accepts_end(struct automaton *a, automaton_state state)
{
    return dfa_accepts((struct dfa *)a, state);
}

static int dfa_decide(struct automaton *a, nacre_slice key, bool *wanted)
{
    struct lazy_dfa *d = (struct lazy_dfa *)a;
    if (!d->whole_key) {
        int status = whole_key_create(d->dfa.regex, d->budget / 2, &d->whole_key);
        if (status != NACRE_OK)
            return status;
    }
    *wanted = whole_key_matches(d->whole_key, key);
    return NACRE_OK;
}

static enum automaton_answer dfa_look_for_literals(struct automaton *a, nacre_slice key)
{
    const struct lazy_dfa *d = (const struct lazy_dfa *)a;
    return d->look(&d->literals, key);
}

static enum automaton_answer dfa_look_by_classes(struct automaton *a, nacre_slice key)
{
    struct lazy_dfa *d = (struct lazy_dfa *)a;
    if (key.size < regex_analysis(d->dfa.regex)->least_bytes)
        return ANSWER_NO;
    return class_look(&d->classes, &d->dfa, d->program, key);
}

/* ---- making one ---- */

static void forget_rows(struct lazy_dfa *d)
{
    d->dfa.rows = LAZY_DFA_FIRST;
    d->places_size = 0;
    memset(d->slots, 0, d->slot_count * sizeof *d->slots);
}

automaton_state lazy_dfa_state(struct lazy_dfa *d)
{
    return state_of(d, &d->subset->from);
}

automaton_state lazy_dfa_restart(struct lazy_dfa *d)
{
    if (d->dfa.automaton.start > d->dfa.automaton.unsure)
        d->dfa.automaton.start = DFA_UNKNOWN;
    forget_rows(d);
    return state_of(d, &d->subset->from);
}

static bool allocate(struct lazy_dfa *d)
{
    d->table_rows = d->row_capacity = FIRST_ROWS;
    d->slot_count = FIRST_ROWS * 2;
    d->places_capacity = FIRST_ROWS * 16;
    size_t table = (size_t)d->table_rows * d->dfa.stride * sizeof(uint32_t);
    size_t rows = d->row_capacity * sizeof *d->row_places, slots = d->slot_count * sizeof *d->slots;
    d->dfa.table = memory_alloc(table);
    d->row_places = memory_alloc(rows);
    d->places = memory_alloc(d->places_capacity);
    d->slots = memory_alloc(slots);
    d->used = table + rows + slots + d->places_capacity;
    return d->dfa.table && d->row_places && d->places && d->slots;
}

int lazy_dfa_create(const struct regex *regex, const struct program *program, size_t budget, struct lazy_dfa **out)
{
    struct lazy_dfa *d = memory_zalloc(sizeof *d);
    if (!d)
        return NACRE_NO_MEMORY;
    struct dfa *dfa = &d->dfa;
    dfa->regex = regex;
    dfa->end_class = program->class_count;
    dfa->stride = program->class_count + 1;
    memcpy(dfa->classes, program->classes, sizeof dfa->classes);
    dfa->automaton = (struct automaton){
        .all = dfa->stride, .unsure = 2 * dfa->stride, .run = dfa_run, .accepts = dfa_accepts_end, .decide = dfa_decide
    };
    d->program = program;
    d->budget = budget;
    if (subset_create(program, &d->subset) != NACRE_OK || !allocate(d)) {
        lazy_dfa_free(d);
        return NACRE_NO_MEMORY;
    }
    for (uint32_t i = 0; i < LAZY_DFA_FIRST * dfa->stride; i++)
        dfa->table[i] = i / dfa->stride * dfa->stride;
    forget_rows(d);
    dfa->automaton.start = state_after(d, subset_start(d->subset));
    *out = d;
    return NACRE_OK;
}

void lazy_dfa_free(struct lazy_dfa *d)
{
    if (!d)
        return;
    whole_key_free(d->whole_key);
    subset_free(d->subset);
    memory_free(d->dfa.table);
    memory_free(d->row_places);
    memory_free(d->places);
    memory_free(d->slots);
    memory_free(d);
}

static void set_needs(struct automaton *a, const struct literal_look *look)
{
    for (uint32_t i = 0; i < look->set->count; i++)
        a->needs[i] = sketch_of(slice_of(look->set->items[i].bytes, look->set->items[i].size)) & SKETCH_PAIRS;
    a->need_count = look->set->count;
    a->needs_ascii = look->ascii_only;
}

int dfa_create(const struct regex *regex, size_t budget_bytes, struct dfa **out)
{
    const struct program *program = regex_program(regex, PROGRAM_ASCII);
    if (!program)
        return NACRE_NO_MEMORY;
    struct lazy_dfa *d = NULL;
    int status = lazy_dfa_create(regex, program, budget_bytes ? budget_bytes : DEFAULT_BUDGET, &d);
    *out = status == NACRE_OK ? &d->dfa : NULL;
    if (status == NACRE_OK) {
        /* What the look for literals knows holds for sketches as well. */
        d->look = literal_look_make(&d->literals, regex_analysis(regex), regex_syntax(regex)->bytes);
        d->dfa.automaton.look = d->look                                            ? dfa_look_for_literals
                                : d->dfa.automaton.start > d->dfa.automaton.unsure ? dfa_look_by_classes
                                                                                   : NULL;
        if (d->look && d->literals.set->count <= AUTOMATON_NEEDS)
            set_needs(&d->dfa.automaton, &d->literals);
    }
    return status;
}

void dfa_free(struct dfa *dfa)
{
    lazy_dfa_free((struct lazy_dfa *)dfa);
}
