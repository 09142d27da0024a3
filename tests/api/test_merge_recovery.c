/* What operands lie on stays as it is until they are in memory, also when that is long after they were written: what has expired since, and what a compaction filter would change. */
#include "base/clock.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"
#include <stdatomic.h>

#define MINUTE UINT64_C(60000)
#define FILLER \
    100000 /* puts before the operand in the log: less than a memtable takes while they are written, more than one of the opening after */

static _Atomic uint64_t now;
static nacre_os *disk;
static nacre_options options;
static nacre_store *store;
static nacre_collection *collection;

static uint64_t now_ms(void)
{
    return atomic_load(&now);
}

static int set_up(void **state)
{
    (void)state;
    atomic_store(&now, UINT64_C(1700000000000));
    clock_set_wall_ms(now_ms);
    disk = os_memory_create();
    options = (nacre_options)NACRE_OPTIONS_INIT;
    options.os = disk;
    options.durability = NACRE_OS;
    options.memory_budget = 512 << 20;
    options.background_threads = 3; /* flushes come first */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clock_set_wall_ms(NULL);
    os_memory_free(disk);
    return 0;
}

static nacre_filter_decision remove_base(void *context, nacre_slice key, nacre_slice value, uint32_t level,
                                         nacre_output *changed)
{
    (void)context;
    (void)key;
    (void)level;
    (void)changed;
    return value.size == 4 && memcmp(value.data, "base", 4) == 0 ? NACRE_FILTER_REMOVE : NACRE_FILTER_KEEP;
}

static const nacre_compaction_filter filter = { "remove base", NULL, remove_base };
static const nacre_hooks hooks = { sizeof hooks, NULL, 0, &filter, 1, NULL, NULL };

static void write_base(uint64_t ttl_ms)
{
    nacre_collection_options how = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_write_options shortly = NACRE_WRITE_OPTIONS_INIT;
    how.merge_operator = "append";
    how.compaction_filter = ttl_ms ? NULL : "remove base";
    options.hooks = &hooks;
    shortly.ttl_ms = ttl_ms;
    assert_ok(nacre_open("/store", &options, &store));
    assert_ok(nacre_collection_create(store, "things", &how, &collection));
    assert_ok(nacre_put(collection, text("k"), text("base"), &shortly));
    assert_ok(nacre_flush(collection));
}

static void write_filler(void)
{
    char key[16], value[100];
    memset(value, 'v', sizeof value);
    for (unsigned i = 0; i < FILLER; i++) {
        snprintf(key, sizeof key, "f%05u", i);
        assert_ok(nacre_put(collection, text(key), (nacre_slice){ value, sizeof value }, NULL));
    }
}

/* As a process leaves it that is killed. */
static void kill_store(void)
{
    nacre_os *copy = os_memory_create();
    assert_int_equal(os_memory_copy_tree(copy, disk), NACRE_OK);
    nacre_collection_close(collection);
    assert_ok(nacre_close(store));
    os_memory_free(disk);
    disk = copy;
    options.os = copy;
    options.memory_budget = 16 << 20;
}

static void assert_value(const char *key, const char *want)
{
    nacre_value value;
    assert_ok(nacre_get(collection, text(key), NULL, &value));
    assert_int_equal(value.slice.size, strlen(want));
    assert_memory_equal(value.slice.data, want, value.slice.size);
    nacre_value_release(&value);
}

static void open_and_look(const char *path)
{
    assert_ok(nacre_open(path, &options, &store));
    assert_ok(nacre_collection_open(store, "things", &collection));
    assert_value("k", "base+");
    nacre_collection_close(collection);
    assert_ok(nacre_close(store));
}

/* The operand comes last in the log: memtables are flushed while what is before it is replayed, and merges look for work. */
static void write_all(uint64_t ttl_ms)
{
    write_base(ttl_ms);
    write_filler();
    assert_ok(nacre_merge(collection, text("k"), text("+"), NULL));
    assert_ok(nacre_tune(store, "level0_runs", "1"));
    kill_store();
    atomic_fetch_add(&now, 60 * MINUTE);
}

static void a_base_that_expired_before_the_recovery_is_there_for_operands_of_before(void **state)
{
    (void)state;
    write_all(MINUTE);
    open_and_look("/store");
}

static void a_base_that_expired_before_a_salvage_is_there_for_operands_of_the_log(void **state)
{
    (void)state;
    write_all(MINUTE);
    assert_ok(nacre_salvage_copy("/store", "/copy", &options, NULL));
    open_and_look("/copy");
}

static void a_recovery_filters_nothing_that_operands_of_the_log_lie_on(void **state)
{
    (void)state;
    write_all(0);
    open_and_look("/store");
}

static void a_salvage_filters_nothing_that_operands_of_the_log_lie_on(void **state)
{
    (void)state;
    write_all(0);
    assert_ok(nacre_salvage_copy("/store", "/copy", &options, NULL));
    open_and_look("/copy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_base_that_expired_before_the_recovery_is_there_for_operands_of_before, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_base_that_expired_before_a_salvage_is_there_for_operands_of_the_log, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_recovery_filters_nothing_that_operands_of_the_log_lie_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_salvage_filters_nothing_that_operands_of_the_log_lie_on, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
