/* Merging cursors (see merge_cursor.h): a tournament of losers over the children, keyed by the first 8 bytes of their keys.

   All entries have one total order: key, then newest first, then the child's index. Going forward every child stands on its first
   entry after all that was given out, going backward on its last entry before.
   Invariants:
   1. slots[i].rank orders like the head of child i's key in the direction of travel (its complement going backward); an exhausted child has the
      greatest rank.
   2. losers[1 .. count - 1] hold at each node the child that lost there, `winner` the one that lost nowhere.
   One thread at a time; no locks. */
#include "tree/merge_cursor.h"
#include "base/memory.h"

struct slot {
    uint64_t rank;
    struct cursor *cursor;
};
struct merge_cursor {
    struct cursor cursor; /* first */
    uint32_t count, winner;
    bool backward;
    uint32_t *losers, *scratch;
    struct slot slots[];
};

static struct merge_cursor *of(struct cursor *c)
{
    return (struct merge_cursor *)c;
}

static inline void rank_child(const struct merge_cursor *m, struct slot *slot)
{
    if (__builtin_expect(!slot->cursor->valid, 0)) {
        slot->rank = UINT64_MAX;
        return;
    }
    uint64_t head = slice_head(slot->cursor->entry.key);
    slot->rank = m->backward ? ~head : head;
}

/* slice_compare for keys whose first 8 bytes are equal. */
static inline int compare_tails(nacre_slice a, nacre_slice b)
{
    if (a.size >= 16 && b.size >= 16) {
        uint64_t x, y;
        memcpy(&x, (const uint8_t *)a.data + 8, 8);
        memcpy(&y, (const uint8_t *)b.data + 8, 8);
        if (x != y) {
            return __builtin_bswap64(x) < __builtin_bswap64(y) ? -1 : 1;
        }
    }
    return slice_compare(a, b);
}

static int total_order(const struct entry *a, uint32_t index_a, const struct entry *b, uint32_t index_b)
{
    int order = compare_tails(a->key, b->key);
    if (order != 0) {
        return order;
    }
    if (a->sequence != b->sequence) {
        return a->sequence > b->sequence ? -1 : 1;
    }
    return index_a < index_b ? -1 : 1;
}

static __attribute__((noinline)) bool breaks_tie(const struct merge_cursor *m, uint32_t a, uint32_t b)
{
    const struct cursor *left = m->slots[a].cursor, *right = m->slots[b].cursor;
    if (!left->valid || !right->valid) {
        return left->valid;
    }
    return (total_order(&left->entry, a, &right->entry, b) < 0) != m->backward;
}

static inline bool comes_first(const struct merge_cursor *m, uint32_t a, uint32_t b)
{
    uint64_t left = m->slots[a].rank, right = m->slots[b].rank;
    return __builtin_expect(left != right, 1) ? left < right : breaks_tie(m, a, b);
}

static inline void give(struct merge_cursor *m)
{
    const struct cursor *best = m->slots[m->winner].cursor;
    m->cursor.valid = best->valid;
    if (__builtin_expect(best->valid, 1)) {
        m->cursor.entry = best->entry;
    }
}

static bool failed(struct merge_cursor *m, const struct cursor *child)
{
    if (child->status == NACRE_OK) {
        return false;
    }
    m->cursor.valid = false;
    m->cursor.status = child->status;
    return true;
}

/* All children were moved. */
static void rebuild(struct merge_cursor *m)
{
    uint32_t *best = m->scratch; /* of each node's subtree; leaves are count .. 2 count - 1 */
    m->cursor.status = NACRE_OK;
    for (uint32_t i = 0; i < m->count; i++) {
        if (failed(m, m->slots[i].cursor)) {
            return;
        }
        rank_child(m, &m->slots[i]);
        best[m->count + i] = i;
    }
    for (uint32_t node = m->count - 1; node >= 1; node--) {
        uint32_t a = best[2 * node], b = best[2 * node + 1];
        bool left = comes_first(m, a, b);
        best[node] = left ? a : b;
        m->losers[node] = left ? b : a;
    }
    m->winner = best[1];
    give(m);
}

/* The winner was moved. */
static inline void replay(struct merge_cursor *m)
{
    struct slot *moved = &m->slots[m->winner];
    if (__builtin_expect(!moved->cursor->valid, 0) && failed(m, moved->cursor)) {
        return;
    }
    rank_child(m, moved);
    uint32_t winner = m->winner;
    for (uint32_t node = (winner + m->count) / 2; node >= 1; node /= 2) {
        uint32_t other = m->losers[node];
        if (comes_first(m, other, winner)) {
            m->losers[node] = winner;
            winner = other;
        }
    }
    m->winner = winner;
    give(m);
}

/* Turning round: the other children step over to the far side of the current entry. A memtable may have got new entries in between, so one step
   need not be enough. The winner itself comes last: its entry is what the others are measured by. */
static void turn(struct merge_cursor *m, bool backward)
{
    struct entry here = m->cursor.entry;
    for (uint32_t i = 0; i < m->count; i++) {
        struct cursor *child = m->slots[i].cursor;
        if (i == m->winner) {
            continue;
        }
        if (!child->valid) {
            backward ? cursor_last(child) : cursor_first(child);
        }
        while (child->valid && (slice_compare(child->entry.key, here.key) != 0
                                    ? slice_compare(child->entry.key, here.key) > 0
                                    : total_order(&child->entry, i, &here, m->winner) > 0) == backward) {
            backward ? cursor_prev(child) : cursor_next(child);
        }
    }
    struct cursor *current = m->slots[m->winner].cursor;
    backward ? cursor_prev(current) : cursor_next(current);
    m->backward = backward;
    rebuild(m);
}

static void merge_next(struct cursor *c)
{
    struct merge_cursor *m = of(c);
    if (__builtin_expect(m->backward, 0)) {
        turn(m, false);
        return;
    }
    cursor_next(m->slots[m->winner].cursor);
    replay(m);
}

static void merge_prev(struct cursor *c)
{
    struct merge_cursor *m = of(c);
    if (__builtin_expect(!m->backward, 0)) {
        turn(m, true);
        return;
    }
    cursor_prev(m->slots[m->winner].cursor);
    replay(m);
}

static void merge_first(struct cursor *c)
{
    struct merge_cursor *m = of(c);
    for (uint32_t i = 0; i < m->count; i++) {
        cursor_first(m->slots[i].cursor);
    }
    m->backward = false;
    rebuild(m);
}

static void merge_last(struct cursor *c)
{
    struct merge_cursor *m = of(c);
    for (uint32_t i = 0; i < m->count; i++) {
        cursor_last(m->slots[i].cursor);
    }
    m->backward = true;
    rebuild(m);
}

static void merge_seek(struct cursor *c, nacre_slice key)
{
    struct merge_cursor *m = of(c);
    for (uint32_t i = 0; i < m->count; i++) {
        cursor_seek(m->slots[i].cursor, key);
    }
    m->backward = false;
    rebuild(m);
}

static void merge_seek_before(struct cursor *c, nacre_slice key)
{
    struct merge_cursor *m = of(c);
    for (uint32_t i = 0; i < m->count; i++) {
        cursor_seek_before(m->slots[i].cursor, key);
    }
    m->backward = true;
    rebuild(m);
}

static void merge_close(struct cursor *c)
{
    struct merge_cursor *m = of(c);
    for (uint32_t i = 0; i < m->count; i++) {
        cursor_close(m->slots[i].cursor);
    }
    memory_free(m);
}

static const struct cursor_ops merge_ops = { merge_first, merge_last, merge_seek, merge_seek_before,
                                             merge_next,  merge_prev, merge_close };

/* ---- nothing to merge ---- */

static void empty_move(struct cursor *c)
{
    c->valid = false;
}

static void empty_seek(struct cursor *c, nacre_slice key)
{
    (void)key;
    c->valid = false;
}

static void empty_close(struct cursor *c)
{
    memory_free(c);
}

static const struct cursor_ops empty_ops = { empty_move, empty_move, empty_seek, empty_seek,
                                             empty_move, empty_move, empty_close };

static int create_empty(struct cursor **created)
{
    struct cursor *c = memory_zalloc(sizeof *c);
    if (!c) {
        return NACRE_NO_MEMORY;
    }
    c->ops = &empty_ops;
    *created = c;
    return NACRE_OK;
}

int merge_cursor_create(struct cursor **children, size_t count, struct cursor **merged)
{
    if (count == 0) {
        return create_empty(merged);
    }
    if (count == 1) {
        *merged = children[0];
        return NACRE_OK;
    }
    struct merge_cursor *m = memory_zalloc(sizeof *m + count * (sizeof m->slots[0] + 3 * sizeof *m->losers));
    if (!m) {
        for (size_t i = 0; i < count; i++) {
            cursor_close(children[i]);
        }
        return NACRE_NO_MEMORY;
    }
    m->cursor.ops = &merge_ops;
    m->count = (uint32_t)count;
    m->losers = (uint32_t *)(void *)&m->slots[count];
    m->scratch = m->losers + count;
    for (size_t i = 0; i < count; i++) {
        m->slots[i].cursor = children[i];
    }
    *merged = &m->cursor;
    return NACRE_OK;
}
