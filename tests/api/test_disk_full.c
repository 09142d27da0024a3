/* A full disk: puts are refused, what frees space goes on out of the reserve, and nacre_resume leads back. On files in memory, with an end to their space. */
#include "os/os.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"
#include <time.h>
#include <unistd.h>

#define RESERVE (UINT64_C(1) << 20)

static uint64_t reserve_bytes(struct fixture *f)
{
    char path[96];
    nacre_file *file = NULL;
    uint64_t bytes = 0;
    snprintf(path, sizeof path, "%s/RESERVE", f->path);
    if (f->memory->open(f->memory->context, path, NACRE_FILE_READ, &file) == NACRE_OK) {
        assert_ok(f->memory->size(file, &bytes));
        assert_ok(f->memory->close(file));
    }
    return bytes;
}

static void wait_for_reserve(struct fixture *f, uint64_t bytes)
{
    for (int i = 0; i < 3000 && reserve_bytes(f) != bytes; i++) {
        nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
        if (i % 50 == 0) {
            assert_ok(nacre_prune_log(f->store)); /* keeps house */
        }
    }
    assert_int_equal(reserve_bytes(f), bytes);
}

static int put_number(struct fixture *f, unsigned i)
{
    char key[32], value[1000];
    memset(value, 'v', sizeof value);
    snprintf(key, sizeof key, "key%06u", i);
    return nacre_put(f->collection, text(key), (nacre_slice){ value, sizeof value }, NULL);
}

/* *count: keys that are there. */
static void fill_the_disk(struct fixture *f, unsigned *count)
{
    assert_ok(nacre_tune(f->store, "disk_reserve_bytes", "1048576"));
    assert_ok(nacre_tune(f->store, "log_file_bytes", "65536"));
    assert_ok(nacre_tune(f->store, "seal_bytes", "131072"));
    assert_ok(nacre_tune(f->store, "segment_bytes", "262144"));
    fixture_reopen(f);
    *count = 0;
    assert_int_equal(reserve_bytes(f), 0); /* it is small yet */
    while (*count < 3000) {
        assert_ok(put_number(f, (*count)++));
    }
    assert_ok(nacre_flush(f->collection));
    wait_for_reserve(f, RESERVE);
    os_memory_set_space(f->memory, 200 << 10);
    int status = NACRE_OK;
    while (*count < 20000 && (status = put_number(f, *count)) == NACRE_OK) {
        (*count)++;
    }
    assert_true(status == NACRE_NO_SPACE || status == NACRE_READ_ONLY);
    assert_int_equal(nacre_store_state(f->store, NULL, 0), NACRE_STATE_READ_ONLY);
}

static void on_a_full_disk_puts_are_refused_and_deletes_go_on_out_of_the_reserve(void **state)
{
    struct fixture *f = *state;
    unsigned count = 0;
    fill_the_disk(f, &count);
    assert_int_equal(reserve_bytes(f), 0);
    assert_code(put_number(f, 0), NACRE_READ_ONLY);
    assert_ok(nacre_delete(f->collection, text("key000001"), NULL));
    assert_string_equal(get(f, "key000001"), "<none>");
    assert_ok(nacre_delete_range(f->collection, text("key000100"), text("key9"), NULL));
    assert_string_equal(get(f, "key000100"), "<none>");
    nacre_batch *batch = NULL;
    assert_ok(nacre_batch_create(&batch));
    assert_ok(nacre_batch_delete(batch, f->collection, text("key000002")));
    assert_ok(nacre_batch_put(batch, f->collection, text("key000003"), text("v")));
    assert_code(nacre_write(f->store, batch, NULL), NACRE_READ_ONLY); /* it does not delete alone */
    nacre_batch_free(batch);
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_int_equal(nacre_store_state(f->store, NULL, 0), NACRE_STATE_READ_ONLY); /* until it is told */
    os_memory_set_space(f->memory, UINT64_MAX);
    assert_ok(nacre_resume(f->store));
    assert_ok(put_number(f, 0));
    assert_string_equal(get(f, "key000001"), "<none>");
    assert_string_not_equal(get(f, "key000003"), "v");
}

static void a_collection_is_dropped_on_a_full_disk(void **state)
{
    struct fixture *f = *state;
    unsigned count = 0;
    fill_the_disk(f, &count);
    nacre_collection_close(f->collection);
    f->collection = NULL;
    assert_ok(nacre_collection_drop(f->store, "test"));
    os_memory_set_space(f->memory, UINT64_MAX);
    assert_ok(nacre_resume(f->store));
    fixture_reopen(f);
    assert_string_equal(get(f, "key000001"), "<none>");
}

static void the_reserve_is_made_anew_and_goes_when_it_is_not_wanted(void **state)
{
    struct fixture *f = *state;
    unsigned count = 0;
    fill_the_disk(f, &count);
    os_memory_set_space(f->memory, UINT64_MAX);
    assert_ok(nacre_resume(f->store));
    wait_for_reserve(f, RESERVE);
    fixture_reopen(f);
    assert_int_equal(reserve_bytes(f), RESERVE);
    assert_ok(nacre_tune(f->store, "disk_reserve_bytes", "0"));
    wait_for_reserve(f, 0);
}

/* Some MiB in segments, and the store closed; two log files would take 16 MiB. */
static void fill_and_close(struct fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_ok(put_number(f, i));
    }
    assert_ok(nacre_flush(f->collection));
    fixture_reopen(f);
    assert_ok(nacre_prune_log(f->store)); /* whose room would be had at the next opening */
    fixture_close(f);
}

static void a_store_opens_with_1_mib_free_and_deletes_and_merges_free_its_room(void **state)
{
    struct fixture *f = *state;
    char reason[512];
    fill_and_close(f, 3000);
    os_memory_set_space(f->memory, 1 << 20);
    uint64_t closed = os_memory_bytes(f->memory);
    fixture_open(f);
    assert_true(os_memory_bytes(f->memory) <= closed + (256 << 10));
    assert_int_equal(nacre_store_state(f->store, reason, sizeof reason), NACRE_STATE_READ_ONLY);
    assert_non_null(strstr(reason, "the disk is full"));
    assert_code(put_number(f, 0), NACRE_READ_ONLY);
    assert_ok(nacre_delete(f->collection, text("key000001"), NULL));
    assert_ok(nacre_delete_range(f->collection, text("key000100"), text("key9"), NULL));
    assert_code(nacre_resume(f->store), NACRE_NO_SPACE);
    uint64_t before = os_memory_bytes(f->memory);
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    fixture_reopen(f);
    assert_true(os_memory_bytes(f->memory) + (2 << 20) < before);
    assert_string_equal(get(f, "key000001"), "<none>");
    assert_string_not_equal(get(f, "key000099"), "<none>");
    assert_string_equal(get(f, "key000100"), "<none>");
    os_memory_set_space(f->memory, UINT64_MAX);
    assert_ok(nacre_resume(f->store));
    assert_ok(put_number(f, 100));
    fixture_reopen(f);
    assert_int_equal(nacre_store_state(f->store, NULL, 0), NACRE_STATE_OK);
    assert_string_not_equal(get(f, "key000100"), "<none>");
}

/* They go on over many small log files, until nothing fits; what was acknowledged by then is there after a loss of power. */
static void deletes_on_a_full_disk_survive_a_loss_of_power(void **state)
{
    struct fixture *f = *state;
    unsigned deleted = 0;
    int status = NACRE_OK;
    nacre_write_options disk = NACRE_WRITE_OPTIONS_INIT;
    disk.durability = NACRE_DISK;
    fill_and_close(f, 3000);
    os_memory_set_space(f->memory, 150 << 10);
    fixture_open(f);
    char key[32];
    while (deleted < 3000 && status == NACRE_OK) {
        snprintf(key, sizeof key, "key%06u", deleted);
        status = nacre_delete(f->collection, text(key), &disk);
        deleted += status == NACRE_OK;
    }
    assert_true(deleted > 100 && deleted < 3000);
    assert_code(status, NACRE_NO_SPACE);
    os_memory_cut_at(f->memory, os_memory_calls(f->memory) + 1);
    nacre_collection_close(f->collection);
    f->collection = NULL;
    (void)nacre_close(f->store); /* nothing of it reaches the disk */
    f->store = NULL;
    os_memory_restart(f->memory, 7);
    os_memory_set_space(f->memory, 150 << 10);
    fixture_open(f);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "key%06u", i);
        if (i != deleted) { /* that one was refused: it may be there or not */
            assert_true((strcmp(get(f, key), "<none>") == 0) == (i < deleted));
        }
    }
}

static void the_reserve_is_given_up_for_an_opening_on_a_disk_without_room(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "disk_reserve_bytes", "1048576"));
    for (unsigned i = 0; i < 3000; i++) {
        assert_ok(put_number(f, i));
    }
    assert_ok(nacre_flush(f->collection));
    wait_for_reserve(f, RESERVE);
    fixture_close(f);
    os_memory_set_space(f->memory, 0);
    fixture_open(f);
    assert_int_equal(reserve_bytes(f), 0);
    assert_int_equal(nacre_store_state(f->store, NULL, 0), NACRE_STATE_READ_ONLY);
    assert_ok(nacre_delete_range(f->collection, text("key000100"), text("key9"), NULL));
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_string_equal(get(f, "key000100"), "<none>");
}

/* What was given up is for merges, not for the log: pruned files go, and the next ones are small. */
static void the_log_takes_little_of_the_reserve(void **state)
{
    struct fixture *f = *state;
    unsigned count = 0;
    assert_ok(nacre_tune(f->store, "log_file_bytes", "1048576"));
    assert_ok(nacre_tune(f->store, "disk_reserve_bytes", "1048576"));
    fixture_reopen(f);
    while (count < 3000) {
        assert_ok(put_number(f, count++));
    }
    assert_ok(nacre_flush(f->collection));
    wait_for_reserve(f, RESERVE);
    os_memory_set_space(f->memory, 0);
    while (count < 20000 && put_number(f, count) == NACRE_OK) {
        count++;
    }
    assert_int_equal(nacre_store_state(f->store, NULL, 0), NACRE_STATE_READ_ONLY);
    uint64_t before = os_memory_bytes(f->memory);
    for (unsigned i = 0; i < 3000; i++) {
        char key[32];
        snprintf(key, sizeof key, "key%06u", i);
        assert_ok(nacre_delete(f->collection, text(key), NULL));
    }
    assert_true(os_memory_bytes(f->memory) <= before + (512 << 10));
}

static void the_reason_is_the_full_disk_where_there_was_no_reserve(void **state)
{
    struct fixture *f = *state;
    char reason[512];
    unsigned count = 0;
    assert_ok(nacre_tune(f->store, "disk_reserve_bytes", "0"));
    assert_ok(nacre_tune(f->store, "log_file_bytes", "65536"));
    fixture_reopen(f);
    os_memory_set_space(f->memory, 200 << 10);
    while (count < 20000 && put_number(f, count) == NACRE_OK) {
        count++;
    }
    assert_int_equal(nacre_store_state(f->store, reason, sizeof reason), NACRE_STATE_READ_ONLY);
    assert_non_null(strstr(reason, "space"));
    assert_null(strstr(reason, "RESERVE"));
}

/* The machine's own files, where it lets us mount a small file system: what was written fills it, and deleting leads back without help. */
static void a_small_file_system_that_is_full_gets_its_room_back_by_deletes(void **state)
{
    struct fixture small = { .options = NACRE_OPTIONS_INIT, .kind = NACRE_ORDERED };
    char directory[] = "/tmp/nacre-small-XXXXXX", command[128];
    int status = NACRE_OK;
    unsigned count = 0;
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(command, sizeof command, "mount -t tmpfs -o size=32m tmpfs %s 2>/dev/null", directory);
    if (system(command) != 0) {
        assert_int_equal(rmdir(directory), 0);
        skip();
    }
    snprintf(small.path, sizeof small.path, "%s/store", directory);
    small.options.log_limit = 4 << 20;
    small.options.durability = NACRE_OS;
    small.options.write_timeout_ms = 60000;
    fixture_open(&small);
    assert_ok(nacre_tune(small.store, "disk_reserve_bytes", "4194304"));
    assert_ok(nacre_tune(small.store, "log_file_bytes", "262144"));
    assert_ok(nacre_tune(small.store, "seal_bytes", "1048576"));
    assert_ok(nacre_tune(small.store, "segment_bytes", "1048576"));
    fixture_reopen(&small);
    while (count < 100000 && (status = put_number(&small, count)) == NACRE_OK) {
        count++;
    }
    assert_true(status == NACRE_NO_SPACE || status == NACRE_READ_ONLY);
    assert_int_equal(nacre_store_state(small.store, NULL, 0), NACRE_STATE_READ_ONLY);
    assert_code(put_number(&small, 0), NACRE_READ_ONLY);
    assert_ok(nacre_delete_range(small.collection, text("key000010"), text("key9"), NULL));
    assert_ok(nacre_flush(small.collection));
    assert_ok(nacre_compact(small.collection, text(""), text("")));
    for (int i = 0; i < 1000 && (status = nacre_resume(small.store)) != NACRE_OK; i++) {
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    }
    assert_ok(status);
    assert_ok(put_number(&small, 500));
    fixture_reopen(&small);
    assert_string_not_equal(get(&small, "key000009"), "<none>");
    assert_string_equal(get(&small, "key000010"), "<none>");
    assert_string_not_equal(get(&small, "key000500"), "<none>");
    fixture_close(&small);
    snprintf(command, sizeof command, "umount %s", directory);
    assert_int_equal(system(command), 0);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(on_a_full_disk_puts_are_refused_and_deletes_go_on_out_of_the_reserve,
                                        fixture_setup_strings_in_memory, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_collection_is_dropped_on_a_full_disk, fixture_setup_strings_in_memory,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(the_reserve_is_made_anew_and_goes_when_it_is_not_wanted,
                                        fixture_setup_strings_in_memory, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_store_opens_with_1_mib_free_and_deletes_and_merges_free_its_room,
                                        fixture_setup_strings_in_memory, fixture_teardown),
        cmocka_unit_test_setup_teardown(deletes_on_a_full_disk_survive_a_loss_of_power, fixture_setup_strings_in_memory,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(the_reserve_is_given_up_for_an_opening_on_a_disk_without_room,
                                        fixture_setup_strings_in_memory, fixture_teardown),
        cmocka_unit_test_setup_teardown(the_log_takes_little_of_the_reserve, fixture_setup_strings_in_memory,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(the_reason_is_the_full_disk_where_there_was_no_reserve,
                                        fixture_setup_strings_in_memory, fixture_teardown),
        cmocka_unit_test(a_small_file_system_that_is_full_gets_its_room_back_by_deletes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
