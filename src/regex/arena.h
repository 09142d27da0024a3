/* The memory of a syntax tree and of its analysis: taken piece by piece, given back all at once. One thread at a time. */
#ifndef NACRE_REGEX_ARENA_H
#define NACRE_REGEX_ARENA_H
#include <stddef.h>
#include <stdint.h>

#define ARENA_MAX ((size_t)64 << 20)

struct arena;
struct arena *arena_create(void); /* NULL with detail */
void arena_free(struct arena *);  /* takes NULL */
/* Aligned to 8, not zeroed. NULL with detail when there is no memory, or when the arena would hold more than ARENA_MAX bytes. */
void *arena_take(struct arena *, size_t bytes);
/* Why arena_take gave NULL: NACRE_NO_MEMORY or NACRE_LIMIT; NACRE_OK if it never did. */
int arena_status(const struct arena *);
#endif
