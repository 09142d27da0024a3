/* Queries over codes, and what their estimates prove (see code_book.h).

   q' is q rounded so that q' * step is whole numbers of -127..127 times one scale; where step is 0, q' is q. The integer product needs no more than
   the former; the latter, like <q', low>, is the same for all rows and part of `base`.

   1. |q - x| >= |q' - x'| - |q - q'| - |x - x'|, for any q, q', x, x': the triangle inequality. It holds whatever q' and x' are good for.
   2. An estimate is |q' - x'|^2 up to rounding. Its terms are base, norm2 and factor * dot, all at most 4 (|q'|^2 + |x'|^2) + 4 |<q', low>| in size; each was rounded
      a few times to 24 bits, the integer product once. That is less than 2^-20 of the sum, which `margin` and CODE_ROUNDING * norm2 are.
   3. Everything that goes into `error` is computed in double and rounded up.
   4. A query so far out that floats could overflow is shortened to a length of FAR, and its error is INFINITY: nothing is ruled out, all rows are compared.
   5. Distances of a metric are sums of floats: off by at most (dimension + 16) * 2^-24 of the sum of the sizes of their terms, whichever kernel made them. Those done in
      double are better.
   Any thread; a struct code_query is one thread's. */
#include "vectors/code_space.h"
#include "base/memory.h"
#include "base/status.h"
#include <float.h>
#include <math.h>

#define ROW_LANES  16
#define FAR        1e15
#define MOST_LEVEL 127.0 /* of a signed byte */

typedef float row_floats __attribute__((vector_size(4 * ROW_LANES)));
typedef int32_t row_numbers __attribute__((vector_size(4 * ROW_LANES)));
typedef int16_t row_shorts __attribute__((vector_size(2 * ROW_LANES)));
typedef uint8_t row_bytes __attribute__((vector_size(ROW_LANES)));

static size_t padded(size_t count)
{
    return (count + ROW_LANES - 1) / ROW_LANES * ROW_LANES;
}

static size_t query_elements(const struct code_book *book)
{
    return book->bits == 8 ? book->code_bytes : 2 * book->code_bytes;
}

int code_query_create(struct code_query *q, const struct code_book *book)
{
    *q = (struct code_query){ 0 };
    size_t bytes = padded(query_elements(book)) + ROW_LANES;
    q->elements = memory_alloc_aligned(64, (bytes + 63) / 64 * 64);
    if (!q->elements)
        return NACRE_NO_MEMORY;
    memset(q->elements, 0, bytes);
    return NACRE_OK;
}

void code_query_free(struct code_query *q)
{
    memory_free(q->elements);
    memory_free(q->tables);
    *q = (struct code_query){ 0 };
}

/* ---- a search's query ---- */

struct query_sums { /* one per lane */
    double norm2[SPACE_LANES], error2[SPACE_LANES], offset[SPACE_LANES];
};

SPACE_INLINE double greatest_level(const struct code_book *book, const struct space_point *point)
{
    space_lanes most = { 0 };
    double lanes[SPACE_LANES], greatest = 0;
    for (size_t at = 0; at < book->elements;) {
        struct space_block block;
        at += space_block_at(book, point, at, book->elements, &block);
        space_lanes level = block.x * block.step;
        level = SPACE_CHOOSE(level > 0, level, -level);
        most = SPACE_CHOOSE(level > most, level, most);
    }
    memcpy(lanes, &most, sizeof lanes);
    for (size_t i = 0; i < SPACE_LANES; i++)
        greatest = lanes[i] > greatest ? lanes[i] : greatest;
    return greatest < (double)FLT_MAX ? greatest : (double)FLT_MAX;
}

SPACE_INLINE double round_all(const struct code_book *book, const struct space_point *point, int8_t *elements,
                              struct query_sums *sums)
{
    double scale = (double)(float)(greatest_level(book, point) / MOST_LEVEL), per_scale = scale > 0 ? 1 / scale : 0;
    space_lanes norm2 = { 0 }, error2 = { 0 }, offset = { 0 };
    for (size_t at = 0; at < book->elements;) {
        struct space_block block;
        int8_t bytes[SPACE_LANES];
        size_t count = space_block_at(book, point, at, book->elements, &block);
        space_lanes level = block.x * block.step * per_scale;
        level = SPACE_CHOOSE(level < MOST_LEVEL, level, level * 0 + MOST_LEVEL);
        level = SPACE_CHOOSE(level > -MOST_LEVEL, level, level * 0 - MOST_LEVEL);
        level = (level + SPACE_ROUND) - SPACE_ROUND;
        space_lanes kept = SPACE_CHOOSE(block.step > 0, level * scale / block.step, block.x);
        space_lanes error = block.x - kept;
        norm2 += kept * kept;
        error2 += error * error;
        offset += kept * block.low;
        space_shorts shorts = __builtin_convertvector(__builtin_convertvector(level, space_numbers), space_shorts);
        space_bytes rounded = __builtin_convertvector(shorts, space_bytes);
        memcpy(bytes, &rounded, sizeof bytes);
        memcpy(elements + at, bytes, SPACE_LANES); /* there is room */
        at += count;
    }
    memcpy(sums->norm2, &norm2, sizeof norm2);
    memcpy(sums->error2, &error2, sizeof error2);
    memcpy(sums->offset, &offset, sizeof offset);
    return scale;
}

CODE_LEVELS(double, round_query,
            (const struct code_book *book, const struct space_point *point, int8_t *elements, struct query_sums *sums),
            round_all, (book, point, elements, sums))

void code_query_set(struct code_query *q, const struct code_book *book, const struct distance *distance)
{
    struct space_point point = space_query(book, distance);
    struct query_sums sums;
    double shorter = 1, scale = round_query(book, &point, q->elements, &sums);
    double norm2 = space_sum(sums.norm2), error2 = space_sum(sums.error2), offset = space_sum(sums.offset);
    q->error = float_above(sqrt(error2) * (1 + 0x1p-40) + 0x1p-44 * sqrt(norm2));
    if (!(norm2 < FAR * FAR)) {
        shorter = FAR / sqrt(norm2);
        q->error = INFINITY;
    }
    norm2 *= shorter * shorter;
    offset *= shorter;
    q->base = (float)(norm2 - 2 * offset);
    q->factor = (float)(-2 * scale * shorter);
    q->margin = (float)((4 * norm2 + 4 * fabs(offset)) * (double)CODE_ROUNDING);
}

/* ---- bounds ---- */

struct code_range code_range_of(const struct code_query *q, const struct code_row *row, float estimate)
{
    float margin = q->margin + row->norm2 * CODE_ROUNDING, errors = q->error + row->error;
    float near = estimate - margin, far = estimate + margin;
    struct code_range range = { 0, INFINITY };
    if (near > 0) {
        near = __builtin_sqrtf(near) * (1 - CODE_ROUNDING) - errors;
        range.least = near > 0 ? near * (1 - CODE_ROUNDING) : 0;
    }
    if (far >= 0)
        range.most = (__builtin_sqrtf(far) + errors) * (1 + CODE_ROUNDING);
    return range;
}

/* How far distances by the metric are off at most, as squares in graph space: a part of them, and an amount. */
static void rounding_of(const struct code_book *book, double *part, double *amount)
{
    double rounding = ((double)book->dimension + 16) * 0x1p-24;
    *part = book->metric == NACRE_L2 ? 2 * rounding : 0;
    *amount = book->metric == NACRE_L2 ? 0 : 8 * rounding; /* cosine: a product and two lengths are rounded */
}

float code_space_distance(const struct code_book *book, const struct distance *distance, float metric_distance)
{
    double at = (double)metric_distance + 0x1p-149; /* distances near 0 have lost digits, too */
    double part, amount, squared = INFINITY, length;
    rounding_of(book, &part, &amount);
    if (metric_distance >= FLT_MAX)
        return INFINITY;
    switch (book->metric) {
    case NACRE_L2:
        squared = at * book->unit * book->unit;
        break;
    case NACRE_COSINE:
        squared = 2 * at;
        break;
    case NACRE_DOT: /* |q - x|^2 = 2 - 2 <q, x> for points of length 1; of the query 0, all are 1 away */
        length = sqrt(distance->query_norm2);
        squared = length > 0 ? 2 + 2 * at / length * book->unit : 1;
        break;
    }
    squared = squared * (1 + part) + amount;
    return squared > 0 ? float_above(sqrt(squared) * (1 + 0x1p-40)) : 0;
}

float code_space_slack(const struct code_book *book, float reach)
{
    double part, amount;
    rounding_of(book, &part, &amount);
    /* Once from the truth to what is computed, once back; and a denormal distance, which is rounded by more than a part. */
    double squared = (double)reach * (double)reach * (1 + 3 * part) + 3 * amount + 0x1p-148 * book->unit * book->unit;
    return float_above(sqrt(squared) * (1 + 0x1p-20));
}

/* ---- rows as queries ---- */

/* Of a row as a query: level = round(code * slope + start), and <q', low> is the sum of level * offset. One table per half of a 4-bit code, each padded with
   zeros. */
struct row_tables {
    const float *slope, *start, *offset;
};

static struct row_tables tables_of(const struct code_query *q, const struct code_book *book, size_t half)
{
    size_t count = padded(book->code_bytes);
    const float *first = q->tables + 2 + 3 * count * half; /* 2: the scale and what step 0 gives */
    return (struct row_tables){ first, first + count, first + 2 * count };
}

static float scale_of_rows(const struct code_book *book)
{
    float most = book->bits == 8 ? 255 : 15, greatest = 0;
    for (uint32_t i = 0; i < book->elements; i++) {
        float low = fabsf(book->low[i]), high = fabsf(book->low[i] + book->step[i] * most);
        float size = (low > high ? low : high) * book->step[i];
        greatest = size > greatest ? size : greatest;
    }
    return greatest / (float)MOST_LEVEL;
}

int code_query_prepare_rows(struct code_query *q, const struct code_book *book)
{
    size_t count = padded(book->code_bytes), halves = book->bits == 8 ? 1 : 2;
    float scale = scale_of_rows(book), same = 0;
    memory_free(q->tables);
    q->tables = memory_zalloc((2 + 3 * count * halves) * sizeof *q->tables);
    if (!q->tables)
        return NACRE_NO_MEMORY;
    for (uint32_t i = 0; i < book->elements; i++) {
        size_t half = i / book->code_bytes;
        float *slope = q->tables + 2 + 3 * count * half + (i - half * book->code_bytes);
        float step = book->step[i], low = book->low[i];
        if (step > 0 && scale > 0) {
            slope[0] = step * step / scale;
            slope[count] = step * low / scale;
            slope[2 * count] = scale * low / step;
        } else if (!(step > 0)) {
            same += low * low;
        }
    }
    q->tables[0] = scale;
    q->tables[1] = same;
    return NACRE_OK;
}

SPACE_INLINE float row_levels(const struct row_tables *tables, const uint8_t *code, size_t bytes, unsigned shift,
                              uint8_t mask, int8_t *elements)
{
    const float round = 0x1.8p23f; /* added and taken away, leaves whole numbers */
    row_floats sum = { 0 };
    float lanes[ROW_LANES], total = 0;
    for (size_t at = 0; at < bytes; at += ROW_LANES) {
        row_bytes codes;
        row_floats slope, start, offset;
        memcpy(&codes, code + at, sizeof codes);
        memcpy(&slope, tables->slope + at, sizeof slope);
        memcpy(&start, tables->start + at, sizeof start);
        memcpy(&offset, tables->offset + at, sizeof offset);
        row_shorts numbers = __builtin_convertvector(codes, row_shorts) >> shift & mask;
        row_floats level = __builtin_convertvector(__builtin_convertvector(numbers, row_numbers), row_floats);
        level = (level * slope + start + round) - round;
        sum += level * offset;
        numbers = __builtin_convertvector(__builtin_convertvector(level, row_numbers), row_shorts);
        codes = __builtin_convertvector(numbers, row_bytes);
        memcpy(elements + at, &codes, sizeof codes);
    }
    memcpy(lanes, &sum, sizeof lanes);
    for (size_t i = 0; i < ROW_LANES; i++)
        total += lanes[i];
    return total;
}

SPACE_INLINE float levels_of_row(const struct code_query *q, const struct code_book *book, const uint8_t *code)
{
    struct row_tables low = tables_of(q, book, 0), high = tables_of(q, book, 1);
    if (book->bits == 8)
        return row_levels(&low, code, book->code_bytes, 0, 255, q->elements);
    float offset = row_levels(&low, code, book->code_bytes, 0, 15, q->elements);
    return offset + row_levels(&high, code, book->code_bytes, 4, 15, q->elements + book->code_bytes);
}

CODE_LEVELS(float, row_query, (const struct code_query *q, const struct code_book *book, const uint8_t *code),
            levels_of_row, (q, book, code))

void code_query_set_row(struct code_query *q, const struct code_book *book, const uint8_t *code)
{
    float offset = row_query(q, book, code);
    q->base = code_row_of(book, code)->norm2 - 2 * (offset + q->tables[1]);
    q->factor = -2 * q->tables[0];
    q->error = INFINITY; /* not known */
    q->margin = 0;
}
