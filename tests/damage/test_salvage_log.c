/* Salvage copies of the log of a process that was killed: nothing says how far it was durable, and all that can be read is kept. */
#include "support/os_memory.h"
#include "support/store_fixture.h"

#define KEYS 400u

static nacre_os *disk, *killed;
static nacre_options options;
static nacre_store *store;
static nacre_collection *collection;

static nacre_slice key_of(unsigned i)
{
    static char key[16];
    snprintf(key, sizeof key, "key-%04u", i);
    return text(key);
}

/* KEYS single puts that nobody synced, as a kill would leave them. */
static int kill_a_writer(void **state)
{
    (void)state;
    disk = os_memory_create();
    killed = os_memory_create();
    options = (nacre_options)NACRE_OPTIONS_INIT;
    options.os = disk;
    options.durability = NACRE_OS;
    assert_ok(nacre_open("/store", &options, &store));
    assert_ok(nacre_collection_create(store, "things", NULL, &collection));
    for (unsigned i = 0; i < KEYS; i++) {
        assert_ok(nacre_put(collection, key_of(i), text("some value"), NULL));
    }
    assert_int_equal(os_memory_copy_tree(killed, disk), NACRE_OK);
    nacre_collection_close(collection);
    assert_ok(nacre_close(store));
    options.os = killed;
    return 0;
}

static int free_disks(void **state)
{
    (void)state;
    os_memory_free(disk);
    os_memory_free(killed);
    return 0;
}

static unsigned count_keys(const char *path)
{
    unsigned count = 0;
    assert_ok(nacre_open(path, &options, &store));
    assert_ok(nacre_collection_open(store, "things", &collection));
    for (unsigned i = 0; i < KEYS; i++) {
        nacre_value value;
        int status = nacre_get(collection, key_of(i), NULL, &value);
        assert_true(status == NACRE_OK || status == NACRE_NOT_FOUND);
        count += status == NACRE_OK;
        if (status == NACRE_OK) {
            assert_true(value.slice.size == strlen("some value") && memcmp(value.slice.data, "some value", 10) == 0);
            nacre_value_release(&value);
        }
    }
    nacre_collection_close(collection);
    assert_ok(nacre_close(store));
    return count;
}

static void records_behind_a_damaged_one_are_kept(void **state)
{
    (void)state;
    char *report = NULL;
    assert_int_equal(os_memory_flip(killed, "/store/log/00000001.log", 9000, 4), NACRE_OK);
    assert_ok(nacre_salvage_copy("/store", "/copy", &options, &report));
    assert_non_null(strstr(report, "\"damaged_places\":1"));
    assert_non_null(strstr(report, "\"file\":\"log/00000001.log\""));
    nacre_free(report);
    assert_int_equal(count_keys("/copy"), KEYS - 1);
    assert_true(count_keys("/store") < KEYS - 1); /* an opening takes it for the torn end */
}

static void a_torn_end_is_none(void **state)
{
    (void)state;
    char *report = NULL;
    assert_ok(nacre_salvage_copy("/store", "/copy", &options, &report));
    assert_non_null(strstr(report, "\"damaged\":0"));
    nacre_free(report);
    assert_int_equal(count_keys("/copy"), KEYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_behind_a_damaged_one_are_kept, kill_a_writer, free_disks),
        cmocka_unit_test_setup_teardown(a_torn_end_is_none, kill_a_writer, free_disks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
