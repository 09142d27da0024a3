/* Cursors of transactions: a child of the cursor's merge that gives the own writes, and the ranges that were read.

   Own writes are copied when the cursor is made: it sees those made before, and no later ones. They get sequences with the top bit set, in
   the order they were made: so they come before all others of their key, no range delete covers them, and compared as signed numbers they are older
   than any snapshot (scan.c, sees).
   A range is what the cursor went over since it was last put somewhere: from there to the farthest key it stood on in either direction, or to the end of its
   bounds when it came there. What a limit cut off was not read. Ranges of a cursor that touch are one.
   One thread at a time. No locks. */
#include "base/cursor.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/txn.h"
#include <stdlib.h>

struct own_cursor {
    struct cursor base; /* first */
    struct entry *entries;
    uint8_t *bytes; /* of keys, values and vectors */
    size_t count, at;
};

/* ---- the child ---- */

static void stand_on(struct own_cursor *own, size_t at)
{
    own->at = at;
    own->base.valid = at < own->count; /* one before the first is a large number, too */
    own->base.status = NACRE_OK;
    if (own->base.valid) {
        own->base.entry = own->entries[at];
    }
}

/* How many entries have keys < the target. */
static size_t count_before(const struct own_cursor *own, nacre_slice target)
{
    size_t low = 0, high = own->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(own->entries[middle].key, target) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void own_first(struct cursor *cursor)
{
    stand_on((struct own_cursor *)cursor, 0);
}

static void own_last(struct cursor *cursor)
{
    struct own_cursor *own = (struct own_cursor *)cursor;
    stand_on(own, own->count - 1);
}

static void own_seek(struct cursor *cursor, nacre_slice key)
{
    struct own_cursor *own = (struct own_cursor *)cursor;
    stand_on(own, count_before(own, key));
}

static void own_seek_before(struct cursor *cursor, nacre_slice key)
{
    struct own_cursor *own = (struct own_cursor *)cursor;
    stand_on(own, count_before(own, key) - 1);
}

static void own_next(struct cursor *cursor)
{
    struct own_cursor *own = (struct own_cursor *)cursor;
    stand_on(own, own->at + 1);
}

static void own_prev(struct cursor *cursor)
{
    struct own_cursor *own = (struct own_cursor *)cursor;
    stand_on(own, own->at - 1);
}

static void own_close(struct cursor *cursor)
{
    struct own_cursor *own = (struct own_cursor *)cursor;
    memory_free(own->entries);
    memory_free(own->bytes);
    memory_free(own);
}

static const struct cursor_ops own_ops = { .first = own_first,
                                           .last = own_last,
                                           .seek = own_seek,
                                           .seek_before = own_seek_before,
                                           .next = own_next,
                                           .prev = own_prev,
                                           .close = own_close };

/* ---- making it ---- */

static bool in_bounds(nacre_slice key, nacre_slice begin, nacre_slice end)
{
    return slice_compare(key, begin) >= 0 && (end.size == 0 || slice_compare(key, end) < 0);
}

static bool is_wanted(const nacre_txn *txn, const struct key_item *item, const nacre_collection *collection,
                      nacre_slice begin, nacre_slice end)
{
    return item->collection == collection && in_bounds(key_item_key(item, txn->batch.payload.data), begin, end);
}

/* The number and bytes of the operations that count, of keys in the bounds. */
static size_t measure(const nacre_txn *txn, const nacre_collection *collection, nacre_slice begin, nacre_slice end,
                      size_t *bytes)
{
    size_t count = 0;
    *bytes = 0;
    for (size_t i = 0; i < txn->writes.count; i++) {
        if (!is_wanted(txn, &txn->writes.items[i], collection, begin, end)) {
            continue;
        }
        for (uint32_t at = txn->writes.items[i].newest; at != TXN_NO_OP; at = txn_op_beneath(txn, at)) {
            const struct batch_op op = txn_op_at(txn, at);
            *bytes += op.key.size + op.value.size + op.vector.size;
            count++;
        }
    }
    return count;
}

static nacre_slice copy(uint8_t **at, nacre_slice bytes)
{
    nacre_slice copied = { *at, bytes.size };
    if (bytes.size) {
        memcpy(*at, bytes.data, bytes.size);
    }
    *at += bytes.size;
    return copied;
}

static void fill_one(struct own_cursor *own, uint8_t **at, const nacre_txn *txn, uint32_t number)
{
    const struct batch_op op = txn_op_at(txn, number);
    struct entry *entry = &own->entries[own->count++];
    *entry = (struct entry){ .sequence = TXN_OWN_SEQUENCE | number, .type = batch_entry_type(&op) };
    entry->key = copy(at, op.key);
    entry->value = copy(at, op.value);
    entry->vector = op.vector.size ? copy(at, op.vector).data : NULL;
}

static void fill(struct own_cursor *own, const nacre_txn *txn, const nacre_collection *collection, nacre_slice begin,
                 nacre_slice end)
{
    uint8_t *at = own->bytes;
    for (size_t i = 0; i < txn->writes.count; i++) {
        if (is_wanted(txn, &txn->writes.items[i], collection, begin, end)) {
            for (uint32_t op = txn->writes.items[i].newest; op != TXN_NO_OP; op = txn_op_beneath(txn, op)) {
                fill_one(own, &at, txn, op);
            }
        }
    }
}

static int by_order(const void *a, const void *b)
{
    return entry_compare(a, b);
}

int txn_scan_make_own(struct txn_scan *scan, nacre_slice begin, nacre_slice end)
{
    nacre_txn *txn = scan->txn;
    size_t bytes;
    const size_t count = measure(txn, scan->collection, begin, end, &bytes);
    const uint64_t counted = bytes + count * sizeof(struct entry);
    int status = count ? txn_charge(txn, counted) : NACRE_OK;
    if (status != NACRE_OK || count == 0) {
        return status;
    }
    scan->own_bytes = counted;
    struct own_cursor *own = memory_zalloc(sizeof *own);
    if (!own) {
        return NACRE_NO_MEMORY;
    }
    own->base.ops = &own_ops;
    own->entries = memory_alloc(count * sizeof *own->entries);
    own->bytes = memory_alloc(bytes);
    if (!own->entries || !own->bytes) {
        own_close(&own->base);
        return NACRE_NO_MEMORY;
    }
    fill(own, txn, scan->collection, begin, end);
    qsort(own->entries, own->count, sizeof *own->entries, by_order);
    scan->own = &own->base;
    return NACRE_OK;
}

bool txn_scan_has_own_before(const struct txn_scan *scan, nacre_slice target, bool open, bool reverse)
{
    const struct cursor *own = scan->own;
    if (!own || !own->valid) {
        return false;
    }
    int order = open ? (reverse ? 1 : -1) : slice_compare(own->entry.key, target);
    return reverse ? order >= 0 : order < 0;
}

void txn_scan_each_own(const void *context, nacre_slice key, bool (*visit)(void *visitor, const struct entry *),
                       void *visitor)
{
    const struct own_cursor *own = (const struct own_cursor *)((const struct txn_scan *)context)->own;
    bool more = own != NULL;
    for (size_t i = more ? count_before(own, key) : 0; more && i < own->count; i++) {
        more = slice_equal(own->entries[i].key, key) && visit(visitor, &own->entries[i]);
    }
}

/* ---- what was read ---- */

static void free_range(struct txn_range *range)
{
    if (range) {
        buffer_free(&range->begin);
        buffer_free(&range->end);
        memory_free(range);
    }
}

static int set_bound(nacre_txn *txn, struct buffer *bound, nacre_slice key, bool with_it)
{
    const size_t before = bound->capacity;
    buffer_clear(bound);
    int status = buffer_reserve(bound, key.size + 1);
    if (status == NACRE_OK && bound->capacity > before) {
        status = txn_charge(txn, bound->capacity - before);
    }
    if (status == NACRE_OK && (status = buffer_append(bound, key.data, key.size)) == NACRE_OK && with_it) {
        status = buffer_append_u8(bound, 0); /* the least key after it */
    }
    return status;
}

static int new_range(struct txn_scan *scan, nacre_slice begin, nacre_slice end, bool with_end)
{
    struct txn_range *range = memory_zalloc(sizeof *range);
    int status = range ? txn_charge(scan->txn, sizeof *range) : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        range->collection = scan->collection;
        status = set_bound(scan->txn, &range->begin, begin, false);
    }
    if (status == NACRE_OK) {
        status = set_bound(scan->txn, &range->end, end, with_end);
    }
    if (status != NACRE_OK) {
        free_range(range);
        return status;
    }
    scan->range = range;
    return NACRE_OK;
}

/* The range is the transaction's from now on. */
static void hand_over(struct txn_scan *scan)
{
    if (scan->range) {
        scan->range->next = scan->txn->ranges;
        scan->txn->ranges = scan->range;
        scan->range = NULL;
    }
}

int txn_scan_reached_begin(struct txn_scan *scan, nacre_slice begin)
{
    struct txn_range *range = scan->range;
    if (!range || slice_compare(buffer_slice(&range->begin), begin) <= 0) {
        return NACRE_OK;
    }
    return set_bound(scan->txn, &range->begin, begin, false);
}

int txn_scan_reached_end(struct txn_scan *scan, nacre_slice end, bool with_end)
{
    struct txn_range *range = scan->range;
    if (!range || range->end.size == 0) {
        return NACRE_OK;
    }
    int order = end.size == 0 ? -1 : slice_compare(buffer_slice(&range->end), end);
    return order < 0 || (order == 0 && with_end) ? set_bound(scan->txn, &range->end, end, with_end) : NACRE_OK;
}

/* Whether [begin, end) and the range overlap or touch. */
static bool touches(const struct txn_range *range, nacre_slice begin, nacre_slice end)
{
    nacre_slice own_begin = buffer_slice(&range->begin), own_end = buffer_slice(&range->end);
    return (own_end.size == 0 || slice_compare(begin, own_end) <= 0) &&
           (end.size == 0 || slice_compare(own_begin, end) <= 0);
}

int txn_scan_jumped(struct txn_scan *scan, nacre_slice begin, nacre_slice end, bool with_end)
{
    if (!scan->txn || !scan->txn->serializable || (end.size && slice_compare(begin, end) > (with_end ? 0 : -1))) {
        return NACRE_OK;
    }
    if (scan->range && touches(scan->range, begin, end)) {
        int status = txn_scan_reached_begin(scan, begin);
        return status == NACRE_OK ? txn_scan_reached_end(scan, end, with_end) : status;
    }
    struct txn_range *last = scan->range;
    scan->range = NULL;
    int status = new_range(scan, begin, end, with_end);
    if (status != NACRE_OK) {
        scan->range = last;
        return status;
    }
    if (last) {
        last->next = scan->txn->ranges;
        scan->txn->ranges = last;
    }
    scan->txn->range_count++;
    return NACRE_OK;
}

/* ---- the cursor ---- */

void txn_scan_detach(struct txn_scan *scan)
{
    if (!scan->txn) {
        return;
    }
    hand_over(scan);
    txn_discharge(scan->txn, scan->own_bytes + sizeof *scan);
    if (scan->previous) {
        scan->previous->next = scan->next;
    } else {
        scan->txn->scans = scan->next;
    }
    if (scan->next) {
        scan->next->previous = scan->previous;
    }
    scan->txn = NULL;
}

void txn_scan_free(struct txn_scan *scan)
{
    if (scan) {
        txn_scan_detach(scan);
        memory_free(scan);
    }
}

int txn_scan(nacre_txn *txn, nacre_collection *collection, const nacre_scan_options *options, nacre_cursor **cursor)
{
    nacre_scan_options at_snapshot = *options;
    struct txn_scan *scan;
    int status = NACRE_OK;
    if (txn->serializable) {
        changes_want_keys(txn->store);
        status = txn_note_collection(txn, collection);
    }
    if (status != NACRE_OK || (status = txn_charge(txn, sizeof *scan)) != NACRE_OK) {
        return status;
    }
    if (!(scan = memory_zalloc(sizeof *scan))) {
        return NACRE_NO_MEMORY;
    }
    scan->txn = txn;
    scan->collection = collection;
    scan->next = txn->scans;
    if (scan->next) {
        scan->next->previous = scan;
    }
    txn->scans = scan;
    at_snapshot.snapshot = &txn->snapshot;
    return collection_scan_own(collection, &at_snapshot, scan, cursor);
}
