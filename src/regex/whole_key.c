/* Decides whole keys, with all of UTF-8 or bytes (see regex.h, dfa->automaton.decide).

   A second lazy DFA, over the whole program. When its budget is used up it is emptied, and goes on from the place where it is. Where
   that comes so often that making states is most of the work, the rest of the key is read by simulating the NFA, which is what makes a state,
   without keeping it. Both take time in proportion to the key, times the program in the worst case.

   A byte that is not part of valid UTF-8 is read as the three bytes of U+FFFD.

   Invariants:
   1. `state` is good for the table, or `simulating` and subset->from is the place.
   2. A restart after which no byte was read is one in vain; so at most VAIN_MAX + 1 of them come between two bytes.
   Threads: one at a time. No locks. */
#include "base/memory.h"
#include "regex/lazy_dfa.h"
#include "base/utf8.h"

#define REPLACEMENT      "\xEF\xBF\xBD" /* U+FFFD */
#define REPLACEMENT_SIZE 3u

/* A restart is in vain when fewer bytes than this were read for each state made since the one before. */
#define BYTES_PER_STATE 10u
#define VAIN_MAX        2u

struct whole_key {
    struct lazy_dfa *lazy;
    automaton_state state;
    bool simulating;
    enum subset_outcome outcome; /* while simulating */
    unsigned vain;               /* restarts in vain, in a row; over all keys */
    uint64_t bytes_since;        /* the last restart */
};

int whole_key_create(const struct regex *regex, size_t budget_bytes, struct whole_key **out)
{
    const struct program *program = regex_program(regex, PROGRAM_WHOLE);
    if (!program)
        return NACRE_NO_MEMORY;
    struct whole_key *w = memory_zalloc(sizeof *w);
    if (!w)
        return NACRE_NO_MEMORY;
    int status = lazy_dfa_create(regex, program, budget_bytes, &w->lazy);
    if (status == NACRE_OK)
        *out = w;
    else
        memory_free(w);
    return status;
}

void whole_key_free(struct whole_key *w)
{
    if (!w)
        return;
    lazy_dfa_free(w->lazy);
    memory_free(w);
}

/* ---- simulation ---- */

static void simulate(struct subset *s, enum subset_outcome *outcome, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size && *outcome == SUBSET_SOME; i++) {
        *outcome = subset_step(s, bytes[i]);
        subset_advance(s);
    }
}

static bool simulation_end(struct subset *s, enum subset_outcome outcome)
{
    return outcome == SUBSET_ALL || (outcome == SUBSET_SOME && subset_step(s, END_OF_KEY) == SUBSET_ALL);
}

/* ---- the DFA ---- */

/* The table is full: empties it, or gives it up for this key. */
static void make_room(struct whole_key *w)
{
    struct lazy_dfa *lazy = w->lazy;
    uint32_t made = lazy->dfa.rows - LAZY_DFA_FIRST;
    w->vain = w->bytes_since < (uint64_t)made * BYTES_PER_STATE ? w->vain + 1 : 0;
    w->bytes_since = 0;
    lazy_dfa_place(lazy, w->state);
    automaton_state state = lazy_dfa_restart(lazy);
    if (w->vain > VAIN_MAX || state == lazy->dfa.automaton.unsure) {
        w->vain = VAIN_MAX; /* the next key has one try */
        w->simulating = true;
        w->outcome = SUBSET_SOME;
        return;
    }
    w->state = state;
}

/* Over the bytes; stops in a state that is absorbing. */
static void feed(struct whole_key *w, const uint8_t *bytes, size_t size)
{
    struct dfa *dfa = &w->lazy->dfa;
    const automaton_state unsure = dfa->automaton.unsure;
    size_t i = 0;
    uint64_t counted = 0;
    while (!w->simulating && i < size && w->state > unsure) {
        automaton_state next = dfa_step(dfa, w->state, bytes[i]);
        if (next == unsure) {
            w->bytes_since += i - counted;
            counted = i;
            make_room(w);
        } else {
            w->state = next;
            i++;
        }
    }
    w->bytes_since += i - counted;
    if (w->simulating)
        simulate(w->lazy->subset, &w->outcome, bytes + i, size - i);
}

/* At the begin of a key. The state of the begin is made anew where a restart has forgotten it. */
static void begin(struct whole_key *w)
{
    struct lazy_dfa *lazy = w->lazy;
    automaton_state start = lazy->dfa.automaton.start, unsure = lazy->dfa.automaton.unsure;
    w->simulating = false;
    if (start == DFA_UNKNOWN || start == unsure) {
        (void)subset_start(lazy->subset); /* SUBSET_SOME: it was no absorbing state at first */
        subset_advance(lazy->subset);
        start = lazy_dfa_state(lazy);
        if (start == unsure)
            start = lazy_dfa_restart(lazy);
        lazy->dfa.automaton.start = start;
        if (start == unsure) {
            w->simulating = true;
            w->outcome = SUBSET_SOME;
        }
    }
    w->state = start;
}

static bool decided(const struct whole_key *w)
{
    return w->simulating ? w->outcome != SUBSET_SOME : w->state < w->lazy->dfa.automaton.unsure;
}

static bool finish(struct whole_key *w)
{
    if (w->simulating)
        return simulation_end(w->lazy->subset, w->outcome);
    return w->state == w->lazy->dfa.automaton.all ||
           (w->state != AUTOMATON_DEAD && dfa_accepts(&w->lazy->dfa, w->state));
}

/* ---- keys ---- */

/* What a key reads as, piece by piece: stretches of it that are valid, and U+FFFD for each byte between them. */
struct pieces {
    const uint8_t *at, *end;
    bool utf8;
};

static bool next_piece(struct pieces *p, const uint8_t **bytes, size_t *size)
{
    if (p->at == p->end)
        return false;
    *bytes = p->at;
    *size = (size_t)(p->end - p->at);
    if (p->utf8)
        *size = utf8_valid_size(slice_of(p->at, *size));
    p->at += *size;
    if (*size == 0) {
        p->at++;
        *bytes = (const uint8_t *)REPLACEMENT;
        *size = REPLACEMENT_SIZE;
    }
    return true;
}

static struct pieces pieces_of(const struct program *program, nacre_slice key)
{
    const uint8_t *bytes = key.data;
    return (struct pieces){ bytes, key.size ? bytes + key.size : bytes, program->utf8 };
}

bool whole_key_matches(struct whole_key *w, nacre_slice key)
{
    struct pieces pieces = pieces_of(w->lazy->program, key);
    const uint8_t *bytes;
    size_t size;
    begin(w);
    while (!decided(w) && next_piece(&pieces, &bytes, &size))
        feed(w, bytes, size);
    return finish(w);
}

int regex_matches_slowly(const struct regex *regex, nacre_slice key, bool *matches)
{
    const struct program *program = regex_program(regex, PROGRAM_WHOLE);
    struct subset *s;
    if (!program || subset_create(program, &s) != NACRE_OK)
        return NACRE_NO_MEMORY;
    struct pieces pieces = pieces_of(program, key);
    const uint8_t *bytes;
    size_t size;
    enum subset_outcome outcome = subset_start(s);
    subset_advance(s);
    while (outcome == SUBSET_SOME && next_piece(&pieces, &bytes, &size))
        simulate(s, &outcome, bytes, size);
    *matches = simulation_end(s, outcome);
    subset_free(s);
    return NACRE_OK;
}
