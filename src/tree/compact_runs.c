/* tree_compact for kinds whose runs are merged whole: all runs become one, where any holds keys of the range (see tree_private.h). A waiting
   claim keeps new units off until the running ones are done; runs that are flushed meanwhile are left. */
#include "base/clock.h"
#include "tree/pick.h"
#include "tree/value_moves.h"

static bool has_any(const struct version *v, const struct key_range *range)
{
    bool empty = range->end.size && slice_compare(range->begin, range->end) >= 0;
    return !empty && version_overlaps(v, 0, range);
}

/* One run, in which a merge would find nothing to drop and no segments to join. */
static bool is_compact(const struct tree *tree, uint64_t now_ms)
{
    const struct version *v = tree->version;
    uint64_t largest = atomic_load_explicit(&tree->env->tuning->run_segment_bytes, memory_order_relaxed);
    if (tree->filter || v->run_count != 1 || v->runs[0].count > v->bytes / (largest + 1) + 1) {
        return false;
    }
    for (size_t i = 0; i < v->piece_count; i++) {
        const struct piece *piece = &v->runs[0].pieces[i];
        if (piece->deletes || piece->shadowed || piece->segment->ranges || piece_expired(piece, now_ms) ||
            piece_drains_garbage(piece, COMPACT_GARBAGE)) {
            return false;
        }
    }
    return true;
}

/* lock held. *found = false: there is nothing to do. */
static int claim_all(struct tree *tree, const struct key_range *range, struct unit *unit, bool *found)
{
    struct claim waiting = { .newest = UINT64_MAX };
    claim_add(tree, &waiting, false);
    int status = claim_wait(tree, &waiting);
    if (status == NACRE_OK) {
        status = tree_settle_doubts(tree);
    }
    claim_remove(tree, &waiting);
    *found = status == NACRE_OK && has_any(tree->version, range) && !is_compact(tree, clock_wall_ms());
    if (*found) {
        struct picking p = { .tree = tree, .version = tree->version, .now_ms = clock_wall_ms(), .unit = unit };
        *found = pick_runs(&p, 0, tree->version->run_count);
        unit->garbage_percent = COMPACT_GARBAGE;
        status = p.status;
    }
    return status;
}

int compact_runs(struct tree *tree, const struct key_range *range)
{
    struct unit unit = { 0 };
    bool found = false;
    pthread_mutex_lock(&tree->lock);
    int status = claim_all(tree, range, &unit, &found);
    pthread_mutex_unlock(&tree->lock);
    if (found) {
        status = unit_run(tree, &unit);
    }
    unit_free(&unit);
    return status;
}
