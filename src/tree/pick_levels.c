/* Choosing work on whole levels (see pick.h): which runs of level 0 to merge into what, and which part of a deeper level to push down.
   Called with the tree's lock held.

   Level 0 is emptied into level 1 or some of its runs are merged into one of them, whichever writes less per run that goes: so levels are
   rewritten seldom while data comes in at random, and not at all when it comes in order. Garbage and deletes go only with the former. */
#include "base/memory.h"
#include "tree/pick.h"

#define UNIT_SEGMENTS_LEVEL0 4u
#define UNIT_SEGMENTS        2u
#define LEVEL0_BASES         4u /* level 0 goes into level 1 at the latest when it holds so many times the target of that */

/* ---- level 0 ---- */

static bool same_compression(const struct picking *p, uint32_t a, uint32_t b)
{
    const struct tree_tuning *tuning = p->tree->env->tuning;
    return atomic_load_explicit(&tuning->compression[a], memory_order_relaxed) ==
           atomic_load_explicit(&tuning->compression[b], memory_order_relaxed);
}

static struct plan plan_of(const struct picking *p, size_t first_run, size_t after_run, uint32_t source,
                           uint32_t target, uint64_t target_run)
{
    const struct version *v = p->version;
    const struct run *last = after_run > first_run ? &v->runs[after_run - 1] : NULL;
    return (struct plan){ .version = v,
                          .first_run = first_run,
                          .after_run = after_run,
                          .target_level = target,
                          .target_run = target_run,
                          .target_exists = last && last->level == target && last->id == target_run,
                          .budget = (source == 0 ? UNIT_SEGMENTS_LEVEL0 : UNIT_SEGMENTS) * p->segment_bytes,
                          .segment_bytes = p->segment_bytes,
                          .tombstone_percent = p->tombstone_percent,
                          .may_move = same_compression(p, source, target) };
}

/* The job's runs in the version of now; an empty plan when all are gone. */
static struct plan plan_job(const struct picking *p, const struct level0_job *job)
{
    const struct version *v = p->version;
    size_t first = 0, after, level0 = v->levels[0].count;
    while (first < level0 && v->runs[first].id > job->newest) {
        first++;
    }
    for (after = first; after < level0 && (job->to_level1 || v->runs[after].id >= job->target); after++) {}
    if (job->to_level1 && after > first && after < v->run_count && v->runs[after].level == 1) {
        after++;
    }
    struct plan plan = plan_of(p, first, after, 0, job->to_level1, job->to_level1 ? 0 : job->target);
    if (after - first == plan.target_exists) {
        plan.after_run = plan.first_run;
    }
    return plan;
}

/* The bytes that a merge of level 0 into level 1 would read: pieces that overlap nothing are only moved. */
static uint64_t merge_cost(const struct picking *p, uint64_t *entries_below)
{
    struct plan plan = plan_job(p, &(struct level0_job){ .to_level1 = true, .newest = UINT64_MAX });
    struct buffer room = { 0 };
    uint64_t cost = 0;
    *entries_below = 0;
    for (size_t r = plan.first_run; r < plan.after_run; r++) {
        const struct run *run = &p->version->runs[r];
        for (size_t i = 0; i < run->count; i++) {
            if (!plan_is_lone(&plan, &run->pieces[i], r, &room)) {
                cost += run->pieces[i].bytes;
                *entries_below += run->level ? run->pieces[i].entries : 0;
            }
        }
    }
    buffer_free(&room);
    return cost;
}

/* Entries that vanish in what they meet further down: deletes, and operands, which cost every read until then. */
static uint64_t piece_folds(const struct picking *p, const struct piece *piece)
{
    return piece->deletes + (p->tree->merge_operator ? piece->merges : 0);
}

static bool deletes_prevail(const struct picking *p, uint64_t entries_below)
{
    uint64_t deletes = 0, entries = entries_below;
    for (size_t r = 0; r < p->version->levels[0].count; r++) {
        const struct run *run = &p->version->runs[r];
        for (size_t i = 0; i < run->count; i++) {
            deletes += piece_folds(p, &run->pieces[i]) + piece_expired(&run->pieces[i], p->now_ms);
            entries += run->pieces[i].entries;
        }
    }
    return deletes > 0 && deletes * 100 >= p->tombstone_percent * entries;
}

/* The consecutive runs whose merge writes least per run that goes. */
static double cheapest_window(const struct picking *p, struct level0_job *job)
{
    const struct level *level0 = &p->version->levels[0];
    double best = -1;
    for (size_t first = 0; first < level0->count; first++) {
        uint64_t bytes = level0->runs[first].bytes;
        for (size_t last = first + 1; last < level0->count; last++) {
            bytes += level0->runs[last].bytes;
            double cost = (double)bytes / (double)(last - first);
            if (best < 0 || cost <= best) {
                best = cost;
                *job = (struct level0_job){ .active = true,
                                            .newest = level0->runs[first].id,
                                            .target = level0->runs[last].id };
            }
        }
    }
    return best;
}

/* Whether level 0 holds the larger part of the garbage. */
static bool garbage_is_high_up(const struct picking *p)
{
    uint64_t upper = 0, all = 0;
    for (size_t r = 0; r + 1 < p->version->run_count || (r < p->version->run_count && p->version->runs[r].level == 0);
         r++) {
        uint64_t garbage = run_garbage(&p->version->runs[r], p->average);
        all += garbage;
        upper += p->version->runs[r].level == 0 ? garbage : 0;
    }
    return upper > 0 && 2 * upper >= all;
}

static bool choose_job(const struct picking *p, struct level0_job *job)
{
    const struct level *level0 = &p->version->levels[0];
    uint64_t below;
    if (level0->count == 0) {
        return false;
    }
    uint64_t cost = merge_cost(p, &below);
    struct level0_job down = { .active = true, .to_level1 = true, .newest = level0->runs[0].id };
    *job = down;
    if (deletes_prevail(p, below) && p->version->run_count > 1) {
        return true;
    }
    bool crowded = level0->count >= p->level0_runs;
    if (!crowded) {
        return is_over_bound(p) && garbage_is_high_up(p);
    }
    if (level0->bytes / LEVEL0_BASES >= level_target(p->tree, 1) || is_over_bound(p)) {
        return true;
    }
    struct level0_job window;
    double merged = cheapest_window(p, &window);
    if (merged >= 0 && merged < (double)cost / (double)level0->count) {
        *job = window;
    }
    return true;
}

bool pick_level0(struct picking *p)
{
    struct level0_job *job = &p->tree->job, chosen = *job;
    struct plan plan = { 0 };
    if (job->active) {
        plan = plan_job(p, job);
        if (plan.first_run == plan.after_run) {
            job->active = false;
        }
    }
    if (!job->active) {
        if (!choose_job(p, &chosen)) {
            return false;
        }
        plan = plan_job(p, &chosen);
    }
    bool found = pick_plan(p, &plan, 0, chosen.to_level1);
    if (found && p->unit) {
        *job = chosen;
    }
    return found;
}

/* ---- deeper levels ---- */

static uint64_t entries_overlapping(const struct run *run, const struct piece *piece, struct buffer *room)
{
    uint64_t entries = 0;
    size_t first, after;
    if (piece_after(piece, room) != NACRE_OK) {
        return UINT64_MAX;
    }
    run_overlap(run, &(struct key_range){ piece->begin, buffer_slice(room) }, &first, &after);
    for (size_t i = first; i < after; i++) {
        entries += run->pieces[i].entries;
    }
    return entries;
}

/* A piece with more dead entries than the level below can hide among its own. */
static const struct piece *find_dense(const struct picking *p, size_t run_index)
{
    const struct run *run = &p->version->runs[run_index];
    const struct run *next = run_index + 1 < p->version->run_count ? run + 1 : NULL;
    struct buffer room = { 0 };
    const struct piece *found = NULL;
    for (size_t i = 0; i < run->count && next && !found; i++) {
        const struct piece *piece = &run->pieces[i];
        uint64_t dead = piece_folds(p, piece) + piece_expired(piece, p->now_ms);
        if (dead == 0 || dead * 100 < p->tombstone_percent * piece->entries) {
            continue;
        }
        uint64_t below = entries_overlapping(next, piece, &room);
        found = below > 0 && below < UINT64_MAX && dead * 100 >= p->tombstone_percent * (piece->entries + below) ? piece
                                                                                                                 : NULL;
    }
    buffer_free(&room);
    return found;
}

static const struct piece *find_most_garbage(const struct run *run, uint64_t average)
{
    const struct piece *best = NULL;
    double most = 0;
    for (size_t i = 0; i < run->count; i++) {
        const struct piece *piece = &run->pieces[i];
        double share = (double)((piece->hiding + piece->deletes) * average + piece->dead) / (double)(piece->bytes + 1);
        if (share > most) {
            most = share;
            best = piece;
        }
    }
    return best;
}

/* A unit of the run's level into the next, at or after `from`, else before it. */
static bool push_down(struct picking *p, size_t run_index, nacre_slice from)
{
    const struct version *v = p->version;
    uint32_t level = v->runs[run_index].level;
    size_t after = run_index + 1;
    if (after < v->run_count && v->runs[after].level == level + 1) {
        after++;
    }
    struct plan plan = plan_of(p, run_index, after, level, level + 1, 0);
    plan.within.begin = from;
    if (pick_plan(p, &plan, level, level + 1)) {
        return true;
    }
    plan.within = (struct key_range){ .end = from };
    return from.size && p->status == NACRE_OK && pick_plan(p, &plan, level, level + 1);
}

static bool push_over_target(struct picking *p)
{
    double best = 1;
    size_t chosen = p->version->run_count;
    for (size_t r = p->version->levels[0].count; r < p->version->run_count; r++) {
        const struct run *run = &p->version->runs[r];
        double score = (double)run->bytes / (double)level_target(p->tree, run->level);
        if (run->level + 1 < TREE_LEVELS && score > best) {
            best = score;
            chosen = r;
        }
    }
    if (chosen == p->version->run_count) {
        return false;
    }
    struct buffer *cursor = &p->tree->level_cursor[p->version->runs[chosen].level];
    bool found = push_down(p, chosen, buffer_slice(cursor));
    if (found && p->unit) {
        buffer_clear(cursor);
        p->status = buffer_append(cursor, p->unit->end.data, p->unit->end.size);
        if (p->status != NACRE_OK) { /* the unit is planned: only the place is forgotten */
            p->status = NACRE_OK;
            buffer_clear(cursor);
        }
    }
    return found;
}

bool pick_level(struct picking *p)
{
    if (push_over_target(p)) {
        return true;
    }
    bool over = p->status == NACRE_OK && is_over_bound(p);
    for (size_t r = p->version->levels[0].count; r + 1 < p->version->run_count && p->status == NACRE_OK; r++) {
        const struct run *run = &p->version->runs[r];
        if (run->level + 1 >= TREE_LEVELS) {
            break;
        }
        const struct piece *piece = find_dense(p, r);
        if (!piece && over) {
            piece = find_most_garbage(run, p->average);
        }
        if (piece && push_down(p, r, piece->begin)) {
            return true;
        }
    }
    return false;
}
