/* Real processes that are killed: a child writes and says over a pipe which batches were acknowledged; SIGKILL; the store is opened and compared,
   and the next child goes on with it. Each batch, every other one as a transaction, goes over three collections, one ordered, one of strings and
   one of vectors; that of strings has its values in value files, and in it a batch moves a mark, which only one key bears at any time, and which a search finds; of vectors each is its own
   nearest. Batches that are no transactions also add to a sum, which tells how many there were. */
#include "support/store_fixture.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define PARTS     3 /* keys of a batch in each collection, besides the mark */
#define KINDS     3
#define DIMENSION 8
#define SEARCHED  211 /* one in so many batches is searched for */

struct all_kinds {
    nacre_collection *collections[KINDS]; /* ordered, strings, vectors */
    nacre_collection *sums;
};

static int open_or_create(nacre_store *store, const char *name, const nacre_collection_options *options,
                          nacre_collection **collection)
{
    int status = nacre_collection_open(store, name, collection);
    return status == NACRE_NOT_FOUND ? nacre_collection_create(store, name, options, collection) : status;
}

static int open_kinds(nacre_store *store, struct all_kinds *kinds)
{
    nacre_collection_options strings = NACRE_COLLECTION_OPTIONS_INIT, vectors = NACRE_COLLECTION_OPTIONS_INIT,
                             sums = NACRE_COLLECTION_OPTIONS_INIT;
    sums.merge_operator = "add64";
    strings.kind = NACRE_STRINGS;
    strings.value_log_threshold = 64;
    vectors.kind = NACRE_VECTORS;
    vectors.dimension = DIMENSION;
    vectors.metric = NACRE_L2;
    int status = nacre_collection_open(store, "test", &kinds->collections[0]);
    status = status == NACRE_OK ? open_or_create(store, "strings", &strings, &kinds->collections[1]) : status;
    status = status == NACRE_OK ? open_or_create(store, "sums", &sums, &kinds->sums) : status;
    return status == NACRE_OK ? open_or_create(store, "vectors", &vectors, &kinds->collections[2]) : status;
}

static void close_kinds(struct all_kinds *kinds)
{
    for (unsigned i = 0; i < KINDS; i++) {
        nacre_collection_close(kinds->collections[i]);
    }
    nacre_collection_close(kinds->sums);
}

/* No two batches and parts have the same. */
static void make_vector(unsigned number, unsigned part, float *vector)
{
    for (unsigned i = 0; i < DIMENSION; i++) {
        vector[i] = (float)((number >> (4 * i)) & 15) + (float)part / 8;
    }
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

static void fill_batch(nacre_batch *batch, struct all_kinds *kinds, unsigned number, unsigned mark)
{
    char key[40], value[200];
    memset(value, 'a' + (int)(number % 1000000 % 26), sizeof value);
    nacre_batch_clear(batch);
    for (unsigned part = 0; part < PARTS; part++) {
        float vector[DIMENSION];
        nacre_slice name = key_of(number, part, key, sizeof key), content = { value, sizeof value };
        make_vector(number, part, vector);
        nacre_batch_put(batch, kinds->collections[0], name, content);
        nacre_batch_put(batch, kinds->collections[1], name, content);
        nacre_batch_put_vector(batch, kinds->collections[2], name, vector, content);
    }
    const uint64_t one = 1;
    nacre_batch_merge(batch, kinds->sums, text("batches"), (nacre_slice){ &one, sizeof one });
    nacre_batch_delete(batch, kinds->collections[1], mark_of(mark, key, sizeof key));
    nacre_batch_put(batch, kinds->collections[1], mark_of(number, key, sizeof key), text(""));
}

/* The same as one transaction, which reads the mark that it moves. */
static int write_as_transaction(nacre_store *store, struct all_kinds *kinds, unsigned number, unsigned mark)
{
    char key[40], value[200];
    nacre_txn *txn;
    nacre_value found;
    memset(value, 'a' + (int)(number % 1000000 % 26), sizeof value);
    int status = nacre_txn_begin(store, NULL, &txn);
    for (unsigned part = 0; part < PARTS && status == NACRE_OK; part++) {
        float vector[DIMENSION];
        nacre_slice name = key_of(number, part, key, sizeof key), content = { value, sizeof value };
        make_vector(number, part, vector);
        status = nacre_txn_put(txn, kinds->collections[0], name, content);
        status = status == NACRE_OK ? nacre_txn_put(txn, kinds->collections[1], name, content) : status;
        status = status == NACRE_OK ? nacre_txn_put_vector(txn, kinds->collections[2], name, vector, content) : status;
    }
    nacre_slice old = mark_of(mark, key, sizeof key);
    if (status == NACRE_OK && mark) {
        status = nacre_txn_get(txn, kinds->collections[1], old, &found);
        nacre_value_release(&found);
    }
    status = status == NACRE_OK ? nacre_txn_delete(txn, kinds->collections[1], old) : status;
    if (status == NACRE_OK) {
        status = nacre_txn_put(txn, kinds->collections[1], mark_of(number, key, sizeof key), text(""));
    }
    status = status == NACRE_OK ? nacre_txn_commit(txn, NULL) : status;
    if (status != NACRE_OK) {
        nacre_txn_abort(txn);
    }
    return status;
}

static void child_main(const char *path, int pipe_fd, nacre_durability durability, unsigned round)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    struct all_kinds kinds;
    options.durability = durability;
    options.memory_budget = 32 << 20;
    if (nacre_open(path, &options, &store) != NACRE_OK || nacre_tune(store, "seal_bytes", "262144") != NACRE_OK ||
        nacre_tune(store, "level0_runs", "2") != NACRE_OK ||
        nacre_tune(store, "value_file_bytes", "65536") != NACRE_OK || open_kinds(store, &kinds) != NACRE_OK) {
        dprintf(2, "child: %s\n", nacre_last_error());
        _exit(1);
    }
    nacre_batch *batch;
    unsigned mark = marked(kinds.collections[1]);
    nacre_batch_create(&batch);
    for (unsigned number = round * 1000000;; number++) {
        fill_batch(batch, &kinds, number, mark);
        if ((number % 2 ? write_as_transaction(store, &kinds, number, mark) : nacre_write(store, batch, NULL)) !=
            NACRE_OK) {
            dprintf(2, "child: %s\n", nacre_last_error());
            _exit(1);
        }
        mark = number;
        if (write(pipe_fd, &number, sizeof number) != sizeof number) {
            _exit(0);
        }
    }
}

/* Vectors are there bit by bit, and found from where they are. */
static void check_vector(nacre_collection *vectors, unsigned number, unsigned part)
{
    char key[40];
    float want[DIMENSION], got[DIMENSION];
    nacre_neighbors found;
    nacre_slice name = key_of(number, part, key, sizeof key);
    make_vector(number, part, want);
    assert_ok(nacre_get_vector(vectors, name, NULL, got, NULL));
    assert_memory_equal(got, want, sizeof want);
    if (number % SEARCHED == 0) {
        assert_ok(nacre_nearest(vectors, want, 1, NULL, &found));
        assert_int_equal(found.count, 1);
        assert_int_equal(found.items[0].key.size, name.size);
        assert_memory_equal(found.items[0].key.data, name.data, name.size);
        assert_true(found.items[0].distance == 0);
        nacre_neighbors_release(&found);
    }
}

/* Whether it is there: as a whole or not at all. */
static bool check_batch(const struct all_kinds *kinds, unsigned number, bool acknowledged)
{
    unsigned there = 0;
    char key[40], want[200];
    memset(want, 'a' + (int)(number % 1000000 % 26), sizeof want);
    for (unsigned i = 0; i < KINDS * PARTS; i++) {
        nacre_value value;
        nacre_collection *collection = kinds->collections[i % KINDS];
        int status = nacre_get(collection, key_of(number, i / KINDS, key, sizeof key), NULL, &value);
        if (status == NACRE_OK) {
            there++;
            assert_int_equal(value.slice.size, sizeof want);
            assert_memory_equal(value.slice.data, want, sizeof want);
            nacre_value_release(&value);
            if (i % KINDS == 2) {
                check_vector(collection, number, i / KINDS);
            }
        } else {
            assert_code(status, NACRE_NOT_FOUND);
        }
    }
    if (acknowledged && there != KINDS * PARTS) {
        print_error("batch %u was acknowledged and %u of its keys are there\n", number, there);
    }
    assert_true(there == KINDS * PARTS || (there == 0 && !acknowledged));
    return there > 0;
}

/* Each value in its file is found by a cursor as well, and no entry leads nowhere. */
static void check_values(nacre_store *store, nacre_collection *collection, unsigned batches)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    nacre_cursor *cursor;
    char want[200];
    unsigned count = 0;
    options.end = text("mark/");
    assert_ok(nacre_scan(collection, &options, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor), value = nacre_cursor_value(cursor);
        unsigned number = 0;
        char copy[40];
        snprintf(copy, sizeof copy, "%.*s", (int)key.size, (const char *)key.data);
        assert_int_equal(sscanf(copy, "%*u/%u/", &number), 1);
        memset(want, 'a' + (int)(number % 1000000 % 26), sizeof want);
        assert_int_equal(value.size, sizeof want);
        assert_memory_equal(value.data, want, sizeof want);
        count++;
    }
    assert_ok(nacre_cursor_status(cursor));
    assert_int_equal(count, PARTS * batches);
    nacre_cursor_close(cursor);
    assert_ok(nacre_verify(store, &report));
    nacre_free(report.damage);
}

static uint64_t count_matches(nacre_collection *collection, const char *pattern)
{
    uint64_t count = UINT64_MAX;
    assert_ok(nacre_regex_count(collection, text(pattern), NULL, &count));
    return count;
}

static uint64_t sum(const struct all_kinds *kinds)
{
    nacre_value value;
    uint64_t batches = 0;
    assert_ok(nacre_get(kinds->sums, text("batches"), NULL, &value));
    assert_int_equal(value.slice.size, sizeof batches);
    memcpy(&batches, value.slice.data, sizeof batches);
    nacre_value_release(&value);
    return batches;
}

/* last[r]: the last batch of round r that was acknowledged. */
static void check_all(nacre_store *store, const struct all_kinds *kinds, const unsigned *last, unsigned rounds)
{
    unsigned batches = 0, added = 0, newest = 0, sevenths = 0;
    for (unsigned r = 0; r < rounds; r++) {
        for (unsigned number = r * 1000000; number <= last[r] + 1; number++) {
            if (check_batch(kinds, number, number <= last[r])) {
                batches++;
                added += number % 2 == 0;
                newest = number;
                sevenths += number % 1000000 % 7 == 3;
            }
        }
    }
    assert_int_equal(count_matches(kinds->collections[1], "^[0-6]/"), PARTS * batches);
    assert_int_equal(count_matches(kinds->collections[1], "/[0-9]*/1$"), batches);
    assert_int_equal(count_matches(kinds->collections[1], "^3/.*[02]$"), 2 * sevenths);
    assert_int_equal(count_matches(kinds->collections[1], ""), PARTS * batches + 1);
    assert_int_equal(marked(kinds->collections[1]), newest);
    assert_int_equal(sum(kinds), added);
    check_values(store, kinds->collections[1], batches);
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
        struct all_kinds kinds;
        fixture_open(f);
        assert_ok(open_kinds(f->store, &kinds));
        check_all(f->store, &kinds, last, round + 1);
        close_kinds(&kinds);
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
