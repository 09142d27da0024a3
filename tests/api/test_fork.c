/* A process that forks while its store works: the child opens a store of its own, whatever the parent's threads were in the midst of. */
#include "support/os_memory.h"
#include "support/store_fixture.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORKS   100u
#define SECONDS 20u /* a child that takes longer hangs */

struct work {
    struct fixture *f;
    nacre_collection *merged;
    pthread_t threads[2];
    _Atomic bool over;
};
static struct work running; /* its threads go on where a test ends early */

/* Views come and go: each flush waits for the readers of the one before. */
static void *flush_often(void *argument)
{
    struct work *work = argument;
    while (!atomic_load(&work->over)) {
        assert_ok(nacre_put(work->f->collection, text("k"), text("v"), NULL));
        assert_ok(nacre_flush(work->f->collection));
    }
    return NULL;
}

/* Within a read, for long enough that a flush that waits for it is likely to be met by a fork. */
static int read_slowly(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands,
                       size_t count, nacre_output *value)
{
    (void)context, (void)key, (void)base, (void)operands, (void)count;
    usleep(5000);
    return nacre_output_append(value, text("slow"));
}

static void *read_once(void *argument)
{
    struct work *work = argument;
    nacre_value value;
    assert_ok(nacre_get(work->merged, text("k"), NULL, &value));
    nacre_value_release(&value);
    return NULL;
}

/* Readers come and go: each is a thread that has not read before. */
static void *start_readers(void *argument)
{
    struct work *work = argument;
    while (!atomic_load(&work->over)) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, read_once, work), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    return NULL;
}

#define MUST(call) \
    if ((call) != NACRE_OK) { \
        fprintf(stderr, "child: %s: %s\n", #call, nacre_last_error()); \
        return 1; \
    }

static int live_on(struct fixture *f)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    nacre_collection *collection;
    nacre_value value;
    if (nacre_get(f->collection, text("before"), NULL, &value) != NACRE_INVALID) {
        return 2;
    }
    options.read_only = true;
    MUST(nacre_open(f->path, &options, &store))
    MUST(nacre_collection_open(store, "test", &collection))
    MUST(nacre_get(collection, text("before"), NULL, &value))
    nacre_value_release(&value);
    nacre_collection_close(collection);
    MUST(nacre_close(store))

    options.read_only = false;
    options.os = os_memory_create();
    MUST(nacre_open("own", &options, &store))
    MUST(nacre_collection_create(store, "test", NULL, &collection))
    MUST(nacre_put(collection, text("k"), text("v"), NULL))
    MUST(nacre_flush(collection))
    MUST(nacre_get(collection, text("k"), NULL, &value))
    nacre_value_release(&value);
    nacre_collection_close(collection);
    return nacre_close(store) == NACRE_OK ? 0 : 3;
}

/* How the child ended. One that hangs is killed: no signal but that reaches a thread that waits for readers. */
static int wait_for(pid_t child)
{
    int ended = -1;
    for (unsigned i = 0; i < SECONDS * 1000; i++) {
        pid_t which = waitpid(child, &ended, WNOHANG);
        if (which != 0) {
            return which == child ? ended : -1;
        }
        usleep(1000);
    }
    kill(child, SIGKILL);
    waitpid(child, &ended, 0);
    return ended;
}

/* What an operator does is called within a read: others may wait for that read to end, and the fork must not wait for them. */
static int fork_and_append(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands,
                           size_t count, nacre_output *value)
{
    (void)context, (void)key, (void)base;
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    int ended = -1;
    if (child < 0 || waitpid(child, &ended, 0) != child || ended != 0) {
        return NACRE_INVALID;
    }
    return nacre_output_append(value, operands[count - 1]);
}

static void begin_work(struct work *work, const nacre_merge_operator *operator)
{
    struct fixture *f = work->f;
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_hooks hooks = NACRE_HOOKS_INIT;
    fixture_close(f);
    hooks.merge_operators = operator;
    hooks.merge_operator_count = 1;
    f->options.hooks = &hooks;
    fixture_open(f);
    f->options.hooks = NULL;
    put(f, "before", "the fork");
    options.merge_operator = operator->name;
    assert_ok(nacre_collection_create(f->store, "merged", &options, &work->merged));
    assert_ok(nacre_merge(work->merged, text("k"), text("operand"), NULL));
    assert_int_equal(pthread_create(&work->threads[0], NULL, flush_often, work), 0);
    assert_int_equal(pthread_create(&work->threads[1], NULL, start_readers, work), 0);
}

static void end_work(struct work *work)
{
    atomic_store(&work->over, true);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(work->threads[i], NULL), 0);
    }
    nacre_collection_close(work->merged);
    assert_string_equal(get(work->f, "before"), "the fork"); /* the parent's store works on */
}

static void a_child_never_waits_for_the_parents_threads(void **state)
{
    static const nacre_merge_operator operator= { .name = "slow", .merge = read_slowly };
#ifdef NACRE_SANITIZED
    skip(); /* AddressSanitizer's allocator has locks that a fork leaves held: the child waits for them */
#endif
    running = (struct work){ .f = *state };
    begin_work(&running, &operator);
    for (unsigned i = 0; i < FORKS; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            _exit(live_on(running.f));
        }
        assert_int_equal(wait_for(child), 0);
    }
    end_work(&running);
}

static void an_operator_may_fork(void **state)
{
    static const nacre_merge_operator operator= { .name = "fork", .merge = fork_and_append };
    running = (struct work){ .f = *state };
    begin_work(&running, &operator);
    for (unsigned i = 0; i < FORKS; i++) {
        nacre_value value;
        assert_ok(nacre_get(running.merged, text("k"), NULL, &value));
        assert_int_equal(value.slice.size, strlen("operand"));
        nacre_value_release(&value);
    }
    end_work(&running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_child_never_waits_for_the_parents_threads, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_operator_may_fork, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
