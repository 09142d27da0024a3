/* The seam between the engine and the kinds: a kind that this test brings goes through every step of a collection's life. */
#include "support/store_fixture.h"
#include "support/toy_kind.h"

void store_register_kind(const struct kind *);

static void a_kind_from_outside_lives_through_seal_merge_snapshot_and_reopen(void **state)
{
    struct fixture *f = *state;
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *toys, *ordered = f->collection;
    options.kind = (nacre_kind)TOY_KIND;
    assert_code(nacre_collection_create(f->store, "toys", &options, &toys), NACRE_INVALID);
    store_register_kind(&kind_toy);
    assert_ok(nacre_collection_create(f->store, "toys", &options, &toys));
    f->collection = toys;
    put(f, "b", "1");
    put(f, "a", "2");
    nacre_snapshot *snapshot;
    assert_ok(nacre_snapshot_create(f->store, &snapshot));
    assert_ok(nacre_flush(toys));
    put(f, "b", "3");
    delete_key(f, "a");
    assert_ok(nacre_flush(toys));
    nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
    o.snapshot = snapshot;
    for (int round = 0; round < 2; round++) {
        assert_string_equal(scan(f, NULL), "b=3");
        assert_string_equal(scan(f, &o), "a=2 b=1");
        assert_ok(nacre_compact(toys, text(""), text("")));
    }
    nacre_snapshot_release(snapshot);
    assert_ok(nacre_build_indexes(toys));
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    assert_ok(nacre_verify(f->store, &report));
    nacre_free(report.damage);
    nacre_collection_close(ordered);
    fixture_close(f);
    assert_ok(nacre_open(f->path, &f->options, &f->store));
    assert_ok(nacre_collection_open(f->store, "toys", &f->collection));
    assert_string_equal(scan(f, NULL), "b=3");
    assert_string_equal(get(f, "a"), "<none>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_kind_from_outside_lives_through_seal_merge_snapshot_and_reopen, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
