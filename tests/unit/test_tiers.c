/* Kinds whose runs are merged whole: what their trees look like, how much is written, and that space comes back. */
#include "tree_fixture.h"

#define MANY 4000u

static nacre_slice many_key(uint32_t index, char room[16])
{
    return slice_of(room, (size_t)snprintf(room, 16, "%08x", index * 2654435761u));
}

static void write_many(struct fixture *f, uint32_t key, bool put)
{
    char room[16];
    uint64_t value[4] = { f->sequence };
    struct entry entry = { .key = many_key(key, room),
                           .value = put ? slice_of(value, sizeof value) : (nacre_slice){ "", 0 },
                           .sequence = ++f->sequence,
                           .type = put ? ENTRY_PUT : ENTRY_DELETE };
    assert_int_equal(memtable_reserve(f->memtable, 1, 128), NACRE_OK);
    assert_int_equal(memtable_put(f->memtable, &entry), NACRE_OK);
}

static struct tree_stats stats_of(struct fixture *f)
{
    struct tree_stats stats;
    tree_get_stats(f->tree, &stats);
    return stats;
}

static void open_many(struct fixture *f)
{
    fixture_open(f, &kind_toy_runs, 3);
    atomic_store(&f->tuning.tier_runs, 4);
    atomic_store(&f->tuning.runs_most, 8);
    atomic_store(&f->tuning.run_segment_bytes, 1 << 20);
}

static void rows_are_written_a_logarithmic_number_of_times_and_runs_stay_few(void **unused)
{
    (void)unused;
    struct fixture f;
    size_t most = 0;
    open_many(&f);
    for (uint32_t flush = 0; flush < 256; flush++) {
        for (uint32_t i = 0; i < 100; i++) {
            write_many(&f, flush * 100 + i, true);
        }
        assert_int_equal(fixture_flush(&f), NACRE_OK);
        fixture_settle(&f);
        size_t runs = tree_level0_runs(f.tree);
        most = runs > most ? runs : most;
        assert_int_equal(tree_debt(f.tree), 0);
    }
    struct tree_stats stats = stats_of(&f);
    double times = (double)stats.bytes_merged_written / (double)stats.bytes_flushed;
    print_message("at most %zu runs; each byte was merged %.2f times\n", most, times);
    assert_true(most <= 10);
    assert_true(times < 5); /* log4(256) = 4 */
    assert_int_equal(stats.entries, 25600);
    fixture_verify(&f);
    fixture_close(&f);
}

static void runs_never_become_many_even_when_no_two_are_of_one_size(void **unused)
{
    (void)unused;
    struct fixture f;
    uint32_t next = 0;
    open_many(&f);
    for (uint32_t size = 1500; size >= 10; size = size * 2 / 3) {
        for (uint32_t i = 0; i < size; i++) {
            write_many(&f, next++, true);
        }
        assert_int_equal(fixture_flush(&f), NACRE_OK);
        fixture_settle(&f);
        assert_true(tree_level0_runs(f.tree) <= 8);
    }
    assert_int_equal(stats_of(&f).entries, next);
    fixture_close(&f);
}

static void full_segments_are_not_merged_with_their_like(void **unused)
{
    (void)unused;
    struct fixture f;
    open_many(&f);
    atomic_store(&f.tuning.run_segment_bytes, 8 << 10);
    for (uint32_t flush = 0; flush < 64; flush++) {
        for (uint32_t i = 0; i < 100; i++) {
            write_many(&f, flush * 100 + i, true);
        }
        assert_int_equal(fixture_flush(&f), NACRE_OK);
        fixture_settle(&f);
    }
    struct tree_stats stats = stats_of(&f);
    assert_true(stats.bytes_merged_written < 2 * stats.bytes_flushed);
    assert_true(stats.level_segments[0] < 2 * stats.level_bytes[0] / (8 << 10) + 10);
    fixture_verify(&f);
    fixture_close(&f);
}

/* Every key is written ten times over, with a snapshot of the flush before the last if `rolling`. */
static void churn(bool rolling)
{
    struct fixture f;
    open_many(&f);
    uint64_t first = 0, most = 0;
    for (uint32_t i = 0; i < 11 * MANY; i++) {
        write_many(&f, i * 7 % MANY, true);
        if (i % 200 == 199) {
            if (rolling) {
                f.snapshots[0] = f.flushed_sequence;
                f.snapshot_count = f.flushed_sequence > 0;
            }
            assert_int_equal(fixture_flush(&f), NACRE_OK);
            fixture_settle(&f);
            uint64_t bytes = stats_of(&f).level_bytes[0];
            first = i < MANY ? bytes : first;
            most = bytes > most ? bytes : most;
            assert_true(tree_level0_runs(f.tree) <= 10);
        }
    }
    print_message("%llu bytes at first, %llu at most\n", (unsigned long long)first, (unsigned long long)most);
    assert_true(most <= first + first / 2 + atomic_load(&f.tuning.segment_bytes));
    f.snapshot_count = 0;
    assert_int_equal(tree_compact(f.tree, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }), NACRE_OK);
    assert_int_equal(stats_of(&f).entries, MANY);
    fixture_close(&f);
}

static void space_comes_back_when_everything_is_replaced_over_and_over(void **unused)
{
    (void)unused;
    churn(false);
}

static void snapshots_that_come_and_go_all_the_time_keep_no_space(void **unused)
{
    (void)unused;
    churn(true);
}

static void a_run_of_nothing_but_dead_rows_goes_unread(void **unused)
{
    (void)unused;
    struct fixture f;
    open_many(&f);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 1000; i++) {
            write_many(&f, i, true);
        }
        f.snapshots[0] = f.flushed_sequence; /* of the second round: sees all of the first */
        f.snapshot_count = round;
        assert_int_equal(fixture_flush(&f), NACRE_OK);
    }
    assert_int_equal(stats_of(&f).dead_rows, 1000);
    fixture_settle(&f);
    assert_int_equal(stats_of(&f).drops, 0);
    f.snapshot_count = 0;
    fixture_settle(&f);
    struct tree_stats stats = stats_of(&f);
    assert_int_equal(stats.drops, 1);
    assert_int_equal(stats.bytes_merged_read, 0);
    assert_int_equal(stats.entries, 1000);
    assert_int_equal(stats.dead_rows, 0);
    fixture_check_files(&f);
    fixture_close(&f);
}

static void nothing_is_left_when_everything_is_deleted(void **unused)
{
    (void)unused;
    struct fixture f;
    open_many(&f);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < MANY; i++) {
            write_many(&f, i, round == 0);
            if (i % 200 == 199) {
                assert_int_equal(fixture_flush(&f), NACRE_OK);
                fixture_settle(&f);
            }
        }
    }
    uint64_t left = stats_of(&f).entries;
    print_message("%llu entries left\n", (unsigned long long)left);
    assert_true(left < MANY / 4);
    assert_int_equal(tree_compact(f.tree, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }), NACRE_OK);
    assert_int_equal(stats_of(&f).level_runs[0], 0);
    fixture_check_files(&f);
    fixture_close(&f);
}

static void a_compaction_makes_one_run_of_full_segments(void **unused)
{
    (void)unused;
    struct fixture f;
    open_many(&f);
    atomic_store(&f.tuning.run_segment_bytes, 32 << 10);
    for (uint32_t i = 0; i < MANY; i++) {
        write_many(&f, i, true);
        if (i % 500 == 499) {
            assert_int_equal(fixture_flush(&f), NACRE_OK);
        }
    }
    assert_int_equal(tree_compact(f.tree, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }), NACRE_OK);
    struct tree_stats stats = stats_of(&f);
    assert_int_equal(stats.level_runs[0], 1);
    assert_true(stats.level_segments[0] > 4 && stats.level_segments[0] <= stats.level_bytes[0] / (32 << 10) + 1);
    uint64_t merges = stats.merges;
    assert_int_equal(tree_compact(f.tree, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }), NACRE_OK);
    assert_int_equal(stats_of(&f).merges, merges); /* nothing was left to do */
    fixture_verify(&f);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_written_a_logarithmic_number_of_times_and_runs_stay_few),
        cmocka_unit_test(runs_never_become_many_even_when_no_two_are_of_one_size),
        cmocka_unit_test(full_segments_are_not_merged_with_their_like),
        cmocka_unit_test(space_comes_back_when_everything_is_replaced_over_and_over),
        cmocka_unit_test(snapshots_that_come_and_go_all_the_time_keep_no_space),
        cmocka_unit_test(a_run_of_nothing_but_dead_rows_goes_unread),
        cmocka_unit_test(nothing_is_left_when_everything_is_deleted),
        cmocka_unit_test(a_compaction_makes_one_run_of_full_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
