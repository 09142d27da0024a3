/* The ordered kind against a plain model: random entries of many shapes, under every way to keep them. */
#include "segment_checks.h"
#include "ordered/reader.h"

static void every_shape_answers_as_the_model_does_in_place(void **state)
{
    (void)state;
    for (int shape = 0; shape < MODEL_SHAPES; shape++)
        for (int index = 0; index < 2; index++)
            check_shape(&kind_ordered, (enum model_shape)shape,
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
            check_shape(&kind_ordered, (enum model_shape)shape,
                        shape == LARGE_VALUES ? 30
                        : shape == LONG_KEYS  ? 80
                                              : 800,
                        codec & 1, true, (enum compression)codec, 4096, (uint64_t)(100 + shape * 2 + codec));
}

static void every_shape_answers_as_the_model_does_without_maps(void **state)
{
    (void)state;
    for (int shape = 0; shape < MODEL_SHAPES; shape++)
        check_shape(&kind_ordered, (enum model_shape)shape,
                    shape == LARGE_VALUES ? 20
                    : shape == LONG_KEYS  ? 80
                                          : 600,
                    false, shape & 1, COMPRESSION_NONE, 1024, (uint64_t)(200 + shape));
}

static void large_blocks_with_wide_slots_answer_as_the_model_does(void **state)
{
    (void)state;
    for (int shape = 0; shape < MODEL_SHAPES; shape++)
        check_shape(&kind_ordered, (enum model_shape)shape,
                    shape == LARGE_VALUES ? 40
                    : shape == LONG_KEYS  ? 150
                                          : 4000,
                    true, shape & 1, shape & 2 ? COMPRESSION_LZ4 : COMPRESSION_NONE, 300000, (uint64_t)(300 + shape));
}

static void one_entry_of_an_empty_key_and_value_is_kept(void **state)
{
    (void)state;
    check_empty_key(&kind_ordered);
}

static void entries_out_of_order_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct segment_builder *b = NULL;
    fixture_open(&f, true);
    assert_int_equal(segment_builder_create(&f.env, &kind_ordered, 1, &(struct build_options){ 0 }, &b), NACRE_OK);
    struct entry e = { .key = slice_text("key10"), .value = slice_text("v"), .sequence = 5, .type = ENTRY_PUT };
    check_order_is_kept(b, &e);
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
    fixture_close_with(&f, &m, s);
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
    fixture_close_with(&f, &m, s);
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
        fixture_close_with(&f, &m, s);
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
