/* Segments of which no manifest tells how they lie above each other (salvage.h): merged into one run, by sequences alone, every version kept but those that a
   range delete hides. Range deletes are not written on: there is nothing else that they could hide, and an entry of the run that a merge settles later would
   lose the sequence by which it is newer than one.

   Of one key and sequence one version is kept, of the newest segment. What was merged is taken away from the new store. One thread. */
#include "base/memory.h"
#include "base/status.h"
#include "store/salvage.h"
#include "tree/merge_cursor.h"

#define OUTPUT_BYTES ((uint64_t)64 << 20)
#define RUN          1u /* what becomes of them */

/* The keys [begin, end) of another cursor, forward only. */
struct bounded_cursor {
    struct cursor base;
    struct cursor *inner;
    const struct manifest_piece *piece; /* NULL: no bounds */
};

static void show(struct bounded_cursor *c)
{
    const struct manifest_piece *p = c->piece;
    c->base.valid =
        c->inner->valid && !(p && p->has_end && slice_compare(c->inner->entry.key, buffer_slice(&p->end)) >= 0);
    c->base.status = c->inner->status;
    c->base.entry = c->inner->entry;
}

static void bounded_first(struct cursor *base)
{
    struct bounded_cursor *c = (struct bounded_cursor *)base;
    if (c->piece && c->piece->has_begin) {
        cursor_seek(c->inner, buffer_slice(&c->piece->begin));
    } else {
        cursor_first(c->inner);
    }
    show(c);
}

static void bounded_next(struct cursor *base)
{
    struct bounded_cursor *c = (struct bounded_cursor *)base;
    cursor_next(c->inner);
    show(c);
}

static void bounded_close(struct cursor *base)
{
    struct bounded_cursor *c = (struct bounded_cursor *)base;
    cursor_close(c->inner);
    memory_free(c);
}

static const struct cursor_ops bounded_ops = { .first = bounded_first, .next = bounded_next, .close = bounded_close };

struct merging {
    struct salvage *salvage;
    struct manifest_collection *collection;
    const struct kind *kind;
    struct segment **inputs;  /* the newest first; counted */
    struct cursor **children; /* until the merge takes them over */
    size_t input_count, child_count;
    struct range_set *ranges; /* of all inputs */
    struct cursor *merged;
    struct segment_builder *builder;
    struct manifest_piece *pieces; /* what becomes the collection's */
    size_t piece_count, piece_capacity;
};

/* ---- inputs ---- */

static int add_child(struct merging *m, struct segment *segment, const struct manifest_piece *piece)
{
    struct bounded_cursor *c = memory_zalloc(sizeof *c);
    if (!c) {
        return NACRE_NO_MEMORY;
    }
    c->base.ops = &bounded_ops;
    c->piece = piece;
    int status = m->kind->cursor_create(segment->reader, &c->inner);
    if (status != NACRE_OK) {
        memory_free(c);
        return status;
    }
    m->children[m->child_count++] = &c->base;
    return NACRE_OK;
}

/* A child for each piece of the segment; one without bounds where no piece is known. */
static int add_children(struct merging *m, struct segment *segment)
{
    bool known = false;
    int status = NACRE_OK;
    for (size_t i = 0; i < m->collection->piece_count && status == NACRE_OK; i++) {
        const struct manifest_piece *piece = &m->collection->pieces[i];
        if (piece->properties.id == segment->properties.id) {
            known = true;
            status = add_child(m, segment, piece);
        }
    }
    return status == NACRE_OK && !known ? add_child(m, segment, NULL) : status;
}

/* Segments are listed in the order of their pieces, then strays: ids say which is newer. */
static int open_inputs(struct merging *m)
{
    struct salvage *s = m->salvage;
    int status = NACRE_OK;
    m->inputs = memory_zalloc((s->segment_count + 1) * sizeof *m->inputs);
    m->children = memory_zalloc((s->segment_count + m->collection->piece_count + 1) * sizeof *m->children);
    if (!m->inputs || !m->children) {
        return NACRE_NO_MEMORY;
    }
    for (uint64_t below = UINT64_MAX; status == NACRE_OK;) {
        const struct salvaged_segment *newest = NULL;
        for (size_t i = 0; i < s->segment_count; i++) {
            const struct salvaged_segment *at = &s->segments[i];
            bool wanted = at->collection == m->collection->id && at->id < below &&
                          (at->how == SALVAGED_SOUND || at->how == SALVAGED_REBUILT);
            newest = wanted && (!newest || at->id > newest->id) ? at : newest;
        }
        if (!newest) {
            return NACRE_OK;
        }
        below = newest->id;
        struct segment *segment = NULL;
        uint64_t given = newest->given;
        status = segment_open(&s->target, m->kind, newest->id, 0, &segment);
        if (status == NACRE_OK) {
            m->inputs[m->input_count++] = segment;
            status = given ? segment_give_sequence(segment, given) : NACRE_OK;
        }
        if (status == NACRE_OK) {
            status = add_children(m, segment);
        }
    }
    return status;
}

static int collect_ranges(struct merging *m)
{
    size_t count = 0;
    for (size_t i = 0; i < m->input_count; i++) {
        count += range_set_count(m->inputs[i]->ranges);
    }
    struct range_delete *list = memory_alloc(count * sizeof *list + 1);
    if (!list) {
        return NACRE_NO_MEMORY;
    }
    count = 0;
    for (size_t i = 0; i < m->input_count; i++) {
        for (size_t j = 0; j < range_set_count(m->inputs[i]->ranges); j++) {
            list[count++] = range_set_at(m->inputs[i]->ranges, j);
        }
    }
    int status = range_set_create(list, count, &m->ranges);
    memory_free(list);
    return status;
}

static bool is_hidden(const struct merging *m, const struct entry *e)
{
    return range_set_covering(m->ranges, e->key, SEQUENCE_MAX, NULL) > e->sequence;
}

/* ---- outputs ---- */

static int begin_output(struct merging *m)
{
    struct build_options options = { .compression = COMPRESSION_LZ4,
                                     .collection = m->collection->id,
                                     .words = salvage_words_for(m->salvage, m->collection->id, false),
                                     .dimension = m->collection->dimension,
                                     .metric = (nacre_metric)m->collection->metric };
    return segment_builder_create(&m->salvage->target, m->kind, m->salvage->next_segment++, &options, &m->builder);
}

static int end_output(struct merging *m)
{
    struct segment *made = NULL;
    int status = segment_builder_finish(m->builder, &made);
    m->builder = NULL;
    if (status == NACRE_OK) {
        status = memory_grow((void **)&m->pieces, &m->piece_capacity, m->piece_count + 1, sizeof *m->pieces);
    }
    if (status == NACRE_OK) {
        struct manifest_piece *piece = &m->pieces[m->piece_count];
        *piece = (struct manifest_piece){ .run = RUN };
        status = segment_properties_copy(&made->properties, &piece->properties);
        m->piece_count += status == NACRE_OK;
    }
    segment_unref(made);
    return status;
}

/* Outputs are cut between two keys. */
static int write_entries(struct merging *m)
{
    struct buffer key = { 0 };
    uint64_t sequence = 0, newest = 0;
    int status = NACRE_OK;
    for (cursor_first(m->merged); m->merged->valid && status == NACRE_OK; cursor_next(m->merged)) {
        const struct entry *e = &m->merged->entry;
        if (is_hidden(m, e)) {
            continue;
        }
        bool same = m->builder && slice_equal(e->key, buffer_slice(&key));
        if (same && e->sequence == sequence) {
            /* Of an older version nobody sees which one it was. */
            status = newest == sequence ? salvage_note_doubt(m->salvage, m->collection, e->key) : NACRE_OK;
            continue;
        }
        if (m->builder && !same && segment_builder_bytes(m->builder) >= OUTPUT_BYTES) {
            status = end_output(m);
        }
        if (status == NACRE_OK && !m->builder) {
            status = begin_output(m);
        }
        if (status == NACRE_OK) {
            status = segment_builder_add(m->builder, e);
        }
        if (status == NACRE_OK && !same) {
            buffer_clear(&key);
            status = buffer_append(&key, e->key.data, e->key.size);
        }
        sequence = e->sequence;
        newest = same ? newest : sequence;
    }
    status = status == NACRE_OK ? m->merged->status : status;
    buffer_free(&key);
    return status == NACRE_OK && m->builder ? end_output(m) : status;
}

/* ---- */

static void free_pieces(struct manifest_piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buffer_free(&pieces[i].begin);
        buffer_free(&pieces[i].end);
        segment_properties_free(&pieces[i].properties);
    }
    memory_free(pieces);
}

static void end_merge(struct merging *m, int status)
{
    cursor_close(m->merged);
    for (size_t i = 0; i < m->child_count; i++) {
        cursor_close(m->children[i]);
    }
    segment_builder_abandon(m->builder);
    range_set_free(m->ranges);
    for (size_t i = 0; i < m->input_count; i++) {
        uint64_t id = m->inputs[i]->properties.id;
        segment_unref(m->inputs[i]);
        if (status == NACRE_OK) {
            (void)segment_remove_files(&m->salvage->target,
                                       id); /* else the next opening does, as the manifest does not name it */
        }
    }
    memory_free(m->inputs);
    memory_free(m->children);
    struct manifest_collection *c = m->collection;
    if (status == NACRE_OK) {
        free_pieces(c->pieces, c->piece_count);
        c->pieces = m->pieces;
        c->piece_count = m->piece_count;
        c->piece_capacity = m->piece_capacity;
        c->next_run = RUN + 1;
    } else {
        free_pieces(m->pieces, m->piece_count);
    }
}

int salvage_merge_collection(struct salvage *s, struct manifest_collection *c)
{
    struct merging m = { .salvage = s, .collection = c, .kind = store_kind(c->kind) };
    int status = m.kind ? open_inputs(&m) : NACRE_OK;
    if (status == NACRE_OK) {
        status = collect_ranges(&m);
    }
    if (status == NACRE_OK && m.child_count) {
        size_t count = m.child_count;
        m.child_count = 0; /* taken over */
        status = merge_cursor_create(m.children, count, &m.merged);
        if (status == NACRE_OK) {
            status = write_entries(&m);
        }
    }
    end_merge(&m, status);
    return status;
}
