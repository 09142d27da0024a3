/* Events and log lines: each kind comes when it should, says what happened, and the two agree. */
#include "base/clock.h"
#include "os/os.h"
#include "store/event.h"
#include "support/gate.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"
#include <jansson.h>
#include <pthread.h>

#define TYPES (NACRE_EVENT_TUNE + 1)
#define LINES 4096

struct heard {
    pthread_mutex_t lock;
    unsigned counts[TYPES], stalls_begun, stalls_ended, wrong;
    nacre_event last[TYPES];
    char reasons[TYPES][256], collections[TYPES][64];
    unsigned lines, bad_lines;
    char names[LINES][24];
    nacre_log_level levels[LINES];
};
static struct heard heard;

static void on_event(void *context, const nacre_event *event)
{
    struct heard *h = context;
    pthread_mutex_lock(&h->lock);
    if (event->struct_size < sizeof *event || event->type < 1 || event->type >= TYPES || !event->reason) {
        h->wrong++;
    } else {
        h->counts[event->type]++;
        h->last[event->type] = *event;
        snprintf(h->reasons[event->type], sizeof h->reasons[0], "%s", event->reason);
        snprintf(h->collections[event->type], sizeof h->collections[0], "%s",
                 event->collection ? event->collection : "(store)");
        h->stalls_begun += event->type == NACRE_EVENT_STALL && event->status == NACRE_BUSY;
        h->stalls_ended += event->type == NACRE_EVENT_STALL && event->status == NACRE_OK;
    }
    pthread_mutex_unlock(&h->lock);
}

static void on_line(void *context, nacre_log_level level, const char *event, const char *fields)
{
    struct heard *h = context;
    json_t *root = json_loads(fields, JSON_REJECT_DUPLICATES, NULL);
    pthread_mutex_lock(&h->lock);
    h->bad_lines += !json_is_object(root);
    snprintf(h->names[h->lines % LINES], sizeof h->names[0], "%s", event);
    h->levels[h->lines++ % LINES] = level;
    pthread_mutex_unlock(&h->lock);
    json_decref(root);
}

static unsigned heard_count(nacre_event_type type)
{
    pthread_mutex_lock(&heard.lock);
    unsigned count = heard.counts[type];
    pthread_mutex_unlock(&heard.lock);
    return count;
}

static unsigned heard_lines(const char *name)
{
    unsigned count = 0;
    pthread_mutex_lock(&heard.lock);
    for (unsigned i = 0; i < heard.lines && i < LINES; i++) {
        count += strcmp(heard.names[i], name) == 0;
    }
    pthread_mutex_unlock(&heard.lock);
    return count;
}

static void wait_for(nacre_event_type type, unsigned count)
{
    for (unsigned i = 0; heard_count(type) < count; i++) {
        if (i == 20000) {
            fail_msg("event %d came %u times", (int)type, heard_count(type));
        }
        clock_sleep_ns(1000000);
    }
}

static nacre_hooks hooks = { sizeof hooks, NULL, 0, NULL, 0, on_event, &heard };
static nacre_logger logger = { sizeof logger, &heard, NACRE_LOG_DEBUG, on_line };

static int listen(struct fixture *f)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    memset(&heard, 0, sizeof heard);
    heard.lock = lock;
    f->options.hooks = &hooks;
    f->options.logger = &logger;
    fixture_reopen(f);
    return 0;
}

static int setup(void **state)
{
    return fixture_setup(state) == 0 ? listen(*state) : -1;
}

static int setup_vectors(void **state)
{
    return fixture_setup_vectors(state) == 0 ? listen(*state) : -1;
}

static int setup_in_memory(void **state)
{
    return fixture_setup_strings_in_memory(state) == 0 ? listen(*state) : -1;
}

static void put_many(struct fixture *f, unsigned begin, unsigned end)
{
    for (unsigned i = begin; i < end; i++) {
        char key[32];
        snprintf(key, sizeof key, "key-%06u", i);
        assert_ok(nacre_put(f->collection, text(key), text("value"), NULL));
    }
}

static void assert_all_good(void)
{
    assert_int_equal(heard.wrong, 0);
    assert_int_equal(heard.bad_lines, 0);
}

static void an_opening_tells_of_its_recovery(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 100);
    unsigned before = heard_count(NACRE_EVENT_RECOVERY);
    fixture_reopen(f);
    assert_int_equal(heard_count(NACRE_EVENT_RECOVERY), before + 1);
    assert_int_equal(heard.last[NACRE_EVENT_RECOVERY].entries, 100);
    assert_true(heard.last[NACRE_EVENT_RECOVERY].bytes_in > 500);
    assert_int_equal(heard.last[NACRE_EVENT_RECOVERY].status, NACRE_OK);
    assert_true(heard_lines("open") >= 4);
    assert_true(heard_lines("recovery") >= 2);
    assert_all_good();
}

static void seals_and_flushes_are_told_with_their_sizes(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 1000);
    assert_ok(nacre_seal(f->collection));
    wait_for(NACRE_EVENT_SEAL, 1);
    wait_for(NACRE_EVENT_FLUSH, 1);
    assert_int_equal(heard.last[NACRE_EVENT_SEAL].entries, 1000);
    assert_true(heard.last[NACRE_EVENT_SEAL].bytes_in > 1000 * 15);
    assert_string_equal(heard.collections[NACRE_EVENT_SEAL], "test");
    assert_int_equal(heard.last[NACRE_EVENT_FLUSH].entries, 1000);
    assert_true(heard.last[NACRE_EVENT_FLUSH].bytes_out > 1000 * 15);
    assert_string_equal(heard.collections[NACRE_EVENT_FLUSH], "test");
    assert_true(heard_lines("seal") == 1 && heard_lines("flush") == 1);
    assert_all_good();
}

static void merges_are_told(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 1000);
    assert_ok(nacre_flush(f->collection));
    put_many(f, 500, 1500);
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    wait_for(NACRE_EVENT_MERGE, 1);
    assert_string_equal(heard.reasons[NACRE_EVENT_MERGE], "merge");
    assert_int_equal(heard.last[NACRE_EVENT_MERGE].entries, 1500);
    assert_true(heard.last[NACRE_EVENT_MERGE].bytes_in > heard.last[NACRE_EVENT_MERGE].bytes_out / 2);
    assert_true(heard_lines("merge") >= 1);
    assert_all_good();
}

static void indexes_that_are_built_behind_are_told(void **state)
{
    struct fixture *f = *state;
    float vector[FIXTURE_DIMENSION];
    for (unsigned i = 0; i < 2000; i++) {
        char key[32];
        snprintf(key, sizeof key, "v%06u", i);
        for (unsigned d = 0; d < FIXTURE_DIMENSION; d++) {
            vector[d] = (float)((i * (d + 3) * 2654435761u) % 1000);
        }
        assert_ok(nacre_put_vector(f->collection, text(key), vector, text(""), NULL));
    }
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_build_indexes(f->collection));
    wait_for(NACRE_EVENT_INDEX, 1);
    assert_int_equal(heard.last[NACRE_EVENT_INDEX].entries, 2000);
    assert_all_good();
}

static void a_stall_is_told_when_it_begins_and_when_it_ends(void **state)
{
    struct fixture *f = *state;
    nacre_write_options quick = NACRE_WRITE_OPTIONS_INIT;
    static char value[4000];
    quick.timeout_ms = 20;
    fixture_close(f);
    f->options.os = gate_over(os_posix());
    f->options.memory_budget = UINT64_C(16) << 20;
    fixture_open(f);
    gate_close("/segments/");
    int status = NACRE_OK;
    for (unsigned i = 0; status == NACRE_OK; i++) {
        char key[32];
        snprintf(key, sizeof key, "key-%06u", i);
        status = nacre_put(f->collection, text(key), (nacre_slice){ value, sizeof value }, &quick);
        assert_true(i < 100000);
    }
    assert_int_equal(status, NACRE_BUSY);
    assert_true(heard.stalls_begun >= 1);
    assert_non_null(strstr(heard.reasons[NACRE_EVENT_STALL], "memtables"));
    char *json;
    assert_ok(nacre_stats(f->store, &json));
    json_t *root = json_loads(json, 0, NULL);
    assert_true(json_integer_value(json_object_get(root, "stalls_memtables")) > 0);
    assert_true(json_integer_value(json_object_get(root, "stall_ns_memtables")) > 0);
    assert_non_null(strstr(json_string_value(json_object_get(root, "stalled_by")), "memtables"));
    static const char *const reasons[] = { "memtables", "merges", "log", "disk", "tickets" };
    json_int_t sum = 0;
    for (size_t i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "stalls_%s", reasons[i]);
        sum += json_integer_value(json_object_get(root, name));
    }
    assert_int_equal(sum, json_integer_value(json_object_get(root, "stalls")));
    json_decref(root);
    nacre_free(json);
    gate_open();
    assert_ok(nacre_flush(f->collection));
    for (unsigned i = 0; heard.stalls_ended < heard.stalls_begun; i++) {
        assert_true(i < 20000);
        clock_sleep_ns(1000000);
    }
    assert_true(heard.last[NACRE_EVENT_STALL].duration_us > 0);
    assert_all_good();
}

static void failures_in_the_background_and_what_becomes_of_the_store_are_told(void **state)
{
    struct fixture *f = *state;
    put_many(f, 0, 100);
    os_memory_fail_matching(f->memory, "", "/segments/", OS_FAULT_IO, 1);
    assert_ok(nacre_seal(f->collection));
    wait_for(NACRE_EVENT_ERROR, 1);
    assert_int_equal(heard.last[NACRE_EVENT_ERROR].status, NACRE_IO);
    assert_string_equal(heard.collections[NACRE_EVENT_ERROR], "test");
    assert_true(strlen(heard.reasons[NACRE_EVENT_ERROR]) > 10);
    wait_for(NACRE_EVENT_FLUSH, 1); /* it was tried again */
    assert_int_equal(heard_count(NACRE_EVENT_STATE), 0);
    char *json;
    assert_ok(nacre_stats(f->store, &json));
    json_t *root = json_loads(json, 0, NULL), *task = json_object_get(json_object_get(root, "tasks"), "flush");
    assert_int_equal(json_integer_value(json_object_get(task, "failed")), 1);
    assert_string_equal(json_string_value(json_object_get(task, "error_collection")), "test");
    assert_string_equal(json_string_value(json_object_get(task, "error_status")), "NACRE_IO");
    assert_true(json_integer_value(json_object_get(task, "error_ms")) > 0);
    json_decref(root);
    nacre_free(json);
    put_many(f, 100, 200);
    os_memory_fail_matching(f->memory, "", "/segments/", OS_FAULT_NO_SPACE, 1000);
    assert_ok(nacre_seal(f->collection));
    wait_for(NACRE_EVENT_STATE, 1);
    assert_int_equal(heard.last[NACRE_EVENT_STATE].status, NACRE_NO_SPACE);
    os_memory_heal(f->memory);
    assert_ok(nacre_resume(f->store));
    wait_for(NACRE_EVENT_STATE, 2);
    assert_int_equal(heard.last[NACRE_EVENT_STATE].status, NACRE_OK);
    assert_true(heard_lines("background_error") >= 2 && heard_lines("state") >= 2);
    assert_all_good();
}

static void what_the_engine_tunes_is_told(void **state)
{
    struct fixture *f = *state;
    event_tuned(f->store, "seal_bytes", 1 << 20, "writes come in \"bursts\"");
    assert_int_equal(heard_count(NACRE_EVENT_TUNE), 1);
    assert_string_equal(heard.reasons[NACRE_EVENT_TUNE], "seal_bytes = 1048576: writes come in \"bursts\"");
    assert_int_equal(heard_lines("tune"), 1);
    assert_all_good();
}

static void a_logger_hears_no_more_than_its_level(void **state)
{
    struct fixture *f = *state;
    logger.level = NACRE_LOG_WARNING;
    fixture_reopen(f);
    heard.lines = 0;
    put_many(f, 0, 100);
    assert_ok(nacre_flush(f->collection));
    logger.level = NACRE_LOG_DEBUG;
    assert_int_equal(heard.lines, 0);
    assert_true(heard_count(NACRE_EVENT_FLUSH) >= 1); /* events have no levels */
}

static void names_of_any_kind_make_good_lines(void **state)
{
    struct fixture *f = *state;
    nacre_collection *odd;
    assert_ok(nacre_collection_create(f->store, "a \"b\" \\ \xC3\xA9", NULL, &odd));
    assert_ok(nacre_put(odd, text("k"), text("v"), NULL));
    assert_ok(nacre_flush(odd));
    assert_true(heard_count(NACRE_EVENT_FLUSH) >= 1);
    assert_all_good();
    nacre_collection_close(odd);
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_opening_tells_of_its_recovery, setup),
        TEST(seals_and_flushes_are_told_with_their_sizes, setup),
        TEST(merges_are_told, setup),
        TEST(indexes_that_are_built_behind_are_told, setup_vectors),
        TEST(a_stall_is_told_when_it_begins_and_when_it_ends, setup),
        TEST(failures_in_the_background_and_what_becomes_of_the_store_are_told, setup_in_memory),
        TEST(what_the_engine_tunes_is_told, setup),
        TEST(a_logger_hears_no_more_than_its_level, setup),
        TEST(names_of_any_kind_make_good_lines, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
