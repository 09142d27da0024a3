/* Sets of instructions of a program, and their steps over a byte: what a lazy DFA makes its states from, and the simulation of the NFA.
   A set says all that matters of a place in a key: the instructions that could go on, each waiting for a byte or for what an assertion must
   know of the byte behind. The search for matches that begin at any byte is in the steps. One thread at a time. */
#ifndef NACRE_REGEX_SUBSET_H
#define NACRE_REGEX_SUBSET_H
#include "regex/program.h"

#define END_OF_KEY 256u

enum subset_context {
    /* ASSERT_BEGIN_TEXT and ASSERT_BEGIN_LINE, as far as something waiting may come to ask */
    CONTEXT_AFTER_WORD = 4, /* likewise: the byte before belongs to a word */
    CONTEXT_WAITING = 8,    /* some assertion waits for the byte behind */
};
struct place {
    uint32_t *ids; /* ascending */
    uint32_t count;
    uint8_t context;
};

enum subset_outcome {
    SUBSET_DEAD,   /* no continuation matches */
    SUBSET_ALL,    /* the match is found */
    SUBSET_SOME,   /* see `to` */
    SUBSET_UNSURE, /* PROGRAM_ASCII cannot tell: a character that is not ASCII */
};

struct marks; /* a set while it is made */
struct subset {
    const struct program *program;
    struct place from, to; /* room for all instructions each */
    bool anchored;         /* matches begin at the begin of the key only */
    struct marks *marks;   /* private from here */
    uint32_t *stack;
    struct place again[2]; /* what a match that begins here adds: 1 behind a newline, 0 behind others */
    bool again_matches[2];
};

int subset_create(const struct program *, struct subset **); /* NACRE_NO_MEMORY */
void subset_free(struct subset *);
/* The place before a key's first byte, in `to`. */
enum subset_outcome subset_start(struct subset *);
/* From `from` over a byte or END_OF_KEY, to `to`. At the end: DEAD or ALL; over a byte that is not ASCII, in PROGRAM_ASCII: not SOME. */
enum subset_outcome subset_step(struct subset *, unsigned byte);
/* `to` becomes `from`. */
static inline void subset_advance(struct subset *s)
{
    struct place before = s->from;
    s->from = s->to;
    s->to = before;
}
#endif
