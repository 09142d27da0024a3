/* Every allocation of the library. A failed one sets the detail and gives NULL: callers return NACRE_NO_MEMORY. */
#ifndef NACRE_BASE_MEMORY_H
#define NACRE_BASE_MEMORY_H
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

void *memory_alloc(size_t bytes);
void *memory_zalloc(size_t bytes);
void *memory_alloc_aligned(size_t alignment, size_t bytes);
void *memory_realloc(void *memory, size_t bytes);
void memory_free(void *memory);
char *memory_strdup(const char *text);

/* Room for at least `wanted` items, half as many again where it has to grow. NACRE_NO_MEMORY; the items stay. */
int memory_grow(void **items, size_t *capacity, size_t wanted, size_t item_bytes);

/* Pages straight from the system, for arenas: zeroed, 2 MiB aligned (huge pages are asked for) when bytes >= 2 MiB. */
void *memory_map(size_t bytes);
void memory_unmap(void *memory, size_t bytes);

/* What all of the library holds in this process: by the allocator's own sizes, and pages of memory_map. */
struct memory_use {
    uint64_t heap_bytes, mapped_bytes;
};
struct memory_use memory_used(void);

/* What a stretch of work holds: what the calling thread allocates from begin to end, less what it frees, is added to `meter`; at the end all of
   it is taken off again, as what is left then has other owners. Stretches nest: the inner one's memory is the inner one's alone. */
struct memory_meter {
    _Atomic int64_t bytes;
};
struct memory_stretch {
    struct memory_meter *meter;
    int64_t balance;
};
void memory_stretch_begin(struct memory_meter *, struct memory_stretch *outer);
void memory_stretch_end(const struct memory_stretch *outer);
/* Memory changes its owner: what this thread's stretch allocated is another's from here on, or the other way round. */
void memory_give_away(void *memory);
void memory_take_over(void *memory);

/* Tests: called before every allocation; true makes it fail. NULL removes it. */
void memory_set_fault(bool (*should_fail)(void *context, size_t bytes), void *context);

/* a + b and a * b that say whether they fit. */
static inline bool size_add(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}
static inline bool size_multiply(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}
#endif
