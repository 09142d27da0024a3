/* Reads of a key with thousands of operands get flat without a write: what they fold again and again is folded in the background, wherever the operands are. */
#include "support/store_fixture.h"
#include <unistd.h>

#define OPERANDS   5000
#define READS_MOST 20000

static unsigned folded; /* operands that the operator was given, by reads and in the background */

/* Counts up, and cannot combine: so operands stay what they are until they meet their base. */
static int count_up(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands, size_t count,
                    nacre_output *value)
{
    uint32_t sum = 0;
    (void)context;
    (void)key;
    (void)operands;
    if (base) {
        memcpy(&sum, base->data, sizeof sum);
    }
    sum += (uint32_t)count;
    __atomic_fetch_add(&folded, (unsigned)count, __ATOMIC_RELAXED);
    return nacre_output_append(value, (nacre_slice){ &sum, sizeof sum });
}

static const nacre_merge_operator operators[] = { { "count", NULL, count_up, NULL } };
static const nacre_hooks hooks = { sizeof hooks, operators, 1, NULL, 0, NULL, NULL };

static void use_operator(struct fixture *f)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    fixture_close(f);
    f->options.hooks = &hooks;
    fixture_open(f);
    nacre_collection_close(f->collection);
    assert_ok(nacre_collection_drop(f->store, "test"));
    options.merge_operator = "count";
    options.kind = f->kind;
    assert_ok(nacre_collection_create(f->store, "test", &options, &f->collection));
}

static void add(struct fixture *f, const char *key, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        assert_ok(nacre_merge(f->collection, text(key), text("one"), NULL));
    }
}

static void put_number(struct fixture *f, const char *key, uint32_t number)
{
    assert_ok(nacre_put(f->collection, text(key), (nacre_slice){ &number, sizeof number }, NULL));
}

static void assert_number(struct fixture *f, const char *key, nacre_snapshot *snapshot, uint32_t want)
{
    nacre_value value;
    nacre_read_options options = NACRE_READ_OPTIONS_INIT;
    uint32_t got = 0;
    options.snapshot = snapshot;
    assert_ok(nacre_get(f->collection, text(key), &options, &value));
    assert_int_equal(value.slice.size, sizeof got);
    memcpy(&got, value.slice.data, sizeof got);
    nacre_value_release(&value);
    assert_int_equal(got, want);
}

/* So that operands are few among the entries, and no merge comes of them by itself. */
static void put_others(struct fixture *f)
{
    for (unsigned i = 0; i < 8 * OPERANDS; i++) {
        char key[16];
        snprintf(key, sizeof key, "other%06u", i);
        put_number(f, key, i);
    }
}

/* Whether a read folds nothing any more, before so many were made. */
static bool gets_flat(struct fixture *f, const char *key, uint32_t want)
{
    for (unsigned reads = 0; reads < READS_MOST; reads++) {
        unsigned before = __atomic_load_n(&folded, __ATOMIC_RELAXED);
        assert_number(f, key, NULL, want);
        if (__atomic_load_n(&folded, __ATOMIC_RELAXED) == before) {
            return true;
        }
        if (reads % 16 == 0) {
            usleep(1000);
        }
    }
    return false;
}

static void operands_in_a_segment_over_their_base(void **state)
{
    struct fixture *f = *state;
    use_operator(f);
    put_number(f, "key", 7);
    put_number(f, "a", 1);
    put_number(f, "z", 2);
    put_others(f);
    assert_ok(nacre_flush(f->collection));
    add(f, "key", OPERANDS);
    put_number(f, "b", 3);
    assert_ok(nacre_flush(f->collection));
    assert_true(gets_flat(f, "key", OPERANDS + 7));
    assert_number(f, "a", NULL, 1);
    assert_number(f, "b", NULL, 3);
    assert_number(f, "z", NULL, 2);
    add(f, "key", 1);
    assert_number(f, "key", NULL, OPERANDS + 8);
    fixture_reopen(f);
    assert_number(f, "key", NULL, OPERANDS + 8);
}

static void operands_in_memory(void **state)
{
    struct fixture *f = *state;
    use_operator(f);
    put_number(f, "key", 7);
    assert_ok(nacre_flush(f->collection));
    add(f, "key", OPERANDS);
    assert_true(gets_flat(f, "key", OPERANDS + 7));
}

/* A snapshot in the middle needs the operands as they are; what it sees does not change. */
static void a_snapshot_keeps_what_it_sees(void **state)
{
    struct fixture *f = *state;
    nacre_snapshot *snapshot;
    use_operator(f);
    put_number(f, "key", 7);
    assert_ok(nacre_flush(f->collection));
    add(f, "key", OPERANDS);
    assert_ok(nacre_snapshot_create(f->store, &snapshot));
    add(f, "key", OPERANDS);
    for (unsigned i = 0; i < 200; i++) {
        assert_number(f, "key", NULL, 2 * OPERANDS + 7);
        assert_number(f, "key", snapshot, OPERANDS + 7);
    }
    nacre_snapshot_release(snapshot);
    assert_true(gets_flat(f, "key", 2 * OPERANDS + 7));
}

/* Short lists are not worth it: no flush comes of reading them. */
static void a_few_operands_are_left_alone(void **state)
{
    struct fixture *f = *state;
    use_operator(f);
    put_number(f, "key", 7);
    add(f, "key", 20);
    for (unsigned i = 0; i < 10000; i++) {
        assert_number(f, "key", NULL, 27);
    }
    unsigned before = __atomic_load_n(&folded, __ATOMIC_RELAXED);
    assert_number(f, "key", NULL, 27);
    assert_int_equal(__atomic_load_n(&folded, __ATOMIC_RELAXED), before + 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(operands_in_a_segment_over_their_base, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(operands_in_a_segment_over_their_base, fixture_setup_strings, fixture_teardown),
        cmocka_unit_test_setup_teardown(operands_in_memory, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(operands_in_memory, fixture_setup_strings, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_keeps_what_it_sees, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_few_operands_are_left_alone, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
