/* Sealing, flushing, and what the log is still needed for.

   A seal is a swap of pointers under commit_lock; everything it needs is made before. Flushes of one collection run one at a time,
   oldest table first (flush_lock), so that level 0 is ordered as the writes were. Locks: flush_lock > tree's mutex > commit_lock > view_lock. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/event.h"
#include "store/values.h"
#include <urcu/urcu-bp.h>

bool table_is_full(const nacre_collection *collection, const struct table *table)
{
    const struct store_limits *limits = &collection->store->limits;
    const struct memtable *memtable = table->memtable;
    return memtable_bytes(memtable) >= atomic_load_explicit(&limits->seal_bytes, memory_order_relaxed) ||
           memtable_vector_bytes(memtable) >= atomic_load_explicit(&limits->seal_vector_bytes, memory_order_relaxed) ||
           table_hides_much(collection, table);
}

int collection_seal_locked(nacre_collection *collection, const struct table *expected, struct table *fresh,
                           struct view *memory)
{
    struct table *active = collection->active;
    bool empty = memtable_entries(active->memtable) == 0 &&
                 atomic_load_explicit(&active->writers, memory_order_relaxed) == 0; /* none is given it now */
    if ((expected && active != expected) || empty) {
        return NACRE_NOT_FOUND;
    }
    const nacre_store *store = collection->store;
    wal_position end =
        atomic_load_explicit(&store->log_open, memory_order_acquire) ? wal_end(store->wal) : store->replay_end;
    /* Before the view shows it as sealed: a flush may take it from there at once. */
    const uint64_t bytes = memtable_bytes(active->memtable);
    active->sealed_at = end;
    active->sealed_bytes = bytes;
    collection->sealed = (struct sealed){ bytes, memtable_entries(active->memtable) };
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
    struct sealed sealed = { 0, 0 };
    int status;
    size_t tables = 8;
    do {
        struct table *fresh = NULL;
        struct view *memory = NULL;
        status = table_create(collection, &fresh);
        if (status == NACRE_OK && !(memory = view_alloc(tables))) {
            status = NACRE_NO_MEMORY;
        }
        if (status == NACRE_OK) {
            memory->table_count = (uint32_t)tables;
            pthread_mutex_lock(&store->commit_lock);
            status = collection_seal_locked(collection, expected, fresh, memory);
            sealed = collection->sealed;
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
        event_sealed(collection, sealed.bytes, sealed.entries);
    }
    return status == NACRE_NOT_FOUND ? NACRE_OK : status;
}

int table_wait_for_writers(nacre_store *store, struct table *table)
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
            return fail(NACRE_READ_ONLY, "the log failed; a resume flushes what it held");
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

int collection_flush_locked(nacre_collection *collection)
{
    nacre_store *store = collection->store;
    struct view *view = view_hold(collection);
    struct table *table = oldest_sealed(view);
    int status = NACRE_OK;
    if (table && !atomic_load_explicit(&collection->dropped, memory_order_acquire)) {
        status = table_wait_for_writers(store, table);
        if (status == NACRE_OK) {
            status = make_log_durable(store, table);
        }
        if (status == NACRE_OK) {
            status = store_sync_values(store);
        }
        if (status == NACRE_OK) {
            status = tree_flush(collection->tree, table->memtable, table->sealed_at);
        }
        if (status == NACRE_OK) {
            stats_add(&store->stats, STATS_flushes, 1);
        }
    }
    view_release(store, view);
    return status;
}

int collection_flush_one(nacre_collection *collection, bool *more)
{
    *more = false;
    if (pthread_mutex_trylock(&collection->flush_lock) != 0) {
        return NACRE_OK; /* whoever flushes looks again when done */
    }
    int status = collection_flush_locked(collection);
    if (status == NACRE_OK) {
        struct view *view = view_hold(collection);
        *more = oldest_sealed(view) != NULL && !atomic_load_explicit(&collection->dropped, memory_order_acquire);
        view_release(collection->store, view);
    }
    struct tree_work_done flushed = collection->flushed;
    collection->flushed.what = NULL;
    pthread_mutex_unlock(&collection->flush_lock);
    if (flushed.what) {
        event_work_done(collection, &flushed);
    }
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

static bool has_sealed(nacre_collection *collection)
{
    struct view *view = view_hold(collection);
    bool sealed = oldest_sealed(view) != NULL;
    view_release(collection->store, view);
    return sealed && !atomic_load_explicit(&collection->dropped, memory_order_acquire);
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
    if (has_sealed(collection)) {
        work_post(store, WORK_FLUSH, collection); /* sealed meanwhile; a worker that came for it found the lock taken */
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

void store_log_pin(nacre_store *store, char name[NACRE_NAME_MAX + 1])
{
    const nacre_collection *pin = NULL;
    pthread_mutex_lock(&store->collections_lock);
    urcu_bp_read_lock();
    pthread_mutex_lock(&store->commit_lock);
    wal_position end = wal_end(store->wal), needed = end;
    for (size_t i = 0; i < store->collection_count; i++) {
        wal_position position = needed_by(store->collections[i], end);
        pin = position < needed ? store->collections[i] : pin;
        needed = position < needed ? position : needed;
    }
    pthread_mutex_unlock(&store->commit_lock);
    urcu_bp_read_unlock();
    memcpy(name, pin ? pin->name : "", pin ? strlen(pin->name) + 1 : 1);
    pthread_mutex_unlock(&store->collections_lock);
}

/* Someone is reading the log this moment, or was stopped at it: then only a log that is near its limit gets shorter. Asked when the new floor is
   in the manifest: who begins to read later finds it there. */
static bool readers_need_log(const nacre_store *store)
{
    return wal_bytes(store->wal) <= store->log_limit / 2 && pins_first(&store->pins, PIN_READING + 1) == PIN_READING;
}

int store_prune_log(nacre_store *store)
{
    if (!atomic_load_explicit(&store->log_open, memory_order_acquire)) {
        return NACRE_OK;
    }
    int status = NACRE_OK;
    pthread_mutex_lock(&store->house_lock);
    wal_position needed = store_log_needed(store);
    uint32_t held = hold_oldest_log_file(store);
    bool is_held = held < WAL_FILE(needed);
    atomic_store_explicit(&store->log_held_bytes, is_held ? wal_bytes_before(store->wal, WAL_FILE(needed)) : 0,
                          memory_order_relaxed);
    needed = is_held ? WAL_POSITION(held, 0) : needed;
    bool waits = false;
    if (wal_oldest_file(store->wal) < WAL_FILE(needed)) {
        if (store->log_floor != WAL_FILE(needed)) {
            /* The floor is durable before a file goes: recovery then never looks for it. */
            struct manifest_edit edit = { .has_next_log_file = true, .next_log_file = WAL_FILE(needed) };
            status = manifest_commit(store->manifest, &edit);
        }
        if (status == NACRE_OK) {
            store->log_floor = WAL_FILE(needed);
            waits = readers_need_log(store);
        }
        if (status == NACRE_OK && !waits) {
            status = wal_prune(store->wal, WAL_POSITION(WAL_FILE(needed), 0));
        }
    }
    atomic_store_explicit(&store->log_pinned, waits,
                          memory_order_relaxed); /* looked at by the housekeeper, after this */
    pthread_mutex_unlock(&store->house_lock);
    return status;
}

uint64_t store_log_bytes(nacre_store *store)
{
    uint64_t bytes = wal_bytes(store->wal), held = atomic_load_explicit(&store->log_held_bytes, memory_order_relaxed);
    return bytes > held ? bytes - held : 0;
}

/* Tables whose oldest record is in one of the files up to `last`; the active ones of live collections. */
struct log_holders {
    nacre_collection **collections;
    struct table **tables;
    size_t count;
};

static int find_holders(nacre_store *store, uint32_t last, struct log_holders *holders)
{
    int status = NACRE_OK;
    pthread_mutex_lock(&store->collections_lock);
    holders->collections = memory_alloc((store->collection_count + 1) * sizeof(nacre_collection *));
    holders->tables = memory_alloc((store->collection_count + 1) * sizeof(struct table *));
    if (!holders->collections || !holders->tables) {
        status = NACRE_NO_MEMORY;
    }
    pthread_mutex_lock(&store->commit_lock);
    for (size_t i = 0; i < store->collection_count && status == NACRE_OK; i++) {
        nacre_collection *c = store->collections[i];
        if (c->active->first != 0 && WAL_FILE(c->active->first) <= last &&
            !atomic_load_explicit(&c->dropped, memory_order_relaxed)) {
            holders->collections[holders->count] = c;
            holders->tables[holders->count++] = c->active; /* compared only: it may be gone by then */
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
        store_log_bytes(store) <= store->log_limit / 4 * 3) {
        return NACRE_OK;
    }
    struct log_holders holders = { 0 };
    uint32_t oldest = wal_oldest_file(store->wal), newest = WAL_FILE(wal_end(store->wal));
    int status = find_holders(store, oldest + (newest - oldest) / 4, &holders);
    for (size_t i = 0; i < holders.count && status == NACRE_OK; i++) {
        status = collection_seal(holders.collections[i], holders.tables[i]);
    }
    memory_free(holders.collections);
    memory_free(holders.tables);
    return status;
}

void store_index_wanted(void *context, void *owner)
{
    work_post_indexes(context, owner);
}
