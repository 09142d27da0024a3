/* One strings segment alone: made of the lines of a file, which are sorted by bytes, then read.

     string_segments FILE [rounds = 3] [directory = /tmp]

   Prints seconds of a build without a side file, bytes per key, and nanoseconds of processor time per operation: gets of present and of absent keys in
   random order, seeks, and scans in both directions; the best of `rounds`. Every key that is read is checked against the file. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/block_cache.h"
#include "segment/segment.h"
#include "strings/strings.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define OPERATIONS 1000000u

struct lines {
    char *text;
    size_t size;
    nacre_slice *items;
    size_t count;
};

static void check(int status, const char *what)
{
    if (status != 0) {
        (void)fprintf(stderr, "%s: %d: %s\n", what, status, fail_detail());
        exit(1);
    }
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void read_lines(const char *path, struct lines *lines)
{
    FILE *file = fopen(path, "rb");
    check(file && fseek(file, 0, SEEK_END) == 0 ? 0 : 1, path);
    lines->size = (size_t)ftell(file);
    rewind(file);
    lines->text = malloc(lines->size + 1);
    check(lines->text && fread(lines->text, 1, lines->size, file) == lines->size ? 0 : 1, path);
    check(fclose(file), path);
    size_t capacity = 0;
    for (char *at = lines->text, *end = at + lines->size; at < end;) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((newline ? newline : end) - at);
        if (lines->count == capacity) {
            capacity = capacity ? capacity * 2 : 1024;
            lines->items = realloc(lines->items, capacity * sizeof *lines->items);
            check(lines->items ? 0 : 1, "memory");
        }
        if (size > 0) {
            lines->items[lines->count++] = slice_of(at, size);
        }
        at += size + 1;
    }
    check(lines->count ? 0 : 1, "lines");
}

static struct segment *build(struct segment_env *env, const struct lines *lines, uint64_t id)
{
    struct segment_builder *builder = NULL;
    struct segment *segment = NULL;
    struct build_options options = { .block_bytes = 4096, .expected_entries = lines->count };
    uint64_t start = clock_monotonic_ns();
    check(segment_builder_create(env, &kind_strings, id, &options, &builder), "create");
    for (size_t i = 0; i < lines->count; i++) {
        struct entry e = {
            .key = lines->items[i], .value = { "", 0 }, .sequence = SEQUENCE_SETTLED, .type = ENTRY_PUT
        };
        check(segment_builder_add(builder, &e), "add");
    }
    double added = (double)(clock_monotonic_ns() - start) / 1e9;
    check(segment_builder_finish(builder, &segment), "finish");
    double seconds = (double)(clock_monotonic_ns() - start) / 1e9;
    printf("build: %zu keys of %.1f bytes, %.3f s (%.3f s up to the sync), %.0f MB/s of keys; %.2f bytes per key, %.3f "
           "of the file\n",
           lines->count, (double)lines->size / (double)lines->count, seconds, added,
           (double)lines->size / 1e6 / seconds, (double)segment->properties.bytes / (double)lines->count,
           (double)segment->properties.bytes / (double)lines->size);
    return segment;
}

static uint64_t sink;

/* What is measured is the processor's time: other programs may run beside it. */
static uint64_t processor_ns(void)
{
    struct timespec now;
    check(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), "clock");
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Keys in random order, one behind another, so that taking them costs nothing. */
struct probes {
    char *text;
    uint32_t *ends;
};

static struct probes make_probes(const struct lines *lines, uint64_t seed)
{
    struct probes p = { malloc((size_t)OPERATIONS * 4096), malloc(OPERATIONS * sizeof *p.ends) };
    uint32_t end = 0;
    check(p.text && p.ends ? 0 : 1, "memory");
    for (uint64_t i = 0; i < OPERATIONS; i++) {
        nacre_slice key = lines->items[mix(seed + i) % lines->count];
        size_t size = key.size < 4096 ? key.size : 4096;
        memcpy(p.text + end, key.data, size);
        p.ends[i] = end += (uint32_t)size;
    }
    return p;
}

static nacre_slice probe(const struct probes *p, uint64_t i)
{
    uint32_t begin = i ? p->ends[i - 1] : 0;
    return slice_of(p->text + begin, p->ends[i] - begin);
}

static void free_probes(struct probes *p)
{
    free(p->text);
    free(p->ends);
}

/* An absent key is one byte short of one that is there: it leads to the same block. */
static double get(struct segment *s, const struct probes *probes, bool present)
{
    uint64_t start = processor_ns();
    for (uint64_t i = 0; i < OPERATIONS; i++) {
        nacre_slice key = probe(probes, i);
        key.size -= !present;
        struct lookup lookup = { key, hash_bytes(key.data, key.size), UINT64_MAX, NULL };
        struct entry e = { 0 };
        struct pin pin;
        int status = s->kind->get(s->reader, &lookup, &e, &pin);
        check(present ? status : status == NACRE_NOT_FOUND ? 0 : status, "get");
        sink += e.sequence;
        pin_release(&pin);
    }
    return (double)(processor_ns() - start) / OPERATIONS;
}

static double seek(struct segment *s, const struct probes *probes)
{
    struct cursor *c = NULL;
    check(s->kind->cursor_create(s->reader, &c), "cursor");
    uint64_t start = processor_ns();
    for (uint64_t i = 0; i < OPERATIONS; i++) {
        nacre_slice key = probe(probes, i);
        cursor_seek(c, key);
        check(c->valid && slice_equal(c->entry.key, key) ? 0 : 1, "seek");
    }
    double ns = (double)(processor_ns() - start) / OPERATIONS;
    cursor_close(c);
    return ns;
}

static double scan(struct segment *s, const struct lines *lines, bool forward)
{
    struct cursor *c = NULL;
    size_t count = 0;
    uint64_t sum = 0;
    check(s->kind->cursor_create(s->reader, &c), "cursor");
    uint64_t start = processor_ns();
    for (forward ? cursor_first(c) : cursor_last(c); c->valid; forward ? cursor_next(c) : cursor_prev(c)) {
        sum += c->entry.key.size + ((const uint8_t *)c->entry.key.data)[c->entry.key.size - 1];
        count++;
    }
    double ns = (double)(processor_ns() - start) / (double)count;
    check(c->status, "scan");
    check(count == lines->count ? 0 : 1, "count");
    cursor_close(c);
    sink += sum;
    return ns;
}

static void check_keys(struct segment *s, const struct lines *lines)
{
    struct cursor *c = NULL;
    size_t i = 0;
    check(s->kind->cursor_create(s->reader, &c), "cursor");
    for (cursor_first(c); c->valid; cursor_next(c), i++) {
        check(slice_equal(c->entry.key, lines->items[i]) ? 0 : 1, "a wrong key");
    }
    for (cursor_last(c); c->valid; cursor_prev(c)) {
        check(slice_equal(c->entry.key, lines->items[--i]) ? 0 : 1, "a wrong key");
    }
    check(i == 0 ? c->status : 1, "keys");
    cursor_close(c);
}

static void remove_file(void *directory, const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", (const char *)directory, name);
    (void)unlink(path);
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "get, present", "get, absent", "seek", "scan forward", "scan backward" };
    struct lines lines = { 0 };
    char directory[2048];
    double best[5] = { 0 };
    check(argc > 1 ? 0 : 1, "the file is missing");
    int rounds = argc > 2 ? atoi(argv[2]) : 3;
    (void)snprintf(directory, sizeof directory, "%s/nacre-bench-XXXXXX", argc > 3 ? argv[3] : "/tmp");
    check(mkdtemp(directory) && rounds > 0 ? 0 : 1, "arguments");
    struct segment_env env = { .os = os_posix(), .directory = directory, .map = true };
    check(block_cache_create(64 << 20, &env.cache), "cache");
    read_lines(argv[1], &lines);
    struct segment *segment = NULL;
    for (int round = 0; round < rounds; round++) {
        if (segment) {
            segment_mark_obsolete(segment);
            segment_unref(segment);
        }
        segment = build(&env, &lines, (uint64_t)round + 1);
    }
    check_keys(segment, &lines);
    for (int round = 0; round < rounds; round++) {
        struct probes probes = make_probes(&lines, (uint64_t)round * 1000000007);
        const double ns[] = { get(segment, &probes, true), get(segment, &probes, false), seek(segment, &probes),
                              scan(segment, &lines, true), scan(segment, &lines, false) };
        free_probes(&probes);
        for (int i = 0; i < 5; i++) {
            best[i] = round && best[i] < ns[i] ? best[i] : ns[i];
        }
    }
    for (int i = 0; i < 5; i++) {
        printf("%-14s %8.1f ns\n", names[i], best[i]);
    }
    printf("(%llu)\n", (unsigned long long)sink);
    segment_unref(segment);
    block_cache_free(env.cache);
    free(lines.items);
    free(lines.text);
    check(os_posix()->list(NULL, directory, remove_file, directory), "list");
    return rmdir(directory) == 0 ? 0 : 1;
}
