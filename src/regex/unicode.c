/* Finds groups and case orbits in the tables. Binary searches. Any thread, no locks. */
#include "regex/unicode.h"

const struct unicode_group *unicode_group_find(const char *name, size_t size)
{
    nacre_slice wanted = { name, size };
    uint32_t low = 0, high = unicode_group_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = slice_compare(slice_text(unicode_groups[middle].name), wanted);
        if (order == 0)
            return &unicode_groups[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

uint32_t unicode_fold_from(uint32_t code)
{
    uint32_t low = 0, high = unicode_fold_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (unicode_folds[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t unicode_fold_next(uint32_t code)
{
    uint32_t at = unicode_fold_from(code);
    return at < unicode_fold_count && unicode_folds[at].code == code ? unicode_folds[at].next : code;
}
