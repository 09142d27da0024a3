/* The read and build paths of segments alone, beside LMDB on the same data: 16-byte random keys, 100-byte values that cannot be compressed, a run of
   disjoint segments. Every value that is read is checked. Prints nanoseconds per operation; both sides are measured in turn, `rounds` times, and the
   best of each is shown.

     segments [entries = 5000000] [segments = 10] [rounds = 3] [directory = /tmp]

   LMDB is loaded in key order (MDB_APPEND: its densest layout) and read in one transaction per 1000 operations. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "ordered/ordered.h"
#include "segment/block_cache.h"
#include "segment/segment.h"
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define VALUE_BYTES 100
#define OPERATIONS  1000000

struct item {
    uint64_t high, low, index; /* the key's two words, big-endian order */
};

static uint64_t entry_count = 5000000;
static size_t segment_count = 10;
static struct segment **segments;
static uint64_t *segment_heads;
static struct segment_env env;
static MDB_env *lmdb;
static MDB_dbi lmdb_table;

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

static void make_key(uint64_t index, uint8_t key[16])
{
    uint64_t words[2] = { __builtin_bswap64(mix(index * 2 + 1)),
                          __builtin_bswap64(mix(index * 2 + 0x8000000000000000u)) };
    memcpy(key, words, 16);
}

static void make_value(uint64_t index, uint8_t value[VALUE_BYTES + 8])
{
    for (uint64_t i = 0; i < VALUE_BYTES; i += 8) {
        uint64_t word = mix(index + i * 0x9e3779b97f4a7c15u);
        memcpy(value + i, &word, 8);
    }
}

static void check_value(uint64_t index, const void *value, size_t size)
{
    uint64_t first, last;
    memcpy(&first, value, 8);
    memcpy(&last, (const uint8_t *)value + 88, 8);
    if (size != VALUE_BYTES || first != mix(index) || last != mix(index + 88 * 0x9e3779b97f4a7c15u)) {
        check(1, "a wrong value");
    }
}

static int item_order(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->high != y->high) {
        return x->high < y->high ? -1 : 1;
    }
    return x->low < y->low ? -1 : x->low > y->low;
}

static struct item *make_items(void)
{
    struct item *items = malloc(entry_count * sizeof *items);
    check(items ? 0 : 1, "memory");
    for (uint64_t i = 0; i < entry_count; i++) {
        uint8_t key[16];
        make_key(i, key);
        items[i] = (struct item){ slice_head(slice_of(key, 8)), slice_head(slice_of(key + 8, 8)), i };
    }
    qsort(items, entry_count, sizeof *items, item_order);
    return items;
}

static uint64_t user_ns(void)
{
    struct rusage usage;
    check(getrusage(RUSAGE_THREAD, &usage), "getrusage");
    return (uint64_t)usage.ru_utime.tv_sec * 1000000000u + (uint64_t)usage.ru_utime.tv_usec * 1000u;
}

/* ---- building ---- */

#define CHUNK 65536

static void build_segments(const struct item *items)
{
    uint8_t *values = malloc((size_t)CHUNK * (VALUE_BYTES + 8));
    struct entry *entries = malloc(CHUNK * sizeof *entries);
    uint8_t(*keys)[16] = malloc(CHUNK * sizeof *keys);
    check(values && entries && keys ? 0 : 1, "memory");
    uint64_t add_ns = 0, finish_ns = 0, add_user_ns = 0, finish_user_ns = 0, bytes = 0, index_bytes = 0;
    segments = calloc(segment_count, sizeof *segments);
    segment_heads = calloc(segment_count, sizeof *segment_heads);
    check(segments && segment_heads ? 0 : 1, "memory");
    for (size_t s = 0; s < segment_count; s++) {
        uint64_t at = entry_count * s / segment_count, end = entry_count * (s + 1) / segment_count;
        struct segment_builder *builder;
        struct build_options options = { .block_bytes = 4096, .build_index = true, .expected_entries = end - at };
        check(segment_builder_create(&env, &kind_ordered, s + 1, &options, &builder), "create");
        segment_heads[s] = s ? items[at].high : 0;
        while (at < end) {
            size_t count = end - at < CHUNK ? end - at : CHUNK;
            for (size_t i = 0; i < count; i++, at++) {
                make_key(items[at].index, keys[i]);
                make_value(items[at].index, values + i * (VALUE_BYTES + 8));
                entries[i] = (struct entry){ { keys[i], 16 },     { values + i * (VALUE_BYTES + 8), VALUE_BYTES },
                                             1 + items[at].index, 0,
                                             ENTRY_PUT,           NULL };
            }
            uint64_t start = clock_monotonic_ns(), user = user_ns();
            for (size_t i = 0; i < count; i++) {
                check(segment_builder_add(builder, &entries[i]), "add");
            }
            add_ns += clock_monotonic_ns() - start;
            add_user_ns += user_ns() - user;
        }
        uint64_t start = clock_monotonic_ns(), user = user_ns();
        check(segment_builder_finish(builder, &segments[s]), "finish");
        finish_ns += clock_monotonic_ns() - start;
        finish_user_ns += user_ns() - user;
        bytes += segments[s]->properties.bytes;
        index_bytes += segment_index_bytes(segments[s]);
    }
    double n = (double)entry_count;
    printf("build, ns per entry: add %.1f (outside of the kernel %.1f), finish with index and sync %.1f (%.1f)\n",
           (double)add_ns / n, (double)add_user_ns / n, (double)finish_ns / n, (double)finish_user_ns / n);
    printf("bytes per entry of 116: segment %.2f, index %.2f\n", (double)bytes / n, (double)index_bytes / n);
    free(values);
    free(entries);
    free(keys);
}

static void build_lmdb(const struct item *items, const char *directory)
{
    MDB_txn *txn;
    check(mdb_env_create(&lmdb), "mdb_env_create");
    check(mdb_env_set_mapsize(lmdb, (size_t)4 << 30), "mdb_env_set_mapsize");
    check(mdb_env_open(lmdb, directory, MDB_NOSYNC | MDB_WRITEMAP | MDB_NORDAHEAD, 0600), "mdb_env_open");
    check(mdb_txn_begin(lmdb, NULL, 0, &txn), "mdb_txn_begin");
    check(mdb_dbi_open(txn, NULL, MDB_CREATE, &lmdb_table), "mdb_dbi_open");
    for (uint64_t i = 0; i < entry_count; i++) {
        uint8_t key[16], value[VALUE_BYTES + 8];
        make_key(items[i].index, key);
        make_value(items[i].index, value);
        MDB_val k = { 16, key }, v = { VALUE_BYTES, value };
        check(mdb_put(txn, lmdb_table, &k, &v, MDB_APPEND), "mdb_put");
    }
    check(mdb_txn_commit(txn), "mdb_txn_commit");
}

/* ---- reading ---- */

static struct segment *segment_for(uint64_t head)
{
    size_t s = 0;
    for (size_t i = 1; i < segment_count; i++) {
        s += segment_heads[i] <= head;
    }
    return segments[s];
}

struct work {
    int (*run)(struct work *);
    uint64_t seed, operations, first; /* keys of indexes [first, first + entry_count) */
    bool hit;
};

static int nacre_gets(struct work *w)
{
    for (uint64_t i = 0; i < w->operations; i++) {
        uint64_t index = w->first + mix(w->seed + i) % entry_count;
        uint8_t key[16];
        make_key(index, key);
        struct lookup lookup = { .key = { key, 16 }, .hash = hash_bytes(key, 16), .snapshot = UINT64_MAX };
        struct segment *s = segment_for(slice_head(lookup.key));
        struct entry entry;
        struct pin pin;
        int status = s->kind->get(s->reader, &lookup, &entry, &pin);
        if (w->hit) {
            check(status, "get");
            check_value(index, entry.value.data, entry.value.size);
        } else if (status != NACRE_NOT_FOUND) {
            check(1, "get of an absent key");
        }
    }
    return 0;
}

static int lmdb_gets(struct work *w)
{
    MDB_txn *txn;
    check(mdb_txn_begin(lmdb, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
    for (uint64_t i = 0; i < w->operations; i++) {
        if (i % 1000 == 999) {
            mdb_txn_reset(txn);
            check(mdb_txn_renew(txn), "mdb_txn_renew");
        }
        uint64_t index = w->first + mix(w->seed + i) % entry_count;
        uint8_t key[16];
        make_key(index, key);
        MDB_val k = { 16, key }, v = { 0, NULL };
        int status = mdb_get(txn, lmdb_table, &k, &v);
        if (w->hit) {
            check(status, "mdb_get");
            check_value(index, v.mv_data, v.mv_size);
        } else if (status != MDB_NOTFOUND) {
            check(1, "mdb_get of an absent key");
        }
    }
    mdb_txn_abort(txn);
    return 0;
}

static uint64_t word_at(const void *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, 8);
    return word;
}

static uint64_t sink;

/* seek and ten nexts; near the end of a segment the walk is cut short, on the other side too it stops at the end. */
static int nacre_seeks(struct work *w)
{
    struct cursor *cursors[64] = { NULL };
    uint64_t sum = 0;
    for (size_t s = 0; s < segment_count && s < 64; s++) {
        check(segments[s]->kind->cursor_create(segments[s]->reader, &cursors[s]), "cursor");
    }
    for (uint64_t i = 0; i < w->operations; i++) {
        uint64_t index = mix(w->seed + i) % entry_count;
        uint8_t key[16];
        make_key(index, key);
        uint64_t head = slice_head(slice_of(key, 16));
        size_t s = 0;
        for (size_t k = 1; k < segment_count; k++) {
            s += segment_heads[k] <= head;
        }
        struct cursor *c = cursors[s];
        cursor_seek(c, slice_of(key, 16));
        check(c->valid ? 0 : 1, "seek");
        check_value(index, c->entry.value.data, c->entry.value.size);
        for (int step = 0; step < w->hit * 10 && c->valid; step++) {
            sum += word_at(c->entry.value.data) + word_at(c->entry.key.data);
            cursor_next(c);
        }
    }
    for (size_t s = 0; s < segment_count && s < 64; s++) {
        cursor_close(cursors[s]);
    }
    sink += sum;
    return 0;
}

static int lmdb_seeks(struct work *w)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    uint64_t sum = 0;
    check(mdb_txn_begin(lmdb, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
    check(mdb_cursor_open(txn, lmdb_table, &cursor), "mdb_cursor_open");
    for (uint64_t i = 0; i < w->operations; i++) {
        uint64_t index = mix(w->seed + i) % entry_count;
        uint8_t key[16];
        make_key(index, key);
        MDB_val k = { 16, key }, v = { 0, NULL };
        int status = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        check(status, "mdb_cursor_get");
        check_value(index, v.mv_data, v.mv_size);
        for (int step = 0; step < w->hit * 10 && status == 0; step++) {
            sum += word_at(v.mv_data) + word_at(k.mv_data);
            status = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    sink += sum;
    return 0;
}

static int nacre_scan_all(struct work *w)
{
    uint64_t count = 0, sum = 0;
    for (size_t s = 0; s < segment_count; s++) {
        struct cursor *c;
        check(segments[s]->kind->cursor_create(segments[s]->reader, &c), "cursor");
        for (w->hit ? cursor_first(c) : cursor_last(c); c->valid; w->hit ? cursor_next(c) : cursor_prev(c)) {
            sum += word_at(c->entry.value.data) + word_at(c->entry.key.data);
            count++;
        }
        check(c->status, "scan");
        cursor_close(c);
    }
    check(count == entry_count ? 0 : 1, "count");
    sink += sum;
    return 0;
}

static int lmdb_scan_all(struct work *w)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val k, v;
    uint64_t count = 0, sum = 0;
    check(mdb_txn_begin(lmdb, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
    check(mdb_cursor_open(txn, lmdb_table, &cursor), "mdb_cursor_open");
    int status = mdb_cursor_get(cursor, &k, &v, w->hit ? MDB_FIRST : MDB_LAST);
    for (; status == 0; status = mdb_cursor_get(cursor, &k, &v, w->hit ? MDB_NEXT : MDB_PREV)) {
        sum += word_at(v.mv_data) + word_at(k.mv_data);
        count++;
    }
    check(count == entry_count ? 0 : 1, "count");
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    sink += sum;
    return 0;
}

static void *run_thread(void *work)
{
    struct work *w = work;
    w->run(w);
    return NULL;
}

/* Nanoseconds per operation, of all threads together. */
static double measure(int (*run)(struct work *), int threads, uint64_t operations, uint64_t first, bool hit)
{
    static uint64_t seed = 1;
    pthread_t handles[8];
    struct work work[8];
    uint64_t start = clock_monotonic_ns();
    for (int i = 0; i < threads; i++) {
        work[i] = (struct work){ run, seed += 1000000007, operations, first, hit };
        check(pthread_create(&handles[i], NULL, run_thread, &work[i]), "pthread_create");
    }
    for (int i = 0; i < threads; i++) {
        check(pthread_join(handles[i], NULL), "pthread_join");
    }
    return (double)(clock_monotonic_ns() - start) / (double)operations / threads;
}

struct line {
    const char *name;
    int (*nacre)(struct work *), (*lmdb)(struct work *);
    int threads;
    uint64_t operations;
    bool miss, flag;
    double best[2];
};

static void measure_all(int rounds)
{
    struct line lines[] = {
        { "get hit, 1 thread", nacre_gets, lmdb_gets, 1, OPERATIONS, false, true, { 0 } },
        { "get hit, 2 threads", nacre_gets, lmdb_gets, 2, OPERATIONS, false, true, { 0 } },
        { "get miss, 1 thread", nacre_gets, lmdb_gets, 1, OPERATIONS, true, false, { 0 } },
        { "seek", nacre_seeks, lmdb_seeks, 1, OPERATIONS, false, false, { 0 } },
        { "seek + 10 next", nacre_seeks, lmdb_seeks, 1, OPERATIONS, false, true, { 0 } },
        { "scan forward", nacre_scan_all, lmdb_scan_all, 1, entry_count, false, true, { 0 } },
        { "scan backward", nacre_scan_all, lmdb_scan_all, 1, entry_count, false, false, { 0 } },
    };
    size_t count = sizeof lines / sizeof lines[0];
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            struct line *l = &lines[i];
            for (int side = 0; side < 2; side++) {
                double ns =
                    measure(side ? l->lmdb : l->nacre, l->threads, l->operations, l->miss ? entry_count : 0, l->flag);
                l->best[side] = round && l->best[side] < ns ? l->best[side] : ns;
            }
        }
    }
    printf("%-20s %10s %10s %8s\n", "ns per operation", "nacre", "lmdb", "times");
    for (size_t i = 0; i < count; i++) {
        printf("%-20s %10.1f %10.1f %8.2f\n", lines[i].name, lines[i].best[0], lines[i].best[1],
               lines[i].best[1] / lines[i].best[0]);
    }
}

static void remove_file(void *directory, const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", (const char *)directory, name);
    (void)unlink(path);
}

int main(int argc, char **argv)
{
    char directory[2048];
    entry_count = argc > 1 ? strtoull(argv[1], NULL, 10) : entry_count;
    segment_count = argc > 2 ? strtoull(argv[2], NULL, 10) : segment_count;
    int rounds = argc > 3 ? atoi(argv[3]) : 3;
    (void)snprintf(directory, sizeof directory, "%s/nacre-bench-XXXXXX", argc > 4 ? argv[4] : "/tmp");
    check(mkdtemp(directory) && entry_count && segment_count && segment_count <= 64 && rounds > 0 ? 0 : 1, "arguments");
    env = (struct segment_env){ .os = os_posix(), .directory = directory, .map = true };
    check(block_cache_create(64 << 20, &env.cache), "cache");
    struct item *items = make_items();
    build_segments(items);
    build_lmdb(items, directory);
    free(items);
    measure_all(rounds);
    printf("(%llu)\n", (unsigned long long)sink);
    for (size_t s = 0; s < segment_count; s++) {
        segment_unref(segments[s]);
    }
    block_cache_free(env.cache);
    mdb_env_close(lmdb);
    check(os_posix()->list(NULL, directory, remove_file, directory), "list");
    return rmdir(directory) == 0 ? 0 : 1;
}
