/* Which keys of a block a search wants: a bit per key. */
#ifndef NACRE_STRINGS_BLOCK_MATCH_H
#define NACRE_STRINGS_BLOCK_MATCH_H
#include "regex/regex.h"
#include "segment/search.h"
#include "strings/key_block.h"

/* How keys are told apart. One thread at a time. */
struct block_matcher {
    struct dfa *dfa; /* for all blocks, */
    struct dfa
        *ascii; /* but for those of ASCII only there may be one that knows the segment's alphabet; else the same */
    const struct literal_set
        *literals; /* every wanted key contains one (at_end: ends with one); NULL: nothing is known */
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
