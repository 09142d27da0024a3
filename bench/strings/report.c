/* Tables: one row for each query, then the means by class, then the other figures. */
#include "report.h"
#include "machine.h"
#include "targets.h"
#include <stdio.h>
#include <string.h>

#define NAME_WIDTH 40

void report_heading(const struct corpus *corpus, const char *directory)
{
    struct machine machine;
    machine_describe(&machine, directory);
    printf("%s: %llu lines, %zu bytes\n", corpus->name, (unsigned long long)corpus->lines, corpus->size);
    printf("%s, %u processors, %.0f GiB; %s; %s; %s; load %.2f; %s\n", machine.model, machine.cores, machine.memory_gib,
           machine.kernel, machine.compiler, machine.file_system, machine.load_average, machine.date);
    for (size_t i = 0; peers[i] != NULL; i++) {
        char version[64] = "";
        peers[i]->version(version, sizeof version);
        printf("%s%s", i == 0 ? "" : ", ", version[0] != '\0' ? version : "(not installed)");
    }
    printf("\n");
}

static bool took_part(const struct results *results, size_t engine)
{
    for (size_t query = 0; query < results->queries->count; query++) {
        if (result_of(results, query, engine)->present) {
            return true;
        }
    }
    return false;
}

static void print_time(const struct result *result)
{
    if (result->present) {
        printf(" %12.1f", result->timing.cpu_us);
    } else {
        printf(" %12s", "-");
    }
}

static void print_ratio(const struct results *results, size_t query, size_t engine)
{
    const struct result *ours = result_of(results, query, NACRE), *theirs = result_of(results, query, engine);
    if (ours->present && theirs->present) {
        printf(" %10.1f", theirs->timing.cpu_us / ours->timing.cpu_us);
    } else {
        printf(" %10s", "-");
    }
}

static void print_row(const struct results *results, size_t query, const bool *shown)
{
    const struct query *asked = &results->queries->list[query];
    uint64_t count = 0;
    bool counted = results_majority(results, query, &count);
    printf("%-3s %-8s %-*.*s %9lld", asked->id, asked->class_name, NAME_WIDTH, NAME_WIDTH, asked->pattern,
           counted ? (long long)count : -1LL);
    for (size_t i = 0; i < results->engine_count; i++) {
        if (shown[i]) {
            print_time(result_of(results, query, i));
        }
    }
    if (shown[NACRE]) {
        printf(" %12.1f %12.1f", result_of(results, query, NACRE)->timing.wall_us,
               result_of(results, query, NACRE_TWO)->timing.wall_us);
        for (size_t i = FIRST_PEER; i < results->engine_count; i++) {
            if (shown[i]) {
                print_ratio(results, query, i);
            }
        }
    }
    printf("\n");
}

void report_queries(const struct results *results)
{
    bool shown[ENGINES_MAX];
    printf("\nCounts of matching lines. Microseconds of processor time, medians; then nacre's by the clock, with one "
           "thread and with two; then the peers' processor\n"
           "time over nacre's (above 1: nacre is faster).\n");
    printf("%-3s %-8s %-*s %9s", "id", "class", NAME_WIDTH, "pattern", "count");
    for (size_t i = 0; i < results->engine_count; i++) {
        shown[i] = i != NACRE_TWO && took_part(results, i);
        if (shown[i]) {
            printf(" %12s", results->engines[i]);
        }
    }
    if (shown[NACRE]) {
        printf(" %12s %12s", "nacre clock", "2 threads");
        for (size_t i = FIRST_PEER; i < results->engine_count; i++) {
            if (shown[i]) {
                printf(" x%9.9s", results->engines[i]);
            }
        }
    }
    printf("\n");
    for (size_t query = 0; query < results->queries->count; query++) {
        print_row(results, query, shown);
    }
}

static bool class_seen_before(const struct queries *queries, size_t query)
{
    for (size_t i = 0; i < query; i++) {
        if (strcmp(queries->list[i].class_name, queries->list[query].class_name) == 0) {
            return true;
        }
    }
    return false;
}

static void print_means(const struct results *results, const char *class_name)
{
    printf("  %-10s", class_name == NULL ? "all" : class_name);
    for (size_t i = FIRST_PEER; i < results->engine_count; i++) {
        unsigned queries;
        double mean = geometric_mean(results, i, class_name, &queries);
        if (queries > 0) {
            printf("  %s %.1f (%u)", results->engines[i], mean, queries);
        }
    }
    printf("\n");
}

void report_summary(const struct results *results)
{
    if (took_part(results, NACRE)) {
        printf("\nGeometric means of the peers' processor time over nacre's (number of queries)\n");
        for (size_t query = 0; query < results->queries->count; query++) {
            if (!class_seen_before(results->queries, query)) {
                print_means(results, results->queries->list[query].class_name);
            }
        }
        print_means(results, NULL);
    }
    printf("\nOther figures\n");
    for (size_t i = 0; i < results->figure_count; i++) {
        const struct figure *figure = &results->figures[i];
        printf("  %-60s %14.6g %s\n", figure->name, figure->value, figure->unit);
    }
    if (took_part(results, NACRE) || results->figure_count > 0) {
        targets_print(results);
    }
}
