/* What the files of the tree share. Private to src/tree.

   A collection is a list of sorted runs, newest first: level 0's, then one per deeper level. A unit of work takes the keys of a range out of
   some consecutive runs, merges them, and puts the result into the oldest of these (the target). So for every key newer data stays above
   older data, whatever part of the work is done.

   Locks, in order: tree.lock > manifest's > what publish takes. tree.lock is held over the manifest commit, never over reading or writing
   segments. flush_lock (one flush at a time) comes before tree.lock. */
#ifndef NACRE_TREE_PRIVATE_H
#define NACRE_TREE_PRIVATE_H
#include "base/memory.h"
#include "tree/tree.h"
#include "tree/version_build.h"
#include <pthread.h>

struct tree_counters {
    _Atomic uint64_t flushes, merges, moves, drops, bytes_flushed, bytes_merged_read, bytes_merged_written;
    _Atomic uint64_t indexes, quick_indexes;
    _Atomic uint64_t operands_folded, fold_failures;
    _Atomic uint64_t filter_removed, filter_changed, filter_redone;
    _Atomic uint64_t values_moved, value_bytes_moved;
};

/* A range of keys in levels [from, to] that a unit works on, or waits for; of kinds with whole_runs only runs with ids in [oldest, newest]. */
struct claim {
    struct claim *next;
    struct key_range range;
    uint32_t from, to;
    uint64_t oldest, newest; /* 0 and 0 for the other kinds: all meet */
    uint64_t ticket;         /* a waiting claim gives way to those with smaller tickets only */
    bool running;
};

/* Level 0 is worked on in one go, from left to right, in units: the runs with ids up to `newest`, into the run `target` of level 0 or into level 1. */
struct level0_job {
    bool active, to_level1;
    uint64_t newest, target;
};

struct tree {
    struct tree_env *env;
    const struct kind *kind;
    void *owner;
    uint32_t collection;
    uint32_t dimension; /* of kinds that hold vectors, else 0; so is the metric */
    nacre_metric metric;
    struct segment_words words; /* for its segments; their bytes are in names */
    struct buffer names;
    bool takes_operands;                        /* its collection names a merge operator, */
    const nacre_merge_operator *merge_operator; /* NULL: which is not there */
    const nacre_compaction_filter *filter;      /* NULL: none, or not there */
    pthread_mutex_t flush_lock;
    pthread_mutex_t lock;
    pthread_cond_t released; /* a claim went, or a build ended */
    /* All below under `lock`, but for the atomics. */
    struct version *version; /* one reference */
    uint64_t next_run;
    struct claim *claims;
    uint64_t next_ticket;
    struct building *building; /* segments whose side files are being made (index_work.c) */
    uint64_t failed_bytes;     /* after a build that failed: smaller segments go first; 0 = none did */
    struct level0_job job;
    bool drained_last;                       /* the last unit was chosen to drain value files: others first */
    struct buffer level_cursor[TREE_LEVELS]; /* where the next unit of the level begins */
    struct segment **doubtful; /* outputs of a commit that failed: the disk may name them until the next good one */
    size_t doubtful_count;
    _Atomic bool dropped;
    _Atomic uint64_t debt, level0_count, running, index_builds;
    _Atomic uint64_t value_bytes, value_average; /* as of the version */
    _Atomic bool wants_work, waits_for_snapshots, wants_prepare, wants_index;
    _Atomic uint64_t wants_work_at_ms; /* when something will have expired; 0 = never */
    struct tree_counters counters;
};

/* ---- units ---- */
enum unit_kind { UNIT_MERGE, UNIT_MOVE, UNIT_DROP };
struct unit {
    enum unit_kind kind;
    struct version *base;        /* counted */
    size_t first_run, after_run; /* runs of base that the range is taken out of, newest first */
    uint32_t target_level;
    uint64_t target_run;
    uint64_t now_ms;    /* tree_expiry_clock when it was planned */
    uint64_t bytes;     /* of the inputs, estimated */
    bool fills;         /* full segments and a small last one, which the next unit takes along, instead of equal ones */
    struct claim claim; /* its range is the unit's; the keys are in begin and end */
    struct buffer begin, end;
    bool unfiltered;  /* done again, as a snapshot came that would have seen the compaction filter at work */
    bool pauses;      /* ends when merges are paused */
    bool makes_index; /* before it is installed */
    unsigned
        garbage_percent; /* values go out of value files with so much garbage, not only of those that drain; 0: of these alone */
    struct buffer last_small; /* out: where the last output begins, if it is less than half a segment */
};
/* lock held. What expired by then may count as deleted: the wall clock, or, where operands that were written before it came may still lie in memtables, the
   greatest time that is before the clocks of all of them. */
uint64_t tree_expiry_clock(const struct tree *);
/* The value that an ENTRY_POINTER points to, as long as *pin. */
int tree_read_pointer(const struct tree *, const struct entry *, nacre_slice *value, struct pin *);
struct outputs;
bool tree_stopping(const struct tree *);
/* Around work whose memory is metered; and what is told at its end. */
void tree_meter_begin(const struct tree *, struct memory_stretch *);
void tree_meter_end(const struct tree *, const struct memory_stretch *);
void tree_tell(const struct tree *, const struct tree_work_done *);
/* What long work looks at, at least every 50 ms, with no lock held: NACRE_OK to go on, else NACRE_CANCELLED. May do other work in between. */
struct look {
    struct tree *tree;
    const struct segment *segment; /* no use in going on when it is merged away; may be NULL */
    bool pauses;
};
int tree_look(void *look);
void lock_wait(struct tree *); /* lock held: until something is released, or some ms */
/* lock held. NACRE_OK and *claimed, or not claimed because others are there. */
bool claim_conflicts(const struct tree *, const struct claim *);
void claim_add(struct tree *, struct claim *, bool running);
void claim_remove(struct tree *, struct claim *);
/* Whether all of the version can be seen by whoever makes a snapshot from now on (tree_env.sees). lock held. */
int tree_all_is_seen(const struct tree *);
int claim_wait(struct tree *,
               const struct claim *); /* lock held: until nothing conflicts; NACRE_CANCELLED when the tree stops */
int unit_set_range(struct unit *, const struct key_range *); /* copies the keys */
void unit_free(struct unit *);
int unit_run(struct tree *, struct unit *); /* its claim is in place; released on return */

/* ---- commits (tree.c) ---- */
/* What the manifest says of a piece, with its segment: `opened` if it is not NULL, else opened now. One reference for the caller on success. */
int tree_place(struct tree *, const struct manifest_piece *, struct segment *opened, struct placed *);
struct consumed {
    const struct run *runs;
    size_t count;
    struct key_range range;
}; /* of the base version: taken out of the version now */
bool consumed_has(const struct consumed *, const struct placed *);
struct marked_step;
struct marks;
/* lock held, as marks_make left it. Takes the step's `consumed` out, puts its `added` in, commits `edit` (its pieces are filled in here) and
   publishes. */
int tree_install(struct tree *, const struct marked_step *, const struct marks *, struct manifest_edit *edit,
                 struct memtable *flushed);
/* lock held, as marks_make left it. The same version with the marks, published. */
int tree_remark(struct tree *, const struct marked_step *, const struct marks *);
/* lock held. The tree keeps the segments, one more reference each, until an edit is durable, and removes them then. */
int tree_doubt(struct tree *, const struct placed *, size_t count);
int tree_settle_doubts(
    struct tree *); /* lock held: before new work, so that a manifest that fails does not pile up outputs */
void tree_update_signals(struct tree *);       /* lock held: debt, wants_work */
void tree_update_index_signals(struct tree *); /* lock held: wants_prepare, wants_index */

#define UNIT_MOVES_SEGMENTS \
    4u /* values that a unit moves come to at least so many times segment_bytes before it stops moving */
#define COMPACT_GARBAGE 12u /* percent: tree_compact moves values out of value files with so much */

/* ---- planning (plan.c) ---- */
struct plan {
    const struct version *version;
    size_t first_run, after_run; /* inputs, newest first; the last is the target if target_exists */
    bool target_exists;
    uint32_t target_level;
    uint64_t target_run;
    uint64_t budget, segment_bytes, tombstone_percent;
    bool may_move;   /* a piece that overlaps nothing may be moved as it is */
    bool all_inputs; /* begin at the leftmost piece of any input, not only of the sources */
    struct key_range within;
};
/* The next unit: its range, kind and bytes. *found = false: no source piece in `within`. */
int plan_unit(const struct plan *, struct unit *, bool *found);
/* No other input has a piece that overlaps this one. `room` is scratch. */
bool plan_is_lone(const struct plan *, const struct piece *, size_t run_index, struct buffer *room);
#define PLAN_SMALL_PART \
    8u /* a piece under 1/8 of segment_bytes is small: not moved alone, merged with small neighbours */
/* The end of the piece as the begin of what follows it; made in `room`. */
int piece_after(const struct piece *, struct buffer *room);

/* ---- indexes (index_work.c) ---- */
bool merge_makes_index(const struct version *, size_t first_run,
                       size_t after_run); /* before it is installed: most of what it reads has one */
int index_outputs(struct tree *, const struct unit *,
                  struct outputs *); /* of a merge, before it is installed, where most of what it read had one */

/* ---- picking (pick.c) ---- */
/* lock held. Runs of the version that the next unit would take; empty when there is none. For kinds with whole_runs. */
struct run_window {
    const struct run *first, *after;
};
int pick_due(struct tree *, struct run_window *);
int compact_runs(struct tree *, const struct key_range *); /* tree_compact of kinds with whole_runs */
int pick_wants(struct tree *, bool *wants,
               uint64_t *again_at_ms); /* lock held: would there be a unit if nothing was claimed? */
uint64_t level_target(const struct tree *, uint32_t level);
struct estimate {
    uint64_t garbage, live, bound;       /* bytes of segments */
    uint64_t value_garbage, value_bound; /* of what they point to in the value log */
};
void tree_estimate(const struct tree *, const struct version *, struct estimate *);
#endif
