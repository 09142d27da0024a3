/* bench: runs workloads one after another and prints a line for each. */
#include "bench.h"
#include "print.h"
#include "stats.h"
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VALUE_MOST      (UINT64_C(256) << 20)
#define COMPACTION_NAME "compaction"
#define USUAL_ROUND \
    "fillseq,fillsync,fillrandom,overwrite,fillbatch,readrandom,readmissing,readhot,readseq,readreverse," \
    "seekrandom,compact,readrandom,readseq,seekrandom,deleterandom,open"

static int make_collection(struct bench *bench, bool fresh)
{
    nacre_collection **collection = &bench->session.collection;
    nacre_store *store = bench->session.store;
    int status = NACRE_OK;
    if (fresh) {
        nacre_collection_close(*collection);
        *collection = NULL;
        status = nacre_collection_drop(store, BENCH_COLLECTION);
        status = status == NACRE_NOT_FOUND ? NACRE_OK : status;
    } else if (!*collection) {
        status = nacre_collection_open(store, BENCH_COLLECTION, collection);
    }
    if ((status == NACRE_OK || status == NACRE_NOT_FOUND) && !*collection) {
        status = nacre_collection_create(store, BENCH_COLLECTION, NULL, collection);
    }
    return status == NACRE_OK ? RESULT_OK : complain_status("bench", status);
}

static void *run_worker(void *context)
{
    struct worker *worker = context;
    worker->status = worker->workload->work(worker);
    if (worker->status != NACRE_OK) {
        snprintf(worker->detail, sizeof worker->detail, "%s", nacre_last_error());
    }
    return NULL;
}

static uint64_t operations_of(const struct bench *bench, const struct workload *workload)
{
    uint64_t operations = bench->entries * workload->part / 1000;
    return operations ? operations : 1;
}

/* Runs the workers, each with its share. Returns how many ran. */
static unsigned run_workers(struct bench *bench, const struct workload *workload, struct worker *workers)
{
    unsigned count = workload->alone ? 1 : (unsigned)bench->threads, started = 0;
    uint64_t operations = operations_of(bench, workload);
    for (unsigned i = 0; i < count; i++) {
        struct worker *worker = &workers[i];
        struct histogram *times = worker->times;
        memset(times, 0, sizeof *times);
        *worker = (struct worker){ .bench = bench, .workload = workload, .times = times };
        worker->first = operations * i / count;
        worker->end = operations * (i + 1) / count;
        worker->random = (i + 1) * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)(workload - workload_table);
    }
    while (started < count && pthread_create(&workers[started].thread, NULL, run_worker, &workers[started]) == 0) {
        started++;
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    return started;
}

/* What all workers did, in the first of them. */
static void add_up(struct worker *workers, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct worker *sum = &workers[0], *one = &workers[i];
        histogram_merge(sum->times, one->times);
        sum->operations += one->operations;
        sum->bytes += one->bytes;
        sum->found += one->found;
        sum->looked_up += one->looked_up;
        sum->wrong += one->wrong;
        if (sum->status == NACRE_OK && one->status != NACRE_OK) {
            sum->status = one->status;
            memcpy(sum->detail, one->detail, sizeof sum->detail);
        }
    }
}

static void print_line(const struct worker *sum, double seconds)
{
    static const double percents[] = { 50, 99, 99.9, 100 };
    char rate[FIGURE_SIZE], time[FIGURE_SIZE];
    printf("%-13s %9s", sum->workload->name, figure_time(seconds, time));
    if (sum->workload->part) {
        printf(" %11s", figure_exact((uint64_t)((double)sum->operations / seconds), rate));
    } else {
        printf(" %11s", "-");
    }
    if (sum->bytes) {
        printf(" %8.1f", (double)sum->bytes / seconds / 1e6);
    } else {
        printf(" %8s", "-");
    }
    for (unsigned i = 0; i < 4; i++) {
        printf(" %9s", sum->workload->timed
                           ? figure_time((double)histogram_percentile(sum->times, percents[i]) * 1e-9, time)
                           : "-");
    }
    if (sum->looked_up) {
        printf("  %.1f %% found", 100 * (double)sum->found / (double)sum->looked_up);
    }
    putchar('\n');
    fflush(stdout);
}

static void print_json(const struct worker *sum, double seconds)
{
    printf("{\"name\":\"%s\",\"operations\":%llu,\"seconds\":%.6f,\"operations_per_second\":%.1f,\"megabytes_per_"
           "second\":%.3f",
           sum->workload->name, (unsigned long long)sum->operations, seconds, (double)sum->operations / seconds,
           (double)sum->bytes / seconds / 1e6);
    if (sum->workload->timed) {
        printf(",\"p50_ns\":%llu,\"p99_ns\":%llu,\"p99_9_ns\":%llu,\"max_ns\":%llu",
               (unsigned long long)histogram_percentile(sum->times, 50),
               (unsigned long long)histogram_percentile(sum->times, 99),
               (unsigned long long)histogram_percentile(sum->times, 99.9), (unsigned long long)sum->times->most);
    }
    if (sum->looked_up) {
        printf(",\"looked_up\":%llu,\"found\":%llu", (unsigned long long)sum->looked_up,
               (unsigned long long)sum->found);
    }
    puts("}");
    fflush(stdout);
}

static int print_stats(const struct bench *bench)
{
    struct stats_view view = { .path = bench->path, .state_shown = true, .writes_per_second = -1 };
    json_t *stats = stats_read(bench->session.store);
    if (!stats) {
        return RESULT_ERROR;
    }
    if (option_given(bench->arguments, OPTION_JSON)) {
        json_dumpf(stats, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        putchar('\n');
        stats_print(stdout, stats, &view);
        putchar('\n');
    }
    json_decref(stats);
    return RESULT_OK;
}

static int run_workload(struct bench *bench, const struct workload *workload, struct worker *workers)
{
    if (make_collection(bench, workload->fresh) != RESULT_OK) {
        return RESULT_ERROR;
    }
    if (!workload->work) {
        return print_stats(bench);
    }
    double begun = clock_seconds();
    unsigned count = run_workers(bench, workload, workers);
    double seconds = clock_seconds() - begun;
    if (count < (workload->alone ? 1 : bench->threads)) {
        return complain("bench: a thread could not be made: %m");
    }
    add_up(workers, count);
    if (workers[0].status != NACRE_OK) {
        return complain("bench: %s: %s", workload->name, workers[0].detail);
    }
    if (option_given(bench->arguments, OPTION_JSON)) {
        print_json(&workers[0], seconds);
    } else {
        print_line(&workers[0], seconds);
    }
    if (workers[0].wrong) {
        return complain("bench: %s: %llu entries that were read are wrong", workload->name,
                        (unsigned long long)workers[0].wrong);
    }
    return RESULT_OK;
}

/* Says which name is none before anything is run. */
static bool names_are_good(const char *names)
{
    for (const char *at = names; *at;) {
        size_t size = strcspn(at, ",");
        if (!workload_find(at, size)) {
            fprintf(stderr, "nacre: bench: there is no workload %.*s; there are", (int)size, at);
            for (const struct workload *w = workload_table; w->name; w++) {
                fprintf(stderr, " %s", w->name);
            }
            fputs(", and alone " COMPACTION_NAME "\n", stderr);
            return false;
        }
        at += size + (at[size] == ',');
    }
    return true;
}

static void print_heading(const struct bench *bench)
{
    char entries[FIGURE_SIZE], size[FIGURE_SIZE];
    if (option_given(bench->arguments, OPTION_JSON)) {
        return;
    }
    printf("%s: %s entries, keys %u B, values %s, %llu thread%s\n\n", bench->path,
           figure_exact(bench->entries, entries), BENCH_KEY_SIZE, figure_bytes((double)bench->value_size, size),
           (unsigned long long)bench->threads, bench->threads > 1 ? "s" : "");
    printf("%-13s %9s %11s %8s %9s %9s %9s %9s\n", "", "time", "ops/s", "MB/s", "p50", "p99", "p99.9", "max");
}

/* Whether the entry at one end of a collection, where there is any, is one of a fill. */
static int look_at_end(const struct bench *bench, nacre_collection *collection, bool last, bool *made)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    options.reverse = last;
    int status = nacre_scan(collection, &options, &cursor);
    if (status == NACRE_OK && nacre_cursor_valid(cursor)) {
        *made = *made && workload_made(bench, nacre_cursor_key(cursor), nacre_cursor_value(cursor));
    }
    status = status == NACRE_OK ? nacre_cursor_status(cursor) : status;
    nacre_cursor_close(cursor);
    return status;
}

static bool any_writes(const char *names)
{
    bool writes = false;
    for (const char *at = names; *at && !writes;) {
        size_t size = strcspn(at, ",");
        writes = workload_find(at, size)->writes;
        at += size + (at[size] == ',');
    }
    return writes;
}

/* A collection of the name that holds what no fill put is somebody's: it is neither emptied nor written. A fill's keys are numbers and
   its values pieces of one pool, so the first and the last entry tell. */
static int spare_foreign(const struct bench *bench, const char *names)
{
    nacre_collection_info info;
    nacre_collection *collection = NULL;
    bool found, made = true;
    int status = session_find(&bench->session, BENCH_COLLECTION, &info, &found);
    if (status == NACRE_OK && (!found || !any_writes(names))) {
        return RESULT_OK;
    }
    made = info.kind == NACRE_ORDERED;
    if (status == NACRE_OK && made) {
        status = nacre_collection_open(bench->session.store, BENCH_COLLECTION, &collection);
        status = status == NACRE_OK ? look_at_end(bench, collection, false, &made) : status;
        status = status == NACRE_OK ? look_at_end(bench, collection, true, &made) : status;
        nacre_collection_close(collection);
    }
    if (status != NACRE_OK) {
        return complain_status("bench", status);
    }
    return made ? RESULT_OK
                : complain("bench: the collection " BENCH_COLLECTION
                           " of %s holds entries that no bench put there, and would be overwritten: drop it, "
                           "or give another --store",
                           bench->path);
}

static int run_names(struct bench *bench, const char *names)
{
    int result = RESULT_OK;
    struct worker *workers = calloc(bench->threads, sizeof *workers);
    struct histogram *times = calloc(bench->threads, sizeof *times);
    bench->pool = malloc(POOL_STARTS + bench->value_size);
    if (!workers || !times || !bench->pool) {
        result = complain("bench: out of memory");
        goto done;
    }
    for (uint64_t i = 0; i < bench->threads; i++) {
        workers[i].times = &times[i];
    }
    uint64_t state = 88172645463325252u;
    for (uint64_t i = 0; i < POOL_STARTS + bench->value_size; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bench->pool[i] = (unsigned char)(state >> 32);
    }
    if ((result = spare_foreign(bench, names)) != RESULT_OK) {
        goto done;
    }
    print_heading(bench);
    for (const char *at = names; *at && result == RESULT_OK;) {
        size_t size = strcspn(at, ",");
        result = run_workload(bench, workload_find(at, size), workers);
        at += size + (at[size] == ',');
    }
done:
    free(bench->pool);
    free(times);
    free(workers);
    return result;
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
    (void)about, (void)type, (void)where;
    return remove(path);
}

/* Opens the store, runs, closes. */
static int run_in(struct bench *bench, const char *names)
{
    if (session_open_path(&bench->session, bench->arguments, bench->path, SESSION_MAKE, NACRE_OS) != RESULT_OK) {
        return RESULT_ERROR;
    }
    int result = strcmp(names, COMPACTION_NAME) == 0 ? bench_compaction(bench) : run_names(bench, names);
    return bench->session.store ? session_close(&bench->session, result) : RESULT_ERROR;
}

/* The same in a directory of its own, which is removed at the end. */
static int run_aside(struct bench *bench, const char *names)
{
    const char *base = getenv("TMPDIR");
    char own[4096];
    base = base && base[0] ? base : "/tmp";
    int size = snprintf(own, sizeof own, "%s/nacre-bench-XXXXXX", base);
    if (size < 0 || (size_t)size >= sizeof own || !mkdtemp(own)) {
        return complain("bench: no directory can be made under %s: %m", base);
    }
    bench->path = own;
    int result = run_in(bench, names);
    if (option_given(bench->arguments, OPTION_KEEP)) {
        fprintf(stderr, "kept: %s\n", own);
        return result;
    }
    return nftw(own, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? result
                                                                : complain("bench: %s cannot be removed: %m", own);
}

/* The options of the scenario say nothing to the workloads. */
static bool options_fit(const struct arguments *arguments, const char *names)
{
    static const enum option_id own[] = { OPTION_KIND,    OPTION_INSERTS,      OPTION_OVERWRITES,
                                          OPTION_DELETES, OPTION_ASSERT_EMPTY, OPTION_KEEP };
    for (size_t i = 0; i < sizeof own / sizeof own[0] && strcmp(names, COMPACTION_NAME) != 0; i++) {
        if (option_given(arguments, own[i])) {
            complain("bench: --%s is for `bench " COMPACTION_NAME "` alone", option_table[own[i]].name);
            return false;
        }
    }
    return true;
}

int run_bench(const struct arguments *arguments)
{
    struct bench bench = { .arguments = arguments,
                           .entries = 100000,
                           .value_size = 100,
                           .threads = 1,
                           .batch = 1000,
                           .durability = NACRE_OS };
    const char *names = arguments->count ? arguments->items[0] : USUAL_ROUND;
    if (!option_number(arguments, OPTION_NUM, 1, UINT64_C(1000000000000), &bench.entries) ||
        !option_number(arguments, OPTION_VALUE_SIZE, 0, VALUE_MOST, &bench.value_size) ||
        !option_number(arguments, OPTION_THREADS, 1, BENCH_THREADS, &bench.threads) ||
        !option_number(arguments, OPTION_BATCH, 1, 1000000, &bench.batch) ||
        !option_durability(arguments, &bench.durability) || !options_fit(arguments, names) ||
        (strcmp(names, COMPACTION_NAME) != 0 && !names_are_good(names))) {
        return RESULT_ERROR;
    }
    if (option_given(arguments, OPTION_STORE)) { /* one that the environment names holds what matters to somebody */
        bench.path = session_path(arguments);
        return bench.path ? run_in(&bench, names) : RESULT_ERROR;
    }
    return run_aside(&bench, names);
}
