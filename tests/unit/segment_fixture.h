/* What the tests of segments share: a directory, an environment over it, and a plain model of a segment's entries. */
#ifndef NACRE_TESTS_SEGMENT_FIXTURE_H
#define NACRE_TESTS_SEGMENT_FIXTURE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* base/status.h has its own */
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "ordered/ordered.h"
#include "segment/block_cache.h"
#include "segment/segment.h"
#include "values/value_pointer.h"

struct fixture {
    char directory[64];
    struct segment_env env;
    const struct kind *kind; /* of the segments that model_build makes */
    uint64_t next_id;
};

static inline void fixture_open(struct fixture *f, bool map)
{
    memset(f, 0, sizeof *f);
    strncpy(f->directory, "/tmp/nacre-segment-XXXXXX", sizeof f->directory - 1);
    assert_non_null(mkdtemp(f->directory));
    f->env = (struct segment_env){ .os = os_posix(), .directory = f->directory, .map = map };
    assert_int_equal(block_cache_create(1 << 20, &f->env.cache), NACRE_OK);
    f->kind = &kind_ordered;
    f->next_id = UINT64_C(1) << 32;
}

static inline void fixture_open_kind(struct fixture *f, const struct kind *kind, bool map)
{
    fixture_open(f, map);
    f->kind = kind;
}

static inline void fixture_visit(void *context, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", (const char *)context, name);
    (void)unlink(path);
}

static inline void fixture_close(struct fixture *f)
{
    block_cache_free(f->env.cache);
    assert_int_equal(f->env.os->list(f->env.os->context, f->directory, fixture_visit, f->directory), NACRE_OK);
    assert_int_equal(rmdir(f->directory), 0);
}

static inline void fixture_note_temporary(void *context, const char *name)
{
    *(size_t *)context += strstr(name, ".tmp") != NULL;
}

static inline size_t fixture_temporary_files(struct fixture *f)
{
    size_t count = 0;
    assert_int_equal(f->env.os->list(f->env.os->context, f->directory, fixture_note_temporary, &count), NACRE_OK);
    return count;
}

/* ---- random numbers ---- */

static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}
static inline uint64_t below(uint64_t *state, uint64_t bound)
{
    return bound ? (next_random(state) >> 11) % bound : 0;
}

/* ---- the model ---- */

/* Of the models that are made: not 0 for kinds that hold vectors. */
static uint32_t model_dimension;

struct model {
    struct entry *items; /* in internal order; keys, values and vectors owned */
    size_t count, capacity;
};

static inline nacre_slice model_copy(nacre_slice from)
{
    uint8_t *copy = malloc(from.size + 1);
    assert_non_null(copy);
    if (from.size)
        memcpy(copy, from.data, from.size);
    return slice_of(copy, from.size);
}

/* Floats of all sizes, few of them round. */
static inline const void *model_vector(uint64_t *random)
{
    uint8_t *vector = malloc(4 * (size_t)model_dimension);
    assert_non_null(vector);
    for (uint32_t i = 0; i < model_dimension; i++) {
        float element = ((float)below(random, 1u << 20) - (float)(1u << 19)) / (float)(1 + below(random, 1000));
        memcpy(vector + 4 * (size_t)i, &element, 4);
    }
    return vector;
}

/* A put of a kind that holds vectors has one in the model too. */
static inline void model_give_vectors(struct model *m, uint64_t *random)
{
    for (size_t i = 0; i < m->count && model_dimension; i++)
        if (entry_sets(&m->items[i]) && !m->items[i].vector)
            m->items[i].vector = model_vector(random);
}

static inline void model_add(struct model *m, struct entry e)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? m->capacity * 2 : 64;
        m->items = realloc(m->items, m->capacity * sizeof *m->items);
        assert_non_null(m->items);
    }
    e.key = model_copy(e.key);
    e.value = model_copy(e.value);
    m->items[m->count++] = e;
}

/* Puts of one sequence, without values, whose keys are in order. */
static inline void model_add_numbers(struct model *m, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char key[32];
        int size = snprintf(key, sizeof key, "key/%06u", i);
        model_add(m,
                  (struct entry){ .key = { key, (size_t)size }, .value = { "", 0 }, .sequence = 5, .type = ENTRY_PUT });
    }
}

static inline int model_order(const void *a, const void *b)
{
    return entry_compare(a, b);
}

static inline void model_drop(struct entry *e)
{
    free((void *)(uintptr_t)e->key.data);
    free((void *)(uintptr_t)e->value.data);
    free((void *)(uintptr_t)e->vector);
}

/* Sorts, and drops what has the same key and sequence. */
static inline void model_finish(struct model *m)
{
    size_t kept = 0;
    qsort(m->items, m->count, sizeof *m->items, model_order);
    for (size_t i = 0; i < m->count; i++) {
        if (kept && entry_compare(&m->items[kept - 1], &m->items[i]) == 0) {
            model_drop(&m->items[i]);
        } else {
            m->items[kept++] = m->items[i];
        }
    }
    m->count = kept;
}

static inline void model_free(struct model *m)
{
    for (size_t i = 0; i < m->count; i++)
        model_drop(&m->items[i]);
    free(m->items);
    *m = (struct model){ 0 };
}

/* And what was made of it. */
static inline void fixture_close_with(struct fixture *f, struct model *m, struct segment *s)
{
    segment_unref(s);
    model_free(m);
    fixture_close(f);
}

/* The first entry with a key >= `key`. */
static inline size_t model_seek(const struct model *m, nacre_slice key)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (slice_compare(m->items[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline const struct entry *model_get(const struct model *m, nacre_slice key, uint64_t snapshot)
{
    for (size_t i = model_seek(m, key); i < m->count && slice_equal(m->items[i].key, key); i++)
        if (m->items[i].sequence <= snapshot)
            return &m->items[i];
    return NULL;
}

enum model_shape {
    TINY_ALPHABET,
    COUNTED,
    RANDOM_16,
    LONG_KEYS,
    MANY_VERSIONS,
    LARGE_VALUES,
    CHAINS,
    BINARY,
    MODEL_SHAPES,
    PATHS = MODEL_SHAPES, /* these have keys that only some kinds take */
    TEXTS,
    CLUSTERED,
    HUGE_KEYS,
    STRING_SHAPES
};

#define MODEL_KEY_MAX ((1u << 20) + 1)

static inline size_t model_path(uint64_t *random, uint8_t *key)
{
    static const char *const words[] = {
        "usr", "share", "doc", "lib", "python3", "x86_64-linux-gnu", "a", "README", "1"
    };
    size_t size = 0;
    for (uint64_t depth = 1 + below(random, 7); depth > 0; depth--) {
        const char *word = words[below(random, 9)];
        size += (size_t)snprintf((char *)key + size, 24, "%s%s", size ? "/" : "", word);
    }
    return size + (size_t)snprintf((char *)key + size, 24, "%u", (unsigned)below(random, 300));
}

/* ASCII, UTF-8 and what is neither: also characters cut in the middle, surrogates, forms that are too long. */
static inline size_t model_text(uint64_t *random, uint8_t *key)
{
    static const char *const parts[] = {
        "a",        "zz",   "\n",           "\xc3\xa9", "\xe2\x82\xac",    "\xf0\x9f\x98\x80",
        "\xe2\x82", "\xff", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80"
    };
    size_t size = 0;
    for (uint64_t count = below(random, 12); count > 0; count--) {
        const char *part = parts[below(random, below(random, 3) ? 6 : 11)];
        memcpy(key + size, part, strlen(part));
        size += strlen(part);
        if (below(random, 20) == 0)
            key[size++] = 0;
    }
    return size;
}

/* Few bytes apart behind one of two long prefixes, and some short ones between. */
static inline size_t model_cluster(uint64_t *random, uint8_t *key, size_t prefix)
{
    size_t size = below(random, 4) ? prefix - below(random, 2) * 100 : below(random, 3);
    memset(key, 'c', size);
    for (uint64_t count = below(random, 5); count > 0; count--)
        key[size++] = (uint8_t)("bcd\xc3"[below(random, 4)]);
    return size;
}

static inline size_t model_key(enum model_shape shape, uint64_t *random, uint8_t *key)
{
    size_t size = 0;
    switch (shape) {
    case TINY_ALPHABET:
    case LARGE_VALUES:
        size = below(random, 7);
        for (size_t i = 0; i < size; i++)
            key[i] = (uint8_t)("ab\xff"[below(random, 3)]);
        break;
    case COUNTED:
        size = (size_t)snprintf((char *)key, 64, "tenant/0017/user/%08u/name", (unsigned)below(random, 5000));
        break;
    case RANDOM_16:
        size = 16;
        for (size_t i = 0; i < size; i++)
            key[i] = (uint8_t)below(random, 256);
        break;
    case LONG_KEYS:
        size = below(random, 4) ? below(random, 600) : 65535 - below(random, 3);
        memset(key, 'k', size);
        for (int i = 0; size && i < 3; i++)
            key[size - 1 - below(random, size < 6 ? size : 6)] = (uint8_t)below(random, 256);
        break;
    case MANY_VERSIONS:
        size = 1 + below(random, 2);
        memset(key, 'v', size);
        key[size - 1] = (uint8_t)('a' + below(random, 4));
        break;
    case CHAINS:
        size = below(random, 400);
        memset(key, 0, size);
        break;
    case PATHS:
        return model_path(random, key);
    case TEXTS:
        return model_text(random, key);
    case CLUSTERED:
        return model_cluster(random, key, 700);
    case HUGE_KEYS:
        return model_cluster(random, key, below(random, 2) ? (1u << 20) - 4 : 300u << 10);
    case BINARY:
    default:
        size = below(random, 12);
        for (size_t i = 0; i < size; i++)
            key[i] = (uint8_t)(below(random, 2) ? 0 : 255);
        break;
    }
    return size;
}

/* One in five is a delete, one in five a pointer or, where the kind takes them, an operand. */
static inline uint8_t model_type(uint64_t *random)
{
    uint64_t draw = below(random, 10);
    if (draw < 2)
        return ENTRY_DELETE;
    if (draw == 2)
        return ENTRY_POINTER;
    return draw == 3 && model_dimension == 0 ? ENTRY_MERGE : ENTRY_PUT;
}

/* `count` entries of a shape; sequences are random in [1, 3 * count]. */
static inline void model_fill(struct model *m, enum model_shape shape, size_t count, uint64_t *random)
{
    static uint8_t key[MODEL_KEY_MAX], value[3 << 20];
    *m = (struct model){ 0 };
    for (size_t i = 0; i < count; i++) {
        size_t size = model_key(shape, random, key), value_size = below(random, 8) ? below(random, 120) : 0;
        if (shape == LARGE_VALUES && below(random, 8) == 0)
            value_size = below(random, sizeof value);
        if (shape == LARGE_VALUES && below(random, 8) == 0)
            value_size = below(random, 70000);
        if (shape == MANY_VERSIONS && below(random, 100) == 0)
            value_size = 255 + below(random, 3);
        uint8_t fill = (uint8_t)next_random(random);
        bool compressible = below(random, 2);
        for (size_t k = 0; k < value_size; k++)
            value[k] = compressible ? fill : (uint8_t)(value[k] + k * fill + i);
        uint8_t type = model_type(random);
        if (type == ENTRY_POINTER) {
            value_pointer_encode(&(struct value_pointer){ 1 + below(random, 3), (uint32_t)below(random, 1u << 20),
                                                          (uint32_t)below(random, 9999), next_random(random) },
                                 value);
            value_size = VALUE_POINTER_BYTES;
        }
        model_add(m, (struct entry){ .key = { key, size },
                                     .value = { value, type != ENTRY_DELETE ? value_size : 0 },
                                     .sequence = 1 + below(random, 3 * count),
                                     .expiry_ms = below(random, 6) ? 0 : 1 + below(random, UINT64_C(1) << 45),
                                     .type = type });
    }
    model_finish(m);
    model_give_vectors(m, random);
}

static inline struct build_options model_options(const struct build_options *options)
{
    struct build_options own = *options;
    own.dimension = model_dimension;
    own.metric = model_dimension ? NACRE_L2 : (nacre_metric)0;
    return own;
}

/* Where something fails, what that was: nothing is left then. */
static inline int model_try_build(struct fixture *f, const struct model *m, const struct build_options *options,
                                  struct segment **segment)
{
    struct segment_builder *builder = NULL;
    struct build_options own = model_options(options);
    int status = segment_builder_create(&f->env, f->kind, f->next_id++, &own, &builder);
    if (status != NACRE_OK)
        return status;
    for (size_t i = 0; i < m->count && status == NACRE_OK; i++)
        status = segment_builder_add(builder, &m->items[i]);
    if (status != NACRE_OK) {
        segment_builder_abandon(builder);
        return status;
    }
    return segment_builder_finish(builder, segment);
}

static inline struct segment *model_build(struct fixture *f, const struct model *m, const struct build_options *options)
{
    struct segment *segment = NULL;
    int status = model_try_build(f, m, options, &segment);
    if (status != NACRE_OK)
        print_message("build: %s\n", fail_detail());
    assert_int_equal(status, NACRE_OK);
    return segment;
}

static inline struct lookup lookup_of(nacre_slice key, uint64_t snapshot)
{
    return (struct lookup){ .key = key, .hash = hash_bytes(key.data, key.size), .snapshot = snapshot };
}

static inline void assert_entry(const struct entry *expected, const struct entry *found)
{
    assert_int_equal(expected->key.size, found->key.size);
    assert_true(slice_equal(expected->key, found->key));
    assert_int_equal(expected->sequence, found->sequence);
    assert_int_equal(expected->type, found->type);
    assert_int_equal(expected->expiry_ms, found->expiry_ms);
    assert_int_equal(expected->value.size, found->value.size);
    assert_true(slice_equal(expected->value, found->value));
    assert_int_equal(expected->vector != NULL, found->vector != NULL);
    assert_true(!expected->vector || memcmp(expected->vector, found->vector, 4 * (size_t)model_dimension) == 0);
}
#endif
