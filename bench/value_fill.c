/* Puts of large values until they are durable, against the same bytes written to one file in sequence and synced, as `dd bs=1M conv=fdatasync` does: by
   turns in one run, medians, since disks differ from minute to minute.
   Usage: bench_value_fill DIRECTORY [values] [bytes of each] [rounds] */
#include "base/clock.h"
#include "median.h"
#include "support.h"
#include <nacre/nacre.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK ((size_t)1 << 20)

const char program_name[] = "bench_value_fill";

struct bench {
    const char *directory;
    uint64_t count, bytes, rounds;
    uint8_t *block; /* BLOCK and a value of noise */
};

static void must(int status, const char *what)
{
    if (status != NACRE_OK) {
        die("%s: %s: %s", what, nacre_status_name(status), nacre_last_error());
    }
}

static double rate(const struct bench *b, uint64_t start)
{
    return (double)(b->count * b->bytes) / (double)(clock_monotonic_ns() - start) * 1000;
}

static double write_in_sequence(const struct bench *b)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/sequence", b->directory);
    uint64_t start = clock_monotonic_ns();
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    for (uint64_t left = b->count * b->bytes; left > 0;) {
        ssize_t n = write(file, b->block, left < BLOCK ? left : BLOCK);
        if (n <= 0) {
            die("%s cannot be written", path);
        }
        left -= (uint64_t)n;
    }
    if (fdatasync(file) != 0) {
        die("%s cannot be synced", path);
    }
    double result = rate(b, start);
    (void)close(file);
    (void)unlink(path);
    return result;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

static double fill(const struct bench *b)
{
    char path[PATH_SIZE], key[24];
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_collection_options how = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_store *store;
    nacre_collection *values;
    options.durability = NACRE_OS;
    how.value_log_threshold = 1024;
    (void)snprintf(path, sizeof path, "%s/store", b->directory);
    must(nacre_open(path, &options, &store), "nacre_open");
    must(nacre_collection_create(store, "values", &how, &values), "nacre_collection_create");
    uint64_t start = clock_monotonic_ns();
    for (uint64_t i = 0; i < b->count; i++) {
        int size = snprintf(key, sizeof key, "%012llu", (unsigned long long)(i * 7919 % b->count));
        nacre_slice value = { b->block + i * 64 % BLOCK, b->bytes };
        must(nacre_put(values, (nacre_slice){ key, (size_t)size }, value, NULL), "nacre_put");
    }
    must(nacre_flush(values), "nacre_flush");
    double result = rate(b, start);
    nacre_collection_close(values);
    must(nacre_close(store), "nacre_close");
    (void)nftw(path, remove_one, 16, FTW_PHYS | FTW_DEPTH);
    return result;
}

int main(int count, char **arguments)
{
    if (count < 2 || arguments[1][0] == '-') {
        (void)fprintf(stderr, "usage: bench_value_fill DIRECTORY [values] [bytes of each] [rounds]\n");
        return 2;
    }
    struct bench b = { .directory = arguments[1] };
    b.count = count > 2 ? number_of(arguments[2]) : 65536;
    b.bytes = count > 3 ? number_of(arguments[3]) : 16384;
    b.rounds = count > 4 ? number_of(arguments[4]) : 7;
    b.block = allocate(BLOCK + b.bytes + 8);
    for (size_t i = 0; i < BLOCK + b.bytes; i++) {
        b.block[i] = (uint8_t)((i * 0x9e3779b97f4a7c15u) >> 29);
    }
    double *sides[3];
    for (unsigned i = 0; i < 3; i++) {
        sides[i] = allocate(b.rounds * sizeof(double));
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (uint64_t i = 0; i < b.rounds; i++) {
        sides[0][i] = write_in_sequence(&b);
        sides[1][i] = fill(&b);
        sides[2][i] = sides[1][i] / sides[0][i];
        printf("round %llu: in sequence %.0f MB/s, puts %.0f MB/s, %.2f\n", (unsigned long long)i + 1, sides[0][i],
               sides[1][i], sides[2][i]);
    }
    printf("medians: in sequence %.0f MB/s, puts until durable %.0f MB/s, of each round's pair %.2f\n",
           median(sides[0], b.rounds), median(sides[1], b.rounds), median(sides[2], b.rounds));
    for (unsigned i = 0; i < 3; i++) {
        free(sides[i]);
    }
    free(b.block);
    return 0;
}
