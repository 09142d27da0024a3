/* Searches among a part of the rows, from all of them to one in some thousand. Which rows are allowed has nothing to
   do with where they lie. Beside the engines stands a plain scan of the rows that are allowed.

   nacre is asked for a recall of 0.95; of a graph with a beam the narrowest beam of the sweep that reaches it is
   shown, else the widest one. */
#include "filters.h"
#include "builds.h"
#include "child.h"
#include "machine.h"
#include "measure.h"
#include "median.h"
#include "support.h"
#include "truth.h"
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECALL_WANTED 0.95

static const unsigned halvings[] = { 0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 13 };
#define SHARES (sizeof halvings / sizeof *halvings)

static const char *const kind_names[FILTER_KINDS] = { "range", "prefix", "regex", "callback" };

struct cell {
    unsigned runs;
    double recall, cpu_us[RUNS_MAX];
};

struct filter_results {
    bool whole;
    struct cell cells[FILTER_KINDS][SHARES];
};

struct work {
    const struct options *options;
    const struct dataset *dataset;
    const struct engine *engine; /* NULL: the scan */
    const int32_t *truths[FILTER_KINDS][SHARES];
    struct filter_results *results;
    struct engine_place place;
    unsigned run;
};

static bool filters(const struct engine *engine)
{
    return engine->search_filtered != NULL;
}

/* A prefix takes a whole number of digits. Engines that have nothing but a function to call are measured with that
   alone. */
static bool taken(const struct engine *engine, const struct row_filter *filter)
{
    return (filter->kind != FILTER_PREFIX || filter->halvings % 4 == 0) &&
           (filter->kind == FILTER_CALLBACK || engine_takes_recall(engine));
}

static double search_us(const struct work *work, void *state, const struct row_filter *filter, int32_t *answers)
{
    size_t k = work->options->k, queries = work->dataset->queries.rows;
    double cpu = process_cpu_seconds();
    for (size_t query = 0; query < queries; query++) {
        work->engine->search_filtered(state, vector_file_floats(&work->dataset->queries, query), k, filter,
                                      answers + query * k);
    }
    return (process_cpu_seconds() - cpu) * 1e6 / (double)queries;
}

static void fill_cell(struct work *work, void *state, const struct row_filter *filter, size_t share, int32_t *answers)
{
    const struct dataset *dataset = work->dataset;
    struct cell *cell = &work->results->cells[filter->kind][share];
    const int32_t *truth = work->truths[filter->kind][share];
    double recall = 0, us = 0;
    for (size_t i = 0; work->engine->settings[i] != 0 && recall < RECALL_WANTED; i++) {
        work->engine->set(state, engine_takes_recall(work->engine) ? RECALL_WANTED : work->engine->settings[i]);
        us = search_us(work, state, filter, answers);
        recall = dataset_recall(dataset, truth, answers, dataset->queries.rows, work->options->k, filter);
        if (engine_takes_recall(work->engine)) {
            break;
        }
    }
    cell->recall = recall;
    cell->cpu_us[work->run] = us;
    cell->runs = work->run + 1;
}

static void search_engine(void *context)
{
    struct work *work = context;
    int32_t *answers = allocate(work->dataset->queries.rows * work->options->k * sizeof *answers);
    void *state = work->engine->open(work->engine, &work->place);
    for (unsigned kind = 0; kind < FILTER_KINDS; kind++) {
        for (size_t share = 0; share < SHARES; share++) {
            struct row_filter filter = { (enum filter_kind)kind, halvings[share] };
            if (taken(work->engine, &filter)) {
                fill_cell(work, state, &filter, share, answers);
            }
        }
    }
    work->engine->close(state);
    free(answers);
    work->results->whole = work->run + 1 == work->options->runs;
}

/* The nearest among a list of rows; what is kept of it is its time. */
static double scan_us(const struct dataset *dataset, const uint32_t *rows, size_t count)
{
    volatile float least = 0;
    size_t queries = dataset->queries.rows < 100 ? dataset->queries.rows : 100;
    double cpu = process_cpu_seconds();
    for (size_t query = 0; query < queries; query++) {
        const float *vector = vector_file_floats(&dataset->queries, query);
        float nearest = FLT_MAX;
        for (size_t i = 0; i < count; i++) {
            float distance = metric_distance(dataset->metric, vector, vector_file_floats(&dataset->base, rows[i]),
                                             dataset->base.dimension);
            nearest = distance < nearest ? distance : nearest;
        }
        least = nearest;
    }
    (void)least;
    return (process_cpu_seconds() - cpu) * 1e6 / (double)queries;
}

static void scan(void *context)
{
    struct work *work = context;
    size_t total = work->dataset->base.rows;
    uint32_t *rows = allocate(total * sizeof *rows);
    for (size_t share = 0; share < SHARES; share++) {
        struct row_filter filter = { FILTER_RANGE, halvings[share] };
        struct cell *cell = &work->results->cells[FILTER_RANGE][share];
        size_t count = 0;
        for (uint32_t row = 0; row < total; row++) {
            if (filter_allows(&filter, row)) {
                rows[count++] = row;
            }
        }
        cell->cpu_us[work->run] = scan_us(work->dataset, rows, count);
        cell->recall = 1;
        cell->runs = work->run + 1;
    }
    free(rows);
    work->results->whole = true;
}

static void find_truths(struct work *work)
{
    const struct dataset *dataset = work->dataset;
    for (size_t share = 0; share < SHARES; share++) {
        for (unsigned kind = 0; kind < FILTER_KINDS; kind++) {
            if (kind != FILTER_RANGE && kind != FILTER_REGEX) {
                work->truths[kind][share] = work->truths[FILTER_RANGE][share];
                continue;
            }
            struct row_filter filter = { (enum filter_kind)kind, halvings[share] };
            int32_t *rows = allocate(dataset->queries.rows * TRUTH_NEIGHBORS * sizeof *rows);
            truth_search(dataset->metric, &dataset->base, &dataset->queries, &filter, rows);
            work->truths[kind][share] = rows;
        }
    }
}

static void free_truths(struct work *work)
{
    for (size_t share = 0; share < SHARES; share++) {
        free((void *)(uintptr_t)work->truths[FILTER_RANGE][share]);
        free((void *)(uintptr_t)work->truths[FILTER_REGEX][share]);
    }
}

static bool any_cell(const struct cell *cells)
{
    unsigned runs = 0;
    for (size_t share = 0; share < SHARES; share++) {
        runs += cells[share].runs;
    }
    return runs > 0;
}

static int decimals(double us)
{
    return us < 100 ? 1 : 0;
}

static void print_cell(const struct cell *cell, bool with_recall)
{
    double list[RUNS_MAX];
    memcpy(list, cell->cpu_us, sizeof list);
    double us = median(list, cell->runs);
    if (cell->runs == 0) {
        printf(" - |");
    } else if (with_recall) {
        printf(" %.*f (%.3f) |", decimals(us), us, cell->recall);
    } else {
        printf(" %.*f |", decimals(us), us);
    }
}

/* results: the engines', then the scan's. */
static void report(const struct filter_results *results, size_t engine_count)
{
    printf(
        "Microseconds of processor time for a query among the rows allowed (and recall).\n\n| rows allowed | scan |");
    for (size_t i = 0; i < engine_count; i++) {
        for (unsigned kind = 0; kind < FILTER_KINDS; kind++) {
            if (any_cell(results[i].cells[kind])) {
                printf(" %s, %s |", engines[i]->name, kind_names[kind]);
            }
        }
    }
    printf("\n");
    for (size_t share = 0; share < SHARES; share++) {
        if (share == 0) {
            printf("|---|---|");
            for (size_t i = 0; i < engine_count * FILTER_KINDS; i++) {
                printf("%s", any_cell(results[i / FILTER_KINDS].cells[i % FILTER_KINDS]) ? "---|" : "");
            }
        }
        printf("\n| %.3g %% |", 100.0 / (double)(1u << halvings[share]));
        print_cell(&results[engine_count].cells[FILTER_RANGE][share], false);
        for (size_t i = 0; i < engine_count * FILTER_KINDS; i++) {
            const struct cell *cells = results[i / FILTER_KINDS].cells[i % FILTER_KINDS];
            if (any_cell(cells)) {
                print_cell(&cells[share], true);
            }
        }
    }
    printf("\n\n");
}

bool filters_run(const struct options *options, const struct dataset *dataset)
{
    char directory[PATH_SIZE];
    bool whole = true;
    size_t count = 0;
    struct built *builds = shared_allocate(ENGINES_MAX * sizeof *builds);
    struct filter_results *results = shared_allocate((ENGINES_MAX + 1) * sizeof *results);
    struct work work = { options, dataset, .run = 0 };
    while (engines[count] != NULL) {
        count++;
    }
    builds_run(options, dataset, filters, builds);
    find_truths(&work);
    for (; work.run < options->runs; work.run++) {
        for (size_t i = 0; i <= count; i++) {
            if (i < count && !builds[i].present) {
                continue;
            }
            work.engine = engines[i];
            work.results = &results[i];
            if (i < count) {
                work.place = build_place(options, dataset, i, directory);
            }
            whole &= child_run(i < count ? engines[i]->name : "scan", i < count ? search_engine : scan, &work);
        }
    }
    free_truths(&work);
    report(results, count);
    return whole;
}
