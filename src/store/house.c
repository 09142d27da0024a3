/* Small calls that keep house: pausing merges, reclaiming, tuning's effect. */
#include "base/status.h"
#include "store/store.h"

int store_pause_compaction(nacre_store *store, uint32_t timeout_ms)
{
    /* Pauses nest: only the last resume lets merges begin again. */
    atomic_fetch_add_explicit(&store->compaction_pauses, 1, memory_order_seq_cst);
    int status = work_pause_merges(store, true, timeout_ms);
    if (status != NACRE_OK && atomic_fetch_sub_explicit(&store->compaction_pauses, 1, memory_order_seq_cst) == 1) {
        (void)work_pause_merges(store, false, 0); /* a pause that was not given is not held */
    }
    return status;
}

int store_resume_compaction(nacre_store *store)
{
    int pauses = atomic_load_explicit(&store->compaction_pauses, memory_order_seq_cst);
    do {
        if (pauses == 0) {
            return fail(NACRE_INVALID, "compaction is not paused");
        }
    } while (!atomic_compare_exchange_weak(&store->compaction_pauses, &pauses, pauses - 1));
    return pauses == 1 ? work_pause_merges(store, false, 0) : NACRE_OK;
}

int store_reclaim(nacre_store *store)
{
    views_free_retired(store);
    if (store->read_only) {
        return NACRE_OK;
    }
    int status = store_remove_reaped(store), removed = value_log_remove_unused(store->values);
    return status == NACRE_OK ? removed : status;
}
