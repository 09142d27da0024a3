/* Searches by regular expressions, beside grep over a file of the same lines: both must find the same number. What is shown for nacre is
   the call in this process, for grep the process from its start to its end with the file in memory; the best of three each. */
#include "demo.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLLECTION_PATHS "paths"
#define BATCH_LINES      1000u
#define TRIES            3u

static const struct question {
    const char *what, *pattern, *grep; /* grep: where it is written another way there */
    bool ignore_case;                  /* how grep says it */
} questions[] = {
    { "a prefix", "^/usr/share/doc/", NULL, false },
    { "a suffix", "\\.so$", NULL, false },
    { "a literal", "python", NULL, false },
    { "a rare literal", "libssl", NULL, false },
    { "a class", "[0-9]{4}-[0-9]{2}", NULL, false },
    { "an alternation", "(README|COPYING|LICENSE)", NULL, false },
    { "two parts", "lib.*\\.so\\.[0-9]+$", NULL, false },
    { "both ends", "^/usr/bin/[a-z]{2}$", NULL, false },
    { "in any case", "(?i)readme", "readme", true },
    { "nothing", "no such path", NULL, false },
};

/* Stores each line of the file as a key. */
static bool import_lines(nacre_store *store, nacre_collection *collection, const char *path, uint64_t *count)
{
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    nacre_batch *batch = NULL;
    char *line = NULL;
    size_t space = 0;
    ssize_t size;
    FILE *in = fopen(path, "r");
    options.durability = NACRE_OS;
    int status = in ? nacre_batch_create(&batch) : NACRE_IO;
    while (status == NACRE_OK && (size = getline(&line, &space, in)) > 0) {
        nacre_slice key = { line, (size_t)size - (line[size - 1] == '\n') };
        status = key.size ? nacre_batch_put(batch, collection, key, (nacre_slice){ NULL, 0 }) : NACRE_OK;
        *count += key.size > 0;
        if (status == NACRE_OK && nacre_batch_count(batch) == BATCH_LINES) {
            status = nacre_write(store, batch, &options);
            nacre_batch_clear(batch);
        }
    }
    if (status == NACRE_OK && nacre_batch_count(batch)) {
        status = nacre_write(store, batch, &options);
    }
    nacre_batch_free(batch);
    free(line);
    if (in) {
        (void)fclose(in);
    }
    return status == NACRE_OK || show_failure("%s: %s", path, in ? nacre_last_error() : "cannot be read");
}

static bool fill(nacre_store *store, nacre_collection *collection, const char *path, bool contents_taken)
{
    uint64_t count = 0;
    double begun = seconds_now();
    if (!import_lines(store, collection, path, &count)) {
        return false;
    }
    double imported = seconds_now();
    show_line("data", "%s paths%s, as keys without values", show_number(count),
              contents_taken ? ", most out of the lists of apt-file" : "");
    show_line("imported", "in %s (%s/s)", show_seconds(imported - begun),
              show_number((uint64_t)((double)count / (imported - begun))));
    if (nacre_flush(collection) != NACRE_OK || nacre_build_indexes(collection) != NACRE_OK) {
        return show_failure("flush: %s", nacre_last_error());
    }
    show_line("indexed", "after another %s", show_seconds(seconds_now() - imported));
    show_time("import and index the lines", seconds_now() - begun);
    return true;
}

static bool count_by_nacre(nacre_collection *collection, const char *pattern, uint64_t *count, double *best)
{
    for (unsigned i = 0; i < TRIES; i++) {
        double begun = seconds_now();
        if (nacre_regex_count(collection, text_slice(pattern), NULL, count) != NACRE_OK) {
            return show_failure("%s: %s", pattern, nacre_last_error());
        }
        double took = seconds_now() - begun;
        *best = i == 0 || took < *best ? took : *best;
    }
    return true;
}

static bool count_by_grep(const struct question *question, const char *path, uint64_t *count, double *best)
{
    char said[64];
    const char *pattern = question->grep ? question->grep : question->pattern;
    char *arguments[] = { "grep", question->ignore_case ? "-ciE" : "-cE", "-e", (char *)pattern, (char *)path, NULL };
    for (unsigned i = 0; i < TRIES; i++) {
        double begun = seconds_now();
        int end = run_and_read(arguments, said, sizeof said);
        double took = seconds_now() - begun;
        if (end != 0 && end != 1) {
            return show_failure("grep ends with %d", end);
        }
        *count = strtoull(said, NULL, 10);
        *best = i == 0 || took < *best ? took : *best;
    }
    return true;
}

static bool ask(const struct question *question, nacre_collection *collection, const char *path)
{
    uint64_t found = 0, expected = 0;
    double ours = 0, theirs = 0;
    if (!count_by_nacre(collection, question->pattern, &found, &ours) ||
        !count_by_grep(question, path, &expected, &theirs)) {
        return false;
    }
    double times = theirs / ours;
    show_line(question->what, "%-26s %10s %11s %11s %9.*f", question->pattern, show_number(found), show_seconds(ours),
              show_seconds(theirs), times < 100 ? 1 : 0, times);
    return found == expected || show_failure("grep finds %s", show_number(expected));
}

/* The import before wanted small files; from here on the engine chooses again. */
static bool reset_tuning(nacre_store *store)
{
    static const char *const names[] = { "seal_bytes", "level0_runs", "segment_bytes", "level_base_bytes" };
    int status = NACRE_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && status == NACRE_OK; i++) {
        status = nacre_tune(store, names[i], "default");
    }
    return status == NACRE_OK || show_failure("tune: %s", nacre_last_error());
}

bool search_run(const struct paths *paths, nacre_store *store, const char *directory, size_t lines_most)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *collection = NULL;
    char path[4096];
    bool contents_taken;
    options.kind = NACRE_STRINGS;
    if (snprintf(path, sizeof path, "%s.lines", directory) >= (int)sizeof path ||
        !lines_make(paths, path, lines_most, &contents_taken) || !reset_tuning(store)) {
        return false;
    }
    bool good = nacre_collection_create(store, COLLECTION_PATHS, &options, &collection) == NACRE_OK ||
                show_failure("%s", nacre_last_error());
    good = good && fill(store, collection, path, contents_taken);
    double begun = seconds_now();
    if (good) {
        show_line("", "%-26s %10s %11s %11s %9s", "pattern", "keys", "nacre", "grep -cE", "times");
    }
    for (size_t i = 0; good && i < sizeof questions / sizeof questions[0]; i++) {
        good = ask(&questions[i], collection, path);
    }
    show_time("search, by nacre and by grep", seconds_now() - begun);
    if (good) {
        show_good("grep over the same lines finds as many, each time");
    }
    nacre_collection_close(collection);
    return good;
}
