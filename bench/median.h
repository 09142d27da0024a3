#ifndef BENCH_MEDIAN_H
#define BENCH_MEDIAN_H
#include <stddef.h>

double median(double *figures, size_t count); /* sorts them; 0 of none */

#endif
