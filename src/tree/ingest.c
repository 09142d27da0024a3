/* Taking segments in (see ingest.h).

   Where a segment goes: into the deepest level in and above which nothing overlaps it, but not deeper than the tree needs to be for what it then holds; with
   an overlap in level 0, or when a unit of work has claimed its range there, into a new run of level 0, the newest. So for every key newer data stays
   above older data: what lies beneath is older, and nothing above has any of its keys.

   The dead rows of kinds with find_dead are joined before the sequence is known, with one that is newer than all (FOR_NOW); what was so joined counts from
   the true one on (marks_settle).
   Invariants:
   1. the segments are read by nobody else until tree_install has published them: their sequence may be set until then.
   2. a piece is put into a level from 1 on only where no running claim on that level meets its range: a unit takes out whatever lies there when it
      ends.
   Locks: tree.flush_lock > tree.lock, in install alone. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "tree/dead_marks.h"
#include "tree/segment_writer.h"
#include <stdlib.h>

#define FOR_NOW        (SEQUENCE_MAX - 1)
#define HIDING_SAMPLES 63u

uint64_t tree_ingest_id(const struct tree_ingest *in, size_t segment)
{
    return in->list[segment].segment->properties.id;
}

nacre_slice tree_ingest_smallest(const struct tree_ingest *in, size_t segment)
{
    return buffer_slice(&in->list[segment].segment->properties.smallest);
}

nacre_slice tree_ingest_greatest(const struct tree_ingest *in, size_t segment)
{
    return buffer_slice(&in->list[segment].segment->properties.greatest);
}

/* ---- getting ready ---- */

static int compare_writers(const void *left, const void *right)
{
    const struct tree_writer *a = *(struct tree_writer *const *)left, *b = *(struct tree_writer *const *)right;
    return slice_compare(buffer_slice(&a->first_key), buffer_slice(&b->first_key));
}

static int order_writers(struct tree_ingest *in, struct tree_writer *const *writers, size_t count)
{
    in->writers = memory_alloc(count * sizeof(struct tree_writer *) + 1);
    if (!in->writers) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        if (writers[i]->entries > 0) {
            in->writers[in->writer_count++] = writers[i];
        }
    }
    qsort(in->writers, in->writer_count, sizeof(struct tree_writer *), compare_writers);
    for (size_t i = 1; i < in->writer_count; i++) {
        nacre_slice last = buffer_slice(&in->writers[i - 1]->last_key),
                    first = buffer_slice(&in->writers[i]->first_key);
        if (slice_compare(first, last) <= 0) {
            char one[SLICE_SHOWN], other[SLICE_SHOWN];
            return fail(NACRE_INVALID, "the writers overlap: one has keys up to '%s', another from '%s' on",
                        slice_show(last, one), slice_show(first, other));
        }
    }
    return NACRE_OK;
}

static int finish_writers(struct tree_ingest *in)
{
    int status = NACRE_OK;
    size_t segments = 0;
    for (size_t i = 0; i < in->writer_count && status == NACRE_OK; i++) {
        status = tree_writer_finish(in->writers[i]);
        segments += in->writers[i]->count;
    }
    if (status != NACRE_OK) {
        return status;
    }
    in->list = memory_alloc(segments * sizeof *in->list + 1);
    if (!in->list) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < in->writer_count; i++) {
        const struct tree_writer *w = in->writers[i];
        in->entries += w->entries;
        for (size_t k = 0; k < w->count; k++) {
            in->list[in->count++] = w->made[k];
            in->bytes += w->made[k].bytes;
        }
    }
    const struct segment_env *env = in->tree->env->segments;
    return in->count ? env->os->sync_directory(env->os->context, env->directory) : NACRE_OK;
}

/* How many of the keys older runs hold too, by samples. What cannot be read counts as none: it is an estimate. */
static uint64_t estimate_hiding(const struct version *v, const struct placed *piece)
{
    struct key_range range = { buffer_slice(&piece->segment->properties.smallest), { NULL, 0 } };
    struct buffer keys = { 0 };
    size_t made = 0, hits = 0;
    if (version_overlaps(v, 0, &range) &&
        piece->segment->kind->sample_keys(piece->segment->reader, HIDING_SAMPLES, &keys, &made) == NACRE_OK) {
        struct reader in = reader_of(buffer_slice(&keys));
        for (size_t i = 0; i < made; i++) {
            nacre_slice key = reader_slice(&in);
            struct lookup lookup = { key, hash_bytes(key.data, key.size), SEQUENCE_MAX, NULL };
            hits += version_may_have_key_from(v, 0, &lookup);
        }
    }
    buffer_free(&keys);
    return made ? (uint64_t)((double)piece->entries * (double)hits / (double)made) : 0;
}

static struct marked_step step_of(const struct tree_ingest *in)
{
    return (struct marked_step){ .added = in->list, .added_count = in->count };
}

static int give_sequence(const struct tree_ingest *in, uint64_t sequence)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < in->count && status == NACRE_OK; i++) {
        status = segment_give_sequence(in->list[i].segment, sequence);
    }
    return status;
}

/* Into level 0, for the time being. */
static void look_around(struct tree_ingest *in)
{
    struct tree *tree = in->tree;
    struct version *v = tree_version(tree);
    for (size_t i = 0; i < in->count; i++) {
        in->list[i].hiding = estimate_hiding(v, &in->list[i]);
        in->list[i].level = 0;
        in->list[i].run = UINT64_MAX; /* newer than all that is there */
    }
    version_unref(v);
    struct marked_step step = step_of(in);
    marks_make(tree, &step, in->marks);
    pthread_mutex_unlock(&tree->lock);
}

int tree_ingest_prepare(struct tree *tree, struct tree_writer *const *writers, size_t count, struct tree_ingest *in)
{
    *in = (struct tree_ingest){ .tree = tree, .marks = memory_zalloc(sizeof(struct marks)) };
    int status = in->marks ? order_writers(in, writers, count) : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        status = finish_writers(in);
    }
    if (status == NACRE_OK) {
        status = give_sequence(in, FOR_NOW);
    }
    if (status == NACRE_OK) {
        look_around(in);
    }
    return status;
}

void tree_ingest_end(struct tree_ingest *in)
{
    if (in->marks) {
        marks_free(in->marks);
    }
    memory_free(in->marks);
    memory_free(in->list);
    memory_free(in->writers);
    memset(in, 0, sizeof *in);
}

/* ---- the place; lock held ---- */

static bool overlaps_level(const struct level *level, nacre_slice smallest, nacre_slice greatest)
{
    for (size_t r = 0; r < level->count; r++) {
        size_t first, after;
        run_overlap(&level->runs[r], &(struct key_range){ smallest, { NULL, 0 } }, &first, &after);
        if (first < after && slice_compare(level->runs[r].pieces[first].begin, greatest) <= 0) {
            return true;
        }
    }
    return false;
}

/* Invariant 2. */
static bool is_claimed(const struct tree *tree, uint32_t level, nacre_slice smallest, nacre_slice greatest)
{
    for (const struct claim *c = tree->claims; c; c = c->next) {
        bool meets = slice_compare(c->range.begin, greatest) <= 0 &&
                     (c->range.end.size == 0 || slice_compare(smallest, c->range.end) < 0);
        if (c->running && meets && c->from <= level && level <= c->to) {
            return true;
        }
    }
    return false;
}

/* The deepest level that the tree needs for what it holds with so many bytes more. */
static uint32_t deepest_level(const struct tree *tree, uint64_t bytes)
{
    const struct version *v = tree->version;
    uint32_t deepest = 1;
    while (deepest + 1 < TREE_LEVELS && v->bytes + bytes > level_target(tree, deepest)) {
        deepest++;
    }
    for (uint32_t level = deepest + 1; level < TREE_LEVELS; level++) {
        deepest = v->levels[level].count ? level : deepest;
    }
    return deepest;
}

static uint32_t choose_level(const struct tree_ingest *in, size_t segment, uint32_t deepest)
{
    const struct tree *tree = in->tree;
    nacre_slice smallest = tree_ingest_smallest(in, segment), greatest = tree_ingest_greatest(in, segment);
    uint32_t chosen = 0;
    for (uint32_t level = 0; level <= deepest; level++) {
        if (overlaps_level(&tree->version->levels[level], smallest, greatest)) {
            break;
        }
        chosen = level > 0 && !is_claimed(tree, level, smallest, greatest) ? level : chosen;
    }
    return chosen;
}

static bool choose_levels(struct tree_ingest *in, uint64_t run)
{
    const struct tree *tree = in->tree;
    uint32_t deepest = tree->kind->whole_runs ? 0 : deepest_level(tree, in->bytes);
    bool any = false;
    for (size_t i = 0; i < in->count; i++) {
        in->list[i].level = choose_level(in, i, deepest);
        in->list[i].run = in->list[i].level ? 0 : run;
        any = any || in->list[i].level == 0;
    }
    return any;
}

/* ---- the step ---- */

/* An edit that failed: the tree is not to remove the segments after the next good one, as they may be tried again. The writers see to that. */
static void take_doubts(struct tree_ingest *in, size_t doubts)
{
    struct tree *tree = in->tree;
    bool doubtful = tree->doubtful_count > doubts;
    while (tree->doubtful_count > doubts) {
        segment_unref(tree->doubtful[--tree->doubtful_count]);
    }
    for (size_t i = 0; i < in->writer_count; i++) {
        in->writers[i]->doubtful = in->writers[i]->doubtful || doubtful;
    }
}

/* lock held. */
static int install(struct tree_ingest *in, uint64_t sequence)
{
    struct tree *tree = in->tree;
    struct manifest_edit edit = { .has_last_sequence = true, .last_sequence = sequence };
    struct marked_step step = step_of(in);
    uint64_t run = tree->next_run;
    size_t doubts = tree->doubtful_count;
    edit.has_next_run = choose_levels(in, run);
    edit.next_run = run + 1;
    int status = tree_install(tree, &step, in->marks, &edit, NULL);
    if (status == NACRE_OK && edit.has_next_run) {
        tree->next_run = run + 1;
    }
    if (status != NACRE_OK) {
        take_doubts(in, doubts);
    }
    return status;
}

int tree_ingest_install(struct tree_ingest *in, uint64_t sequence)
{
    struct tree *tree = in->tree;
    if (in->count == 0) {
        return NACRE_OK;
    }
    pthread_mutex_lock(&tree->flush_lock);
    int status = give_sequence(in, sequence);
    if (status == NACRE_OK) {
        struct marked_step step = step_of(in);
        marks_settle(in->marks, FOR_NOW, sequence);
        marks_make(tree, &step, in->marks); /* only what came in between */
        status = tree_settle_doubts(tree);
        if (status == NACRE_OK) {
            status = install(in, sequence);
        }
        pthread_mutex_unlock(&tree->lock);
    }
    pthread_mutex_unlock(&tree->flush_lock);
    if (status != NACRE_OK) {
        return fail_context(status, "taking segments into collection %u", tree->collection);
    }
    for (size_t i = 0; i < in->writer_count; i++) {
        tree_writer_release(in->writers[i]);
    }
    if (tree->env->index_wanted && (tree_wants_prepare(tree) || tree_wants_index(tree))) {
        tree->env->index_wanted(tree->env->context, tree->owner);
    }
    return NACRE_OK;
}
