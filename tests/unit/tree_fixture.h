/* What the tests of trees share: a collection on a disk in memory, without a store around it, and a model of its history. */
#ifndef NACRE_TESTS_TREE_FIXTURE_H
#define NACRE_TESTS_TREE_FIXTURE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#undef fail /* base/status.h has its own */
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "memtable/chunk_pool.h"
#include "ordered/ordered.h"
#include "segment/block_cache.h"
#include "support/os_memory.h"
#include "support/toy_kind.h"
#include "tree/merge_cursor.h"
#include "tree/tree.h"
#include "values/value_usage.h"

#define TREE_KEYS      90
#define TREE_SNAPSHOTS 8
#define TREE_EVENTS    60000

struct event { /* one write: newest last */
    uint64_t sequence, expiry_ms;
    unsigned begin, end; /* a range delete of [begin, end) when end > begin; else a write of key `begin` */
    bool put;
    uint32_t value;
};
struct fixture {
    nacre_os *os;
    const struct kind *kind;
    struct block_cache *cache;
    struct chunk_pool *chunks;
    struct segment_env segments;
    struct tree_tuning tuning;
    struct tree_env env;
    struct manifest *manifest;
    struct tree *tree;
    struct memtable *memtable;
    _Atomic bool stop;
    uint64_t sequence, flushed_sequence;
    uint64_t snapshots[TREE_SNAPSHOTS];
    size_t snapshot_count;
    struct event *events;
    size_t event_count;
    uint64_t seed;
    uint64_t flushes_published;
    struct value_file **held; /* what the memtable points to; NULL where values stay in segments */
    size_t held_count;
};

/* Where the values of the fixture in use lie; NULL: in segments. */
static struct value_log *fixture_values;

static _Atomic uint64_t fixture_now_ms;
static inline uint64_t fixture_clock(void)
{
    return atomic_load_explicit(&fixture_now_ms, memory_order_relaxed);
}

static inline uint64_t fixture_random(struct fixture *f, uint64_t bound)
{
    f->seed ^= f->seed << 13;
    f->seed ^= f->seed >> 7;
    f->seed ^= f->seed << 17;
    return (f->seed * UINT64_C(0x2545f4914f6cdd1d) >> 20) % bound;
}

/* Keys that hurt, in order: one long common prefix, prefixes of each other, zero bytes, 0xFF. */
static inline nacre_slice fixture_key(unsigned index)
{
    static char keys[TREE_KEYS + 1][64];
    static size_t sizes[TREE_KEYS + 1];
    if (sizes[1] == 0) {
        for (unsigned i = 0; i <= TREE_KEYS; i++) {
            char *at = keys[i];
            if (i < 30) {
                sizes[i] = (size_t)snprintf(at, sizeof keys[i], "%.*s", (int)i + 1, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
            } else if (i < 60) {
                sizes[i] = (size_t)snprintf(at, sizeof keys[i], "common-prefix-of-many-bytes-%02u", i);
                if (i % 3 == 0) {
                    at[sizes[i]++] = 0;
                }
            } else {
                memset(at, 0xFF, 10);
                at[10] = (char)(i - 60);
                sizes[i] = 11;
            }
        }
    }
    return slice_of(keys[index], sizes[index]);
}

static inline nacre_slice fixture_value(uint32_t value, char room[256])
{
    uint64_t state = value * UINT64_C(0x9e3779b97f4a7c15) + 1;
    size_t size = value % 7 == 0 ? 0 : 8 + value % 100;
    for (size_t i = 0; i < size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        room[i] = (char)(state >> 56);
    }
    if (size >= 4) {
        memcpy(room, &value, 4);
    }
    return slice_of(room, size);
}

/* ---- the collection ---- */

static inline int fixture_snapshots(void *context, uint64_t **sequences, size_t *count)
{
    struct fixture *f = context;
    *count = f->snapshot_count;
    *sequences = memory_alloc(sizeof f->snapshots);
    if (!*sequences) {
        return NACRE_NO_MEMORY;
    }
    memcpy(*sequences, f->snapshots, sizeof f->snapshots);
    return NACRE_OK;
}

static inline void fixture_publish(void *context, void *owner, struct version *version, struct memtable *flushed)
{
    struct fixture *f = owner;
    (void)context;
    f->flushes_published += flushed != NULL;
    version_unref(version);
}

static inline int fixture_load(struct fixture *f)
{
    struct manifest_state state;
    int status = manifest_copy_state(f->manifest, &state);
    if (status == NACRE_OK) {
        status = tree_create(&f->env, f->kind, f, &state.collections[0], &f->tree);
        manifest_state_free(&state);
    }
    return status;
}

static inline uint64_t fixture_next_id(void *context)
{
    return manifest_next_segment_id(((struct fixture *)context)->manifest);
}

static inline int fixture_open_values(struct fixture *f)
{
    struct value_log_options options = {
        .os = f->os, .directory = "/s/values", .file_bytes = 4096, .map = true, .next_id = fixture_next_id, .context = f
    };
    int status = value_log_open(&options, &fixture_values);
    f->segments.values = fixture_values;
    return status;
}

static inline void fixture_let_go(struct fixture *f)
{
    while (f->held_count > 0) {
        value_file_unref(f->held[--f->held_count]);
    }
}

static inline void fixture_close_values(struct fixture *f)
{
    fixture_let_go(f);
    value_log_close(fixture_values);
    fixture_values = f->segments.values = NULL;
}

static inline int fixture_reopen(struct fixture *f)
{
    tree_free(f->tree);
    fixture_close_values(f);
    manifest_close(f->manifest);
    f->tree = NULL;
    f->manifest = NULL;
    int status = manifest_open(f->os, "/s", false, NULL, &f->manifest);
    f->env.manifest = f->manifest;
    if (status == NACRE_OK) {
        struct manifest_state state;
        status = manifest_copy_state(f->manifest, &state);
        if (status == NACRE_OK) {
            status = manifest_commit(f->manifest,
                                     &(struct manifest_edit){ .has_opening = true, .opening = state.opening + 1 });
            manifest_state_free(&state);
        }
    }
    if (status == NACRE_OK && f->held) {
        status = fixture_open_values(f);
    }
    if (status == NACRE_OK) {
        status = fixture_load(f);
    }
    return status == NACRE_OK && f->held ? value_log_start(fixture_values) : status;
}

static inline void fixture_open(struct fixture *f, const struct kind *kind, uint64_t seed)
{
    memset(f, 0, sizeof *f);
    atomic_store(&fixture_now_ms, 1000000);
    clock_set_wall_ms(fixture_clock);
    f->seed = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    f->kind = kind;
    f->os = os_memory_create();
    assert_non_null(f->os);
    assert_int_equal(f->os->make_directory(f->os->context, "/s"), NACRE_OK);
    assert_int_equal(f->os->make_directory(f->os->context, "/s/manifest"), NACRE_OK);
    assert_int_equal(f->os->make_directory(f->os->context, "/s/segments"), NACRE_OK);
    assert_int_equal(f->os->sync_directory(f->os->context, "/"), NACRE_OK);
    assert_int_equal(f->os->sync_directory(f->os->context, "/s"), NACRE_OK);
    assert_int_equal(block_cache_create(1 << 20, &f->cache), NACRE_OK);
    assert_int_equal(chunk_pool_create(16 << 20, &f->chunks), NACRE_OK);
    f->segments = (struct segment_env){ .os = f->os, .directory = "/s/segments", .cache = f->cache, .map = true };
    atomic_init(&f->tuning.segment_bytes, 4096);
    atomic_init(&f->tuning.level_base_bytes, 8192);
    atomic_init(&f->tuning.level_ratio, 3);
    atomic_init(&f->tuning.level0_runs, 4);
    atomic_init(&f->tuning.tombstone_percent, 25);
    atomic_init(&f->tuning.tier_runs, 3);
    atomic_init(&f->tuning.runs_most, 6);
    atomic_init(&f->tuning.run_segment_bytes, 64 << 10);
    atomic_init(&f->tuning.block_bytes, 512);
    f->env = (struct tree_env){ .segments = &f->segments,
                                .tuning = &f->tuning,
                                .context = f,
                                .snapshots = fixture_snapshots,
                                .publish = fixture_publish,
                                .stop = &f->stop };
    f->events = calloc(TREE_EVENTS, sizeof *f->events);
    assert_non_null(f->events);
    assert_int_equal(manifest_create(f->os, "/s", &f->manifest), NACRE_OK);
    f->env.manifest = f->manifest;
    char name[] = "users";
    struct manifest_collection words = { .id = 1, .name = name, .kind = kind->code };
    assert_int_equal(manifest_commit(f->manifest, &(struct manifest_edit){ .has_opening = true, .opening = 1 }),
                     NACRE_OK);
    assert_int_equal(manifest_commit(f->manifest, &(struct manifest_edit){ .collection = 1, .create = &words }),
                     NACRE_OK);
    assert_int_equal(fixture_load(f), NACRE_OK);
    assert_int_equal(memtable_create(f->chunks, &(struct memtable_options){ .searched = false }, &f->memtable),
                     NACRE_OK);
}

/* As fixture_open, but values that are not empty go to a value log. */
static inline void fixture_open_with_values(struct fixture *f, const struct kind *kind, uint64_t seed)
{
    fixture_open(f, kind, seed);
    f->held = calloc(TREE_EVENTS, sizeof(struct value_file *));
    assert_non_null(f->held);
    assert_int_equal(f->os->make_directory(f->os->context, "/s/values"), NACRE_OK);
    assert_int_equal(f->os->sync_directory(f->os->context, "/s"), NACRE_OK);
    assert_int_equal(fixture_open_values(f), NACRE_OK);
    assert_int_equal(value_log_start(fixture_values), NACRE_OK);
}

static inline void fixture_close(struct fixture *f)
{
    tree_free(f->tree);
    fixture_close_values(f);
    free(f->held);
    manifest_close(f->manifest);
    memtable_unref(f->memtable);
    block_cache_free(f->cache);
    chunk_pool_free(f->chunks);
    os_memory_free(f->os);
    free(f->events);
    clock_set_wall_ms(NULL);
}

/* ---- writing ---- */

/* The value goes to the value log, if there is one and it takes it. */
static inline void fixture_move_out(struct fixture *f, struct entry *entry, uint8_t bytes[VALUE_POINTER_BYTES])
{
    struct value_pointer pointer;
    if (f->held && entry->value.size > 0 &&
        value_log_append(fixture_values, VALUE_STREAM_WRITES, 1, entry->key, entry->value, &pointer,
                         &f->held[f->held_count]) == NACRE_OK) {
        f->held_count++;
        value_pointer_encode(&pointer, bytes);
        entry->value = slice_of(bytes, VALUE_POINTER_BYTES);
        entry->type = ENTRY_POINTER;
    }
}

static inline void fixture_put(struct fixture *f, unsigned key, bool put, uint64_t expiry_ms)
{
    char room[256];
    uint32_t value = (uint32_t)f->event_count + 1;
    struct entry entry = { .key = fixture_key(key),
                           .sequence = ++f->sequence,
                           .type = put ? ENTRY_PUT : ENTRY_DELETE,
                           .value = put ? fixture_value(value, room) : (nacre_slice){ "", 0 },
                           .expiry_ms = put ? expiry_ms : 0 };
    uint8_t pointer[VALUE_POINTER_BYTES];
    fixture_move_out(f, &entry, pointer);
    assert_int_equal(memtable_reserve(f->memtable, 1, 512), NACRE_OK);
    assert_int_equal(memtable_put(f->memtable, &entry), NACRE_OK);
    assert_true(f->event_count < TREE_EVENTS);
    f->events[f->event_count++] = (struct event){ f->sequence, entry.expiry_ms, key, key, put, value };
}

static inline void fixture_delete_range(struct fixture *f, unsigned begin, unsigned end)
{
    struct range_delete range = { fixture_key(begin), end < TREE_KEYS ? fixture_key(end) : (nacre_slice){ "", 0 },
                                  ++f->sequence };
    assert_int_equal(memtable_delete_range(f->memtable, &range), NACRE_OK);
    f->events[f->event_count++] = (struct event){ .sequence = f->sequence, .begin = begin, .end = end };
}

static inline int fixture_flush(struct fixture *f)
{
    int status = tree_flush(f->tree, f->memtable, f->sequence);
    if (status == NACRE_OK) {
        f->flushed_sequence = f->sequence;
        fixture_let_go(f);
        memtable_unref(f->memtable);
        assert_int_equal(memtable_create(f->chunks, &(struct memtable_options){ .searched = false }, &f->memtable),
                         NACRE_OK);
    }
    return status;
}

/* ---- comparing ---- */

struct seen {
    bool live;
    uint32_t value;
    uint64_t sequence;
};

/* What a viewer of flushed data must see. */
static inline void model_at(const struct fixture *f, uint64_t viewer, struct seen seen[TREE_KEYS])
{
    memset(seen, 0, TREE_KEYS * sizeof *seen);
    for (size_t i = 0;
         i < f->event_count && f->events[i].sequence <= viewer && f->events[i].sequence <= f->flushed_sequence; i++) {
        const struct event *e = &f->events[i];
        for (unsigned k = e->begin; k < e->end; k++) {
            seen[k].live = false;
        }
        if (e->begin == e->end) {
            bool expired = e->expiry_ms && e->expiry_ms <= fixture_clock();
            seen[e->begin] = (struct seen){ e->put && !expired, e->value, e->sequence };
        }
    }
}

static inline bool same_value(const struct entry *found, uint32_t value)
{
    char room[256];
    struct value_pointer pointer;
    nacre_slice bytes = found->value;
    struct pin pin = { 0 };
    if (found->type == ENTRY_POINTER) {
        assert_true(value_pointer_decode(found->value, &pointer));
        assert_int_equal(value_log_read(fixture_values, &pointer, &bytes, &pin), NACRE_OK);
    }
    bool same = slice_equal(bytes, fixture_value(value, room));
    pin_release(&pin);
    return same;
}

static inline bool entry_is_live(const struct version *v, const struct entry *e, uint64_t viewer)
{
    return entry_sets(e) && !(e->expiry_ms && e->expiry_ms <= fixture_clock()) &&
           version_covering(v, e->key, viewer, NULL) < e->sequence;
}

static inline void check_gets(const struct version *v, uint64_t viewer, const struct seen seen[TREE_KEYS])
{
    for (unsigned k = 0; k < TREE_KEYS; k++) {
        nacre_slice key = fixture_key(k);
        struct lookup lookup = { key, hash_bytes(key.data, key.size), viewer, NULL };
        struct entry entry;
        struct pin pin = { NULL, NULL };
        version_prefetch(v, 0, &lookup);
        int status = version_get(v, &lookup, 0, &entry, &pin);
        bool live =
            status == NACRE_OK && entry_sets(&entry) && !(entry.expiry_ms && entry.expiry_ms <= fixture_clock());
        if ((status != NACRE_OK && status != NACRE_NOT_FOUND) || live != seen[k].live ||
            (live && !same_value(&entry, seen[k].value))) {
            print_error("get of key %u at %llu: status %d, live %d, expected live %d\n", k, (unsigned long long)viewer,
                        status, live, seen[k].live);
            assert_null("not the right value");
        }
        pin_release(&pin);
    }
}

/* One pass over [begin, end) forward or backward; every live key must come once, in order. */
static inline void check_scan(const struct version *v, uint64_t viewer, const struct seen seen[TREE_KEYS],
                              unsigned begin, unsigned end, bool reverse)
{
    struct cursor **children = NULL, *merged;
    size_t count = 0, capacity = 0;
    nacre_slice from = fixture_key(begin), to = end < TREE_KEYS ? fixture_key(end) : (nacre_slice){ NULL, 0 };
    assert_int_equal(version_cursors(v, from, to, (nacre_slice){ NULL, 0 }, &children, &count, &capacity), NACRE_OK);
    assert_int_equal(merge_cursor_create(children, count, &merged), NACRE_OK);
    bool got[TREE_KEYS] = { false }, decided[TREE_KEYS] = { false };
    if (reverse) {
        to.size ? cursor_seek_before(merged, to) : cursor_last(merged);
    } else {
        cursor_seek(merged, from);
    }
    struct entry last = { .sequence = 0 };
    char last_key[64];
    for (; merged->valid; reverse ? cursor_prev(merged) : cursor_next(merged)) {
        const struct entry *e = &merged->entry;
        if (last.sequence) {
            assert_true(reverse ? entry_compare(&last, e) > 0 : entry_compare(&last, e) < 0);
        }
        last = *e;
        memcpy(last_key, e->key.data, e->key.size);
        last.key = slice_of(last_key, e->key.size);
        unsigned k = 0;
        while (k < TREE_KEYS && !slice_equal(fixture_key(k), e->key)) {
            k++;
        }
        assert_true(k < TREE_KEYS);
        if (k < begin || k >= end) {
            break;
        }
        if (e->sequence > viewer) {
            continue;
        }
        if (!reverse && !decided[k]) {
            got[k] = entry_is_live(v, e, viewer) && same_value(e, seen[k].value);
            assert_true(!entry_is_live(v, e, viewer) || got[k]);
        } else if (reverse) { /* oldest first: the last one <= viewer counts */
            got[k] = entry_is_live(v, e, viewer);
            assert_true(!got[k] || e->sequence < seen[k].sequence || same_value(e, seen[k].value));
        }
        decided[k] = true;
    }
    assert_int_equal(merged->status, NACRE_OK);
    for (unsigned k = begin; k < end; k++) {
        if (got[k] != seen[k].live) {
            print_error("scan (reverse %d) of key %u at %llu: live %d, expected %d\n", reverse, k,
                        (unsigned long long)viewer, got[k], seen[k].live);
            assert_null("not the same keys");
        }
    }
    cursor_close(merged);
    free(children);
}

/* A run newer than runs[run] has a version of the key, or a range delete over it. */
static inline bool is_superseded(const struct version *v, size_t run, nacre_slice key)
{
    bool found = false;
    for (size_t r = 0; r < run && !found; r++) {
        for (size_t i = 0; i < v->runs[r].count && !found; i++) {
            struct cursor *cursor;
            const struct piece *piece = &v->runs[r].pieces[i];
            assert_int_equal(v->kind->cursor_create(piece->reader, &cursor), NACRE_OK);
            cursor_seek(cursor, key);
            found = (cursor->valid && slice_equal(cursor->entry.key, key)) ||
                    range_set_covering(piece->segment->ranges, key, SEQUENCE_MAX, NULL) > 0;
            cursor_close(cursor);
        }
    }
    return found;
}

/* Every row whose bitmap is known is dead if and only if a newer run supersedes it; lookups say the same. */
static inline void fixture_check_dead(const struct version *v)
{
    for (size_t r = 0; r < v->run_count && v->kind->find_dead; r++) {
        for (size_t i = 0; i < v->runs[r].count; i++) {
            const struct piece *piece = &v->runs[r].pieces[i];
            const struct dead_rows *dead;
            struct cursor *cursor;
            uint32_t row = 0;
            bool known = piece_dead_rows(piece, SEQUENCE_MAX, &dead);
            assert_true(known || r > 0);
            assert_int_equal(v->kind->cursor_create(piece->reader, &cursor), NACRE_OK);
            for (cursor_first(cursor); cursor->valid; cursor_next(cursor)) {
                const struct entry *e = &cursor->entry;
                bool expected = is_superseded(v, r, e->key), found;
                struct lookup lookup = { e->key, hash_bytes(e->key.data, e->key.size), SEQUENCE_MAX, NULL };
                assert_int_equal(version_newer_has(v, r, &lookup, e->sequence, &found), NACRE_OK);
                assert_int_equal(found, expected);
                if (entry_sets(e)) {
                    assert_int_equal(known && dead_rows_has(dead, row), known && expected);
                    row++;
                }
            }
            cursor_close(cursor);
        }
    }
}

/* Where a bitmap counts for a snapshot, what it calls dead the snapshot sees superseded. */
static inline void fixture_check_dead_at(const struct version *v, uint64_t viewer)
{
    for (size_t r = 0; r < v->run_count && v->kind->find_dead; r++) {
        for (size_t i = 0; i < v->runs[r].count; i++) {
            const struct piece *piece = &v->runs[r].pieces[i];
            const struct dead_rows *dead;
            struct cursor *cursor;
            uint32_t row = 0;
            if (!piece_dead_rows(piece, viewer, &dead)) {
                continue;
            }
            assert_int_equal(v->kind->cursor_create(piece->reader, &cursor), NACRE_OK);
            for (cursor_first(cursor); cursor->valid; cursor_next(cursor)) {
                bool newer;
                const struct entry *e = &cursor->entry;
                struct lookup lookup = { e->key, hash_bytes(e->key.data, e->key.size), viewer, NULL };
                assert_int_equal(version_newer_has(v, r, &lookup, e->sequence, &newer), NACRE_OK);
                assert_true(!entry_sets(e) || dead_rows_has(dead, row) == newer);
                row += entry_sets(e);
            }
            cursor_close(cursor);
        }
    }
}

static inline void fixture_check(struct fixture *f)
{
    struct seen seen[TREE_KEYS];
    struct version *v = tree_version(f->tree);
    fixture_check_dead(v);
    for (size_t s = 0; s <= f->snapshot_count; s++) {
        uint64_t viewer = s < f->snapshot_count ? f->snapshots[s] : SEQUENCE_MAX;
        model_at(f, viewer, seen);
        check_gets(v, viewer, seen);
        fixture_check_dead_at(v, viewer);
        unsigned begin = (unsigned)fixture_random(f, TREE_KEYS),
                 end = begin + 1 + (unsigned)fixture_random(f, TREE_KEYS - begin);
        check_scan(v, viewer, seen, 0, TREE_KEYS, false);
        check_scan(v, viewer, seen, 0, TREE_KEYS, true);
        check_scan(v, viewer, seen, begin, end, false);
        check_scan(v, viewer, seen, begin, end, true);
    }
    version_unref(v);
}

/* Every file is named by the version, and every named one is there. */
static inline void count_name(void *context, const char *name)
{
    *(size_t *)context += strstr(name, ".seg") != NULL;
}
static inline void fixture_check_files(struct fixture *f)
{
    size_t files = 0;
    struct version *v = tree_version(f->tree);
    assert_int_equal(f->os->list(f->os->context, "/s/segments", count_name, &files), NACRE_OK);
    assert_int_equal(files, v->segment_count);
    version_unref(v);
}

static inline void damage_found(void *context, int status, const char *detail)
{
    print_error("damage %d: %s\n", status, detail);
    *(bool *)context = true;
}

static inline void fixture_verify(struct fixture *f)
{
    bool damaged = false;
    uint64_t files = 0, bytes = 0, entries = 0;
    assert_int_equal(tree_verify(f->tree, damage_found, &damaged, &files, &bytes, &entries), NACRE_OK);
    assert_false(damaged);
}

/* Work until nothing is left; fails when it does not come to an end. */
static inline unsigned fixture_settle(struct fixture *f)
{
    unsigned units = 0;
    bool worked = true;
    while (worked) {
        assert_int_equal(tree_work(f->tree, &worked), NACRE_OK);
        units += worked;
        assert_true(units < 2000);
    }
    assert_false(tree_wants_work(f->tree));
    return units;
}
#endif
