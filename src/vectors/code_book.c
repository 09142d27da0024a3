/* Codes of vectors (see code_book.h): their shape in memory, and encoding. Training is code_train.c, queries are code_query.c.

   A code, at a multiple of `stride` in a table:

     code_bytes codes (8 bits: one per element; 4 bits: byte i has element i low, element i + code_bytes high) | zeros up to a multiple of 4 |
     norm2 f32 | error f32 | zeros

   1. Norm and error are computed in double from the code as it is decoded, also for elements that were cut to the range: so the error is what it is,
      however the book was trained.
   Any thread; no locks. */
#include "vectors/code_space.h"
#include "base/memory.h"
#include <math.h>

static size_t round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

void code_book_shape(struct code_book *book, nacre_metric metric, uint32_t dimension, unsigned bits)
{
    uint32_t elements = dimension + (metric == NACRE_DOT);
    size_t bytes = bits == 8 ? elements : (elements + 1) / 2;
    size_t row = round_up(bytes, 4), used = row + sizeof(struct code_row);
    /* Whole cache lines, so that a row touches as few as it can; but not where a quarter and more would be padding. */
    size_t lines = round_up(used, 64), stride = lines - used <= used / 4 ? lines : round_up(used, 16);
    *book = (struct code_book){ .metric = metric,
                                .dimension = dimension,
                                .elements = elements,
                                .bits = bits,
                                .code_bytes = bytes,
                                .row_offset = row,
                                .stride = stride,
                                .unit = 1 };
}

bool code_book_is_sound(const struct code_book *book)
{
    if (!(book->unit > 0) || !isfinite(book->unit))
        return false;
    for (uint32_t i = 0; i < book->elements; i++)
        if (!isfinite(book->mean[i]) || !isfinite(book->low[i]) || !isfinite(book->step[i]) || book->step[i] < 0)
            return false;
    return true;
}

void code_book_free(struct code_book *book)
{
    memory_free(book->owned);
    book->owned = NULL;
}

struct code_sums { /* one per lane */
    double norm2[SPACE_LANES], error2[SPACE_LANES];
};

/* Codes of elements [begin, end), one byte each, or'ed into `code`: 4 bits come in two turns. */
SPACE_INLINE void encode_part(const struct code_book *book, const struct space_point *point, size_t begin, size_t end,
                              unsigned shift, uint8_t *code, struct code_sums *sums)
{
    const double most = book->bits == 8 ? 255 : 15;
    space_lanes norm2, error2;
    memcpy(&norm2, sums->norm2, sizeof norm2);
    memcpy(&error2, sums->error2, sizeof error2);
    for (size_t at = begin; at < end;) {
        struct space_block block;
        uint8_t bytes[SPACE_LANES];
        size_t count = space_block_at(book, point, at, end, &block);
        space_lanes level = (block.x - block.low) / block.step; /* step 0: NaN or infinite */
        level = SPACE_WHERE((level > 0) & (block.step > 0), level);
        level = SPACE_CHOOSE(level < most, level, level * 0 + most);
        level = (level + SPACE_ROUND) - SPACE_ROUND;
        space_lanes decoded = block.low + block.step * level, error = block.x - decoded;
        norm2 += decoded * decoded;
        error2 += error * error;
        space_shorts shorts = __builtin_convertvector(__builtin_convertvector(level, space_numbers), space_shorts);
        space_bytes codes = __builtin_convertvector(shorts, space_bytes);
        memcpy(bytes, &codes, sizeof bytes);
        if (shift == 0 && count == SPACE_LANES) {
            memcpy(code + (at - begin), bytes, SPACE_LANES);
            at += SPACE_LANES;
            continue;
        }
        for (size_t i = 0; i < count; i++, at++)
            code[at - begin] = (uint8_t)(code[at - begin] | bytes[i] << shift);
    }
    memcpy(sums->norm2, &norm2, sizeof norm2);
    memcpy(sums->error2, &error2, sizeof error2);
}

SPACE_INLINE void encode_all(const struct code_book *book, const struct space_point *point, uint8_t *code,
                             struct code_sums *sums)
{
    size_t low = book->bits == 8 ? book->elements : book->code_bytes;
    encode_part(book, point, 0, low, 0, code, sums);
    encode_part(book, point, low, book->elements, 4, code, sums);
}

CODE_LEVELS(void, encode,
            (const struct code_book *book, const struct space_point *point, uint8_t *code, struct code_sums *sums),
            encode_all, (book, point, code, sums))

void code_book_encode(const struct code_book *book, const void *vector, uint8_t *code)
{
    struct space_point point = space_row(book, vector);
    struct code_sums sums = { { 0 }, { 0 } };
    memset(code, 0, book->stride);
    encode(book, &point, code, &sums);
    double norm2 = space_sum(sums.norm2), error2 = space_sum(sums.error2);
    struct code_row row = { .norm2 = (float)norm2,
                            .error = float_above(sqrt(error2) * (1 + 0x1p-40) + 0x1p-44 * sqrt(norm2)) };
    memcpy(code + book->row_offset, &row, sizeof row);
}
