/* Whether something that a transaction relies on has changed: by the ring of recent changes, under commit_lock, or by memtables and segments, under
   no lock. txn_commit.c says when which, and why that is enough. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/txn.h"

/* Text for an error's detail: printable bytes as they are, others as \xNN, at most so many of them. */
#define SHOWN_BYTES 48u

static void show_key(nacre_slice key, char out[4 * SHOWN_BYTES + 4])
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = key.data;
    char *at = out;
    for (size_t i = 0; i < key.size && i < SHOWN_BYTES; i++) {
        if (bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '\\') {
            *at++ = (char)bytes[i];
        } else {
            *at++ = '\\';
            *at++ = 'x';
            *at++ = digits[bytes[i] >> 4];
            *at++ = digits[bytes[i] & 15];
        }
    }
    memcpy(at, key.size > SHOWN_BYTES ? "..." : "\0\0\0", 4);
}

int txn_fail_conflict(const nacre_txn *txn)
{
    char key[4 * SHOWN_BYTES + 4];
    show_key(buffer_slice(&txn->conflict_key), key);
    return fail(
        NACRE_CONFLICT,
        "collection '%s', key '%s': changed by somebody else since the transaction began; abort it, and do it again",
        txn->conflict_collection->name, key);
}

int txn_set_conflict(nacre_txn *txn, const nacre_collection *collection, nacre_slice key, uint64_t sequence)
{
    txn->conflict_collection = collection;
    txn->conflict_sequence = sequence;
    buffer_clear(&txn->conflict_key);
    (void)buffer_append(&txn->conflict_key, key.data,
                        key.size); /* without memory it is named by its collection alone */
    return NACRE_CONFLICT;
}

static bool in_range(nacre_slice key, nacre_slice begin, nacre_slice end)
{
    return slice_compare(key, begin) >= 0 && (end.size == 0 || slice_compare(key, end) < 0);
}

static bool ranges_meet(nacre_slice begin, nacre_slice end, nacre_slice other_begin, nacre_slice other_end)
{
    return (other_end.size == 0 || slice_compare(begin, other_end) < 0) &&
           (end.size == 0 || slice_compare(other_begin, end) < 0);
}

/* ---- in the ring ---- */

static int find_key_in_range(nacre_txn *txn, const struct key_set *set, const void *bytes,
                             const struct change_record *record, nacre_slice begin, nacre_slice end)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct key_item *item = &set->items[i];
        if (item->collection->id == record->collection && in_range(key_item_key(item, bytes), begin, end)) {
            return txn_set_conflict(txn, item->collection, key_item_key(item, bytes), record->sequence);
        }
    }
    return NACRE_OK;
}

static int check_key_record(nacre_txn *txn, const struct change_record *record)
{
    const struct key_item *item = key_set_find_hash(&txn->writes, record->hash);
    const void *bytes = txn->batch.payload.data;
    if (!item) {
        item = key_set_find_hash(&txn->reads, record->hash);
        bytes = txn->read_keys.data;
    }
    return item ? txn_set_conflict(txn, item->collection, key_item_key(item, bytes), record->sequence) : NACRE_OK;
}

static int check_range(nacre_txn *txn, const struct txn_range *range, const struct change_record *record,
                       nacre_slice key, nacre_slice end)
{
    nacre_slice first = buffer_slice(&range->begin), after = buffer_slice(&range->end);
    if (range->collection->id != record->collection) {
        return NACRE_OK;
    }
    if (record->is_range ? !ranges_meet(key, end, first, after) : !in_range(key, first, after)) {
        return NACRE_OK;
    }
    bool earlier = slice_compare(key, first) < 0;
    return txn_set_conflict(txn, range->collection, earlier ? first : key, record->sequence);
}

static bool reads_ranges_of(const nacre_txn *txn, uint32_t collection)
{
    for (const struct txn_range *range = txn->ranges; range; range = range->next) {
        if (range->collection->id == collection) {
            return true;
        }
    }
    for (const struct txn_scan *scan = txn->scans; scan; scan = scan->next) {
        if (scan->range && scan->collection->id == collection) {
            return true;
        }
    }
    return false;
}

static int check_ranges(nacre_txn *txn, const struct change_record *record, nacre_slice key, nacre_slice end)
{
    int status = NACRE_OK;
    for (const struct txn_range *range = txn->ranges; range && status == NACRE_OK; range = range->next) {
        status = check_range(txn, range, record, key, end);
    }
    for (const struct txn_scan *scan = txn->scans; scan && status == NACRE_OK; scan = scan->next) {
        status = scan->range ? check_range(txn, scan->range, record, key, end) : NACRE_OK;
    }
    return status;
}

static int check_record(nacre_txn *txn, const struct change_ring *ring, const struct change_record *record)
{
    nacre_slice key, end;
    int status = record->is_range ? NACRE_OK : check_key_record(txn, record);
    if (status != NACRE_OK || (!record->is_range && !reads_ranges_of(txn, record->collection))) {
        return status;
    }
    if (!change_ring_bytes(ring, record, &key, &end)) {
        return NACRE_SNAPSHOT_TOO_OLD;
    }
    if (record->is_range) {
        status = find_key_in_range(txn, &txn->writes, txn->batch.payload.data, record, key, end);
        if (status == NACRE_OK) {
            status = find_key_in_range(txn, &txn->reads, txn->read_keys.data, record, key, end);
        }
    }
    return status == NACRE_OK ? check_ranges(txn, record, key, end) : status;
}

static uint64_t steps_for(const nacre_txn *txn, const struct change_record *record)
{
    return 1 + (record->is_range ? txn->writes.count + txn->reads.count : 0) + txn->range_count;
}

/* Of those written to the commit itself takes care. */
static int check_dropped(const nacre_txn *txn)
{
    for (size_t i = 0; i < txn->read_collection_count; i++) {
        const nacre_collection *collection = txn->read_collections[i];
        if (atomic_load_explicit(&collection->dropped, memory_order_relaxed)) {
            return fail(NACRE_NOT_FOUND, "collection '%s' was dropped", collection->name);
        }
    }
    return NACRE_OK;
}

int txn_check_ring(struct commit_check *base)
{
    struct txn_check *check = (struct txn_check *)base;
    nacre_txn *txn = check->txn;
    const struct change_ring *ring = &txn->store->changes.ring;
    uint64_t steps = check->steps;
    int status = check_dropped(txn);
    if (status != NACRE_OK) {
        return status;
    }
    if (ring->since > check->since) {
        check->wanted = ring->since;
        return NACRE_SNAPSHOT_TOO_OLD;
    }
    const struct change_record *record;
    for (uint64_t back = 0; (record = change_ring_at(ring, back)) && record->sequence > check->since; back++) {
        const uint64_t step = steps_for(txn, record);
        status = step > steps ? NACRE_SNAPSHOT_TOO_OLD : check_record(txn, ring, record);
        steps -= step;
        if (status != NACRE_OK) {
            check->wanted = status == NACRE_SNAPSHOT_TOO_OLD ? record->sequence : 0;
            return status;
        }
    }
    return NACRE_OK;
}

/* ---- in memtables and segments ---- */

/* The newest change of the key that the view has, puts, deletes and range deletes alike; whatever is newer than `since` does. */
static int newest_change(const struct view *view, nacre_slice key, uint64_t since, uint64_t *newest)
{
    struct lookup lookup = { .key = key, .hash = hash_bytes(key.data, key.size), .snapshot = SEQUENCE_MAX };
    struct entry entry;
    struct pin pin = { NULL, NULL };
    *newest = 0;
    for (uint32_t i = 0; i < view->table_count; i++) {
        const struct memtable *memtable = view->tables[i]->memtable;
        uint64_t range = memtable_has_ranges(memtable) ? memtable_covering(memtable, key, SEQUENCE_MAX) : 0;
        *newest = range > *newest ? range : *newest;
        if (memtable_get(memtable, key, SEQUENCE_MAX, &entry)) {
            *newest = entry.sequence > *newest ? entry.sequence : *newest;
        }
    }
    if (*newest > since || view->version->greatest_sequence <= since) {
        return NACRE_OK;
    }
    *newest = version_covering(view->version, key, SEQUENCE_MAX, NULL);
    int status = *newest > since ? NACRE_NOT_FOUND : version_get(view->version, &lookup, 0, &entry, &pin);
    if (status == NACRE_OK) {
        *newest = entry.sequence > *newest ? entry.sequence : *newest;
        pin_release(&pin);
    }
    return status == NACRE_NOT_FOUND ? NACRE_OK : status;
}

static int check_keys(nacre_txn *txn, const struct key_set *set, const void *bytes, uint64_t since)
{
    nacre_collection *held = NULL;
    struct view *view = NULL;
    int status = NACRE_OK;
    for (size_t i = 0; i < set->count && status == NACRE_OK; i++) {
        const struct key_item *item = &set->items[i];
        uint64_t newest;
        if (item->collection != held) {
            view_release(txn->store, view);
            held = item->collection;
            view = view_hold(held);
        }
        status = newest_change(view, key_item_key(item, bytes), since, &newest);
        if (status == NACRE_OK && newest > since) {
            status = txn_set_conflict(txn, item->collection, key_item_key(item, bytes), newest);
        }
    }
    view_release(txn->store, view);
    return status;
}

struct range_visit {
    nacre_txn *txn;
    const struct txn_range *range;
    uint64_t since;
    int status;
};

static void visit_range_delete(void *context, const struct range_delete *found)
{
    struct range_visit *visit = context;
    nacre_slice begin = buffer_slice(&visit->range->begin), end = buffer_slice(&visit->range->end);
    if (visit->status == NACRE_OK && found->sequence > visit->since &&
        ranges_meet(begin, end, found->begin, found->end)) {
        bool earlier = slice_compare(found->begin, begin) < 0;
        visit->status =
            txn_set_conflict(visit->txn, visit->range->collection, earlier ? begin : found->begin, found->sequence);
    }
}

static int check_table(nacre_txn *txn, const struct txn_range *range, struct memtable *memtable, uint64_t since)
{
    struct range_visit visit = { txn, range, since, NACRE_OK };
    struct cursor *cursor;
    if (memtable_newest(memtable) <= since) {
        return NACRE_OK;
    }
    memtable_visit_ranges(memtable, visit_range_delete, &visit);
    int status = visit.status;
    if (status != NACRE_OK || (status = memtable_cursor_create(memtable, &cursor)) != NACRE_OK) {
        return status;
    }
    nacre_slice begin = buffer_slice(&range->begin), end = buffer_slice(&range->end);
    cursor_seek(cursor, begin);
    while (cursor->valid && in_range(cursor->entry.key, begin, end) && status == NACRE_OK) {
        if (cursor->entry.sequence > since) {
            status = txn_set_conflict(txn, range->collection, cursor->entry.key, cursor->entry.sequence);
        }
        cursor_next(cursor);
    }
    status = status == NACRE_OK ? cursor->status : status;
    cursor_close(cursor);
    return status;
}

static int check_range_in_view(nacre_txn *txn, const struct txn_range *range, uint64_t since)
{
    struct view *view = view_hold(range->collection);
    int status = NACRE_OK;
    for (uint32_t i = 0; i < view->table_count && status == NACRE_OK; i++) {
        status = check_table(txn, range, view->tables[i]->memtable, since);
    }
    if (status == NACRE_OK) {
        struct buffer key = { 0 };
        uint64_t sequence = 0;
        status = version_changed_since(view->version, buffer_slice(&range->begin), buffer_slice(&range->end), since,
                                       &key, &sequence);
        if (status == NACRE_OK && sequence > since) {
            status = txn_set_conflict(txn, range->collection, buffer_slice(&key), sequence);
        }
        buffer_free(&key);
    }
    view_release(txn->store, view);
    return status;
}

int txn_check_views(nacre_txn *txn, uint64_t *since)
{
    /* Before the views: each then holds, of every change up to it, that or a newer one of the same key. */
    const uint64_t visible = publish_visible(&txn->store->publisher);
    int status = check_keys(txn, &txn->writes, txn->batch.payload.data, *since);
    if (status == NACRE_OK) {
        status = check_keys(txn, &txn->reads, txn->read_keys.data, *since);
    }
    for (const struct txn_range *range = txn->ranges; range && status == NACRE_OK; range = range->next) {
        status = check_range_in_view(txn, range, *since);
    }
    for (const struct txn_scan *scan = txn->scans; scan && status == NACRE_OK; scan = scan->next) {
        status = scan->range ? check_range_in_view(txn, scan->range, *since) : NACRE_OK;
    }
    if (status == NACRE_OK) {
        *since = visible;
    }
    return status;
}
