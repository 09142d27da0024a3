/* Values of one size (--value-size): a random fill, reads, all keys overwritten twice in random order, reads again. What is written is counted
   by the kernel until the engine's threads have come to rest. */
#include "machine.h"
#include "workloads.h"
#include <stdio.h>

#define OVERWRITES 2u

static uint64_t fill_step(struct worker *worker)
{
    put_random(worker, worker->position, 0);
    return 1;
}

static uint64_t overwrite_step(struct worker *worker)
{
    put_random(worker, permutation_next(worker->state), worker->context->greatest_version);
    return 1;
}

static double space(const struct context *context)
{
    return (double)directory_bytes(context->config.directory) / user_bytes(context, context->entries);
}

/* Runs the load and flushes; gives the entries per second of both together. */
static double run_to_flush(struct context *context, const struct load *load, struct outcome *outcome)
{
    run_load(context, load, outcome);
    uint64_t start = clock_ns();
    context->engine->flush(context->store);
    return (double)outcome->items / (outcome->seconds + (double)(clock_ns() - start) / 1e9);
}

static void read_values(struct context *context, const char *get_row, const char *scan_row)
{
    struct outcome outcome;
    struct load load = { .step = read_step, .threads = 1, .seconds = context->options->seconds };
    run_load(context, &load, &outcome);
    emit(get_row, outcome.rate);
    struct scan scan = { .live = context->entries };
    load = (struct load){ .step = scan_step, .threads = 1, .seconds = context->options->seconds, .state = &scan };
    run_load(context, &load, &outcome);
    emit(scan_row, outcome.rate);
}

/* Puts all keys once more; gives the seconds, or 0 when the engine was too slow. */
static double overwrite_once(struct context *context)
{
    struct permutation order;
    struct outcome outcome;
    struct load load = {
        .step = overwrite_step, .threads = 1, .steps = context->entries, .seconds = FILL_LIMIT_SECONDS, .state = &order
    };
    context->greatest_version++;
    permutation_init(&order, context->entries, context->greatest_version);
    double rate = run_to_flush(context, &load, &outcome);
    if (outcome.cut_short) {
        note("%s: an overwrite was stopped after %d s", context->engine->name, FILL_LIMIT_SECONDS);
        return 0;
    }
    context->least_version = context->greatest_version;
    return (double)outcome.items / rate;
}

void run_values(struct context *context)
{
    struct load load = {
        .step = fill_step, .threads = 1, .steps = context->options->num, .seconds = FILL_LIMIT_SECONDS
    };
    struct outcome outcome;
    store_open(context, LEVEL_OS);
    uint64_t begin = process_written_bytes();
    emit("values.fill", run_to_flush(context, &load, &outcome));
    context->entries = outcome.items;
    context->least_version = context->greatest_version = 0;
    store_settle(context);
    uint64_t filled = process_written_bytes();
    double user = user_bytes(context, context->entries);
    emit("values.fill.write_amp", (double)(filled - begin) / user);
    emit("values.fill.space_amp", space(context));
    read_values(context, "values.get", "values.scan");

    double seconds = 0, one = 1;
    filled = process_written_bytes();
    for (unsigned i = 0; i < OVERWRITES && one > 0; i++) {
        one = overwrite_once(context);
        seconds += one;
    }
    if (one > 0) {
        emit("values.overwrite", OVERWRITES * (double)context->entries / seconds);
        store_settle(context);
        uint64_t end = process_written_bytes();
        emit("values.overwrite.write_amp", (double)(end - filled) / (OVERWRITES * user));
        emit("values.overwrite.space_amp", space(context));
        emit("values.write_amp", (double)(end - begin) / ((1 + OVERWRITES) * user));
        read_values(context, "values.old.get", "values.old.scan");
    }
    store_close(context);
}
