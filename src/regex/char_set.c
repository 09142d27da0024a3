/* Sets of characters as lists of ranges, put in order only when that is needed. One thread at a time, no locks. */
#include "regex/char_set.h"
#include "base/memory.h"
#include "base/status.h"
#include "regex/unicode.h"
#include <stdlib.h>

enum { INSERTION_SORT_MAX = 24 };

void char_set_free(struct char_set *set)
{
    memory_free(set->ranges);
    *set = (struct char_set){ 0 };
}

void char_set_clear(struct char_set *set)
{
    set->count = 0;
    set->ordered = true;
}

int char_set_add(struct char_set *set, uint32_t low, uint32_t high)
{
    if (set->count > 0) {
        struct code_range *last = &set->ranges[set->count - 1];
        if (low >= last->low && low <= last->high + 1) { /* goes on where the last one ends */
            last->high = high > last->high ? high : last->high;
            return NACRE_OK;
        }
        set->ordered = set->ordered && low > last->high;
    } else {
        set->ordered = true;
    }
    if (set->count == set->capacity) {
        uint32_t capacity = set->capacity ? 2 * set->capacity : 32;
        struct code_range *ranges = memory_realloc(set->ranges, capacity * sizeof *ranges);
        if (!ranges)
            return NACRE_NO_MEMORY;
        set->ranges = ranges;
        set->capacity = capacity;
    }
    set->ranges[set->count++] = (struct code_range){ low, high };
    return NACRE_OK;
}

/* The other members of the orbits of low to high, as far as they are outside of it. */
static int add_orbits(struct char_set *set, uint32_t low, uint32_t high)
{
    for (uint32_t i = unicode_fold_from(low); i < unicode_fold_count && unicode_folds[i].code <= high; i++) {
        uint32_t code = unicode_folds[i].code;
        for (uint32_t other = unicode_folds[i].next; other != code; other = unicode_fold_next(other))
            if ((other < low || other > high) && char_set_add(set, other, other) != NACRE_OK)
                return NACRE_NO_MEMORY;
    }
    return NACRE_OK;
}

int char_set_add_folded(struct char_set *set, uint32_t low, uint32_t high)
{
    int status = char_set_add(set, low, high);
    return status == NACRE_OK ? add_orbits(set, low, high) : status;
}

int char_set_add_all(struct char_set *set, const struct code_range *ranges, uint32_t count, bool folded)
{
    int status = NACRE_OK;
    for (uint32_t i = 0; i < count && status == NACRE_OK; i++)
        status = folded ? char_set_add_folded(set, ranges[i].low, ranges[i].high)
                        : char_set_add(set, ranges[i].low, ranges[i].high);
    return status;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct code_range *x = a, *y = b;
    return x->low < y->low ? -1 : x->low > y->low;
}

static void sort_ranges(struct code_range *ranges, uint32_t count)
{
    if (count > INSERTION_SORT_MAX) {
        qsort(ranges, count, sizeof *ranges, compare_ranges);
        return;
    }
    for (uint32_t i = 1; i < count; i++) {
        struct code_range range = ranges[i];
        uint32_t j = i;
        for (; j > 0 && ranges[j - 1].low > range.low; j--)
            ranges[j] = ranges[j - 1];
        ranges[j] = range;
    }
}

void char_set_order(struct char_set *set)
{
    if (set->ordered || set->count < 2)
        return;
    sort_ranges(set->ranges, set->count);
    uint32_t kept = 0;
    for (uint32_t i = 1; i < set->count; i++) {
        struct code_range *last = &set->ranges[kept], *range = &set->ranges[i];
        if (range->low > last->high + 1)
            set->ranges[++kept] = *range;
        else if (range->high > last->high)
            last->high = range->high;
    }
    set->count = kept + 1;
    set->ordered = true;
}

int char_set_negate(struct char_set *set, uint32_t most)
{
    char_set_order(set);
    uint32_t from = 0, kept = 0, count = set->count;
    for (uint32_t i = 0; i < count && from <= most; i++) {
        struct code_range range = set->ranges[i]; /* read before its place is written */
        if (range.low > from)
            set->ranges[kept++] = (struct code_range){ from, range.low - 1 < most ? range.low - 1 : most };
        from = range.high + 1;
    }
    set->count = kept;
    set->ordered = true;
    return from <= most ? char_set_add(set, from, most) : NACRE_OK;
}

/* An ordered set without its surrogates, but for ranges that hold all of them; what they part is joined over them. */
static void leave_out_surrogates(struct char_set *set)
{
    uint32_t at = 0;
    while (at < set->count && set->ranges[at].high < UNICODE_SURROGATE_FIRST - 1)
        at++;
    if (at == set->count || set->ranges[at].low > UNICODE_SURROGATE_LAST)
        return;
    uint32_t end = at;
    bool before = set->ranges[at].low < UNICODE_SURROGATE_FIRST;
    uint32_t low = set->ranges[at].low, high = 0;
    while (end < set->count && set->ranges[end].low <= UNICODE_SURROGATE_LAST + 1)
        high = set->ranges[end++].high;
    bool behind = high > UNICODE_SURROGATE_LAST;
    uint32_t kept = before || behind;
    if (kept)
        set->ranges[at] = (struct code_range){ before ? low : UNICODE_SURROGATE_LAST + 1,
                                               behind ? high : UNICODE_SURROGATE_FIRST - 1 };
    memmove(set->ranges + at + kept, set->ranges + end, (set->count - end) * sizeof *set->ranges);
    set->count -= end - at - kept;
}

void char_set_finish(struct char_set *set, uint32_t most)
{
    char_set_order(set);
    while (set->count > 0 && set->ranges[set->count - 1].low > most)
        set->count--;
    if (set->count > 0 && set->ranges[set->count - 1].high > most)
        set->ranges[set->count - 1].high = most;
    leave_out_surrogates(set);
}
