/* The merge operators of the model (see model.h): a value's number modulo a prime goes through x -> x * m + a, an operand being m and a. So the order of operands counts,
   and two of them make one. */
#include "support/model.h"
#include <string.h>

#define PRIME    UINT64_C(1073741789)
#define NO_VALUE 77u
#define NO_BYTES 12345u /* a value without bytes tells nothing of its number */

static uint64_t step(uint64_t x, uint64_t multiplier, uint64_t addend)
{
    return (x * multiplier + addend) % PRIME;
}

/* A number with this remainder whose value has bytes. */
static uint32_t number_of(uint64_t x)
{
    return (uint32_t)(x % 7 ? x : x + PRIME);
}

uint32_t model_merged(uint32_t number, uint32_t operand)
{
    uint64_t x = number == 0 ? NO_VALUE : number % 7 == 0 ? NO_BYTES : number % PRIME;
    return number_of(step(x, 31 + operand % 5, operand));
}

nacre_slice model_operand(uint32_t operand, char *out)
{
    const uint64_t words[2] = { 31 + operand % 5, operand };
    memcpy(out, words, sizeof words);
    return (nacre_slice){ out, sizeof words };
}

static int merge(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands, size_t count,
                 nacre_output *value)
{
    uint64_t x = NO_VALUE, words[2];
    uint32_t number = 0;
    char bytes[MODEL_VALUE_MAX];
    (void)context;
    (void)key;
    if (base && base->size >= sizeof number) {
        memcpy(&number, base->data, sizeof number);
        x = number % PRIME;
    } else if (base) {
        x = NO_BYTES;
    }
    for (size_t i = 0; i < count; i++) {
        if (operands[i].size != sizeof words) {
            return NACRE_INVALID;
        }
        memcpy(words, operands[i].data, sizeof words);
        x = step(x, words[0], words[1]);
    }
    return nacre_output_append(value, model_value(number_of(x), bytes));
}

static int combine(void *context, nacre_slice key, nacre_slice older, nacre_slice newer, nacre_output *operand)
{
    uint64_t first[2], second[2];
    (void)context;
    (void)key;
    if (older.size != sizeof first || newer.size != sizeof second) {
        return NACRE_INVALID;
    }
    memcpy(first, older.data, sizeof first);
    memcpy(second, newer.data, sizeof second);
    const uint64_t both[2] = { first[0] * second[0] % PRIME, step(first[1], second[0], second[1]) };
    return nacre_output_append(operand, (nacre_slice){ both, sizeof both });
}

static const nacre_merge_operator operators[] = { { "model", NULL, merge, combine },
                                                  { "model_alone", NULL, merge, NULL } };
const nacre_hooks model_hooks = { sizeof model_hooks, operators, 2, NULL, 0, NULL, NULL };
