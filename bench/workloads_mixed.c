/* YCSB's core workloads, and a queue. */
#include "workloads.h"
#include <stdio.h>
#include <stdlib.h>

#define DRAWS      (1u << 22) /* zipfian indexes per thread, drawn beforehand and used in turn */
#define SCAN_MAX   100
#define QUEUE_LIVE 100000

struct mix {
    const char *letter;
    unsigned reads, updates, scans; /* percent; the rest are inserts */
};

static const struct mix mixes[] = { { "a", 50, 50, 0 }, { "b", 95, 5, 0 }, { "c", 100, 0, 0 }, { "e", 0, 0, 95 } };

struct client {
    const struct mix *mix;
    uint32_t *indexes;
    uint64_t drawn, inserts, version, first_insert, insert_stride;
};

static void ycsb_scan(struct worker *worker, uint64_t index)
{
    const struct engine *engine = worker->context->engine;
    uint64_t length = 1 + random_below(&worker->random, SCAN_MAX);
    struct entry entry;
    void *cursor = engine->cursor_open(worker->session);
    key_random(index, worker->key);
    bool there = engine->seek(cursor, (struct slice){ worker->key, KEY_SIZE }, &entry);
    for (uint64_t i = 0; there; i++) {
        uint64_t found = check_entry(worker->context, &entry);
        if (i == 0 && found != index) {
            die("%s: a scan did not begin where it should", engine->name);
        }
        if (i + 1 == length) {
            break;
        }
        there = engine->next(cursor, &entry);
    }
    engine->cursor_close(cursor);
}

static uint64_t ycsb_step(struct worker *worker)
{
    struct client *client = worker->state;
    const struct mix *mix = client->mix;
    uint64_t draw = random_below(&worker->random, 100), index = client->indexes[client->drawn++ % DRAWS];
    if (draw < mix->reads) {
        if (!get_random(worker, index)) {
            die("%s: index %llu is not found", worker->context->engine->name, (unsigned long long)index);
        }
    } else if (draw < mix->reads + mix->updates) {
        put_random(worker, index, client->version++);
    } else if (draw < mix->reads + mix->updates + mix->scans) {
        ycsb_scan(worker, index);
    } else {
        put_random(worker, client->first_insert + client->insert_stride * client->inserts++, 0);
    }
    return 1;
}

static void run_mix(struct context *context, const struct mix *mix, struct client *clients, unsigned threads)
{
    void *states[NAMES_MAX];
    char row[32];
    struct load load = {
        .step = ycsb_step, .threads = threads, .seconds = context->options->seconds, .states = states
    };
    struct outcome outcome;
    for (unsigned i = 0; i < threads; i++) {
        clients[i].mix = mix;
        states[i] = &clients[i];
    }
    run_load(context, &load, &outcome);
    snprintf(row, sizeof row, "ycsb.%s%s", mix->letter, threads > 1 ? ".threads" : "");
    emit(row, outcome.rate);
}

void run_ycsb(struct context *context)
{
    unsigned threads = context->options->threads;
    struct client *clients = allocate(threads * sizeof *clients);
    struct zipfian zipfian;
    store_open(context, LEVEL_OS);
    fill_random(context, context->options->num, NULL);
    store_compact(context);
    context->greatest_version = UINT64_MAX;
    zipfian_init(&zipfian, context->entries);
    for (unsigned i = 0; i < threads; i++) {
        struct random random = { scramble(i + 99) };
        clients[i] = (struct client){ .version = (uint64_t)(i + 1) << 32,
                                      .first_insert = context->entries + i,
                                      .insert_stride = threads };
        clients[i].indexes = allocate(DRAWS * sizeof(uint32_t));
        zipfian_draw(&zipfian, &random, clients[i].indexes, DRAWS);
    }
    for (size_t i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
        if (mixes[i].scans > 0) {
            store_compact(
                context); /* YCSB loads anew before E; else its scans would walk over the versions that A left of a hot key */
        }
        run_mix(context, &mixes[i], clients, 1);
        run_mix(context, &mixes[i], clients, threads);
    }
    store_close(context);
    for (unsigned i = 0; i < threads; i++) {
        free(clients[i].indexes);
    }
    free(clients);
}

static void push(struct worker *worker, uint64_t index)
{
    size_t size = worker->context->value_size;
    key_sequential(index, worker->key);
    value_fill(index, 0, worker->value, size);
    worker->context->engine->put(worker->session, (struct slice){ worker->key, KEY_SIZE },
                                 (struct slice){ worker->value, size });
}

/* Takes the first entry there is, which must be this one. */
static void pop(struct worker *worker, uint64_t index)
{
    const struct context *context = worker->context;
    const struct engine *engine = context->engine;
    struct entry entry;
    void *cursor = engine->cursor_open(worker->session);
    key_sequential(index, worker->key);
    if (!engine->first(cursor, &entry) || entry.key.size != KEY_SIZE ||
        memcmp(entry.key.data, worker->key, KEY_SIZE) != 0) {
        die("%s: the queue does not begin with entry %llu", engine->name, (unsigned long long)index);
    }
    check_value(context, index, entry.value);
    engine->cursor_close(cursor);
    engine->remove(worker->session, (struct slice){ worker->key, KEY_SIZE });
}

static uint64_t push_step(struct worker *worker)
{
    push(worker, worker->position);
    return 1;
}

static uint64_t push_pop_step(struct worker *worker)
{
    push(worker, QUEUE_LIVE + worker->position);
    pop(worker, worker->position);
    return 1;
}

void run_queue(struct context *context)
{
    struct load load = { .step = push_step, .threads = 1, .steps = QUEUE_LIVE };
    struct outcome outcome;
    store_open(context, LEVEL_OS);
    run_load(context, &load, &outcome);
    load = (struct load){ .step = push_pop_step, .threads = 1, .seconds = 2 * context->options->seconds };
    run_load(context, &load, &outcome);
    emit("queue", outcome.rate);
    store_close(context);
}
