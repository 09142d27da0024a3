/* The workloads of `nacre bench`, by the names of db_bench. Keys are numbers of 16 digits; the value of a number is always the
   same piece of a pool of random bytes, so every value that is read can be checked. */
#include "bench.h"
#include "print.h"
#include <string.h>
#include <time.h>

#define SEEK_READS 10
#define OPENS      5u

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t random_below(struct worker *worker, uint64_t bound)
{
    worker->random += UINT64_C(0x9e3779b97f4a7c15);
    return mix(worker->random) % bound;
}

static nacre_slice value_of(const struct bench *bench, uint64_t number)
{
    return (nacre_slice){ bench->pool + mix(number + 1) % POOL_STARTS, bench->value_size };
}

static nacre_slice key_of(uint64_t number, char text[BENCH_KEY_SIZE])
{
    for (unsigned i = BENCH_KEY_SIZE; i-- > 0; number /= 10) {
        text[i] = (char)('0' + number % 10);
    }
    return (nacre_slice){ text, BENCH_KEY_SIZE };
}

/* The number that a key is; false where it is no key of a fill. */
static bool number_of(nacre_slice key, uint64_t *number)
{
    const char *text = key.data;
    bool good = key.size == BENCH_KEY_SIZE;
    *number = 0;
    for (size_t i = 0; good && i < key.size; i++) {
        good = text[i] >= '0' && text[i] <= '9';
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    }
    return good;
}

/* Checks an entry that was read; false where it is no entry of a fill. */
static bool check_entry(struct worker *worker, nacre_slice key, nacre_slice value)
{
    uint64_t number;
    bool good = number_of(key, &number);
    nacre_slice expected = value_of(worker->bench, number);
    good = good && value.size == expected.size && memcmp(value.data, expected.data, value.size) == 0;
    worker->wrong += !good;
    worker->bytes += key.size + value.size;
    return good;
}

bool workload_made(const struct bench *bench, nacre_slice key, nacre_slice value)
{
    uint64_t number;
    if (!number_of(key, &number)) {
        return false;
    }
    nacre_slice expected = value_of(bench, number);
    size_t known = (size_t)(bench->pool + POOL_STARTS + bench->value_size - (const unsigned char *)expected.data);
    size_t size = value.size < known ? value.size : known;
    return value.size ? memcmp(value.data, expected.data, size) == 0 : bench->value_size == 0;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Runs `step` for each number of the share, and takes its time. */
static int each(struct worker *worker, int (*step)(struct worker *, uint64_t number))
{
    int status = NACRE_OK;
    uint64_t begun = now_ns();
    for (uint64_t i = worker->first; i < worker->end && status == NACRE_OK; i++) {
        status = step(worker, worker->workload->random ? random_below(worker, worker->bench->entries) : i);
        uint64_t ended = now_ns();
        histogram_add(worker->times, ended - begun);
        begun = ended;
        worker->operations++;
    }
    return status;
}

static int put(struct worker *worker, uint64_t number, nacre_durability durability)
{
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    char text[BENCH_KEY_SIZE];
    options.durability = durability;
    worker->bytes += BENCH_KEY_SIZE + worker->bench->value_size;
    return nacre_put(worker->bench->session.collection, key_of(number, text), value_of(worker->bench, number),
                     &options);
}

static int put_step(struct worker *worker, uint64_t number)
{
    return put(worker, number, worker->bench->durability);
}

static int put_sync_step(struct worker *worker, uint64_t number)
{
    return put(worker, number, NACRE_DISK);
}

static int fill(struct worker *worker)
{
    return each(worker, put_step);
}

static int fill_sync(struct worker *worker)
{
    return each(worker, put_sync_step);
}

static int fill_batch(struct worker *worker)
{
    struct bench *bench = worker->bench;
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    nacre_batch *batch;
    char text[BENCH_KEY_SIZE];
    options.durability = bench->durability;
    int status = nacre_batch_create(&batch);
    for (uint64_t i = worker->first; i < worker->end && status == NACRE_OK;) {
        uint64_t begun = now_ns(), end = i + bench->batch < worker->end ? i + bench->batch : worker->end;
        for (; i < end && status == NACRE_OK; i++) {
            uint64_t number = random_below(worker, bench->entries);
            status = nacre_batch_put(batch, bench->session.collection, key_of(number, text), value_of(bench, number));
            worker->operations++;
            worker->bytes += BENCH_KEY_SIZE + bench->value_size;
        }
        status = status == NACRE_OK ? nacre_write(bench->session.store, batch, &options) : status;
        nacre_batch_clear(batch);
        histogram_add(worker->times, now_ns() - begun);
    }
    nacre_batch_free(batch);
    return status;
}

static int get(struct worker *worker, nacre_slice key)
{
    nacre_value value;
    int status = nacre_get(worker->bench->session.collection, key, NULL, &value);
    worker->looked_up++;
    if (status != NACRE_OK) {
        return status == NACRE_NOT_FOUND ? NACRE_OK : status;
    }
    worker->found++;
    check_entry(worker, key, value.slice);
    nacre_value_release(&value);
    return NACRE_OK;
}

static int get_step(struct worker *worker, uint64_t number)
{
    char text[BENCH_KEY_SIZE];
    return get(worker, key_of(number, text));
}

/* A key between those that are there. */
static int get_missing_step(struct worker *worker, uint64_t number)
{
    char text[BENCH_KEY_SIZE + 1];
    key_of(number, text);
    text[BENCH_KEY_SIZE] = '.';
    return get(worker, (nacre_slice){ text, sizeof text });
}

static int get_hot_step(struct worker *worker, uint64_t number)
{
    char text[BENCH_KEY_SIZE];
    return get(worker, key_of(number % (worker->bench->entries / 100 + 1), text));
}

static int read_random(struct worker *worker)
{
    return each(worker, get_step);
}

static int read_missing(struct worker *worker)
{
    int status = each(worker, get_missing_step);
    worker->wrong += worker->found; /* none of them is there */
    return status;
}

static int read_hot(struct worker *worker)
{
    return each(worker, get_hot_step);
}

static int scan_share(struct worker *worker, bool reverse)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    char first[BENCH_KEY_SIZE], end[BENCH_KEY_SIZE];
    nacre_cursor *cursor;
    if (worker->first == worker->end) {
        return NACRE_OK;
    }
    options.begin = key_of(worker->first, first);
    options.end = key_of(worker->end, end);
    options.reverse = reverse;
    int status = nacre_scan(worker->bench->session.collection, &options, &cursor);
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        check_entry(worker, nacre_cursor_key(cursor), nacre_cursor_value(cursor));
        worker->operations++;
    }
    status = status == NACRE_OK ? nacre_cursor_status(cursor) : status;
    nacre_cursor_close(cursor);
    return status;
}

static int read_forward(struct worker *worker)
{
    return scan_share(worker, false);
}

static int read_reverse(struct worker *worker)
{
    return scan_share(worker, true);
}

static int seek_step(struct worker *worker, uint64_t number)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    char text[BENCH_KEY_SIZE];
    nacre_cursor *cursor;
    options.begin = key_of(number, text);
    int status = nacre_scan(worker->bench->session.collection, &options, &cursor);
    for (unsigned i = 0; i < SEEK_READS && nacre_cursor_valid(cursor); i++, nacre_cursor_next(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor);
        if (check_entry(worker, key, nacre_cursor_value(cursor)) && memcmp(key.data, text, BENCH_KEY_SIZE) < 0) {
            worker->wrong++;
        }
    }
    status = status == NACRE_OK ? nacre_cursor_status(cursor) : status;
    nacre_cursor_close(cursor);
    return status;
}

static int seek_random(struct worker *worker)
{
    return each(worker, seek_step);
}

static int delete_step(struct worker *worker, uint64_t number)
{
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    char text[BENCH_KEY_SIZE];
    options.durability = worker->bench->durability;
    return nacre_delete(worker->bench->session.collection, key_of(number, text), &options);
}

static int delete_random(struct worker *worker)
{
    return each(worker, delete_step);
}

static int flush(struct worker *worker)
{
    worker->operations = 1;
    return nacre_flush(worker->bench->session.collection);
}

static int compact(struct worker *worker)
{
    worker->operations = 1;
    return nacre_compact(worker->bench->session.collection, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 });
}

static int reopen(struct worker *worker)
{
    struct bench *bench = worker->bench;
    int status = NACRE_OK;
    for (unsigned i = 0; i < OPENS && status == NACRE_OK; i++) {
        if (session_close(&bench->session, RESULT_OK) != RESULT_OK) {
            return NACRE_IO;
        }
        uint64_t begun = now_ns();
        if (session_open_path(&bench->session, bench->arguments, bench->path, SESSION_WRITE, NACRE_OS) != RESULT_OK) {
            return NACRE_IO;
        }
        status = nacre_collection_open(bench->session.store, BENCH_COLLECTION, &bench->session.collection);
        histogram_add(worker->times, now_ns() - begun);
        worker->operations++;
    }
    return status;
}

/* name, work, fresh, writes, random, timed, alone, part of --num in thousandths */
const struct workload workload_table[] = {
    { "fillseq", fill, true, true, false, true, false, 1000 },
    { "fillrandom", fill, true, true, true, true, false, 1000 },
    { "overwrite", fill, false, true, true, true, false, 1000 },
    { "fillsync", fill_sync, true, true, true, true, false, 10 },
    { "fillbatch", fill_batch, true, true, true, true, false, 1000 },
    { "readrandom", read_random, false, false, true, true, false, 1000 },
    { "readmissing", read_missing, false, false, true, true, false, 1000 },
    { "readhot", read_hot, false, false, true, true, false, 1000 },
    { "readseq", read_forward, false, false, false, false, false, 1000 },
    { "readreverse", read_reverse, false, false, false, false, false, 1000 },
    { "seekrandom", seek_random, false, false, true, true, false, 1000 },
    { "deleterandom", delete_random, false, true, true, true, false, 1000 },
    { "flush", flush, false, false, false, false, true, 0 },
    { "compact", compact, false, false, false, false, true, 0 },
    { "open", reopen, false, false, false, true, true, 0 },
    { "stats", NULL, false, false, false, false, true, 0 },
    { NULL, NULL, false, false, false, false, false, 0 },
};

const struct workload *workload_find(const char *name, size_t size)
{
    const struct workload *workload = workload_table;
    while (workload->name && (strlen(workload->name) != size || memcmp(workload->name, name, size) != 0)) {
        workload++;
    }
    return workload->name ? workload : NULL;
}
