/* Which keys of a block a search wants: a bit per key. */
#ifndef NACRE_STRINGS_BLOCK_MATCH_H
#define NACRE_STRINGS_BLOCK_MATCH_H
#include "regex/regex.h"
#include "regex/small_dfa.h"
#include "segment/search.h"
#include "strings/key_block.h"

/* How keys are told apart. One thread at a time. */
struct block_matcher {
    struct dfa *dfa; /* for all blocks, but, */
    /* for those of ASCII only, one that knows the segment's alphabet, where there is one (else the same); that one in small (NULL: none, or it is too large). */
    struct dfa *ascii;
    const struct small_dfa *small;
    /* Every wanted key contains one (at_end: ends with one); NULL: nothing is known. */
    const struct literal_set *literals;
    bool at_end;
    bool enough;                /* and every key that does is wanted */
    bool bytes;                 /* the pattern is over bytes: what is said of ASCII holds for all */
    struct key_block_walk walk; /* scratch */
    uint64_t keys_run;          /* by the automaton */
};
void block_matcher_begin(struct block_matcher *, const struct search *);
void block_matcher_end(struct block_matcher *);
int block_match(struct block_matcher *, const struct key_block *, uint64_t *wanted); /* NACRE_OK, NACRE_NO_MEMORY */
#endif
