/* Counting matches exactly without merging everything: what a count is cut into. Private to search_*.c.

   A key is live at a sequence when its newest version there is a put that has neither expired nor is under a newer range delete. With
   sources numbered from the newest (memtables, then runs), let live(i, k) say so of source i alone, L(i, k) of all sources from i on.
   L(i, k) is live(i, k) where source i has a version of k that the sequence sees, else L(i + 1, k). So

     the count = sum over k of L(1, k) = sum over i, over k that i has, of live(i, k) - L(i + 1, k)

   and each term needs its own source and a look below: sources are counted one by one, their keys cut into ranges at will, in any order
   and by any number of threads. A memtable's keys are taken from its list, in no order, where its tree would leave nothing out. Where nothing
   lies below, a term is live(i, k) alone, and the kind counts a whole range by itself.

   Range deletes are put into one set, each as far as its source's keys go. A range of keys of a piece is left out where a range delete is
   newer than all its entries, counted as if there were none where all are older, and else walked. */
#ifndef NACRE_STORE_SEARCH_COUNT_H
#define NACRE_STORE_SEARCH_COUNT_H
#include "store/search.h"

enum below {
    BELOW_NOTHING,
    BELOW_LOOKUPS, /* much more lies below than in the source: keys are looked up one by one */
    BELOW_MERGED   /* else the matches below are walked beside those of the source */
};

/* A memtable, or a piece of a run. */
struct count_source {
    struct memtable *memtable; /* NULL: a piece */
    const struct piece *piece;
    size_t table, run; /* what lies below: the view's tables behind `table`, the version's runs from `run` on */
    uint32_t level;
    enum below below;
    uint64_t entries;
    struct search_report report;
    uint64_t matches; /* wanted keys that the source has, live or not; for counted ranges, live ones */
};

/* Some keys of one source. */
struct count_task {
    size_t source;
    nacre_slice begin, end; /* empty = as far as the source goes */
    bool walked;            /* key by key; else by the kind's match_count */
    bool whole;             /* not cut yet, so it may be */
    size_t part, parts;     /* parts > 0: a part of the list of a memtable's keys, without bounds */
};

/* Where a count changes its ways. Tests make these smaller, before there are any counts. */
struct count_limits {
    uint64_t
        part_entries; /* a part that a task over a piece is cut into has at least so many: kinds do more for large ones */
    uint64_t table_part_entries; /* the same for memtables */
    size_t spans;                /* a piece that range deletes cut into more is walked as a whole */
    uint64_t
        merge_keys; /* below is merged only once a source has shown so many matches: with few of them a look at each is cheaper */
    unsigned seek_steps; /* below, a key further away than this is sought */
    uint64_t tree_keys; /* a cursor over matches of a memtable has met so many before it leaves the tree for the list */
    uint64_t give_up_ns; /* a task that takes longer is cut, and helpers are made */
};
extern struct count_limits count_limits;

struct kept_bytes;
struct count_plan {
    const struct regex *regex;
    struct view *view;
    uint64_t sequence, now_ms;
    struct count_source *sources;
    size_t source_count, source_capacity;
    struct count_task *tasks;
    size_t task_count, task_capacity;
    struct range_set *ranges; /* NULL: there are none */
    struct kept_bytes *kept;  /* keys that tasks were cut at */
};

/* The regex, the view and the bounds live as long as the plan. */
int count_plan_make(struct count_plan *, const struct regex *, struct view *, uint64_t sequence, nacre_slice begin,
                    nacre_slice end);
void count_plan_free(struct count_plan *); /* takes a zeroed one */
/* Cuts tasks[index] into up to `parts` of about the same size: the first one in its place, the others at the end. Small ones stay. */
int count_plan_cut(struct count_plan *, size_t index, size_t parts);
static inline uint64_t count_part_entries(const struct count_source *source)
{
    return source->memtable ? count_limits.table_part_entries : count_limits.part_entries;
}
static inline bool count_task_is_large(const struct count_plan *plan, const struct count_task *task)
{
    const struct count_source *source = &plan->sources[task->source];
    return task->whole && source->entries >= 2 * count_part_entries(source);
}

/* A walked task: its term of the sum, modulo 2^64, and how many wanted keys the source has. */
int count_walk(const struct count_plan *, const struct count_task *, struct search *, uint64_t *live,
               uint64_t *matches);

/* ---- a count as a whole ---- */
struct count_result {
    struct count_plan plan; /* for its sources' reports */
    uint64_t count;
    unsigned threads;
};
/* `regex` is compiled; the result is freed with count_plan_free(&result->plan) and view_release(result->plan.view), also on failure. */
int search_count(nacre_collection *, const struct regex *, const nacre_regex_options *, const struct search_stop *,
                 struct count_result *);
#endif
