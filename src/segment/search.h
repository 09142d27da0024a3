/* A search over the keys of a collection by an automaton, as the store hands it to the kinds. One thread at a time. */
#ifndef NACRE_SEGMENT_SEARCH_H
#define NACRE_SEGMENT_SEARCH_H
#include "base/automaton.h"
#include "base/buffer.h"

struct regex; /* regex/regex.h; the store and the kinds that search know it */

/* How a search went in one segment (or memtable): for nacre_regex_explain. */
struct search_report {
    const char *strategy;  /* a constant: "metadata", "prefix", "suffix", "grams", "walk", ... ; NULL = not looked at */
    uint64_t keys, blocks; /* there are, within the bounds */
    uint64_t candidates;   /* blocks left after trie, grams and signatures; all blocks where these did not apply */
    uint64_t blocks_counted; /* whole blocks that were decided without reading them */
    uint64_t blocks_read, bytes_read, keys_run, matches;
    uint64_t signatures; /* blocks that signatures ruled out */
};

struct search {
    const struct regex *regex;
    struct automaton *automaton; /* a struct dfa over `regex`; this thread's */
    uint64_t snapshot;           /* versions with sequence <= this count */
    uint64_t now_ms;             /* the wall clock, for expiry, one for the whole search */
    bool
        want_all; /* false: who asks may stop after a few matches, so nothing is prepared that costs as much as a scan */
    bool indexes_off; /* tests: no part of the side file is used */
    int (*stop)(
        void *context); /* looked at every 100 us or so: NACRE_OK to go on, else the status to return. May be NULL */
    void *stop_context;
    struct search_report *report; /* counts are added; NULL: nobody asks */
    /* What the kind learned of the pattern and keeps from segment to segment. The kind's own; NULL at first, freed by search_end. */
    void *memo;
    void (*free_memo)(void *memo);
};

static inline void search_end(struct search *s) /* before the regex and the automaton go */
{
    if (s->memo)
        s->free_memo(s->memo);
    s->memo = NULL;
}
#endif
