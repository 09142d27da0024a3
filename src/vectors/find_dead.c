/* Which rows of a segment a newer one supersedes: the keys that both have, and the ranges of keys that the newer one deletes.

   Two walks leapfrog over the keys of both (key_walk.h), so that segments of one size cost a pass over both, and a small one costs a search per key in the large
   one, whichever of them is the newer.
   A row is dead to those who see the oldest version of the newer segment that is newer than the row. Any thread; holds no lock. */
#include "vectors/key_walk.h"
#include "vectors/reader.h"

#define STOP_KEYS 1024u

/* Both stand on the newest version of one key. Versions go downwards in both: as rows get older, so may the oldest version that is newer than they. Behind it both
   stand on other keys, or are not valid. */
static int mark_versions(struct key_walk *older, struct key_walk *newer, struct dead_rows *rows)
{
    int status = NACRE_OK;
    uint64_t superseded_by = 0;
    bool more = true;
    do {
        uint64_t sequence = key_walk_sequence(older);
        while (more && key_walk_sequence(newer) > sequence) {
            superseded_by = key_walk_sequence(newer);
            key_walk_next(newer);
            more = key_walk_goes_on(newer);
        }
        if (superseded_by && key_walk_is_put(older))
            status = dead_rows_add(rows, key_walk_row(older), superseded_by);
        key_walk_next(older);
    } while (status == NACRE_OK && key_walk_goes_on(older));
    while (more) {
        key_walk_next(newer);
        more = key_walk_goes_on(newer);
    }
    return status;
}

static int mark_keys(struct vector_keys *older_keys, struct vector_keys *newer_keys, struct dead_rows *rows,
                     int (*stop)(void *context), void *stop_context)
{
    struct key_walk older, newer;
    int status = NACRE_OK;
    uint32_t looked = 0;
    key_walk_begin(&older, older_keys);
    key_walk_begin(&newer, newer_keys);
    while (status == NACRE_OK && older.valid && newer.valid) {
        int order = slice_compare(buffer_slice(&older.key), buffer_slice(&newer.key));
        if (order < 0)
            key_walk_to(&older, buffer_slice(&newer.key));
        else if (order > 0)
            key_walk_to(&newer, buffer_slice(&older.key));
        else
            status = mark_versions(&older, &newer, rows);
        if (status == NACRE_OK && stop && ++looked % STOP_KEYS == 0)
            status = stop(stop_context);
    }
    if (status == NACRE_OK)
        status = older.status;
    if (status == NACRE_OK)
        status = newer.status;
    key_walk_end(&older);
    key_walk_end(&newer);
    return status;
}

/* Rows [begin, end) as far as they are older than a range delete over them. */
static int mark_older(struct vector_reader *r, uint32_t begin, uint32_t end, uint64_t sequence, struct dead_rows *rows)
{
    struct vector_keys *k = r->keys;
    int status = NACRE_OK;
    if (begin == end || k->greatest_sequence < sequence)
        return dead_rows_add_range(rows, begin, end, sequence);
    for (uint32_t block = keys_block_of_row(k, begin); begin < end && status == NACRE_OK; block++) {
        struct entry_block b;
        uint32_t after = keys_block_row(k, block + 1) < end ? keys_block_row(k, block + 1) : end;
        if (after <= begin)
            continue;
        status = keys_view(k, block, &b);
        if (status != NACRE_OK)
            return status;
        for (; begin < after && status == NACRE_OK; begin++)
            if (entry_sequence(&b, k->base_sequence, entry_of_row(&b, begin)) < sequence)
                status = dead_rows_add(rows, begin, sequence);
        keys_release(&b);
    }
    return status;
}

static int mark_ranges(struct vector_reader *r, const struct range_set *ranges, struct dead_rows *rows,
                       int (*stop)(void *context), void *stop_context)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < range_set_count(ranges) && status == NACRE_OK; i++) {
        struct range_delete range = range_set_at(ranges, i);
        uint32_t first, after;
        status = reader_row_range(r, range.begin, range.end, &first, &after);
        if (status == NACRE_OK)
            status = mark_older(r, first, after, range.sequence, rows);
        if (status == NACRE_OK && stop)
            status = stop(stop_context);
    }
    return status;
}

int vectors_find_dead(void *reader, void *newer, const struct range_set *newer_ranges, struct dead_rows *rows,
                      int (*stop)(void *context), void *stop_context)
{
    struct vector_reader *r = reader;
    if (r->rows.count == 0)
        return NACRE_OK;
    int status = newer ? mark_keys(r->keys, ((struct vector_reader *)newer)->keys, rows, stop, stop_context) : NACRE_OK;
    return status == NACRE_OK && newer_ranges ? mark_ranges(r, newer_ranges, rows, stop, stop_context) : status;
}
