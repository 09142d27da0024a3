/* Searches by regular expression over a memtable: the walk of the tree beside the list of keys; and what the list costs the puts.
   Usage: bench_memtable_searches FILE [entries] [rounds]
   FILE has a key per line. All run in turn in each round; the medians of the rounds are printed. Tree and list must find the same. */
#include "base/memory.h"
#include "median.h"
#include "memtable/chunk_pool.h"
#include "memtable/memtable.h"
#include "regex/regex.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_MAX  25u
#define MOST_KEYS   1000000u
#define VALUE_BYTES 8u

static void die(const char *what)
{
    fprintf(stderr, "memtable_searches: %s\n", what);
    exit(1);
}

/* Processor time: other work on the machine takes less part in it than in the time on the wall. */
static uint64_t processor_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

struct keys {
    nacre_slice *list;
    size_t count;
};

static struct keys read_keys(const char *path, size_t most)
{
    FILE *file = fopen(path, "r");
    struct keys keys = { .list = malloc(most * sizeof *keys.list) };
    char *line = NULL;
    size_t room = 0;
    if (!file || !keys.list)
        die("the file cannot be read");
    for (ssize_t size; keys.count < most && (size = getline(&line, &room, file)) > 1; keys.count++) {
        char *copy = strndup(line, (size_t)size - 1);
        if (!copy)
            die("no memory");
        keys.list[keys.count] = slice_text(copy);
    }
    free(line);
    fclose(file);
    return keys;
}

static struct memtable *fill(struct chunk_pool *pool, const struct keys *keys, bool searched, double *ns_per_put)
{
    static const uint8_t value[VALUE_BYTES];
    struct memtable *table;
    if (memtable_create(pool, &(struct memtable_options){ .searched = searched }, &table) != NACRE_OK)
        die("no memory");
    uint64_t begin = processor_ns();
    for (size_t i = 0; i < keys->count; i++) {
        struct entry entry = { keys->list[i], { value, sizeof value }, i + 1, 0, ENTRY_PUT, NULL };
        if (memtable_put(table, &entry) != NACRE_OK)
            die("a put failed");
    }
    *ns_per_put = (double)(processor_ns() - begin) / (double)keys->count;
    return table;
}

static uint64_t count_by_tree(struct memtable *table, struct automaton *automaton, uint64_t list_after)
{
    struct memtable_search search = { .automaton = automaton, .list_after = list_after };
    struct cursor *cursor;
    uint64_t found = 0;
    if (memtable_match_cursor_create(table, &search, &cursor) != NACRE_OK)
        die("no memory");
    for (cursor_first(cursor); cursor->valid; cursor_next(cursor))
        found++;
    cursor_close(cursor);
    return found;
}

static uint64_t count_by_list(struct memtable *table, struct automaton *automaton)
{
    struct memtable_search search = { .automaton = automaton };
    struct memtable_scan scan = { .table = table, .search = &search, .parts = 1 };
    struct entry entry;
    uint64_t found = 0;
    while (memtable_scan_next(&scan, SEQUENCE_MAX, &entry))
        found++;
    return found;
}

static const char *const patterns[] = { "libpng",    "(?i)readme",     "\\.so$", "(?i)\\.jpe?g$",
                                        "[0-9]{8,}", "foo|bar|baz",    "a",      "test.*\\.py$",
                                        "[A-Z]{6,}", "(^|/)core(/|$)", ".*" };

enum way { TREE, ORDERED, LIST, WAYS };

static uint64_t count_by(enum way way, struct memtable *table, struct automaton *automaton)
{
    return way == LIST ? count_by_list(table, automaton) : count_by_tree(table, automaton, way == TREE ? 0 : 512);
}

static void search(struct memtable *table, size_t keys, const char *pattern, unsigned rounds)
{
    double ns[WAYS][ROUNDS_MAX];
    uint64_t found[WAYS] = { 0 };
    struct regex *regex;
    if (regex_compile(slice_text(pattern), &(struct regex_options){ 0 }, &regex, NULL) != NACRE_OK)
        die("a pattern is wrong");
    for (unsigned round = 0; round < rounds; round++) {
        for (enum way way = 0; way < WAYS; way++) {
            struct dfa *dfa;
            uint64_t begin = processor_ns();
            if (dfa_create(regex, 0, &dfa) != NACRE_OK)
                die("no memory");
            found[way] = count_by(way, table, &dfa->automaton);
            ns[way][round] = (double)(processor_ns() - begin) / (double)keys;
            dfa_free(dfa);
        }
        if (found[LIST] != found[TREE] || found[ORDERED] != found[TREE])
            die("tree and list differ");
    }
    printf("  %-16s %9llu %12.1f %12.1f %12.1f\n", pattern, (unsigned long long)found[TREE], median(ns[TREE], rounds),
           median(ns[ORDERED], rounds), median(ns[LIST], rounds));
    regex_free(regex);
}

int main(int argc, char **argv)
{
    size_t entries = argc > 2 ? strtoul(argv[2], NULL, 10) : 500000;
    unsigned rounds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 9;
    if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX || entries < 1 || entries > MOST_KEYS)
        die("usage: bench_memtable_searches FILE [entries, up to 1000000] [rounds, up to 25]");
    struct keys keys = read_keys(argv[1], entries);
    struct chunk_pool *pool;
    double ns[2][ROUNDS_MAX], bytes[2] = { 0 };
    if (chunk_pool_create((uint64_t)1 << 30, &pool) != NACRE_OK)
        die("no memory");
    for (unsigned round = 0; round < rounds + 1; round++) { /* the first fills the pool */
        for (unsigned searched = 0; searched < 2; searched++) {
            struct memtable *table = fill(pool, &keys, searched, &ns[searched][round ? round - 1 : 0]);
            bytes[searched] = (double)memtable_bytes(table) / (double)keys.count;
            memtable_unref(table);
        }
    }
    double plain = median(ns[0], rounds), listed = median(ns[1], rounds);
    printf("%zu keys, medians of %u rounds\n", keys.count, rounds);
    printf("put: %.0f ns without the list, %.0f ns with it (%+.1f %%); %.1f and %.1f bytes per entry\n", plain, listed,
           100 * (listed - plain) / plain, bytes[0], bytes[1]);
    printf("\nns per key         wanted         tree  in order, list          list\n");
    struct memtable *table = fill(pool, &keys, true, &plain);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        search(table, keys.count, patterns[i], rounds);
    memtable_unref(table);
    chunk_pool_free(pool);
    for (size_t i = 0; i < keys.count; i++)
        free((void *)keys.list[i].data);
    free(keys.list);
    return 0;
}
