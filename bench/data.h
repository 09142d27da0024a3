/* Keys, values and random numbers. Random keys are a bijection of the index, so that no key repeats, an index that was never written is certain to
   miss, and a scan can say which entry it stands on. A value follows from index and version, so every value read is checked byte for byte. */
#ifndef BENCH_DATA_H
#define BENCH_DATA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KEY_SIZE       16
#define VALUE_SIZE_MIN 16
#define VALUE_SIZE_MAX (64u << 10)
#define MISSING_INDEX  (UINT64_C(1) << 62) /* indexes from here on are never written */

#define DATA_GOLDEN UINT64_C(0x9e3779b97f4a7c15)
#define DATA_MIX    UINT64_C(0xd6e8feb86659fd93)
#define DATA_UNMIX  UINT64_C(0xcfee444d8b59a89b) /* DATA_MIX * DATA_UNMIX = 1 modulo 2^64 */

static inline uint64_t scramble(uint64_t x)
{
    x ^= x >> 32;
    x *= DATA_MIX;
    x ^= x >> 32;
    x *= DATA_MIX;
    return x ^ (x >> 32);
}

static inline uint64_t unscramble(uint64_t x)
{
    x ^= x >> 32;
    x *= DATA_UNMIX;
    x ^= x >> 32;
    x *= DATA_UNMIX;
    return x ^ (x >> 32);
}

static inline uint64_t key_tail(uint64_t head)
{
    uint64_t x = (head ^ DATA_GOLDEN) * DATA_MIX;
    return x ^ (x >> 29);
}

static inline void key_random(uint64_t index, uint8_t key[KEY_SIZE])
{
    uint64_t head = scramble(index + 1), tail = key_tail(head);
    memcpy(key, &head, 8);
    memcpy(key + 8, &tail, 8);
}

/* The index that key_random made the key of; false: it is no such key. */
static inline bool key_random_index(const void *key, size_t size, uint64_t *index)
{
    uint64_t head, tail;
    if (size != KEY_SIZE) {
        return false;
    }
    memcpy(&head, key, 8);
    memcpy(&tail, (const uint8_t *)key + 8, 8);
    *index = unscramble(head) - 1;
    return tail == key_tail(head);
}

void key_sequential(uint64_t index, uint8_t key[KEY_SIZE]); /* sixteen decimal digits */

void data_init(void); /* before any value is made */
void value_fill(uint64_t index, uint64_t version, uint8_t *value, size_t size);
/* Is this a value of that index, whole and unchanged? Gives its version. */
bool value_check(uint64_t index, const uint8_t *value, size_t size, size_t expected_size, uint64_t *version);

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    random->state += DATA_GOLDEN;
    return scramble(random->state);
}

static inline uint64_t random_below(struct random *random, uint64_t limit)
{
    return (uint64_t)(((unsigned __int128)random_next(random) * limit) >> 64);
}

/* Indexes below `count` in YCSB's scrambled zipfian distribution (0.99), drawn beforehand so that the drawing is not in the timed part. */
struct zipfian {
    uint64_t count;
    double zeta;
};
void zipfian_init(struct zipfian *zipfian, uint64_t count);
void zipfian_draw(const struct zipfian *zipfian, struct random *random, uint32_t *indexes, size_t draws);

/* Every index below `count` once, in an order that looks random to an engine whose keys are scrambled. */
struct permutation {
    uint64_t count, step, position;
};
void permutation_init(struct permutation *permutation, uint64_t count, uint64_t seed);
static inline uint64_t permutation_next(struct permutation *permutation)
{
    uint64_t index = permutation->position;
    permutation->position += permutation->step;
    if (permutation->position >= permutation->count) {
        permutation->position -= permutation->count;
    }
    return index;
}

#endif
