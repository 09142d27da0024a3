/* Runs a part of the benchmark in a process of its own, so that engines do not share memory, caches of the allocator,
   or crashes. */
#ifndef BENCH_VECTORS_CHILD_H
#define BENCH_VECTORS_CHILD_H
#include <stdbool.h>
#include <stddef.h>

/* false: it ended by itself, with a message, or by a signal, which is told here. What it is to leave behind goes to
   shared memory. */
bool child_run(const char *name, void (*work)(void *context), void *context);

void *shared_allocate(size_t size); /* zeroed, seen by this process and its children; lives as long as they do */

#endif
