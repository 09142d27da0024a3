/* What the memtable tests share: random keys of several shapes, and a plain sorted array of versions as the model. */
#ifndef NACRE_TESTS_MEMTABLE_MODEL_H
#define NACRE_TESTS_MEMTABLE_MODEL_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "memtable/chunk_pool.h"
#include "memtable/memtable.h"

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}
static inline uint64_t random_below(uint64_t *state, uint64_t bound)
{
    return random_next(state) % bound;
}

enum key_shape { KEYS_TINY, KEYS_LONG_PREFIX, KEYS_BYTES, KEYS_HUGE, KEYS_CHAIN, KEY_SHAPES };
static const char *const key_shape_names[KEY_SHAPES] = { "tiny alphabet", "long prefix", "any bytes", "huge",
                                                         "prefixes of one another" };

/* Makes a random key in `out` (65535 bytes). */
static inline nacre_slice random_key(uint64_t *state, enum key_shape shape, uint8_t *out)
{
    static const uint8_t alphabet[] = { 0x00, 0x01, 'a', 0xFF };
    size_t size = 0, fixed = 0;
    switch (shape) {
    case KEYS_TINY:
        size = random_below(state, 8);
        break;
    case KEYS_LONG_PREFIX:
        fixed = random_below(state, 4) * 33 + (random_below(state, 8) == 0 ? random_below(state, 99) : 0);
        size = fixed + random_below(state, 5);
        break;
    case KEYS_BYTES:
        size = random_below(state, 4);
        for (size_t i = 0; i < size; i++)
            out[i] = (uint8_t)random_next(state);
        return (nacre_slice){ out, size };
    case KEYS_HUGE:
        fixed = 65535 - random_below(state, 3) * random_below(state, 3000);
        size = fixed;
        break;
    default:
        size = fixed = random_below(state, 700);
        break;
    }
    for (size_t i = 0; i < size; i++)
        out[i] = i < fixed ? 'p' : alphabet[random_below(state, sizeof alphabet)];
    if (shape == KEYS_HUGE) {
        for (int i = 0; i < 2; i++)
            out[random_below(state, 4) * 16383] = alphabet[random_below(state, sizeof alphabet)];
    }
    return (nacre_slice){ out, size };
}

/* Versions in internal order; owns the bytes. */
struct model {
    struct entry *entries;
    size_t count, capacity;
};

/* The index of the first version not before (key, sequence). */
static inline size_t model_lower(const struct model *model, nacre_slice key, uint64_t sequence)
{
    struct entry target = { .key = key, .sequence = sequence };
    size_t low = 0, high = model->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entry_compare(&model->entries[middle], &target) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline nacre_slice model_copy(nacre_slice from)
{
    void *bytes = malloc(from.size ? from.size : 1);
    assert_non_null(bytes);
    if (from.size)
        memcpy(bytes, from.data, from.size);
    return (nacre_slice){ bytes, from.size };
}

static inline void model_put(struct model *model, const struct entry *entry)
{
    size_t at = model_lower(model, entry->key, entry->sequence);
    if (at < model->count && entry_compare(&model->entries[at], entry) == 0)
        return;
    if (model->count == model->capacity) {
        model->capacity = model->capacity ? model->capacity * 2 : 256;
        model->entries = realloc(model->entries, model->capacity * sizeof *model->entries);
        assert_non_null(model->entries);
    }
    memmove(&model->entries[at + 1], &model->entries[at], (model->count - at) * sizeof *model->entries);
    model->entries[at] = *entry;
    model->entries[at].key = model_copy(entry->key);
    model->entries[at].value = model_copy(entry->value);
    model->count++;
}

static inline void model_free(struct model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        free((void *)model->entries[i].key.data);
        free((void *)model->entries[i].value.data);
    }
    free(model->entries);
    *model = (struct model){ 0 };
}

static inline void assert_same_entry(const struct entry *found, const struct entry *expected)
{
    assert_true(slice_equal(found->key, expected->key));
    assert_true(slice_equal(found->value, expected->value));
    assert_int_equal(found->sequence, expected->sequence);
    assert_int_equal(found->expiry_ms, expected->expiry_ms);
    assert_int_equal(found->type, expected->type);
}

/* The cursor stands on entry `index` of the model, or on nothing when that is outside. */
static inline void assert_stands_on(const struct cursor *cursor, const struct model *model, size_t index)
{
    assert_int_equal(cursor->status, NACRE_OK);
    assert_int_equal(cursor->valid, index < model->count);
    if (cursor->valid)
        assert_same_entry(&cursor->entry, &model->entries[index]);
}

static inline struct memtable *table_create(struct chunk_pool **pool)
{
    struct memtable *table = NULL;
    assert_int_equal(chunk_pool_create((uint64_t)64 << 20, pool), NACRE_OK);
    assert_int_equal(memtable_create(*pool, &(struct memtable_options){ .searched = true }, &table), NACRE_OK);
    return table;
}

static inline void table_free(struct memtable *table, struct chunk_pool *pool)
{
    memtable_unref(table);
    chunk_pool_free(pool);
}

static inline void put_text(struct memtable *table, const char *key, const char *value, uint64_t sequence)
{
    struct entry entry = { slice_text(key), slice_text(value), sequence, 0, ENTRY_PUT, NULL };
    assert_int_equal(memtable_put(table, &entry), NACRE_OK);
}
#endif
