/* Blocks of BIG_BLOCK bytes and more straight from the system, and back to it when they are freed. In the C library's allocator each such block that is freed
   raises the size from which on it asks the system, up to 32 MiB, and twice that may then stay in every thread's arena: some times of what the library
   holds. Not where a sanitizer is to watch over allocations. */
#ifndef NACRE_BASE_BIG_BLOCK_H
#define NACRE_BASE_BIG_BLOCK_H
#include <stddef.h>

#define BIG_BLOCK           ((size_t)256 << 10)
#define BIG_BLOCK_ALIGNMENT ((size_t)4096)

/* Zeroed, at the begin of a page. NULL: none is to be had, and the allocator is to be asked. */
void *big_block_make(size_t bytes);
size_t big_block_size(const void *memory); /* 0: it is none of these; any pointer */
void *big_block_resize(void *memory,
                       size_t bytes); /* what it holds moves with it, the rest is zeroed; NULL: it stays as it is */
void big_block_free(void *memory);    /* one of these */
#endif
