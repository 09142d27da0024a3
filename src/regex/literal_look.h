/* A quick look for literals in one short key: whether it has one of those that every match must have. Private to src/regex.
   Immutable when made; any thread. */
#ifndef NACRE_REGEX_LITERAL_LOOK_H
#define NACRE_REGEX_LITERAL_LOOK_H
#include "base/automaton.h"
#include "regex/analysis.h"

struct literal_look {
    const struct literal_set *set; /* the analysis' */
    uint32_t longest;
    bool at_end;
    bool enough;     /* a key with one of them matches */
    bool ascii_only; /* nothing is said about keys with other bytes */
};
typedef enum automaton_answer literal_look_function(const struct literal_look *, nacre_slice key);

/* The function for this processor; NULL when no literal is known that a match must have. `bytes`: of the syntax. */
literal_look_function *literal_look_make(struct literal_look *, const struct regex_analysis *, bool bytes);
#endif
