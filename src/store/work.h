/* Background threads: `background_threads` workers for flushes, merges and indexes; one housekeeper for what must never wait behind
   those (freeing retired views, removing files, pruning the log); and one for what writers wait for when it is late (the next log file,
   pages of the log, memory), which must not wait behind the removal of files either. No timers: idle threads sleep until there is work,
   or until a failed task may be tried again.

   Flushes never wait behind the rest: with several workers one is always left for them; and a merge or the build of an index, which may take
   minutes, offers its thread every 50 ms or so (work_lend), which then runs what of the short classes before its own no other thread is free for: flushes, quick steps and merges that make no index. So a
   single worker makes progress with these whatever takes long; long tasks take turns. */
#ifndef NACRE_STORE_WORK_H
#define NACRE_STORE_WORK_H
#include <nacre/nacre.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The most urgent first. */
enum work_class {
    WORK_FLUSH,
    WORK_PREPARE, /* what makes new segments quick to search, about as short as a flush */
    WORK_MERGE,
    WORK_LONG_MERGE, /* those that make an index, which may take minutes */
    WORK_INDEX,
    WORK_CLASSES
};

struct nacre_collection;
struct nacre_store;

struct work_item { /* one per collection and class; fields under work.lock */
    struct work_item *next;
    struct nacre_collection *collection;
    bool queued;
    unsigned running, failures;
    uint64_t not_before_ns; /* after a failure */
};
/* Of one class, for statistics. */
struct work_figures {
    uint64_t queued, running, done, failed; /* failed ones are tried again, but for damage */
    uint64_t last_ns, busy_ns;              /* of the last one; of all that ended */
    uint64_t error_ms;                      /* of the last failure, wall clock; 0: there was none */
    int error_status;
    char error[256], error_collection[NACRE_NAME_MAX + 1];
};
extern const char *const work_class_names[WORK_CLASSES];

struct work {
    pthread_mutex_t lock;
    pthread_cond_t wake, idle, housekeeping, preparing;
    struct work_item *first[WORK_CLASSES], *last[WORK_CLASSES];
    unsigned threads, started, sleeping;
    unsigned merges;              /* that run */
    unsigned behind, behind_most; /* threads that do other than flushes; so many may */
    bool stop;
    _Atomic bool paused; /* no merges are begun; written under the lock */
    pthread_t *ids;
    pthread_t housekeeper, log_preparer;
    bool housekeeper_started, log_preparer_started;
    _Atomic bool housekeeping_due, tuning_due, log_due;
    char last_error[512];
    uint64_t last_error_ms;
    struct work_figures figures[WORK_CLASSES];
};
void work_get_figures(struct nacre_store *, struct work_figures figures[WORK_CLASSES]);
int work_start(struct nacre_store *);
void work_stop(struct nacre_store *); /* ends all threads; units end at their next look at `stopping` */
void work_post(struct nacre_store *, enum work_class, struct nacre_collection *);
void work_lend(void *store); /* tree_env.lend: runs what is more urgent than what the calling worker is at */
unsigned work_index_threads(void *store);                                /* tree_env.index_threads */
void work_post_indexes(struct nacre_store *, struct nacre_collection *); /* as far as the tree wants them */
void work_housekeep(struct nacre_store *);                               /* cheap; any thread */
void work_prepare_log(struct nacre_store *);                             /* where wal_wants_prepare; as cheap */
void work_tune(void *store); /* enough was read that the autotuner may have something to decide; cheap; any thread */
void work_note_reads(struct nacre_store *, unsigned reads); /* that a timed one stands for: now and then the same */
void work_forget(struct nacre_store *, struct nacre_collection *); /* off the queues; waits for what runs on it */
/* Pause waits for running merges to drain: NACRE_TIMEOUT. Those of kinds with whole_runs, which may make an index for minutes, are cancelled and
   done again after the pause. Indexes go on. */
int work_pause_merges(struct nacre_store *, bool pause, uint32_t timeout_ms);
#endif
