/* Views: what readers see of a collection (see store.h). Swapped under RCU (liburcu, bulletproof flavour: any caller thread may read
   without registering). A view that was replaced goes on a list; the housekeeper lets it go after a grace period, so that neither a
   reader nor a writer ever pays for freeing memtables or segments.
   Locks: view_lock around load, build and swap. */
#include "base/clock.h"
#include "base/memory.h"
#include "store/store.h"
#include <urcu/urcu-bp.h>

struct view *view_alloc(size_t tables)
{
    struct view *view = memory_zalloc(sizeof *view + tables * sizeof view->tables[0]);
    if (view) {
        atomic_init(&view->references, 1);
    }
    return view;
}

int table_create(nacre_store *store, const struct kind *kind, struct table **table)
{
    struct table *fresh = memory_zalloc(sizeof *fresh);
    if (!fresh) {
        return NACRE_NO_MEMORY;
    }
    int status = memtable_create(store->chunks, kind->match_cursor != NULL, &fresh->memtable);
    if (status != NACRE_OK) {
        memory_free(fresh);
        return status;
    }
    atomic_init(&fresh->references, 1);
    *table = fresh;
    return NACRE_OK;
}

void table_release(struct table *table)
{
    /* acq_rel: the last one sees all that the others did with it. */
    if (table && atomic_fetch_sub_explicit(&table->references, 1, memory_order_acq_rel) == 1) {
        memtable_unref(table->memtable);
        memory_free(table);
    }
}

static void table_hold(struct table *table)
{
    atomic_fetch_add_explicit(&table->references, 1, memory_order_relaxed);
}

struct view *view_of(nacre_collection *collection)
{
    return atomic_load_explicit(&collection->view, memory_order_acquire); /* pairs with swap_view */
}

struct view *view_hold(nacre_collection *collection)
{
    urcu_bp_read_lock();
    struct view *view = view_of(collection);
    /* Never zero here: the collection's own reference goes only after a grace period. */
    atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed);
    urcu_bp_read_unlock();
    return view;
}

static void retire(nacre_store *store, struct view *view)
{
    struct view *head = atomic_load_explicit(&store->retired_views, memory_order_relaxed);
    do {
        view->next_retired = head;
    } while (!atomic_compare_exchange_weak_explicit(&store->retired_views, &head, view, memory_order_acq_rel,
                                                    memory_order_relaxed));
    work_housekeep(store);
}

/* A view on the retired list with no reference left is freed, one with references has just lost its collection's. Both kinds come
   through one list: `references` is only dropped by who puts it there for the second kind after the grace period. */
void view_release(nacre_store *store, struct view *view)
{
    if (view && atomic_fetch_sub_explicit(&view->references, 1, memory_order_acq_rel) == 1) {
        retire(store, view);
    }
}

static void view_free(struct view *view)
{
    for (uint32_t i = 0; i < view->table_count; i++) {
        table_release(view->tables[i]);
    }
    if (view->version) {
        version_unref(view->version);
    }
    memory_free(view);
}

void views_free_retired(nacre_store *store)
{
    struct view *view = atomic_exchange_explicit(&store->retired_views, NULL, memory_order_acq_rel);
    struct gap *gaps = NULL;
    pthread_mutex_lock(&store->collections_lock);
    for (size_t i = 0; i < store->collection_count; i++) {
        struct gap *more = gap_take_retired(&store->collections[i]->gaps);
        struct gap *last = more;
        while (last && last->next_retired) {
            last = last->next_retired;
        }
        if (last) {
            last->next_retired = gaps;
            gaps = more;
        }
    }
    pthread_mutex_unlock(&store->collections_lock);
    if (!view && !gaps) {
        return;
    }
    urcu_bp_synchronize_rcu();
    gap_free_list(gaps);
    while (view) {
        struct view *next = view->next_retired;
        /* Retired by swap_view it still has the collection's reference; retired by its last reader it has none. */
        unsigned left = atomic_load_explicit(&view->references, memory_order_acquire);
        if (left == 0 || atomic_fetch_sub_explicit(&view->references, 1, memory_order_acq_rel) == 1) {
            view_free(view);
        }
        view = next;
    }
}

static void swap_view(nacre_collection *collection, struct view *fresh)
{
    /* Release: pairs with view_of. */
    struct view *old = atomic_exchange_explicit(&collection->view, fresh, memory_order_acq_rel);
    if (old) {
        retire(collection->store, old);
    }
}

int view_install_first(nacre_collection *collection, struct table *active, struct version *version)
{
    struct view *view = view_alloc(1);
    if (!view) {
        return NACRE_NO_MEMORY;
    }
    view->version = version;
    view->table_count = 1;
    view->tables[0] = active;
    collection->active = active;
    swap_view(collection, view);
    return NACRE_OK;
}

int view_seal(nacre_collection *collection, struct table *fresh, struct view *memory)
{
    pthread_mutex_lock(&collection->view_lock);
    const struct view *old = atomic_load_explicit(&collection->view, memory_order_relaxed);
    if (old->table_count + 1 > memory->table_count) {
        pthread_mutex_unlock(&collection->view_lock);
        return NACRE_BUSY; /* more tables than when the memory was made: the caller makes more */
    }
    memory->table_count = old->table_count + 1;
    memory->version = old->version;
    version_ref(memory->version);
    memory->tables[0] = fresh;
    for (uint32_t i = 0; i < old->table_count; i++) {
        memory->tables[i + 1] = old->tables[i];
        table_hold(old->tables[i]);
    }
    collection->active = fresh;
    swap_view(collection, memory);
    pthread_mutex_unlock(&collection->view_lock);
    return NACRE_OK;
}

/* Cannot fail: waits for memory if it must, as nothing can be undone after the manifest commit. */
static struct view *view_alloc_surely(size_t tables)
{
    struct view *view;
    while (!(view = view_alloc(tables))) {
        clock_sleep_ns(1000000);
    }
    return view;
}

void view_publish(void *context, void *owner, struct version *version, struct memtable *flushed)
{
    nacre_store *store = context;
    nacre_collection *collection = owner;
    pthread_mutex_lock(&collection->view_lock);
    const struct view *old = atomic_load_explicit(&collection->view, memory_order_relaxed);
    struct view *view = view_alloc_surely(old->table_count);
    view->version = version;
    for (uint32_t i = 0; i < old->table_count; i++) {
        if (flushed && old->tables[i]->memtable == flushed) {
            atomic_fetch_sub_explicit(&store->sealed_bytes, old->tables[i]->sealed_bytes, memory_order_relaxed);
            continue;
        }
        view->tables[view->table_count++] = old->tables[i];
        table_hold(old->tables[i]);
    }
    swap_view(collection, view);
    pthread_mutex_unlock(&collection->view_lock);
}

void view_empty(nacre_collection *collection, struct table *empty)
{
    nacre_store *store = collection->store;
    struct view *view = view_alloc_surely(1);
    pthread_mutex_lock(&store->commit_lock);
    pthread_mutex_lock(&collection->view_lock);
    const struct view *old = atomic_load_explicit(&collection->view, memory_order_relaxed);
    for (uint32_t i = 1; i < old->table_count; i++) {
        atomic_fetch_sub_explicit(&store->sealed_bytes, old->tables[i]->sealed_bytes, memory_order_relaxed);
    }
    view->version = old->version;
    version_ref(view->version);
    view->table_count = 1;
    view->tables[0] = empty;
    collection->active = empty;
    swap_view(collection, view);
    pthread_mutex_unlock(&collection->view_lock);
    pthread_mutex_unlock(&store->commit_lock);
}
