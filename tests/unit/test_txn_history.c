/* The checker of histories can fail: each anomaly, made by hand, is found at the levels that forbid it, and let through at those that do not. */
#include "support/store_fixture.h"
#include "support/txn_history.h"

#define LIST(...) ((const uint32_t[]){ __VA_ARGS__ }), sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t)
#define READ(key, ...) \
    { \
        false, key, 0, LIST(__VA_ARGS__) \
    }
#define READ_NONE(key) \
    { \
        false, key, 0, NULL, 0 \
    }
#define APPEND(key, element) \
    { \
        true, key, element, NULL, 0 \
    }
#define TXN(result, count, ...) \
    { \
        .outcome = result, .op_count = count, .ops = { __VA_ARGS__ } \
    }
#define DONE(count, ...) TXN(HISTORY_COMMITTED, count, __VA_ARGS__)

#define CHECK(history, serializable) history_check(history, sizeof history / sizeof history[0], serializable)

static void is_called(const char *complaint, const char *anomaly)
{
    assert_non_null(complaint);
    if (strstr(complaint, anomaly) != complaint) {
        print_error("%s is not %s\n", complaint, anomaly);
        fail();
    }
}

static void a_good_history_is_good_at_both_levels(void **state)
{
    (void)state;
    const struct history_txn history[] = {
        DONE(2, READ_NONE(0), APPEND(0, 1)),
        DONE(3, READ(0, 1), APPEND(0, 2), READ(0, 1, 2)),
        DONE(2, READ(0, 1), READ_NONE(1)),
        DONE(3, READ_NONE(1), APPEND(1, 3), APPEND(1, 4)),
        TXN(HISTORY_ABORTED, 2, READ(0, 1), APPEND(0, 9)),
        DONE(2, READ(0, 1, 2), READ(1, 3, 4)),
    };
    assert_null(CHECK(history, true));
    assert_null(CHECK(history, false));
}

static void lost_updates_are_found_at_both_levels(void **state)
{
    (void)state;
    const struct history_txn overwritten[] = {
        DONE(2, READ_NONE(0), APPEND(0, 1)),
        DONE(2, READ_NONE(0), APPEND(0, 2)),
        DONE(1, READ(0, 2)),
    };
    const struct history_txn both[] = {
        DONE(2, READ_NONE(0), APPEND(0, 1)),
        DONE(2, READ_NONE(0), APPEND(0, 2)),
        DONE(1, READ(0, 1, 2)),
    };
    is_called(CHECK(overwritten, true), "lost");
    is_called(CHECK(overwritten, false), "lost");
    is_called(CHECK(both, true), "G2");
    is_called(CHECK(both, false), "G-SI");
}

static void write_skew_is_found_if_serializable_and_let_through_at_snapshot_isolation(void **state)
{
    (void)state;
    const struct history_txn history[] = {
        DONE(3, READ_NONE(0), READ_NONE(1), APPEND(0, 1)),
        DONE(3, READ_NONE(0), READ_NONE(1), APPEND(1, 2)),
        DONE(2, READ(0, 1), READ(1, 2)),
    };
    is_called(CHECK(history, true), "G2");
    assert_null(CHECK(history, false));
}

static void a_long_fork_is_found_at_both_levels(void **state)
{
    (void)state;
    const struct history_txn history[] = {
        DONE(2, READ_NONE(0), APPEND(0, 1)), DONE(2, READ_NONE(1), APPEND(1, 2)), DONE(2, READ(0, 1), READ_NONE(1)),
        DONE(2, READ_NONE(0), READ(1, 2)),   DONE(2, READ(0, 1), READ(1, 2)),
    };
    is_called(CHECK(history, true), "G2");
    is_called(CHECK(history, false), "G-SI");
}

static void half_of_a_transaction_is_found_at_both_levels(void **state)
{
    (void)state;
    const struct history_txn history[] = {
        DONE(4, READ_NONE(0), READ_NONE(1), APPEND(0, 1), APPEND(1, 2)),
        DONE(2, READ(0, 1), READ_NONE(1)),
        DONE(2, READ(0, 1), READ(1, 2)),
    };
    is_called(CHECK(history, true), "G2");
    is_called(CHECK(history, false), "G-SI");
}

static void the_anomaly_of_a_reader_is_found_if_serializable_and_let_through_at_snapshot_isolation(void **state)
{
    (void)state;
    const struct history_txn history[] = {
        DONE(3, READ_NONE(0), READ_NONE(1), APPEND(0, 1)), /* withdraw: saw no deposit */
        DONE(2, READ_NONE(1), APPEND(1, 2)),               /* deposit */
        DONE(2, READ_NONE(0), READ(1, 2)),                 /* report */
        DONE(2, READ(0, 1), READ(1, 2)),
    };
    is_called(CHECK(history, true), "G2");
    assert_null(CHECK(history, false));
}

static void reads_of_what_was_aborted_are_found(void **state)
{
    (void)state;
    const struct history_txn history[] = {
        TXN(HISTORY_ABORTED, 2, READ_NONE(0), APPEND(0, 1)),
        DONE(1, READ(0, 1)),
        DONE(1, READ_NONE(0)),
    };
    is_called(CHECK(history, false), "G1a");
}

static void reads_of_what_was_not_yet_whole_are_found(void **state)
{
    (void)state;
    const struct history_txn history[] = {
        DONE(3, READ_NONE(0), APPEND(0, 1), APPEND(0, 2)),
        DONE(1, READ(0, 1)),
        DONE(1, READ(0, 1, 2)),
    };
    is_called(CHECK(history, false), "G1b");
}

static void who_read_each_other_is_found(void **state)
{
    (void)state;
    const struct history_txn history[] = {
        DONE(2, APPEND(0, 1), READ(1, 2)),
        DONE(2, APPEND(1, 2), READ(0, 1)),
        DONE(2, READ(0, 1), READ(1, 2)),
    };
    is_called(CHECK(history, false), "G1c");
}

static void lists_that_contradict_each_other_are_found(void **state)
{
    (void)state;
    const struct history_txn history[] = {
        DONE(1, APPEND(0, 1)),
        DONE(1, APPEND(0, 2)),
        DONE(1, READ(0, 2)),
        DONE(1, READ(0, 1, 2)),
    };
    is_called(CHECK(history, false), "order");
}

static void who_does_not_see_itself_is_found(void **state)
{
    (void)state;
    const struct history_txn own[] = { DONE(3, READ_NONE(0), APPEND(0, 1), READ_NONE(0)), DONE(1, READ(0, 1)) };
    const struct history_txn twice[] = { DONE(1, APPEND(0, 1)), DONE(2, READ_NONE(0), READ(0, 1)),
                                         DONE(1, READ(0, 1)) };
    is_called(CHECK(own, false), "internal");
    is_called(CHECK(twice, false), "internal");
}

static void old_reads_are_found_where_real_time_counts(void **state)
{
    (void)state;
    struct history_txn history[] = {
        DONE(2, READ_NONE(0), APPEND(0, 1)),
        DONE(1, READ_NONE(0)),
        DONE(1, READ(0, 1)),
    };
    assert_null(CHECK(history, true));
    for (unsigned i = 0; i < 3; i++) {
        history[i].began = 2 * i + 1;
        history[i].ended = 2 * i + 2;
    }
    is_called(CHECK(history, true), "a cycle with real time");
    assert_null(CHECK(history, false));
    history[1].began = 1, history[0].began = 2, history[0].ended = 3, history[1].ended = 4;
    assert_null(CHECK(history, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_history_is_good_at_both_levels),
        cmocka_unit_test(lost_updates_are_found_at_both_levels),
        cmocka_unit_test(write_skew_is_found_if_serializable_and_let_through_at_snapshot_isolation),
        cmocka_unit_test(a_long_fork_is_found_at_both_levels),
        cmocka_unit_test(half_of_a_transaction_is_found_at_both_levels),
        cmocka_unit_test(the_anomaly_of_a_reader_is_found_if_serializable_and_let_through_at_snapshot_isolation),
        cmocka_unit_test(reads_of_what_was_aborted_are_found),
        cmocka_unit_test(reads_of_what_was_not_yet_whole_are_found),
        cmocka_unit_test(who_read_each_other_is_found),
        cmocka_unit_test(lists_that_contradict_each_other_are_found),
        cmocka_unit_test(who_does_not_see_itself_is_found),
        cmocka_unit_test(old_reads_are_found_where_real_time_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
