/* The importing process, and the one that starts it, listens to it and kills it. They are two programs in effect: the importer is
   executed anew, so that nothing but the store's directory and a pipe is between them. */
#include "demo.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FIGURES_EVERY 16u  /* batches after which the importer looks at the store's figures */
#define DISK_EVERY    4u   /* of so many batches one is of level disk */
#define PIPE_BYTES    4096 /* little: the importer must not be far ahead of what is known of it */

extern char **environ;

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

uint64_t stats_figure(nacre_store *store, const char *name)
{
    char pattern[64], *json = NULL;
    snprintf(pattern, sizeof pattern, "\"%s\":", name);
    if (nacre_stats(store, &json) != NACRE_OK) {
        return 0;
    }
    const char *found = strstr(json, pattern);
    uint64_t figure = found ? strtoull(found + strlen(pattern), NULL, 10) : 0;
    nacre_free(json);
    return figure;
}

/* Small memtables and segments: a few MB then are enough for many seals, flushes and merges. Writes survive the end of the process
   (level os); now and then one waits for the disk, as a careful importer's would, and takes with it all before. */
static int open_store(const char *directory, nacre_store **store, nacre_collection **collection)
{
    static const char *const tuning[][2] = {
        { "seal_bytes", "1048576" },
        { "level0_runs", "3" },
        { "segment_bytes", "1048576" },
        { "level_base_bytes", "4194304" },
    };
    nacre_options options = NACRE_OPTIONS_INIT;
    options.durability = NACRE_OS;
    options.log_limit = LOG_LIMIT;
    int status = nacre_open(directory, &options, store);
    for (size_t i = 0; i < sizeof tuning / sizeof tuning[0] && status == NACRE_OK; i++) {
        status = nacre_tune(*store, tuning[i][0], tuning[i][1]);
    }
    if (status == NACRE_OK) {
        status = nacre_collection_open(*store, COLLECTION, collection);
    }
    return status == NACRE_NOT_FOUND ? nacre_collection_create(*store, COLLECTION, NULL, collection) : status;
}

static void look_at_figures(nacre_store *store, struct acknowledgement *said)
{
    said->seals = stats_figure(store, "seals");
    said->flushes = stats_figure(store, "flushes");
    said->merges = stats_figure(store, "merges");
    said->merges_running = stats_figure(store, "merges_running");
    said->written_bytes = stats_figure(store, "flushed_bytes") + stats_figure(store, "merge_written_bytes");
}

static int write_batch(const struct paths *paths, nacre_store *store, nacre_collection *collection, nacre_batch *batch,
                       size_t number)
{
    size_t end = (number + 1) * BATCH_PATHS < paths->count ? (number + 1) * BATCH_PATHS : paths->count;
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    int status = NACRE_OK;
    options.durability = number % DISK_EVERY == 0 ? NACRE_DISK : NACRE_OS;
    nacre_batch_clear(batch);
    for (size_t i = number * BATCH_PATHS; i < end && status == NACRE_OK; i++) {
        const struct entry *entry = &paths->entries[i];
        status = nacre_batch_put(batch, collection, text_slice(entry->path), text_slice(entry->owner));
    }
    return status == NACRE_OK ? nacre_write(store, batch, &options) : status;
}

static bool tell(const struct acknowledgement *said)
{
    return write(PROGRESS_FD, said, sizeof *said) == (ssize_t)sizeof *said;
}

int import_run(const struct paths *paths, const char *directory, size_t first)
{
    nacre_store *store = NULL;
    nacre_collection *collection = NULL;
    nacre_batch *batch = NULL;
    struct acknowledgement said = { .batches = first };
    if (!tell(&said)) { /* from now on its time is taken */
        return 1;
    }
    int status = open_store(directory, &store, &collection);
    if (status == NACRE_OK) {
        status = nacre_batch_create(&batch);
    }
    for (size_t i = first; i < paths_batches(paths) && status == NACRE_OK; i++) {
        double begun = seconds_now();
        if ((status = write_batch(paths, store, collection, batch, i)) != NACRE_OK) {
            break;
        }
        uint64_t took = (uint64_t)((seconds_now() - begun) * 1e9);
        said.slowest_ns = took > said.slowest_ns ? took : said.slowest_ns;
        said.batches = i + 1;
        if (i % FIGURES_EVERY == 0) {
            look_at_figures(store, &said);
        }
        if (!tell(&said)) {
            return 1; /* nobody listens any more */
        }
    }
    if (status == NACRE_OK && (status = nacre_flush(collection)) == NACRE_OK) {
        look_at_figures(store, &said);
        said.done = 1;
    }
    nacre_batch_free(batch);
    nacre_collection_close(collection);
    int closed = nacre_close(store);
    status = status == NACRE_OK ? closed : status;
    if (status != NACRE_OK) {
        fprintf(stderr, "demo: import: %s: %s\n", nacre_status_name(status), nacre_last_error());
        return 1;
    }
    return tell(&said) ? 0 : 1;
}

/* The same program, with the pipe's end as PROGRESS_FD. */
static bool start(const char *directory, size_t first, int pipe_end, pid_t *importer)
{
    char program[] = "/proc/self/exe", mode[] = "--import", number[32], *path = strdup(directory);
    char *arguments[] = { program, mode, path, number, NULL };
    posix_spawn_file_actions_t actions;
    snprintf(number, sizeof number, "%zu", first);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_end, PROGRESS_FD);
    int failed = path ? posix_spawn(importer, program, &actions, NULL, arguments, environ) : ENOMEM;
    posix_spawn_file_actions_destroy(&actions);
    free(path);
    errno = failed;
    return failed == 0;
}

/* Reads what the importer says until it is gone, and kills it when its time has come. */
static void listen(int from, pid_t importer, size_t kill_at, size_t patience, struct import_outcome *outcome)
{
    struct acknowledgement said;
    double begun = 0;
    while (read(from, &said, sizeof said) == (ssize_t)sizeof said) {
        double now = seconds_now();
        begun = begun > 0 ? begun : now;
        outcome->seconds = now - begun;
        outcome->last = said;
        bool due = said.batches >= kill_at && (said.merges_running || said.batches >= kill_at + patience);
        if (due && !outcome->killed) {
            outcome->killed = kill(importer, SIGKILL) == 0;
        }
    }
}

bool import_start(const struct paths *paths, const char *directory, size_t first, size_t kill_at,
                  struct import_outcome *outcome)
{
    int ends[2], how;
    pid_t importer;
    *outcome = (struct import_outcome){ .last = { .batches = first } };
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return show_failure("no pipe: %m");
    }
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
    bool good = start(directory, first, ends[1], &importer);
    close(ends[1]);
    if (good) {
        listen(ends[0], importer, kill_at, paths_batches(paths) / 20, outcome);
        good = waitpid(importer, &how, 0) == importer;
    }
    close(ends[0]);
    if (!good) {
        return show_failure("the importing process cannot be started: %m");
    }
    if (outcome->killed ? !WIFSIGNALED(how) || WTERMSIG(how) != SIGKILL
                        : !WIFEXITED(how) || WEXITSTATUS(how) != 0 || !outcome->last.done) {
        return show_failure("the importing process ended in another way than it should (wait status %d)", how);
    }
    return true;
}
