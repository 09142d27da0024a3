/* Every call of the file layer and every allocation of a refresh, and of an opening for reading, fails once. What fails leaves the reader as it was;
   the next refresh goes on. */
#include "base/memory.h"
#include "support/model.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"
#undef fail
#include <stdatomic.h>

struct pair {
    nacre_os *os;
    nacre_options options;
    nacre_store *writer, *reader;
    nacre_collection *written[MODEL_COLLECTIONS], *read[MODEL_COLLECTIONS];
    struct model now, seen;
    uint64_t seed;
    uint32_t next_value;
};

static void write_some(struct pair *p, unsigned batches, bool flush)
{
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    while (batches-- > 0) {
        nacre_batch_clear(batch);
        model_random_batch(&p->now, batch, p->written, &p->seed, &p->next_value);
        assert_ok(nacre_write(p->writer, batch, NULL));
    }
    nacre_batch_free(batch);
    for (unsigned c = 0; c < MODEL_COLLECTIONS && flush; c++) {
        assert_ok(nacre_flush(p->written[c]));
    }
}

static struct pair *new_pair(void)
{
    struct pair *p = calloc(1, sizeof *p);
    p->os = os_memory_create();
    p->options = (nacre_options)NACRE_OPTIONS_INIT;
    p->options.os = p->os;
    p->options.memory_budget = 32 << 20;
    p->options.durability = NACRE_OS;
    p->seed = 99;
    p->now.kinds[1] = NACRE_STRINGS;
    p->now.kinds[2] = NACRE_VECTORS;
    assert_ok(nacre_open("/store", &p->options, &p->writer));
    assert_ok(nacre_tune(p->writer, "seal_bytes", "16384"));
    assert_ok(nacre_tune(p->writer, "log_file_bytes", "65536"));
    assert_ok(model_open(&p->now, p->writer, p->written));
    write_some(p, 20, true);
    write_some(p, 10, false);
    return p;
}

static int open_reader(struct pair *p)
{
    nacre_options options = p->options;
    options.read_only = true;
    int status = nacre_open("/store", &options, &p->reader);
    if (status == NACRE_OK) {
        p->seen = p->now;
        for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
            assert_ok(nacre_collection_open(p->reader, model_names[c], &p->read[c]));
        }
    }
    return status;
}

static void close_reader(struct pair *p)
{
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        nacre_collection_close(p->read[c]);
    }
    assert_ok(nacre_close(p->reader));
    p->reader = NULL;
}

static void free_pair(struct pair *p)
{
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        nacre_collection_close(p->written[c]);
    }
    assert_ok(nacre_close(p->writer));
    os_memory_free(p->os);
    free(p);
}

static void compare(const struct pair *p, unsigned long nth)
{
    const char *wrong = model_compare(&p->seen, (nacre_collection **)p->read, NULL);
    if (wrong) {
        fprintf(stderr, "failure %lu: %s\n", nth, wrong);
        assert_true(false);
    }
}

static bool documented(int status)
{
    return status == NACRE_OK || status == NACRE_IO || status == NACRE_NO_MEMORY || status == NACRE_BUSY ||
           status == NACRE_CORRUPT;
}

/* What the writer did before each refresh: puts alone, flushes, a log that was pruned past the reader. */
static void move_on(struct pair *p, unsigned long nth)
{
    write_some(p, 5, false);
    if (nth % 3 != 0) {
        write_some(p, 1, true);
        write_some(p, 2, false);
    }
    if (nth % 3 == 2) {
        assert_ok(nacre_compact(p->written[nth % MODEL_COLLECTIONS], text(""), text("")));
        assert_ok(nacre_prune_log(p->writer));
    }
    assert_ok(nacre_reclaim(p->writer)); /* it has nothing left to do meanwhile */
}

static bool is_due(void *context, size_t bytes)
{
    atomic_ulong *left = context;
    (void)bytes;
    return atomic_fetch_sub(left, 1) == 1;
}

static bool begin_fault(struct pair *p, unsigned long nth, bool allocations, atomic_ulong *left)
{
    atomic_store(left, nth);
    if (allocations) {
        memory_set_fault(is_due, left);
    } else {
        os_memory_fail(p->os, nth, OS_FAULT_IO, false);
    }
    return true;
}

static void end_fault(struct pair *p, bool allocations)
{
    if (allocations) {
        memory_set_fault(NULL, NULL);
    } else {
        os_memory_heal(p->os);
    }
}

static void fail_refreshes(bool allocations)
{
    struct pair *p = new_pair();
    atomic_ulong left;
    unsigned without_effect = 0;
    assert_ok(open_reader(p));
    for (unsigned long nth = 1; without_effect < 12; nth++) {
        move_on(p, nth);
        (void)begin_fault(p, 1 + nth / 3, allocations, &left);
        int status = nacre_refresh(p->reader);
        end_fault(p, allocations);
        assert_true(documented(status));
        without_effect = status == NACRE_OK ? without_effect + 1 : 0;
        if (status == NACRE_OK) {
            p->seen = p->now;
        }
        compare(p, nth);
        assert_ok(nacre_refresh(p->reader));
        p->seen = p->now;
        compare(p, nth);
    }
    close_reader(p);
    free_pair(p);
}

static void a_refresh_in_which_a_call_fails_changes_nothing_and_the_next_goes_on(void **state)
{
    (void)state;
    fail_refreshes(false);
}

static void a_refresh_in_which_an_allocation_fails_changes_nothing_and_the_next_goes_on(void **state)
{
    (void)state;
    fail_refreshes(true);
}

static void an_opening_for_reading_in_which_a_call_fails_says_so_or_is_whole(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    atomic_ulong left;
    unsigned without_effect = 0;
    for (unsigned long nth = 1; without_effect < 60; nth++) {
        (void)begin_fault(p, nth, nth % 2, &left);
        int status = open_reader(p);
        end_fault(p, nth % 2);
        assert_true(documented(status));
        without_effect = status == NACRE_OK ? without_effect + 1 : 0;
        if (status == NACRE_OK) {
            compare(p, nth);
            close_reader(p);
        }
    }
    free_pair(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refresh_in_which_a_call_fails_changes_nothing_and_the_next_goes_on),
        cmocka_unit_test(a_refresh_in_which_an_allocation_fails_changes_nothing_and_the_next_goes_on),
        cmocka_unit_test(an_opening_for_reading_in_which_a_call_fails_says_so_or_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
