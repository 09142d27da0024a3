/* Keeping versions (see retention.h). One thread at a time; no locks.

   Let S be the live snapshots and the present (SEQUENCE_MAX). Version q of a key is seen by those s in S with q <= s < the next newer version
   and with no range delete r over the key with q < r <= s. If the least s >= q in S does not see q, no later one does.
   Invariants:
   1. of deletes with nothing kept between them only the oldest needed one is kept: it hides what the newer ones hide.
   2. a delete is given out only with an older version of its key behind it, in the output or perhaps beneath the inputs.
   3. with a chain there is no tombstone that waits: it was given out before the chain began.
   4. what comes of a chain has its newest version's sequence and expiry, and, as operands, its oldest version's clock: so it answers as the chain did to whoever
      reads it, at whatever time, and to operands above it.
   5. every version between an operand that is given out and the base of its chain is given out as well. */
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

static int look_seen(struct retention *r, const struct entry *entry, bool *seen)
{
    uint64_t viewer = r->snapshot_count ? least_viewer(r->snapshots, r->snapshot_count, entry->sequence) : SEQUENCE_MAX;
    r->viewer = viewer;
    *seen = !(r->has_newer && viewer >= r->newer) && (!r->ranges || covering(r, entry->key, viewer) <= entry->sequence);
    if (!*seen || !r->is_hidden) {
        return NACRE_OK;
    }
    bool hidden = false;
    int status = r->is_hidden(r->context, entry, viewer, &hidden);
    *seen = !hidden;
    return status;
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

static int end_chain(struct retention *r);

static int end_key(struct retention *r)
{
    if (r->has_chain) {
        int status = end_chain(r);
        if (status != NACRE_OK) {
            return status;
        }
    }
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

/* ---- chains of operands ---- */

static int keep_chained(struct retention *r, const struct entry *entry)
{
    r->keeps_operands = true;
    int status = keep(r, entry);
    r->keeps_operands = false;
    return status;
}

/* As operands, combined as far as that is possible. */
static int keep_operands(struct retention *r)
{
    nacre_slice key = buffer_slice(&r->key);
    int status = fold_settle(&r->fold, key);
    for (size_t i = 0; i < r->fold.count && status == NACRE_OK; i++) {
        struct entry operand = fold_entry(&r->fold, key, i);
        status = keep_chained(r, &operand);
    }
    return status;
}

/* A put that goes through the filter on its way out. */
static int keep_filtered(struct retention *r, const struct entry *entry)
{
    struct entry filtered = *entry;
    bool removed = false;
    int status = r->filter(r->context, &filtered, &removed);
    if (status != NACRE_OK || !removed) {
        return status == NACRE_OK ? keep(r, &filtered) : status;
    }
    r->has_tombstone = true;
    r->tombstone = entry->sequence;
    return NACRE_OK;
}

/* The chain as a put, or, where the operator fails, as operands. */
static int fold_chain(struct retention *r, const nacre_slice *base, bool *folded)
{
    nacre_slice key = buffer_slice(&r->key), value;
    int status = fold_value(&r->fold, key, base, &value);
    *folded = status == NACRE_OK && value.size <= NACRE_BATCH_MAX;
    if (!*folded) {
        r->failures++;
        r->failure = status == NACRE_OK ? NACRE_LIMIT : status;
        return keep_operands(r);
    }
    r->folded += r->fold.count;
    const struct entry put = { .key = key,
                               .value = value,
                               .sequence = r->fold.items[0].sequence,
                               .expiry_ms = r->fold.items[0].expiry_ms,
                               .type = ENTRY_PUT };
    return r->chain_filtered ? keep_filtered(r, &put) : keep(r, &put);
}

static int fold_on(struct retention *r, const struct entry *base, bool *folded)
{
    struct pin pin = { NULL, NULL };
    nacre_slice value = base->value;
    *folded = false;
    if (base->type == ENTRY_POINTER) {
        int status = r->read_pointer ? r->read_pointer(r->context, base, &pin, &value) : NACRE_UNSUPPORTED;
        if (status != NACRE_OK) {
            r->failures += r->read_pointer != NULL;
            r->failure = status;
            return keep_operands(r);
        }
    }
    int status = fold_chain(r, &value, folded);
    pin_release(&pin);
    return status;
}

/* Whether the version at work is what the filter is asked about. */
static bool is_filtered(const struct retention *r)
{
    return r->filter && r->newest && r->viewer == SEQUENCE_MAX;
}

static int begin_chain(struct retention *r, const struct entry *operand)
{
    r->has_chain = true;
    r->floor = r->ranges ? covering(r, operand->key, r->viewer) : 0;
    r->passes = r->merge_operator == NULL;
    r->chain_filtered = is_filtered(r);
    if (r->passes) {
        return keep_chained(r, operand);
    }
    fold_begin(&r->fold, r->merge_operator);
    return fold_add(&r->fold, operand);
}

/* The operands of the chain are given out already: what they stand on is too. */
static void pass(struct retention *r, const struct entry *entry, bool *seen)
{
    if (entry->sequence < r->floor) {
        r->has_chain = false;
        return;
    }
    *seen = true;
    r->forced = entry->type != ENTRY_DELETE; /* that is left to what is said of deletes */
    r->has_chain = entry->type == ENTRY_MERGE;
}

/* The next older version of a key with a chain; *seen: it is dealt with by itself, too. */
static int meet_chain(struct retention *r, const struct entry *entry, bool *seen)
{
    bool folded = false, hidden = fold_hides(&r->fold, entry);
    if (entry->sequence < r->floor || entry->type == ENTRY_DELETE || hidden) {
        r->has_chain = false;
        int status = fold_chain(r, NULL, &folded);
        *seen = *seen || (!folded && entry->sequence >= r->floor); /* the operands need what hides the rest from them */
        return status;
    }
    if (entry->type != ENTRY_MERGE) {
        r->has_chain = false;
        int status = fold_on(r, entry, &folded);
        *seen = *seen || !folded;
        r->forced = !folded;
        return status;
    }
    if (!*seen) {
        return fold_add(&r->fold, entry);
    }
    r->has_chain = false;
    r->forced = true;
    return keep_operands(r);
}

static int end_chain(struct retention *r)
{
    bool folded;
    r->has_chain = false;
    if (r->passes) {
        return NACRE_OK;
    }
    return r->may_be_beneath(r->context, buffer_slice(&r->key)) ? keep_operands(r) : fold_chain(r, NULL, &folded);
}

/* ---- all versions ---- */

/* As a delete: whoever is newer than the inputs has nothing of it. */
static bool is_dead(const struct retention *r, const struct entry *entry)
{
    if (entry->type == ENTRY_DELETE) {
        return true;
    }
    return entry->expiry_ms != 0 && entry->expiry_ms <= r->now_ms && !r->forced &&
           !(r->newest && r->may_be_above && r->may_be_above(r->context, entry->key));
}

static int keep_live(struct retention *r, const struct entry *entry)
{
    if (r->has_tombstone) {
        int status = keep_tombstone(r);
        if (status != NACRE_OK) {
            return status;
        }
    }
    if (entry->type == ENTRY_MERGE && !r->has_chain) {
        return begin_chain(r, entry);
    }
    if (r->forced) {
        return keep_chained(r, entry);
    }
    return is_filtered(r) ? keep_filtered(r, entry) : keep(r, entry);
}

int retention_add(struct retention *r, const struct entry *entry)
{
    if (!r->has_key || !slice_equal(buffer_slice(&r->key), entry->key)) {
        int status = begin_key(r, entry->key);
        if (status != NACRE_OK) {
            return status;
        }
    }
    bool seen;
    r->newest = !r->has_newer;
    int status = look_seen(r, entry, &seen);
    r->has_newer = true;
    r->newer = entry->sequence;
    r->forced = false;
    if (status == NACRE_OK && r->has_chain) {
        if (r->passes) {
            pass(r, entry, &seen);
        } else {
            status = meet_chain(r, entry, &seen);
        }
    }
    if (status != NACRE_OK || !seen) {
        return status;
    }
    if (is_dead(r, entry)) {
        r->has_tombstone = true;
        r->tombstone = entry->sequence;
        return NACRE_OK;
    }
    return keep_live(r, entry);
}

int retention_finish(struct retention *r)
{
    int status = end_key(r);
    r->has_key = false;
    return status;
}

void retention_free(struct retention *r)
{
    fold_free(&r->fold);
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
