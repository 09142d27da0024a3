/* The random fill and what is read from it; and a store of which most was deleted. */
#include "machine.h"
#include "workloads.h"
#include <stdio.h>
#include <stdlib.h>

#define SAMPLE          16 /* of so many reads one is timed */
#define DELETED_PERCENT 80

/* Runs a step for options.seconds and emits its rate; with `latency` also its percentiles. */
static void measure(struct context *context, step_function step, const char *row, bool cursor, void *state,
                    bool latency)
{
    struct load load = {
        .step = step, .threads = 1, .seconds = context->options->seconds, .cursor = cursor, .state = state
    };
    struct outcome outcome;
    load.sample_every = latency ? SAMPLE : 0;
    run_load(context, &load, &outcome);
    emit(row, outcome.rate);
    if (latency) {
        emit_percentiles(row, &outcome.latency);
    }
}

static uint64_t missing_step(struct worker *worker)
{
    uint64_t index = MISSING_INDEX + random_below(&worker->random, MISSING_INDEX);
    if (get_random(worker, index)) {
        die("%s: found what was never written", worker->context->engine->name);
    }
    return 1;
}

static void read_random(struct context *context)
{
    struct load load = {
        .step = read_step, .threads = 1, .seconds = context->options->seconds / 2, .sample_every = SAMPLE
    };
    struct outcome outcome;
    run_load(context, &load, &outcome); /* caches fill; not counted */
    load.seconds = context->options->seconds;
    run_load(context, &load, &outcome);
    emit("readrandom", outcome.rate);
    emit_percentiles("readrandom", &outcome.latency);
    emit("readrandom.cpu", outcome.cpu_us);
    load.threads = context->options->threads;
    load.sample_every = 0;
    run_load(context, &load, &outcome);
    emit("readrandom.threads", outcome.rate);
}

static void scan_all(struct context *context, const char *row, bool backward)
{
    struct scan scan = { .backward = backward, .live = context->entries };
    measure(context, scan_step, row, false, &scan, false);
}

static uint64_t overwrite_step(struct worker *worker)
{
    put_random(worker, permutation_next(worker->state), 1);
    return 1;
}

static void overwrite(struct context *context)
{
    struct permutation order;
    permutation_init(&order, context->entries, 1);
    struct load load = {
        .step = overwrite_step, .threads = 1, .steps = context->entries, .seconds = FILL_LIMIT_SECONDS, .state = &order
    };
    struct outcome outcome;
    uint64_t written = process_written_bytes();
    run_load(context, &load, &outcome);
    uint64_t start = clock_ns();
    context->engine->flush(context->store);
    emit("overwrite", outcome.rate);
    emit("overwrite.flush", (double)outcome.items / (outcome.seconds + (double)(clock_ns() - start) / 1e9));
    store_settle(context);
    emit("overwrite.write_amp", (double)(process_written_bytes() - written) / user_bytes(context, outcome.items));
    emit("overwrite.space_amp",
         (double)directory_bytes(context->config.directory) / user_bytes(context, context->entries));
    context->least_version = outcome.cut_short ? 0 : 1;
    context->greatest_version = 1;
    struct scan scan = { .once = true, .live = context->entries };
    load = (struct load){ .step = scan_step, .threads = 1, .state = &scan };
    run_load(context, &load, &outcome); /* every overwrite is there; not a figure */
}

static void fill(struct context *context)
{
    double cpu = process_cpu_seconds();
    uint64_t written = process_written_bytes();
    fill_random(context, context->options->num, "fillrandom");
    store_settle(context);
    emit("fillrandom.cpu", (process_cpu_seconds() - cpu) * 1e6 / (double)context->entries);
    emit("fillrandom.write_amp", (double)(process_written_bytes() - written) / user_bytes(context, context->entries));
    emit("fillrandom.space_amp",
         (double)directory_bytes(context->config.directory) / user_bytes(context, context->entries));
    emit("fillrandom.rss", (double)process_status_bytes("VmHWM"));
}

static void compact(struct context *context)
{
    uint64_t start = clock_ns();
    if (context->engine->compact != NULL) {
        context->engine->compact(context->store);
        emit("compact", (double)(clock_ns() - start) / 1e9);
    }
    store_settle(context);
    emit("compact.space_amp",
         (double)directory_bytes(context->config.directory) / user_bytes(context, context->entries));
}

void run_random(struct context *context)
{
    store_open(context, LEVEL_OS);
    fill(context);
    compact(context);
    process_reset_peak();
    if (wanted(context, "readrandom")) {
        read_random(context);
        emit("readrandom.rss", (double)process_status_bytes("VmHWM"));
        emit("readrandom.anonymous", (double)process_status_bytes("RssAnon"));
    }
    if (wanted(context, "readmissing")) {
        measure(context, missing_step, "readmissing", false, NULL, false);
    }
    if (wanted(context, "seekrandom")) {
        measure(context, seek_step, "seekrandom", true, NULL, true);
    }
    if (wanted(context, "readseq")) {
        scan_all(context, "readseq", false);
    }
    if (wanted(context, "readreverse")) {
        scan_all(context, "readreverse", true);
    }
    if (wanted(context, "overwrite")) {
        overwrite(context);
    }
    store_close(context);
}

struct deletion {
    struct permutation order;
    uint8_t *deleted; /* one bit per index */
};

static uint64_t delete_step(struct worker *worker)
{
    struct deletion *deletion = worker->state;
    uint64_t index = permutation_next(&deletion->order);
    deletion->deleted[index / 8] |= (uint8_t)(1u << (index % 8));
    key_random(index, worker->key);
    worker->context->engine->remove(worker->session, (struct slice){ worker->key, KEY_SIZE });
    return 1;
}

static uint64_t read_deleted_step(struct worker *worker)
{
    const struct deletion *deletion = worker->state;
    uint64_t index = random_below(&worker->random, worker->context->entries);
    bool deleted = (deletion->deleted[index / 8] >> (index % 8) & 1) != 0;
    if (get_random(worker, index) == deleted) {
        die("%s: index %llu should be %s", worker->context->engine->name, (unsigned long long)index,
            deleted ? "gone" : "there");
    }
    return 1;
}

/* Each of these is the first of its kind after the deletes, and nothing asks for a merge in between. */
static void read_deleted(struct context *context, struct deletion *deletion, uint64_t live)
{
    struct scan scan = { .once = true, .live = live, .deleted = deletion->deleted };
    struct load load = { .step = scan_step, .threads = 1, .state = &scan };
    struct outcome outcome;
    run_load(context, &load, &outcome);
    emit("deleted.readseq", outcome.rate);
    measure(context, seek_step, "deleted.seekrandom", true, NULL, false);
    measure(context, read_deleted_step, "deleted.readrandom", false, deletion, false);
}

void run_deleted(struct context *context)
{
    store_open(context, LEVEL_OS);
    fill_random(context, context->options->num, NULL);
    store_compact(context);
    struct deletion deletion = { .deleted = allocate(context->entries / 8 + 1) };
    permutation_init(&deletion.order, context->entries, 2);
    uint64_t count = context->entries / 100 * DELETED_PERCENT;
    struct load load = {
        .step = delete_step, .threads = 1, .steps = count, .seconds = FILL_LIMIT_SECONDS, .state = &deletion
    };
    struct outcome outcome;
    run_load(context, &load, &outcome);
    uint64_t live = context->entries - outcome.items;
    emit("deleterandom80", outcome.rate);
    if (outcome.cut_short) {
        note("%s had deleted %llu of %llu entries after %d s; what follows there is over the rest",
             context->engine->name, (unsigned long long)outcome.items, (unsigned long long)count, FILL_LIMIT_SECONDS);
    }
    read_deleted(context, &deletion, live);
    store_settle(context);
    emit("deleted.space_amp", (double)directory_bytes(context->config.directory) / user_bytes(context, live));
    store_close(context);
    free(deletion.deleted);
}
