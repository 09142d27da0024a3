/* Segments of which no manifest tells how they lie above each other (salvage.h): merged into one run, by sequences alone, without what segments say was replaced (salvage_replaced.c), every version kept but those that a
   range delete hides. Range deletes are not written on: there is nothing else that they could hide, and an entry of the run that a merge settles later would
   lose the sequence by which it is newer than one.

   Of one key and sequence one version is kept, of the newest segment. What was merged is taken away from the new store. One thread. */
#include "base/memory.h"
#include "base/status.h"
#include "store/salvage.h"
#include "tree/merge_cursor.h"

#define OUTPUT_BYTES ((uint64_t)64 << 20)
#define RUN          1u /* what becomes of them */

/* What is to be read of a segment: of another cursor the keys [begin, end) without some ranges, forward only. */
struct bounded_cursor {
    struct cursor base;
    struct cursor *inner;
    const struct manifest_piece *piece; /* NULL: no bounds */
    const struct dead_range *dead;      /* those that are not over yet */
    size_t dead_count;
};

static bool is_past(const struct bounded_cursor *c, nacre_slice key)
{
    return c->piece && c->piece->has_end && slice_compare(key, buffer_slice(&c->piece->end)) >= 0;
}

/* Steps over ranges that are not to be read. False: the rest is none. */
static bool leave_dead(struct bounded_cursor *c)
{
    while (c->inner->valid && c->dead_count > 0) {
        nacre_slice key = c->inner->entry.key, end = c->dead->end;
        if (slice_compare(key, c->dead->begin) < 0) {
            return true;
        }
        if (end.size == 0) {
            return false;
        }
        if (slice_compare(key, end) < 0) {
            cursor_seek(c->inner, end);
        }
        c->dead++;
        c->dead_count--;
    }
    return c->inner->valid;
}

static void show(struct bounded_cursor *c)
{
    bool any = leave_dead(c);
    c->base.valid = any && !is_past(c, c->inner->entry.key);
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

struct merge_input {
    struct segment *segment; /* counted */
    struct dead_range *dead;
    size_t dead_count;
};

struct merging {
    struct salvage *salvage;
    struct manifest_collection *collection;
    const struct kind *kind;
    struct merge_input *inputs; /* the newest first */
    struct cursor **children;   /* until the merge takes them over */
    size_t input_count, child_count;
    struct range_set *ranges; /* of all inputs */
    struct cursor *merged;
    struct segment_builder *builder;
    uint64_t shadowed, last_expiry_ms; /* of what is being built, for its piece */
    struct manifest_piece *pieces;     /* what becomes the collection's */
    size_t piece_count, piece_capacity;
};

/* ---- inputs ---- */

static int add_child(struct merging *m, const struct merge_input *input, const struct manifest_piece *piece)
{
    struct bounded_cursor *c = memory_zalloc(sizeof *c);
    if (!c) {
        return NACRE_NO_MEMORY;
    }
    c->base.ops = &bounded_ops;
    c->piece = piece;
    c->dead = input->dead;
    c->dead_count = input->dead_count;
    int status = m->kind->cursor_create(input->segment->reader, &c->inner);
    if (status != NACRE_OK) {
        memory_free(c);
        return status;
    }
    m->children[m->child_count++] = &c->base;
    return NACRE_OK;
}

/* A child for each piece of the segment; one without bounds where no piece is known. */
static int add_children(struct merging *m, const struct merge_input *input)
{
    bool known = false;
    int status = NACRE_OK;
    for (size_t i = 0; i < m->collection->piece_count && status == NACRE_OK; i++) {
        const struct manifest_piece *piece = &m->collection->pieces[i];
        if (piece->properties.id == input->segment->properties.id) {
            known = true;
            status = add_child(m, input, piece);
        }
    }
    return status == NACRE_OK && !known ? add_child(m, input, NULL) : status;
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
        struct merge_input *input = &m->inputs[m->input_count];
        uint64_t given = newest->given;
        status = segment_open(&s->target, m->kind, newest->id, 0, &input->segment);
        if (status == NACRE_OK) {
            m->input_count++;
            status = given ? segment_give_sequence(input->segment, given) : NACRE_OK;
        }
        if (status == NACRE_OK) {
            status = salvage_dead_ranges(s, newest->id, &input->dead, &input->dead_count);
        }
        if (status == NACRE_OK) {
            status = add_children(m, input);
        }
    }
    return status;
}

struct range_list {
    struct range_delete *items;
    size_t count, capacity;
};

static int add_range(struct range_list *list, const struct range_delete *range)
{
    void *items = list->items;
    int status = memory_grow(&items, &list->capacity, list->count + 1, sizeof *list->items);
    list->items = items;
    if (status == NACRE_OK) {
        list->items[list->count++] = *range;
    }
    return status;
}

static bool begins_before(nacre_slice begin, nacre_slice end)
{
    return end.size == 0 || slice_compare(begin, end) < 0;
}

/* What is left of a range delete outside of the ranges that are not to be read. */
static int add_live_parts(struct range_list *list, const struct merge_input *input, struct range_delete range)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < input->dead_count && status == NACRE_OK; i++) {
        const struct dead_range *dead = &input->dead[i];
        if (!begins_before(dead->begin, range.end)) {
            break;
        }
        struct range_delete left = { range.begin, dead->begin, range.sequence };
        if (slice_compare(left.begin, left.end) < 0) {
            status = add_range(list, &left);
        }
        if (dead->end.size == 0) {
            return status;
        }
        range.begin = slice_compare(range.begin, dead->end) < 0 ? dead->end : range.begin;
    }
    return status == NACRE_OK && begins_before(range.begin, range.end) ? add_range(list, &range) : status;
}

static int collect_ranges(struct merging *m)
{
    struct range_list list = { 0 };
    int status = NACRE_OK;
    for (size_t i = 0; i < m->input_count; i++) {
        const struct range_set *ranges = m->inputs[i].segment->ranges;
        for (size_t j = 0; j < range_set_count(ranges) && status == NACRE_OK; j++) {
            status = add_live_parts(&list, &m->inputs[i], range_set_at(ranges, j));
        }
    }
    if (status == NACRE_OK) {
        status = range_set_create(list.items, list.count, &m->ranges);
    }
    memory_free(list.items);
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
    m->shadowed = m->last_expiry_ms = 0;
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
        *piece = (struct manifest_piece){ .run = RUN, .shadowed = m->shadowed, .last_expiry_ms = m->last_expiry_ms };
        status = segment_properties_copy(&made->properties, &piece->properties);
        m->piece_count += status == NACRE_OK;
    }
    segment_unref(made);
    return status;
}

/* What was written last. */
struct written {
    struct buffer key;
    uint64_t sequence, newest; /* of its last version, and its newest one */
    uint8_t type;              /* of its last version */
    bool deleted;              /* by the newest one */
};

/* The key may have another newest version. What shows, and is not settled, is named at the end (salvage_find_stale). */
static int doubt(struct merging *m, const struct written *last, bool same, nacre_slice key)
{
    bool shows = same && !last->deleted && last->newest > SEQUENCE_SETTLED;
    return shows ? NACRE_OK : salvage_note_doubt(m->salvage, m->collection, key);
}

static bool is_same(const struct merging *m, const struct written *last, nacre_slice key)
{
    return m->builder && slice_equal(key, buffer_slice(&last->key));
}

static int write_entry(struct merging *m, const struct entry *e, struct written *last)
{
    bool same = is_same(m, last, e->key);
    if (same && e->sequence == last->sequence) {
        /* Of an older version nobody sees which one it was. */
        return last->newest == e->sequence ? doubt(m, last, same, e->key) : NACRE_OK;
    }
    int status = same && e->sequence == SEQUENCE_SETTLED ? doubt(m, last, same, e->key) : NACRE_OK;
    if (status == NACRE_OK && m->builder && !same && segment_builder_bytes(m->builder) >= OUTPUT_BYTES) {
        status = end_output(m);
    }
    if (status == NACRE_OK && !m->builder) {
        status = begin_output(m);
    }
    if (status == NACRE_OK) {
        status = segment_builder_add(m->builder, e);
    }
    if (status == NACRE_OK && !same) {
        buffer_clear(&last->key);
        status = buffer_append(&last->key, e->key.data, e->key.size);
    }
    m->shadowed += same && last->type != ENTRY_MERGE;
    m->last_expiry_ms = e->expiry_ms > m->last_expiry_ms ? e->expiry_ms : m->last_expiry_ms;
    last->type = e->type;
    last->sequence = e->sequence;
    last->newest = same ? last->newest : e->sequence;
    last->deleted = same ? last->deleted : e->type == ENTRY_DELETE;
    return status;
}

/* Outputs are cut between two keys. */
static int write_entries(struct merging *m)
{
    struct written last = { .key = { 0 } };
    int status = NACRE_OK;
    for (cursor_first(m->merged); m->merged->valid && status == NACRE_OK; cursor_next(m->merged)) {
        const struct entry *e = &m->merged->entry;
        if (!is_hidden(m, e)) {
            status = write_entry(m, e, &last);
        } else if (e->sequence == SEQUENCE_SETTLED) {
            status = doubt(m, &last, is_same(m, &last, e->key), e->key);
        }
    }
    status = status == NACRE_OK ? m->merged->status : status;
    buffer_free(&last.key);
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
        uint64_t id = m->inputs[i].segment->properties.id;
        segment_unref(m->inputs[i].segment);
        memory_free(m->inputs[i].dead);
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
