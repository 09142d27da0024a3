/* Tables, as Markdown has them. */
#include "report.h"
#include "machine.h"
#include "measure.h"
#include "median.h"
#include "support.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MB 1e6

void report_heading(const struct options *options, const struct dataset *dataset)
{
    struct machine machine;
    char version[64], told[64] = "";
    machine_describe(&machine, options->directory);
    printf("## %s\n\n%zu vectors of %zu dimensions, %s; %zu queries, recall of the %zu nearest.\n", dataset->name,
           dataset->base.rows, dataset->base.dimension, dataset->metric == METRIC_L2 ? "L2" : "cosine",
           dataset->queries.rows, options->k);
    printf("%s, %u processors, %.0f GiB; %s; %s; %s; load %.2f; %s.\n", machine.model, machine.cores,
           machine.memory_gib, machine.kernel, machine.compiler, machine.file_system, machine.load_average,
           machine.date);
    for (size_t i = 0; engines[i] != NULL; i++) {
        engines[i]->version(version, sizeof version);
        if (strcmp(version, told) != 0) {
            printf("%s%s", i == 0 ? "" : ", ", version);
            memcpy(told, version, sizeof told);
        }
    }
    printf("; graphs with M = %d and efConstruction = %d. Medians of %u runs.\n\n", GRAPH_DEGREE,
           GRAPH_CONSTRUCTION_BEAM, options->runs);
}

static double cpu_rate(const struct point *point)
{
    return point->cpu_rate;
}

static double wall_rate(const struct point *point)
{
    return point->wall_rate;
}

static double several_rate(const struct point *point)
{
    return point->several_rate;
}

static const double recalls[] = { 0.90, 0.95, 0.99 };

static void print_rates(const struct engine_results *results, double (*rate)(const struct point *))
{
    for (size_t i = 0; i < sizeof recalls / sizeof *recalls; i++) {
        double value = searches_rate_at(results, recalls[i], rate);
        if (value > 0) {
            printf(" %.0f |", value);
        } else {
            printf(" - |");
        }
    }
}

static double median_of(const double *figures, unsigned runs)
{
    double list[RUNS_MAX];
    memcpy(list, figures, runs * sizeof *list);
    return median(list, runs);
}

static void print_points(const struct engine *engine, const struct engine_results *results)
{
    for (size_t i = 0; engine->settings[i] != 0; i++) {
        struct point point = searches_point(results, i);
        if (point.present) {
            printf("| %s | %s %g | %.4f | %.0f | %.0f | %.0f |\n", engine->name, engine->setting, engine->settings[i],
                   point.recall, point.cpu_rate, point.wall_rate, point.several_rate);
        }
    }
}

void report_searches(const struct options *options, const struct built *builds, const struct engine_results *results)
{
    printf(
        "Queries per second at a recall: of processor time and of the clock with one thread, of the clock with %u.\n\n",
        options->threads);
    printf("| | CPU 0.90 | CPU 0.95 | CPU 0.99 | 0.90 | 0.95 | 0.99 | %u: 0.90 | 0.95 | 0.99 | build s | build CPU s | "
           "build peak MB | memory MB | of it anonymous | disk MB | open ms |\n",
           options->threads);
    printf("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; engines[i] != NULL; i++) {
        const struct engine_results *result = &results[i];
        if (result->runs == 0) {
            continue;
        }
        printf("| %s |", engines[i]->name);
        print_rates(result, cpu_rate);
        print_rates(result, wall_rate);
        print_rates(result, several_rate);
        printf(" %.1f | %.1f | %.0f | %.0f | %.0f | %.0f | %.1f |\n", builds[i].wall, builds[i].cpu,
               builds[i].peak / MB, median_of(result->memory, result->runs) / MB,
               median_of(result->memory_anonymous, result->runs) / MB, builds[i].on_disk / MB,
               median_of(result->open_seconds, result->runs) * 1e3);
    }
    printf(
        "\nEvery setting:\n\n| | setting | recall | q/s of CPU | q/s | q/s, %u threads |\n|---|---|---|---|---|---|\n",
        options->threads);
    for (size_t i = 0; engines[i] != NULL; i++) {
        print_points(engines[i], &results[i]);
    }
    printf("\n");
}

void report_searches_tsv(const struct options *options, const struct dataset *dataset, const struct built *builds,
                         const struct engine_results *results)
{
    FILE *file = options->tsv != NULL ? fopen(options->tsv, "we") : NULL;
    if (options->tsv != NULL && file == NULL) {
        die("%s: %s", options->tsv, strerror(errno));
    }
    for (size_t i = 0; file != NULL && engines[i] != NULL; i++) {
        const struct built *built = &builds[i];
        for (unsigned run = 0; run < results[i].runs; run++) {
            fprintf(file, "%s\t%s\t%u\tbuild\t%g\t%g\t%g\t%g\t%g\t%g\n", dataset->name, engines[i]->name, run + 1,
                    built->wall, built->cpu, built->peak, built->on_disk, results[i].memory[run],
                    results[i].memory_anonymous[run]);
            for (size_t setting = 0; setting < SETTINGS_MAX; setting++) {
                const struct point *point = &results[i].points[run][setting];
                if (point->present) {
                    fprintf(file, "%s\t%s\t%u\t%g\t%g\t%g\t%g\t%g\n", dataset->name, engines[i]->name, run + 1,
                            engines[i]->settings[setting], point->recall, point->cpu_rate, point->wall_rate,
                            point->several_rate);
                }
            }
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}
