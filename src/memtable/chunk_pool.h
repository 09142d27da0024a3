/* Memory of memtables. Small tables take small pieces; from 1 MiB on they take 2 MiB chunks that are kept for the next
   table, already faulted in, up to `keep_bytes`. Any thread. */
#ifndef NACRE_MEMTABLE_CHUNK_POOL_H
#define NACRE_MEMTABLE_CHUNK_POOL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#define CHUNK_BYTES ((size_t)2 << 20)
struct chunk_pool;
int chunk_pool_create(uint64_t keep_bytes, struct chunk_pool **);
void chunk_pool_set_keep(struct chunk_pool *, uint64_t keep_bytes); /* what is over it goes back to the system */
void chunk_pool_free(struct chunk_pool *);                          /* every chunk is back */
/* From now on, who reserves memory for puts asks first: `ask` says whether tables may take so many bytes more of the system. Before the pool is used. */
void chunk_pool_guard(struct chunk_pool *, bool (*ask)(void *context, uint64_t bytes), void *context);
/* The answer, for a chunk of the pool or for memory of so many bytes of a table's own. NACRE_OK, NACRE_BUSY + detail. */
int chunk_pool_ask(struct chunk_pool *, uint64_t bytes, bool chunk);
/* Whoever reserves until this is taken back is not asked: writes that only delete, on a full disk. Called by those who reserve, one at a time. */
void chunk_pool_excuse(struct chunk_pool *, bool excused);
uint64_t chunk_pool_refused(
    const struct chunk_pool *);             /* the bytes of the last answer that was no; called by those who reserve */
void chunk_pool_trim(struct chunk_pool *);  /* what is kept goes back to the system */
void *chunk_pool_take(struct chunk_pool *); /* CHUNK_BYTES, not zeroed; NULL + detail */
void chunk_pool_give(struct chunk_pool *, void *);
void chunk_pool_warm(struct chunk_pool *,
                     size_t chunks); /* have so many ready and faulted in, where there is room; slow, best effort */
uint64_t chunk_pool_bytes(const struct chunk_pool *); /* taken + kept */
uint64_t chunk_pool_kept_bytes(struct chunk_pool *);  /* ready for the next table */
/* Memory of tables that is not of chunks: what is taken, less what is given back. */
void chunk_pool_note(struct chunk_pool *, int64_t bytes);
uint64_t chunk_pool_table_bytes(struct chunk_pool *);     /* of all tables that live, chunks and else */
uint64_t chunk_pool_all_bytes(const struct chunk_pool *); /* the same, with what is kept; takes no lock */
#endif
