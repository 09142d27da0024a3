/* Thompson programs over bytes: what the automata of a regular expression are made from. Immutable; any number of threads. */
#ifndef NACRE_REGEX_PROGRAM_H
#define NACRE_REGEX_PROGRAM_H
#include "regex/syntax.h"

enum program_flavour {
    PROGRAM_ASCII, /* reads ASCII only; other characters have no bytes, but it is known where one could go on */
    PROGRAM_WHOLE, /* reads valid UTF-8; or bytes, where the tree is over bytes (then PROGRAM_ASCII is the same) */
};

enum instruction_kind {
    INSTRUCTION_BYTES,  /* a byte from low to high, then next */
    INSTRUCTION_GO,     /* next */
    INSTRUCTION_ASSERT, /* next, where `assertion` holds */
    INSTRUCTION_MATCH,
    INSTRUCTION_FAIL,
};
/* What an instruction may assert, and sets of that. */
enum assertion {
    ASSERT_BEGIN_TEXT = 1,
    ASSERT_BEGIN_LINE = 2,
    ASSERT_END_TEXT = 4,
    ASSERT_END_LINE = 8,
    ASSERT_BOUNDARY = 16,
    ASSERT_NO_BOUNDARY = 32,
};
#define ASSERT_BEHIND (ASSERT_BEGIN_TEXT | ASSERT_BEGIN_LINE) /* known from the bytes before */
#define ASSERT_WORDS  (ASSERT_BOUNDARY | ASSERT_NO_BOUNDARY)
#define ASSERT_AHEAD  (ASSERT_END_TEXT | ASSERT_END_LINE | ASSERT_WORDS) /* known with the byte behind */

enum instruction_flag {
    INSTRUCTION_MORE = 1, /* the following instruction is an alternative to this one */
    INSTRUCTION_BEYOND =
        2, /* BYTES in PROGRAM_ASCII: a character that is not ASCII could go on too. The only choice where low > high */
};
struct instruction {
    uint32_t next; /* the first of a run of alternatives */
    uint8_t kind, flags;
    union {
        struct {
            uint8_t low, high;
        };
        uint8_t assertion;
    };
};
_Static_assert(sizeof(struct instruction) == 8, "compact");

struct program {
    uint32_t count, start;
    bool whole;                  /* not for ASCII alone */
    bool utf8;                   /* PROGRAM_WHOLE over UTF-8 */
    uint8_t assertions;          /* the kinds that are in it */
    uint32_t class_count;        /* bytes of one class are the same to all instructions and assertions */
    uint8_t classes[256];        /* PROGRAM_ASCII: the bytes above ASCII are the last class */
    uint8_t representative[256]; /* class to one of its bytes */
    struct instruction instructions[];
};

/* How many instructions it would have, or some number over `most` where it is more than that. NACRE_NO_MEMORY. */
int program_size(const struct syntax_tree *, enum program_flavour, uint32_t most, uint32_t *size);
/* The tree need not outlive it. Never more than program_size says. NACRE_NO_MEMORY. */
int program_make(const struct syntax_tree *, enum program_flavour, struct program **);
void program_free(struct program *);

static inline bool byte_is_word(unsigned byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_';
}
#endif
