/* A compiled regular expression and the automata over it (Thompson programs of bytes, lazy DFAs; Cox, "Regular Expression Matching in the
   Wild", 2010).

   A key matches when the expression matches somewhere in it. Time is linear in the key, memory bounded, whatever the pattern.
   Keys are UTF-8; a byte that is not part of valid UTF-8 counts as one character U+FFFD, as in Go. With `bytes` each byte is a character.

   A struct regex is immutable: any number of threads. A dfa belongs to one thread at a time. */
#ifndef NACRE_REGEX_REGEX_H
#define NACRE_REGEX_REGEX_H
#include "base/automaton.h"
#include "base/buffer.h"
#include "regex/analysis.h"
#include "regex/syntax.h"

struct regex;

/* NACRE_INVALID with position and reason, NACRE_LIMIT when the program would be larger than REGEX_PROGRAM_MAX instructions, NACRE_NO_MEMORY.
   Quick: parse and analysis (microseconds for common patterns); programs are made when an automaton first needs them. */
#define REGEX_PROGRAM_MAX (1u << 17)
int regex_compile(nacre_slice pattern, const struct regex_options *, struct regex **, size_t *error_at);
void regex_free(struct regex *);
const struct syntax_tree *regex_syntax(const struct regex *);
const struct regex_analysis *regex_analysis(const struct regex *); /* made by regex_compile */

/* ---- the automaton that walkers use ----

   Its alphabet is ASCII (or all bytes, with `bytes`): a byte >= 0x80 leads to `unsure`, or to `dead` or `all` where the match does not hang on
   what it is; a state that finds no room in the budget leads to `unsure`.
   So it needs no UTF-8 automata and is small; what it is unsure of is decided key by key with the whole language (dfa->automaton.decide:
   a second lazy DFA over UTF-8 that is emptied when full, and a simulation of the NFA where that thrashes; bytes that are not UTF-8 are read
   as U+FFFD). */
#define DFA_UNKNOWN UINT32_MAX
struct dfa {
    struct automaton automaton; /* first */
    /* States are offsets of rows in `table`: state + class of the byte gives the next one, or DFA_UNKNOWN. Rows: 0 dead, 1 all, 2 unsure.
       `table` moves when it grows: read it anew after each dfa_build. The last class, `end_class`, is the end of the key: it leads to dead or all. */
    uint32_t *table;
    uint32_t stride, end_class;
    uint32_t rows; /* so far */
    uint8_t classes[256];
    const struct regex *regex;
};
/* The budget is for the states of the walker, 0 = default, 8 MiB; half as much again goes to whole keys when the first of them is decided.
   Beside it there are the programs (8 bytes per instruction) and work memory of about 20 bytes per instruction. NACRE_NO_MEMORY. */
int dfa_create(const struct regex *, size_t budget_bytes, struct dfa **);
void dfa_free(struct dfa *);
/* Builds the row's missing step. Gives `unsure` when it cannot. */
automaton_state dfa_build(struct dfa *, automaton_state, uint32_t class_);

static inline automaton_state dfa_step(struct dfa *d, automaton_state state, uint8_t byte)
{
    automaton_state next = d->table[state + d->classes[byte]];
    return __builtin_expect(next != DFA_UNKNOWN, 1) ? next : dfa_build(d, state, d->classes[byte]);
}
static inline bool dfa_accepts(struct dfa *d, automaton_state state) /* not of `unsure` */
{
    automaton_state next = d->table[state + d->end_class];
    if (__builtin_expect(next == DFA_UNKNOWN, 0))
        next = dfa_build(d, state, d->end_class);
    return next == d->automaton.all;
}

/* Builds all states that can be reached from the start over the bytes of `alphabet` (a bit per byte; those >= 0x80 are left out unless the
   regex is over bytes), as long as there are at most `most_rows`; *complete says whether that was so. Then, if complete, states from which every
   continuation over the alphabet matches become `all` and those from which none does become dead: all rows' steps over the alphabet, and
   automaton.start, are redirected. The result is good for keys of these bytes only. NACRE_OK also where not complete; NACRE_NO_MEMORY. */
int dfa_explore(struct dfa *, const uint64_t alphabet[4], uint32_t most_rows, bool *complete);

/* Whole keys without a DFA, for tests: simulates the NFA over UTF-8 (or bytes). */
int regex_matches_slowly(const struct regex *, nacre_slice key, bool *matches);
#endif
