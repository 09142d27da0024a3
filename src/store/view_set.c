/* View sets: what reads of a read-only opening see of all collections (store.h). Readers find the one that is shown inside an RCU read section;
   snapshots count theirs. It is replaced by who holds reader.lock, and let go of after a grace period. No other locks. */
#include "base/memory.h"
#include "store/store.h"
#include <urcu/urcu-bp.h>

struct view_set *view_set_hold(nacre_store *store, uint64_t *sequence)
{
    urcu_bp_read_lock();
    struct view_set *set = atomic_load_explicit(&store->reader.shown, memory_order_acquire);
    /* Never zero here: the store's own reference goes only after a grace period. */
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    *sequence = atomic_load_explicit(&set->sequence, memory_order_acquire); /* pairs with reader.c */
    urcu_bp_read_unlock();
    return set;
}

void view_set_release(struct view_set *set, nacre_store *store)
{
    /* acq_rel: the last one comes after all uses by the others. */
    if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        view_release(store, set->views[i]);
    }
    memory_free(set);
}

int view_set_install(nacre_store *store, uint64_t sequence)
{
    struct view_set *set = memory_zalloc(sizeof *set + store->collection_count * sizeof set->views[0]);
    if (!set) {
        return NACRE_NO_MEMORY;
    }
    atomic_init(&set->references, 1);
    atomic_init(&set->sequence, sequence);
    set->count = store->collection_count;
    for (size_t i = 0; i < set->count; i++) {
        set->views[i] = atomic_load_explicit(&store->collections[i]->view, memory_order_relaxed); /* reader.lock */
        atomic_fetch_add_explicit(&set->views[i]->references, 1, memory_order_relaxed);
    }
    /* Release: pairs with who finds it. */
    struct view_set *old = atomic_exchange_explicit(&store->reader.shown, set, memory_order_acq_rel);
    if (old) {
        urcu_bp_synchronize_rcu();
        view_set_release(old, store);
    }
    return NACRE_OK;
}
