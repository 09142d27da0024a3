/* Many files through few handles: what is read is always the file's own, whoever closes it meanwhile. */
#include "os/handles.h"
#include "support/os_memory.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define FILES   200u
#define THREADS 4u
#define MOST    32u

struct many {
    nacre_os *below;
    struct os_handles *handles;
    const nacre_os *os;
    nacre_file *files[FILES];
    atomic_uint wrong, most_open;
};

static void name_of(unsigned i, char path[32])
{
    snprintf(path, 32, "d/%03u", i);
}

static int setup(void **state)
{
    static struct many many;
    memset(&many, 0, sizeof many);
    many.below = os_memory_create();
    assert_int_equal(many.below->make_directory(many.below->context, "d"), NACRE_OK);
    for (unsigned i = 0; i < FILES; i++) {
        char path[32];
        nacre_file *file = NULL;
        name_of(i, path);
        assert_int_equal(
            many.below->open(many.below->context, path, NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE, &file),
            NACRE_OK);
        assert_int_equal(many.below->write(file, 0, path, sizeof path), NACRE_OK);
        assert_int_equal(many.below->close(file), NACRE_OK);
    }
    assert_int_equal(os_handles_create(many.below, &many.handles), NACRE_OK);
    os_handles_set_most(many.handles, MOST);
    many.os = os_handles_reopening_layer(many.handles);
    for (unsigned i = 0; i < FILES; i++) {
        char path[32];
        name_of(i, path);
        assert_int_equal(many.os->open(many.os->context, path, NACRE_FILE_READ, &many.files[i]), NACRE_OK);
    }
    *state = &many;
    return 0;
}

static int teardown(void **state)
{
    struct many *many = *state;
    struct os_handle_counts counts;
    for (unsigned i = 0; i < FILES; i++) {
        assert_int_equal(many->os->close(many->files[i]), NACRE_OK);
    }
    os_handles_count(many->handles, &counts);
    assert_int_equal(counts.open, 0);
    os_handles_free(many->handles);
    os_memory_free(many->below);
    return 0;
}

static bool reads_its_own(struct many *many, unsigned i)
{
    char want[32] = "", got[32] = "";
    size_t size = 0;
    name_of(i, want);
    return many->os->read(many->files[i], 0, got, sizeof got, &size) == NACRE_OK && size == sizeof got &&
           strcmp(want, got) == 0;
}

static void files_beyond_the_bound_are_closed_and_opened_again(void **state)
{
    struct many *many = *state;
    struct os_handle_counts counts;
    for (unsigned i = 0; i < 2 * FILES; i++) {
        assert_true(reads_its_own(many, i % FILES));
        os_handles_count(many->handles, &counts);
        assert_in_range(counts.open, 1, MOST);
    }
    assert_in_range(counts.reopened, FILES, 2 * FILES);
}

static void what_is_read_often_stays_open(void **state)
{
    struct many *many = *state;
    struct os_handle_counts before, after;
    assert_true(reads_its_own(many, 7));
    os_handles_count(many->handles, &before);
    for (unsigned i = 0; i < FILES; i++) {
        assert_true(reads_its_own(many, 7));
        assert_true(reads_its_own(many, i));
    }
    os_handles_count(many->handles, &after);
    assert_in_range(after.reopened - before.reopened, 1, FILES); /* the others, and not this one each time too */
}

static void files_that_are_written_are_kept_open(void **state)
{
    struct many *many = *state;
    nacre_file *written = NULL;
    assert_int_equal(many->os->open(many->os->context, "d/000", NACRE_FILE_READ | NACRE_FILE_WRITE, &written),
                     NACRE_OK);
    assert_int_equal(many->below->rename(many->below->context, "d/000", "d/moved"), NACRE_OK);
    for (unsigned i = 1; i < FILES; i++) {
        assert_true(reads_its_own(many, i));
    }
    assert_int_equal(many->os->write(written, 0, "x", 1), NACRE_OK);
    assert_int_equal(many->os->close(written), NACRE_OK);
    assert_int_equal(many->below->rename(many->below->context, "d/moved", "d/000"), NACRE_OK);
}

static void *read_on(void *context)
{
    struct many *many = context;
    unsigned seed = (unsigned)(uintptr_t)&seed;
    for (unsigned i = 0; i < 20000; i++) {
        struct os_handle_counts counts;
        seed = seed * 1664525u + 1013904223u;
        if (!reads_its_own(many, (seed >> 8) % FILES)) {
            atomic_fetch_add(&many->wrong, 1);
        }
        os_handles_count(many->handles, &counts);
        if (counts.open > atomic_load(&many->most_open)) {
            atomic_store(&many->most_open, (unsigned)counts.open);
        }
    }
    return NULL;
}

static void threads_that_close_each_others_files_read_the_right_bytes(void **state)
{
    struct many *many = *state;
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, many), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&many->wrong), 0);
    assert_in_range(atomic_load(&many->most_open), 1, MOST + THREADS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_beyond_the_bound_are_closed_and_opened_again, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_read_often_stays_open, setup, teardown),
        cmocka_unit_test_setup_teardown(files_that_are_written_are_kept_open, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_that_close_each_others_files_read_the_right_bytes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
