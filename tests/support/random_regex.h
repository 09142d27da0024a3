/* Random patterns, and keys of the characters that they speak of. The same seed gives the same ones. */
#ifndef NACRE_TESTS_RANDOM_REGEX_H
#define NACRE_TESTS_RANDOM_REGEX_H
#include "base/buffer.h"

struct random_regex {
    uint64_t state; /* not 0 */
    bool bytes;     /* for patterns and keys over bytes: no UTF-8 */
};
uint32_t random_regex_below(struct random_regex *, uint32_t bound);
/* Valid in the syntax of RE2. `size` says about how many parts. */
void random_regex_pattern(struct random_regex *, unsigned size, struct buffer *pattern);
void random_regex_key(struct random_regex *, unsigned characters, bool valid, struct buffer *key);
#endif
