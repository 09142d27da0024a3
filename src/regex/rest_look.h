/* A run over a whole key that jumps: many expressions have a state at rest, which most bytes do not lead out of (`[0-9]{8,}` waits for a digit).
   The bytes that do are found 64 at a time; the automaton steps over what follows each of them, until it is at rest again. Private to
   src/regex. Belongs to its DFA. */
#ifndef NACRE_REGEX_REST_LOOK_H
#define NACRE_REGEX_REST_LOOK_H
#include "regex/regex.h"

struct rest_look {
    uint32_t asked; /* keys, before it is known whether jumping pays */
    bool ready, never;
    automaton_state rest;
    uint8_t leaves[128];       /* 0xFF: the byte leads out of it */
    uint8_t leaves_by_low[16]; /* by the low half of a byte: a bit per high half, 0 to 7 */
};
/* ANSWER_UNKNOWN also where jumping does not pay. `instructions`: of the program. */
enum automaton_answer rest_look(struct rest_look *, struct dfa *, uint32_t instructions, nacre_slice key);
#endif
