/* Regions, lanes and the promise that what was ensured will be found.
   Invariants:
   1. A request that does not fit a region costs it nothing, so what was free stays free.
   2. `current` only moves forward along `next`, and only past a region that could not hold a small allocation.
   3. arena_ensure(n) leaves one region R, from `current` on or `large`, with room for n bytes with all waste counted.
      Whoever allocates what was ensured tries R before the arena grows, and only such allocations take from R; so R
      alone is enough.
   4. A lane is replaced under the lock, so at most one per slot is open. The rest of a lane that is given up is smaller
      than the allocation that did not fit: less than LANE_ALLOCATION_MAX of LANE_BYTES.
   Locks: `lock`, then the pool's. Any thread. */
#include "memtable/arena.h"
#include "base/memory.h"
#include "base/status.h"

#define SMALL_REGION_FIRST ((size_t)4 << 10)
#define SMALL_REGION_LAST  ((size_t)512 << 10) /* 4 KiB + 8 KiB + ... + 512 KiB is 1 MiB: after that come chunks */
#define ADDRESS_BITS       48
#define ADDRESS_MASK       ((UINT64_C(1) << ADDRESS_BITS) - 1)
#define UNIT               8u
/* Of so many bytes in lanes one may be wasted: invariant 4. */
#define WASTE_PART (LANE_BYTES / LANE_ALLOCATION_MAX - 1)

enum region_source { REGION_ALLOCATED, REGION_CHUNK, REGION_MAPPED };

struct region {
    _Alignas(64) struct region *next; /* towards newest */
    struct region *next_of_all;
    size_t size, used; /* both with this header */
    enum region_source source;
};

_Static_assert(sizeof(void *) == 8, "lanes pack an address into 48 bits");
_Static_assert(LANE_BYTES / UNIT <= UINT16_MAX, "the size of a lane's rest has 16 bits");

int arena_init(struct arena *arena, struct chunk_pool *pool)
{
    if (pthread_mutex_init(&arena->lock, NULL) != 0) {
        return fail(NACRE_NO_MEMORY, "memtable: the system has no room for a mutex");
    }
    arena->pool = pool;
    arena->current = arena->newest = arena->large = arena->all = NULL;
    arena->next_small_bytes = SMALL_REGION_FIRST;
    atomic_init(&arena->used, 0);
    atomic_init(&arena->held, 0);
    return NACRE_OK;
}

static void region_free(struct arena *arena, struct region *region)
{
    if (region->source != REGION_CHUNK)
        chunk_pool_note(arena->pool, -(int64_t)region->size);
    switch (region->source) {
    case REGION_ALLOCATED:
        memory_free(region);
        return;
    case REGION_CHUNK:
        chunk_pool_give(arena->pool, region);
        return;
    case REGION_MAPPED:
        memory_unmap(region, region->size);
        return;
    }
}

void arena_destroy(struct arena *arena)
{
    while (arena->all) {
        struct region *region = arena->all;
        arena->all = region->next_of_all;
        region_free(arena, region);
    }
    pthread_mutex_destroy(&arena->lock);
}

static bool region_has_lanes(const struct region *region)
{
    return region->size >= CHUNK_BYTES;
}

static size_t region_room(const struct region *region)
{
    return region->size - region->used;
}

/* The size of the next small region if it is to have `size` bytes; more than SMALL_REGION_LAST when it cannot be a
   small one. */
static size_t small_region_size(const struct arena *arena, size_t size)
{
    size_t small = arena->next_small_bytes;
    while (small < size && small <= SMALL_REGION_LAST)
        small *= 2;
    return small;
}

/* Where a region of `size` bytes for the chain comes from; sizes up to that of a chunk are rounded up. */
static enum region_source choose_source(const struct arena *arena, size_t *size)
{
    size_t small = small_region_size(arena, *size);
    if (small <= SMALL_REGION_LAST) {
        *size = small;
        return REGION_ALLOCATED;
    }
    if (*size > CHUNK_BYTES)
        return REGION_MAPPED;
    *size = CHUNK_BYTES;
    return REGION_CHUNK;
}

/* Who is going to write asks whether there is room (`ask`); who is at it may take what was not foreseen. */
static int region_create(struct arena *arena, size_t bytes, bool large, bool ask, struct region **made)
{
    size_t size;
    if (!size_add(bytes, sizeof(struct region) + UNIT - 1, &size))
        return fail(NACRE_NO_MEMORY, "memtable: %zu bytes do not fit the address space", bytes);
    size &= ~(size_t)(UNIT - 1);
    enum region_source source = large ? REGION_MAPPED : choose_source(arena, &size);
    int status = ask ? chunk_pool_ask(arena->pool, size, source == REGION_CHUNK) : NACRE_OK;
    if (status != NACRE_OK)
        return status;
    struct region *region = source == REGION_ALLOCATED ? memory_alloc_aligned(_Alignof(struct region), size)
                            : source == REGION_CHUNK   ? chunk_pool_take(arena->pool)
                                                       : memory_map(size);
    if (!region)
        return NACRE_NO_MEMORY;
    if (source != REGION_MAPPED)
        arena->next_small_bytes = size * 2;
    *region = (struct region){ .size = size, .used = sizeof *region, .source = source, .next_of_all = arena->all };
    arena->all = region;
    atomic_fetch_add_explicit(&arena->held, size, memory_order_relaxed);
    if (source != REGION_CHUNK)
        chunk_pool_note(arena->pool, (int64_t)size);
    *made = region;
    return NACRE_OK;
}

static int grow(struct arena *arena, size_t bytes, bool large, bool ask)
{
    struct region *region = NULL;
    int status = region_create(arena, bytes, large, ask, &region);
    if (status != NACRE_OK)
        return status;
    if (large) {
        arena->large = region;
        return NACRE_OK;
    }
    if (arena->newest)
        arena->newest->next = region;
    else
        arena->current = region;
    arena->newest = region;
    return NACRE_OK;
}

/* The region to take `bytes` from; NULL when the arena must grow. A small request moves current past what is full for
   it. */
static struct region *find_region(struct arena *arena, size_t bytes, bool small)
{
    bool large_fits = arena->large && region_room(arena->large) >= bytes;
    if (!small && large_fits)
        return arena->large;
    for (struct region *region = arena->current; region; region = region->next) {
        if (region_room(region) >= bytes)
            return region;
        if (small && region->next)
            arena->current = region->next;
    }
    return large_fits ? arena->large : NULL;
}

static void *carve(struct arena *arena, struct region *region, size_t bytes)
{
    void *memory = (uint8_t *)region + region->used;
    region->used += bytes;
    atomic_fetch_add_explicit(&arena->used, bytes, memory_order_relaxed);
    return memory;
}

/* lock held. */
static struct region *find_or_grow(struct arena *arena, size_t bytes, bool small)
{
    struct region *region = find_region(arena, bytes, small);
    if (region)
        return region;
    return grow(arena, bytes, bytes > CHUNK_BYTES / 2, false) == NACRE_OK ? find_region(arena, bytes, small) : NULL;
}

/* Allocates from the lane. False: it has not enough left. */
static bool lane_alloc(arena_lane *lane, size_t bytes, size_t alignment, void **memory)
{
    /* acquire, and release below: who allocates from a lane comes after who made it, hence after the memory's former
       table. */
    uint64_t state = atomic_load_explicit(lane, memory_order_acquire), rest, address;
    do {
        size_t room = (size_t)(state >> ADDRESS_BITS) * UNIT;
        address = state & ADDRESS_MASK;
        size_t pad = (size_t)(-address & (alignment - 1));
        if (room < bytes + pad)
            return false;
        address += pad;
        rest = (address + bytes) | (uint64_t)((room - pad - bytes) / UNIT) << ADDRESS_BITS;
    } while (!atomic_compare_exchange_weak_explicit(lane, &state, rest, memory_order_acq_rel, memory_order_acquire));
    *memory = (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr): it was packed from a pointer */
    return true;
}

/* lock held. Gives the slot a new lane, less the piece of `bytes` that the caller takes off its begin. */
static void *lane_replace(struct arena *arena, arena_lane *lane, struct region *region, size_t bytes, size_t alignment)
{
    size_t taken = region_room(region) < LANE_BYTES ? region_room(region) : LANE_BYTES;
    uint8_t *piece = carve(arena, region, taken);
    uint8_t *memory = piece + (-(uintptr_t)piece & (alignment - 1));
    uint64_t left = (uint64_t)(piece + taken - (memory + bytes));
    atomic_store_explicit(lane, (uint64_t)(uintptr_t)(memory + bytes) | left / UNIT << ADDRESS_BITS,
                          memory_order_release);
    return memory;
}

static void *alloc_slow(struct arena *arena, arena_lane *lane, size_t bytes, size_t alignment)
{
    size_t with_padding = bytes + alignment - UNIT;
    bool small = with_padding <= LANE_ALLOCATION_MAX;
    void *memory = NULL;
    pthread_mutex_lock(&arena->lock);
    /* Another thread of the slot may have brought a new lane while this one waited. */
    if (!small || !lane_alloc(lane, bytes, alignment, &memory)) {
        struct region *region = find_or_grow(arena, with_padding, small);
        if (region && small && region_has_lanes(region) && region != arena->large) {
            memory = lane_replace(arena, lane, region, bytes, alignment);
        } else if (region) {
            uint8_t *piece = carve(arena, region, with_padding);
            memory = piece + (-(uintptr_t)piece & (alignment - 1));
        }
    }
    pthread_mutex_unlock(&arena->lock);
    return memory;
}

void *arena_alloc(struct arena *arena, arena_lane *lane, size_t bytes, size_t alignment)
{
    bytes = (bytes + UNIT - 1) & ~(size_t)(UNIT - 1);
    void *memory;
    return lane_alloc(lane, bytes, alignment, &memory) ? memory : alloc_slow(arena, lane, bytes, alignment);
}

/* Could allocations of `bytes` together fail in this region alone? (invariants 3 and 4) */
static bool region_suffices(const struct region *region, size_t bytes)
{
    size_t room = region_room(region);
    if (!region_has_lanes(region))
        return room >= bytes;
    size_t open = ARENA_SLOTS * LANE_BYTES; /* lanes of which next to nothing is used */
    return room >= open && room - open >= bytes && room - open - bytes >= bytes / WASTE_PART;
}

static bool is_ensured(const struct arena *arena, size_t bytes)
{
    if (arena->large && region_room(arena->large) >= bytes)
        return true;
    for (const struct region *region = arena->current; region; region = region->next) {
        if (region_suffices(region, bytes))
            return true;
    }
    return false;
}

static int ensure_locked(struct arena *arena, size_t bytes, bool large)
{
    if (is_ensured(arena, bytes))
        return NACRE_OK;
    if (large)
        return grow(arena, bytes, true, true);
    /* Small regions have no lanes and waste nothing. */
    size_t wanted = bytes;
    bool has_lanes =
        bytes > SMALL_REGION_LAST || small_region_size(arena, bytes + 2 * sizeof(struct region)) > SMALL_REGION_LAST;
    if (has_lanes &&
        (!size_add(bytes, bytes / WASTE_PART, &wanted) || !size_add(wanted, ARENA_SLOTS * LANE_BYTES, &wanted))) {
        return fail(NACRE_NO_MEMORY, "memtable: %zu bytes do not fit the address space", bytes);
    }
    return grow(arena, wanted, false, true);
}

int arena_ensure(struct arena *arena, size_t bytes, bool large)
{
    pthread_mutex_lock(&arena->lock);
    int status = ensure_locked(arena, bytes, large);
    pthread_mutex_unlock(&arena->lock);
    return status;
}

uint64_t arena_bytes(const struct arena *arena)
{
    return atomic_load_explicit(&arena->used, memory_order_relaxed);
}

uint64_t arena_memory(const struct arena *arena)
{
    return atomic_load_explicit(&arena->held, memory_order_relaxed);
}
