/* Writing in key order, in batches, and large values. */
#include "machine.h"
#include "workloads.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_ENTRIES    100
#define LARGE_VALUE_SIZE (16u << 10)

static uint64_t fillseq_step(struct worker *worker)
{
    const struct context *context = worker->context;
    key_sequential(worker->position, worker->key);
    value_fill(worker->position, 0, worker->value, context->value_size);
    context->engine->put(worker->session, (struct slice){ worker->key, KEY_SIZE },
                         (struct slice){ worker->value, context->value_size });
    return 1;
}

/* Rate of the run, and of the run with the flush after it. */
static void run_and_flush(struct context *context, const struct load *load, struct outcome *outcome, const char *row)
{
    char name[64];
    run_load(context, load, outcome);
    uint64_t start = clock_ns();
    context->engine->flush(context->store);
    double flush_seconds = (double)(clock_ns() - start) / 1e9;
    snprintf(name, sizeof name, "%s.flush", row);
    emit(row, outcome->rate);
    emit(name, (double)outcome->items / (outcome->seconds + flush_seconds));
    if (outcome->cut_short) {
        note("%s: %s was stopped after %.0f s with %llu entries", context->engine->name, row, load->seconds,
             (unsigned long long)outcome->items);
    }
}

void run_fillseq(struct context *context)
{
    struct load load = {
        .step = fillseq_step, .threads = 1, .steps = context->options->num, .seconds = FILL_LIMIT_SECONDS
    };
    struct outcome outcome;
    store_open(context, LEVEL_OS);
    uint64_t written = process_written_bytes();
    run_and_flush(context, &load, &outcome, "fillseq");
    store_settle(context);
    emit("fillseq.write_amp", (double)(process_written_bytes() - written) / user_bytes(context, outcome.items));
    store_close(context);
}

struct batch {
    struct entry entries[BATCH_ENTRIES];
    uint8_t keys[BATCH_ENTRIES][KEY_SIZE];
    uint8_t *values;
};

static uint64_t batch_step(struct worker *worker)
{
    struct batch *batch = worker->state;
    size_t size = worker->context->value_size;
    for (uint64_t i = 0; i < BATCH_ENTRIES; i++) {
        uint64_t index = worker->position * BATCH_ENTRIES + i;
        key_random(index, batch->keys[i]);
        value_fill(index, 0, batch->values + i * size, size);
        batch->entries[i] = (struct entry){ { batch->keys[i], KEY_SIZE }, { batch->values + i * size, size } };
    }
    worker->context->engine->write_batch(worker->session, batch->entries, BATCH_ENTRIES);
    return BATCH_ENTRIES;
}

void run_fillbatch(struct context *context)
{
    struct batch *batch = allocate(sizeof *batch);
    batch->values = allocate(BATCH_ENTRIES * context->value_size);
    struct load load = { .step = batch_step,
                         .threads = 1,
                         .steps = context->options->num / BATCH_ENTRIES,
                         .seconds = FILL_LIMIT_SECONDS,
                         .state = batch };
    struct outcome outcome;
    store_open(context, LEVEL_OS);
    run_and_flush(context, &load, &outcome, "fillbatch");
    store_close(context);
    free(batch->values);
    free(batch);
}

static uint64_t sequential_batch_step(struct worker *worker)
{
    struct batch *batch = worker->state;
    size_t size = worker->context->value_size;
    for (uint64_t i = 0; i < BATCH_ENTRIES; i++) {
        uint64_t index = worker->position * BATCH_ENTRIES + i;
        key_sequential(index, batch->keys[i]);
        value_fill(index, 0, batch->values + i * size, size);
        batch->entries[i] = (struct entry){ { batch->keys[i], KEY_SIZE }, { batch->values + i * size, size } };
    }
    worker->context->engine->write_batch(worker->session, batch->entries, BATCH_ENTRIES);
    return BATCH_ENTRIES;
}

static uint64_t bulk_step(struct worker *worker)
{
    const struct context *context = worker->context;
    key_sequential(worker->position, worker->key);
    value_fill(worker->position, 0, worker->value, context->value_size);
    context->engine->bulk_put(worker->state, (struct slice){ worker->key, KEY_SIZE },
                              (struct slice){ worker->value, context->value_size });
    return 1;
}

/* Every entry is there, with its value, in order. */
static void check_sequential(struct context *context, uint64_t entries)
{
    const struct engine *engine = context->engine;
    void *session = engine->session_open(context->store), *cursor = engine->cursor_open(session);
    uint8_t key[KEY_SIZE];
    struct entry entry;
    uint64_t seen = 0;
    for (bool there = engine->first(cursor, &entry); there; there = engine->next(cursor, &entry)) {
        key_sequential(seen, key);
        if (entry.key.size != KEY_SIZE || memcmp(entry.key.data, key, KEY_SIZE) != 0) {
            die("%s: entry %llu has another key", engine->name, (unsigned long long)seen);
        }
        check_value(context, seen++, entry.value);
    }
    if (seen != entries) {
        die("%s: %llu entries of %llu are there", engine->name, (unsigned long long)seen, (unsigned long long)entries);
    }
    engine->cursor_close(cursor);
    engine->session_close(session);
}

/* Batches of which each is durable when its call returns, for a while. */
static void load_durably(struct context *context, struct batch *batch)
{
    struct load load = { .step = sequential_batch_step,
                         .threads = 1,
                         .steps = context->options->num / BATCH_ENTRIES,
                         .seconds = context->options->seconds,
                         .state = batch };
    struct outcome outcome;
    store_open(context, LEVEL_DISK);
    run_load(context, &load, &outcome);
    emit("fillseqbatch.disk", outcome.rate);
    store_close(context);
    store_clear(context);
}

/* The ways to load what is sorted already, each to where all of it is durable; every entry of the ingest is counted afterwards. */
void run_ingest(struct context *context)
{
    struct batch *batch = allocate(sizeof *batch);
    batch->values = allocate(BATCH_ENTRIES * context->value_size);
    load_durably(context, batch);
    struct load load = { .step = sequential_batch_step,
                         .threads = 1,
                         .steps = context->options->num / BATCH_ENTRIES,
                         .seconds = FILL_LIMIT_SECONDS,
                         .state = batch };
    struct outcome outcome;
    store_open(context, LEVEL_OS);
    uint64_t written = process_written_bytes();
    double cpu = process_cpu_seconds();
    run_and_flush(context, &load, &outcome, "fillseqbatch");
    store_settle(context);
    emit("fillseqbatch.cpu", (process_cpu_seconds() - cpu) * 1e6 / (double)outcome.items);
    emit("fillseqbatch.write_amp", (double)(process_written_bytes() - written) / user_bytes(context, outcome.items));
    store_close(context);
    free(batch->values);
    free(batch);
    if (context->engine->bulk_begin == NULL) {
        return;
    }
    store_clear(context);
    store_open(context, LEVEL_OS);
    written = process_written_bytes();
    cpu = process_cpu_seconds();
    uint64_t start = clock_ns();
    load = (struct load){ .step = bulk_step, .threads = 1, .steps = context->options->num };
    load.state = context->engine->bulk_begin(context->store, context->config.directory);
    run_load(context, &load, &outcome);
    context->engine->bulk_end(load.state);
    emit("ingest", (double)outcome.items / ((double)(clock_ns() - start) / 1e9));
    store_settle(context);
    emit("ingest.cpu", (process_cpu_seconds() - cpu) * 1e6 / (double)outcome.items);
    emit("ingest.write_amp", (double)(process_written_bytes() - written) / user_bytes(context, outcome.items));
    check_sequential(context, outcome.items);
    store_close(context);
}

static uint64_t large_step(struct worker *worker)
{
    put_random(worker, worker->position, 0);
    return 1;
}

/* Twice as many bytes as the small entries have together. */
void run_large(struct context *context)
{
    uint64_t count = (uint64_t)(2 * user_bytes(context, context->options->num) / (KEY_SIZE + LARGE_VALUE_SIZE)) + 1;
    context->value_size = LARGE_VALUE_SIZE;
    struct load load = { .step = large_step, .threads = 1, .steps = count, .seconds = FILL_LIMIT_SECONDS };
    struct outcome outcome;
    store_open(context, LEVEL_OS);
    uint64_t written = process_written_bytes();
    run_and_flush(context, &load, &outcome, "fill16k");
    context->entries = outcome.items;
    store_settle(context);
    emit("fill16k.write_amp", (double)(process_written_bytes() - written) / user_bytes(context, outcome.items));
    if (wanted(context, "read16k")) {
        store_compact(context);
        load = (struct load){ .step = read_step, .threads = 1, .seconds = context->options->seconds };
        run_load(context, &load, &outcome);
        emit("read16k", outcome.rate);
    }
    store_close(context);
}
