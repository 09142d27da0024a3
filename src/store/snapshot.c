/* Snapshots: a sequence that merges must keep seeing. Lock: snapshots_lock, which also orders them against the list that a merge takes: a
   snapshot made later is at least as new as all that merge reads. */
#include "base/clock.h"
#include "base/memory.h"
#include "store/store.h"

#define WORTH_A_LOOK_MS 1000u

int store_snapshot_create(nacre_store *store, nacre_snapshot **snapshot)
{
    nacre_snapshot *fresh = memory_zalloc(sizeof *fresh);
    if (!fresh) {
        return NACRE_NO_MEMORY;
    }
    fresh->store = store;
    fresh->created_ms = clock_wall_ms();
    pthread_mutex_lock(&store->snapshots_lock);
    fresh->sequence = publish_visible(&store->publisher);
    /* visible only grows, so the list stays sorted by adding at its end: `snapshots` points to the newest. */
    fresh->previous = store->snapshots;
    if (store->snapshots) {
        store->snapshots->next = fresh;
    }
    store->snapshots = fresh;
    store->snapshot_count++;
    pthread_mutex_unlock(&store->snapshots_lock);
    *snapshot = fresh;
    return NACRE_OK;
}

static int look_for_work(nacre_collection *collection, void *context)
{
    (void)context;
    work_post(collection->store, WORK_MERGE, collection);
    return NACRE_OK;
}

void store_snapshot_release(nacre_snapshot *snapshot)
{
    nacre_store *store = snapshot->store;
    pthread_mutex_lock(&store->snapshots_lock);
    if (snapshot->previous) {
        snapshot->previous->next = snapshot->next;
    }
    if (snapshot->next) {
        snapshot->next->previous = snapshot->previous;
    } else {
        store->snapshots = snapshot->previous;
    }
    store->snapshot_count--;
    /* What a long-lived snapshot kept alive may go now: trees look for work again. Short ones kept hardly anything. */
    bool kept_things = snapshot->previous == NULL && clock_wall_ms() - snapshot->created_ms >= WORTH_A_LOOK_MS;
    pthread_mutex_unlock(&store->snapshots_lock);
    memory_free(snapshot);
    if (kept_things && !store->read_only) {
        (void)store_each_collection(store, look_for_work, NULL);
    }
}

int store_snapshots(void *context, uint64_t **sequences, size_t *count)
{
    nacre_store *store = context;
    int status = NACRE_OK;
    *sequences = NULL;
    *count = 0;
    pthread_mutex_lock(&store->snapshots_lock);
    size_t left = store->snapshot_count;
    if (left > 0) {
        *sequences = memory_alloc(left * sizeof **sequences);
        status = *sequences ? NACRE_OK : NACRE_NO_MEMORY;
        *count = *sequences ? left : 0;
        for (const nacre_snapshot *s = store->snapshots; s && *sequences; s = s->previous) {
            (*sequences)[--left] = s->sequence;
        }
    }
    pthread_mutex_unlock(&store->snapshots_lock);
    return status;
}
