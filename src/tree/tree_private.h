/* What the files of the tree share. Private to src/tree.

   A collection is a list of sorted runs, newest first: level 0's, then one per deeper level. A unit of work takes the keys of a range out of
   some consecutive runs, merges them, and puts the result into the oldest of these (the target). So for every key newer data stays above
   older data, whatever part of the work is done.

   Locks, in order: tree.lock > manifest's > what publish takes. tree.lock is held over the manifest commit, never over reading or writing
   segments. flush_lock (one flush at a time) and index_lock (one index build at a time) come before tree.lock. */
#ifndef NACRE_TREE_PRIVATE_H
#define NACRE_TREE_PRIVATE_H
#include "tree/tree.h"
#include "tree/version_build.h"
#include <pthread.h>

struct tree_counters {
    _Atomic uint64_t flushes, merges, moves, drops, bytes_flushed, bytes_merged_read, bytes_merged_written;
};

/* A range of keys in levels [from, to] that a unit works on, or waits for. */
struct claim {
    struct claim *next;
    struct key_range range;
    uint32_t from, to;
    uint64_t ticket; /* a waiting claim gives way to those with smaller tickets only */
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
    pthread_mutex_t flush_lock, index_lock;
    pthread_mutex_t lock;
    pthread_cond_t released; /* a claim went */
    /* All below under `lock`, but for the atomics. */
    struct version *version; /* one reference */
    uint64_t next_run;
    struct claim *claims;
    uint64_t next_ticket;
    struct level0_job job;
    struct buffer level_cursor[TREE_LEVELS]; /* where the next unit of the level begins */
    struct segment **doubtful; /* outputs of a commit that failed: the disk may name them until the next good one */
    size_t doubtful_count;
    _Atomic bool dropped;
    _Atomic uint64_t debt, level0_count, running;
    _Atomic bool wants_work, waits_for_snapshots;
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
    uint64_t bytes;     /* of the inputs, estimated */
    bool fills;         /* full segments and a small last one, which the next unit takes along, instead of equal ones */
    struct claim claim; /* its range is the unit's; the keys are in begin and end */
    struct buffer begin, end;
    struct buffer last_small; /* out: where the last output begins, if it is less than half a segment */
};
struct outputs;
bool tree_stopping(const struct tree *);
/* lock held. NACRE_OK and *claimed, or not claimed because others are there. */
bool claim_conflicts(const struct tree *, const struct claim *);
void claim_add(struct tree *, struct claim *, bool running);
void claim_remove(struct tree *, struct claim *);
int unit_set_range(struct unit *, const struct key_range *); /* copies the keys */
void unit_free(struct unit *);
int unit_run(struct tree *, struct unit *); /* its claim is in place; released on return */

/* ---- commits (tree.c) ---- */
struct consumed {
    const struct run *runs;
    size_t count;
    struct key_range range;
}; /* of the base version: taken out of the version now */
/* lock held. Takes `consumed` out, puts `added` in, commits `edit` (its pieces are filled in here) and publishes. */
int tree_install(struct tree *, const struct consumed *, const struct placed *added, size_t added_count,
                 struct manifest_edit *edit, struct memtable *flushed);
int tree_settle_doubts(
    struct tree *); /* lock held: before new work, so that a manifest that fails does not pile up outputs */
void tree_update_signals(struct tree *); /* lock held: debt, wants_work */

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

/* ---- picking (pick.c) ---- */
int pick_unit(struct tree *, struct unit *, bool *found); /* lock held; the unit comes claimed */
int pick_wants(struct tree *, bool *wants,
               uint64_t *again_at_ms); /* lock held: would there be a unit if nothing was claimed? */
uint64_t level_target(const struct tree *, uint32_t level);
struct estimate {
    uint64_t garbage, live, bound;
};
void tree_estimate(const struct tree *, const struct version *, struct estimate *);
#endif
