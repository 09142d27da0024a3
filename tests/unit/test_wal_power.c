/* Threads append, sync, rotate and prune; the power fails at every call; what was called durable is there, in order, without holes; then the
   same again on what is left, twice. */
#include "wal_fixture.h"
#include <pthread.h>
#include <stdatomic.h>

#define FILE_BYTES 8192u
#define THREADS    3

struct life {
    nacre_os *os;
    struct wal *w;
    pthread_mutex_t commit_lock, prune_lock;
    uint64_t appended; /* commit_lock */
    uint64_t limit;
    _Atomic uint64_t durable; /* all up to it were called durable */
    wal_position from;        /* prune_lock: what the manifest says the log is needed from */
    uint64_t first;           /* the record that begins there */
    bool durable_level;
    uint64_t dice;
};

static uint64_t roll(uint64_t *dice)
{
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    return *dice;
}

static void raise_to(_Atomic uint64_t *value, uint64_t to)
{
    uint64_t seen = atomic_load(value);
    while (seen < to && !atomic_compare_exchange_weak(value, &seen, to)) {}
}

static int append_next(struct life *life, uint64_t *n, wal_position *begin, wal_position *end)
{
    static _Thread_local uint8_t bytes[PAYLOAD_MAX];
    for (;;) {
        pthread_mutex_lock(&life->commit_lock);
        *n = life->appended + 1;
        nacre_slice payload = payload_of(*n, payload_size(*n) % 900, bytes);
        int status = wal_append(life->w, *n, payload, wal_payload_hash(payload), begin, end);
        life->appended += status == NACRE_OK;
        pthread_mutex_unlock(&life->commit_lock);
        if (status != NACRE_BUSY) {
            return status;
        }
        if ((status = wal_prepare(life->w, payload.size)) != NACRE_OK) {
            return status;
        }
    }
}

static int act(struct life *life, uint64_t *dice)
{
    uint64_t n;
    wal_position begin, end;
    int status = append_next(life, &n, &begin, &end);
    os_memory_tick(life->os);
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t choice = roll(dice) % 16;
    if (life->durable_level && choice < 8) {
        status = wal_sync(life->w, end);
        if (status == NACRE_OK) {
            raise_to(&life->durable, n);
        }
    } else if (choice == 8) {
        pthread_mutex_lock(&life->commit_lock);
        status = wal_rotate(life->w);
        pthread_mutex_unlock(&life->commit_lock);
        status = status == NACRE_BUSY ? wal_prepare(life->w, 0) : status;
    } else if (choice == 9 && wal_sync(life->w, end) == NACRE_OK) {
        /* As after a flush: a durable manifest says that all before record n is in segments. */
        raise_to(&life->durable, n);
        pthread_mutex_lock(&life->prune_lock);
        if (n > life->first) {
            life->from = begin;
            life->first = n;
            status = wal_prune(life->w, begin);
        }
        pthread_mutex_unlock(&life->prune_lock);
    }
    return status == NACRE_OK && wal_wants_prepare(life->w) ? wal_prepare(life->w, 0) : status;
}

static void *work(void *context)
{
    struct life *life = context;
    uint64_t dice = life->dice ^ ((uint64_t)(uintptr_t)&dice >> 4) ^ 0x9e3779b97f4a7c15u;
    for (uint64_t i = 0; i < life->limit && act(life, &dice) == NACRE_OK; i++) {}
    return NULL;
}

static void check_what_is_left(struct life *life, uint64_t appended)
{
    struct reading reading = { 0 };
    struct wal_replay_report report;
    if (replay_log(life->os, (struct wal_replay_options){ .from = life->from, .truncate = true }, &reading, &report) !=
        NACRE_OK) {
        fail_msg("seed %llu: %s", (unsigned long long)life->dice, fail_detail());
    }
    uint64_t durable = atomic_load(&life->durable);
    uint64_t last = reading.count ? reading.last : life->first ? life->first - 1 : 0;
    if (last < durable || last > appended) {
        fail_msg("seed %llu: %llu were durable, %llu appended, %llu are there", (unsigned long long)life->dice,
                 (unsigned long long)durable, (unsigned long long)appended, (unsigned long long)last);
    }
    if (reading.count) {
        assert_int_equal(reading.first, life->first ? life->first : 1);
    }
    life->appended = last;
    atomic_store(&life->durable, last); /* replay made it durable */
    struct reading again = { 0 };
    uint32_t last_file = report.last_file;
    assert_int_equal(
        replay_log(life->os, (struct wal_replay_options){ .from = life->from, .truncate = true }, &again, &report),
        NACRE_OK);
    assert_int_equal(again.count, reading.count);
    assert_int_equal(report.torn_bytes, 0);
    life->limit = last_file + 1; /* for the next opening */
}

static void live_and_die(struct life *life, uint64_t cut_at, uint64_t seed, bool killed)
{
    struct wal_options options = log_options(life->os, FILE_BYTES);
    options.map = seed % 4 != 0;
    uint32_t first_file = (uint32_t)life->limit;
    life->limit = 40;
    life->w = NULL;
    os_memory_cut_at(life->os, os_memory_calls(life->os) + cut_at);
    if (wal_open(&options, first_file, &life->w) == NACRE_OK) {
        pthread_t threads[THREADS];
        for (size_t i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, work, life), 0);
        }
        for (size_t i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
        }
    }
    os_memory_cut_at(life->os, 0);
    if (killed) {
        os_memory_kill(life->os);
        atomic_store(&life->durable, life->appended);
    } else {
        os_memory_restart(life->os, seed);
    }
    wal_close(life->w);
    check_what_is_left(life, life->appended);
}

static void run_history(uint64_t cut_at, uint64_t seed, bool durable_level)
{
    struct life life = { .os = new_disk(), .limit = FIRST_LOG_FILE, .durable_level = durable_level, .dice = seed };
    pthread_mutex_init(&life.commit_lock, NULL);
    pthread_mutex_init(&life.prune_lock, NULL);
    for (uint64_t round = 0; round < 3; round++) {
        live_and_die(&life, cut_at + round * 17, seed * 3 + round, false);
    }
    live_and_die(&life, UINT32_MAX, seed, true);
    pthread_mutex_destroy(&life.prune_lock);
    pthread_mutex_destroy(&life.commit_lock);
    os_memory_free(life.os);
}

static uint64_t scale(void)
{
    const char *text = getenv("NACRE_TEST_SCALE");
    uint64_t factor = text ? strtoull(text, NULL, 10) : 1;
    return factor ? factor : 1;
}

static void synced_records_survive_a_power_cut_at_any_call(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 260 * scale(); i++) {
        run_history(1 + i % 260, i + 1, true);
    }
}

static void a_log_that_is_hardly_ever_synced_loses_only_its_tail(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 160 * scale(); i++) {
        run_history(1 + i % 160, i + 1, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synced_records_survive_a_power_cut_at_any_call),
        cmocka_unit_test(a_log_that_is_hardly_ever_synced_loses_only_its_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
