/* The views of an opening for reading after the manifest has moved on (reader.c).

   A flush has put a collection's records before some place of the log into segments. Memtables of older stretches go; of one that reaches over
   the place, what lies behind it is read again from the log.

   reader.lock is held throughout. A step that fails is done again by the next refresh: it goes by what the views show, not by what was tried. */
#include "base/memory.h"
#include "base/status.h"
#include "store/store.h"
#include <urcu/urcu-bp.h>

struct tables {
    struct table **list; /* newest first; each held */
    size_t count;
    bool changed;
};

static void tables_free(struct tables *tables)
{
    for (size_t i = 0; i < tables->count; i++) {
        table_release(tables->list[i]);
    }
    memory_free(tables->list);
}

static int add_fresh(nacre_collection *c, struct tables *tables, wal_position first, wal_position sealed_at)
{
    struct table *fresh = NULL;
    int status = table_create(c, &fresh);
    if (status == NACRE_OK) {
        fresh->first = first;
        fresh->sealed_at = sealed_at;
        tables->list[tables->count++] = fresh;
        tables->changed = true;
    }
    return status;
}

/* What the segments do not hold of the newest view's tables. */
static int keep_tables(nacre_collection *c, wal_position from, struct tables *tables, bool *again)
{
    const struct view *view = atomic_load_explicit(&c->view, memory_order_relaxed);
    wal_position at = wal_tail_position(c->store->reader.tail);
    int status = NACRE_OK;
    tables->list = memory_alloc((view->table_count + 1) * sizeof(struct table *));
    if (!tables->list) {
        return NACRE_NO_MEMORY;
    }
    for (uint32_t i = 0; i < view->table_count && status == NACRE_OK && !*again; i++) {
        struct table *table = view->tables[i];
        wal_position end = i == 0 ? at : table->sealed_at;
        if (table->first >= from) {
            table_hold(table);
            tables->list[tables->count++] = table;
        } else if (end > from) {
            bool whole = false;
            status = add_fresh(c, tables, from, table->sealed_at);
            if (status == NACRE_OK) {
                status = reader_fill_table(c, tables->list[tables->count - 1], from, end, &whole);
            }
            *again = status == NACRE_OK && !whole;
        } else {
            tables->changed = true;
        }
    }
    if (status == NACRE_OK && tables->count == 0) {
        status = add_fresh(c, tables, from > at ? from : at, 0);
    }
    return status;
}

static int update(nacre_collection *c, wal_position from, bool *again)
{
    struct tables tables = { .list = NULL };
    int status = keep_tables(c, from, &tables, again);
    if (status == NACRE_OK && !*again) {
        struct version *version = tree_version(c->tree);
        const struct view *view = atomic_load_explicit(&c->view, memory_order_relaxed);
        if (tables.changed || version != view->version) {
            status = view_replace(c, tables.list, tables.count, version);
            /* The segments may hold keys that came without a record of the log. */
            urcu_bp_read_lock();
            gap_clear(&c->gaps);
            urcu_bp_read_unlock();
        } else {
            version_unref(version);
        }
        c->read_from = status == NACRE_OK ? from : c->read_from;
    }
    tables_free(&tables);
    return status;
}

static const struct manifest_collection *words_of(const struct manifest_state *state, uint32_t id)
{
    for (size_t i = 0; i < state->collection_count; i++) {
        if (state->collections[i].id == id) {
            return &state->collections[i];
        }
    }
    return NULL;
}

static int update_collection(nacre_collection *c, const struct manifest_state *state, bool *again)
{
    const struct manifest_collection *words = words_of(state, c->id);
    const struct manifest_collection nothing = { .id = c->id, .name = c->name };
    struct version *version = NULL;
    if (!words && !c->written_on) {
        return NACRE_OK;
    }
    int status = tree_reload(c->tree, words ? words : &nothing, &version);
    version_unref(version); /* the tree has it */
    if (status == NACRE_OK && words) {
        status = update(c, recovery_position(state, c->id), again);
    } else if (status == NACRE_OK) {
        status = update(c, UINT64_MAX, again); /* dropped: nothing of it stays */
        c->written_on = status != NACRE_OK;
    }
    return status;
}

static int add_collection(nacre_store *store, const struct manifest_state *state,
                          const struct manifest_collection *words)
{
    nacre_collection *c = NULL;
    int status = collection_make(store, words, &c);
    if (status != NACRE_OK) {
        return status;
    }
    c->written_on = true;
    c->read_from = c->active->first = recovery_position(state, c->id);
    atomic_store_explicit(&c->dropped, true, memory_order_relaxed); /* until it is shown */
    pthread_mutex_lock(&store->collections_lock);
    status = store_list_collection(store, c);
    pthread_mutex_unlock(&store->collections_lock);
    if (status != NACRE_OK) {
        collection_free(c);
    }
    store->reader.changed = true;
    return status;
}

/* The pin of the state before, which the views have, still holds all that this one names. */
static int pin_state(nacre_store *store, uint64_t position)
{
    struct reader_state *reader = &store->reader;
    struct reader_pin *pin = NULL;
    if (reader->pin && reader->pin->position == position) {
        return NACRE_OK;
    }
    if (!reader->pins.file) {
        pins_open(&reader->pins, store->os, store->path); /* made by a writer since */
    }
    int status = reader_pin_create(&reader->pins, position, &pin);
    if (status == NACRE_OK) {
        reader_pin_unref(reader->pin);
        reader->pin = pin;
    }
    return status;
}

int reader_take_state(nacre_store *store, bool *again)
{
    const struct manifest_state *state = manifest_followed(store->manifest);
    uint64_t position = manifest_position(store->manifest);
    int status = pin_state(store, position);
    if (state->last_sequence > atomic_load_explicit(&store->last_sequence, memory_order_relaxed)) {
        atomic_store_explicit(&store->last_sequence, state->last_sequence, memory_order_seq_cst);
    }
    for (size_t i = 0; i < store->collection_count && status == NACRE_OK && !*again; i++) {
        status = update_collection(store->collections[i], state, again);
    }
    for (size_t i = 0; i < state->collection_count && status == NACRE_OK && !*again; i++) {
        if (!store_find_collection(store, state->collections[i].id)) {
            status = add_collection(store, state, &state->collections[i]);
        }
    }
    if (status != NACRE_OK || *again) {
        return status;
    }
    if (WAL_FILE(wal_tail_position(store->reader.tail)) < state->next_log_file) {
        wal_tail_place(store->reader.tail, WAL_POSITION(state->next_log_file, 0), false);
    }
    if (state->last_sequence > store->reader.sequence) {
        store->reader.sequence = state->last_sequence;
    }
    store->reader.taken = position;
    store->reader.stuck = false;
    return NACRE_OK;
}
