/* Openings for reading: opened beside a writer or without one, and brought up to it by a refresh.

   Nothing is written, not even a lock file: what such an opening needs is pinned by locks on single bytes (pins.h). Its state is the newest views
   of its collections, which only a refresh changes, and a set of them, which reads see (view_set.c).

   A refresh
     1. follows the manifest (manifest_follow). Where it has moved on, each collection gets a view of its segments now; of its memtables only what
        the segments do not hold stays (reader_views.c);
     2. reads the log on, into the active memtables, above the set's sequence, so that nobody sees it yet (reader_log.c);
     3. shows all of that at once: by the set's sequence where only memtables grew, else by a new set.

   Invariants:
   1. the manifest is read before the log: all that its segments hold is in the part of the log that is read after it, or before. So what is shown is
      the writer's commits up to some point, whole.
   2. a failed refresh leaves what is shown as it was; the newest views may be ahead of it, and the next refresh goes on from there.
   3. the state that the newest views show is pinned before a file of it is opened, by the pin of the state before, or by PIN_READING.

   Any thread. Locks: reader.lock, then collections_lock, tree's, manifest's. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/event.h"
#include "store/values.h"
#include <stdio.h>

#define REFRESH_TRIES     10u
#define LOOK_AROUND_AFTER UINT64_C(1000000000) /* ns */

/* ---- opening ---- */

static void begin_tables(nacre_store *store, const struct manifest_state *state)
{
    for (size_t i = 0; i < store->collection_count; i++) {
        nacre_collection *c = store->collections[i];
        c->written_on = true;
        c->read_from = recovery_position(state, c->id);
        c->active->first = c->read_from;
    }
}

static void place_tail(nacre_store *store, const struct manifest_state *state)
{
    const struct wal_replay_report *report = &store->recovery;
    if (report->end) {
        wal_tail_place(store->reader.tail, report->end, report->ended);
    } else {
        wal_tail_place(store->reader.tail, WAL_POSITION(state->next_log_file, 0), false);
    }
}

/* Reads the log. What was read is good, and what is missing is damage, if the manifest has not moved on past the log that was replayed. */
static int replay_log(nacre_store *store, const struct manifest_state *state)
{
    uint32_t floor = state->next_log_file;
    int status = store_recover(store, state, false);
    if (status != NACRE_OK && status != NACRE_CORRUPT && status != NACRE_NOT_FOUND) {
        return status;
    }
    char detail[512];
    (void)snprintf(detail, sizeof detail, "%s", status == NACRE_OK ? "" : fail_detail());
    int followed = manifest_follow(store->manifest);
    if (followed == NACRE_OK && manifest_followed(store->manifest)->next_log_file != floor) {
        return fail(NACRE_BUSY, "%s: the writer pruned its log while it was read", store->path);
    }
    return status == NACRE_OK ? followed : fail(status, "%s", detail);
}

/* Manifest, segments and log, as they are now. */
static int read_all(nacre_store *store)
{
    struct reader_state *reader = &store->reader;
    struct manifest_state state = { 0 };
    int status = manifest_open(store->os, store->path, true, store->logger, &store->manifest);
    if (status == NACRE_OK) {
        status = reader_pin_create(&reader->pins, manifest_position(store->manifest), &reader->pin);
    }
    if (status == NACRE_OK) {
        status = store_make_parts(store);
    }
    if (status == NACRE_OK) {
        status = manifest_copy_state(store->manifest, &state);
    }
    if (status == NACRE_OK) {
        reader->taken = manifest_position(store->manifest);
        status = store_make_collections(store, &state);
    }
    if (status == NACRE_OK) {
        begin_tables(store, &state);
        status = replay_log(store, &state);
        status = status != NACRE_OK && store_leave_out(store, status) ? NACRE_OK : status;
    }
    if (status == NACRE_OK) {
        place_tail(store, &state);
        reader->sequence = atomic_load_explicit(&store->last_sequence, memory_order_relaxed);
    }
    manifest_state_free(&state);
    return status;
}

int reader_open(nacre_store *store)
{
    struct reader_state *reader = &store->reader;
    pins_open(&reader->pins, store->os, store->path);
    int status = wal_tail_create(store->os, store->log_path, &reader->tail);
    if (status == NACRE_OK) {
        status = pins_set(&reader->pins, PIN_READING, true);
    }
    if (status == NACRE_OK) {
        status = read_all(store);
    }
    if (status == NACRE_OK) {
        status = view_set_install(store, reader->sequence);
    }
    if (status == NACRE_OK) {
        status = pins_set(&reader->pins, PIN_READING, false);
    }
    if (status == NACRE_OK) {
        event_recovered(store);
        store_set_state(store, NACRE_STATE_READ_ONLY, NACRE_READ_ONLY, "it was opened read-only");
    }
    return status;
}

void reader_close(nacre_store *store)
{
    view_set_release(atomic_load_explicit(&store->reader.shown, memory_order_relaxed),
                     store); /* nobody reads any more */
    wal_tail_free(store->reader.tail);
}

/* ---- refreshing ---- */

/* The log is replayed anew into empty memtables, and judged: it holds what a tail cannot pass. */
static int replay_anew(nacre_store *store)
{
    const struct manifest_state *state = manifest_followed(store->manifest);
    int status = NACRE_OK;
    for (size_t i = 0; i < store->collection_count && status == NACRE_OK; i++) {
        nacre_collection *c = store->collections[i];
        struct table *fresh = NULL;
        status = table_create(c, &fresh);
        if (status == NACRE_OK) {
            fresh->first = c->read_from;
            status = view_replace(c, &fresh, 1, tree_version(c->tree));
            table_release(fresh);
        }
    }
    if (status == NACRE_OK) {
        status = replay_log(store, state);
    }
    if (status == NACRE_OK) {
        place_tail(store, state);
        store->reader.sequence = atomic_load_explicit(&store->last_sequence, memory_order_relaxed);
    }
    if (status != NACRE_OK) {
        store->reader.replay = true; /* the tables are not whole */
    }
    return status;
}

static void show(nacre_store *store)
{
    for (size_t i = 0; i < store->collection_count; i++) {
        nacre_collection *c = store->collections[i];
        atomic_store_explicit(&c->dropped, !c->written_on, memory_order_release);
    }
}

static int publish(nacre_store *store)
{
    struct reader_state *reader = &store->reader;
    if (reader->changed) {
        int status = view_set_install(store, reader->sequence);
        if (status != NACRE_OK) {
            return status;
        }
        reader->changed = false;
        show(store);
        value_log_forget_unused(store->values);
    } else {
        struct view_set *shown =
            atomic_load_explicit(&reader->shown, memory_order_relaxed); /* this thread makes them */
        /* Release: pairs with view_at and view_set_hold, who then find what was put into the memtables. */
        atomic_store_explicit(&shown->sequence, reader->sequence, memory_order_release);
    }
    publish_raise(&store->publisher, reader->sequence);
    return NACRE_OK;
}

/* *again: the writer is ahead of what was read. */
static int advance(nacre_store *store, bool *again)
{
    struct reader_state *reader = &store->reader;
    bool doubt = reader->replay;
    *again = false;
    int status = manifest_follow(store->manifest);
    if (status == NACRE_OK && manifest_position(store->manifest) != reader->taken) {
        wal_tail_look_again(reader->tail);
        status = reader_take_state(store, again);
    }
    if (status == NACRE_OK && !*again && !doubt) {
        status = reader_read_log(store, again, &doubt);
    }
    if (status == NACRE_OK && !*again && doubt) {
        reader->replay = false;
        status = pins_set(&reader->pins, PIN_READING, true);
        if (status == NACRE_OK) {
            status = replay_anew(store);
            (void)pins_set(&reader->pins, PIN_READING, false); /* it goes with the handle else */
        }
    }
    return status == NACRE_OK && !*again ? publish(store) : status;
}

/* Files that vanish while they are read look like damage, until the manifest says that they were removed. */
static bool may_pass(int status)
{
    return status == NACRE_CORRUPT || status == NACRE_NOT_FOUND || status == NACRE_BUSY;
}

/* What no edit tells of: side files made since, and the tuning. */
static void look_around(nacre_store *store)
{
    uint64_t now = clock_monotonic_ns();
    if (now - store->reader.looked_ns < LOOK_AROUND_AFTER) {
        return;
    }
    store->reader.looked_ns = now;
    for (size_t i = 0; i < store->collection_count; i++) {
        if (store->collections[i]->written_on) {
            tree_take_indexes(store->collections[i]->tree);
        }
    }
    if (tuning_reload(&store->tuning, store->os, store->path) == NACRE_OK) { /* else the former values stay */
        store_apply_tuning(store);
    }
}

/* reader.lock held. */
static int refresh(nacre_store *store)
{
    bool again = true;
    int status = NACRE_OK;
    for (unsigned attempt = 0; attempt < REFRESH_TRIES && (again || may_pass(status)); attempt++) {
        if (attempt > 1) {
            clock_sleep_ns(UINT64_C(100000) << attempt);
        }
        status = advance(store, &again);
        if (status != NACRE_OK && !may_pass(status)) {
            break;
        }
    }
    return status == NACRE_OK && again ? fail(NACRE_BUSY, "%s: the writer was ahead of every try", store->path)
                                       : status;
}

int store_refresh(nacre_store *store)
{
    if (!store->read_only) {
        return NACRE_OK;
    }
    pthread_mutex_lock(&store->reader.lock);
    int status = refresh(store);
    if (status == NACRE_OK) {
        look_around(store);
    }
    stats_add(&store->stats, STATS_refreshes, 1);
    pthread_mutex_unlock(&store->reader.lock);
    return status;
}

int reader_point(nacre_store *store, struct manifest_state *state, wal_position *end, struct reader_pin **pin)
{
    struct reader_state *reader = &store->reader;
    int status = NACRE_OK;
    *pin = NULL;
    pthread_mutex_lock(&reader->lock);
    if (reader->replay || reader->changed || reader->taken != manifest_position(store->manifest)) {
        status = refresh(store); /* the last one came to half of its work */
    }
    if (status == NACRE_OK) {
        status = manifest_copy_state(store->manifest, state);
    }
    if (status == NACRE_OK) {
        *end = wal_tail_position(reader->tail);
        *pin = reader->pin;
        if (*pin) {
            reader_pin_ref(*pin);
        }
    }
    pthread_mutex_unlock(&reader->lock);
    return status;
}
