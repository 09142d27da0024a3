/* Bounds that hold by themselves: the log's size, the time of a write and of a close, memory, disk space under churn. */
#include "os/os.h"
#include "support/directory.h"
#include "support/gate.h"
#include "support/store_fixture.h"
#include <malloc.h>
#include <time.h>

#define MIB ((size_t)1 << 20)

#ifdef NACRE_SANITIZED
#define INSTRUMENTED 1
#else
#define INSTRUMENTED 0
#endif

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void sleep_ms(unsigned ms)
{
    struct timespec moment = { ms / 1000, (long)(ms % 1000) * 1000000 };
    nanosleep(&moment, NULL);
}

static void tune(struct fixture *f, const char *name, const char *value)
{
    assert_ok(nacre_tune(f->store, name, value));
}

/* Bytes that do not compress. */
static nacre_slice noise(uint64_t seed, size_t size)
{
    static char bytes[16384];
    assert_true(size <= sizeof bytes);
    for (size_t i = 0; i < size; i += 8) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint64_t word = seed ^ seed >> 29;
        memcpy(bytes + i, &word, size - i < 8 ? size - i : 8);
    }
    return (nacre_slice){ bytes, size };
}

static int put_number(nacre_collection *c, unsigned n, unsigned round, size_t size)
{
    char key[32];
    snprintf(key, sizeof key, "key%08u", n * 2654435761u % 100000000u);
    return nacre_put(c, text(key), noise(n * 1000003ull + round, size), NULL);
}

static void the_log_stays_under_its_limit_with_200_cold_collections_and_one_hot(void **state)
{
    struct fixture *f = *state;
    const uint64_t file = 256 << 10, limit = 4 * MIB;
    nacre_collection *cold[200];
    char name[100];
    tune(f, "log_file_bytes", "262144");
    f->options.log_limit = limit;
    fixture_reopen(f);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "cold %u", i);
        assert_ok(nacre_collection_create(f->store, name, NULL, &cold[i]));
        assert_ok(nacre_put(cold[i], text("k"), text(name), NULL));
    }
    uint64_t most = 0;
    for (unsigned n = 0; n < 6000; n++) { /* 24 MB */
        assert_ok(put_number(f->collection, n, 0, 4000));
        if (n % 50 == 0) {
            uint64_t log = stat_of(f->store, "log_bytes");
            most = log > most ? log : most;
        }
    }
    snprintf(name, sizeof name, "%s/log", f->path);
    uint64_t disk = directory_bytes(name);
    for (unsigned i = 0; i < 200; i++) {
        nacre_collection_close(cold[i]);
    }
    if (most > limit || disk > limit + 3 * file) {
        fprintf(stderr, "the log had up to %llu bytes, its limit is %llu; on the disk it has %llu\n",
                (unsigned long long)most, (unsigned long long)limit, (unsigned long long)disk);
        fail();
    }
    fixture_reopen(f);
    assert_ok(nacre_collection_open(f->store, "cold 137", &cold[0]));
    nacre_value value;
    assert_ok(nacre_get(cold[0], text("k"), NULL, &value));
    assert_memory_equal(value.slice.data, "cold 137", 8);
    nacre_value_release(&value);
    nacre_collection_close(cold[0]);
}

static void a_record_larger_than_the_log_limit_holds_nobody_up(void **state)
{
    struct fixture *f = *state;
    const size_t size = 6 * MIB;
    char *large = calloc(1, size), key[20];
    nacre_value value;
    f->options.log_limit = 4 * MIB;
    f->options.write_timeout_ms = 5000;
    fixture_reopen(f);
    for (unsigned n = 0; n < 6; n++) {
        snprintf(key, sizeof key, "large %u", n);
        assert_ok(nacre_put(f->collection, text(key), (nacre_slice){ large, size }, NULL));
        assert_ok(put_number(f->collection, n, 0, 100));
    }
    fixture_reopen(f);
    assert_ok(nacre_get(f->collection, text("large 3"), NULL, &value));
    assert_int_equal(value.slice.size, size);
    nacre_value_release(&value);
    free(large);
}

/* Puts until one is refused; the number of those that were not. */
static unsigned fill_until_busy(struct fixture *f, double *longest)
{
    for (unsigned n = 0; n < 100000; n++) {
        double start = now_s();
        int status = put_number(f->collection, n, 0, 4000);
        double took = now_s() - start;
        *longest = took > *longest ? took : *longest;
        if (status != NACRE_OK) {
            assert_int_equal(status, NACRE_BUSY);
            assert_non_null(strstr(nacre_last_error(), "wait"));
            return n;
        }
    }
    fail();
    return 0;
}

static void a_writer_is_refused_in_time_when_nothing_can_be_flushed(void **state)
{
    struct fixture *f = *state;
    char key[32];
    nacre_value value;
    double longest = 0;
    fixture_close(f);
    f->options.os = gate_over(os_posix());
    f->options.memory_budget = 16 * MIB;
    f->options.write_timeout_ms = 300;
    fixture_open(f);
    gate_close("/segments/");
    unsigned accepted = fill_until_busy(f, &longest);
    assert_true(longest < (INSTRUMENTED ? 10 : 2));
    assert_true(accepted * (size_t)4000 <= 16 * MIB); /* the queue of sealed tables has its end */
    nacre_write_options quick = NACRE_WRITE_OPTIONS_INIT;
    quick.timeout_ms = 10;
    double start = now_s();
    /* As large as those before: a small one may find room in what its memtable holds already. */
    static char large[4050];
    memset(large, 'v', sizeof large);
    assert_code(nacre_put(f->collection, text("quick"), (nacre_slice){ large, sizeof large }, &quick), NACRE_BUSY);
    assert_true(now_s() - start < (INSTRUMENTED ? 5 : 1));
    assert_ok(nacre_get(f->collection, text("key00000000"), NULL, &value)); /* readers do not wait */
    nacre_value_release(&value);
    snprintf(key, sizeof key, "key%08u", accepted * 2654435761u % 100000000u);
    assert_string_equal(get(f, key), "<none>"); /* nothing of what was refused is there */
    assert_string_equal(get(f, "quick"), "<none>");
    assert_true(stat_of(f->store, "busy") >= 2);
    gate_open();
    quick.timeout_ms = 20000;
    assert_ok(nacre_put(f->collection, text("quick"), text("v"), &quick));
    fixture_close(f);
    f->options.os = NULL;
    fixture_open(f);
    for (unsigned n = 0; n < accepted; n++) {
        snprintf(key, sizeof key, "key%08u", n * 2654435761u % 100000000u);
        assert_ok(nacre_get(f->collection, text(key), NULL, &value));
        nacre_value_release(&value);
    }
}

static void a_close_is_quick_while_large_merges_run(void **state)
{
    struct fixture *f = *state;
    tune(f, "seal_bytes", "4194304");
    tune(f, "level0_runs", "2");
    assert_ok(nacre_pause_compaction(f->store, 1000));
    for (unsigned n = 0; n < 10000; n++) { /* 40 MB in runs that all overlap */
        assert_ok(put_number(f->collection, n, 0, 4000));
    }
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_resume_compaction(f->store));
    for (int i = 0; i < 200 && stat_of(f->store, "merges_running") == 0; i++) {
        sleep_ms(1);
    }
    double start = now_s();
    fixture_close(f);
    double took = now_s() - start;
    if (took > (INSTRUMENTED ? 10 : 1)) {
        fprintf(stderr, "the close took %.3f s\n", took);
        fail();
    }
    fixture_open(f);
    for (unsigned n = 0; n < 10000; n += 97) {
        char key[32];
        nacre_value value;
        snprintf(key, sizeof key, "key%08u", n * 2654435761u % 100000000u);
        assert_ok(nacre_get(f->collection, text(key), NULL, &value));
        nacre_value_release(&value);
    }
}

static size_t resident_bytes(void)
{
    char line[200];
    size_t kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    assert_non_null(status);
    while (fgets(line, sizeof line, status)) {
        if (sscanf(line, "RssAnon: %zu kB", &kib) == 1) {
            break;
        }
    }
    fclose(status);
    return kib * 1024;
}

static void memory_stays_near_its_budget(void **state)
{
    struct fixture *f = *state;
    if (INSTRUMENTED) {
        skip(); /* shadow memory and quarantines are not the store's */
    }
    const size_t budget = 32 * MIB;
    fixture_close(f);
    size_t resident_before = resident_bytes(), live_before = mallinfo2().uordblks + mallinfo2().hblkhd;
    size_t resident = 0, live = 0;
    f->options.memory_budget = budget;
    fixture_open(f);
    tune(f, "compression_top", "1");        /* so that the cache is used */
    for (unsigned n = 0; n < 120000; n++) { /* 120 MB, some of it read again */
        assert_ok(put_number(f->collection, n, 0, 1000));
        if (n % 3 == 0) {
            char key[32];
            nacre_value value;
            snprintf(key, sizeof key, "key%08u", n / 3 * 2654435761u % 100000000u);
            assert_ok(nacre_get(f->collection, text(key), NULL, &value));
            nacre_value_release(&value);
        }
        if (n % 500 == 0) {
            size_t now = resident_bytes();
            resident = now > resident ? now : resident;
            now = mallinfo2().uordblks + mallinfo2().hblkhd + stat_of(f->store, "chunk_pool_bytes");
            live = now > live ? now : live;
        }
    }
    /* What malloc keeps of what it was given back is not the store's to bound, but is to be of the same size. */
    live = live > live_before ? live - live_before : 0;
    resident = resident > resident_before ? resident - resident_before : 0;
    if (live > budget || resident > 2 * budget) {
        fprintf(stderr, "%zu MiB were in use and %zu MiB resident, the budget is %zu\n", live / MIB, resident / MIB,
                budget / MIB);
        fail();
    }
}

/* Files go a moment after their merge: what is there when it is `most`, or after a while. */
static uint64_t bytes_at_rest(const char *path, uint64_t most)
{
    uint64_t bytes = directory_bytes(path);
    for (unsigned i = 0; i < 500 && bytes > most; i++) {
        sleep_ms(20);
        bytes = directory_bytes(path);
    }
    return bytes;
}

/* Until merges have nothing to do any more. */
static void wait_for_rest(struct fixture *f)
{
    unsigned quiet = 0;
    for (unsigned i = 0; i < 3000 && quiet < 5; i++) {
        bool busy = stat_of(f->store, "merge_debt_bytes") > 0 || stat_of(f->store, "merges_running") > 0 ||
                    stat_of(f->store, "sealed_bytes") > 0;
        quiet = busy ? 0 : quiet + 1;
        sleep_ms(10);
    }
    assert_int_equal(quiet, 5);
}

static void space_comes_back_by_itself_under_churn_and_after_deletes(void **state)
{
    struct fixture *f = *state;
    const unsigned keys = 8000;
    const size_t value = 1000, live = keys * (value + 20), seal = MIB, base = 4 * MIB;
    char segments[100], key[32];
    tune(f, "seal_bytes", "1048576");
    tune(f, "segment_bytes", "1048576");
    tune(f, "level_base_bytes", "4194304");
    tune(f, "level0_runs", "4");
    snprintf(segments, sizeof segments, "%s/segments", f->path);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned n = 0; n < keys; n++) {
            assert_ok(put_number(f->collection, n, round, value));
        }
    }
    wait_for_rest(f);
    /* All levels but the deepest hold what may be shadowed: level 0 up to its runs, level 1 up to its size. */
    const uint64_t most = live * 3 / 2 + 4 * seal + base;
    uint64_t used = bytes_at_rest(segments, most);
    if (used > most) {
        fprintf(stderr, "%llu bytes on the disk for %zu that live\n", (unsigned long long)used, live);
        fail();
    }
    for (unsigned n = 0; n < keys; n++) {
        snprintf(key, sizeof key, "key%08u", n * 2654435761u % 100000000u);
        assert_ok(nacre_delete(f->collection, text(key), NULL));
    }
    assert_ok(nacre_flush(f->collection)); /* so that the merges know of all of them; nothing else is asked for */
    wait_for_rest(f);
    used = bytes_at_rest(segments, live / 2);
    if (used > live / 2) {
        char *json;
        assert_ok(nacre_stats(f->store, &json));
        fprintf(stderr, "%llu bytes on the disk after all was deleted: %s\n", (unsigned long long)used, json);
        nacre_free(json);
        fail();
    }
    assert_string_equal(scan(f, NULL), "");
}

static void a_dropped_collection_gives_its_space_back(void **state)
{
    struct fixture *f = *state;
    nacre_collection *c;
    char segments[100];
    snprintf(segments, sizeof segments, "%s/segments", f->path);
    assert_ok(nacre_collection_create(f->store, "large", NULL, &c));
    for (unsigned n = 0; n < 4000; n++) {
        assert_ok(put_number(c, n, 0, 1000));
    }
    assert_ok(nacre_flush(c));
    assert_true(directory_bytes(segments) > 3 * MIB);
    assert_ok(nacre_collection_drop(f->store, "large"));
    nacre_collection_close(c);
    assert_int_equal(bytes_at_rest(segments, 0), 0);
}

/* Many runs over the same keys, of which the merge takes a part at a time: after the first part all begin at the same key. */
static void a_merge_of_many_runs_reads_them_about_once(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_pause_compaction(f->store, 10000));
    tune(f, "level0_runs", "64");
    tune(f, "segment_bytes", "32768");
    for (unsigned run = 0; run < 60; run++) {
        for (unsigned n = 0; n < 100; n++) {
            assert_ok(put_number(f->collection, n * 7 + run, run, 100));
        }
        assert_ok(nacre_flush(f->collection));
    }
    uint64_t flushed = stat_of(f->store, "segment_bytes");
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    uint64_t read = stat_of(f->store, "merge_read_bytes"), merges = stat_of(f->store, "merges");
    if (read > 3 * flushed || merges > 40) {
        fprintf(stderr, "%llu bytes in %llu merges for %llu bytes\n", (unsigned long long)read,
                (unsigned long long)merges, (unsigned long long)flushed);
    }
    assert_true(read <= 3 * flushed);
    assert_true(merges <= 40);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_log_stays_under_its_limit_with_200_cold_collections_and_one_hot),
        TEST(a_record_larger_than_the_log_limit_holds_nobody_up),
        TEST(a_writer_is_refused_in_time_when_nothing_can_be_flushed),
        TEST(a_close_is_quick_while_large_merges_run),
        TEST(memory_stays_near_its_budget),
        TEST(space_comes_back_by_itself_under_churn_and_after_deletes),
        TEST(a_dropped_collection_gives_its_space_back),
        TEST(a_merge_of_many_runs_reads_them_about_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
