/* Keeps what was counted, compares it, and writes and reads it as lines (results.h). */
#include "results.h"
#include "support.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 4096
#define FIELDS    9

void results_init(struct results *results, const struct corpus *corpus, const struct queries *queries)
{
    *results = (struct results){ .corpus = corpus, .queries = queries };
    results->engines[results->engine_count++] = "nacre";
    results->engines[results->engine_count++] = "nacre-2";
    for (size_t i = 0; peers[i] != NULL; i++) {
        results->engines[results->engine_count++] = peers[i]->name;
    }
    results->list = allocate(queries->count * results->engine_count * sizeof *results->list);
}

void results_free(struct results *results)
{
    free(results->list);
}

struct result *result_of(const struct results *results, size_t query, size_t engine)
{
    return &results->list[query * results->engine_count + engine];
}

size_t engine_number(const struct results *results, const char *name)
{
    size_t engine = 0;
    while (engine < results->engine_count && strcmp(results->engines[engine], name) != 0) {
        engine++;
    }
    return engine;
}

void figure_add(struct results *results, const char *name, double value, const char *unit)
{
    if (results->figure_count == FIGURES_MAX) {
        die("more figures than there is room for");
    }
    results->figures[results->figure_count++] = (struct figure){ name, unit, value };
}

bool figure_get(const struct results *results, const char *name, double *value)
{
    for (size_t i = 0; i < results->figure_count; i++) {
        if (strcmp(results->figures[i].name, name) == 0) {
            *value = results->figures[i].value;
            return true;
        }
    }
    return false;
}

static unsigned votes_for(const struct results *results, size_t query, uint64_t count)
{
    unsigned votes = 0;
    for (size_t i = 0; i < results->engine_count; i++) {
        const struct result *result = result_of(results, query, i);
        votes += i != NACRE_TWO && result->present && result->timing.count == count;
    }
    return votes;
}

bool results_majority(const struct results *results, size_t query, uint64_t *count)
{
    unsigned most = 0;
    for (size_t i = 0; i < results->engine_count; i++) {
        const struct result *result = result_of(results, query, i);
        unsigned votes = result->present ? votes_for(results, query, result->timing.count) : 0;
        if (votes > most) {
            most = votes;
            *count = result->timing.count;
        }
    }
    return most > 0;
}

unsigned results_check(const struct results *results)
{
    unsigned wrong = 0;
    for (size_t query = 0; query < results->queries->count; query++) {
        uint64_t right;
        if (!results_majority(results, query, &right)) {
            continue;
        }
        for (size_t i = 0; i < results->engine_count; i++) {
            const struct result *result = result_of(results, query, i);
            if (result->present && result->timing.count != right) {
                const struct query *asked = &results->queries->list[query];
                printf("WRONG: %s %s: %s counts %llu, most count %llu\n", asked->id, asked->pattern,
                       results->engines[i], (unsigned long long)result->timing.count, (unsigned long long)right);
                wrong++;
            }
        }
    }
    return wrong;
}

void results_save(const struct results *results, const char *path, bool peers_only)
{
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        die("%s: %s", path, strerror(errno));
    }
    fprintf(file, "lines\t%s\t%llu\t%zu\n", results->corpus->name, (unsigned long long)results->corpus->lines,
            results->corpus->size);
    for (size_t query = 0; query < results->queries->count; query++) {
        const struct query *asked = &results->queries->list[query];
        for (size_t i = peers_only ? FIRST_PEER : 0; i < results->engine_count; i++) {
            const struct result *result = result_of(results, query, i);
            if (result->present) {
                fprintf(file, "query\t%s\t%s\t%s\t%llu\t%.3f\t%.3f\t%u\t%s\n", asked->id, asked->class_name,
                        results->engines[i], (unsigned long long)result->timing.count, result->timing.wall_us,
                        result->timing.cpu_us, result->timing.runs, asked->pattern);
            }
        }
    }
    for (size_t i = 0; i < results->figure_count; i++) {
        const struct figure *figure = &results->figures[i];
        if (!peers_only || engine_number(results, figure->name) < results->engine_count) {
            fprintf(file, "figure\t%s\t%.6g\t%s\n", figure->name, figure->value, figure->unit);
        }
    }
    if (fclose(file) != 0) {
        die("%s: %s", path, strerror(errno));
    }
}

static void load_query(struct results *results, char **fields)
{
    size_t engine = engine_number(results, fields[3]);
    for (size_t query = 0; engine >= FIRST_PEER && engine < results->engine_count && query < results->queries->count;
         query++) {
        const struct query *asked = &results->queries->list[query];
        if (strcmp(asked->id, fields[1]) == 0 && strcmp(asked->pattern, fields[8]) == 0) {
            struct result *result = result_of(results, query, engine);
            result->present = true;
            result->timing = (struct timing){ .count = strtoull(fields[4], NULL, 10),
                                              .wall_us = strtod(fields[5], NULL),
                                              .cpu_us = strtod(fields[6], NULL),
                                              .runs = (unsigned)strtoul(fields[7], NULL, 10) };
        }
    }
}

static void load_figure(struct results *results, char **fields)
{
    size_t engine = engine_number(results, fields[1]);
    if (engine >= FIRST_PEER && engine < results->engine_count) {
        figure_add(results, results->engines[engine], strtod(fields[2], NULL), "bytes on disk");
    }
}

void results_load_peers(struct results *results, const char *path)
{
    char line[LINE_SIZE];
    FILE *file = fopen(path, "re");
    bool same = false;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *fields[FIELDS] = { NULL }, *rest = line;
        size_t count = 0;
        line[strcspn(line, "\n")] = '\0';
        while (count < FIELDS && rest != NULL) {
            fields[count] = count == FIELDS - 1 ? rest : strsep(&rest, "\t");
            count++;
        }
        if (count == 4 && strcmp(fields[0], "lines") == 0) {
            same = strtoull(fields[2], NULL, 10) == results->corpus->lines &&
                   strtoull(fields[3], NULL, 10) == results->corpus->size;
        } else if (count == FIELDS && strcmp(fields[0], "query") == 0) {
            load_query(results, fields);
        } else if (count == 4 && strcmp(fields[0], "figure") == 0) {
            load_figure(results, fields);
        }
    }
    if (file == NULL || !same) {
        die("%s: no figures of these lines", path);
    }
    fclose(file);
}
