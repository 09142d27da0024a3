/* The autotuner: memory goes where it saves time, and back; what the user set stays; an idle store decides nothing. */
#include "base/clock.h"
#include "store/autotune.h"
#include "support/store_fixture.h"
#include <pthread.h>
#include <stdatomic.h>

#define BUDGET      (UINT64_C(32) << 20)
#define CACHE_LEAST (UINT64_C(8) << 20)
#define KEYS        100000u /* more than any cache of the budget holds */

static uint64_t seed = 88172645463325252u;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int setup(void **state)
{
    int result = fixture_setup(state);
    struct fixture *f = *state;
    fixture_close(f);
    f->options.memory_budget = BUDGET;
    fixture_open(f);
    assert_ok(nacre_set_autotune(f->store, true));
    assert_ok(nacre_tune(f->store, NACRE_TUNING_COMPRESSION_TOP, "2"));
    assert_ok(nacre_tune(f->store, NACRE_TUNING_COMPRESSION_MIDDLE, "2"));
    return result;
}

static void put_some(struct fixture *f, unsigned count)
{
    char key[24], value[241];
    memset(value, '-', sizeof value);
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%08llu", (unsigned long long)(draw() % KEYS));
        for (unsigned at = 0; at + 20 < sizeof value; at += 20) {
            snprintf(value + at, 9, "%08x", (unsigned)draw());
        }
        assert_ok(nacre_put(f->collection, text(key), (nacre_slice){ value, 240 }, NULL));
    }
}

/* Each key once: what reads go to does not hang on how long the writes took. */
static void put_all(struct fixture *f)
{
    char key[24], value[241];
    memset(value, '-', sizeof value);
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "%08u", i);
        for (unsigned at = 0; at + 20 < sizeof value; at += 20) {
            snprintf(value + at, 9, "%08x", (unsigned)draw());
        }
        assert_ok(nacre_put(f->collection, text(key), (nacre_slice){ value, 240 }, NULL));
    }
}

static void get_some(struct fixture *f, unsigned count)
{
    char key[24];
    nacre_value value;
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%08llu", (unsigned long long)(draw() % KEYS));
        int status = nacre_get(f->collection, text(key), NULL, &value);
        assert_true(status == NACRE_OK || status == NACRE_NOT_FOUND);
        nacre_value_release(&value);
    }
}

static uint64_t figure(struct fixture *f, const char *name)
{
    char *json, key[64];
    assert_ok(nacre_stats(f->store, &json));
    const char *at = strstr(json, "\"autotune\":");
    assert_non_null(at);
    snprintf(key, sizeof key, "\"%s\":", name);
    at = strstr(at, key);
    assert_non_null(at);
    uint64_t value = strtoull(at + strlen(key), NULL, 10);
    nacre_free(json);
    return value;
}

/* Figures of one instant: none was moved while they were read. */
static void check_bounds(struct fixture *f)
{
    uint64_t decided, cache, tables, most, bytes;
    do {
        decided = figure(f, "decided");
        cache = figure(f, "cache_share");
        tables = figure(f, "memtable_share");
        bytes = block_cache_bytes(f->store->cache);
        most = atomic_load(&f->store->limits.cache_bytes);
    } while (figure(f, "decided") != decided || figure(f, "cache_share") != cache ||
             figure(f, "memtable_share") != tables);
    assert_true(cache + tables <= BUDGET);
    assert_true(cache >= BUDGET / 8 && tables >= BUDGET / 8);
    assert_true(most <= cache);
    assert_true(bytes <= BUDGET - BUDGET / 8 + (1 << 20));
    uint64_t runs = figure(f, "level0_runs");
    assert_true(runs >= 3 && runs <= 12);
}

/* Until the cache's share is over (under) the bytes; the work is done again and again. */
static void work_until(struct fixture *f, void (*work)(struct fixture *, unsigned), bool over, uint64_t bytes)
{
    for (unsigned i = 0; (over ? figure(f, "cache_share") <= bytes : figure(f, "cache_share") >= bytes); i++) {
        assert_true(i < 4000); /* what it takes depends on what the machine measures */
        work(f, 5000);
        check_bounds(f);
    }
}

/* ---- decided by what was measured ---- */

static const struct autotune_seen reading = { .hits = 80000,
                                              .misses = 40000,
                                              .near = 8000,
                                              .loads = 1000,
                                              .load_ns = 20000000,
                                              .get_ns = 400000000,
                                              .reads = 120000 };
static const struct autotune_seen reading_what_fits = {
    .hits = 120000, .loads = 1000, .load_ns = 20000000, .get_ns = 400000000, .reads = 120000
};
static const struct autotune_seen writing = {
    .merge_ns = 900000000, .merges = 10, .flushes = 20, .stall_ns = 100000000, .commit_bytes = 50000000
};

/* So many windows of half a second each. */
static void drive(struct fixture *f, const struct autotune_seen *seen, bool cache_is_full, unsigned windows)
{
    for (unsigned i = 0; i < windows; i++) {
        autotune_drive(f->store, seen, 500000000, cache_is_full);
        check_bounds(f);
    }
}

static void memory_goes_to_what_needs_it_and_back(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(figure(f, "cache_share"), BUDGET / 2);
    for (unsigned round = 0; round < 3; round++) {
        drive(f, &writing, true, 40); /* the sums fade, and a way back waits for 8 windows */
        assert_int_equal(figure(f, "cache_share"), CACHE_LEAST);
        assert_int_equal(figure(f, "memtable_share"), BUDGET - CACHE_LEAST);
        drive(f, &reading, true, 40);
        assert_int_equal(figure(f, "cache_share"), BUDGET - BUDGET / 8);
        assert_int_equal(figure(f, "memtable_share"), BUDGET / 8);
    }
}

static void one_step_at_a_time_and_the_other_way_only_later(void **state)
{
    struct fixture *f = *state;
    drive(f, &writing, true, 1);
    assert_int_equal(figure(f, "cache_share"), BUDGET / 2 - BUDGET / 16);
    drive(f, &reading, true, 8); /* in sums half of which is the writes': too early */
    assert_int_equal(figure(f, "cache_share"), BUDGET / 2 - BUDGET / 16);
    drive(f, &reading, true, 1);
    assert_int_equal(figure(f, "cache_share"), BUDGET / 2);
}

static void nothing_moves_that_would_save_nothing(void **state)
{
    struct fixture *f = *state;
    drive(f, &reading_what_fits, true, 20);
    assert_int_equal(figure(f, "cache_share"), BUDGET / 2);
}

/* The cache itself gets what its share says, once the memtables have given it back; what that is for: its hits. */
static void what_is_moved_to_the_cache_is_the_caches(void **state)
{
    struct fixture *f = *state;
    put_all(f);
    drive(f, &writing, true, 40);
    put_all(f); /* into memtables of their new size */
    drive(f, &reading, true, 40);
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_reclaim(f->store));
    budget_apply(f->store);
    get_some(f, 300000);
    uint64_t most = atomic_load(&f->store->limits.cache_bytes), bytes = block_cache_bytes(f->store->cache);
    assert_true(most > BUDGET / 2 + BUDGET / 16);
    assert_true(bytes > BUDGET / 2 && bytes <= most);
}

/* ---- on what the store measures itself ---- */

static void decisions_are_shown_with_their_reasons(void **state)
{
    struct fixture *f = *state;
    char *json;
    work_until(f, put_some, false, BUDGET / 2);
    assert_ok(nacre_stats(f->store, &json));
    assert_non_null(strstr(json, "\"autotune\":{\"enabled\":true"));
    const char *at = strstr(json, "\"parameter\":\"cache_bytes\",\"from\":16777216,\"to\":14680064,\"reason\":\"");
    assert_non_null(at);
    assert_non_null(strstr(at, "merges"));
    nacre_free(json);
    assert_ok(nacre_tuning(f->store, &json));
    assert_non_null(strstr(json, "\"wrong_when\":\""));
    nacre_free(json);
}

static void what_the_user_set_stays(void **state)
{
    struct fixture *f = *state;
    static const char *const sets[] = { NACRE_TUNING_CACHE_BYTES, NACRE_TUNING_SEAL_BYTES };
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(nacre_tune(f->store, sets[i], "4194304"));
        assert_ok(nacre_tune(f->store, NACRE_TUNING_LEVEL0_RUNS, "4"));
        uint64_t cache = figure(f, "cache_share"), seal = figure(f, "seal_bytes"), decided = figure(f, "decided");
        put_some(f, 120000);
        assert_ok(nacre_flush(f->collection));
        get_some(f, 60000);
        assert_true(figure(f, "windows") > 0);
        assert_int_equal(figure(f, "decided"), decided);
        assert_int_equal(figure(f, "cache_share"), cache);
        assert_int_equal(figure(f, "seal_bytes"), seal);
        assert_int_equal(figure(f, "level0_runs"), 4);
        assert_ok(nacre_tune(f->store, sets[i], "default"));
    }
}

/* All that it would do is asked for, in a store that was opened anew with what was set before. */
static void what_the_user_set_stays_after_an_opening(void **state)
{
    struct fixture *f = *state;
    static const char *const sets[] = { NACRE_TUNING_CACHE_BYTES, NACRE_TUNING_SEAL_BYTES };
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(nacre_tune(f->store, sets[i], "4194304"));
        assert_ok(nacre_tune(f->store, NACRE_TUNING_LEVEL0_RUNS, "4"));
        fixture_reopen(f);
        uint64_t cache = figure(f, "cache_share"), seal = figure(f, "seal_bytes");
        for (unsigned way = 0; way < 4; way++) {
            for (unsigned window = 0; window < 20; window++) {
                autotune_drive(f->store, way % 2 ? &reading : &writing, 500000000, true);
            }
        }
        assert_true(figure(f, "windows") >= 80);
        assert_int_equal(figure(f, "decided"), 0);
        assert_int_equal(figure(f, "cache_share"), cache);
        assert_int_equal(figure(f, "seal_bytes"), seal);
        assert_int_equal(figure(f, "level0_runs"), 4);
        assert_ok(nacre_tune(f->store, sets[i], "default"));
        assert_ok(nacre_tune(f->store, NACRE_TUNING_LEVEL0_RUNS, "default"));
    }
    drive(f, &writing, true, 20);
    assert_true(figure(f, "decided") > 0);
}

static void off_and_set_values_take_choices_back(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 2; i++) {
        work_until(f, put_some, false, BUDGET / 2);
        assert_ok(i ? nacre_set_autotune(f->store, false) : nacre_tune(f->store, NACRE_TUNING_SEAL_BYTES, "4194304"));
        uint64_t decided = figure(f, "decided");
        assert_ok(nacre_flush(f->collection));
        get_some(f, 20000); /* the cache has grown into what memtables gave back, or was not to */
        assert_ok(nacre_flush(f->collection));
        assert_int_equal(figure(f, "memtable_share"), BUDGET / 2);
        if (i) {
            assert_int_equal(figure(f, "seal_bytes"), BUDGET / 8);
            assert_int_equal(figure(f, "level0_runs"), 6);
            put_some(f, 60000);
            assert_int_equal(figure(f, "decided"), decided);
        }
        assert_ok(nacre_tune(f->store, NACRE_TUNING_SEAL_BYTES, "default"));
    }
    fixture_reopen(f);
    assert_int_equal(figure(f, "cache_share"), BUDGET / 2);
}

static void an_idle_store_decides_nothing(void **state)
{
    struct fixture *f = *state;
    put_some(f, 60000);
    assert_ok(nacre_flush(f->collection));
    clock_sleep_ns(300000000);
    for (unsigned i = 0; i < 50 && figure(f, "windows") == 0; i++) {
        clock_sleep_ns(20000000);
    }
    uint64_t windows = figure(f, "windows");
    for (unsigned i = 0; i < 20; i++) { /* what ran still has ended before long */
        clock_sleep_ns(50000000);
        uint64_t now = figure(f, "windows");
        i = now == windows ? i : 0;
        windows = now;
    }
    clock_sleep_ns(1000000000);
    assert_int_equal(figure(f, "windows"), windows);
}

struct crowd {
    struct fixture *f;
    atomic_bool stop;
};

static void *read_on(void *context)
{
    struct crowd *crowd = context;
    uint64_t at = 1;
    while (!atomic_load(&crowd->stop)) {
        char key[24];
        nacre_value value;
        at = at * 6364136223846793005u + 1442695040888963407u;
        snprintf(key, sizeof key, "%08llu", (unsigned long long)((at >> 33) % KEYS));
        (void)nacre_get(crowd->f->collection, text(key), NULL, &value);
        nacre_value_release(&value);
    }
    return NULL;
}

static void *switch_on(void *context)
{
    struct crowd *crowd = context;
    for (unsigned i = 0; !atomic_load(&crowd->stop); i++) {
        assert_ok(nacre_set_autotune(crowd->f->store, i % 2));
        assert_ok(nacre_tune(crowd->f->store, NACRE_TUNING_SEAL_BYTES, i % 3 ? "default" : "65536"));
        clock_sleep_ns(3000000);
    }
    assert_ok(nacre_set_autotune(crowd->f->store, true));
    assert_ok(nacre_tune(crowd->f->store, NACRE_TUNING_SEAL_BYTES, "default"));
    return NULL;
}

static void threads_that_read_write_and_tune_do_not_disturb_it(void **state)
{
    struct crowd crowd = { .f = *state };
    pthread_t threads[3];
    pthread_create(&threads[0], NULL, read_on, &crowd);
    pthread_create(&threads[1], NULL, read_on, &crowd);
    pthread_create(&threads[2], NULL, switch_on, &crowd);
    put_some(crowd.f, 60000);
    atomic_store(&crowd.stop, true);
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    check_bounds(crowd.f);
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    assert_ok(nacre_verify(crowd.f->store, &report));
    nacre_free(report.damage);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(memory_goes_to_what_needs_it_and_back),
        TEST(one_step_at_a_time_and_the_other_way_only_later),
        TEST(nothing_moves_that_would_save_nothing),
        TEST(what_is_moved_to_the_cache_is_the_caches),
        TEST(decisions_are_shown_with_their_reasons),
        TEST(what_the_user_set_stays),
        TEST(what_the_user_set_stays_after_an_opening),
        TEST(off_and_set_values_take_choices_back),
        TEST(an_idle_store_decides_nothing),
        TEST(threads_that_read_write_and_tune_do_not_disturb_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
