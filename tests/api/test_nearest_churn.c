/* Collections of vectors that are replaced again and again: the recall and the rows found stay those of a fresh one. */
#include "support/small_graphs.h"
#include "support/vector_store.h"

#define ITEMS   4000u
#define QUERIES 200u

static double recall_of(struct vector_store *v)
{
    double recall = 0;
    float query[64];
    for (unsigned i = 0; i < QUERIES; i++) {
        vector_query(v, query);
        recall += vector_assert_nearest(v, v->items, query, 10, NULL, NULL) / QUERIES;
    }
    return recall;
}

/* At the usual recall, wherever merges have put the row and whatever graph they made. */
static void assert_each_finds_itself(struct vector_store *v)
{
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    float vector[64];
    for (size_t item = 0; item < v->count; item++) {
        nacre_neighbors found;
        if (!v->items[item].live) {
            continue;
        }
        vector_of(v, item, v->items[item].version, vector);
        assert_ok(nacre_nearest(v->collection, vector, 1, &options, &found));
        assert_int_equal(found.count, 1);
        float distance = found.items[0].distance;
        nacre_neighbors_release(&found);
        if (distance > 0) {
            fail_msg("item %zu finds another one at %g", item, (double)distance);
        }
    }
}

/* One after the other in an order that goes all over the keys, with flushes in between, so that old rows lie in all layers. */
static void replace_all(struct vector_store *v, unsigned round)
{
    for (size_t i = 0; i < v->count; i++) {
        size_t item = (i * 1999 + round) % v->count;
        if (round % 3 == 2 && item % 50 == 0) {
            vector_delete(v, item);
        } else {
            vector_put(v, item);
        }
        if (i % 500 == 499) {
            assert_ok(nacre_flush(v->collection));
        }
    }
}

static void ten_times_replaced_is_as_good_as_fresh(void **state)
{
    (void)state;
    struct vector_store v;
    vector_store_create(&v, NACRE_L2, 32, ITEMS);
    vector_put_all(&v);
    assert_ok(nacre_flush(v.collection));
    assert_ok(nacre_build_indexes(v.collection));
    double fresh = recall_of(&v);
    assert_true(fresh >= 0.93);
    for (unsigned round = 0; round < 10; round++) {
        replace_all(&v, round);
    }
    assert_ok(nacre_build_indexes(v.collection));
    double churned = recall_of(&v);
    if (churned < fresh - 0.01 && churned < 0.94) {
        fail_msg("recall %g, of a fresh collection %g", churned, fresh);
    }
    assert_each_finds_itself(&v);
    vector_store_reopen(&v);
    assert_each_finds_itself(&v);
    vector_store_free(&v);
}

int main(void)
{
    small_graphs();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_times_replaced_is_as_good_as_fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
