/* The commands: one table makes dispatch, the help texts, the man page and the completion. */
#ifndef NACRE_CLI_COMMAND_H
#define NACRE_CLI_COMMAND_H
#include <stddef.h>
#include <stdint.h>

/* What the process ends with. */
enum { RESULT_OK = 0, RESULT_NO_MATCH = 1, RESULT_ERROR = 2 };

/* Options: id, name, argument (NULL: it takes none; [=X]: it may have one, behind =), text. On the command line '-' and '_' in names are the same. */
#define OPTION_TABLE(X) \
    X(STORE, "store", "DIR", "the directory of the store; default: NACRE_STORE in the environment") \
    X(JSON, "json", NULL, "print JSON") \
    X(HEX, "hex", NULL, "keys, prefixes and bounds are given and printed in hexadecimal") \
    X(LOG, "log", "[=LEVEL]", \
      "write what the engine does to standard error, one JSON object per line: error, warning, info, or debug, which " \
      "is " \
      "all and the default") \
    X(HELP, "help", NULL, "show this help") \
    X(VERSION, "version", NULL, "show the version") \
    X(KIND, "kind", "KIND", \
      "what the collection can do: ordered (the default), strings (keys that `grep` searches) or vectors (that " \
      "`near` " \
      "searches)") \
    X(TTL, "ttl", "MS", "entries are gone after so many milliseconds") \
    X(DURABILITY, "durability", "LEVEL", \
      "what an acknowledged write survives: memory (nothing), os (the end of the process), disk (the loss of power)") \
    X(PREFIX, "prefix", "P", "only keys that begin with P") \
    X(BEGIN, "begin", "K", "only keys from K on") \
    X(END, "end", "K", "only keys before K") \
    X(REVERSE, "reverse", NULL, "from the greatest key down") \
    X(LIMIT, "limit", "N", "stop after N") \
    X(KEYS_ONLY, "keys-only", NULL, "leave the values out") \
    X(RAW, "raw", NULL, "print the bytes of the value and nothing else") \
    X(FORMAT, "format", "FORMAT", \
      "lines, tsv, csv, jsonl, or for vectors fvecs, bvecs, npy, glove, jsonl; export: tsv or jsonl. Without it the " \
      "file's name decides") \
    X(HEADER, "header", NULL, "pass over the first line") \
    X(CRLF, "crlf", NULL, "lines end in \\r\\n: the \\r before a newline is no part of the key") \
    X(WATCH, "watch", NULL, "show it anew every second, until q is pressed or it is interrupted") \
    X(INTERVAL, "interval", "MS", "milliseconds between two looks, default 1000") \
    X(NUM, "num", "N", "entries, default 100000") \
    X(VALUE_SIZE, "value_size", "N", "bytes of a value, default 100") \
    X(THREADS, "threads", "N", "threads that share the work") \
    X(BATCH, "batch", "N", "entries that are written together") \
    X(REGEXP, "regexp", "PATTERN", "search for PATTERN; given several times, for any of them") \
    X(FIXED_STRINGS, "fixed-strings", NULL, "patterns are texts, not regular expressions") \
    X(IGNORE_CASE, "ignore-case", NULL, "upper and lower case are the same") \
    X(BYTES, "bytes", NULL, "keys and patterns are bytes (Latin-1), not UTF-8") \
    X(LINE_REGEXP, "line-regexp", NULL, "the whole key must match") \
    X(INVERT_MATCH, "invert-match", NULL, "the keys that do not match") \
    X(COUNT_ONLY, "count", NULL, "print how many there are, not the keys") \
    X(QUIET, "quiet", NULL, "print nothing; only the exit code tells") \
    X(VALUES, "values", NULL, "print the value too: key, tab, value") \
    X(NULL_BYTE, "null", NULL, "a NUL byte ends each key, instead of a newline") \
    X(COLOR, "color", "WHEN", \
      "colour what matches within the key: auto (the default: on a terminal), always or never") \
    X(EXPLAIN, "explain", NULL, "count the matches, and tell how they were found") \
    X(TIMEOUT, "timeout", "MS", "give up after so many milliseconds") \
    X(INSERTS, "inserts", "N", "bench compaction: keys that are put, default 100000") \
    X(OVERWRITES, "overwrites", "N", "bench compaction: how many of them are put once more, default a quarter") \
    X(DELETES, "deletes", "N", "bench compaction: how many of them are deleted, default half") \
    X(ASSERT_EMPTY, "assert-empty", NULL, \
      "bench compaction: end with 1 where keys are left at the end, or more than 64 KiB of segments") \
    X(DIM, "dim", "N", "numbers in a vector") \
    X(METRIC, "metric", "M", "how far apart vectors are: l2 (squared Euclidean), cosine or dot (inner product)") \
    X(MERGE_OPERATOR, "merge-operator", "NAME", \
      "how `merge` changes values: append, append:SEP, add64, min, max or json_merge_patch") \
    X(VALUE_LOG_THRESHOLD, "value-log-threshold", "N", \
      "bytes from which on a value goes to a value file, default 4096; 0 = none does") \
    X(VECTOR, "vector", "NUMBERS", "a vector: numbers divided by commas") \
    X(WITH_VECTOR, "with-vector", NULL, "print the vector too") \
    X(KEY, "key", "K", "search with the vector of K, which is found too") \
    X(QUERIES, "queries", "FILE", "search with each vector of a file: fvecs, bvecs or npy, or glove text") \
    X(NEIGHBORS, "neighbors", "N", "how many to find, default 10") \
    X(EXACT, "exact", NULL, "exactly the nearest, proven") \
    X(RECALL, "recall", "R", "the part of the nearest to find on average, up to 1; default 0.95") \
    X(NO_INDEX, "no-index", NULL, \
      "import of vectors: do not merge and index them at the end; backup: leave out what only makes searches faster") \
    X(MATCH, "match", "REGEX", "only keys that the regular expression matches") \
    X(TRUTH, "truth", "FILE", \
      "with --queries: an ivecs file of the row numbers of the nearest; print recall and queries per second") \
    X(SORTED, "sorted", NULL, "the keys ascend: load them past the log, all of them as one write") \
    X(LIST, "list", NULL, "show the backups that are there, and make none") \
    X(VERIFY, "verify", NULL, "read a backup, the newest or that of --id, and check it; make none") \
    X(NEWEST, "newest", "N", "remove all but the N newest backups afterwards") \
    X(ID, "id", "N", "the number of a backup; default: the newest") \
    X(TO, "to", "DIR", "copy what can be read to a new store there, and leave the damaged one as it is") \
    X(KEEP, "keep", NULL, "bench compaction: leave the store, or in a named one the collection, for a look")

/* Other names of options. Those of one letter are written behind one dash, also several together, as in -ci. */
#define OPTION_ALIAS_TABLE(X) \
    X(HELP, "h") \
    X(LIMIT, "m") \
    X(LIMIT, "max-count") \
    X(REGEXP, "e") \
    X(FIXED_STRINGS, "F") \
    X(IGNORE_CASE, "i") \
    X(LINE_REGEXP, "x") \
    X(INVERT_MATCH, "v") \
    X(COUNT_ONLY, "c") \
    X(QUIET, "q") \
    X(QUIET, "silent") \
    X(NULL_BYTE, "0") \
    X(NULL_BYTE, "Z") \
    X(COLOR, "colour") \
    X(NEIGHBORS, "k") \
    X(DIM, "dimension")

enum option_id {
#define OPTION_ENUM(id, name, argument, text) OPTION_##id,
    OPTION_TABLE(OPTION_ENUM)
#undef OPTION_ENUM
        OPTION_COUNT
};
_Static_assert(OPTION_COUNT <= 64, "a set of options is a word");
#define OPTION_BIT(id) (UINT64_C(1) << OPTION_##id)

struct option_row {
    const char *name, *argument, *text;
};
extern const struct option_row option_table[OPTION_COUNT];

struct option_alias {
    enum option_id id;
    const char *name;
};
extern const struct option_alias option_aliases[];
extern const size_t option_alias_count;
/* The letter that stands for an option, the first one where there are several; 0: none does. */
char option_letter(enum option_id);

struct arguments;
struct command {
    const char *group;     /* heading in the help */
    const char *name;      /* "delete-range" */
    const char *arguments; /* "NAME BEGIN END" */
    unsigned least, most;  /* how many of them */
    uint64_t options;      /* OPTION_BIT()s besides the general ones */
    const char *summary;   /* one line */
    const char *text;      /* paragraphs divided by empty lines */
    int (*run)(const struct arguments *);
};
extern const struct command command_table[];
extern const size_t command_count;
#define GENERAL_OPTIONS \
    (OPTION_BIT(STORE) | OPTION_BIT(JSON) | OPTION_BIT(HEX) | OPTION_BIT(LOG) | OPTION_BIT(HELP) | OPTION_BIT(VERSION))

const struct command *command_find(const char *name);         /* NULL: there is none */
const char *command_nearest(const char *name);                /* NULL: nothing is near */
const char *option_nearest(const char *name, uint64_t among); /* NULL: nothing is near */

/* The commands themselves; each returns what the process ends with. */
int run_create(const struct arguments *);
int run_drop(const struct arguments *);
int run_list(const struct arguments *);
int run_put(const struct arguments *);
int run_get(const struct arguments *);
int run_merge(const struct arguments *);
int run_delete(const struct arguments *);
int run_delete_range(const struct arguments *);
int run_delete_prefix(const struct arguments *);
int run_clear(const struct arguments *);
int run_scan(const struct arguments *);
int run_count(const struct arguments *);
int run_grep(const struct arguments *);
int run_near(const struct arguments *);
int run_import(const struct arguments *);
int run_export(const struct arguments *);
int run_flush(const struct arguments *);
int run_seal(const struct arguments *);
int run_compact(const struct arguments *);
int run_checkpoint(const struct arguments *);
int run_backup(const struct arguments *);
int run_restore(const struct arguments *);
int run_tune(const struct arguments *);
int run_resume(const struct arguments *);
int run_stats(const struct arguments *);
int run_metrics(const struct arguments *);
int run_verify(const struct arguments *);
int run_dump(const struct arguments *);
int run_salvage(const struct arguments *);
int run_bench(const struct arguments *);
int run_completion(const struct arguments *);
int run_man(const struct arguments *);
int run_help(const struct arguments *);
#endif
