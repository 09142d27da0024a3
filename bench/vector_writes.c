/* Writes of vectors: puts of a single writer at levels memory and os with their latencies, by the clock on the wall and in the thread's own time (what
   is left where others want the processors too), beside what copying the same bytes costs; durable writers, one beside several; and seals of
   full memtables. Every vector is another one, no value is empty, and samples are read back and checked.
   Usage: bench_vector_writes [directory, default .] [dimension, default 768] [MiB of vectors per run, default 512] [rounds, default 3] */
#include "base/clock.h"
#include "base/memory.h"
#include <nacre/nacre.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define WRITERS    8u
#define POOL_BYTES ((size_t)32 << 20) /* of random floats, from which vectors are cut: more than a cache holds */

static char directory[3000];
static uint32_t dimension = 768;
static size_t run_bytes = (size_t)512 << 20;
static unsigned rounds = 3;
static float *pool;

static void must(int status, const char *what)
{
    if (status != NACRE_OK) {
        (void)fprintf(stderr, "%s: %s: %s\n", what, nacre_status_name(status), nacre_last_error());
        exit(1);
    }
}

static uint64_t thread_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static void fill_pool(void)
{
    uint64_t random = 1;
    pool = malloc(POOL_BYTES);
    must(pool ? NACRE_OK : NACRE_NO_MEMORY, "pool");
    for (size_t i = 0; i < POOL_BYTES / sizeof *pool; i++) {
        pool[i] = (float)(random_next(&random) >> 40) / 16777216.0F - 0.5F;
    }
}

static const float *vector_of(uint64_t number)
{
    size_t places = POOL_BYTES / sizeof *pool - dimension;
    return pool + number * 1021 * 16 % places;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static const char *store_path(void)
{
    static char path[3100];
    (void)snprintf(path, sizeof path, "%s/bench-vector-writes", directory);
    return path;
}

/* An empty store with a collection of vectors. `unsealed`: memtables are never full. */
static nacre_store *new_store(bool unsealed, nacre_collection **collection)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_collection_options o = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_store *store;
    (void)nftw(store_path(), remove_one, 16, FTW_DEPTH | FTW_PHYS);
    options.memory_budget = (uint64_t)4 << 30;
    options.log_limit = (uint64_t)8 << 30;
    must(nacre_open(store_path(), &options, &store), "open");
    if (unsealed) {
        must(nacre_tune(store, "seal_bytes", "4294967296"), "seal_bytes");
        must(nacre_tune(store, "vector_scan_us", "10000000"), "vector_scan_us");
    }
    o.kind = NACRE_VECTORS;
    o.dimension = dimension;
    o.metric = NACRE_L2;
    must(nacre_collection_create(store, "vectors", &o, collection), "create");
    return store;
}

static void end_store(nacre_store *store, nacre_collection *collection)
{
    nacre_collection_close(collection);
    must(nacre_close(store), "close");
    (void)nftw(store_path(), remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void key_of(uint64_t number, uint8_t key[8])
{
    uint64_t mixed = number * UINT64_C(0x9E3779B97F4A7C15);
    memcpy(key, &mixed, 8);
}

static void put(nacre_collection *collection, uint64_t number, const nacre_write_options *options)
{
    uint8_t key[8];
    key_of(number, key);
    must(nacre_put_vector(collection, (nacre_slice){ key, 8 }, vector_of(number),
                          (nacre_slice){ "a value of 24 bytes here", 24 }, options),
         "put");
}

static void check(nacre_collection *collection, uint64_t puts)
{
    float *vector = malloc(dimension * sizeof *vector);
    uint64_t random = 7;
    for (int i = 0; i < 1000; i++) {
        uint64_t number = random_next(&random) % puts;
        uint8_t key[8];
        key_of(number, key);
        must(nacre_get_vector(collection, (nacre_slice){ key, 8 }, NULL, vector, NULL), "get");
        must(memcmp(vector, vector_of(number), dimension * sizeof *vector) == 0 ? NACRE_OK : NACRE_CORRUPT, "check");
    }
    free(vector);
}

/* ---- copying the same bytes, into memory that was never used ---- */

static void copy_run(size_t puts)
{
    size_t bytes = dimension * sizeof *pool;
    uint8_t *memory = memory_map(puts * bytes);
    must(memory ? NACRE_OK : NACRE_NO_MEMORY, "map");
    uint64_t wall = clock_monotonic_ns(), cpu = thread_ns();
    for (size_t i = 0; i < puts; i++) {
        memcpy(memory + i * bytes, vector_of(i), bytes);
    }
    cpu = thread_ns() - cpu, wall = clock_monotonic_ns() - wall;
    printf("  copy to fresh memory: %.0f /s wall, %.0f /s cpu\n", (double)puts * 1e9 / (double)wall,
           (double)puts * 1e9 / (double)cpu);
    cpu = thread_ns();
    for (size_t i = 0; i < puts; i++) {
        memcpy(memory + i * bytes, vector_of(i + 1), bytes);
    }
    cpu = thread_ns() - cpu;
    printf("  copy to used memory: %.0f /s cpu\n", (double)puts * 1e9 / (double)cpu);
    memory_unmap(memory, puts * bytes);
}

/* ---- a single writer ---- */

static void print_latencies(const char *clock, uint64_t *took, size_t count)
{
    qsort(took, count, sizeof *took, by_value);
    printf("    %-4s p50 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us\n", clock, (double)took[count / 2] / 1e3,
           (double)took[count * 99 / 100] / 1e3, (double)took[count * 999 / 1000] / 1e3, (double)took[count - 1] / 1e3);
}

static void put_run(const char *name, size_t puts, nacre_durability level, bool unsealed)
{
    nacre_collection *collection;
    nacre_store *store = new_store(unsealed, &collection);
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    uint64_t *took = malloc(puts * sizeof *took), *worked = malloc(puts * sizeof *worked);
    must(took && worked ? NACRE_OK : NACRE_NO_MEMORY, "latencies");
    options.durability = level;
    options.timeout_ms = 60000;
    memset(took, 0, puts * sizeof *took);
    memset(worked, 0, puts * sizeof *worked);
    uint64_t begin = clock_monotonic_ns(), cpu_begin = thread_ns(), wall = begin, cpu = cpu_begin;
    for (size_t i = 0; i < puts; i++) {
        put(collection, i, &options);
        uint64_t wall_now = clock_monotonic_ns(), cpu_now = thread_ns();
        took[i] = wall_now - wall;
        worked[i] = cpu_now - cpu;
        wall = wall_now;
        cpu = cpu_now;
    }
    check(collection, puts);
    end_store(store, collection);
    printf("  %s: %.0f /s wall, %.0f /s cpu\n", name, (double)puts * 1e9 / (double)(wall - begin),
           (double)puts * 1e9 / (double)(cpu - cpu_begin));
    print_latencies("wall", took, puts);
    print_latencies("cpu", worked, puts);
    free(took);
    free(worked);
}

/* ---- durable writers ---- */

struct crowd {
    nacre_collection *collection;
    _Atomic uint64_t next;
    uint64_t until_ns;
};

static void *write_durably(void *argument)
{
    struct crowd *crowd = argument;
    while (clock_monotonic_ns() < crowd->until_ns) {
        put(crowd->collection, atomic_fetch_add(&crowd->next, 1), NULL); /* level disk */
    }
    return NULL;
}

static double durable_run(unsigned writers)
{
    struct crowd crowd = { .next = 0 };
    nacre_store *store = new_store(false, &crowd.collection);
    pthread_t threads[WRITERS];
    uint64_t begin = clock_monotonic_ns();
    crowd.until_ns = begin + UINT64_C(2000000000);
    for (unsigned i = 0; i < writers; i++) {
        must(pthread_create(&threads[i], NULL, write_durably, &crowd) == 0 ? NACRE_OK : NACRE_NO_MEMORY, "thread");
    }
    for (unsigned i = 0; i < writers; i++) {
        pthread_join(threads[i], NULL);
    }
    uint64_t puts = atomic_load(&crowd.next);
    double rate = (double)puts * 1e9 / (double)(clock_monotonic_ns() - begin);
    check(crowd.collection, puts);
    end_store(store, crowd.collection);
    return rate;
}

/* ---- seals ---- */

static void seal_run(uint32_t floats, size_t puts)
{
    uint32_t before = dimension;
    nacre_collection *collection;
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    dimension = floats;
    nacre_store *store = new_store(true, &collection);
    options.durability = NACRE_MEMORY;
    for (size_t i = 0; i < puts; i++) {
        put(collection, i, &options);
    }
    uint64_t wall = clock_monotonic_ns(), cpu = thread_ns();
    must(nacre_seal(collection), "seal");
    cpu = thread_ns() - cpu, wall = clock_monotonic_ns() - wall;
    printf("  seal of %zu x %u: %.1f us wall, %.1f us cpu\n", puts, floats, (double)wall / 1e3, (double)cpu / 1e3);
    end_store(store, collection);
    dimension = before;
}

int main(int count, char **arguments)
{
    (void)snprintf(directory, sizeof directory, "%s", count > 1 ? arguments[1] : ".");
    dimension = count > 2 ? (uint32_t)strtoul(arguments[2], NULL, 10) : dimension;
    run_bytes = count > 3 ? (size_t)strtoul(arguments[3], NULL, 10) << 20 : run_bytes;
    rounds = count > 4 ? (unsigned)strtoul(arguments[4], NULL, 10) : rounds;
    must(dimension >= 1 && dimension <= NACRE_DIMENSION_MAX ? NACRE_OK : NACRE_INVALID, "dimension");
    fill_pool();
    size_t puts = run_bytes / (dimension * sizeof *pool);
    for (unsigned round = 1; round <= rounds; round++) {
        printf("round %u: %zu vectors of %u floats, one writer\n", round, puts, dimension);
        copy_run(puts);
        put_run("put memory, unsealed", puts, NACRE_MEMORY, true);
        put_run("put os, unsealed", puts, NACRE_OS, true);
        put_run("put os", puts, NACRE_OS, false);
        double alone = durable_run(1), together = durable_run(WRITERS);
        printf("  put disk: 1 writer %.0f /s, %u writers %.0f /s (%.1f times)\n", alone, WRITERS, together,
               together / alone);
    }
    for (unsigned round = 1; round <= rounds; round++) {
        seal_run(768, 10000);
        seal_run(100, 1000000);
    }
    free(pool);
    return 0;
}
