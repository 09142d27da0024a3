/* What every file of the benchmark may need. */
#ifndef BENCH_SUPPORT_H
#define BENCH_SUPPORT_H
#include <limits.h>
#include <stddef.h>

#define PATH_SIZE (PATH_MAX + 64)

void die(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn)); /* the message goes to standard error */
void *allocate(size_t size);                         /* zeroed; ends the program when there is none; free() */

#endif
