/* Sets of keys for tests of the strings kind: sorted, distinct, of many shapes. */
#ifndef NACRE_TESTS_STRING_KEYS_H
#define NACRE_TESTS_STRING_KEYS_H
#include "base/slice.h"

enum key_shape {
    KEYS_TINY_ALPHABET,
    KEYS_PATHS,
    KEYS_NOT_UTF8,
    KEYS_RANDOM_BYTES,
    KEYS_SHORT,
    KEYS_LONG,
    KEYS_CASES,
    KEYS_HEX,
    KEYS_NAMES,
    KEY_SHAPES
};
struct string_keys {
    nacre_slice *keys; /* owned, and their bytes */
    size_t count;
};
/* At most `wanted` keys; fewer where the shape has no more or random ones were the same. */
void string_keys_make(struct string_keys *, enum key_shape, size_t wanted, uint64_t *random);
void string_keys_free(struct string_keys *);
uint64_t string_keys_random(uint64_t *random, uint64_t bound); /* below `bound` */
#endif
