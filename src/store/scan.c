/* The cursor that users hold: live keys of one collection at one sequence, in both directions.

   Under it lies a merge of all memtables and runs in internal order (key up, sequence down). This layer picks the version that
   counts, leaves out deletes, expired entries and what range deletes cover, keeps to the bounds, and learns dead ranges (gap.h).
   Invariants:
   1. live: key and value are the user's entry; its value, where it lies in the value log, was read when the move ended, so never for what is passed over. Going forward, the merge stands on that entry, or, where its value was merged, behind it on its key or
      the next one; going backward, on the last entry before all of its versions.
   2. the view is held until close, so that nothing under the merge goes away, and the active memtable's newer entries are left out by sequence.
   3. over matches of a regular expression (match is set) the merge has the wanted keys alone: dead ranges are used but never learned, as the keys between
      two matches are not seen.
   4. of a transaction (own is set) the merge has its own writes, too. Dead ranges are the store's: none is learned where own writes are in the bounds, and no
      own write is jumped over.
   One thread at a time. No locks. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/merged.h"
#include "store/search.h"
#include "store/txn.h"
#include "store/values.h"
#include "tree/merge_cursor.h"
#include <urcu/urcu-bp.h>

struct nacre_cursor {
    nacre_collection *collection;
    struct view *view;
    struct cursor *merge;
    uint64_t sequence;
    struct buffer begin, end; /* the bounds; empty = open */
    bool reverse, keys_only, has_ranges;
    uint64_t limit, given;
    bool live, backward, refused; /* refused: the value of `key` cannot be made, or read */
    int status;
    struct entry found; /* value and type of the live entry */
    struct pin value_pin;
    struct value_ahead ahead;      /* in the value log */
    struct merge_fold fold;        /* where a merged value is made */
    struct buffer key, kept_value; /* the entry's key; its value, or where that is, when the merge has moved on */
    unsigned dead_in_row;
    struct buffer dead_bound; /* where the dead row began: its first key, or the edge of the gap that was jumped */
    bool jumped;              /* a gap lies right before the row */
    int gap_slot;             /* of the gap this cursor is registering, or -1 */
    bool gap_reverse;
    uint64_t gap_assigned;    /* the last sequence assigned when it was registered */
    struct match_scan *match; /* owned; NULL: over all keys */
    struct holder holder;
    bool held;            /* the holder is on its list */
    uint64_t move_began;  /* 0: this one is not timed */
    uint32_t moves_left;  /* until the next one is */
    struct txn_scan *own; /* owned; NULL: not of a transaction */
};

static bool failed(nacre_cursor *c, int status)
{
    if (status != NACRE_OK) {
        c->status = status;
        c->live = false;
    }
    return status != NACRE_OK;
}

static int keep_key(nacre_cursor *c, nacre_slice key)
{
    buffer_clear(&c->key);
    return buffer_append(&c->key, key.data, key.size);
}

/* ---- dead ranges ---- */

static void settle_gap(nacre_cursor *c, bool has_stop, nacre_slice stop)
{
    if (c->gap_slot >= 0) {
        urcu_bp_read_lock();
        /* Confirmed when no write that could have missed the registration is newer than what this cursor sees (gap.h, 2). */
        bool confirmed = c->gap_assigned <= c->sequence;
        gap_settle(&c->collection->gaps, c->gap_slot, c, confirmed, c->sequence, has_stop, stop, c->gap_reverse);
        urcu_bp_read_unlock();
        c->gap_slot = -1;
    }
    c->dead_in_row = 0;
    c->jumped = false;
}

static void register_gap(nacre_cursor *c, bool reverse)
{
    nacre_store *store = c->collection->store;
    if (atomic_load_explicit(&store->last_sequence, memory_order_relaxed) != c->sequence) {
        return; /* an older point of view cannot confirm */
    }
    urcu_bp_read_lock();
    c->gap_slot = gap_register(&c->collection->gaps, c, buffer_slice(&c->dead_bound), reverse);
    urcu_bp_read_unlock();
    c->gap_reverse = reverse;
    c->gap_assigned = atomic_load_explicit(&store->last_sequence, memory_order_seq_cst);
}

/* The merge stands on a dead entry: jumps over the gap it lies in, if one is known. True when it moved. */
static bool jump_gap(nacre_cursor *c, bool reverse)
{
    uint8_t target[GAP_KEY_MAX + 1];
    size_t size = 0;
    bool open = false;
    urcu_bp_read_lock();
    const struct gap *gap = gap_find(&c->collection->gaps, c->merge->entry.key, c->sequence);
    if (gap) {
        open = reverse ? !gap->has_begin : !gap->has_end;
        nacre_slice edge = reverse ? gap_begin(gap) : gap_end(gap);
        size = edge.size;
        memcpy(target, edge.data, size);
    }
    urcu_bp_read_unlock();
    if (!gap || (c->own && txn_scan_has_own_before(c->own, slice_of(target, size), open, reverse))) {
        return false;
    }
    stats_add(&c->collection->store->stats, STATS_gap_jumps, 1);
    buffer_clear(&c->dead_bound);
    c->jumped = !open && buffer_append(&c->dead_bound, target, size) == NACRE_OK;
    c->dead_in_row = 0;
    if (open) {
        c->merge->valid = false; /* dead to the end */
    } else if (reverse) {
        cursor_seek_before(c->merge, slice_of(target, size));
    } else {
        cursor_seek(c->merge, slice_of(target, size));
    }
    return true;
}

static int count_dead(nacre_cursor *c, nacre_slice key, bool reverse)
{
    int status = NACRE_OK;
    if (c->match || (c->own && c->own->own)) {
        return NACRE_OK;
    }
    if (c->dead_in_row++ == 0 && !c->jumped) {
        buffer_clear(&c->dead_bound);
        status = buffer_append(&c->dead_bound, key.data, key.size);
        if (status == NACRE_OK && reverse) {
            status = buffer_append_u8(&c->dead_bound, 0); /* the key itself is in the row */
        }
    }
    if (c->dead_in_row == (c->jumped ? GAP_GROWTH : GAP_WORTH) && c->gap_slot < 0) {
        register_gap(c, reverse);
    }
    return status;
}

/* ---- which version counts ---- */

/* Own writes of a transaction have the top bit set. */
static bool sees(const nacre_cursor *c, const struct entry *entry)
{
    return (int64_t)entry->sequence <= (int64_t)c->sequence;
}

static bool is_live(const nacre_cursor *c, const struct entry *entry)
{
    if (entry->type == ENTRY_DELETE || (entry->expiry_ms != 0 && entry->expiry_ms <= clock_wall_ms())) {
        return false;
    }
    return !c->has_ranges || view_covering(c->view, entry->key, c->sequence) < entry->sequence;
}

static bool past_end(const nacre_cursor *c, nacre_slice key)
{
    return c->end.size && slice_compare(key, buffer_slice(&c->end)) >= 0;
}

static bool before_begin(const nacre_cursor *c, nacre_slice key)
{
    return c->begin.size && slice_compare(key, buffer_slice(&c->begin)) < 0;
}

static void stop(nacre_cursor *c)
{
    c->live = false;
    c->status = c->merge->status;
    settle_gap(c, false, (nacre_slice){ NULL, 0 });
    stats_add(&c->collection->store->stats, STATS_scan_dead, c->dead_in_row);
}

/* Over matches: whether the caller wants no more, or the time is over. */
static bool interrupted(nacre_cursor *c)
{
    int status = c->match ? match_scan_step(c->match) : NACRE_OK;
    return failed(c, status);
}

/* ---- merged values ---- */

/* A value that cannot be made, or read: the cursor is not valid, but tells the key. */
static bool refused(nacre_cursor *c, int status)
{
    c->refused = failed(c, status) && c->merge->status == NACRE_OK;
    return status != NACRE_OK;
}

/* The merge stands on the newest operand of c->key: takes it through the older versions, as far as they count. */
static int merge_forward(nacre_cursor *c)
{
    struct cursor *merge = c->merge;
    nacre_slice key = buffer_slice(&c->key);
    struct merged m;
    int status =
        merged_begin(&m, c->collection, &c->fold, key, c->has_ranges ? view_covering(c->view, key, c->sequence) : 0);
    while (status == NACRE_OK && merged_add(&m, &merge->entry)) {
        do {
            cursor_next(merge);
        } while (c->own && merge->valid && !sees(c, &merge->entry)); /* below own operands are others' newer versions */
        if (!merge->valid || !slice_equal(merge->entry.key, key) || interrupted(c)) {
            break;
        }
    }
    if (status == NACRE_OK) {
        status = c->status != NACRE_OK ? c->status : merge->status;
    }
    c->found.type = ENTRY_PUT;
    return status == NACRE_OK ? merged_end(&m, &c->found.value) : status;
}

/* Going backward the operands come oldest first, before it is known whether they count: so they are looked up once more. */
static int merge_backward(nacre_cursor *c)
{
    nacre_slice key = buffer_slice(&c->key);
    struct lookup lookup = { .key = key, .hash = hash_bytes(key.data, key.size), .snapshot = c->sequence };
    const struct merged_own own = { txn_scan_each_own, c->own };
    c->found.type = ENTRY_PUT;
    return merged_value(c->collection, c->view, &lookup, c->own ? &own : NULL, &c->fold, &c->found.value);
}

static void accept_forward(nacre_cursor *c)
{
    const struct entry *entry = &c->merge->entry;
    if (failed(c, keep_key(c, entry->key))) {
        return;
    }
    if (c->dead_in_row || c->jumped) {
        settle_gap(c, true, entry->key);
    }
    c->found.value = entry->value;
    c->found.type = entry->type;
    c->backward = false;
    if (entry->type == ENTRY_MERGE && !c->keys_only && refused(c, merge_forward(c))) {
        return;
    }
    c->live = true;
}

/* From where the merge stands to the first live key at or after it. */
static void find_forward(nacre_cursor *c)
{
    struct cursor *merge = c->merge;
    while (merge->valid) {
        const struct entry *entry = &merge->entry;
        if (past_end(c, entry->key)) {
            break;
        }
        if (interrupted(c)) {
            return;
        }
        if (!sees(c, entry)) {
            cursor_next(merge);
            continue;
        }
        if (is_live(c, entry)) {
            accept_forward(c);
            return;
        }
        if (jump_gap(c, false)) {
            continue;
        }
        if (failed(c, count_dead(c, entry->key, false)) || failed(c, keep_key(c, entry->key))) {
            return;
        }
        do {
            cursor_next(merge);
        } while (merge->valid && slice_equal(merge->entry.key, buffer_slice(&c->key)) && !interrupted(c));
        if (c->status != NACRE_OK) {
            return;
        }
    }
    stop(c);
}

/* From where the merge stands to the first live key at or before it. The versions of a key come oldest first here; the last one that
   the sequence allows decides. */
static void find_backward(nacre_cursor *c)
{
    struct cursor *merge = c->merge;
    while (merge->valid && !before_begin(c, merge->entry.key)) {
        bool seen = false, alive = false, merged = false;
        if (failed(c, keep_key(c, merge->entry.key))) {
            return;
        }
        do {
            const struct entry *entry = &merge->entry;
            if (interrupted(c)) {
                return;
            }
            if (sees(c, entry)) {
                seen = true;
                alive = is_live(c, entry);
                merged = entry->type == ENTRY_MERGE;
                c->found.type = entry->type;
                buffer_clear(&c->kept_value);
                if (alive && !merged && !c->keys_only &&
                    failed(c, buffer_append(&c->kept_value, entry->value.data, entry->value.size))) {
                    return;
                }
                if (!alive && jump_gap(c, true)) {
                    seen = false;
                    break;
                }
            }
            cursor_prev(merge);
        } while (merge->valid && slice_equal(merge->entry.key, buffer_slice(&c->key)));
        if (merge->status != NACRE_OK) {
            break; /* a newer version may be where it cannot be read */
        }
        if (alive) {
            if (c->dead_in_row || c->jumped) {
                settle_gap(c, true, buffer_slice(&c->key));
            }
            c->found.value = buffer_slice(&c->kept_value);
            c->backward = true;
            c->live = !merged || c->keys_only || !refused(c, merge_backward(c));
            return;
        }
        if (seen && failed(c, count_dead(c, buffer_slice(&c->key), true))) {
            return;
        }
    }
    stop(c);
}

/* ---- what a transaction has read ---- */

/* The cursor has gone from where it stood to where it stands, or to the end of its bounds; what is behind a limit is not shown, and so not read. */
static int note_step(nacre_cursor *c, bool backward)
{
    if (!c->live && !c->refused) {
        return backward ? txn_scan_reached_begin(c->own, buffer_slice(&c->begin))
                        : txn_scan_reached_end(c->own, buffer_slice(&c->end), false);
    }
    return backward ? txn_scan_reached_begin(c->own, buffer_slice(&c->key))
                    : txn_scan_reached_end(c->own, buffer_slice(&c->key), true);
}

static void note_move(nacre_cursor *c, bool backward)
{
    if (c->own && c->own->txn && (c->status == NACRE_OK || c->refused) && !(c->limit && c->given > c->limit)) {
        (void)failed(c, note_step(c, backward));
    }
}

/* It was put somewhere: from `target` up, or, backwards, from before `target` down. */
static void note_jump(nacre_cursor *c, bool backward, nacre_slice target)
{
    nacre_slice begin = buffer_slice(&c->begin), end = buffer_slice(&c->end), key = buffer_slice(&c->key);
    const bool stands_on_key = c->live || c->refused; /* a value that cannot be made still tells its key */
    if (!c->own || !c->own->txn || (c->status != NACRE_OK && !c->refused)) {
        return;
    }
    if (backward) {
        end = target.size && (end.size == 0 || slice_compare(target, end) < 0) ? target : end;
        (void)failed(c, txn_scan_jumped(c->own, stands_on_key ? key : begin, end, false));
    } else {
        begin = slice_compare(target, begin) > 0 ? target : begin;
        (void)failed(c, txn_scan_jumped(c->own, begin, stands_on_key ? key : end, stands_on_key));
    }
}

/* ---- moves ---- */

static void go_to(nacre_cursor *c, nacre_slice key)
{
    nacre_slice begin = buffer_slice(&c->begin);
    bool from_begin = begin.size && slice_compare(key, begin) < 0;
    c->status = NACRE_OK;
    c->refused = false;
    settle_gap(c, false, begin);
    if (key.size == 0 && begin.size == 0) {
        cursor_first(c->merge);
    } else {
        cursor_seek(c->merge, from_begin ? begin : key);
    }
    find_forward(c);
    note_jump(c, false, key);
}

static void go_before(nacre_cursor *c, nacre_slice key)
{
    nacre_slice end = buffer_slice(&c->end);
    bool from_end = end.size && (key.size == 0 || slice_compare(key, end) > 0);
    c->status = NACRE_OK;
    c->refused = false;
    settle_gap(c, false, end);
    if (key.size == 0 && end.size == 0) {
        cursor_last(c->merge);
    } else {
        cursor_seek_before(c->merge, from_end ? end : key);
    }
    find_backward(c);
    note_jump(c, true, key);
}

/* A move is too short to look up whose turn it is: the cursor counts by itself. */
static uint64_t time_move(nacre_cursor *c)
{
    const nacre_store *store = c->collection->store;
    c->moves_left = latency_draw(LATENCY_EVERY_cursor_move);
    return store_latencies(store) ? clock_monotonic_ns() : 0;
}

/* Each move begins and ends with these. False: it is not to be made. */
static bool enter(nacre_cursor *c)
{
    c->move_began = c->moves_left ? (c->moves_left--, 0) : time_move(c);
    pin_release(&c->value_pin);
    return !c->match || !failed(c, match_scan_enter(c->match));
}

static void leave(nacre_cursor *c)
{
    if (__builtin_expect(c->move_began != 0, 0)) {
        latency_add(c->collection->store->latencies, LATENCY_cursor_move, clock_monotonic_ns() - c->move_began,
                    LATENCY_EVERY_cursor_move);
        work_note_reads(c->collection->store, LATENCY_EVERY_cursor_move);
    }
    if (c->match) {
        c->match->matches += c->live;
        match_scan_leave(c->match);
    }
}

static void step_forward(nacre_cursor *c)
{
    if (c->backward) {
        /* The merge stands before the key's versions: find the key again, then leave it. */
        cursor_seek(c->merge, buffer_slice(&c->key));
    }
    while (c->merge->valid && slice_equal(c->merge->entry.key, buffer_slice(&c->key))) {
        cursor_next(c->merge);
    }
    find_forward(c);
}

static void step_backward(nacre_cursor *c)
{
    if (!c->backward) {
        cursor_seek_before(c->merge, buffer_slice(&c->key));
    }
    find_backward(c);
}

/* Counts an entry given in the scan's direction against the limit. */
static void count_given(nacre_cursor *c)
{
    if (c->live && c->limit && ++c->given > c->limit) {
        c->live = false;
    }
}

/* Each move ends here: the cursor stands on an entry that it gives, or nowhere. */
static void take_value(nacre_cursor *c)
{
    nacre_store *store = c->collection->store;
    if (c->live && !c->keys_only && c->found.type == ENTRY_POINTER) {
        value_read_ahead(store, &c->ahead, &c->found);
        (void)refused(c, value_resolve(store, buffer_slice(&c->key), &c->found, &c->value_pin));
    }
}

static bool stands(const nacre_cursor *c)
{
    return c && c->live;
}

bool nacre_cursor_valid(const nacre_cursor *c)
{
    return stands(c);
}

void nacre_cursor_next(nacre_cursor *c)
{
    if (!stands(c) || !enter(c)) {
        return;
    }
    if (c->reverse) {
        step_backward(c);
    } else {
        step_forward(c);
    }
    count_given(c);
    take_value(c);
    note_move(c, c->reverse);
    leave(c);
}

void nacre_cursor_prev(nacre_cursor *c)
{
    if (!stands(c) || !enter(c)) {
        return;
    }
    if (c->reverse) {
        step_forward(c);
    } else {
        step_backward(c);
    }
    if (c->live && c->given > 1) {
        c->given--;
    }
    take_value(c);
    note_move(c, !c->reverse);
    leave(c);
}

void nacre_cursor_seek(nacre_cursor *c, nacre_slice key)
{
    if (!c || !enter(c)) {
        return;
    }
    c->given = 0;
    if (c->reverse) {
        /* The greatest key <= the target: before the least key after it. */
        struct buffer after = { 0 };
        if (!failed(c, buffer_append(&after, key.data, key.size)) && !failed(c, buffer_append_u8(&after, 0))) {
            go_before(c, buffer_slice(&after));
        }
        buffer_free(&after);
    } else {
        go_to(c, key);
    }
    count_given(c);
    take_value(c);
    leave(c);
}

void nacre_cursor_first(nacre_cursor *c)
{
    if (!c || !enter(c)) {
        return;
    }
    c->given = 0;
    if (c->reverse) {
        go_before(c, (nacre_slice){ NULL, 0 });
    } else {
        go_to(c, (nacre_slice){ NULL, 0 });
    }
    count_given(c);
    take_value(c);
    leave(c);
}

void nacre_cursor_last(nacre_cursor *c)
{
    if (!c || !enter(c)) {
        return;
    }
    c->given = 0;
    if (c->reverse) {
        go_to(c, (nacre_slice){ NULL, 0 });
    } else {
        go_before(c, (nacre_slice){ NULL, 0 });
    }
    count_given(c);
    take_value(c);
    leave(c);
}

nacre_slice nacre_cursor_key(const nacre_cursor *c)
{
    return stands(c) || (c && c->refused) ? buffer_slice(&c->key) : (nacre_slice){ NULL, 0 };
}

nacre_slice nacre_cursor_value(const nacre_cursor *c)
{
    return stands(c) && !c->keys_only ? c->found.value : (nacre_slice){ NULL, 0 };
}

int nacre_cursor_status(const nacre_cursor *c)
{
    return c ? c->status : fail(NACRE_INVALID, "the cursor is NULL");
}

void nacre_cursor_close(nacre_cursor *c)
{
    if (!c) {
        return;
    }
    settle_gap(c, false, (nacre_slice){ NULL, 0 });
    if (c->held) {
        holder_remove(&c->collection->store->holders, &c->holder);
    }
    cursor_close(c->merge);
    match_scan_free(c->match, c->collection->store);
    txn_scan_free(c->own);
    if (c->view) {
        view_release(c->collection->store, c->view);
    }
    buffer_free(&c->begin);
    buffer_free(&c->end);
    buffer_free(&c->key);
    buffer_free(&c->kept_value);
    fold_free(&c->fold);
    pin_release(&c->value_pin);
    buffer_free(&c->dead_bound);
    atomic_fetch_sub_explicit(&c->collection->store->cursors, 1, memory_order_relaxed);
    memory_free(c);
}

/* ---- making one ---- */

/* The prefix is a pair of bounds as well; the tighter ones hold. */
static int set_bounds(nacre_cursor *c, const nacre_scan_options *options)
{
    nacre_slice begin = options->begin, end = options->end, prefix = options->prefix;
    if (slice_compare(prefix, begin) > 0) {
        begin = prefix;
    }
    int status = buffer_append(&c->begin, begin.data, begin.size);
    if (prefix.size && status == NACRE_OK) {
        struct buffer after = { 0 };
        size_t size = 0;
        status = buffer_reserve(&after, prefix.size);
        if (status == NACRE_OK && slice_prefix_end(prefix, after.data, &size) &&
            (end.size == 0 || slice_compare(slice_of(after.data, size), end) < 0)) {
            status = buffer_append(&c->end, after.data, size);
            end = (nacre_slice){ NULL, 0 };
        }
        buffer_free(&after);
    }
    return status == NACRE_OK && end.size ? buffer_append(&c->end, end.data, end.size) : status;
}

static int merge_children(nacre_cursor *c, nacre_slice prefix)
{
    struct cursor **children = NULL;
    nacre_slice begin = buffer_slice(&c->begin), end = buffer_slice(&c->end);
    size_t count = 0, capacity = c->view->table_count + 8;
    int status = (children = memory_alloc(capacity * sizeof(struct cursor *))) ? NACRE_OK : NACRE_NO_MEMORY;
    if (status == NACRE_OK && c->own) {
        status = txn_scan_make_own(c->own, begin, end);
        children[0] = c->own->own;
        count = c->own->own != NULL;
    }
    for (uint32_t i = 0; i < c->view->table_count && status == NACRE_OK; i++) {
        struct memtable *memtable = c->view->tables[i]->memtable;
        c->has_ranges |= memtable_has_ranges(memtable);
        if (memtable_entries(memtable) > 0) {
            status = c->match ? match_scan_table(c->match, i, memtable, begin, end, &children[count])
                              : memtable_cursor_create(memtable, &children[count]);
            count += status == NACRE_OK;
        }
    }
    c->has_ranges |= c->view->version->has_ranges;
    if (status == NACRE_OK && c->match) {
        status =
            version_match_cursors(c->view->version, 0, &c->match->search, begin, end, &children, &count, &capacity);
    } else if (status == NACRE_OK) {
        status = version_cursors(c->view->version, begin, end, prefix, &children, &count, &capacity);
    }
    if (status == NACRE_OK) {
        status = merge_cursor_create(children, count, &c->merge);
    } else {
        for (size_t i = 0; i < count; i++) {
            cursor_close(children[i]);
        }
    }
    memory_free(children);
    return status;
}

/* Takes over `match` and `own` also on failure. */
static int make_cursor(nacre_collection *collection, const nacre_scan_options *options, struct match_scan *match,
                       struct txn_scan *own, nacre_cursor **cursor)
{
    nacre_cursor *c = memory_zalloc(sizeof *c);
    if (!c) {
        match_scan_free(match, NULL);
        txn_scan_free(own);
        return NACRE_NO_MEMORY;
    }
    c->match = match;
    c->own = own;
    atomic_fetch_add_explicit(&collection->store->cursors, 1, memory_order_relaxed);
    stats_add(&collection->store->stats, STATS_scans, 1);
    c->collection = collection;
    c->gap_slot = -1;
    c->moves_left = latency_draw(LATENCY_EVERY_cursor_move);
    c->reverse = options->reverse;
    c->keys_only = options->keys_only;
    c->limit = options->limit;
    c->view = view_hold_at(collection, options->snapshot, &c->sequence);
    c->holder =
        (struct holder){ .kind = HOLDER_CURSOR, .sequence = c->sequence, .collection = collection, .view = c->view };
    holder_add(&collection->store->holders, &c->holder);
    c->held = true;
    int status = set_bounds(c, options);
    if (status == NACRE_OK && match) {
        status = match_scan_begin(match, c->view->table_count, c->sequence);
    }
    if (status == NACRE_OK) {
        status = merge_children(c, options->prefix);
    }
    if (status == NACRE_OK) {
        nacre_cursor_first(c);
        status = c->refused ? NACRE_OK
                            : c->status; /* a value that cannot be given is told by the cursor, which can be moved on */
    }
    if (status != NACRE_OK) {
        nacre_cursor_close(c);
        return status;
    }
    *cursor = c;
    return NACRE_OK;
}

int collection_scan(nacre_collection *collection, const nacre_scan_options *options, nacre_cursor **cursor)
{
    return make_cursor(collection, options, NULL, NULL, cursor);
}

int collection_scan_matches(nacre_collection *collection, const nacre_scan_options *options, struct match_scan *match,
                            nacre_cursor **cursor)
{
    return make_cursor(collection, options, match, NULL, cursor);
}

int collection_scan_own(nacre_collection *collection, const nacre_scan_options *options, struct txn_scan *own,
                        nacre_cursor **cursor)
{
    return make_cursor(collection, options, NULL, own, cursor);
}

uint64_t cursor_sequence(const nacre_cursor *c)
{
    const struct cursor *merge = c->merge;
    bool told = c->live && !c->backward && merge->valid && slice_equal(merge->entry.key, buffer_slice(&c->key));
    return told ? merge->entry.sequence : 0;
}
