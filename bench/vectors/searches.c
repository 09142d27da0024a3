/* Searches what each engine built. Each run of searches is a process of its own; in a run the engines take turns, so
   that what else happens on the machine falls on all of them. */
#include "searches.h"
#include "child.h"
#include "machine.h"
#include "measure.h"
#include "median.h"
#include "support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct work {
    const struct options *options;
    const struct dataset *dataset;
    const struct engine *engine;
    struct engine_results *results;
    struct engine_place place;
    unsigned run;
};

/* A sweep ends where nearly all is found, or where more exact settings have long found no more: codes of few bits
   have a bound. */
static bool sweep_over(const struct engine *engine, const struct point *points, size_t last)
{
    const size_t patience = 5;
    double before = 0;
    if (points[last].recall >= RECALL_ENOUGH || last < patience || engine_takes_recall(engine)) {
        return points[last].recall >= RECALL_ENOUGH;
    }
    for (size_t i = 0; i <= last - patience; i++) {
        before = fmax(before, points[i].recall);
    }
    for (size_t i = last - patience + 1; i <= last; i++) {
        if (points[i].recall > before + 0.001) {
            return false;
        }
    }
    return true;
}

static void sweep(struct work *work, void *state)
{
    const struct dataset *dataset = work->dataset;
    size_t k = work->options->k;
    int32_t *answers = allocate(dataset->queries.rows * k * sizeof *answers);
    for (size_t i = 0; work->engine->settings[i] != 0; i++) {
        struct point *point = &work->results->points[work->run][i];
        work->engine->set(state, work->engine->settings[i]);
        if (i == 0) {
            measure_searches(work->engine, state, dataset, k, 1, 0, answers); /* pages come in; not counted */
        }
        struct rate alone = measure_searches(work->engine, state, dataset, k, 1, work->options->seconds, answers);
        struct rate several =
            measure_searches(work->engine, state, dataset, k, work->options->threads, work->options->seconds, answers);
        double recall = dataset_recall(dataset, dataset->truth, answers, dataset->queries.rows, k, NULL);
        *point = (struct point){ true, recall, alone.cpu, alone.wall, several.wall };
        if (sweep_over(work->engine, work->results->points[work->run], i)) {
            break;
        }
    }
    free(answers);
}

static void search(void *context)
{
    struct work *work = context;
    struct engine_results *results = work->results;
    double resident = (double)process_status_bytes("VmRSS"), anonymous = (double)process_status_bytes("RssAnon");
    uint64_t start = clock_ns();
    void *state = work->engine->open(work->engine, &work->place);
    results->open_seconds[work->run] = (double)(clock_ns() - start) / 1e9;
    sweep(work, state);
    results->memory[work->run] = (double)process_status_bytes("VmRSS") - resident;
    results->memory_anonymous[work->run] = (double)process_status_bytes("RssAnon") - anonymous;
    work->engine->close(state);
}

void searches_run(const struct options *options, const struct dataset *dataset, struct built *builds,
                  struct engine_results *results)
{
    char directory[PATH_SIZE];
    builds_run(options, dataset, NULL, builds);
    for (unsigned run = 0; run < options->runs; run++) {
        for (size_t i = 0; engines[i] != NULL; i++) {
            if (!builds[i].present || results[i].runs < run) {
                continue; /* not in this run, or failed before */
            }
            struct work work = { options, dataset, engines[i], &results[i], .run = run };
            work.place = build_place(options, dataset, i, directory);
            fprintf(stderr, "\r%-60s\rrun %u: %s", "", run + 1, engines[i]->name);
            results[i].runs += child_run(engines[i]->name, search, &work);
        }
    }
    fprintf(stderr, "\r%-60s\r", "");
}

struct point searches_point(const struct engine_results *results, size_t setting)
{
    double recall[RUNS_MAX], cpu[RUNS_MAX], wall[RUNS_MAX], several[RUNS_MAX];
    size_t count = 0;
    for (unsigned run = 0; run < results->runs; run++) {
        const struct point *point = &results->points[run][setting];
        if (point->present) {
            recall[count] = point->recall;
            cpu[count] = point->cpu_rate;
            wall[count] = point->wall_rate;
            several[count++] = point->several_rate;
        }
    }
    return (struct point){ count > 0, median(recall, count), median(cpu, count), median(wall, count),
                           median(several, count) };
}

/* The logarithm of what is missed; of what is missed so seldom that no query shows it, a bound. */
static double missed(double recall)
{
    return log(fmax(1 - recall, 1e-4));
}

static double between(const struct point *low, const struct point *high, double recall,
                      double (*rate)(const struct point *))
{
    double from = missed(low->recall), to = missed(high->recall);
    double share = from == to ? 1 : (missed(recall) - from) / (to - from);
    return 1 / (1 / rate(low) + share * (1 / rate(high) - 1 / rate(low)));
}

/* No other setting finds as much and is faster. */
static bool is_best(const struct point *points, size_t setting, double (*rate)(const struct point *))
{
    for (size_t i = 0; i < SETTINGS_MAX && points[setting].present; i++) {
        if (points[i].present && points[i].recall >= points[setting].recall &&
            rate(&points[i]) > rate(&points[setting])) {
            return false;
        }
    }
    return points[setting].present;
}

double searches_rate_at(const struct engine_results *results, double recall, double (*rate)(const struct point *))
{
    struct point points[SETTINGS_MAX];
    const struct point *low = NULL, *high = NULL; /* the nearest below and above */
    for (size_t i = 0; i < SETTINGS_MAX; i++) {
        points[i] = searches_point(results, i);
    }
    for (size_t i = 0; i < SETTINGS_MAX; i++) {
        const struct point *point = &points[i];
        if (!is_best(points, i, rate)) {
            continue;
        }
        if (point->recall < recall && (low == NULL || point->recall > low->recall)) {
            low = point;
        }
        if (point->recall >= recall && (high == NULL || point->recall < high->recall)) {
            high = point;
        }
    }
    return high == NULL ? 0 : low == NULL ? rate(high) : between(low, high, recall, rate);
}
