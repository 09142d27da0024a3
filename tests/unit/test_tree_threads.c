/* Trees with many threads: merges side by side, compactions, flushes and readers at once. Meant for ThreadSanitizer too. */
#include "tree_fixture.h"
#include <pthread.h>

#define KEYS   3000u
#define ROUNDS 60u

struct shared {
    struct fixture f;
    _Atomic bool done;
    _Atomic unsigned units, reads;
    _Atomic uint64_t flushed_round;
    pthread_mutex_t lock; /* of `current` */
    struct version *current;
};

static void publish_shared(void *context, void *owner, struct version *version, struct memtable *flushed)
{
    struct shared *s = context;
    (void)owner, (void)flushed;
    pthread_mutex_lock(&s->lock);
    struct version *old = s->current;
    s->current = version;
    pthread_mutex_unlock(&s->lock);
    version_unref(old);
}

static struct version *hold_current(struct shared *s)
{
    pthread_mutex_lock(&s->lock);
    struct version *version = s->current;
    if (version) {
        version_ref(version);
    }
    pthread_mutex_unlock(&s->lock);
    return version;
}

static int no_snapshots(void *context, uint64_t **sequences, size_t *count)
{
    (void)context;
    *sequences = NULL;
    *count = 0;
    return NACRE_OK;
}

static __attribute__((noinline)) nacre_slice number_key(unsigned key, char room[32])
{
    return slice_of(room, (size_t)snprintf(room, 32, "key-%06u", key));
}

static void *merge_on(void *context)
{
    struct shared *s = context;
    while (!atomic_load(&s->done)) {
        bool worked = false;
        assert_int_equal(tree_work(s->f.tree, &worked), NACRE_OK);
        atomic_fetch_add(&s->units, worked);
        if (!worked) {
            clock_sleep_ns(100000);
        }
    }
    return NULL;
}

static void *compact_on(void *context)
{
    struct shared *s = context;
    for (unsigned i = 0; !atomic_load(&s->done); i++) {
        char begin[32], end[32];
        unsigned from = i * 611 % KEYS;
        nacre_slice first = number_key(from, begin), last = number_key(from + 400, end);
        assert_int_equal(
            tree_compact(s->f.tree, i % 5 ? first : (nacre_slice){ NULL, 0 }, i % 5 ? last : (nacre_slice){ NULL, 0 }),
            NACRE_OK);
        clock_sleep_ns(2000000);
    }
    return NULL;
}

/* Each round writes its number to all keys: what a version shows is one round's for all, at least the last that was flushed. */
static void *read_on(void *context)
{
    struct shared *s = context;
    while (!atomic_load(&s->done)) {
        uint64_t least = atomic_load(&s->flushed_round);
        struct version *v = hold_current(s);
        if (!v || least == 0) {
            version_unref(v);
            clock_sleep_ns(100000);
            continue;
        }
        struct cursor **children = NULL, *merged;
        size_t count = 0, capacity = 0;
        nacre_slice open = { NULL, 0 };
        assert_int_equal(version_cursors(v, open, open, open, &children, &count, &capacity), NACRE_OK);
        assert_int_equal(merge_cursor_create(children, count, &merged), NACRE_OK);
        uint64_t round = 0;
        cursor_first(merged);
        for (unsigned k = 0; k < KEYS; k++) {
            char room[32];
            nacre_slice key = number_key(k, room);
            uint64_t found;
            assert_true(merged->valid && slice_equal(merged->entry.key, key));
            assert_int_equal(merged->entry.value.size, sizeof found);
            memcpy(&found, merged->entry.value.data, sizeof found);
            round = k == 0 ? found : round;
            assert_int_equal(found, round);
            while (merged->valid && slice_equal(merged->entry.key, key)) {
                cursor_next(merged);
            }
            if (k % 50 == 0) {
                struct lookup lookup = { key, hash_bytes(key.data, key.size), SEQUENCE_MAX, NULL };
                struct entry entry;
                struct pin pin = { NULL, NULL };
                assert_int_equal(version_get(v, &lookup, 0, &entry, &pin), NACRE_OK);
                assert_memory_equal(entry.value.data, &round, sizeof round);
                pin_release(&pin);
            }
        }
        assert_true(round >= least);
        assert_int_equal(merged->status, NACRE_OK);
        cursor_close(merged);
        free(children);
        version_unref(v);
        atomic_fetch_add(&s->reads, 1);
    }
    return NULL;
}

static void *look_on(void *context)
{
    struct shared *s = context;
    while (!atomic_load(&s->done)) {
        struct tree_stats stats;
        tree_get_stats(s->f.tree, &stats);
        (void)tree_debt(s->f.tree);
        (void)tree_level0_runs(s->f.tree);
        (void)tree_wants_work(s->f.tree);
        assert_int_equal(tree_build_indexes(s->f.tree, true), NACRE_OK);
        struct version *v = tree_version(s->f.tree);
        fixture_check_dead(v);
        version_unref(v);
        clock_sleep_ns(500000);
    }
    return NULL;
}

static void flush_round(struct shared *s, uint64_t round)
{
    for (unsigned i = 0; i < KEYS; i++) {
        char room[32];
        unsigned key = (unsigned)((i * UINT64_C(7919)) % KEYS);
        struct entry entry = { .key = number_key(key, room),
                               .value = { &round, sizeof round },
                               .sequence = ++s->f.sequence,
                               .type = ENTRY_PUT };
        assert_int_equal(memtable_reserve(s->f.memtable, 1, 64), NACRE_OK);
        assert_int_equal(memtable_put(s->f.memtable, &entry), NACRE_OK);
    }
    assert_int_equal(fixture_flush(&s->f), NACRE_OK);
    atomic_store(&s->flushed_round, round);
}

static void run_everything(const struct kind *kind)
{
    static struct shared s;
    memset(&s, 0, sizeof s);
    pthread_t threads[6];
    void *(*const work[6])(void *) = { merge_on, merge_on, compact_on, read_on, read_on, look_on };
    fixture_open(&s.f, kind, 5);
    s.f.env.context = &s;
    s.f.env.publish = publish_shared;
    s.f.env.snapshots = no_snapshots;
    atomic_store(&s.f.tuning.async_index_build, true);
    atomic_store(&s.f.tuning.segment_bytes, 16 << 10);
    atomic_store(&s.f.tuning.level_base_bytes, 64 << 10);
    pthread_mutex_init(&s.lock, NULL);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work[i], &s), 0);
    }
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        flush_round(&s, round);
    }
    while (atomic_load(&s.reads) < 20) {
        clock_sleep_ns(1000000);
    }
    atomic_store(&s.done, true);
    for (unsigned i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
    }
    print_message("%u units, %u passes of readers\n", atomic_load(&s.units), atomic_load(&s.reads));
    fixture_settle(&s.f);
    version_unref(s.current);
    s.current = NULL;
    fixture_check_files(&s.f);
    fixture_verify(&s.f);
    pthread_mutex_destroy(&s.lock);
    fixture_close(&s.f);
}

static void readers_see_whole_rounds_while_everything_runs(void **unused)
{
    (void)unused;
    run_everything(&kind_ordered);
}

static void readers_see_whole_rounds_of_whole_runs_while_everything_runs(void **unused)
{
    (void)unused;
    run_everything(&kind_toy_runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_whole_rounds_of_whole_runs_while_everything_runs),
        cmocka_unit_test(readers_see_whole_rounds_while_everything_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
