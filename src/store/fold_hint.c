/* Folding what reads have folded often (fold_hint.h). Operands in memtables go into a segment, which folds them as far as the operator can; then all versions of the one
   key that segments have are merged into one.
   Invariants:
   1. the key is written by who took the state from IDLE to BUSY, and read by who took it from READY to BUSY.
   2. nothing here waits for a unit of work: the worker may be lent by one.
   Any thread notes; one worker at a time runs. Locks: those of a flush and of a unit of merging. */
#include "store/fold_hint.h"
#include "base/hash.h"
#include "store/store.h"

#define FOLD_WORTH UINT64_C(32768) /* operands folded by reads for which one key is merged: some ms of both */

enum fold_state { FOLD_IDLE, FOLD_BUSY, FOLD_READY };

void fold_hint_free(struct fold_hint *hint)
{
    buffer_free(&hint->key);
}

static bool take(struct fold_hint *hint, int from)
{
    /* Acquire and release: who has the state has the key as the one before left it (invariant 1). */
    return atomic_compare_exchange_strong_explicit(&hint->state, &from, FOLD_BUSY, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

static void leave(struct fold_hint *hint, int state)
{
    atomic_store_explicit(&hint->state, state, memory_order_release); /* pairs with take */
}

void fold_hint_note(nacre_collection *collection, nacre_slice key, uint32_t operands)
{
    struct fold_hint *hint = &collection->fold_hint;
    uint64_t folded = atomic_fetch_add_explicit(&hint->folded, operands, memory_order_relaxed) + operands;
    if (folded < FOLD_WORTH || collection->store->read_only || !take(hint, FOLD_IDLE)) {
        return;
    }
    atomic_store_explicit(&hint->folded, 0, memory_order_relaxed);
    buffer_clear(&hint->key);
    if (buffer_append(&hint->key, key.data, key.size) != NACRE_OK) {
        leave(hint, FOLD_IDLE); /* later reads ask again */
        return;
    }
    leave(hint, FOLD_READY);
    work_post(collection->store, WORK_MERGE, collection);
}

/* ---- the worker's part ---- */

static bool count_operand(void *context, const struct entry *entry)
{
    uint64_t *count = context;
    *count += entry->type == ENTRY_MERGE;
    return entry->type == ENTRY_MERGE;
}

struct where {
    uint64_t in_tables, in_segments; /* operands of the key that a read folds now */
    uint64_t table_entries;
};

static int look(nacre_collection *collection, nacre_slice key, struct where *where)
{
    struct view *view = view_hold(collection);
    struct lookup lookup = { key, hash_bytes(key.data, key.size), SEQUENCE_MAX, NULL };
    *where = (struct where){ 0 };
    for (uint32_t i = 0; i < view->table_count; i++) {
        memtable_visit_versions(view->tables[i]->memtable, key, SEQUENCE_MAX, count_operand, &where->in_tables);
        where->table_entries += memtable_entries(view->tables[i]->memtable);
    }
    int status = version_visit(view->version, &lookup, count_operand, &where->in_segments);
    view_release(collection->store, view);
    return status;
}

/* A flush writes all entries of the memtables: it waits until reads have folded as many. */
static int fold(nacre_collection *collection, nacre_slice key)
{
    struct fold_hint *hint = &collection->fold_hint;
    struct where where;
    int status = look(collection, key, &where);
    hint->spent += FOLD_WORTH;
    if (status == NACRE_OK && where.in_tables > FOLD_LONG / 2 && hint->spent >= where.table_entries) {
        hint->spent = 0;
        status = collection_flush(collection);
        status = status == NACRE_OK ? look(collection, key, &where) : status;
    }
    return status == NACRE_OK && where.in_segments > FOLD_LONG / 2 ? tree_fold(collection->tree, key) : status;
}

int fold_hint_run(nacre_collection *collection)
{
    struct fold_hint *hint = &collection->fold_hint;
    if (atomic_load_explicit(&hint->state, memory_order_relaxed) != FOLD_READY || !take(hint, FOLD_READY)) {
        return NACRE_OK;
    }
    int status = fold(collection, buffer_slice(&hint->key));
    leave(hint, FOLD_IDLE);
    return status;
}
