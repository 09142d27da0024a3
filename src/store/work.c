/* Workers and the housekeeper (see work.h). Lock: work.lock, never held while a task runs. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/thread.h"
#include "store/autotune.h"
#include "store/event.h"
#include "store/values.h"
#include <errno.h>
#include <time.h>

#define FAILURES_BORNE   4u /* I/O errors in a row of one task; then writers are told */
#define BACKOFF_FIRST_NS (10u * 1000 * 1000)
#define BACKOFF_MOST_NS  (UINT64_C(5) * 1000 * 1000 * 1000)

/* What this worker is at, the innermost; WORK_CLASSES: nothing, or no worker. */
static _Thread_local enum work_class at_class = WORK_CLASSES;

const char *const work_class_names[WORK_CLASSES] = { "flush", "prepare", "merge", "long_merge", "index" };

static struct work_item *item_of(nacre_collection *collection, enum work_class class)
{
    struct work_item *items[] = { &collection->flush_work, &collection->prepare_work, &collection->merge_work,
                                  &collection->long_merge_work, &collection->index_work };
    return items[class];
}

static void push(struct work *work, enum work_class class, struct work_item *item)
{
    item->queued = true;
    item->next = NULL;
    if (work->last[class]) {
        work->last[class]->next = item;
    } else {
        work->first[class] = item;
    }
    work->last[class] = item;
}

static void unlink_item(struct work *work, enum work_class class, struct work_item *item)
{
    struct work_item *before = NULL, *at = work->first[class];
    while (at && at != item) {
        before = at;
        at = at->next;
    }
    if (!at) {
        return;
    }
    if (before) {
        before->next = item->next;
    } else {
        work->first[class] = item->next;
    }
    if (work->last[class] == item) {
        work->last[class] = before;
    }
    item->queued = false;
}

void work_post(nacre_store *store, enum work_class class, nacre_collection *collection)
{
    struct work *work = &store->work;
    pthread_mutex_lock(&work->lock);
    struct work_item *item = item_of(collection, class);
    if (!item->queued && !work->stop) {
        push(work, class, item);
        pthread_cond_signal(&work->wake);
    }
    pthread_mutex_unlock(&work->lock);
}

/* Tells a thread, once until it looks. */
static void call(struct work *work, _Atomic bool *due, pthread_cond_t *thread)
{
    /* Release: what there is to do is visible to the thread, which takes the flag with acquire. */
    if (atomic_exchange_explicit(due, true, memory_order_acq_rel)) {
        return;
    }
    pthread_mutex_lock(&work->lock);
    pthread_cond_signal(thread);
    pthread_mutex_unlock(&work->lock);
}

void work_housekeep(nacre_store *store)
{
    call(&store->work, &store->work.housekeeping_due, &store->work.housekeeping);
}

void work_prepare_log(nacre_store *store)
{
    call(&store->work, &store->work.log_due, &store->work.preparing);
}

void work_tune(void *context)
{
    nacre_store *store = context;
    if (tuning_get(&store->tuning, TUNING_autotune)) {
        call(&store->work, &store->work.tuning_due, &store->work.housekeeping);
    }
}

#define TUNE_READS 65536u

void work_note_reads(nacre_store *store, unsigned reads)
{
    static _Thread_local unsigned noted;
    noted += reads;
    if (noted >= TUNE_READS) {
        noted = 0;
        work_tune(store);
    }
}

static bool is_merge(unsigned class)
{
    return class == WORK_MERGE || class == WORK_LONG_MERGE;
}

static bool is_held(const struct work *work, unsigned class)
{
    bool may_begin = class == WORK_FLUSH || work->behind < work->behind_most;
    if (is_merge(class) && atomic_load_explicit(&work->paused, memory_order_relaxed)) {
        return true;
    }
    if (class == WORK_LONG_MERGE && at_class != WORK_CLASSES) {
        return true; /* it would hold up the end of what lends, and who waits for that, for minutes */
    }
    /* Who lends its thread is among those behind already, and leaves to others what they can do: they have been woken. */
    return at_class == WORK_CLASSES ? !may_begin : may_begin && work->sleeping > 0;
}

/* The first item that may run now, of the classes before that which the thread is at; *wait_ns = when the next delayed one may, 0 if none is. */
static struct work_item *pick(struct work *work, enum work_class *class, uint64_t now, uint64_t *wait_until)
{
    *wait_until = 0;
    for (unsigned c = 0; c < at_class; c++) {
        if (is_held(work, c)) {
            continue;
        }
        for (struct work_item *item = work->first[c]; item; item = item->next) {
            if (c == WORK_FLUSH && item->running) {
                continue; /* its runner looks again when done */
            }
            if (item->not_before_ns <= now) {
                *class = (enum work_class)c;
                return item;
            }
            if (*wait_until == 0 || item->not_before_ns < *wait_until) {
                *wait_until = item->not_before_ns;
            }
        }
    }
    return NULL;
}

void work_post_indexes(nacre_store *store, nacre_collection *collection)
{
    if (tree_wants_prepare(collection->tree)) {
        work_post(store, WORK_PREPARE, collection);
    }
    if (tree_wants_index(collection->tree)) {
        work_post(store, WORK_INDEX, collection);
    }
}

static int run_merge(nacre_store *store, enum work_class class, nacre_collection *collection, bool *again)
{
    bool worked = false;
    struct tree *tree = collection->tree;
    int status = fold_hint_run(collection);
    if (status == NACRE_OK) {
        status = class == WORK_MERGE ? tree_brief_work(tree, &worked) : tree_work(tree, &worked);
    }
    bool wants = status == NACRE_OK && tree_wants_work(tree);
    *again = wants && worked;
    if (wants && !worked && class == WORK_MERGE && collection->kind->quick_index) {
        work_post(store, WORK_LONG_MERGE, collection);
    } else if (!*again) {
        work_post_indexes(store, collection); /* what waited for merges */
    }
    pacing_update(store);
    store_progress(store);
    work_tune(store);
    return status;
}

static int run_prepare(nacre_store *store, nacre_collection *collection, bool *again)
{
    int status = tree_prepare_work(collection->tree, again);
    if (!*again && tree_wants_index(collection->tree)) {
        work_post(store, WORK_INDEX, collection); /* which passed over what was in hand here */
    }
    return status;
}

static int run_flush(nacre_store *store, nacre_collection *collection, bool *again)
{
    int status = collection_flush_one(collection, again);
    if (status == NACRE_OK) {
        if (tree_wants_work(collection->tree)) {
            work_post(store, WORK_MERGE, collection);
        }
        work_housekeep(store); /* the log may have become shorter */
    }
    pacing_update(store);
    store_progress(store);
    return status;
}

static int run(nacre_store *store, enum work_class class, nacre_collection *collection, bool *again)
{
    *again = false;
    if (class == WORK_PREPARE || class == WORK_INDEX) {
        if (atomic_load_explicit(&store->space_low, memory_order_relaxed)) {
            return NACRE_OK; /* the room is for what frees some; nacre_resume posts it anew */
        }
        budget_apply(store);
    }
    switch (class) {
    case WORK_FLUSH:
        return run_flush(store, collection, again);
    case WORK_PREPARE:
        return run_prepare(store, collection, again);
    case WORK_MERGE:
    case WORK_LONG_MERGE:
        return run_merge(store, class, collection, again);
    default:
        return tree_index_work(collection->tree, again);
    }
}

/* A full disk turns the store read-only at once, an I/O error when it stays; what may pass is tried again; damage is shown and left alone until something
   changes. */
static void copy_text(char *to, size_t size, const char *from)
{
    size_t length = strlen(from);
    length = length < size - 1 ? length : size - 1;
    memcpy(to, from, length);
    to[length] = 0;
}

/* work.lock held. */
static void keep_failure(struct work *work, enum work_class class, const struct work_item *item, int status)
{
    struct work_figures *figures = &work->figures[class];
    copy_text(work->last_error, sizeof work->last_error, fail_detail());
    copy_text(figures->error, sizeof figures->error, fail_detail());
    copy_text(figures->error_collection, sizeof figures->error_collection, item->collection->name);
    work->last_error_ms = figures->error_ms = clock_wall_ms();
    figures->error_status = status;
    figures->failed++;
}

static void note_failure(nacre_store *store, enum work_class class, struct work_item *item, int status, bool *again)
{
    struct work *work = &store->work;
    if (status == NACRE_CANCELLED) { /* a close, a drop, or a pause, after which it is done again */
        *again = !atomic_load_explicit(&store->stopping, memory_order_relaxed) &&
                 !atomic_load_explicit(&item->collection->dropped, memory_order_acquire);
        return;
    }
    stats_add(&store->stats, STATS_background_errors, 1);
    bool lasting = status == NACRE_IO && item->failures + 1 >= FAILURES_BORNE;
    if (status == NACRE_NO_SPACE || lasting) {
        store_set_state(store, NACRE_STATE_READ_ONLY, status, fail_detail());
    }
    pthread_mutex_lock(&work->lock);
    item->failures++;
    uint64_t delay = (uint64_t)BACKOFF_FIRST_NS << (item->failures < 10 ? item->failures : 10);
    item->not_before_ns = clock_monotonic_ns() + (delay < BACKOFF_MOST_NS ? delay : BACKOFF_MOST_NS);
    unsigned failures = item->failures;
    keep_failure(work, class, item, status);
    pthread_mutex_unlock(&work->lock);
    event_failed(store, item->collection, work_class_names[class], status, failures);
    *again = status != NACRE_CORRUPT;
}

static void run_item(nacre_store *store, enum work_class class, struct work_item *item)
{
    struct work *work = &store->work;
    enum work_class outer = at_class;
    bool behind = class != WORK_FLUSH && outer == WORK_CLASSES;
    unlink_item(work, class, item);
    item->running++;
    work->figures[class].running++;
    work->merges += is_merge(class);
    work->behind += behind;
    bool more = is_merge(class) && work->behind < work->behind_most;
    at_class = class;
    pthread_mutex_unlock(&work->lock);

    nacre_collection *collection = item->collection;
    if (more && tree_wants_work(collection->tree)) {
        work_post(store, class, collection); /* another worker may find a disjoint unit */
    }
    bool again;
    uint64_t began = clock_monotonic_ns();
    budget_note_work(store);
    budget_share(store);
    int status = run(store, class, collection, &again);
    if (status != NACRE_OK) {
        note_failure(store, class, item, status, &again);
    }
    uint64_t took = clock_monotonic_ns() - began;

    pthread_mutex_lock(&work->lock);
    work->figures[class].running--;
    work->figures[class].done += status == NACRE_OK;
    work->figures[class].last_ns = took;
    work->figures[class].busy_ns += took;
    at_class = outer;
    if (status == NACRE_OK) {
        item->failures = 0;
        item->not_before_ns = 0;
    }
    item->running--;
    work->merges -= is_merge(class);
    work->behind -= behind;
    if (again && !item->queued && !work->stop) {
        push(work, class, item);
    }
    if (item->queued && outer != WORK_CLASSES) {
        pthread_cond_signal(
            &work->wake); /* this thread goes back to what it was at; who was woken while it ran passed it over */
    }
    pthread_cond_broadcast(&work->idle);
    if (behind) {
        pthread_cond_signal(&work->wake); /* another may begin */
    }
}

void work_lend(void *context)
{
    nacre_store *store = context;
    struct work *work = &store->work;
    if (at_class == WORK_CLASSES || at_class == WORK_FLUSH) {
        return;
    }
    enum work_class class = WORK_FLUSH;
    uint64_t wait_until;
    struct work_item *item;
    pthread_mutex_lock(&work->lock);
    while (!work->stop && (item = pick(work, &class, clock_monotonic_ns(), &wait_until))) {
        run_item(store, class, item);
    }
    pthread_mutex_unlock(&work->lock);
}

unsigned work_index_threads(void *context)
{
    struct work *work = &((nacre_store *)context)->work;
    pthread_mutex_lock(&work->lock);
    unsigned idle = work->behind < work->behind_most ? work->behind_most - work->behind : 0;
    pthread_mutex_unlock(&work->lock);
    return 1 + idle;
}

/* 0: until woken. */
static void sleep_until(struct work *work, uint64_t until_ns)
{
    struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000u), .tv_nsec = (long)(until_ns % 1000000000u) };
    if (until_ns) {
        pthread_cond_timedwait(&work->wake, &work->lock, &until);
    } else {
        pthread_cond_wait(&work->wake, &work->lock);
    }
}

static void *worker(void *context)
{
    nacre_store *store = context;
    struct work *work = &store->work;
    thread_lower_priority();
    pthread_mutex_lock(&work->lock);
    uint64_t wait_until = 0;
    while (!work->stop) {
        enum work_class class = WORK_FLUSH;
        bool watched = wait_until != 0;
        struct work_item *item = pick(work, &class, clock_monotonic_ns(), &wait_until);
        if (item) {
            if (watched) {
                pthread_cond_signal(&work->wake); /* another has to wait for what was delayed */
            }
            wait_until = 0;
            run_item(store, class, item);
        } else {
            work->sleeping++;
            sleep_until(work, wait_until);
            work->sleeping--;
        }
    }
    pthread_mutex_unlock(&work->lock);
    return NULL;
}

/* As many as the fastest writer fills while the thread that clears them waits for a processor. */
#define CHUNKS_AHEAD 8u

/* Writes go on: the system clears the memory for the next ones here and not under their lock. Not where memtables have half of their part of the
   budget already: then they are about to give some back. */
static void clear_memory_ahead(nacre_store *store)
{
    uint64_t most = atomic_load_explicit(&store->limits.memtable_total, memory_order_relaxed) / 2;
    uint64_t used = chunk_pool_bytes(store->chunks), chunks = used < most ? (most - used) / CHUNK_BYTES : 0;
    chunk_pool_warm(store->chunks, chunks < CHUNKS_AHEAD ? (size_t)chunks : CHUNKS_AHEAD);
}

static void prepare_log(nacre_store *store)
{
    if (atomic_load_explicit(&store->log_open, memory_order_acquire) && wal_wants_prepare(store->wal)) {
        int status = wal_prepare(store->wal, 0);
        if (status == NACRE_NO_SPACE) {
            store_set_state(store, NACRE_STATE_READ_ONLY, status, fail_detail());
        }
        clear_memory_ahead(store);
    }
}

static void *log_preparer(void *context)
{
    nacre_store *store = context;
    struct work *work = &store->work;
    thread_work_behind();
    pthread_mutex_lock(&work->lock);
    while (!work->stop) {
        if (atomic_exchange_explicit(&work->log_due, false, memory_order_acq_rel)) {
            pthread_mutex_unlock(&work->lock);
            prepare_log(store);
            pthread_mutex_lock(&work->lock);
        } else {
            pthread_cond_wait(&work->preparing, &work->lock);
        }
    }
    pthread_mutex_unlock(&work->lock);
    return NULL;
}

static void keep_house(nacre_store *store)
{
    views_free_retired(store);
    store_keep_values(store);
    int status = store_remove_reaped(store);
    status = status == NACRE_OK ? store_prune_log(store) : status;
    status = status == NACRE_OK ? store_enforce_log_limit(store) : status;
    if (status != NACRE_OK) {
        stats_add(&store->stats, STATS_background_errors, 1);
        event_housekeeping_failed(store, status);
    }
    atomic_store_explicit(&store->budget.looked_ns, 0, memory_order_relaxed); /* what brought us here is to be seen */
    budget_apply(store);
    reserve_make(store);
    pacing_apply(store);
    store_progress(store);
}

/* Readers in other processes say nothing when they go: while files wait for one, it is looked after it. */
#define PINNED_LOOK_NS UINT64_C(500000000)

static void wait_for_housekeeping(nacre_store *store, struct work *work)
{
    int result = 0;
    while (!work->stop && result != ETIMEDOUT && !atomic_load_explicit(&work->housekeeping_due, memory_order_acquire) &&
           !atomic_load_explicit(&work->tuning_due, memory_order_acquire)) {
        if (store_is_pinned(store)) {
            uint64_t until_ns = clock_monotonic_ns() + PINNED_LOOK_NS;
            struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000u),
                                      .tv_nsec = (long)(until_ns % 1000000000u) };
            result = pthread_cond_timedwait(&work->housekeeping, &work->lock, &until);
        } else {
            result = pthread_cond_wait(&work->housekeeping, &work->lock);
        }
    }
}

static void *housekeeper(void *context)
{
    nacre_store *store = context;
    struct work *work = &store->work;
    thread_work_behind();
    pthread_mutex_lock(&work->lock);
    for (;;) {
        wait_for_housekeeping(store, work);
        if (work->stop) {
            break;
        }
        bool tuning = atomic_exchange_explicit(&work->tuning_due, false, memory_order_acq_rel);
        bool house = atomic_exchange_explicit(&work->housekeeping_due, false, memory_order_acq_rel) || !tuning;
        pthread_mutex_unlock(&work->lock);
        if (house) {
            keep_house(store);
        }
        autotune_step(store);
        pthread_mutex_lock(&work->lock);
    }
    pthread_mutex_unlock(&work->lock);
    return NULL;
}

void work_get_figures(nacre_store *store, struct work_figures figures[WORK_CLASSES])
{
    struct work *work = &store->work;
    pthread_mutex_lock(&work->lock);
    memcpy(figures, work->figures, sizeof work->figures);
    for (unsigned class = 0; class < WORK_CLASSES; class ++) {
        for (const struct work_item *item = work->first[class]; item; item = item->next) {
            figures[class].queued++;
        }
    }
    pthread_mutex_unlock(&work->lock);
}

int work_start(nacre_store *store)
{
    struct work *work = &store->work;
    work->threads = store->background_threads;
    work->behind_most = work->threads > 1 ? work->threads - 1 : 1; /* one is always left for flushes */
    work->ids = memory_zalloc(work->threads * sizeof *work->ids);
    if (!work->ids) {
        return NACRE_NO_MEMORY;
    }
    if (pthread_create(&work->housekeeper, NULL, housekeeper, store) != 0) {
        return fail(NACRE_NO_MEMORY, "a background thread could not be started");
    }
    work->housekeeper_started = true;
    if (pthread_create(&work->log_preparer, NULL, log_preparer, store) != 0) {
        return fail(NACRE_NO_MEMORY, "a background thread could not be started");
    }
    work->log_preparer_started = true;
    for (; work->started < work->threads; work->started++) {
        if (pthread_create(&work->ids[work->started], NULL, worker, store) != 0) {
            return fail(NACRE_NO_MEMORY, "a background thread could not be started");
        }
    }
    return NACRE_OK;
}

void work_stop(nacre_store *store)
{
    struct work *work = &store->work;
    pthread_mutex_lock(&work->lock);
    work->stop = true;
    pthread_cond_broadcast(&work->wake);
    pthread_cond_broadcast(&work->housekeeping);
    pthread_cond_broadcast(&work->preparing);
    pthread_mutex_unlock(&work->lock);
    for (unsigned i = 0; i < work->started; i++) {
        pthread_join(work->ids[i], NULL);
    }
    if (work->housekeeper_started) {
        pthread_join(work->housekeeper, NULL);
    }
    if (work->log_preparer_started) {
        pthread_join(work->log_preparer, NULL);
    }
    work->started = 0;
    work->housekeeper_started = work->log_preparer_started = false;
    memory_free(work->ids);
    work->ids = NULL;
}

void work_forget(nacre_store *store, nacre_collection *collection)
{
    struct work *work = &store->work;
    pthread_mutex_lock(&work->lock);
    for (unsigned class = 0; class < WORK_CLASSES; class ++) {
        struct work_item *item = item_of(collection, (enum work_class) class);
        for (;;) {
            if (item->queued) {
                unlink_item(work, (enum work_class) class, item);
            }
            if (!item->running) {
                break;
            }
            pthread_cond_wait(&work->idle, &work->lock);
        }
    }
    pthread_mutex_unlock(&work->lock);
}

int work_pause_merges(nacre_store *store, bool pause, uint32_t timeout_ms)
{
    struct work *work = &store->work;
    int status = NACRE_OK;
    uint64_t until_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000u;
    struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000u), .tv_nsec = (long)(until_ns % 1000000000u) };
    pthread_mutex_lock(&work->lock);
    atomic_store_explicit(&work->paused, pause, memory_order_relaxed);
    while (pause && work->merges && status == NACRE_OK) {
        if (pthread_cond_timedwait(&work->idle, &work->lock, &until) == ETIMEDOUT && work->merges) {
            status = fail(NACRE_TIMEOUT, "%u merges still ran after %u ms; they will end, and no new ones begin",
                          work->merges, timeout_ms);
        }
    }
    if (!pause) {
        pthread_cond_broadcast(&work->wake);
    }
    pthread_mutex_unlock(&work->lock);
    return status;
}
