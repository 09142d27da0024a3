/* The table of commands and options (see command.h). Everything that is said about a command is said here once. */
#include "command.h"
#include <string.h>

const struct option_row option_table[OPTION_COUNT] = {
#define OPTION_ROW(id, name, argument, text) [OPTION_##id] = { name, argument, text },
    OPTION_TABLE(OPTION_ROW)
#undef OPTION_ROW
};

const struct option_alias option_aliases[] = {
#define OPTION_ALIAS(id, name) { OPTION_##id, name },
    OPTION_ALIAS_TABLE(OPTION_ALIAS)
#undef OPTION_ALIAS
};
const size_t option_alias_count = sizeof option_aliases / sizeof option_aliases[0];

char option_letter(enum option_id id)
{
    for (size_t i = 0; i < option_alias_count; i++) {
        if (option_aliases[i].id == id && !option_aliases[i].name[1]) {
            return option_aliases[i].name[0];
        }
    }
    return 0;
}

#define RANGE_OPTIONS (OPTION_BIT(PREFIX) | OPTION_BIT(BEGIN) | OPTION_BIT(END))
#define GREP_OPTIONS \
    (RANGE_OPTIONS | OPTION_BIT(REVERSE) | OPTION_BIT(LIMIT) | OPTION_BIT(THREADS) | OPTION_BIT(REGEXP) | \
     OPTION_BIT(FIXED_STRINGS) | OPTION_BIT(IGNORE_CASE) | OPTION_BIT(BYTES) | OPTION_BIT(LINE_REGEXP) | \
     OPTION_BIT(INVERT_MATCH) | OPTION_BIT(COUNT_ONLY) | OPTION_BIT(QUIET) | OPTION_BIT(VALUES) | \
     OPTION_BIT(NULL_BYTE) | OPTION_BIT(COLOR) | OPTION_BIT(EXPLAIN) | OPTION_BIT(TIMEOUT))
#define COMPACTION_OPTIONS \
    (OPTION_BIT(KIND) | OPTION_BIT(INSERTS) | OPTION_BIT(OVERWRITES) | OPTION_BIT(DELETES) | \
     OPTION_BIT(ASSERT_EMPTY) | OPTION_BIT(KEEP))

static const char bench_text[] =
    "NAMES are workloads divided by commas, run one after another; without them a usual round is run. The names are "
    "those of db_bench: fillseq, fillrandom, overwrite, fillsync (each put on the disk before the next, a hundredth of "
    "--num), fillbatch, readrandom, readmissing, readhot (a hundredth of the keys), readseq, readreverse, seekrandom "
    "(seek and read 10), deleterandom, flush, compact, open, stats. `compaction` alone is a scenario: keys are put, "
    "some put "
    "once more, some deleted, all is flushed and then compacted; it tells how many keys there are and what they take "
    "on "
    "the disk, before and after.\n\n"
    "Keys have 16 bytes, values do not compress, and every value that is read is checked. Fills begin with an empty "
    "collection `bench`; one that holds what no bench put there is left alone, with an error. Without --store, also "
    "where NACRE_STORE is set, they work in a directory of their own under TMPDIR, which is removed at the end. One "
    "thread works, at level os, unless --threads and --durability say otherwise.";

static const char grep_text[] =
    "Prints the keys of a collection of kind strings in which PATTERN matches, in their order. The syntax is that of "
    "RE2 "
    "and Go; a pattern matches anywhere in a key unless ^, $ or --line-regexp says otherwise. Keys are UTF-8 unless "
    "--bytes is given. Patterns that begin with a dash follow --regexp or `--`.\n\n"
    "Keys are printed as they are, one per line; on a terminal what is no printable text is written as in `scan`, and "
    "what matched is coloured. --json writes an object per line. With --fixed-strings and --hex the pattern is "
    "hexadecimal too.\n\n"
    "--explain counts the matches and tells how: the literals that the pattern needs, and for each memtable and "
    "segment the strategy, "
    "the blocks that were candidates, and what was read; with --json as an object. --threads "
    "is for counts; without it as many are taken as pay.\n\n"
    "Ends with 0 where a key was found, 1 where none was, 2 after an error; --explain ends with 0 either way.";

#define NEAR_OPTIONS \
    (RANGE_OPTIONS | OPTION_BIT(KEY) | OPTION_BIT(VECTOR) | OPTION_BIT(QUERIES) | OPTION_BIT(FORMAT) | \
     OPTION_BIT(NEIGHBORS) | OPTION_BIT(EXACT) | OPTION_BIT(RECALL) | OPTION_BIT(MATCH) | OPTION_BIT(TRUTH) | \
     OPTION_BIT(EXPLAIN) | OPTION_BIT(TIMEOUT) | OPTION_BIT(LIMIT))

static const char near_text[] =
    "Prints the entries of a collection of kind vectors that are nearest to a vector: that of --key, --vector, or each "
    "of a file of --queries. One line per entry, the nearest first: key, tab, distance, and, where it is not empty, "
    "tab, "
    "value; with --queries the query's number, from 0, stands before. --json writes an object per entry, or per query "
    "of a file.\n\n"
    "Distances are the square of the Euclidean distance, 1 - cosine, or minus the inner product. About --recall of the "
    "nearest are found, on average; --exact finds all of them. --prefix, --begin, --end and --match search among some "
    "of the keys only, and as many come back as there are.\n\n"
    "--truth compares with the true neighbours, whose row numbers are the keys, as `import` of fvecs, bvecs and npy "
    "makes them: prints the recall and the queries per second of one thread, and no entries. It is a file of ivecs, a "
    "row "
    "per query, with -k columns or more. --limit N stops after N "
    "queries. --explain tells how one search goes, layer by layer.\n\n"
    "Ends with 0 where an entry was found, 1 where none was, 2 after an error.";

static const char import_text[] =
    "FILE `-` is standard input. Formats: lines (the line is the key, the value is empty; a \\r at its end is kept, "
    "but "
    "with --crlf), tsv and csv (first column key, second "
    "value, further ones are passed over), jsonl (an object per line with `key` or `key_hex`, and `value` or "
    "`value_hex`; a value that is no string is kept as its JSON text). In tsv \\t \\n \\r \\\\ and \\xNN stand for "
    "bytes, as `export` and `scan` write them. In csv quotes are as in RFC 4180. Without --format the ending of the "
    "file's name decides, and else it is lines. Empty lines are passed over.\n\n"
    "With --kind the collection, and the store, is made where there is none.\n\n"
    "Into a collection of vectors: fvecs, bvecs and npy (rows get their number, from 0, as key), glove (a word and "
    "numbers in each line), jsonl (with a member `vector`, an array of numbers). With --kind vectors "
    "--metric "
    "is due; the dimension is the file's. "
    "At the end the collection is merged and indexed, unless --no-index leaves that to the next who opens the store "
    "for "
    "writing.\n\n"
    "Entries are written in batches (--batch, default 1000), each as a whole or not at all, at level os; at the end "
    "all of them "
    "are brought to the disk. A line that cannot be read ends the import with its number; what came before it "
    "stays.\n\n"
    "With --sorted the keys of the file ascend, byte by byte as `LC_ALL=C sort -u` puts them. They go straight into "
    "the "
    "store's own files, several times as fast, and the whole file is one write on the disk: it becomes visible at its "
    "end, or, where a line cannot be read or a key is not greater than the one before, nothing of it.";

static const char backup_text[] =
    "Makes a backup in DIR, of the store as it is at one point, beside a program that writes too. Files that a backup "
    "in "
    "DIR has already are not copied again; DIR may be on another disk. Each copied segment is checked block by block. "
    "Prints the backup's number, its size, and how much of it was new.\n\n"
    "--newest N removes older backups afterwards, and the files that no other one needs. --no-index leaves out files "
    "that "
    "only make searches faster. --list and --verify make no backup, and need no store.";

/* group, name, arguments, least, most, options, summary, text, run */
const struct command command_table[] = {
    { "Collections", "create", "NAME", 1, 1,
      OPTION_BIT(KIND) | OPTION_BIT(TTL) | OPTION_BIT(DIM) | OPTION_BIT(METRIC) | OPTION_BIT(MERGE_OPERATOR) |
          OPTION_BIT(VALUE_LOG_THRESHOLD),
      "make a collection",
      "Makes the store too where there is none. A collection of vectors takes --dim and --metric. With --ttl entries "
      "expire after so many milliseconds unless their put "
      "says "
      "otherwise. With --merge-operator its values can be changed by `merge`.",
      run_create },
    { "Collections", "drop", "NAME", 1, 1, 0, "remove a collection with all that is in it",
      "Ends with 1 where there is no such collection.", run_drop },
    { "Collections", "list", "", 0, 0, 0, "list the collections", NULL, run_list },

    { "Data", "put", "NAME KEY [VALUE]", 2, 3, OPTION_BIT(TTL) | OPTION_BIT(DURABILITY) | OPTION_BIT(VECTOR),
      "store a value under a key",
      "In a collection of vectors --vector is due. VALUE `-` is read from standard input, as it is; without VALUE the "
      "value is empty. The default level is disk.",
      run_put },
    { "Data", "get", "NAME KEY", 2, 2, OPTION_BIT(RAW) | OPTION_BIT(WITH_VECTOR), "print the value of a key",
      "Prints the value and a newline (--raw: without the newline). --with-vector prints the vector in a line before. "
      "Ends with 1 where there is no such key.",
      run_get },
    { "Data", "merge", "NAME KEY OPERAND", 3, 3, OPTION_BIT(TTL) | OPTION_BIT(DURABILITY),
      "change the value of a key by the collection's merge operator",
      "The value is not read for that: it is made when it is read the next time. OPERAND `-` is read from standard "
      "input, as it is. "
      "For add64 OPERAND is a decimal number. Collections whose operator is a program's own can be changed by that "
      "program alone.",
      run_merge },
    { "Data", "delete", "NAME KEY...", 2, UINT32_MAX, OPTION_BIT(DURABILITY), "remove keys",
      "All keys are removed together, or none. Keys that are not there are no error.", run_delete },
    { "Data", "delete-range", "NAME BEGIN END", 3, 3, OPTION_BIT(DURABILITY),
      "remove all keys from BEGIN up to, not with, END",
      "An empty BEGIN is from the first key, an empty END to the last. One record, whatever the number of keys.",
      run_delete_range },
    { "Data", "delete-prefix", "NAME PREFIX", 2, 2, OPTION_BIT(DURABILITY), "remove all keys that begin with PREFIX",
      "One record, whatever the number of keys.", run_delete_prefix },
    { "Data", "clear", "NAME", 1, 1, 0, "remove all entries of a collection", NULL, run_clear },
    { "Data", "scan", "NAME", 1, 1, RANGE_OPTIONS | OPTION_BIT(REVERSE) | OPTION_BIT(LIMIT) | OPTION_BIT(KEYS_ONLY),
      "print entries in the order of their keys",
      "One line per entry: key, tab, value. Bytes that are no printable UTF-8 are written as \\t \\n \\r \\\\ or "
      "\\xNN; --json "
      "writes an object per line, with `key_hex` or `value_hex` for what is no UTF-8. Ends with 1 where no key lies in "
      "the "
      "range.",
      run_scan },
    { "Data", "count", "NAME", 1, 1, RANGE_OPTIONS, "count entries", "Prints 0 and ends with 0 where there are none.",
      run_count },
    { "Data", "grep", "NAME PATTERN", 1, 2, GREP_OPTIONS, "print the keys that a regular expression matches", grep_text,
      run_grep },
    { "Data", "near", "NAME", 1, 1, NEAR_OPTIONS, "print the entries whose vectors are nearest", near_text, run_near },
    { "Data", "import", "NAME FILE", 2, 2,
      OPTION_BIT(KIND) | OPTION_BIT(METRIC) | OPTION_BIT(NO_INDEX) | OPTION_BIT(FORMAT) | OPTION_BIT(HEADER) |
          OPTION_BIT(CRLF) | OPTION_BIT(TTL) | OPTION_BIT(DURABILITY) | OPTION_BIT(BATCH) | OPTION_BIT(SORTED),
      "store the entries of a file", import_text, run_import },
    { "Data", "export", "NAME [FILE]", 1, 2, RANGE_OPTIONS | OPTION_BIT(FORMAT),
      "write entries to a file that import reads",
      "Without FILE, or with `-`, to standard output; a FILE appears under its name when it is complete, but "
      "for a pipe or a device, which is written as it stands. The format is "
      "tsv, or jsonl where the name ends so or --format says so; of vectors jsonl. Times to live are not written.",
      run_export },

    { "Keeping house (never needed, it happens by itself)", "flush", "NAME", 1, 1, 0,
      "bring what is in memory to segments, and wait", NULL, run_flush },
    { "Keeping house (never needed, it happens by itself)", "seal", "NAME", 1, 1, 0,
      "begin a new memtable; the old one goes to a segment behind",
      "The command ends at once, and so may leave the segment to the next opening of the store. `flush` waits.",
      run_seal },
    { "Keeping house (never needed, it happens by itself)", "compact", "NAME", 1, 1,
      OPTION_BIT(BEGIN) | OPTION_BIT(END), "merge a collection, or a range of it, into its deepest level",
      "Gives back the space of what was deleted, and waits.", run_compact },
    { "Keeping house (never needed, it happens by itself)", "checkpoint", "DIR", 1, 1, 0,
      "copy the store to a directory that opens as a store",
      "DIR must not exist. On the same file system files are linked, so the copy costs little. Works beside a program "
      "that writes.",
      run_checkpoint },
    { "Keeping house (never needed, it happens by itself)", "backup", "DIR", 1, 1,
      OPTION_BIT(LIST) | OPTION_BIT(VERIFY) | OPTION_BIT(NEWEST) | OPTION_BIT(ID) | OPTION_BIT(NO_INDEX),
      "copy what is new of the store to a directory of backups", backup_text, run_backup },
    { "Keeping house (never needed, it happens by itself)", "restore", "BACKUPS DIR", 2, 2, OPTION_BIT(ID),
      "make a store of a backup",
      "BACKUPS is a directory of backups; DIR must not exist. Every byte is checked on its way.", run_restore },
    { "Keeping house (never needed, it happens by itself)", "tune", "[NAME [VALUE]]", 0, 2, 0,
      "show or set tuning parameters",
      "Without NAME all of them, with their ranges. VALUE is a number, or `default` to leave the choice to the engine.",
      run_tune },
    { "Keeping house (never needed, it happens by itself)", "resume", "", 0, 0, 0,
      "make the store writable again after its disk was full", NULL, run_resume },

    { "Looking inside", "stats", "", 0, 0, OPTION_BIT(WATCH) | OPTION_BIT(LIMIT) | OPTION_BIT(INTERVAL),
      "show the state and the figures of the store",
      "Where a program has the store open for writing, it is asked for its own figures; `live` in the JSON says so. "
      "Where none does, the store is opened read-only: sizes, levels and the sequence number are those of the store, "
      "and counters are this command's own.\n\n"
      "--watch shows a live view on a terminal, every --interval milliseconds, with --limit N so many times: rates "
      "since "
      "the last look, latencies, stalls, memory, the log, tasks in the background, and the levels of each collection "
      "as "
      "bars. Where the output is no terminal it prints a block, or with --json an object, per look. --json has "
      "all the figures, in one object.",
      run_stats },
    { "Looking inside", "metrics", "", 0, 0, 0, "print the figures in the text format of Prometheus",
      "Where a program has the store open for writing, it is asked for its own figures, as by `stats`, and nacre_live "
      "is 1. Where none does, or it does not answer, nacre_live is 0 and the store is opened read-only: sizes and "
      "levels are those of the store, and counters are this command's own.",
      run_metrics },
    { "Looking inside", "verify", "", 0, 0, 0, "read every file and check it",
      "Changes nothing. Damage is named by file and offset, and ends the command with 2. The entries that it counts "
      "are those "
      "of segments; the log is read and checked record by record, but not counted.",
      run_verify },
    { "Looking inside", "dump", "log|manifest|segment|values FILE", 2, 2, OPTION_BIT(LIMIT),
      "print what a file of the store says",
      "One JSON object per line. Where something is damaged it ends with 2, after the lines that can be read.",
      run_dump },
    { "Looking inside", "salvage", "DIR", 1, 1, OPTION_BIT(TO), "repair a damaged store as far as it can be",
      "DIR is the store; no other program may have it open. Damaged log files are kept as *.corrupt, and what can "
      "be read of them goes on. Damaged places in segments are named and left: keys outside of them can be read. It "
      "ends with 2 where something was lost or is left damaged.\n\n"
      "--to DIR makes a new store of everything that can be read, whatever is damaged or missing: CURRENT, the "
      "manifest, segments, value files, the log. It prints what is lost, key by key where keys are known, and which "
      "keys may show an older value; --json prints the whole report. It ends with 2 where something was lost.",
      run_salvage },
    { "Looking inside", "bench", "[NAMES]", 0, 1,
      OPTION_BIT(NUM) | OPTION_BIT(VALUE_SIZE) | OPTION_BIT(THREADS) | OPTION_BIT(BATCH) | OPTION_BIT(DURABILITY) |
          COMPACTION_OPTIONS,
      "measure the engine on this machine", bench_text, run_bench },

    { "Help", "help", "[COMMAND]", 0, 1, 0, "show help", NULL, run_help },
    { "Help", "man", "", 0, 0, 0, "print the man page", "For example: nacre man | man -l -", run_man },
    { "Help", "completion", "bash", 1, 1, 0, "print the completion for a shell",
      "For example in ~/.bashrc: source <(nacre completion bash)", run_completion },
};
const size_t command_count = sizeof command_table / sizeof command_table[0];

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(command_table[i].name, name) == 0) {
            return &command_table[i];
        }
    }
    return NULL;
}

/* Edits (insert, remove, replace) that make b of a; names beyond the row's size are far from everything. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64];
    size_t length = strlen(b);
    if (length >= sizeof row / sizeof row[0]) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= length; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = replaced < least ? replaced : least;
        }
    }
    return row[length];
}

/* Whether `name` is nearer to `wanted` than `best` is; a name that only continues it counts as near. */
static const char *nearer(const char *wanted, const char *name, size_t *best, const char *current)
{
    size_t length = strlen(wanted);
    size_t d = length >= 2 && strncmp(wanted, name, length) == 0 ? 1 : distance(wanted, name);
    if (d >= *best) {
        return current;
    }
    *best = d;
    return name;
}

const char *command_nearest(const char *name)
{
    const char *found = NULL;
    size_t best = strlen(name) / 2 + 1;
    best = best > 4 ? 4 : best;
    for (size_t i = 0; i < command_count; i++) {
        found = nearer(name, command_table[i].name, &best, found);
    }
    return found;
}

const char *option_nearest(const char *name, uint64_t among)
{
    const char *found = NULL;
    size_t best = strlen(name) / 2 + 1;
    best = best > 4 ? 4 : best;
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (among & (UINT64_C(1) << i)) {
            found = nearer(name, option_table[i].name, &best, found);
        }
    }
    return found;
}
