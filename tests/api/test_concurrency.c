/* Everything at once, for a few seconds: writers, readers both ways, snapshots, seals, flushes, merges, index builds, checkpoints and statistics.

   What every reader must see at every instant: accounts lie in pairs, one in each of two collections, and each batch moves a sum from accounts
   of the one to accounts of the other, so that over both collections all accounts sum up to the same. Who sees a batch in part, an entry twice
   or not at all, or two collections at two points, finds another sum. */
#include "support/directory.h"
#include "support/store_fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define ACCOUNTS 400
#define START    1000
#define WRITERS  3

struct bank {
    struct fixture *f;
    nacre_collection *accounts[2];
    atomic_bool stop;
    atomic_uint batches, sums, checkpoints;
};

struct actor {
    struct bank *bank;
    unsigned number;
    uint64_t seed;
};

static unsigned random_below(struct actor *a, unsigned bound)
{
    a->seed ^= a->seed << 13;
    a->seed ^= a->seed >> 7;
    a->seed ^= a->seed << 17;
    return (unsigned)(a->seed % bound);
}

/* Some of a long common prefix, as keys often have. */
static nacre_slice account_key(unsigned account, char *out, size_t size)
{
    return (nacre_slice){ out, (size_t)snprintf(out, size, "bank/of/the/house/account/%05u", account) };
}

static void put_amount(nacre_batch *batch, nacre_collection *collection, unsigned account, int64_t amount)
{
    char key[64], value[120];
    memset(value, '.', sizeof value);
    memcpy(value, &amount, sizeof amount);
    assert_ok(nacre_batch_put(batch, collection, account_key(account, key, sizeof key),
                              (nacre_slice){ value, sizeof value }));
}

static int64_t amount_of(nacre_slice value)
{
    int64_t amount;
    assert_true(value.size >= sizeof amount);
    memcpy(&amount, value.data, sizeof amount);
    return amount;
}

/* Amounts of zero are not kept: they are deletes, so that tombstones and re-puts happen too. */
static void set_amount(nacre_batch *batch, nacre_collection *collection, unsigned account, int64_t amount)
{
    char key[64];
    if (amount == 0) {
        assert_ok(nacre_batch_delete(batch, collection, account_key(account, key, sizeof key)));
    } else {
        put_amount(batch, collection, account, amount);
    }
}

static int64_t get_amount(nacre_collection *collection, unsigned account)
{
    char key[64];
    nacre_value value;
    int status = nacre_get(collection, account_key(account, key, sizeof key), NULL, &value);
    if (status == NACRE_NOT_FOUND) {
        return 0;
    }
    assert_ok(status);
    int64_t amount = amount_of(value.slice);
    nacre_value_release(&value);
    return amount;
}

/* Moves sums between accounts that are this writer's alone: account % WRITERS == number. */
static void *write_batches(void *context)
{
    struct actor *a = context;
    struct bank *bank = a->bank;
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    while (!atomic_load(&bank->stop)) {
        unsigned from = random_below(a, ACCOUNTS / WRITERS) * WRITERS + a->number;
        unsigned to = random_below(a, ACCOUNTS / WRITERS) * WRITERS + a->number;
        unsigned side = random_below(a, 2);
        int64_t left = get_amount(bank->accounts[side], from);
        int64_t sum = left > 0 && random_below(a, 4) ? (int64_t)random_below(a, (unsigned)left) + 1 : left;
        nacre_batch_clear(batch);
        set_amount(batch, bank->accounts[side], from, left - sum);
        set_amount(batch, bank->accounts[!side], to, get_amount(bank->accounts[!side], to) + sum);
        assert_ok(nacre_write(bank->f->store, batch, NULL));
        /* Who wrote sees it at once. */
        assert_int_equal(get_amount(bank->accounts[side], from), left - sum);
        atomic_fetch_add(&bank->batches, 1);
    }
    nacre_batch_free(batch);
    return NULL;
}

static int64_t sum_of(nacre_collection *collection, nacre_snapshot *snapshot, bool reverse)
{
    nacre_scan_options o = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    int64_t sum = 0;
    char last[64] = "";
    size_t last_size = 0;
    o.snapshot = snapshot;
    o.reverse = reverse;
    assert_ok(nacre_scan(collection, &o, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor);
        assert_true(key.size < sizeof last);
        if (last_size) { /* strictly in order: nothing twice */
            int order = memcmp(last, key.data, key.size);
            assert_true(reverse ? order > 0 : order < 0);
        }
        memcpy(last, key.data, key.size);
        last_size = key.size;
        sum += amount_of(nacre_cursor_value(cursor));
    }
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
    return sum;
}

static int64_t sum_by_gets(struct bank *bank, nacre_snapshot *snapshot)
{
    nacre_read_options o = NACRE_READ_OPTIONS_INIT;
    int64_t sum = 0;
    o.snapshot = snapshot;
    for (unsigned side = 0; side < 2; side++) {
        for (unsigned account = 0; account < ACCOUNTS; account++) {
            char key[64];
            nacre_value value;
            int status = nacre_get(bank->accounts[side], account_key(account, key, sizeof key), &o, &value);
            if (status == NACRE_OK) {
                sum += amount_of(value.slice);
                nacre_value_release(&value);
            } else {
                assert_int_equal(status, NACRE_NOT_FOUND);
            }
        }
    }
    return sum;
}

static const int64_t total = (int64_t)START * ACCOUNTS;

static void *read_sums(void *context)
{
    struct actor *a = context;
    struct bank *bank = a->bank;
    while (!atomic_load(&bank->stop)) {
        nacre_snapshot *snapshot;
        assert_ok(nacre_snapshot_create(bank->f->store, &snapshot));
        bool reverse = random_below(a, 2);
        assert_int_equal(sum_of(bank->accounts[0], snapshot, reverse) + sum_of(bank->accounts[1], snapshot, !reverse),
                         total);
        if (random_below(a, 3) == 0) {
            assert_int_equal(sum_by_gets(bank, snapshot), total);
        }
        if (random_below(a, 3) == 0) { /* it still says the same after a while */
            struct timespec moment = { 0, 30000000 };
            nanosleep(&moment, NULL);
            assert_int_equal(
                sum_of(bank->accounts[0], snapshot, !reverse) + sum_of(bank->accounts[1], snapshot, reverse), total);
        }
        nacre_snapshot_release(snapshot);
        atomic_fetch_add(&bank->sums, 1);
    }
    return NULL;
}

/* Cursors that turn round and seek, on one point, while all moves on: a walk forth and back sums up to the same. */
static void *walk_cursors(void *context)
{
    struct actor *a = context;
    struct bank *bank = a->bank;
    while (!atomic_load(&bank->stop)) {
        nacre_cursor *cursor;
        int64_t forth = 0, back = 0;
        char key[64];
        assert_ok(nacre_scan(bank->accounts[random_below(a, 2)], NULL, &cursor));
        for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
            forth += amount_of(nacre_cursor_value(cursor));
        }
        for (nacre_cursor_last(cursor); nacre_cursor_valid(cursor); nacre_cursor_prev(cursor)) {
            back += amount_of(nacre_cursor_value(cursor));
        }
        assert_int_equal(forth, back);
        for (unsigned i = 0; i < 20; i++) {
            nacre_slice target = account_key(random_below(a, ACCOUNTS), key, sizeof key);
            nacre_cursor_seek(cursor, target);
            if (nacre_cursor_valid(cursor)) {
                assert_true(memcmp(nacre_cursor_key(cursor).data, target.data, target.size) >= 0);
                nacre_cursor_prev(cursor);
                assert_true(!nacre_cursor_valid(cursor) ||
                            memcmp(nacre_cursor_key(cursor).data, target.data, target.size) < 0);
            }
        }
        assert_ok(nacre_cursor_status(cursor));
        nacre_cursor_close(cursor);
    }
    return NULL;
}

static void check_checkpoint(struct bank *bank, const char *path)
{
    nacre_store *copy;
    nacre_collection *accounts[2];
    nacre_options options = NACRE_OPTIONS_INIT;
    options.memory_budget = 16 << 20;
    directory_remove(path);
    assert_ok(nacre_checkpoint(bank->f->store, path));
    assert_ok(nacre_open(path, &options, &copy));
    assert_ok(nacre_collection_open(copy, "left", &accounts[0]));
    assert_ok(nacre_collection_open(copy, "right", &accounts[1]));
    assert_int_equal(sum_of(accounts[0], NULL, false) + sum_of(accounts[1], NULL, true), total);
    nacre_collection_close(accounts[0]);
    nacre_collection_close(accounts[1]);
    assert_ok(nacre_close(copy));
    directory_remove(path);
    atomic_fetch_add(&bank->checkpoints, 1);
}

static void *keep_house(void *context)
{
    struct actor *a = context;
    struct bank *bank = a->bank;
    nacre_store *store = bank->f->store;
    const nacre_slice none = { NULL, 0 };
    char begin[64], end[64], path[100], *text;
    snprintf(path, sizeof path, "%s-copy%u", bank->f->path, a->number); /* each has its own */
    while (!atomic_load(&bank->stop)) {
        nacre_collection *c = bank->accounts[random_below(a, 2)];
        unsigned account = random_below(a, ACCOUNTS - 100);
        switch (random_below(a, 10)) {
        case 0:
            assert_ok(nacre_seal(c));
            break;
        case 1:
            assert_ok(nacre_flush(c));
            break;
        case 2:
            assert_ok(nacre_compact(c, none, none));
            break;
        case 3:
            assert_ok(nacre_compact(c, account_key(account, begin, sizeof begin),
                                    account_key(account + 100, end, sizeof end)));
            break;
        case 4:
            assert_ok(nacre_build_indexes(c));
            break;
        case 5:
            assert_ok(nacre_set_async_index_build(store, random_below(a, 2)));
            break;
        case 6:
            check_checkpoint(bank, path);
            break;
        case 7:
            assert_ok(random_below(a, 2) ? nacre_stats(store, &text) : nacre_metrics(store, &text));
            nacre_free(text);
            break;
        case 8:
            assert_ok(nacre_prune_log(store));
            assert_ok(nacre_reclaim(store));
            assert_ok(nacre_sync(store));
            break;
        default: {
            int status = nacre_pause_compaction(store, 50);
            assert_true(status == NACRE_OK || status == NACRE_TIMEOUT);
            if (status == NACRE_OK) {
                assert_ok(nacre_resume_compaction(store));
            }
        }
        }
    }
    return NULL;
}

static void *create_and_drop(void *context)
{
    struct actor *a = context;
    struct bank *bank = a->bank;
    for (unsigned n = 0; !atomic_load(&bank->stop); n++) {
        nacre_collection *c;
        nacre_collection_info *list;
        size_t count;
        assert_ok(nacre_collection_create(bank->f->store, "passing", NULL, &c));
        for (unsigned i = 0; i < 50; i++) {
            char key[64];
            assert_ok(nacre_put(c, account_key(i, key, sizeof key), text("passing"), NULL));
        }
        if (n % 2) {
            assert_ok(nacre_flush(c));
        }
        assert_ok(nacre_collection_list(bank->f->store, &list, &count));
        assert_int_equal(count, 4);
        nacre_free(list);
        assert_ok(nacre_collection_drop(bank->f->store, "passing"));
        nacre_collection_close(c);
    }
    return NULL;
}

static void open_bank(struct bank *bank, struct fixture *f)
{
    static const char *const tuning[] = { "seal_bytes",  "65536", "segment_bytes",    "32768",
                                          "level0_runs", "2",     "level_base_bytes", "131072",
                                          "block_bytes", "1024",  "compression_top",  "1" };
    nacre_batch *batch;
    memset(bank, 0, sizeof *bank);
    bank->f = f;
    for (size_t i = 0; i < sizeof tuning / sizeof tuning[0]; i += 2) {
        assert_ok(nacre_tune(f->store, tuning[i], tuning[i + 1]));
    }
    assert_ok(nacre_collection_create(f->store, "left", NULL, &bank->accounts[0]));
    assert_ok(nacre_collection_create(f->store, "right", NULL, &bank->accounts[1]));
    assert_ok(nacre_batch_create(&batch));
    for (unsigned account = 0; account < ACCOUNTS; account++) {
        put_amount(batch, bank->accounts[account % 2], account, START);
    }
    assert_ok(nacre_write(f->store, batch, NULL));
    nacre_batch_free(batch);
}

static void every_reader_sees_whole_batches_while_everything_goes_on(void **state)
{
    struct fixture *f = *state;
    struct bank bank;
    static void *(*const roles[])(void *) = { write_batches, write_batches, write_batches, read_sums,      read_sums,
                                              walk_cursors,  keep_house,    keep_house,    create_and_drop };
    enum { ACTORS = sizeof roles / sizeof roles[0] };
    struct actor actors[ACTORS];
    pthread_t threads[ACTORS];
    const char *scale = getenv("NACRE_TEST_SCALE");
    open_bank(&bank, f);
    for (unsigned i = 0; i < ACTORS; i++) {
        actors[i] = (struct actor){ &bank, i, 4711 + i * 977 };
        assert_int_equal(pthread_create(&threads[i], NULL, roles[i], &actors[i]), 0);
    }
    sleep(4 * (scale && atoi(scale) > 0 ? (unsigned)atoi(scale) : 1));
    atomic_store(&bank.stop, true);
    for (unsigned i = 0; i < ACTORS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(atomic_load(&bank.batches) > 100);
    assert_true(atomic_load(&bank.sums) > 3);
    for (int round = 0; round < 2; round++) {
        nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
        assert_int_equal(sum_of(bank.accounts[0], NULL, true) + sum_of(bank.accounts[1], NULL, false), total);
        assert_ok(nacre_verify(f->store, &report));
        nacre_collection_close(bank.accounts[0]);
        nacre_collection_close(bank.accounts[1]);
        fixture_reopen(f);
        assert_ok(nacre_collection_open(f->store, "left", &bank.accounts[0]));
        assert_ok(nacre_collection_open(f->store, "right", &bank.accounts[1]));
    }
    nacre_collection_close(bank.accounts[0]);
    nacre_collection_close(bank.accounts[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_reader_sees_whole_batches_while_everything_goes_on, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
