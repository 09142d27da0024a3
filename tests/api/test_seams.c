/* Where parts meet: ingests, merges, snapshots, the value log, salvage copies, levels of durability. */
#include "support/store_fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define BULK 400000u

static void remove_tree(const char *path)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", path);
    assert_int_equal(system(command), 0);
}

/* ---- ingests, before they are visible ---- */

struct window {
    struct fixture *fixture;
    nacre_collection *other;
    nacre_batch *bulk;
    atomic_bool begun, ended;
};

static void *write_bulk(void *context)
{
    struct window *w = context;
    atomic_store(&w->begun, true);
    assert_ok(nacre_write(w->fixture->store, w->bulk, NULL));
    return NULL;
}

static void *ingest_one(void *context)
{
    struct window *w = context;
    nacre_segment_writer *writer;
    assert_ok(nacre_segment_writer_create(w->fixture->collection, NULL, &writer));
    assert_ok(nacre_segment_writer_put(writer, text("key"), text("third")));
    assert_ok(nacre_ingest(w->fixture->collection, &writer, 1));
    nacre_segment_writer_free(writer);
    atomic_store(&w->ended, true);
    return NULL;
}

static void *compact_all(void *context)
{
    struct window *w = context;
    while (!atomic_load(&w->ended)) {
        assert_ok(nacre_compact(w->fixture->collection, text(""), text("")));
    }
    return NULL;
}

/* What is visible meanwhile: the second version, of which an old snapshot does not know. */
static void ingest_behind_bulk(struct window *w)
{
    struct fixture *f = w->fixture;
    nacre_snapshot *old;
    pthread_t threads[3];
    put(f, "key", "first");
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_snapshot_create(f->store, &old));
    put(f, "key", "second");
    assert_ok(nacre_flush(f->collection));
    atomic_store(&w->begun, false);
    atomic_store(&w->ended, false);
    assert_int_equal(pthread_create(&threads[0], NULL, write_bulk, w), 0);
    while (!atomic_load(&w->begun)) {
        usleep(100);
    }
    usleep(5000);
    assert_int_equal(pthread_create(&threads[1], NULL, ingest_one, w), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, compact_all, w), 0);
    while (!atomic_load(&w->ended)) {
        assert_string_not_equal(get(f, "key"), "first");
        assert_string_not_equal(get(f, "key"), "<none>");
        usleep(200);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_string_equal(get(f, "key"), "third");
    nacre_snapshot_release(old);
}

static void a_merge_does_not_drop_what_is_visible_until_an_ingest_is(void **state)
{
    struct window w = { .fixture = *state };
    char key[16];
    assert_ok(nacre_collection_create(w.fixture->store, "other", NULL, &w.other));
    assert_ok(nacre_batch_create(&w.bulk));
    for (unsigned i = 0; i < BULK; i++) {
        (void)snprintf(key, sizeof key, "%07u", i * 7919u % 1000003u);
        assert_ok(nacre_batch_put(w.bulk, w.other, text(key), text("")));
    }
    for (unsigned round = 0; round < 3; round++) {
        ingest_behind_bulk(&w);
    }
    nacre_batch_free(w.bulk);
    nacre_collection_close(w.other);
}

static void an_ingest_makes_durable_what_was_written_before_it_at_level_memory(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    pid_t child = fork();
    if (child == 0) {
        nacre_store *store;
        nacre_collection *collection;
        nacre_segment_writer *writer;
        const nacre_write_options in_memory = { sizeof in_memory, NACRE_MEMORY, 0, 0 };
        bool done = nacre_open(f->path, &f->options, &store) == NACRE_OK &&
                    nacre_collection_open(store, "test", &collection) == NACRE_OK &&
                    nacre_put(collection, text("before"), text("kept"), &in_memory) == NACRE_OK &&
                    nacre_segment_writer_create(collection, NULL, &writer) == NACRE_OK &&
                    nacre_segment_writer_put(writer, text("ingested"), text("value")) == NACRE_OK &&
                    nacre_ingest(collection, &writer, 1) == NACRE_OK;
        _exit(done ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fixture_open(f);
    assert_string_equal(get(f, "ingested"), "value");
    assert_string_equal(get(f, "before"), "kept");
}

/* ---- a filter, and operands that are flushed while it is asked ---- */

struct gated_filter {
    atomic_bool reached, go_on, saw_base_alone;
};

static nacre_filter_decision look_at(void *context, nacre_slice key, nacre_slice value, uint32_t level,
                                     nacre_output *changed)
{
    struct gated_filter *gate = context;
    (void)level, (void)changed;
    if (key.size == 1 && *(const char *)key.data == 'a') {
        atomic_store(&gate->reached, true);
        while (!atomic_load(&gate->go_on)) {
            usleep(1000);
        }
    }
    if (key.size == 1 && *(const char *)key.data == 'b' && value.size == 4) {
        atomic_store(&gate->saw_base_alone, true);
    }
    return NACRE_FILTER_KEEP;
}

static void a_filter_is_not_asked_about_the_base_of_an_operand_that_is_flushed_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct gated_filter gate = { false, false, false };
    const nacre_compaction_filter filter = { "gated", &gate, look_at };
    nacre_hooks hooks = NACRE_HOOKS_INIT;
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *collection;
    hooks.compaction_filters = &filter;
    hooks.compaction_filter_count = 1;
    fixture_close(f);
    f->options.hooks = &hooks;
    fixture_open(f);
    options.merge_operator = "append";
    options.compaction_filter = "gated";
    assert_ok(nacre_collection_create(f->store, "filtered", &options, &collection));
    assert_ok(nacre_pause_compaction(f->store, 10000));
    for (unsigned i = 0; i < 24; i++) {
        assert_ok(nacre_put(collection, text("a"), text("base"), NULL));
        assert_ok(nacre_put(collection, text("b"), text("base"), NULL));
        assert_ok(nacre_flush(collection));
    }
    assert_ok(nacre_merge(collection, text("b"), text(", operand"), NULL));
    assert_ok(nacre_resume_compaction(f->store));
    while (!atomic_load(&gate.reached)) {
        usleep(1000);
    }
    assert_ok(nacre_flush(collection));
    atomic_store(&gate.go_on, true);
    assert_ok(nacre_compact(collection, text(""), text("")));
    assert_false(atomic_load(&gate.saw_base_alone));
    nacre_collection_close(collection);
    fixture_close(f);
    f->options.hooks = NULL;
    fixture_open(f);
}

/* ---- the value log ---- */

static void a_salvage_copy_has_large_values_that_only_the_log_points_to(void **state)
{
    struct fixture *f = *state;
    char value[9000], copy[96];
    nacre_store *store;
    nacre_collection *collection;
    nacre_value got;
    memset(value, 'v', sizeof value);
    (void)snprintf(copy, sizeof copy, "%s.copy", f->path);
    put(f, "flushed", "value");
    assert_ok(nacre_flush(f->collection));
    for (unsigned i = 0; i < 20000; i++) { /* to be read first, while the copy keeps house */
        put(f, "small", "value");
    }
    assert_ok(nacre_put(f->collection, text("large"), (nacre_slice){ value, sizeof value }, NULL));
    fixture_close(f);
    assert_ok(nacre_salvage_copy(f->path, copy, &f->options, NULL));
    assert_ok(nacre_open(copy, &f->options, &store));
    assert_ok(nacre_collection_open(store, "test", &collection));
    assert_ok(nacre_get(collection, text("large"), NULL, &got));
    assert_int_equal(got.slice.size, sizeof value);
    assert_memory_equal(got.slice.data, value, sizeof value);
    nacre_value_release(&got);
    nacre_collection_close(collection);
    assert_ok(nacre_close(store));
    remove_tree(copy);
    fixture_open(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_merge_does_not_drop_what_is_visible_until_an_ingest_is),
        TEST(an_ingest_makes_durable_what_was_written_before_it_at_level_memory),
        TEST(a_filter_is_not_asked_about_the_base_of_an_operand_that_is_flushed_meanwhile),
        TEST(a_salvage_copy_has_large_values_that_only_the_log_points_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
