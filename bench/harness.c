/* Threads that repeat a step until their share is done or their time is over, and the checks that every read goes through. */
#include "harness.h"
#include "machine.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS_BETWEEN_CLOCKS 16
#define SETTLE_LIMIT_SECONDS 180

bool wanted(const struct context *context, const char *workload)
{
    const char *list = context->options->workloads;
    return name_listed(list, workload) || name_listed(list, context->group);
}

void emit(const char *row, double value)
{
    printf("row %s %.9g\n", row, value);
    fflush(stdout);
}

void emit_percentiles(const char *row, const struct histogram *latency)
{
    static const struct {
        const char *suffix;
        double percent;
    } points[] = { { "p50", 50 }, { "p99", 99 }, { "p999", 99.9 }, { "max", 100 } };
    char name[96];
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        snprintf(name, sizeof name, "%s.%s", row, points[i].suffix);
        emit(name, histogram_percentile_us(latency, points[i].percent));
    }
}

void note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("note ", stdout);
    vprintf(format, arguments);
    putchar('\n');
    fflush(stdout);
    va_end(arguments);
}

void store_open(struct context *context, enum level level)
{
    context->config.level = level;
    context->store = context->engine->open(&context->config);
}

void store_close(struct context *context)
{
    context->engine->close(context->store);
    context->store = NULL;
}

void store_clear(const struct context *context)
{
    directory_remove(context->config.directory);
    directory_make(context->config.directory);
}

void store_settle(const struct context *context)
{
    const double tick = 0.1, idle_cpu = 0.01;
    double cpu = process_cpu_seconds();
    uint64_t written = process_written_bytes(), start = clock_ns();
    for (int quiet = 0; quiet < 5;) {
        usleep((useconds_t)(tick * 1e6));
        double cpu_now = process_cpu_seconds();
        uint64_t written_now = process_written_bytes();
        quiet = cpu_now - cpu < idle_cpu && written_now == written ? quiet + 1 : 0;
        cpu = cpu_now;
        written = written_now;
        if (clock_ns() - start > UINT64_C(1000000000) * SETTLE_LIMIT_SECONDS) {
            note("%s was still busy %d s after the last call", context->engine->name, SETTLE_LIMIT_SECONDS);
            return;
        }
    }
}

void store_compact(const struct context *context)
{
    if (context->engine->compact != NULL) {
        context->engine->compact(context->store);
    }
    store_settle(context);
}

struct crew {
    struct context *context;
    const struct load *load;
    pthread_barrier_t start;
    uint64_t deadline; /* set before the barrier opens */
    _Atomic bool over; /* tells the thread beside; relaxed: it carries no data */
};

struct member {
    struct crew *crew;
    struct worker worker;
    struct histogram latency;
    uint64_t items, finished_ns;
    bool cut_short;
    pthread_t thread;
};

static void member_open(struct member *member, struct crew *crew, unsigned number)
{
    struct worker *worker = &member->worker;
    const struct engine *engine = crew->context->engine;
    member->crew = crew;
    worker->context = crew->context;
    worker->number = number;
    worker->threads = crew->load->threads;
    worker->random.state = scramble(number + 7);
    worker->value = allocate(VALUE_SIZE_MAX);
    worker->latency = &member->latency;
    worker->session = engine->session_open(crew->context->store);
    if (crew->load->cursor && number < worker->threads) {
        worker->cursor = engine->cursor_open(worker->session);
    }
}

static void member_close(struct member *member)
{
    const struct engine *engine = member->crew->context->engine;
    if (member->worker.cursor != NULL) {
        engine->cursor_close(member->worker.cursor);
    }
    engine->session_close(member->worker.session);
    free(member->worker.value);
}

static uint64_t share_of_steps(const struct worker *worker, uint64_t steps)
{
    if (steps == 0) {
        return UINT64_MAX;
    }
    return steps / worker->threads + (worker->number < steps % worker->threads);
}

static uint64_t timed_step(struct worker *worker, step_function step)
{
    uint64_t before = clock_ns(), items = step(worker);
    histogram_add(worker->latency, clock_ns() - before);
    return items;
}

static void *work(void *argument)
{
    struct member *member = argument;
    struct worker *worker = &member->worker;
    const struct load *load = member->crew->load;
    const uint64_t share = share_of_steps(worker, load->steps);
    const unsigned sample = load->sample_every;
    pthread_barrier_wait(&member->crew->start);
    while (worker->position < share) {
        if (load->seconds > 0 && worker->position % STEPS_BETWEEN_CLOCKS == 0 && clock_ns() >= member->crew->deadline) {
            member->cut_short = load->steps != 0;
            break;
        }
        bool timed = sample != 0 && (worker->position & (sample - 1)) == 0;
        uint64_t items = timed ? timed_step(worker, load->step) : load->step(worker);
        if (items == 0) {
            break;
        }
        member->items += items;
        worker->position++;
    }
    member->finished_ns = clock_ns();
    return NULL;
}

static void *work_beside(void *argument)
{
    struct member *member = argument;
    pthread_barrier_wait(&member->crew->start);
    while (!atomic_load_explicit(&member->crew->over, memory_order_relaxed)) {
        member->crew->load->beside(&member->worker);
        member->worker.position++;
    }
    return NULL;
}

static void launch(struct member *member, void *(*function)(void *))
{
    if (pthread_create(&member->thread, NULL, function, member) != 0) {
        die("no thread");
    }
}

static void sum_up(struct outcome *outcome, struct member *members, unsigned count, uint64_t start_ns)
{
    uint64_t finished = start_ns;
    memset(outcome, 0, sizeof *outcome);
    for (unsigned i = 0; i < count; i++) {
        outcome->items += members[i].items;
        outcome->cut_short |= members[i].cut_short;
        finished = members[i].finished_ns > finished ? members[i].finished_ns : finished;
        histogram_merge(&outcome->latency, &members[i].latency);
    }
    outcome->seconds = (double)(finished - start_ns) / 1e9;
    outcome->rate = outcome->seconds > 0 ? (double)outcome->items / outcome->seconds : 0;
}

void run_load(struct context *context, const struct load *load, struct outcome *outcome)
{
    struct crew crew = { .context = context, .load = load };
    unsigned count = load->threads, all = count + (load->beside != NULL);
    struct member *members = allocate(all * sizeof *members);
    pthread_barrier_init(&crew.start, NULL, all + 1);
    for (unsigned i = 0; i < all; i++) {
        member_open(&members[i], &crew, i);
        members[i].worker.state = i == count             ? load->beside_state
                                  : load->states != NULL ? load->states[i]
                                                         : load->state;
        launch(&members[i], i == count ? work_beside : work);
    }
    double cpu = process_cpu_seconds();
    uint64_t start = clock_ns();
    crew.deadline = start + (uint64_t)(load->seconds * 1e9);
    pthread_barrier_wait(&crew.start);
    for (unsigned i = 0; i < count; i++) {
        pthread_join(members[i].thread, NULL);
    }
    cpu = process_cpu_seconds() - cpu;
    atomic_store_explicit(&crew.over, true, memory_order_relaxed);
    if (all > count) {
        pthread_join(members[count].thread, NULL);
    }
    sum_up(outcome, members, count, start);
    outcome->cpu_us = outcome->items > 0 ? cpu * 1e6 / (double)outcome->items : 0;
    for (unsigned i = 0; i < all; i++) {
        member_close(&members[i]);
    }
    pthread_barrier_destroy(&crew.start);
    free(members);
}

void check_value(const struct context *context, uint64_t index, struct slice value)
{
    uint64_t version = 0;
    if (!value_check(index, value.data, value.size, context->value_size, &version)) {
        die("%s: the value of index %llu is wrong (%zu bytes)", context->engine->name, (unsigned long long)index,
            value.size);
    }
    if (version < context->least_version || version > context->greatest_version) {
        die("%s: index %llu has version %llu, not one of %llu to %llu", context->engine->name,
            (unsigned long long)index, (unsigned long long)version, (unsigned long long)context->least_version,
            (unsigned long long)context->greatest_version);
    }
}

uint64_t check_entry(const struct context *context, const struct entry *entry)
{
    uint64_t index;
    if (!key_random_index(entry->key.data, entry->key.size, &index)) {
        die("%s: a key that was never written came up in a scan", context->engine->name);
    }
    check_value(context, index, entry->value);
    return index;
}

bool get_random(struct worker *worker, uint64_t index)
{
    const struct engine *engine = worker->context->engine;
    struct slice value;
    key_random(index, worker->key);
    if (!engine->get(worker->session, (struct slice){ worker->key, KEY_SIZE }, &value)) {
        return false;
    }
    check_value(worker->context, index, value);
    engine->release(worker->session);
    return true;
}
