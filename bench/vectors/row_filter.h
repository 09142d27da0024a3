/* Labels of rows, and filters over them. A row's label is a number of 32 bits that is mixed from the row, so that a
   filter over labels has nothing to do with the order of the rows or their place in space. Its eight hexadecimal
   digits are the key of the row in nacre. */
#ifndef BENCH_VECTORS_ROW_FILTER_H
#define BENCH_VECTORS_ROW_FILTER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LABEL_DIGITS 8

enum filter_kind { FILTER_RANGE, FILTER_PREFIX, FILTER_REGEX, FILTER_CALLBACK, FILTER_KINDS };

/* Each allows one of 2^halvings rows: those with the lowest labels, or, by an expression, those whose labels end in a
   certain way. */
struct row_filter {
    enum filter_kind kind;
    unsigned halvings; /* FILTER_PREFIX: a multiple of 4 */
};

static inline uint32_t row_label(uint32_t row)
{
    row ^= row >> 16;
    row *= 0x85EBCA6Bu;
    row ^= row >> 13;
    row *= 0xC2B2AE35u;
    return row ^ row >> 16;
}

static inline uint32_t label_row(uint32_t label) /* the way back */
{
    label ^= label >> 16;
    label *= 0x7ED1B41Du;
    label ^= label >> 13 ^ label >> 26;
    label *= 0xA5CB9243u;
    return label ^ label >> 16;
}

static inline void label_write(uint32_t label, char digits[LABEL_DIGITS])
{
    for (int i = LABEL_DIGITS; i-- > 0; label >>= 4) {
        digits[i] = "0123456789abcdef"[label & 15];
    }
}

static inline uint32_t label_read(const char digits[LABEL_DIGITS])
{
    uint32_t label = 0;
    for (int i = 0; i < LABEL_DIGITS; i++) {
        label = label << 4 | (uint32_t)(digits[i] <= '9' ? digits[i] - '0' : digits[i] - 'a' + 10);
    }
    return label;
}

static inline uint64_t filter_end(
    const struct row_filter *filter) /* not of FILTER_REGEX: labels below it are allowed */
{
    return UINT64_C(1) << (32 - filter->halvings);
}

/* FILTER_REGEX: the last halvings / 4 digits are zero, and the one before them is one of the lowest. */
static inline bool filter_allows(const struct row_filter *filter, uint32_t row)
{
    uint32_t label = row_label(row);
    if (filter->kind != FILTER_REGEX) {
        return label < filter_end(filter);
    }
    unsigned zeros = filter->halvings / 4 * 4;
    return (label & ((UINT32_C(1) << zeros) - 1)) == 0 && (label >> zeros & 15) < 16u >> (filter->halvings % 4);
}

#endif
