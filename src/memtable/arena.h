/* The memory of one memtable: allocated piece by piece, given back all at once. Any thread allocates; nothing is freed
   alone.

   Memory comes in regions. Small tables have a few small regions that double in size; from 1 MiB on regions are chunks
   of the pool. In a region of a chunk or more, small allocations come out of lanes: each slot (a processor, about)
   carves LANE_BYTES from the region and then allocates from its lane without touching a line that other processors
   write. */
#ifndef NACRE_MEMTABLE_ARENA_H
#define NACRE_MEMTABLE_ARENA_H
#include "memtable/chunk_pool.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define ARENA_SLOTS         8u /* a power of two */
#define LANE_BYTES          ((size_t)64 << 10)
#define LANE_ALLOCATION_MAX ((size_t)4 << 10) /* larger ones come from the region itself */

/* Address of the free rest (48 bits) and its size in units of 8 bytes (16 bits), changed together by one
   compare-and-swap. */
typedef _Atomic uint64_t arena_lane;

struct region;
struct arena {
    struct chunk_pool *pool;
    pthread_mutex_t lock;   /* guards the regions; taken once per lane, and per allocation that lanes do not serve */
    struct region *current; /* where lanes and small allocations come from; moves along region->next */
    struct region *newest;  /* the end of the chain that begins at current */
    struct region *large;   /* the latest region made for large values */
    struct region *all;     /* every region, for freeing */
    size_t next_small_bytes;
    _Atomic uint64_t used; /* relaxed: a statistic; so is the next */
    _Atomic uint64_t held; /* bytes of all regions */
};

int arena_init(struct arena *, struct chunk_pool *);
void arena_destroy(struct arena *);
/* `alignment`: a power of two from 8 to 64. NULL + detail. Any thread. */
void *arena_alloc(struct arena *, arena_lane *, size_t bytes, size_t alignment);
/* Makes sure that allocations of `bytes` together (each counted with alignment - 8), in any order and of any size,
   through ARENA_SLOTS lanes, succeed. `large`: few and big ones are expected, so they get memory of their own. */
int arena_ensure(struct arena *, size_t bytes, bool large);
uint64_t arena_bytes(const struct arena *);  /* carved out of regions so far */
uint64_t arena_memory(const struct arena *); /* all of its regions */
#endif
