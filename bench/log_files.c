/* What log files cost on this machine's file system: small synced appends by how the file was made and how it is written, appends alone,
   group commit, and reading back. Sides take turns in each round; medians over the rounds are printed.
   Usage: bench_log_files [directory, default .] [rounds, default 5] */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "log/wal.h"
#include "median.h"
#include "os/os.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define RECORD_BYTES 130u
#define FILE_BYTES   ((size_t)64 << 20)
#define ROUNDS_MAX   50
#define THREADS_MAX  16

static char directory[3000];
static size_t rounds = 5;

static void must(int status, const char *what)
{
    if (status != NACRE_OK) {
        (void)fprintf(stderr, "%s: %s: %s\n", what, nacre_status_name(status), nacre_last_error());
        exit(1);
    }
}

static void must_system(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static double least(const double *values, size_t count)
{
    double result = values[0];
    for (size_t i = 1; i < count; i++) {
        result = values[i] < result ? values[i] : result;
    }
    return result;
}

static void remove_name(void *visitor, const char *name)
{
    char path[4000];
    (void)visitor;
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    (void)unlink(path);
}

static void clear(void)
{
    must(os_posix()->list(NULL, directory, remove_name, NULL), "list");
}

/* ---- 1. how the file was made ---- */

enum { MADE_ALLOCATED, MADE_ZEROED, MADE_THROUGH_MAP, MADE_COUNT };
static const char *const made_names[MADE_COUNT] = { "allocated only", "zeroed by writes of 1 MiB",
                                                    "written through a map before" };

#define PROBE_BYTES ((size_t)8 << 20)
#define PROBE_SYNCS 150

/* Bytes written to the device beneath, by anyone; 0 where that is not known. */
static uint64_t written_bytes(int fd)
{
    char path[64];
    unsigned long long sectors = 0;
    struct stat status;
    must_system(fstat(fd, &status) == 0, "fstat");
    (void)snprintf(path, sizeof path, "/sys/dev/block/%u:%u/stat", major(status.st_dev), minor(status.st_dev));
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%*u %*u %*u %*u %*u %*u %llu", &sectors) != 1) {
        sectors = 0;
    }
    if (file) {
        (void)fclose(file);
    }
    return sectors * 512;
}

static int make_file(int made)
{
    char path[4000];
    (void)snprintf(path, sizeof path, "%s/probe", directory);
    (void)unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    must_system(fd >= 0 && posix_fallocate(fd, 0, (off_t)PROBE_BYTES) == 0, path);
    if (made == MADE_ZEROED) {
        void *zeros = calloc(1, 1 << 20);
        for (size_t at = 0; at < PROBE_BYTES; at += 1 << 20) {
            must_system(pwrite(fd, zeros, 1 << 20, (off_t)at) == 1 << 20, "pwrite");
        }
        free(zeros);
    } else if (made == MADE_THROUGH_MAP) {
        void *map = mmap(NULL, PROBE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        must_system(map != MAP_FAILED, "mmap");
        memset(map, 0x5a, PROBE_BYTES);
        (void)munmap(map, PROBE_BYTES);
    }
    must_system(fsync(fd) == 0, "fsync");
    return fd;
}

/* The median time of a small append and its sync, in us. */
static double probe(int made, bool mapped, double *kib_per_sync)
{
    int fd = make_file(made);
    uint8_t record[RECORD_BYTES], *map = mmap(NULL, PROBE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must_system(map != MAP_FAILED, "mmap");
    double times[PROBE_SYNCS];
    memset(record, 7, sizeof record);
    uint64_t before = written_bytes(fd);
    for (size_t i = 0; i < PROBE_SYNCS; i++) {
        uint64_t start = clock_monotonic_ns();
        if (mapped) {
            memcpy(map + 64 + i * sizeof record, record, sizeof record);
        } else {
            must_system(pwrite(fd, record, sizeof record, (off_t)(64 + i * sizeof record)) == (ssize_t)sizeof record,
                        "pwrite");
        }
        must_system(fdatasync(fd) == 0, "fdatasync");
        times[i] = (double)(clock_monotonic_ns() - start) / 1e3;
    }
    *kib_per_sync = (double)(written_bytes(fd) - before) / 1024 / PROBE_SYNCS;
    (void)munmap(map, PROBE_BYTES);
    (void)close(fd);
    return median(times, PROBE_SYNCS);
}

static void compare_files(void)
{
    static double times[MADE_COUNT][2][ROUNDS_MAX], kib[MADE_COUNT][2][ROUNDS_MAX];
    for (size_t round = 0; round < rounds; round++) {
        for (int made = 0; made < MADE_COUNT; made++) {
            for (int mapped = 0; mapped < 2; mapped++) {
                times[made][mapped][round] = probe(made, mapped, &kib[made][mapped][round]);
            }
        }
    }
    (void)printf("append of %u bytes + fdatasync, median us (KiB to the device per sync, least of the rounds)\n",
                 RECORD_BYTES);
    for (int made = 0; made < MADE_COUNT; made++) {
        (void)printf("  %-30s pwrite %7.1f (%6.1f)   mapped %7.1f (%6.1f)\n", made_names[made],
                     median(times[made][0], rounds), least(kib[made][0], rounds), median(times[made][1], rounds),
                     least(kib[made][1], rounds));
    }
    clear();
}

/* ---- 2. appends without syncs ---- */

static struct wal *open_wal(bool mapped, bool recycle)
{
    clear();
    struct wal_options options = {
        .os = os_posix(), .directory = directory, .file_bytes = FILE_BYTES, .map = mapped, .recycle = recycle
    };
    struct wal *w;
    must(wal_open(&options, 1, &w), "wal_open");
    return w;
}

struct append_cost {
    double append_ns, prepare_ns; /* per record */
};

static struct append_cost append_many(bool mapped, bool recycle, uint64_t count)
{
    struct wal *w = open_wal(mapped, recycle);
    uint8_t bytes[RECORD_BYTES] = { 1 };
    nacre_slice payload = { bytes, sizeof bytes };
    wal_position begin, end = 0;
    uint64_t appending = 0, preparing = 0;
    for (uint64_t n = 0; n < count; n += 64) {
        uint64_t start = clock_monotonic_ns();
        for (uint64_t i = 0; i < 64; i++) {
            memcpy(bytes, &n, sizeof n);
            must(wal_append(w, n + i + 1, payload, wal_payload_hash(payload), &begin, &end), "wal_append");
        }
        uint64_t middle = clock_monotonic_ns();
        if (wal_wants_prepare(w)) {
            must(wal_prune(w, end), "wal_prune");
            must(wal_prepare(w, 0), "wal_prepare");
        }
        preparing += clock_monotonic_ns() - middle;
        appending += middle - start;
    }
    wal_close(w);
    return (struct append_cost){ (double)appending / (double)count, (double)preparing / (double)count };
}

static void compare_appends(void)
{
    static const struct {
        const char *name;
        bool mapped, recycle;
    } sides[] = { { "mapped, new files", true, false },
                  { "mapped, recycled files", true, true },
                  { "one pwrite each", false, true } };
    static double append_ns[3][ROUNDS_MAX], prepare_ns[3][ROUNDS_MAX];
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < 3; i++) {
            struct append_cost cost =
                append_many(sides[i].mapped, sides[i].recycle, sides[i].mapped ? 3000000 : 600000);
            append_ns[i][round] = cost.append_ns;
            prepare_ns[i][round] = cost.prepare_ns;
        }
    }
    (void)printf(
        "append of %u bytes with its hash, no syncs: median ns per record (and of wal_prepare, which runs elsewhere)\n",
        RECORD_BYTES);
    for (size_t i = 0; i < 3; i++) {
        (void)printf("  %-30s %7.1f (%6.1f)\n", sides[i].name, median(append_ns[i], rounds),
                     median(prepare_ns[i], rounds));
    }
}

/* ---- 3. group commit ---- */

struct committing {
    struct wal *w;
    pthread_mutex_t commit_lock;
    uint64_t sequence;
    _Atomic bool stop;
    _Atomic uint64_t commits;
};

static void *commit(void *context)
{
    struct committing *c = context;
    uint8_t bytes[RECORD_BYTES] = { 0 };
    nacre_slice payload = { bytes, sizeof bytes };
    uint64_t commits = 0;
    while (!atomic_load_explicit(&c->stop, memory_order_relaxed)) {
        wal_position begin, end = 0;
        memcpy(bytes, &commits, sizeof commits);
        uint64_t hash = wal_payload_hash(payload);
        pthread_mutex_lock(&c->commit_lock);
        int status = wal_append(c->w, ++c->sequence, payload, hash, &begin, &end);
        pthread_mutex_unlock(&c->commit_lock);
        if (status == NACRE_BUSY) {
            must(wal_prepare(c->w, 0), "wal_prepare");
            continue;
        }
        must(status, "wal_append");
        must(wal_sync(c->w, end), "wal_sync");
        commits++;
        if (wal_wants_prepare(c->w)) {
            must(wal_prepare(c->w, 0), "wal_prepare");
        }
    }
    atomic_fetch_add(&c->commits, commits);
    return NULL;
}

static double commits_per_second(bool mapped, size_t threads, double seconds)
{
    struct committing c = { .w = open_wal(mapped, true) };
    pthread_t ids[THREADS_MAX];
    pthread_mutex_init(&c.commit_lock, NULL);
    uint64_t start = clock_monotonic_ns();
    for (size_t i = 0; i < threads; i++) {
        must_system(pthread_create(&ids[i], NULL, commit, &c) == 0, "pthread_create");
    }
    clock_sleep_ns((uint64_t)(seconds * 1e9));
    atomic_store(&c.stop, true);
    for (size_t i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    double rate = (double)c.commits * 1e9 / (double)(clock_monotonic_ns() - start);
    wal_close(c.w);
    pthread_mutex_destroy(&c.commit_lock);
    return rate;
}

/* What the disk gives: one thread, one write and one fdatasync after the other. */
static double plain_syncs_per_second(double seconds)
{
    int fd = make_file(MADE_ALLOCATED);
    uint8_t record[RECORD_BYTES] = { 1 };
    uint64_t start = clock_monotonic_ns(), now = start, count = 0;
    while ((double)(now - start) < seconds * 1e9) {
        must_system(pwrite(fd, record, sizeof record, (off_t)(count * sizeof record % (PROBE_BYTES - 256))) ==
                        (ssize_t)sizeof record,
                    "pwrite");
        must_system(fdatasync(fd) == 0, "fdatasync");
        count++;
        now = clock_monotonic_ns();
    }
    (void)close(fd);
    return (double)count * 1e9 / (double)(now - start);
}

static void compare_commits(void)
{
    static const size_t counts[] = { 1, 2, 4, 16 };
    static double mapped[4][ROUNDS_MAX], written[4][ROUNDS_MAX], plain[4 * ROUNDS_MAX];
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < 4; i++) {
            plain[round * 4 + i] = plain_syncs_per_second(0.2);
            mapped[i][round] = commits_per_second(true, counts[i], 0.4);
            written[i][round] = commits_per_second(false, counts[i], 0.4);
        }
    }
    (void)printf("durable commits of %u bytes per second, median\n", RECORD_BYTES);
    (void)printf("  %-30s %9.0f\n", "pwrite + fdatasync, 1 thread", median(plain, rounds * 4));
    for (size_t i = 0; i < 4; i++) {
        (void)printf("  group commit, %2zu threads        mapped %9.0f   pwrite %9.0f\n", counts[i],
                     median(mapped[i], rounds), median(written[i], rounds));
    }
    clear();
}

/* ---- 4. reading back ---- */

static int count_record(void *context, wal_position begin, wal_position end, uint64_t sequence, nacre_slice payload)
{
    (void)begin, (void)end, (void)sequence;
    *(uint64_t *)context += payload.size;
    return NACRE_OK;
}

static double replay_rate(size_t size, uint64_t total)
{
    struct wal *w = open_wal(true, false);
    uint8_t *bytes = calloc(1, size);
    nacre_slice payload = { bytes, size };
    wal_position begin, end = 0;
    for (uint64_t n = 1; n <= total / size; n++) {
        memcpy(bytes, &n, sizeof n);
        int status = wal_append(w, n, payload, wal_payload_hash(payload), &begin, &end);
        if (status == NACRE_BUSY) {
            must(wal_prepare(w, size), "wal_prepare");
            n--;
            continue;
        }
        must(status, "wal_append");
    }
    free(bytes);
    must(wal_sync(w, end), "wal_sync");
    wal_close(w);
    struct wal_replay_options options = { .os = os_posix(), .directory = directory, .truncate = true };
    struct wal_replay_report report;
    uint64_t sum = 0, start = clock_monotonic_ns();
    must(wal_replay(&options, count_record, &sum, &report), "wal_replay");
    double seconds = (double)(clock_monotonic_ns() - start) / 1e9;
    return (double)sum / 1e6 / seconds;
}

static void measure_replay(void)
{
    static const size_t sizes[] = { 130, 1000, 16384 };
    static double rates[3][ROUNDS_MAX];
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < 3; i++) {
            rates[i][round] = replay_rate(sizes[i], (uint64_t)200 << 20);
        }
    }
    (void)printf("replay from the page cache, all checks, one thread: median MB/s of payload\n");
    for (size_t i = 0; i < 3; i++) {
        (void)printf("  records of %5zu bytes          %7.0f\n", sizes[i], median(rates[i], rounds));
    }
    clear();
}

int main(int count, char **arguments)
{
    (void)snprintf(directory, sizeof directory, "%s/nacre-log-XXXXXX", count > 1 ? arguments[1] : ".");
    rounds = count > 2 ? strtoul(arguments[2], NULL, 10) : rounds;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    must_system(mkdtemp(directory) != NULL, directory);
    compare_files();
    compare_appends();
    compare_commits();
    measure_replay();
    return rmdir(directory) == 0 ? 0 : 1;
}
