/* Graphs over vectors alone, beside hnswlib on the same data: building, memory, and queries per second of CPU time in
   one thread at the recall that each width of the search reaches.

     graphs SET [-m l2|cosine] [-n rows] [-q queries] [-t threads] [-f file] [-p] [-s file] [-o] [NAME=VALUE ...]

   SET.base.fvecs, SET.query.fvecs and SET.truth.ivecs are what scripts/bench_vectors_data.sh makes. -n takes the first
   rows only; the truth is then found by comparing all. -p: hnswlib too (M 16, ef_construction 200); -s: its index is
   kept in that file, and taken from it when it is there. -o: only open the file that an earlier run left. NAME=VALUE:
   tuning of the graph. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "distance/distance.h"
#include "graphs.h"
#include "segment/container.h"
#include "segment/nearest.h"
#include "vectors/graph_walk.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define K 10u

static void check(int status, const char *what)
{
    if (status != 0) {
        (void)fprintf(stderr, "%s: %d: %s\n", what, status, fail_detail());
        exit(1);
    }
}

double bench_cpu_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- data ---- */

/* Rows at multiples of 64 bytes. */
static float *read_vectors(const char *set, const char *kind, size_t most, struct bench_vectors *vectors)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s.%s", set, kind);
    FILE *file = fopen(path, "rb");
    check(file ? 0 : 1, path);
    uint32_t dimension = 0;
    check(fread(&dimension, 4, 1, file) == 1 ? 0 : 1, path);
    (void)fseek(file, 0, SEEK_END);
    size_t count = (size_t)ftell(file) / (4 + 4 * (size_t)dimension);
    count = most && most < count ? most : count;
    rewind(file);
    size_t stride = (dimension * 4 + 63) / 64 * 16;
    float *rows = memory_map(count * stride * 4);
    check(rows ? 0 : 1, "memory");
    for (size_t i = 0; i < count; i++) {
        check(fread(&dimension, 4, 1, file) == 1 && fread(rows + i * stride, 4, dimension, file) == dimension ? 0 : 1,
              path);
    }
    (void)fclose(file);
    *vectors = (struct bench_vectors){ rows, count, stride, dimension };
    return rows;
}

static uint32_t *find_truth(const struct bench_vectors *base, const struct bench_vectors *queries, nacre_metric metric)
{
    uint32_t *truth = calloc(queries->count * K, sizeof *truth);
    float *distances = malloc(base->count * sizeof *distances);
    check(truth && distances ? 0 : 1, "memory");
    for (size_t q = 0; q < queries->count; q++) {
        struct distance distance;
        float best[K];
        uint32_t found = 0;
        distance_begin(&distance, metric, queries->rows + q * queries->stride, base->dimension);
        distance_to_rows(&distance, base->rows, base->stride * 4, base->count, distances);
        for (size_t row = 0; row < base->count; row++) {
            if (found == K && distances[row] >= best[K - 1]) {
                continue;
            }
            uint32_t at = found < K ? found++ : K - 1;
            for (; at > 0 && best[at - 1] > distances[row]; at--) {
                best[at] = best[at - 1];
                truth[q * K + at] = truth[q * K + at - 1];
            }
            best[at] = distances[row];
            truth[q * K + at] = (uint32_t)row;
        }
    }
    free(distances);
    return truth;
}

static uint32_t *read_truth(const char *set, size_t queries)
{
    struct bench_vectors truth;
    const uint32_t *numbers = (const uint32_t *)(const void *)read_vectors(set, "truth.ivecs", queries, &truth);
    uint32_t *first = calloc(queries * K, sizeof *first);
    check(first ? 0 : 1, "memory");
    for (size_t q = 0; q < queries; q++) {
        memcpy(first + q * K, numbers + q * truth.stride, K * sizeof *first);
    }
    return first;
}

static const char *file_path = "/tmp/bench_graphs.index", *peer_path;
static struct bench_vectors base, queries;
static uint32_t *truth;

size_t bench_hits(size_t query, const uint32_t *found, size_t count)
{
    size_t hits = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < K; j++) {
            hits += found[i] == truth[query * K + j];
        }
    }
    return hits;
}

/* ---- graphs ---- */

static uint32_t rerank = 20, huge = 0, rounds = 3, from = 0, to = UINT32_MAX;

static const struct {
    const char *name;
    uint32_t *value;
} numbers[] = { { "degree", &graph_tuning.degree },
                { "room", &graph_tuning.room },
                { "build_beam", &graph_tuning.build_beam },
                { "entries", &graph_tuning.entries },
                { "batch_part", &graph_tuning.batch_part },
                { "bits", &graph_tuning.bits },
                { "ahead_beam", &graph_tuning.ahead_beam },
                { "rerank", &rerank },
                { "huge", &huge },
                { "rounds", &rounds },
                { "from", &from },
                { "to", &to } };

static void set_tuning(const char *assignment)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        size_t size = strlen(numbers[i].name);
        if (strncmp(assignment, numbers[i].name, size) == 0 && assignment[size] == '=') {
            *numbers[i].value = (uint32_t)atoi(assignment + size + 1);
            return;
        }
    }
    if (strncmp(assignment, "alpha=", 6) == 0) {
        graph_tuning.alpha = (float)atof(assignment + 6);
    } else {
        check(1, assignment);
    }
}

static void build(const struct vector_rows *rows, uint32_t threads)
{
    struct container_writer *writer;
    uint64_t bytes, checksum, start = clock_monotonic_ns();
    double cpu = bench_cpu_seconds();
    struct graph_job job = { .rows = rows, .threads = threads };
    (void)unlink(file_path);
    check(container_writer_create(os_posix(), file_path, CONTAINER_INDEX, 1, NACRE_VECTORS, &writer), "create");
    check(graph_build(&job, writer), "build");
    check(container_writer_finish(writer, &bytes, &checksum), "finish");
    printf("build %.2f s of CPU, %.2f s; file %.1f MB, vectors %.1f MB\n", bench_cpu_seconds() - cpu,
           (double)(clock_monotonic_ns() - start) / 1e9, (double)bytes / 1e6,
           (double)rows->count * rows->dimension * 4 / 1e6);
}

static struct graph *open_graph(const struct vector_rows *rows)
{
    struct container *index;
    struct graph *graph;
    check(container_open(os_posix(), file_path, CONTAINER_INDEX, 1, 0, true, &index), "open container");
    uint64_t start = clock_monotonic_ns();
    check(graph_open(index, rows, &graph), "open");
    printf("open %.3f ms; degree %u, stray rows %u\n", (double)(clock_monotonic_ns() - start) / 1e6, graph->degree,
           graph->stray_count);
    if (huge) {
        uint8_t *codes = memory_map(graph->rows * graph->book.stride);
        uint32_t *lists = memory_map((size_t)graph->rows * graph->degree * 4);
        check(codes && lists ? 0 : 1, "memory");
        memcpy(codes, graph->codes, graph->rows * graph->book.stride);
        memcpy(lists, graph->neighbors, (size_t)graph->rows * graph->degree * 4);
        graph->codes = codes;
        graph->neighbors = lists;
    }
    size_t places = 0;
    for (size_t i = 0; i < (size_t)graph->rows * graph->degree; i++) {
        places += graph->neighbors[i] < graph->rows;
    }
    printf("neighbours on average %.1f\n", (double)places / graph->rows);
    return graph;
}

static uint32_t search(struct walk *walk, const struct distance *distance, uint32_t beam, uint32_t *found)
{
    code_query_set(&walk->query, &walk->graph->book, distance);
    walk_run(walk, beam);
    uint32_t count = walk->count < rerank ? walk->count : rerank, kept = 0, rows[GRAPH_DEGREE_MAX * 4];
    float distances[GRAPH_DEGREE_MAX * 4], best[K];
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = beam_row(&walk->beam[i]);
    }
    distance_to_list(distance, base.rows, base.stride * 4, rows, count, distances);
    for (uint32_t i = 0; i < count; i++) {
        if (kept == K && distances[i] >= best[K - 1]) {
            continue;
        }
        uint32_t at = kept < K ? kept++ : K - 1;
        for (; at > 0 && best[at - 1] > distances[i]; at--) {
            best[at] = best[at - 1];
            found[at] = found[at - 1];
        }
        best[at] = distances[i];
        found[at] = rows[i];
    }
    return kept;
}

static double run(struct walk *walk, nacre_metric metric, uint32_t beam, double *seconds, double *examined)
{
    size_t hits = 0;
    uint64_t all = 0;
    double start = bench_cpu_seconds();
    for (size_t q = 0; q < queries.count; q++) {
        struct distance distance;
        uint32_t found[K];
        distance_begin(&distance, metric, queries.rows + q * queries.stride, queries.dimension);
        uint32_t count = search(walk, &distance, beam, found);
        hits += bench_hits(q, found, count);
        all += walk->examined;
    }
    *seconds = bench_cpu_seconds() - start;
    *examined = (double)all / (double)queries.count;
    return (double)hits / (double)(queries.count * K);
}

static void sweep(const struct graph *graph, nacre_metric metric)
{
    static const uint32_t beams[] = { 10, 12,  16,  20,  24,  32,  40,  48,   64,  80,
                                      96, 128, 192, 256, 384, 512, 768, 1024, 1536 };
    struct bench_curve curve = { 0 };
    struct walk *walk;
    check(walk_take(graph, 2048, &walk), "walk");
    for (size_t i = 0; i < sizeof beams / sizeof *beams; i++) {
        if (beams[i] < from || beams[i] > to) {
            continue;
        }
        double best = INFINITY, examined = 0, recall = 0;
        for (uint32_t round = 0; round < rounds; round++) {
            double seconds;
            recall = run(walk, metric, beams[i], &seconds, &examined);
            best = seconds < best ? seconds : best;
        }
        printf("beam %4u  recall %.4f  %8.0f q/s  examined %.0f, %.1f ns each\n", beams[i], recall,
               (double)queries.count / best, examined, best * 1e9 / (double)queries.count / examined);
        bench_curve_add(&curve, recall, (double)queries.count / best);
        if (recall > 0.993) {
            break;
        }
    }
    walk_return(walk);
    bench_curve_print("nacre", &curve);
}

/* ---- as the store searches: a recall is asked for ---- */

struct taken {
    uint32_t rows[K];
    uint32_t count;
};

static int take(void *context, uint32_t row, float distance, bool *enough)
{
    struct taken *taken = context;
    (void)distance;
    taken->rows[taken->count++] = row;
    *enough = taken->count == K;
    return NACRE_OK;
}

static void ask(const struct graph *graph, const struct vector_rows *rows)
{
    static const float wanted[] = { 0.9f, 0.95f, 0.99f };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        size_t hits = 0, reranked = 0;
        const char *strategy = NULL;
        double start = bench_cpu_seconds();
        for (size_t q = 0; q < queries.count; q++) {
            struct distance distance;
            struct nearest_report report = { 0 };
            struct taken taken = { .count = 0 };
            distance_begin(&distance, rows->metric, queries.rows + q * queries.stride, rows->dimension);
            struct graph_search search = { .distance = &distance,
                                           .k = K,
                                           .recall = wanted[i],
                                           .end = rows->count,
                                           .allowed_part = 1,
                                           .context = &taken,
                                           .accept = take,
                                           .report = &report };
            check(graph_nearest(graph, rows, &search), "nearest");
            hits += bench_hits(q, taken.rows, taken.count);
            reranked += report.reranked;
            strategy = report.strategy;
        }
        double seconds = bench_cpu_seconds() - start;
        printf("asked for %.2f: %s, recall %.4f, %.0f q/s, %.1f re-ranked\n", (double)wanted[i], strategy,
               (double)hits / (double)(queries.count * K), (double)queries.count / seconds,
               (double)reranked / (double)queries.count);
    }
}

void bench_curve_add(struct bench_curve *curve, double recall, double rate)
{
    if (curve->count < BENCH_CURVE_MAX) {
        curve->recall[curve->count] = recall;
        curve->rate[curve->count++] = rate;
    }
}

void bench_curve_print(const char *name, const struct bench_curve *curve)
{
    static const double levels[] = { 0.90, 0.95, 0.99 };
    printf("%s:", name);
    for (size_t l = 0; l < 3; l++) {
        for (size_t i = 1; i < curve->count; i++) {
            if (curve->recall[i - 1] < levels[l] && curve->recall[i] >= levels[l]) {
                double part = (levels[l] - curve->recall[i - 1]) / (curve->recall[i] - curve->recall[i - 1]);
                printf("  %.2f: %.0f q/s", levels[l],
                       curve->rate[i - 1] + part * (curve->rate[i] - curve->rate[i - 1]));
                break;
            }
        }
    }
    printf("\n");
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    size_t most = 0, most_queries = 0;
    uint32_t threads = 1;
    bool peer = false, reopen = false;
    nacre_metric metric = NACRE_L2;
    int option;
    while ((option = getopt(argc, argv, "m:n:q:t:f:s:po")) != -1) {
        switch (option) {
        case 'm':
            metric = strcmp(optarg, "cosine") == 0 ? NACRE_COSINE : NACRE_L2;
            break;
        case 'n':
            most = strtoull(optarg, NULL, 10);
            break;
        case 'q':
            most_queries = strtoull(optarg, NULL, 10);
            break;
        case 't':
            threads = (uint32_t)atoi(optarg);
            break;
        case 's':
            peer_path = optarg;
            break;
        case 'f':
            file_path = optarg;
            break;
        case 'p':
            peer = true;
            break;
        case 'o':
            reopen = true;
            break;
        default:
            check(1,
                  "usage: graphs SET [-m l2|cosine] [-n rows] [-q queries] [-t threads] [-f file] [-p] [-s file] [-o] "
                  "[NAME=VALUE ...]");
        }
    }
    check(optind < argc ? 0 : 1, "which set?");
    const char *set = argv[optind];
    for (int i = optind + 1; i < argc; i++) {
        set_tuning(argv[i]);
    }
    (void)read_vectors(set, "base.fvecs", most, &base);
    (void)read_vectors(set, "query.fvecs", most_queries, &queries);
    truth = most ? find_truth(&base, &queries, metric) : read_truth(set, queries.count);
    struct vector_rows rows = {
        (const uint8_t *)base.rows, base.stride * 4, (uint32_t)base.count, base.dimension, metric, NULL
    };
    printf("%s: %zu x %u\n", set, base.count, base.dimension);
    if (!reopen) {
        build(&rows, threads);
    }
    const struct graph *graph = open_graph(&rows);
    sweep(graph, metric);
    ask(graph, &rows);
    if (peer) {
#ifdef BENCH_WITH_HNSWLIB
        bench_hnswlib(&base, &queries, metric == NACRE_COSINE, K, peer_path);
#else
        printf("hnswlib was not there when this was built\n");
#endif
    }
    return 0;
}
