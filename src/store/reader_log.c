/* Reading the writer's log on, into the memtables of an opening for reading (reader.c).

   Each table holds the records of a stretch of the log, from `first` to `sealed_at` (the active one: to where the tail stands). A stretch ends when
   the table has grown to a fourth of what the writer seals at: when a flush has put the older part of a table into segments, the rest is read
   again, and that is then little.

   reader.lock is held throughout; records become visible by their sequence, later. */
#include "base/memory.h"
#include "base/status.h"
#include "store/values.h"
#include <urcu/urcu-bp.h>

struct reading {
    nacre_store *store;
    nacre_collection *only; /* or NULL: all */
    struct table *table;    /* of that one */
    uint32_t next_collection;
    bool unknown; /* a record of a collection that the manifest as it was read does not have yet */
};

static int cannot_decode(wal_position begin)
{
    return fail(NACRE_CORRUPT, "log file %u, offset %u: the record's checksum is good but its batch cannot be read",
                WAL_FILE(begin), WAL_OFFSET(begin));
}

/* Before anything of it is applied: a batch is shown as a whole. */
static int look_at_record(struct reading *reading, wal_position begin, nacre_slice payload, uint64_t *ops)
{
    struct reader in = reader_of(payload);
    struct batch_op op;
    *ops = 0;
    while (batch_decode(&in, &op)) {
        if (op.collection >= reading->next_collection) {
            reading->unknown = true;
            return NACRE_BUSY;
        }
        ++*ops;
    }
    return in.ok ? NACRE_OK : cannot_decode(begin);
}

/* It was written before the record. */
static int keep_value(struct table *table, const struct batch_op *op, nacre_store *store)
{
    struct value_pointer pointer;
    struct value_file *file = NULL;
    if (!value_pointer_decode(op->value, &pointer)) {
        return fail(NACRE_CORRUPT, "a put by pointer has %zu bytes instead of %u", op->value.size, VALUE_POINTER_BYTES);
    }
    int status = value_file_hold(store->values, pointer.file, &file);
    if (status == NACRE_OK) {
        status = table_keep_values(table, &file, 1);
    }
    value_file_unref(file);
    return status;
}

static int apply_record(struct reading *reading, wal_position begin, uint64_t sequence, nacre_slice payload)
{
    struct reader in = reader_of(payload);
    struct batch_op op;
    int status = NACRE_OK;
    for (; status == NACRE_OK && batch_decode(&in, &op); sequence++) {
        nacre_collection *c = reading->only && op.collection == reading->only->id
                                  ? reading->only
                                  : store_find_collection(reading->store, op.collection);
        if (!c || (reading->only && c != reading->only) || !c->written_on || begin < c->read_from) {
            continue;
        }
        struct table *table = reading->only ? reading->table : c->active;
        status = recovery_check_op(c, &op, begin);
        if (status == NACRE_OK && op.pointer) {
            status = keep_value(table, &op, reading->store);
        }
        if (status == NACRE_OK) {
            status = apply_op(table->memtable, &op, sequence);
        }
        if (status == NACRE_OK && (op.code == BATCH_PUT || op.code == BATCH_MERGE) && !reading->only) {
            urcu_bp_read_lock();
            gap_note_put(&c->gaps, op.key);
            urcu_bp_read_unlock();
        }
    }
    return status;
}

static bool is_large(const nacre_store *store, const struct memtable *memtable)
{
    const struct store_limits *limits = &store->limits;
    return memtable_bytes(memtable) >= atomic_load_explicit(&limits->seal_bytes, memory_order_relaxed) / 4 ||
           memtable_vector_bytes(memtable) >=
               atomic_load_explicit(&limits->seal_vector_bytes, memory_order_relaxed) / 4;
}

/* The next records go to a table of their own. */
static int begin_table(nacre_collection *c, wal_position from)
{
    const struct view *view = atomic_load_explicit(&c->view, memory_order_relaxed);
    struct table **tables = memory_alloc((view->table_count + 1) * sizeof(struct table *));
    int status = tables ? table_create(c, &tables[0]) : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        view->tables[0]->sealed_at = from;
        tables[0]->first = from;
        memcpy(tables + 1, view->tables, view->table_count * sizeof(struct table *));
        version_ref(view->version);
        status = view_replace(c, tables, view->table_count + 1, view->version);
        table_release(tables[0]);
    }
    memory_free(tables);
    return status;
}

static int visit(void *context, wal_position begin, wal_position end, uint64_t sequence, nacre_slice payload)
{
    struct reading *reading = context;
    nacre_store *store = reading->store;
    uint64_t ops;
    int status = look_at_record(reading, begin, payload, &ops);
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t last = sequence + ops - (ops > 0);
    if (last > atomic_load_explicit(&store->last_sequence, memory_order_relaxed)) {
        /* Before the gaps are looked at: gap.h, invariant 2. */
        atomic_store_explicit(&store->last_sequence, last, memory_order_seq_cst);
    }
    status = apply_record(reading, begin, sequence, payload);
    if (status == NACRE_OK && last > store->reader.sequence) {
        store->reader.sequence = last;
    }
    for (size_t i = 0; i < store->collection_count && status == NACRE_OK; i++) {
        nacre_collection *c = store->collections[i];
        if (c->written_on && is_large(store, c->active->memtable)) {
            status = begin_table(c, end);
        }
    }
    return status;
}

/* Segments hold what stands before these places: the log must have been read up to there. */
static bool is_behind(const nacre_store *store, wal_position at)
{
    for (size_t i = 0; i < store->collection_count; i++) {
        const nacre_collection *c = store->collections[i];
        if (c->written_on && c->read_from > at && WAL_OFFSET(c->read_from) > 0) {
            return true;
        }
    }
    return false;
}

int reader_read_log(nacre_store *store, bool *again, bool *doubt)
{
    struct reading reading = { .store = store, .next_collection = manifest_followed(store->manifest)->next_collection };
    struct wal_tail *tail = store->reader.tail;
    enum wal_tail_end end;
    int status = wal_tail_read(tail, UINT64_MAX, visit, &reading, &end);
    if (reading.unknown) {
        *again = true;
        return NACRE_OK;
    }
    if (status != NACRE_OK) {
        return status;
    }
    bool stuck = end == WAL_TAIL_GONE || is_behind(store, wal_tail_position(tail));
    *doubt = end == WAL_TAIL_DOUBT || (stuck && store->reader.stuck);
    *again = stuck && !*doubt; /* the manifest will say where to go on, else it is doubtful */
    store->reader.stuck = stuck;
    return NACRE_OK;
}

static int visit_one(void *context, wal_position begin, wal_position end, uint64_t sequence, nacre_slice payload)
{
    (void)end;
    return apply_record(context, begin, sequence, payload);
}

int reader_fill_table(nacre_collection *collection, struct table *table, wal_position from, wal_position until,
                      bool *whole)
{
    nacre_store *store = collection->store;
    struct reading reading = { .store = store, .only = collection, .table = table };
    struct wal_tail *tail = NULL;
    enum wal_tail_end end;
    *whole = false;
    int status = wal_tail_create(store->os, store->log_path, &tail);
    if (status == NACRE_OK) {
        wal_tail_place(tail, from, false);
        status = wal_tail_read(tail, until, visit_one, &reading, &end);
        *whole = status == NACRE_OK && wal_tail_position(tail) >= until;
    }
    wal_tail_free(tail);
    return status;
}
