/* Workers and the housekeeper (see work.h). Lock: work.lock, never held while a task runs. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/thread.h"
#include "store/store.h"
#include <errno.h>
#include <time.h>

#define FAILURES_BORNE   4u /* I/O errors in a row of one task; then writers are told */
#define BACKOFF_FIRST_NS (10u * 1000 * 1000)
#define BACKOFF_MOST_NS  (UINT64_C(5) * 1000 * 1000 * 1000)

static struct work_item *item_of(nacre_collection *collection, enum work_class class)
{
    struct work_item *items[] = { &collection->flush_work, &collection->merge_work, &collection->index_work };
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

void work_housekeep(nacre_store *store)
{
    struct work *work = &store->work;
    /* Release: what there is to do is visible to the housekeeper, which takes the flag with acquire. */
    if (atomic_exchange_explicit(&work->housekeeping_due, true, memory_order_acq_rel)) {
        return;
    }
    pthread_mutex_lock(&work->lock);
    pthread_cond_signal(&work->housekeeping);
    pthread_mutex_unlock(&work->lock);
}

/* The first item that may run now; *wait_ns = when the next delayed one may, 0 if none is. */
static struct work_item *pick(struct work *work, enum work_class *class, uint64_t now, uint64_t *wait_until)
{
    *wait_until = 0;
    for (unsigned c = 0; c < WORK_CLASSES; c++) {
        if (c == WORK_MERGE && (work->paused || work->merges >= work->merges_most)) {
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

static int run_merge(nacre_store *store, nacre_collection *collection, bool *again)
{
    bool worked = false;
    int status = tree_work(collection->tree, &worked);
    *again = status == NACRE_OK && worked && tree_wants_work(collection->tree);
    pacing_update(store);
    store_progress(store);
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
    switch (class) {
    case WORK_FLUSH:
        return run_flush(store, collection, again);
    case WORK_MERGE:
        return run_merge(store, collection, again);
    default:
        return tree_build_indexes(collection->tree, false);
    }
}

/* A full disk turns the store read-only at once, an I/O error when it stays; what may pass is tried again; damage is shown and left alone until something
   changes. */
static void note_failure(nacre_store *store, struct work_item *item, int status, bool *again)
{
    struct work *work = &store->work;
    if (status == NACRE_CANCELLED && atomic_load_explicit(&store->stopping, memory_order_relaxed)) {
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
    size_t size = strlen(fail_detail());
    size = size < sizeof work->last_error - 1 ? size : sizeof work->last_error - 1;
    memcpy(work->last_error, fail_detail(), size);
    work->last_error[size] = 0;
    work->last_error_ms = clock_wall_ms();
    pthread_mutex_unlock(&work->lock);
    char text[1024];
    log_line(store->logger, NACRE_LOG_ERROR, "background_error", "\"status\":\"%s\",\"detail\":\"%s\",\"failures\":%u",
             nacre_status_name(status), log_escape(fail_detail(), text, sizeof text), item->failures);
    *again = status != NACRE_CORRUPT;
}

static void run_item(nacre_store *store, enum work_class class, struct work_item *item)
{
    struct work *work = &store->work;
    unlink_item(work, class, item);
    item->running++;
    work->running++;
    work->merges += class == WORK_MERGE;
    bool more = class == WORK_MERGE && work->merges < work->merges_most;
    pthread_mutex_unlock(&work->lock);

    nacre_collection *collection = item->collection;
    if (more && tree_wants_work(collection->tree)) {
        work_post(store, WORK_MERGE, collection); /* another worker may find a disjoint unit */
    }
    bool again;
    int status = run(store, class, collection, &again);
    if (status != NACRE_OK) {
        note_failure(store, item, status, &again);
    }

    pthread_mutex_lock(&work->lock);
    if (status == NACRE_OK) {
        item->failures = 0;
        item->not_before_ns = 0;
    }
    item->running--;
    work->running--;
    work->merges -= class == WORK_MERGE;
    if (again && !item->queued && !work->stop) {
        push(work, class, item);
    }
    pthread_cond_broadcast(&work->idle);
    if (class == WORK_MERGE && work->first[WORK_MERGE]) {
        pthread_cond_signal(&work->wake);
    }
}

static void *worker(void *context)
{
    nacre_store *store = context;
    struct work *work = &store->work;
    thread_lower_priority();
    pthread_mutex_lock(&work->lock);
    while (!work->stop) {
        enum work_class class = WORK_FLUSH;
        uint64_t wait_until;
        struct work_item *item = pick(work, &class, clock_monotonic_ns(), &wait_until);
        if (item) {
            run_item(store, class, item);
        } else if (wait_until) {
            struct timespec until = { .tv_sec = (time_t)(wait_until / 1000000000u),
                                      .tv_nsec = (long)(wait_until % 1000000000u) };
            pthread_cond_timedwait(&work->wake, &work->lock, &until);
        } else {
            pthread_cond_wait(&work->wake, &work->lock);
        }
    }
    pthread_mutex_unlock(&work->lock);
    return NULL;
}

static void keep_house(nacre_store *store)
{
    if (atomic_load_explicit(&store->log_open, memory_order_acquire) && wal_wants_prepare(store->wal)) {
        int status = wal_prepare(store->wal, 0);
        if (status == NACRE_NO_SPACE) {
            store_set_state(store, NACRE_STATE_READ_ONLY, status, fail_detail());
        }
    }
    views_free_retired(store);
    if (store_remove_reaped(store) != NACRE_OK || store_prune_log(store) != NACRE_OK ||
        store_enforce_log_limit(store) != NACRE_OK) {
        stats_add(&store->stats, STATS_background_errors, 1);
        char text[1024];
        log_line(store->logger, NACRE_LOG_WARNING, "housekeeping_error", "\"detail\":\"%s\"",
                 log_escape(fail_detail(), text, sizeof text));
    }
    pacing_apply(store);
    store_progress(store);
}

static void *housekeeper(void *context)
{
    nacre_store *store = context;
    struct work *work = &store->work;
    thread_work_behind();
    pthread_mutex_lock(&work->lock);
    for (;;) {
        while (!work->stop && !atomic_load_explicit(&work->housekeeping_due, memory_order_acquire)) {
            pthread_cond_wait(&work->housekeeping, &work->lock);
        }
        if (work->stop) {
            break;
        }
        atomic_store_explicit(&work->housekeeping_due, false, memory_order_release);
        pthread_mutex_unlock(&work->lock);
        keep_house(store);
        pthread_mutex_lock(&work->lock);
    }
    pthread_mutex_unlock(&work->lock);
    return NULL;
}

int work_start(nacre_store *store)
{
    struct work *work = &store->work;
    work->threads = store->background_threads;
    work->merges_most = work->threads > 1 ? work->threads - 1 : 1; /* one is always left for flushes */
    work->ids = memory_zalloc(work->threads * sizeof *work->ids);
    if (!work->ids) {
        return NACRE_NO_MEMORY;
    }
    if (pthread_create(&work->housekeeper, NULL, housekeeper, store) != 0) {
        return fail(NACRE_NO_MEMORY, "a background thread could not be started");
    }
    work->housekeeper_started = true;
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
    pthread_mutex_unlock(&work->lock);
    for (unsigned i = 0; i < work->started; i++) {
        pthread_join(work->ids[i], NULL);
    }
    if (work->housekeeper_started) {
        pthread_join(work->housekeeper, NULL);
    }
    work->started = 0;
    work->housekeeper_started = false;
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
    work->paused = pause;
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
