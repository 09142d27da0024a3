/* Values: the first 128 bytes are worked out from index and version (about ten nanoseconds for 100 bytes), what is beyond comes from a pool of random
   bytes at a place that follows from them. The first eight bytes are the version itself. Nothing of it can be compressed. */
#include "data.h"
#include <math.h>

#define POOL_SIZE        (256u << 10)
#define WORKED_OUT       128 /* bytes */
#define ZIPFIAN_EXPONENT 0.99

static uint8_t pool[POOL_SIZE + VALUE_SIZE_MAX];

void data_init(void)
{
    struct random random = { 42 };
    for (size_t i = 0; i < sizeof pool; i += 8) {
        uint64_t word = random_next(&random);
        memcpy(pool + i, &word, 8);
    }
}

void key_sequential(uint64_t index, uint8_t key[KEY_SIZE])
{
    for (int i = KEY_SIZE - 1; i >= 0; i--) {
        key[i] = (uint8_t)('0' + index % 10);
        index /= 10;
    }
}

static inline uint64_t value_seed(uint64_t index, uint64_t version)
{
    return (index ^ (version << 40) ^ (version >> 24)) * DATA_GOLDEN + version;
}

static inline uint64_t value_word(uint64_t seed, size_t i)
{
    uint64_t x = (seed + i * DATA_GOLDEN) * DATA_MIX;
    return x ^ (x >> 32);
}

void value_fill(uint64_t index, uint64_t version, uint8_t *value, size_t size)
{
    uint64_t seed = value_seed(index, version);
    size_t head = size < WORKED_OUT ? size : WORKED_OUT, i = 8;
    memcpy(value, &version, 8);
    for (; i + 8 <= head; i += 8) {
        uint64_t word = value_word(seed, i);
        memcpy(value + i, &word, 8);
    }
    if (i < head) {
        uint64_t word = value_word(seed, i);
        memcpy(value + i, &word, head - i);
    }
    if (size > head) {
        memcpy(value + head, pool + (scramble(seed) % POOL_SIZE), size - head);
    }
}

bool value_check(uint64_t index, const uint8_t *value, size_t size, size_t expected_size, uint64_t *version)
{
    if (size != expected_size) {
        return false;
    }
    memcpy(version, value, 8);
    uint64_t seed = value_seed(index, *version), difference = 0, found;
    size_t head = size < WORKED_OUT ? size : WORKED_OUT, i = 8;
    for (; i + 8 <= head; i += 8) {
        memcpy(&found, value + i, 8);
        difference |= found ^ value_word(seed, i);
    }
    if (i < head) {
        uint64_t word = value_word(seed, i);
        difference |= (uint64_t)(memcmp(value + i, &word, head - i) != 0);
    }
    if (size > head) {
        difference |= (uint64_t)(memcmp(value + head, pool + (scramble(seed) % POOL_SIZE), size - head) != 0);
    }
    return difference == 0;
}

/* As in "Quickly Generating Billion-Record Synthetic Databases" (Gray et al.), which YCSB uses. */
void zipfian_init(struct zipfian *zipfian, uint64_t count)
{
    zipfian->count = count;
    zipfian->zeta = 0;
    for (uint64_t i = 1; i <= count; i++) {
        zipfian->zeta += 1 / pow((double)i, ZIPFIAN_EXPONENT);
    }
}

void zipfian_draw(const struct zipfian *zipfian, struct random *random, uint32_t *indexes, size_t draws)
{
    double count = (double)zipfian->count, zeta_two = 1 + pow(0.5, ZIPFIAN_EXPONENT);
    double alpha = 1 / (1 - ZIPFIAN_EXPONENT);
    double eta = (1 - pow(2 / count, 1 - ZIPFIAN_EXPONENT)) / (1 - zeta_two / zipfian->zeta);
    for (size_t i = 0; i < draws; i++) {
        double u = (double)(random_next(random) >> 11) * 0x1p-53, uz = u * zipfian->zeta;
        uint64_t rank;
        if (uz < 1) {
            rank = 0;
        } else if (uz < zeta_two) {
            rank = 1;
        } else {
            rank = (uint64_t)(count * pow(eta * u - eta + 1, alpha));
        }
        indexes[i] = (uint32_t)(scramble(rank + 1) % zipfian->count);
    }
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

void permutation_init(struct permutation *permutation, uint64_t count, uint64_t seed)
{
    permutation->count = count;
    permutation->step = count < 3 ? 1 : scramble(seed) % (count - 2) + 1;
    while (common_divisor(permutation->step, count) != 1) {
        permutation->step++;
    }
    permutation->position = scramble(seed + 1) % count;
}
