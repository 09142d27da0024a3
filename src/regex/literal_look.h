/* A quick look for literals in one short key: whether it has one of those that every match must have. Private to src/regex.
   Immutable when made; any thread. */
#ifndef NACRE_REGEX_LITERAL_LOOK_H
#define NACRE_REGEX_LITERAL_LOOK_H
#include "base/automaton.h"
#include "regex/analysis.h"

#define LITERAL_LOOK_MOST 64u /* larger sets are not looked for */

/* The two bytes of a literal that are looked for first, and where in it they are. */
struct literal_marks {
    uint8_t one, other;
    uint32_t one_at, other_at;
};

struct literal_look {
    const struct literal_set *set; /* the analysis' */
    uint32_t longest;
    bool at_end;
    bool enough;                                   /* a key with one of them matches */
    bool ascii_only;                               /* nothing is said about keys with other bytes */
    struct literal_marks marks[LITERAL_LOOK_MOST]; /* of the set's items */
};
typedef enum automaton_answer literal_look_function(const struct literal_look *, nacre_slice key);

/* The function for this processor; NULL when no literal is known that a match must have. `bytes`: of the syntax. */
literal_look_function *literal_look_make(struct literal_look *, const struct regex_analysis *, bool bytes);
#endif
