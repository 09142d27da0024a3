/* The pieces of a run as one cursor (see run_cursor.h). One thread at a time; no locks.
   Invariants:
   1. when valid, `inner` is a cursor over pieces[at], stands on the same entry, and that entry is inside the piece.
   2. a match cursor is never moved outside of the bounds it was made with: those of the piece and of the search, whichever are tighter. */
#include "tree/run_cursor.h"
#include "base/memory.h"
#include "tree/version_build.h"

struct run_cursor {
    struct cursor cursor; /* first */
    const struct piece *pieces;
    size_t count, at;
    struct cursor *inner;   /* NULL: none is open */
    struct search *search;  /* NULL: all keys */
    nacre_slice begin, end; /* of the search; empty = open */
};

static struct run_cursor *of(struct cursor *c)
{
    return (struct run_cursor *)c;
}

static int open_match(struct run_cursor *r, const struct piece *piece)
{
    nacre_slice begin = r->begin, end = r->end;
    if (piece->has_begin && slice_compare(piece->begin, begin) > 0) {
        begin = piece->begin;
    }
    if (piece->has_end && (end.size == 0 || slice_compare(piece->end, end) < 0)) {
        end = piece->end;
    }
    return piece->segment->kind->match_cursor(piece->reader, r->search, begin, end, &r->inner);
}

static bool open_piece(struct run_cursor *r, size_t index)
{
    if (r->inner && r->at == index) {
        return true;
    }
    const struct piece *piece = &r->pieces[index];
    cursor_close(r->inner);
    r->inner = NULL;
    r->at = index;
    r->cursor.status = r->search ? open_match(r, piece) : piece->segment->kind->cursor_create(piece->reader, &r->inner);
    return r->cursor.status == NACRE_OK;
}

static void finish(struct run_cursor *r, int status)
{
    r->cursor.valid = false;
    r->cursor.status = status;
}

/* Takes the inner cursor's entry if it is inside the piece. */
static inline bool take(struct run_cursor *r)
{
    const struct piece *piece = &r->pieces[r->at];
    if (!r->inner->valid || (piece->has_end && slice_compare(r->inner->entry.key, piece->end) >= 0) ||
        (piece->has_begin && slice_compare(r->inner->entry.key, piece->begin) < 0)) {
        return false;
    }
    r->cursor.entry = r->inner->entry;
    r->cursor.valid = true;
    return true;
}

/* The first entry of pieces[index] or of one after it. */
static void forward_from(struct run_cursor *r, size_t index)
{
    for (; index < r->count; index++) {
        if (!open_piece(r, index)) {
            r->cursor.valid = false;
            return;
        }
        if (r->pieces[index].has_begin && !r->search) {
            cursor_seek(r->inner, r->pieces[index].begin);
        } else {
            cursor_first(r->inner);
        }
        if (take(r)) {
            return;
        }
        if (r->inner->status != NACRE_OK) {
            finish(r, r->inner->status);
            return;
        }
    }
    finish(r, NACRE_OK);
}

/* The last entry of pieces[after - 1] or of one before it. */
static void backward_from(struct run_cursor *r, size_t after)
{
    for (; after > 0; after--) {
        if (!open_piece(r, after - 1)) {
            r->cursor.valid = false;
            return;
        }
        if (r->pieces[after - 1].has_end && !r->search) {
            cursor_seek_before(r->inner, r->pieces[after - 1].end);
        } else {
            cursor_last(r->inner);
        }
        if (take(r)) {
            return;
        }
        if (r->inner->status != NACRE_OK) {
            finish(r, r->inner->status);
            return;
        }
    }
    finish(r, NACRE_OK);
}

static void run_first(struct cursor *c)
{
    c->status = NACRE_OK;
    forward_from(of(c), 0);
}

static void run_last(struct cursor *c)
{
    c->status = NACRE_OK;
    backward_from(of(c), of(c)->count);
}

static void run_seek(struct cursor *c, nacre_slice key)
{
    struct run_cursor *r = of(c);
    size_t low = 0, high = r->count;
    if (r->end.size && slice_compare(key, r->end) >= 0) {
        finish(r, NACRE_OK);
        return;
    }
    if (r->begin.size && slice_compare(key, r->begin) < 0) {
        key = r->begin;
    }
    while (low < high) { /* the first piece that does not end before the key */
        size_t middle = low + (high - low) / 2;
        if (piece_ends_before(&r->pieces[middle], key)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    c->status = NACRE_OK;
    if (low == r->count || slice_compare(r->pieces[low].begin, key) >= 0) {
        forward_from(r, low);
        return;
    }
    if (!open_piece(r, low)) {
        c->valid = false;
        return;
    }
    cursor_seek(r->inner, key);
    if (!take(r)) {
        if (r->inner->status != NACRE_OK) {
            finish(r, r->inner->status);
        } else {
            forward_from(r, low + 1);
        }
    }
}

static void run_seek_before(struct cursor *c, nacre_slice key)
{
    struct run_cursor *r = of(c);
    size_t low = 0, high = r->count;
    if (r->begin.size && slice_compare(key, r->begin) <= 0) {
        finish(r, NACRE_OK);
        return;
    }
    if (r->end.size && slice_compare(key, r->end) > 0) {
        key = r->end;
    }
    while (low < high) { /* the pieces before `low` begin before the key */
        size_t middle = low + (high - low) / 2;
        if (slice_compare(r->pieces[middle].begin, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    c->status = NACRE_OK;
    if (low == 0 || piece_ends_before(&r->pieces[low - 1], key)) {
        backward_from(r, low);
        return;
    }
    if (!open_piece(r, low - 1)) {
        c->valid = false;
        return;
    }
    cursor_seek_before(r->inner, key);
    if (!take(r)) {
        if (r->inner->status != NACRE_OK) {
            finish(r, r->inner->status);
        } else {
            backward_from(r, low - 1);
        }
    }
}

static void run_next(struct cursor *c)
{
    struct run_cursor *r = of(c);
    cursor_next(r->inner);
    if (__builtin_expect(!take(r), 0)) {
        if (r->inner->status != NACRE_OK) {
            finish(r, r->inner->status);
        } else {
            forward_from(r, r->at + 1);
        }
    }
}

static void run_prev(struct cursor *c)
{
    struct run_cursor *r = of(c);
    cursor_prev(r->inner);
    if (__builtin_expect(!take(r), 0)) {
        if (r->inner->status != NACRE_OK) {
            finish(r, r->inner->status);
        } else {
            backward_from(r, r->at);
        }
    }
}

static void run_close(struct cursor *c)
{
    cursor_close(of(c)->inner);
    memory_free(c);
}

static const struct cursor_ops run_ops = {
    run_first, run_last, run_seek, run_seek_before, run_next, run_prev, run_close
};

int run_match_cursor_create(const struct piece *pieces, size_t count, struct search *search, nacre_slice begin,
                            nacre_slice end, struct cursor **created)
{
    struct run_cursor *r = memory_zalloc(sizeof *r);
    if (!r) {
        return NACRE_NO_MEMORY;
    }
    r->cursor.ops = &run_ops;
    r->pieces = pieces;
    r->count = count;
    r->search = search;
    r->begin = begin;
    r->end = end;
    *created = &r->cursor;
    return NACRE_OK;
}

int run_cursor_create(const struct piece *pieces, size_t count, struct cursor **created)
{
    nacre_slice open = { NULL, 0 };
    return run_match_cursor_create(pieces, count, NULL, open, open, created);
}
