/* Real processes that are killed: a child writes and says over a pipe which batches were acknowledged; SIGKILL; the store is opened and compared,
   and the next child goes on with it. Each batch goes over two collections, one ordered and one of strings; in the latter it moves a mark, which only one key
   bears at any time, and which a search finds. */
#include "support/store_fixture.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define PARTS 3 /* keys of a batch in each collection, besides the mark */

struct both {
    nacre_collection *collections[2];
};

static int open_both(nacre_store *store, struct both *both)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.kind = NACRE_STRINGS;
    int status = nacre_collection_open(store, "test", &both->collections[0]);
    if (status == NACRE_OK) {
        status = nacre_collection_open(store, "strings", &both->collections[1]);
    }
    return status == NACRE_NOT_FOUND ? nacre_collection_create(store, "strings", &options, &both->collections[1])
                                     : status;
}

static void close_both(struct both *both)
{
    nacre_collection_close(both->collections[0]);
    nacre_collection_close(both->collections[1]);
}

static nacre_slice key_of(unsigned number, unsigned part, char *out, size_t size)
{
    return (nacre_slice){ out, (size_t)snprintf(out, size, "%u/%u/%u", number % 1000000 % 7, number, part) };
}

static nacre_slice mark_of(unsigned number, char *out, size_t size)
{
    return (nacre_slice){ out, (size_t)snprintf(out, size, "mark/%u", number) };
}

/* The batch that bears the mark; 0 when there is none. */
static unsigned marked(nacre_collection *collection)
{
    nacre_cursor *cursor;
    char number[20] = "0";
    assert_ok(nacre_regex_scan(collection, text("^mark/[0-9]+$"), NULL, &cursor));
    if (nacre_cursor_valid(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor);
        snprintf(number, sizeof number, "%.*s", (int)key.size - 5, (const char *)key.data + 5);
        nacre_cursor_next(cursor);
        assert_false(nacre_cursor_valid(cursor));
    }
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
    return (unsigned)strtoul(number, NULL, 10);
}

static void fill_batch(nacre_batch *batch, struct both *both, unsigned number, unsigned mark)
{
    char key[40], value[200];
    memset(value, 'a' + (int)(number % 1000000 % 26), sizeof value);
    nacre_batch_clear(batch);
    for (unsigned part = 0; part < 2 * PARTS; part++) {
        nacre_batch_put(batch, both->collections[part % 2], key_of(number, part / 2, key, sizeof key),
                        (nacre_slice){ value, sizeof value });
    }
    nacre_batch_delete(batch, both->collections[1], mark_of(mark, key, sizeof key));
    nacre_batch_put(batch, both->collections[1], mark_of(number, key, sizeof key), text(""));
}

static void child_main(const char *path, int pipe_fd, nacre_durability durability, unsigned round)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    struct both both;
    options.durability = durability;
    options.memory_budget = 32 << 20;
    if (nacre_open(path, &options, &store) != NACRE_OK || nacre_tune(store, "seal_bytes", "262144") != NACRE_OK ||
        nacre_tune(store, "level0_runs", "2") != NACRE_OK || open_both(store, &both) != NACRE_OK) {
        dprintf(2, "child: %s\n", nacre_last_error());
        _exit(1);
    }
    nacre_batch *batch;
    unsigned mark = marked(both.collections[1]);
    nacre_batch_create(&batch);
    for (unsigned number = round * 1000000;; number++) {
        fill_batch(batch, &both, number, mark);
        if (nacre_write(store, batch, NULL) != NACRE_OK) {
            dprintf(2, "child: %s\n", nacre_last_error());
            _exit(1);
        }
        mark = number;
        if (write(pipe_fd, &number, sizeof number) != sizeof number) {
            _exit(0);
        }
    }
}

/* Whether it is there: as a whole or not at all. */
static bool check_batch(const struct both *both, unsigned number, bool acknowledged)
{
    unsigned there = 0;
    char key[40], want[200];
    memset(want, 'a' + (int)(number % 1000000 % 26), sizeof want);
    for (unsigned part = 0; part < 2 * PARTS; part++) {
        nacre_value value;
        int status = nacre_get(both->collections[part % 2], key_of(number, part / 2, key, sizeof key), NULL, &value);
        if (status == NACRE_OK) {
            there++;
            assert_int_equal(value.slice.size, sizeof want);
            assert_memory_equal(value.slice.data, want, sizeof want);
            nacre_value_release(&value);
        } else {
            assert_code(status, NACRE_NOT_FOUND);
        }
    }
    if (acknowledged && there != 2 * PARTS) {
        print_error("batch %u was acknowledged and %u of its keys are there\n", number, there);
    }
    assert_true(there == 2 * PARTS || (there == 0 && !acknowledged));
    return there > 0;
}

static uint64_t count_matches(nacre_collection *collection, const char *pattern)
{
    uint64_t count = UINT64_MAX;
    assert_ok(nacre_regex_count(collection, text(pattern), NULL, &count));
    return count;
}

/* last[r]: the last batch of round r that was acknowledged. */
static void check_all(const struct both *both, const unsigned *last, unsigned rounds)
{
    unsigned batches = 0, newest = 0, sevenths = 0;
    for (unsigned r = 0; r < rounds; r++) {
        for (unsigned number = r * 1000000; number <= last[r] + 1; number++) {
            if (check_batch(both, number, number <= last[r])) {
                batches++;
                newest = number;
                sevenths += number % 1000000 % 7 == 3;
            }
        }
    }
    assert_int_equal(count_matches(both->collections[1], "^[0-6]/"), PARTS * batches);
    assert_int_equal(count_matches(both->collections[1], "/[0-9]*/1$"), batches);
    assert_int_equal(count_matches(both->collections[1], "^3/.*[02]$"), 2 * sevenths);
    assert_int_equal(count_matches(both->collections[1], ""), PARTS * batches + 1);
    assert_int_equal(marked(both->collections[1]), newest);
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
        struct both both;
        fixture_open(f);
        assert_ok(open_both(f->store, &both));
        check_all(&both, last, round + 1);
        close_both(&both);
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
