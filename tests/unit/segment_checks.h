/* What every kind must answer as a plain model does: gets at every sequence, cursors in both directions, samples, verification, dump; with and without a
   side file, before and after it is opened again; in several threads; and when memory fails. */
#ifndef NACRE_TESTS_SEGMENT_CHECKS_H
#define NACRE_TESTS_SEGMENT_CHECKS_H
#include "segment_fixture.h"
#include <pthread.h>

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

static inline void check_empty_key(const struct kind *kind)
{
    struct fixture f;
    struct model m = { 0 };
    uint64_t random = 7;
    fixture_open_kind(&f, kind, true);
    model_add(&m, (struct entry){ .sequence = UINT64_MAX, .type = ENTRY_PUT });
    model_add(&m, (struct entry){ .sequence = 1, .type = ENTRY_PUT });
    struct segment *s = model_build(&f, &m, &(struct build_options){ .build_index = true });
    check_all(s, &m, TINY_ALPHABET, &random);
    fixture_close_with(&f, &m, s);
}

/* Adds the entry; then neither it again, nor a newer version of its key, nor a key before it is taken. */
static inline void check_order_is_kept(struct segment_builder *b, struct entry *e)
{
    assert_int_equal(segment_builder_add(b, e), NACRE_OK);
    assert_int_equal(segment_builder_add(b, e), NACRE_INVALID);
    e->sequence++;
    assert_int_equal(segment_builder_add(b, e), NACRE_INVALID);
    e->key.size--;
    assert_int_equal(segment_builder_add(b, e), NACRE_INVALID);
}

/* Large keys and values are too slow for as many. */
static inline size_t usual_count(int shape, size_t count)
{
    return shape == LARGE_VALUES ? 40 : shape == LONG_KEYS ? 120 : shape == HUGE_KEYS ? 60 : count;
}

/* ---- failing memory ---- */

/* The first status that is not NACRE_OK; where all entries come up, there are as many as the model has. */
static inline int count_by_cursor(struct segment *s, const struct model *m)
{
    struct cursor *c = NULL;
    size_t entries = 0;
    int status = s->kind->cursor_create(s->reader, &c);
    if (status != NACRE_OK)
        return status;
    for (cursor_first(c); c->valid; cursor_next(c))
        entries++;
    status = c->status;
    assert_true(status != NACRE_OK || entries == m->count);
    cursor_close(c);
    return status;
}

static inline bool fails_at(void *context, size_t bytes)
{
    (void)bytes;
    return (*(int *)context)-- == 0;
}

/* Each allocation of the attempt fails once: it says so, and no temporary file stays. */
static inline void check_failing_allocations(const struct kind *kind, enum model_shape shape,
                                             int (*attempt)(struct fixture *, const struct model *))
{
    for (int map = 0; map < 2; map++) {
        struct fixture f;
        struct model m;
        uint64_t random = 21;
        int status = NACRE_OK, left = -1;
        fixture_open_kind(&f, kind, map);
        model_fill(&m, shape, 300, &random);
        for (int nth = 0; left < 0; nth++) { /* until it is one more than there are */
            left = nth;
            memory_set_fault(fails_at, &left);
            status = attempt(&f, &m);
            memory_set_fault(NULL, NULL);
            assert_true(status == NACRE_OK || status == NACRE_NO_MEMORY);
            assert_int_equal(fixture_temporary_files(&f), 0);
        }
        assert_int_equal(status, NACRE_OK);
        model_free(&m);
        fixture_close(&f);
    }
}

/* ---- threads ---- */

struct reading {
    pthread_t thread;
    struct segment *s;
    const struct model *m;
    size_t wrong;
};

static inline bool is_vector_of(const struct entry *expected, const void *vector)
{
    size_t bytes = 4 * (size_t)model_dimension;
    return expected->vector ? vector && memcmp(vector, expected->vector, bytes) == 0 : !vector;
}

static inline void *read_all(void *context)
{
    struct reading *r = context;
    struct cursor *c = NULL;
    size_t at = 0;
    for (size_t i = 0; i < r->m->count; i++) {
        const struct entry *expected = &r->m->items[i];
        struct lookup lookup = lookup_of(expected->key, expected->sequence);
        struct entry e = { 0 };
        struct pin pin;
        int status = r->s->kind->get(r->s->reader, &lookup, &e, &pin);
        r->wrong += status != NACRE_OK || e.sequence != lookup.snapshot || !slice_equal(e.value, expected->value) ||
                    !is_vector_of(expected, e.vector);
        pin_release(&pin);
    }
    r->wrong += r->s->kind->cursor_create(r->s->reader, &c) != NACRE_OK;
    for (cursor_first(c); c->valid; cursor_next(c), at++)
        r->wrong += at >= r->m->count || !slice_equal(c->entry.key, r->m->items[at].key) ||
                    !is_vector_of(&r->m->items[at], c->entry.vector);
    r->wrong += at != r->m->count;
    cursor_close(c);
    return NULL;
}

/* Threads all begin with a segment that nobody has used; where an index is built, it is attached while they read. */
static inline void check_first_uses(const struct kind *kind, enum model_shape shape, bool build_index)
{
    for (int round = 0; round < 8; round++) {
        struct fixture f;
        struct model m;
        struct reading readings[4];
        uint64_t random = 31 + (uint64_t)round;
        fixture_open_kind(&f, kind, round & 1);
        model_fill(&m, round & 2 ? shape : MANY_VERSIONS, 1000, &random);
        struct segment *s = model_build(
            &f, &m, &(struct build_options){ .compression = round & 4 ? COMPRESSION_LZ4 : COMPRESSION_NONE });
        for (int i = 0; i < 4; i++) {
            readings[i] = (struct reading){ .s = s, .m = &m };
            assert_int_equal(pthread_create(&readings[i].thread, NULL, read_all, &readings[i]), 0);
        }
        if (build_index)
            assert_int_equal(segment_build_index(s, NULL), NACRE_OK);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_join(readings[i].thread, NULL), 0);
            assert_int_equal(readings[i].wrong, 0);
        }
        fixture_close_with(&f, &m, s);
    }
}
#endif
