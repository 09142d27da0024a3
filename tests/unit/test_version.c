/* Versions and run cursors: lookups at bounds, pieces that share a segment, prefixes, order that is checked. */
#include "support/mock_automaton.h"
#include "tree_fixture.h"
#include "tree/run_cursor.h"
#include "tree/version_build.h"

#define ENTRIES 400u

static nacre_slice text_key(unsigned key, char room[64])
{
    return slice_of(room, (size_t)snprintf(room, 64, "shared-by-all-of-them-%05u", key));
}

/* A segment with the keys first, first + step, ... of one sequence. */
static struct segment *make_segment(struct fixture *f, unsigned first, unsigned step, unsigned count, uint64_t sequence)
{
    struct segment_builder *builder;
    struct segment *segment;
    struct build_options options = { .block_bytes = 512, .build_index = true };
    assert_int_equal(
        segment_builder_create(&f->segments, f->kind, manifest_next_segment_id(f->manifest), &options, &builder),
        NACRE_OK);
    for (unsigned i = 0; i < count; i++) {
        char room[64];
        struct entry entry = { .key = text_key(first + i * step, room),
                               .value = slice_of(&sequence, sizeof sequence),
                               .sequence = sequence,
                               .type = ENTRY_PUT };
        assert_int_equal(segment_builder_add(builder, &entry), NACRE_OK);
    }
    assert_int_equal(segment_builder_finish(builder, &segment), NACRE_OK);
    return segment;
}

static int get(const struct version *v, unsigned key, uint64_t snapshot, uint64_t *sequence)
{
    char room[64];
    nacre_slice name = text_key(key, room);
    struct lookup lookup = { name, hash_bytes(name.data, name.size), snapshot, NULL };
    struct entry entry;
    struct pin pin = { NULL, NULL };
    int status = version_get(v, &lookup, 0, &entry, &pin);
    *sequence = status == NACRE_OK ? entry.sequence : 0;
    pin_release(&pin);
    return status;
}

static struct placed whole(struct segment *segment, uint32_t level, uint64_t run)
{
    struct placed p = { .level = level, .run = run, .segment = segment };
    placed_whole(&p);
    return p;
}

static void a_piece_shows_only_the_keys_inside_its_bounds(void **unused)
{
    (void)unused;
    struct fixture f;
    char low[64], high[64];
    fixture_open(&f, &kind_ordered, 1);
    struct segment *older = make_segment(&f, 0, 1, ENTRIES, 5), *newer = make_segment(&f, 0, 1, ENTRIES, 9);
    struct placed list[] = { whole(older, 2, 0), whole(newer, 0, 3), whole(newer, 1, 0), whole(newer, 0, 3) };
    list[1].has_end = true; /* [.., 100) and [300, ..) above, [150, 200) in level 1 */
    list[1].end = text_key(100, low);
    list[3].has_begin = true;
    list[3].begin = text_key(300, high);
    char begin[64], end[64];
    list[2].has_begin = list[2].has_end = true;
    list[2].begin = text_key(150, begin);
    list[2].end = text_key(200, end);
    struct version *v;
    assert_int_equal(version_build(f.kind, list, 4, &v), NACRE_OK);
    assert_int_equal(v->run_count, 3);
    assert_int_equal(v->levels[0].count, 1);
    assert_int_equal(v->levels[0].runs[0].count, 2);
    assert_int_equal(v->segment_count, 2);
    for (unsigned k = 0; k < ENTRIES; k++) {
        uint64_t sequence;
        bool covered = k < 100 || k >= 300 || (k >= 150 && k < 200);
        assert_int_equal(get(v, k, SEQUENCE_MAX, &sequence), NACRE_OK);
        assert_int_equal(sequence, covered ? 9 : 5);
        assert_int_equal(get(v, k, 7, &sequence), NACRE_OK);
        assert_int_equal(sequence, 5);
        assert_int_equal(get(v, k, 4, &sequence), NACRE_NOT_FOUND);
    }
    uint64_t sequence;
    assert_int_equal(get(v, ENTRIES, SEQUENCE_MAX, &sequence), NACRE_NOT_FOUND);
    const nacre_slice strange[] = { { "", 0 },
                                    slice_text("shared-by-all"),
                                    slice_text("shared-by-all-of-them-"),
                                    slice_text("t"),
                                    slice_text("shared-by-all-of-them-00000"),
                                    slice_text("a") };
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        struct lookup lookup = { strange[i], hash_bytes(strange[i].data, strange[i].size), SEQUENCE_MAX, NULL };
        struct entry entry;
        struct pin pin = { NULL, NULL };
        version_prefetch(v, 0, &lookup);
        assert_int_equal(version_get(v, &lookup, 0, &entry, &pin), i == 4 ? NACRE_OK : NACRE_NOT_FOUND);
        assert_int_equal(version_may_have_key(v, &lookup, 0) && i != 4, false);
        pin_release(&pin);
    }
    version_unref(v);
    segment_unref(older);
    segment_unref(newer);
    fixture_close(&f);
}

static void a_run_cursor_moves_over_its_pieces_as_over_one_array(void **unused)
{
    (void)unused;
    struct fixture f;
    fixture_open(&f, &kind_ordered, 2);
    /* Keys 0, 3, 6, ...; pieces of two segments, the second one in two parts with a hole between. */
    struct segment *a = make_segment(&f, 0, 3, 40, 5), *b = make_segment(&f, 120, 3, 40, 5);
    char room[2][64];
    struct placed list[] = { whole(a, 1, 0), whole(b, 1, 0), whole(b, 1, 0) };
    list[1].has_end = list[2].has_begin = true;
    list[1].end = text_key(150, room[0]);
    list[2].begin = text_key(200, room[1]);
    struct version *v;
    struct cursor *cursor;
    unsigned keys[200], count = 0;
    for (unsigned k = 0; k < 240; k += 3) {
        if (k < 150 || k >= 200) {
            keys[count++] = k;
        }
    }
    assert_int_equal(version_build(f.kind, list, 3, &v), NACRE_OK);
    assert_int_equal(run_cursor_create(v->runs[0].pieces, v->runs[0].count, &cursor), NACRE_OK);
    size_t at = SIZE_MAX;
    for (unsigned move = 0; move < 20000; move++) {
        char target[64];
        unsigned wanted = (unsigned)fixture_random(&f, 260);
        bool valid = at < count;
        switch (fixture_random(&f, valid ? 10 : 4)) {
        case 0:
            cursor_first(cursor);
            at = 0;
            break;
        case 1:
            cursor_last(cursor);
            at = count - 1;
            break;
        case 2:
            cursor_seek(cursor, text_key(wanted, target));
            for (at = 0; at < count && keys[at] < wanted; at++) {}
            break;
        case 3:
            cursor_seek_before(cursor, text_key(wanted, target));
            for (at = 0; at < count && keys[at] < wanted; at++) {}
            at--;
            break;
        case 4:
        case 5:
        case 6:
            cursor_next(cursor);
            at++;
            break;
        default:
            cursor_prev(cursor);
            at--;
            break;
        }
        assert_int_equal(cursor->status, NACRE_OK);
        assert_int_equal(cursor->valid, at < count);
        if (cursor->valid) {
            char expected[64];
            assert_true(slice_equal(cursor->entry.key, text_key(keys[at], expected)));
        }
    }
    cursor_close(cursor);
    version_unref(v);
    segment_unref(a);
    segment_unref(b);
    fixture_close(&f);
}

static void pieces_that_overlap_in_a_run_are_refused(void **unused)
{
    (void)unused;
    struct fixture f;
    char room[64];
    fixture_open(&f, &kind_ordered, 3);
    struct segment *a = make_segment(&f, 0, 1, 100, 5), *b = make_segment(&f, 99, 1, 100, 6);
    struct placed list[] = { whole(b, 1, 0), whole(a, 1, 0) };
    struct version *v;
    assert_int_equal(version_build(f.kind, list, 2, &v), NACRE_CORRUPT);
    list[0] = whole(a, 1, 0);
    list[1] = whole(b, 1, 0);
    list[0].has_end = true;
    list[0].end = text_key(99, room);
    assert_int_equal(version_build(f.kind, list, 2, &v), NACRE_OK);
    version_unref(v);
    list[0].level = TREE_LEVELS;
    assert_int_equal(version_build(f.kind, list, 2, &v), NACRE_CORRUPT);
    segment_unref(a);
    segment_unref(b);
    fixture_close(&f);
}

static size_t cursors_of(const struct version *v, nacre_slice begin, nacre_slice end, nacre_slice prefix)
{
    struct cursor **children = NULL;
    size_t count = 0, capacity = 0;
    assert_int_equal(version_cursors(v, begin, end, prefix, &children, &count, &capacity), NACRE_OK);
    for (size_t i = 0; i < count; i++) {
        cursor_close(children[i]);
    }
    free(children);
    return count;
}

static void only_runs_that_may_hold_the_bounds_get_cursors(void **unused)
{
    (void)unused;
    struct fixture f;
    char low[64], high[64];
    fixture_open(&f, &kind_ordered, 4);
    struct segment *a = make_segment(&f, 0, 1, 100, 5), *b = make_segment(&f, 100, 1, 100, 6),
                   *c = make_segment(&f, 50, 1, 100, 7);
    struct placed list[] = { whole(a, 1, 0), whole(b, 1, 0), whole(c, 0, 1) };
    struct version *v;
    nacre_slice open = { NULL, 0 };
    assert_int_equal(version_build(f.kind, list, 3, &v), NACRE_OK);
    assert_int_equal(cursors_of(v, open, open, open), 2);
    assert_int_equal(cursors_of(v, open, text_key(50, high), open), 1);
    assert_int_equal(cursors_of(v, text_key(150, low), open, open), 1);
    assert_int_equal(cursors_of(v, text_key(149, low), open, open), 2);
    assert_int_equal(cursors_of(v, text_key(200, low), open, open), 0);
    assert_int_equal(cursors_of(v, open, open, slice_text("shared-by-all-of-them-0000")), 1);
    assert_int_equal(cursors_of(v, open, open, slice_text("shared-by-all-of-them-0005")), 2);
    assert_int_equal(cursors_of(v, open, open, slice_text("\xff\xff\xff")), 0);
    assert_int_equal(cursors_of(v, open, text_key(50, high), slice_text("shared-by-all-of-them-0006")), 0);
    version_unref(v);
    segment_unref(a);
    segment_unref(b);
    segment_unref(c);
    fixture_close(&f);
}

static void more_runs_than_are_probed_at_once_are_all_looked_through(void **unused)
{
    (void)unused;
    struct fixture f;
    fixture_open(&f, &kind_ordered, 5);
    struct segment *segments[70];
    struct placed list[70];
    for (unsigned i = 0; i < 70; i++) {
        segments[i] = make_segment(&f, i, 200, 2, i + 1); /* keys i and i + 200 */
        list[i] = whole(segments[i], 0, i);
    }
    struct version *v;
    assert_int_equal(version_build(f.kind, list, 70, &v), NACRE_OK);
    for (unsigned i = 0; i < 70; i++) {
        uint64_t sequence;
        assert_int_equal(get(v, i, SEQUENCE_MAX, &sequence), NACRE_OK);
        assert_int_equal(sequence, i + 1);
        assert_int_equal(get(v, i, i, &sequence), NACRE_NOT_FOUND);
    }
    version_unref(v);
    for (unsigned i = 0; i < 70; i++) {
        segment_unref(segments[i]);
    }
    fixture_close(&f);
}

/* Pieces of two segments, cut, and bounds that cut them once more: the toy kind asserts that nobody moves its cursors outside. */
static void a_search_gives_the_wanted_keys_of_cut_pieces_inside_its_bounds(void **unused)
{
    (void)unused;
    struct fixture f;
    char low[64], high[64], one[64], two[64], key[64];
    fixture_open(&f, &kind_toy, 7);
    struct segment *a = make_segment(&f, 0, 1, 300, 5), *b = make_segment(&f, 100, 1, 300, 6);
    struct placed list[] = { whole(a, 1, 0), whole(b, 1, 0) };
    struct version *v;
    list[0].has_end = list[1].has_begin = true;
    list[0].end = text_key(150, low);
    list[1].begin = text_key(210, high);
    assert_int_equal(version_build(f.kind, list, 2, &v), NACRE_OK);
    struct mock_automaton mock;
    mock_automaton_init(&mock, MOCK_ENDS, slice_text("7"));
    struct search search = { .automaton = &mock.automaton, .snapshot = SEQUENCE_MAX };
    for (int round = 0; round < 2000; round++) {
        unsigned from = (unsigned)fixture_random(&f, 420), to = (unsigned)fixture_random(&f, 420);
        unsigned target = (unsigned)fixture_random(&f, 420), wanted[60];
        nacre_slice begin = from < 10 ? (nacre_slice){ NULL, 0 } : text_key(from, one);
        nacre_slice end = to < 10 ? (nacre_slice){ NULL, 0 } : text_key(to, two);
        size_t count = 0, children_count = 0, capacity = 0, at = 0;
        for (unsigned k = 7; k < 400; k += 10) {
            if ((k < 150 || k >= 210) && (from < 10 || k >= from) && (to < 10 || k < to)) {
                at += k < target;
                wanted[count++] = k;
            }
        }
        struct cursor **children = NULL, *c;
        assert_int_equal(version_match_cursors(v, 0, &search, begin, end, &children, &children_count, &capacity),
                         NACRE_OK);
        assert_int_equal(merge_cursor_create(children, children_count, &c), NACRE_OK);
        free(children);
        size_t i = 0;
        for (cursor_first(c); c->valid; cursor_next(c)) {
            assert_true(slice_equal(c->entry.key, text_key(wanted[i++], key)));
        }
        assert_int_equal(i, count);
        for (cursor_last(c); c->valid; cursor_prev(c)) {
            assert_true(slice_equal(c->entry.key, text_key(wanted[--i], key)));
        }
        assert_int_equal(i, 0);
        cursor_seek(c, text_key(target, key));
        assert_int_equal(c->valid, at < count);
        assert_true(!c->valid || slice_equal(c->entry.key, text_key(wanted[at], key)));
        cursor_seek_before(c, text_key(target, key));
        assert_int_equal(c->valid, at > 0);
        assert_true(!c->valid || slice_equal(c->entry.key, text_key(wanted[at - 1], key)));
        cursor_close(c);
    }
    version_unref(v);
    segment_unref(a);
    segment_unref(b);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_piece_shows_only_the_keys_inside_its_bounds),
        cmocka_unit_test(a_run_cursor_moves_over_its_pieces_as_over_one_array),
        cmocka_unit_test(pieces_that_overlap_in_a_run_are_refused),
        cmocka_unit_test(a_search_gives_the_wanted_keys_of_cut_pieces_inside_its_bounds),
        cmocka_unit_test(only_runs_that_may_hold_the_bounds_get_cursors),
        cmocka_unit_test(more_runs_than_are_probed_at_once_are_all_looked_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
