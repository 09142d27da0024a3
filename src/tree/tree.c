/* The tree: making, ending, and the steps from one version to the next (see tree_private.h for locks and the picture).
   Invariants:
   1. a version is published only after the manifest commit that says the same, both under tree.lock: their orders agree.
   2. a segment is marked obsolete only after a commit that no longer names it.
   3. outputs of a failed commit stay until the next good one: the disk may name them until then. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "tree/tree_private.h"

/* ---- making ---- */

struct opening {
    struct tree *tree;
    const struct manifest_collection *words;
    struct placed *list;
    size_t count;
};

static struct segment *opened_before(const struct opening *o, uint64_t id)
{
    for (size_t i = 0; i < o->count; i++) {
        if (o->list[i].segment->properties.id == id) {
            return o->list[i].segment;
        }
    }
    return NULL;
}

static int open_piece(struct opening *o, const struct manifest_piece *piece)
{
    struct tree *tree = o->tree;
    struct placed *placed = &o->list[o->count];
    struct segment *segment = opened_before(o, piece->properties.id);
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
    *placed = (struct placed){ .level = piece->level,
                               .run = piece->run,
                               .segment = segment,
                               .has_begin = piece->has_begin,
                               .has_end = piece->has_end,
                               .begin = buffer_slice(&piece->begin),
                               .end = buffer_slice(&piece->end) };
    o->count++;
    if (segment->properties.checksum != piece->properties.checksum) {
        return fail(NACRE_CORRUPT, "%s: checksum of its table: %016llx expected, %016llx found",
                    segment->container->path, (unsigned long long)piece->properties.checksum,
                    (unsigned long long)segment->properties.checksum);
    }
    placed_whole(placed);
    if (placed->has_begin || placed->has_end) {
        struct placed whole = *placed;
        whole.has_begin = whole.has_end = false;
        status = placed_estimate(placed, &whole);
    }
    placed->shadowed = piece->shadowed;
    placed->hiding = piece->hiding;
    placed->last_expiry_ms = piece->last_expiry_ms;
    return status;
}

static int open_version(struct tree *tree, const struct manifest_collection *words)
{
    struct opening o = { .tree = tree, .words = words };
    o.list = memory_alloc(words->piece_count * sizeof *o.list + 1);
    int status = o.list ? NACRE_OK : NACRE_NO_MEMORY;
    for (size_t i = 0; i < words->piece_count && status == NACRE_OK; i++) {
        status = open_piece(&o, &words->pieces[i]);
    }
    if (status == NACRE_OK) {
        /* Sorts the list: each entry still has the one reference that is given back below. */
        status = version_build(tree->kind, o.list, o.count, &tree->version);
    }
    for (size_t i = 0; i < o.count; i++) {
        segment_unref(o.list[i].segment);
    }
    memory_free(o.list);
    return status;
}

static int init_locks(struct tree *tree)
{
    if (pthread_mutex_init(&tree->flush_lock, NULL) == 0) {
        if (pthread_mutex_init(&tree->index_lock, NULL) == 0) {
            if (pthread_mutex_init(&tree->lock, NULL) == 0) {
                if (pthread_cond_init(&tree->released, NULL) == 0) {
                    return NACRE_OK;
                }
                pthread_mutex_destroy(&tree->lock);
            }
            pthread_mutex_destroy(&tree->index_lock);
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
    tree->next_run = words->next_run;
    int status = init_locks(tree);
    if (status != NACRE_OK) {
        memory_free(tree);
        return status;
    }
    status = open_version(tree, words);
    if (status != NACRE_OK) {
        tree_free(tree);
        return fail_context(status, "collection '%s'", words->name);
    }
    pthread_mutex_lock(&tree->lock);
    tree_update_signals(tree);
    pthread_mutex_unlock(&tree->lock);
    *created = tree;
    return NACRE_OK;
}

void tree_free(struct tree *tree)
{
    if (!tree) {
        return;
    }
    version_unref(tree->version);
    for (size_t i = 0; i < tree->doubtful_count; i++) {
        segment_unref(tree->doubtful[i]); /* their files stay: the next opening knows what is named */
    }
    memory_free(tree->doubtful);
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        buffer_free(&tree->level_cursor[level]);
    }
    pthread_cond_destroy(&tree->released);
    pthread_mutex_destroy(&tree->lock);
    pthread_mutex_destroy(&tree->index_lock);
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
        if (counts && claim->from <= other->to && other->from <= claim->to &&
            ranges_meet(&claim->range, &other->range)) {
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

static bool is_consumed(const struct placed *p, const struct consumed *consumed)
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
        if (consumed && is_consumed(p, consumed)) {
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

int tree_install(struct tree *tree, const struct consumed *consumed, const struct placed *added, size_t added_count,
                 struct manifest_edit *edit, struct memtable *flushed)
{
    struct step step = { 0 };
    struct version *version = NULL;
    int status = atomic_load_explicit(&tree->dropped, memory_order_relaxed)
                     ? fail(NACRE_CANCELLED, "the collection was dropped")
                     : NACRE_OK;
    if (status == NACRE_OK) {
        status = make_room_for_doubts(tree, added_count);
    }
    if (status == NACRE_OK) {
        status = make_step(tree, consumed, added, added_count, &step);
    }
    if (status == NACRE_OK) {
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
        publish(tree, version, flushed);
    } else {
        version_unref(version);
    }
    step_free(&step);
    return status;
}

int tree_drop(struct tree *tree)
{
    struct version *empty = NULL;
    /* Relaxed: units that look late are waited for. */
    atomic_store_explicit(&tree->dropped, true, memory_order_relaxed);
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
        publish(tree, empty, NULL);
    }
    pthread_mutex_unlock(&tree->lock);
    return status;
}
