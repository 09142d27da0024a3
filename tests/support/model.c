/* See model.h. */
#include "support/model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const model_names[MODEL_COLLECTIONS] = { "left", "right", "near" };

static struct {
    size_t size;
    unsigned char bytes[320];
} keys[MODEL_KEYS];

static int by_key(const void *a, const void *b)
{
    size_t m = ((const size_t *)a)[0], n = ((const size_t *)b)[0];
    int order = memcmp((const char *)a + sizeof(size_t), (const char *)b + sizeof(size_t), m < n ? m : n);
    return order ? order : (m > n) - (m < n);
}

__attribute__((constructor(200))) static void make_keys(void)
{
    unsigned n = 0;
    static char long_stem[301] = "long";
    memset(long_stem + 4, 'l', 296);
    const char *stems[] = { "a",    "ab",           "key", "key1",   "key10", "usr/share/doc/package/changelog.Debian",
                            "\xff", "\xff\xff\x01", "q",   long_stem };
    for (unsigned s = 0; s < sizeof stems / sizeof stems[0]; s++) {
        for (unsigned tail = 0; tail < 13 && n < MODEL_KEYS; tail++, n++) {
            size_t size = strlen(stems[s]);
            memcpy(keys[n].bytes, stems[s], size);
            if (tail > 0) {
                keys[n].bytes[size++] = (unsigned char)(tail == 1 ? 0 : tail == 2 ? 0xff : 'a' + tail);
            }
            keys[n].size = size;
        }
    }
    for (unsigned i = 0; n < MODEL_KEYS; n++, i++) {
        keys[n].size = (size_t)snprintf((char *)keys[n].bytes, sizeof keys[n].bytes, "zz%04u", i * 37 % 1000);
    }
    qsort(keys, MODEL_KEYS, sizeof keys[0], by_key);
}

nacre_slice model_key(unsigned index)
{
    return (nacre_slice){ keys[index].bytes, keys[index].size };
}

nacre_slice model_value(uint32_t number, char *out)
{
    size_t size = number % 7 == 0 ? 0 : number % 31 == 1 ? 5000 : number % 97 + 8;
    uint64_t seed = number * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < size; i++) {
        out[i] = (char)(i % 3 ? model_random(&seed) : 'v');
    }
    if (size >= 4) {
        memcpy(out, &number, 4);
    } else if (size == 0) {
        return (nacre_slice){ out, 0 };
    }
    return (nacre_slice){ out, size };
}

int model_open(const struct model *m, nacre_store *store, nacre_collection *collections[MODEL_COLLECTIONS])
{
    int status = NACRE_OK;
    for (unsigned c = 0; c < MODEL_COLLECTIONS && status == NACRE_OK; c++) {
        nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
        options.kind = m->kinds[c] ? m->kinds[c] : NACRE_ORDERED;
        options.value_log_threshold = m->value_log_threshold;
        if (options.kind == NACRE_VECTORS) {
            options.dimension = MODEL_DIMENSION;
            options.metric = m->metrics[c] ? m->metrics[c] : NACRE_L2;
        }
        options.merge_operator = !m->merges || options.kind == NACRE_VECTORS ? NULL : c ? "model_alone" : "model";
        status = nacre_collection_open(store, model_names[c], &collections[c]);
        if (status == NACRE_NOT_FOUND) {
            status = nacre_collection_create(store, model_names[c], &options, &collections[c]);
        }
    }
    return status;
}

uint64_t model_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void expect(int status)
{
    if (status != NACRE_OK) {
        fprintf(stderr, "%s\n", nacre_last_error());
        abort();
    }
}

static void random_range(struct model *m, nacre_batch *batch, nacre_collection *collection, unsigned c, uint64_t *seed)
{
    unsigned a = (unsigned)(model_random(seed) % MODEL_KEYS), b = a + 1 + (unsigned)(model_random(seed) % 12);
    nacre_slice end = { NULL, 0 };
    if (b < MODEL_KEYS) {
        end = model_key(b);
    }
    expect(nacre_batch_delete_range(batch, collection, model_key(a), end));
    for (unsigned i = a; i < MODEL_KEYS && i < b; i++) {
        m->values[c][i] = 0;
    }
}

static void random_put(struct model *m, nacre_batch *batch, nacre_collection *collection, unsigned c, unsigned i,
                       uint32_t number)
{
    static _Thread_local char value[MODEL_VALUE_MAX];
    if (m->kinds[c] == NACRE_VECTORS) {
        float vector[MODEL_DIMENSION];
        model_vector(number, vector);
        expect(nacre_batch_put_vector(batch, collection, model_key(i), vector, model_value(number, value)));
    } else {
        expect(nacre_batch_put(batch, collection, model_key(i), model_value(number, value)));
    }
    m->values[c][i] = number;
}

static void random_merge(struct model *m, nacre_batch *batch, nacre_collection *collection, unsigned c, unsigned i,
                         uint32_t operand)
{
    char bytes[16];
    expect(nacre_batch_merge(batch, collection, model_key(i), model_operand(operand, bytes)));
    m->values[c][i] = model_merged(m->values[c][i], operand);
}

void model_random_batch(struct model *m, nacre_batch *batch, nacre_collection *collections[MODEL_COLLECTIONS],
                        uint64_t *seed, uint32_t *next_value)
{
    unsigned ops = model_random(seed) % 4 ? 1 : 1 + (unsigned)(model_random(seed) % 12);
    while (ops-- > 0) {
        unsigned c = (unsigned)(model_random(seed) % MODEL_COLLECTIONS),
                 i = (unsigned)(model_random(seed) % MODEL_KEYS);
        unsigned what = (unsigned)(model_random(seed) % 100);
        if (m->merges && m->kinds[c] != NACRE_VECTORS && what >= 20 && what < 64) {
            random_merge(m, batch, collections[c], c, i % 40, ++*next_value);
        } else if (what < 64) {
            random_put(m, batch, collections[c], c, i, ++*next_value);
        } else if (what < 97) {
            expect(nacre_batch_delete(batch, collections[c], model_key(i)));
            m->values[c][i] = 0;
        } else {
            random_range(m, batch, collections[c], c, seed);
        }
    }
}

static int ingest_one(const struct model *m, nacre_segment_writer *writer, unsigned c, unsigned i, uint32_t number)
{
    char value[MODEL_VALUE_MAX];
    float vector[MODEL_DIMENSION];
    if (m->kinds[c] != NACRE_VECTORS) {
        return nacre_segment_writer_put(writer, model_key(i), model_value(number, value));
    }
    model_vector(number, vector);
    return nacre_segment_writer_put_vector(writer, model_key(i), vector, model_value(number, value));
}

int model_random_ingest(struct model *m, nacre_collection *collections[MODEL_COLLECTIONS], uint64_t *seed,
                        uint32_t *next_value)
{
    enum { WRITERS = 4 };
    nacre_segment_writer *writers[WRITERS] = { NULL };
    unsigned c = (unsigned)(model_random(seed) % MODEL_COLLECTIONS),
             count = 1 + (unsigned)(model_random(seed) % WRITERS);
    unsigned at = (unsigned)(model_random(seed) % MODEL_KEYS), most = 1 + (unsigned)(model_random(seed) % 60);
    unsigned step = 1 + (unsigned)(model_random(seed) % 3), each = most / count + 1;
    int status = NACRE_OK;
    for (unsigned w = 0; w < count && status == NACRE_OK; w++) {
        status = nacre_segment_writer_create(collections[c], NULL, &writers[count - 1 - w]);
    }
    for (unsigned n = 0; n < most && at < MODEL_KEYS; n++, at += step) {
        uint32_t number = ++*next_value;
        if (status == NACRE_OK) {
            status = ingest_one(m, writers[count - 1 - n / each], c, at, number);
        }
        m->values[c][at] = number;
    }
    if (status == NACRE_OK) {
        status = nacre_ingest(collections[c], writers, count);
    }
    for (unsigned w = 0; w < count; w++) {
        nacre_segment_writer_free(writers[w]);
    }
    return status;
}

static char complaint[512];

static const char *differ(const char *how, unsigned c, unsigned i, uint32_t want)
{
    snprintf(complaint, sizeof complaint, "collection %s, key %u, value %u expected: %s (last error: %.200s)",
             model_names[c], i, want, how, nacre_last_error());
    return complaint;
}

static bool same(nacre_slice got, uint32_t number)
{
    static _Thread_local char value[MODEL_VALUE_MAX];
    nacre_slice want = model_value(number, value);
    return got.size == want.size && (want.size == 0 || memcmp(got.data, want.data, want.size) == 0);
}

static const char *compare_scan(const struct model *m, nacre_collection *collection, unsigned c,
                                nacre_snapshot *snapshot, bool reverse, nacre_slice prefix)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    const char *wrong = NULL;
    options.snapshot = snapshot;
    options.reverse = reverse;
    options.prefix = prefix;
    if (nacre_scan(collection, &options, &cursor) != NACRE_OK) {
        return differ("nacre_scan failed", c, 0, 0);
    }
    for (unsigned n = 0; n < MODEL_KEYS && !wrong; n++) {
        unsigned i = reverse ? MODEL_KEYS - 1 - n : n;
        uint32_t want = m->values[c][i];
        nacre_slice key = model_key(i);
        if (want == 0 || key.size < prefix.size || (prefix.size && memcmp(key.data, prefix.data, prefix.size) != 0)) {
            continue;
        }
        if (!nacre_cursor_valid(cursor)) {
            wrong = differ(reverse ? "a reverse scan ends before it" : "a scan ends before it", c, i, want);
        } else if (nacre_cursor_key(cursor).size != key.size ||
                   memcmp(nacre_cursor_key(cursor).data, key.data, key.size) != 0) {
            wrong = differ(reverse ? "a reverse scan gives another key" : "a scan gives another key", c, i, want);
        } else if (!same(nacre_cursor_value(cursor), want)) {
            wrong = differ("a scan gives another value", c, i, want);
        }
        nacre_cursor_next(cursor);
    }
    if (!wrong && (nacre_cursor_valid(cursor) || nacre_cursor_status(cursor) != NACRE_OK)) {
        wrong = differ(nacre_cursor_valid(cursor) ? "a scan gives more keys than there are" : "a scan failed", c, 0, 0);
    }
    nacre_cursor_close(cursor);
    return wrong;
}

static const char *compare_gets(const struct model *m, nacre_collection *collection, unsigned c,
                                nacre_snapshot *snapshot)
{
    nacre_read_options options = NACRE_READ_OPTIONS_INIT;
    options.snapshot = snapshot;
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        nacre_value value;
        uint32_t want = m->values[c][i];
        int status = nacre_get(collection, model_key(i), &options, &value);
        bool right = want ? status == NACRE_OK && same(value.slice, want) : status == NACRE_NOT_FOUND;
        nacre_value_release(&value);
        if (!right) {
            return differ(status == NACRE_OK ? "get gives something else" : nacre_status_name(status), c, i, want);
        }
    }
    return NULL;
}

/* Prefixes of a few keys, which the model itself chooses: the same in each run. */
static const char *compare_prefixes(const struct model *m, nacre_collection *collection, unsigned c,
                                    nacre_snapshot *snapshot)
{
    const char *wrong = NULL;
    uint64_t seed = 4711;
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        seed = (seed ^ m->values[c][i]) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    }
    for (unsigned n = 0; n < 3 && !wrong; n++) {
        nacre_slice prefix = model_key((unsigned)(model_random(&seed) % MODEL_KEYS));
        prefix.size = 1 + model_random(&seed) % prefix.size;
        wrong = compare_scan(m, collection, c, snapshot, n % 2, prefix);
    }
    return wrong;
}

/* All at once, in an order of its own, some of them twice. */
static const char *compare_multi_get(const struct model *m, nacre_collection *collection, unsigned c,
                                     nacre_snapshot *snapshot)
{
    enum { ASKED = MODEL_KEYS + 7 };
    nacre_read_options options = NACRE_READ_OPTIONS_INIT;
    nacre_slice asked[ASKED];
    nacre_value values[ASKED];
    int statuses[ASKED];
    const char *wrong = NULL;
    options.snapshot = snapshot;
    for (unsigned i = 0; i < ASKED; i++) {
        asked[i] = model_key(i * 37 % MODEL_KEYS);
    }
    if (nacre_multi_get(collection, asked, ASKED, &options, values, statuses) != NACRE_OK) {
        return differ("nacre_multi_get failed", c, 0, 0);
    }
    for (unsigned i = 0; i < ASKED; i++) {
        uint32_t want = m->values[c][i * 37 % MODEL_KEYS];
        bool right = want ? statuses[i] == NACRE_OK && same(values[i].slice, want) : statuses[i] == NACRE_NOT_FOUND;
        if (!right && !wrong) {
            wrong = differ("multi_get gives something else", c, i * 37 % MODEL_KEYS, want);
        }
        nacre_value_release(&values[i]);
    }
    return wrong;
}

const char *model_compare(const struct model *m, nacre_collection *collections[MODEL_COLLECTIONS],
                          nacre_snapshot *snapshot)
{
    const nacre_slice all = { NULL, 0 };
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        const char *wrong;
        if ((wrong = compare_scan(m, collections[c], c, snapshot, false, all)) ||
            (wrong = compare_scan(m, collections[c], c, snapshot, true, all)) ||
            (wrong = compare_prefixes(m, collections[c], c, snapshot)) ||
            (wrong = compare_gets(m, collections[c], c, snapshot)) ||
            (wrong = compare_multi_get(m, collections[c], c, snapshot)) ||
            (m->kinds[c] == NACRE_STRINGS && (wrong = model_compare_searches(m, collections[c], c, snapshot))) ||
            (m->kinds[c] == NACRE_VECTORS && (wrong = model_compare_nearests(m, collections[c], c, snapshot)))) {
            return wrong;
        }
    }
    return NULL;
}
