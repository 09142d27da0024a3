/* A DFA of at most 64 states in a table by bytes: a row of 64 next states is one cache line, and one register of AVX-512, in which a step is one
   permutation. Made from a struct dfa that was explored; good for keys of the bytes it was explored over: others lead to `unsure`.
   Immutable; any number of threads. */
#ifndef NACRE_REGEX_SMALL_DFA_H
#define NACRE_REGEX_SMALL_DFA_H
#include "regex/regex.h"

#define SMALL_DFA_STATES 64u
enum {
    SMALL_DFA_DEAD,
    SMALL_DFA_ALL,
    SMALL_DFA_UNSURE,
    SMALL_DFA_FIRST
}; /* absorbing, as in struct automaton; then the others */

struct small_dfa {
    _Alignas(64) uint8_t next[256][SMALL_DFA_STATES]; /* by byte, by state */
    automaton_state states[SMALL_DFA_STATES];         /* those of the struct dfa */
    uint64_t accepting;                               /* a bit per state: is a key wanted that ends there? */
    uint32_t count;
    uint8_t start;
};

/* False when there would be more states. Where there are more than 64 and at most 256, those that no key tells apart are merged: that may
   take some hundred microseconds, and be in vain, so it is for searches that read much. */
bool small_dfa_make(const struct dfa *explored, struct small_dfa *);
/* The bytes one after the other; by AVX-512 where the machine has it. */
uint8_t small_dfa_run(const struct small_dfa *, uint8_t state, const uint8_t *bytes, size_t size);

static inline uint8_t small_dfa_step(const struct small_dfa *d, uint8_t state, uint8_t byte)
{
    return d->next[byte][state];
}
static inline bool small_dfa_accepts(const struct small_dfa *d, uint8_t state) /* not of `unsure` */
{
    return d->accepting >> state & 1;
}
#endif
