/* nacre, through its public header. A row's key are the digits of its label; values are empty. */
#include "../engine.h"
#include "nacre_store.h"
#include "support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_ROWS 256

static void tell_version(char *text, size_t size)
{
    snprintf(text, size, "nacre %s", nacre_version());
}

static void load(struct nacre_store_state *state, const struct engine_place *place, const struct vector_file *base)
{
    nacre_batch *batch;
    char key[LABEL_DIGITS];
    nacre_check(nacre_batch_create(&batch), "batch");
    for (size_t row = 0; row < place->rows; row++) {
        label_write(row_label((uint32_t)row), key);
        nacre_check(nacre_batch_put_vector(batch, state->vectors, (nacre_slice){ key, sizeof key },
                                           vector_file_floats(base, row), (nacre_slice){ NULL, 0 }),
                    "batch put");
        if (nacre_batch_count(batch) == BATCH_ROWS || row + 1 == place->rows) {
            nacre_check(nacre_write(state->store, batch, NULL), "write");
            nacre_batch_clear(batch);
        }
    }
    nacre_batch_free(batch);
}

static void build(const struct engine *engine, const struct engine_place *place, const struct vector_file *base)
{
    struct nacre_store_state *state = nacre_store_make(place);
    load(state, place, base);
    nacre_check(nacre_flush(state->vectors), "flush");
    if (strcmp(engine->variant, "unmerged") != 0) {
        nacre_check(nacre_compact(state->vectors, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }), "compact");
    }
    nacre_check(nacre_build_indexes(state->vectors), "build indexes");
    nacre_store_close(state);
}

static void *open_store(const struct engine *engine, const struct engine_place *place)
{
    (void)engine;
    return nacre_store_open(place);
}

static void set_recall(void *context, double setting)
{
    struct nacre_store_state *state = context;
    state->recall = (float)setting;
}

static void nearest(struct nacre_store_state *state, const float *query, size_t k, nacre_nearest_options *options,
                    int32_t *rows)
{
    nacre_neighbors found = { 0 };
    options->recall = state->recall;
    nacre_check(nacre_nearest(state->vectors, query, k, options, &found), "nearest");
    for (size_t i = 0; i < k; i++) {
        rows[i] = i < found.count ? (int32_t)label_row(label_read(found.items[i].key.data)) : -1;
    }
    nacre_neighbors_release(&found);
}

static void search(void *context, const float *queries, size_t count, size_t k, int32_t *rows)
{
    struct nacre_store_state *state = context;
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    for (size_t query = 0; query < count; query++) {
        nearest(state, queries + query * state->dimension, k, &options, rows + query * k);
    }
}

static bool label_below(void *context, nacre_slice key, nacre_slice value)
{
    const struct row_filter *filter = context;
    (void)value;
    return label_read(key.data) < filter_end(filter);
}

static void search_filtered(void *context, const float *query, size_t k, const struct row_filter *filter, int32_t *rows)
{
    char end[LABEL_DIGITS], expression[64];
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    switch (filter->kind) {
    case FILTER_RANGE:
        label_write((uint32_t)filter_end(filter), end);
        options.end = (nacre_slice){ end, filter->halvings == 0 ? 0 : sizeof end };
        break;
    case FILTER_PREFIX:
        options.key_prefix = (nacre_slice){ "00000000", filter->halvings / 4 };
        break;
    case FILTER_REGEX: {
        unsigned last = (16u >> (filter->halvings % 4)) - 1;
        int size = snprintf(expression, sizeof expression, "[0-%s%c]%.*s$", last > 9 ? "9a-" : "",
                            "0123456789abcdef"[last], (int)(filter->halvings / 4), "00000000");
        options.key_regex = (nacre_slice){ expression, (size_t)size };
        break;
    }
    default:
        options.filter = label_below;
        options.filter_context = (void *)(uintptr_t)filter;
    }
    nearest(context, query, k, &options, rows);
}

static void *create(const struct engine *engine, const struct engine_place *place)
{
    (void)engine;
    return nacre_store_make(place);
}

static void insert(void *context, size_t row, const float *vector)
{
    struct nacre_store_state *state = context;
    nacre_store_put(state, row, vector);
}

static void close_store(void *context)
{
    nacre_store_close(context);
}

/* What is asked for, and beyond it: the engine decides what it takes. */
static const double recalls[] = { 0.5, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0 };

#define NACRE_CALLS(variant_name, taken) \
    variant_name, taken, "recall", recalls, tell_version, build, open_store, set_recall, search, close_store, \
        search_filtered, create, insert

const struct engine engine_nacre = { "nacre", NACRE_CALLS("", true) };
const struct engine engine_nacre_unmerged = { "nacre-unmerged", NACRE_CALLS("unmerged", false) };
