/* Choosing the next unit of work (see pick.h, tree_private.h). Called with the tree's lock held.

   In this order: pieces that can be dropped without reading; level 0 when it has too many runs; levels over their target; then what keeps
   scans and space in bounds: many deletes, garbage over the bound, deletes and old versions at the bottom, many small pieces. */
#include "tree/pick.h"
#include "base/clock.h"
#include "base/memory.h"
#include "tree/retention.h"

/* ---- around claims ---- */

static bool meets_levels(const struct claim *claim, uint32_t from, uint32_t to)
{
    return claim->from <= to && from <= claim->to;
}

/* Makes *gap, of which only the begin counts, the first range at or after it without claims. */
static bool next_gap(const struct tree *tree, uint32_t from, uint32_t to, struct key_range *gap)
{
    bool moved = true;
    while (moved) {
        moved = false;
        for (const struct claim *c = tree->claims; c; c = c->next) {
            bool inside = meets_levels(c, from, to) && slice_compare(c->range.begin, gap->begin) <= 0 &&
                          (c->range.end.size == 0 || slice_compare(gap->begin, c->range.end) < 0);
            if (inside && c->range.end.size == 0) {
                return false;
            }
            if (inside) {
                gap->begin = c->range.end;
                moved = true;
            }
        }
    }
    gap->end = (nacre_slice){ NULL, 0 };
    for (const struct claim *c = tree->claims; c; c = c->next) {
        if (meets_levels(c, from, to) && slice_compare(c->range.begin, gap->begin) > 0 &&
            (gap->end.size == 0 || slice_compare(c->range.begin, gap->end) < 0)) {
            gap->end = c->range.begin;
        }
    }
    return true;
}

void pick_take(struct picking *p, uint32_t from, uint32_t to)
{
    p->unit->base = p->tree->version;
    version_ref(p->unit->base);
    p->unit->now_ms = p->now_ms;
    p->unit->claim.from = from;
    p->unit->claim.to = to;
    claim_add(p->tree, &p->unit->claim, true);
}

static nacre_slice first_end(nacre_slice a, nacre_slice b)
{
    return b.size == 0 || (a.size && slice_compare(a, b) < 0) ? a : b;
}

bool pick_plan(struct picking *p, const struct plan *plan, uint32_t from, uint32_t to)
{
    if (!p->unit) {
        return true;
    }
    struct key_range gap = { plan->within.begin, { NULL, 0 } };
    while (p->status == NACRE_OK && next_gap(p->tree, from, to, &gap)) {
        struct plan here = *plan;
        bool found = false;
        here.within = (struct key_range){ gap.begin, first_end(gap.end, plan->within.end) };
        if (here.within.end.size && slice_compare(here.within.begin, here.within.end) >= 0) {
            break;
        }
        p->status = plan_unit(&here, p->unit, &found);
        if (p->status == NACRE_OK && found) {
            pick_take(p, from, to);
            return true;
        }
        if (gap.end.size == 0) {
            break;
        }
        gap.begin = gap.end;
    }
    return false;
}

bool pick_piece(struct picking *p, enum unit_kind kind, size_t run_index, const struct piece *first,
                const struct piece *last)
{
    if (!p->unit) {
        return true;
    }
    struct unit *unit = p->unit;
    const struct run *run = &p->version->runs[run_index];
    p->status = piece_after(last, &unit->end);
    if (p->status == NACRE_OK) {
        p->status = unit_set_range(unit, &(struct key_range){ first->begin, buffer_slice(&unit->end) });
    }
    unit->claim.from = unit->claim.to = run->level;
    unit->claim.oldest = unit->claim.newest = p->tree->kind->whole_runs ? run->id : 0;
    unit->claim.ticket = p->tree->next_ticket;
    if (p->status != NACRE_OK || claim_conflicts(p->tree, &unit->claim)) {
        return false;
    }
    unit->kind = kind;
    unit->first_run = run_index;
    unit->after_run = run_index + 1;
    unit->target_level = run->level;
    unit->target_run = run->id;
    unit->bytes = 0;
    for (const struct piece *piece = first; piece <= last; piece++) {
        unit->bytes += piece->bytes;
    }
    pick_take(p, run->level, run->level);
    return true;
}

/* ---- pieces that nobody sees ---- */

static bool is_range_deleted(struct picking *p, const struct piece *piece)
{
    struct range_delete cover;
    uint64_t newest = p->version->has_ranges ? version_covering(p->version, piece->begin, SEQUENCE_MAX, &cover) : 0;
    if (newest <= piece->segment->properties.greatest_sequence) {
        return false;
    }
    bool whole = cover.end.size == 0;
    if (!whole && !piece->open_end) {
        int order = slice_compare(piece->end, cover.end);
        whole = piece->has_end ? order <= 0 : order < 0;
    }
    if (!whole) {
        return false;
    }
    for (size_t i = 0; i < p->snapshot_count; i++) {
        if (p->snapshots[i] >= piece->least_sequence && p->snapshots[i] < newest) {
            p->waits_for_snapshots = true;
            return false;
        }
    }
    return true;
}

static bool is_bottom(const struct picking *p, size_t run, const struct piece *piece, struct buffer *room)
{
    if (piece_after(piece, room) != NACRE_OK) {
        return false;
    }
    return !version_overlaps(p->version, run + 1, &(struct key_range){ piece->begin, buffer_slice(room) });
}

static bool has_operands_above(const struct picking *p, size_t run, const struct piece *piece)
{
    struct buffer room = { 0 };
    if (!p->tree->takes_operands || run == 0) {
        return false;
    }
    bool has = piece_after(piece, &room) != NACRE_OK ||
               version_has_operands(p->version, run, &(struct key_range){ piece->begin, buffer_slice(&room) });
    buffer_free(&room);
    return has;
}

uint64_t pick_expired(const struct picking *p, size_t run, const struct piece *piece)
{
    uint64_t expired = piece_expired(piece, p->now_ms);
    return expired && has_operands_above(p, run, piece) ? 0 : expired;
}

static bool is_all_expired(const struct picking *p, size_t run, const struct piece *piece)
{
    const struct segment_properties *of = &piece->segment->properties;
    return of->entries > 0 && of->expiring == of->entries && of->range_deletes == 0 &&
           piece->last_expiry_ms >= of->earliest_expiry_ms && piece->last_expiry_ms <= p->now_ms &&
           !has_operands_above(p, run, piece);
}

/* Nothing but rows that newer segments supersede. */
static bool is_all_dead(const struct picking *p, const struct piece *piece)
{
    const struct dead_rows *rows = piece->dead_rows;
    return rows && rows->count == piece->entries && piece->deletes == 0 && !piece->segment->ranges &&
           retention_no_snapshot(p->snapshots, p->snapshot_count, piece->least_sequence, rows->valid_from);
}

bool pick_drop(struct picking *p)
{
    struct buffer room = { 0 };
    bool found = false;
    for (size_t r = 0; r < p->version->run_count && !found; r++) {
        const struct run *run = &p->version->runs[r];
        for (size_t i = 0; i < run->count && !found; i++) {
            const struct piece *piece = &run->pieces[i];
            bool unseen = is_range_deleted(p, piece) || is_all_dead(p, piece) ||
                          (is_all_expired(p, r, piece) && is_bottom(p, r, piece, &room));
            found = unseen && pick_piece(p, UNIT_DROP, r, piece, piece);
        }
    }
    buffer_free(&room);
    return found;
}

/* ---- in place ---- */

bool no_snapshot_needs(const struct picking *p, const struct piece *piece)
{
    return p->snapshot_count == 0 || p->snapshots[0] >= piece->segment->properties.greatest_sequence;
}

/* When enough of the piece will have expired. */
void note_expiry(struct picking *p, const struct piece *piece)
{
    const struct segment_properties *of = &piece->segment->properties;
    if (of->expiring == 0 || of->expiring * 100 < p->tombstone_percent * of->entries) {
        return;
    }
    uint64_t span = piece->last_expiry_ms > of->earliest_expiry_ms ? piece->last_expiry_ms - of->earliest_expiry_ms : 0;
    uint64_t at = of->earliest_expiry_ms + (uint64_t)((double)span * (double)p->tombstone_percent / 100.0) + 1;
    at = at > p->wall_ms ? at : p->wall_ms + 1000;
    if (p->again_at_ms == 0 || at < p->again_at_ms) {
        p->again_at_ms = at;
    }
}

static bool wants_rewrite(struct picking *p, size_t run, const struct piece *piece, struct buffer *room)
{
    bool free = no_snapshot_needs(p, piece);
    uint64_t expired = pick_expired(p, run, piece);
    uint64_t hidden = piece->deletes + piece->shadowed;
    uint64_t dead = expired + (free ? hidden : 0);
    bool small = piece->bytes <= p->segment_bytes / PLAN_SMALL_PART || piece->entries == 0;
    bool worth = dead > 0 && dead * 100 >= p->tombstone_percent * piece->entries;
    bool ranges = piece->segment->ranges && small;
    if (!worth && !ranges && !(hidden && !free)) {
        note_expiry(p, piece);
        return false;
    }
    if (!is_bottom(p, run, piece, room)) {
        return false;
    }
    if (!worth && !free && ((expired + hidden) * 100 >= p->tombstone_percent * piece->entries || ranges)) {
        p->waits_for_snapshots = true;
        return false;
    }
    return worth || (ranges && free);
}

/* Neighbours in one run that are small each and fit into one segment: at least 8, so that data is rewritten a few times at most. */
static bool pick_small(struct picking *p, size_t run_index)
{
    const struct run *run = &p->version->runs[run_index];
    size_t first = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < run->count; i++) {
        uint64_t more = run->pieces[i].bytes;
        if (more >= p->segment_bytes / PLAN_SMALL_PART) {
            first = i + 1;
            bytes = 0;
            continue;
        }
        bytes += more;
        if (i + 1 - first >= PLAN_SMALL_PART &&
            (bytes >= p->segment_bytes / 2 || i + 1 == run->count || i + 1 - first >= 64 ||
             run->pieces[i + 1].bytes >= p->segment_bytes / PLAN_SMALL_PART)) {
            if (pick_piece(p, UNIT_MERGE, run_index, &run->pieces[first], &run->pieces[i])) {
                return true;
            }
            first = i + 1;
            bytes = 0;
        }
    }
    return false;
}

/* Garbage is over the bound and cannot be merged down: the piece whose segment keeps most for it. */
static bool pick_dead(struct picking *p)
{
    const struct piece *best = NULL;
    size_t best_run = 0;
    double most = 0;
    if (p->version->dead == 0 || !is_over_bound(p)) {
        return false;
    }
    for (size_t r = 0; r < p->version->run_count; r++) {
        const struct run *run = &p->version->runs[r];
        for (size_t i = 0; i < run->count; i++) {
            double share = (double)run->pieces[i].dead / (double)(run->pieces[i].bytes + 1);
            if (share > most) {
                most = share;
                best = &run->pieces[i];
                best_run = r;
            }
        }
    }
    return best && pick_piece(p, UNIT_MERGE, best_run, best, best);
}

bool pick_rewrite(struct picking *p)
{
    struct buffer room = { 0 };
    bool found = false;
    for (size_t r = 0; r < p->version->run_count && !found; r++) {
        const struct run *run = &p->version->runs[r];
        for (size_t i = 0; i < run->count && !found; i++) {
            found = wants_rewrite(p, r, &run->pieces[i], &room) &&
                    pick_piece(p, UNIT_MERGE, r, &run->pieces[i], &run->pieces[i]);
        }
        found = found || (run->level > 0 && pick_small(p, r));
    }
    buffer_free(&room);
    return found || (p->status == NACRE_OK && pick_dead(p));
}

/* ---- all together ---- */

bool is_over_bound(const struct picking *p)
{
    struct estimate estimate;
    tree_estimate(p->tree, p->version, &estimate);
    return estimate.garbage > estimate.bound || estimate.value_garbage > estimate.value_bound;
}

static int begin_picking(struct picking *p, struct tree *tree, struct unit *unit)
{
    struct tree_tuning *tuning = tree->env->tuning;
    *p =
        (struct picking){ .tree = tree,
                          .version = tree->version,
                          .now_ms = tree_expiry_clock(tree),
                          .wall_ms = clock_wall_ms(),
                          .unit = unit,
                          .average = average_entry(tree->version),
                          .segment_bytes = atomic_load_explicit(&tuning->segment_bytes, memory_order_relaxed),
                          .level0_runs = atomic_load_explicit(&tuning->level0_runs, memory_order_relaxed),
                          .tombstone_percent = atomic_load_explicit(&tuning->tombstone_percent, memory_order_relaxed) };
    p->level0_runs = p->level0_runs ? p->level0_runs : 1;
    p->tombstone_percent = p->tombstone_percent ? p->tombstone_percent : 1;
    return tree->env->snapshots(tree->env->context, &p->snapshots, &p->snapshot_count);
}

typedef bool pick_sort(struct picking *);

/* Every other unit drains value files while there are some to drain, so that neither waits for the end of the other. */
static bool pick_any(struct picking *p)
{
    static pick_sort *const of_levels[] = { pick_drop, pick_level0, pick_level, pick_rewrite, NULL };
    static pick_sort *const of_runs[] = { pick_drop, pick_tier, pick_stale, NULL };
    pick_sort *const *sort = p->tree->kind->whole_runs ? of_runs : of_levels;
    bool drains = p->unit && !p->tree->drained_last && pick_drain(p);
    bool found = drains;
    for (; *sort && !found && p->status == NACRE_OK; sort++) {
        found = (*sort)(p);
    }
    if (!found && p->status == NACRE_OK) {
        found = drains = pick_drain(p);
    }
    if (found && p->unit) {
        p->tree->drained_last = drains;
    }
    return found && p->status == NACRE_OK;
}

static int pick_unit(struct tree *tree, struct unit *unit, bool brief, bool *found)
{
    struct picking p;
    *found = false;
    int status = begin_picking(&p, tree, unit);
    if (status != NACRE_OK) {
        return status;
    }
    p.brief = brief;
    *found = pick_any(&p);
    memory_free(p.snapshots);
    return p.status;
}

int pick_wants(struct tree *tree, bool *wants, uint64_t *again_at_ms)
{
    struct picking p;
    int status = begin_picking(&p, tree, NULL);
    if (status != NACRE_OK) {
        return status;
    }
    *wants = pick_any(&p);
    *again_at_ms = p.again_at_ms;
    atomic_store_explicit(&tree->waits_for_snapshots, p.waits_for_snapshots, memory_order_relaxed);
    memory_free(p.snapshots);
    return p.status;
}

int pick_due(struct tree *tree, struct run_window *due)
{
    struct picking p;
    int status = begin_picking(&p, tree, NULL);
    if (status != NACRE_OK) {
        return status;
    }
    p.heeds_claims = true;
    (void)pick_any(&p);
    *due = p.due;
    memory_free(p.snapshots);
    return p.status;
}

static int work_on(struct tree *tree, bool brief, bool *worked)
{
    struct unit unit = { .pauses = tree->kind->whole_runs };
    bool found = false;
    *worked = false;
    pthread_mutex_lock(&tree->lock);
    int status = tree_stopping(tree) ? NACRE_OK : tree_settle_doubts(tree);
    bool seen =
        status == NACRE_OK && tree_all_is_seen(tree) == NACRE_OK; /* else whoever ingests looks for work when it is */
    if (seen && !tree_stopping(tree)) {
        status = pick_unit(tree, &unit, brief, &found);
    }
    if (status == NACRE_OK && seen && !found && !brief && !tree->claims) {
        tree_update_signals(tree);
        atomic_store_explicit(&tree->wants_work, false,
                              memory_order_relaxed); /* nothing is there to be done, whatever it seemed */
    }
    pthread_mutex_unlock(&tree->lock);
    if (found) {
        status = unit_run(tree, &unit);
        *worked = status == NACRE_OK;
    }
    unit_free(&unit);
    return status;
}

int tree_work(struct tree *tree, bool *worked)
{
    return work_on(tree, false, worked);
}

int tree_brief_work(struct tree *tree, bool *worked)
{
    return work_on(tree, true, worked);
}
