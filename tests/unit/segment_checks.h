/* What every kind must answer as a plain model does: gets at every sequence, cursors in both directions, samples, verification, dump; with and without a
   side file, before and after it is opened again. */
#ifndef NACRE_TESTS_SEGMENT_CHECKS_H
#define NACRE_TESTS_SEGMENT_CHECKS_H
#include "segment_fixture.h"

static inline void check_get(struct segment *s, const struct model *m, nacre_slice key, uint64_t snapshot)
{
    struct lookup lookup = lookup_of(key, snapshot);
    struct entry found = { 0 };
    struct pin pin = { 0 };
    found.vector = s->kind->holds_vectors ? "" : NULL; /* such kinds say of every entry whether it has one */
    s->kind->prefetch(s->reader, &lookup);
    const struct entry *expected = model_get(m, key, snapshot);
    int status = s->kind->get(s->reader, &lookup, &found, &pin);
    if (expected) {
        assert_int_equal(status, NACRE_OK);
        assert_entry(expected, &found);
        assert_true(s->kind->may_have_key(s->reader, &lookup));
        for (size_t length = 0; length <= key.size && length < 70; length++)
            assert_true(s->kind->may_have_prefix(s->reader, slice_of(key.data, length)));
    } else {
        assert_int_equal(status, NACRE_NOT_FOUND);
    }
    pin_release(&pin);
}

static inline void check_gets(struct segment *s, const struct model *m, enum model_shape shape, uint64_t *random)
{
    static uint8_t key[MODEL_KEY_MAX];
    for (size_t i = 0; i < m->count; i++) {
        check_get(s, m, m->items[i].key, UINT64_MAX);
        check_get(s, m, m->items[i].key, m->items[i].sequence);
        check_get(s, m, m->items[i].key, m->items[i].sequence - 1);
        check_get(s, m, m->items[i].key, below(random, 3 * m->count));
    }
    for (int i = 0; i < 500; i++) {
        size_t size = model_key(shape, random, key);
        check_get(s, m, slice_of(key, size), UINT64_MAX);
    }
}

static inline void check_stands(const struct cursor *c, const struct model *m, size_t at)
{
    assert_int_equal(c->status, NACRE_OK);
    assert_int_equal(c->valid, at < m->count);
    if (at < m->count)
        assert_entry(&m->items[at], &c->entry);
}

/* Runs both ways, then random steps. `at` = count stands for an invalid cursor. */
static inline void check_cursor(struct segment *s, const struct model *m, enum model_shape shape, uint64_t *random)
{
    static uint8_t key[MODEL_KEY_MAX];
    struct cursor *c = NULL;
    assert_int_equal(s->kind->cursor_create(s->reader, &c), NACRE_OK);
    size_t at = 0;
    for (cursor_first(c); at < m->count; cursor_next(c))
        check_stands(c, m, at++);
    check_stands(c, m, m->count);
    at = m->count;
    for (cursor_last(c); at > 0; cursor_prev(c))
        check_stands(c, m, --at);
    check_stands(c, m, m->count);
    at = m->count;
    for (int i = 0; i < 3000; i++) {
        uint64_t step = below(random, 12);
        if (step < 4 && at < m->count) {
            cursor_next(c);
            at++;
        } else if (step < 8 && at < m->count) {
            cursor_prev(c);
            at = at ? at - 1 : m->count;
        } else if (step == 8) {
            cursor_first(c);
            at = 0;
        } else if (step == 9) {
            cursor_last(c);
            at = m->count ? m->count - 1 : 0;
        } else {
            nacre_slice target = slice_of(key, model_key(shape, random, key));
            if (m->count && below(random, 2))
                target = m->items[below(random, m->count)].key;
            if (at < m->count && below(random, 8) == 0)
                target = c->entry.key; /* its own key: not to be lost under the search */
            nacre_slice kept = model_copy(target);
            size_t place = model_seek(m, kept);
            if (step == 10)
                cursor_seek(c, target);
            else
                cursor_seek_before(c, target);
            at = step == 10 ? place : place ? place - 1 : m->count;
            free((void *)(uintptr_t)kept.data);
        }
        check_stands(c, m, at);
    }
    cursor_close(c);
}

static inline void check_samples(struct segment *s, const struct model *m)
{
    for (size_t count = 0; count < 20; count += 3) {
        struct buffer keys = { 0 };
        size_t made = 0;
        assert_int_equal(s->kind->sample_keys(s->reader, count, &keys, &made), NACRE_OK);
        assert_true(made <= count);
        struct reader in = reader_of(buffer_slice(&keys));
        nacre_slice before = { NULL, 0 };
        for (size_t i = 0; i < made; i++) {
            nacre_slice key = reader_slice(&in);
            assert_true(in.ok);
            assert_true(i == 0 || slice_compare(before, key) < 0);
            assert_true(slice_compare(key, m->items[0].key) >= 0);
            before = key;
        }
        assert_true(in.at == in.end);
        buffer_free(&keys);
    }
}

static inline void count_line(void *context, const char *json)
{
    assert_true(json[0] == '{' && json[strlen(json) - 1] == '}');
    ++*(size_t *)context;
}

static inline void check_all(struct segment *s, const struct model *m, enum model_shape shape, uint64_t *random)
{
    uint64_t entries = 0;
    size_t lines = 0;
    check_gets(s, m, shape, random);
    check_cursor(s, m, shape, random);
    check_samples(s, m);
    int status = segment_verify(s, &entries);
    if (status != NACRE_OK)
        print_message("verify: %s\n", fail_detail());
    assert_int_equal(status, NACRE_OK);
    assert_int_equal(entries, m->count);
    assert_int_equal(s->kind->dump(s->reader, count_line, &lines), NACRE_OK);
    assert_true(lines > 1);
    assert_int_equal(s->properties.entries, m->count);
    assert_true(slice_equal(buffer_slice(&s->properties.smallest), m->items[0].key));
    assert_true(slice_equal(buffer_slice(&s->properties.greatest), m->items[m->count - 1].key));
}

static inline void check_shape(const struct kind *kind, enum model_shape shape, size_t count, bool map, bool index,
                               enum compression compression, uint32_t block_bytes, uint64_t seed)
{
    struct fixture f;
    struct model m;
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    fixture_open(&f, map);
    f.kind = kind;
    model_fill(&m, shape, count, &random);
    struct segment *s = model_build(&f, &m,
                                    &(struct build_options){ .compression = compression,
                                                             .block_bytes = block_bytes,
                                                             .learned_index = 2,
                                                             .build_index = index,
                                                             .expected_entries = count });
    bool at_once = index && !kind->quick_index;
    assert_int_equal(segment_has_index(s), at_once);
    check_all(s, &m, shape, &random);
    if (!at_once) { /* and once it has one */
        assert_int_equal(segment_build_index(s, NULL), NACRE_OK);
        assert_true(segment_has_index(s));
        check_all(s, &m, shape, &random);
    }
    uint64_t id = s->properties.id, bytes = s->properties.bytes;
    segment_unref(s);
    assert_int_equal(segment_open(&f.env, kind, id, bytes, &s), NACRE_OK);
    assert_true(segment_has_index(s));
    check_all(s, &m, shape, &random);
    segment_mark_obsolete(s);
    segment_unref(s);
    model_free(&m);
    fixture_close(&f);
}
#endif
