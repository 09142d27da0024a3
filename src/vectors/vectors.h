/* The vectors kind: key -> float vector (+ value), searched for nearest neighbours. docs/vectors.md has the design, docs/formats.md the bytes. */
#ifndef NACRE_VECTORS_VECTORS_H
#define NACRE_VECTORS_VECTORS_H
#include "segment/kind.h"

extern const struct kind kind_vectors;

#define VECTORS_ROWS_MAX UINT32_C(0x7FFFFFFF) /* of a segment: rows are numbered by 31 bits */
#endif
