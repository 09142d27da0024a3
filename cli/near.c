/* near: the entries whose vectors are nearest to a vector, or to each of a file: printed, compared with the truth, or explained. */
#include "print.h"
#include "session.h"
#include "vector_file.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define NEIGHBORS_DEFAULT 10u

struct near {
    const struct arguments *arguments;
    struct session session;
    uint32_t dimension;
    uint64_t k, most_queries;
    nacre_nearest_options options;
    struct bytes prefix, begin, end, key;
    struct id_table truth;
    float *vector; /* the one query */
    /* Of a file of queries. */
    uint64_t queries, found, wanted, hits, examined;
    double seconds;
    bool all_exact;
};

/* ---- What is looked for ---- */

static bool take_recall(struct near *near)
{
    const char *text = near->arguments->options[OPTION_RECALL];
    char *end = NULL;
    if (!text) {
        return true;
    }
    near->options.recall = strtof(text, &end);
    if (end == text || *end || !(near->options.recall > 0 && near->options.recall <= 1)) {
        complain("--recall %s: expected a number over 0 and up to 1", text);
        return false;
    }
    return true;
}

/* One source of queries. */
static bool check_source(const struct arguments *arguments)
{
    int sources = option_given(arguments, OPTION_KEY) + option_given(arguments, OPTION_VECTOR) +
                  option_given(arguments, OPTION_QUERIES);
    if (sources != 1) {
        complain("near: give one of --key, --vector and --queries");
        return false;
    }
    if (option_given(arguments, OPTION_TRUTH) && !option_given(arguments, OPTION_QUERIES)) {
        complain("near: --truth belongs to --queries");
        return false;
    }
    if (option_given(arguments, OPTION_EXPLAIN) && option_given(arguments, OPTION_QUERIES)) {
        complain("near: --explain tells of one search; give --key or --vector");
        return false;
    }
    return true;
}

static int take_options(struct near *near)
{
    const struct arguments *arguments = near->arguments;
    nacre_nearest_options *options = &near->options;
    const char *match = arguments->options[OPTION_MATCH];
    uint64_t timeout = 0;
    near->k = NEIGHBORS_DEFAULT;
    near->most_queries = UINT64_MAX;
    if (!check_source(arguments) || !take_recall(near) ||
        !option_number(arguments, OPTION_NEIGHBORS, 1, NACRE_NEAREST_MAX, &near->k) ||
        !option_number(arguments, OPTION_LIMIT, 1, UINT64_MAX, &near->most_queries) ||
        !option_number(arguments, OPTION_TIMEOUT, 1, UINT32_MAX, &timeout) ||
        !key_from_option(arguments, OPTION_PREFIX, &near->prefix) ||
        !key_from_option(arguments, OPTION_BEGIN, &near->begin) ||
        !key_from_option(arguments, OPTION_END, &near->end) || !key_from_option(arguments, OPTION_KEY, &near->key)) {
        return RESULT_ERROR;
    }
    options->exact = option_given(arguments, OPTION_EXACT);
    options->timeout_ms = (uint32_t)timeout;
    options->key_prefix = slice_of(&near->prefix);
    options->begin = slice_of(&near->begin);
    options->end = slice_of(&near->end);
    options->key_regex = (nacre_slice){ match, match ? strlen(match) : 0 };
    return RESULT_OK;
}

static int find_dimension(struct near *near)
{
    const char *name = near->arguments->items[0];
    nacre_collection_info info = { 0 };
    bool found;
    int status = session_find(&near->session, name, &info, &found);
    if (status != NACRE_OK) {
        return complain_status("near", status);
    }
    near->dimension = info.dimension;
    return info.dimension ? RESULT_OK : complain("near: %s is of kind %s, not vectors", name, kind_name(info.kind));
}

/* The vector of --key or --vector. */
static int take_vector(struct near *near)
{
    uint32_t count = near->dimension;
    if (option_given(near->arguments, OPTION_KEY)) {
        near->vector = malloc(count * sizeof *near->vector);
        if (!near->vector) {
            return complain("near: out of memory");
        }
        int status = nacre_get_vector(near->session.collection, slice_of(&near->key), NULL, near->vector, NULL);
        if (status == NACRE_NOT_FOUND) {
            complain("near: there is no key %s", near->arguments->options[OPTION_KEY]);
            return RESULT_NO_MATCH;
        }
        return status == NACRE_OK ? RESULT_OK : complain_status("near", status);
    }
    if (!vector_from_text("--vector", near->arguments->options[OPTION_VECTOR], &near->vector, &count)) {
        return RESULT_ERROR;
    }
    return count == near->dimension ? RESULT_OK
                                    : complain("near: --vector has %u numbers; %s has %u dimensions", count,
                                               near->arguments->items[0], near->dimension);
}

/* ---- Printing ---- */

static void print_neighbor_json(const struct near *near, const nacre_neighbor *neighbor)
{
    putchar('{');
    print_json_bytes(stdout, "key", neighbor->key, option_given(near->arguments, OPTION_HEX));
    printf(",\"distance\":%.9g,", (double)neighbor->distance);
    print_json_bytes(stdout, "value", neighbor->value, false);
    putchar('}');
}

static void print_neighbor(const struct near *near, const nacre_neighbor *neighbor)
{
    if (option_given(near->arguments, OPTION_HEX)) {
        print_hex(stdout, neighbor->key);
    } else {
        print_escaped(stdout, neighbor->key);
    }
    printf("\t%.7g", (double)neighbor->distance);
    if (neighbor->value.size) {
        putchar('\t');
        print_escaped(stdout, neighbor->value);
    }
    putchar('\n');
}

static void print_neighbors(const struct near *near, const nacre_neighbors *neighbors)
{
    for (size_t i = 0; i < neighbors->count; i++) {
        if (option_given(near->arguments, OPTION_JSON)) {
            print_neighbor_json(near, &neighbors->items[i]);
            putchar('\n');
        } else {
            print_neighbor(near, &neighbors->items[i]);
        }
    }
}

static void print_of_query(const struct near *near, const nacre_neighbors *neighbors)
{
    if (!option_given(near->arguments, OPTION_JSON)) {
        for (size_t i = 0; i < neighbors->count; i++) {
            printf("%" PRIu64 "\t", near->queries);
            print_neighbor(near, &neighbors->items[i]);
        }
        return;
    }
    printf("{\"query\":%" PRIu64 ",\"exact\":%s,\"examined\":%" PRIu64 ",\"neighbors\":[", near->queries,
           neighbors->exact ? "true" : "false", neighbors->examined);
    for (size_t i = 0; i < neighbors->count; i++) {
        fputs(i ? "," : "", stdout);
        print_neighbor_json(near, &neighbors->items[i]);
    }
    puts("]}");
}

/* ---- Searching ---- */

static int search_one(struct near *near)
{
    nacre_neighbors neighbors;
    int result = take_vector(near);
    if (result != RESULT_OK) {
        return result;
    }
    int status = nacre_nearest(near->session.collection, near->vector, near->k, &near->options, &neighbors);
    if (status != NACRE_OK) {
        return complain_status("near", status);
    }
    print_neighbors(near, &neighbors);
    result = neighbors.count ? RESULT_OK : RESULT_NO_MATCH;
    nacre_neighbors_release(&neighbors);
    return result;
}

static int explain_one(struct near *near)
{
    char *json = NULL;
    int result = take_vector(near);
    if (result != RESULT_OK) {
        return result;
    }
    int status = nacre_nearest_explain(near->session.collection, near->vector, near->k, &near->options, &json);
    if (status != NACRE_OK) {
        return complain_status("near", status);
    }
    json_t *report = option_given(near->arguments, OPTION_JSON) ? NULL : json_loads(json, 0, NULL);
    char *text = report ? json_dumps(report, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
    puts(text ? text : json);
    free(text);
    json_decref(report);
    nacre_free(json);
    return RESULT_OK;
}

/* The row that a key names; -1: it is no number. */
static int64_t row_of_key(nacre_slice key)
{
    char digits[24];
    if (key.size == 0 || key.size >= sizeof digits) {
        return -1;
    }
    memcpy(digits, key.data, key.size);
    digits[key.size] = 0;
    return strspn(digits, "0123456789") == key.size ? (int64_t)strtoull(digits, NULL, 10) : -1;
}

/* How many of the true k nearest were found. */
static int compare_with_truth(struct near *near, const nacre_neighbors *neighbors)
{
    const int32_t *ids = near->truth.ids + near->queries * near->truth.columns;
    for (size_t i = 0; i < neighbors->count && i < near->k; i++) {
        int64_t row = row_of_key(neighbors->items[i].key);
        if (row < 0) {
            return complain("near: --truth names rows by number, and a key that was found is no number");
        }
        for (uint64_t j = 0; j < near->k; j++) {
            near->hits += ids[j] == row;
        }
    }
    near->wanted += near->k;
    return RESULT_OK;
}

static int search_next(struct near *near, const float *vector)
{
    nacre_neighbors neighbors;
    double begun = clock_seconds();
    int status = nacre_nearest(near->session.collection, vector, near->k, &near->options, &neighbors);
    near->seconds += clock_seconds() - begun;
    if (status != NACRE_OK) {
        return complain_status("near", status);
    }
    int result = RESULT_OK;
    if (near->truth.ids) {
        result = compare_with_truth(near, &neighbors);
    } else {
        print_of_query(near, &neighbors);
    }
    near->found += neighbors.count;
    near->examined += neighbors.examined;
    near->all_exact = near->all_exact && neighbors.exact;
    near->queries++;
    nacre_neighbors_release(&neighbors);
    return result;
}

static void print_figures(const struct near *near)
{
    double recall = near->wanted ? (double)near->hits / (double)near->wanted : 1;
    double rate = near->seconds > 0 ? (double)near->queries / near->seconds : 0;
    double examined = near->queries ? (double)near->examined / (double)near->queries : 0;
    char figure[FIGURE_SIZE];
    if (option_given(near->arguments, OPTION_JSON)) {
        printf("{\"queries\":%" PRIu64 ",\"k\":%" PRIu64 ",\"recall\":%.6f,\"queries_per_second\":%.1f,\"exact\":%s,"
               "\"examined_per_query\":%.1f}\n",
               near->queries, near->k, recall, rate, near->all_exact ? "true" : "false", examined);
        return;
    }
    printf("recall@%" PRIu64 " %.4f over %" PRIu64 " queries, %s queries/s, %s vectors examined each%s\n", near->k,
           recall, near->queries, figure_count(rate, figure), figure_count(examined, (char[FIGURE_SIZE]){ 0 }),
           near->all_exact ? ", exact" : "");
}

/* Truth of other queries would give a recall that says nothing. What --limit left out is counted too. */
static int check_rows(const struct near *near, struct vector_reader *reader)
{
    uint64_t queries = near->queries;
    int got;
    while ((got = vector_read(reader)) > 0) {
        queries++;
    }
    if (got < 0) {
        return RESULT_ERROR;
    }
    return queries == near->truth.rows
               ? RESULT_OK
               : complain("near: --truth %s has %" PRIu64 " rows, and %s has %" PRIu64 " queries",
                          near->arguments->options[OPTION_TRUTH], near->truth.rows, reader->name, queries);
}

static int search_file(struct near *near, struct vector_reader *reader)
{
    int got = 0, result = RESULT_OK;
    if (!vector_reader_begin(reader)) {
        return RESULT_ERROR;
    }
    if (reader->dimension && reader->dimension != near->dimension) {
        return complain("near: %s has %u dimensions, %s has %u", reader->name, reader->dimension,
                        near->arguments->items[0], near->dimension);
    }
    near->all_exact = true;
    while (result == RESULT_OK && near->queries < near->most_queries &&
           (!near->truth.ids || near->queries < near->truth.rows) && (got = vector_read(reader)) > 0) {
        result = search_next(near, reader->vector);
    }
    if (got < 0 || result != RESULT_OK) {
        return RESULT_ERROR;
    }
    if (near->truth.ids) {
        if (check_rows(near, reader) != RESULT_OK) {
            return RESULT_ERROR;
        }
        print_figures(near);
    }
    return near->found ? RESULT_OK : RESULT_NO_MATCH;
}

static int search_queries(struct near *near)
{
    const char *path = near->arguments->options[OPTION_QUERIES], *truth = near->arguments->options[OPTION_TRUTH];
    struct vector_reader reader = { .name = path, .format = vector_format_of(near->arguments, path) };
    if (reader.format == VECTOR_NO_FORMAT) {
        return complain("near: %s: is it fvecs, bvecs, npy or glove? --format says it", path);
    }
    if (truth && !id_table_read(truth, &near->truth)) {
        return RESULT_ERROR;
    }
    if (truth && near->truth.columns < near->k) {
        return complain("near: --truth %s has %u columns, fewer than the %" PRIu64 " of -k", truth, near->truth.columns,
                        near->k);
    }
    reader.file = fopen(path, "r");
    int result = reader.file ? search_file(near, &reader) : complain("near: %s: %m", path);
    vector_reader_free(&reader);
    if (reader.file) {
        (void)fclose(reader.file);
    }
    return result;
}

static int search(struct near *near)
{
    int result = find_dimension(near);
    if (result != RESULT_OK) {
        return result;
    }
    if (option_given(near->arguments, OPTION_QUERIES)) {
        return search_queries(near);
    }
    return option_given(near->arguments, OPTION_EXPLAIN) ? explain_one(near) : search_one(near);
}

int run_near(const struct arguments *arguments)
{
    struct near near = { .arguments = arguments, .options = NACRE_NEAREST_OPTIONS_INIT };
    int result = take_options(&near);
    if (result == RESULT_OK) {
        result = session_open(&near.session, arguments, SESSION_READ, NACRE_DURABILITY_DEFAULT, arguments->items[0]);
        if (result == RESULT_OK) {
            result = session_close(&near.session, search(&near));
        }
    }
    free(near.truth.ids);
    free(near.vector);
    free(near.prefix.data);
    free(near.begin.data);
    free(near.end.data);
    free(near.key.data);
    return result;
}
