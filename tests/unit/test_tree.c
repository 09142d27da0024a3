/* Trees against a model of all writes: random flushes, merges, compactions, snapshots, expiry, range deletes, reopenings. */
#include "tree_fixture.h"

static void random_writes(struct fixture *f, bool ranges, bool expiry)
{
    unsigned count = 1 + (unsigned)fixture_random(f, 60);
    bool mostly_deletes = fixture_random(f, 4) == 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned key = (unsigned)fixture_random(f, TREE_KEYS);
        if (ranges && fixture_random(f, 25) == 0) {
            fixture_delete_range(f, key, key + 1 + (unsigned)fixture_random(f, TREE_KEYS - key));
        } else {
            bool put = fixture_random(f, 4) < (mostly_deletes ? 1 : 3);
            fixture_put(f, key, put,
                        expiry && fixture_random(f, 3) == 0 ? fixture_clock() + 1 + fixture_random(f, 3000) : 0);
        }
    }
}

static void random_snapshots(struct fixture *f)
{
    if (f->snapshot_count < TREE_SNAPSHOTS && fixture_random(f, 2) == 0) {
        if (f->snapshot_count == 0 || f->snapshots[f->snapshot_count - 1] < f->flushed_sequence) {
            f->snapshots[f->snapshot_count++] = f->flushed_sequence;
        }
    } else if (f->snapshot_count > 0) {
        size_t gone = (size_t)fixture_random(f, f->snapshot_count);
        memmove(&f->snapshots[gone], &f->snapshots[gone + 1], (f->snapshot_count - gone - 1) * sizeof f->snapshots[0]);
        f->snapshot_count--;
    }
}

static void random_compaction(struct fixture *f)
{
    unsigned begin = (unsigned)fixture_random(f, TREE_KEYS),
             end = begin + (unsigned)fixture_random(f, TREE_KEYS - begin);
    bool all = fixture_random(f, 3) == 0;
    nacre_slice open = { NULL, 0 };
    assert_int_equal(tree_compact(f->tree, all ? open : fixture_key(begin), all ? open : fixture_key(end)), NACRE_OK);
}

static void random_step(struct fixture *f, bool ranges, bool expiry)
{
    bool worked;
    switch (fixture_random(f, 13)) {
    case 11:
        assert_int_equal(fixture_random(f, 2) ? tree_prepare_work(f->tree, &worked) : tree_index_work(f->tree, &worked),
                         NACRE_OK);
        break;
    case 0:
    case 1:
    case 2:
    case 3:
        random_writes(f, ranges, expiry);
        assert_int_equal(fixture_flush(f), NACRE_OK);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        assert_int_equal(tree_work(f->tree, &worked), NACRE_OK);
        break;
    case 8:
        random_snapshots(f);
        break;
    case 9:
        atomic_fetch_add(&fixture_now_ms, fixture_random(f, 500));
        break;
    case 10:
        if (fixture_random(f, 4) == 0) {
            random_compaction(f);
        }
        break;
    default:
        if (fixture_random(f, 3) == 0) {
            assert_int_equal(fixture_reopen(f), NACRE_OK);
        }
        break;
    }
}

static unsigned scale(void)
{
    const char *text = getenv("NACRE_TEST_SCALE");
    return text ? (unsigned)atoi(text) : 1;
}

static void run_histories(const struct kind *kind, bool ranges, bool expiry)
{
    for (uint64_t seed = 1; seed <= 6 * scale(); seed++) {
        struct fixture f;
        fixture_open(&f, kind, seed + 100 * ranges + 200 * expiry);
        print_message("seed %llu\n", (unsigned long long)seed);
        for (unsigned step = 0; step < 150; step++) {
            random_step(&f, ranges, expiry);
            fixture_check(&f);
            fixture_check_files(&f);
        }
        fixture_settle(&f);
        fixture_check(&f);
        fixture_verify(&f);
        f.snapshot_count = 0;
        assert_int_equal(tree_compact(f.tree, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }), NACRE_OK);
        fixture_check(&f);
        fixture_check_files(&f);
        fixture_close(&f);
    }
}

static void random_histories_of_ordered_trees_agree_with_the_model(void **unused)
{
    (void)unused;
    run_histories(&kind_ordered, false, false);
    run_histories(&kind_ordered, true, true);
}

static void random_histories_of_toy_trees_agree_with_the_model(void **unused)
{
    (void)unused;
    run_histories(&kind_toy, true, false);
    run_histories(&kind_toy, true, true);
}

static void random_histories_of_whole_runs_agree_with_the_model(void **unused)
{
    (void)unused;
    run_histories(&kind_toy_runs, false, false);
    run_histories(&kind_toy_runs, true, true);
    run_histories(&kind_toy_indexed, true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories_of_whole_runs_agree_with_the_model),
        cmocka_unit_test(random_histories_of_ordered_trees_agree_with_the_model),
        cmocka_unit_test(random_histories_of_toy_trees_agree_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
