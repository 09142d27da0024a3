/* Regular expressions: pattern to syntax tree, in the syntax of RE2 (https://github.com/google/re2/wiki/Syntax), which is that of Go.

   Only whether a key matches is asked, never where: so groups, laziness (`*?`, `(?U)`) and the order of alternatives have no trace in the
   tree. Flags (?i) (?s) (?m) are resolved while parsing: a letter under (?i) is the class of its case orbit, a dot is a class.

   Refused with NACRE_INVALID, position and reason: what does not parse, back-references, look-around, counts over 1000 (also nested: the
   product of nested counts is at most 1000, as in RE2), groups nested deeper than 1000, patterns over 64 KiB... Any thread. */
#ifndef NACRE_REGEX_SYNTAX_H
#define NACRE_REGEX_SYNTAX_H
#include "base/slice.h"

#define REGEX_COUNT_MAX   1000u
#define REGEX_DEPTH_MAX   1000u
#define REGEX_PATTERN_MAX (64u << 10) /* bytes; longer ones are NACRE_LIMIT */
#define REGEX_UNBOUNDED   UINT32_MAX

enum syntax_kind {
    SYNTAX_NOTHING,          /* matches nothing (an empty class) */
    SYNTAX_EMPTY,            /* matches the empty string */
    SYNTAX_LITERAL,          /* one or more whole characters, as bytes of a key */
    SYNTAX_CLASS,            /* one character out of sorted, disjoint, non-adjacent ranges; at least two characters */
    SYNTAX_BEGIN_TEXT,       /* \A, and ^ without (?m) */
    SYNTAX_END_TEXT,         /* \z, and $ without (?m) */
    SYNTAX_BEGIN_LINE,       /* ^ with (?m) */
    SYNTAX_END_LINE,         /* $ with (?m) */
    SYNTAX_WORD_BOUNDARY,    /* \b: words are ASCII */
    SYNTAX_NO_WORD_BOUNDARY, /* \B */
    SYNTAX_CONCAT,           /* two or more children, none a CONCAT or EMPTY; neighbouring literals are joined */
    SYNTAX_ALTERNATE,        /* two or more children, none an ALTERNATE or NOTHING */
    SYNTAX_REPEAT,           /* child, least to most times; never {1,1} or {0,0} */
};

struct code_range {
    uint32_t low, high; /* code points, both in; in patterns over bytes 0 to 255 */
};

struct syntax_node {
    enum syntax_kind kind;
    union {
        struct {
            const uint8_t *bytes;
            uint32_t size;
        } literal;
        struct {
            const struct code_range *ranges;
            uint32_t count;
        } set;
        struct {
            struct syntax_node **children;
            uint32_t count;
        } list;
        struct {
            struct syntax_node *child;
            uint32_t least, most; /* most may be REGEX_UNBOUNDED */
        } repeat;
    };
};

struct regex_options {
    bool ignore_case; /* as (?i) before the pattern */
    bool bytes;       /* keys are bytes, each a character of Latin-1, instead of UTF-8; so is the pattern */
};

struct syntax_tree {
    struct syntax_node *root;
    bool bytes;
    bool may_match_invalid; /* U+FFFD is in a class or literal, or a dot is there: keys that are not UTF-8 may match */
    void *arena;            /* private: what the nodes lie in */
};

/* Parses and simplifies. *error_at (may be NULL): byte of the pattern where it went wrong. The detail reads
   "regular expression: <reason> at byte <n>: `<the part>`". NACRE_INVALID, NACRE_LIMIT, NACRE_NO_MEMORY. */
int syntax_parse(nacre_slice pattern, const struct regex_options *, struct syntax_tree *, size_t *error_at);
/* The same for who asks where a match lies: what may be dropped at the edges of the expression as long as only whether a key matches is
   asked stays. */
int syntax_parse_untrimmed(nacre_slice pattern, const struct regex_options *, struct syntax_tree *, size_t *error_at);
void syntax_free(struct syntax_tree *); /* takes a zeroed one */
#endif
