/* tree_compact: all levels of a range of keys into one, in one pass from left to right (see tree_private.h).

   The target is the deepest level that holds any of the range, or a deeper one if that would be over its target with everything in it, so
   that nothing has to be pushed on afterwards. Pieces that are clean and alone are left, or moved if they lie higher up. A waiting claim
   keeps new units out of the range until the running ones are done. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "tree/pick.h"
#include "tree/value_moves.h"
#include <errno.h>
#include <time.h>

#define UNIT_SEGMENTS 4u
#define WAIT_NS       10000000

struct compaction {
    struct tree *tree;
    struct buffer at;   /* what is before is done */
    struct buffer done; /* where the last unit ended */
    nacre_slice end;
    uint32_t target; /* level */
    uint64_t segment_bytes, now_ms;
    unsigned garbage_percent; /* as of units */
};

static uint32_t choose_target(const struct tree *tree, const struct key_range *range)
{
    const struct version *v = tree->version;
    uint32_t target = 1;
    for (size_t r = 0; r < v->run_count; r++) {
        size_t first, after;
        run_overlap(&v->runs[r], range, &first, &after);
        target = first < after && v->runs[r].level > target ? v->runs[r].level : target;
    }
    while (target + 1 < TREE_LEVELS && level_target(tree, target) < v->bytes) {
        target++;
    }
    return target;
}

/* Nothing in it that a merge would drop or move, and all of its segment. */
static bool is_clean(const struct compaction *c, const struct piece *piece)
{
    return !c->tree->filter && piece->deletes == 0 && piece->merges == 0 && piece->shadowed == 0 &&
           !piece->segment->ranges && !piece->has_begin && !piece->has_end && piece_expired(piece, c->now_ms) == 0 &&
           !piece_drains_garbage(piece, COMPACT_GARBAGE);
}

static bool fits_with_next(const struct compaction *c, const struct run *run, const struct piece *piece)
{
    const struct piece *next = piece + 1 < run->pieces + run->count ? piece + 1 : NULL;
    bool inside = next && (c->end.size == 0 || slice_compare(next->begin, c->end) < 0);
    return inside && piece->bytes + next->bytes <= c->segment_bytes;
}

struct place {
    const struct piece *piece;
    size_t run;
};

/* Leaves a piece alone, or only moves it. */
static bool is_done(const struct compaction *c, const struct plan *plan, const struct place *at, struct buffer *room)
{
    const struct run *run = &plan->version->runs[at->run];
    return is_clean(c, at->piece) && plan_is_lone(plan, at->piece, at->run, room) && !fits_with_next(c, run, at->piece);
}

/* The first piece that begins at or after `from`, of those that are done or of all. */
static struct place find_next(const struct compaction *c, const struct plan *plan, nacre_slice from, bool strictly,
                              bool done, struct buffer *room)
{
    struct place best = { NULL, 0 };
    struct key_range range = { from, c->end };
    for (size_t r = plan->first_run; r < plan->after_run; r++) {
        const struct run *run = &plan->version->runs[r];
        size_t first, after;
        run_overlap(run, &range, &first, &after);
        for (size_t i = first; i < after; i++) {
            struct place place = { &run->pieces[i], r };
            if (best.piece && slice_compare(place.piece->begin, best.piece->begin) >= 0) {
                break;
            }
            if (strictly && slice_compare(place.piece->begin, from) <= 0) {
                continue;
            }
            if (!done || is_done(c, plan, &place, room)) {
                best = place;
                break;
            }
        }
    }
    return best;
}

static struct plan plan_all(const struct compaction *c)
{
    const struct version *v = c->tree->version;
    size_t after = 0;
    while (after < v->run_count && v->runs[after].level <= c->target) {
        after++;
    }
    return (struct plan){ .version = v,
                          .after_run = after,
                          .target_exists = after > 0 && v->runs[after - 1].level == c->target,
                          .target_level = c->target,
                          .budget = UNIT_SEGMENTS * c->segment_bytes,
                          .segment_bytes = c->segment_bytes,
                          .all_inputs = true,
                          .within = { buffer_slice(&c->at), c->end } };
}

static int advance(struct compaction *c, const struct piece *piece)
{
    struct buffer room = { 0 };
    int status = piece_after(piece, &room);
    if (status == NACRE_OK) {
        buffer_free(&c->at);
        c->at = room;
    }
    return status;
}

/* Plans one unit that begins at or after c->at; *found = false: the rest is as it should be. */
static int plan_next(struct compaction *c, struct unit *unit, bool *found)
{
    struct buffer room = { 0 };
    int status = NACRE_OK;
    bool more = true;
    *found = false;
    while (status == NACRE_OK && more && !*found) {
        struct plan plan = plan_all(c);
        struct place at = find_next(c, &plan, buffer_slice(&c->at), false, false, &room);
        if (!at.piece) {
            break;
        }
        if (is_done(c, &plan, &at, &room)) {
            bool stays = plan.version->runs[at.run].level == c->target;
            more = !at.piece->open_end;
            if (stays) {
                status = advance(c, at.piece);
                continue;
            }
            plan.may_move = true;
            plan.tombstone_percent = 100; /* it has none */
            plan.segment_bytes = 0;       /* whatever its size */
        } else {
            struct place next = find_next(c, &plan, at.piece->begin, true, true, &room);
            if (next.piece) {
                plan.within.end = next.piece->begin;
            }
        }
        status = plan_unit(&plan, unit, found);
        more = false;
    }
    buffer_free(&room);
    return status;
}

void lock_wait(struct tree *tree)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAIT_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&tree->released, &tree->lock, &until);
}

int tree_all_is_seen(const struct tree *tree)
{
    const struct tree_env *env = tree->env;
    return env->sees ? env->sees(env->context, tree->version->greatest_sequence) : NACRE_OK;
}

int claim_wait(struct tree *tree, const struct claim *claim)
{
    while (!tree_stopping(tree)) {
        int status = claim_conflicts(tree, claim) ? NACRE_BUSY : tree_all_is_seen(tree);
        if (status != NACRE_BUSY) {
            return status;
        }
        lock_wait(tree);
    }
    return fail(NACRE_CANCELLED, "the store is closing");
}

/* lock held, and nothing else works on the range from c->at on. */
static int plan_and_claim(struct compaction *c, struct unit *unit, bool *found)
{
    struct tree *tree = c->tree;
    int status = tree_settle_doubts(tree);
    if (status == NACRE_OK) {
        uint32_t target = choose_target(tree, &(struct key_range){ buffer_slice(&c->at), c->end });
        c->target = target > c->target ? target : c->target;
        status = plan_next(c, unit, found);
    }
    if (status == NACRE_OK && *found) {
        unit->base = tree->version;
        unit->now_ms = tree_expiry_clock(tree);
        version_ref(unit->base);
        unit->claim.from = 0;
        unit->claim.to = c->target;
        unit->fills = true;
        unit->garbage_percent = c->garbage_percent;
        claim_add(tree, &unit->claim, true);
    }
    return status;
}

/* One unit, planned and claimed under the lock. */
static int next_unit(struct compaction *c, struct unit *unit, bool *found)
{
    struct tree *tree = c->tree;
    struct claim waiting = { .range = { buffer_slice(&c->at), c->end }, .from = 0, .to = TREE_LEVELS };
    *found = false;
    pthread_mutex_lock(&tree->lock);
    claim_add(tree, &waiting, false);
    int status = claim_wait(tree, &waiting);
    claim_remove(tree, &waiting);
    if (status == NACRE_OK) {
        status = plan_and_claim(c, unit, found);
    }
    pthread_mutex_unlock(&tree->lock);
    return status;
}

static void swap(struct buffer *a, struct buffer *b)
{
    struct buffer kept = *a;
    *a = *b;
    *b = kept;
}

/* On from the unit's end, or from its last output if that is small and the unit got further than the one before. False: all is done. */
static bool move_on(struct compaction *c, struct unit *unit)
{
    bool more = unit->end.size > 0 && (c->end.size == 0 || slice_compare(buffer_slice(&unit->end), c->end) < 0);
    bool again = unit->last_small.size > 0 && !slice_equal(buffer_slice(&unit->end), buffer_slice(&c->done));
    swap(&c->done, &unit->end);
    buffer_clear(&c->at);
    struct buffer *from = again ? &unit->last_small : &c->done;
    if (buffer_append(&c->at, from->data, from->size) != NACRE_OK) {
        swap(&c->at, &c->done); /* without memory for a copy, go on from the end */
    }
    return more;
}

static int compact_levels(struct tree *tree, nacre_slice begin, nacre_slice end)
{
    struct compaction c = { .tree = tree, .end = end, .now_ms = clock_wall_ms(), .garbage_percent = COMPACT_GARBAGE };
    c.segment_bytes = atomic_load_explicit(&tree->env->tuning->segment_bytes, memory_order_relaxed);
    int status = buffer_append(&c.at, begin.data, begin.size);
    bool more = status == NACRE_OK && (end.size == 0 || slice_compare(begin, end) < 0);
    while (status == NACRE_OK && more) {
        struct unit unit = { 0 };
        status = next_unit(&c, &unit, &more);
        if (status == NACRE_OK && more) {
            status = unit_run(tree, &unit);
            more = status == NACRE_OK && move_on(&c, &unit);
        }
        unit_free(&unit);
    }
    buffer_free(&c.at);
    buffer_free(&c.done);
    return status;
}

/* The key's versions alone, whatever pieces they are in. */
int tree_fold(struct tree *tree, nacre_slice key)
{
    struct compaction c = { .tree = tree, .now_ms = clock_wall_ms() };
    struct buffer after = { 0 };
    struct unit unit = { 0 };
    bool found = false;
    c.segment_bytes = atomic_load_explicit(&tree->env->tuning->segment_bytes, memory_order_relaxed);
    int status = buffer_append(&c.at, key.data, key.size);
    if (status == NACRE_OK && (status = buffer_append(&after, key.data, key.size)) == NACRE_OK) {
        status = buffer_append_u8(&after, 0);
    }
    c.end = buffer_slice(&after);
    if (status == NACRE_OK) {
        struct claim wanted = { .range = { key, c.end }, .from = 0, .to = TREE_LEVELS };
        pthread_mutex_lock(&tree->lock);
        wanted.ticket = tree->next_ticket;
        status = claim_conflicts(tree, &wanted) ? NACRE_BUSY : tree_all_is_seen(tree);
        if (status == NACRE_OK) {
            status = plan_and_claim(&c, &unit, &found);
        }
        pthread_mutex_unlock(&tree->lock);
    }
    if (status == NACRE_OK && found) {
        status = unit_run(tree, &unit);
    }
    unit_free(&unit);
    buffer_free(&c.at);
    buffer_free(&c.done);
    buffer_free(&after);
    return status == NACRE_BUSY ? NACRE_OK : status;
}

static int compact_once(struct tree *tree, nacre_slice begin, nacre_slice end)
{
    return tree->kind->whole_runs ? compact_runs(tree, &(struct key_range){ begin, end })
                                  : compact_levels(tree, begin, end);
}

static bool has_values(struct tree *tree)
{
    pthread_mutex_lock(&tree->lock);
    bool has = tree->version->has_values;
    pthread_mutex_unlock(&tree->lock);
    return has;
}

/* Only when all that is dead has been dropped is it known which value files hold garbage: so pieces are gone over again, of which those are
   rewritten that point into such a file. The files that are written to are sealed before, or they would keep their garbage: those of a tree without values only
   where they have some, so that files do not become small for nothing. */
int tree_compact(struct tree *tree, nacre_slice begin, nacre_slice end)
{
    struct value_log *values = tree->env->segments->values;
    int status = compact_once(tree, begin, end);
    if (status != NACRE_OK || !values) {
        return status;
    }
    bool again = has_values(tree);
    bool rotated = value_log_rotate_garbage(values, again ? 0 : COMPACT_GARBAGE);
    status = again || rotated ? value_log_prepare(values) : NACRE_OK;
    return status == NACRE_OK && again ? compact_once(tree, begin, end) : status;
}
