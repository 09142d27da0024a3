/* Noting changes for transactions (see changes.h). changes_want and changes_gather: any thread. Lock: commit_lock, to give the ring its memory. */
#include "store/changes.h"
#include "base/memory.h"
#include "store/batch_format.h"
#include "store/store.h"

/* After so many commits it is looked whether transactions are open, or began meanwhile. If not, nobody notes any more; the next one begins it again. */
#define LOOK_EVERY 65536u

/* The ring's share of the memory budget: 1/256, up to 2 MiB, half of it for records and half for keys. */
#define RING_BYTES_MOST ((uint64_t)2 << 20)

int changes_want(nacre_store *store)
{
    struct changes *changes = &store->changes;
    if (!atomic_load_explicit(&changes->used, memory_order_relaxed)) {
        atomic_store_explicit(&changes->used, true, memory_order_relaxed);
    }
    if (atomic_load_explicit(&changes->wanted, memory_order_acquire)) {
        return NACRE_OK;
    }
    struct change_ring fresh = { 0 };
    uint64_t bytes = store->memory_budget / 256 < RING_BYTES_MOST ? store->memory_budget / 256 : RING_BYTES_MOST;
    size_t records = 256;
    while (4 * records * sizeof(struct change_record) <= bytes) {
        records *= 2;
    }
    int status = change_ring_create(&fresh, records, (size_t)bytes / 2);
    if (status != NACRE_OK) {
        return status;
    }
    pthread_mutex_lock(&store->commit_lock);
    if (!changes->ring.records) {
        fresh.since = atomic_load_explicit(&store->last_sequence, memory_order_relaxed);
        changes->ring = fresh;
        fresh = (struct change_ring){ 0 };
    }
    changes->commits = 0;
    /* Release: pairs with the acquire in changes_gather, which looks at the ring's size. */
    atomic_store_explicit(&changes->wanted, true, memory_order_release);
    pthread_mutex_unlock(&store->commit_lock);
    change_ring_free(&fresh);
    return NACRE_OK;
}

void changes_want_keys(nacre_store *store)
{
    if (!atomic_load_explicit(&store->changes.keys_wanted, memory_order_relaxed)) {
        atomic_store_explicit(&store->changes.keys_wanted, true, memory_order_relaxed);
    }
}

static struct change change_of(const struct batch_op *op)
{
    bool is_range = op->code == BATCH_DELETE_RANGE;
    return (struct change){ .hash = is_range ? 0 : change_hash(op->collection, op->key),
                            .collection = op->collection,
                            .is_range = is_range,
                            .key = op->key,
                            .end = is_range ? op->value : (nacre_slice){ NULL, 0 } };
}

void changes_gather(nacre_store *store, nacre_slice payload, uint64_t sequences, struct change_list *list)
{
    list->known = false;
    list->count = 0;
    list->changes = list->inline_changes;
    /* A commit that would drive all others out of the ring is not noted: the commit lock is not held for long. */
    if (!atomic_load_explicit(&store->changes.wanted, memory_order_acquire) ||
        sequences > store->changes.ring.record_capacity / 4) {
        return;
    }
    if (sequences > CHANGES_INLINE && !(list->changes = memory_alloc(sequences * sizeof *list->changes))) {
        list->changes = list->inline_changes;
        return;
    }
    struct reader reader = reader_of(payload);
    struct batch_op op;
    while (list->count < sequences && batch_decode(&reader, &op)) {
        list->changes[list->count++] = change_of(&op);
    }
    list->known = true;
}

void change_list_free(struct change_list *list)
{
    if (list->changes != list->inline_changes) {
        memory_free(list->changes);
    }
}

static void look_for_transactions(nacre_store *store)
{
    struct changes *changes = &store->changes;
    uint64_t age;
    changes->commits = 0;
    bool used = atomic_exchange_explicit(&changes->used, false, memory_order_relaxed);
    if (!used && read_points_count(&store->read_points, &age) == 0) {
        atomic_store_explicit(&changes->wanted, false, memory_order_relaxed);
        atomic_store_explicit(&changes->keys_wanted, false, memory_order_relaxed);
    }
}

void changes_note(nacre_store *store, const struct change_list *list, uint64_t first, uint64_t last)
{
    struct changes *changes = &store->changes;
    if (!list->known) {
        change_ring_miss(&changes->ring, last);
        return;
    }
    bool keep_keys = atomic_load_explicit(&changes->keys_wanted, memory_order_relaxed);
    for (size_t i = 0; i < list->count; i++) {
        change_ring_note(&changes->ring, first + i, &list->changes[i], keep_keys);
    }
    if (++changes->commits >= LOOK_EVERY) {
        look_for_transactions(store);
    }
}

void changes_miss(nacre_store *store, uint64_t last)
{
    change_ring_miss(&store->changes.ring, last);
}
