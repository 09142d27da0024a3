/* What flushes and merges of one collection cost, without a store around it: entries per second, write amplification, and how lean a lookup
   through a version is. Usage: bench_merges [random|sequential|overwrite] [million entries] [memtable MiB] */
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "memtable/chunk_pool.h"
#include "ordered/ordered.h"
#include "segment/block_cache.h"
#include "tree/merge_cursor.h"
#include "tree/tree.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct bench {
    char directory[64], segments_path[80];
    struct segment_env segments;
    struct tree_tuning tuning;
    struct tree_env env;
    struct manifest *manifest;
    struct tree *tree;
    struct chunk_pool *chunks;
    struct memtable *memtable;
    _Atomic bool stop;
    uint64_t sequence, entries, flush_ns, merge_ns, flushed_entries, user_bytes;
};

static void must(int status, const char *what)
{
    if (status != NACRE_OK) {
        (void)fprintf(stderr, "%s: %s: %s\n", what, nacre_status_name(status), nacre_last_error());
        exit(1);
    }
}

static int no_snapshots(void *context, uint64_t **sequences, size_t *count)
{
    (void)context;
    *sequences = NULL;
    *count = 0;
    return NACRE_OK;
}

static void publish(void *context, void *owner, struct version *version, struct memtable *flushed)
{
    (void)context, (void)owner, (void)flushed;
    version_unref(version);
}

static void set_up(struct bench *b)
{
    const nacre_os *os = os_posix();
    memset(b, 0, sizeof *b);
    (void)snprintf(b->directory, sizeof b->directory, "/tmp/nacre-merges-XXXXXX");
    if (!mkdtemp(b->directory)) {
        exit(1);
    }
    (void)snprintf(b->segments_path, sizeof b->segments_path, "%s/segments", b->directory);
    must(os->make_directory(os->context, b->segments_path), "segments");
    char path[96];
    (void)snprintf(path, sizeof path, "%s/manifest", b->directory);
    must(os->make_directory(os->context, path), "manifest");
    b->segments = (struct segment_env){ .os = os, .directory = b->segments_path, .map = true };
    must(block_cache_create(64 << 20, &b->segments.cache), "cache");
    must(chunk_pool_create(256 << 20, &b->chunks), "chunks");
    atomic_init(&b->tuning.segment_bytes, 64u << 20);
    atomic_init(&b->tuning.level_base_bytes, 512u << 20);
    atomic_init(&b->tuning.level_ratio, 8);
    atomic_init(&b->tuning.level0_runs, 6);
    atomic_init(&b->tuning.tombstone_percent, 25);
    atomic_init(&b->tuning.block_bytes, 4096);
    must(manifest_create(os, b->directory, &b->manifest), "manifest");
    char name[] = "bench";
    struct manifest_collection words = { .id = 1, .name = name, .kind = kind_ordered.code };
    must(manifest_commit(b->manifest, &(struct manifest_edit){ .has_opening = true, .opening = 1 }), "commit");
    must(manifest_commit(b->manifest, &(struct manifest_edit){ .collection = 1, .create = &words }), "commit");
    b->env = (struct tree_env){ .segments = &b->segments,
                                .manifest = b->manifest,
                                .tuning = &b->tuning,
                                .snapshots = no_snapshots,
                                .publish = publish,
                                .stop = &b->stop };
    must(tree_create(&b->env, &kind_ordered, b, &words, &b->tree), "tree");
    must(memtable_create(b->chunks, &(struct memtable_options){ .searched = false }, &b->memtable), "memtable");
}

static void remove_name(void *context, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", (const char *)context, name);
    (void)unlink(path);
}

static void tear_down(struct bench *b)
{
    const nacre_os *os = os_posix();
    char path[96];
    tree_free(b->tree);
    manifest_close(b->manifest);
    memtable_unref(b->memtable);
    block_cache_free(b->segments.cache);
    chunk_pool_free(b->chunks);
    (void)os->list(os->context, b->segments_path, remove_name, b->segments_path);
    (void)rmdir(b->segments_path);
    (void)snprintf(path, sizeof path, "%s/manifest", b->directory);
    (void)os->list(os->context, path, remove_name, path);
    (void)rmdir(path);
    (void)snprintf(path, sizeof path, "%s/CURRENT", b->directory);
    (void)unlink(path);
    (void)rmdir(b->directory);
}

/* CPU time: the machine is shared. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void flush(struct bench *b)
{
    uint64_t begin = cpu_ns();
    b->flushed_entries += memtable_entries(b->memtable);
    must(tree_flush(b->tree, b->memtable, 0), "flush");
    b->flush_ns += cpu_ns() - begin;
    memtable_unref(b->memtable);
    must(memtable_create(b->chunks, &(struct memtable_options){ .searched = false }, &b->memtable), "memtable");
    begin = cpu_ns();
    for (bool worked = tree_wants_work(b->tree); worked;) {
        must(tree_work(b->tree, &worked), "work");
    }
    b->merge_ns += cpu_ns() - begin;
}

static uint64_t scramble(uint64_t i)
{
    i = (i ^ (i >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    i = (i ^ (i >> 27)) * UINT64_C(0x94d049bb133111eb);
    return i ^ (i >> 31);
}

static void make_key(uint64_t i, bool random, char key[17])
{
    (void)snprintf(key, 17, "%016llx", (unsigned long long)(random ? scramble(i) : i));
}

static void put(struct bench *b, uint64_t i, bool random)
{
    char key[17];
    uint64_t value[13];
    make_key(i, random, key);
    for (size_t k = 0; k < 13; k++) {
        value[k] = k < 7 ? scramble(b->sequence * 13 + k) : 0;
    }
    struct entry entry = {
        .key = slice_of(key, 16), .value = slice_of(value, 100), .sequence = ++b->sequence, .type = ENTRY_PUT
    };
    must(memtable_reserve(b->memtable, 1, 116), "reserve");
    must(memtable_put(b->memtable, &entry), "put");
    b->user_bytes += 116;
}

static void show_levels(struct bench *b)
{
    struct tree_stats s;
    tree_get_stats(b->tree, &s);
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        if (s.level_runs[level]) {
            printf("  level %u: %llu runs, %llu segments, %.1f MB\n", level, (unsigned long long)s.level_runs[level],
                   (unsigned long long)s.level_segments[level], (double)s.level_bytes[level] / 1e6);
        }
    }
    printf("flushes %llu, merges %llu, moves %llu, drops %llu; write amplification %.2f (of key and value bytes)\n",
           (unsigned long long)s.flushes, (unsigned long long)s.merges, (unsigned long long)s.moves,
           (unsigned long long)s.drops, (double)(s.bytes_flushed + s.bytes_merged_written) / (double)b->user_bytes);
    double merged = (double)s.bytes_merged_read / 130.0;
    printf("flush %.2f M entries per CPU second; merge about %.2f M\n",
           (double)b->flushed_entries * 1e3 / (double)b->flush_ns,
           b->merge_ns ? merged * 1e3 / (double)b->merge_ns : 0.0);
}

static void read_back(struct bench *b, uint64_t distinct, bool random)
{
    struct version *v = tree_version(b->tree);
    uint64_t found = 0, begin = cpu_ns(), gets = 400000;
    for (uint64_t i = 0; i < gets; i++) {
        char key[17];
        struct entry entry;
        struct pin pin = { NULL, NULL };
        make_key(scramble(i) % distinct, random, key);
        struct lookup lookup = { slice_of(key, 16), hash_bytes(key, 16), SEQUENCE_MAX, NULL };
        found += version_get(v, &lookup, 0, &entry, &pin) == NACRE_OK;
    }
    uint64_t ns = cpu_ns() - begin;
    printf("get %.0f ns (%llu of %llu found) through %zu runs\n", (double)ns / (double)gets, (unsigned long long)found,
           (unsigned long long)gets, v->run_count);
    struct cursor **children = NULL, *merged;
    size_t count = 0, capacity = 0;
    uint64_t steps = 0;
    must(version_cursors(v, (nacre_slice){ 0 }, (nacre_slice){ 0 }, (nacre_slice){ 0 }, &children, &count, &capacity),
         "cursors");
    must(merge_cursor_create(children, count, &merged), "merge");
    begin = cpu_ns();
    for (cursor_first(merged); merged->valid; cursor_next(merged)) {
        steps++;
    }
    ns = cpu_ns() - begin;
    printf("scan %.1f ns per entry, %llu entries, %zu children\n", (double)ns / (double)(steps ? steps : 1),
           (unsigned long long)steps, count);
    cursor_close(merged);
    memory_free(children);
    version_unref(v);
}

int main(int argc, char **argv)
{
    static struct bench b;
    const char *mode = argc > 1 ? argv[1] : "random";
    uint64_t total = (argc > 2 ? strtoull(argv[2], NULL, 10) : 5) * 1000000;
    uint64_t memtable = (argc > 3 ? strtoull(argv[3], NULL, 10) : 64) << 20;
    bool random = strcmp(mode, "sequential") != 0, overwrite = strcmp(mode, "overwrite") == 0;
    uint64_t distinct = overwrite ? total / 3 + 1 : total;
    set_up(&b);
    for (uint64_t i = 0; i < total; i++) {
        put(&b, overwrite ? scramble(i) % distinct : i, random);
        if (memtable_bytes(b.memtable) >= memtable) {
            flush(&b);
        }
    }
    flush(&b);
    printf("%s, %llu entries, memtables of %llu MiB\n", mode, (unsigned long long)total,
           (unsigned long long)(memtable >> 20));
    show_levels(&b);
    read_back(&b, distinct, random);
    uint64_t begin = cpu_ns();
    must(tree_compact(b.tree, (nacre_slice){ 0 }, (nacre_slice){ 0 }), "compact");
    printf("compacted in %.2f CPU seconds\n", (double)(cpu_ns() - begin) / 1e9);
    show_levels(&b);
    read_back(&b, distinct, random);
    tear_down(&b);
    return 0;
}
