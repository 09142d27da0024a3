/* Real processes that are killed: a child writes and says over a pipe which batches were acknowledged; SIGKILL; the store is opened and compared,
   and the next child goes on with it. */
#include "support/store_fixture.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void child_main(const char *path, int pipe_fd, nacre_durability durability, unsigned round)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    nacre_collection *collection;
    options.durability = durability;
    options.memory_budget = 32 << 20;
    if (nacre_open(path, &options, &store) != NACRE_OK || nacre_tune(store, "seal_bytes", "262144") != NACRE_OK ||
        nacre_tune(store, "level0_runs", "2") != NACRE_OK ||
        nacre_collection_open(store, "test", &collection) != NACRE_OK) {
        dprintf(2, "child: %s\n", nacre_last_error());
        _exit(1);
    }
    nacre_batch *batch;
    nacre_batch_create(&batch);
    for (unsigned n = 0;; n++) {
        char key[40], value[200];
        memset(value, 'a' + (int)(n % 26), sizeof value);
        nacre_batch_clear(batch);
        for (unsigned part = 0; part < 3; part++) {
            snprintf(key, sizeof key, "%u/%u/%u", n % 7, round * 1000000 + n, part);
            nacre_batch_put(batch, collection, text(key), (nacre_slice){ value, sizeof value });
        }
        if (nacre_write(store, batch, NULL) != NACRE_OK) {
            dprintf(2, "child: %s\n", nacre_last_error());
            _exit(1);
        }
        unsigned acknowledged = round * 1000000 + n;
        if (write(pipe_fd, &acknowledged, sizeof acknowledged) != sizeof acknowledged) {
            _exit(0);
        }
    }
}

static void check_batch(struct fixture *f, unsigned number, bool acknowledged)
{
    unsigned there = 0;
    char key[40], want[200];
    memset(want, 'a' + (int)(number % 1000000 % 26), sizeof want);
    for (unsigned part = 0; part < 3; part++) {
        nacre_value value;
        snprintf(key, sizeof key, "%u/%u/%u", number % 1000000 % 7, number, part);
        int status = nacre_get(f->collection, text(key), NULL, &value);
        if (status == NACRE_OK) {
            there++;
            assert_int_equal(value.slice.size, sizeof want);
            assert_memory_equal(value.slice.data, want, sizeof want);
            nacre_value_release(&value);
        } else {
            assert_code(status, NACRE_NOT_FOUND);
        }
    }
    if (acknowledged && there != 3) {
        print_error("batch %u was acknowledged and %u of its 3 keys are there\n", number, there);
    }
    assert_true(there == 3 || (there == 0 && !acknowledged));
}

static void kill_loop(struct fixture *f, nacre_durability durability)
{
    unsigned last[20];
    fixture_close(f);
    for (unsigned round = 0; round < 8; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0) {
            close(fds[0]);
            child_main(f->path, fds[1], durability, round);
        }
        close(fds[1]);
        unsigned acknowledged, count = 1;
        assert_int_equal(read(fds[0], &last[round], sizeof last[round]), sizeof last[round]); /* it is at work */
        usleep(40000 + round * 23000);
        kill(child, SIGKILL);
        while (read(fds[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
            last[round] = acknowledged;
            count++;
        }
        close(fds[0]);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        assert_true(count > 0);
        fixture_open(f);
        for (unsigned r = 0; r <= round; r++) {
            for (unsigned n = r * 1000000; n <= last[r] + 1; n++) {
                check_batch(f, n, n <= last[r]);
            }
        }
        fixture_close(f);
    }
    fixture_open(f);
}

static void killed_writers_lose_nothing_acknowledged_at_level_os(void **state)
{
    kill_loop(*state, NACRE_OS);
}

static void killed_writers_lose_nothing_acknowledged_at_level_disk(void **state)
{
    kill_loop(*state, NACRE_DISK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_writers_lose_nothing_acknowledged_at_level_os, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(killed_writers_lose_nothing_acknowledged_at_level_disk, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
