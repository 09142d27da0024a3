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
    _Atomic uint64_t segment_bytes;            /* size of merge outputs; default 64 MiB */
    _Atomic uint64_t level_base_bytes;         /* target of level 1; default 512 MiB */
    _Atomic uint64_t level_ratio;              /* each deeper level is so many times larger; default 8 */
    _Atomic uint64_t level0_runs;              /* merge level 0 from so many runs on; default 6 */
    _Atomic uint64_t tombstone_percent;        /* a segment with so many deletes is merged early; default 25 */
    _Atomic uint64_t block_bytes;              /* default 4096 */
    _Atomic uint32_t compression[TREE_LEVELS]; /* enum compression per level */
    _Atomic bool async_index_build;            /* side files after the segment instead of with it */
};

struct tree_env {
    struct segment_env *segments;
    struct manifest *manifest;
    const nacre_logger *logger;
    struct tree_tuning *tuning;
    void *context;
    /* Live snapshot sequences in ascending order (memory_alloc'd, the tree frees it). */
    int (*snapshots)(void *context, uint64_t **sequences, size_t *count);
    /* Makes `version` (one reference handed over) the one that reads use; `flushed` is the memtable it replaces, or NULL. Called under the tree's
       mutex, after the manifest commit; cannot fail; the old version must be released only after a grace period. */
    void (*publish)(void *context, void *owner, struct version *version, struct memtable *flushed);
    /* A segment came without an index (async_index_build): have tree_build_indexes called some time. May be NULL. */
    void (*index_wanted)(void *context, void *owner);
    const _Atomic bool *stop; /* close or shutdown: units end within 50 ms with NACRE_CANCELLED */
};

/* From the manifest's state; opens all segments (in parallel is not needed). `owner` comes back in publish. The first version is not published but
   got by tree_version. */
int tree_create(struct tree_env *, const struct kind *, void *owner, const struct manifest_collection *,
                struct tree **);
void tree_free(struct tree *);               /* no work is running; drops its reference of the version */
struct version *tree_version(struct tree *); /* counted for the caller */

/* Builds the sealed memtable (no more writers) into a new run of level 0 (several segments when it is large: split by samples so that keys with one long
   common prefix split too), commits {segments in, log position forward, last sequence}, publishes. Keeps only versions that a
   snapshot or the present can see; drops expired ones where safe; drops a tombstone when no older run may have its key (filters).
   An empty result commits the position alone. One call at a time per tree, oldest memtable first. */
int tree_flush(struct tree *, struct memtable *, uint64_t log_position);

/* Picks and runs ONE unit of work (a merge of a bounded key range of one level into the next, a trivial move, a drop of a wholly deleted or expired
   piece). *worked = false: nothing to do now (or all of it is claimed). Any thread. `urgency` in/out not needed. */
int tree_work(struct tree *, bool *worked);
uint64_t tree_debt(struct tree *); /* bytes that merges are behind; cheap, any thread */
size_t tree_level0_runs(struct tree *);
bool tree_wants_work(struct tree *); /* cheap */

/* Merges everything of [begin, end) (empty = open) into the deepest level that holds any, tombstones and shadowed versions dropped as snapshots
   allow, unit by unit; other work goes on. Returns when done. */
int tree_compact(struct tree *, nacre_slice begin, nacre_slice end);
/* Every segment without a good side file; with check_all, also those whose side file turns out to be damaged when all of it is read. */
int tree_build_indexes(struct tree *, bool check_all);
/* Forgets all pieces (collection dropped or cleared is the store's to log); marks the segments obsolete after the publish of an empty version. */
int tree_drop(struct tree *);
/* Deleted entries and shadowed bytes that merges would free, estimated. */
struct tree_stats {
    uint64_t level_bytes[TREE_LEVELS], level_segments[TREE_LEVELS], level_runs[TREE_LEVELS];
    uint64_t entries, deletes, flushes, merges, moves, drops, bytes_flushed, bytes_merged_read, bytes_merged_written;
    uint64_t running, missing_indexes, reclaimable_bytes;
};
void tree_get_stats(struct tree *, struct tree_stats *);
int tree_verify(struct tree *, void (*damage)(void *context, int status, const char *detail), void *context,
                uint64_t *files, uint64_t *bytes, uint64_t *entries);
#endif
