/* Every call of the file layer and every allocation fails once, in each way it can; and from then on, for a full disk. Afterwards the store is
   in a documented state, says so, answers reads rightly, and, opened again, has all that was acknowledged. */
#include "base/memory.h"
#include <stdatomic.h>
#include "support/model_txn.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"
#undef fail
#include "store/search_count.h"

#define BATCHES  60
#define SEARCHES (MODEL_PATTERNS + 16) /* by each pattern, and for nearest neighbours */

struct attempt {
    nacre_os *os;
    nacre_options options;
    nacre_store *store;
    nacre_collection *collections[MODEL_COLLECTIONS];
    uint64_t seed;
    uint32_t next_value;
    struct model states[BATCHES + BATCHES / 9 + 1];
    unsigned tried, acknowledged; /* batches; the states between may be there */
    uint32_t searchers;           /* threads of a count */
};

static _Thread_local bool quiet; /* this thread's allocations do not fail */

static struct attempt *new_attempt(void)
{
    struct attempt *r = calloc(1, sizeof *r);
    r->os = os_memory_create();
    r->options = (nacre_options)NACRE_OPTIONS_INIT;
    r->options.os = r->os;
    r->options.memory_budget = 32 << 20;
    r->options.write_timeout_ms = 200;
    r->seed = 99;
    r->options.hooks = &model_hooks;
    r->states[0].merges = true;
    r->searchers = 1;
    r->states[0].kinds[1] = NACRE_STRINGS;
    r->states[0].kinds[2] = NACRE_VECTORS;
    r->states[0].value_log_threshold = 60; /* about half of the values go there */
    return r;
}

static int open_store(struct attempt *r)
{
    int status = nacre_open("/store", &r->options, &r->store);
    if (status == NACRE_OK) {
        status = nacre_tune(r->store, "seal_bytes", "8192");
    }
    if (status == NACRE_OK) {
        status = nacre_tune(r->store, "level0_runs", "2");
    }
    if (status == NACRE_OK) {
        status = nacre_tune(r->store, "value_file_bytes", "16384");
    }
    if (status == NACRE_OK) {
        status = model_open(&r->states[0], r->store, r->collections);
    }
    return status;
}

static void close_store(struct attempt *r)
{
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        nacre_collection_close(r->collections[c]);
        r->collections[c] = NULL;
    }
    int status = nacre_close(r->store);
    assert_true(status != NACRE_HANDLES_OPEN);
    r->store = NULL;
}

static bool documented(int status)
{
    return status == NACRE_OK || status == NACRE_IO || status == NACRE_NO_SPACE || status == NACRE_READ_ONLY ||
           status == NACRE_NO_MEMORY || status == NACRE_BUSY || status == NACRE_CORRUPT;
}

/* Right, or failed as documented. */
static int search_one(struct attempt *r, unsigned search, bool reverse)
{
    const struct model *m = &r->states[r->tried];
    const char *wrong;
    int status;
    if (search < MODEL_PATTERNS) {
        nacre_regex_options options = NACRE_REGEX_OPTIONS_INIT;
        options.parallelism = r->searchers;
        options.reverse = reverse;
        wrong = model_compare_search(m, r->collections[1], 1, search, &options, &status);
    } else {
        uint64_t seed = search;
        struct model_nearest how = model_random_nearest(&seed);
        wrong = model_compare_nearest(m, r->collections[2], 2, &how, NULL, &status);
    }
    if (wrong) {
        fprintf(stderr, "%s (%s)\n", wrong, nacre_last_error());
        assert_true(false);
    }
    assert_true(documented(status));
    return status;
}

static void search_some(struct attempt *r, unsigned n)
{
    for (unsigned i = 0; i < 3; i++) {
        (void)search_one(r, (n + 7 * i) % SEARCHES, i % 2);
    }
}

/* Writes, flushes and merges; goes on after failures as a stubborn user would. A batch that failed ends the acknowledged line: the model cannot
   know whether it is there, so the next ones are not tried. */
static void work(struct attempt *r)
{
    nacre_batch *batch;
    if (nacre_batch_create(&batch) != NACRE_OK) {
        return;
    }
    int status = open_store(r);
    assert_true(documented(status));
    for (unsigned n = 0; status == NACRE_OK && n < BATCHES; n++) {
        struct model next = r->states[r->tried];
        nacre_batch_clear(batch);
        quiet = true; /* filling the batch is not what is tested */
        if (n % 3 != 1) {
            model_random_batch(&next, batch, r->collections, &r->seed, &r->next_value);
        }
        quiet = false;
        nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
        options.durability = n % 2 ? NACRE_DISK : NACRE_OS;
        if (n % 3 == 1) {
            const char *wrong;
            status = model_random_txn(&next, r->store, r->collections, &r->seed, &r->next_value, &options, &wrong);
            assert_null(wrong);
        } else {
            status = nacre_write(r->store, batch, &options);
        }
        r->states[++r->tried] = next;
        if (status == NACRE_OK && n % 9 == 8) {
            r->acknowledged = r->tried; /* and an ingest on top, as one more step */
            next = r->states[r->tried];
            status = model_random_ingest(&next, r->collections, &r->seed, &r->next_value);
            r->states[++r->tried] = next;
        }
        assert_true(documented(status));
        if (status == NACRE_OK) {
            r->acknowledged = r->tried;
        }
        if (status == NACRE_OK && n % 5 == 4) {
            search_some(r, n);
        }
        if (n % 13 == 12) {
            assert_true(documented(nacre_flush(r->collections[n % MODEL_COLLECTIONS])));
        }
        if (n % 29 == 28) {
            assert_true(documented(nacre_compact(r->collections[n % MODEL_COLLECTIONS], (nacre_slice){ NULL, 0 },
                                                 (nacre_slice){ NULL, 0 })));
        }
    }
    nacre_batch_free(batch);
}

static void check_line(struct attempt *r, const char *what, uint64_t nth)
{
    const char *wrong = "";
    for (unsigned state = r->tried + 1; wrong && state-- > r->acknowledged;) {
        wrong = model_compare(&r->states[state], r->collections, NULL);
    }
    if (wrong) {
        fprintf(stderr, "%s, call %llu: none of the states %u to %u: %s\n", what, (unsigned long long)nth,
                r->acknowledged, r->tried, wrong);
        assert_true(false);
    }
}

static void finish(struct attempt *r, const char *what, uint64_t nth)
{
    if (r->store) {
        close_store(r);
    }
    os_memory_heal(r->os);
    os_memory_kill(r->os);
    int status = open_store(r);
    if (status != NACRE_OK) {
        fprintf(stderr, "%s, call %llu: the next open gave %s: %s\n", what, (unsigned long long)nth,
                nacre_status_name(status), nacre_last_error());
        assert_true(false);
    }
    check_line(r, what, nth);
    close_store(r);
    os_memory_free(r->os);
    free(r);
}

static unsigned scale(void)
{
    const char *text = getenv("NACRE_TEST_SCALE");
    return text ? (unsigned)atoi(text) : 1;
}

static void each_file_call(enum os_fault fault, bool sticky, const char *what)
{
    struct attempt *r = new_attempt();
    work(r);
    uint64_t calls = os_memory_calls(r->os);
    finish(r, "no fault", 0);
    uint64_t stride = calls / (90 * scale()) + 1;
    for (uint64_t nth = 1; nth < calls; nth += stride) {
        r = new_attempt();
        os_memory_fail(r->os, nth, fault, sticky);
        work(r);
        finish(r, what, nth);
    }
}

static void an_io_error_at_any_call_loses_nothing(void **state)
{
    (void)state;
    each_file_call(OS_FAULT_IO, false, "one I/O error");
}

static void a_full_disk_from_any_call_on_loses_nothing(void **state)
{
    (void)state;
    each_file_call(OS_FAULT_NO_SPACE, true, "a disk that stays full");
}

static void a_short_write_at_any_call_loses_nothing(void **state)
{
    (void)state;
    each_file_call(OS_FAULT_SHORT_WRITE, false, "one short write");
}

struct nth_allocation {
    _Atomic uint64_t left;
};

static bool nth_fails(void *context, size_t bytes)
{
    (void)bytes;
    return !quiet && atomic_fetch_sub(&((struct nth_allocation *)context)->left, 1) == 1;
}

static void an_allocation_that_fails_loses_nothing(void **state)
{
    (void)state;
    struct nth_allocation nth = { UINT64_MAX };
    struct attempt *r = new_attempt();
    memory_set_fault(nth_fails, &nth);
    work(r);
    memory_set_fault(NULL, NULL);
    uint64_t allocations = UINT64_MAX - nth.left;
    finish(r, "no fault", 0);
    uint64_t stride = allocations / (150 * scale()) + 1;
    for (uint64_t n = 1; n < allocations; n += stride) {
        r = new_attempt();
        nth.left = n;
        memory_set_fault(nth_fails, &nth);
        work(r);
        memory_set_fault(NULL, NULL);
        finish(r, "one failed allocation", n);
    }
}

/* A store whose segments are read call by call; some of it is in memory. */
static struct attempt *attempt_to_search(void)
{
    struct attempt *r = new_attempt();
    work(r);
    assert_int_equal(r->acknowledged, BATCHES + BATCHES / 9);
    assert_ok(nacre_tune(r->store, "segment_map", "0"));
    assert_ok(nacre_flush(r->collections[1]));
    assert_ok(nacre_flush(r->collections[2]));
    close_store(r);
    assert_ok(open_store(r));
    return r;
}

static void fail_allocations_of_searches(uint32_t searchers)
{
    struct attempt *r = attempt_to_search();
    struct nth_allocation nth;
    unsigned failed = 0;
    r->searchers = searchers;
    for (unsigned search = 0; search < SEARCHES; search++) {
        bool all = false;
        for (uint64_t n = 1; !all; n++) {
            nth.left = n;
            memory_set_fault(nth_fails, &nth);
            int status = search_one(r, search, n % 2);
            memory_set_fault(NULL, NULL);
            all = nth.left > 0 && nth.left <= n; /* below 0 it wraps */
            failed += status == NACRE_NO_MEMORY;
            assert_true(status == NACRE_OK || status == NACRE_NO_MEMORY);
        }
    }
    assert_true(failed > 100);
    assert_ok(search_one(r, 1, false));
    finish(r, "allocations that fail in searches", 0);
}

static void an_allocation_that_fails_in_a_search_gives_no_wrong_answer(void **state)
{
    (void)state;
    fail_allocations_of_searches(1);
}

static void an_allocation_that_fails_on_any_of_many_threads_gives_no_wrong_answer(void **state)
{
    (void)state;
    const struct count_limits usual = count_limits;
    count_limits = (struct count_limits){ .part_entries = 8, .table_part_entries = 4, .spans = 4, .seek_steps = 2 };
    fail_allocations_of_searches(3);
    count_limits = usual;
}

static void a_read_that_fails_in_a_search_gives_no_wrong_answer(void **state)
{
    (void)state;
    struct attempt *r = attempt_to_search();
    unsigned failed = 0;
    for (unsigned search = 0; search < SEARCHES; search++) {
        for (uint64_t nth = 1, calls = 1; nth <= calls; nth++) {
            close_store(r); /* nothing is kept in memory */
            assert_ok(open_store(r));
            calls = os_memory_calls(r->os);
            os_memory_fail(r->os, nth, OS_FAULT_IO, false);
            failed += search_one(r, search, nth % 2) == NACRE_IO;
            os_memory_heal(r->os);
            calls = os_memory_calls(r->os) - calls;
            assert_ok(search_one(r, search, nth % 2));
        }
    }
    assert_true(failed > 20);
    finish(r, "reads that fail in searches", 0);
}

static void a_failed_sync_of_the_log_makes_the_store_read_only_until_resumed(void **state)
{
    (void)state;
    struct attempt *r = new_attempt();
    assert_ok(open_store(r));
    nacre_write_options disk = NACRE_WRITE_OPTIONS_INIT;
    disk.durability = NACRE_DISK;
    assert_ok(nacre_put(r->collections[0], model_key(0), text("first"), &disk));
    os_memory_fail_matching(r->os, "sync", "/log/", OS_FAULT_IO, 1);
    assert_code(nacre_put(r->collections[0], model_key(1), text("second"), &disk), NACRE_IO);
    assert_code(nacre_put(r->collections[0], model_key(2), text("third"), &disk), NACRE_READ_ONLY);
    char reason[200];
    assert_int_equal(nacre_store_state(r->store, reason, sizeof reason), NACRE_STATE_READ_ONLY);
    assert_true(strlen(reason) > 0);
    nacre_value value;
    assert_ok(nacre_get(r->collections[0], model_key(0), NULL, &value));
    nacre_value_release(&value);
    assert_ok(nacre_resume(r->store));
    assert_int_equal(nacre_store_state(r->store, reason, sizeof reason), NACRE_STATE_OK);
    assert_ok(nacre_put(r->collections[0], model_key(2), text("third"), &disk));
    close_store(r);
    os_memory_restart(r->os, 5);
    assert_ok(open_store(r));
    assert_ok(nacre_get(r->collections[0], model_key(0), NULL, &value));
    nacre_value_release(&value);
    assert_ok(nacre_get(r->collections[0], model_key(2), NULL, &value));
    nacre_value_release(&value);
    close_store(r);
    os_memory_free(r->os);
    free(r);
}

static void a_full_disk_makes_the_store_read_only_and_resume_brings_it_back(void **state)
{
    (void)state;
    struct attempt *r = new_attempt();
    r->states[0].value_log_threshold = UINT64_MAX;
    assert_ok(open_store(r));
    char value[1000];
    memset(value, 'x', sizeof value);
    os_memory_set_space(r->os, 64 << 10);
    int status = NACRE_OK;
    unsigned n = 0;
    for (; status == NACRE_OK && n < 100000; n++) {
        char key[20];
        snprintf(key, sizeof key, "%08u", n);
        status = nacre_put(r->collections[0], text(key), (nacre_slice){ value, sizeof value }, NULL);
    }
    assert_true(status == NACRE_READ_ONLY || status == NACRE_NO_SPACE || status == NACRE_BUSY);
    assert_int_equal(nacre_store_state(r->store, NULL, 0), NACRE_STATE_READ_ONLY);
    assert_code(nacre_resume(r->store), NACRE_NO_SPACE);
    os_memory_set_space(r->os, UINT64_MAX);
    assert_ok(nacre_resume(r->store));
    assert_ok(nacre_put(r->collections[0], text("after"), text("v"), NULL));
    assert_ok(nacre_flush(r->collections[0]));
    for (unsigned i = 0; i + 1 < n; i++) {
        char key[20];
        nacre_value got;
        snprintf(key, sizeof key, "%08u", i);
        assert_ok(nacre_get(r->collections[0], text(key), NULL, &got));
        nacre_value_release(&got);
    }
    close_store(r);
    os_memory_free(r->os);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_sync_of_the_log_makes_the_store_read_only_until_resumed),
        cmocka_unit_test(a_full_disk_makes_the_store_read_only_and_resume_brings_it_back),
        cmocka_unit_test(an_io_error_at_any_call_loses_nothing),
        cmocka_unit_test(a_short_write_at_any_call_loses_nothing),
        cmocka_unit_test(a_full_disk_from_any_call_on_loses_nothing),
        cmocka_unit_test(an_allocation_that_fails_loses_nothing),
        cmocka_unit_test(an_allocation_that_fails_in_a_search_gives_no_wrong_answer),
        cmocka_unit_test(an_allocation_that_fails_on_any_of_many_threads_gives_no_wrong_answer),
        cmocka_unit_test(a_read_that_fails_in_a_search_gives_no_wrong_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
