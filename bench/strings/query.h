/* The patterns, and what can be said of one by looking at it. */
#ifndef BENCH_STRINGS_QUERY_H
#define BENCH_STRINGS_QUERY_H
#include <stdbool.h>
#include <stddef.h>

#define QUERY_LITERAL_MAX 256

struct query {
    char *id, *class_name, *pattern;
    double limit_us; /* what it should take at most; 0: there is no such figure */
};

struct queries {
    struct query *list;
    size_t count;
};

/* Reads lines of: id, class, limit in microseconds or "-", pattern, separated by tabs. Lines that begin with # do not count.
   only: comma separated ids or classes; NULL: all. */
void queries_read(struct queries *queries, const char *path, const char *only);
void queries_free(struct queries *queries);

/* A pattern that is one literal, perhaps anchored, perhaps for any case. */
struct query_literal {
    bool at_begin, at_end, ignore_case;
    char bytes[QUERY_LITERAL_MAX];
    size_t size;
};
bool query_literal(const char *pattern, struct query_literal *literal);

/* The same pattern for a buffer of many lines: what is not a listed character is not a newline either. false: it cannot be said so. */
bool query_for_buffer(const char *pattern, char *text, size_t size);

/* Whether the extended expressions of POSIX mean the same by it. */
bool query_is_posix(const char *pattern);

#endif
