/* Memory of memtables. Small tables take small pieces; from 1 MiB on they take 2 MiB chunks that are kept for the next
   table, already faulted in, up to `keep_bytes`. Any thread. */
#ifndef NACRE_MEMTABLE_CHUNK_POOL_H
#define NACRE_MEMTABLE_CHUNK_POOL_H
#include <stddef.h>
#include <stdint.h>
#define CHUNK_BYTES ((size_t)2 << 20)
struct chunk_pool;
int chunk_pool_create(uint64_t keep_bytes, struct chunk_pool **);
void chunk_pool_free(struct chunk_pool *);  /* every chunk is back */
void *chunk_pool_take(struct chunk_pool *); /* CHUNK_BYTES, not zeroed; NULL + detail */
void chunk_pool_give(struct chunk_pool *, void *);
void chunk_pool_warm(struct chunk_pool *, size_t chunks); /* have so many ready and faulted in; slow, best effort */
uint64_t chunk_pool_bytes(const struct chunk_pool *);     /* taken + kept */
#endif
