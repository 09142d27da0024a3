/* Memory by owner. Each part is asked what it holds; none is counted twice, so that the sum is what the store holds of the system, but for what
   callers were given (JSON texts, neighbours, copies of values). Maps of files are the system's, and not in it. Any thread. */
#include "store/report.h"

struct parts { /* what is worked out */
    uint64_t active, sealed, held, building, handles, values;
};

#define CURSOR_BYTES 1024u /* about, with its merge */

#define OWNER_ROW(name, text, expression) { #name, GAUGE, text, (uint64_t)(expression) },

void memory_report(nacre_store *store, const struct totals *totals, const struct wal_stats *wal,
                   struct memory_report *report)
{
    struct parts parts = { .active = totals->active_memory, .sealed = totals->sealed_memory };
    uint64_t tables = chunk_pool_table_bytes(store->chunks), shown = parts.active + parts.sealed;
    int64_t building = atomic_load_explicit(&store->building.bytes, memory_order_relaxed);
    parts.held = tables > shown ? tables - shown : 0;
    parts.building = building > 0 ? (uint64_t)building : 0;
    if (store->values) {
        struct value_log_stats values;
        value_log_get_stats(store->values, &values);
        parts.values = values.heap_bytes;
    }
    parts.handles = totals->collections * sizeof(nacre_collection) + totals->held.snapshots * sizeof(nacre_snapshot) +
                    atomic_load_explicit(&store->cursors, memory_order_relaxed) * CURSOR_BYTES;
    const struct figure rows[MEMORY_OWNER_COUNT] = { MEMORY_OWNERS(OWNER_ROW) };
    memcpy(report->owners, rows, sizeof rows);
    report->total = 0;
    for (unsigned i = 0; i < MEMORY_OWNER_COUNT; i++) {
        report->total += rows[i].value;
    }
}
