/* Ingest: one atomic write of everything that some segment writers hold, without the log and the memtables.

   It has one sequence S, and stands among commits as a commit does: newer than those before, older than those after, visible when all before it are. What
   makes it different is that memtables lie above segments: of a key that both have, readers and flushes take the memtable's version for the newer one.
   So no memtable may hold an older version of one of its keys when it is installed.

   1. With no lock: the segments are synced; memtables with keys between a segment's least and greatest are flushed; the log is synced.
   2. flush_lock is taken: from here on nothing is flushed but by this thread.
   3. Under commit_lock, as a commit: if the active memtable holds keys or range deletes in those ranges, or has commits in flight, whose keys are not known, it is sealed; S is
      assigned and a ticket taken. What is committed from here on is newer, and waits with its visibility for the ticket.
   4. Which sequence the segments have is noted beside the manifest (given.h). Memtables with such keys that were sealed by then are flushed: only what came since step 1.
      One that was sealed after S may hold commits which wait for S to be visible: it is not looked at. The log is synced up to S: what an ingest leaves on the disk must
      not outlast what was committed before it.
   5. The segments are installed by one edit of the manifest, gaps are cut, the ticket is published.
   Nobody waits for an ingest but from 3 to 5: commits then apply and sync, but return only at its end.
   Invariants:
   1. Between S and its end no table that holds commits newer than S is flushed: such a flush would not know what lies beneath.
   2. A reader that sees S has a view with the segments: views_at (view.c).
   3. The ticket is published in any case; without the segments S is a sequence with nothing.
   4. From its edit until S is visible a merge of the collection would drop what it hides, though snapshots are still made that see that: none begins (tree_env.sees).
   Any thread. Locks: flush_lock > the tree's > commit_lock. */
#include "store/ingest.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/event.h"

#define ROUNDS_BEFORE  4u     /* flushes with no lock, as long as each leaves little for the next */
#define LITTLE_BYTES   65536u /* in a memtable: flushed within the window */
#define SPINS_FOR_IDLE 200u   /* looks at commits in flight, before the memtable is sealed for them */

int segment_writer_create(nacre_collection *collection, uint64_t ttl_ms, nacre_segment_writer **writer)
{
    int status = store_check_writable(collection->store);
    if (status == NACRE_OK) {
        status = given_make_ready(&collection->store->given); /* so that what it lacks was not taken in */
    }
    nacre_segment_writer *w = status == NACRE_OK ? memory_zalloc(sizeof *w) : NULL;
    if (!w) {
        return status == NACRE_OK ? NACRE_NO_MEMORY : status;
    }
    if ((status = tree_writer_create(collection->tree, &w->rows)) != NACRE_OK) {
        memory_free(w);
        return status;
    }
    w->collection = collection;
    w->ttl_ms = ttl_ms;
    w->expires = ttl_ms != UINT64_MAX && (ttl_ms | collection->default_ttl_ms) != 0;
    atomic_fetch_add_explicit(&collection->store->segment_writers, 1, memory_order_relaxed);
    *writer = w;
    return NACRE_OK;
}

void segment_writer_free(nacre_segment_writer *w)
{
    if (w) {
        nacre_store *store = w->collection->store;
        tree_writer_free(w->rows);
        memory_free(w);
        atomic_fetch_sub_explicit(&store->segment_writers, 1, memory_order_release);
    }
}

/* ---- what memtables have of the keys ---- */

struct ingest {
    struct sealed sealed; /* what was sealed on the way, and what was flushed in all: told when the locks are free */
    struct tree_work_done flushed; /* what is NULL: nothing */
    nacre_collection *collection;
    struct tree_ingest segments;
    uint64_t sequence, ticket;
    wal_position end;
    struct view *before;   /* when S was assigned; held. NULL: not yet */
    uint32_t first_sealed; /* of its tables: those from here on hold commits older than S alone */
};

struct range_look {
    const struct ingest *in;
    bool found;
};

static void look_at_range(void *context, const struct range_delete *range)
{
    struct range_look *look = context;
    for (size_t i = 0; i < look->in->segments.count && !look->found; i++) {
        look->found =
            slice_compare(range->begin, tree_ingest_greatest(&look->in->segments, i)) <= 0 &&
            (range->end.size == 0 || slice_compare(tree_ingest_smallest(&look->in->segments, i), range->end) < 0);
    }
}

/* Whether a range delete meets one of the ranges. It would lie above what is older than it as well as what is newer: once a merge has settled the latter
   (base/entry.h), it would be taken for older. */
static bool ranges_overlap(const struct ingest *in, const struct table *table)
{
    struct range_look look = { in, false };
    if (memtable_has_ranges(table->memtable)) {
        memtable_visit_ranges(table->memtable, look_at_range, &look);
    }
    return look.found;
}

/* Whether there is a key in one of the ranges. Under the commit lock too: a cursor that exists allocates nothing. */
static int overlaps(const struct ingest *in, struct cursor *cursor, bool *found)
{
    *found = false;
    for (size_t i = 0; i < in->segments.count && !*found; i++) {
        nacre_slice smallest = tree_ingest_smallest(&in->segments, i);
        if (i == 0 || slice_compare(cursor->entry.key, smallest) < 0) {
            cursor_seek(cursor, smallest);
        }
        if (!cursor->valid) {
            break;
        }
        *found = slice_compare(cursor->entry.key, tree_ingest_greatest(&in->segments, i)) <= 0;
    }
    return cursor->status;
}

static int table_overlaps(const struct ingest *in, const struct table *table, bool *found)
{
    struct cursor *cursor = NULL;
    if (ranges_overlap(in, table)) {
        *found = true;
        return NACRE_OK;
    }
    int status = memtable_cursor_create(table->memtable, &cursor);
    if (status == NACRE_OK) {
        status = overlaps(in, cursor, found);
        cursor_close(cursor);
    }
    return status;
}

/* Step 1. Bytes of the memtables that have to be in segments first, those older than them included. */
static int bytes_in_the_way(const struct ingest *in, uint64_t *bytes)
{
    struct view *view = view_hold(in->collection);
    int status = NACRE_OK;
    bool found = false;
    *bytes = 0;
    for (uint32_t i = 0; i < view->table_count && status == NACRE_OK; i++) {
        if (!found) {
            status = table_overlaps(in, view->tables[i], &found);
        }
        *bytes += found ? memtable_bytes(view->tables[i]->memtable) : 0;
    }
    view_release(in->collection->store, view);
    return status;
}

static int sync_log(nacre_store *store, wal_position end)
{
    int status = wal_sync(store->wal, end);
    if (status != NACRE_OK) {
        store_fail_log(store, status, fail_detail());
    }
    return status;
}

static int clear_the_way(const struct ingest *in)
{
    nacre_store *store = in->collection->store;
    uint64_t bytes = UINT64_MAX;
    int status = NACRE_OK;
    for (unsigned round = 0; round < ROUNDS_BEFORE && status == NACRE_OK && bytes > LITTLE_BYTES; round++) {
        status = bytes_in_the_way(in, &bytes);
        if (status == NACRE_OK && bytes > (round ? LITTLE_BYTES : 0)) {
            status = collection_flush(in->collection);
        }
    }
    if (status == NACRE_OK) {
        status = store_flush_unlogged(store); /* what was written before at level memory is to outlast it, too */
    }
    return status == NACRE_OK ? sync_log(store, wal_end(store->wal)) : status;
}

/* ---- the sequence ---- */

/* What a seal under commit_lock needs. */
struct seal_room {
    struct view *view; /* of before; held */
    struct cursor *cursor;
    struct table *fresh;
    struct view *memory;
};

static void seal_room_free(nacre_store *store, struct seal_room *room)
{
    cursor_close(room->cursor);
    view_release(store, room->view);
    table_release(room->fresh);
    memory_free(room->memory);
    *room = (struct seal_room){ 0 };
}

static int seal_room_make(nacre_collection *collection, struct seal_room *room)
{
    room->view = view_hold(collection);
    int status = memtable_cursor_create(room->view->tables[0]->memtable, &room->cursor);
    if (status == NACRE_OK) {
        status = table_create(collection, &room->fresh);
    }
    if (status == NACRE_OK && !(room->memory = view_alloc(room->view->table_count + 1))) {
        status = NACRE_NO_MEMORY;
    }
    if (status == NACRE_OK) {
        room->memory->table_count = room->view->table_count + 1;
    }
    return status;
}

/* Commits apply within microseconds, and need no lock for it. */
static bool is_idle(const struct table *table)
{
    for (unsigned spin = 0; spin < SPINS_FOR_IDLE; spin++) {
        /* Acquire: pairs with leave_tables in commit.c: what they applied is seen. */
        if (atomic_load_explicit(&table->writers, memory_order_acquire) == 0) {
            return true;
        }
    }
    return false;
}

/* commit_lock held. NACRE_BUSY: not now. */
static int enter(struct ingest *in, struct seal_room *room)
{
    nacre_collection *collection = in->collection;
    nacre_store *store = collection->store;
    struct table *active = collection->active;
    int status = store_check_writable(store);
    if (status != NACRE_OK || publish_full(&store->publisher) || active != room->view->tables[0]) {
        return status == NACRE_OK ? NACRE_BUSY : status;
    }
    bool seal = !is_idle(active) || ranges_overlap(in, active);
    if (!seal && (status = overlaps(in, room->cursor, &seal)) != NACRE_OK) {
        return status;
    }
    if (seal) {
        if ((status = collection_seal_locked(collection, active, room->fresh, room->memory)) != NACRE_OK) {
            return status;
        }
        room->fresh = NULL;
        room->memory = NULL;
        in->sealed = collection->sealed;
        stats_add(&store->stats, STATS_seals, 1);
    }
    in->before = room->view;
    in->first_sealed = seal ? 0 : 1;
    room->view = NULL;
    in->sequence = atomic_load_explicit(&store->last_sequence, memory_order_relaxed) + 1;
    /* seq_cst: pairs with the scanner's load in cursor_settle_gap (gap.h, invariant 2). */
    atomic_store_explicit(&store->last_sequence, in->sequence, memory_order_seq_cst);
    changes_miss(store, in->sequence);
    in->end = wal_end(store->wal);
    in->ticket = publish_take(&store->publisher, in->sequence, 0);
    return NACRE_OK;
}

/* Step 3. flush_lock held. */
static int take_sequence(struct ingest *in)
{
    nacre_store *store = in->collection->store;
    int status = NACRE_BUSY;
    while (status == NACRE_BUSY) {
        struct seal_room room = { 0 };
        status = seal_room_make(in->collection, &room);
        if (status == NACRE_OK) {
            pthread_mutex_lock(&store->commit_lock);
            status = enter(in, &room);
            pthread_mutex_unlock(&store->commit_lock);
        }
        seal_room_free(store, &room);
        if (status == NACRE_BUSY) {
            publish_advance(&store->publisher, wal_synced(store->wal));
            if (atomic_load_explicit(&store->log_failed, memory_order_acquire)) {
                status = store_check_writable(store);
            }
            clock_sleep_ns(20000);
        }
    }
    return status;
}

/* ---- the window ---- */

/* How many of the memtables that were sealed before S, from the oldest on, have to be flushed. */
static int count_in_the_way(const struct ingest *in, uint32_t *count)
{
    const struct view *view = in->before;
    int status = NACRE_OK;
    bool found = false;
    *count = 0;
    for (uint32_t i = in->first_sealed; i < view->table_count && status == NACRE_OK && !found; i++) {
        status = table_wait_for_writers(in->collection->store, view->tables[i]);
        if (status == NACRE_OK) {
            status = table_overlaps(in, view->tables[i], &found);
        }
        *count = found ? view->table_count - i : 0;
    }
    return status;
}

/* After S is assigned, before it is visible. */
static void note_changes(const struct ingest *in)
{
    for (size_t i = 0; i < in->segments.count; i++) {
        gap_note_range(&in->collection->gaps, tree_ingest_smallest(&in->segments, i),
                       tree_ingest_greatest(&in->segments, i));
    }
}

/* flush_lock held. */
static void add_flushed(struct ingest *in)
{
    struct tree_work_done *one = &in->collection->flushed;
    if (one->what) {
        in->flushed.kind = one->kind;
        in->flushed.what = one->what;
        in->flushed.bytes_in += one->bytes_in;
        in->flushed.bytes_out += one->bytes_out;
        in->flushed.entries += one->entries;
        in->flushed.ns += one->ns;
        one->what = NULL;
    }
}

static void tell(const struct ingest *in)
{
    if (in->sealed.entries > 0) {
        event_sealed(in->collection, in->sealed.bytes, in->sealed.entries);
    }
    if (in->flushed.what) {
        event_work_done(in->collection, &in->flushed);
    }
}

static int note_given(const struct ingest *in)
{
    size_t count = in->segments.count;
    struct given_record *records = memory_alloc(count * sizeof *records + 1);
    if (!records) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        records[i] = (struct given_record){ tree_ingest_id(&in->segments, i), in->sequence, in->collection->id };
    }
    int status = given_note(&in->collection->store->given, records, count);
    memory_free(records);
    return status;
}

/* Steps 4 and 5 up to the ticket. flush_lock held. */
static int install(struct ingest *in)
{
    nacre_collection *collection = in->collection;
    uint32_t flushes = 0;
    int status = count_in_the_way(in, &flushes);
    for (; status == NACRE_OK && flushes > 0; flushes--) {
        status = collection_flush_locked(collection);
        add_flushed(in);
    }
    if (status == NACRE_OK) {
        status = sync_log(collection->store, in->end);
    }
    if (status == NACRE_OK) {
        status = note_given(in);
    }
    if (status == NACRE_OK) {
        note_changes(in);
        status = tree_ingest_install(&in->segments, in->sequence);
    }
    return status;
}

/* All commits before it apply by themselves, and the log is durable up to it. */
static int wait_until_visible(nacre_store *store, uint64_t sequence)
{
    publish_advance(&store->publisher, wal_synced(store->wal));
    while (!publish_wait(&store->publisher, sequence, &store->log_failed)) {
        if (atomic_load_explicit(&store->state, memory_order_acquire) == NACRE_STATE_FAILED) {
            return fail_context(store_check_writable(store),
                                "the ingest is on the disk, but seen by the next opening only");
        }
        publish_advance(&store->publisher, wal_synced(store->wal));
        clock_sleep_ns(200000);
    }
    return NACRE_OK;
}

static int ingest(struct ingest *in)
{
    nacre_collection *collection = in->collection;
    nacre_store *store = collection->store;
    int status = clear_the_way(in);
    if (status != NACRE_OK) {
        return status;
    }
    pthread_mutex_lock(&collection->flush_lock);
    status = take_sequence(in);
    if (status == NACRE_OK) {
        uint64_t begun = clock_monotonic_ns();
        status = install(in);
        publish_applied(&store->publisher, in->ticket);
        publish_advance(&store->publisher, wal_synced(store->wal));
        stats_add(&store->stats, STATS_ingest_window_ns, clock_monotonic_ns() - begun);
    }
    pthread_mutex_unlock(&collection->flush_lock);
    view_release(store, in->before);
    tell(in);
    return status == NACRE_OK ? wait_until_visible(store, in->sequence) : status;
}

static void look_for_work(nacre_collection *collection)
{
    nacre_store *store = collection->store;
    work_post(store, WORK_FLUSH, collection); /* sealed meanwhile; a worker that came for it found the lock taken */
    if (tree_wants_work(collection->tree)) {
        work_post(store, WORK_MERGE, collection);
    }
    pacing_update(store);
    store_progress(store);
    work_housekeep(store);
}

static int prepare(struct ingest *in, nacre_segment_writer *const *writers, size_t count)
{
    struct tree_writer **rows = memory_alloc(count * sizeof(struct tree_writer *) + 1);
    if (!rows) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        rows[i] = writers[i]->rows;
    }
    int status = tree_ingest_prepare(in->collection->tree, rows, count, &in->segments);
    memory_free(rows);
    return status;
}

int collection_ingest(nacre_collection *collection, nacre_segment_writer *const *writers, size_t count)
{
    nacre_store *store = collection->store;
    struct ingest in = { .collection = collection };
    int status = store_check_writable(store);
    if (status == NACRE_OK) {
        status = pacing_admit(store, 0, 0);
    }
    if (status == NACRE_OK) {
        status = prepare(&in, writers, count);
    }
    if (status == NACRE_OK && in.segments.count > 0) {
        status = ingest(&in);
        look_for_work(collection);
    }
    if (status == NACRE_OK) {
        for (size_t i = 0; i < count; i++) {
            writers[i]->ingested = true;
        }
        stats_add(&store->stats, STATS_ingests, 1);
        stats_add(&store->stats, STATS_ingest_entries, in.segments.entries);
        stats_add(&store->stats, STATS_ingest_bytes, in.segments.bytes);
    }
    tree_ingest_end(&in.segments);
    if (status != NACRE_OK && atomic_load_explicit(&collection->dropped, memory_order_acquire)) {
        return fail(NACRE_NOT_FOUND, "collection '%s' was dropped", collection->name);
    }
    return status;
}
