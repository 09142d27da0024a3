/* Writers of sorted entries (see ingest.h). Segments are written to their final names at once, and synced by tree_writer_finish; no manifest names them, so
   that the next opening removes those of a process that died.
   Invariants:
   1. first_key <= every key written <= last_key; segments ascend and are disjoint.
   2. every entry is a put at SEQUENCE_SETTLED.
   3. after a failure in the middle of a segment nothing is known of that segment: the writer only gives the failure again.
   One thread at a time. Locks: the tree's, for an instant, to hand over segments that the disk may name. */
#include "tree/segment_writer.h"
#include "base/memory.h"
#include "base/status.h"

/* What levels a writer writes for: those where bulk goes as a rule. */
#define LEVEL_OF_BULK 2u

int tree_writer_create(struct tree *tree, struct tree_writer **made)
{
    struct tree_writer *w = memory_zalloc(sizeof *w);
    if (!w) {
        return NACRE_NO_MEMORY;
    }
    w->tree = tree;
    output_options(tree, tree->kind->whole_runs ? 0 : LEVEL_OF_BULK, &w->options, &w->sizes);
    w->options.words.bulk = true;
    w->options.sync_later = true; /* the disk works while the next segment is made */
    *made = w;
    return NACRE_OK;
}

uint64_t tree_writer_entries(const struct tree_writer *w)
{
    return w->entries;
}

static int again(const struct tree_writer *w)
{
    return fail(w->failed, "the segment writer failed before: %s", w->detail ? w->detail : "see the first failure");
}

/* Invariant 3. */
static int end_in(struct tree_writer *w, int status)
{
    w->failed = status;
    w->detail = memory_strdup(fail_detail());
    segment_builder_abandon(w->builder);
    w->builder = NULL;
    return status;
}

static int make_room(struct tree_writer *w)
{
    if (w->count < w->capacity) {
        return NACRE_OK;
    }
    size_t more = w->capacity ? 2 * w->capacity : 8;
    struct placed *made = memory_realloc(w->made, more * sizeof *made);
    if (!made) {
        return NACRE_NO_MEMORY;
    }
    w->made = made;
    w->capacity = more;
    return NACRE_OK;
}

static int end_segment(struct tree_writer *w)
{
    int status = make_room(w);
    if (status != NACRE_OK) {
        return status; /* the builder is as it was */
    }
    struct segment_builder *builder = w->builder;
    struct placed made = { .last_expiry_ms = w->last_expiry_ms };
    w->builder = NULL; /* finish frees it, also when it fails */
    if ((status = segment_builder_finish(builder, &made.segment)) != NACRE_OK) {
        return end_in(w, status);
    }
    placed_whole(&made);
    w->made[w->count++] = made;
    w->last_expiry_ms = 0;
    return NACRE_OK;
}

int tree_writer_finish(struct tree_writer *w)
{
    if (w->failed != NACRE_OK) {
        return again(w);
    }
    int status = w->builder ? end_segment(w) : NACRE_OK;
    for (; status == NACRE_OK && w->synced < w->count; w->synced++) {
        if ((status = segment_sync(w->made[w->synced].segment)) != NACRE_OK) {
            return end_in(w, status); /* what was lost is not known, and a later sync may hide it */
        }
    }
    return status;
}

static int check_order(const struct tree_writer *w, nacre_slice key)
{
    nacre_slice last = buffer_slice(&w->last_key);
    if (__builtin_expect(w->entries == 0 || slice_compare(key, last) > 0, 1)) {
        return NACRE_OK;
    }
    char shown[SLICE_SHOWN], before[SLICE_SHOWN];
    return fail(NACRE_INVALID, "key '%s' after '%s': the keys of a segment writer ascend", slice_show(key, shown),
                slice_show(last, before));
}

static int set_key(struct buffer *to, nacre_slice key)
{
    buffer_clear(to);
    return buffer_append(to, key.data, key.size);
}

/* Room for the next entry: everything that may fail for want of memory alone. */
static int begin_entry(struct tree_writer *w, nacre_slice key, size_t value_size)
{
    int status = NACRE_OK;
    if (w->builder && output_is_full(&w->sizes, w->builder, value_size)) {
        status = end_segment(w);
    }
    if (status == NACRE_OK && w->last_key.capacity < key.size) {
        status = buffer_reserve(&w->last_key, key.size - w->last_key.size + 64);
    }
    if (status == NACRE_OK && w->entries == 0) {
        status = set_key(&w->first_key, key);
    }
    if (status == NACRE_OK && !w->builder) {
        status = segment_builder_create(w->tree->env->segments, w->tree->kind,
                                        manifest_next_segment_id(w->tree->env->manifest), &w->options, &w->builder);
    }
    return status;
}

int tree_writer_add(struct tree_writer *w, nacre_slice key, nacre_slice value, const void *vector, uint64_t expiry_ms)
{
    if (__builtin_expect(w->failed != NACRE_OK, 0)) {
        return again(w);
    }
    int status = check_order(w, key);
    if (status != NACRE_OK || (status = begin_entry(w, key, value.size)) != NACRE_OK) {
        return status;
    }
    struct entry entry = { .key = key,
                           .value = value,
                           .sequence = SEQUENCE_SETTLED,
                           .expiry_ms = expiry_ms,
                           .type = ENTRY_PUT,
                           .vector = vector };
    if ((status = segment_builder_add(w->builder, &entry)) != NACRE_OK) {
        return end_in(w, status);
    }
    memcpy(w->last_key.data, key.data, key.size);
    w->last_key.size = key.size;
    w->last_expiry_ms = expiry_ms > w->last_expiry_ms ? expiry_ms : w->last_expiry_ms;
    w->entries++;
    return NACRE_OK;
}

void tree_writer_release(struct tree_writer *w)
{
    for (size_t i = 0; i < w->count; i++) {
        segment_unref(w->made[i].segment);
    }
    w->count = w->synced = 0;
    w->entries = 0;
    w->doubtful = false;
    buffer_clear(&w->first_key);
    buffer_clear(&w->last_key);
}

/* Files that the disk may name stay until it surely does not: the tree sees to it. */
static void give_up(struct tree_writer *w)
{
    bool removed = !w->doubtful;
    if (w->doubtful && w->count > 0) {
        pthread_mutex_lock(&w->tree->lock);
        (void)tree_doubt(w->tree, w->made, w->count); /* without memory for it the next opening removes them */
        pthread_mutex_unlock(&w->tree->lock);
    }
    for (size_t i = 0; i < w->count && removed; i++) {
        segment_mark_obsolete(w->made[i].segment);
    }
    tree_writer_release(w);
}

void tree_writer_free(struct tree_writer *w)
{
    if (!w) {
        return;
    }
    segment_builder_abandon(w->builder);
    give_up(w);
    memory_free(w->made);
    memory_free(w->detail);
    buffer_free(&w->first_key);
    buffer_free(&w->last_key);
    memory_free(w);
}
