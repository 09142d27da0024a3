/* A store of nacre with one collection of vectors. */
#include "nacre_store.h"
#include "support.h"
#include <stdio.h>
#include <stdlib.h>

void nacre_check(int code, const char *what)
{
    if (code != NACRE_OK) {
        die("nacre: %s: %s: %s", what, nacre_status_name(code), nacre_last_error());
    }
}

static struct nacre_store_state *open_state(const struct engine_place *place)
{
    struct nacre_store_state *state = allocate(sizeof *state);
    char path[PATH_SIZE];
    nacre_options options = NACRE_OPTIONS_INIT;
    options.durability = place->synced ? NACRE_DISK : NACRE_OS;
    state->dimension = place->dimension;
    snprintf(path, sizeof path, "%s/store", place->directory);
    options.memory_budget = 4 * place->seal_bytes;
    nacre_check(nacre_open(path, &options, &state->store), "open");
    return state;
}

struct nacre_store_state *nacre_store_make(const struct engine_place *place)
{
    struct nacre_store_state *state = open_state(place);
    char bytes[32];
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.kind = NACRE_VECTORS;
    options.dimension = (uint32_t)place->dimension;
    options.metric = place->metric == METRIC_COSINE ? NACRE_COSINE : NACRE_L2;
    if (place->seal_bytes != 0) {
        snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)place->seal_bytes);
        nacre_check(nacre_tune(state->store, "seal_bytes", bytes), "tune");
    }
    nacre_check(nacre_collection_create(state->store, "vectors", &options, &state->vectors), "create");
    return state;
}

struct nacre_store_state *nacre_store_open(const struct engine_place *place)
{
    struct nacre_store_state *state = open_state(place);
    nacre_check(nacre_collection_open(state->store, "vectors", &state->vectors), "open");
    return state;
}

void nacre_store_put(struct nacre_store_state *state, size_t row, const float *vector)
{
    char key[LABEL_DIGITS];
    label_write(row_label((uint32_t)row), key);
    nacre_check(
        nacre_put_vector(state->vectors, (nacre_slice){ key, sizeof key }, vector, (nacre_slice){ NULL, 0 }, NULL),
        "put");
}

void nacre_store_close(struct nacre_store_state *state)
{
    nacre_collection_close(state->vectors);
    nacre_check(nacre_close(state->store), "close");
    free(state);
}
