/* Real processes that are killed while they load in bulk: a child overwrites all keys of a collection with the number of the round, ingest after ingest, and
   says over a pipe which rounds were acknowledged; SIGKILL; the store is opened: all keys are of one round, the last that was acknowledged or the next, and
   no file of an unfinished writer is left. */
#include "support/store_fixture.h"
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEYS 400

static nacre_slice key_of(unsigned i, char *out, size_t size)
{
    return (nacre_slice){ out, (size_t)snprintf(out, size, "key/%05u", i) };
}

static int ingest_round(nacre_collection *collection, unsigned round)
{
    nacre_segment_writer *writers[2] = { NULL, NULL };
    char key[32], value[300];
    memset(value, 'v', sizeof value);
    memcpy(value, &round, sizeof round);
    int status = nacre_segment_writer_create(collection, NULL, &writers[0]);
    status = status == NACRE_OK ? nacre_segment_writer_create(collection, NULL, &writers[1]) : status;
    for (unsigned i = 0; i < KEYS && status == NACRE_OK; i++) {
        status = nacre_segment_writer_put(writers[i < KEYS / 2], key_of(i, key, sizeof key),
                                          (nacre_slice){ value, sizeof value });
    }
    status = status == NACRE_OK ? nacre_ingest(collection, writers, 2) : status;
    nacre_segment_writer_free(writers[0]);
    nacre_segment_writer_free(writers[1]);
    return status;
}

/* Each round is an ingest; between two of them a write to one of the keys, which the next ingest has to win over. */
static void child_main(const char *path, int pipe_fd, unsigned round)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    nacre_collection *collection;
    char key[32];
    if (nacre_open(path, &options, &store) != NACRE_OK || nacre_tune(store, "segment_bytes", "16384") != NACRE_OK ||
        nacre_tune(store, "level0_runs", "2") != NACRE_OK ||
        nacre_collection_open(store, "test", &collection) != NACRE_OK) {
        dprintf(2, "child: %s\n", nacre_last_error());
        _exit(1);
    }
    for (;; round++) {
        unsigned none = 0;
        if (ingest_round(collection, round) != NACRE_OK || write(pipe_fd, &round, sizeof round) != sizeof round ||
            nacre_put(collection, key_of(round % KEYS, key, sizeof key), (nacre_slice){ &none, sizeof none }, NULL) !=
                NACRE_OK) {
            dprintf(2, "child: %s\n", nacre_last_error());
            _exit(1);
        }
    }
}

/* The round that all keys are of, but for the one write after it. */
static unsigned check_keys(struct fixture *f)
{
    unsigned rounds[KEYS], newest = 0, other = 0;
    char key[32];
    for (unsigned i = 0; i < KEYS; i++) {
        nacre_value value;
        assert_ok(nacre_get(f->collection, key_of(i, key, sizeof key), NULL, &value));
        memcpy(&rounds[i], value.slice.data, sizeof rounds[i]);
        nacre_value_release(&value);
        newest = rounds[i] > newest ? rounds[i] : newest;
    }
    for (unsigned i = 0; i < KEYS; i++) {
        other += rounds[i] != newest;
        assert_true(rounds[i] == newest || (rounds[i] == 0 && i == newest % KEYS));
    }
    assert_true(other <= 1);
    return newest;
}

/* Every segment's file is one that the store knows. */
static void check_files(struct fixture *f)
{
    char path[96];
    uint64_t files = 0;
    snprintf(path, sizeof path, "%s/segments", f->path);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        files += strstr(entry->d_name, ".seg") != NULL || strstr(entry->d_name, ".idx") != NULL;
    }
    closedir(directory);
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    assert_ok(nacre_verify(f->store, &report));
    assert_true(files <= report.files);
    nacre_free(report.damage);
}

static void a_process_killed_in_an_ingest_leaves_it_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    unsigned round = 1;
    fixture_close(f);
    for (unsigned life = 0; life < 12; life++) {
        unsigned acknowledged = 0, said;
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0) {
            close(fds[0]);
            child_main(f->path, fds[1], round);
        }
        close(fds[1]);
        assert_int_equal(read(fds[0], &acknowledged, sizeof acknowledged), sizeof acknowledged); /* it is at work */
        usleep(5000 + life * 7001);
        kill(child, SIGKILL);
        while (read(fds[0], &said, sizeof said) == sizeof said) {
            acknowledged = said;
        }
        close(fds[0]);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        f->options.read_only = true; /* nothing is merged, nothing written meanwhile */
        fixture_open(f);
        unsigned found = check_keys(f);
        assert_true(found == acknowledged || found == acknowledged + 1);
        fixture_close(f);
        f->options.read_only = false;
        fixture_open(f);
        assert_ok(nacre_pause_compaction(f->store, 10000));
        assert_ok(nacre_reclaim(f->store));
        assert_int_equal(check_keys(f), found);
        check_files(f);
        fixture_close(f);
        round = found + 1;
    }
    fixture_open(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_process_killed_in_an_ingest_leaves_it_whole_or_not_at_all, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_process_killed_in_an_ingest_leaves_it_whole_or_not_at_all,
                                        fixture_setup_strings, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
