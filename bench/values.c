/* Reading large values: gets with their checksum and without, gets from value files against segments, and scans with a cold page cache with and
   without reading ahead. Both sides take turns within one run; medians.
   Usage: bench_values DIRECTORY [values] [bytes of each] */
#include "base/clock.h"
#include "base/hash.h"
#include "median.h"
#include "os/os.h"
#include "values/value_log.h"
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 9u
#define GETS   20000u

struct bench {
    const char *directory;
    uint64_t count;
    size_t bytes;
    uint8_t *value;
    uint64_t sum; /* so that what is read is used */
};

static void must(int status, const char *what)
{
    if (status != NACRE_OK) {
        (void)fprintf(stderr, "%s: %s: %s\n", what, nacre_status_name(status), nacre_last_error());
        exit(1);
    }
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static nacre_slice value_of(struct bench *b, uint64_t n)
{
    for (size_t i = 0; i + 8 <= b->bytes; i += 8) {
        uint64_t word = hash_seeded(&n, sizeof n, i);
        memcpy(b->value + i, &word, 8);
    }
    return slice_of(b->value, b->bytes);
}

static nacre_slice key_of(uint64_t n, char room[24])
{
    return slice_of(room, (size_t)snprintf(room, 24, "%012llu", (unsigned long long)n));
}

/* A reader of the whole value, as cheap as one can be. */
static void use(struct bench *b, nacre_slice value)
{
    const uint8_t *bytes = value.data;
    for (size_t i = 0; i < value.size; i += 4096) {
        b->sum += bytes[i];
    }
}

/* ---- the value log by itself ---- */

static uint64_t next_id(void *context)
{
    return ++*(uint64_t *)context;
}

static void time_checks(struct bench *b)
{
    char path[512], room[24];
    uint64_t id = 0;
    struct value_log *log;
    struct value_pointer *pointers = calloc(b->count, sizeof *pointers);
    struct value_file **files = calloc(b->count, sizeof *files);
    const nacre_os *os = os_posix();
    double rounds[2][ROUNDS];
    (void)snprintf(path, sizeof path, "%s/log", b->directory);
    must(os->make_directory(os->context, path), path);
    struct value_log_options options = {
        .os = os, .directory = path, .file_bytes = 64u << 20, .map = true, .next_id = next_id, .context = &id
    };
    must(value_log_open(&options, &log), "value_log_open");
    must(value_log_start(log), "value_log_start");
    for (uint64_t n = 0; n < b->count; n++) {
        must(value_log_append(log, VALUE_STREAM_WRITES, 1, key_of(n, room), value_of(b, n), &pointers[n], &files[n]),
             "value_log_append");
    }
    value_log_rotate(log);
    must(value_log_prepare(log), "value_log_prepare");
    for (unsigned turn = 0; turn < 2 * ROUNDS; turn++) {
        uint64_t state = turn / 2, start = cpu_ns();
        for (unsigned i = 0; i < GETS; i++) {
            uint64_t n = hash_seeded(&state, sizeof state, i) % b->count;
            nacre_slice value;
            struct pin pin = { NULL, NULL };
            must(turn % 2 ? value_log_get(log, &pointers[n], key_of(n, room), &value, &pin)
                          : value_log_read(log, &pointers[n], &value, &pin),
                 "read");
            use(b, value);
        }
        rounds[turn % 2][turn / 2] = (double)(cpu_ns() - start) / GETS;
    }
    double always = median(rounds[0], ROUNDS), once = median(rounds[1], ROUNDS);
    printf("value log: %zu bytes, ns of a read: checked always %.0f, once %.0f\n", b->bytes, always, once);
    for (uint64_t n = 0; n < b->count; n++) {
        value_file_unref(files[n]);
    }
    value_log_close(log);
    free(pointers);
    free(files);
}

/* ---- a store ---- */

static nacre_store *open_store(struct bench *b, const nacre_os *os, const char *name, uint64_t threshold,
                               nacre_collection **collection)
{
    char path[512];
    nacre_store *store;
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_collection_options o = NACRE_COLLECTION_OPTIONS_INIT;
    options.os = os;
    options.durability = NACRE_OS;
    o.value_log_threshold = threshold;
    (void)snprintf(path, sizeof path, "%s/store", b->directory);
    must(nacre_open(path, &options, &store), "nacre_open");
    int status = nacre_collection_open(store, name, collection);
    if (status == NACRE_NOT_FOUND) {
        status = nacre_collection_create(store, name, &o, collection);
    }
    must(status, name);
    return store;
}

static void close_store(nacre_store *store, nacre_collection *collection)
{
    nacre_collection_close(collection);
    must(nacre_close(store), "nacre_close");
}

static const char *const names[] = { "segments", "values", "shuffled" };

/* The last one's keys are written in another order than that of the keys. */
static void fill(struct bench *b, unsigned which)
{
    nacre_collection *collection;
    char room[24];
    nacre_store *store = open_store(b, NULL, names[which], which ? 1024 : UINT64_MAX, &collection);
    for (uint64_t i = 0; i < b->count; i++) {
        uint64_t n = which == 2 ? i * 7919 % b->count : i;
        must(nacre_put(collection, key_of(n, room), value_of(b, n), NULL), "nacre_put");
    }
    must(nacre_flush(collection), "nacre_flush");
    must(nacre_compact(collection, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }), "nacre_compact");
    close_store(store, collection);
}

static void time_gets(struct bench *b)
{
    double rounds[2][ROUNDS];
    char room[24];
    for (unsigned turn = 0; turn < 2 * ROUNDS; turn++) {
        nacre_collection *collection;
        nacre_store *store = open_store(b, NULL, names[turn % 2], 0, &collection);
        uint64_t state = turn / 2, start = 0;
        for (unsigned pass = 0; pass < 2; pass++) { /* the first one checks and maps */
            start = cpu_ns();
            for (unsigned i = 0; i < GETS; i++) {
                nacre_value value;
                must(nacre_get(collection, key_of(hash_seeded(&state, sizeof state, i) % b->count, room), NULL, &value),
                     "nacre_get");
                use(b, value.slice);
                nacre_value_release(&value);
            }
        }
        rounds[turn % 2][turn / 2] = (double)(cpu_ns() - start) / GETS;
        close_store(store, collection);
    }
    double segments = median(rounds[0], ROUNDS), values = median(rounds[1], ROUNDS);
    printf("nacre_get: %zu bytes, ns: from segments %.0f, from value files %.0f\n", b->bytes, segments, values);
}

static int drop_file(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)where;
    int file = type == FTW_F ? open(path, O_RDONLY) : -1;
    if (file >= 0) {
        (void)fdatasync(file);
        (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        (void)close(file);
    }
    return 0;
}

static double scan(struct bench *b, const nacre_os *os, const char *name, bool reverse, bool cold)
{
    nacre_collection *collection;
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    uint64_t count = 0;
    options.reverse = reverse;
    if (cold) {
        (void)nftw(b->directory, drop_file, 16, FTW_PHYS);
    }
    nacre_store *store = open_store(b, os, name, 0, &collection);
    uint64_t start = clock_monotonic_ns();
    must(nacre_scan(collection, &options, &cursor), "nacre_scan");
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor), count++) {
        use(b, nacre_cursor_value(cursor));
    }
    must(nacre_cursor_status(cursor), "cursor");
    uint64_t ns = clock_monotonic_ns() - start;
    nacre_cursor_close(cursor);
    close_store(store, collection);
    return (double)(count * b->bytes) / (double)ns * 1000;
}

static void time_scans(struct bench *b, const char *name, bool cold)
{
    nacre_os without = *os_posix();
    without.read_ahead = NULL;
    for (unsigned reverse = 0; reverse < 2; reverse++) {
        double rounds[2][ROUNDS];
        for (unsigned turn = 0; turn < 2 * ROUNDS; turn++) {
            rounds[turn % 2][turn / 2] = scan(b, turn % 2 ? NULL : &without, name, reverse, cold);
        }
        double plain = median(rounds[0], ROUNDS), ahead = median(rounds[1], ROUNDS);
        printf("scan of %s, %s, %s cache, MB/s: %.0f, reading ahead %.0f\n", name, reverse ? "down" : "up",
               cold ? "cold" : "warm", plain, ahead);
    }
}

int main(int count, char **arguments)
{
    struct bench b = { .count = 20000, .bytes = 16384 };
    if (count < 2) {
        (void)fprintf(stderr, "usage: bench_values DIRECTORY [values] [bytes of each]\n");
        return 2;
    }
    b.directory = arguments[1];
    b.count = count > 2 ? strtoull(arguments[2], NULL, 10) : b.count;
    b.bytes = count > 3 ? strtoull(arguments[3], NULL, 10) : b.bytes;
    b.value = calloc(1, b.bytes + 8);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)os_posix()->make_directory(NULL, b.directory);
    time_checks(&b);
    for (unsigned which = 0; which < sizeof names / sizeof names[0]; which++) {
        fill(&b, which);
    }
    time_gets(&b);
    for (unsigned which = 0; which < sizeof names / sizeof names[0]; which++) {
        time_scans(&b, names[which], true);
    }
    time_scans(&b, names[1], false);
    free(b.value);
    return b.sum == 1;
}
