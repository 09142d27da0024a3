/* A look at a whole key by classes of bytes, for expressions of which no literal is known (`[0-9]{8,}`). Private to src/regex. Belongs to its
   DFA.

   - A match is a run of bytes that the expression can read at all, and has a least length: a key without such a run is not wanted.
   - Many expressions have a state at rest, which most bytes do not lead out of (`[0-9]{8,}` waits for a digit). A run over the key jumps to
     those that do, and steps from there on until the automaton is at rest again. */
#ifndef NACRE_REGEX_CLASS_LOOK_H
#define NACRE_REGEX_CLASS_LOOK_H
#include "regex/program.h"
#include "regex/regex.h"

/* Some bytes below 0x80, and all others. */
struct byte_class {
    uint8_t has[128];   /* 0xFF: it has the byte */
    uint8_t by_low[16]; /* by the low half of a byte: a bit per high half, 0 to 7 */
};

struct class_look {
    uint32_t asked; /* keys */
    uint32_t least; /* bytes of `readable` in a row that a match has; 0: not looked for */
    struct byte_class readable;
    bool jumps;
    automaton_state rest;
    struct byte_class leaving; /* what leads out of `rest` */
};
/* ANSWER_UNKNOWN also where a look is not worth it. */
enum automaton_answer class_look(struct class_look *, struct dfa *, const struct program *, nacre_slice key);
#endif
