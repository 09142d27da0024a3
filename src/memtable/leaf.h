/* A key and its versions, newest first. Nothing of them ever moves, changes or goes away while the table lives, but for
   the links through which new versions are hung in.

   Each version but a leaf's first one has a jump: a link to some older version, chosen so that any version is found in
   a logarithmic number of steps (Myers, "An applicative random-access stack", IPL 1983). Versions that come out of
   order make jumps less even, never wrong: a jump always leads to an older version of the same chain. */
#ifndef NACRE_MEMTABLE_LEAF_H
#define NACRE_MEMTABLE_LEAF_H
#include "base/endian.h"
#include "base/entry.h"
#include "memtable/arena.h"

#define VERSION_HAS_EXPIRY 1u
#define VERSION_HAS_JUMP   2u
#define VERSION_HAS_VECTOR 4u
#define VERSION_JUMP_BYTES 16u

struct version {
    uint64_t sequence;
    struct version *_Atomic next; /* older; release when hung in, acquire when followed */
    uint32_t value_size;
    uint8_t type, flags;
    uint8_t data
        []; /* expiry (8) if it has one; jump (8) and height (8) if it has one; address of its row (8) if it has one; value */
};
#define VERSION_HEADER_BYTES offsetof(struct version, data)

/* Almost all keys are short: they have their size in 2 bytes. A key of LEAF_LONG bytes or more has it in 4 bytes before it. */
struct leaf {
    struct version *_Atomic newest; /* as version.next */
    uint16_t short_size;            /* of the key, or LEAF_LONG */
    _Atomic uint8_t below; /* enum memtable_below: a note of readers; relaxed, it stands alone and comes true once */
    uint8_t bytes[];       /* the key; behind it, aligned to 8, the first version */
};
#define LEAF_LONG         UINT16_MAX
#define LEAF_LONG_BYTES   4u
#define LEAF_HEADER_BYTES offsetof(struct leaf, bytes)

/* The most that one put takes beside key and value. */
#define LEAF_OVERHEAD_MAX \
    (LEAF_HEADER_BYTES + LEAF_LONG_BYTES + 7 + VERSION_HEADER_BYTES + 8 + VERSION_JUMP_BYTES + 8 + 7)

static inline nacre_slice leaf_key(const struct leaf *leaf)
{
    if (__builtin_expect(leaf->short_size == LEAF_LONG, 0))
        return (nacre_slice){ leaf->bytes + LEAF_LONG_BYTES, load_u32(leaf->bytes) };
    return (nacre_slice){ leaf->bytes, leaf->short_size };
}

static inline const struct version *version_jump(const struct version *version)
{
    if (!(version->flags & VERSION_HAS_JUMP))
        return NULL;
    const struct version *jump;
    memcpy(&jump, version->data + (version->flags & VERSION_HAS_EXPIRY ? 8 : 0), sizeof jump);
    return jump;
}
static inline const struct version *version_next(const struct version *version)
{
    return atomic_load_explicit(&version->next, memory_order_acquire);
}
static inline const struct version *leaf_newest(const struct leaf *leaf)
{
    return atomic_load_explicit(&leaf->newest, memory_order_acquire);
}
static inline void version_read(const struct leaf *leaf, const struct version *version, struct entry *entry)
{
    size_t at = 0;
    entry->expiry_ms = 0;
    if (version->flags & VERSION_HAS_EXPIRY) {
        entry->expiry_ms = load_u64(version->data);
        at = 8;
    }
    if (version->flags & VERSION_HAS_JUMP)
        at += VERSION_JUMP_BYTES;
    entry->vector = NULL;
    if (version->flags & VERSION_HAS_VECTOR) {
        memcpy(&entry->vector, version->data + at, sizeof entry->vector);
        at += sizeof entry->vector;
    }
    entry->key = leaf_key(leaf);
    entry->value = (nacre_slice){ version->data + at, version->value_size };
    entry->sequence = version->sequence;
    entry->type = version->type;
}

/* The newest version with sequence <= snapshot; NULL when none. */
const struct version *leaf_version_at(const struct leaf *, uint64_t snapshot);
/* The oldest version with sequence > `sequence`; NULL when none. 0 gives the oldest of all. */
const struct version *leaf_version_above(const struct leaf *, uint64_t sequence);

/* A leaf with the entry as its only version, not published. entry->vector, if it has one, is a row, which stays where it is. NULL + detail. */
struct leaf *leaf_create(struct arena *, arena_lane *, const struct entry *);
/* A version with room for a jump; its vector as above. NULL + detail. */
struct version *version_create(struct arena *, arena_lane *, const struct entry *);
/* Hangs the version into the chain; false when the chain has its sequence already. Any thread. */
bool leaf_add(struct leaf *, struct version *);
#endif
