/* Compaction filters through the public calls: what they remove and change, what they never touch, and what they may not do under a snapshot. */
#include "support/os_memory.h"
#include "support/store_fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_uint calls;
static atomic_bool slow;
static _Atomic uint32_t last_level;

/* "bad..." goes, "old..." becomes "new...", "huge" is left as it is since its change cannot be taken. */
static nacre_filter_decision decide(void *context, nacre_slice key, nacre_slice value, uint32_t level,
                                    nacre_output *changed)
{
    (void)context;
    (void)key;
    atomic_fetch_add(&calls, 1);
    atomic_store(&last_level, level);
    if (atomic_load(&slow)) {
        usleep(200);
    }
    if (value.size >= 3 && memcmp(value.data, "bad", 3) == 0) {
        return NACRE_FILTER_REMOVE;
    }
    if (value.size >= 3 && memcmp(value.data, "old", 3) == 0) {
        (void)nacre_output_append(changed, (nacre_slice){ "new", 3 });
        (void)nacre_output_append(changed, (nacre_slice){ (const char *)value.data + 3, value.size - 3 });
        return NACRE_FILTER_CHANGE;
    }
    if (value.size == 4 && memcmp(value.data, "huge", 4) == 0) {
        (void)nacre_output_append(changed, (nacre_slice){ value.data, (size_t)NACRE_VALUE_MAX + 1 });
        return NACRE_FILTER_CHANGE;
    }
    return NACRE_FILTER_KEEP;
}

static const nacre_compaction_filter filters[] = { { "decide", NULL, decide } };
static const nacre_hooks hooks = { sizeof hooks, NULL, 0, filters, 1, NULL, NULL };

static void use(struct fixture *f, const char *merge_operator, uint64_t ttl_ms)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.compaction_filter = "decide";
    options.merge_operator = merge_operator;
    options.default_ttl_ms = ttl_ms;
    options.kind = f->kind;
    fixture_close(f);
    f->options.hooks = &hooks;
    fixture_open(f);
    nacre_collection_close(f->collection);
    assert_ok(nacre_collection_drop(f->store, "test"));
    assert_ok(nacre_collection_create(f->store, "test", &options, &f->collection));
    atomic_store(&calls, 0);
    atomic_store(&slow, false);
}

static void compact(struct fixture *f)
{
    nacre_slice none = { NULL, 0 };
    assert_ok(nacre_compact(f->collection, none, none));
}

static void merges_remove_and_change_and_flushes_do_not(void **state)
{
    struct fixture *f = *state;
    use(f, NULL, 0);
    put(f, "a", "good");
    put(f, "b", "bad");
    put(f, "c", "old1");
    put(f, "d", "huge");
    assert_ok(nacre_flush(f->collection));
    assert_int_equal(atomic_load(&calls), 0);
    assert_string_equal(scan(f, NULL), "a=good b=bad c=old1 d=huge");
    compact(f);
    assert_string_equal(scan(f, NULL), "a=good c=new1 d=huge");
    assert_int_equal(atomic_load(&calls), 4);
    assert_true(atomic_load(&last_level) >= 1);
    fixture_reopen(f);
    assert_string_equal(scan(f, NULL), "a=good c=new1 d=huge");
    compact(f); /* what is compact is asked about again */
    assert_true(atomic_load(&calls) > 4);
}

/* A removal that only vanished would bring the older version beneath back. */
static void a_removed_key_hides_what_lies_beneath(void **state)
{
    struct fixture *f = *state;
    use(f, NULL, 0);
    assert_ok(nacre_tune(f->store, "level0_runs", "2"));
    put(f, "k", "good");
    put(f, "x", "1");
    compact(f);
    for (int i = 0; i < 4; i++) { /* level 0 is merged within itself or into level 1 */
        put(f, "k", "bad");
        put(f, "y", "2");
        assert_ok(nacre_flush(f->collection));
    }
    for (int i = 0; i < 100 && strcmp(get(f, "k"), "bad") == 0; i++) {
        usleep(10000);
    }
    assert_string_equal(get(f, "k"), "<none>");
    compact(f);
    assert_string_equal(scan(f, NULL), "x=1 y=2");
}

static void what_a_snapshot_sees_is_left_until_it_goes(void **state)
{
    struct fixture *f = *state;
    nacre_snapshot *snapshot;
    nacre_scan_options at = NACRE_SCAN_OPTIONS_INIT;
    use(f, NULL, 0);
    put(f, "a", "bad");
    put(f, "b", "old");
    assert_ok(nacre_snapshot_create(f->store, &snapshot));
    put(f, "c", "bad");
    compact(f);
    at.snapshot = snapshot;
    assert_string_equal(scan(f, &at), "a=bad b=old");
    assert_string_equal(scan(f, NULL), "a=bad b=old");
    nacre_snapshot_release(snapshot);
    compact(f);
    assert_string_equal(scan(f, NULL), "b=new");
}

static void a_cursor_sees_what_it_saw_when_it_was_made(void **state)
{
    struct fixture *f = *state;
    nacre_cursor *cursor;
    use(f, NULL, 0);
    put(f, "a", "good");
    put(f, "b", "bad");
    put(f, "c", "old");
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_scan(f->collection, NULL, &cursor));
    compact(f);
    nacre_cursor_next(cursor);
    assert_memory_equal(nacre_cursor_value(cursor).data, "bad", 3);
    nacre_cursor_next(cursor);
    assert_memory_equal(nacre_cursor_value(cursor).data, "old", 3);
    nacre_cursor_close(cursor);
    assert_string_equal(scan(f, NULL), "a=good c=new");
}

static void a_changed_entry_expires_when_it_would_have(void **state)
{
    struct fixture *f = *state;
    use(f, NULL, 2000);
    put(f, "k", "old");
    compact(f);
    assert_string_equal(get(f, "k"), "new");
    usleep(2100000);
    assert_string_equal(get(f, "k"), "<none>");
}

static void the_filter_sees_merged_values_and_waits_for_all_operands(void **state)
{
    struct fixture *f = *state;
    use(f, "append", 0);
    put(f, "k", "ol");
    assert_ok(nacre_merge(f->collection, text("k"), text("d!"), NULL));
    compact(f);
    assert_string_equal(get(f, "k"), "new!");
    put(f, "m", "bad");
    assert_ok(nacre_flush(f->collection));
    put(f, "l", "x");
    assert_ok(nacre_flush(f->collection));
    nacre_slice from = text("m"), to = text("n");
    assert_ok(nacre_merge(f->collection, text("m"), text("ger"), NULL));
    assert_string_equal(get(f, "m"), "badger");
    assert_ok(nacre_compact(f->collection, from, to));
    assert_string_equal(get(f, "m"), "<none>"); /* the whole value was bad, too */
}

static void a_missing_filter_is_told_and_filters_nothing(void **state)
{
    struct fixture *f = *state;
    char *json;
    use(f, NULL, 0);
    put(f, "b", "bad");
    fixture_close(f);
    f->options.hooks = NULL;
    fixture_open(f);
    compact(f);
    assert_string_equal(get(f, "b"), "bad");
    assert_ok(nacre_stats(f->store, &json));
    assert_non_null(strstr(json, "\"compaction_filters_missing\":1"));
    nacre_free(json);
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *c;
    options.compaction_filter = "decide";
    assert_code(nacre_collection_create(f->store, "c", &options, &c), NACRE_UNSUPPORTED);
    fixture_close(f);
    f->options.hooks = &hooks;
    fixture_open(f);
    compact(f);
    assert_string_equal(get(f, "b"), "<none>");
}

/* ---- power cuts ---- */

#define CUT_KEYS 30

struct cut_store {
    nacre_os *os;
    nacre_options options;
    nacre_store *store;
    nacre_collection *collection;
};

static void begin_cut(struct cut_store *c)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_options fresh = NACRE_OPTIONS_INIT;
    c->os = os_memory_create();
    c->options = fresh;
    c->options.os = c->os;
    c->options.hooks = &hooks;
    options.compaction_filter = "decide";
    assert_ok(nacre_open("/store", &c->options, &c->store));
    assert_ok(nacre_collection_create(c->store, "c", &options, &c->collection));
    for (int round = 0; round < 2; round++) { /* all are good at first: what must not come back */
        for (int i = 0; i < CUT_KEYS; i++) {
            static const char *const newest[] = { "good", "bad", "old" };
            char key[8];
            snprintf(key, sizeof key, "k%02d", i);
            assert_ok(nacre_put(c->collection, text(key), text(round ? newest[i % 3] : "first"), NULL));
        }
        assert_ok(nacre_flush(c->collection));
    }
}

/* As the filter left it, or as it was. */
static void check_cut(const struct cut_store *c, bool filtered, uint64_t cut)
{
    static const char *const before[] = { "good", "bad", "old" }, *const after[] = { "good", "<none>", "new" };
    for (int i = 0; i < CUT_KEYS; i++) {
        char key[8], got[16] = "<none>";
        nacre_value value;
        snprintf(key, sizeof key, "k%02d", i);
        int status = nacre_get(c->collection, text(key), NULL, &value);
        if (status == NACRE_OK) {
            snprintf(got, sizeof got, "%.*s", (int)value.slice.size, (const char *)value.slice.data);
        }
        nacre_value_release(&value);
        if ((status != NACRE_OK && status != NACRE_NOT_FOUND) ||
            (strcmp(got, after[i % 3]) != 0 && (filtered || strcmp(got, before[i % 3]) != 0))) {
            fail_msg("cut at call %llu: %s is %s (%s)", (unsigned long long)cut, key, got, nacre_status_name(status));
        }
    }
}

static void a_power_cut_in_a_merge_leaves_each_entry_as_it_was_or_as_the_filter_made_it(void **state)
{
    nacre_slice none = { NULL, 0 };
    uint64_t most = 1;
    (void)state;
    atomic_store(&slow, false);
    for (uint64_t cut = 0; cut <= most; cut++) { /* the first one is not cut, and counts */
        struct cut_store c;
        begin_cut(&c);
        uint64_t made = os_memory_calls(c.os);
        os_memory_cut_at(c.os, cut ? made + cut : 0);
        int status = nacre_compact(c.collection, none, none);
        assert_true(cut > 0 || status == NACRE_OK);
        nacre_collection_close(c.collection);
        (void)nacre_close(c.store);
        most = cut ? most : os_memory_calls(c.os) - made;
        os_memory_restart(c.os, 7919 * cut + 1);
        os_memory_cut_at(c.os, 0);
        assert_ok(nacre_open("/store", &c.options, &c.store));
        assert_ok(nacre_collection_open(c.store, "c", &c.collection));
        check_cut(&c, false, cut);
        assert_ok(nacre_compact(c.collection, none, none));
        check_cut(&c, true, cut);
        nacre_collection_close(c.collection);
        assert_ok(nacre_close(c.store));
        os_memory_free(c.os);
    }
    assert_true(most > 20);
}

/* ---- snapshots that are made while merges run ---- */

struct race {
    struct fixture *f;
    atomic_bool ended;
    atomic_uint wrong, looked, seen_bad;
};

static void *take_snapshots(void *context)
{
    struct race *race = context;
    while (!atomic_load(&race->ended)) {
        nacre_snapshot *snapshot = NULL;
        nacre_txn *txn = NULL; /* which is a snapshot, too */
        bool as_txn = atomic_load(&race->looked) % 2;
        nacre_read_options at = NACRE_READ_OPTIONS_INIT;
        if ((as_txn ? nacre_txn_begin(race->f->store, NULL, &txn) : nacre_snapshot_create(race->f->store, &snapshot)) !=
            NACRE_OK) {
            atomic_fetch_add(&race->wrong, 1);
            break;
        }
        at.snapshot = snapshot;
        int first[20];
        for (int look = 0; look < 6; look++) { /* what is there once is there until the snapshot goes */
            for (int i = 0; i < 20; i++) {
                char key[8];
                nacre_value value;
                snprintf(key, sizeof key, "k%02d", i);
                int status = as_txn ? nacre_txn_get(txn, race->f->collection, text(key), &value)
                                    : nacre_get(race->f->collection, text(key), &at, &value);
                int now = status == NACRE_OK ? ((const char *)value.slice.data)[0] : status;
                nacre_value_release(&value);
                if (look == 0) {
                    first[i] = now;
                    atomic_fetch_add(&race->seen_bad, now == 'b' || now == 'o');
                } else if (now != first[i]) {
                    atomic_fetch_add(&race->wrong, 1);
                }
            }
            usleep(1000);
        }
        atomic_fetch_add(&race->looked, 1);
        nacre_snapshot_release(snapshot);
        if (as_txn) {
            nacre_txn_abort(txn);
        }
        usleep(500);
    }
    return NULL;
}

static void a_snapshot_made_while_a_merge_runs_never_sees_an_entry_change(void **state)
{
    struct fixture *f = *state;
    struct race race = { .f = f };
    pthread_t threads[2];
    use(f, NULL, 0);
    atomic_store(&slow, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_snapshots, &race), 0);
    }
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 20; i++) {
            char key[8];
            snprintf(key, sizeof key, "k%02d", i);
            put(f, key, i % 2 ? "bad" : "old");
        }
        compact(f);
    }
    atomic_store(&race.ended, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&race.wrong), 0);
    assert_true(atomic_load(&race.looked) > 0 && atomic_load(&race.seen_bad) > 0);
    compact(f);
    for (int i = 0; i < 20; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%02d", i);
        assert_string_equal(get(f, key), i % 2 ? "<none>" : "new");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(merges_remove_and_change_and_flushes_do_not),
        TEST(a_removed_key_hides_what_lies_beneath),
        TEST(what_a_snapshot_sees_is_left_until_it_goes),
        TEST(a_cursor_sees_what_it_saw_when_it_was_made),
        TEST(a_changed_entry_expires_when_it_would_have),
        TEST(the_filter_sees_merged_values_and_waits_for_all_operands),
        TEST(a_missing_filter_is_told_and_filters_nothing),
        cmocka_unit_test(a_power_cut_in_a_merge_leaves_each_entry_as_it_was_or_as_the_filter_made_it),
        TEST(a_snapshot_made_while_a_merge_runs_never_sees_an_entry_change),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
