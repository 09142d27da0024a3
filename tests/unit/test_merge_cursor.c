/* Merging cursors against a sorted array: all moves in random order, with children that are empty, alike, or break. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#undef fail
#include "base/memory.h"
#include "tree/merge_cursor.h"

/* A child: a cursor over an array in internal order. */
struct child {
    struct cursor cursor; /* first */
    struct entry entries[64];
    size_t count, at;
    int break_after; /* moves until it fails; -1 never */
    bool closed;
};

static void land(struct child *c, size_t at)
{
    c->cursor.status = NACRE_OK;
    if (c->break_after >= 0 && c->break_after-- == 0) {
        c->cursor.valid = false;
        c->cursor.status = NACRE_IO;
        return;
    }
    c->at = at;
    c->cursor.valid = at < c->count;
    if (c->cursor.valid) {
        c->cursor.entry = c->entries[at];
    }
}

static void child_first(struct cursor *c)
{
    land((struct child *)c, 0);
}
static void child_last(struct cursor *c)
{
    land((struct child *)c, ((struct child *)c)->count - 1);
}
static void child_next(struct cursor *c)
{
    land((struct child *)c, ((struct child *)c)->at + 1);
}
static void child_prev(struct cursor *c)
{
    land((struct child *)c, ((struct child *)c)->at - 1);
}
static size_t lower_bound(const struct child *c, nacre_slice key)
{
    size_t at = 0;
    while (at < c->count && slice_compare(c->entries[at].key, key) < 0) {
        at++;
    }
    return at;
}
static void child_seek(struct cursor *c, nacre_slice key)
{
    land((struct child *)c, lower_bound((struct child *)c, key));
}
static void child_seek_before(struct cursor *c, nacre_slice key)
{
    land((struct child *)c, lower_bound((struct child *)c, key) - 1);
}
static void child_close(struct cursor *c)
{
    ((struct child *)c)->closed = true;
}
static const struct cursor_ops child_ops = { child_first, child_last, child_seek, child_seek_before,
                                             child_next,  child_prev, child_close };

#define CHILDREN 7
struct world {
    struct child children[CHILDREN];
    size_t child_count;
    struct {
        struct entry entry;
        size_t child;
    } all[CHILDREN * 64];
    size_t count;
};
static uint64_t seed;
static uint64_t below(uint64_t bound)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed * UINT64_C(0x2545f4914f6cdd1d) >> 20) % bound;
}

static nacre_slice key_of(unsigned index)
{
    static char keys[40][32];
    static size_t sizes[40];
    if (sizes[0] == 0) {
        for (unsigned i = 0; i < 40; i++) { /* prefixes of each other; equal in 8 and in 16 bytes; zero bytes */
            sizes[i] = i < 12   ? i + 1
                       : i < 24 ? (size_t)snprintf(keys[i], sizeof keys[i], "abcdefgh%02u", i)
                                : (size_t)snprintf(keys[i], sizeof keys[i], "abcdefghijklmnop%02u", i);
            if (i < 12) {
                memset(keys[i], i % 2 ? 0 : 'a', sizes[i]);
                memset(keys[i], 'a', sizes[i] / 2 + 1);
            }
        }
    }
    return slice_of(keys[index], sizes[index]);
}

static int compare_all(const void *left, const void *right)
{
    const struct {
        struct entry entry;
        size_t child;
    } *a = left, *b = right;
    int order = entry_compare(&a->entry, &b->entry);
    return order ? order : a->child < b->child ? -1 : 1;
}

static int compare_entries(const void *left, const void *right)
{
    return entry_compare(left, right);
}

static void make_world(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->child_count = below(CHILDREN + 1);
    for (size_t i = 0; i < w->child_count; i++) {
        struct child *c = &w->children[i];
        c->cursor.ops = &child_ops;
        c->break_after = -1;
        c->count = below(3) == 0 ? 0 : below(64);
        for (size_t k = 0; k < c->count; k++) {
            c->entries[k] =
                (struct entry){ .key = key_of((unsigned)below(40)), .sequence = 1 + below(30), .type = ENTRY_PUT };
        }
        qsort(c->entries, c->count, sizeof c->entries[0], compare_entries);
        size_t kept = 0;
        for (size_t k = 0; k < c->count; k++) { /* a sequence of a key once per child; the same may be in another */
            if (kept == 0 || entry_compare(&c->entries[kept - 1], &c->entries[k]) != 0) {
                c->entries[kept++] = c->entries[k];
            }
        }
        c->count = kept;
        for (size_t k = 0; k < kept; k++) {
            w->all[w->count].entry = c->entries[k];
            w->all[w->count++].child = i;
        }
    }
    qsort(w->all, w->count, sizeof w->all[0], compare_all);
}

static size_t first_at_or_after(const struct world *w, nacre_slice key)
{
    size_t at = 0;
    while (at < w->count && slice_compare(w->all[at].entry.key, key) < 0) {
        at++;
    }
    return at;
}

static struct cursor *merge(struct world *w)
{
    struct cursor *list[CHILDREN + 1], *merged = NULL;
    for (size_t i = 0; i < w->child_count; i++) {
        list[i] = &w->children[i].cursor;
    }
    assert_int_equal(merge_cursor_create(list, w->child_count, &merged), NACRE_OK);
    return merged;
}

static void every_move_lands_where_a_sorted_array_says(void **unused)
{
    (void)unused;
    for (unsigned round = 1; round < 3000; round++) {
        static struct world w;
        seed = round * UINT64_C(0x9e3779b97f4a7c15);
        make_world(&w);
        struct cursor *merged = merge(&w);
        size_t at = w.count; /* >= count: invalid */
        for (unsigned move = 0; move < 200; move++) {
            bool valid = at < w.count;
            nacre_slice key = key_of((unsigned)below(40));
            switch (below(valid ? 14 : 4)) {
            case 0:
                cursor_first(merged);
                at = 0;
                break;
            case 1:
                cursor_last(merged);
                at = w.count - 1;
                break;
            case 2:
                cursor_seek(merged, key);
                at = first_at_or_after(&w, key);
                break;
            case 3:
                cursor_seek_before(merged, key);
                at = first_at_or_after(&w, key) - 1;
                break;
            case 4:
            case 5:
            case 6:
            case 7:
            case 8:
                cursor_next(merged);
                at++;
                break;
            default:
                cursor_prev(merged);
                at--;
                break;
            }
            assert_int_equal(merged->status, NACRE_OK);
            assert_int_equal(merged->valid, at < w.count);
            if (merged->valid) {
                assert_int_equal(entry_compare(&merged->entry, &w.all[at].entry), 0);
            }
        }
        cursor_close(merged);
        for (size_t i = 0; i < w.child_count; i++) {
            assert_true(w.children[i].closed);
        }
    }
}

static void a_child_that_fails_makes_the_merge_fail_until_the_next_seek(void **unused)
{
    (void)unused;
    for (unsigned round = 1; round < 2000; round++) {
        static struct world w;
        seed = round * UINT64_C(0x9e3779b97f4a7c15);
        make_world(&w);
        if (w.child_count < 2) {
            continue;
        }
        struct cursor *merged = merge(&w);
        struct child *broken = &w.children[below(w.child_count)];
        size_t at = 0;
        broken->break_after = (int)below(20);
        for (cursor_first(merged); merged->valid; cursor_next(merged)) {
            assert_int_equal(entry_compare(&merged->entry, &w.all[at++].entry), 0);
        }
        assert_true(merged->status == NACRE_IO || at == w.count);
        broken->break_after = -1;
        cursor_last(merged);
        assert_int_equal(merged->status, NACRE_OK);
        assert_int_equal(merged->valid, w.count > 0);
        cursor_close(merged);
    }
}

static void one_child_is_given_back_as_it_is(void **unused)
{
    (void)unused;
    struct child child = { .cursor.ops = &child_ops };
    struct cursor *list[] = { &child.cursor }, *merged = NULL;
    assert_int_equal(merge_cursor_create(list, 1, &merged), NACRE_OK);
    assert_ptr_equal(merged, &child.cursor);
}

static bool fail_allocation(void *context, size_t bytes)
{
    (void)context, (void)bytes;
    return true;
}

static void children_are_closed_when_there_is_no_memory(void **unused)
{
    (void)unused;
    struct child children[2] = { { .cursor.ops = &child_ops }, { .cursor.ops = &child_ops } };
    struct cursor *list[] = { &children[0].cursor, &children[1].cursor }, *merged = NULL;
    memory_set_fault(fail_allocation, NULL);
    assert_int_equal(merge_cursor_create(list, 2, &merged), NACRE_NO_MEMORY);
    memory_set_fault(NULL, NULL);
    assert_true(children[0].closed && children[1].closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_move_lands_where_a_sorted_array_says),
        cmocka_unit_test(a_child_that_fails_makes_the_merge_fail_until_the_next_seek),
        cmocka_unit_test(one_child_is_given_back_as_it_is),
        cmocka_unit_test(children_are_closed_when_there_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
