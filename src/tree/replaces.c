/* What replaces what (see replaces.h): the inputs, in the range of the output; of segments that were cut before, the ranges that no piece holds; and segments
   whose files wait for their removal.

   All but the first is known from a version that the manifest has, so it is true whatever becomes of the output; the first is true as soon as the output is whole, whether
   or not an edit ever names it: it has all that its inputs have there.
   Where a merge leaves nothing of a range, it is the next output of the collection that says so. */
#include "tree/replaces.h"
#include "base/memory.h"
#include "base/status.h"
#include <stdlib.h>

static int by_segment_and_begin(const void *a, const void *b)
{
    const struct placed *l = a, *r = b;
    uint64_t left = l->segment->properties.id, right = r->segment->properties.id;
    if (left != right) {
        return left < right ? -1 : 1;
    }
    return l->has_begin && r->has_begin ? slice_compare(l->begin, r->begin) : l->has_begin - r->has_begin;
}

static int say_dead(const struct placed *p, nacre_slice begin, nacre_slice end, struct buffer *groups)
{
    return replaced_encode(false, begin, end, &p->segment->properties.id, 1, groups);
}

static bool is_past_end(const struct placed *p, nacre_slice key)
{
    const struct segment_properties *of = &p->segment->properties;
    return !of->greatest_open && slice_compare(key, buffer_slice(&of->greatest)) > 0;
}

/* The ranges of one segment that none of its pieces, which ascend, holds. */
static int say_gaps(const struct placed *pieces, size_t count, struct buffer *groups)
{
    const nacre_slice open = slice_of(NULL, 0);
    nacre_slice at = open; /* the end of the piece before */
    int status = NACRE_OK;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        const struct placed *p = &pieces[i];
        if (p->has_begin && (i == 0 || slice_compare(at, p->begin) < 0)) {
            status = say_dead(p, at, p->begin, groups);
        }
        if (!p->has_end) {
            return status;
        }
        at = p->end;
    }
    return status == NACRE_OK && !is_past_end(pieces, at) ? say_dead(pieces, at, open, groups) : status;
}

static int say_cuts(const struct version *version, struct buffer *groups)
{
    struct placed *list;
    size_t count, kept = 0, after;
    int status = version_placed(version, 0, &list, &count);
    if (status != NACRE_OK) {
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        if (list[i].has_begin || list[i].has_end) {
            list[kept++] = list[i]; /* whole ones have one piece */
        }
    }
    if (kept > 1) {
        qsort(list, kept, sizeof *list, by_segment_and_begin);
    }
    for (size_t i = 0; i < kept && status == NACRE_OK; i = after) {
        for (after = i + 1; after < kept && list[after].segment == list[i].segment; after++) {}
        status = say_gaps(&list[i], after - i, groups);
    }
    memory_free(list);
    return status;
}

int replaces_encode(struct tree *tree, nacre_slice from, nacre_slice to, const uint64_t *inputs, size_t count,
                    struct buffer *groups)
{
    int status = count ? replaced_encode(true, from, to, inputs, count, groups) : NACRE_OK;
    pthread_mutex_lock(&tree->lock);
    struct version *version = tree->version;
    version_ref(version);
    pthread_mutex_unlock(&tree->lock);
    if (status == NACRE_OK) {
        status = say_cuts(version, groups);
    }
    version_unref(version);
    return status == NACRE_OK ? gone_list_encode(tree->env->segments->gone, tree->collection, groups) : status;
}
