/* The leaves that came by way of one slot, in the order they came, which is about that of their memory: what a search goes over that the
   tree is of no use to. Append-only; writers take a place with one atomic addition, readers take no lock.

   Pieces of places hang one before the other, newest first; each is twice as large as the one before it, up to LEAF_PIECE_LARGEST bytes. */
#ifndef NACRE_MEMTABLE_LEAF_LIST_H
#define NACRE_MEMTABLE_LEAF_LIST_H
#include "memtable/leaf.h"

struct leaf_place {
    struct leaf *_Atomic leaf; /* NULL: not yet, or never, as its put lost a race */
    _Atomic uint64_t
        sketch; /* of its key, made by the first reader that wants it; 0: not made. Relaxed: it stands alone */
};

struct leaf_piece {
    struct leaf_piece *older;
    _Atomic uint64_t taken; /* places, and how often one was wanted when all were taken */
    uint32_t capacity;
    uint32_t number; /* of the pieces of this list, from 0 */
    struct leaf_place places[];
};
#define LEAF_PIECE_FIRST   ((size_t)256)
#define LEAF_PIECE_LARGEST ((size_t)4096)

typedef struct leaf_piece *_Atomic leaf_list; /* the newest piece */

/* A place for one leaf, in pieces from the arena. NULL + detail. Any thread. Locks: `growing`, then the arena's. */
struct leaf_place *leaf_list_take(leaf_list *, struct arena *, arena_lane *, pthread_mutex_t *growing);

/* How large the next piece will be. */
size_t leaf_list_next_bytes(const leaf_list *);
/* The most that `puts` places take in `lists` lists whose next pieces are `next_bytes` together. False: it overflows. */
bool leaf_list_bytes(size_t puts, size_t next_bytes, size_t lists, size_t *bytes);

/* Places that may hold a leaf. */
static inline size_t leaf_piece_count(const struct leaf_piece *piece)
{
    /* relaxed: a put that is known to have finished took its place before. */
    uint64_t taken = atomic_load_explicit(&piece->taken, memory_order_relaxed);
    return taken < piece->capacity ? (size_t)taken : piece->capacity;
}
static inline const struct leaf *leaf_place_leaf(const struct leaf_place *place)
{
    return atomic_load_explicit(&place->leaf, memory_order_acquire); /* pairs with list_leaf in insert.c */
}
#endif
