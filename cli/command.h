/* The commands: one table makes dispatch, the help texts, the man page and the completion. */
#ifndef NACRE_CLI_COMMAND_H
#define NACRE_CLI_COMMAND_H
#include <stddef.h>
#include <stdint.h>

/* What the process ends with. */
enum { RESULT_OK = 0, RESULT_NO_MATCH = 1, RESULT_ERROR = 2 };

/* Options: id, name, argument (NULL: it takes none), text. On the command line '-' and '_' in names are the same. */
#define OPTION_TABLE(X) \
    X(STORE, "store", "DIR", "the directory of the store; default: NACRE_STORE in the environment") \
    X(JSON, "json", NULL, "print JSON") \
    X(HEX, "hex", NULL, "keys, prefixes and bounds are given and printed in hexadecimal") \
    X(LOG, "log", NULL, "write what the engine does to standard error, one JSON object per line") \
    X(HELP, "help", NULL, "show this help") \
    X(VERSION, "version", NULL, "show the version") \
    X(KIND, "kind", "KIND", "what the collection can do: ordered (the default)") \
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
      "lines, tsv, csv or jsonl; export: tsv or jsonl. Without it the file's name decides") \
    X(HEADER, "header", NULL, "pass over the first line") \
    X(WATCH, "watch", NULL, "show it anew every second, until interrupted") \
    X(NUM, "num", "N", "entries, default 100000") \
    X(VALUE_SIZE, "value_size", "N", "bytes of a value, default 100") \
    X(THREADS, "threads", "N", "threads that share the work, default 1") \
    X(BATCH, "batch", "N", "entries that are written together")

enum option_id {
#define OPTION_ENUM(id, name, argument, text) OPTION_##id,
    OPTION_TABLE(OPTION_ENUM)
#undef OPTION_ENUM
        OPTION_COUNT
};
#define OPTION_BIT(id) (UINT64_C(1) << OPTION_##id)

struct option_row {
    const char *name, *argument, *text;
};
extern const struct option_row option_table[OPTION_COUNT];

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
int run_delete(const struct arguments *);
int run_delete_range(const struct arguments *);
int run_delete_prefix(const struct arguments *);
int run_clear(const struct arguments *);
int run_scan(const struct arguments *);
int run_count(const struct arguments *);
int run_import(const struct arguments *);
int run_export(const struct arguments *);
int run_flush(const struct arguments *);
int run_seal(const struct arguments *);
int run_compact(const struct arguments *);
int run_checkpoint(const struct arguments *);
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
