/* A tree whose versions another process makes: from what the manifest says now to a version, with the segments that are open already.

   Dead rows are nobody's to know here, as nobody joins them: keys are looked up instead.
   One thread at a time; tree.lock while the version changes hands. */
#include "base/memory.h"
#include "base/status.h"
#include "tree/tree_private.h"
#include "tree/value_moves.h"
#include <stdlib.h>

struct reload {
    struct tree *tree;
    struct placed *old, *list; /* old: by segment id */
    size_t old_count, count, known;
};

static int compare_ids(const void *left, const void *right)
{
    uint64_t a = ((const struct placed *)left)->segment->properties.id,
             b = ((const struct placed *)right)->segment->properties.id;
    return a < b ? -1 : a > b;
}

/* The first old piece of the segment, or the end. */
static size_t find_old(const struct reload *r, uint64_t id)
{
    size_t low = 0, high = r->old_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->old[middle].segment->properties.id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < r->old_count && r->old[low].segment->properties.id == id ? low : r->old_count;
}

static bool same_bound(bool has, nacre_slice bound, bool word_has, const struct buffer *word)
{
    return has == word_has && (!has || slice_equal(bound, buffer_slice(word)));
}

static bool is_piece(const struct placed *p, const struct manifest_piece *piece)
{
    return p->level == piece->level && p->run == piece->run &&
           same_bound(p->has_begin, p->begin, piece->has_begin, &piece->begin) &&
           same_bound(p->has_end, p->end, piece->has_end, &piece->end);
}

static int add_piece(struct reload *r, const struct manifest_piece *piece)
{
    struct placed *placed = &r->list[r->count];
    size_t at = find_old(r, piece->properties.id);
    struct segment *opened = at < r->old_count ? r->old[at].segment : NULL;
    for (; at < r->old_count && r->old[at].segment == opened; at++) {
        if (is_piece(&r->old[at], piece)) {
            *placed = r->old[at]; /* its estimates are made already */
            segment_ref(placed->segment);
            r->known++;
            r->count++;
            return NACRE_OK;
        }
    }
    for (size_t i = 0; i < r->count && !opened; i++) { /* several pieces of a new segment */
        opened = r->list[i].segment->properties.id == piece->properties.id ? r->list[i].segment : NULL;
    }
    int status = tree_place(r->tree, piece, opened, placed);
    r->count += status == NACRE_OK;
    return status;
}

static void forget_dead_rows(struct reload *r)
{
    for (size_t i = 0; i < r->count; i++) {
        r->list[i].dead_rows = NULL;
        r->list[i].dead_known = false;
        r->list[i].dead_unseen = 0;
    }
}

static void take_version(struct tree *tree, struct version *version)
{
    pthread_mutex_lock(&tree->lock);
    struct version *old = tree->version;
    tree->version = version;
    version_ref(version);
    value_usage_version(version, true); /* first, so that no sum is less than what it stands for */
    value_usage_version(old, false);
    pthread_mutex_unlock(&tree->lock);
    version_unref(old);
}

int tree_reload(struct tree *tree, const struct manifest_collection *words, struct version **version)
{
    struct reload r = { .tree = tree };
    *version = NULL;
    int status = version_placed(tree->version, 0, &r.old, &r.old_count);
    if (status == NACRE_OK) {
        qsort(r.old, r.old_count, sizeof *r.old, compare_ids);
        r.list = memory_alloc(words->piece_count * sizeof *r.list + 1);
        status = r.list ? NACRE_OK : NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < words->piece_count && status == NACRE_OK; i++) {
        status = add_piece(&r, &words->pieces[i]);
    }
    bool changed = r.known != r.count || r.count != r.old_count;
    if (status == NACRE_OK && changed) {
        forget_dead_rows(&r);
        status = version_build(tree->kind, r.list, r.count, version);
    }
    if (status == NACRE_OK && changed) {
        take_version(tree, *version);
    }
    for (size_t i = 0; i < r.count; i++) {
        segment_unref(r.list[i].segment);
    }
    memory_free(r.list);
    memory_free(r.old);
    return status == NACRE_OK ? NACRE_OK : fail_context(status, "collection '%s'", words->name);
}

void tree_take_indexes(struct tree *tree)
{
    struct version *version = tree_version(tree);
    for (size_t r = 0; r < version->run_count; r++) {
        for (size_t i = 0; i < version->runs[r].count; i++) {
            segment_take_index(version->runs[r].pieces[i].segment);
        }
    }
    version_unref(version);
}
