/* The store: what ties log, memtables and trees together. Private to src/store and src/api.

   Locks, in the order they may be taken (docs/architecture.md says what each is for):
     reader.lock > house_lock, retire_lock > flush_lock (per collection) > collections_lock > the tree's > the manifest's > commit_lock > view_lock (per collection) >
     snapshots_lock, progress_lock, reap_lock, tuning.lock > state_lock, work.lock.
   Readers take none of them: they enter an RCU read section and load collection->view. */
#ifndef NACRE_STORE_STORE_H
#define NACRE_STORE_STORE_H
#include "base/log.h"
#include "base/memory.h"
#include "log/wal_tail.h"
#include "memtable/chunk_pool.h"
#include "memtable/memtable.h"
#include "os/handles.h"
#include "segment/block_cache.h"
#include "store/budget.h"
#include "store/changes.h"
#include "store/fold_hint.h"
#include "store/gap.h"
#include "store/given.h"
#include "store/holder.h"
#include "store/latency.h"
#include "store/hooks.h"
#include "store/pins.h"
#include "store/publish.h"
#include "store/read_points.h"
#include "store/stats.h"
#include "store/tuning.h"
#include "store/work.h"
#include "tree/tree.h"
#include "values/value_log.h"
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
    _Atomic uint64_t hidden_bytes;   /* of the value log that it may have made garbage */
    uint64_t sealed_bytes;           /* its share of store->sealed_bytes; commit_lock, then constant */
    struct value_file **value_files; /* that its entries point into, one reference each; commit_lock */
    size_t value_file_count, value_file_capacity;
};

/* What a reader of one collection sees: memtables and segments, at one instant. Immutable, counted, swapped under RCU. */
struct view {
    atomic_uint references;
    struct version *version;
    struct view *next_retired;
    struct reader_pin *pin; /* of a read-only opening: keeps the files of the version; counted; may be NULL */
    uint32_t table_count;   /* tables[0] is the active one, then sealed ones, newest first */
    struct table *tables[];
};

struct sealed {
    uint64_t bytes, entries;
};

/* What gets that were timed met: one in 64, about. Relaxed counts. */
struct read_figures {
    _Atomic uint64_t gets, segments, filter_asked, filter_no, filter_wrong, cache_hits, cache_misses;
};
void read_figures_add(struct read_figures *, const struct lookup_counts *, const struct block_cache_lookups *);

/* What reads of a read-only opening see: the views of all collections, and the sequence up to which they are whole. One set takes the
   place of another under RCU, so that a refresh shows itself at once in all collections; where memtables only grow, the sequence alone moves. */
struct view_set {
    atomic_uint references;
    _Atomic uint64_t sequence; /* moves while the set is the one that is shown */
    size_t count;
    struct view *views[]; /* by nacre_collection.slot; each has a reference from the set */
};

struct nacre_collection {
    nacre_store *store;
    uint32_t id;
    uint32_t slot; /* in store->collections */
    const struct kind *kind;
    char *name;
    uint64_t default_ttl_ms;
    uint32_t dimension; /* of collections of vectors, else 0; so are the next two */
    nacre_metric metric;
    uint32_t vector_bytes;
    char *merge_operator_name, *compaction_filter_name; /* NULL: none */
    nacre_merge_operator own_operator;                  /* room for one of the engine's */
    const nacre_merge_operator *merge_operator;         /* NULL: none, or the program has not brought it */
    const nacre_compaction_filter *compaction_filter;   /* the same */
    uint64_t value_log_threshold;                       /* bytes; 0 = values stay in segments */
    _Atomic uint64_t
        value_bytes_last; /* of the last record that a put made in the value log; 0: none in this opening */
    struct tree *tree;
    _Atomic(struct view *) view;
    struct table *active;       /* same as view->tables[0]; commit_lock */
    pthread_mutex_t view_lock;  /* makers of views */
    pthread_mutex_t flush_lock; /* one flush at a time, oldest table first */
    atomic_uint handles;
    atomic_bool dropped;    /* or, in a read-only opening, not shown yet */
    bool written_on;        /* read-only: in the manifest as it was last followed; reader.lock */
    wal_position read_from; /* read-only: records before it are in the newest view's segments; reader.lock */
    struct gap_cache gaps;
    struct read_figures reads;
    struct fold_hint fold_hint;
    struct sealed sealed;          /* the last seal; commit_lock */
    struct tree_work_done flushed; /* the last flush that nobody has told of (what is not NULL); flush_lock */
    struct work_item flush_work, prepare_work, merge_work, long_merge_work, index_work;
};

struct batch_op;

struct nacre_snapshot {
    nacre_store *store;
    uint64_t sequence;
    uint64_t created_ms;
    bool of_transaction;      /* not a handle by itself */
    struct read_point *point; /* of a transaction: what keeps it instead of the list; NULL = it is on the list */
    struct view_set *views;   /* of read-only openings: what it keeps; else NULL */
    struct nacre_snapshot *previous, *next;
    struct holder holder;
};

/* Files that stay while somebody copies them (hold.c). */
struct file_hold {
    struct file_hold *next;
    uint32_t oldest_log_file; /* it and newer ones stay; UINT32_MAX: none of them need */
    const uint64_t *segments; /* ascending ids; NULL: none */
    size_t segment_count;
};

/* What an exact search reads of vectors in memory: about 10 GB/s on one core. */
#define VECTOR_SCAN_BYTES_PER_US UINT64_C(10000)

struct store_limits {                                         /* worked out from the memory budget */
    _Atomic uint64_t memtable_share, seal_share, cache_share; /* while nothing else needs memory */
    _Atomic uint64_t memtable_total, seal_bytes, cache_bytes; /* now: budget.c */
    _Atomic uint64_t seal_vector_bytes;                       /* of the rows of a memtable: from vector_scan_us */
};

/* A removed segment whose files are to go. */
struct reaped {
    uint64_t id;
    uint64_t position; /* manifest_position when its last user let go: readers before it may need the files */
    uint64_t since_ms; /* by clock_coarse_ms, when that was */
};

/* How a read-only opening follows the writer. Under reader.lock, but for `shown`. */
struct reader_state {
    pthread_mutex_t lock;
    struct pins pins;
    struct reader_pin *pin; /* of what `taken` names */
    struct wal_tail *tail;
    uint64_t taken;     /* manifest_position of the state that the newest views show; 0 = none */
    uint64_t sequence;  /* up to which the newest views are whole */
    bool changed;       /* views were made since the set that is shown was */
    bool stuck;         /* the tail could not go on where it stands */
    bool replay;        /* the tables are not whole: the log is to be replayed anew */
    uint64_t looked_ns; /* for side files and tuning */
    _Atomic(struct view_set *) shown;
};

struct nacre_store {
    const nacre_os *os; /* with the bound on handles */
    struct os_handles *handles;
    bool on_this_machine; /* its own files, not a file layer of the program's */
    nacre_logger logger_copy;
    const nacre_logger *logger;
    struct hooks hooks;
    char *path;
    nacre_file *lock_file;
    unsigned fork_generation;
    bool read_only;
    bool leaves_out;        /* read-only, to be verified: damage does not end the opening, */
    struct buffer left_out; /* and is kept here, in texts that end with a NUL. By who opens */
    nacre_durability durability;
    uint64_t memory_budget, log_limit;
    uint32_t background_threads, write_timeout_ms;
    struct store_limits limits;

    struct manifest *manifest;
    struct given given;
    struct value_log *values;
    struct wal *wal;       /* NULL while recovering and in read-only openings */
    _Atomic bool log_open; /* wal is there: for the housekeeper */
    _Atomic bool behind;   /* writes of before this opening are still to come: of the log, or of a salvage */
    struct block_cache *cache;
    struct chunk_pool *chunks;
    struct segment_env segments;
    struct gone_list *gone; /* of segments */
    char *segments_path, *log_path, *values_path;
    struct tree_env trees;
    struct tree_tuning tree_tuning;
    struct tuning tuning;

    pthread_mutex_t collections_lock;
    struct nacre_collection **collections;
    size_t collection_count;
    uint32_t next_collection; /* collections_lock */

    _Alignas(64) pthread_mutex_t commit_lock;
    _Atomic uint64_t last_sequence; /* assigned; written under commit_lock */
    struct changes changes;         /* for transactions */
    int log_all;                    /* more than 0: writes of level memory go to the log too (picture.c); commit_lock */
    struct publisher publisher;     /* tickets, and the visible sequence */

    _Alignas(64) pthread_mutex_t snapshots_lock;
    struct nacre_snapshot *snapshots;         /* ascending by sequence */
    size_t snapshot_count, transaction_count; /* the latter: of them, those of transactions that found no read point */
    atomic_uint
        snapshots_held; /* installations of filtered units under way: no snapshot is made; changes under the lock */
    pthread_cond_t snapshots_free; /* with snapshots_lock: snapshots_held fell to 0 */
    struct read_points read_points;

    pthread_mutex_t state_lock;
    _Atomic int state; /* nacre_state */
    char state_reason[512];
    _Atomic int state_cause; /* the status code behind it */
    pthread_mutex_t reserve_lock;
    _Atomic uint64_t reserved; /* bytes of the reserve as it was made or found; UINT64_MAX: look */
    _Atomic bool space_low;    /* the disk is full, and the reserve given up: what frees space goes on */

    struct pins pins; /* of readers, for a writer to ask */
    struct reader_state reader;

    struct work work; /* background threads */
    _Atomic bool stopping;
    _Atomic bool resuming;   /* nacre_resume is flushing what a failed log held */
    _Atomic bool log_failed; /* a sync of the log failed; until nacre_resume */
    _Atomic(struct view *) retired_views;
    _Atomic uint64_t merge_debt;       /* bytes, of all trees when last looked at */
    _Atomic bool values_drain;         /* some value file drains */
    _Atomic uint64_t value_debt;       /* bytes of garbage in value files that draining is behind */
    _Atomic uint64_t active_bytes;     /* of the memtable written last, as of a few MiB of log ago */
    _Atomic uint64_t sealed_bytes;     /* memtables waiting for their flush */
    _Atomic uint64_t delay_ns_per_kib; /* pacing */
    pthread_mutex_t progress_lock;     /* with progress: a flush or merge ended, the state changed */
    pthread_cond_t progress;
    atomic_int compaction_pauses;
    atomic_uint cursors;
    atomic_uint segment_writers;
    atomic_uint reap_holds;          /* pictures being taken: all segments' files stay */
    struct file_hold *holds;         /* reap_lock */
    _Atomic uint64_t log_held_bytes; /* of log files that stay for holds alone; as of the last prune */
    pthread_mutex_t house_lock;      /* one prune of the log at a time */
    pthread_mutex_t
        retire_lock; /* who frees views or removes files; so nacre_reclaim returns behind what the housekeeper was at */
    pthread_mutex_t reap_lock;
    struct reaped *reap_list;
    size_t reap_count, reap_capacity;
    _Atomic uint64_t pinned_segments; /* of the list: a reader needs their files */
    _Atomic uint64_t pinned_since_ms; /* since_ms of the first of them */
    _Atomic bool values_pinned;       /* value files wait for a reader */
    _Atomic bool log_pinned;          /* log files wait for a reader */
    uint32_t log_floor;               /* of the last prune; house_lock */
    struct wal_replay_report recovery;
    uint64_t recovery_ns;
    wal_position replay_end; /* recovery: the log has been applied up to here */
    struct stats stats;
    struct latencies *latencies; /* owned */
    struct holders holders;
    struct memory_meter building; /* what flushes, merges and builds of indexes hold */
    struct budget budget;         /* of memory */
    _Atomic int stall;            /* enum stall_reason: writers are slowed down or held */
    _Atomic uint64_t stall_began_ns;
    struct autotune *autotune;   /* owned; NULL in openings for reading */
    struct announcer *announcer; /* tells its statistics to other processes; owned; NULL: does not */
};

/* Around what is timed: uint64_t began = STORE_TIME(store, get); ... STORE_TIMED(store, get, began); */
static inline struct latencies *store_latencies(const nacre_store *store)
{
    return tuning_get(&store->tuning, TUNING_statistics) ? store->latencies : NULL;
}
#define STORE_TIME(store, class)         latency_begin(store_latencies(store), LATENCY_##class, LATENCY_EVERY_##class)
#define STORE_TIMED(store, class, began) latency_end((store)->latencies, LATENCY_##class, began)

/* ---- state (state.c) ---- */
int store_check_writable(nacre_store *); /* NACRE_OK, or NACRE_READ_ONLY with the reason */
void store_set_state(nacre_store *, nacre_state, int cause, const char *reason);
/* The same for what frees space: NACRE_OK also while the disk is full and the reserve was given up for it. */
int store_check_freeing(nacre_store *);
int store_resume(nacre_store *);

/* ---- the disk's reserve (reserve.c) ---- */
void reserve_make(nacre_store *);    /* as the tuning says, where there is room; best effort */
bool reserve_give_up(nacre_store *); /* the disk is full; whether there was one */
void store_fail_log(nacre_store *, int cause,
                    const char *reason);      /* a log sync failed: read-only, and nobody waits for what cannot come */
int store_check_process(const nacre_store *); /* NACRE_INVALID in a forked child */
unsigned store_fork_generation(void);

/* ---- views (view.c) ---- */
struct view *view_of(nacre_collection *);   /* the newest; inside an RCU read section */
struct view *view_hold(nacre_collection *); /* counted */
/* With the sequence to read at: the snapshot's, else the visible one (snapshot NULL). The view holds everything up to it. */
struct view *view_at(nacre_collection *, const nacre_snapshot *, uint64_t *sequence); /* inside an RCU read section */
struct view *view_hold_at(nacre_collection *, const nacre_snapshot *, uint64_t *sequence); /* counted */
void view_release(nacre_store *, struct view *); /* never blocks: the housekeeper frees it */
void view_free(struct view *);                   /* nobody can find it any more */
/* Read-only openings: a view of these tables (newest first; each is held) and the version (handed over) takes the collection's place in the
   next set. */
int view_replace(nacre_collection *, struct table *const *tables, size_t count, struct version *);
int view_install_first(nacre_collection *, struct table *active, struct version *);
void view_empty(nacre_collection *, struct table *empty);                    /* all tables go; flush_lock held */
int view_seal(nacre_collection *, struct table *fresh, struct view *memory); /* commit_lock held; see collection_seal */
struct view *view_alloc(size_t tables);
void view_publish(void *context, void *owner, struct version *, struct memtable *flushed); /* tree_env.publish */
uint64_t view_oldest_operand(void *context, void *owner);                                  /* tree_env.oldest_operand */
bool view_has_operands(void *context, void *owner, const struct version *base,
                       nacre_slice key); /* tree_env.has_operands */
/* The newest range delete over the key that the sequence sees; 0 = none. */
uint64_t view_covering(const struct view *, nacre_slice key, uint64_t sequence);
void views_free_retired(nacre_store *); /* grace period, then free; the housekeeper and nacre_reclaim */
int table_create(const nacre_collection *, struct table **);
void table_hold(struct table *);
void table_release(struct table *);
int view_set_install(nacre_store *, uint64_t sequence);            /* of the newest views; reader.lock */
struct view_set *view_set_hold(nacre_store *, uint64_t *sequence); /* counted */
void view_set_release(struct view_set *, nacre_store *);           /* NULL is fine */

/* ---- writing (commit.c) ---- */
struct commit_target {
    nacre_collection *collection;
    size_t entries, bytes; /* bytes: of keys and values */
    size_t vectors;        /* puts that have one */
};
struct commit_check {
    /* Asked under commit_lock, right before the commit gets its sequences, and again when it has to come back; any code but NACRE_OK and
       NACRE_BUSY refuses it. */
    int (*ask)(struct commit_check *);
};
struct commit {          /* one atomic write */
    nacre_slice payload; /* batch_format.h */
    const struct commit_target *targets;
    size_t target_count;
    uint64_t sequences; /* how many the payload takes */
    nacre_durability durability;
    uint32_t timeout_ms;
    struct value_file *const *value_files; /* that its puts point into; the caller's references */
    size_t value_file_count;
    struct commit_check *check; /* NULL: none */
};
int store_commit(nacre_store *, const struct commit *);
int store_sync(nacre_store *);
int store_flush_unlogged(nacre_store *); /* writes of level memory go into segments */
int apply_op(struct memtable *, const struct batch_op *, uint64_t sequence); /* also for replay */

/* ---- what memtables hide in the value log (value_hidden.c) ---- */
void table_note_hidden(struct table *, nacre_collection *, const struct batch_op *); /* an op that was applied to it */
bool table_hides_much(const nacre_collection *, const struct table *);               /* so that it is time to seal it */

/* ---- sealing and flushing (seal.c) ---- */
int collection_seal(
    nacre_collection *,
    const struct table
        *expected); /* expected: only if it is still the active one; NULL: whatever it is, if it holds anything */
/* commit_lock held; the memory as view_seal takes it. NACRE_NOT_FOUND: there is nothing to seal. */
int collection_seal_locked(nacre_collection *, const struct table *expected, struct table *fresh, struct view *memory);
int collection_flush_locked(nacre_collection *); /* flush_lock held: the oldest sealed table, if there is one */
/* Waits until what was given the table before its seal has applied and is visible. NACRE_CANCELLED when the store closes. */
int table_wait_for_writers(nacre_store *, struct table *);
bool table_is_full(const nacre_collection *, const struct table *); /* it is time to seal it */
int collection_flush(nacre_collection *);                           /* seal and wait */
int collection_flush_one(nacre_collection *, bool *flushed);        /* the oldest sealed table; a worker's step */
wal_position store_log_needed(nacre_store *);                       /* everything before is in segments */
int store_prune_log(nacre_store *);
void store_log_pin(nacre_store *,
                   char name[NACRE_NAME_MAX + 1]); /* the collection that needs its oldest file; "" = none */
int store_enforce_log_limit(nacre_store *);
void store_reap(void *context, uint64_t segment_id); /* segment_env.reap */
int store_remove_reaped(nacre_store *);              /* but for what readers have pinned */
bool store_is_pinned(const nacre_store *);           /* something waits for readers */
uint64_t store_pinned_age_ms(
    const nacre_store *);                /* how long the first removed segment has waited for them; 0: none does */
uint64_t store_log_bytes(nacre_store *); /* of log files, without those that stay for holds alone */
void store_index_wanted(void *context, void *owner); /* tree_env.index_wanted */

/* ---- holds on files (hold.c) ---- */
void hold_add(nacre_store *, struct file_hold *);    /* the caller's memory, until hold_remove */
void hold_remove(nacre_store *, struct file_hold *); /* also of one that was not added */
void hold_segments(nacre_store *, struct file_hold *, const uint64_t *ids);
void hold_log_from(nacre_store *, struct file_hold *, uint32_t file);
uint32_t hold_oldest_log_file(nacre_store *);              /* UINT32_MAX: none is held */
bool hold_names_segment(const nacre_store *, uint64_t id); /* reap_lock held */

/* ---- pacing (pacing.c) ---- */
int pacing_admit(nacre_store *, size_t bytes, uint32_t timeout_ms); /* may sleep; NACRE_BUSY with the reason */
/* Until memtables may take `bytes` more, at most `timeout_ms` (0: as the store says) after `began_ns`; NACRE_BUSY with the reason. */
int pacing_wait_for_memory(nacre_store *, uint64_t bytes, uint64_t began_ns, uint32_t timeout_ms);
int pacing_wait_for_flush(nacre_store *); /* recovery: while sealed memtables are over their limit */
void pacing_apply(nacre_store *);         /* after seals: takes no lock */
void pacing_update(nacre_store *);        /* after seals, flushes, merges */
void store_progress(nacre_store *);       /* wakes who waits for progress */
void pacing_count_stall(nacre_store *, enum stall_reason, uint64_t ns);

/* ---- reading (read.c, scan.c) ---- */
int collection_get(nacre_collection *, nacre_slice key, const nacre_snapshot *, nacre_value *);
struct merged_own;
/* Of a key whose newest version is an operand of `own` (merged.h). */
int collection_get_merged(nacre_collection *, nacre_slice key, const nacre_snapshot *, const struct merged_own *own,
                          nacre_value *);
/* `vector` gets a copy; the value too where `value` is not NULL. Of kinds that hold vectors. */
int collection_get_vector(nacre_collection *, nacre_slice key, const nacre_snapshot *, float *vector,
                          nacre_value *value);
int collection_multi_get(nacre_collection *, const nacre_slice *keys, size_t count, const nacre_snapshot *,
                         nacre_value *values, int *statuses);
void value_release(nacre_value *);
int collection_scan(nacre_collection *, const nacre_scan_options *, nacre_cursor **);
struct txn_scan;
/* For a transaction, as of the snapshot in the options. Takes over `scan` also on failure. */
int collection_scan_own(nacre_collection *, const nacre_scan_options *, struct txn_scan *scan, nacre_cursor **);
uint64_t cursor_sequence(const nacre_cursor *); /* of the entry's newest version; 0: not told */

/* ---- snapshots (snapshot.c) ---- */
int store_snapshot_create(nacre_store *, nacre_snapshot **);
void store_snapshot_release(nacre_snapshot *);
/* Those of transactions, in the caller's memory. */
void snapshot_enter_transaction(nacre_store *, nacre_snapshot *);
void snapshot_leave(nacre_snapshot *);
struct snapshot_counts {
    uint64_t snapshots, oldest_snapshot_age_ms, transactions, oldest_transaction_age_ms;
};
void store_count_snapshots(nacre_store *, struct snapshot_counts *);
int store_snapshots(void *context, uint64_t **sequences, size_t *count); /* tree_env.snapshots */
int store_sees(void *context, uint64_t sequence);                        /* tree_env.sees */
bool store_begin_filtered(void *context, uint64_t least_sequence);       /* tree_env.begin_filtered */
void store_end_filtered(void *context);

/* ---- life (open.c, recovery.c, collection.c) ---- */
int store_open(const char *path, const nacre_options *, nacre_store **);
/* For writing what another store had written, with its clocks: nothing that expired meanwhile goes, as operands may need it. */
int store_open_behind(const char *path, const nacre_options *, nacre_store **);
/* For reading, to be verified and closed: where damage ends a usual opening, without what is damaged. Not for reads: what is left out is not seen. */
int store_open_to_verify(const char *path, const nacre_options *, nacre_store **);
/* Whether the opening goes on without what failed so; keeps the detail. */
bool store_leave_out(void *store, int status);
int store_close(nacre_store *);
void store_apply_tuning(nacre_store *); /* tuning values -> limits, trees, cache */
int store_make_parts(nacre_store *);
int store_make_collections(nacre_store *, const struct manifest_state *);
int store_recover(nacre_store *, const struct manifest_state *, bool salvage);
/* What the log holds before it is in the collection's segments; UINT64_MAX: there is no such collection. */
wal_position recovery_position(const struct manifest_state *, uint32_t collection);
int recovery_check_op(const nacre_collection *, const struct batch_op *, wal_position begin);
/* Openings for reading (reader.c, reader_views.c, reader_log.c); but for the first and the last two under reader.lock. */
int reader_open(nacre_store *);
/* Views of what the manifest says, as it was followed. *again: the writer has moved on meanwhile; follow it once more. */
int reader_take_state(nacre_store *, bool *again);
/* Reads the log on. *doubt: only a replay can judge what is there. */
int reader_read_log(nacre_store *, bool *again, bool *doubt);
/* The log's ops on one collection in [from, until) into a table; *whole is false where they are not all there any more. */
int reader_fill_table(nacre_collection *, struct table *, wal_position from, wal_position until, bool *whole);
int store_refresh(nacre_store *);
/* The state that is shown, as manifest and log position, and its pin, counted (NULL: none is to be had). */
int reader_point(nacre_store *, struct manifest_state *, wal_position *end, struct reader_pin **);
void reader_close(nacre_store *); /* all handles are closed */
int collection_make(nacre_store *, const struct manifest_collection *,
                    nacre_collection **); /* from the manifest's words; not yet listed */
void collection_free(nacre_collection *);
int store_list_collection(nacre_store *, nacre_collection *);        /* collections_lock held */
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
int store_weigh_values(nacre_store *); /* value_garbage.c: which value files are to go; the housekeeper */
struct value_weight {                  /* of the value log */
    uint64_t bytes, live_bytes, garbage_bytes, files, draining, unreadable;
};
int store_value_weight(nacre_store *, struct value_weight *);
int store_checkpoint(nacre_store *, const char *path);
int store_verify(nacre_store *, nacre_verify_report *);
int store_stats_json(nacre_store *, char **json);
int store_metrics_text(nacre_store *, char **text);

extern const struct kind *const store_kinds[]; /* kinds.c: NULL-terminated; one line per kind */
const struct kind *store_kind(uint32_t code);  /* NULL: not in this build */
void store_register_kind(const struct kind *); /* one more, for programs that bring their own (tests do) */
#endif
