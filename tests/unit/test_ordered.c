/* The ordered kind against a plain model: random entries of many shapes, under every way to keep them. */
#include "segment_fixture.h"
#include "ordered/reader.h"

static void check_get(struct segment *s, const struct model *m, nacre_slice key, uint64_t snapshot)
{
    struct lookup lookup = lookup_of(key, snapshot);
    struct entry found = { 0 };
    struct pin pin = { 0 };
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

static void check_gets(struct segment *s, const struct model *m, enum model_shape shape, uint64_t *random)
{
    static uint8_t key[65536];
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

static void check_stands(const struct cursor *c, const struct model *m, size_t at)
{
    assert_int_equal(c->status, NACRE_OK);
    assert_int_equal(c->valid, at < m->count);
    if (at < m->count)
        assert_entry(&m->items[at], &c->entry);
}

/* Runs both ways, then random steps. `at` = count stands for an invalid cursor. */
static void check_cursor(struct segment *s, const struct model *m, enum model_shape shape, uint64_t *random)
{
    static uint8_t key[65536];
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

static void check_samples(struct segment *s, const struct model *m)
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

static void count_line(void *context, const char *json)
{
    assert_true(json[0] == '{' && json[strlen(json) - 1] == '}');
    ++*(size_t *)context;
}

static void check_all(struct segment *s, const struct model *m, enum model_shape shape, uint64_t *random)
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

static void check_shape(enum model_shape shape, size_t count, bool map, bool index, enum compression compression,
                        uint32_t block_bytes, uint64_t seed)
{
    struct fixture f;
    struct model m;
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    fixture_open(&f, map);
    model_fill(&m, shape, count, &random);
    struct segment *s = model_build(&f, &m, &(struct build_options){ compression, block_bytes, index, count });
    assert_int_equal(segment_has_index(s), index);
    check_all(s, &m, shape, &random);
    if (!index) { /* and once it has one */
        assert_int_equal(segment_build_index(s), NACRE_OK);
        assert_true(segment_has_index(s));
        check_all(s, &m, shape, &random);
    }
    uint64_t id = s->properties.id, bytes = s->properties.bytes;
    segment_unref(s);
    assert_int_equal(segment_open(&f.env, &kind_ordered, id, bytes, &s), NACRE_OK);
    assert_true(segment_has_index(s));
    check_all(s, &m, shape, &random);
    segment_mark_obsolete(s);
    segment_unref(s);
    model_free(&m);
    fixture_close(&f);
}

static void every_shape_answers_as_the_model_does_in_place(void **state)
{
    (void)state;
    for (int shape = 0; shape < MODEL_SHAPES; shape++)
        for (int index = 0; index < 2; index++)
            check_shape((enum model_shape)shape,
                        shape == LARGE_VALUES ? 40
                        : shape == LONG_KEYS  ? 150
                                              : 1500,
                        true, index, COMPRESSION_NONE, index ? 4096 : 512, (uint64_t)(shape * 2 + index));
}

static void every_shape_answers_as_the_model_does_when_compressed(void **state)
{
    (void)state;
    for (int shape = 0; shape < MODEL_SHAPES; shape++)
        for (int codec = COMPRESSION_LZ4; codec <= COMPRESSION_ZSTD; codec++)
            check_shape((enum model_shape)shape,
                        shape == LARGE_VALUES ? 30
                        : shape == LONG_KEYS  ? 80
                                              : 800,
                        codec & 1, true, (enum compression)codec, 4096, (uint64_t)(100 + shape * 2 + codec));
}

static void every_shape_answers_as_the_model_does_without_maps(void **state)
{
    (void)state;
    for (int shape = 0; shape < MODEL_SHAPES; shape++)
        check_shape((enum model_shape)shape,
                    shape == LARGE_VALUES ? 20
                    : shape == LONG_KEYS  ? 80
                                          : 600,
                    false, shape & 1, COMPRESSION_NONE, 1024, (uint64_t)(200 + shape));
}

static void large_blocks_with_wide_slots_answer_as_the_model_does(void **state)
{
    (void)state;
    for (int shape = 0; shape < MODEL_SHAPES; shape++)
        check_shape((enum model_shape)shape,
                    shape == LARGE_VALUES ? 40
                    : shape == LONG_KEYS  ? 150
                                          : 4000,
                    true, shape & 1, shape & 2 ? COMPRESSION_LZ4 : COMPRESSION_NONE, 300000, (uint64_t)(300 + shape));
}

static void one_entry_of_an_empty_key_and_value_is_kept(void **state)
{
    (void)state;
    struct fixture f;
    struct model m = { 0 };
    uint64_t random = 7;
    fixture_open(&f, true);
    model_add(&m, (struct entry){ .sequence = UINT64_MAX, .type = ENTRY_PUT });
    model_add(&m, (struct entry){ .sequence = 1, .type = ENTRY_PUT });
    struct segment *s = model_build(&f, &m, &(struct build_options){ .build_index = true });
    check_gets(s, &m, TINY_ALPHABET, &random);
    check_cursor(s, &m, TINY_ALPHABET, &random);
    segment_unref(s);
    model_free(&m);
    fixture_close(&f);
}

static void entries_out_of_order_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct segment_builder *b = NULL;
    fixture_open(&f, true);
    assert_int_equal(segment_builder_create(&f.env, &kind_ordered, 1, &(struct build_options){ 0 }, &b), NACRE_OK);
    struct entry e = { .key = slice_text("key10"), .value = slice_text("v"), .sequence = 5, .type = ENTRY_PUT };
    assert_int_equal(segment_builder_add(b, &e), NACRE_OK);
    assert_int_equal(segment_builder_add(b, &e), NACRE_INVALID);
    e.sequence = 6;
    assert_int_equal(segment_builder_add(b, &e), NACRE_INVALID);
    e.key = slice_text("key1");
    assert_int_equal(segment_builder_add(b, &e), NACRE_INVALID);
    segment_builder_abandon(b);
    assert_false(os_exists(f.env.os, "/tmp/none"));
    fixture_close(&f);
}

static void incompressible_blocks_are_kept_raw_and_compressible_ones_shrink(void **state)
{
    (void)state;
    struct fixture f;
    struct model noise = { 0 }, text = { 0 };
    uint64_t random = 99;
    fixture_open(&f, true);
    for (uint32_t i = 0; i < 4000; i++) {
        uint8_t value[100];
        char key[16];
        int size = snprintf(key, sizeof key, "%08u", i);
        for (size_t k = 0; k < sizeof value; k++)
            value[k] = (uint8_t)next_random(&random);
        model_add(
            &noise,
            (struct entry){ .key = { key, (size_t)size }, .value = { value, 100 }, .sequence = 1, .type = ENTRY_PUT });
        memset(value, 'a', sizeof value);
        model_add(&text, (struct entry){
                             .key = { key, (size_t)size }, .value = { value, 100 }, .sequence = 1, .type = ENTRY_PUT });
    }
    for (int codec = COMPRESSION_LZ4; codec <= COMPRESSION_ZSTD; codec++) {
        struct build_options options = { .compression = (enum compression)codec };
        struct segment *a = model_build(&f, &noise, &options), *b = model_build(&f, &text, &options);
        assert_true(a->properties.bytes > 4000 * 108);
        assert_true(b->properties.bytes < 4000 * 30);
        segment_unref(a);
        segment_unref(b);
    }
    model_free(&noise);
    model_free(&text);
    fixture_close(&f);
}

static void prefix_questions_are_answered_without_a_false_no(void **state)
{
    (void)state;
    struct fixture f;
    struct model m = { 0 };
    fixture_open(&f, true);
    for (uint32_t i = 0; i < 20000; i++) {
        char key[64];
        int size = snprintf(key, sizeof key, "user:%05u:event:%08u", i / 20, i);
        model_add(&m, (struct entry){
                          .key = { key, (size_t)size }, .value = { "v", 1 }, .sequence = i + 1, .type = ENTRY_PUT });
    }
    model_finish(&m);
    struct segment *s = model_build(&f, &m, &(struct build_options){ .build_index = true });
    size_t yes = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        char prefix[64];
        int size = snprintf(prefix, sizeof prefix, "user:%05u:event", i);
        assert_true(s->kind->may_have_prefix(s->reader, slice_of(prefix, (size_t)size)));
        size = snprintf(prefix, sizeof prefix, "user:%05u-event",
                        i); /* differs in the first 16 bytes, inside the bounds */
        yes += s->kind->may_have_prefix(s->reader, slice_of(prefix, (size_t)size));
    }
    assert_true(yes < 60);
    assert_false(s->kind->may_have_prefix(s->reader, slice_text("v")));
    assert_false(s->kind->may_have_prefix(s->reader, slice_text("t")));
    assert_true(s->kind->may_have_prefix(s->reader, slice_text("")));
    segment_unref(s);
    model_free(&m);
    fixture_close(&f);
}

static void the_index_rejects_nearly_all_absent_keys(void **state)
{
    (void)state;
    struct fixture f;
    struct model m = { 0 };
    uint64_t random = 5;
    fixture_open(&f, true);
    for (uint32_t i = 0; i < 20000; i++) {
        uint64_t key[2] = { next_random(&random), next_random(&random) };
        model_add(&m, (struct entry){ .key = { key, 16 }, .sequence = i + 1, .type = ENTRY_PUT });
    }
    model_finish(&m);
    struct segment *s = model_build(&f, &m, &(struct build_options){ .build_index = true });
    size_t yes = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        uint64_t key[2] = { next_random(&random), next_random(&random) };
        struct lookup lookup = lookup_of(slice_of(key, 16), UINT64_MAX);
        yes += s->kind->may_have_key(s->reader, &lookup);
    }
    assert_true(yes < 60); /* about 100000 * 8 / 65536 = 12 expected */
    segment_unref(s);
    model_free(&m);
    fixture_close(&f);
}

/* Positions without offsets, as a segment gets them whose blocks are too many and too large for 32 bits. */
static void write_index_of_blocks(struct fixture *f, struct segment *s)
{
    char path[OS_PATH_MAX];
    struct container_writer *w = NULL;
    struct ordered_reader *r = s->reader;
    struct position_builder b = { .greatest_offset = UINT32_MAX };
    struct buffer before = { 0 }, key = { 0 };
    uint64_t bytes, checksum;
    assert_int_equal(segment_path(&f->env, s->properties.id, true, path), NACRE_OK);
    assert_int_equal(container_writer_create(f->env.os, path, CONTAINER_INDEX, s->properties.id, NACRE_ORDERED, &w),
                     NACRE_OK);
    assert_int_equal(ordered_need_fence(r), NACRE_OK);
    for (uint32_t block = 0; block < r->fence.blocks; block++) {
        struct block_view v;
        assert_int_equal(ordered_view_block(r, block, &v), NACRE_OK);
        for (uint32_t i = 0; i < v.count; i++) {
            struct record rec;
            record_parse(v.bytes + block_slot(&v, i), r->base_sequence, &rec);
            buffer_clear(&key);
            assert_int_equal(buffer_append(&key, v.prefix, v.stripped), NACRE_OK);
            assert_int_equal(buffer_append(&key, rec.key, rec.key_size), NACRE_OK);
            if (!b.count || !slice_equal(buffer_slice(&key), buffer_slice(&before))) {
                assert_int_equal(position_builder_add(&b, hash_bytes(key.data, key.size), 0), NACRE_OK);
            }
            buffer_clear(&before);
            assert_int_equal(buffer_append(&before, key.data, key.size), NACRE_OK);
        }
        assert_int_equal(position_builder_end_block(&b), NACRE_OK);
        ordered_release_view(&v);
    }
    assert_int_equal(position_builder_write(&b, w), NACRE_OK);
    assert_int_equal(segment_write_identity(w, &s->properties), NACRE_OK);
    assert_int_equal(container_writer_finish(w, &bytes, &checksum), NACRE_OK);
    position_builder_free(&b);
    buffer_free(&before);
    buffer_free(&key);
}

static void an_index_that_names_only_blocks_finds_every_key(void **state)
{
    (void)state;
    const enum model_shape shapes[] = { COUNTED, RANDOM_16, MANY_VERSIONS };
    for (int i = 0; i < 6; i++) {
        struct fixture f;
        struct model m;
        uint64_t random = 17 + (uint64_t)i;
        fixture_open(&f, i & 1);
        model_fill(&m, shapes[i / 2], 900, &random);
        struct segment *s = model_build(&f, &m, &(struct build_options){ .block_bytes = 700 });
        uint64_t id = s->properties.id;
        write_index_of_blocks(&f, s);
        segment_unref(s);
        assert_int_equal(segment_open(&f.env, &kind_ordered, id, 0, &s), NACRE_OK);
        assert_true(segment_has_index(s));
        check_all(s, &m, shapes[i / 2], &random);
        segment_unref(s);
        model_free(&m);
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_answers_as_the_model_does_in_place),
        cmocka_unit_test(every_shape_answers_as_the_model_does_when_compressed),
        cmocka_unit_test(every_shape_answers_as_the_model_does_without_maps),
        cmocka_unit_test(large_blocks_with_wide_slots_answer_as_the_model_does),
        cmocka_unit_test(one_entry_of_an_empty_key_and_value_is_kept),
        cmocka_unit_test(entries_out_of_order_are_refused),
        cmocka_unit_test(incompressible_blocks_are_kept_raw_and_compressible_ones_shrink),
        cmocka_unit_test(prefix_questions_are_answered_without_a_false_no),
        cmocka_unit_test(the_index_rejects_nearly_all_absent_keys),
        cmocka_unit_test(an_index_that_names_only_blocks_finds_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
