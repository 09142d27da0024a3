/* Checkpoints, backups, restores and salvage copies of which each call of the file layer, or each allocation, fails once, or at which the power fails: what
   fails leaves nothing behind, what was there before stays good, and a later attempt succeeds. NACRE_TEST_SCALE tries more places. */
#include "base/memory.h"
#include "support/model.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"

#define BATCHES 80

struct copies {
    nacre_os *os;
    nacre_options options;
    nacre_store *store;
    nacre_collection *collections[MODEL_COLLECTIONS];
    struct model model, first; /* now; as the first backup has it */
    uint64_t seed;
    uint32_t next_value;
};

static void open_store(struct copies *c, const char *path, const struct model *model)
{
    assert_ok(nacre_open(path, &c->options, &c->store));
    assert_ok(model_open(model, c->store, c->collections));
}

static void close_store(struct copies *c)
{
    for (unsigned i = 0; i < MODEL_COLLECTIONS; i++) {
        nacre_collection_close(c->collections[i]);
        c->collections[i] = NULL;
    }
    assert_true(nacre_close(c->store) != NACRE_HANDLES_OPEN); /* the power may be gone */
    c->store = NULL;
}

static void write_some(struct copies *c, unsigned batches)
{
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    for (unsigned n = 0; n < batches; n++) {
        nacre_batch_clear(batch);
        model_random_batch(&c->model, batch, c->collections, &c->seed, &c->next_value);
        assert_ok(nacre_write(c->store, batch, NULL));
    }
    nacre_batch_free(batch);
}

static struct copies *new_copies(void)
{
    struct copies *c = calloc(1, sizeof *c);
    c->os = os_memory_create();
    c->options = (nacre_options)NACRE_OPTIONS_INIT;
    c->options.os = c->os;
    c->options.memory_budget = 16 << 20;
    c->options.background_threads = 1;
    c->seed = 77;
    c->model.value_log_threshold = 60; /* about half of the values go there */
    c->model.kinds[1] = NACRE_STRINGS;
    c->model.kinds[2] = NACRE_VECTORS;
    open_store(c, "/store", &c->model);
    write_some(c, BATCHES);
    for (unsigned i = 0; i < MODEL_COLLECTIONS; i++) {
        assert_ok(nacre_flush(c->collections[i]));
    }
    assert_ok(nacre_backup(c->store, "/backups", NULL, NULL));
    c->first = c->model;
    write_some(c, 20);
    return c;
}

static void free_copies(struct copies *c)
{
    close_store(c);
    os_memory_free(c->os);
    free(c);
}

static bool is_there(const struct copies *c, const char *path)
{
    nacre_file *file;
    char current[64];
    snprintf(current, sizeof current, "%s/CURRENT", path);
    int status = c->os->open(c->os->context, current, NACRE_FILE_READ, &file);
    if (status == NACRE_OK) {
        c->os->close(file);
    }
    return status == NACRE_OK;
}

static void remove_name(void *context, const char *name)
{
    char *const *parts = context;
    const nacre_os *os = (const nacre_os *)(void *)parts[0];
    char path[200];
    snprintf(path, sizeof path, "%s/%s", parts[1], name);
    if (os->remove(os->context, path) != NACRE_OK) {
        char *inner[2] = { parts[0], path };
        os->list(os->context, path, remove_name, inner);
        os->remove_directory(os->context, path);
    }
}

static void remove_tree(const struct copies *c, const char *path)
{
    char *parts[2] = { (char *)(void *)c->os, (char *)(uintptr_t)path };
    c->os->list(c->os->context, path, remove_name, parts);
    c->os->remove_directory(c->os->context, path);
}

static void expect_store(const struct copies *c, const char *path, const struct model *model)
{
    struct copies copy = *c;
    open_store(&copy, path, model);
    const char *wrong = model_compare(model, copy.collections, NULL);
    if (wrong) {
        fprintf(stderr, "%s: %s\n", path, wrong);
    }
    assert_null(wrong);
    close_store(&copy);
}

static void expect_backup(const struct copies *c, uint64_t id, const struct model *model)
{
    assert_ok(nacre_restore("/backups", id, "/restored", &c->options));
    expect_store(c, "/restored", model);
    remove_tree(c, "/restored");
}

/* ---- what is tried ---- */

static int try_checkpoint(struct copies *c)
{
    return nacre_checkpoint(c->store, "/copy");
}

static int try_backup(struct copies *c)
{
    return nacre_backup(c->store, "/backups", NULL, NULL);
}

static int try_restore(struct copies *c)
{
    return nacre_restore("/backups", 1, "/copy", &c->options);
}

static int try_salvage(struct copies *c)
{
    return nacre_salvage_copy("/frozen", "/copy", &c->options, NULL);
}

static int try_removal(struct copies *c)
{
    return nacre_backup_keep("/backups", 0, &c->options);
}

static unsigned scale(void)
{
    const char *text = getenv("NACRE_TEST_SCALE");
    return text ? (unsigned)atoi(text) : 1;
}

static void check_documented(int status)
{
    assert_true(status == NACRE_OK || status == NACRE_IO || status == NACRE_NO_SPACE || status == NACRE_NO_MEMORY ||
                status == NACRE_READ_ONLY || status == NACRE_CORRUPT || status == NACRE_BUSY);
}

/* A failed call leaves no store under its path. */
static void settle(struct copies *c, int status, const struct model *model)
{
    check_documented(status);
    if (status == NACRE_OK && is_there(c, "/copy")) {
        expect_store(c, "/copy", model);
    }
    assert_true(status == NACRE_OK || !is_there(c, "/copy"));
    remove_tree(c, "/copy");
}

static void fail_each_call(int (*attempt)(struct copies *), enum os_fault fault, bool restores_first)
{
    struct copies *c = new_copies();
    assert_ok(nacre_checkpoint(c->store, "/frozen"));
    uint64_t before = os_memory_calls(c->os);
    assert_ok(attempt(c));
    uint64_t calls = os_memory_calls(c->os) - before;
    remove_tree(c, "/copy");
    uint64_t stride = calls / (60 * scale()) + 1;
    for (uint64_t nth = 1; nth <= calls; nth += stride) {
        os_memory_fail(c->os, nth, fault, false);
        int status = attempt(c);
        os_memory_heal(c->os);
        if (nacre_store_state(c->store, NULL, 0) != NACRE_STATE_OK) {
            (void)nacre_resume(c->store);
        }
        settle(c, status, restores_first ? &c->first : &c->model);
    }
    expect_backup(c, 1, &c->first);
    assert_ok(nacre_backup(c->store, "/backups", NULL, NULL));
    expect_backup(c, 0, &c->model);
    free_copies(c);
}

static void a_checkpoint_that_fails_leaves_nothing(void **state)
{
    (void)state;
    fail_each_call(try_checkpoint, OS_FAULT_IO, false);
    fail_each_call(try_checkpoint, OS_FAULT_SHORT_WRITE, false);
}

static void a_backup_that_fails_spoils_no_other(void **state)
{
    (void)state;
    fail_each_call(try_backup, OS_FAULT_IO, false);
    fail_each_call(try_backup, OS_FAULT_SHORT_WRITE, false);
}

static void a_restore_that_fails_leaves_nothing(void **state)
{
    (void)state;
    fail_each_call(try_restore, OS_FAULT_IO, true);
    fail_each_call(try_restore, OS_FAULT_SHORT_WRITE, true);
}

static void a_salvage_copy_that_fails_leaves_nothing(void **state)
{
    (void)state;
    fail_each_call(try_salvage, OS_FAULT_NO_SPACE, false);
}

/* ---- allocations ---- */

static _Atomic(uint64_t) allocations;
static uint64_t failing;
static _Thread_local bool mine;

static bool nth_fails(void *context, size_t bytes)
{
    (void)context, (void)bytes;
    return mine && ++allocations == failing;
}

static void fail_each_allocation(int (*attempt)(struct copies *), bool restores_first)
{
    struct copies *c = new_copies();
    assert_ok(nacre_checkpoint(c->store, "/frozen"));
    int status = NACRE_NO_MEMORY;
    uint64_t step = 1;
    for (failing = 1; failing < 20000 && (status != NACRE_OK || allocations >= failing); failing += step) {
        allocations = 0;
        mine = true;
        memory_set_fault(nth_fails, NULL);
        status = attempt(c);
        memory_set_fault(NULL, NULL);
        mine = false;
        settle(c, status, restores_first ? &c->first : &c->model);
        step = 1 + failing / (30 * scale());
    }
    expect_backup(c, 1, &c->first);
    assert_ok(nacre_backup(c->store, "/backups", NULL, NULL));
    expect_backup(c, 0, &c->model);
    free_copies(c);
}

static void an_allocation_that_fails_leaves_nothing(void **state)
{
    (void)state;
    fail_each_allocation(try_checkpoint, false);
    fail_each_allocation(try_backup, false);
    fail_each_allocation(try_restore, true);
    fail_each_allocation(try_salvage, false);
}

/* ---- the power ---- */

static void cut_each_call(int (*attempt)(struct copies *), bool removes)
{
    struct copies *c = new_copies();
    uint64_t before = os_memory_calls(c->os);
    assert_ok(attempt(c));
    uint64_t calls = os_memory_calls(c->os) - before, stride = calls / (30 * scale()) + 1;
    free_copies(c);
    for (uint64_t cut = 1; cut <= calls; cut += stride) {
        c = new_copies();
        assert_ok(nacre_sync(c->store));
        os_memory_cut_at(c->os, os_memory_calls(c->os) + cut);
        bool done = attempt(c) == NACRE_OK;
        close_store(c);
        os_memory_restart(c->os, cut);
        open_store(c, "/store", &c->model);
        assert_null(model_compare(&c->model, c->collections, NULL));
        if (is_there(c, "/copy")) {
            expect_store(c, "/copy", &c->model);
        }
        assert_true(!done || removes || attempt == try_backup || is_there(c, "/copy"));
        int kept = nacre_restore("/backups", 1, "/restored", &c->options);
        assert_true(kept == NACRE_OK || (removes && kept == NACRE_NOT_FOUND));
        assert_true(!done || !removes || kept == NACRE_NOT_FOUND);
        remove_tree(c, "/restored");
        if (kept == NACRE_OK) {
            expect_backup(c, 1, &c->first);
        }
        uint64_t id = 0;
        assert_ok(nacre_backup(c->store, "/backups", NULL, &id));
        assert_true(!done || removes || attempt != try_backup || id == 3);
        expect_backup(c, 0, &c->model);
        free_copies(c);
    }
}

static void a_power_cut_in_a_backup_keeps_those_before(void **state)
{
    (void)state;
    cut_each_call(try_backup, false);
}

static void a_power_cut_in_a_checkpoint_leaves_all_or_no_store(void **state)
{
    (void)state;
    cut_each_call(try_checkpoint, false);
}

static void a_power_cut_in_a_removal_leaves_whole_backups(void **state)
{
    (void)state;
    cut_each_call(try_removal, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_that_fails_leaves_nothing),
        cmocka_unit_test(a_backup_that_fails_spoils_no_other),
        cmocka_unit_test(a_restore_that_fails_leaves_nothing),
        cmocka_unit_test(a_salvage_copy_that_fails_leaves_nothing),
        cmocka_unit_test(an_allocation_that_fails_leaves_nothing),
        cmocka_unit_test(a_power_cut_in_a_backup_keeps_those_before),
        cmocka_unit_test(a_power_cut_in_a_checkpoint_leaves_all_or_no_store),
        cmocka_unit_test(a_power_cut_in_a_removal_leaves_whole_backups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
