/* A count from its beginning to its end: tasks, taken by one thread or some (see search_count.h).

   The caller's thread begins alone, as most counts take microseconds, and less where a kind is asked for a whole segment than for its parts. When a task has
   taken count_limits.give_up_ns, it is given up and cut, as far as it can be, and all that is left is shared with helpers, if the caller allows any. They
   are gone when the call returns. Each thread has its own automaton.
   Invariants:
   1. tasks are added only while the lock is held; a task is taken by one thread, once.
   2. `ended` is set with the first failure; every stop function sees it.
   Locks: count.lock, a leaf. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/search_count.h"
#include <sched.h>

#define THREADS_MOST     64u
#define PARTS_PER_THREAD 2u

struct count {
    const struct regex *regex;
    const struct search_stop *stop;
    struct count_plan *plan;
    unsigned threads; /* at most; 0 = as many as processors */
    pthread_mutex_t lock;
    size_t next;   /* task to be taken */
    uint64_t live; /* the sum so far, modulo 2^64 */
    int status;
    char detail[512];
    _Atomic bool ended; /* relaxed: it only makes others end sooner */
    pthread_t helpers[THREADS_MOST];
    unsigned helper_count;
    bool helpers_tried;
};

struct worker {
    struct count *count;
    struct dfa *dfa;
    struct search search;
    struct search_report report; /* of the task at work */
    bool leads;                  /* the caller's thread */
    uint64_t began_ns;           /* the task */
    bool gave_up;
};

static void *help(void *count);

/* lock held. */
static void set_failed(struct count *count, int status, const char *detail)
{
    if (count->status == NACRE_OK) {
        size_t size = strnlen(detail, sizeof count->detail - 1);
        count->status = status;
        memcpy(count->detail, detail, size);
        count->detail[size] = 0;
    }
    atomic_store_explicit(&count->ended, true, memory_order_relaxed);
}

/* ---- helpers ---- */

static unsigned processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* Only the caller's thread makes helpers. One that cannot be made is done without. */
static void start_helpers(struct count *count)
{
    count->helpers_tried = true;
    pthread_mutex_lock(&count->lock);
    size_t waiting = count->plan->task_count - count->next;
    pthread_mutex_unlock(&count->lock);
    while (count->helper_count + 1 < count->threads && count->helper_count < waiting &&
           pthread_create(&count->helpers[count->helper_count], NULL, help, count) == 0) {
        count->helper_count++;
    }
}

static int cut_waiting(struct count *count)
{
    struct count_plan *plan = count->plan;
    int status = NACRE_OK;
    pthread_mutex_lock(&count->lock);
    size_t end = plan->task_count;
    for (size_t i = count->next; i < end && status == NACRE_OK; i++) {
        status = count_plan_cut(plan, i, (size_t)count->threads * PARTS_PER_THREAD);
    }
    pthread_mutex_unlock(&count->lock);
    return status;
}

/* ---- the stop function of each thread ---- */

static int may_go_on(void *context)
{
    struct worker *w = context;
    struct count *count = w->count;
    if (atomic_load_explicit(&count->ended, memory_order_relaxed)) {
        return NACRE_CANCELLED; /* the one that ended it has told why */
    }
    int status = search_stop_due(count->stop);
    if (status != NACRE_OK || !w->leads || count->helpers_tried || count->threads == 1 ||
        clock_monotonic_ns() - w->began_ns < count_limits.give_up_ns) {
        return status;
    }
    count->threads = count->threads ? count->threads : processors();
    count->threads = count->threads < THREADS_MOST ? count->threads : THREADS_MOST;
    if (count->threads == 1) {
        return NACRE_OK;
    }
    if (count_task_is_large(count->plan, &count->plan->tasks[count->next - 1])) {
        w->gave_up = true;
        return NACRE_CANCELLED;
    }
    if (cut_waiting(count) == NACRE_OK) { /* else one thread has to do */
        start_helpers(count);
    }
    return NACRE_OK;
}

/* ---- tasks ---- */

static bool take_task(struct count *count, struct count_task *task)
{
    pthread_mutex_lock(&count->lock);
    bool any = count->status == NACRE_OK && count->next < count->plan->task_count;
    if (any) {
        *task = count->plan->tasks[count->next++];
    }
    pthread_mutex_unlock(&count->lock);
    return any;
}

static int run_task(struct worker *w, const struct count_task *task, uint64_t *live, uint64_t *matches)
{
    const struct count_plan *plan = w->count->plan;
    w->report = (struct search_report){ 0 };
    w->gave_up = false;
    w->began_ns = w->leads && !w->count->helpers_tried ? clock_monotonic_ns() : 0;
    if (task->walked) {
        return count_walk(plan, task, &w->search, live, matches);
    }
    const struct piece *piece = plan->sources[task->source].piece;
    int status = piece->segment->kind->match_count(piece->reader, &w->search, task->begin, task->end, live);
    *matches = *live;
    return status;
}

/* The part of a report that a task was, into that of its source. */
static void add_report(struct count_source *source, const struct search_report *part, uint64_t matches)
{
    struct search_report *sum = &source->report;
    sum->strategy = part->strategy ? part->strategy : sum->strategy;
    sum->keys += part->keys;
    sum->blocks += part->blocks;
    sum->candidates += part->candidates;
    sum->blocks_counted += part->blocks_counted;
    sum->blocks_read += part->blocks_read;
    sum->bytes_read += part->bytes_read;
    sum->keys_run += part->keys_run;
    sum->signatures += part->signatures;
    source->matches += matches;
}

/* The caller's thread gave its task up, before there were helpers: it is cut, and all are begun together. */
static int share_work(struct count *count)
{
    count->next--;
    int status = cut_waiting(count);
    if (status == NACRE_OK) {
        start_helpers(count);
    }
    return status;
}

static void work(struct worker *w)
{
    struct count *count = w->count;
    struct count_task task;
    while (take_task(count, &task)) {
        uint64_t live = 0, matches = 0;
        int status = run_task(w, &task, &live, &matches);
        if (w->gave_up && status != NACRE_OK) {
            status = share_work(count);
            live = matches = 0;
            w->report = (struct search_report){ 0 };
        }
        pthread_mutex_lock(&count->lock);
        if (status == NACRE_OK) {
            count->live += live;
            add_report(&count->plan->sources[task.source], &w->report, matches);
        } else {
            set_failed(count, status, fail_detail());
        }
        pthread_mutex_unlock(&count->lock);
    }
}

static int worker_start(struct worker *w, struct count *count, bool leads)
{
    *w = (struct worker){ .count = count, .leads = leads };
    int status = dfa_create(count->regex, 0, &w->dfa);
    if (status == NACRE_OK) {
        w->search = (struct search){ .regex = count->regex,
                                     .automaton = &w->dfa->automaton,
                                     .snapshot = count->plan->sequence,
                                     .now_ms = count->plan->now_ms,
                                     .want_all = true,
                                     .stop = may_go_on,
                                     .stop_context = w,
                                     .report = &w->report };
    }
    return status;
}

static void *help(void *context)
{
    struct worker w;
    if (worker_start(&w, context, false) == NACRE_OK) { /* else the others do its share */
        work(&w);
        search_end(&w.search);
        dfa_free(w.dfa);
    }
    return NULL;
}

static int run_all(struct count *count)
{
    struct worker lead;
    int status = worker_start(&lead, count, true);
    if (status != NACRE_OK) {
        return status;
    }
    work(&lead);
    for (unsigned i = 0; i < count->helper_count; i++) {
        pthread_join(count->helpers[i], NULL);
    }
    search_end(&lead.search);
    dfa_free(lead.dfa);
    return status == NACRE_OK && count->status != NACRE_OK ? fail(count->status, "%s", count->detail) : status;
}

int search_count(nacre_collection *collection, const struct regex *regex, const nacre_regex_options *options,
                 const struct search_stop *stop, struct count_result *result)
{
    struct count count = { .regex = regex, .stop = stop, .plan = &result->plan, .threads = options->parallelism };
    *result = (struct count_result){ .threads = 1 };
    count.threads = count.threads < THREADS_MOST ? count.threads : THREADS_MOST;
    uint64_t sequence;
    struct view *view = view_hold_at(collection, options->snapshot, &sequence);
    result->plan.view = view;
    result->plan.now_ms = clock_wall_ms();
    if (pthread_mutex_init(&count.lock, NULL) != 0) {
        return fail(NACRE_NO_MEMORY, "search: the system has no room for a mutex");
    }
    int status = count_plan_make(&result->plan, regex, view, sequence, options->begin, options->end);
    if (status == NACRE_OK && result->plan.task_count > 0) {
        status = run_all(&count);
    }
    pthread_mutex_destroy(&count.lock);
    result->count = count.live;
    result->threads = 1 + count.helper_count;
    return status;
}
