/* What a memtable may have made garbage in the value log: nobody sees it there before a flush and a merge, and a memtable of deletes or pointers is
   small for what it hides. So it is sealed when that may be much, too.

   An operation counts with the value it brings or with one that it may hide, of the collection's average or as the last one that was put, whichever is
   more; a range delete with all that it may hide in memtables and segments. Some of that is counted twice: sealing early does no harm. Any
   thread; no locks. */
#include "store/batch_format.h"
#include "store/store.h"
#include "values/value_format.h"
#include <urcu/urcu-bp.h>

#define HIDDEN_PART 8u /* of what the collection has in the value log */

static uint64_t hidden_by_range(nacre_collection *collection, const struct batch_op *op)
{
    urcu_bp_read_lock();
    const struct view *view = view_of(collection);
    uint64_t bytes = version_values_in(view->version, op->key, op->value);
    for (uint32_t i = 0; i < view->table_count; i++) {
        bytes += atomic_load_explicit(&view->tables[i]->hidden_bytes, memory_order_relaxed);
    }
    urcu_bp_read_unlock();
    return bytes;
}

void table_note_hidden(struct table *table, nacre_collection *collection, const struct batch_op *op)
{
    if (collection->store->read_only) {
        return; /* seals nothing, and shows no view while it reads the log for the first time */
    }
    uint64_t average = tree_value_average(collection->tree),
             last = atomic_load_explicit(&collection->value_bytes_last, memory_order_relaxed),
             bytes = average > last ? average : last;
    struct value_pointer pointer;
    if (op->pointer && value_pointer_decode(op->value, &pointer)) {
        uint64_t own = value_record_bytes(op->key.size, pointer.size);
        atomic_store_explicit(&collection->value_bytes_last, own, memory_order_relaxed);
        bytes = own > average ? own : average;
    } else if (bytes == 0) {
        return;
    } else if (op->code == BATCH_DELETE_RANGE) {
        bytes = hidden_by_range(collection, op);
    }
    atomic_fetch_add_explicit(&table->hidden_bytes, bytes, memory_order_relaxed);
}

bool table_hides_much(const nacre_collection *collection, const struct table *table)
{
    uint64_t hidden = atomic_load_explicit(&table->hidden_bytes, memory_order_relaxed);
    return hidden >= atomic_load_explicit(&collection->store->tree_tuning.segment_bytes, memory_order_relaxed) &&
           hidden >= tree_value_bytes(collection->tree) / HIDDEN_PART;
}
