/* The list of groups, and the steps that several of them use. */
#include "workloads.h"
#include "machine.h"
#include <stdio.h>

#define SCAN_PIECE 256 /* entries of one step */

const struct workload_group workload_groups[] = {
    { "fillseq", "fillseq", run_fillseq },
    { "ingest", "ingest", run_ingest },
    { "random", "fillrandom,readrandom,readmissing,seekrandom,readseq,readreverse,overwrite", run_random },
    { "fillbatch", "fillbatch", run_fillbatch },
    { "fillsync", "fillsync", run_fillsync },
    { "ycsb", "ycsb", run_ycsb },
    { "queue", "queue", run_queue },
    { "deleterandom80", "deleterandom80", run_deleted },
    { "large", "fill16k,read16k", run_large },
    { "values", "values", run_values },
    { "latency", "latency", run_latency },
    { "beside", "readers-beside-writer,writer-beside-scanner", run_beside },
    { "seal", "seal", run_seal },
    { "recovery", "recovery", run_recovery },
    { NULL, NULL, NULL },
};

double user_bytes(const struct context *context, uint64_t entries)
{
    return (double)entries * (double)(KEY_SIZE + context->value_size);
}

static uint64_t fill_step(struct worker *worker)
{
    put_random(worker, worker->position, 0);
    return 1;
}

void fill_random(struct context *context, uint64_t count, const char *row)
{
    struct load load = { .step = fill_step, .threads = 1, .steps = count, .seconds = FILL_LIMIT_SECONDS };
    struct outcome outcome;
    run_load(context, &load, &outcome);
    uint64_t start = clock_ns();
    context->engine->flush(context->store);
    double flush_seconds = (double)(clock_ns() - start) / 1e9;
    context->entries = outcome.items;
    context->least_version = context->greatest_version = 0;
    if (outcome.cut_short) {
        note("%s had written %llu of %llu entries after %d s; what follows there is over those", context->engine->name,
             (unsigned long long)outcome.items, (unsigned long long)count, FILL_LIMIT_SECONDS);
    }
    if (row != NULL) {
        char name[64];
        snprintf(name, sizeof name, "%s.flush", row);
        emit(row, outcome.rate);
        emit(name, (double)outcome.items / (outcome.seconds + flush_seconds));
    }
}

uint64_t read_step(struct worker *worker)
{
    uint64_t index = random_below(&worker->random, worker->context->entries);
    if (!get_random(worker, index)) {
        die("%s: index %llu is not found", worker->context->engine->name, (unsigned long long)index);
    }
    return 1;
}

uint64_t seek_step(struct worker *worker)
{
    const struct engine *engine = worker->context->engine;
    struct entry entry;
    key_random(random_below(&worker->random, worker->context->entries), worker->key);
    bool there = engine->seek(worker->cursor, (struct slice){ worker->key, KEY_SIZE }, &entry);
    for (int i = 0; there; i++) {
        check_entry(worker->context, &entry);
        if (i == 10) {
            break;
        }
        there = engine->next(worker->cursor, &entry);
    }
    return 1;
}

/* Keys are in order when this grows: no two keys share their first eight bytes. */
static uint64_t key_position(const struct entry *entry)
{
    uint64_t head;
    memcpy(&head, entry->key.data, 8);
    return __builtin_bswap64(head);
}

static void scan_check(const struct context *context, struct scan *scan, const struct entry *entry)
{
    uint64_t index = check_entry(context, entry), position = key_position(entry);
    if (scan->seen > 0 && (scan->backward ? position >= scan->position : position <= scan->position)) {
        die("%s: a scan is out of order", context->engine->name);
    }
    if (scan->deleted != NULL && (scan->deleted[index / 8] >> (index % 8) & 1) != 0) {
        die("%s: a deleted entry came up in a scan", context->engine->name);
    }
    scan->position = position;
    scan->seen++;
}

/* A cursor may be a snapshot, so the next scan opens a new one. */
static void scan_end(struct worker *worker, struct scan *scan)
{
    if (scan->live != 0 && scan->seen != scan->live) {
        die("%s: a scan saw %llu entries of %llu", worker->context->engine->name, (unsigned long long)scan->seen,
            (unsigned long long)scan->live);
    }
    worker->context->engine->cursor_close(worker->cursor);
    worker->cursor = NULL;
}

static bool scan_move(struct worker *worker, const struct scan *scan, struct entry *entry)
{
    const struct engine *engine = worker->context->engine;
    return scan->backward ? engine->prev(worker->cursor, entry) : engine->next(worker->cursor, entry);
}

static bool scan_begin(struct worker *worker, struct scan *scan, struct entry *entry)
{
    const struct engine *engine = worker->context->engine;
    worker->cursor = engine->cursor_open(worker->session);
    scan->seen = 0;
    return scan->backward ? engine->last(worker->cursor, entry) : engine->first(worker->cursor, entry);
}

uint64_t scan_step(struct worker *worker)
{
    struct scan *scan = worker->state;
    struct entry entry;
    uint64_t items = 0;
    if (worker->cursor == NULL && scan->once && worker->position > 0) {
        return 0;
    }
    bool there = worker->cursor == NULL ? scan_begin(worker, scan, &entry) : scan_move(worker, scan, &entry);
    while (there) {
        scan_check(worker->context, scan, &entry);
        if (++items == SCAN_PIECE) {
            return items;
        }
        there = scan_move(worker, scan, &entry);
    }
    scan_end(worker, scan);
    bool again = items == 0 && !scan->once && scan->seen > 0;
    return again ? scan_step(worker) : items;
}
