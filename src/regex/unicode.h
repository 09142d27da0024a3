/* What of Unicode a regular expression can name: general categories (one and two letters) and scripts as sets of code points, and the orbits of
   simple case folding. The tables are made while building, by cmake/unicode_tables.awk, from the data files of Debian's package unicode-data
   (15.0.0 in Debian 12). Immutable; any thread. */
#ifndef NACRE_REGEX_UNICODE_H
#define NACRE_REGEX_UNICODE_H
#include "regex/syntax.h"

#define UNICODE_MAX             0x10FFFFu
#define UNICODE_REPLACEMENT     0xFFFDu /* what a byte that is not UTF-8 counts as */
#define UNICODE_SURROGATE_FIRST 0xD800u /* surrogates are in no valid UTF-8 */
#define UNICODE_SURROGATE_LAST  0xDFFFu

struct unicode_group {
    char name[24];
    uint32_t first, count; /* unicode_ranges[first] and on: sorted, disjoint, not adjacent */
};
/* Characters that differ by case alone form a ring: each leads to the next greater one, the greatest to the least. Others are not here. */
struct unicode_fold {
    uint32_t code, next;
};

extern const struct code_range unicode_ranges[];
extern const struct unicode_group unicode_groups[]; /* sorted by name */
extern const uint32_t unicode_group_count;
extern const struct unicode_fold unicode_folds[]; /* sorted by code */
extern const uint32_t unicode_fold_count;

const struct unicode_group *unicode_group_find(const char *name, size_t size); /* NULL: there is none */
uint32_t unicode_fold_from(uint32_t code); /* index of the first fold of a code not less than this */
uint32_t unicode_fold_next(uint32_t code); /* the code itself when it is alone */
#endif
