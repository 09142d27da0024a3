/* Lists of leaves (see leaf_list.h).
   Invariants:
   1. a piece is published empty, and replaced as the newest one only when all its places are taken; from it all older ones are reached.
   2. a place is given to one put, once, and only ever goes from NULL to a leaf.
   3. pieces double in size, so those that `n` puts fill take less than LEAF_PLACE_COST * n bytes, and the last one, begun but not full, is
      the next one of before those puts, or at most twice as large as the one before it, which they filled.
   Threads: any. Locks: `growing`, then the arena's; taken once per piece. */
#include "memtable/leaf_list.h"
#include "base/memory.h"

#define PIECE_HEADER_BYTES offsetof(struct leaf_piece, places)
/* Of a place in a full piece, rounded up: 256 bytes hold 14. */
#define LEAF_PLACE_COST 19u
_Static_assert((LEAF_PIECE_FIRST - PIECE_HEADER_BYTES) / sizeof(struct leaf_place) * LEAF_PLACE_COST >=
                   LEAF_PIECE_FIRST,
               "full pieces cost no more than LEAF_PLACE_COST per place");
_Static_assert(LEAF_PIECE_LARGEST <= LANE_ALLOCATION_MAX, "pieces come out of lanes");

static size_t piece_bytes(const struct leaf_piece *piece)
{
    return PIECE_HEADER_BYTES + piece->capacity * sizeof(struct leaf_place);
}

static size_t next_bytes(const struct leaf_piece *newest)
{
    size_t bytes = newest ? 2 * piece_bytes(newest) : LEAF_PIECE_FIRST;
    return bytes < LEAF_PIECE_LARGEST ? bytes : LEAF_PIECE_LARGEST;
}

/* `growing` held. */
static struct leaf_piece *piece_add(leaf_list *list, struct arena *arena, arena_lane *lane, struct leaf_piece *newest)
{
    size_t bytes = next_bytes(newest);
    struct leaf_piece *piece = arena_alloc(arena, lane, bytes, 8);
    if (!piece)
        return NULL;
    memset(piece, 0, bytes);
    piece->older = newest;
    piece->capacity = (uint32_t)((bytes - PIECE_HEADER_BYTES) / sizeof(struct leaf_place));
    piece->number = newest ? newest->number + 1 : 0;
    atomic_store_explicit(list, piece, memory_order_release); /* pairs with whoever loads the list */
    return piece;
}

struct leaf_place *leaf_list_take(leaf_list *list, struct arena *arena, arena_lane *lane, pthread_mutex_t *growing)
{
    struct leaf_piece *piece = atomic_load_explicit(list, memory_order_acquire);
    for (;;) {
        if (piece) {
            uint64_t place = atomic_fetch_add_explicit(&piece->taken, 1, memory_order_relaxed);
            if (place < piece->capacity)
                return &piece->places[place];
        }
        pthread_mutex_lock(growing);
        struct leaf_piece *newest = atomic_load_explicit(list, memory_order_acquire);
        piece = newest == piece ? piece_add(list, arena, lane, newest) : newest;
        pthread_mutex_unlock(growing);
        if (!piece)
            return NULL;
    }
}

size_t leaf_list_next_bytes(const leaf_list *list)
{
    return next_bytes(atomic_load_explicit(list, memory_order_acquire));
}

bool leaf_list_bytes(size_t puts, size_t next_bytes, size_t lists, size_t *bytes)
{
    size_t full, begun, most = lists * LEAF_PIECE_LARGEST;
    if (!size_multiply(puts, LEAF_PLACE_COST, &full))
        return false;
    if (!size_add(next_bytes, 2 * (full < most ? full : most), &begun) || begun > most) /* invariant 3 */
        begun = most;
    return size_add(full, begun, bytes);
}
