/* Choosing what to rewrite so that value files can go (see pick.h). Called with the tree's lock held.

   Which files drain is said by the store, for all collections: few at a time, and those with the most garbage. Every piece whose segment points into one of
   them is then rewritten in place, in a unit of its own; merges that come by take their part along. A run whose merge would make an index anew
   waits for its next merge, until there is so much garbage that VALUE_DRAINS_NOW is said. */
#include "tree/pick.h"
#include "tree/value_moves.h"

static bool run_drains(const struct run *run, enum value_drain least)
{
    bool drains = false;
    for (size_t i = 0; i < run->count && !drains; i++) {
        drains = piece_drains(&run->pieces[i], least);
    }
    return drains;
}

static bool drain_run(struct picking *p)
{
    const struct version *v = p->version;
    for (size_t r = 0; r < v->run_count && p->status == NACRE_OK; r++) {
        bool makes_index = merge_makes_index(v, r, r + 1);
        if ((p->brief && makes_index) || !run_drains(&v->runs[r], makes_index ? VALUE_DRAINS_NOW : VALUE_DRAINS) ||
            is_claimed(p, &v->runs[r])) {
            continue;
        }
        if (pick_runs(p, r, r + 1)) {
            return true;
        }
    }
    return false;
}

bool pick_drain(struct picking *p)
{
    const struct version *v = p->version;
    const _Atomic bool *drains = p->tree->env->drains;
    if (!v->has_values || (drains && !atomic_load_explicit(drains, memory_order_relaxed))) {
        return false;
    }
    if (p->tree->kind->whole_runs) {
        return drain_run(p);
    }
    for (size_t r = 0; r < v->run_count && p->status == NACRE_OK; r++) {
        for (size_t i = 0; i < v->runs[r].count && p->status == NACRE_OK; i++) {
            const struct piece *piece = &v->runs[r].pieces[i];
            if (piece_drains(piece, VALUE_DRAINS) && pick_piece(p, UNIT_MERGE, r, piece, piece)) {
                return true;
            }
        }
    }
    return false;
}
