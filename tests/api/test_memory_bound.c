/* All of a store within its budget: a child that may have little more private memory than that (RLIMIT_DATA) writes small and large values into
   collections of all kinds from several threads, while others scan, search, hold cursors and fill transactions. Every call gives NACRE_OK or, where it writes, NACRE_BUSY,
   and at no time does the store hold more than the bound of limits.md, by its own figures and by the allocator's. */
#include "base/memory.h"
#include "store/budget.h"
#include "support/store_fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
/* What is not in the budget: stacks of threads, automata of searches, what the C library's allocator keeps for itself, and the statistics. */
#define BESIDE (32 * MIB)
/* Of it, by the allocator's own sizes: answers, batches, and memory on its way from one owner to another. */
#define IN_FLIGHT   (4 * MIB)
#define DIMENSION   16u
#define SECONDS     6
#define THREADS     6u
#define COLLECTIONS 6u
#define KEYS        200000u
#define LARGE_BYTES (64u << 10)

struct greatest {
    uint64_t told, allocated;
};

struct run {
    nacre_store *store;
    nacre_collection *collections[COLLECTIONS]; /* i % 3: ordered, strings, vectors */
    uint64_t budget;
    atomic_bool stop;
    atomic_uint busy, written;
};

#define MUST(call) \
    if ((call) != NACRE_OK) { \
        fprintf(stderr, "%s: %s\n", #call, nacre_last_error()); \
        _exit(1); \
    }

static uint64_t private_bytes(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) {
        (void)sscanf(line, "VmData: %llu", &kib);
    }
    if (file) {
        fclose(file);
    }
    return (uint64_t)kib * 1024;
}

static nacre_slice key_of(unsigned number, char key[64])
{
    return (nacre_slice){ key, (size_t)snprintf(key, 64, "some/words/%06u", number) };
}

/* ---- writing ---- */

static void note_write(struct run *run, int status)
{
    if (status != NACRE_OK && status != NACRE_BUSY) {
        fprintf(stderr, "a write: %s: %s\n", nacre_status_name(status), nacre_last_error());
        _exit(1);
    }
    atomic_fetch_add(status == NACRE_OK ? &run->written : &run->busy, 1);
}

static size_t value_size(unsigned i)
{
    return i % 512 == 0 ? LARGE_BYTES : i % 64 == 0 ? 3000 : 20 + i % 700;
}

static void write_one(struct run *run, unsigned i, const char *value)
{
    char key[64];
    float vector[DIMENSION];
    unsigned number = i * 2654435761u % KEYS;
    nacre_slice k = key_of(number, key), v = { value, value_size(i) };
    for (unsigned d = 0; d < DIMENSION; d++) {
        vector[d] = (float)((number * 31 + d * 7 + i) % 97) + 1;
    }
    for (unsigned c = 0; c < COLLECTIONS; c++) {
        nacre_collection *collection = run->collections[c];
        note_write(run,
                   c % 3 == 2 ? nacre_put_vector(collection, k, vector, v, NULL) : nacre_put(collection, k, v, NULL));
    }
}

static void *write_on(void *context)
{
    struct run *run = context;
    static atomic_uint writers;
    unsigned first = atomic_fetch_add(&writers, 1) * 7919;
    char *value = malloc(LARGE_BYTES);
    memset(value, 'v', LARGE_BYTES);
    for (unsigned i = first; !atomic_load(&run->stop); i++) {
        write_one(run, i, value);
    }
    free(value);
    return NULL;
}

/* ---- reading ---- */

static void *read_on(void *context)
{
    struct run *run = context;
    float query[DIMENSION] = { 1, 2, 3 };
    for (unsigned round = 0; !atomic_load(&run->stop); round++) {
        nacre_cursor *cursor = NULL;
        nacre_neighbors found;
        uint64_t count = 0;
        nacre_collection **some = run->collections + (round % 2) * 3;
        MUST(nacre_scan(some[0], NULL, &cursor)); /* held over all that follows */
        MUST(nacre_nearest(some[2], query, 5, NULL, &found));
        nacre_neighbors_release(&found);
        MUST(nacre_regex_count(some[1], text("words/.*77"), NULL, &count));
        for (unsigned i = 0; i < 20000 && nacre_cursor_valid(cursor) && !atomic_load(&run->stop); i++) {
            nacre_cursor_next(cursor);
        }
        MUST(nacre_cursor_status(cursor));
        nacre_cursor_close(cursor);
    }
    return NULL;
}

static void *get_on(void *context)
{
    struct run *run = context;
    nacre_value held[64] = { 0 };
    for (unsigned i = 0; !atomic_load(&run->stop); i++) {
        char key[64];
        nacre_value *value = &held[i % 64];
        nacre_value_release(value);
        int status = nacre_get(run->collections[i % COLLECTIONS], key_of(i * 40503u % KEYS, key), NULL, value);
        if (status != NACRE_OK && status != NACRE_NOT_FOUND) {
            MUST(status);
        }
    }
    for (unsigned i = 0; i < 64; i++) {
        nacre_value_release(&held[i]);
    }
    return NULL;
}

/* ---- transactions ---- */

static bool is_one_of(int status, const int *allowed)
{
    for (; *allowed != NACRE_OK; allowed++) {
        if (status == *allowed) {
            return true;
        }
    }
    return status == NACRE_OK;
}

static void must_be(int status, const int *allowed)
{
    if (!is_one_of(status, allowed)) {
        MUST(status);
    }
}

/* Reads and writes until what transactions may remember is used up. */
static void fill_transaction(struct run *run, nacre_txn *txn, unsigned round)
{
    static const int refusals[] = { NACRE_NOT_FOUND, NACRE_LIMIT, NACRE_OK };
    char key[64], value[500];
    memset(value, 't', sizeof value);
    for (unsigned i = 0; i < 4000 && !atomic_load(&run->stop); i++) {
        nacre_collection *collection = run->collections[i % 2];
        nacre_slice k = key_of((round * 40503u + i * 7919u) % KEYS, key);
        nacre_value got;
        int status = nacre_txn_get(txn, collection, k, &got);
        must_be(status, refusals);
        if (status == NACRE_OK) {
            nacre_value_release(&got);
        }
        must_be(nacre_txn_put(txn, collection, k, (nacre_slice){ value, i % sizeof value }), refusals);
    }
}

static void *transact_on(void *context)
{
    static const int refusals[] = { NACRE_CONFLICT, NACRE_BUSY, NACRE_OK };
    struct run *run = context;
    nacre_txn *open[4] = { NULL };
    for (unsigned round = 0; !atomic_load(&run->stop); round++) {
        nacre_txn **txn = &open[round % 4];
        if (*txn) {
            int status = nacre_txn_commit(*txn, NULL);
            must_be(status, refusals);
            if (status != NACRE_OK) {
                nacre_txn_abort(*txn);
            }
        }
        MUST(nacre_txn_begin(run->store, NULL, txn));
        fill_transaction(run, *txn, round);
    }
    for (unsigned i = 0; i < 4; i++) {
        if (open[i]) {
            nacre_txn_abort(open[i]);
        }
    }
    return NULL;
}

/* ---- the child ---- */

static uint64_t figure_in(const char *json, const char *name)
{
    const char *at = strstr(json, name);
    return at ? strtoull(at + strlen(name), NULL, 10) : UINT64_MAX;
}

static void make_collections(struct run *run)
{
    for (unsigned i = 0; i < COLLECTIONS; i++) {
        char name[8] = { (char)('a' + i) };
        nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
        options.kind = (nacre_kind)(NACRE_ORDERED + i % 3);
        options.dimension = i % 3 == 2 ? DIMENSION : 0;
        options.metric = i % 3 == 2 ? NACRE_L2 : (nacre_metric)0;
        options.value_log_threshold = i < 3 ? 4096 : UINT64_MAX;
        MUST(nacre_collection_create(run->store, name, &options, &run->collections[i]));
    }
}

/* What the owners hold together, as the statistics tell them one by one. */
static uint64_t sum_of_owners(const char *json)
{
    const char *at = strstr(json, "\"memory\":{"), *end = at ? strchr(at, '}') : NULL;
    uint64_t sum = 0;
    for (at = at ? at + strlen("\"memory\":{") : NULL; at && at < end; at = strchr(at, ',') + 1) {
        const char *colon = strchr(at, ':');
        if (strncmp(at, "\"total\"", strlen("\"total\"")) == 0) {
            break; /* the last one */
        }
        sum += strtoull(colon + 1, NULL, 10);
    }
    return sum;
}

static void complain(const struct run *run, const char *what, uint64_t bytes, const char *json)
{
    const char *owners = strstr(json, "\"memory\":{");
    fprintf(stderr, "%s: %llu bytes with a budget of %llu: %.800s\n", what, (unsigned long long)bytes,
            (unsigned long long)run->budget, owners ? owners : json);
    _exit(1);
}

static void look(const struct run *run, uint64_t before, struct greatest *greatest)
{
    char *json = NULL;
    struct memory_use used = memory_used();
    uint64_t allocated = used.heap_bytes + used.mapped_bytes - before;
    MUST(nacre_stats(run->store, &json));
    uint64_t told = figure_in(json, "\"memory_bytes\":"), values = figure_in(json, "\"value_log\":");
    if (told > run->budget + BUDGET_ON_TOP) {
        complain(run, "memory_bytes", told, json);
    }
    if (allocated > run->budget + BUDGET_ON_TOP + IN_FLIGHT) {
        complain(run, "allocated", allocated, json);
    }
    if (sum_of_owners(json) != told || values == 0 || values == UINT64_MAX) {
        complain(run, "the sum of the owners", sum_of_owners(json), json);
    }
    greatest->told = told > greatest->told ? told : greatest->told;
    greatest->allocated = allocated > greatest->allocated ? allocated : greatest->allocated;
    nacre_free(json);
}

static void watch(struct run *run, uint64_t before)
{
    struct greatest greatest = { 0, 0 };
    for (time_t until = time(NULL) + SECONDS; time(NULL) < until;) {
        look(run, before, &greatest);
        nanosleep(&(struct timespec){ 0, 500000 }, NULL);
    }
    printf("budget %.1f MB: %.1f MB told, %.1f MB allocated; %u writes, %u were refused\n", (double)run->budget / 1e6,
           (double)greatest.told / 1e6, (double)greatest.allocated / 1e6, atomic_load(&run->written),
           atomic_load(&run->busy));
    fflush(stdout);
    if (atomic_load(&run->written) == 0) {
        fprintf(stderr, "nothing was written\n");
        _exit(1);
    }
}

static void child_main(struct fixture *f, uint64_t budget)
{
    const uint64_t most = private_bytes() + budget + BUDGET_ON_TOP + BESIDE;
    const struct rlimit data = { most, most };
    static struct run run;
    nacre_options options = f->options;
    void *(*const bodies[])(void *) = { write_on, write_on, write_on, read_on, get_on, transact_on };
    pthread_t threads[THREADS];
    run.budget = options.memory_budget = budget;
    options.log_limit = 16 * MIB;
    options.write_timeout_ms = 1000;
    pthread_attr_t small; /* stacks count, and the C library keeps those of the parent's threads */
    if (pthread_attr_init(&small) != 0 || pthread_attr_setstacksize(&small, 256 << 10) != 0 ||
        pthread_setattr_default_np(&small) != 0 || setrlimit(RLIMIT_DATA, &data) != 0) {
        _exit(77);
    }
    struct memory_use used = memory_used();
    MUST(nacre_open(f->path, &options, &run.store));
    make_collections(&run);
    for (unsigned i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, bodies[i], &run) != 0) {
            _exit(77);
        }
    }
    watch(&run, used.heap_bytes + used.mapped_bytes);
    atomic_store(&run.stop, true);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < COLLECTIONS; i++) {
        nacre_collection_close(run.collections[i]);
    }
    MUST(nacre_close(run.store));
    _exit(0);
}

static void run_child(struct fixture *f, uint64_t budget, const char *maps)
{
    int status = 0;
#ifdef NACRE_SANITIZED
    skip(); /* what a sanitizer keeps counts too */
#endif
    assert_ok(nacre_tune(f->store, "segment_map", maps));
    assert_ok(nacre_tune(f->store, "segment_bytes", "4194304"));
    fixture_close(f);
    pid_t child = fork();
    if (child == 0) {
        child_main(f, budget);
    }
    waitpid(child, &status, 0);
    fixture_open(f);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void small_with_maps(void **state)
{
    run_child(*state, 16 * MIB, "1");
}

static void small_without_maps(void **state)
{
    run_child(*state, 16 * MIB, "0");
}

static void larger_with_maps(void **state)
{
    run_child(*state, 32 * MIB, "1");
}

static void larger_without_maps(void **state)
{
    run_child(*state, 32 * MIB, "0");
}

/* ---- batches ---- */

/* A batch that alone is larger than what memtables may take waits until they are all but empty; small ones beside it go on. */
static void a_batch_larger_than_the_budget_is_taken(void **state)
{
    struct fixture *f = *state;
    char key[64], value[100];
    nacre_batch *batch = NULL;
    memset(value, 'v', sizeof value);
    fixture_close(f);
    f->options.memory_budget = 16 * MIB;
    fixture_open(f);
    assert_ok(nacre_batch_create(&batch));
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 20000; i++) {
            nacre_slice k = key_of(round * 20000 + i, key);
            assert_ok(nacre_put(f->collection, k, (nacre_slice){ value, sizeof value }, NULL));
        }
        for (unsigned i = 0; i < 100000; i++) {
            assert_ok(nacre_batch_put(batch, f->collection, key_of(i, key), (nacre_slice){ value, sizeof value }));
        }
        assert_ok(nacre_write(f->store, batch, NULL));
        nacre_batch_clear(batch);
    }
    nacre_batch_free(batch);
}

/* ---- readers ---- */

#define LOG_LIMIT   (8 * MIB)
#define VALUE_BYTES 1000u
/* What was put since the log's oldest file could go, a table that is being filled, and the store's own. */
#define READER_PARTS (LOG_LIMIT / 4 + 4 * MIB)

static uint64_t memory_of(nacre_store *store, const char *name)
{
    char *json = NULL;
    assert_ok(nacre_stats(store, &json));
    uint64_t bytes = figure_in(json, name);
    nacre_free(json);
    return bytes;
}

/* An opening for reading cannot flush: it holds what the log does, in tables of which up to a half is unused; after a refresh no more than the writer has. */
static void a_reader_holds_no_more_than_the_log(void **state)
{
    struct fixture *f = *state;
    nacre_store *reader = NULL;
    char key[64], value[VALUE_BYTES];
    memset(value, 'v', sizeof value);
    fixture_close(f);
    f->options.memory_budget = 64 * MIB; /* the log's limit is met first */
    f->options.log_limit = LOG_LIMIT;
    fixture_open(f);
    nacre_options options = f->options;
    options.read_only = true;
    options.memory_budget = 16 * MIB;
    assert_ok(nacre_open(f->path, &options, &reader));
    for (unsigned i = 0; i < 40000; i++) {
        assert_ok(nacre_put(f->collection, key_of(i, key), (nacre_slice){ value, sizeof value }, NULL));
        if (i % 1000 == 0) {
            assert_ok(nacre_refresh(reader));
            assert_true(memory_of(reader, "\"memory_bytes\":") <= 2 * LOG_LIMIT + READER_PARTS);
        }
    }
    assert_ok(nacre_close(reader));
    assert_ok(nacre_open(f->path, &options, &reader)); /* all at once */
    assert_true(memory_of(reader, "\"memory_bytes\":") <= 2 * LOG_LIMIT + READER_PARTS);
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_refresh(reader));
    assert_true(memory_of(reader, "\"memtables_active\":") < MIB);
    assert_int_equal(memory_of(reader, "\"memtables_sealed\":"), 0);
    assert_ok(nacre_close(reader));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(small_with_maps),
        TEST(small_without_maps),
        TEST(larger_with_maps),
        TEST(larger_without_maps),
        TEST(a_batch_larger_than_the_budget_is_taken),
        TEST(a_reader_holds_no_more_than_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
