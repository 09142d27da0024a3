/* Training a code book (see code_book.h): the mean and the range of each element of graph space, from a sample of the rows.

   The range of an element is where the expected squared error is least: a wide one makes all steps long, a narrow one cuts elements off. Of the sample's
   values, sorted, up to 1/16 may be cut off at either end. What an element that is cut off costs is counted up to OUTLIER_PART of the middle's width: a few wild
   rows must not make the codes of all others coarse.

   1. A book is sound (code_book_is_sound) whatever finite vectors it was trained on.
   2. Elements whose range is below CONSTANT_PART of the widest have step 0: a query that differs there is far from all rows alike, and its own
      rounding there would only blur.
   Any thread; no locks. */
#include "vectors/code_space.h"
#include "base/memory.h"
#include "base/status.h"
#include <math.h>
#include <stdlib.h>

#define SAMPLE_ROWS   4096u
#define SAMPLE_FLOATS (4u << 20) /* at most, or as many as SAMPLE_LEAST rows have: training takes some 50 ms */
#define SAMPLE_LEAST  256u
#define STRIPE        16u /* elements gathered at once: a cache line of floats */
#define CUT_PLACES    12  /* how many ways to cut an end are tried */
#define OUTLIER_PART  0.25
#define CONSTANT_PART 1e-4f
#define FAR           1e14 /* elements beyond it are cut off in any case: so squares and products stay finite as floats */
#define STOP_ROWS     4096u /* between two looks at `stop` */

struct sample {
    struct space_point *points;
    uint32_t count;
    float *columns; /* STRIPE of `count` values */
    uint32_t *keys; /* for sorting, twice `count` */
};

static int sample_take(struct sample *sample, const struct code_book *book, const struct vector_rows *rows)
{
    uint64_t most = SAMPLE_FLOATS / book->elements;
    most = most > SAMPLE_ROWS ? SAMPLE_ROWS : most < SAMPLE_LEAST ? SAMPLE_LEAST : most;
    sample->count = rows->count < most ? rows->count : (uint32_t)most;
    sample->points = memory_alloc((sample->count + 1) * sizeof *sample->points);
    sample->columns = memory_alloc((sample->count + 1) * STRIPE * sizeof *sample->columns);
    sample->keys = memory_alloc(2 * (sample->count + 1) * sizeof *sample->keys);
    if (!sample->points || !sample->columns || !sample->keys)
        return NACRE_NO_MEMORY;
    for (uint32_t i = 0; i < sample->count; i++) {
        uint32_t row = (uint32_t)((uint64_t)i * rows->count / sample->count);
        int status = vector_rows_need(rows, row);
        if (status != NACRE_OK)
            return status;
        sample->points[i] = space_row(book, vector_row(rows, row));
    }
    return NACRE_OK;
}

static void sample_free(struct sample *sample)
{
    memory_free(sample->points);
    memory_free(sample->columns);
    memory_free(sample->keys);
}

/* Elements [at, at + width) of the sample in columns. */
static void sample_gather(const struct sample *sample, const struct code_book *book, uint32_t at, uint32_t width)
{
    for (uint32_t i = 0; i < sample->count; i++) {
        for (uint32_t e = 0; e < width; e++) {
            double element = space_element(book, &sample->points[i], at + e);
            sample->columns[(size_t)e * sample->count + i] = (float)(element > FAR    ? FAR
                                                                     : element < -FAR ? -FAR
                                                                                      : element);
        }
    }
}

static uint32_t sortable(uint32_t bits) /* floats' bits, in an order that unsigned numbers have */
{
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static uint32_t unsortable(uint32_t key)
{
    return key & 0x80000000u ? key & 0x7fffffffu : ~key;
}

static void sort_floats(float *values, uint32_t count, uint32_t *keys) /* by 11, 11 and 10 bits */
{
    uint32_t *from = keys, *to = keys + count;
    memcpy(from, values, count * sizeof *values);
    for (uint32_t i = 0; i < count; i++)
        from[i] = sortable(from[i]);
    for (unsigned shift = 0; shift < 32; shift += 11) {
        uint32_t begins[2049] = { 0 };
        for (uint32_t i = 0; i < count; i++)
            begins[(from[i] >> shift & 2047) + 1]++;
        for (unsigned b = 0; b < 2048; b++)
            begins[b + 1] += begins[b];
        for (uint32_t i = 0; i < count; i++)
            to[begins[from[i] >> shift & 2047]++] = from[i];
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits = unsortable(from[i]);
        memcpy(&values[i], &bits, sizeof bits);
    }
}

static double mean_of(const float *sorted, uint32_t count) /* outermost 1/64 at either end do not pull at it */
{
    uint32_t cut = count / 64;
    double sum = 0;
    for (uint32_t i = cut; i < count - cut; i++)
        sum += (double)sorted[i];
    return sum / (count - 2 * cut);
}

/* What it costs to cut off the outermost `cut` values at one end. */
static double cut_cost(const float *sorted, uint32_t count, uint32_t cut, double most, bool lower)
{
    double cost = 0, limit = (double)sorted[lower ? cut : count - 1 - cut];
    for (uint32_t i = 0; i < cut; i++) {
        double error = (double)sorted[lower ? i : count - 1 - i] - limit;
        error = fabs(error) < most ? error : most;
        cost += error * error;
    }
    return cost;
}

static void choose_range(const float *sorted, uint32_t count, unsigned bits, float *low, float *high)
{
    static const uint16_t places[CUT_PLACES] = { 0, 1, 2, 3, 4, 6, 8, 16, 32, 64, 128, 256 };
    double levels = bits == 8 ? 255 : 15, least = INFINITY;
    double middle = (double)sorted[count - 1 - count / 100] - (double)sorted[count / 100];
    double most = middle > 0 ? middle * OUTLIER_PART : INFINITY;
    double costs[2][CUT_PLACES];
    *low = sorted[0];
    *high = sorted[count - 1];
    for (int i = 0; i < CUT_PLACES && places[i] <= count / 16; i++) {
        costs[0][i] = cut_cost(sorted, count, places[i], most, true);
        costs[1][i] = cut_cost(sorted, count, places[i], most, false);
    }
    for (int l = 0; l < CUT_PLACES && places[l] <= count / 16; l++)
        for (int h = 0; h < CUT_PLACES && places[h] <= count / 16; h++) {
            float from = sorted[places[l]], to = sorted[count - 1 - places[h]];
            double step = ((double)to - (double)from) / levels;
            double cost = costs[0][l] + costs[1][h] + step * step / 12 * (count - places[l] - places[h]);
            if (cost < least) {
                least = cost;
                *low = from;
                *high = to;
            }
        }
}

static void train_elements(struct code_book *book, const struct sample *sample, float *mean, float *low, float *step)
{
    double levels = book->bits == 8 ? 255 : 15, widest = 0;
    memset(mean, 0, book->elements * sizeof *mean);
    for (uint32_t at = 0; at < book->elements; at += STRIPE) {
        uint32_t width = book->elements - at < STRIPE ? book->elements - at : STRIPE;
        sample_gather(sample, book, at, width); /* `mean` is still 0 there */
        for (uint32_t e = 0; e < width; e++) {
            float *values = sample->columns + (size_t)e * sample->count, from, to;
            sort_floats(values, sample->count, sample->keys);
            choose_range(values, sample->count, book->bits, &from, &to);
            mean[at + e] = (float)mean_of(values, sample->count);
            low[at + e] = from - mean[at + e];
            double width_here = (double)to - (double)from;
            step[at + e] = (float)(width_here / levels);
            widest = width_here > widest ? width_here : widest;
        }
    }
    float least = widest > 1e-15 ? (float)(widest / levels) * CONSTANT_PART : INFINITY;
    for (uint32_t i = 0; i < book->elements; i++)
        if (step[i] < least) {
            low[i] += step[i] * (float)levels / 2; /* the middle */
            step[i] = 0;
        }
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* L2: a power of two that brings the lengths of most rows near 1, so that their squares neither overflow nor vanish. */
static int unit_of_l2(const struct vector_rows *rows, double *unit)
{
    double norms2[SAMPLE_LEAST], middle;
    uint32_t count = rows->count < SAMPLE_LEAST ? rows->count : SAMPLE_LEAST;
    int exponent;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = (uint32_t)((uint64_t)i * rows->count / count);
        int status = vector_rows_need(rows, row);
        if (status != NACRE_OK)
            return status;
        norms2[i] = vector_norm2(vector_row(rows, row), rows->dimension);
    }
    qsort(norms2, count, sizeof *norms2, compare_doubles);
    middle = norms2[count / 2] > 0 ? norms2[count / 2] : norms2[count - 1];
    (void)frexp(sqrt(middle), &exponent);
    *unit = middle > 0 ? ldexp(1, -exponent) : 1;
    return NACRE_OK;
}

static int unit_of_dot(const struct vector_rows *rows, int (*stop)(void *context), void *context, double *unit)
{
    double greatest = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        int status = vector_rows_need(rows, i);
        if (status == NACRE_OK && stop && i % STOP_ROWS == 0)
            status = stop(context);
        if (status != NACRE_OK)
            return status;
        double norm2 = vector_norm2(vector_row(rows, i), rows->dimension);
        greatest = norm2 > greatest ? norm2 : greatest;
    }
    *unit = greatest > 0 ? 1 / sqrt(greatest) : 1;
    return NACRE_OK;
}

int code_book_train(struct code_book *book, const struct vector_rows *rows, unsigned bits, int (*stop)(void *context),
                    void *stop_context)
{
    struct sample sample = { 0 };
    int status = NACRE_OK;
    code_book_shape(book, rows->metric, rows->dimension, bits);
    book->owned = memory_zalloc(3 * (size_t)book->elements * sizeof *book->owned);
    if (!book->owned)
        return NACRE_NO_MEMORY;
    float *mean = book->owned, *low = mean + book->elements, *step = low + book->elements;
    book->mean = mean;
    book->low = low;
    book->step = step;
    if (rows->count > 0 && rows->metric == NACRE_L2)
        status = unit_of_l2(rows, &book->unit);
    else if (rows->metric == NACRE_DOT)
        status = unit_of_dot(rows, stop, stop_context, &book->unit);
    if (status == NACRE_OK && rows->count > 0) {
        status = sample_take(&sample, book, rows);
        if (status == NACRE_OK)
            train_elements(book, &sample, mean, low, step);
    }
    sample_free(&sample);
    if (status != NACRE_OK)
        code_book_free(book);
    return status;
}
