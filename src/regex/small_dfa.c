/* DFAs in one register (see small_dfa.h).

   The states that can be reached from the start are found by the steps that the struct dfa has already; steps that it has not lead to
   `unsure`. Where there are more than 64, states that no key tells apart are merged, by Moore's refinement: states are in one block as long as
   their ends and the blocks that they lead to are the same.
   Threads: any, on different small DFAs; no locks. */
#include "regex/small_dfa.h"
#include "base/hash.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define FOUND_MAX 256u /* states before merging */
#define SLOTS     512u

struct finding {
    const struct dfa *dfa;
    automaton_state states[FOUND_MAX];
    uint16_t slots[SLOTS]; /* hash table of the states: index + 1 */
    uint32_t count;
    uint32_t class_count;
    uint8_t steps[FOUND_MAX][256]; /* by state and class: index */
    uint8_t block[FOUND_MAX];      /* of each state, in the end its number in the small DFA */
    uint32_t block_count;          /* before the first refinement: 0 */
};

static uint32_t slot_of(uint64_t number)
{
    return (uint32_t)(number * 0x9E3779B97F4A7C15u >> 32) % SLOTS;
}

/* Its index, or FOUND_MAX where there is no room for another. */
static uint32_t index_of(struct finding *f, automaton_state state)
{
    uint32_t slot = slot_of(state);
    for (; f->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
        if (f->states[f->slots[slot] - 1u] == state)
            return f->slots[slot] - 1u;
    }
    if (f->count == FOUND_MAX)
        return FOUND_MAX;
    f->states[f->count++] = state;
    f->slots[slot] = (uint16_t)f->count;
    return f->count - 1;
}

static automaton_state known_or_unsure(const struct dfa *dfa, automaton_state state)
{
    bool known = state != DFA_UNKNOWN && dfa->table[state + dfa->end_class] != DFA_UNKNOWN;
    return known ? state : dfa->automaton.unsure;
}

static bool find_states(struct finding *f)
{
    const struct automaton *a = &f->dfa->automaton;
    index_of(f, AUTOMATON_DEAD);
    index_of(f, a->all);
    index_of(f, a->unsure);
    index_of(f, known_or_unsure(f->dfa, a->start));
    for (uint32_t i = 0; i < f->count; i++) {
        const automaton_state *row = f->dfa->table + f->states[i];
        for (uint32_t class = 0; class < f->class_count; class ++) {
            uint32_t next = index_of(f, known_or_unsure(f->dfa, row[class]));
            if (next == FOUND_MAX)
                return false;
            f->steps[i][class] = (uint8_t)next;
        }
    }
    return true;
}

/* The blocks of the state and of where it leads to. */
static uint32_t signature(const struct finding *f, uint32_t index, uint8_t out[257])
{
    uint32_t size = 0;
    out[size++] = f->block[index];
    for (uint32_t class = 0; class < f->class_count; class ++)
        out[size++] = f->block[f->steps[index][class]];
    return size;
}

/* Cuts blocks whose states lead to different blocks. Whether any was. */
static bool refine(struct finding *f)
{
    uint8_t next[FOUND_MAX], mine[257], theirs[257];
    uint16_t slots[SLOTS] = { 0 }; /* of signatures: a state that has it, + 1 */
    uint32_t count = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t size = signature(f, i, mine);
        uint32_t slot = slot_of(hash_bytes(mine, size));
        for (; slots[slot] != 0; slot = (slot + 1) % SLOTS) {
            signature(f, slots[slot] - 1u, theirs);
            if (memcmp(mine, theirs, size) == 0)
                break;
        }
        if (slots[slot] == 0) {
            slots[slot] = (uint16_t)(i + 1);
            next[i] = (uint8_t)count++;
        } else {
            next[i] = next[slots[slot] - 1];
        }
    }
    bool cut = count > f->block_count;
    memcpy(f->block, next, f->count);
    f->block_count = count;
    return cut;
}

/* Blocks are numbered by their first state, so the absorbing ones keep their numbers. */
static void merge_states(struct finding *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        automaton_state end = f->dfa->table[f->states[i] + f->dfa->end_class];
        f->block[i] = i < SMALL_DFA_FIRST ? (uint8_t)i : end == f->dfa->automaton.all ? 4 : 3;
    }
    f->block_count = 0;
    while (refine(f) && f->block_count <= SMALL_DFA_STATES) {}
}

static void fill(struct finding *f, struct small_dfa *out)
{
    uint8_t next[256][SMALL_DFA_STATES];
    memset(next, SMALL_DFA_UNSURE, f->class_count * sizeof next[0]);
    memset(out->states, 0, sizeof out->states);
    out->accepting = 0;
    for (uint32_t i = f->count; i-- > 0;) { /* so that a block's first state is the one in `states` */
        uint8_t number = f->block[i];
        out->states[number] = f->states[i];
        if (f->dfa->table[f->states[i] + f->dfa->end_class] == f->dfa->automaton.all)
            out->accepting |= 1ull << number;
        for (uint32_t class = 0; class < f->class_count; class ++)
            next[class][number] = f->block[f->steps[i][class]];
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        memcpy(out->next[byte], next[f->dfa->classes[byte]], SMALL_DFA_STATES);
    out->count = f->block_count;
    out->start = f->block[index_of(f, known_or_unsure(f->dfa, f->dfa->automaton.start))];
}

bool small_dfa_make(const struct dfa *explored, struct small_dfa *out)
{
    struct finding f;
    f.dfa = explored;
    f.class_count = explored->end_class;
    f.count = 0;
    memset(f.slots, 0, sizeof f.slots);
    if (!find_states(&f))
        return false;
    for (uint32_t i = 0; i < f.count; i++)
        f.block[i] = (uint8_t)i;
    f.block_count = f.count;
    if (f.count > SMALL_DFA_STATES)
        merge_states(&f);
    if (f.block_count > SMALL_DFA_STATES)
        return false;
    fill(&f, out);
    return true;
}

/* ---- walking ---- */

#if defined(__x86_64__)
#define CHUNK 16u /* bytes between two looks whether the state is absorbing */

__attribute__((target("avx512f,avx512bw,avx512vbmi"))) static uint8_t run_in_register(const struct small_dfa *d,
                                                                                      uint8_t state,
                                                                                      const uint8_t *bytes, size_t size)
{
    __m512i states = _mm512_set1_epi8((char)state);
    while (size > 0 && state >= SMALL_DFA_FIRST) {
        size_t chunk = size < CHUNK ? size : CHUNK;
        for (size_t i = 0; i < chunk; i++)
            states = _mm512_permutexvar_epi8(states, _mm512_load_si512(d->next[bytes[i]]));
        state = (uint8_t)_mm_cvtsi128_si32(_mm512_castsi512_si128(states));
        bytes += chunk;
        size -= chunk;
    }
    return state;
}
#endif

uint8_t small_dfa_run(const struct small_dfa *d, uint8_t state, const uint8_t *bytes, size_t size)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512vbmi"))
        return run_in_register(d, state, bytes, size);
#endif
    for (size_t i = 0; i < size && state >= SMALL_DFA_FIRST; i++)
        state = small_dfa_step(d, state, bytes[i]);
    return state;
}
