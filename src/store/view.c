/* Views: what readers see of a collection (see store.h). Swapped under RCU (liburcu, bulletproof flavour: any caller thread may read
   without registering). A view that was replaced goes on a list; the housekeeper lets it go after a grace period, so that neither a
   reader nor a writer ever pays for freeing memtables or segments.
   Locks: view_lock around load, build and swap. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "store/values.h"
#include "tree/version_build.h"
#include <urcu/urcu-bp.h>

struct view *view_alloc(size_t tables)
{
    struct view *view = memory_zalloc(sizeof *view + tables * sizeof view->tables[0]);
    if (view) {
        atomic_init(&view->references, 1);
    }
    return view;
}

int table_create(const nacre_collection *collection, struct table **table)
{
    struct table *fresh = memory_zalloc(sizeof *fresh);
    if (!fresh) {
        return NACRE_NO_MEMORY;
    }
    struct memtable_options options = { .searched = collection->kind->match_cursor != NULL,
                                        .vector_bytes = collection->vector_bytes };
    int status = memtable_create(collection->store->chunks, &options, &fresh->memtable);
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
        table_release_values(table);
        memory_free(table);
    }
}

void table_hold(struct table *table)
{
    atomic_fetch_add_explicit(&table->references, 1, memory_order_relaxed);
}

/* A collection that a snapshot's set does not have yet is shown as it is now, where all is newer than the snapshot. */
static struct view *view_in_set(nacre_collection *collection, const nacre_snapshot *snapshot, uint64_t *sequence)
{
    /* Acquire: pairs with view_set_install. */
    struct view_set *shown = atomic_load_explicit(&collection->store->reader.shown, memory_order_acquire);
    if (snapshot) {
        *sequence = snapshot->sequence;
        return collection->slot < snapshot->views->count ? snapshot->views->views[collection->slot]
                                                         : shown->views[collection->slot];
    }
    *sequence = atomic_load_explicit(&shown->sequence, memory_order_acquire); /* pairs with the release in reader.c */
    return shown->views[collection->slot];
}

/* A commit that is visible is in the memtables of the view, or in none: in a newer memtable, with all that is newer. An ingest is in a newer version
   alone, below commits that are newer than it. So the view must be the one there was when the visible sequence was read. */
struct view *view_at(nacre_collection *collection, const nacre_snapshot *snapshot, uint64_t *sequence)
{
    if (collection->store->read_only) {
        return view_in_set(collection, snapshot, sequence);
    }
    for (;;) {
        struct view *view = atomic_load_explicit(&collection->view, memory_order_acquire); /* pairs with swap_view */
        if (snapshot) {
            *sequence = snapshot->sequence;
            return view;
        }
        *sequence = publish_visible(&collection->store->publisher);
        /* Acquire, above: this look comes after. What was replaced does not come back within a read section. */
        if (__builtin_expect(atomic_load_explicit(&collection->view, memory_order_acquire) == view, 1)) {
            return view;
        }
    }
}

struct view *view_hold_at(nacre_collection *collection, const nacre_snapshot *snapshot, uint64_t *sequence)
{
    urcu_bp_read_lock();
    struct view *view = view_at(collection, snapshot, sequence);
    /* Never zero here: the collection's own reference, or the set's, goes only after a grace period. */
    atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed);
    urcu_bp_read_unlock();
    return view;
}

struct view *view_of(nacre_collection *collection)
{
    uint64_t sequence;
    return collection->store->read_only
               ? view_in_set(collection, NULL, &sequence)
               : atomic_load_explicit(&collection->view, memory_order_acquire); /* pairs with swap_view */
}

struct view *view_hold(nacre_collection *collection)
{
    urcu_bp_read_lock();
    struct view *view = view_of(collection);
    atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed); /* as in view_hold_at */
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
    if (!view || atomic_fetch_sub_explicit(&view->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (store->read_only) {
        view_free(view); /* its sets went, after a grace period: nobody can find it */
    } else {
        retire(store, view);
    }
}

void view_free(struct view *view)
{
    for (uint32_t i = 0; i < view->table_count; i++) {
        table_release(view->tables[i]);
    }
    if (view->version) {
        version_unref(view->version);
    }
    reader_pin_unref(view->pin);
    memory_free(view);
}

static void free_retired(nacre_store *store)
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

void views_free_retired(nacre_store *store)
{
    pthread_mutex_lock(&store->retire_lock);
    free_retired(store);
    pthread_mutex_unlock(&store->retire_lock);
}

static bool is_behind(const nacre_store *store)
{
    /* Acquire: pairs with open_for_writing. */
    return atomic_load_explicit(&store->behind, memory_order_acquire);
}

uint64_t view_oldest_operand(void *context, void *owner)
{
    const nacre_store *store = context;
    uint64_t oldest = SEQUENCE_MAX;
    if (store->read_only) {
        return oldest; /* merges are the writer's */
    }
    if (is_behind(store)) {
        return 0;
    }
    urcu_bp_read_lock();
    const struct view *view = view_of(owner);
    for (uint32_t i = 0; view && i < view->table_count; i++) {
        uint64_t clock = memtable_oldest_clock(view->tables[i]->memtable);
        oldest = clock < oldest ? clock : oldest;
    }
    urcu_bp_read_unlock();
    return oldest;
}

/* Runs that were flushed since `base` was made: those of level 0 that it does not have, which are the newest. */
static size_t count_newer_runs(const struct version *v, const struct version *base)
{
    const struct run *newest = base->run_count && base->runs[0].level == 0 ? &base->runs[0] : NULL;
    size_t count = 0;
    while (count < v->run_count && v->runs[count].level == 0 && !(newest && v->runs[count].id <= newest->id)) {
        count++;
    }
    return count;
}

bool view_has_operands(void *context, void *owner, const struct version *base, nacre_slice key)
{
    const nacre_store *store = context;
    const struct lookup lookup = { .key = key, .hash = hash_bytes(key.data, key.size), .snapshot = SEQUENCE_MAX };
    bool found = false, operand = false;
    if (is_behind(store)) {
        return true; /* one may come */
    }
    urcu_bp_read_lock();
    const struct view *view = view_of(owner);
    for (uint32_t i = 0; i < view->table_count && !found; i++) {
        struct entry entry;
        found = memtable_get(view->tables[i]->memtable, key, SEQUENCE_MAX, &entry);
        operand = found && entry.type == ENTRY_MERGE;
    }
    operand = operand || version_may_have_operands(view->version, count_newer_runs(view->version, base), &lookup);
    urcu_bp_read_unlock();
    return operand;
}

uint64_t view_covering(const struct view *view, nacre_slice key, uint64_t sequence)
{
    uint64_t newest = 0;
    for (uint32_t i = 0; i < view->table_count; i++) {
        uint64_t range = memtable_covering(view->tables[i]->memtable, key, sequence);
        newest = range > newest ? range : newest;
    }
    if (view->version->has_ranges) {
        uint64_t range = version_covering(view->version, key, sequence, NULL);
        newest = range > newest ? range : newest;
    }
    return newest;
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
    view->pin = collection->store->reader.pin;
    if (view->pin) {
        reader_pin_ref(view->pin);
    }
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

int view_replace(nacre_collection *collection, struct table *const *tables, size_t count, struct version *version)
{
    struct view *view = view_alloc(count);
    if (!view) {
        version_unref(version);
        return NACRE_NO_MEMORY;
    }
    nacre_store *store = collection->store;
    view->version = version;
    view->table_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        view->tables[i] = tables[i];
        table_hold(tables[i]);
    }
    view->pin = store->reader.pin;
    if (view->pin) {
        reader_pin_ref(view->pin);
    }
    collection->active = view->tables[0];
    store->reader.changed = true;
    view_release(store, atomic_exchange_explicit(&collection->view, view, memory_order_acq_rel));
    return NACRE_OK;
}
