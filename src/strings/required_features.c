/* Which features every wanted key has, proved on the automaton: a feature is required when no accepted key is without it, that is, when the product of the automaton
   with a counter that stops short of the feature's threshold accepts nothing.

   The counter is the length of the run at hand (MEASURE_RUN; a byte outside of the class sets it to 0) or the number of bytes of the class so far (MEASURE_COUNT). A path on which it reaches
   the threshold is given up. For each state only the least counter with which it is reached matters: with less one can do whatever one can do with more. So a state is visited again only when it is reached with
   less, and the search ends.
   One thread at a time; no locks. */
#include "base/memory.h"
#include "strings/segment_search.h"
#include "strings/signature.h"

#define VISITS_MAX \
    100000u /* of states, for all features together; what is not proved by then is taken as not required */

struct prover {
    struct dfa *dfa;
    uint32_t rows;
    uint32_t classes;       /* bytes' classes that occur in the alphabet */
    uint32_t class_of[256]; /* dfa class of each of these */
    uint8_t members[256];   /* of these, for the feature at hand: 1 = a byte of the class is inside, 2 = outside */
    uint16_t *least;        /* per row: the least counter + 1 it was reached with; 0 = not yet */
    uint32_t *queue;        /* rows to go on from; a ring */
    uint32_t waiting;       /* rows in it */
    bool *queued;
    uint32_t visits;
};

/* A dfa class may hold bytes inside and outside of the feature's class: then both ways are open. */
static void split_classes(struct prover *p, const uint64_t alphabet[4], const uint64_t *inside)
{
    memset(p->members, 0, sizeof p->members);
    for (unsigned byte = 0; byte < 256; byte++) {
        if (!(alphabet[byte / 64] >> (byte % 64) & 1))
            continue;
        for (uint32_t c = 0; c < p->classes; c++)
            if (p->class_of[c] == p->dfa->classes[byte])
                p->members[c] |= inside[byte / 64] >> (byte % 64) & 1 ? 1 : 2;
    }
}

static void list_classes(struct prover *p, const uint64_t alphabet[4])
{
    bool seen[256] = { false };
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t c = p->dfa->classes[byte];
        if ((alphabet[byte / 64] >> (byte % 64) & 1) && !seen[c]) {
            seen[c] = true;
            p->class_of[p->classes++] = c;
        }
    }
}

/* Steps to where the row leads with the counter. True: an accepted key without the feature was found, or it cannot be told. */
static bool reach(struct prover *p, automaton_state state, uint32_t counter, uint32_t *tail)
{
    const struct automaton *a = &p->dfa->automaton;
    if (state == AUTOMATON_DEAD)
        return false;
    if (state <= a->unsure)
        return true;
    uint32_t row = state / p->dfa->stride;
    if (p->least[row] && p->least[row] <= counter + 1)
        return false;
    p->least[row] = (uint16_t)(counter + 1);
    if (!p->queued[row]) {
        p->queued[row] = true;
        p->queue[*tail] = row;
        *tail = *tail + 1 == p->rows ? 0 : *tail + 1;
        p->waiting++;
    }
    return false;
}

static bool follow(struct prover *p, uint32_t row, const struct signature_feature *feature, uint32_t *tail)
{
    automaton_state state = row * p->dfa->stride;
    uint32_t counter = p->least[row] - 1u;
    if (dfa_accepts(p->dfa, state))
        return true;
    for (uint32_t c = 0; c < p->classes; c++) {
        automaton_state next = p->dfa->table[state + p->class_of[c]];
        if (next == DFA_UNKNOWN)
            return true;
        if ((p->members[c] & 1) && counter + 1 < feature->threshold && reach(p, next, counter + 1, tail))
            return true;
        if ((p->members[c] & 2) && reach(p, next, feature->measure == MEASURE_RUN ? 0 : counter, tail))
            return true;
    }
    return false;
}

/* Is some key without the feature accepted? True also when that was not settled. */
static bool has_counterexample(struct prover *p, const struct signature_feature *feature)
{
    uint32_t head = 0, tail = 0;
    memset(p->least, 0, p->rows * sizeof p->least[0]);
    memset(p->queued, 0, p->rows * sizeof p->queued[0]);
    p->waiting = 0;
    bool found = reach(p, p->dfa->automaton.start, 0, &tail);
    while (p->waiting > 0 && !found) {
        uint32_t row = p->queue[head];
        head = head + 1 == p->rows ? 0 : head + 1;
        p->queued[row] = false;
        p->waiting--;
        found = ++p->visits > VISITS_MAX || follow(p, row, feature, &tail);
    }
    return found;
}

int required_features(struct dfa *dfa, const uint64_t alphabet[4], uint64_t *features)
{
    struct prover p = { .dfa = dfa, .rows = dfa->rows };
    *features = 0;
    p.least = memory_alloc(p.rows * sizeof *p.least);
    p.queue = memory_alloc(p.rows * sizeof *p.queue);
    p.queued = memory_alloc(p.rows * sizeof *p.queued);
    int status = p.least && p.queue && p.queued ? NACRE_OK : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        list_classes(&p, alphabet);
        for (unsigned f = 0; f < signature_feature_count; f++) {
            const struct signature_feature *feature = &signature_features[f];
            split_classes(&p, alphabet, signature_class_bytes((enum signature_class)feature->class_));
            if (!has_counterexample(&p, feature))
                *features |= UINT64_C(1) << f;
        }
    }
    memory_free(p.least);
    memory_free(p.queue);
    memory_free(p.queued);
    return status;
}
