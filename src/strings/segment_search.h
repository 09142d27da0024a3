/* A search in one segment: which of its blocks need a look, and what the look finds. Made for a range of keys, then asked block by block in any order; the
   match cursor and the count stand on it.

   How blocks are chosen, cheapest first; each step only takes blocks away, so any of them may be left out:
     1. the bounds;
     2. the automaton over the trie of separators: subtrees that it gives up on, or accepts as a whole;
     3. posting lists of grams;
     4. signatures, proved on the automaton when the blocks left are many; before the grams where their lists are long.
   One thread at a time. */
#ifndef NACRE_STRINGS_SEGMENT_SEARCH_H
#define NACRE_STRINGS_SEGMENT_SEARCH_H
#include "strings/block_match.h"
#include "strings/reader.h"

struct segment_search {
    struct strings_reader *reader;
    struct search *search;
    struct string_index *index; /* NULL: none, or not to be used */
    /* The keys of [begin, end): from key first_index of first_block up to, without it, key last_index of last_block. */
    uint32_t first_block, first_index, last_block, last_index;
    uint64_t *some,
        *all; /* a bit per block: some keys may be wanted; all are (then not in `some`). NULL when the range is empty */
    size_t words;
    struct block_matcher matcher;
    uint32_t looks; /* blocks since the stop function was asked */
};
int segment_search_begin(struct segment_search *, struct strings_reader *, struct search *, nacre_slice begin,
                         nacre_slice end);
void segment_search_end(struct segment_search *); /* also after a failed begin */

static inline bool segment_search_is_whole(
    const struct segment_search *s) /* no key of the segment lies outside the bounds */
{
    return s->first_block == 0 && s->first_index == 0 && s->last_block == s->reader->blocks;
}
static inline bool segment_search_takes_all(const struct segment_search *s, uint32_t block)
{
    return s->all[block / 64] >> (block % 64) & 1;
}
/* The first block at or after `from` with a bit in `some` or `all`; reader->blocks when there is none. And the last one at or before. */
uint32_t segment_search_next(const struct segment_search *, uint32_t from);
bool segment_search_before(const struct segment_search *, uint32_t from, uint32_t *block);
/* The bits of the block's keys that lie within the bounds. */
uint64_t segment_search_bounds(const struct segment_search *, uint32_t block);
/* The block's wanted keys within the bounds; its view when `view` is given (to be released; also where no key is wanted). Asks the stop function now and
   then. */
int segment_search_look(struct segment_search *, uint32_t block, struct key_block *view, uint64_t *wanted);

/* Every key of the segment is wanted, whatever it is. */
bool segment_search_wants_everything(const struct strings_reader *, const struct search *);

/* Blocks left from which on the automaton is explored: less than that is looked at sooner. Only tests change it. */
extern uint32_t segment_search_explore_worth;

/* ---- the steps (private) ---- */
struct block_set { /* what is left */
    uint64_t *some, *all;
    size_t words;
    uint32_t blocks;
};
uint64_t bits_count(const uint64_t *words, size_t count);
void bits_set_range(uint64_t *words, uint32_t from, uint32_t after);
/* trie_walk.c: blocks [first, after] of the set become what the automaton says of their separators. Visits at most `most_places` places; *finished says whether that
   was enough (else the rest stays in `some`). */
int trie_walk(const struct block_trie *, struct automaton *, uint32_t first, uint32_t last, uint32_t most_places,
              uint64_t *some, uint64_t *all, bool *finished);
/* gram_blocks.c: takes away blocks of `some` that the grams rule out, as far as that is cheaper than looking at them. `some` may hold any bits. */
int gram_blocks(struct string_index *, const struct gram_query *, uint64_t *some, size_t words, bool *used);
/* Whether that takes less time than exploring the automaton does, roughly. */
bool grams_are_cheap(struct string_index *, const struct gram_query *, size_t words);
/* required_features.c: the features (signature.h) that every key over the dfa's alphabet has which it wants. `dfa` is fully explored over it. */
int required_features(struct dfa *, const uint64_t alphabet[4], uint64_t *features);
#endif
