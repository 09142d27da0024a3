/* The strings kind against a plain model: random entries of many shapes, under every way to keep them. */
#include "segment_checks.h"
#include "strings/reader.h"
#include "strings/strings.h"

static void every_shape_answers_as_the_model_does_in_place(void **state)
{
    (void)state;
    for (int shape = 0; shape < STRING_SHAPES; shape++)
        for (int index = 0; index < 2; index++)
            check_shape(&kind_strings, (enum model_shape)shape, usual_count(shape, 1500), true, index, COMPRESSION_NONE,
                        4096, (uint64_t)(shape * 2 + index));
}

static void every_shape_answers_as_the_model_does_when_compressed(void **state)
{
    (void)state;
    for (int shape = 0; shape < STRING_SHAPES; shape++)
        for (int codec = COMPRESSION_LZ4; codec <= COMPRESSION_ZSTD; codec++)
            check_shape(&kind_strings, (enum model_shape)shape, usual_count(shape, 800), codec & 1, true,
                        (enum compression)codec, 4096, (uint64_t)(100 + shape * 2 + codec));
}

static void every_shape_answers_as_the_model_does_without_maps(void **state)
{
    (void)state;
    for (int shape = 0; shape < STRING_SHAPES; shape++)
        check_shape(&kind_strings, (enum model_shape)shape, usual_count(shape, 600), false, shape & 1, COMPRESSION_NONE,
                    4096, (uint64_t)(200 + shape));
}

/* ---- what goes without saying ---- */

static struct segment *build_and_load(struct fixture *f, const struct model *m)
{
    struct segment *s = model_build(f, m, &(struct build_options){ 0 });
    assert_int_equal(strings_need(s->reader), NACRE_OK);
    return s;
}

static void keys_of_one_sequence_without_values_have_no_versions(void **state)
{
    (void)state;
    struct fixture f;
    struct model m = { 0 };
    uint64_t random = 1;
    fixture_open_kind(&f, &kind_strings, true);
    model_add_numbers(&m, 1000);
    struct segment *s = build_and_load(&f, &m);
    const struct strings_reader *r = s->reader;
    assert_false(container_has_section(s->container, "VDIR"));
    assert_int_equal(r->blocks, (1000 + KEY_BLOCK_KEYS - 1) / KEY_BLOCK_KEYS);
    assert_true(s->properties.bytes < 1000 * 7);
    check_all(s, &m, PATHS, &random);
    fixture_close_with(&f, &m, s);
}

static void only_blocks_that_need_versions_have_them_and_say_so(void **state)
{
    (void)state;
    struct fixture f;
    struct model m = { 0 };
    uint64_t random = 1;
    fixture_open_kind(&f, &kind_strings, true);
    model_add_numbers(&m, 6 * KEY_BLOCK_KEYS);
    m.items[1 * KEY_BLOCK_KEYS + 3].sequence = 6;
    m.items[2 * KEY_BLOCK_KEYS + 3].type = ENTRY_DELETE;
    m.items[3 * KEY_BLOCK_KEYS + 3].expiry_ms = 1;
    struct entry older = m.items[4 * KEY_BLOCK_KEYS + 3];
    older.sequence = 4;
    older.type = ENTRY_DELETE;
    model_add(&m, older);
    model_finish(&m);
    struct segment *s = build_and_load(&f, &m);
    const struct strings_reader *r = s->reader;
    const uint8_t expected[] = { 0,
                                 BLOCK_HAS_VERSIONS,
                                 BLOCK_HAS_VERSIONS | BLOCK_NOT_PLAIN,
                                 BLOCK_HAS_VERSIONS | BLOCK_NOT_PLAIN,
                                 BLOCK_HAS_VERSIONS,
                                 0 };
    assert_int_equal(r->blocks, sizeof expected);
    assert_memory_equal(r->flags, expected, sizeof expected);
    check_all(s, &m, PATHS, &random);
    fixture_close_with(&f, &m, s);
}

static void the_description_tells_bytes_ranks_and_sequences(void **state)
{
    (void)state;
    struct fixture f;
    struct model m = { 0 };
    fixture_open_kind(&f, &kind_strings, true);
    model_add_numbers(&m, 200);
    m.items[150].sequence = 77;
    struct segment *s = build_and_load(&f, &m);
    const struct strings_reader *r = s->reader;
    uint64_t alphabet[4] = { 0 };
    for (const char *byte = "key/0123456789"; *byte; byte++)
        alphabet[*byte / 64] |= UINT64_C(1) << (*byte % 64);
    assert_memory_equal(r->alphabet, alphabet, sizeof alphabet);
    assert_int_equal(r->base_sequence, 5);
    assert_int_equal(r->greatest_sequence, 77);
    assert_int_equal(r->keys, 200);
    for (uint32_t i = 0; i < r->blocks; i++)
        assert_int_equal(strings_block_rank(r, i), i * KEY_BLOCK_KEYS);
    assert_int_equal(strings_block_rank(r, r->blocks), 200);
    fixture_close_with(&f, &m, s);
}

/* ---- limits ---- */

static void ten_thousand_versions_of_a_key_are_kept(void **state)
{
    (void)state;
    for (int codec = COMPRESSION_NONE; codec <= COMPRESSION_ZSTD; codec++) {
        struct fixture f;
        struct model m = { 0 };
        uint64_t random = 1;
        fixture_open_kind(&f, &kind_strings, codec != COMPRESSION_ZSTD);
        model_add_numbers(&m, 100);
        for (uint32_t i = 0; i < 10000; i++) {
            char value[32];
            int size = snprintf(value, sizeof value, "value %u", i);
            model_add(&m, (struct entry){ .key = slice_text("key/000050"),
                                          .value = { value, (size_t)size },
                                          .sequence = 1000 + UINT64_C(70000) * i,
                                          .type = ENTRY_PUT });
        }
        model_finish(&m);
        struct segment *s = model_build(&f, &m, &(struct build_options){ .compression = (enum compression)codec });
        check_all(s, &m, PATHS, &random);
        fixture_close_with(&f, &m, s);
    }
}

static void values_make_blocks_of_fewer_keys(void **state)
{
    (void)state;
    struct fixture f;
    struct model m = { 0 };
    static char value[10000];
    fixture_open_kind(&f, &kind_strings, true);
    model_add_numbers(&m, 64);
    for (size_t i = 0; i < m.count; i++) {
        free((void *)(uintptr_t)m.items[i].value.data);
        m.items[i].value = model_copy(slice_of(value, sizeof value));
    }
    struct segment *s = build_and_load(&f, &m);
    assert_int_equal(((struct strings_reader *)s->reader)->blocks, 16);
    fixture_close_with(&f, &m, s);
}

static void entries_out_of_order_and_keys_that_are_too_long_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct segment_builder *b = NULL;
    static uint8_t key[NACRE_STRING_KEY_MAX + 1];
    fixture_open(&f, true);
    assert_int_equal(segment_builder_create(&f.env, &kind_strings, 1, &(struct build_options){ 0 }, &b), NACRE_OK);
    struct entry e = { .key = slice_text("key10"), .value = slice_text("v"), .sequence = 5, .type = ENTRY_PUT };
    check_order_is_kept(b, &e);
    e.key = slice_text("key0zzzzz");
    assert_int_equal(segment_builder_add(b, &e), NACRE_INVALID);
    memset(key, 'x', sizeof key);
    e.key = slice_of(key, sizeof key);
    assert_int_equal(segment_builder_add(b, &e), NACRE_LIMIT);
    e.key.size--;
    assert_int_equal(segment_builder_add(b, &e), NACRE_OK);
    segment_builder_abandon(b);
    fixture_close(&f);
}

static void the_empty_key_is_a_key(void **state)
{
    (void)state;
    check_empty_key(&kind_strings);
}

/* ---- faults and threads ---- */

static int build_and_read(struct fixture *f, const struct model *m)
{
    struct segment *s = NULL;
    uint64_t entries = 0;
    int status = model_try_build(
        f, m, &(struct build_options){ .compression = COMPRESSION_LZ4, .build_index = true, .learned_index = 2 }, &s);
    if (status != NACRE_OK)
        return status;
    struct lookup lookup = lookup_of(m->items[m->count / 2].key, UINT64_MAX);
    struct entry entry;
    struct pin pin;
    status = s->kind->get(s->reader, &lookup, &entry, &pin);
    if (status == NACRE_OK) {
        pin_release(&pin);
        status = count_by_cursor(s, m);
    }
    if (status == NACRE_OK)
        status = segment_verify(s, &entries);
    segment_mark_obsolete(s);
    segment_unref(s);
    return status;
}

static void every_allocation_that_fails_is_told_and_leaks_nothing(void **state)
{
    (void)state;
    check_failing_allocations(&kind_strings, TEXTS, build_and_read);
}

static void threads_that_use_a_segment_first_at_the_same_time_read_the_same(void **state)
{
    (void)state;
    check_first_uses(&kind_strings, PATHS, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_answers_as_the_model_does_in_place),
        cmocka_unit_test(every_shape_answers_as_the_model_does_when_compressed),
        cmocka_unit_test(every_shape_answers_as_the_model_does_without_maps),
        cmocka_unit_test(keys_of_one_sequence_without_values_have_no_versions),
        cmocka_unit_test(only_blocks_that_need_versions_have_them_and_say_so),
        cmocka_unit_test(the_description_tells_bytes_ranks_and_sequences),
        cmocka_unit_test(ten_thousand_versions_of_a_key_are_kept),
        cmocka_unit_test(values_make_blocks_of_fewer_keys),
        cmocka_unit_test(entries_out_of_order_and_keys_that_are_too_long_are_refused),
        cmocka_unit_test(the_empty_key_is_a_key),
        cmocka_unit_test(every_allocation_that_fails_is_told_and_leaks_nothing),
        cmocka_unit_test(threads_that_use_a_segment_first_at_the_same_time_read_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
