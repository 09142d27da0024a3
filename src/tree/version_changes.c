/* What changed in a range of keys, as far as segments tell: any version, or range delete, that is newer than a sequence (see version.h). Segments that
   are older as a whole are not read. Any thread; no locks. */
#include "tree/run_cursor.h"
#include "tree/version_build.h"

static bool meets(const struct range_delete *deleted, const struct key_range *range)
{
    return (deleted->end.size == 0 || slice_compare(range->begin, deleted->end) < 0) &&
           (range->end.size == 0 || slice_compare(deleted->begin, range->end) < 0);
}

static int note(nacre_slice found, uint64_t found_sequence, struct buffer *key, uint64_t *sequence)
{
    *sequence = found_sequence;
    buffer_clear(key);
    return buffer_append(key, found.data, found.size);
}

static int look_at_range_deletes(const struct piece *piece, const struct key_range *range, uint64_t since,
                                 struct buffer *key, uint64_t *sequence)
{
    const struct range_set *set = piece->segment->ranges;
    for (size_t i = 0; set && i < range_set_count(set); i++) {
        struct range_delete deleted = range_set_at(set, i);
        if (deleted.sequence > since && meets(&deleted, range)) {
            bool earlier = slice_compare(deleted.begin, range->begin) < 0;
            return note(earlier ? range->begin : deleted.begin, deleted.sequence, key, sequence);
        }
    }
    return NACRE_OK;
}

static int look_at_entries(const struct piece *piece, const struct key_range *range, uint64_t since, struct buffer *key,
                           uint64_t *sequence)
{
    struct cursor *cursor;
    int status = run_cursor_create(piece, 1, &cursor);
    if (status != NACRE_OK) {
        return status;
    }
    cursor_seek(cursor, range->begin);
    while (cursor->valid && (range->end.size == 0 || slice_compare(cursor->entry.key, range->end) < 0)) {
        if (cursor->entry.sequence > since) {
            status = note(cursor->entry.key, cursor->entry.sequence, key, sequence);
            break;
        }
        cursor_next(cursor);
    }
    status = status == NACRE_OK ? cursor->status : status;
    cursor_close(cursor);
    return status;
}

int version_changed_since(const struct version *v, nacre_slice begin, nacre_slice end, uint64_t since,
                          struct buffer *key, uint64_t *sequence)
{
    const struct key_range range = { begin, end };
    int status = NACRE_OK;
    *sequence = 0;
    for (size_t r = 0; r < v->run_count && v->greatest_sequence > since; r++) {
        size_t first, after;
        run_overlap(&v->runs[r], &range, &first, &after);
        for (size_t i = first; i < after; i++) {
            const struct piece *piece = &v->runs[r].pieces[i];
            if (piece->segment->properties.greatest_sequence <= since) {
                continue;
            }
            status = look_at_range_deletes(piece, &range, since, key, sequence);
            if (status == NACRE_OK && *sequence == 0) {
                status = look_at_entries(piece, &range, since, key, sequence);
            }
            if (status != NACRE_OK || *sequence != 0) {
                return status;
            }
        }
    }
    return status;
}
