/* Readers in other processes: what opening, looking for news and following cost, and what a writer pays for them. Medians over the rounds are
   printed.
   Usage: bench_readers [directory, default .] [keys, default 1000000] [segments, default 100] */
#include <nacre/nacre.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READERS     8u
#define VALUE_BYTES 100u
#define OPENINGS    21u
#define LOOKS       100000u
#define LATENCIES   5000u
#define RUN_NS      3000000000u
#define ROUNDS      3u

static char path[3000];

/* What processes share. */
struct shared {
    volatile uint64_t seen; /* number that the reader found */
    volatile int ready, stop;
};
static struct shared *shared;

static void must(int status, const char *what)
{
    if (status != NACRE_OK) {
        (void)fprintf(stderr, "%s: %s: %s\n", what, nacre_status_name(status), nacre_last_error());
        exit(1);
    }
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double part(uint64_t *numbers, size_t count, double share)
{
    qsort(numbers, count, sizeof *numbers, compare_numbers);
    size_t at = (size_t)(share * (double)count);
    return (double)numbers[at < count ? at : count - 1];
}

static nacre_store *open_store(bool read_only, nacre_collection **collection)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    options.read_only = read_only;
    options.durability = NACRE_OS;
    must(nacre_open(path, &options, &store), "open");
    int status = nacre_collection_open(store, "bench", collection);
    if (status == NACRE_NOT_FOUND) {
        status = nacre_collection_create(store, "bench", NULL, collection);
    }
    must(status, "collection");
    return store;
}

static void close_store(nacre_store *store, nacre_collection *collection)
{
    nacre_collection_close(collection);
    must(nacre_close(store), "close");
}

static uint64_t random_state = 88172645463325252u;

static void put_random(nacre_collection *collection, uint64_t keys)
{
    char key[24], value[VALUE_BYTES];
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    memcpy(value, &random_state, sizeof random_state);
    memset(value + sizeof random_state, 'v', sizeof value - sizeof random_state);
    int size = snprintf(key, sizeof key, "key%016llu", (unsigned long long)(random_state % keys));
    must(nacre_put(collection, (nacre_slice){ key, (size_t)size }, (nacre_slice){ value, sizeof value }, NULL), "put");
}

/* Segments of about keys / segments each, and the log of a few more. */
static void fill(uint64_t keys, uint64_t segments)
{
    nacre_collection *collection;
    nacre_store *store = open_store(false, &collection);
    must(nacre_pause_compaction(store, 60000), "pause");
    for (uint64_t i = 0; i < keys; i++) {
        char key[24], value[VALUE_BYTES] = { 0 };
        int size = snprintf(key, sizeof key, "key%016llu", (unsigned long long)(i * 7919 % keys));
        must(nacre_put(collection, (nacre_slice){ key, (size_t)size }, (nacre_slice){ value, sizeof value }, NULL),
             "put");
        if (i % (keys / segments) == keys / segments - 1) {
            must(nacre_flush(collection), "flush");
        }
    }
    close_store(store, collection);
}

static void measure_openings(void)
{
    uint64_t took[OPENINGS];
    for (size_t i = 0; i < OPENINGS; i++) {
        nacre_collection *collection;
        uint64_t start = now_ns(CLOCK_MONOTONIC);
        nacre_store *store = open_store(true, &collection);
        took[i] = now_ns(CLOCK_MONOTONIC) - start;
        close_store(store, collection);
    }
    printf("opening for reading: median %.2f ms, greatest %.2f ms\n", part(took, OPENINGS, 0.5) / 1e6,
           part(took, OPENINGS, 1) / 1e6);
}

static void measure_looks(void)
{
    nacre_collection *collection;
    nacre_store *store = open_store(true, &collection);
    uint64_t start = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (unsigned i = 0; i < LOOKS; i++) {
        must(nacre_refresh(store), "refresh");
    }
    printf("refresh without news: %.2f us of processor time\n",
           (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - start) / LOOKS / 1e3);
    close_store(store, collection);
}

/* Refreshes in a loop and notes which number it finds. */
static void follow(bool notes)
{
    nacre_collection *collection;
    nacre_store *store = open_store(true, &collection);
    nacre_slice key = { "number", 6 };
    shared->ready++;
    while (!shared->stop) {
        must(nacre_refresh(store), "refresh");
        nacre_value value;
        if (notes && nacre_get(collection, key, NULL, &value) == NACRE_OK) {
            uint64_t number;
            memcpy(&number, value.slice.data, sizeof number);
            nacre_value_release(&value);
            shared->seen = number;
        }
        if (!notes) {
            usleep(1000);
        }
    }
    _exit(0);
}

static void begin_readers(pid_t *children, unsigned count, bool notes)
{
    shared->stop = shared->ready = 0;
    for (unsigned i = 0; i < count; i++) {
        fflush(stdout);
        if ((children[i] = fork()) == 0) {
            follow(notes);
        }
        while (shared->ready < (int)i + 1) {
            usleep(1000);
        }
    }
}

static void end_readers(const pid_t *children, unsigned count)
{
    shared->stop = 1;
    for (unsigned i = 0; i < count; i++) {
        waitpid(children[i], NULL, 0);
    }
}

static void measure_latency(void)
{
    static uint64_t took[LATENCIES];
    nacre_collection *collection;
    pid_t child;
    begin_readers(&child, 1, true);
    nacre_store *store = open_store(false, &collection);
    for (uint64_t i = 1; i <= LATENCIES; i++) {
        uint64_t start = now_ns(CLOCK_MONOTONIC);
        must(nacre_put(collection, (nacre_slice){ "number", 6 }, (nacre_slice){ &i, sizeof i }, NULL), "put");
        while (shared->seen != i) {}
        took[i - 1] = now_ns(CLOCK_MONOTONIC) - start;
    }
    end_readers(&child, 1);
    printf("put to seen in another process: median %.1f us, 99%% %.1f us\n", part(took, LATENCIES, 0.5) / 1e3,
           part(took, LATENCIES, 0.99) / 1e3);
    close_store(store, collection);
}

/* Puts of random keys for a while; per second of the writer's own processor time, background included, and of the clock. */
static void measure_writer(unsigned readers, uint64_t keys, double *by_clock, double *by_processor)
{
    pid_t children[READERS];
    nacre_collection *collection;
    begin_readers(children, readers, false);
    nacre_store *store = open_store(false, &collection);
    uint64_t start = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID), puts = 0;
    while (now_ns(CLOCK_MONOTONIC) - start < RUN_NS) {
        for (unsigned i = 0; i < 100; i++, puts++) {
            put_random(collection, keys);
        }
    }
    *by_clock = (double)puts * 1e9 / (double)(now_ns(CLOCK_MONOTONIC) - start);
    *by_processor = (double)puts * 1e9 / (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    end_readers(children, readers);
    close_store(store, collection);
}

int main(int argc, char **argv)
{
    uint64_t keys = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    uint64_t segments = argc > 3 ? strtoull(argv[3], NULL, 10) : 100;
    snprintf(path, sizeof path, "%s/readers.bench", argc > 1 ? argv[1] : ".");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || keys < segments || segments == 0) {
        return 1;
    }
    fill(keys, segments);
    printf("%llu keys in %llu segments\n", (unsigned long long)keys, (unsigned long long)segments);
    measure_openings();
    measure_looks();
    measure_latency();
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned readers = 0; readers <= READERS; readers += READERS) {
            double by_clock, by_processor;
            measure_writer(readers, keys, &by_clock, &by_processor);
            printf("%u readers: %.0f puts/s, %.0f per second of the writer's processor time\n", readers, by_clock,
                   by_processor);
        }
    }
    printf("the store stays in %s\n", path);
    return 0;
}
