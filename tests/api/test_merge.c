/* Merge operators through the public calls: the engine's own and the program's, early folded and late, with expiry, range deletes, snapshots and failures. */
#include "support/store_fixture.h"
#include <time.h>
#include <unistd.h>

static int calls;

/* Concatenates, and refuses the operand "bad" and the base "bad". */
static int join(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands, size_t count,
                nacre_output *value)
{
    (void)context;
    (void)key;
    calls++;
    if (base && base->size == 3 && memcmp(base->data, "bad", 3) == 0) {
        return NACRE_CONFLICT;
    }
    int status = base ? nacre_output_append(value, *base) : NACRE_OK;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        if (operands[i].size == 3 && memcmp(operands[i].data, "bad", 3) == 0) {
            return NACRE_CONFLICT;
        }
        status = nacre_output_append(value, operands[i]);
    }
    return status;
}

static int join_two(void *context, nacre_slice key, nacre_slice older, nacre_slice newer, nacre_output *operand)
{
    return join(context, key, &older, &newer, 1, operand);
}

static const nacre_merge_operator operators[] = { { "join", NULL, join, join_two },
                                                  { "join_alone", NULL, join, NULL } };
static const nacre_hooks hooks = { sizeof hooks, operators, 2, NULL, 0, NULL, NULL };

static nacre_collection *make(struct fixture *f, const char *name, const char *merge_operator)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *c;
    options.merge_operator = merge_operator;
    options.kind = f->kind;
    assert_ok(nacre_collection_create(f->store, name, &options, &c));
    return c;
}

/* The fixture's collection becomes one with the operator. */
static void use(struct fixture *f, const char *merge_operator)
{
    fixture_close(f);
    f->options.hooks = &hooks;
    fixture_open(f);
    nacre_collection_close(f->collection);
    assert_ok(nacre_collection_drop(f->store, "test"));
    f->collection = make(f, "test", merge_operator);
}

static void merge(struct fixture *f, const char *key, const char *operand)
{
    assert_ok(nacre_merge(f->collection, text(key), text(operand), NULL));
}

static void merge_for(struct fixture *f, const char *key, const char *operand, uint64_t ttl_ms)
{
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    options.ttl_ms = ttl_ms;
    assert_ok(nacre_merge(f->collection, text(key), text(operand), &options));
}

static void put_for(struct fixture *f, const char *key, const char *value, uint64_t ttl_ms)
{
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    options.ttl_ms = ttl_ms;
    assert_ok(nacre_put(f->collection, text(key), text(value), &options));
}

static void compact(struct fixture *f)
{
    nacre_slice none = { NULL, 0 };
    assert_ok(nacre_compact(f->collection, none, none));
}

/* The same whether it lies in memory, in segments of its own, or folded. */
static void assert_everywhere(struct fixture *f, const char *key, const char *value)
{
    assert_string_equal(get(f, key), value);
    assert_ok(nacre_flush(f->collection));
    assert_string_equal(get(f, key), value);
    fixture_reopen(f);
    assert_string_equal(get(f, key), value);
    compact(f);
    assert_string_equal(get(f, key), value);
}

static void operands_make_a_value_on_a_base_and_without_one(void **state)
{
    struct fixture *f = *state;
    use(f, "join");
    put(f, "k", "base");
    merge(f, "k", "+1");
    assert_ok(nacre_flush(f->collection));
    merge(f, "k", "+2");
    assert_ok(nacre_flush(f->collection));
    merge(f, "k", "+3");
    merge(f, "new", "a");
    merge(f, "new", "b");
    assert_string_equal(scan(f, NULL), "k=base+1+2+3 new=ab");
    assert_everywhere(f, "k", "base+1+2+3");
    assert_everywhere(f, "new", "ab");
    delete_key(f, "k");
    merge(f, "k", "x");
    assert_everywhere(f, "k", "x");
}

static void a_scan_backwards_folds_as_one_forwards_does(void **state)
{
    struct fixture *f = *state;
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    use(f, "join_alone");
    for (int flushed = 0; flushed < 3; flushed++) {
        for (char key = 'a'; key < 'f'; key++) {
            char name[2] = { key, 0 }, operand[3] = { key, (char)('0' + flushed), 0 };
            merge(f, name, operand);
        }
        assert_ok(nacre_flush(f->collection));
    }
    assert_string_equal(scan(f, NULL), "a=a0a1a2 b=b0b1b2 c=c0c1c2 d=d0d1d2 e=e0e1e2");
    options.reverse = true;
    assert_string_equal(scan(f, &options), "e=e0e1e2 d=d0d1d2 c=c0c1c2 b=b0b1b2 a=a0a1a2");
    nacre_cursor *cursor;
    assert_ok(nacre_scan(f->collection, NULL, &cursor));
    nacre_cursor_next(cursor);
    nacre_cursor_next(cursor);
    nacre_cursor_prev(cursor);
    assert_memory_equal(nacre_cursor_value(cursor).data, "b0b1b2", 6);
    nacre_cursor_next(cursor);
    assert_memory_equal(nacre_cursor_value(cursor).data, "c0c1c2", 6);
    nacre_cursor_close(cursor);
}

static void a_range_delete_cuts_the_operands_before_it_off(void **state)
{
    struct fixture *f = *state;
    for (int flushed = 0; flushed < 2; flushed++) {
        use(f, flushed ? "join" : "join_alone");
        put(f, "k", "base");
        merge(f, "k", "1");
        if (flushed) {
            assert_ok(nacre_flush(f->collection));
        }
        assert_ok(nacre_delete_range(f->collection, text("a"), text("z"), NULL));
        merge(f, "k", "2");
        merge(f, "k", "3");
        assert_string_equal(scan(f, NULL), "k=23");
        assert_everywhere(f, "k", "23");
    }
}

static void a_snapshot_sees_the_operands_of_its_time(void **state)
{
    struct fixture *f = *state;
    nacre_snapshot *snapshots[3];
    nacre_read_options at = NACRE_READ_OPTIONS_INIT;
    const char *want[3] = { "b1", "b12", "b1234" };
    use(f, "join");
    put(f, "k", "b");
    for (int i = 0; i < 3; i++) {
        merge(f, "k", (const char *[]){ "1", "2", "3" }[i]);
        if (i == 2) {
            merge(f, "k", "4");
        }
        assert_ok(nacre_snapshot_create(f->store, &snapshots[i]));
    }
    merge(f, "k", "5");
    for (int merged = 0; merged < 3; merged++) {
        for (int i = 0; i < 3; i++) {
            nacre_value value;
            at.snapshot = snapshots[i];
            assert_ok(nacre_get(f->collection, text("k"), &at, &value));
            assert_int_equal(value.slice.size, strlen(want[i]));
            assert_memory_equal(value.slice.data, want[i], value.slice.size);
            nacre_value_release(&value);
        }
        assert_string_equal(get(f, "k"), "b12345");
        if (merged == 0) {
            assert_ok(nacre_flush(f->collection));
        } else {
            compact(f);
        }
    }
    for (int i = 0; i < 3; i++) {
        nacre_snapshot_release(snapshots[i]);
    }
    compact(f);
    assert_everywhere(f, "k", "b12345");
}

/* What had expired when the operand was written was nothing; what expires later was something. */
static void an_operand_keeps_a_base_that_expires_after_it(void **state)
{
    struct fixture *f = *state;
    use(f, "join");
    put_for(f, "late", "base", 2000);
    merge_for(f, "late", "+", 0);
    put_for(f, "early", "base", 1);
    put_for(f, "in segments", "base", 2000);
    assert_ok(nacre_flush(f->collection));
    merge_for(f, "in segments", "+", 0);
    usleep(20000);
    merge_for(f, "early", "+", 0);
    usleep(2100000);
    compact(f);
    assert_everywhere(f, "late", "base+");
    assert_everywhere(f, "early", "+");
    assert_everywhere(f, "in segments", "base+");
}

static void the_newest_operand_says_when_the_key_expires(void **state)
{
    struct fixture *f = *state;
    use(f, "join");
    merge_for(f, "k", "a", 0);
    merge_for(f, "k", "b", 2000);
    merge_for(f, "other", "a", 1000);
    merge_for(f, "other", "b", 0);
    assert_string_equal(scan(f, NULL), "k=ab other=ab");
    usleep(2100000);
    assert_string_equal(scan(f, NULL), "other=ab");
    merge_for(f, "k", "c", 0);
    assert_everywhere(f, "k", "c");
    assert_everywhere(f, "other", "ab");
}

static void a_failing_operator_is_the_error_of_the_read_and_loses_nothing(void **state)
{
    struct fixture *f = *state;
    nacre_value value;
    nacre_cursor *cursor;
    for (int combines = 0; combines < 2; combines++) {
        use(f, combines ? "join" : "join_alone");
        put(f, "a", "good");
        put(f, "b", "bad");
        put(f, "c", "good");
        merge(f, "b", "1");
        merge(f, "b", "2");
        merge(f, "d", "bad");
        merge(f, "d", "x");
        for (int stage = 0; stage < 4; stage++) {
            assert_code(nacre_get(f->collection, text("b"), NULL, &value), NACRE_CONFLICT);
            assert_non_null(strstr(nacre_last_error(), "join"));
            assert_code(nacre_get(f->collection, text("d"), NULL, &value), NACRE_CONFLICT);
            assert_ok(nacre_scan(f->collection, NULL, &cursor));
            nacre_cursor_next(cursor);
            assert_false(nacre_cursor_valid(cursor));
            assert_code(nacre_cursor_status(cursor), NACRE_CONFLICT);
            assert_int_equal(nacre_cursor_key(cursor).size, 1);
            assert_memory_equal(nacre_cursor_key(cursor).data, "b", 1);
            nacre_cursor_next(cursor);
            assert_code(nacre_cursor_status(cursor), NACRE_CONFLICT);
            nacre_cursor_seek(cursor, (nacre_slice){ "b", 2 });
            assert_true(nacre_cursor_valid(cursor));
            assert_memory_equal(nacre_cursor_key(cursor).data, "c", 1);
            nacre_cursor_close(cursor);
            nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
            options.keys_only = true;
            assert_string_equal(scan(f, &options), "a= b= c= d=");
            if (stage == 1) {
                fixture_reopen(f);
            } else if (stage == 2) {
                compact(f);
            } else {
                assert_ok(nacre_flush(f->collection));
            }
        }
        put(f, "b", "mended"); /* everything was there */
        merge(f, "b", "!");
        assert_everywhere(f, "b", "mended!");
    }
}

static void a_cursor_whose_first_key_fails_is_made_and_can_be_moved_on(void **state)
{
    struct fixture *f = *state;
    nacre_cursor *cursor;
    use(f, "join");
    merge(f, "a", "bad");
    put(f, "b", "good");
    assert_ok(nacre_scan(f->collection, NULL, &cursor));
    assert_false(nacre_cursor_valid(cursor));
    assert_code(nacre_cursor_status(cursor), NACRE_CONFLICT);
    nacre_cursor_seek(cursor, text("aa"));
    assert_true(nacre_cursor_valid(cursor));
    nacre_cursor_prev(cursor);
    assert_code(nacre_cursor_status(cursor), NACRE_CONFLICT);
    nacre_cursor_last(cursor);
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
}

static void collections_without_an_operator_refuse_merges(void **state)
{
    struct fixture *f = *state;
    nacre_batch *batch;
    assert_code(nacre_merge(f->collection, text("k"), text("v"), NULL), NACRE_UNSUPPORTED);
    assert_ok(nacre_batch_create(&batch));
    assert_code(nacre_batch_merge(batch, f->collection, text("k"), text("v")), NACRE_UNSUPPORTED);
    nacre_batch_free(batch);
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *c;
    options.merge_operator = "nobody";
    assert_code(nacre_collection_create(f->store, "c", &options, &c), NACRE_UNSUPPORTED);
    assert_non_null(strstr(nacre_last_error(), "nobody"));
    options.merge_operator = "add64";
    options.kind = NACRE_VECTORS;
    options.dimension = 3;
    options.metric = NACRE_L2;
    assert_code(nacre_collection_create(f->store, "c", &options, &c), NACRE_INVALID);
}

static void a_store_opens_without_the_operator_and_keeps_the_operands(void **state)
{
    struct fixture *f = *state;
    nacre_collection *c;
    use(f, "join");
    nacre_collection *other = make(f, "other", NULL);
    assert_ok(nacre_put(other, text("x"), text("y"), NULL));
    put(f, "k", "base");
    merge(f, "k", "1");
    assert_ok(nacre_flush(f->collection));
    merge(f, "k", "2");
    nacre_collection_close(other);
    nacre_collection_close(f->collection);
    assert_ok(nacre_close(f->store));
    f->options.hooks = NULL;
    for (int i = 0; i < 3; i++) {
        assert_ok(nacre_open(f->path, &f->options, &f->store));
        assert_code(nacre_collection_open(f->store, "test", &c), NACRE_UNSUPPORTED);
        assert_non_null(strstr(nacre_last_error(), "join"));
        assert_non_null(strstr(nacre_last_error(), "test"));
        assert_ok(nacre_collection_open(f->store, "other", &c));
        assert_ok(nacre_put(c, text("x"), text("z"), NULL));
        nacre_collection_close(c);
        assert_ok(nacre_close(f->store));
    }
    f->options.hooks = &hooks;
    fixture_open(f);
    assert_everywhere(f, "k", "base12");
}

static void a_batch_merges_what_was_put_before_in_it_and_can_be_written_again(void **state)
{
    struct fixture *f = *state;
    nacre_batch *batch;
    use(f, "join");
    assert_ok(nacre_batch_create(&batch));
    assert_ok(nacre_batch_put(batch, f->collection, text("k"), text("p")));
    assert_ok(nacre_batch_merge(batch, f->collection, text("k"), text("m")));
    assert_ok(nacre_batch_merge(batch, f->collection, text("n"), text("n")));
    assert_ok(nacre_write(f->store, batch, NULL));
    assert_ok(nacre_write(f->store, batch, NULL));
    nacre_batch_free(batch);
    assert_string_equal(get(f, "k"), "pm");
    assert_everywhere(f, "n", "nn");
}

static void large_merged_values_are_given_and_released(void **state)
{
    struct fixture *f = *state;
    static char part[3000];
    use(f, "join");
    memset(part, 'p', sizeof part);
    for (int i = 0; i < 5; i++) {
        assert_ok(nacre_merge(f->collection, text("k"), (nacre_slice){ part, sizeof part }, NULL));
    }
    nacre_value value;
    assert_ok(nacre_get(f->collection, text("k"), NULL, &value));
    assert_int_equal(value.slice.size, 5 * sizeof part);
    assert_ok(nacre_flush(f->collection));
    assert_int_equal(((const char *)value.slice.data)[value.slice.size - 1], 'p');
    nacre_value_release(&value);
    nacre_slice keys[2] = { text("k"), text("none") };
    nacre_value values[2];
    int statuses[2];
    assert_ok(nacre_multi_get(f->collection, keys, 2, NULL, values, statuses));
    assert_int_equal(values[0].slice.size, 5 * sizeof part);
    assert_code(statuses[1], NACRE_NOT_FOUND);
    nacre_value_release(&values[0]);
}

static void numbers_add_and_wrap(void **state)
{
    struct fixture *f = *state;
    use(f, "add64");
    int64_t one = INT64_MAX, two = 3, sum;
    nacre_value value;
    assert_ok(nacre_merge(f->collection, text("n"), (nacre_slice){ &one, 8 }, NULL));
    assert_ok(nacre_merge(f->collection, text("n"), (nacre_slice){ &two, 8 }, NULL));
    assert_ok(nacre_get(f->collection, text("n"), NULL, &value));
    memcpy(&sum, value.slice.data, 8);
    nacre_value_release(&value);
    assert_true(sum == INT64_MIN + 2);
    assert_ok(nacre_merge(f->collection, text("odd"), text("seven"), NULL));
    assert_code(nacre_get(f->collection, text("odd"), NULL, &value), NACRE_INVALID);
    assert_non_null(strstr(nacre_last_error(), "8"));
}

static void the_other_operators_of_the_engine_do_what_they_say(void **state)
{
    static const struct {
        const char *merge_operator; /* NULL: in the collection of the last one */
        const char *key, *base;     /* NULL: what is there */
        const char *operands[3], *result;
    } cases[] = {
        { "append:, ", "k", "", { "a", "b" }, ", a, b" },
        { NULL, "n", NULL, { "a", "b" }, "a, b" },
        { "append", "n", NULL, { "a", "b" }, "ab" },
        { "min", "k", "m", { "n", "ma" }, "m" },
        { NULL, "k", NULL, { "a" }, "a" },
        { "max", "k", NULL, { "n", "na", "m" }, "na" },
        { "json_merge_patch",
          "k",
          "{\"a\":1,\"b\":{\"c\":2,\"d\":3}}",
          { "{\"b\":{\"c\":null,\"e\":4}}", "{\"a\":[1]}" },
          "{\"a\":[1],\"b\":{\"d\":3,\"e\":4}}" },
        { NULL, "n", NULL, { "{\"a\":{\"b\":null,\"c\":1}}" }, "{\"a\":{\"c\":1}}" },
        { NULL, "k", NULL, { "7", "{\"x\":null,\"y\":0}" }, "{\"y\":0}" },
    };
    struct fixture *f = *state;
    nacre_value value;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].merge_operator) {
            use(f, cases[i].merge_operator);
        }
        if (cases[i].base) {
            put(f, cases[i].key, cases[i].base);
        }
        for (size_t n = 0; n < 3 && cases[i].operands[n]; n++) {
            merge(f, cases[i].key, cases[i].operands[n]);
        }
        assert_everywhere(f, cases[i].key, cases[i].result);
    }
    merge(f, "k", "{nonsense");
    assert_code(nacre_get(f->collection, text("k"), NULL, &value), NACRE_INVALID);
}

static void a_merge_is_a_change_to_transactions_that_read_the_key(void **state)
{
    struct fixture *f = *state;
    nacre_txn *txn;
    nacre_value value;
    use(f, "join");
    merge(f, "k", "a");
    for (int flushed = 0; flushed < 2; flushed++) {
        assert_ok(nacre_txn_begin(f->store, NULL, &txn));
        assert_ok(nacre_txn_get(txn, f->collection, text("k"), &value));
        nacre_value_release(&value);
        assert_ok(nacre_txn_put(txn, f->collection, text("k"), text("read")));
        merge(f, "k", "b");
        if (flushed) {
            assert_ok(nacre_flush(f->collection));
        }
        assert_code(nacre_txn_commit(txn, NULL), NACRE_CONFLICT);
        nacre_txn_abort(txn);
    }
    assert_string_equal(get(f, "k"), "abb");
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 300 000 operands on one key: a quadratic way would take hours. */
static void long_chains_are_folded_in_linear_time(void **state)
{
    struct fixture *f = *state;
    const char *const names[] = { "add64", "append", "join_alone" };
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    for (int o = 0; o < 3; o++) {
        use(f, names[o]);
        uint64_t one = 1;
        nacre_batch_clear(batch);
        for (int i = 0; i < 1000; i++) {
            assert_ok(nacre_batch_merge(batch, f->collection, text("k"), (nacre_slice){ &one, 8 }));
        }
        for (int i = 0; i < 300; i++) {
            assert_ok(nacre_write(f->store, batch, NULL));
        }
        double began = seconds();
        nacre_value value;
        for (int stage = 0; stage < 3; stage++) {
            assert_ok(nacre_get(f->collection, text("k"), NULL, &value));
            assert_int_equal(value.slice.size, o == 0 ? 8 : 2400000);
            if (o == 0) {
                uint64_t sum;
                memcpy(&sum, value.slice.data, 8);
                assert_int_equal(sum, 300000);
            }
            nacre_value_release(&value);
            if (stage == 0) {
                assert_ok(nacre_flush(f->collection));
            } else {
                compact(f);
            }
        }
        assert_true(seconds() - began < 20);
    }
    nacre_batch_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(operands_make_a_value_on_a_base_and_without_one),
        TEST(a_scan_backwards_folds_as_one_forwards_does),
        TEST(a_range_delete_cuts_the_operands_before_it_off),
        TEST(a_snapshot_sees_the_operands_of_its_time),
        TEST(an_operand_keeps_a_base_that_expires_after_it),
        TEST(the_newest_operand_says_when_the_key_expires),
        TEST(a_failing_operator_is_the_error_of_the_read_and_loses_nothing),
        TEST(a_cursor_whose_first_key_fails_is_made_and_can_be_moved_on),
        TEST(collections_without_an_operator_refuse_merges),
        TEST(a_store_opens_without_the_operator_and_keeps_the_operands),
        TEST(a_batch_merges_what_was_put_before_in_it_and_can_be_written_again),
        TEST(large_merged_values_are_given_and_released),
        TEST(a_merge_is_a_change_to_transactions_that_read_the_key),
        TEST(numbers_add_and_wrap),
        TEST(the_other_operators_of_the_engine_do_what_they_say),
        TEST(long_chains_are_folded_in_linear_time),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
