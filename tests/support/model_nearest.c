/* Nearest neighbours in the model: every vector it has, by distance and key; and whether a collection answers so (see model.h). */
#include "support/model.h"
#include "distance/distance.h"
#include "support/small_graphs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Few different numbers, so that there are equal distances; never all zero. */
void model_vector(uint32_t number, float *out)
{
    uint64_t seed = number * UINT64_C(0x9e3779b97f4a7c15) + 7;
    for (unsigned i = 0; i < MODEL_DIMENSION; i++) {
        out[i] = i < 6 ? (float)(int)(model_random(&seed) % 5) - 2 : (float)(number % 3);
    }
    out[0] = out[0] == 0 ? 1 : out[0];
}

__attribute__((constructor)) static void index_few(void)
{
    small_graphs();
}

static bool callback(void *context, nacre_slice key, nacre_slice value)
{
    ++*(unsigned *)context;
    return (key.size + value.size) % 3 != 0;
}

static bool in_bounds(const struct model_nearest *how, nacre_slice key)
{
    nacre_slice bounds[] = { how->begin, how->end };
    for (unsigned i = 0; i < 2; i++) {
        size_t shared = key.size < bounds[i].size ? key.size : bounds[i].size;
        int order = shared ? memcmp(key.data, bounds[i].data, shared) : 0;
        bool at_or_behind = order > 0 || (order == 0 && key.size >= bounds[i].size);
        if (bounds[i].size && at_or_behind != (i == 0)) {
            return false;
        }
    }
    return key.size >= how->prefix.size &&
           (how->prefix.size == 0 || memcmp(key.data, how->prefix.data, how->prefix.size) == 0);
}

struct wanted {
    float distance;
    unsigned key;
};

static int by_distance_then_key(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    if (x->distance != y->distance) {
        return x->distance < y->distance ? -1 : 1;
    }
    return x->key < y->key ? -1 : x->key > y->key;
}

/* All that qualify, in order. */
static size_t find(const struct model *m, unsigned c, const struct model_nearest *how, struct wanted *all)
{
    struct distance distance;
    float query[MODEL_DIMENSION], vector[MODEL_DIMENSION];
    char value[MODEL_VALUE_MAX];
    size_t count = 0;
    model_vector(how->query, query);
    distance_begin(&distance, m->metrics[c] ? m->metrics[c] : NACRE_L2, query, MODEL_DIMENSION);
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        uint32_t number = m->values[c][i];
        unsigned calls = 0;
        if (number == 0 || !in_bounds(how, model_key(i)) || (how->pattern >= 0 && !model_matches(how->pattern, i)) ||
            (how->callback && !callback(&calls, model_key(i), model_value(number, value)))) {
            continue;
        }
        model_vector(number, vector);
        all[count++] = (struct wanted){ distance_to(&distance, vector), i };
    }
    qsort(all, count, sizeof *all, by_distance_then_key);
    return count;
}

static char complaint[400];

static const char *differ(unsigned c, const struct model_nearest *how, const char *what, size_t at)
{
    snprintf(complaint, sizeof complaint,
             "collection %s, %zu nearest of vector %u (%s, pattern %d, prefix of %zu, callback %d): number %zu: %s",
             model_names[c], how->k, how->query, how->exact ? "exact" : "most", how->pattern, how->prefix.size,
             how->callback, at, what);
    return complaint;
}

static bool same(nacre_slice a, nacre_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* The one of `all` that the item is, or NULL. */
static const struct wanted *look_up(const struct wanted *all, size_t count, const nacre_neighbor *item)
{
    for (size_t i = 0; i < count; i++) {
        if (same(model_key(all[i].key), item->key)) {
            return &all[i];
        }
    }
    return NULL;
}

static const char *compare(const struct model *m, unsigned c, const struct model_nearest *how,
                           const nacre_neighbors *found)
{
    struct wanted all[MODEL_KEYS], before = { 0 };
    char value[MODEL_VALUE_MAX];
    size_t count = find(m, c, how, all), most = count < how->k ? count : how->k;
    if (found->count != most) {
        return differ(c, how, found->count < most ? "too few" : "too many", found->count);
    }
    if (how->exact && !found->exact) {
        return differ(c, how, "the answer is not exact", 0);
    }
    for (size_t i = 0; i < most; i++) {
        const struct wanted *is = look_up(all, count, &found->items[i]);
        if (!is) {
            return differ(c, how, "a key that does not qualify", i);
        }
        if (is->distance != found->items[i].distance) {
            return differ(c, how, "not the distance of the newest vector", i);
        }
        if (!same(found->items[i].value, model_value(m->values[c][is->key], value))) {
            return differ(c, how, "another value", i);
        }
        if (i > 0 && by_distance_then_key(&before, is) >= 0) {
            return differ(c, how, "not in order", i);
        }
        if (found->exact && is->key != all[i].key) {
            return differ(c, how, "a nearer one is missing", i);
        }
        before = *is;
    }
    return NULL;
}

const char *model_compare_nearest(const struct model *m, nacre_collection *collection, unsigned c,
                                  const struct model_nearest *how, nacre_snapshot *snapshot, int *status)
{
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    nacre_neighbors found;
    float query[MODEL_DIMENSION];
    unsigned calls = 0;
    options.snapshot = snapshot;
    options.exact = how->exact;
    options.key_prefix = how->prefix;
    options.begin = how->begin;
    options.end = how->end;
    if (how->pattern >= 0) {
        options.key_regex = model_pattern((unsigned)how->pattern);
    }
    if (how->callback) {
        options.filter = callback;
        options.filter_context = &calls;
    }
    model_vector(how->query, query);
    *status = nacre_nearest(collection, query, how->k, &options, &found);
    const char *wrong = *status == NACRE_OK ? compare(m, c, how, &found) : NULL;
    nacre_neighbors_release(&found);
    return wrong;
}

struct model_nearest model_random_nearest(uint64_t *seed)
{
    struct model_nearest how = { .query = (uint32_t)(model_random(seed) % 5000) + 1, .pattern = -1 };
    how.k = model_random(seed) % 4 ? 1 + model_random(seed) % 12 : 1 + model_random(seed) % 200;
    how.exact = model_random(seed) % 2;
    switch (model_random(seed) % 6) {
    case 0:
        how.pattern = (int)(model_random(seed) % MODEL_PATTERNS);
        break;
    case 1:
        how.prefix = model_key((unsigned)(model_random(seed) % MODEL_KEYS));
        how.prefix.size = 1 + model_random(seed) % how.prefix.size;
        break;
    case 2:
        how.begin = model_key((unsigned)(model_random(seed) % MODEL_KEYS));
        how.callback = model_random(seed) % 2;
        break;
    case 3:
        how.callback = true;
        break;
    case 4:
        how.begin = model_key((unsigned)(model_random(seed) % MODEL_KEYS));
        how.end = model_key((unsigned)(model_random(seed) % MODEL_KEYS)); /* may lie before it */
        how.pattern = (int)(model_random(seed) % MODEL_PATTERNS);
        break;
    default:
        break;
    }
    return how;
}

static const char *compare_vectors(const struct model *m, nacre_collection *collection, unsigned c,
                                   nacre_snapshot *snapshot)
{
    nacre_read_options options = NACRE_READ_OPTIONS_INIT;
    options.snapshot = snapshot;
    for (unsigned i = 0; i < MODEL_KEYS; i += 3) {
        float want[MODEL_DIMENSION], got[MODEL_DIMENSION];
        uint32_t number = m->values[c][i];
        int status = nacre_get_vector(collection, model_key(i), &options, got, NULL);
        model_vector(number, want);
        if (status != (number ? NACRE_OK : NACRE_NOT_FOUND) || (number && memcmp(got, want, sizeof got) != 0)) {
            snprintf(complaint, sizeof complaint, "collection %s, key %u: get_vector gives %s (%.200s)", model_names[c],
                     i, status == NACRE_OK ? "another vector" : nacre_status_name(status), nacre_last_error());
            return complaint;
        }
    }
    return NULL;
}

/* Which of the searches are made, the model itself decides: the same in each run. */
const char *model_compare_nearests(const struct model *m, nacre_collection *collection, unsigned c,
                                   nacre_snapshot *snapshot)
{
    uint64_t seed = 4711;
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        seed = (seed ^ m->values[c][i]) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    }
    for (unsigned n = 0; n < 6; n++) {
        struct model_nearest how = model_random_nearest(&seed);
        int status;
        const char *wrong = model_compare_nearest(m, collection, c, &how, snapshot, &status);
        if (!wrong && status != NACRE_OK) {
            snprintf(complaint, sizeof complaint, "a search failed: %.200s", nacre_last_error());
            wrong = complaint;
        }
        if (wrong) {
            return wrong;
        }
    }
    return compare_vectors(m, collection, c, snapshot);
}
