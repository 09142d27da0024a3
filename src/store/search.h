/* Searches of a collection by regular expression: a cursor (search.c, under scan.c), a count (search_count.c over what search_plan.c
   cuts), and what is said about it (search_explain.c).

   A search has its own automata, compiled pattern and clock; nothing of it is shared between calls. */
#ifndef NACRE_STORE_SEARCH_H
#define NACRE_STORE_SEARCH_H
#include "regex/regex.h"
#include "segment/search.h"
#include "store/store.h"

struct nacre_cancel {
    _Atomic bool requested; /* relaxed: nothing else is told by it */
};

/* What may end a search before its end. */
struct search_stop {
    const nacre_cancel *cancel; /* or NULL */
    uint32_t timeout_ms;        /* 0 = none; then deadline_ns is not looked at */
    uint64_t deadline_ns;       /* clock_monotonic_ns */
};
/* NACRE_OK, NACRE_CANCELLED or NACRE_TIMEOUT, with detail. */
int search_stop_due(const struct search_stop *);

/* NACRE_UNSUPPORTED for a kind that does not search; else the compiled pattern. */
int search_compile(const nacre_collection *, nacre_slice pattern, const nacre_regex_options *, struct regex **);
/* A report's figures into the store's statistics. */
void search_note(nacre_store *, const struct search_report *, uint64_t matches);

/* ---- the cursor's part ---- */

/* What a nacre_cursor over matches has beside its merge. One thread at a time. */
struct match_scan {
    struct regex *regex;
    struct dfa *dfa;
    struct search search;
    struct search_report report;
    struct search_stop stop;
    uint64_t left_ns, began_ns; /* of the timeout: what is left, and since when the move at work runs */
    unsigned steps;
    uint64_t matches;
    bool limited;                   /* not all matches are asked for */
    struct memtable_search *tables; /* one per memtable of the view */
};
#define MATCH_STOP_STEPS 64u

/* memtable_search.list_after: 0 where only the tree helps. `partial`: who asks wants a part of the keys (bounds, a limit), so that the tree is
   given as much time as the list would take. */
uint64_t search_list_after(const struct regex *, const struct memtable *, bool partial);

int match_scan_create(const nacre_collection *, nacre_slice pattern, const nacre_regex_options *, struct match_scan **);
/* Before cursors are made: over so many memtables, at this sequence. */
int match_scan_begin(struct match_scan *, size_t table_count, uint64_t sequence);
/* A cursor over the wanted keys of the view's memtable `index`. The bounds live as long. */
int match_scan_table(struct match_scan *, size_t index, struct memtable *, nacre_slice begin, nacre_slice end,
                     struct cursor **);
void match_scan_free(struct match_scan *, nacre_store *); /* NULL is fine */
/* Around each move of the cursor: enter says whether it may be made at all. */
int match_scan_enter(struct match_scan *);
void match_scan_leave(struct match_scan *);
static inline int match_scan_step(struct match_scan *m)
{
    return ++m->steps % MATCH_STOP_STEPS ? NACRE_OK : search_stop_due(&m->stop);
}

/* collection_scan over matches; takes over `match`, also on failure. NULL: over everything. */
int collection_scan_matches(nacre_collection *, const nacre_scan_options *, struct match_scan *match, nacre_cursor **);

/* ---- the calls ---- */
int collection_regex_scan(nacre_collection *, nacre_slice pattern, const nacre_regex_options *, nacre_cursor **);
int collection_regex_count(nacre_collection *, nacre_slice pattern, const nacre_regex_options *, uint64_t *count);
int collection_regex_explain(nacre_collection *, nacre_slice pattern, const nacre_regex_options *, char **json);
int regex_check_pattern(nacre_slice pattern, const nacre_regex_options *, size_t *position);
#endif
