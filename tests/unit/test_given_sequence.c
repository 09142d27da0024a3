/* Segments whose entries were written as settled and are given their sequence later: every kind reads them as if they had been written with it. */
#include "segment_fixture.h"
#include "strings/strings.h"
#include "vectors/vectors.h"

#define KEYS      500u
#define DIMENSION 7u
#define GIVEN     UINT64_C(987654321012)

static const struct kind *const kinds[] = { &kind_ordered, &kind_strings, &kind_vectors };
#define KINDS (sizeof kinds / sizeof kinds[0])

static nacre_slice key_of(unsigned i) /* until the next */
{
    static char room[1024]; /* the hash of long keys, which gcc sees, stays within it */
    return slice_of(room, (size_t)snprintf(room, sizeof room, "key/%05u", i));
}

static struct segment *build(struct fixture *f, uint64_t sequence, bool with_delete)
{
    struct build_options options = {
        .block_bytes = 1024, .build_index = true, .sync_later = true, .dimension = DIMENSION, .metric = NACRE_L2
    };
    struct segment_builder *b = NULL;
    struct segment *s = NULL;
    float vector[DIMENSION] = { 1 };
    assert_int_equal(segment_builder_create(&f->env, f->kind, f->next_id++, &options, &b), NACRE_OK);
    for (unsigned i = 0; i < KEYS; i++) {
        bool put = !with_delete || i != 7;
        vector[1] = (float)i;
        struct entry e = { .key = key_of(i),
                           .value = put && i % 3 ? slice_of("some value", 10) : slice_of("", 0),
                           .sequence = sequence,
                           .expiry_ms = put && i % 5 == 0 ? 5000 + i : 0,
                           .type = put ? ENTRY_PUT : ENTRY_DELETE,
                           .vector = put && f->kind->holds_vectors ? vector : NULL };
        assert_int_equal(segment_builder_add(b, &e), NACRE_OK);
    }
    assert_int_equal(segment_builder_finish(b, &s), NACRE_OK);
    assert_int_equal(segment_sync(s), NACRE_OK);
    return s;
}

static void check(struct segment *s, uint64_t sequence)
{
    struct cursor *cursor = NULL;
    uint64_t entries = 0;
    unsigned seen = 0;
    assert_int_equal(s->properties.least_sequence, sequence);
    assert_int_equal(s->properties.greatest_sequence, sequence);
    for (unsigned i = 0; i < KEYS; i += 11) {
        nacre_slice key = key_of(i);
        struct lookup lookup = lookup_of(key, sequence);
        struct entry found;
        struct pin pin = { 0 };
        assert_int_equal(s->kind->get(s->reader, &lookup, &found, &pin), NACRE_OK);
        assert_int_equal(found.sequence, sequence);
        assert_int_equal(found.value.size, i % 3 ? 10 : 0);
        pin_release(&pin);
        lookup.snapshot = sequence - 1;
        assert_int_equal(s->kind->get(s->reader, &lookup, &found, &pin), NACRE_NOT_FOUND);
    }
    assert_int_equal(s->kind->cursor_create(s->reader, &cursor), NACRE_OK);
    for (cursor_first(cursor); cursor->valid; cursor_next(cursor)) {
        assert_int_equal(cursor->entry.sequence, sequence);
        seen++;
    }
    cursor_close(cursor);
    assert_int_equal(seen, KEYS);
    assert_int_equal(segment_verify(s, &entries), NACRE_OK);
    assert_int_equal(entries, KEYS);
}

static void every_kind_reads_the_sequence_that_was_given(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        for (int map = 0; map < 2; map++) {
            struct fixture f;
            fixture_open(&f, map);
            f.kind = kinds[k];
            struct segment *s = build(&f, SEQUENCE_SETTLED, false);
            check(s, SEQUENCE_SETTLED);
            assert_int_equal(segment_give_sequence(s, SEQUENCE_MAX - 1), NACRE_OK);
            assert_int_equal(segment_give_sequence(s, GIVEN), NACRE_OK);
            check(s, GIVEN);
            uint64_t id = s->properties.id, bytes = s->properties.bytes;
            segment_unref(s);
            assert_int_equal(segment_open(&f.env, kinds[k], id, bytes, &s), NACRE_OK);
            check(s, SEQUENCE_SETTLED); /* the file does not have it */
            assert_int_equal(segment_give_sequence(s, GIVEN), NACRE_OK);
            check(s, GIVEN);
            segment_unref(s);
            fixture_close(&f);
        }
    }
}

static void what_was_not_written_as_settled_puts_takes_no_sequence(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct fixture f;
        fixture_open(&f, true);
        f.kind = kinds[k];
        struct segment *later = build(&f, 5, false), *deleting = build(&f, SEQUENCE_SETTLED, true),
                       *good = build(&f, SEQUENCE_SETTLED, false);
        assert_int_equal(segment_give_sequence(later, GIVEN), NACRE_CORRUPT);
        assert_int_equal(segment_give_sequence(deleting, GIVEN), NACRE_CORRUPT);
        assert_int_equal(segment_give_sequence(good, 0), NACRE_CORRUPT);
        check(later, 5);
        check(good, SEQUENCE_SETTLED);
        segment_unref(later);
        segment_unref(deleting);
        segment_unref(good);
        fixture_close(&f);
    }
}

static void the_properties_keep_the_sequence_as_bytes(void **state)
{
    (void)state;
    for (int given = 0; given < 2; given++) {
        struct segment_properties p = { .id = 7,
                                        .entries = 3,
                                        .least_sequence = given ? GIVEN : 2,
                                        .greatest_sequence = GIVEN,
                                        .given_sequence = given ? GIVEN : 0,
                                        .greatest_open = !given };
        struct segment_properties back = { 0 };
        struct buffer bytes = { 0 };
        assert_int_equal(buffer_append(&p.smallest, "a", 1), NACRE_OK);
        assert_int_equal(buffer_append(&p.greatest, "b", 1), NACRE_OK);
        assert_int_equal(segment_properties_encode(&p, &bytes), NACRE_OK);
        struct reader in = reader_of(buffer_slice(&bytes));
        assert_int_equal(segment_properties_decode(&in, &back), NACRE_OK);
        assert_true(in.at == in.end);
        assert_int_equal(back.given_sequence, p.given_sequence);
        assert_int_equal(back.least_sequence, p.least_sequence);
        assert_int_equal(back.greatest_open, p.greatest_open);
        segment_properties_free(&back);
        segment_properties_free(&p);
        buffer_free(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_reads_the_sequence_that_was_given),
        cmocka_unit_test(what_was_not_written_as_settled_puts_takes_no_sequence),
        cmocka_unit_test(the_properties_keep_the_sequence_as_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
