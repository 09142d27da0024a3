/* Nearest neighbours: the answers are those of a list that is searched row by row, wherever the rows lie and whatever is done to them. */
#include "support/vector_store.h"
#include <math.h>
#include <unistd.h>

/* The k nearest as "key key ..."; a static buffer. */
static const char *nearest_keys(nacre_collection *collection, const float *query, size_t k,
                                const nacre_nearest_options *options)
{
    static char out[4096];
    size_t at = 0;
    nacre_neighbors found;
    assert_ok(nacre_nearest(collection, query, k, options, &found));
    out[0] = 0;
    for (size_t i = 0; i < found.count && at + 80 < sizeof out; i++) {
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%.*s", i ? " " : "", (int)found.items[i].key.size,
                               (const char *)found.items[i].key.data);
    }
    nacre_neighbors_release(&found);
    return out;
}

static void put2(struct vector_store *v, const char *key, float x, float y)
{
    const float vector[] = { x, y };
    assert_ok(nacre_put_vector(v->collection, text(key), vector, text(""), NULL));
}

/* ---- where a row may lie ---- */

static void compact_all(struct vector_store *v)
{
    assert_ok(nacre_compact(v->collection, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }));
}

static void go_to_place(struct vector_store *v, unsigned place)
{
    switch (place) {
    case 1:
        assert_ok(nacre_seal(v->collection));
        break;
    case 2:
        assert_ok(nacre_flush(v->collection));
        break;
    case 3:
        vector_store_reopen(v);
        break;
    case 4:
        compact_all(v);
        break;
    case 5:
        assert_ok(nacre_build_indexes(v->collection));
        break;
    default:
        break;
    }
}
#define PLACES 6

static void an_older_and_nearer_version_never_shows(void **state)
{
    static const float origin[] = { 0, 0 };
    (void)state;
    for (unsigned first = 0; first < PLACES; first++) {
        for (unsigned second = 0; second < PLACES; second++) {
            struct vector_store v;
            nacre_snapshot *snapshot;
            nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
            vector_store_create(&v, NACRE_L2, 2, 1);
            put2(&v, "moved", 0, 0);
            put2(&v, "gone", 1, 0);
            put2(&v, "swept/a", 1, 1);
            put2(&v, "stays", 3, 0);
            assert_ok(nacre_snapshot_create(v.store, &snapshot));
            if (first == 3) {
                nacre_snapshot_release(snapshot);
                snapshot = NULL;
            }
            go_to_place(&v, first);
            put2(&v, "moved", 9, 0);
            assert_ok(nacre_delete(v.collection, text("gone"), NULL));
            assert_ok(nacre_delete_prefix(v.collection, text("swept/"), NULL));
            assert_string_equal(nearest_keys(v.collection, origin, 4, NULL), "stays moved");
            if (second == 3) {
                nacre_snapshot_release(snapshot);
                snapshot = NULL;
            }
            go_to_place(&v, second);
            assert_string_equal(nearest_keys(v.collection, origin, 4, NULL), "stays moved");
            assert_string_equal(nearest_keys(v.collection, origin, 1, NULL), "stays");
            if (snapshot) {
                options.snapshot = snapshot;
                assert_string_equal(nearest_keys(v.collection, origin, 4, &options), "moved gone swept/a stays");
                nacre_snapshot_release(snapshot);
            }
            vector_store_free(&v);
        }
    }
}

static void what_was_deleted_and_put_again_is_there_once(void **state)
{
    static const float origin[] = { 0, 0 };
    (void)state;
    for (unsigned place = 0; place < PLACES; place++) {
        struct vector_store v;
        vector_store_create(&v, NACRE_L2, 2, 1);
        put2(&v, "a", 1, 0);
        go_to_place(&v, place);
        assert_ok(nacre_delete(v.collection, text("a"), NULL));
        assert_string_equal(nearest_keys(v.collection, origin, 4, NULL), "");
        go_to_place(&v, place);
        put2(&v, "a", 2, 0);
        assert_string_equal(nearest_keys(v.collection, origin, 4, NULL), "a");
        assert_ok(nacre_collection_clear(v.collection));
        assert_string_equal(nearest_keys(v.collection, origin, 4, NULL), "");
        go_to_place(&v, place);
        put2(&v, "a", 3, 0);
        put2(&v, "a", 4, 0);
        assert_string_equal(nearest_keys(v.collection, origin, 4, NULL), "a");
        go_to_place(&v, place);
        assert_string_equal(nearest_keys(v.collection, origin, 4, NULL), "a");
        vector_store_free(&v);
    }
}

static void equal_distances_go_by_key_across_layers(void **state)
{
    static const float origin[] = { 0, 0 };
    (void)state;
    struct vector_store v;
    vector_store_create(&v, NACRE_L2, 2, 1);
    put2(&v, "d", 1, 0);
    put2(&v, "b", 0, 1);
    assert_ok(nacre_flush(v.collection));
    put2(&v, "c", -1, 0);
    put2(&v, "f", 0, -1);
    assert_ok(nacre_seal(v.collection));
    put2(&v, "e", 1, 0);
    put2(&v, "a", 1, 0);
    assert_string_equal(nearest_keys(v.collection, origin, 9, NULL), "a b c d e f");
    assert_string_equal(nearest_keys(v.collection, origin, 3, NULL), "a b c");
    assert_string_equal(nearest_keys(v.collection, origin, 1, NULL), "a");
    compact_all(&v);
    assert_string_equal(nearest_keys(v.collection, origin, 9, NULL), "a b c d e f");
    assert_string_equal(nearest_keys(v.collection, origin, 4, NULL), "a b c d");
    vector_store_free(&v);
}

static void expired_entries_are_not_found(void **state)
{
    static const float origin[] = { 0, 0 };
    (void)state;
    for (unsigned place = 0; place < PLACES; place++) {
        struct vector_store v;
        nacre_write_options soon = NACRE_WRITE_OPTIONS_INIT, late = NACRE_WRITE_OPTIONS_INIT;
        soon.ttl_ms = 60;
        late.ttl_ms = 3600000;
        vector_store_create(&v, NACRE_L2, 2, 1);
        put2(&v, "b", 2, 0);
        assert_ok(nacre_put_vector(v.collection, text("a"), origin, text(""), &soon));
        assert_ok(nacre_put_vector(v.collection, text("c"), origin, text(""), &late));
        go_to_place(&v, place);
        usleep(70000);
        assert_string_equal(nearest_keys(v.collection, origin, 9, NULL), "c b");
        vector_store_free(&v);
    }
}

/* ---- histories ---- */

static void random_write(struct vector_store *v)
{
    uint64_t what = vector_random(v, 100);
    size_t item = vector_random(v, v->count);
    if (what < 70) {
        vector_put(v, item);
    } else if (what < 95) {
        vector_delete(v, item);
    } else if (what < 98) { /* some of one group */
        char begin[VECTOR_KEY_SIZE], end[VECTOR_KEY_SIZE];
        size_t after = item + 10 * (1 + vector_random(v, 8));
        assert_ok(nacre_delete_range(v->collection, vector_key(item, begin), vector_key(after, end), NULL));
        for (size_t i = item; i < after && i < v->count; i += 10) {
            v->items[i].live = false;
        }
    } else {
        char prefix[VECTOR_KEY_SIZE];
        nacre_slice of = vector_key(item, prefix);
        of.size--; /* ten numbers, of which one is of the group */
        assert_ok(nacre_delete_prefix(v->collection, of, NULL));
        v->items[item].live = false;
    }
}

static bool is_in_group_3(size_t item)
{
    return item % 10 == 3;
}

static bool is_even_in_group_2(size_t item)
{
    return item % 10 == 2;
}

static bool ends_in_7(size_t item)
{
    return item % 10 == 7;
}

static bool key_ends_in_7(void *context, nacre_slice key, nacre_slice value)
{
    (void)value;
    ++*(unsigned *)context;
    return ((const char *)key.data)[key.size - 1] == '7';
}

static double check_filters(struct vector_store *v, const struct vector_item *items, nacre_snapshot *snapshot)
{
    float query[64];
    unsigned calls = 0;
    double recall = 0;
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    size_t k = 1 + vector_random(v, 20);
    vector_query(v, query);
    options.snapshot = snapshot;
    recall += vector_assert_nearest(v, items, query, k, &options, NULL);
    options.key_prefix = text("group3/");
    recall += vector_assert_nearest(v, items, query, k, &options, is_in_group_3);
    options.key_prefix = text("");
    options.begin = text("group2/");
    options.end = text("group20");
    recall += vector_assert_nearest(v, items, query, k, &options, is_even_in_group_2);
    options.begin = options.end = text("");
    options.key_regex = text("7$");
    recall += vector_assert_nearest(v, items, query, k, &options, ends_in_7);
    options.key_regex = text("^group3/");
    recall += vector_assert_nearest(v, items, query, k, &options, is_in_group_3);
    options.key_regex = text("");
    options.filter = key_ends_in_7;
    options.filter_context = &calls;
    recall += vector_assert_nearest(v, items, query, k, &options, ends_in_7);
    return recall / 6;
}

static void random_history(nacre_metric metric, uint32_t dimension, uint64_t seed)
{
    struct vector_store v;
    nacre_snapshot *snapshot = NULL;
    size_t count = 700;
    struct vector_item *kept = calloc(count, sizeof *kept);
    vector_store_create(&v, metric, dimension, count);
    v.seed = seed;
    vector_store_tune(&v, "seal_bytes", "32768");
    for (unsigned step = 0; step < 120; step++) {
        for (uint64_t n = vector_random(&v, 60); n > 0; n--) {
            random_write(&v);
        }
        uint64_t what = vector_random(&v, 24);
        if (what < PLACES && (what != 3 || !snapshot)) {
            go_to_place(&v, (unsigned)what);
        } else if (what < 8) {
            nacre_snapshot_release(snapshot);
            assert_ok(nacre_snapshot_create(v.store, &snapshot));
            memcpy(kept, v.items, count * sizeof *kept);
        } else if (what < 9) {
            nacre_snapshot_release(snapshot);
            snapshot = NULL;
        }
        if (step % 3 == 0) {
            (void)check_filters(&v, v.items, NULL);
        }
        if (step % 9 == 0 && snapshot) {
            (void)check_filters(&v, kept, snapshot);
        }
    }
    nacre_snapshot_release(snapshot);
    vector_store_free(&v);
    free(kept);
}

static void a_search_agrees_with_the_list_at_every_step_of_a_history(void **state)
{
    (void)state;
    const char *scale = getenv("NACRE_TEST_SCALE");
    for (uint64_t n = 0; n < 2 * (scale ? strtoull(scale, NULL, 10) : 1); n++) {
        random_history(NACRE_L2, 8, 3 * n + 1);
        random_history(NACRE_COSINE, 33, 3 * n + 2);
        random_history(NACRE_DOT, 17, 3 * n + 3);
    }
}

/* ---- many rows ---- */

static unsigned one_in; /* rows */
static bool is_one_in(size_t item)
{
    return (item * UINT64_C(0x9E3779B97F4A7C15) >> 40) % one_in == 0;
}

static bool key_is_one_in(void *context, nacre_slice key, nacre_slice value)
{
    ++*(unsigned *)context;
    assert_true(value.size > 0);
    return is_one_in(vector_item_of(key));
}

static void filters_that_allow_few_rows_still_give_k(void **state)
{
    (void)state;
    static const unsigned parts[] = { 1, 2, 5, 10, 20, 50, 100, 1000, 10000 };
    struct vector_store v;
    vector_store_create(&v, NACRE_L2, 24, 20000);
    vector_put_all(&v);
    for (unsigned merged = 0; merged < 2; merged++) {
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
            double recall = 0;
            one_in = parts[p];
            for (unsigned n = 0; n < 6; n++) {
                nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
                unsigned calls = 0;
                float query[24];
                vector_query(&v, query);
                options.filter = key_is_one_in;
                options.filter_context = &calls;
                recall += vector_assert_nearest(&v, v.items, query, 10, &options, is_one_in) / 6;
                assert_true(calls > 0);
            }
            if (recall < 0.85) {
                fprintf(stderr, "one in %u: recall %g\n", one_in, recall);
            }
            assert_true(recall >= 0.85); /* 60 neighbours */
        }
        if (!merged) {
            compact_all(&v);
            assert_ok(nacre_build_indexes(v.collection));
        }
    }
    vector_store_free(&v);
}

static void a_repeated_expression_is_remembered(void **state)
{
    (void)state;
    struct vector_store v;
    char *json;
    float query[24];
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    vector_store_create(&v, NACRE_L2, 24, 20000);
    vector_put_all(&v);
    compact_all(&v);
    assert_ok(nacre_build_indexes(v.collection));
    vector_query(&v, query);
    options.key_regex = text("00[0-4]7$");
    bool asked = true;
    for (unsigned n = 0; n < 50 && asked; n++) {
        assert_ok(nacre_nearest_explain(v.collection, query, 10, &options, &json));
        asked = strstr(json, ",\"filtered\":0,\"time_us\"") == NULL;
        nacre_free(json);
    }
    assert_false(asked);
    vector_store_free(&v);
}

static bool is_below_130_in_group_5(size_t item)
{
    return item % 10 == 5 && item < 130;
}

static void narrow_ranges_are_searched_in_memtables_too(void **state)
{
    (void)state;
    struct vector_store v;
    vector_store_create(&v, NACRE_L2, 16, 6000);
    vector_put_all(&v);
    for (size_t item = 0; item < 400; item++) { /* older versions in the range */
        vector_put(&v, item);
    }
    nacre_snapshot *snapshot;
    struct vector_item *kept = malloc(v.count * sizeof *kept);
    assert_ok(nacre_snapshot_create(v.store, &snapshot));
    memcpy(kept, v.items, v.count * sizeof *kept);
    for (size_t item = 5; item < 100; item += 30) {
        vector_delete(&v, item);
        vector_put(&v, item + 10);
    }
    for (unsigned n = 0; n < 20; n++) {
        nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
        float query[16];
        char *json;
        vector_query(&v, query);
        options.begin = text("group5/");
        options.end = text("group5/000130");
        (void)vector_assert_nearest(&v, v.items, query, 5, &options, is_below_130_in_group_5);
        (void)vector_assert_nearest(&v, v.items, query, 50, &options, is_below_130_in_group_5);
        assert_ok(nacre_nearest_explain(v.collection, query, 5, &options, &json));
        assert_non_null(strstr(json, "\"strategy\":\"range\""));
        nacre_free(json);
        options.snapshot = snapshot;
        (void)vector_assert_nearest(&v, kept, query, 50, &options, is_below_130_in_group_5);
    }
    nacre_snapshot_release(snapshot);
    free(kept);
    vector_store_free(&v);
}

static void the_recall_asked_for_is_found(void **state)
{
    (void)state;
    for (unsigned metric = NACRE_L2; metric <= NACRE_DOT; metric++) {
        struct vector_store v;
        double recall = 0;
        vector_store_create(&v, (nacre_metric)metric, 40, 30000);
        vector_put_all(&v);
        compact_all(&v);
        assert_ok(nacre_build_indexes(v.collection));
        for (size_t i = 0; i < v.count; i += 29) { /* some move, some go */
            if (i % 2) {
                vector_put(&v, i);
            } else {
                vector_delete(&v, i);
            }
        }
        for (unsigned n = 0; n < 100; n++) {
            float query[40];
            vector_query(&v, query);
            recall += vector_assert_nearest(&v, v.items, query, 10, NULL, NULL) / 100;
        }
        if (recall < 0.92) {
            fprintf(stderr, "metric %u: recall %g\n", metric, recall);
        }
        assert_true(recall >= 0.92);
        vector_store_free(&v);
    }
}

static void k_may_be_more_than_there_are(void **state)
{
    (void)state;
    struct vector_store v;
    float query[16];
    vector_store_create(&v, NACRE_L2, 16, 5000);
    vector_query(&v, query);
    (void)vector_assert_nearest(&v, v.items, query, 10, NULL, NULL); /* of none */
    vector_put_all(&v);
    (void)vector_assert_nearest(&v, v.items, query, NACRE_NEAREST_MAX, NULL, NULL);
    (void)vector_assert_nearest(&v, v.items, query, 4999, NULL, NULL);
    compact_all(&v);
    assert_ok(nacre_build_indexes(v.collection));
    (void)vector_assert_nearest(&v, v.items, query, NACRE_NEAREST_MAX, NULL, NULL);
    (void)vector_assert_nearest(&v, v.items, query, 4999, NULL, NULL);
    vector_store_free(&v);
}

/* ---- ends before the end ---- */

static bool slow_filter(void *context, nacre_slice key, nacre_slice value)
{
    (void)context, (void)key, (void)value;
    usleep(200);
    return true;
}

static void a_search_ends_at_its_timeout(void **state)
{
    (void)state;
    struct vector_store v;
    float query[16];
    nacre_neighbors found;
    char *json;
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    vector_store_create(&v, NACRE_L2, 16, 20000);
    vector_put_all(&v);
    vector_query(&v, query);
    options.filter = slow_filter;
    options.timeout_ms = 20;
    for (unsigned place = 0; place < 2; place++) {
        assert_code(nacre_nearest(v.collection, query, 20000, &options, &found), NACRE_TIMEOUT);
        assert_true(found.items == NULL && found.count == 0 && found.pin == NULL);
        assert_code(nacre_nearest_explain(v.collection, query, 20000, &options, &json), NACRE_TIMEOUT);
        assert_null(json);
        compact_all(&v);
    }
    vector_store_free(&v);
}

static bool cancelling_filter(void *context, nacre_slice key, nacre_slice value)
{
    (void)key, (void)value;
    nacre_cancel_request(context);
    return true;
}

static void a_search_can_be_cancelled(void **state)
{
    (void)state;
    struct vector_store v;
    float query[16];
    nacre_neighbors found;
    nacre_cancel *cancel;
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    vector_store_create(&v, NACRE_L2, 16, 20000);
    vector_put_all(&v);
    vector_query(&v, query);
    assert_ok(nacre_cancel_create(&cancel));
    options.cancel = cancel;
    for (unsigned place = 0; place < 2; place++) {
        options.filter = NULL;
        assert_ok(nacre_nearest(v.collection, query, 10, &options, &found));
        nacre_neighbors_release(&found);
        options.filter = cancelling_filter;
        options.filter_context = cancel;
        assert_code(nacre_nearest(v.collection, query, 10, &options, &found), NACRE_CANCELLED);
        assert_code(nacre_nearest(v.collection, query, 10, &options, &found), NACRE_CANCELLED);
        nacre_cancel_reset(cancel);
        compact_all(&v);
    }
    nacre_cancel_free(cancel);
    vector_store_free(&v);
}

/* ---- what is given ---- */

static void values_live_until_they_are_released(void **state)
{
    static const float origin[] = { 0, 0 };
    (void)state;
    static char large[100000];
    for (unsigned place = 0; place < PLACES; place++) {
        struct vector_store v;
        nacre_neighbors found;
        nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
        vector_store_create(&v, NACRE_L2, 2, 1);
        memset(large, 'L', sizeof large);
        const float near[] = { 1, 0 }, far[] = { 2, 0 };
        assert_ok(nacre_put_vector(v.collection, text("large"), near, (nacre_slice){ large, sizeof large }, NULL));
        assert_ok(nacre_put_vector(v.collection, text("small"), far, text("small value"), NULL));
        go_to_place(&v, place);
        assert_ok(nacre_nearest(v.collection, origin, 5, &options, &found));
        assert_ok(nacre_put_vector(v.collection, text("large"), far, text("other"), NULL));
        assert_ok(nacre_delete(v.collection, text("small"), NULL));
        assert_ok(nacre_flush(v.collection));
        compact_all(&v);
        assert_ok(nacre_reclaim(v.store));
        assert_int_equal(found.count, 2);
        assert_int_equal(found.items[0].value.size, sizeof large);
        assert_memory_equal(found.items[0].value.data, large, sizeof large);
        assert_int_equal(found.items[1].value.size, 11);
        assert_memory_equal(found.items[1].value.data, "small value", 11);
        assert_memory_equal(found.items[1].key.data, "small", 5);
        assert_true(found.items[0].distance == 1 && found.items[1].distance == 4);
        assert_code(nacre_close(v.store), NACRE_HANDLES_OPEN);
        nacre_neighbors_release(&found);
        assert_true(found.items == NULL && found.count == 0);
        nacre_neighbors_release(&found);
        vector_store_free(&v);
    }
    nacre_neighbors_release(NULL);
}

static void an_explanation_tells_of_every_layer(void **state)
{
    static const float origin[] = { 0, 0 };
    (void)state;
    struct vector_store v;
    char *json;
    vector_store_create(&v, NACRE_COSINE, 2, 1);
    put2(&v, "a", 1, 0);
    assert_ok(nacre_flush(v.collection));
    put2(&v, "b", 0, 1);
    const float query[] = { 1, 1 };
    assert_ok(nacre_nearest_explain(v.collection, query, 3, NULL, &json));
    assert_non_null(strstr(json, "{\"metric\":\"cosine\",\"dimension\":2,\"k\":3,\"recall\":0.95,\"found\":2,"
                                 "\"exact\":true,\"examined\":2,"));
    assert_non_null(strstr(json, "\"memtables\":[{\"strategy\":\"rows\",\"rows\":1,\"examined\":1,"));
    assert_non_null(strstr(json, "\"segments\":[{\"id\":\""));
    assert_non_null(strstr(json, "\"strategy\":\"vectors\",\"rows\":1,\"examined\":1,"));
    nacre_free(json);
    assert_code(nacre_nearest_explain(v.collection, origin, 3, NULL, &json), NACRE_INVALID);
    assert_null(json);
    assert_code(nacre_nearest_explain(v.collection, query, 3, NULL, NULL), NACRE_INVALID);
    vector_store_free(&v);
}

static void a_read_only_opening_searches_what_the_log_holds(void **state)
{
    static const float origin[] = { 0, 0 };
    (void)state;
    struct vector_store v;
    vector_store_create(&v, NACRE_L2, 2, 1);
    put2(&v, "a", 1, 0);
    assert_ok(nacre_flush(v.collection));
    put2(&v, "b", 2, 0);
    nacre_options options = v.options;
    nacre_store *store;
    nacre_collection *collection;
    options.read_only = true;
    assert_ok(nacre_open("/store", &options, &store));
    assert_ok(nacre_collection_open(store, "vectors", &collection));
    assert_string_equal(nearest_keys(collection, origin, 3, NULL), "a b");
    nacre_collection_close(collection);
    assert_ok(nacre_close(store));
    vector_store_free(&v);
}

/* ---- what is refused ---- */

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    struct vector_store v;
    nacre_neighbors found;
    static char long_key[NACRE_KEY_MAX + 1];
    const float good[] = { 1, 0 }, zero[] = { 0, -0.0f }, infinite[] = { 1, INFINITY }, none[] = { NAN, 1 };
    const float recalls[] = { -0.1f, 1.1f, NAN, INFINITY };
    vector_store_create(&v, NACRE_COSINE, 2, 1);
    put2(&v, "a", 1, 0);
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    assert_code(nacre_nearest(NULL, good, 1, NULL, &found), NACRE_INVALID);
    assert_code(nacre_nearest(v.collection, NULL, 1, NULL, &found), NACRE_INVALID);
    assert_code(nacre_nearest(v.collection, good, 1, NULL, NULL), NACRE_INVALID);
    assert_code(nacre_nearest(v.collection, good, 0, NULL, &found), NACRE_INVALID);
    assert_code(nacre_nearest(v.collection, good, NACRE_NEAREST_MAX + 1, NULL, &found), NACRE_LIMIT);
    assert_code(nacre_nearest(v.collection, zero, 1, NULL, &found), NACRE_INVALID);
    assert_code(nacre_nearest(v.collection, infinite, 1, NULL, &found), NACRE_INVALID);
    assert_code(nacre_nearest(v.collection, none, 1, NULL, &found), NACRE_INVALID);
    for (unsigned i = 0; i < sizeof recalls / sizeof *recalls; i++) {
        options.recall = recalls[i];
        assert_code(nacre_nearest(v.collection, good, 1, &options, &found), NACRE_INVALID);
    }
    options.recall = 1;
    assert_ok(nacre_nearest(v.collection, good, 1, &options, &found));
    assert_true(found.exact && found.count == 1);
    nacre_neighbors_release(&found);
    options = (nacre_nearest_options)NACRE_NEAREST_OPTIONS_INIT;
    options.key_regex = text("a(");
    assert_code(nacre_nearest(v.collection, good, 1, &options, &found), NACRE_INVALID);
    options.key_regex = (nacre_slice){ NULL, 3 };
    assert_code(nacre_nearest(v.collection, good, 1, &options, &found), NACRE_INVALID);
    options.key_regex = text("");
    options.key_prefix = (nacre_slice){ long_key, sizeof long_key };
    assert_code(nacre_nearest(v.collection, good, 1, &options, &found), NACRE_LIMIT);
    options.key_prefix = text("");
    options.begin = (nacre_slice){ NULL, 3 };
    assert_code(nacre_nearest(v.collection, good, 1, &options, &found), NACRE_INVALID);
    options.begin = text("b");
    options.end = text("a");
    assert_ok(nacre_nearest(v.collection, good, 1, &options, &found)); /* no key lies there */
    assert_true(found.exact && found.count == 0 && found.items == NULL);
    nacre_neighbors_release(&found);
    vector_store_free(&v);
}

static void collections_without_vectors_and_dropped_ones_are_refused(void **state)
{
    (void)state;
    struct vector_store v, other;
    nacre_neighbors found;
    nacre_collection *ordered;
    nacre_snapshot *snapshot;
    const float good[] = { 1, 0 };
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    vector_store_create(&v, NACRE_L2, 2, 1);
    vector_store_create(&other, NACRE_L2, 2, 1);
    assert_ok(nacre_collection_create(v.store, "ordered", NULL, &ordered));
    assert_code(nacre_nearest(ordered, good, 1, NULL, &found), NACRE_UNSUPPORTED);
    nacre_collection_close(ordered);
    assert_ok(nacre_snapshot_create(other.store, &snapshot));
    options.snapshot = snapshot;
    assert_code(nacre_nearest(v.collection, good, 1, &options, &found), NACRE_INVALID);
    nacre_snapshot_release(snapshot);
    put2(&v, "a", 1, 0);
    assert_ok(nacre_collection_drop(v.store, "vectors"));
    assert_code(nacre_nearest(v.collection, good, 1, NULL, &found), NACRE_NOT_FOUND);
    vector_store_free(&other);
    vector_store_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_older_and_nearer_version_never_shows),
        cmocka_unit_test(what_was_deleted_and_put_again_is_there_once),
        cmocka_unit_test(equal_distances_go_by_key_across_layers),
        cmocka_unit_test(expired_entries_are_not_found),
        cmocka_unit_test(a_search_agrees_with_the_list_at_every_step_of_a_history),
        cmocka_unit_test(filters_that_allow_few_rows_still_give_k),
        cmocka_unit_test(a_repeated_expression_is_remembered),
        cmocka_unit_test(narrow_ranges_are_searched_in_memtables_too),
        cmocka_unit_test(the_recall_asked_for_is_found),
        cmocka_unit_test(k_may_be_more_than_there_are),
        cmocka_unit_test(a_search_ends_at_its_timeout),
        cmocka_unit_test(a_search_can_be_cancelled),
        cmocka_unit_test(values_live_until_they_are_released),
        cmocka_unit_test(an_explanation_tells_of_every_layer),
        cmocka_unit_test(a_read_only_opening_searches_what_the_log_holds),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(collections_without_vectors_and_dropped_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
