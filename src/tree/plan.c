/* Cutting work into units (see tree_private.h): which keys the next unit takes, so that its inputs are of bounded size.

   The inputs' samples (keys that cut each piece into parts of about equal size) make a list of weighted keys; the unit ends where the weights reach the
   budget, at a bound of a target piece if there is one in the second half, so that few pieces get cut. A source piece that
   overlaps nothing is moved as it is, and others stop before it. Called with the tree's lock held. */
#include "base/memory.h"
#include "tree/tree_private.h"
#include <stdlib.h>

#define SAMPLES_PER_PIECE 63

struct weight {
    nacre_slice key;
    uint64_t bytes;
    bool begins_target, begins_lone;
};
struct weights {
    struct weight *list;
    size_t count, capacity;
};

int piece_after(const struct piece *piece, struct buffer *room)
{
    buffer_clear(room);
    if (piece->open_end) {
        return NACRE_OK;
    }
    int status = buffer_append(room, piece->end.data, piece->end.size);
    return status == NACRE_OK && !piece->has_end ? buffer_append_u8(room, 0) : status;
}

/* ---- pieces on their own ---- */

/* The source piece that begins first within the plan's range, or NULL. */
static const struct piece *leftmost(const struct plan *plan, size_t *run_index)
{
    const struct piece *best = NULL;
    size_t after = plan->after_run - (plan->target_exists && !plan->all_inputs);
    for (size_t r = plan->first_run; r < after; r++) {
        size_t first, end;
        run_overlap(&plan->version->runs[r], &plan->within, &first, &end);
        if (first < end && (!best || slice_compare(plan->version->runs[r].pieces[first].begin, best->begin) < 0)) {
            best = &plan->version->runs[r].pieces[first];
            *run_index = r;
        }
    }
    return best;
}

/* No other input has a piece that overlaps this one. */
bool plan_is_lone(const struct plan *plan, const struct piece *piece, size_t run_index, struct buffer *room)
{
    if (piece_after(piece, room) != NACRE_OK) {
        return false;
    }
    struct key_range range = { piece->begin, buffer_slice(room) };
    for (size_t r = plan->first_run; r < plan->after_run; r++) {
        size_t first, after;
        run_overlap(&plan->version->runs[r], &range, &first, &after);
        if (r != run_index && first < after) {
            return false;
        }
    }
    return true;
}

/* Worth keeping as a segment of its own, and without much in it that a merge would drop. */
static bool is_movable(const struct plan *plan, const struct piece *piece)
{
    return plan->may_move && piece->bytes >= plan->segment_bytes / PLAN_SMALL_PART &&
           piece->deletes * 100 < plan->tombstone_percent * piece->entries;
}

static bool is_inside(const struct plan *plan, const struct piece *piece, nacre_slice after)
{
    const struct key_range *within = &plan->within;
    return slice_compare(piece->begin, within->begin) >= 0 &&
           (within->end.size == 0 || (after.size && slice_compare(after, within->end) <= 0));
}

/* ---- weights ---- */

static int add_weight(struct weights *w, struct weight weight)
{
    if (w->count == w->capacity) {
        size_t more = w->capacity ? 2 * w->capacity : 256;
        struct weight *list = memory_realloc(w->list, more * sizeof *list);
        if (!list) {
            return NACRE_NO_MEMORY;
        }
        w->list = list;
        w->capacity = more;
    }
    w->list[w->count++] = weight;
    return NACRE_OK;
}

static bool is_in_piece(const struct piece *piece, nacre_slice key)
{
    return slice_compare(key, piece->begin) > 0 && !(piece->has_end && slice_compare(key, piece->end) >= 0);
}

/* The piece's weights in `range`. Its sample keys stay in a buffer of their own, owned by the caller. */
static int weigh_piece(struct weights *w, const struct piece *piece, const struct key_range *range, bool target,
                       bool lone, struct buffer *keys)
{
    size_t made = 0, inside = 1;
    int status = piece->segment->kind->sample_keys(piece->reader, SAMPLES_PER_PIECE, keys, &made);
    struct reader in = reader_of(buffer_slice(keys));
    for (size_t i = 0; i < made && status == NACRE_OK; i++) {
        nacre_slice key = reader_slice(&in);
        inside += is_in_piece(piece, key);
    }
    bool starts = slice_compare(piece->begin, range->begin) >= 0;
    if (status == NACRE_OK) {
        status = add_weight(w, (struct weight){ starts ? piece->begin : range->begin,
                                                starts ? piece->bytes / inside : 0, target && starts, lone });
    }
    in = reader_of(buffer_slice(keys));
    for (size_t i = 0; i < made && status == NACRE_OK; i++) {
        nacre_slice key = reader_slice(&in);
        bool in_range =
            slice_compare(key, range->begin) > 0 && (range->end.size == 0 || slice_compare(key, range->end) < 0);
        if (in_range && is_in_piece(piece, key)) {
            status = add_weight(w, (struct weight){ key, piece->bytes / inside, false, false });
        }
    }
    return status;
}

static int compare_weights(const void *left, const void *right)
{
    return slice_compare(((const struct weight *)left)->key, ((const struct weight *)right)->key);
}

struct candidate {
    const struct piece *piece;
    size_t run;
};

static int compare_candidates(const void *left, const void *right)
{
    return slice_compare(((const struct candidate *)left)->piece->begin,
                         ((const struct candidate *)right)->piece->begin);
}

/* All input pieces of [from, the end of the plan's range), by their begins. */
static int list_candidates(const struct plan *plan, nacre_slice from, struct candidate **list, size_t *count)
{
    struct key_range range = { from, plan->within.end };
    size_t capacity = 0;
    *count = 0;
    for (size_t r = plan->first_run; r < plan->after_run; r++) {
        capacity += plan->version->runs[r].count;
    }
    *list = memory_alloc(capacity * sizeof **list + 1);
    if (!*list) {
        return NACRE_NO_MEMORY;
    }
    for (size_t r = plan->first_run; r < plan->after_run; r++) {
        size_t first, after;
        run_overlap(&plan->version->runs[r], &range, &first, &after);
        for (size_t i = first; i < after; i++) {
            (*list)[(*count)++] = (struct candidate){ &plan->version->runs[r].pieces[i], r };
        }
    }
    qsort(*list, *count, sizeof **list, compare_candidates);
    return NACRE_OK;
}

/* ---- choosing the end ---- */

/* Where the unit that begins at `from` ends: an index into the weights, or their count for the end of the plan's range. */
static size_t choose_end(const struct plan *plan, const struct weights *w, nacre_slice from, uint64_t *bytes)
{
    size_t at_target = w->count;
    uint64_t total = 0, target_total = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct weight *weight = &w->list[i];
        bool cuts = slice_compare(weight->key, from) > 0;
        if (cuts && weight->begins_lone && total > 0) {
            *bytes = total;
            return i;
        }
        if (cuts && weight->begins_target && total >= plan->budget / 2) {
            at_target = i;
            target_total = total;
        }
        if (cuts && total + weight->bytes > plan->budget) {
            *bytes = at_target < w->count ? target_total : total;
            return at_target < w->count ? at_target : i;
        }
        total += weight->bytes;
    }
    *bytes = total;
    return w->count;
}

/* The candidates that are weighed so far: the first `used`, with their sample keys. */
struct weighing {
    const struct plan *plan;
    struct key_range range;
    struct candidate *list;
    size_t count, used;
    struct weights weights;
    struct buffer *keys, room;
    uint64_t begun; /* bytes of those that are weighed */
};

static int weigh_next(struct weighing *w)
{
    const struct plan *plan = w->plan;
    const struct candidate *c = &w->list[w->used];
    bool target = plan->target_exists && c->run == plan->after_run - 1;
    bool lone = !target && is_movable(plan, c->piece) && plan_is_lone(plan, c->piece, c->run, &w->room);
    int status = weigh_piece(&w->weights, c->piece, &w->range, target, lone, &w->keys[w->used++]);
    w->begun += c->piece->bytes;
    return status;
}

/* Weighs pieces from left to right until they hold well over the budget, and then those that begin before the end that this gives: each of
   them has a share in the unit, and all may begin at one key. *at is as choose_end gives it. */
static int weigh(struct weighing *w, size_t *at, uint64_t *bytes)
{
    uint64_t enough = 2 * w->plan->budget;
    nacre_slice end = { NULL, 0 };
    int status = NACRE_OK;
    for (bool more = true; status == NACRE_OK && more;) {
        while (status == NACRE_OK && w->used < w->count &&
               (w->begun <= enough || (end.size && slice_compare(w->list[w->used].piece->begin, end) < 0))) {
            status = weigh_next(w);
        }
        if (status == NACRE_OK) {
            qsort(w->weights.list, w->weights.count, sizeof *w->weights.list, compare_weights);
            *at = choose_end(w->plan, &w->weights, w->range.begin, bytes);
            end = *at < w->weights.count ? w->weights.list[*at].key : (nacre_slice){ NULL, 0 };
            enough = end.size ? 0 : w->begun + 2 * w->plan->budget;
            more = w->used < w->count && (!end.size || slice_compare(w->list[w->used].piece->begin, end) < 0);
        }
    }
    return status;
}

/* *end becomes the unit's end, empty when it is open. */
static int find_end(const struct plan *plan, nacre_slice from, struct buffer *end, uint64_t *bytes)
{
    struct weighing w = { .plan = plan, .range = { from, plan->within.end } };
    size_t at = 0;
    int status = list_candidates(plan, from, &w.list, &w.count);
    if (status == NACRE_OK && !(w.keys = memory_zalloc(w.count * sizeof *w.keys + 1))) {
        status = NACRE_NO_MEMORY;
    }
    if (status == NACRE_OK) {
        status = weigh(&w, &at, bytes);
    }
    if (status == NACRE_OK) {
        nacre_slice key = at < w.weights.count ? w.weights.list[at].key : plan->within.end;
        buffer_clear(end);
        status = buffer_append(end, key.data, key.size);
    }
    for (size_t i = 0; i < w.used; i++) {
        buffer_free(&w.keys[i]);
    }
    memory_free(w.keys);
    memory_free(w.weights.list);
    memory_free(w.list);
    buffer_free(&w.room);
    return status;
}

/* A target piece that the unit would begin in the middle of is taken whole unless the larger part of it lies before. */
static int choose_begin(const struct plan *plan, nacre_slice source_begin, nacre_slice *begin)
{
    *begin = slice_compare(source_begin, plan->within.begin) < 0 ? plan->within.begin : source_begin;
    if (!plan->target_exists) {
        return NACRE_OK;
    }
    struct key_range point = { *begin, { NULL, 0 } };
    const struct run *target = &plan->version->runs[plan->after_run - 1];
    size_t first, after;
    run_overlap(target, &point, &first, &after);
    if (first == after || slice_compare(target->pieces[first].begin, *begin) >= 0) {
        return NACRE_OK;
    }
    const struct piece *piece = &target->pieces[first];
    if (slice_compare(piece->begin, plan->within.begin) < 0) {
        return NACRE_OK; /* somebody works to the left */
    }
    struct buffer keys = { 0 };
    size_t made = 0, left = 0;
    int status = piece->segment->kind->sample_keys(piece->reader, SAMPLES_PER_PIECE, &keys, &made);
    struct reader in = reader_of(buffer_slice(&keys));
    for (size_t i = 0; i < made && status == NACRE_OK; i++) {
        left += slice_compare(reader_slice(&in), *begin) < 0;
    }
    buffer_free(&keys);
    if (2 * left <= made) {
        *begin = piece->begin;
    }
    return status;
}

int unit_set_range(struct unit *unit, const struct key_range *range)
{
    buffer_clear(&unit->begin);
    int status = buffer_append(&unit->begin, range->begin.data, range->begin.size);
    if (status == NACRE_OK && range->end.data != unit->end.data) {
        buffer_clear(&unit->end);
        status = buffer_append(&unit->end, range->end.data, range->end.size);
    }
    unit->claim.range = (struct key_range){ buffer_slice(&unit->begin), buffer_slice(&unit->end) };
    return status;
}

int plan_unit(const struct plan *plan, struct unit *unit, bool *found)
{
    size_t run_index = 0;
    const struct piece *source = leftmost(plan, &run_index);
    *found = source != NULL;
    if (!source) {
        return NACRE_OK;
    }
    unit->first_run = plan->first_run;
    unit->after_run = plan->after_run;
    unit->target_level = plan->target_level;
    unit->target_run = plan->target_run;
    int status = piece_after(source, &unit->end);
    if (status != NACRE_OK) {
        return status;
    }
    struct buffer room = { 0 };
    if (is_movable(plan, source) && is_inside(plan, source, buffer_slice(&unit->end)) &&
        plan_is_lone(plan, source, run_index, &room)) {
        buffer_free(&room);
        unit->kind = UNIT_MOVE;
        unit->bytes = source->bytes;
        return unit_set_range(unit, &(struct key_range){ source->begin, buffer_slice(&unit->end) });
    }
    buffer_free(&room);
    nacre_slice begin = { NULL, 0 };
    unit->kind = UNIT_MERGE;
    status = choose_begin(plan, source->begin, &begin);
    if (status == NACRE_OK) {
        status = find_end(plan, begin, &unit->end, &unit->bytes);
    }
    return status == NACRE_OK ? unit_set_range(unit, &(struct key_range){ begin, buffer_slice(&unit->end) }) : status;
}
