/* Loops in several threads, for the build of a graph. The threads wait between loops; a loop hands out its items in
   groups, in order, so that which thread does which item is chance, and steps must not depend on it.

   Locks: one, around the loop's state. The thread that created them runs the loops, one at a time. */
#include "base/memory.h"
#include "base/status.h"
#include "base/thread.h"
#include "vectors/graph_build.h"
#include <pthread.h>
#include <stdio.h>

#define DETAIL_BYTES 256u

struct build_threads {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    pthread_t *threads; /* count - 1 of them */
    uint32_t count, started;
    int (*stop)(void *context);
    void *stop_context;
    /* The loop. Guarded by `lock` but for `next`. */
    build_step step;
    void *context;
    size_t items, group;
    atomic_size_t next; /* first item not handed out; relaxed, the lock orders the rest */
    uint64_t loop;      /* its number */
    uint32_t running;
    int status;
    char detail[DETAIL_BYTES];
    bool ending;
};

int build_threads_stop(const struct build_threads *threads)
{
    return threads->stop ? threads->stop(threads->stop_context) : NACRE_OK;
}

/* Items until there are none, or one fails. */
static void take_part(struct build_threads *threads, uint32_t worker)
{
    int status = NACRE_OK;
    while (status == NACRE_OK) {
        size_t begin = atomic_fetch_add_explicit(&threads->next, threads->group, memory_order_relaxed);
        if (begin >= threads->items) {
            return;
        }
        size_t end = threads->items - begin < threads->group ? threads->items : begin + threads->group;
        status = build_threads_stop(threads);
        if (status == NACRE_OK) {
            status = threads->step(threads->context, worker, begin, end);
        }
    }
    atomic_store_explicit(&threads->next, threads->items, memory_order_relaxed);
    (void)pthread_mutex_lock(&threads->lock);
    if (threads->status == NACRE_OK) {
        threads->status = status;
        (void)snprintf(threads->detail, sizeof threads->detail, "%s", fail_detail());
    }
    (void)pthread_mutex_unlock(&threads->lock);
}

struct starting { /* what a thread needs to know at its start */
    struct build_threads *threads;
    uint32_t worker;
};

static void *thread_main(void *argument)
{
    struct starting *starting = argument;
    struct build_threads *threads = starting->threads;
    uint32_t worker = starting->worker;
    memory_free(starting);
    thread_work_behind();
    uint64_t seen = 0;
    (void)pthread_mutex_lock(&threads->lock);
    while (!threads->ending) {
        if (threads->loop == seen) {
            (void)pthread_cond_wait(&threads->work, &threads->lock);
            continue;
        }
        seen = threads->loop;
        (void)pthread_mutex_unlock(&threads->lock);
        take_part(threads, worker);
        (void)pthread_mutex_lock(&threads->lock);
        if (--threads->running == 0) {
            (void)pthread_cond_signal(&threads->done);
        }
    }
    (void)pthread_mutex_unlock(&threads->lock);
    return NULL;
}

/* A thread that cannot be started is done without. */
static int start_threads(struct build_threads *threads)
{
    for (uint32_t worker = 1; worker < threads->count; worker++) {
        struct starting *starting = memory_alloc(sizeof *starting);
        if (!starting) {
            return NACRE_NO_MEMORY;
        }
        *starting = (struct starting){ threads, worker };
        if (pthread_create(&threads->threads[threads->started], NULL, thread_main, starting) != 0) {
            memory_free(starting);
            break;
        }
        threads->started++;
    }
    return NACRE_OK;
}

int build_threads_create(uint32_t count, int (*stop)(void *context), void *stop_context, struct build_threads **created)
{
    struct build_threads *threads = memory_zalloc(sizeof *threads);
    if (!threads) {
        return NACRE_NO_MEMORY;
    }
    threads->count = count ? count : 1;
    threads->stop = stop;
    threads->stop_context = stop_context;
    (void)pthread_mutex_init(&threads->lock, NULL);
    (void)pthread_cond_init(&threads->work, NULL);
    (void)pthread_cond_init(&threads->done, NULL);
    threads->threads = memory_alloc(threads->count * sizeof *threads->threads);
    int status = threads->threads ? start_threads(threads) : NACRE_NO_MEMORY;
    if (status != NACRE_OK) {
        build_threads_free(threads);
        return status;
    }
    *created = threads;
    return NACRE_OK;
}

void build_threads_free(struct build_threads *threads)
{
    if (!threads) {
        return;
    }
    (void)pthread_mutex_lock(&threads->lock);
    threads->ending = true;
    (void)pthread_cond_broadcast(&threads->work);
    (void)pthread_mutex_unlock(&threads->lock);
    for (uint32_t i = 0; i < threads->started; i++) {
        (void)pthread_join(threads->threads[i], NULL);
    }
    (void)pthread_cond_destroy(&threads->done);
    (void)pthread_cond_destroy(&threads->work);
    (void)pthread_mutex_destroy(&threads->lock);
    memory_free(threads->threads);
    memory_free(threads);
}

uint32_t build_threads_count(const struct build_threads *threads)
{
    return threads->count;
}

int build_threads_run(struct build_threads *threads, size_t count, size_t group, build_step step, void *context)
{
    bool alone = threads->started == 0 || count <= group;
    (void)pthread_mutex_lock(&threads->lock);
    threads->step = step;
    threads->context = context;
    threads->items = count;
    threads->group = group;
    threads->status = NACRE_OK;
    atomic_store_explicit(&threads->next, 0, memory_order_relaxed);
    if (!alone) {
        threads->running = threads->started;
        threads->loop++;
        (void)pthread_cond_broadcast(&threads->work);
    }
    (void)pthread_mutex_unlock(&threads->lock);
    take_part(threads, 0);
    (void)pthread_mutex_lock(&threads->lock);
    while (threads->running > 0) {
        (void)pthread_cond_wait(&threads->done, &threads->lock);
    }
    int status = threads->status;
    (void)pthread_mutex_unlock(&threads->lock);
    return status == NACRE_OK ? NACRE_OK : fail(status, "%s", threads->detail);
}
