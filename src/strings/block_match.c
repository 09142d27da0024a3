/* Deciding the keys of a block (see block_match.h): by a scan for literals where these are enough; by a scan, and the automaton over the keys it found, where a literal is
   required; else by the automaton over the front-coded bytes, with one state kept per depth, so that what keys share is run once.

   Invariants:
   1. depths are counted behind the block's shared bytes; states[d] is the automaton's after those and d more bytes of the key at hand.
   2. a state that is absorbing at some depth decides all keys that follow as long as they share that depth.
   One thread at a time; no locks. */
#include "strings/block_match.h"
#include "strings/literal_scan.h"

#define DEPTHS        (2u * 255u + 2u) /* of narrow blocks */
#define LITERALS_MOST 6u
#define STRIDE        4u  /* bytes that are run without a look at where the key ends */
#define FEW_HITS      12u /* keys that a scan found, up to which they are run one by one */

/* With many literals the automaton is quicker than a scan for each. */
static bool are_few(const struct literal_set *set)
{
    return set->count > 0 && set->count <= LITERALS_MOST;
}

void block_matcher_begin(struct block_matcher *m, const struct search *search)
{
    const struct regex_analysis *analysis = regex_analysis(search->regex);
    memset(m, 0, sizeof *m);
    m->dfa = m->ascii = (struct dfa *)search->automaton;
    m->bytes = regex_syntax(search->regex)->bytes;
    if (analysis->shape == SHAPE_LITERALS && !analysis->at_begin && are_few(&analysis->literals)) {
        m->literals = &analysis->literals;
        m->at_end = analysis->at_end;
        m->enough = true;
    } else if (are_few(&analysis->required)) {
        m->literals = &analysis->required;
        m->at_end = analysis->required_at_end;
    }
}

void block_matcher_end(struct block_matcher *m)
{
    key_block_walk_end(&m->walk);
}

static bool is_absorbing(const struct dfa *dfa, automaton_state state)
{
    return state <= dfa->automaton.unsure; /* dead, all and unsure are the first three rows */
}

/* The keys of `which`, decoded and decided from the state behind the shared bytes. */
static int decide_keys(struct block_matcher *m, struct dfa *dfa, const struct key_block *b,
                       automaton_state shared_state, uint64_t which, uint64_t *wanted)
{
    int status = NACRE_OK;
    key_block_walk_begin(&m->walk, b);
    for (uint32_t i = 0; status == NACRE_OK && which >> i && key_block_walk_next(&m->walk, &status); i++) {
        bool is_wanted = false;
        if (which >> i & 1) {
            status = automaton_finish(&dfa->automaton, shared_state, buffer_slice(&m->walk.key), b->shared, &is_wanted);
            m->keys_run++;
        }
        *wanted |= (uint64_t)is_wanted << i;
        if (i == 63)
            break;
    }
    return status;
}

/* All keys of a narrow block; those that the automaton is unsure of go to *unsure. */
static uint64_t walk_block(struct dfa *dfa, const struct key_block *b, automaton_state shared_state, uint64_t *unsure)
{
    automaton_state states[DEPTHS];
    const uint8_t *at = b->stream;
    uint32_t settled = UINT32_MAX; /* depth from which on the key before is decided */
    uint64_t wanted = 0, verdict = 0, doubt = 0;
    states[0] = shared_state;
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t depth = b->lcps[i], after = depth + b->lens[i];
        const uint8_t *end = at + b->lens[i];
        if (depth < settled) {
            automaton_state state = states[depth];
            settled = UINT32_MAX;
            while (at < end) {
                state = dfa_step(dfa, state, *at++);
                states[++depth] = state;
                if (is_absorbing(dfa, state)) {
                    settled = depth;
                    break;
                }
            }
            verdict =
                depth == after && !is_absorbing(dfa, state) ? dfa_accepts(dfa, state) : state == dfa->automaton.all;
            doubt = state == dfa->automaton.unsure;
        }
        at = end;
        wanted |= verdict << i;
        *unsure |= doubt << i;
    }
    return wanted;
}

/* The same by the small automaton. Runs over the end of keys, up to STRIDE bytes: states[] behind a key's own depth are never read. */
static uint64_t walk_small(const struct small_dfa *dfa, const struct key_block *b, uint8_t shared_state,
                           uint64_t *unsure)
{
    uint8_t states[DEPTHS + STRIDE];
    const uint8_t *at = b->stream;
    uint32_t settled = UINT32_MAX;
    uint64_t wanted = 0, verdict = 0, doubt = 0;
    states[0] = shared_state;
    for (uint32_t i = 0; i < b->count; at += b->lens[i], i++) {
        uint32_t depth = b->lcps[i], len = b->lens[i], done = 0;
        if (depth < settled) {
            uint8_t *own = states + depth, state = *own;
            do {
                const uint8_t *bytes = at + done;
#pragma GCC unroll 4
                for (uint32_t k = 0; k < STRIDE; k++)
                    own[done + k + 1] = state = dfa->next[bytes[k]][state];
                done += STRIDE;
            } while (state > SMALL_DFA_UNSURE && done < len);
            settled = UINT32_MAX;
            if (state <= SMALL_DFA_UNSURE) {
                while (done > 0 && own[done - 1] <= SMALL_DFA_UNSURE)
                    done--;
                if (done <= len)
                    settled = depth + done;
            }
            uint8_t last = settled == UINT32_MAX ? own[len] : state;
            verdict = last == SMALL_DFA_ALL || small_dfa_accepts(dfa, last);
            doubt = last == SMALL_DFA_UNSURE;
        }
        wanted |= verdict << i;
        *unsure |= doubt << i;
    }
    return wanted;
}

static int run_block(struct block_matcher *m, struct dfa *dfa, const struct key_block *b, automaton_state shared_state,
                     uint64_t *wanted)
{
    uint64_t unsure = 0;
    if (b->flags & KEY_BLOCK_WIDE)
        return decide_keys(m, dfa, b, shared_state, key_block_first(b->count), wanted);
    if (m->small && dfa == m->ascii && !(b->flags & KEY_BLOCK_NON_ASCII && !m->bytes)) {
        uint8_t state = small_dfa_run(m->small, m->small->start, b->shared_bytes, b->shared);
        *wanted = walk_small(m->small, b, state, &unsure);
    } else {
        *wanted = walk_block(dfa, b, shared_state, &unsure);
    }
    m->keys_run += b->count;
    return unsure ? decide_keys(m, dfa, b, shared_state, unsure, wanted) : NACRE_OK;
}

/* The keys with one of the literals. False: the block cannot be scanned, or what is known of the literals does not hold for it. */
static bool scan_literals(const struct block_matcher *m, const struct key_block *b, uint64_t *found)
{
    struct block_layout layout;
    const struct literal_set *set = m->literals;
    if (!set || (set->folded && !m->bytes && (b->flags & KEY_BLOCK_NON_ASCII)) ||
        (!m->bytes && (b->flags & KEY_BLOCK_NOT_UTF8)) || !block_layout_make(&layout, b))
        return false;
    uint64_t all = key_block_first(b->count);
    *found = 0;
    for (uint32_t i = 0; i < set->count && *found != all; i++)
        *found |= literal_scan(b, &layout, &set->items[i], set->folded, m->at_end);
    return true;
}

int block_match(struct block_matcher *m, const struct key_block *b, uint64_t *wanted)
{
    uint64_t found = key_block_first(b->count);
    bool scanned = scan_literals(m, b, &found);
    *wanted = 0;
    if (scanned && (m->enough || found == 0)) {
        *wanted = found;
        return NACRE_OK;
    }
    struct dfa *dfa = b->flags & KEY_BLOCK_NON_ASCII && !m->bytes ? m->dfa : m->ascii;
    struct automaton *automaton = &dfa->automaton;
    automaton_state state = automaton->run(automaton, automaton->start, b->shared_bytes, b->shared);
    if (state == AUTOMATON_DEAD)
        return NACRE_OK;
    if (state == automaton->all) {
        *wanted = key_block_first(b->count);
        return NACRE_OK;
    }
    if (scanned && (uint32_t)__builtin_popcountll(found) <= FEW_HITS)
        return decide_keys(m, dfa, b, state, found, wanted);
    return run_block(m, dfa, b, state, wanted);
}
