/* The store: what ties log, memtables and trees together. Private to src/store and src/api.

   Locks, in the order they may be taken (docs/architecture.md says what each is for):
     house_lock > flush_lock (per collection) > collections_lock > the tree's > the manifest's > commit_lock > view_lock (per collection) >
     snapshots_lock, progress_lock, reap_lock, tuning.lock > state_lock, work.lock.
   Readers take none of them: they enter an RCU read section and load collection->view. */
#ifndef NACRE_STORE_STORE_H
#define NACRE_STORE_STORE_H
#include "base/log.h"
#include "log/wal.h"
#include "memtable/chunk_pool.h"
#include "memtable/memtable.h"
#include "segment/block_cache.h"
#include "store/gap.h"
#include "store/publish.h"
#include "store/stats.h"
#include "store/tuning.h"
#include "store/work.h"
#include "tree/tree.h"
#include <pthread.h>
#include <stdatomic.h>

/* A memtable with what the store must know of it. Counted; the views that show it hold one reference each. */
struct table {
    struct memtable *memtable;
    atomic_uint references;
    atomic_uint writers;    /* commits that were given this table and have not applied yet; up under commit_lock */
    wal_position first;     /* log position of its first record, 0 while it has none; commit_lock */
    wal_position sealed_at; /* where the log stood when it was sealed; commit_lock */
    atomic_bool unlogged;   /* holds writes of level memory */
    uint64_t sealed_bytes;  /* its share of store->sealed_bytes; commit_lock, then constant */
};

/* What a reader of one collection sees: memtables and segments, at one instant. Immutable, counted, swapped under RCU. */
struct view {
    atomic_uint references;
    struct version *version;
    struct view *next_retired;
    uint32_t table_count; /* tables[0] is the active one, then sealed ones, newest first */
    struct table *tables[];
};

struct nacre_collection {
    nacre_store *store;
    uint32_t id;
    const struct kind *kind;
    char *name;
    uint64_t default_ttl_ms;
    struct tree *tree;
    _Atomic(struct view *) view;
    struct table *active;       /* same as view->tables[0]; commit_lock */
    pthread_mutex_t view_lock;  /* makers of views */
    pthread_mutex_t flush_lock; /* one flush at a time, oldest table first */
    atomic_uint handles;
    atomic_bool dropped;
    struct gap_cache gaps;
    struct work_item flush_work, merge_work, index_work;
};

struct nacre_snapshot {
    nacre_store *store;
    uint64_t sequence;
    uint64_t created_ms;
    struct nacre_snapshot *previous, *next;
};

struct store_limits { /* worked out from the memory budget */
    _Atomic uint64_t memtable_total, seal_bytes, cache_bytes;
};

struct nacre_store {
    const nacre_os *os;
    nacre_logger logger_copy;
    const nacre_logger *logger;
    char *path;
    nacre_file *lock_file;
    unsigned fork_generation;
    bool read_only;
    nacre_durability durability;
    uint64_t memory_budget, log_limit;
    uint32_t background_threads, write_timeout_ms;
    struct store_limits limits;

    struct manifest *manifest;
    struct wal *wal;       /* NULL while recovering and in read-only openings */
    _Atomic bool log_open; /* wal is there: for the housekeeper */
    struct block_cache *cache;
    struct chunk_pool *chunks;
    struct segment_env segments;
    char *segments_path, *log_path;
    struct tree_env trees;
    struct tree_tuning tree_tuning;
    struct tuning tuning;

    pthread_mutex_t collections_lock;
    struct nacre_collection **collections;
    size_t collection_count;
    uint32_t next_collection; /* collections_lock */

    _Alignas(64) pthread_mutex_t commit_lock;
    _Atomic uint64_t last_sequence; /* assigned; written under commit_lock */
    struct publisher publisher;     /* tickets, and the visible sequence */

    _Alignas(64) pthread_mutex_t snapshots_lock;
    struct nacre_snapshot *snapshots; /* ascending by sequence */
    size_t snapshot_count;

    pthread_mutex_t state_lock;
    _Atomic int state; /* nacre_state */
    char state_reason[512];
    _Atomic int state_cause; /* the status code behind it */

    struct work work; /* background threads */
    _Atomic bool stopping;
    _Atomic bool resuming;   /* nacre_resume is flushing what a failed log held */
    _Atomic bool log_failed; /* a sync of the log failed; until nacre_resume */
    _Atomic(struct view *) retired_views;
    _Atomic uint64_t merge_debt;       /* bytes, of all trees when last looked at */
    _Atomic uint64_t active_bytes;     /* of the memtable written last, as of a few MiB of log ago */
    _Atomic uint64_t sealed_bytes;     /* memtables waiting for their flush */
    _Atomic uint64_t delay_ns_per_kib; /* pacing */
    pthread_mutex_t progress_lock;     /* with progress: a flush or merge ended, the state changed */
    pthread_cond_t progress;
    atomic_int compaction_pauses;
    atomic_uint cursors;
    atomic_uint reap_holds;     /* checkpoints at work: segments' files stay */
    pthread_mutex_t house_lock; /* one prune of the log at a time */
    pthread_mutex_t reap_lock;
    uint64_t *reap_ids;
    size_t reap_count, reap_capacity;
    struct wal_replay_report recovery;
    uint64_t recovery_ns;
    wal_position replay_end; /* recovery: the log has been applied up to here */
    struct stats stats;
};

/* ---- state (state.c) ---- */
int store_check_writable(nacre_store *); /* NACRE_OK, or NACRE_READ_ONLY with the reason */
void store_set_state(nacre_store *, nacre_state, int cause, const char *reason);
int store_resume(nacre_store *);
void store_fail_log(nacre_store *, int cause,
                    const char *reason);      /* a log sync failed: read-only, and nobody waits for what cannot come */
int store_check_process(const nacre_store *); /* NACRE_INVALID in a forked child */
unsigned store_fork_generation(void);

/* ---- views (view.c) ---- */
struct view *view_of(nacre_collection *);        /* inside an RCU read section */
struct view *view_hold(nacre_collection *);      /* counted */
void view_release(nacre_store *, struct view *); /* never blocks: the housekeeper frees it */
int view_install_first(nacre_collection *, struct table *active, struct version *);
void view_empty(nacre_collection *, struct table *empty);                    /* all tables go; flush_lock held */
int view_seal(nacre_collection *, struct table *fresh, struct view *memory); /* commit_lock held; see collection_seal */
struct view *view_alloc(size_t tables);
void view_publish(void *context, void *owner, struct version *, struct memtable *flushed); /* tree_env.publish */
void views_free_retired(nacre_store *); /* grace period, then free; the housekeeper and nacre_reclaim */
int table_create(nacre_store *, const struct kind *, struct table **);
void table_release(struct table *);

/* ---- writing (commit.c) ---- */
struct commit_target {
    nacre_collection *collection;
    size_t entries, bytes;
};
struct commit {          /* one atomic write */
    nacre_slice payload; /* batch_format.h */
    const struct commit_target *targets;
    size_t target_count;
    uint64_t sequences; /* how many the payload takes */
    nacre_durability durability;
    uint32_t timeout_ms;
};
int store_commit(nacre_store *, const struct commit *);
int store_sync(nacre_store *);
int store_flush_unlogged(nacre_store *); /* writes of level memory go into segments */
struct batch_op;
int apply_op(struct memtable *, const struct batch_op *, uint64_t sequence); /* also for replay */

/* ---- sealing and flushing (seal.c) ---- */
int collection_seal(
    nacre_collection *,
    const struct table
        *expected); /* expected: only if it is still the active one; NULL: whatever it is, if it holds anything */
int collection_flush(nacre_collection *);                    /* seal and wait */
int collection_flush_one(nacre_collection *, bool *flushed); /* the oldest sealed table; a worker's step */
wal_position store_log_needed(nacre_store *);                /* everything before is in segments */
int store_prune_log(nacre_store *);
int store_enforce_log_limit(nacre_store *);
void store_reap(void *context, uint64_t segment_id); /* segment_env.reap */
int store_remove_reaped(nacre_store *);
void store_index_wanted(void *context, void *owner); /* tree_env.index_wanted */

/* ---- pacing (pacing.c) ---- */
int pacing_admit(nacre_store *, size_t bytes, uint32_t timeout_ms); /* may sleep; NACRE_BUSY with the reason */
int pacing_wait_for_flush(nacre_store *); /* recovery: while sealed memtables are over their limit */
void pacing_apply(nacre_store *);         /* after seals: takes no lock */
void pacing_update(nacre_store *);        /* after seals, flushes, merges */
void store_progress(nacre_store *);       /* wakes who waits for progress */

/* ---- reading (read.c, scan.c) ---- */
int collection_get(nacre_collection *, nacre_slice key, const nacre_snapshot *, nacre_value *);
int collection_multi_get(nacre_collection *, const nacre_slice *keys, size_t count, const nacre_snapshot *,
                         nacre_value *values, int *statuses);
void value_release(nacre_value *);
int collection_scan(nacre_collection *, const nacre_scan_options *, nacre_cursor **);

/* ---- snapshots (snapshot.c) ---- */
int store_snapshot_create(nacre_store *, nacre_snapshot **);
void store_snapshot_release(nacre_snapshot *);
int store_snapshots(void *context, uint64_t **sequences, size_t *count); /* tree_env.snapshots */

/* ---- life (open.c, recovery.c, collection.c) ---- */
int store_open(const char *path, const nacre_options *, nacre_store **);
int store_close(nacre_store *);
void store_apply_tuning(nacre_store *); /* tuning values -> limits, trees, cache */
int store_recover(nacre_store *, const struct manifest_state *, bool salvage);
int collection_make(nacre_store *, const struct manifest_collection *,
                    nacre_collection **); /* from the manifest's words; not yet listed */
void collection_free(nacre_collection *);
nacre_collection *store_find_collection(nacre_store *, uint32_t id); /* collections_lock held */
int store_collection_create(nacre_store *, const char *name, const nacre_collection_options *, nacre_collection **);
int store_collection_open(nacre_store *, const char *name, nacre_collection **);
void store_collection_close(nacre_collection *); /* NULL is fine */
int store_collection_drop(nacre_store *, const char *name);
int store_collection_list(nacre_store *, nacre_collection_info **, size_t *count);
int store_each_collection(nacre_store *, int (*visit)(nacre_collection *, void *context),
                          void *context); /* without the lock; stops at the first error */

/* ---- keeping house ---- */
int store_pause_compaction(nacre_store *, uint32_t timeout_ms);
int store_resume_compaction(nacre_store *);
int store_reclaim(nacre_store *);
int store_checkpoint(nacre_store *, const char *path);
int store_verify(nacre_store *, nacre_verify_report *);
int store_stats_json(nacre_store *, char **json);
int store_metrics_text(nacre_store *, char **text);

extern const struct kind *const store_kinds[]; /* kinds.c: NULL-terminated; one line per kind */
const struct kind *store_kind(uint32_t code);  /* NULL: not in this build */
void store_register_kind(const struct kind *); /* one more, for programs that bring their own (tests do) */
#endif
