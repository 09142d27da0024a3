/* Background threads: `background_threads` workers for flushes, merges and index builds, and one housekeeper for what must never wait
   behind those (the next log file, pages of the log, freeing retired views, removing files, pruning the log). No timers: idle threads
   sleep until there is work, or until a failed task may be tried again. */
#ifndef NACRE_STORE_WORK_H
#define NACRE_STORE_WORK_H
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum work_class { WORK_FLUSH, WORK_MERGE, WORK_INDEX, WORK_CLASSES };

struct nacre_collection;
struct nacre_store;

struct work_item { /* one per collection and class; fields under work.lock */
    struct work_item *next;
    struct nacre_collection *collection;
    bool queued;
    unsigned running, failures;
    uint64_t not_before_ns; /* after a failure */
};
struct work {
    pthread_mutex_t lock;
    pthread_cond_t wake, idle, housekeeping;
    struct work_item *first[WORK_CLASSES], *last[WORK_CLASSES];
    unsigned threads, started, merges, merges_most;
    unsigned running;  /* items in hand, all classes */
    bool stop, paused; /* paused: no merges are begun */
    pthread_t *ids;
    pthread_t housekeeper;
    bool housekeeper_started;
    _Atomic bool housekeeping_due;
    char last_error[512];
    uint64_t last_error_ms;
};
int work_start(struct nacre_store *);
void work_stop(struct nacre_store *); /* ends all threads; units end at their next look at `stopping` */
void work_post(struct nacre_store *, enum work_class, struct nacre_collection *);
void work_housekeep(struct nacre_store *);                         /* cheap; any thread */
void work_forget(struct nacre_store *, struct nacre_collection *); /* off the queues; waits for what runs on it */
int work_pause_merges(struct nacre_store *, bool pause,
                      uint32_t timeout_ms); /* pause waits for running merges to drain: NACRE_TIMEOUT */
#endif
