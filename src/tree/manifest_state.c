/* What the manifest says, in memory, and how an edit changes it: made ready first, where it may fail, then applied, where it cannot.
   No locks: the owner serialises. */
#include "base/memory.h"
#include "base/status.h"
#include "tree/manifest_format.h"
#include <stdlib.h>

static void free_piece(struct manifest_piece *piece)
{
    buffer_free(&piece->begin);
    buffer_free(&piece->end);
    segment_properties_free(&piece->properties);
}

static int copy_buffer(const struct buffer *from, struct buffer *to)
{
    *to = (struct buffer){ 0 };
    return buffer_append(to, from->data, from->size);
}

static int copy_piece(const struct manifest_piece *from, struct manifest_piece *to)
{
    *to = *from;
    to->begin = to->end = (struct buffer){ 0 };
    int status = segment_properties_copy(&from->properties, &to->properties);
    if (status == NACRE_OK) {
        status = copy_buffer(&from->begin, &to->begin);
    }
    if (status == NACRE_OK) {
        status = copy_buffer(&from->end, &to->end);
    }
    if (status != NACRE_OK) {
        free_piece(to);
    }
    return status;
}

static void free_names(struct manifest_collection *c)
{
    memory_free(c->name);
    memory_free(c->merge_operator);
    memory_free(c->compaction_filter);
}

/* `to` gets texts of its own. On failure it has those that were made, for free_names. */
static int copy_names(const struct manifest_collection *from, struct manifest_collection *to)
{
    to->name = memory_strdup(from->name);
    to->merge_operator = from->merge_operator ? memory_strdup(from->merge_operator) : NULL;
    to->compaction_filter = from->compaction_filter ? memory_strdup(from->compaction_filter) : NULL;
    bool all = to->name && (to->merge_operator || !from->merge_operator) &&
               (to->compaction_filter || !from->compaction_filter);
    return all ? NACRE_OK : NACRE_NO_MEMORY;
}

static void free_collection(struct manifest_collection *c)
{
    for (size_t i = 0; i < c->piece_count; i++) {
        free_piece(&c->pieces[i]);
    }
    memory_free(c->pieces);
    free_names(c);
    memset(c, 0, sizeof *c);
}

void manifest_state_free(struct manifest_state *state)
{
    for (size_t i = 0; i < state->collection_count; i++) {
        free_collection(&state->collections[i]);
    }
    memory_free(state->collections);
    memset(state, 0, sizeof *state);
}

static int copy_collection(const struct manifest_collection *from, struct manifest_collection *to)
{
    *to = *from;
    to->piece_count = 0;
    to->piece_capacity = from->piece_count;
    to->pieces = memory_alloc(from->piece_count * sizeof *to->pieces + 1);
    int status = copy_names(from, to);
    status = to->pieces ? status : NACRE_NO_MEMORY;
    for (size_t i = 0; i < from->piece_count && status == NACRE_OK; i++) {
        status = copy_piece(&from->pieces[i], &to->pieces[i]);
        to->piece_count += status == NACRE_OK;
    }
    if (status != NACRE_OK) {
        free_collection(to);
    }
    return status;
}

int manifest_state_copy(const struct manifest_state *from, struct manifest_state *to)
{
    *to = *from;
    to->collection_count = 0;
    to->collections = memory_alloc(from->collection_count * sizeof *to->collections + 1);
    int status = to->collections ? NACRE_OK : NACRE_NO_MEMORY;
    for (size_t i = 0; i < from->collection_count && status == NACRE_OK; i++) {
        status = copy_collection(&from->collections[i], &to->collections[i]);
        to->collection_count += status == NACRE_OK;
    }
    if (status != NACRE_OK) {
        manifest_state_free(to);
    }
    return status;
}

/* ---- edits ---- */

static bool same_bound(bool has_a, const struct buffer *a, bool has_b, const struct buffer *b)
{
    return has_a == has_b && (!has_a || slice_equal(buffer_slice(a), buffer_slice(b)));
}

static bool same_place(const struct manifest_piece *a, const struct manifest_piece *b)
{
    return a->properties.id == b->properties.id && a->level == b->level &&
           same_bound(a->has_begin, &a->begin, b->has_begin, &b->begin) &&
           same_bound(a->has_end, &a->end, b->has_end, &b->end);
}

static int mark_removed(const struct manifest_collection *c, const struct manifest_piece *piece, bool *removed)
{
    for (size_t i = 0; i < c->piece_count; i++) {
        if (!removed[i] && same_place(&c->pieces[i], piece)) {
            removed[i] = true;
            return NACRE_OK;
        }
    }
    return fail(NACRE_CORRUPT,
                "collection %u: an edit removes a piece of segment %llu from level %u, which does not hold it", c->id,
                (unsigned long long)piece->properties.id, piece->level);
}

static int check_added(const struct manifest_piece *piece)
{
    nacre_slice begin = buffer_slice(&piece->begin), end = buffer_slice(&piece->end);
    nacre_slice smallest = buffer_slice(&piece->properties.smallest),
                greatest = buffer_slice(&piece->properties.greatest);
    bool fits = piece->level < MANIFEST_LEVELS &&
                (piece->properties.greatest_open || slice_compare(smallest, greatest) <= 0) &&
                (!piece->has_begin || !piece->has_end || slice_compare(begin, end) < 0);
    return fits ? NACRE_OK
                : fail(NACRE_CORRUPT, "an edit adds a piece of segment %llu to level %u whose bounds are not in order",
                       (unsigned long long)piece->properties.id, piece->level);
}

/* Room for the added ones is made in the collection itself, which stays as it is else: so an edit costs what it changes, not what is there. */
static int prepare_pieces(struct manifest_collection *c, const struct manifest_edit *edit,
                          struct manifest_change *change)
{
    void *pieces = c->pieces;
    int status = memory_grow(&pieces, &c->piece_capacity, c->piece_count + edit->add_count, sizeof *c->pieces);
    c->pieces = pieces;
    if (status == NACRE_OK && edit->remove_count > 0 && !(change->removed = memory_zalloc(c->piece_count + 1))) {
        status = NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < edit->remove_count && status == NACRE_OK; i++) {
        status = mark_removed(c, &edit->remove[i], change->removed);
    }
    if (status == NACRE_OK && !(change->added = memory_alloc(edit->add_count * sizeof *change->added + 1))) {
        status = NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < edit->add_count && status == NACRE_OK; i++) {
        status = check_added(&edit->add[i]);
        if (status == NACRE_OK) {
            status = copy_piece(&edit->add[i], &change->added[i]);
            change->added_count += status == NACRE_OK;
        }
    }
    return status;
}

static int prepare_create(struct manifest_state *state, const struct manifest_edit *edit,
                          struct manifest_change *change)
{
    struct manifest_collection *more = memory_realloc(state->collections, (state->collection_count + 1) * sizeof *more);
    if (!more) {
        return NACRE_NO_MEMORY;
    }
    state->collections = more;
    change->creates = true;
    change->fresh = *edit->create;
    change->fresh.id = edit->collection;
    change->fresh.pieces = NULL;
    change->fresh.piece_count = change->fresh.piece_capacity = 0;
    return copy_names(edit->create, &change->fresh);
}

int manifest_change_prepare(struct manifest_state *state, const struct manifest_edit *edit,
                            struct manifest_change *change)
{
    memset(change, 0, sizeof *change);
    change->slot = state->collection_count;
    for (size_t i = 0; i < state->collection_count && edit->collection; i++) {
        if (state->collections[i].id == edit->collection) {
            change->slot = i;
        }
    }
    bool known = change->slot < state->collection_count;
    int status = NACRE_OK;
    if (edit->collection && known == (edit->create != NULL)) {
        return fail(known ? NACRE_EXISTS : NACRE_NOT_FOUND, "an edit %s collection %u, which %s",
                    known ? "creates" : "changes", edit->collection, known ? "exists" : "does not exist");
    }
    if (edit->create) {
        status = prepare_create(state, edit, change);
    }
    if (status == NACRE_OK && (edit->remove_count || edit->add_count)) {
        status = prepare_pieces(edit->create ? &change->fresh : &state->collections[change->slot], edit, change);
    }
    if (status != NACRE_OK) {
        manifest_change_discard(change);
    }
    return status;
}

void manifest_change_discard(struct manifest_change *change)
{
    for (size_t i = 0; i < change->added_count; i++) {
        free_piece(&change->added[i]);
    }
    memory_free(change->added);
    memory_free(change->removed);
    if (change->creates) {
        memory_free(change->fresh.pieces);
        free_names(&change->fresh);
    }
    memset(change, 0, sizeof *change);
}

/* The added ones go behind those that stay. */
static void apply_pieces(struct manifest_collection *c, struct manifest_change *change)
{
    size_t kept = 0;
    for (size_t i = 0; change->removed && i < c->piece_count; i++) {
        if (change->removed[i]) {
            free_piece(&c->pieces[i]);
        } else {
            c->pieces[kept++] = c->pieces[i];
        }
    }
    c->piece_count = change->removed ? kept : c->piece_count;
    for (size_t i = 0; i < change->added_count; i++) {
        c->pieces[c->piece_count++] = change->added[i];
    }
    memory_free(change->added);
    memory_free(change->removed);
}

static void apply_numbers(struct manifest_state *state, const struct manifest_edit *edit)
{
    /* Flushes of several collections commit in any order: what is in segments only grows. */
    if (edit->has_last_sequence && edit->last_sequence > state->last_sequence) {
        state->last_sequence = edit->last_sequence;
    }
    if (edit->has_clean_log_end) {
        state->clean_log_end = edit->clean_log_end;
    }
    if (edit->has_opening) {
        state->opening = edit->opening;
    }
    if (edit->has_next_log_file) {
        state->next_log_file = edit->next_log_file;
    }
    if (edit->has_next_collection && edit->next_collection > state->next_collection) {
        state->next_collection = edit->next_collection;
    }
}

void manifest_change_apply(struct manifest_state *state, const struct manifest_edit *edit,
                           struct manifest_change *change)
{
    apply_numbers(state, edit);
    if (!edit->collection) {
        return;
    }
    if (change->creates) {
        state->collections[state->collection_count++] = change->fresh;
        if (edit->collection >= state->next_collection) {
            state->next_collection = edit->collection + 1;
        }
    }
    struct manifest_collection *c = &state->collections[change->slot];
    apply_pieces(c, change);
    if (edit->has_log_position) {
        c->log_position = edit->log_position;
    }
    if (edit->has_next_run) {
        c->next_run = edit->next_run;
    }
    if (edit->drop) {
        free_collection(c);
        *c = state->collections[--state->collection_count];
    }
    memset(change, 0, sizeof *change);
}

int manifest_state_edits(const struct manifest_state *state, int (*visit)(void *context, const struct manifest_edit *),
                         void *context)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < state->collection_count && status == NACRE_OK; i++) {
        const struct manifest_collection *c = &state->collections[i];
        struct manifest_edit edit = { .collection = c->id, .create = c, .add = c->pieces, .add_count = c->piece_count };
        status = visit(context, &edit);
    }
    struct manifest_edit edit = { .has_last_sequence = true,
                                  .last_sequence = state->last_sequence,
                                  .has_clean_log_end = true,
                                  .clean_log_end = state->clean_log_end,
                                  .has_opening = true,
                                  .opening = state->opening,
                                  .has_next_log_file = true,
                                  .next_log_file = state->next_log_file,
                                  .has_next_collection = true,
                                  .next_collection = state->next_collection };
    return status == NACRE_OK ? visit(context, &edit) : status;
}
