/* The demo, told in order (see demo.h):  demo DIRECTORY [LINES [WORDS]]. DIRECTORY must not be there yet; the store is
   left in it. LINES: how many paths are searched at most. WORDS: a file of words and their vectors. */
#include "demo.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ROUNDS     3u
#define LINES_MOST 2000000u

static const char *const titles[ROUNDS] = {
    "A process imports, and is killed while it writes",
    "Another one goes on, and is killed too",
    "A third comes to the end",
};

static bool load(struct paths *paths)
{
    double begun = seconds_now();
    if (!paths_load(paths)) {
        return false;
    }
    show_time("read the lists of files", seconds_now() - begun);
    if (paths->packages) {
        show_line("data", "%s paths of %s packages, %.1f MB, from /var/lib/dpkg/info/*.list", show_number(paths->count),
                  show_number(paths->packages), (double)paths->bytes / 1e6);
    } else {
        show_line("data", "%s paths of /usr (this machine has no dpkg), %.1f MB", show_number(paths->count),
                  (double)paths->bytes / 1e6);
    }
    return true;
}

static void show_import(const struct paths *paths, const struct import_outcome *outcome, size_t first)
{
    size_t now =
        outcome->last.batches * BATCH_PATHS < paths->count ? outcome->last.batches * BATCH_PATHS : paths->count;
    size_t written = now - first * BATCH_PATHS;
    show_line("imported", "%s paths in %s (%s/s), slowest batch %s", show_number(written),
              show_seconds(outcome->seconds), show_number((uint64_t)((double)written / outcome->seconds)),
              show_seconds((double)outcome->last.slowest_ns * 1e-9));
    show_line("meanwhile", "seals %s, flushes %s, merges %s; %.1f MB of segments written",
              show_number(outcome->last.seals), show_number(outcome->last.flushes), show_number(outcome->last.merges),
              (double)outcome->last.written_bytes / 1e6);
}

static void show_recovery(const struct recovery *recovery, size_t acknowledged)
{
    double replay = (double)recovery->nanoseconds * 1e-9;
    if (recovery->records) {
        show_line("opened again", "in %s; replayed %s log records, %.2f MB in %s (%.0f MB/s)%s",
                  show_seconds(recovery->open_seconds), show_number(recovery->records), (double)recovery->bytes / 1e6,
                  show_seconds(replay), (double)recovery->bytes / 1e6 / replay,
                  recovery->torn_bytes ? "; cut off a torn record" : "");
    } else {
        show_line("opened again", "in %s; nothing to replay", show_seconds(recovery->open_seconds));
    }
    show_good("all %s acknowledged batches are there, whole and right", show_number(acknowledged));
    if (recovery->batches > acknowledged) {
        show_good("so is %zu that had arrived, but was not acknowledged yet", recovery->batches - acknowledged);
    }
}

/* Imports from batch *first on; with `kill_at` kills the importer there. Opens, checks, and moves *first on. */
static bool run_round(const struct paths *paths, const char *directory, size_t *first, size_t kill_at)
{
    struct import_outcome outcome;
    struct recovery recovery;
    if (!import_start(paths, directory, *first, kill_at, &outcome)) {
        return false;
    }
    show_import(paths, &outcome, *first);
    if (outcome.killed) {
        show_line("SIGKILL", "after batch %s of %s was acknowledged%s", show_number(outcome.last.batches),
                  show_number(paths_batches(paths)), outcome.last.merges_running ? ", while a merge ran" : "");
    }
    if (!recovery_check(paths, directory, outcome.last.batches, &recovery)) {
        return false;
    }
    show_recovery(&recovery, outcome.last.batches);
    show_time("import", outcome.seconds);
    show_time("open and recover", recovery.open_seconds);
    show_time("check every path, twice", recovery.check_seconds);
    if (kill_at == SIZE_MAX && recovery.batches != paths_batches(paths)) {
        return show_failure("%zu batches are there, %zu must be", recovery.batches, paths_batches(paths));
    }
    *first = recovery.batches;
    return true;
}

static bool verify(nacre_store *store)
{
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    double begun = seconds_now();
    int status = nacre_verify(store, &report);
    show_time("verify every file", seconds_now() - begun);
    bool good =
        status == NACRE_OK || show_failure("verify: %s\n%s", nacre_last_error(), report.damage ? report.damage : "");
    if (good) {
        show_good("verified: %s files, %.1f MB, every checksum is right", show_number(report.files),
                  (double)report.bytes / 1e6);
    }
    nacre_free(report.damage);
    return good;
}

static bool ask(const struct paths *paths, const char *directory, size_t lines_most, const char *words)
{
    nacre_store *store = NULL;
    nacre_collection *collection = NULL;
    int status = nacre_open(directory, NULL, &store);
    if (status == NACRE_OK) {
        status = nacre_collection_open(store, COLLECTION, &collection);
    }
    bool good = status == NACRE_OK || show_failure("open: %s", nacre_last_error());
    if (good) {
        double begun = seconds_now();
        good = queries_run(paths, collection);
        show_time("ask", seconds_now() - begun);
    }
    if (good) {
        show_title("%u. Searches by regular expressions", ROUNDS + 2);
        good = search_run(paths, store, directory, lines_most);
    }
    if (good && words) {
        show_title("%u. Words that are near", ROUNDS + 3);
        good = words_run(store, words);
    }
    good = good && verify(store);
    nacre_collection_close(collection);
    return nacre_close(store) == NACRE_OK && good;
}

static bool tell(struct paths *paths, const char *directory, size_t lines_most, const char *words)
{
    size_t first = 0;
    struct stat about;
    if (stat(directory, &about) == 0) {
        return show_failure("%s is there already; the demo begins with a store of its own", directory);
    }
    show_title("nacre %s: which package owns this file?", nacre_version());
    if (!load(paths)) {
        return false;
    }
    show_line("store", "%s", directory);
    for (size_t i = 0; i < ROUNDS; i++) {
        show_title("%zu. %s", i + 1, titles[i]);
        if (!run_round(paths, directory, &first, i + 1 < ROUNDS ? paths_batches(paths) * (i + 1) / ROUNDS : SIZE_MAX)) {
            return false;
        }
    }
    show_title("%u. Questions", ROUNDS + 1);
    if (!ask(paths, directory, lines_most, words)) {
        return false;
    }
    show_title("Where the time went");
    show_times();
    return true;
}

int main(int argc, char **argv)
{
    struct paths paths = { 0 };
    bool imports = argc == 4 && strcmp(argv[1], "--import") == 0;
    size_t lines_most = argc >= 3 && !imports ? strtoul(argv[2], NULL, 10) : LINES_MOST;
    if (!imports && (argc < 2 || argc > 4 || !lines_most)) {
        fprintf(stderr, "usage: demo DIRECTORY [LINES [WORDS]]\n");
        return 2;
    }
    int result;
    if (imports) {
        result = paths_load(&paths) ? import_run(&paths, argv[2], strtoul(argv[3], NULL, 10)) : 1;
    } else {
        result = tell(&paths, argv[1], lines_most, argc == 4 ? argv[3] : NULL) ? 0 : 1;
    }
    paths_free(&paths);
    return result;
}
