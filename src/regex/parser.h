/* What the files of the parser share: parse.c (the loop), parse_group.c, parse_repeat.c, parse_escape.c, parse_class.c. */
#ifndef NACRE_REGEX_PARSER_H
#define NACRE_REGEX_PARSER_H
#include "regex/char_set.h"
#include "regex/syntax.h"

enum parse_flag {
    FLAG_IGNORE_CASE = 1,
    FLAG_MANY_LINES = 2,  /* (?m) */
    FLAG_DOT_NEWLINE = 4, /* (?s) */
    FLAG_UNGREEDY = 8,    /* (?U): no trace in the tree */
};

/* A part that is parsed, on the stack of those that wait for what follows. */
struct operand {
    struct syntax_node *node;
    uint32_t product; /* the greatest product of nested counts in it, at least 1 */
    bool
        open; /* a literal in `text` to which characters may still be added, of which a repetition takes the last one */
};

/* An open group; the first is the whole pattern. */
struct group {
    uint32_t first_operand;  /* its alternatives so far, then the parts of the one that is being read */
    uint32_t concat_operand; /* the first of these parts */
    uint32_t flags_outside;
    const uint8_t *at; /* its parenthesis */
};

enum { OPERANDS_INLINE = 32, GROUPS_INLINE = 8 };

struct parser {
    struct syntax_tree *tree;
    bool untrimmed; /* edges stay */
    const uint8_t *begin, *at, *end;
    uint32_t flags;
    const uint8_t *repeat_at; /* the repetition operator right before `at`, or NULL */
    uint8_t *text, *text_at;  /* room for the bytes of all literals: each takes at least as many bytes of the pattern */
    struct operand *operands;
    uint32_t operand_count, operand_capacity;
    struct group *groups;
    uint32_t group_count, group_capacity;
    struct char_set set, scratch; /* for the class at hand; a negated part of it */
    uint64_t range_count;         /* of all classes */
    const uint8_t *error_at;
    struct operand operands_inline[OPERANDS_INLINE];
    struct group groups_inline[GROUPS_INLINE];
};

/* All give NACRE_OK or the failure; `at` stands behind what was read. */
int parse_push(struct parser *, struct syntax_node *node, uint32_t product); /* NULL: fails */
int parse_push_character(struct parser *, uint32_t code);                    /* a literal, or a class under (?i) */
int parse_push_set(struct parser *);                                         /* the class in `set` */
int parse_group_open(struct parser *);
int parse_group_close(struct parser *);
int parse_alternative(struct parser *); /* ends the one that is being read */
int parse_repeat(struct parser *);      /* * + ? */
int parse_count(struct parser *);       /* {n,m}, or a literal brace */
int parse_escape(struct parser *);
int parse_bracket(struct parser *);
/* The character behind a backslash (at `at`), with hexadecimal, octal and C escapes, in and outside of brackets. */
int parse_escaped_character(struct parser *, uint32_t *code);
/* \d \pN and the like at `at`, added to `set`. *found says whether there was one. */
int parse_named_class(struct parser *, bool *found);
uint32_t parse_character(struct parser *); /* the next one as it stands; there is one */

int parse_refuse(struct parser *, const uint8_t *from, const uint8_t *to, const char *reason);
/* The beginning of what is left. */
static inline bool parse_looks_at(const struct parser *p, const char *text)
{
    size_t size = strlen(text);
    return (size_t)(p->end - p->at) >= size && memcmp(p->at, text, size) == 0;
}
#endif
