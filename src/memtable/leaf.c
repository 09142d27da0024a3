/* Leaves and their version chains.
   Invariants:
   1. From `newest` along `next` the sequences fall strictly.
   2. A published version's fields never change, but for `next`, which only ever gets a newer target between the version
      and its former next: no version leaves a chain, so a chain walked from any point misses nothing that was in it at
      the start.
   3. A jump leads to a version further down the same chain.
   Any thread; hanging in is one compare-and-swap, no locks. */
#include "memtable/leaf.h"
#include "memtable/memtable.h"

static inline size_t align8(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static size_t version_bytes(const struct entry *entry, size_t jump_bytes)
{
    size_t value = entry->type == ENTRY_DELETE ? 0 : entry->value.size;
    size_t vector = entry->vector ? sizeof entry->vector : 0;
    return VERSION_HEADER_BYTES + (entry->expiry_ms ? 8 : 0) + jump_bytes + vector + value;
}

static void version_init(struct version *version, const struct entry *entry, size_t jump_bytes)
{
    size_t at = 0;
    version->sequence = entry->sequence;
    version->value_size = entry->type == ENTRY_DELETE ? 0 : (uint32_t)entry->value.size;
    version->type = entry->type;
    version->flags = (uint8_t)((entry->expiry_ms ? VERSION_HAS_EXPIRY : 0) | (jump_bytes ? VERSION_HAS_JUMP : 0) |
                               (entry->vector ? VERSION_HAS_VECTOR : 0));
    atomic_init(&version->next, NULL);
    if (entry->expiry_ms) {
        store_u64(version->data, entry->expiry_ms);
        at = 8;
    }
    at += jump_bytes;
    if (entry->vector) {
        memcpy(version->data + at, &entry->vector, sizeof entry->vector);
        at += sizeof entry->vector;
    }
    if (version->value_size)
        memcpy(version->data + at, entry->value.data, version->value_size);
}

struct leaf *leaf_create(struct arena *arena, arena_lane *lane, const struct entry *entry)
{
    bool is_long = entry->key.size >= LEAF_LONG;
    size_t key_at = is_long ? LEAF_LONG_BYTES : 0, head = align8(LEAF_HEADER_BYTES + key_at + entry->key.size);
    struct leaf *leaf = arena_alloc(arena, lane, head + version_bytes(entry, 0), 8);
    if (!leaf)
        return NULL;
    struct version *version = (struct version *)((uint8_t *)leaf + head);
    leaf->short_size = is_long ? LEAF_LONG : (uint16_t)entry->key.size;
    if (is_long)
        store_u32(leaf->bytes, (uint32_t)entry->key.size);
    if (entry->key.size)
        memcpy(leaf->bytes + key_at, entry->key.data, entry->key.size);
    version_init(version, entry, 0);
    atomic_init(&leaf->newest, version);
    atomic_init(&leaf->below, MEMTABLE_BELOW_UNKNOWN);
    return leaf;
}

struct version *version_create(struct arena *arena, arena_lane *lane, const struct entry *entry)
{
    struct version *version = arena_alloc(arena, lane, version_bytes(entry, VERSION_JUMP_BYTES), 8);
    if (version)
        version_init(version, entry, VERSION_JUMP_BYTES);
    return version;
}

static uint64_t version_height(const struct version *version)
{
    if (!(version->flags & VERSION_HAS_JUMP))
        return 0;
    return load_u64(version->data + (version->flags & VERSION_HAS_EXPIRY ? 16 : 8));
}

/* A version without a jump counts as height 0 with a jump to itself. */
static const struct version *jump_or_self(const struct version *version)
{
    const struct version *jump = version_jump(version);
    return jump ? jump : version;
}

/* Not published: `next` is what will follow it, NULL at the end of the chain. */
static void version_set_next(struct version *version, struct version *next)
{
    atomic_store_explicit(&version->next, next, memory_order_relaxed);
    if (!(version->flags & VERSION_HAS_JUMP))
        return;
    const struct version *jump = next;
    uint64_t height = 0;
    if (next) {
        const struct version *near = jump_or_self(next), *far = jump_or_self(near);
        height = version_height(next) + 1;
        if (version_height(next) - version_height(near) == version_height(near) - version_height(far))
            jump = far;
    }
    uint8_t *at = version->data + (version->flags & VERSION_HAS_EXPIRY ? 8 : 0);
    memcpy(at, &jump, sizeof jump);
    store_u64(at + 8, height);
}

/* One step down the chain that does not pass the newest version with a sequence <= `sequence`. */
static const struct version *step_towards(const struct version *version, uint64_t sequence)
{
    const struct version *jump = version_jump(version);
    return jump && jump->sequence > sequence ? jump : version_next(version);
}

const struct version *leaf_version_at(const struct leaf *leaf, uint64_t snapshot)
{
    const struct version *version = leaf_newest(leaf);
    while (version && version->sequence > snapshot)
        version = step_towards(version, snapshot);
    return version;
}

const struct version *leaf_version_above(const struct leaf *leaf, uint64_t sequence)
{
    const struct version *version = leaf_newest(leaf), *above = NULL;
    while (version && version->sequence > sequence) {
        above = version;
        version = step_towards(version, sequence);
    }
    return above;
}

bool leaf_add(struct leaf *leaf, struct version *version)
{
    struct version *_Atomic *link = &leaf->newest;
    struct version *next = atomic_load_explicit(link, memory_order_acquire);
    for (;;) {
        while (next && next->sequence > version->sequence) {
            const struct version *jump = version_jump(next);
            if (jump && jump->sequence > version->sequence)
                next = (struct version *)jump;
            link = &next->next;
            next = atomic_load_explicit(link, memory_order_acquire);
        }
        if (next && next->sequence == version->sequence)
            return false;
        version_set_next(version, next);
        /* release: the version is whole for whoever follows the link (acquire). */
        if (atomic_compare_exchange_weak_explicit(link, &next, version, memory_order_release, memory_order_acquire))
            return true;
    }
}

static struct leaf *leaf_of_key(nacre_slice key)
{
    size_t before = LEAF_HEADER_BYTES + (key.size >= LEAF_LONG ? LEAF_LONG_BYTES : 0);
    return (struct leaf *)(uintptr_t)((const uint8_t *)key.data - before);
}

enum memtable_below memtable_below(nacre_slice key)
{
    return (enum memtable_below)atomic_load_explicit(&leaf_of_key(key)->below, memory_order_relaxed);
}

void memtable_note_below(nacre_slice key, enum memtable_below below)
{
    atomic_store_explicit(&leaf_of_key(key)->below, (uint8_t)below, memory_order_relaxed);
}
