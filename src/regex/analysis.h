/* What can be said of a regular expression before any key is read: whether it is a set of literals, what every match must contain.
   Made from the syntax tree alone; immutable. All statements are about whole keys: "matches" = the expression matches somewhere in it. */
#ifndef NACRE_REGEX_ANALYSIS_H
#define NACRE_REGEX_ANALYSIS_H
#include "base/buffer.h"
#include "regex/syntax.h"

struct literal {
    const uint8_t *bytes;
    uint32_t size;
};
struct literal_set {
    const struct literal *items;
    uint32_t count; /* 0: there is none */
    bool
        folded; /* items are in lower case and ASCII, and ASCII letters of a key count as lower case. A statement about keys of ASCII only:
                       other keys may match by other letters (U+017F, U+212A) */
};

/* ---- gram queries ----
   Which n-grams (n = 1 to 3) a matching key must have. Grams are over the key's bytes with A-Z folded to a-z, with GRAM_BEGIN before the first
   byte and GRAM_END behind the last: both are letters that folding leaves free. Keys that are not UTF-8 count both with their bytes and with each bad
   byte as EF BF BD. (Cox, "Regular Expression Matching with a Trigram Index", 2012, has the rules for exact, prefix and suffix sets.) */
#define GRAM_BEGIN 'A'
#define GRAM_END   'B'
/* n << 24 | first << 16 | second << 8 | third; missing ones are 0. */
typedef uint32_t gram;
static inline gram gram_of(const uint8_t *bytes, unsigned n)
{
    return n << 24 | (gram)bytes[0] << 16 | (n > 1 ? (gram)bytes[1] << 8 : 0) | (n > 2 ? (gram)bytes[2] : 0);
}

enum gram_operation { GRAM_ANY, GRAM_NONE, GRAM_LEAF, GRAM_AND, GRAM_OR }; /* ANY: no condition; NONE: no key matches */
struct gram_query {
    enum gram_operation operation;
    gram leaf; /* GRAM_LEAF */
    const struct gram_query *
        *children; /* GRAM_AND, GRAM_OR: two or more; no child is ANY or NONE, nor of the same operation */
    uint32_t count;
};

/* How the expression decides. */
enum regex_shape {
    SHAPE_GENERAL,    /* by an automaton */
    SHAPE_NOTHING,    /* no key matches */
    SHAPE_EVERYTHING, /* every key matches */
    SHAPE_LITERALS, /* a key matches if and only if it has one of `literals`, at its begin where at_begin, at its end where at_end (both: is it) */
};

struct regex_analysis {
    enum regex_shape shape;
    struct literal_set
        literals; /* SHAPE_LITERALS: no item is empty; at most 64 items. When folded, the shape holds for keys of ASCII only */
    bool at_begin, at_end;       /* SHAPE_LITERALS */
    bool everything_on_one_line; /* SHAPE_GENERAL, and every key without a newline matches: ^.*$ */

    bool anchored;        /* a match can only begin at the begin of the key: walks from the front can fail early */
    struct literal begin; /* every matching key begins with it (size 0: nothing known) */
    struct literal_set
        required; /* every matching key contains one of them; the best such set for a scan: few (at most 16), long, rare. May be
                                 folded; may be empty */
    bool required_at_end;           /* ... and the key ends with it */
    bool required_is_enough;        /* SHAPE_LITERALS without anchors only: containing one is matching */
    const struct gram_query *grams; /* never NULL */
    uint64_t least_bytes;           /* no shorter key matches */
};

/* Fills *analysis; its parts live in the tree's arena. NACRE_NO_MEMORY. */
int analysis_make(struct syntax_tree *, struct regex_analysis *analysis);
/* The query as text, as: ("abc" & ("bcd" | "bce")); begin and end are shown as ^ and $. */
int gram_query_text(const struct gram_query *, struct buffer *out);
/* Memory from the tree's arena, freed with it; NULL with detail. Aligned to 8. */
void *syntax_alloc(struct syntax_tree *, size_t bytes);
#endif
