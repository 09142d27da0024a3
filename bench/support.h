/* What every file of the benchmarks may need. */
#ifndef BENCH_SUPPORT_H
#define BENCH_SUPPORT_H
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATH_SIZE (PATH_MAX + 64)

extern const char program_name[]; /* beside main() */

void die(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn)); /* the message goes to standard error */
void *allocate(size_t size);                         /* zeroed; ends the program when there is none; free() */

bool name_listed(const char *list, const char *name); /* in a comma separated list; NULL lists everything */
/* The names in a list must be known: a misspelt one would silently leave its rows out. */
void check_names(const char *list, const char *what, bool (*known)(const char *name));
bool number_parse(const char *text, uint64_t *value);
uint64_t number_of(const char *text); /* ends the program where it is none */

#endif
