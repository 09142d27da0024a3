/* The table of value files (see value_table.h): open addressing, at most half full.

   Invariants:
   1. A slot's id is set once, after its file; a removed slot keeps its id and has no file.
   2. Slots that were replaced stay until the table is freed, as a reader may still look at them. They add up to less than the sum of all tables,
      a few words per file ever made. */
#include "values/value_table.h"
#include "base/memory.h"
#include "base/status.h"

#define SLOTS_FIRST 64u

struct value_slot {
    _Atomic uint64_t id; /* 0 = free */
    struct value_file *_Atomic file;
};
struct value_slots {
    struct value_slots *older;
    size_t count; /* a power of two */
    struct value_slot slot[];
};

static size_t place_of(const struct value_slots *slots, uint64_t id)
{
    return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (slots->count - 1);
}

/* The id's slot, or the free one where it would be. */
static struct value_slot *slot_of(struct value_slots *slots, uint64_t id)
{
    for (size_t at = place_of(slots, id);; at = (at + 1) & (slots->count - 1)) {
        /* Acquire: pairs with the release in put_in. */
        uint64_t found = atomic_load_explicit(&slots->slot[at].id, memory_order_acquire);
        if (found == id || found == 0) {
            return &slots->slot[at];
        }
    }
}

struct value_file *value_table_find(const struct value_table *table, uint64_t id)
{
    /* Acquire: pairs with the release in value_table_reserve. */
    struct value_slots *slots = atomic_load_explicit(&table->slots, memory_order_acquire);
    if (!slots || id == 0) {
        return NULL;
    }
    struct value_slot *slot = slot_of(slots, id);
    return atomic_load_explicit(&slot->file, memory_order_acquire);
}

static void put_in(struct value_slots *slots, uint64_t id, struct value_file *file)
{
    struct value_slot *slot = slot_of(slots, id);
    atomic_store_explicit(&slot->file, file, memory_order_release);
    atomic_store_explicit(&slot->id, id, memory_order_release); /* invariant 1 */
}

int value_table_reserve(struct value_table *table)
{
    struct value_slots *old = atomic_load_explicit(&table->slots, memory_order_relaxed);
    if (old && table->used + 1 <= old->count / 2) {
        return NACRE_OK;
    }
    size_t living = 0;
    for (size_t i = 0; old && i < old->count; i++) {
        living += atomic_load_explicit(&old->slot[i].file, memory_order_relaxed) != NULL;
    }
    size_t count = SLOTS_FIRST;
    while (count < 4 * (living + 1)) {
        count *= 2;
    }
    struct value_slots *fresh = memory_zalloc(sizeof *fresh + count * sizeof fresh->slot[0]);
    if (!fresh) {
        return NACRE_NO_MEMORY;
    }
    fresh->older = old;
    fresh->count = count;
    for (size_t i = 0; old && i < old->count; i++) {
        struct value_file *file = atomic_load_explicit(&old->slot[i].file, memory_order_relaxed);
        if (file) {
            put_in(fresh, atomic_load_explicit(&old->slot[i].id, memory_order_relaxed), file);
        }
    }
    table->used = living;
    atomic_store_explicit(&table->slots, fresh, memory_order_release);
    return NACRE_OK;
}

void value_table_insert(struct value_table *table, uint64_t id, struct value_file *file)
{
    put_in(atomic_load_explicit(&table->slots, memory_order_relaxed), id, file);
    table->used++;
}

void value_table_remove(struct value_table *table, uint64_t id)
{
    struct value_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    if (slots) {
        atomic_store_explicit(&slot_of(slots, id)->file, NULL, memory_order_release);
    }
}

size_t value_table_bytes(const struct value_table *table)
{
    size_t bytes = 0;
    const struct value_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    for (; slots; slots = slots->older) {
        bytes += sizeof *slots + slots->count * sizeof slots->slot[0];
    }
    return bytes;
}

void value_table_free(struct value_table *table)
{
    struct value_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    while (slots) {
        struct value_slots *older = slots->older;
        memory_free(slots);
        slots = older;
    }
    atomic_store_explicit(&table->slots, NULL, memory_order_relaxed);
}
