/* The newest changes of a store, for transactions to be held against: a ring of (sequence, hash of collection and key), with the keys' bytes
   beside it while somebody may need them for ranges.

   Invariants:
   1. every change with a sequence > `since` is in the ring, in the order of sequences.
   2. a record's bytes are good while the bytes' ring has not come round to them; `has_bytes` tells.
   One thread at a time (the commit lock). */
#ifndef NACRE_STORE_CHANGE_RING_H
#define NACRE_STORE_CHANGE_RING_H
#include "base/hash.h"
#include "base/slice.h"
#include <stdbool.h>

struct change { /* one operation of a commit */
    uint64_t hash;
    uint32_t collection;
    bool is_range;
    nacre_slice key, end; /* of a range delete: its bounds, an empty end = open */
};
static inline uint64_t change_hash(uint32_t collection, nacre_slice key)
{
    return hash_seeded(key.data, key.size, collection);
}

struct change_record { /* half a cache line */
    uint64_t sequence, hash;
    uint64_t
        bytes_at; /* counted from the first byte ever put: the key's size, the end's (u32 each), the key, the end */
    uint32_t collection;
    bool is_range, has_bytes;
};
struct change_ring {
    struct change_record *records; /* NULL: it keeps nothing, and knows nothing */
    uint8_t *bytes;
    size_t record_capacity, byte_capacity;
    uint64_t record_count, byte_count; /* ever put */
    uint64_t since;
};

/* NACRE_NO_MEMORY. record_capacity: a power of two. `since`: the last change that was made without it. */
int change_ring_create(struct change_ring *, size_t record_capacity, size_t byte_capacity);
void change_ring_free(struct change_ring *);
/* Range deletes always keep their bytes, keys where `keep_key` says so. */
void change_ring_note(struct change_ring *, uint64_t sequence, const struct change *, bool keep_key);
/* Changes up to `sequence` were made and not noted. */
void change_ring_miss(struct change_ring *, uint64_t sequence);
/* The newest record for back = 0, the one before for 1, ...; NULL when there are no more. */
static inline const struct change_record *change_ring_at(const struct change_ring *ring, uint64_t back)
{
    if (back >= ring->record_count || back >= ring->record_capacity) {
        return NULL;
    }
    return &ring->records[(ring->record_count - 1 - back) & (ring->record_capacity - 1)];
}
/* False: they are gone or were never kept. */
bool change_ring_bytes(const struct change_ring *, const struct change_record *, nacre_slice *key, nacre_slice *end);
#endif
