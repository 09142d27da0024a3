/* The side file of strings segments alone: time to build and size of each part, and what its answers cost, over a file of sorted lines.

     string_index FILE [segments = 3] [directory = /tmp]

   Times are CPU time. Keys go to blocks of 64. "all parts" is what a segment's builder pays, measured by itself; the parts are measured one after another. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "filter/key_filter.h"
#include "filter/prefix_filter.h"
#include "strings/gram_builder.h"
#include "strings/gram_index.h"
#include "strings/literal_counts.h"
#include "strings/signature_builder.h"
#include "strings/string_index.h"
#include "strings/tail_index.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEYS_PER_BLOCK 64
#define SEGMENTS_MAX   64

struct line {
    const uint8_t *bytes;
    uint32_t size, shared;
};
static struct line *lines;
static size_t line_count, segment_count = 3;
static uint64_t line_bytes;
static uint32_t sink;

static void check(int status, const char *what)
{
    if (status != 0) {
        (void)fprintf(stderr, "%s: %d: %s\n", what, status, fail_detail());
        exit(1);
    }
}

static double cpu_ns(void)
{
    struct timespec t;
    check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), "clock_gettime");
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void load(const char *path)
{
    struct stat info;
    int file = open(path, O_RDONLY);
    check(file < 0 || fstat(file, &info) != 0, path);
    const uint8_t *at = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    check(at == MAP_FAILED, "mmap");
    const uint8_t *end = at + info.st_size;
    size_t capacity = 0;
    nacre_slice before = { NULL, 0 };
    while (at < end) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        nacre_slice key = { at, (size_t)(stop - at) };
        if (line_count == 0 || slice_compare(before, key) < 0) {
            if (line_count == capacity) {
                capacity = capacity ? capacity * 2 : 1 << 20;
                lines = realloc(lines, capacity * sizeof *lines);
                check(!lines, "memory");
            }
            lines[line_count++] = (struct line){ at, (uint32_t)key.size, (uint32_t)slice_shared_prefix(before, key) };
            line_bytes += key.size;
            before = key;
        }
        at = stop + 1;
    }
}

static size_t segment_begin(size_t s)
{
    return line_count * s / segment_count;
}
static uint32_t segment_blocks(size_t s)
{
    return (uint32_t)((segment_begin(s + 1) - segment_begin(s) + KEYS_PER_BLOCK - 1) / KEYS_PER_BLOCK);
}

enum part { ALL, HASH, SIGNATURES, GRAMS, LITERALS, TAILS, KEYS, PREFIXES, PARTS };
static const char *const part_names[PARTS] = { "all parts",      "hash of keys", "signatures", "grams",
                                               "literal counts", "tails",        "key filter", "prefix filter" };

struct builders {
    struct string_index_builder *all;
    struct signature_builder signatures;
    struct gram_builder *grams;
    struct literal_builder *literals;
    struct tail_builder tails;
    struct key_filter_builder keys;
    struct prefix_filter_builder prefixes;
};

static int add(struct builders *b, enum part part, nacre_slice key, size_t shared, uint32_t block)
{
    switch (part) {
    case HASH:
        sink += (uint32_t)hash_bytes(key.data, key.size);
        return NACRE_OK;
    case SIGNATURES:
        return signature_builder_add(&b->signatures, key, shared, block);
    case GRAMS:
        return gram_builder_add(b->grams, key, shared, block);
    case LITERALS:
        return literal_builder_add(b->literals, key, shared);
    case TAILS:
        return tail_builder_add(&b->tails, key);
    case KEYS:
        return key_filter_add(&b->keys, (uint64_t)block << 40 | key.size);
    case PREFIXES:
        return prefix_filter_add(&b->prefixes, key, shared);
    default:
        return string_index_builder_add(b->all, key, shared, block, hash_bytes(key.data, key.size));
    }
}

static void finish(struct builders *b, enum part part, uint32_t blocks, uint64_t keys, struct container_writer *out)
{
    struct buffer bytes = { 0 };
    if (part == ALL)
        check(string_index_builder_write(b->all, blocks, out), "write");
    if (part == SIGNATURES)
        check(signature_builder_make(&b->signatures, blocks, &bytes), "signatures");
    if (part == GRAMS)
        check(gram_builder_write(b->grams, blocks, keys, out), "grams");
    if (part == LITERALS)
        check(literal_builder_make(b->literals, b->grams, &bytes), "literals");
    if (part == TAILS)
        check(tail_builder_make(&b->tails, &bytes), "tails");
    if (part == KEYS)
        check(key_filter_make(&b->keys, &bytes), "keys");
    if (part == PREFIXES)
        check(prefix_filter_make(&b->prefixes, &bytes), "prefixes");
    buffer_free(&bytes);
}

static void index_path(const char *directory, size_t s, char path[4096])
{
    (void)snprintf(path, 4096, "%s/%zu.idx", directory, s);
}

/* Builds one part (or all) of all segments; gives CPU time and the greatest memory of a builder. */
static double build(enum part part, const char *directory, uint64_t *memory)
{
    double sum = 0;
    for (size_t s = 0; s < segment_count; s++) {
        struct builders b = { 0 };
        char path[4096];
        struct container_writer *out = NULL;
        index_path(directory, s, path);
        (void)unlink(path);
        check(container_writer_create(os_posix(), path, CONTAINER_INDEX, s + 1, 2, &out), "create");
        check(string_index_builder_create(0, &b.all), "builder");
        check(gram_builder_create(&b.grams), "grams");
        check(literal_builder_create(&b.literals), "literals");
        signature_builder_begin(&b.signatures);
        size_t first = segment_begin(s), end = segment_begin(s + 1);
        double start = cpu_ns();
        for (size_t i = first; i < end; i++)
            check(add(&b, part, slice_of(lines[i].bytes, lines[i].size), i == first ? 0 : lines[i].shared,
                      (uint32_t)((i - first) / KEYS_PER_BLOCK)),
                  "add");
        uint64_t used = string_index_builder_memory(b.all);
        *memory = used > *memory ? used : *memory;
        finish(&b, part, segment_blocks(s), end - first, out);
        sum += cpu_ns() - start;
        uint64_t bytes = 0, checksum = 0;
        if (part == ALL)
            check(container_writer_finish(out, &bytes, &checksum), "finish");
        else
            container_writer_abandon(out);
        string_index_builder_free(b.all);
        gram_builder_free(b.grams);
        literal_builder_free(b.literals);
        signature_builder_free(&b.signatures);
        tail_builder_free(&b.tails);
        key_filter_builder_free(&b.keys);
        prefix_filter_builder_free(&b.prefixes);
    }
    return sum;
}

/* ---- reading ---- */

struct reading {
    struct container *container;
    struct string_index *index;
    uint64_t *bitmap;
    uint32_t blocks;
    uint64_t keys;
};

static void print_sizes(const struct reading *readings)
{
    static const char *const names[] = { "SGNT", "GRAM", "GPOS", "GCNT", "TAIL", "KFIL", "PFIX" };
    uint64_t total = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint64_t sum = 0;
        for (size_t s = 0; s < segment_count; s++) {
            uint64_t offset = 0, size = 0;
            if (container_section_bounds(readings[s].container, names[i], &offset, &size) == NACRE_OK)
                sum += size;
        }
        printf("%-16s %12llu bytes %8.3f %% of the keys' bytes\n", names[i], (unsigned long long)sum,
               100.0 * (double)sum / (double)line_bytes);
        total += sum;
    }
    printf("%-16s %12llu bytes %8.3f %%\n", "together", (unsigned long long)total,
           100.0 * (double)total / (double)line_bytes);
}

struct gram_set {
    gram *grams;
    size_t count;
    uint64_t postings;
};
struct gram_sets {
    struct gram_set all, few, many; /* in how many blocks: any, 2 to 255, 256 or more but not all */
    uint32_t blocks;
};
static void add_gram(struct gram_set *set, const struct gram_entry *e)
{
    if (set->count % 4096 == 0) {
        set->grams = realloc(set->grams, (set->count + 4096) * sizeof *set->grams);
        check(!set->grams, "memory");
    }
    set->grams[set->count++] = e->gram;
    set->postings += e->count;
}
static int note_gram(void *context, const struct gram_entry *e)
{
    struct gram_sets *sets = context;
    add_gram(&sets->all, e);
    if (e->count >= 2 && e->count < sets->blocks)
        add_gram(e->count < 256 ? &sets->few : &sets->many, e);
    return NACRE_OK;
}

static double time_lists(struct reading *r, const struct gram_set *set,
                         void (*apply)(struct string_index *, gram, uint64_t *))
{
    double start = cpu_ns();
    for (size_t i = 0; i < set->count; i++)
        apply(r->index, set->grams[i], r->bitmap);
    return cpu_ns() - start;
}

static void measure_grams(struct reading *r)
{
    struct gram_sets sets = { .blocks = r->blocks };
    struct gram_dictionary d;
    nacre_slice section;
    check(container_section(r->container, "GRAM", &section), "GRAM");
    check(gram_dictionary_open(section, true, &d), "GRAM");
    check(gram_dictionary_walk(&d, r->blocks, note_gram, &sets), "GRAM");
    double start = cpu_ns();
    for (size_t i = 0; i < sets.all.count; i++)
        sink += string_index_gram_blocks(r->index, sets.all.grams[(i * 7919) % sets.all.count]);
    double looked = cpu_ns() - start;
    double or_many = time_lists(r, &sets.many, string_index_gram_or),
           or_few = time_lists(r, &sets.few, string_index_gram_or);
    double and_many = time_lists(r, &sets.many, string_index_gram_and),
           and_few = time_lists(r, &sets.few, string_index_gram_and);
    printf("%zu grams, %llu postings: look-up %.1f ns\n", sets.all.count, (unsigned long long)sets.all.postings,
           looked / (double)sets.all.count);
    printf("%zu lists of 256 blocks or more: or %.2f ns, and %.2f ns per posting; %zu shorter ones: or %.0f ns, and "
           "%.0f ns per list\n",
           sets.many.count, or_many / (double)sets.many.postings, and_many / (double)sets.many.postings, sets.few.count,
           or_few / (double)sets.few.count, and_few / (double)sets.few.count);
    free(sets.all.grams);
    free(sets.few.grams);
    free(sets.many.grams);
}

static void measure_keys(struct reading *r, size_t s)
{
    size_t first = segment_begin(s), count = segment_begin(s + 1) - first, asked = 200000;
    uint64_t keys = 0, wrong = 0;
    double start = cpu_ns();
    for (size_t i = 0; i < asked; i++) {
        const struct line *l = &lines[first + i * 7919 % count];
        unsigned size = 1 + (unsigned)(i % 8);
        if (l->size >= size && string_index_tail_keys(r->index, l->bytes + l->size - size, size, &keys))
            sink += (uint32_t)keys;
    }
    double tails = cpu_ns();
    for (size_t i = 0; i < asked; i++) {
        const struct line *l = &lines[first + i * 7919 % count];
        unsigned size = 1 + (unsigned)(i % 3);
        if (l->size >= size && string_index_literal_keys(r->index, l->bytes + l->size - size, size, &keys))
            sink += (uint32_t)keys;
    }
    double literals = cpu_ns();
    for (size_t i = 0; i < asked; i++) {
        uint64_t number = i;
        wrong += string_index_may_have_key(r->index, hash_bytes(&number, sizeof number));
    }
    double filter = cpu_ns();
    printf("tail %.0f ns, literal %.0f ns, key filter %.1f ns with %.2f %% of absent keys taken for present\n",
           (tails - start) / (double)asked, (literals - tails) / (double)asked, (filter - literals) / (double)asked,
           100.0 * (double)wrong / (double)asked);
}

static void read_all(const char *directory)
{
    struct reading readings[SEGMENTS_MAX];
    for (size_t s = 0; s < segment_count; s++) {
        char path[4096];
        struct reading *r = &readings[s];
        index_path(directory, s, path);
        r->blocks = segment_blocks(s);
        r->keys = segment_begin(s + 1) - segment_begin(s);
        r->bitmap = calloc((r->blocks + 63) / 64, sizeof *r->bitmap);
        check(!r->bitmap, "memory");
        check(container_open(os_posix(), path, CONTAINER_INDEX, s + 1, 0, true, &r->container), "open");
        check(string_index_open(r->container, r->blocks, r->keys, &r->index), "open");
    }
    print_sizes(readings);
    for (size_t s = 0; s < segment_count; s++) {
        struct reading *r = &readings[s];
        double start = cpu_ns();
        bool grams = string_index_has_grams(r->index);
        printf("segment %zu: %u blocks, first use of grams (%s) %.2f ms\n", s, r->blocks, grams ? "there" : "missing",
               (cpu_ns() - start) / 1e6);
        measure_grams(r);
        measure_keys(r, s);
        check(string_index_verify(r->index), "verify");
        check(!string_index_is_good(r->index), "good");
        string_index_free(r->index);
        container_close(r->container);
        free(r->bitmap);
    }
}

int main(int argc, char **argv)
{
    char directory[2048];
    check(argc < 2, "usage: string_index FILE [segments = 3] [directory = /tmp]");
    segment_count = argc > 2 ? strtoull(argv[2], NULL, 10) : segment_count;
    (void)snprintf(directory, sizeof directory, "%s/nacre-bench-XXXXXX", argc > 3 ? argv[3] : "/tmp");
    check(segment_count < 1 || segment_count > SEGMENTS_MAX || !mkdtemp(directory), "arguments");
    load(argv[1]);
    check(line_count < segment_count, "too few lines");
    printf("%zu keys, %llu bytes, %zu segments\n", line_count, (unsigned long long)line_bytes, segment_count);
    for (int part = PARTS - 1; part >= ALL; part--) {
        uint64_t memory = 0;
        double ns = build((enum part)part, directory, &memory);
        printf("%-16s %8.0f ms %8.1f ns per key", part_names[part], ns / 1e6, ns / (double)line_count);
        if (part == ALL)
            printf(", memory of a builder %llu bytes", (unsigned long long)memory);
        printf("\n");
    }
    read_all(directory);
    for (size_t s = 0; s < segment_count; s++) {
        char path[4096];
        index_path(directory, s, path);
        (void)unlink(path);
    }
    printf("(%u)\n", sink);
    free(lines);
    return rmdir(directory) == 0 ? 0 : 1;
}
