/* Group commit: many threads, one sync for all that are there, nobody left behind. */
#include "base/clock.h"
#include "wal_fixture.h"
#include <pthread.h>
#include <stdatomic.h>

#define FILE_BYTES 65536u
#define THREADS    8

static int (*real_sync)(nacre_file *);
static _Atomic uint64_t syncs;

static int slow_sync(nacre_file *file)
{
    clock_sleep_ns(200000);
    atomic_fetch_add(&syncs, 1);
    return real_sync(file);
}

static nacre_os *slow_disk(void)
{
    nacre_os *os = new_disk();
    real_sync = os->sync;
    os->sync = slow_sync;
    return os;
}

struct group {
    struct wal *w;
    pthread_mutex_t commit_lock;
    uint64_t appended;
    uint64_t commits_each;
    bool keep_house;
    _Atomic uint64_t committed, refused;
    _Atomic bool house_closed;
};

static void *commit(void *context)
{
    struct group *group = context;
    for (uint64_t i = 0; i < group->commits_each; i++) {
        wal_position begin, end;
        pthread_mutex_lock(&group->commit_lock);
        int status = append_sized(group->w, group->appended + 1, 130, &begin, &end);
        group->appended += status == NACRE_OK;
        pthread_mutex_unlock(&group->commit_lock);
        if (status == NACRE_OK) {
            status = wal_sync(group->w, end);
        }
        if (status != NACRE_OK) {
            atomic_fetch_add(&group->refused, 1);
            break;
        }
        if (wal_synced(group->w) < end) {
            break;
        }
        atomic_fetch_add(&group->committed, 1);
    }
    return NULL;
}

static void *keep_house(void *context)
{
    struct group *group = context;
    while (!atomic_load(&group->house_closed)) {
        if (wal_wants_prepare(group->w)) {
            (void)wal_prepare(group->w, 0);
        }
        wal_position synced = wal_synced(group->w);
        (void)wal_prune(group->w, synced); /* as if everything durable was in segments at once */
        clock_sleep_ns(300000);
    }
    return NULL;
}

static void run(struct group *group)
{
    pthread_t threads[THREADS], housekeeper;
    pthread_mutex_init(&group->commit_lock, NULL);
    if (group->keep_house) {
        assert_int_equal(pthread_create(&housekeeper, NULL, keep_house, group), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, commit, group), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    if (group->keep_house) {
        atomic_store(&group->house_closed, true);
        pthread_join(housekeeper, NULL);
    }
    pthread_mutex_destroy(&group->commit_lock);
}

static void threads_share_syncs_and_each_commit_is_durable(void **state)
{
    (void)state;
    nacre_os *os = slow_disk();
    struct group group = { .w = open_log(os, FIRST_LOG_FILE, FILE_BYTES), .commits_each = 200 };
    atomic_store(&syncs, 0);
    run(&group);
    assert_int_equal(group.committed, THREADS * 200);
    assert_true(atomic_load(&syncs) < THREADS * 200 / 2);
    struct wal_stats stats;
    wal_get_stats(group.w, &stats);
    assert_true(stats.syncs > 0 && stats.sync_ns_max <= stats.sync_ns_total);
    os_memory_restart(os, 3);
    wal_close(group.w);
    expect_log(os, THREADS * 200);
    os_memory_free(os);
}

static void files_are_made_and_pruned_while_others_commit(void **state)
{
    (void)state;
    nacre_os *os = slow_disk();
    struct group group = { .w = open_log(os, FIRST_LOG_FILE, 8192), .commits_each = 300, .keep_house = true };
    run(&group);
    assert_int_equal(group.committed, THREADS * 300);
    struct wal_stats stats;
    wal_get_stats(group.w, &stats);
    assert_true(stats.recycled > 0);
    wal_close(group.w);
    os_memory_free(os);
}

static void a_failed_sync_reaches_every_waiter(void **state)
{
    (void)state;
    nacre_os *os = slow_disk();
    struct group group = { .w = open_log(os, FIRST_LOG_FILE, FILE_BYTES), .commits_each = UINT64_MAX };
    os_memory_fail(os, 60, OS_FAULT_IO, true);
    run(&group);
    assert_int_equal(group.refused, THREADS);
    os_memory_heal(os);
    assert_int_equal(wal_recover_from_failure(group.w), NACRE_OK);
    group.commits_each = 20;
    atomic_store(&group.committed, 0);
    run(&group);
    assert_int_equal(group.committed, THREADS * 20);
    wal_close(group.w);
    os_memory_free(os);
}

static void one_thread_alone_syncs_once_per_commit(void **state)
{
    (void)state;
    nacre_os *os = new_disk();
    struct wal *w = open_log(os, FIRST_LOG_FILE, FILE_BYTES);
    for (uint64_t n = 1; n <= 100; n++) {
        wal_position end = append(w, n);
        assert_int_equal(wal_sync(w, end), NACRE_OK);
        assert_int_equal(wal_synced(w), end);
        assert_int_equal(wal_sync(w, end), NACRE_OK); /* nothing to do */
    }
    struct wal_stats stats;
    wal_get_stats(w, &stats);
    assert_int_equal(stats.syncs, 100);
    wal_close(w);
    os_memory_free(os);
}

static void a_sync_reaches_back_over_rotated_files(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 20; seed++) {
        nacre_os *os = new_disk();
        struct wal *w = open_log(os, FIRST_LOG_FILE, 8192);
        append_range(w, 1, 400);
        assert_true(WAL_FILE(wal_end(w)) > 5);
        assert_int_equal(wal_sync(w, wal_end(w)), NACRE_OK);
        os_memory_restart(os, seed);
        wal_close(w);
        assert_int_equal(expect_log(os, 400).torn_bytes, 0);
        os_memory_free(os);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_syncs_and_each_commit_is_durable),
        cmocka_unit_test(files_are_made_and_pruned_while_others_commit),
        cmocka_unit_test(a_failed_sync_reaches_every_waiter),
        cmocka_unit_test(one_thread_alone_syncs_once_per_commit),
        cmocka_unit_test(a_sync_reaches_back_over_rotated_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
