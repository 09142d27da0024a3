/* One writer and eight readers, each a process of its own, all killed at random and begun again. Each batch bears one number in all kinds of
   collections; a reader must find the same number in all of them, never one that is smaller than before, and with it all that the batches up to it
   wrote. When they are gone, the writer's space comes back. */
#include "support/store_fixture.h"
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READERS   8
#define KINDS     3
#define WINDOW    500 /* keys that the batches write in turn */
#define DIMENSION 8
#define RUN_MS    5000

struct kinds {
    nacre_collection *collections[KINDS]; /* ordered, strings, vectors */
};

static void die(const char *who, const char *what)
{
    dprintf(2, "%s: %s: %s\n", who, what, nacre_last_error());
    _exit(1);
}

static int open_kinds(nacre_store *store, struct kinds *kinds)
{
    static const char *const names[KINDS] = { "test", "strings", "vectors" };
    int status = NACRE_OK;
    for (unsigned i = 0; i < KINDS && status == NACRE_OK; i++) {
        status = nacre_collection_open(store, names[i], &kinds->collections[i]);
    }
    return status;
}

static void make_kinds(nacre_store *store)
{
    nacre_collection *made;
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.kind = NACRE_STRINGS;
    assert_ok(nacre_collection_create(store, "strings", &options, &made));
    nacre_collection_close(made);
    options.kind = NACRE_VECTORS;
    options.dimension = DIMENSION;
    options.metric = NACRE_L2;
    assert_ok(nacre_collection_create(store, "vectors", &options, &made));
    nacre_collection_close(made);
}

static nacre_slice window_key(unsigned number, char *out, size_t size)
{
    return (nacre_slice){ out, (size_t)snprintf(out, size, "w/%03u", number % WINDOW) };
}

static void fill(nacre_batch *batch, const struct kinds *kinds, unsigned number)
{
    char key[40], value[300];
    float vector[DIMENSION] = { (float)(number % 1000), 1 };
    memset(value, 'a' + (int)(number % 26), sizeof value);
    nacre_slice n = { &number, sizeof number };
    memcpy(value, &number, sizeof number);
    nacre_slice name = window_key(number, key, sizeof key), content = { value, sizeof value };
    nacre_batch_clear(batch);
    for (unsigned i = 0; i < 2; i++) {
        nacre_batch_put(batch, kinds->collections[i], text("number"), n);
        nacre_batch_put(batch, kinds->collections[i], name, content);
    }
    nacre_batch_put_vector(batch, kinds->collections[2], text("number"), vector, n);
    nacre_batch_put_vector(batch, kinds->collections[2], name, vector, content);
}

/* 0 when it is not there. */
static unsigned number_at(nacre_collection *collection, nacre_slice key, nacre_snapshot *snapshot)
{
    nacre_read_options options = NACRE_READ_OPTIONS_INIT;
    nacre_value value;
    unsigned number = 0;
    options.snapshot = snapshot;
    int status = nacre_get(collection, key, &options, &value);
    if (status == NACRE_NOT_FOUND) {
        return 0;
    }
    if (status != NACRE_OK) {
        die("reader", "get");
    }
    memcpy(&number, value.slice.data, sizeof number);
    nacre_value_release(&value);
    return number;
}

static void writer_main(const char *path)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    nacre_batch *batch;
    struct kinds kinds;
    options.durability = NACRE_OS;
    options.memory_budget = 32 << 20;
    options.log_limit = 8 << 20;
    if (nacre_open(path, &options, &store) != NACRE_OK || nacre_tune(store, "seal_bytes", "262144") != NACRE_OK ||
        nacre_tune(store, "level0_runs", "2") != NACRE_OK || open_kinds(store, &kinds) != NACRE_OK) {
        die("writer", "open");
    }
    nacre_batch_create(&batch);
    for (unsigned number = number_at(kinds.collections[0], text("number"), NULL) + 1;; number++) {
        fill(batch, &kinds, number);
        int status = nacre_write(store, batch, NULL);
        if (status != NACRE_OK && status != NACRE_BUSY) {
            die("writer", "write");
        }
        number -= status == NACRE_BUSY;
    }
}

static void check_once(nacre_store *store, const struct kinds *kinds, unsigned *last)
{
    nacre_snapshot *snapshot;
    char key[40];
    if (nacre_snapshot_create(store, &snapshot) != NACRE_OK) {
        die("reader", "snapshot");
    }
    unsigned number = number_at(kinds->collections[0], text("number"), snapshot);
    for (unsigned i = 0; i < KINDS; i++) {
        unsigned other = number_at(kinds->collections[i], text("number"), snapshot);
        unsigned now = number_at(kinds->collections[i], text("number"), NULL);
        if (other != number || now < number) {
            dprintf(2, "reader: kind 0 is at %u, kind %u at %u, now at %u\n", number, i, other, now);
            _exit(1);
        }
        for (unsigned back = 0; back < WINDOW && back < number; back += 1 + (number + i) % 97) {
            unsigned found = number_at(kinds->collections[i], window_key(number - back, key, sizeof key), snapshot);
            if (found != number - back) {
                dprintf(2, "reader: at %u, kind %u: %u was written, %u is there\n", number, i, number - back, found);
                _exit(1);
            }
        }
    }
    if (number < *last) {
        dprintf(2, "reader: back from %u to %u\n", *last, number);
        _exit(1);
    }
    *last = number;
    nacre_snapshot_release(snapshot);
}

static void reader_main(const char *path, unsigned seed)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    struct kinds kinds;
    unsigned last = 0;
    options.read_only = true;
    options.memory_budget = 32 << 20;
    if (nacre_open(path, &options, &store) != NACRE_OK || open_kinds(store, &kinds) != NACRE_OK) {
        die("reader", "open");
    }
    for (unsigned round = 0;; round++) {
        check_once(store, &kinds, &last);
        if (round % 16 == seed % 16) {
            usleep(20000); /* falls behind */
        }
        int status = nacre_refresh(store);
        if (status != NACRE_OK && status != NACRE_BUSY) {
            die("reader", "refresh");
        }
    }
}

/* 0 is the writer. */
static pid_t begin(const char *path, unsigned which)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (which == 0) {
            writer_main(path);
        }
        reader_main(path, which);
    }
    return child;
}

static void end(pid_t child)
{
    int status;
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status)) {
        fail_msg("a process has ended by itself, with %d", WEXITSTATUS(status));
    }
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static unsigned long count_segment_files(const char *path)
{
    char directory[128];
    unsigned long count = 0;
    snprintf(directory, sizeof directory, "%s/segments", path);
    DIR *d = opendir(directory);
    assert_non_null(d);
    for (struct dirent *item; (item = readdir(d)) != NULL;) {
        count += strstr(item->d_name, ".seg") != NULL;
    }
    closedir(d);
    return count;
}

static void readers_see_a_prefix_of_the_commits_and_keep_no_space_when_they_are_gone(void **state)
{
    struct fixture *f = *state;
    pid_t children[1 + READERS];
    unsigned seed = (unsigned)time(NULL);
    make_kinds(f->store);
    fixture_close(f);
    for (unsigned i = 0; i <= READERS; i++) {
        children[i] = begin(f->path, i);
    }
    print_message("seed %u\n", seed);
    for (uint64_t until = now_ms() + RUN_MS; now_ms() < until;) {
        usleep(20000 + (unsigned)rand_r(&seed) % 80000);
        unsigned which = (unsigned)rand_r(&seed) % 20;
        which = which <= READERS ? which : 1 + which % READERS; /* the writer less often */
        end(children[which]);
        children[which] = begin(f->path, which);
    }
    end(children[0]);
    fixture_open(f); /* beside the readers */
    usleep(50000);
    for (unsigned i = 1; i <= READERS; i++) {
        end(children[i]);
    }
    struct kinds kinds;
    unsigned last = 0;
    assert_ok(open_kinds(f->store, &kinds));
    check_once(f->store, &kinds, &last);
    assert_true(last > 100);
    assert_ok(nacre_flush(kinds.collections[0]));
    for (int i = 0; i < 300 && (count_segment_files(f->path) != stat_of(f->store, "segments") ||
                                stat_of(f->store, "pinned_segments") != 0);
         i++) {
        usleep(10000);
    }
    assert_int_equal(count_segment_files(f->path), stat_of(f->store, "segments"));
    assert_int_equal(stat_of(f->store, "pinned_segments"), 0);
    for (unsigned i = 0; i < KINDS; i++) {
        nacre_collection_close(kinds.collections[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(readers_see_a_prefix_of_the_commits_and_keep_no_space_when_they_are_gone,
                                        fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
