/* See vector_store.h. */
#include "vector_store.h"
#include "distance/distance.h"
#include "model.h"
#include "os_memory.h"

#define CLUSTERS 32

static void open_store(struct vector_store *v)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.kind = NACRE_VECTORS;
    options.dimension = v->dimension;
    options.metric = v->metric;
    assert_ok(nacre_open("/store", &v->options, &v->store));
    int status = nacre_collection_open(v->store, "vectors", &v->collection);
    if (status == NACRE_NOT_FOUND) {
        status = nacre_collection_create(v->store, "vectors", &options, &v->collection);
    }
    assert_ok(status);
}

void vector_store_create(struct vector_store *v, nacre_metric metric, uint32_t dimension, size_t count)
{
    *v = (struct vector_store){ .metric = metric, .dimension = dimension, .count = count, .seed = 4711 };
    v->items = calloc(count, sizeof *v->items);
    v->os = os_memory_create();
    v->options = (nacre_options)NACRE_OPTIONS_INIT;
    v->options.os = v->os;
    v->options.durability = NACRE_OS;
    open_store(v);
}

static void close_store(struct vector_store *v)
{
    nacre_collection_close(v->collection);
    assert_ok(nacre_close(v->store));
}

void vector_store_free(struct vector_store *v)
{
    close_store(v);
    os_memory_free(v->os);
    free(v->items);
}

void vector_store_reopen(struct vector_store *v)
{
    close_store(v);
    open_store(v);
}

void vector_store_tune(struct vector_store *v, const char *name, const char *value)
{
    assert_ok(nacre_tune(v->store, name, value));
}

uint64_t vector_random(struct vector_store *v, uint64_t below)
{
    return (model_random(&v->seed) >> 11) % below;
}

nacre_slice vector_key(size_t item, char out[VECTOR_KEY_SIZE])
{
    return (nacre_slice){ out, (size_t)snprintf(out, VECTOR_KEY_SIZE, "group%zu/%06zu", item % 10, item) };
}

size_t vector_item_of(nacre_slice key)
{
    char copy[VECTOR_KEY_SIZE] = "";
    assert_true(key.size == 13);
    memcpy(copy, key.data, key.size);
    return strtoul(copy + 7, NULL, 10);
}

nacre_slice vector_value(size_t item, uint32_t version, char out[VECTOR_KEY_SIZE])
{
    return (nacre_slice){ out, (size_t)snprintf(out, VECTOR_KEY_SIZE, "%zu at %u", item, version) };
}

static float between(uint64_t *seed, float most)
{
    return ((float)(model_random(seed) >> 40) / (float)(1 << 24) - 0.5f) * 2 * most;
}

static void point(uint32_t dimension, uint64_t number, float *out)
{
    uint64_t center = number % CLUSTERS * UINT64_C(0x9e3779b97f4a7c15) + 1,
             seed = number * UINT64_C(0xbf58476d1ce4e5b9) + 99;
    for (unsigned i = 0; i < 4; i++) {
        (void)model_random(&seed);
        (void)model_random(&center);
    }
    for (uint32_t i = 0; i < dimension; i++) {
        out[i] = between(&center, 1) + between(&seed, 0.7f) + between(&seed, 0.3f);
    }
}

void vector_of(const struct vector_store *v, size_t item, uint32_t version, float *out)
{
    point(v->dimension, item * 131 + version * UINT64_C(7919) + 5, out);
}

void vector_query(struct vector_store *v, float *out)
{
    point(v->dimension, vector_random(v, UINT64_C(1) << 40), out);
}

void vector_put(struct vector_store *v, size_t item)
{
    char key[VECTOR_KEY_SIZE], value[VECTOR_KEY_SIZE];
    float *vector = malloc(v->dimension * sizeof *vector);
    v->items[item].live = true;
    uint32_t version = ++v->items[item].version;
    vector_of(v, item, version, vector);
    assert_ok(nacre_put_vector(v->collection, vector_key(item, key), vector, vector_value(item, version, value), NULL));
    free(vector);
}

void vector_delete(struct vector_store *v, size_t item)
{
    char key[VECTOR_KEY_SIZE];
    v->items[item].live = false;
    assert_ok(nacre_delete(v->collection, vector_key(item, key), NULL));
}

void vector_put_all(struct vector_store *v)
{
    float *vector = malloc(v->dimension * sizeof *vector);
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    for (size_t i = 0; i < v->count; i++) {
        char key[VECTOR_KEY_SIZE], value[VECTOR_KEY_SIZE];
        size_t item = i * 7919 % v->count; /* counts are no multiples of it */
        v->items[item] = (struct vector_item){ true, v->items[item].version + 1 };
        vector_of(v, item, v->items[item].version, vector);
        assert_ok(nacre_batch_put_vector(batch, v->collection, vector_key(item, key), vector,
                                         vector_value(item, v->items[item].version, value)));
        if (i % 500 == 499 || i + 1 == v->count) {
            assert_ok(nacre_write(v->store, batch, NULL));
            nacre_batch_clear(batch);
        }
    }
    nacre_batch_free(batch);
    free(vector);
}

/* ---- searching ---- */

static int by_distance_then_key(const void *a, const void *b)
{
    const struct vector_found *x = a, *y = b;
    char first[VECTOR_KEY_SIZE], second[VECTOR_KEY_SIZE];
    if (x->distance != y->distance) {
        return x->distance < y->distance ? -1 : 1;
    }
    (void)vector_key(x->item, first);
    (void)vector_key(y->item, second);
    return strcmp(first, second);
}

size_t vector_list_nearest(const struct vector_store *v, const struct vector_item *items, const float *query, size_t k,
                           bool (*wanted)(size_t item), struct vector_found *found)
{
    struct vector_found *all = malloc(v->count * sizeof *all);
    float *vector = malloc(v->dimension * sizeof *vector);
    struct distance distance;
    size_t count = 0;
    distance_begin(&distance, v->metric, query, v->dimension);
    for (size_t i = 0; i < v->count; i++) {
        if (items[i].live && (!wanted || wanted(i))) {
            vector_of(v, i, items[i].version, vector);
            all[count++] = (struct vector_found){ distance_to(&distance, vector), i };
        }
    }
    qsort(all, count, sizeof *all, by_distance_then_key);
    count = count < k ? count : k;
    memcpy(found, all, count * sizeof *all);
    free(all);
    free(vector);
    return count;
}

static void assert_neighbor(const struct vector_store *v, const struct vector_item *items, const float *query,
                            const nacre_neighbor *got, bool (*wanted)(size_t item))
{
    char key[VECTOR_KEY_SIZE], value[VECTOR_KEY_SIZE];
    float *vector = malloc(v->dimension * sizeof *vector);
    struct distance distance;
    size_t item = vector_item_of(got->key);
    assert_true(item < v->count);
    assert_memory_equal(vector_key(item, key).data, got->key.data, got->key.size);
    assert_true(items[item].live);
    assert_true(!wanted || wanted(item));
    vector_of(v, item, items[item].version, vector);
    distance_begin(&distance, v->metric, query, v->dimension);
    assert_true(distance_to(&distance, vector) == got->distance);
    nacre_slice want = vector_value(item, items[item].version, value);
    assert_int_equal(got->value.size, want.size);
    assert_memory_equal(got->value.data, want.data, want.size);
    free(vector);
}

static bool is_item(const nacre_neighbor *got, size_t item)
{
    char key[VECTOR_KEY_SIZE];
    nacre_slice want = vector_key(item, key);
    return got->key.size == want.size && memcmp(got->key.data, want.data, want.size) == 0;
}

double vector_assert_nearest(struct vector_store *v, const struct vector_item *items, const float *query, size_t k,
                             const nacre_nearest_options *given, bool (*wanted)(size_t item))
{
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    struct vector_found *truth = malloc((k < v->count ? k : v->count) * sizeof *truth);
    size_t count = vector_list_nearest(v, items, query, k, wanted, truth), hits = 0;
    nacre_neighbors found;
    if (given) {
        options = *given;
    }
    options.exact = true;
    assert_ok(nacre_nearest(v->collection, query, k, &options, &found));
    assert_true(found.exact);
    assert_int_equal(found.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_neighbor(v, items, query, &found.items[i], wanted);
        assert_true(found.items[i].distance == truth[i].distance);
        assert_true(is_item(&found.items[i], truth[i].item));
    }
    nacre_neighbors_release(&found);
    options.exact = false;
    assert_ok(nacre_nearest(v->collection, query, k, &options, &found));
    assert_int_equal(found.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_neighbor(v, items, query, &found.items[i], wanted);
        assert_true(i == 0 || found.items[i - 1].distance <= found.items[i].distance);
        hits += found.items[i].distance <= truth[count - 1].distance;
    }
    assert_true(!found.exact || hits == count);
    nacre_neighbors_release(&found);
    free(truth);
    return count ? (double)hits / (double)count : 1;
}
