/* The segments of one collection over time: flushes add runs to level 0, merges move them down in small units. One writer of versions at a
   time (a mutex of the tree around the manifest commit and the publish); any number of merges run at once on disjoint key ranges. */
#ifndef NACRE_TREE_TREE_H
#define NACRE_TREE_TREE_H
#include "memtable/memtable.h"
#include "tree/manifest.h"
#include "tree/version.h"

struct tree;

/* Set by the store, shared by all trees; plain values are read when a unit of work starts. */
struct tree_tuning {
    _Atomic uint64_t segment_bytes;     /* size of merge outputs; default 64 MiB */
    _Atomic uint64_t level_base_bytes;  /* target of level 1; default 512 MiB */
    _Atomic uint64_t level_ratio;       /* each deeper level is so many times larger; default 8 */
    _Atomic uint64_t level0_runs;       /* merge level 0 from so many runs on; default 6 */
    _Atomic uint64_t tombstone_percent; /* a segment with so many deletes is merged early; default 25 */
    /* Of kinds with whole_runs: */
    _Atomic uint64_t tier_runs;                /* so many neighbouring runs of about one size become one; default 4 */
    _Atomic uint64_t runs_most;                /* with more runs some are merged, whatever their sizes; default 8 */
    _Atomic uint64_t run_segment_bytes;        /* size of merge outputs */
    _Atomic uint64_t block_bytes;              /* default 4096 */
    _Atomic uint32_t compression[TREE_LEVELS]; /* enum compression per level */
    _Atomic bool async_index_build;            /* side files after the segment instead of with it */
    _Atomic uint8_t learned_index;             /* as in build_options; default 1 */
    _Atomic uint64_t index_memory_bytes;       /* that the build of one index should stay within; 0 = no bound */
};

/* A piece of work that is done, for who counts and tells. */
struct tree_work_done {
    enum { TREE_FLUSHED, TREE_MERGED, TREE_INDEXED } kind;
    const char *what; /* in a word or two */
    uint64_t bytes_in, bytes_out, entries, ns;
};

struct tree_env {
    struct segment_env *segments;
    struct manifest *manifest;
    const nacre_logger *logger;
    struct tree_tuning *tuning;
    void *context;
    /* Asked about a segment that cannot be opened: true when the tree is to be without it. NULL: none is left out. */
    bool (*leave_out)(void *context, int status);
    /* Live snapshot sequences in ascending order (memory_alloc'd, the tree frees it). */
    int (*snapshots)(void *context, uint64_t **sequences, size_t *count);
    /* Whether all snapshots that are made from now on see a sequence: NACRE_OK, or NACRE_BUSY (not yet: it is of an ingest with commits before it that are
       not applied), or an error where that cannot come. A merge that lists snapshots asks before, or it may drop what the next one sees. NULL: they do. */
    int (*sees)(void *context, uint64_t sequence);
    /* Makes `version` (one reference handed over) the one that reads use; `flushed` is the memtable it replaces, or NULL. Called under the tree's
       mutex, after the manifest commit; cannot fail; the old version must be released only after a grace period. */
    void (*publish)(void *context, void *owner, struct version *version, struct memtable *flushed);
    /* tree_wants_prepare or tree_wants_index became true: have the work done some time. May be NULL. */
    void (*index_wanted)(void *context, void *owner);
    const _Atomic bool *stop; /* close or shutdown: units end within 50 ms with NACRE_CANCELLED */
    /* While set, units of tree_work on kinds with whole_runs end soon with NACRE_CANCELLED, their inputs as they were. May be NULL. */
    const _Atomic bool *paused;
    const _Atomic bool *drains; /* some value file drains: pieces that point into one are looked for. NULL: always */
    /* Long units and builds offer the calling thread for what is more urgent, every 50 ms or so, with no lock held. May be NULL. */
    void (*lend)(void *context);
    /* The least clock of any operand in the collection's memtables, SEQUENCE_MAX when there is none. Called under the tree's lock. NULL: there are none. */
    uint64_t (*oldest_operand)(void *context, void *owner);
    /* Whether the newest version of the key in the collection's memtables is an operand, or operands may lie on it in what was flushed since `base` was made.
       NULL: none do. */
    bool (*has_operands)(void *context, void *owner, const struct version *base, nacre_slice key);
    /* Around the installation of a unit in which the compaction filter acted on entries of `least_sequence` and up. False: a live snapshot would see that, and
       nothing is to be installed (nor end_filtered called). Until end_filtered no snapshot is made. Called under the tree's lock. NULL: no snapshots are made. */
    bool (*begin_filtered)(void *context, uint64_t least_sequence);
    void (*end_filtered)(void *context);
    unsigned (*index_threads)(
        void *context); /* that a build which begins now may use, the caller's among them. NULL: 1 */
    /* A flush, a unit of merging or an index is done. Called with no lock of the tree held. May be NULL. */
    void (*done)(void *context, void *owner, const struct tree_work_done *);
    /* Around the build of an index: memory for it, some `wanted` bytes. grant may wait, and is called with no lock held. Both NULL: there is enough. */
    uint64_t (*grant)(void *context, uint64_t wanted);
    void (*give_back)(void *context, uint64_t granted);
    struct memory_meter *building; /* what flushes, merges and builds of indexes hold while they run; may be NULL */
};

/* From the manifest's state; opens all segments (in parallel is not needed). `owner` comes back in publish. The first version is not published but
   got by tree_version. */
int tree_create(struct tree_env *, const struct kind *, void *owner, const struct manifest_collection *,
                struct tree **);
/* Before there is any work: the operator and the filter of a collection that names them, NULL if they are not there. They live as long as the tree. */
void tree_set_hooks(struct tree *, const nacre_merge_operator *, const nacre_compaction_filter *);
void tree_free(struct tree *);               /* no work is running; drops its reference of the version */
struct version *tree_version(struct tree *); /* counted for the caller */
/* For trees of read-only openings: the version of what the manifest says now, with the segments that are open already, as the tree's version and
   counted for the caller; NULL: nothing has changed. One thread at a time. */
int tree_reload(struct tree *, const struct manifest_collection *, struct version **);
/* For the same: side files that another process has made since are taken up. A bad one only costs time. */
void tree_take_indexes(struct tree *);

/* Builds the sealed memtable (no more writers) into a new run of level 0 (several segments when it is large: split by samples so that keys with one long
   common prefix split too), commits {segments in, log position forward, last sequence}, publishes. Keeps only versions that a
   snapshot or the present can see; drops expired ones where safe; drops a tombstone when no older run may have its key (filters).
   An empty result commits the position alone. One call at a time per tree, oldest memtable first. */
int tree_flush(struct tree *, struct memtable *, uint64_t log_position);

/* Picks and runs ONE unit of work (a merge of a bounded key range of one level into the next, a trivial move, a drop of a wholly deleted or expired
   piece). *worked = false: nothing to do now (or all of it is claimed). Any thread. `urgency` in/out not needed. */
int tree_work(struct tree *, bool *worked);
/* The same, but no unit that makes an index before it is installed, which may take minutes. */
int tree_brief_work(struct tree *, bool *worked);
uint64_t tree_debt(struct tree *); /* bytes that merges are behind; cheap, any thread */
size_t tree_level0_runs(struct tree *);
bool tree_wants_work(struct tree *);        /* cheap */
uint64_t tree_value_bytes(struct tree *);   /* that the segments point to in the value log; cheap, any thread */
uint64_t tree_value_average(struct tree *); /* of these per entry of the segments; cheap, any thread */
void tree_retuned(struct tree *);           /* other tuning than before: is there work? */
void tree_look_again(struct tree *);        /* other value files drain than before: is there work? */

/* Merges everything of [begin, end) (empty = open) into the deepest level that holds any, tombstones and shadowed versions dropped as snapshots
   allow, unit by unit; other work goes on. Returns when done. */
int tree_compact(struct tree *, nacre_slice begin, nacre_slice end);
/* Merges all versions of one key into one level, where no other unit is at work on it: one that is makes it wait for the next call. Of kinds without whole_runs. */
int tree_fold(struct tree *, nacre_slice key);
/* One step of what makes new segments quick to search and takes no longer than writing them did: dead rows that are not known, the quick step of
   an index. *worked = false: nothing to do. Any thread. */
int tree_prepare_work(struct tree *, bool *worked);
bool tree_wants_prepare(struct tree *); /* cheap */
/* One full index, of a segment that no merge is about to take. *worked = false: nothing to do now. Any thread. */
int tree_index_work(struct tree *, bool *worked);
bool tree_wants_index(struct tree *); /* cheap */
/* Every segment without a good side file, after the merges that are due, and waits for those that others build; with check_all, also those whose side
   file turns out to be damaged when all of it is read. What is flushed after the call began is not waited for. */
int tree_build_indexes(struct tree *, bool check_all);
/* Units and builds end within 50 ms with NACRE_CANCELLED, now and ever after: before tree_drop, so that nobody waits for them. Any thread. */
void tree_stop(struct tree *);
/* Forgets all pieces (collection dropped or cleared is the store's to log); marks the segments obsolete after the publish of an empty version. */
int tree_drop(struct tree *);
/* Deleted entries and shadowed bytes that merges would free, estimated. */
struct tree_stats {
    uint64_t level_bytes[TREE_LEVELS], level_segments[TREE_LEVELS], level_runs[TREE_LEVELS];
    uint64_t entries, deletes, flushes, merges, moves, drops, bytes_flushed, bytes_merged_read, bytes_merged_written;
    uint64_t running, missing_indexes, reclaimable_bytes;
    uint64_t values_moved, value_bytes_moved;               /* out of value files that were to go */
    uint64_t dead_rows;                                     /* in segments, superseded by newer ones */
    uint64_t index_builds, indexes, quick_indexes;          /* running; made since the opening */
    uint64_t operands;                                      /* of merges, in segments */
    uint64_t filter_removed, filter_changed, filter_redone; /* entries; units done again because of a snapshot */
    uint64_t operands_folded, fold_failures; /* since the opening: into values; keys whose operator failed */
    uint64_t learned_indexes;                /* segments whose side file has one */
    uint64_t level_entries[TREE_LEVELS], level_deletes[TREE_LEVELS];
    uint64_t shadowed;
    uint64_t readers_bytes, dead_bytes,
        version_bytes;     /* heap: of segments' readers, bitmaps of dead rows, the picture itself */
    uint64_t mapped_bytes; /* of segments and side files that are mapped */
};
void tree_get_stats(struct tree *, struct tree_stats *);
int tree_verify(struct tree *, void (*damage)(void *context, int status, const char *detail), void *context,
                uint64_t *files, uint64_t *bytes, uint64_t *entries);
#endif
