/* Sets of keys of many shapes; string_keys.h. */
#include "string_keys.h"
#include <stdio.h>
#include <stdlib.h>

uint64_t string_keys_random(uint64_t *random, uint64_t bound)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return bound ? (*random * UINT64_C(0x2545f4914f6cdd1d) >> 11) % bound : 0;
}

static size_t pick_bytes(uint8_t *key, size_t size, const char *alphabet, size_t letters, uint64_t *random)
{
    for (size_t i = 0; i < size; i++)
        key[i] = (uint8_t)alphabet[string_keys_random(random, letters)];
    return size;
}

static size_t make_path(uint8_t *key, size_t room, uint64_t *random)
{
    static const char *const parts[] = { "usr",       "share",   "doc",     "lib",        "python3", "dist-packages",
                                         "README.md", "LICENSE", "License", "locale",     "index",   "include",
                                         "linux",     "a",       "x86_64",  "caf\xc3\xa9" };
    size_t size = 0, depth = 1 + string_keys_random(random, 6);
    for (size_t i = 0; i < depth && size + 32 < room; i++) {
        size += (size_t)snprintf((char *)key + size, room - size, "%s%s", i ? "/" : "",
                                 parts[string_keys_random(random, 16)]);
        if (string_keys_random(random, 3) == 0)
            size +=
                (size_t)snprintf((char *)key + size, room - size, "-%u.%u", (unsigned)string_keys_random(random, 40),
                                 (unsigned)string_keys_random(random, 3000));
    }
    return size;
}

/* Syllables, as in names of packages. */
static size_t make_name(uint8_t *key, uint64_t *random)
{
    size_t size = 0;
    for (size_t i = 3 + string_keys_random(random, 6); i > 0; i--) {
        key[size++] = (uint8_t) "bcdfghjklmnprstvwz-"[string_keys_random(random, 19)];
        key[size++] = (uint8_t) "aeiou"[string_keys_random(random, 5)];
        size += string_keys_random(random, 3) == 0;
        key[size - 1] = size % 2 ? (uint8_t) "nrst"[string_keys_random(random, 4)] : key[size - 1];
    }
    return size;
}

static size_t make_not_utf8(uint8_t *key, uint64_t *random)
{
    static const char *const parts[] = { "a",
                                         "B",
                                         "\xc3\xa9",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x98\x80",
                                         "\xc3",
                                         "\xe2",
                                         "\xe2\x82",
                                         "\xed\xa0\x80",
                                         "\xc0\x80",
                                         "\xf5",
                                         "\x80",
                                         "\xff",
                                         "/",
                                         "\xef\xbf\xbd",
                                         "z" };
    size_t size = 0;
    for (size_t i = string_keys_random(random, 9); i > 0; i--) {
        const char *part = parts[string_keys_random(random, 16)];
        memcpy(key + size, part, strlen(part));
        size += strlen(part);
    }
    return size;
}

static size_t make_key(enum key_shape shape, uint8_t *key, size_t room, uint64_t *random)
{
    size_t size = 0;
    switch (shape) {
    case KEYS_TINY_ALPHABET:
        return pick_bytes(key, string_keys_random(random, 14), "ab\0\xff", 4, random);
    case KEYS_PATHS:
        return make_path(key, room, random);
    case KEYS_NOT_UTF8:
        return make_not_utf8(key, random);
    case KEYS_SHORT:
    case KEYS_RANDOM_BYTES:
        size = shape == KEYS_SHORT ? string_keys_random(random, 3) : 1 + string_keys_random(random, 24);
        for (size_t i = 0; i < size; i++)
            key[i] = (uint8_t)string_keys_random(random, 256);
        return size;
    case KEYS_LONG:
        size = string_keys_random(random, 5) ? string_keys_random(random, 300) : string_keys_random(random, 3000);
        memset(key, 'k', size);
        for (int i = 0; size && i < 6; i++)
            key[string_keys_random(random, size)] = (uint8_t) "/0A z\x7f"[string_keys_random(random, 7)];
        return size;
    case KEYS_CASES:
        return pick_bytes(key, 1 + string_keys_random(random, 30), "abAB/cdCD.0", 11, random);
    case KEYS_NAMES:
        return make_name(key, random);
    case KEYS_HEX:
    default:
        return pick_bytes(key, 8 + string_keys_random(random, 50), "0123456789abcdefABC/", 20, random);
    }
}

static int key_order(const void *a, const void *b)
{
    return slice_compare(*(const nacre_slice *)a, *(const nacre_slice *)b);
}

void string_keys_make(struct string_keys *k, enum key_shape shape, size_t wanted, uint64_t *random)
{
    static uint8_t key[4096];
    k->keys = calloc(wanted + 1, sizeof *k->keys);
    k->count = 0;
    for (size_t i = 0; i < wanted && k->keys; i++) {
        size_t size = make_key(shape, key, sizeof key, random);
        uint8_t *copy = malloc(size + 1);
        if (!copy)
            abort();
        memcpy(copy, key, size);
        k->keys[k->count++] = slice_of(copy, size);
    }
    qsort(k->keys, k->count, sizeof *k->keys, key_order);
    size_t kept = 0;
    for (size_t i = 0; i < k->count; i++) {
        if (kept && slice_equal(k->keys[kept - 1], k->keys[i]))
            free((void *)(uintptr_t)k->keys[i].data);
        else
            k->keys[kept++] = k->keys[i];
    }
    k->count = kept;
}

void string_keys_free(struct string_keys *k)
{
    for (size_t i = 0; i < k->count; i++)
        free((void *)(uintptr_t)k->keys[i].data);
    free(k->keys);
    *k = (struct string_keys){ NULL, 0 };
}
