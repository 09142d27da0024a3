/* Sealing, flushing, and what the log is still needed for.

   A seal is a swap of pointers under commit_lock; everything it needs is made before. Flushes of one collection run one at a time,
   oldest table first (flush_lock), so that level 0 is ordered as the writes were. Locks: flush_lock > tree's mutex > commit_lock > view_lock. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/store.h"
#include <urcu/urcu-bp.h>

/* commit_lock held. NACRE_NOT_FOUND: there is nothing to seal. */
static int seal_locked(nacre_collection *collection, const struct table *expected, struct table *fresh,
                       struct view *memory)
{
    struct table *active = collection->active;
    if ((expected && active != expected) || memtable_entries(active->memtable) == 0) {
        return NACRE_NOT_FOUND;
    }
    const nacre_store *store = collection->store;
    wal_position end =
        atomic_load_explicit(&store->log_open, memory_order_acquire) ? wal_end(store->wal) : store->replay_end;
    /* Before the view shows it as sealed: a flush may take it from there at once. */
    const uint64_t bytes = memtable_bytes(active->memtable);
    active->sealed_at = end;
    active->sealed_bytes = bytes;
    atomic_fetch_add_explicit(&collection->store->sealed_bytes, bytes, memory_order_relaxed);
    int status = view_seal(collection, fresh, memory);
    if (status != NACRE_OK) {
        atomic_fetch_sub_explicit(&collection->store->sealed_bytes, bytes, memory_order_relaxed);
    }
    return status;
}

int collection_seal(nacre_collection *collection, const struct table *expected)
{
    nacre_store *store = collection->store;
    int status;
    size_t tables = 8;
    do {
        struct table *fresh = NULL;
        struct view *memory = NULL;
        status = table_create(store, collection->kind, &fresh);
        if (status == NACRE_OK && !(memory = view_alloc(tables))) {
            status = NACRE_NO_MEMORY;
        }
        if (status == NACRE_OK) {
            memory->table_count = (uint32_t)tables;
            pthread_mutex_lock(&store->commit_lock);
            status = seal_locked(collection, expected, fresh, memory);
            pthread_mutex_unlock(&store->commit_lock);
        }
        if (status != NACRE_OK) {
            memory_free(memory);
            table_release(fresh);
        }
        tables *= 2;
    } while (status == NACRE_BUSY);
    if (status == NACRE_OK) {
        stats_add(&store->stats, STATS_seals, 1);
        work_post(store, WORK_FLUSH, collection);
        pacing_apply(store);
    }
    return status == NACRE_NOT_FOUND ? NACRE_OK : status;
}

/* Waits until what was given the table before the seal has applied and is visible. */
static int wait_for_writers(nacre_store *store, struct table *table)
{
    for (unsigned round = 0; atomic_load_explicit(&table->writers, memory_order_acquire) != 0; round++) {
        clock_sleep_ns(round < 10 ? 20000 : 500000);
        if (atomic_load_explicit(&store->stopping, memory_order_relaxed)) {
            return NACRE_CANCELLED;
        }
    }
    while (publish_visible(&store->publisher) < memtable_newest(table->memtable)) {
        if (atomic_load_explicit(&store->log_open, memory_order_acquire)) {
            publish_advance(&store->publisher, wal_synced(store->wal));
        }
        if (publish_visible(&store->publisher) >= memtable_newest(table->memtable)) {
            break;
        }
        if (atomic_load_explicit(&store->log_failed, memory_order_acquire)) {
            return fail(NACRE_READ_ONLY, "the log failed; nacre_resume flushes what it held");
        }
        if (atomic_load_explicit(&store->stopping, memory_order_relaxed)) {
            return NACRE_CANCELLED;
        }
        clock_sleep_ns(200000);
    }
    return NACRE_OK;
}

static struct table *oldest_sealed(struct view *view)
{
    return view->table_count > 1 ? view->tables[view->table_count - 1] : NULL;
}

static bool alone(nacre_store *store)
{
    pthread_mutex_lock(&store->collections_lock);
    bool one = store->collection_count == 1;
    pthread_mutex_unlock(&store->collections_lock);
    return one;
}

/* What goes into a segment is durable there. So must be all that was written before it in other collections, or a power cut could keep the half
   of a batch that was flushed and lose the other half with the log's tail. */
static int make_log_durable(nacre_store *store, const struct table *table)
{
    if (!atomic_load_explicit(&store->log_open, memory_order_acquire) ||
        atomic_load_explicit(&store->resuming, memory_order_relaxed) || alone(store)) {
        return NACRE_OK; /* recovery has synced it; nacre_resume flushes everything because it cannot be synced */
    }
    int status = wal_sync(store->wal, table->sealed_at);
    if (status != NACRE_OK) {
        store_fail_log(store, status, fail_detail());
    }
    return status;
}

int collection_flush_one(nacre_collection *collection, bool *more)
{
    nacre_store *store = collection->store;
    *more = false;
    if (pthread_mutex_trylock(&collection->flush_lock) != 0) {
        return NACRE_OK; /* whoever flushes looks again when done */
    }
    struct view *view = view_hold(collection);
    struct table *table = oldest_sealed(view);
    int status = NACRE_OK;
    if (table && !atomic_load_explicit(&collection->dropped, memory_order_acquire)) {
        status = wait_for_writers(store, table);
        if (status == NACRE_OK) {
            status = make_log_durable(store, table);
        }
        if (status == NACRE_OK) {
            status = tree_flush(collection->tree, table->memtable, table->sealed_at);
        }
        if (status == NACRE_OK) {
            stats_add(&store->stats, STATS_flushes, 1);
        }
    }
    view_release(store, view);
    if (status == NACRE_OK) {
        view = view_hold(collection);
        *more = oldest_sealed(view) != NULL && !atomic_load_explicit(&collection->dropped, memory_order_acquire);
        view_release(store, view);
    }
    pthread_mutex_unlock(&collection->flush_lock);
    return status;
}

/* The sealed tables that a flush has to see gone. */
static size_t sealed_up_to(nacre_collection *collection, uint64_t newest)
{
    size_t count = 0;
    struct view *view = view_hold(collection);
    for (uint32_t i = 1; i < view->table_count; i++) {
        count += memtable_oldest(view->tables[i]->memtable) <= newest;
    }
    view_release(collection->store, view);
    return count;
}

int collection_flush(nacre_collection *collection)
{
    nacre_store *store = collection->store;
    struct view *view = view_hold(collection);
    uint64_t newest = 0;
    for (uint32_t i = 0; i < view->table_count; i++) {
        uint64_t sequence = memtable_newest(view->tables[i]->memtable);
        newest = sequence > newest ? sequence : newest;
    }
    view_release(store, view);
    int status = collection_seal(collection, NULL);
    while (status == NACRE_OK && sealed_up_to(collection, newest) > 0) {
        bool more;
        status = collection_flush_one(collection, &more);
        if (status == NACRE_OK && sealed_up_to(collection, newest) > 0) {
            clock_sleep_ns(200000); /* another thread is at it */
        }
        store_progress(store);
    }
    if (tree_wants_work(collection->tree)) {
        work_post(store, WORK_MERGE, collection);
    }
    work_housekeep(store);
    return status;
}

/* What recovery of one collection needs of the log; `end` when it needs nothing. commit_lock held. */
static wal_position needed_by(nacre_collection *collection, wal_position end)
{
    struct view *view = view_of(collection);
    for (uint32_t i = view->table_count; i-- > 0;) {
        struct table *table = view->tables[i];
        if (table->first != 0) {
            return table->first;
        }
    }
    return end;
}

wal_position store_log_needed(nacre_store *store)
{
    pthread_mutex_lock(&store->collections_lock);
    urcu_bp_read_lock();
    pthread_mutex_lock(&store->commit_lock);
    wal_position needed = wal_end(store->wal), end = needed;
    for (size_t i = 0; i < store->collection_count; i++) {
        wal_position position = needed_by(store->collections[i], end);
        needed = position < needed ? position : needed;
    }
    pthread_mutex_unlock(&store->commit_lock);
    urcu_bp_read_unlock();
    pthread_mutex_unlock(&store->collections_lock);
    return needed;
}

int store_prune_log(nacre_store *store)
{
    if (!atomic_load_explicit(&store->log_open, memory_order_acquire)) {
        return NACRE_OK;
    }
    int status = NACRE_OK;
    pthread_mutex_lock(&store->house_lock);
    wal_position needed = store_log_needed(store);
    if (wal_oldest_file(store->wal) < WAL_FILE(needed)) {
        /* The floor is durable before a file goes: recovery then never looks for it. */
        struct manifest_edit edit = { .has_next_log_file = true, .next_log_file = WAL_FILE(needed) };
        status = manifest_commit(store->manifest, &edit);
        if (status == NACRE_OK) {
            status = wal_prune(store->wal, WAL_POSITION(WAL_FILE(needed), 0));
        }
    }
    pthread_mutex_unlock(&store->house_lock);
    return status;
}

/* Tables whose oldest record is in one of the files up to `last`; the active ones of live collections. */
struct pins {
    nacre_collection **collections;
    struct table **tables;
    size_t count;
};

static int find_pins(nacre_store *store, uint32_t last, struct pins *pins)
{
    int status = NACRE_OK;
    pthread_mutex_lock(&store->collections_lock);
    pins->collections = memory_alloc((store->collection_count + 1) * sizeof(nacre_collection *));
    pins->tables = memory_alloc((store->collection_count + 1) * sizeof(struct table *));
    if (!pins->collections || !pins->tables) {
        status = NACRE_NO_MEMORY;
    }
    pthread_mutex_lock(&store->commit_lock);
    for (size_t i = 0; i < store->collection_count && status == NACRE_OK; i++) {
        nacre_collection *c = store->collections[i];
        if (c->active->first != 0 && WAL_FILE(c->active->first) <= last &&
            !atomic_load_explicit(&c->dropped, memory_order_relaxed)) {
            pins->collections[pins->count] = c;
            pins->tables[pins->count++] = c->active; /* compared only: it may be gone by then */
        }
    }
    pthread_mutex_unlock(&store->commit_lock);
    pthread_mutex_unlock(&store->collections_lock);
    return status;
}

/* From three fourths of the limit on, whoever holds on to the older fourth of the log's files is sealed; the flushes then let the files go.
   Writers are slowed down meanwhile, and held at the limit (pacing.c). */
int store_enforce_log_limit(nacre_store *store)
{
    if (!atomic_load_explicit(&store->log_open, memory_order_acquire) ||
        wal_bytes(store->wal) <= store->log_limit / 4 * 3) {
        return NACRE_OK;
    }
    struct pins pins = { 0 };
    uint32_t oldest = wal_oldest_file(store->wal), newest = WAL_FILE(wal_end(store->wal));
    int status = find_pins(store, oldest + (newest - oldest) / 4, &pins);
    for (size_t i = 0; i < pins.count && status == NACRE_OK; i++) {
        status = collection_seal(pins.collections[i], pins.tables[i]);
    }
    memory_free(pins.collections);
    memory_free(pins.tables);
    return status;
}

void store_reap(void *context, uint64_t segment_id)
{
    nacre_store *store = context;
    pthread_mutex_lock(&store->reap_lock);
    if (store->reap_count == store->reap_capacity) {
        size_t capacity = store->reap_capacity ? 2 * store->reap_capacity : 64;
        uint64_t *more = memory_realloc(store->reap_ids, capacity * sizeof *more);
        if (more) {
            store->reap_ids = more;
            store->reap_capacity = capacity;
        }
    }
    if (store->reap_count < store->reap_capacity) {
        store->reap_ids[store->reap_count++] = segment_id;
    } /* else: the next open removes what the manifest does not name */
    pthread_mutex_unlock(&store->reap_lock);
    if (!atomic_load_explicit(&store->stopping, memory_order_relaxed)) {
        work_housekeep(store);
    }
}

int store_remove_reaped(nacre_store *store)
{
    int status = NACRE_OK;
    while (atomic_load_explicit(&store->reap_holds, memory_order_seq_cst) == 0) {
        pthread_mutex_lock(&store->reap_lock);
        bool any = store->reap_count > 0;
        uint64_t id = any ? store->reap_ids[--store->reap_count] : 0;
        pthread_mutex_unlock(&store->reap_lock);
        if (!any) {
            break;
        }
        int one = segment_remove_files(&store->segments, id);
        status = status == NACRE_OK ? one : status;
    }
    return status;
}

void store_index_wanted(void *context, void *owner)
{
    work_post(context, WORK_INDEX, owner);
}
