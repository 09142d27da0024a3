/* The tree: making, ending, and the steps from one version to the next (see tree_private.h for locks and the picture).
   Invariants:
   1. a version is published only after the manifest commit that says the same, both under tree.lock: their orders agree.
   2. a segment is marked obsolete only after a commit that no longer names it.
   3. outputs of a failed commit stay until the next good one: the disk may name them until then. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "tree/dead_marks.h"
#include "tree/value_moves.h"

/* ---- making ---- */

int tree_place(struct tree *tree, const struct manifest_piece *piece, struct segment *opened, struct placed *placed)
{
    struct segment *segment = opened;
    int status = NACRE_OK;
    if (segment) {
        segment_ref(segment);
    } else {
        status = segment_open(tree->env->segments, tree->kind, piece->properties.id, piece->properties.bytes, &segment);
        status = status == NACRE_NOT_FOUND
                     ? fail(NACRE_CORRUPT, "segments/%016llx.seg: named by the manifest, but not there",
                            (unsigned long long)piece->properties.id)
                     : status;
    }
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t given = piece->properties.given_sequence;
    *placed = (struct placed){ .level = piece->level,
                               .run = piece->run,
                               .segment = segment,
                               .has_begin = piece->has_begin,
                               .has_end = piece->has_end,
                               .begin = buffer_slice(&piece->begin),
                               .end = buffer_slice(&piece->end) };
    if (segment->properties.checksum != piece->properties.checksum) {
        status =
            fail(NACRE_CORRUPT, "%s: checksum of its table: %016llx expected, %016llx found", segment->container->path,
                 (unsigned long long)piece->properties.checksum, (unsigned long long)segment->properties.checksum);
    }
    if (given != segment->properties.given_sequence && (status = segment_give_sequence(segment, given)) != NACRE_OK) {
        return status;
    }
    placed_whole(placed);
    if (status == NACRE_OK && (placed->has_begin || placed->has_end)) {
        struct placed whole = *placed;
        whole.has_begin = whole.has_end = false;
        status = placed_estimate(placed, &whole);
    }
    if (status != NACRE_OK) {
        segment_unref(segment);
        return status;
    }
    placed->shadowed = piece->shadowed;
    placed->hiding = piece->hiding;
    placed->last_expiry_ms = piece->last_expiry_ms;
    return NACRE_OK;
}

static struct segment *opened_before(const struct placed *list, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].segment->properties.id == id) {
            return list[i].segment;
        }
    }
    return NULL;
}

static int open_version(struct tree *tree, const struct manifest_collection *words)
{
    struct placed *list = memory_alloc(words->piece_count * sizeof *list + 1);
    size_t count = 0;
    int status = list ? NACRE_OK : NACRE_NO_MEMORY;
    for (size_t i = 0; i < words->piece_count && status == NACRE_OK; i++) {
        const struct manifest_piece *piece = &words->pieces[i];
        status = tree_place(tree, piece, opened_before(list, count, piece->properties.id), &list[count]);
        if (status != NACRE_OK && tree->env->leave_out && tree->env->leave_out(tree->env->context, status)) {
            status = NACRE_OK;
            continue;
        }
        count += status == NACRE_OK;
    }
    if (status == NACRE_OK) {
        /* Sorts the list: each entry still has the one reference that is given back below. */
        status = version_build(tree->kind, list, count, &tree->version);
    }
    if (status == NACRE_OK) {
        value_usage_version(tree->version, true);
    }
    for (size_t i = 0; i < count; i++) {
        segment_unref(list[i].segment);
    }
    memory_free(list);
    return status;
}

static nacre_slice take_name(nacre_slice names, size_t *at, const char *name)
{
    size_t size = name ? strlen(name) : 0;
    *at += size;
    return slice_of((const uint8_t *)names.data + (*at - size), size);
}

/* What segments say of the collection; the caller's words do not live as long as the tree. */
static int keep_words(struct tree *tree, const struct manifest_collection *words)
{
    const char *const names[] = { words->name, words->merge_operator, words->compaction_filter };
    size_t at = 0;
    int status = NACRE_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && status == NACRE_OK; i++) {
        status = names[i] ? buffer_append(&tree->names, names[i], strlen(names[i])) : NACRE_OK;
    }
    if (status != NACRE_OK || tree->names.size == 0) {
        return status;
    }
    nacre_slice all = buffer_slice(&tree->names);
    tree->words.default_ttl_ms = words->default_ttl_ms;
    tree->words.value_log_threshold = words->value_log_threshold;
    tree->words.name = take_name(all, &at, words->name);
    tree->words.merge_operator = take_name(all, &at, words->merge_operator);
    tree->words.compaction_filter = take_name(all, &at, words->compaction_filter);
    return NACRE_OK;
}

static int init_locks(struct tree *tree)
{
    if (pthread_mutex_init(&tree->flush_lock, NULL) == 0) {
        if (pthread_mutex_init(&tree->lock, NULL) == 0) {
            if (pthread_cond_init(&tree->released, NULL) == 0) {
                return NACRE_OK;
            }
            pthread_mutex_destroy(&tree->lock);
        }
        pthread_mutex_destroy(&tree->flush_lock);
    }
    return fail(NACRE_NO_MEMORY, "a lock of the tree could not be made");
}

int tree_create(struct tree_env *env, const struct kind *kind, void *owner, const struct manifest_collection *words,
                struct tree **created)
{
    struct tree *tree = memory_zalloc(sizeof *tree);
    if (!tree) {
        return NACRE_NO_MEMORY;
    }
    tree->env = env;
    tree->kind = kind;
    tree->owner = owner;
    tree->collection = words->id;
    tree->dimension = words->dimension;
    tree->metric = (nacre_metric)words->metric;
    tree->next_run = words->next_run;
    tree->takes_operands = words->merge_operator != NULL;
    int status = init_locks(tree);
    if (status != NACRE_OK) {
        memory_free(tree);
        return status;
    }
    status = keep_words(tree, words);
    if (status == NACRE_OK) {
        status = open_version(tree, words);
    }
    if (status != NACRE_OK) {
        tree_free(tree);
        return fail_context(status, "collection '%s'", words->name);
    }
    pthread_mutex_lock(&tree->lock);
    tree_update_signals(tree);
    tree_update_index_signals(tree);
    pthread_mutex_unlock(&tree->lock);
    *created = tree;
    return NACRE_OK;
}

void tree_set_hooks(struct tree *tree, const nacre_merge_operator *merge_operator,
                    const nacre_compaction_filter *filter)
{
    tree->merge_operator = merge_operator;
    tree->filter = filter;
}

int tree_read_pointer(const struct tree *tree, const struct entry *entry, nacre_slice *value, struct pin *pin)
{
    struct value_pointer pointer;
    if (!value_pointer_decode(entry->value, &pointer)) {
        return fail(NACRE_CORRUPT, "an entry that points into the value log has %zu bytes instead of %u",
                    entry->value.size, VALUE_POINTER_BYTES);
    }
    return tree->env->segments->values ? value_log_read(tree->env->segments->values, &pointer, value, pin)
                                       : fail(NACRE_CORRUPT, "an entry points into the value log, and there is none");
}

/* A write takes its operand's clock before it waits for its turn: so much later it is in a memtable, or was given up. */
#define OPERAND_DELAY_MS UINT64_C(60000)

uint64_t tree_expiry_clock(const struct tree *tree)
{
    uint64_t now = clock_wall_ms();
    if (!tree->takes_operands || !tree->env->oldest_operand) {
        return now;
    }
    uint64_t oldest = tree->env->oldest_operand(tree->env->context, tree->owner);
    now = now > OPERAND_DELAY_MS ? now - OPERAND_DELAY_MS : 0;
    return oldest < now ? oldest : now;
}

void tree_free(struct tree *tree)
{
    if (!tree) {
        return;
    }
    if (tree->version) {
        value_usage_version(tree->version, false);
    }
    version_unref(tree->version);
    for (size_t i = 0; i < tree->doubtful_count; i++) {
        segment_unref(tree->doubtful[i]); /* their files stay: the next opening knows what is named */
    }
    memory_free(tree->doubtful);
    buffer_free(&tree->names);
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        buffer_free(&tree->level_cursor[level]);
    }
    pthread_cond_destroy(&tree->released);
    pthread_mutex_destroy(&tree->lock);
    pthread_mutex_destroy(&tree->flush_lock);
    memory_free(tree);
}

struct version *tree_version(struct tree *tree)
{
    pthread_mutex_lock(&tree->lock);
    struct version *version = tree->version;
    version_ref(version);
    pthread_mutex_unlock(&tree->lock);
    return version;
}

bool tree_stopping(const struct tree *tree)
{
    /* Relaxed: late by a look at most. */
    return (tree->env->stop && atomic_load_explicit(tree->env->stop, memory_order_relaxed)) ||
           atomic_load_explicit(&tree->dropped, memory_order_relaxed);
}

/* ---- claims ---- */

static bool ranges_meet(const struct key_range *a, const struct key_range *b)
{
    return (a->end.size == 0 || slice_compare(b->begin, a->end) < 0) &&
           (b->end.size == 0 || slice_compare(a->begin, b->end) < 0);
}

bool claim_conflicts(const struct tree *tree, const struct claim *claim)
{
    for (const struct claim *other = tree->claims; other; other = other->next) {
        bool counts = other != claim && (other->running || other->ticket < claim->ticket);
        if (counts && claim->from <= other->to && other->from <= claim->to && claim->oldest <= other->newest &&
            other->oldest <= claim->newest && ranges_meet(&claim->range, &other->range)) {
            return true;
        }
    }
    return false;
}

void claim_add(struct tree *tree, struct claim *claim, bool running)
{
    claim->ticket = tree->next_ticket++;
    claim->running = running;
    claim->next = tree->claims;
    tree->claims = claim;
    if (running) {
        atomic_fetch_add_explicit(&tree->running, 1, memory_order_relaxed);
    }
}

void claim_remove(struct tree *tree, struct claim *claim)
{
    struct claim **at = &tree->claims;
    while (*at && *at != claim) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = claim->next;
        if (claim->running) {
            atomic_fetch_sub_explicit(&tree->running, 1, memory_order_relaxed);
        }
        pthread_cond_broadcast(&tree->released);
    }
}

/* ---- from version to version ---- */

struct step {
    struct placed *before, *after; /* after: what the new version holds; before: what the old one held */
    size_t before_count, after_count;
    struct placed *removed, *added; /* the difference */
    size_t removed_count, added_count;
    struct manifest_piece *words; /* of removed, then of added; keys borrowed */
};

static void step_free(struct step *step)
{
    memory_free(step->before);
    memory_free(step->after);
    memory_free(step->removed);
    memory_free(step->added);
    memory_free(step->words);
}

static nacre_slice placed_begin(const struct placed *p)
{
    return p->has_begin ? p->begin : buffer_slice(&p->segment->properties.smallest);
}

static bool placed_ends_before(const struct placed *p, nacre_slice key)
{
    const struct segment_properties *of = &p->segment->properties;
    if (p->has_end) {
        return slice_compare(p->end, key) <= 0;
    }
    return !of->greatest_open && slice_compare(buffer_slice(&of->greatest), key) < 0;
}

bool consumed_has(const struct consumed *consumed, const struct placed *p)
{
    const struct key_range *range = &consumed->range;
    for (size_t r = 0; r < consumed->count; r++) {
        if (consumed->runs[r].level == p->level && consumed->runs[r].id == p->run) {
            return !placed_ends_before(p, range->begin) &&
                   (range->end.size == 0 || slice_compare(placed_begin(p), range->end) < 0);
        }
    }
    return false;
}

/* What is left of a piece on both sides of the range. */
static int keep_rest(struct step *step, const struct placed *p, const struct key_range *range)
{
    int status = NACRE_OK;
    if (slice_compare(placed_begin(p), range->begin) < 0) {
        struct placed *left = &step->added[step->added_count++];
        *left = *p;
        left->has_end = true;
        left->end = range->begin;
        status = placed_estimate(left, p);
    }
    if (status == NACRE_OK && range->end.size && !placed_ends_before(p, range->end)) {
        struct placed *right = &step->added[step->added_count++];
        *right = *p;
        right->has_begin = true;
        right->begin = range->end;
        status = placed_estimate(right, p);
    }
    return status;
}

static int make_step(const struct tree *tree, const struct consumed *consumed, const struct placed *added,
                     size_t added_count, struct step *step)
{
    int status = version_placed(tree->version, 0, &step->before, &step->before_count);
    if (status != NACRE_OK) {
        return status;
    }
    size_t most = 2 * step->before_count + added_count;
    step->removed = memory_alloc(step->before_count * sizeof *step->removed + 1);
    step->added = memory_alloc(most * sizeof *step->added + 1);
    step->after = memory_alloc((step->before_count + most) * sizeof *step->after + 1);
    if (!step->removed || !step->added || !step->after) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < step->before_count && status == NACRE_OK; i++) {
        const struct placed *p = &step->before[i];
        if (consumed && consumed_has(consumed, p)) {
            step->removed[step->removed_count++] = *p;
            status = keep_rest(step, p, &consumed->range);
        } else {
            step->after[step->after_count++] = *p;
        }
    }
    for (size_t i = 0; i < added_count; i++) {
        step->added[step->added_count++] = added[i];
    }
    for (size_t i = 0; i < step->added_count; i++) {
        step->after[step->after_count++] = step->added[i];
    }
    return status;
}

static struct buffer borrowed(nacre_slice key)
{
    return (struct buffer){ .data = (uint8_t *)(uintptr_t)key.data, .size = key.size };
}

static struct manifest_piece words_of(const struct placed *p)
{
    return (struct manifest_piece){ .level = p->level,
                                    .run = p->run,
                                    .has_begin = p->has_begin,
                                    .has_end = p->has_end,
                                    .begin = borrowed(p->begin),
                                    .end = borrowed(p->end),
                                    .properties = p->segment->properties,
                                    .shadowed = p->shadowed,
                                    .hiding = p->hiding,
                                    .last_expiry_ms = p->last_expiry_ms };
}

static int write_step(struct tree *tree, struct step *step, struct manifest_edit *edit)
{
    step->words = memory_alloc((step->removed_count + step->added_count) * sizeof *step->words + 1);
    if (!step->words) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < step->removed_count; i++) {
        step->words[i] = words_of(&step->removed[i]);
    }
    for (size_t i = 0; i < step->added_count; i++) {
        step->words[step->removed_count + i] = words_of(&step->added[i]);
    }
    edit->collection = tree->collection;
    edit->remove = step->words;
    edit->remove_count = step->removed_count;
    edit->add = step->words + step->removed_count;
    edit->add_count = step->added_count;
    return manifest_commit(tree->env->manifest, edit);
}

static bool holds_segment(const struct placed *list, size_t count, const struct segment *segment)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].segment == segment) {
            return true;
        }
    }
    return false;
}

/* Invariant 2. */
static void retire_segments(const struct step *step)
{
    for (size_t i = 0; i < step->removed_count; i++) {
        if (!holds_segment(step->after, step->after_count, step->removed[i].segment)) {
            segment_mark_obsolete(step->removed[i].segment);
        }
    }
}

/* Invariant 3. Room for them was made before the commit. What was there before (a moved piece) is in no doubt. */
static void doubt(struct tree *tree, const struct step *step, const struct placed *added, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!holds_segment(step->before, step->before_count, added[i].segment)) {
            segment_ref(added[i].segment);
            tree->doubtful[tree->doubtful_count++] = added[i].segment;
        }
    }
}

static void clear_doubts(struct tree *tree)
{
    for (size_t i = 0; i < tree->doubtful_count; i++) {
        segment_mark_obsolete(tree->doubtful[i]);
        segment_unref(tree->doubtful[i]);
    }
    tree->doubtful_count = 0;
}

int tree_settle_doubts(struct tree *tree)
{
    if (tree->doubtful_count == 0) {
        return NACRE_OK;
    }
    struct manifest_edit nothing = { .collection = 0 };
    int status = manifest_commit(tree->env->manifest, &nothing);
    if (status == NACRE_OK) {
        clear_doubts(tree);
    }
    return status;
}

static void publish(struct tree *tree, struct version *version, struct memtable *flushed)
{
    struct version *old = tree->version;
    tree->version = version;
    tree_update_signals(tree);
    tree_update_index_signals(tree);
    version_ref(version);
    tree->env->publish(tree->env->context, tree->owner, version, flushed);
    version_unref(old);
}

static int make_room_for_doubts(struct tree *tree, size_t count)
{
    struct segment **more =
        memory_realloc(tree->doubtful, (tree->doubtful_count + count) * sizeof(struct segment *) + 1);
    if (!more) {
        return NACRE_NO_MEMORY;
    }
    tree->doubtful = more;
    return NACRE_OK;
}

int tree_doubt(struct tree *tree, const struct placed *list, size_t count)
{
    int status = make_room_for_doubts(tree, count);
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        segment_ref(list[i].segment);
        tree->doubtful[tree->doubtful_count++] = list[i].segment;
    }
    return status;
}

int tree_install(struct tree *tree, const struct marked_step *marked, const struct marks *marks,
                 struct manifest_edit *edit, struct memtable *flushed)
{
    const struct placed *added = marked->added;
    size_t added_count = marked->added_count;
    struct step step = { 0 };
    struct version *version = NULL;
    int status = atomic_load_explicit(&tree->dropped, memory_order_relaxed)
                     ? fail(NACRE_CANCELLED, "the collection was dropped")
                     : NACRE_OK;
    if (status == NACRE_OK) {
        status = make_room_for_doubts(tree, added_count);
    }
    if (status == NACRE_OK) {
        status = make_step(tree, marked->consumed, added, added_count, &step);
    }
    if (status == NACRE_OK) {
        marks_apply(tree, marked, marks, step.after, step.after_count);
        status = version_build(tree->kind, step.after, step.after_count, &version);
    }
    if (status == NACRE_OK) {
        status = write_step(tree, &step, edit);
        if (status != NACRE_OK) {
            doubt(tree, &step, added, added_count);
        }
    }
    if (status == NACRE_OK) {
        clear_doubts(tree);
        retire_segments(&step);
        value_usage_change(step.removed, step.removed_count, step.added, step.added_count);
        publish(tree, version, flushed);
    } else {
        version_unref(version);
    }
    step_free(&step);
    return status;
}

int tree_remark(struct tree *tree, const struct marked_step *marked, const struct marks *marks)
{
    struct placed *list = NULL;
    struct version *version = NULL;
    size_t count = 0;
    int status = version_placed(tree->version, 0, &list, &count);
    if (status == NACRE_OK) {
        marks_apply(tree, marked, marks, list, count);
        status = version_build(tree->kind, list, count, &version);
    }
    if (status == NACRE_OK) {
        publish(tree, version, NULL);
    }
    memory_free(list);
    return status;
}

void tree_stop(struct tree *tree)
{
    /* Relaxed: units that look late are waited for. */
    atomic_store_explicit(&tree->dropped, true, memory_order_relaxed);
}

int tree_drop(struct tree *tree)
{
    struct version *empty = NULL;
    tree_stop(tree);
    int status = version_build(tree->kind, &(struct placed){ 0 }, 0, &empty);
    pthread_mutex_lock(&tree->lock);
    while (atomic_load_explicit(&tree->running, memory_order_relaxed) > 0) {
        pthread_cond_wait(&tree->released, &tree->lock);
    }
    if (status == NACRE_OK) {
        for (size_t r = 0; r < tree->version->run_count; r++) {
            for (size_t i = 0; i < tree->version->runs[r].count; i++) {
                segment_mark_obsolete(tree->version->runs[r].pieces[i].segment);
            }
        }
        clear_doubts(tree);
        value_usage_version(tree->version, false);
        publish(tree, empty, NULL);
    }
    pthread_mutex_unlock(&tree->lock);
    return status;
}
