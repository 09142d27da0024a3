/* Keeping versions (see retention.h). One thread at a time; no locks.

   Let S be the live snapshots and the present (SEQUENCE_MAX). Version q of a key is seen by those s in S with q <= s < the next newer version
   and with no range delete r over the key with q < r <= s. If the least s >= q in S does not see q, no later one does.
   Invariants:
   1. of deletes with nothing kept between them only the oldest needed one is kept: it hides what the newer ones hide.
   2. a delete is given out only with an older version of its key behind it, in the output or perhaps beneath the inputs. */
#include "tree/retention.h"

/* The least live snapshot >= sequence, or SEQUENCE_MAX for the present. */
static uint64_t least_viewer(const uint64_t *snapshots, size_t count, uint64_t sequence)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (snapshots[middle] < sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count ? snapshots[low] : SEQUENCE_MAX;
}

bool retention_no_snapshot(const uint64_t *snapshots, size_t count, uint64_t from, uint64_t to)
{
    return least_viewer(snapshots, count, from) >= to;
}

/* Keys ascend, so one look at the ranges serves all keys of a fragment, as far as the present is asked about. */
static uint64_t covering(struct retention *r, nacre_slice key, uint64_t viewer)
{
    if (viewer != SEQUENCE_MAX) {
        return range_set_covering(r->ranges, key, viewer, NULL);
    }
    if (!r->has_fragment || (r->fragment.end.size && slice_compare(key, r->fragment.end) >= 0)) {
        range_set_covering(r->ranges, key, viewer, &r->fragment);
        r->has_fragment = true;
    }
    return r->fragment.sequence;
}

static bool is_seen(struct retention *r, const struct entry *entry)
{
    uint64_t viewer = r->snapshot_count ? least_viewer(r->snapshots, r->snapshot_count, entry->sequence) : SEQUENCE_MAX;
    if (r->has_newer && viewer >= r->newer) {
        return false;
    }
    return !r->ranges || covering(r, entry->key, viewer) <= entry->sequence;
}

static int keep(struct retention *r, const struct entry *entry)
{
    bool older = r->kept_one;
    r->kept_one = true;
    return r->keep(r->context, entry, older);
}

static int keep_tombstone(struct retention *r)
{
    r->has_tombstone = false;
    return keep(r,
                &(struct entry){
                    .key = buffer_slice(&r->key), .value = { "", 0 }, .sequence = r->tombstone, .type = ENTRY_DELETE });
}

static int end_key(struct retention *r)
{
    if (!r->has_tombstone) {
        return NACRE_OK;
    }
    if (!r->may_be_beneath(r->context, buffer_slice(&r->key))) {
        r->has_tombstone = false;
        return NACRE_OK;
    }
    return keep_tombstone(r);
}

static int begin_key(struct retention *r, nacre_slice key)
{
    int status = end_key(r);
    r->has_key = true;
    r->has_newer = r->kept_one = false;
    buffer_clear(&r->key);
    return status == NACRE_OK ? buffer_append(&r->key, key.data, key.size) : status;
}

int retention_add(struct retention *r, const struct entry *entry)
{
    if (!r->has_key || !slice_equal(buffer_slice(&r->key), entry->key)) {
        int status = begin_key(r, entry->key);
        if (status != NACRE_OK) {
            return status;
        }
    }
    bool seen = is_seen(r, entry);
    r->has_newer = true;
    r->newer = entry->sequence;
    if (!seen) {
        return NACRE_OK;
    }
    if (entry->type == ENTRY_DELETE || (entry->expiry_ms != 0 && entry->expiry_ms <= r->now_ms)) {
        r->has_tombstone = true;
        r->tombstone = entry->sequence;
        return NACRE_OK;
    }
    if (r->has_tombstone) {
        int status = keep_tombstone(r);
        if (status != NACRE_OK) {
            return status;
        }
    }
    return keep(r, entry);
}

int retention_finish(struct retention *r)
{
    int status = end_key(r);
    r->has_key = false;
    return status;
}

void retention_free(struct retention *r)
{
    buffer_free(&r->key);
}

/* Newer range deletes over the whole of it, with no snapshot between them and it. */
static bool is_superseded(const struct retention *r, const struct range_delete *range)
{
    nacre_slice at = range->begin;
    for (;;) {
        struct range_delete fragment;
        uint64_t newest = range_set_covering(r->ranges, at, SEQUENCE_MAX, &fragment);
        if (newest <= range->sequence ||
            !retention_no_snapshot(r->snapshots, r->snapshot_count, range->sequence, newest)) {
            return false;
        }
        if (fragment.end.size == 0 || (range->end.size && slice_compare(fragment.end, range->end) >= 0)) {
            return true;
        }
        at = fragment.end;
    }
}

bool retention_needs_range(const struct retention *r, const struct range_delete *range, bool beneath)
{
    /* With no snapshot before it, all that it covers in the inputs goes. */
    bool older_snapshot = r->snapshot_count > 0 && r->snapshots[0] < range->sequence;
    return (beneath || older_snapshot) && !is_superseded(r, range);
}
