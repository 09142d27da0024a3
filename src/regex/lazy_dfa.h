/* A DFA whose states are made when a step first leads to them, under a budget of memory. Private to src/regex: struct dfa is one over
   ASCII with whole keys behind it; whole keys are decided by a second one. One thread at a time. */
#ifndef NACRE_REGEX_LAZY_DFA_H
#define NACRE_REGEX_LAZY_DFA_H
#include "regex/literal_look.h"
#include "regex/program.h"
#include "regex/regex.h"
#include "regex/class_look.h"
#include "regex/subset.h"

#define LAZY_DFA_FIRST 3u /* the row of the first state behind dead, all, unsure */

struct whole_key;
struct lazy_dfa {
    struct dfa dfa;                /* first */
    const struct program *program; /* the regex's */
    struct subset *subset;
    uint32_t table_rows; /* that there is room for */
    struct lazy_row *row_places;
    uint32_t row_capacity;
    uint8_t *places; /* of the rows, packed */
    size_t places_size, places_capacity;
    uint32_t *slots; /* hash table of rows; 0 is free */
    uint32_t slot_count;
    size_t budget, used;
    struct whole_key *whole_key; /* NULL until a key was decided by it */
    struct literal_look literals;
    literal_look_function *look; /* NULL: no literals are known */
    struct class_look classes;
};

/* Takes ownership of nothing. NACRE_NO_MEMORY. */
int lazy_dfa_create(const struct regex *, const struct program *, size_t budget_bytes, struct lazy_dfa **);
void lazy_dfa_free(struct lazy_dfa *);
/* The state of the place subset->from; `unsure` when there is no room for it. */
automaton_state lazy_dfa_state(struct lazy_dfa *);
/* The same after forgetting all states; memory is kept. The automaton's start is DFA_UNKNOWN then, if it was no absorbing one. */
automaton_state lazy_dfa_restart(struct lazy_dfa *);
/* The place that a state (no absorbing one) stands for, into subset->from. */
void lazy_dfa_place(struct lazy_dfa *, automaton_state);

/* Whole keys (whole_key.c): budget_bytes is that of the DFA. */
int whole_key_create(const struct regex *, size_t budget_bytes, struct whole_key **);
void whole_key_free(struct whole_key *);
bool whole_key_matches(struct whole_key *, nacre_slice key);

/* Made when first asked for, by any thread; NULL where memory fails. */
const struct program *regex_program(const struct regex *, enum program_flavour);
#endif
