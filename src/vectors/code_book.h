/* Scalar quantisation: vectors as codes of 8 or 4 bits per dimension, and how far apart they say that two vectors are.

   Graph space is where the nearest under any of the metrics are the nearest by squared Euclidean distance. L2: vectors times `unit`. Cosine: vectors scaled to
   length 1. Dot: vectors over the greatest length of a row, and one more element that brings each to length 1; queries scaled to length 1, with 0 there (Bachrach
   et al., "Speeding up the Xbox recommender system using a Euclidean transformation for inner-product spaces", RecSys 2014). Codes stand for points of graph space
   minus the mean.

   A row's code is x' = low + step * code per dimension; its distance from x is kept beside it. A query is q' with q' * step in signed bytes times one scale, so that
   |q' - x'|^2 = |q'|^2 + |x'|^2 - 2 <q', low> - 2 scale * (integer product): an estimate of |q - x|^2 that is off by at most what the triangle inequality says,
   as |q - q'| and |x - x'| are known. */
#ifndef NACRE_VECTORS_CODE_BOOK_H
#define NACRE_VECTORS_CODE_BOOK_H
#include "vectors/reader.h"

struct distance;

struct code_book {
    nacre_metric metric;
    uint32_t dimension; /* of the vectors; graph space has one more for dot */
    uint32_t elements;  /* of graph space */
    unsigned bits;      /* 8 or 4 */
    size_t code_bytes;  /* of one code: code_dot.h's `bytes` */
    size_t row_offset;  /* of the struct code_row behind it */
    size_t stride;      /* from row to row in a table of codes: the code, the struct code_row, zeros */
    double unit;        /* what vectors are multiplied by; finite and over 0 */
    const float *mean, *low,
        *step;    /* `elements` each; low and step of what is left when the mean was taken off. step 0: the
                                       dimension is the same in all rows, nearly, and its codes are 0 */
    float *owned; /* memory behind them when trained here; NULL when they lie in a file */
};

struct code_row { /* behind each code, at a multiple of 4 */
    float norm2;  /* |x'|^2 */
    float error;  /* at least |x - x'|; INFINITY where no float is enough */
};

/* The sizes that follow from metric, dimension and bits. */
void code_book_shape(struct code_book *, nacre_metric, uint32_t dimension, unsigned bits);
/* Are these numbers such as a training makes? For those that come from a file. */
bool code_book_is_sound(const struct code_book *);
/* Trains on a sample of the rows (dot: looks at the lengths of all). NACRE_NO_MEMORY, or what `stop` says (may be NULL). */
int code_book_train(struct code_book *, const struct vector_rows *, unsigned bits, int (*stop)(void *context),
                    void *stop_context);
void code_book_free(struct code_book *);
/* The code of one vector and what stands behind it, `stride` bytes. */
void code_book_encode(const struct code_book *, const void *vector, uint8_t *code);
static inline const struct code_row *code_row_of(const struct code_book *book, const uint8_t *code)
{
    return (const struct code_row *)(const void *)(code + book->row_offset);
}

struct code_query {
    int8_t *elements; /* for code_dot.h; owned */
    float base;       /* |q'|^2 - 2 <q', low> */
    float factor;     /* of the integer product: -2 scale */
    float error;      /* at least |q - q'| */
    float margin;     /* what rounding does to an estimate, but for the row's part */
    float *tables;    /* for rows as queries; owned, NULL until there was one */
};
int code_query_create(struct code_query *, const struct code_book *); /* memory, once per thread or search */
void code_query_free(struct code_query *);
void code_query_set(struct code_query *, const struct code_book *, const struct distance *); /* a search's query */
/* Rows as queries, as their codes have them: for builds. _prepare is needed once before. Estimates from rows are for comparing with each other;
   they have no bounds. */
int code_query_prepare_rows(struct code_query *, const struct code_book *);
void code_query_set_row(struct code_query *, const struct code_book *, const uint8_t *code);

/* The estimate of the squared distance in graph space from the integer product. */
static inline float code_distance(const struct code_query *q, int32_t dot, float row_norm2)
{
    return q->base + row_norm2 + q->factor * (float)dot;
}

/* ---- bounds (code_query.c says why they hold) ---- */
#define CODE_ROUNDING 0x1p-20f /* of a row's norm, in an estimate */
struct code_range {            /* the true distance in graph space is in it */
    float least, most;
};
struct code_range code_range_of(const struct code_query *, const struct code_row *, float estimate);
/* Can a row with this estimate be at most `reach` away in graph space? Quicker than code_range_of, and as sure. */
static inline bool code_can_reach(const struct code_query *q, const struct code_row *row, float estimate, float reach)
{
    float most = reach + q->error + row->error;
    return !(estimate > most * most * (1 + CODE_ROUNDING) + q->margin + row->norm2 * CODE_ROUNDING); /* NaN: it can */
}
/* A distance in graph space that no row exceeds which by the metric, as computed, is at most `distance` away. */
float code_space_distance(const struct code_book *, const struct distance *, float distance);
/* At least code_space_distance of rows that are at most `reach` away in graph space. */
float code_space_slack(const struct code_book *, float reach);
#endif
