/* A store of many files under a small limit of handles: in a child, which may have 64 open. */
#include "support/store_fixture.h"
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEGMENTS 250u
#define HANDLES  64u

static nacre_slice key_of(unsigned i, char *out, size_t size)
{
    return (nacre_slice){ out, (size_t)snprintf(out, size, "key%05u", i) };
}

/* Each key is in a segment of its own, between a first and a last that all have: so that no segment is told by its bounds. */
static void fill(struct fixture *f)
{
    assert_ok(nacre_pause_compaction(f->store, 60000));
    for (unsigned i = 0; i < SEGMENTS; i++) {
        char key[32];
        put(f, "a", "first");
        put(f, "z", "last");
        assert_ok(nacre_put(f->collection, key_of(i, key, sizeof key), text("value"), NULL));
        assert_ok(nacre_flush(f->collection));
    }
}

#define MUST(call) \
    if ((call) != NACRE_OK) { \
        fprintf(stderr, "%s: %s\n", #call, nacre_last_error()); \
        _exit(1); \
    }

static uint64_t handles_open(nacre_store *store)
{
    char *json = NULL;
    MUST(nacre_stats(store, &json));
    const char *at = strstr(json, "\"file_handles\":");
    uint64_t open = at ? strtoull(at + strlen("\"file_handles\":"), NULL, 10) : UINT64_MAX;
    nacre_free(json);
    return open;
}

static void read_all(nacre_collection *collection)
{
    for (unsigned i = 0; i < SEGMENTS; i++) {
        char key[32];
        nacre_value value;
        MUST(nacre_get(collection, key_of(i, key, sizeof key), NULL, &value));
        nacre_value_release(&value);
    }
    nacre_cursor *cursor = NULL;
    unsigned count = 0;
    MUST(nacre_scan(collection, NULL, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        count++;
    }
    MUST(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
    if (count != SEGMENTS + 2) {
        fprintf(stderr, "%u keys\n", count);
        _exit(1);
    }
}

static void child_main(struct fixture *f)
{
    const struct rlimit few = { HANDLES, HANDLES };
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    nacre_store *store = NULL;
    nacre_collection *collection = NULL;
    char copy[96];
    snprintf(copy, sizeof copy, "%s/../%s.copy", f->path, strrchr(f->path, '/') + 1);
    if (setrlimit(RLIMIT_NOFILE, &few) != 0) {
        _exit(77);
    }
    MUST(nacre_open(f->path, &f->options, &store));
    MUST(nacre_collection_open(store, "test", &collection));
    read_all(collection);
    MUST(nacre_verify(store, &report));
    MUST(nacre_checkpoint(store, copy));
    MUST(nacre_compact(collection, text(""), text("")));
    read_all(collection);
    if (handles_open(store) > HANDLES) {
        fprintf(stderr, "%llu handles\n", (unsigned long long)handles_open(store));
        _exit(1);
    }
    nacre_collection_close(collection);
    MUST(nacre_close(store));
    _exit(0);
}

static void run(struct fixture *f)
{
    int status = 0;
    char command[128];
    fixture_close(f);
    pid_t child = fork();
    if (child == 0) {
        child_main(f);
    }
    waitpid(child, &status, 0);
    snprintf(command, sizeof command, "rm -rf '%s.copy'", f->path);
    assert_int_equal(system(command), 0);
    fixture_open(f);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_store_of_more_files_than_handles_is_read_merged_verified_and_copied_with_maps(void **state)
{
    struct fixture *f = *state;
    fill(f);
    run(f);
}

static void a_store_of_more_files_than_handles_is_read_merged_verified_and_copied_without_maps(void **state)
{
    struct fixture *f = *state;
    fill(f);
    assert_ok(nacre_tune(f->store, "segment_map", "0"));
    run(f);
}

static void the_bound_holds_where_the_system_has_none(void **state)
{
    struct fixture *f = *state;
    fill(f);
    assert_ok(nacre_tune(f->store, "segment_map", "0"));
    assert_ok(nacre_tune(f->store, "file_handles", "32"));
    fixture_close(f);
    fixture_open(f);
    assert_ok(nacre_pause_compaction(f->store, 60000));
    read_all(f->collection);
    assert_in_range(handles_open(f->store), 1, 40); /* those that are written are not counted against the others */
    assert_code(nacre_tune(f->store, "file_handles", "31"), NACRE_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_of_more_files_than_handles_is_read_merged_verified_and_copied_with_maps,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            a_store_of_more_files_than_handles_is_read_merged_verified_and_copied_without_maps, fixture_setup,
            fixture_teardown),
        cmocka_unit_test_setup_teardown(the_bound_holds_where_the_system_has_none, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
