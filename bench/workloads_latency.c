/* Every operation timed: puts under a sustained fill; reads beside a writer and writes beside a scanner; and how long a seal takes. */
#include "machine.h"
#include "workloads.h"
#include <stdio.h>

#define SUSTAINED_SECONDS_TIMES 5
#define SUSTAINED_ENTRIES_MAX   25000000 /* bounds the disk space */
#define SEALS_PER_SIZE          5

static uint64_t insert_step(struct worker *worker)
{
    put_random(worker, worker->position, 0);
    return 1;
}

void run_latency(struct context *context)
{
    struct load load = { .step = insert_step,
                         .threads = 1,
                         .steps = SUSTAINED_ENTRIES_MAX,
                         .seconds = SUSTAINED_SECONDS_TIMES * context->options->seconds,
                         .sample_every = 1 };
    struct outcome outcome;
    store_open(context, LEVEL_OS);
    run_load(context, &load, &outcome);
    emit("latency.rate", outcome.rate);
    emit_percentiles("latency", &outcome.latency);
    emit("latency.p9999", histogram_percentile_us(&outcome.latency, 99.99));
    emit("latency.rss", (double)process_status_bytes("VmHWM"));
    store_close(context);
}

static uint64_t update_step(struct worker *worker)
{
    put_random(worker, random_below(&worker->random, worker->context->entries), worker->position);
    return 1;
}

/* Percentiles of the step alone, then beside the other, and how many times larger the p99 is. */
static void quiet_and_beside(struct context *context, const char *row, step_function step, step_function beside,
                             void *beside_state)
{
    struct load load = { .step = step, .threads = 1, .seconds = context->options->seconds, .sample_every = 1 };
    struct outcome quiet, busy;
    char name[64];
    run_load(context, &load, &busy); /* caches fill; not counted */
    run_load(context, &load, &quiet);
    load.beside = beside;
    load.beside_state = beside_state;
    run_load(context, &load, &busy);
    snprintf(name, sizeof name, "%s.quiet", row);
    emit_percentiles(name, &quiet.latency);
    snprintf(name, sizeof name, "%s.beside", row);
    emit_percentiles(name, &busy.latency);
    snprintf(name, sizeof name, "%s.p99_times", row);
    emit(name, histogram_percentile_us(&busy.latency, 99) / histogram_percentile_us(&quiet.latency, 99));
}

void run_beside(struct context *context)
{
    store_open(context, LEVEL_OS);
    fill_random(context, context->options->num / 5 + 1, NULL);
    store_compact(context);
    context->greatest_version = UINT64_MAX;
    if (wanted(context, "readers-beside-writer")) {
        quiet_and_beside(context, "get", read_step, update_step, NULL);
    }
    if (wanted(context, "writer-beside-scanner")) {
        struct scan scan = { .live = context->entries };
        quiet_and_beside(context, "put", update_step, scan_step, &scan);
    }
    store_close(context);
}

static double seal_worst_us(struct context *context, uint64_t entries)
{
    uint64_t worst = 0;
    for (int i = 0; i < SEALS_PER_SIZE; i++) {
        struct load load = { .step = insert_step, .threads = 1, .steps = entries };
        struct outcome outcome;
        run_load(context, &load, &outcome);
        uint64_t start = clock_ns();
        context->engine->seal(context->store);
        uint64_t took = clock_ns() - start;
        worst = took > worst ? took : worst;
        context->engine->flush(context->store);
        store_settle(context);
    }
    return (double)worst / 1000;
}

void run_seal(struct context *context)
{
    if (context->engine->seal == NULL) {
        return;
    }
    static const uint64_t sizes[] = { 1000, 50000, 200000 };
    store_open(context, LEVEL_OS);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char row[32];
        snprintf(row, sizeof row, "seal.%llu", (unsigned long long)sizes[i]);
        emit(row, seal_worst_us(context, sizes[i]));
    }
    store_close(context);
}
