/* Choosing whole runs to merge (see pick.h), for kinds that cost about the same to search in a large segment as in a small one, so that every
   segment costs and few large ones are best. Called with the tree's lock held.

   All runs are in level 0, in order of age. A unit takes neighbours, all of their keys, and puts one run in the place of the oldest.
   Chosen is, in this order:
   - with more than runs_most runs that are not full: the neighbours that cost the fewest bytes per segment that goes;
   - at least tier_runs neighbours of which the largest is at most half of all: so that a row ends up in a run at least twice as large
     each time, and is written a logarithmic number of times;
   - a run much of which is dead, with the newer neighbours that are small against it.
   The first two only where at least a third of the segments goes: full ones gain nothing from a merge with their like. */
#include "base/memory.h"
#include "tree/outputs.h"
#include "tree/pick.h"
#include "tree/retention.h"

#define SMALL_RUN_PART 64u /* of segment_bytes: 1 MiB by default */

struct window { /* runs [first, after), newest first */
    size_t first, after;
    double cost; /* bytes per segment that goes */
};

static uint64_t tuned(const _Atomic uint64_t *value, uint64_t least)
{
    uint64_t now = atomic_load_explicit(value, memory_order_relaxed);
    return now > least ? now : least;
}

bool is_claimed(const struct picking *p, const struct run *run)
{
    for (const struct claim *c = p->tree->claims; c && (p->unit || p->heeds_claims); c = c->next) {
        if (c->oldest <= run->id && run->id <= c->newest) {
            return true;
        }
    }
    return false;
}

bool pick_runs(struct picking *p, size_t first, size_t after)
{
    const struct run *runs = p->version->runs;
    if (!p->unit) {
        p->due = (struct run_window){ &runs[first], &runs[after] };
        return true;
    }
    struct unit *unit = p->unit;
    unit->makes_index = merge_makes_index(p->version, first, after);
    if (p->brief && unit->makes_index) {
        return false;
    }
    unit->kind = UNIT_MERGE;
    unit->first_run = first;
    unit->after_run = after;
    unit->target_level = 0;
    unit->target_run = runs[after - 1].id;
    unit->claim.oldest = runs[after - 1].id;
    unit->claim.newest = runs[first].id;
    unit->bytes = 0;
    for (size_t r = first; r < after; r++) {
        unit->bytes += runs[r].bytes;
    }
    p->status = unit_set_range(unit, &(struct key_range){ { NULL, 0 }, { NULL, 0 } });
    if (p->status == NACRE_OK) {
        pick_take(p, 0, 0);
    }
    return p->status == NACRE_OK;
}

/* ---- of one size ---- */

static bool is_full(const struct run *run, uint64_t largest)
{
    return run->bytes > largest / 2;
}

struct sum { /* of the runs of a window */
    uint64_t bytes, entries, weight, heaviest;
    size_t segments;
};

/* Small runs weigh as much as one that costs little to write again: they are neighbours of one size, whatever their sizes. */
static void add_run(const struct picking *p, const struct run *run, struct sum *sum)
{
    uint64_t least = p->segment_bytes / SMALL_RUN_PART, weight = run->bytes > least ? run->bytes : least;
    sum->bytes += run->bytes;
    sum->weight += weight;
    sum->heaviest = weight > sum->heaviest ? weight : sum->heaviest;
    sum->segments += run->count;
    for (size_t i = 0; i < run->count; i++) {
        sum->entries += run->pieces[i].entries;
    }
}

static size_t segments_needed(const struct sum *sum, uint64_t largest)
{
    uint64_t by_bytes = (sum->bytes + largest - 1) / largest;
    uint64_t by_entries = (sum->entries + RUN_SEGMENT_ENTRIES_MAX - 1) / RUN_SEGMENT_ENTRIES_MAX;
    return (size_t)(by_bytes > by_entries ? by_bytes : by_entries);
}

/* The window of least cost that begins at `first`, if it is better than *best. */
static void look_from(const struct picking *p, size_t first, size_t least_runs, bool balanced, struct window *best)
{
    const struct version *v = p->version;
    uint64_t largest = tuned(&p->tree->env->tuning->run_segment_bytes, 1);
    struct sum sum = { 0 };
    for (size_t r = first; r < v->run_count && !is_claimed(p, &v->runs[r]); r++) {
        add_run(p, &v->runs[r], &sum);
        size_t needed = segments_needed(&sum, largest);
        if (r + 1 - first < least_runs || 3 * needed > 2 * sum.segments ||
            (balanced && 2 * sum.heaviest > sum.weight) || (p->brief && merge_makes_index(v, first, r + 1))) {
            continue;
        }
        double cost = (double)sum.bytes / (double)(sum.segments - needed);
        if (best->after == 0 || cost < best->cost) {
            *best = (struct window){ first, r + 1, cost };
        }
    }
}

static bool is_crowded(const struct picking *p)
{
    uint64_t largest = tuned(&p->tree->env->tuning->run_segment_bytes, 1), open = 0;
    for (size_t r = 0; r < p->version->run_count; r++) {
        open += !is_full(&p->version->runs[r], largest);
    }
    return open > tuned(&p->tree->env->tuning->runs_most, 1);
}

bool pick_tier(struct picking *p)
{
    const struct version *v = p->version;
    size_t tier = (size_t)tuned(&p->tree->env->tuning->tier_runs, 2);
    struct window best = { 0 };
    bool crowded = is_crowded(p);
    for (size_t first = 0; first < v->run_count; first++) {
        look_from(p, first, crowded ? 2 : tier, !crowded, &best);
    }
    return best.after > 0 && pick_runs(p, best.first, best.after);
}

/* ---- full of what is dead ---- */

/* Rows that newer segments supersede and that nobody sees. */
static uint64_t unseen_rows(struct picking *p, const struct piece *piece)
{
    const struct dead_rows *rows = piece->dead_rows;
    if (!rows) {
        return 0;
    }
    if (retention_no_snapshot(p->snapshots, p->snapshot_count, piece->least_sequence, rows->valid_from)) {
        return rows->count;
    }
    p->waits_for_snapshots = true;
    return piece->dead_unseen;
}

/* Deletes of the run that hide nothing any more: all in the last run; else those that older segments have no dead rows for. */
static uint64_t idle_deletes(const struct picking *p, size_t run_index)
{
    const struct version *v = p->version;
    uint64_t deletes = 0, hidden = 0;
    for (size_t r = run_index; r < v->run_count; r++) {
        for (size_t i = 0; i < v->runs[r].count; i++) {
            const struct piece *piece = &v->runs[r].pieces[i];
            if (r == run_index) {
                deletes += piece->deletes;
            } else if (!piece->dead_known) {
                return 0;
            } else {
                hidden += piece->dead_rows ? piece->dead_rows->count : 0;
            }
        }
    }
    return deletes > hidden ? deletes - hidden : 0;
}

/* Entries of the run that a merge of it would drop. */
static uint64_t droppable(struct picking *p, size_t run_index)
{
    const struct run *run = &p->version->runs[run_index];
    bool last = run_index + 1 == p->version->run_count, free = true;
    uint64_t count = 0, hidden = idle_deletes(p, run_index);
    for (size_t i = 0; i < run->count; i++) {
        const struct piece *piece = &run->pieces[i];
        count += piece_expired(piece, p->now_ms) + unseen_rows(p, piece);
        hidden += piece->shadowed + (last && piece->segment->ranges && piece->entries == 0);
        free = free && no_snapshot_needs(p, piece);
    }
    p->waits_for_snapshots = p->waits_for_snapshots || (hidden && !free);
    return count + (free ? hidden : 0);
}

static uint64_t entries_of(const struct run *run)
{
    uint64_t entries = 0;
    for (size_t i = 0; i < run->count; i++) {
        entries += run->pieces[i].entries;
    }
    return entries;
}

/* The run, with the newer neighbours that come along at little cost. */
static bool take_with_newer(struct picking *p, size_t run_index)
{
    const struct run *runs = p->version->runs;
    size_t first = run_index;
    uint64_t bytes = 0;
    while (first > 0 && !is_claimed(p, &runs[first - 1]) &&
           bytes + runs[first - 1].bytes <= runs[run_index].bytes / 2) {
        bytes += runs[--first].bytes;
    }
    return pick_runs(p, first, run_index + 1);
}

/* Without dead rows nobody knows where the garbage is: all of it. */
static bool take_all(struct picking *p)
{
    for (size_t r = 0; r < p->version->run_count; r++) {
        if (is_claimed(p, &p->version->runs[r])) {
            return false;
        }
    }
    return p->version->run_count > 1 && pick_runs(p, 0, p->version->run_count);
}

bool pick_stale(struct picking *p)
{
    const struct version *v = p->version;
    bool over = is_over_bound(p);
    double least = over ? 0 : (double)p->tombstone_percent / 100, most = -1;
    size_t chosen = 0;
    for (size_t r = 0; r < v->run_count; r++) {
        uint64_t dead = droppable(p, r);
        double share = (double)dead / ((double)entries_of(&v->runs[r]) + 1e-9);
        bool open = !is_claimed(p, &v->runs[r]) && !(p->brief && merge_makes_index(v, r, r + 1));
        if (dead > 0 && share >= least && share > most && open) {
            most = share;
            chosen = r;
        }
        for (size_t i = 0; i < v->runs[r].count; i++) {
            note_expiry(p, &v->runs[r].pieces[i]);
        }
    }
    if (most >= 0) {
        return take_with_newer(p, chosen);
    }
    return over && !v->kind->find_dead && take_all(p);
}
