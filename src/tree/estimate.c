/* What a tree could free, estimated, and how far its merges are behind. Called with the tree's lock held.

   The bound on space: with no snapshots in the way and tree_wants_work false, segments take at most 1.5 times the live data, plus segment_bytes
   (garbage <= live / 2 + segment_bytes; what runs hide from each other is estimated by sampling, what is left of segments that are taken
   apart piece by piece counts too). While merges run, their inputs and outputs come on top. */
#include "base/clock.h"
#include "tree/pick.h"

#define DELETE_BYTES 32u /* about what a delete takes */

uint64_t level_target(const struct tree *tree, uint32_t level)
{
    uint64_t target = atomic_load_explicit(&tree->env->tuning->level_base_bytes, memory_order_relaxed);
    uint64_t ratio = atomic_load_explicit(&tree->env->tuning->level_ratio, memory_order_relaxed);
    for (uint32_t i = 1; i < level; i++) {
        if (__builtin_mul_overflow(target, ratio, &target)) {
            return UINT64_MAX;
        }
    }
    return target;
}

uint64_t piece_expired(const struct piece *piece, uint64_t now_ms)
{
    const struct segment_properties *p = &piece->segment->properties;
    if (p->expiring == 0 || p->earliest_expiry_ms > now_ms || p->entries == 0) {
        return 0;
    }
    double share = 1;
    if (piece->last_expiry_ms > now_ms) {
        share = (double)(now_ms - p->earliest_expiry_ms) / (double)(piece->last_expiry_ms - p->earliest_expiry_ms);
    }
    return (uint64_t)(share * (double)p->expiring * (double)piece->entries / (double)p->entries);
}

uint64_t average_entry(const struct version *v)
{
    uint64_t entries = 0;
    for (size_t r = 0; r < v->run_count; r++) {
        for (size_t i = 0; i < v->runs[r].count; i++) {
            entries += v->runs[r].pieces[i].entries;
        }
    }
    return entries ? v->bytes / entries : 0;
}

uint64_t run_garbage(const struct run *run, uint64_t average)
{
    uint64_t garbage = 0, small = average < DELETE_BYTES ? average : DELETE_BYTES;
    for (size_t i = 0; i < run->count; i++) {
        garbage += run->pieces[i].hiding * average + run->pieces[i].deletes * small;
    }
    return garbage;
}

void tree_estimate(const struct tree *tree, const struct version *v, struct estimate *estimate)
{
    uint64_t average = average_entry(v);
    estimate->garbage = 0;
    for (size_t r = 0; r < v->run_count; r++) {
        /* What the oldest run holds is not to be had by merging it down. */
        if (r + 1 < v->run_count || v->runs[r].level == 0) {
            estimate->garbage += run_garbage(&v->runs[r], average);
        }
    }
    estimate->live = v->bytes > estimate->garbage ? v->bytes - estimate->garbage : 0;
    estimate->garbage += v->dead;
    estimate->bound =
        estimate->live / 2 + atomic_load_explicit(&tree->env->tuning->segment_bytes, memory_order_relaxed);
}

static uint64_t debt_of(const struct tree *tree)
{
    const struct version *v = tree->version;
    uint64_t most = atomic_load_explicit(&tree->env->tuning->level0_runs, memory_order_relaxed);
    most = most ? most : 1;
    uint64_t debt = v->levels[0].count > most ? v->levels[0].bytes / most * (v->levels[0].count - most) : 0;
    for (uint32_t level = 1; level + 1 < TREE_LEVELS; level++) {
        uint64_t target = level_target(tree, level);
        uint64_t easy = target > UINT64_MAX / 2 ? target : target + target / 2;
        if (v->levels[level].bytes > easy) {
            debt += v->levels[level].bytes - easy;
        }
    }
    return debt;
}

void tree_update_signals(struct tree *tree)
{
    bool wants = true;
    uint64_t again_at = 0;
    if (pick_wants(tree, &wants, &again_at) != NACRE_OK) {
        wants = true; /* no memory to find out: tree_work will tell */
    }
    /* Relaxed: hints that stand alone. */
    atomic_store_explicit(&tree->debt, debt_of(tree), memory_order_relaxed);
    atomic_store_explicit(&tree->level0_count, tree->version->levels[0].count, memory_order_relaxed);
    atomic_store_explicit(&tree->wants_work_at_ms, again_at, memory_order_relaxed);
    atomic_store_explicit(&tree->wants_work, wants, memory_order_relaxed);
}

uint64_t tree_debt(struct tree *tree)
{
    return atomic_load_explicit(&tree->debt, memory_order_relaxed);
}

size_t tree_level0_runs(struct tree *tree)
{
    return atomic_load_explicit(&tree->level0_count, memory_order_relaxed);
}

bool tree_wants_work(struct tree *tree)
{
    uint64_t at = atomic_load_explicit(&tree->wants_work_at_ms, memory_order_relaxed);
    if (atomic_load_explicit(&tree->wants_work, memory_order_relaxed) || (at != 0 && clock_wall_ms() >= at)) {
        return true;
    }
    if (!atomic_load_explicit(&tree->waits_for_snapshots, memory_order_relaxed)) {
        return false;
    }
    /* Something only waited for snapshots, and these come and go without telling. */
    pthread_mutex_lock(&tree->lock);
    tree_update_signals(tree);
    pthread_mutex_unlock(&tree->lock);
    return atomic_load_explicit(&tree->wants_work, memory_order_relaxed);
}
