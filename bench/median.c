/* The median of measured figures: of an even number, between the two in the middle. */
#include "median.h"
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double median(double *figures, size_t count)
{
    qsort(figures, count, sizeof *figures, compare);
    return count == 0 ? 0 : (figures[(count - 1) / 2] + figures[count / 2]) / 2;
}
