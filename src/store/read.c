/* Point reads: memtables newest first, then the segments, inside one RCU read section. No lock, no allocation for small values. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/status.h"
#include "store/value.h"
#include <urcu/urcu-bp.h>

static bool expired(const struct entry *entry)
{
    return entry->expiry_ms != 0 && entry->expiry_ms <= clock_wall_ms();
}

/* The newest version in the memtables, or the newest range delete over the key in them (*covered). */
static bool find_in_tables(const struct view *view, const struct lookup *lookup, uint64_t *covered, struct entry *entry)
{
    *covered = 0;
    for (uint32_t i = 0; i < view->table_count; i++) {
        const struct memtable *memtable = view->tables[i]->memtable;
        if (memtable_has_ranges(memtable)) {
            uint64_t range = memtable_covering(memtable, lookup->key, lookup->snapshot);
            *covered = range > *covered ? range : *covered;
        }
        if (memtable_get(memtable, lookup->key, lookup->snapshot, entry)) {
            return true;
        }
    }
    return false;
}

/* Inside a read section; entry->value and *pin live as the view does. */
static int find(const struct view *view, const struct lookup *lookup, struct entry *entry, struct pin *pin)
{
    uint64_t covered;
    int status = NACRE_OK;
    if (!find_in_tables(view, lookup, &covered, entry)) {
        status = version_get(view->version, lookup, covered, entry, pin);
    }
    if (status == NACRE_OK && (entry->type == ENTRY_DELETE || entry->sequence < covered || expired(entry))) {
        pin_release(pin);
        status = NACRE_NOT_FOUND;
    }
    return status;
}

static int give(nacre_collection *collection, struct view *view, const struct entry *entry, struct pin *pin,
                nacre_value *value)
{
    if (entry->value.size <= VALUE_COPY_MOST) {
        int status = value_copy(collection->store, entry->value, value);
        pin_release(pin);
        return status;
    }
    atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed); /* inside the read section: not zero */
    return value_pin(collection->store, view, pin, entry->value, value);
}

static uint64_t snapshot_sequence(nacre_collection *collection, const nacre_snapshot *snapshot)
{
    /* After the view: the view then holds everything up to it. */
    return snapshot ? snapshot->sequence : publish_visible(&collection->store->publisher);
}

int collection_get(nacre_collection *collection, nacre_slice key, const nacre_snapshot *snapshot, nacre_value *value)
{
    struct lookup lookup = { .key = key, .hash = hash_bytes(key.data, key.size) };
    struct entry entry;
    struct pin pin = { NULL, NULL };
    stats_add(&collection->store->stats, STATS_gets, 1);
    urcu_bp_read_lock();
    struct view *view = view_of(collection);
    lookup.snapshot = snapshot_sequence(collection, snapshot);
    int status = find(view, &lookup, &entry, &pin);
    if (status == NACRE_OK) {
        status = give(collection, view, &entry, &pin, value);
    }
    urcu_bp_read_unlock();
    return status;
}

#define MULTI_GET_AHEAD 8

int collection_multi_get(nacre_collection *collection, const nacre_slice *keys, size_t count,
                         const nacre_snapshot *snapshot, nacre_value *values, int *statuses)
{
    struct lookup ahead[MULTI_GET_AHEAD];
    int worst = NACRE_OK;
    stats_add(&collection->store->stats, STATS_gets, count);
    urcu_bp_read_lock();
    struct view *view = view_of(collection);
    uint64_t sequence = snapshot_sequence(collection, snapshot);
    for (size_t first = 0; first < count; first += MULTI_GET_AHEAD) {
        size_t some = count - first < MULTI_GET_AHEAD ? count - first : MULTI_GET_AHEAD;
        for (size_t i = 0; i < some; i++) {
            nacre_slice key = keys[first + i];
            ahead[i] = (struct lookup){ key, hash_bytes(key.data, key.size), sequence };
            version_prefetch(view->version, 0, &ahead[i]);
        }
        for (size_t i = 0; i < some; i++) {
            struct entry entry;
            struct pin pin = { NULL, NULL };
            int status = find(view, &ahead[i], &entry, &pin);
            values[first + i] = (nacre_value){ { NULL, 0 }, NULL };
            if (status == NACRE_OK) {
                status = give(collection, view, &entry, &pin, &values[first + i]);
            }
            statuses[first + i] = status;
            worst = status != NACRE_OK && status != NACRE_NOT_FOUND ? status : worst;
        }
    }
    urcu_bp_read_unlock();
    return worst;
}
