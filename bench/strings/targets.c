/* The targets: for classes of queries, for the geometric means, and for the other figures. Ratios are of processor time. */
#include "targets.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Each query of a class should take at most its limit (queries.tsv), and be so many times faster than Hyperscan. */
static const struct {
    const char *name;
    double ratio;
} classes[] = {
    { "prefix", 100 }, { "suffix", 30 }, { "literal", 40 },  { "common", 15 },
    { "short", 0 },    { "runs", 10 },   { "general", 0.5 }, { "unicode", 10 },
};

static const struct {
    const char *figure, *unit;
    double limit;
    bool at_least;
} figures[] = {
    { "enumerate, every key", "keys/s", 20e6, true },
    { "get, keys that are there", "ns", 1000, false },
    { "scan of a prefix", "keys/s", 10e6, true },
    { "insert", "keys/s", 600e3, true },
    { "seal call, worst", "us", 100, false },
    { "on disk / bytes of lines", "%", 40, false },
    { "beside a writer, new keys: p95 of typical queries", "ms", 10, false },
};

static void mark(const char *what, double reached, double asked, bool at_least, const char *unit, const char *where)
{
    bool met = at_least ? reached >= asked : reached <= asked;
    printf("  %-52s %12.4g  %s %10.4g %-7s %-8s %s\n", what, reached, at_least ? ">=" : "<=", asked, unit,
           met ? "met" : "NOT MET", where);
}

double geometric_mean(const struct results *results, size_t engine, const char *class_name, unsigned *queries)
{
    double sum = 0;
    *queries = 0;
    for (size_t query = 0; query < results->queries->count; query++) {
        const struct result *ours = result_of(results, query, NACRE), *theirs = result_of(results, query, engine);
        const char *class_of = results->queries->list[query].class_name;
        if (ours->present && theirs->present && (class_name == NULL || strcmp(class_name, class_of) == 0)) {
            sum += log(theirs->timing.cpu_us / ours->timing.cpu_us);
            (*queries)++;
        }
    }
    return *queries == 0 ? 0 : exp(sum / *queries);
}

/* The query of a class that is furthest from its limit, and the one with the worst ratio. */
static void mark_class(const struct results *results, const char *class_name, double ratio, size_t hyperscan)
{
    double worst_share = 0, worst_ratio = HUGE_VAL;
    const struct query *slowest = NULL, *closest = NULL;
    double slowest_us = 0;
    char text[96];
    for (size_t i = 0; i < results->queries->count; i++) {
        const struct query *query = &results->queries->list[i];
        const struct result *ours = result_of(results, i, NACRE);
        if (strcmp(query->class_name, class_name) != 0 || !ours->present) {
            continue;
        }
        if (query->limit_us > 0 && ours->timing.cpu_us / query->limit_us >= worst_share) {
            worst_share = ours->timing.cpu_us / query->limit_us;
            slowest_us = ours->timing.cpu_us;
            slowest = query;
        }
        if (hyperscan < results->engine_count && result_of(results, i, hyperscan)->present &&
            result_of(results, i, hyperscan)->timing.cpu_us / ours->timing.cpu_us < worst_ratio) {
            worst_ratio = result_of(results, i, hyperscan)->timing.cpu_us / ours->timing.cpu_us;
            closest = query;
        }
    }
    if (slowest != NULL) {
        snprintf(text, sizeof text, "%s: time, furthest from its limit", class_name);
        mark(text, slowest_us, slowest->limit_us, false, "us", slowest->id);
    }
    if (closest != NULL && ratio > 0) {
        snprintf(text, sizeof text, "%s: Hyperscan's time over ours, worst", class_name);
        mark(text, worst_ratio, ratio, true, "x", closest->id);
    }
}

static void mark_mean(const struct results *results, const char *peer, double asked)
{
    unsigned queries;
    size_t engine = engine_number(results, peer);
    if (engine == results->engine_count) {
        return;
    }
    double mean = geometric_mean(results, engine, NULL, &queries);
    if (queries > 0) {
        char text[96];
        snprintf(text, sizeof text, "geometric mean of %u queries beside %s", queries, peer);
        mark(text, mean, asked, true, "x", "");
    }
}

void targets_print(const struct results *results)
{
    double value, other;
    size_t hyperscan = engine_number(results, "hyperscan");
    printf("\nTargets (processor time; the worst query of each class)\n");
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        mark_class(results, classes[i].name, classes[i].ratio, hyperscan);
    }
    mark_mean(results, "hyperscan", 50);
    mark_mean(results, "ripgrep", 100);
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        if (figure_get(results, figures[i].figure, &value)) {
            mark(figures[i].figure, value, figures[i].limit, figures[i].at_least, figures[i].unit, "");
        }
    }
    if (figure_get(results, "on disk", &value) && figure_get(results, "plocate", &other)) {
        mark("on disk / plocate's database", 100 * value / other, 160, false, "%", "");
    }
}
