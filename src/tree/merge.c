/* Running units: merges, moves and drops (see tree_private.h). Any number of threads, each with a unit of its own: claims keep them apart.
   Inputs are read from the version that the unit was planned on; what it takes out is worked out anew at the commit, as neighbours may have
   cut the same pieces at their other ends. A failure leaves the inputs as they are. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "tree/dead_marks.h"
#include "tree/merge_cursor.h"
#include "tree/outputs.h"
#include "tree/run_cursor.h"
#include "tree/value_moves.h"

struct inputs {
    struct cursor **children;
    size_t child_count;
    struct range_delete *ranges; /* clipped; keys are the version's or the unit's */
    size_t range_count, range_capacity;
    uint64_t *ids; /* of the segments; once per piece */
    size_t id_count, id_capacity;
    uint64_t bytes, entries;
    uint64_t reach;  /* the greatest of the segments (segment/words.h) */
    uint64_t hidden; /* bytes that will not come out, estimated */
    bool any_dead;   /* rows that newer segments supersede */
};

static void inputs_free(struct inputs *in)
{
    for (size_t i = 0; i < in->child_count; i++) {
        cursor_close(in->children[i]);
    }
    memory_free(in->children);
    memory_free(in->ranges);
    memory_free(in->ids);
}

static int add_range(struct inputs *in, const struct range_delete *range)
{
    if (in->range_count == in->range_capacity) {
        size_t more = in->range_capacity ? 2 * in->range_capacity : 16;
        struct range_delete *ranges = memory_realloc(in->ranges, more * sizeof *ranges);
        if (!ranges) {
            return NACRE_NO_MEMORY;
        }
        in->ranges = ranges;
        in->range_capacity = more;
    }
    in->ranges[in->range_count++] = *range;
    return NACRE_OK;
}

static void clip_to(struct range_delete *range, nacre_slice begin, nacre_slice end)
{
    if (slice_compare(range->begin, begin) < 0) {
        range->begin = begin;
    }
    if (end.size && (range->end.size == 0 || slice_compare(end, range->end) < 0)) {
        range->end = end;
    }
}

/* Clipped to the piece too: what was outside of it has been merged already. */
static int add_ranges(struct inputs *in, const struct piece *piece, const struct key_range *within)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < range_set_count(piece->segment->ranges) && status == NACRE_OK; i++) {
        struct range_delete range = range_set_at(piece->segment->ranges, i);
        clip_to(&range, within->begin, within->end);
        clip_to(&range, piece->has_begin ? piece->begin : (nacre_slice){ NULL, 0 },
                piece->has_end ? piece->end : (nacre_slice){ NULL, 0 });
        if (range.end.size == 0 || slice_compare(range.begin, range.end) < 0) {
            status = add_range(in, &range);
        }
    }
    return status;
}

/* Versions beneath that the piece hides, and its deletes: about that much less comes out. */
static uint64_t hidden_bytes(const struct piece *piece)
{
    uint64_t average = piece->entries ? piece->bytes / piece->entries : 0;
    return (piece->hiding + piece->shadowed) * average;
}

static int note_input(struct inputs *in, const struct segment *segment)
{
    void *ids = in->ids;
    int status = memory_grow(&ids, &in->id_capacity, in->id_count + 1, sizeof *in->ids);
    in->ids = ids;
    if (status == NACRE_OK) {
        in->ids[in->id_count++] = segment->properties.id;
    }
    return status;
}

static int collect_inputs(const struct unit *unit, struct inputs *in, struct value_moves *moves)
{
    size_t runs = unit->after_run - unit->first_run;
    in->children = memory_zalloc(runs * sizeof(struct cursor *) + 1);
    int status = in->children ? NACRE_OK : NACRE_NO_MEMORY;
    for (size_t r = unit->first_run; r < unit->after_run && status == NACRE_OK; r++) {
        const struct run *run = &unit->base->runs[r];
        size_t first, after;
        run_overlap(run, &unit->claim.range, &first, &after);
        if (first == after) {
            continue;
        }
        status = run_cursor_create(&run->pieces[first], after - first, &in->children[in->child_count]);
        in->child_count += status == NACRE_OK;
        for (size_t i = first; i < after && status == NACRE_OK; i++) {
            in->bytes += run->pieces[i].bytes;
            in->entries += run->pieces[i].entries;
            uint64_t reach = segment_reach(run->pieces[i].segment);
            in->reach = reach > in->reach ? reach : in->reach;
            in->any_dead = in->any_dead || run->pieces[i].dead_rows;
            in->hidden += r + 1 < unit->after_run ? hidden_bytes(&run->pieces[i]) : 0;
            status = add_ranges(in, &run->pieces[i], &unit->claim.range);
            if (status == NACRE_OK) {
                status = note_input(in, run->pieces[i].segment);
            }
            if (status == NACRE_OK) {
                status = value_moves_from(moves, run->pieces[i].segment, unit->garbage_percent);
            }
        }
    }
    return status;
}

/* The first run of the base that is older than the target. */
static size_t first_beneath(const struct unit *unit)
{
    const struct version *v = unit->base;
    size_t r = unit->after_run;
    while (r < v->run_count &&
           (v->runs[r].level < unit->target_level || (v->runs[r].level == unit->target_level &&
                                                      (unit->target_level > 0 || v->runs[r].id >= unit->target_run)))) {
        r++;
    }
    return r;
}

/* `moves` keeps what was written held until the outputs do; freed by the caller. */
static int run_merge(struct tree *tree, const struct unit *unit, struct value_moves *moves, struct outputs *outputs,
                     uint64_t *read)
{
    struct inputs in = { 0 };
    struct cursor *merged = NULL;
    int status = collect_inputs(unit, &in, moves);
    if (status == NACRE_OK) {
        size_t children = in.child_count;
        in.child_count = 0; /* handed over, also when it fails */
        status = merge_cursor_create(in.children, children, &merged);
    }
    if (status == NACRE_OK) {
        /* A unit takes parts of pieces: what it will read was estimated by samples when it was planned. */
        *read = unit->bytes < in.bytes ? unit->bytes : in.bytes;
        double part = in.bytes ? (double)*read / (double)in.bytes : 1;
        uint64_t entries = (uint64_t)((double)in.entries * part), hidden = (uint64_t)((double)in.hidden * part);
        struct look look = { .tree = tree, .pauses = unit->pauses };
        struct output_job job = { .tree = tree,
                                  .cursor = merged,
                                  .range = unit->claim.range,
                                  .ranges = in.ranges,
                                  .range_count = in.range_count,
                                  .base = unit->base,
                                  .beneath = first_beneath(unit),
                                  .exact_beneath = tree->kind->find_dead != NULL,
                                  .newer = in.any_dead ? unit->first_run : 0,
                                  .above = unit->first_run,
                                  .now_ms = unit->now_ms,
                                  .filters = !unit->unfiltered,
                                  .level = unit->target_level,
                                  .run = unit->target_run,
                                  .reach = in.reach,
                                  .inputs = in.ids,
                                  .input_count = in.id_count,
                                  .expected_bytes = *read > hidden ? *read - hidden : 0,
                                  .expected_entries = entries,
                                  .moves = moves,
                                  .fills = unit->fills,
                                  .stop = tree_look,
                                  .stop_context = &look };
        status = outputs_build(&job, outputs);
    }
    cursor_close(merged);
    inputs_free(&in);
    return status;
}

/* The pieces of the unit's range as they are, for the target. Its claim keeps them whole. lock held. */
static int moved_pieces(const struct tree *tree, const struct unit *unit, struct placed **moved, size_t *count)
{
    struct placed *all = NULL;
    size_t all_count = 0;
    *count = 0;
    int status = version_placed(tree->version, 0, &all, &all_count);
    for (size_t i = 0; i < all_count; i++) {
        for (size_t r = unit->first_run; r < unit->after_run; r++) {
            const struct run *run = &unit->base->runs[r];
            nacre_slice begin = all[i].has_begin ? all[i].begin : buffer_slice(&all[i].segment->properties.smallest);
            if (run->level == all[i].level && run->id == all[i].run &&
                slice_compare(begin, unit->claim.range.begin) == 0) {
                all[*count] = all[i];
                all[*count].level = unit->target_level;
                all[(*count)++].run = unit->target_run;
                break;
            }
        }
    }
    *moved = all;
    return status;
}

/* lock held, as marks_make left it. */
static int install(struct tree *tree, const struct unit *unit, const struct marked_step *step,
                   const struct marks *marks)
{
    struct manifest_edit edit = { 0 };
    struct placed *moved = NULL;
    struct marked_step with_moved = *step;
    if (unit->kind != UNIT_MOVE) {
        return tree_install(tree, step, marks, &edit, NULL);
    }
    int status = moved_pieces(tree, unit, &moved, &with_moved.added_count);
    if (status == NACRE_OK) {
        with_moved.added = moved;
        status = tree_install(tree, &with_moved, marks, &edit, NULL);
    }
    memory_free(moved);
    return status;
}

/* A unit takes as much as it would of segments, so that it ends soon, and all of the values where its inputs cannot be cut. */
static uint64_t moves_budget(const struct tree *tree, const struct unit *unit)
{
    if (unit->garbage_percent) {
        return UINT64_MAX; /* asked for */
    }
    uint64_t budget =
        UNIT_MOVES_SEGMENTS * atomic_load_explicit(&tree->env->tuning->segment_bytes, memory_order_relaxed);
    return unit->bytes > budget ? unit->bytes : budget;
}

static void count_unit(struct tree *tree, const struct unit *unit, const struct outputs *outputs, uint64_t read,
                       const struct value_moves *moves)
{
    struct tree_counters *c = &tree->counters;
    _Atomic uint64_t *kinds[] = { &c->merges, &c->moves, &c->drops };
    atomic_fetch_add_explicit(kinds[unit->kind], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->bytes_merged_read, read, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->bytes_merged_written, outputs->bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->filter_removed, outputs->filtered.removed, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->filter_changed, outputs->filtered.changed, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->values_moved, moves->moved, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->value_bytes_moved, moves->moved_bytes, memory_order_relaxed);
}

/* For whoever works from left to right: the next unit may take it along. Without memory it does not. */
static void note_small_output(const struct tree *tree, struct unit *unit, const struct outputs *outputs)
{
    const struct placed *last = outputs->count ? &outputs->made[outputs->count - 1] : NULL;
    if (last && last->bytes < atomic_load_explicit(&tree->env->tuning->segment_bytes, memory_order_relaxed) / 2) {
        const struct buffer *key = &last->segment->properties.smallest;
        if (buffer_append(&unit->last_small, key->data, key->size) != NACRE_OK) {
            buffer_clear(&unit->last_small);
        }
    }
}

/* A unit at work. */
struct work {
    struct tree *tree;
    struct unit *unit;
    struct consumed consumed;
    struct outputs outputs;
    struct value_moves moves;
    struct marks marks;
    struct marked_step step;
    uint64_t read;
};

static int build(struct work *w)
{
    w->moves = (struct value_moves){ .tree = w->tree, .budget = moves_budget(w->tree, w->unit) };
    int status = w->unit->kind == UNIT_MERGE ? run_merge(w->tree, w->unit, &w->moves, &w->outputs, &w->read) : NACRE_OK;
    if (status == NACRE_OK && (status = index_outputs(w->tree, w->unit, &w->outputs)) != NACRE_OK) {
        outputs_release(&w->outputs, true);
    }
    w->step =
        (struct marked_step){ .consumed = &w->consumed, .added = w->outputs.made, .added_count = w->outputs.count };
    return status;
}

/* lock held. What the filter did must not be seen by a snapshot that saw the entries as they were. */
static bool may_install(const struct work *w)
{
    struct tree_env *env = w->tree->env;
    return !filtered_any(&w->outputs.filtered) || !env->begin_filtered ||
           env->begin_filtered(env->context, w->outputs.filtered.least_sequence);
}

static void installed(const struct work *w)
{
    struct tree_env *env = w->tree->env;
    if (filtered_any(&w->outputs.filtered) && env->begin_filtered) {
        env->end_filtered(env->context);
    }
}

/* Returns with the lock held: NACRE_OK when all is there to be installed, and `installed` is to be called after that. */
static int build_to_install(struct work *w)
{
    for (;;) {
        int status = build(w);
        if (status != NACRE_OK) {
            pthread_mutex_lock(&w->tree->lock);
            return status;
        }
        marks_make(w->tree, &w->step, &w->marks);
        if (may_install(w)) {
            return NACRE_OK;
        }
        pthread_mutex_unlock(&w->tree->lock);
        atomic_fetch_add_explicit(&w->tree->counters.filter_redone, 1, memory_order_relaxed);
        marks_free(&w->marks);
        w->marks = (struct marks){ 0 };
        outputs_release(&w->outputs, true);
        value_moves_free(&w->moves);
        w->unit->unfiltered = true;
    }
}

static void tell_merged(const struct tree *tree, const struct unit *unit, const struct outputs *outputs, uint64_t read,
                        uint64_t began)
{
    static const char *const names[] = { "merge", "move", "drop" };
    struct tree_work_done done = { .kind = TREE_MERGED,
                                   .what = names[unit->kind],
                                   .bytes_in = read,
                                   .bytes_out = outputs->bytes,
                                   .entries = outputs->entries,
                                   .ns = clock_monotonic_ns() - began };
    tree_tell(tree, &done);
}

int unit_run(struct tree *tree, struct unit *unit)
{
    struct memory_stretch outer;
    uint64_t began = clock_monotonic_ns();
    struct work w = { .tree = tree,
                      .unit = unit,
                      .consumed = { &unit->base->runs[unit->first_run], unit->after_run - unit->first_run,
                                    unit->claim.range } };
    tree_meter_begin(tree, &outer);
    int status = build_to_install(&w);
    bool built = status == NACRE_OK;
    size_t doubts = tree->doubtful_count;
    if (built) {
        status = install(tree, unit, &w.step, &w.marks);
        installed(&w);
    }
    bool doubtful = built && tree->doubtful_count > doubts;
    claim_remove(tree, &unit->claim);
    if (status != NACRE_OK) {
        tree_update_signals(tree);
    }
    pthread_mutex_unlock(&tree->lock);
    marks_free(&w.marks);
    if (status == NACRE_OK) {
        count_unit(tree, unit, &w.outputs, w.read, &w.moves);
        note_small_output(tree, unit, &w.outputs);
        tell_merged(tree, unit, &w.outputs, w.read, began);
        if (tree->env->index_wanted && (tree_wants_prepare(tree) || tree_wants_index(tree))) {
            tree->env->index_wanted(tree->env->context, tree->owner);
        }
    } else {
        status = fail_context(status, "merging level %u into level %u of collection %u",
                              unit->base->runs[unit->first_run].level, unit->target_level, tree->collection);
    }
    outputs_release(&w.outputs, built && status != NACRE_OK && !doubtful);
    value_moves_free(&w.moves);
    tree_meter_end(tree, &outer);
    return status;
}

void unit_free(struct unit *unit)
{
    version_unref(unit->base);
    buffer_free(&unit->begin);
    buffer_free(&unit->end);
    buffer_free(&unit->last_small);
}
