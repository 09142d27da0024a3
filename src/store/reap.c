/* Removing the files of segments that no version names any more: by the housekeeper, when nobody copies them (hold.c) and no reader has
   pinned a state that knew them (pins.h). What is left when the store closes is removed by the next opening.
   Any thread. Locks: retire_lock over the removal, so that who asks for one finds the files of the one before gone; reap_lock, for instants. */
#include "base/clock.h"
#include "base/memory.h"
#include "store/store.h"

static bool make_room(nacre_store *store)
{
    if (store->reap_count < store->reap_capacity) {
        return true;
    }
    size_t capacity = store->reap_capacity ? 2 * store->reap_capacity : 64;
    struct reaped *more = memory_realloc(store->reap_list, capacity * sizeof *more);
    if (more) {
        store->reap_list = more;
        store->reap_capacity = capacity;
    }
    return more != NULL;
}

static void add(nacre_store *store, const struct reaped *reaped)
{
    pthread_mutex_lock(&store->reap_lock);
    if (make_room(store)) {
        store->reap_list[store->reap_count++] = *reaped;
    } /* else: the next open removes what the manifest does not name */
    pthread_mutex_unlock(&store->reap_lock);
}

void store_reap(void *context, uint64_t segment_id)
{
    nacre_store *store = context;
    /* The edit that took it out is at or before this position. */
    add(store, &(struct reaped){ segment_id, manifest_position(store->manifest), clock_coarse_ms() });
    if (!atomic_load_explicit(&store->stopping, memory_order_relaxed)) {
        work_housekeep(store);
    }
}

static struct reaped *take_list(nacre_store *store, size_t *count)
{
    pthread_mutex_lock(&store->reap_lock);
    struct reaped *list = store->reap_list;
    *count = store->reap_count;
    store->reap_list = NULL;
    store->reap_count = store->reap_capacity = 0;
    pthread_mutex_unlock(&store->reap_lock);
    return list;
}

/* Asked last: who copies files has said so before it looked which ones are needed. */
static bool is_held(nacre_store *store, uint64_t id)
{
    pthread_mutex_lock(&store->reap_lock);
    bool held = atomic_load_explicit(&store->reap_holds, memory_order_seq_cst) != 0 ||
                (store->holds && hold_names_segment(store, id));
    pthread_mutex_unlock(&store->reap_lock);
    return held;
}

static int remove_reaped(nacre_store *store)
{
    int status = NACRE_OK;
    if (atomic_load_explicit(&store->reap_holds, memory_order_seq_cst) != 0) {
        return NACRE_OK;
    }
    size_t count = 0;
    struct reaped *list = take_list(store, &count);
    uint64_t newest = 0, pinned = 0, since = UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        newest = list[i].position > newest ? list[i].position : newest;
    }
    uint64_t first = pins_first(&store->pins, newest);
    for (size_t i = 0; i < count; i++) {
        if (list[i].position > first) {
            pinned++;
            since = list[i].since_ms < since ? list[i].since_ms : since;
            add(store, &list[i]);
        } else if (is_held(store, list[i].id)) {
            add(store, &list[i]);
        } else {
            int one = segment_remove_files(&store->segments, list[i].id);
            status = status == NACRE_OK ? one : status;
        }
    }
    memory_free(list);
    atomic_store_explicit(&store->pinned_since_ms, since, memory_order_relaxed);
    atomic_store_explicit(&store->pinned_segments, pinned,
                          memory_order_relaxed); /* the housekeeper looks at it after this */
    return status;
}

int store_remove_reaped(nacre_store *store)
{
    pthread_mutex_lock(&store->retire_lock);
    int status = remove_reaped(store);
    pthread_mutex_unlock(&store->retire_lock);
    return status;
}

uint64_t store_pinned_age_ms(const nacre_store *store)
{
    const uint64_t since = atomic_load_explicit(&store->pinned_since_ms, memory_order_relaxed), now = clock_coarse_ms();
    return atomic_load_explicit(&store->pinned_segments, memory_order_relaxed) && now > since ? now - since : 0;
}

bool store_is_pinned(const nacre_store *store)
{
    return atomic_load_explicit(&store->pinned_segments, memory_order_relaxed) != 0 ||
           atomic_load_explicit(&store->values_pinned, memory_order_relaxed) ||
           atomic_load_explicit(&store->log_pinned, memory_order_relaxed);
}
