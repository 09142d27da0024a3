/* Ingests beside everything else. One thread overwrites the same keys again and again, by ingests and by batches in turn, each time all of them with the
   number of the round. So whoever reads sees one round alone, and never an older one than before.

   A follower reads the round and notes it under a key among the others: a write that is newer than the round it saw. So no reader finds a note of a
   round that it does not see: that would be a commit without the ingest before it.

   An ingest looks at the clock now and then, also between its sequence and its work: a test may let a commit come in just there. */
#include "support/store_fixture.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define KEYS         240
#define SECONDS      3
#define SECONDS_MOST 60 /* on a machine that has much else to do */
#define NOTE         "key-00100-note"

static _Thread_local unsigned looks_left; /* at the clock, until that at which a commit comes in; 0: none does */
static sem_t commit_wanted;
static atomic_bool commit_begun;

/* In the place of the C library's. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (looks_left > 0 && --looks_left == 0) {
        atomic_store(&commit_begun, false);
        sem_post(&commit_wanted);
        for (unsigned ms = 0; ms < 50 && !atomic_load(&commit_begun); ms++) {
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
    }
    return (int)syscall(SYS_clock_gettime, clock, now);
}

struct stage {
    struct fixture *f;
    atomic_bool stop;
    atomic_uint round, ingests, scans, notes;
};

static nacre_slice key_of(unsigned i, char *out, size_t size)
{
    return (nacre_slice){ out, (size_t)snprintf(out, size, "key-%05u", i) };
}

static void vector_of(unsigned round, float out[FIXTURE_DIMENSION])
{
    for (unsigned i = 0; i < FIXTURE_DIMENSION; i++) {
        out[i] = (float)round + (float)i;
    }
}

static nacre_slice value_of(unsigned round, char *out, size_t size)
{
    return (nacre_slice){ out, (size_t)snprintf(out, size, "%u %0*u", round, (int)(round % 90), 0u) };
}

static unsigned round_of(nacre_slice value)
{
    char digits[16] = "";
    memcpy(digits, value.data, value.size < sizeof digits - 1 ? value.size : sizeof digits - 1);
    return (unsigned)strtoul(digits, NULL, 10);
}

static void ingest_round(struct stage *s, unsigned round)
{
    nacre_segment_writer *writers[3];
    float vector[FIXTURE_DIMENSION];
    char key[32], value[120];
    vector_of(round, vector);
    for (unsigned w = 0; w < 3; w++) {
        assert_ok(nacre_segment_writer_create(s->f->collection, NULL, &writers[w]));
    }
    for (unsigned i = 0; i < KEYS; i++) {
        nacre_segment_writer *writer = writers[2 - i / (KEYS / 3)];
        nacre_slice k = key_of(i, key, sizeof key), v = value_of(round, value, sizeof value);
        assert_ok(s->f->dimension ? nacre_segment_writer_put_vector(writer, k, vector, v)
                                  : nacre_segment_writer_put(writer, k, v));
    }
    assert_ok(nacre_ingest(s->f->collection, writers, 3));
    for (unsigned w = 0; w < 3; w++) {
        nacre_segment_writer_free(writers[w]);
    }
    atomic_fetch_add(&s->ingests, 1);
}

static void batch_round(struct stage *s, unsigned round)
{
    nacre_batch *batch;
    float vector[FIXTURE_DIMENSION];
    char key[32], value[120];
    vector_of(round, vector);
    assert_ok(nacre_batch_create(&batch));
    for (unsigned i = 0; i < KEYS; i++) {
        nacre_slice k = key_of(i, key, sizeof key), v = value_of(round, value, sizeof value);
        assert_ok(s->f->dimension ? nacre_batch_put_vector(batch, s->f->collection, k, vector, v)
                                  : nacre_batch_put(batch, s->f->collection, k, v));
    }
    assert_ok(nacre_write(s->f->store, batch, NULL));
    nacre_batch_free(batch);
}

static void *overwrite(void *context)
{
    struct stage *s = context;
    for (unsigned round = 1; !atomic_load(&s->stop); round++) {
        round % 4 == 0 ? batch_round(s, round) : ingest_round(s, round);
        atomic_store(&s->round, round);
    }
    return NULL;
}

static void *follow(void *context)
{
    struct stage *s = context;
    float vector[FIXTURE_DIMENSION] = { 1e6f };
    char key[32], text_of[120];
    while (!atomic_load(&s->stop)) {
        nacre_value value;
        int status = nacre_get(s->f->collection, key_of(17, key, sizeof key), NULL, &value);
        if (status == NACRE_NOT_FOUND) {
            continue;
        }
        assert_ok(status);
        nacre_slice v = value_of(round_of(value.slice), text_of, sizeof text_of);
        nacre_value_release(&value);
        assert_ok(s->f->dimension ? nacre_put_vector(s->f->collection, text(NOTE), vector, v, NULL)
                                  : nacre_put(s->f->collection, text(NOTE), v, NULL));
        atomic_fetch_add(&s->notes, 1);
        nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
    }
    return NULL;
}

/* All keys, of one round, and the note of none that is newer. The round. */
static unsigned check_scan(struct stage *s, nacre_snapshot *snapshot, bool reverse)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    unsigned seen = 0, round = 0, note = 0;
    options.snapshot = snapshot;
    options.reverse = reverse;
    assert_ok(nacre_scan(s->f->collection, &options, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor);
        unsigned of = round_of(nacre_cursor_value(cursor));
        if (key.size == strlen(NOTE)) {
            note = of;
            continue;
        }
        if (seen++ == 0) {
            round = of;
        }
        assert_int_equal(of, round);
    }
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
    assert_true(seen == KEYS || (seen == 0 && round == 0));
    assert_true(note <= round);
    atomic_fetch_add(&s->scans, 1);
    return round;
}

static void check_searches(struct stage *s)
{
    if (s->f->kind == NACRE_STRINGS) {
        uint64_t count;
        assert_ok(nacre_regex_count(s->f->collection, text("^key-[0-9]+$"), NULL, &count));
        assert_true(count == KEYS || count == 0);
    } else if (s->f->kind == NACRE_VECTORS) {
        float query[FIXTURE_DIMENSION];
        nacre_neighbors found;
        nacre_nearest_options exact = NACRE_NEAREST_OPTIONS_INIT;
        exact.exact = true;
        vector_of(0, query);
        assert_ok(nacre_nearest(s->f->collection, query, KEYS, &exact, &found));
        unsigned round = found.count ? round_of(found.items[0].value) : 0;
        assert_true(found.count == KEYS || found.count <= 1); /* the note is farther than all */
        for (size_t i = 0; i < found.count; i++) {
            assert_int_equal(round_of(found.items[i].value), round);
        }
        nacre_neighbors_release(&found);
    }
}

static void *read_on(void *context)
{
    struct stage *s = context;
    unsigned newest = 0;
    for (unsigned n = 0; !atomic_load(&s->stop); n++) {
        unsigned least = atomic_load(&s->round), round;
        if (n % 3 == 0) {
            nacre_snapshot *snapshot;
            assert_ok(nacre_snapshot_create(s->f->store, &snapshot));
            round = check_scan(s, snapshot, n % 2);
            assert_int_equal(check_scan(s, snapshot, false), round);
            nacre_snapshot_release(snapshot);
        } else {
            round = check_scan(s, NULL, n % 2);
        }
        assert_true(round >= newest && round >= least);
        newest = round;
        check_searches(s);
    }
    return NULL;
}

static void *keep_house(void *context)
{
    struct stage *s = context;
    for (unsigned n = 0; !atomic_load(&s->stop); n++) {
        n % 3 == 0   ? assert_ok(nacre_seal(s->f->collection))
        : n % 3 == 1 ? assert_ok(nacre_flush(s->f->collection))
                     : assert_ok(nacre_compact(s->f->collection, text(""), text("")));
        nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
    }
    return NULL;
}

static void readers_see_all_of_an_ingest_or_nothing_and_no_later_write_without_it(void **state)
{
    struct stage s = { .f = *state };
    void *(*const roles[])(void *) = { overwrite, follow, read_on, read_on, keep_house };
    pthread_t threads[sizeof roles / sizeof roles[0]];
    assert_ok(nacre_tune(s.f->store, "seal_bytes", "131072"));
    assert_ok(nacre_tune(s.f->store, "segment_bytes", "16384"));
    assert_ok(nacre_tune(s.f->store, "level_base_bytes", "65536"));
    assert_ok(nacre_tune(s.f->store, "level0_runs", "2"));
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, roles[i], &s), 0);
    }
    for (unsigned n = 0; n < SECONDS || (n < SECONDS_MOST && !(s.ingests > 10 && s.scans > 10 && s.notes > 10)); n++) {
        nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
    }
    atomic_store(&s.stop, true);
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(s.ingests > 10 && s.scans > 10 && s.notes > 10);
    unsigned last = check_scan(&s, NULL, false);
    assert_true(last >= s.round);
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    assert_ok(nacre_verify(s.f->store, &report));
    nacre_free(report.damage);
    fixture_reopen(s.f);
    assert_int_equal(check_scan(&s, NULL, false), last);
}

struct filler {
    nacre_segment_writer *writer;
    unsigned first;
};

static void *fill(void *context)
{
    struct filler *filler = context;
    char key[32];
    for (unsigned i = 0; i < 5000; i++) {
        assert_ok(nacre_segment_writer_put(filler->writer, key_of(filler->first + i, key, sizeof key), text("v")));
    }
    return NULL;
}

static void several_threads_each_fill_a_writer(void **state)
{
    struct fixture *f = *state;
    struct filler fillers[4];
    nacre_segment_writer *writers[4];
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        assert_ok(nacre_segment_writer_create(f->collection, NULL, &writers[i]));
        fillers[i] = (struct filler){ writers[i], i * 5000 };
        assert_int_equal(pthread_create(&threads[i], NULL, fill, &fillers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_ok(nacre_ingest(f->collection, writers, 4));
    for (unsigned i = 0; i < 4; i++) {
        nacre_segment_writer_free(writers[i]);
    }
    nacre_cursor *cursor;
    unsigned seen = 0;
    assert_ok(nacre_scan(f->collection, NULL, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        seen++;
    }
    nacre_cursor_close(cursor);
    assert_int_equal(seen, 20000);
}

struct dropping {
    struct fixture *f;
    atomic_bool done;
};

static void *ingest_until_dropped(void *context)
{
    struct dropping *d = context;
    int status = NACRE_OK;
    for (unsigned n = 0; status == NACRE_OK; n++) {
        nacre_segment_writer *writer = NULL;
        char key[32];
        status = nacre_segment_writer_create(d->f->collection, NULL, &writer);
        if (status == NACRE_OK) {
            status = nacre_segment_writer_put(writer, key_of(n, key, sizeof key), text("v"));
        }
        if (status == NACRE_OK) {
            status = nacre_ingest(d->f->collection, &writer, 1);
        }
        nacre_segment_writer_free(writer);
    }
    assert_int_equal(status, NACRE_NOT_FOUND);
    return NULL;
}

static void a_drop_beside_ingests_ends_them(void **state)
{
    struct fixture *f = *state;
    for (unsigned n = 0; n < 10; n++) {
        struct dropping d = { .f = f };
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, ingest_until_dropped, &d), 0);
        nanosleep(&(struct timespec){ .tv_nsec = (long)n * 3000000 }, NULL);
        assert_ok(nacre_collection_drop(f->store, "test"));
        pthread_join(thread, NULL);
        fixture_reopen(f); /* makes it anew */
    }
}

/* Each commit fills a memtable, which is sealed then. */
static void *commit_when_wanted(void *context)
{
    struct stage *s = context;
    char key[32], value[4000];
    nacre_batch *batch;
    memset(value, 'v', sizeof value);
    assert_ok(nacre_batch_create(&batch));
    for (unsigned i = 0; i < 3; i++) {
        assert_ok(nacre_batch_put(batch, s->f->collection, key_of(100 + i, key, sizeof key),
                                  (nacre_slice){ value, sizeof value }));
    }
    while (sem_wait(&commit_wanted), !atomic_load(&s->stop)) {
        atomic_store(&commit_begun, true);
        assert_ok(nacre_write(s->f->store, batch, NULL));
    }
    nacre_batch_free(batch);
    return NULL;
}

#define LOOKS 60u /* more than an ingest has */

static void *ingest_with_a_commit_at_each_look(void *context)
{
    struct stage *s = context;
    for (unsigned look = 1; look <= LOOKS; look++) {
        looks_left = look;
        ingest_round(s, look);
        looks_left = 0;
    }
    return NULL;
}

/* One that came after the ingest's sequence is in a sealed memtable, and waits for the end of the ingest. */
static void an_ingest_waits_for_no_commit_that_waits_for_it(void **state)
{
    struct stage s = { .f = *state };
    pthread_t ingests, commits;
    assert_ok(nacre_tune(s.f->store, "seal_bytes", "8192"));
    assert_int_equal(sem_init(&commit_wanted, 0, 0), 0);
    assert_int_equal(pthread_create(&commits, NULL, commit_when_wanted, &s), 0);
    assert_int_equal(pthread_create(&ingests, NULL, ingest_with_a_commit_at_each_look, &s), 0);
    unsigned before = 0;
    for (unsigned ms = 0; atomic_load(&s.ingests) < LOOKS; ms++) {
        if (atomic_load(&s.ingests) > before) {
            before = atomic_load(&s.ingests);
            ms = 0;
        }
        if (ms > SECONDS_MOST * 1000) {
            fprintf(stderr, "ingest %u does not come to its end\n", before + 1);
            abort(); /* nor does anything else */
        }
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    pthread_join(ingests, NULL);
    atomic_store(&s.stop, true);
    sem_post(&commit_wanted);
    pthread_join(commits, NULL);
    sem_destroy(&commit_wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(readers_see_all_of_an_ingest_or_nothing_and_no_later_write_without_it,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(readers_see_all_of_an_ingest_or_nothing_and_no_later_write_without_it,
                                        fixture_setup_strings, fixture_teardown),
        cmocka_unit_test_setup_teardown(readers_see_all_of_an_ingest_or_nothing_and_no_later_write_without_it,
                                        fixture_setup_vectors, fixture_teardown),
        cmocka_unit_test_setup_teardown(several_threads_each_fill_a_writer, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(several_threads_each_fill_a_writer, fixture_setup_strings, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_drop_beside_ingests_ends_them, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_ingest_waits_for_no_commit_that_waits_for_it, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
