/* The memtable beside a lock-free skip list: insert, get and ordered walk, one thread and two, random keys and real
   paths.
   Usage: bench_memtables [entries] [rounds]
   Both structures run in turn in each round, over the same data and the same kept chunks; the medians of the rounds are
   printed. Every value that is read is checked. */
#include "median.h"
#include "memtable/chunk_pool.h"
#include "memtable/memtable.h"
#include "skiplist.h"
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KEY_BYTES        16u
#define VALUE_BYTES      100u
#define VALUE_POOL_BYTES ((size_t)64 << 10)
#define ROUNDS_MAX       25u

static void die(const char *what)
{
    fprintf(stderr, "memtables: %s\n", what);
    exit(1);
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* One of the two structures. */
struct structure {
    const char *name;
    void *(*create)(struct chunk_pool *);
    void (*destroy)(void *);
    int (*put)(void *, const struct entry *);
    bool (*get)(void *, nacre_slice key, uint64_t snapshot, struct entry *);
    size_t (*walk)(void *, uint64_t *sum); /* counts, checks the order, adds up a byte of each value */
    uint64_t (*bytes)(void *);
};

static void *table_create(struct chunk_pool *pool)
{
    struct memtable *table = NULL;
    return memtable_create(pool, &(struct memtable_options){ .searched = false }, &table) == NACRE_OK ? table : NULL;
}
static void table_destroy(void *table)
{
    memtable_unref(table);
}
static int table_put(void *table, const struct entry *entry)
{
    return memtable_put(table, entry);
}
static int table_put_reserved(void *table, const struct entry *entry)
{
    int status = memtable_reserve(table, 1, entry->key.size + entry->value.size);
    return status == NACRE_OK ? memtable_put(table, entry) : status;
}
static bool table_get(void *table, nacre_slice key, uint64_t snapshot, struct entry *found)
{
    return memtable_get(table, key, snapshot, found);
}
static uint64_t table_bytes(void *table)
{
    return memtable_bytes(table);
}

static uint8_t value_byte(const struct entry *entry)
{
    return ((const uint8_t *)entry->value.data)[entry->value.size - 1];
}

static size_t table_walk(void *table, uint64_t *sum)
{
    struct cursor *cursor;
    if (memtable_cursor_create(table, &cursor) != NACRE_OK)
        die("no memory");
    size_t count = 0;
    nacre_slice last = { "", 0 };
    for (cursor_first(cursor); cursor->valid; cursor_next(cursor), count++) {
        if (slice_compare(last, cursor->entry.key) > 0)
            die("the memtable is out of order");
        last = cursor->entry.key;
        *sum += value_byte(&cursor->entry);
    }
    cursor_close(cursor);
    return count;
}

static void *list_create(struct chunk_pool *pool)
{
    return skiplist_create(pool);
}
static void list_destroy(void *list)
{
    skiplist_free(list);
}
static int list_put(void *list, const struct entry *entry)
{
    return skiplist_put(list, entry);
}
static bool list_get(void *list, nacre_slice key, uint64_t snapshot, struct entry *found)
{
    return skiplist_get(list, key, snapshot, found);
}
static uint64_t list_bytes(void *list)
{
    return skiplist_bytes(list);
}

static size_t list_walk(void *list, uint64_t *sum)
{
    size_t count = 0;
    nacre_slice last = { "", 0 };
    struct entry entry;
    for (const struct skiplist_node *node = skiplist_first(list); node; count++) {
        node = skiplist_next(node, &entry);
        if (slice_compare(last, entry.key) > 0)
            die("the skip list is out of order");
        last = entry.key;
        *sum += value_byte(&entry);
    }
    return count;
}

static const struct structure structures[] = {
    { "radix tree", table_create, table_destroy, table_put, table_get, table_walk, table_bytes },
    { "skip list", list_create, list_destroy, list_put, list_get, list_walk, list_bytes },
};
static const struct structure reserving = { "reserved", table_create, table_destroy, table_put_reserved,
                                            table_get,  table_walk,   table_bytes };

struct data {
    nacre_slice *keys;
    nacre_slice *wanted; /* the same keys in another order, to get in, */
    uint32_t *wanted_at; /* and where in `keys` they are */
    size_t count;
    uint8_t *values;
    uint64_t value_sum;
};

static struct entry entry_at(const struct data *data, size_t i)
{
    size_t at = i * 8 % (VALUE_POOL_BYTES - VALUE_BYTES);
    return (struct entry){ data->keys[i], { data->values + at, VALUE_BYTES }, i + 1, 0, ENTRY_PUT, NULL };
}

static void data_finish(struct data *data)
{
    uint64_t random = 99;
    size_t key_bytes = 0;
    for (size_t i = 0; i < data->count; i++)
        key_bytes += data->keys[i].size;
    uint8_t *copy = malloc(key_bytes);
    data->values = malloc(VALUE_POOL_BYTES);
    data->wanted = malloc(data->count * sizeof *data->wanted);
    data->wanted_at = malloc(data->count * sizeof *data->wanted_at);
    if (!copy || !data->values || !data->wanted || !data->wanted_at)
        die("no memory");
    for (size_t i = 0; i < VALUE_POOL_BYTES; i++)
        data->values[i] = (uint8_t)random_next(&random);
    for (size_t i = 0; i < data->count; i++) {
        size_t other = random_next(&random) % (i + 1);
        data->wanted_at[i] = data->wanted_at[other];
        data->wanted_at[other] = (uint32_t)i;
        struct entry entry = entry_at(data, i);
        data->value_sum += value_byte(&entry);
    }
    /* A caller has just made the key it asks for: it is in the cache, so here it comes from memory in order. */
    for (size_t i = 0; i < data->count; i++) {
        nacre_slice key = data->keys[data->wanted_at[i]];
        data->wanted[i] = (nacre_slice){ copy, key.size };
        memcpy(copy, key.data, key.size);
        copy += key.size;
    }
}

static struct data random_data(size_t count)
{
    uint64_t random = 7;
    struct data data = { .count = count, .keys = malloc(count * sizeof *data.keys) };
    uint8_t *bytes = malloc(count * KEY_BYTES);
    if (!data.keys || !bytes)
        die("no memory");
    for (size_t i = 0; i < count * KEY_BYTES; i++)
        bytes[i] = (uint8_t)random_next(&random);
    for (size_t i = 0; i < count; i++)
        data.keys[i] = (nacre_slice){ bytes + i * KEY_BYTES, KEY_BYTES };
    data_finish(&data);
    return data;
}

/* The numbers from 0 on, as 16 digits. */
static struct data ordered_data(size_t count)
{
    struct data data = { .count = count, .keys = malloc(count * sizeof *data.keys) };
    uint8_t *bytes = malloc(count * KEY_BYTES);
    if (!data.keys || !bytes)
        die("no memory");
    for (size_t i = 0; i < count; i++) {
        size_t number = i;
        for (size_t at = KEY_BYTES; at-- > 0; number /= 10)
            bytes[i * KEY_BYTES + at] = (uint8_t)('0' + number % 10);
        data.keys[i] = (nacre_slice){ bytes + i * KEY_BYTES, KEY_BYTES };
    }
    data_finish(&data);
    return data;
}

static int compare_keys(const void *a, const void *b)
{
    return slice_compare(*(const nacre_slice *)a, *(const nacre_slice *)b);
}

/* The distinct paths of the package manager's lists, in random order. */
static struct data path_data(void)
{
    glob_t lists;
    struct data data = { 0 };
    size_t capacity = 0, distinct = 0;
    char *line = NULL;
    size_t room = 0;
    uint64_t random = 5;
    if (glob("/var/lib/dpkg/info/*.list", 0, NULL, &lists) != 0)
        return data;
    for (size_t i = 0; i < lists.gl_pathc; i++) {
        FILE *file = fopen(lists.gl_pathv[i], "r");
        if (!file)
            continue;
        for (ssize_t size; (size = getline(&line, &room, file)) > 1;) {
            if (data.count == capacity &&
                !(data.keys = realloc(data.keys, (capacity = capacity * 2 + 1024) * sizeof *data.keys))) {
                die("no memory");
            }
            char *copy = strndup(line, (size_t)size - 1);
            if (!copy)
                die("no memory");
            data.keys[data.count++] = slice_text(copy);
        }
        fclose(file);
    }
    free(line);
    globfree(&lists);
    qsort(data.keys, data.count, sizeof *data.keys, compare_keys);
    for (size_t i = 0; i < data.count; i++) {
        if (i == 0 || !slice_equal(data.keys[i], data.keys[distinct - 1]))
            data.keys[distinct++] = data.keys[i];
    }
    data.count = distinct;
    for (size_t i = 0; i < distinct; i++) {
        size_t other = random_next(&random) % (i + 1);
        nacre_slice swap = data.keys[i];
        data.keys[i] = data.keys[other];
        data.keys[other] = swap;
    }
    data_finish(&data);
    return data;
}

struct job {
    const struct structure *structure;
    const struct data *data;
    void *object;
    size_t begin, end;
    pthread_barrier_t *barrier;
    bool get;
    uint64_t used_ns;
};

static void run_puts(struct job *job)
{
    for (size_t i = job->begin; i < job->end; i++) {
        struct entry entry = entry_at(job->data, i);
        if (job->structure->put(job->object, &entry) != NACRE_OK)
            die("a put failed");
    }
}

static void run_gets(struct job *job)
{
    for (size_t i = job->begin; i < job->end; i++) {
        struct entry expected = entry_at(job->data, job->data->wanted_at[i]), found;
        if (!job->structure->get(job->object, job->data->wanted[i], SEQUENCE_MAX, &found))
            die("a key is missing");
        if (found.sequence != expected.sequence || memcmp(found.value.data, expected.value.data, VALUE_BYTES) != 0) {
            die("a value is wrong");
        }
    }
}

/* Processor time of the thread: other work on the machine takes less part in it than in the time on the wall, and
   waiting for another thread's lock, which spins and yields, is inside. */
static uint64_t processor_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void *run_job(void *argument)
{
    struct job *job = argument;
    pthread_barrier_wait(job->barrier);
    uint64_t begin = processor_ns();
    if (job->get)
        run_gets(job);
    else
        run_puts(job);
    job->used_ns = processor_ns() - begin;
    return NULL;
}

/* Nanoseconds per operation: the time of the thread that took longest over the operations of all. */
static double run_threads(const struct structure *structure, const struct data *data, void *object, unsigned threads,
                          bool get)
{
    pthread_t ids[2];
    struct job jobs[2];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = (struct job){ structure, data, object, data->count * i / threads, data->count * (i + 1) / threads,
                                &barrier,  get,  0 };
        if (pthread_create(&ids[i], NULL, run_job, &jobs[i]) != 0)
            die("no thread");
    }
    uint64_t longest = 0;
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        if (jobs[i].used_ns > longest)
            longest = jobs[i].used_ns;
    }
    pthread_barrier_destroy(&barrier);
    return (double)longest / (double)data->count;
}

enum row { INSERT_1, INSERT_RESERVED, GET_1, WALK, INSERT_2, GET_2, BYTES, ROWS };
static const char *const row_names[ROWS] = { "insert, 1 thread, ns",   "  with reserve, ns",    "get, 1 thread, ns",
                                             "ordered walk, ns",       "insert, 2 threads, ns", "get, 2 threads, ns",
                                             "memory, bytes per entry" };

static void run_round(const struct structure *structure, const struct data *data, struct chunk_pool *pool, double *row)
{
    uint64_t sum = 0;
    void *object = structure->create(pool);
    if (!object)
        die("no memory");
    row[INSERT_1] = run_threads(structure, data, object, 1, false);
    row[GET_1] = run_threads(structure, data, object, 1, true);
    uint64_t begin = processor_ns();
    if (structure->walk(object, &sum) != data->count || sum != data->value_sum)
        die("a walk missed something");
    row[WALK] = (double)(processor_ns() - begin) / (double)data->count;
    row[BYTES] = (double)structure->bytes(object) / (double)data->count;
    structure->destroy(object);
    if (!(object = structure->create(pool)))
        die("no memory");
    row[INSERT_2] = run_threads(structure, data, object, 2, false);
    row[GET_2] = run_threads(structure, data, object, 2, true);
    structure->destroy(object);
    if (structure->put != table_put)
        return;
    if (!(object = structure->create(pool)))
        die("no memory");
    row[INSERT_RESERVED] = run_threads(&reserving, data, object, 1, false);
    structure->destroy(object);
}

static void compare(const char *title, const struct data *data, struct chunk_pool *pool, unsigned rounds)
{
    static double results[2][ROUNDS_MAX][ROWS], medians[2][ROWS];
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned s = 0; s < 2; s++)
            run_round(&structures[s], data, pool, results[s][round]);
    }
    printf("\n%s: %zu entries, values of %u bytes, medians of %u rounds\n", title, data->count, VALUE_BYTES, rounds);
    printf("  %-26s %12s %12s %10s\n", "", structures[0].name, structures[1].name, "ratio");
    for (unsigned row = 0; row < ROWS; row++) {
        for (unsigned s = 0; s < 2; s++) {
            double sorted[ROUNDS_MAX];
            for (unsigned round = 0; round < rounds; round++)
                sorted[round] = results[s][round][row];
            medians[s][row] = median(sorted, rounds);
        }
        if (medians[1][row] > 0) {
            printf("  %-26s %12.0f %12.0f %9.2fx\n", row_names[row], medians[0][row], medians[1][row],
                   medians[1][row] / medians[0][row]);
        } else {
            printf("  %-26s %12.0f\n", row_names[row], medians[0][row]);
        }
    }
    printf("  %-26s %11.2fx %11.2fx\n", "2 threads over 1, insert", medians[0][INSERT_1] / medians[0][INSERT_2],
           medians[1][INSERT_1] / medians[1][INSERT_2]);
}

int main(int argc, char **argv)
{
    size_t entries = argc > 1 ? strtoul(argv[1], NULL, 10) : 500000;
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 7;
    struct chunk_pool *pool;
    if (entries == 0 || rounds == 0 || rounds > ROUNDS_MAX)
        die("usage: memtables [entries] [rounds, up to 25]");
    if (chunk_pool_create((uint64_t)1 << 30, &pool) != NACRE_OK)
        die("no memory");
    chunk_pool_warm(pool, entries * 260 / CHUNK_BYTES + 8);
    struct data data = random_data(entries);
    compare("random keys of 16 bytes", &data, pool, (unsigned)rounds);
    data = ordered_data(entries);
    compare("numbers in order, 16 digits", &data, pool, (unsigned)rounds);
    data = path_data();
    if (data.count)
        compare("paths of this machine's packages", &data, pool, (unsigned)rounds);
    chunk_pool_free(pool);
    return 0;
}
