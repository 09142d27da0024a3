/* The demo: the index "which package owns this file" of this machine, imported by a process that is killed while it writes, recovered,
   checked and asked; then searches by regular expressions, beside grep, and for the nearest of words' vectors. What its files share. */
#ifndef NACRE_EXAMPLES_DEMO_H
#define NACRE_EXAMPLES_DEMO_H
#include <nacre/nacre.h>

#define COLLECTION  "files"
#define LOG_LIMIT   (UINT64_C(32) << 20) /* bytes: log files are small too */
#define BATCH_PATHS 50u                  /* paths that are written together */
#define PROGRESS_FD 3                    /* where the importing process tells what is acknowledged */

struct entry {
    char *path, *owner; /* owner: packages, divided by blanks */
};
struct paths {
    struct entry *entries;       /* in the order of the import: shuffled, always the same way */
    const struct entry **sorted; /* by path */
    size_t count, packages;      /* packages: 0 where there is no dpkg, and the paths are those of /usr */
    uint64_t bytes;              /* of paths and owners */
};
bool paths_load(struct paths *); /* paths_free is due in any case */
void paths_free(struct paths *);
const struct entry *paths_find(const struct paths *, nacre_slice path);
static inline size_t paths_batches(const struct paths *paths)
{
    return (paths->count + BATCH_PATHS - 1) / BATCH_PATHS;
}
static inline nacre_slice text_slice(const char *text)
{
    size_t size = 0;
    while (text[size]) {
        size++;
    }
    return (nacre_slice){ text, size };
}

/* What the importing process says when it begins, and after each batch. Less than PIPE_BUF, so it arrives whole. */
struct acknowledgement {
    uint64_t batches; /* acknowledged, from the first of all */
    uint64_t done;    /* 1: all is imported and flushed */
    uint64_t seals, flushes, merges, merges_running, written_bytes;
    uint64_t slowest_ns; /* batch */
};
/* The importing process: writes the batches from `first` on. Returns what the process ends with. */
int import_run(const struct paths *, const char *directory, size_t first);

/* What is known of an import: by its process that was killed, or that came to its end. */
struct import_outcome {
    struct acknowledgement last;
    double seconds;
    bool killed;
};
/* Runs the importing process from batch `first` on, and kills it when `kill_at` batches are acknowledged and, if possible, a
   merge runs (SIZE_MAX: lets it come to its end). */
bool import_start(const struct paths *, const char *directory, size_t first, size_t kill_at, struct import_outcome *);

/* What was there when the store was opened again. */
struct recovery {
    double open_seconds, check_seconds;
    uint64_t records, bytes, nanoseconds, torn_bytes; /* of the log, replayed */
    size_t batches;                                   /* found */
};
/* Opens the store and checks it: every acknowledged path with its owner, later batches whole or not at all, nothing else.
   Says what is wrong. */
bool recovery_check(const struct paths *, const char *directory, size_t acknowledged, struct recovery *);

/* Asks the store and prints the answers. */
bool queries_run(const struct paths *, nacre_collection *);

/* Writes a file with a path per line: sorted, each once, about `most` at most. *contents_taken: more than `paths` are in it. */
bool lines_make(const struct paths *, const char *path, size_t most, bool *contents_taken);
/* Runs a program in the locale of bytes; output gets the beginning of what it prints, which must be short. Returns its end, or -1. */
int run_and_read(char *const *arguments, char *output, size_t size);
/* Imports the lines into a collection of kind strings, searches it, and compares with grep. The lines are left in DIRECTORY.lines. */
bool search_run(const struct paths *, nacre_store *, const char *directory, size_t lines_most);

/* Imports the words of a file, each with 100 numbers, into a collection of kind vectors, while it asks for the nearest; then compares with
   exact answers. */
bool words_run(nacre_store *, const char *path);

/* The number behind "name": in the statistics of a store. */
uint64_t stats_figure(nacre_store *, const char *name);
double seconds_now(void);

/* Output. Colours on a terminal only. */
void show_title(const char *format, ...) __attribute__((format(printf, 1, 2)));
void show_line(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));
void show_good(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool show_failure(const char *format, ...) __attribute__((format(printf, 1, 2))); /* returns false */
void show_time(const char *what, double seconds); /* added up for show_times; `what` stays */
void show_times(void);
const char *show_number(uint64_t number); /* "12 345"; good for the next three calls */
const char *show_seconds(double seconds); /* "12.3 ms"; the same */
#endif
