/* Durable commits beside what the disk can do, and opening after a kill. */
#include "machine.h"
#include "workloads.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RAW_SECONDS           0.5
#define KILL_LIMIT_SECONDS    60
#define FULL_LOG_ENTRIES      1500000
#define FULL_LOG_WRITE_BUFFER (UINT64_C(512) << 20)

static uint64_t commit_step(struct worker *worker)
{
    const uint64_t *base = worker->state;
    put_random(worker, *base + worker->position * worker->threads + worker->number, 0);
    return 1;
}

void run_fillsync(struct context *context)
{
    static const unsigned writers[] = { 1, 4, 16 };
    uint64_t base = 0;
    store_open(context, LEVEL_DISK);
    emit("disk.append", disk_sync_rate(context->config.directory, true, RAW_SECONDS));
    emit("disk.overwrite", disk_sync_rate(context->config.directory, false, RAW_SECONDS));
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++) {
        struct load load = { .step = commit_step,
                             .threads = writers[i],
                             .seconds = context->options->seconds,
                             .sample_every = 1,
                             .state = &base };
        struct outcome outcome;
        char row[32];
        uint64_t written = process_written_bytes();
        run_load(context, &load, &outcome);
        snprintf(row, sizeof row, "fillsync.%u", writers[i]);
        emit(row, outcome.rate);
        emit_percentiles(row, &outcome.latency);
        snprintf(row, sizeof row, "fillsync.%u.bytes", writers[i]);
        emit(row, (double)(process_written_bytes() - written) / (double)outcome.items);
        base += MISSING_INDEX / 8;
    }
    store_close(context);
}

struct victim {
    _Atomic uint64_t acknowledged; /* entries; the writer releases, the killer acquires */
    uint64_t most;
};

static uint64_t victim_step(struct worker *worker)
{
    struct victim *victim = worker->state;
    put_random(worker, worker->position, 0);
    atomic_store_explicit(&victim->acknowledged, worker->position + 1, memory_order_release);
    return 1;
}

/* The writing process goes on until it is killed; the limit only keeps an engine's failure from lasting for ever. */
static void be_killed(struct context *context, struct victim *victim)
{
    struct load load = { .step = victim_step, .threads = 1, .seconds = 2 * KILL_LIMIT_SECONDS, .state = victim };
    struct outcome outcome;
    alarm(2 * KILL_LIMIT_SECONDS);
    store_open(context, LEVEL_OS);
    run_load(context, &load, &outcome);
    _exit(1);
}

static uint64_t fill_and_kill(struct context *context, uint64_t count)
{
    struct victim *victim = mmap(NULL, sizeof *victim, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (victim == MAP_FAILED) {
        die("no shared memory");
    }
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        die("no process");
    }
    if (child == 0) {
        be_killed(context, victim);
    }
    uint64_t start = clock_ns();
    while (atomic_load_explicit(&victim->acknowledged, memory_order_acquire) < count &&
           clock_ns() - start < UINT64_C(1000000000) * KILL_LIMIT_SECONDS) {
        usleep(500);
    }
    kill(child, SIGKILL);
    int status = 0;
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
        die("%s: the process that was to be killed ended by itself", context->engine->name);
    }
    uint64_t acknowledged = atomic_load_explicit(&victim->acknowledged, memory_order_acquire);
    munmap(victim, sizeof *victim);
    return acknowledged;
}

struct count {
    uint64_t lost;
};

static uint64_t look_step(struct worker *worker)
{
    struct count *count = worker->state;
    count->lost += !get_random(worker, worker->position);
    return 1;
}

/* Timed: open, and a first read through it. */
static double reopen_seconds(struct context *context)
{
    const struct engine *engine = context->engine;
    struct slice value;
    uint8_t key[KEY_SIZE];
    uint64_t start = clock_ns();
    store_open(context, LEVEL_OS);
    void *session = engine->session_open(context->store);
    key_random(0, key);
    if (engine->get(session, (struct slice){ key, KEY_SIZE }, &value)) {
        engine->release(session);
    }
    double seconds = (double)(clock_ns() - start) / 1e9;
    engine->session_close(session);
    return seconds;
}

static void kill_and_reopen(struct context *context, uint64_t count, const char *row)
{
    char name[64];
    uint64_t acknowledged = fill_and_kill(context, count);
    double seconds = reopen_seconds(context);
    struct count lost = { 0 };
    struct load load = { .step = look_step, .threads = 1, .steps = acknowledged, .state = &lost };
    struct outcome outcome;
    run_load(context, &load, &outcome);
    snprintf(name, sizeof name, "%s.seconds", row);
    emit(name, seconds);
    emit(row, user_bytes(context, acknowledged) / seconds);
    snprintf(name, sizeof name, "%s.lost", row);
    emit(name, (double)lost.lost);
    store_close(context);
}

void run_recovery(struct context *context)
{
    char first[PATH_SIZE];
    uint64_t num = context->options->num;
    snprintf(first, sizeof first, "%s", context->config.directory);
    char second[PATH_SIZE + 16];
    snprintf(second, sizeof second, "%s/full", first);
    kill_and_reopen(context, num < 400000 ? num : 400000, "recovery");
    /* Write buffers so large that nothing is flushed: all of it is in the log when the process dies. */
    directory_remove(first);
    directory_make(second);
    context->config.directory = second;
    context->config.write_buffer_bytes = FULL_LOG_WRITE_BUFFER;
    kill_and_reopen(context, num < FULL_LOG_ENTRIES ? num : FULL_LOG_ENTRIES, "recovery.full");
}
