/* Which versions merges keep, against a model that tries every viewer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#undef fail /* base/status.h has its own */
#include "base/memory.h"
#include "tree/retention.h"

#define VERSIONS 10
#define KEYS     3

struct history { /* of one key: newest first; the first `inputs` are merged, the others lie beneath */
    struct entry entries[VERSIONS];
    size_t count, inputs;
};
struct world {
    struct history keys[KEYS];
    struct range_delete ranges[4]; /* of the inputs */
    size_t range_count;
    uint64_t snapshots[4];
    size_t snapshot_count;
    uint64_t now;
    struct entry out[KEYS][VERSIONS];
    bool out_older[KEYS][VERSIONS];
    size_t out_count[KEYS];
};
static const char *const names[KEYS] = { "a", "b", "ba" };
static uint64_t seed;

static uint64_t below(uint64_t bound)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed * UINT64_C(0x2545f4914f6cdd1d) >> 20) % bound;
}

static size_t index_of(nacre_slice key)
{
    for (size_t i = 0; i < KEYS; i++) {
        if (slice_equal(key, slice_text(names[i]))) {
            return i;
        }
    }
    assert_null("not an unknown key");
    return 0;
}

static bool may_be_beneath(void *context, nacre_slice key)
{
    const struct history *h = &((struct world *)context)->keys[index_of(key)];
    return h->inputs < h->count;
}

static int keep(void *context, const struct entry *entry, bool older)
{
    struct world *w = context;
    size_t k = index_of(entry->key);
    assert_true(w->out_count[k] < VERSIONS);
    w->out_older[k][w->out_count[k]] = older;
    w->out[k][w->out_count[k]] = *entry;
    w->out[k][w->out_count[k]++].key = slice_text(names[k]);
    return NACRE_OK;
}

static void make_world(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->now = 100;
    uint64_t sequence[KEYS];
    for (size_t k = 0; k < KEYS; k++) {
        struct history *h = &w->keys[k];
        sequence[k] = 40;
        h->count = below(VERSIONS + 1);
        h->inputs = below(2) ? h->count : below(h->count + 1);
        for (size_t i = 0; i < h->count; i++) {
            sequence[k] -= 1 + below(3);
            bool put = below(3) > 0;
            h->entries[i] = (struct entry){ .key = slice_text(names[k]),
                                            .sequence = sequence[k],
                                            .type = put ? ENTRY_PUT : ENTRY_DELETE,
                                            .value = { "v", put },
                                            .expiry_ms = put && below(4) == 0 ? 50 + below(100) : 0 };
        }
    }
    w->range_count = below(2) ? 0 : below(4);
    for (size_t i = 0; i < w->range_count; i++) {
        static const char *const bounds[] = { "", "a", "b", "ba", "c" };
        size_t begin = below(4);
        size_t end = begin + 1 + below(5 - begin);
        w->ranges[i] =
            (struct range_delete){ slice_text(bounds[begin]), slice_text(end < 5 ? bounds[end] : ""), 10 + below(31) };
    }
    w->snapshot_count = below(4);
    for (size_t i = 0; i < w->snapshot_count; i++) {
        w->snapshots[i] = (i ? w->snapshots[i - 1] : 0) + 5 + below(12);
    }
}

/* The version that a viewer reads, or NULL: from lists of entries one beneath the other, under the given ranges. */
static const struct entry *read_at(const struct world *w, size_t k, const struct entry *upper, size_t upper_count,
                                   bool with_inputs, const struct range_delete *ranges, size_t range_count,
                                   uint64_t viewer)
{
    const struct history *h = &w->keys[k];
    const struct entry *found = NULL;
    for (size_t i = 0; i < upper_count && !found; i++) {
        found = upper[i].sequence <= viewer ? &upper[i] : NULL;
    }
    for (size_t i = with_inputs ? 0 : h->inputs; i < h->count && !found; i++) {
        found = h->entries[i].sequence <= viewer ? &h->entries[i] : NULL;
    }
    if (!found || found->type == ENTRY_DELETE || (found->expiry_ms && found->expiry_ms <= w->now)) {
        return NULL;
    }
    for (size_t i = 0; i < range_count; i++) {
        nacre_slice key = slice_text(names[k]);
        bool covers = slice_compare(ranges[i].begin, key) <= 0 &&
                      (ranges[i].end.size == 0 || slice_compare(key, ranges[i].end) < 0);
        if (covers && ranges[i].sequence > found->sequence && ranges[i].sequence <= viewer) {
            return NULL;
        }
    }
    return found;
}

static void check_key(const struct world *w, size_t k, const struct range_delete *kept, size_t kept_count)
{
    for (size_t s = 0; s <= w->snapshot_count; s++) {
        uint64_t viewer = s < w->snapshot_count ? w->snapshots[s] : SEQUENCE_MAX;
        const struct entry *before = read_at(w, k, NULL, 0, true, w->ranges, w->range_count, viewer);
        const struct entry *after = read_at(w, k, w->out[k], w->out_count[k], false, kept, kept_count, viewer);
        if ((before != NULL) != (after != NULL) || (before && before->sequence != after->sequence)) {
            print_error("key %s at %llu: %llu before, %llu after", names[k], (unsigned long long)viewer,
                        before ? (unsigned long long)before->sequence : 0,
                        after ? (unsigned long long)after->sequence : 0);
            assert_null("not the same version");
        }
    }
}

/* Nothing is kept that no viewer tells apart. */
static void check_nothing_superfluous(const struct world *w, size_t k)
{
    const struct history *h = &w->keys[k];
    bool beneath = h->inputs < h->count;
    assert_true(w->out_count[k] <= 2 * (w->snapshot_count + 1));
    for (size_t i = 0; i < w->out_count[k]; i++) {
        bool last = i + 1 == w->out_count[k];
        assert_true(w->out_older[k][i] == (i > 0));
        if (w->out[k][i].type == ENTRY_DELETE) {
            assert_true(!last || beneath);
            assert_true(last || w->out[k][i + 1].type == ENTRY_PUT);
        } else {
            assert_true(w->out[k][i].expiry_ms == 0 || w->out[k][i].expiry_ms > w->now);
        }
        if (!last) {
            assert_true(w->out[k][i].sequence > w->out[k][i + 1].sequence);
        }
    }
}

static void every_viewer_sees_the_same_before_and_after(void **unused)
{
    (void)unused;
    const char *text = getenv("NACRE_TEST_SCALE");
    unsigned rounds = 200000 * (text ? (unsigned)atoi(text) : 1);
    for (unsigned round = 1; round <= rounds; round++) {
        struct world w;
        struct range_set *set = NULL;
        seed = round * UINT64_C(0x9e3779b97f4a7c15);
        make_world(&w);
        assert_int_equal(range_set_create(w.ranges, w.range_count, &set), NACRE_OK);
        struct retention r = { .snapshots = w.snapshots,
                               .snapshot_count = w.snapshot_count,
                               .ranges = set,
                               .now_ms = w.now,
                               .may_be_beneath = may_be_beneath,
                               .keep = keep,
                               .context = &w };
        for (size_t k = 0; k < KEYS; k++) {
            for (size_t i = 0; i < w.keys[k].inputs; i++) {
                assert_int_equal(retention_add(&r, &w.keys[k].entries[i]), NACRE_OK);
            }
        }
        assert_int_equal(retention_finish(&r), NACRE_OK);
        struct range_delete kept[4];
        size_t kept_count = 0;
        for (size_t i = 0; i < w.range_count; i++) {
            bool beneath = false;
            for (size_t k = 0; k < KEYS; k++) {
                beneath = beneath || w.keys[k].inputs < w.keys[k].count;
            }
            if (retention_needs_range(&r, &w.ranges[i], beneath)) {
                kept[kept_count++] = w.ranges[i];
            }
        }
        for (size_t k = 0; k < KEYS; k++) {
            check_key(&w, k, kept, kept_count);
            check_nothing_superfluous(&w, k);
        }
        assert_true(kept_count == 0 || w.snapshot_count > 0 || may_be_beneath(&w, slice_text("a")) ||
                    may_be_beneath(&w, slice_text("b")) || may_be_beneath(&w, slice_text("ba")));
        retention_free(&r);
        range_set_free(set);
    }
}

static void feed(struct world *w, struct retention *r, const struct entry *entries, size_t count)
{
    *r = (struct retention){ .snapshots = w->snapshots,
                             .snapshot_count = w->snapshot_count,
                             .now_ms = w->now,
                             .may_be_beneath = may_be_beneath,
                             .keep = keep,
                             .context = w };
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(retention_add(r, &entries[i]), NACRE_OK);
    }
    assert_int_equal(retention_finish(r), NACRE_OK);
    retention_free(r);
}

static void a_put_and_its_delete_vanish_when_nothing_is_beneath(void **unused)
{
    (void)unused;
    struct world w = { .now = 100 };
    struct retention r;
    const struct entry entries[] = {
        { .key = slice_text("a"), .sequence = 9, .type = ENTRY_DELETE },
        { .key = slice_text("a"), .sequence = 5, .type = ENTRY_PUT, .value = { "v", 1 } }
    };
    feed(&w, &r, entries, 2);
    assert_int_equal(w.out_count[0], 0);
    w.keys[0].count = 1; /* now something is */
    feed(&w, &r, entries, 2);
    assert_int_equal(w.out_count[0], 1);
    assert_int_equal(w.out[0][0].type, ENTRY_DELETE);
    assert_int_equal(w.out[0][0].sequence, 9);
}

static void an_empty_value_is_not_a_delete(void **unused)
{
    (void)unused;
    struct world w = { .now = 100 };
    struct retention r;
    const struct entry empty = { .key = slice_text("a"), .sequence = 9, .type = ENTRY_PUT, .value = { "", 0 } };
    feed(&w, &r, &empty, 1);
    assert_int_equal(w.out_count[0], 1);
    assert_int_equal(w.out[0][0].type, ENTRY_PUT);
}

static void an_expired_entry_still_hides_what_is_beneath(void **unused)
{
    (void)unused;
    struct world w = { .now = 100 };
    struct retention r;
    const struct entry expired = {
        .key = slice_text("a"), .sequence = 9, .type = ENTRY_PUT, .value = { "v", 1 }, .expiry_ms = 100
    };
    w.keys[0].count = 1;
    feed(&w, &r, &expired, 1);
    assert_int_equal(w.out_count[0], 1);
    assert_int_equal(w.out[0][0].type, ENTRY_DELETE);
    assert_int_equal(w.out[0][0].sequence, 9);
    assert_int_equal(w.out[0][0].value.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_and_its_delete_vanish_when_nothing_is_beneath),
        cmocka_unit_test(an_empty_value_is_not_a_delete),
        cmocka_unit_test(an_expired_entry_still_hides_what_is_beneath),
        cmocka_unit_test(every_viewer_sees_the_same_before_and_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
