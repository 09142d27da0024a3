/* Blocks of keys: what is written is read back, found and walked both ways; what is damaged is refused or stays inside. */
#include "segment_fixture.h"
#include "segment/block_sum.h"
#include "strings/key_block_writer.h"

struct sample {
    struct key_block_writer writer;
    struct model m; /* its keys are those of the block */
    uint8_t *bytes;
    size_t size;
    struct key_block b;
};

/* One block of up to `count` keys of a shape. */
static void sample_make(struct sample *s, enum model_shape shape, size_t count, uint64_t *random)
{
    static uint8_t key[MODEL_KEY_MAX];
    nacre_slice bytes;
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < count; i++) {
        size_t size = model_key(shape, random, key);
        model_add(&s->m, (struct entry){ .key = { key, size }, .sequence = 1 });
    }
    model_finish(&s->m);
    for (size_t i = 0; i < s->m.count; i++) {
        size_t common = i ? slice_shared_prefix(s->m.items[i - 1].key, s->m.items[i].key) : 0;
        if (key_block_writer_is_full(&s->writer, common, s->m.items[i].key.size)) {
            for (size_t k = i; k < s->m.count; k++) {
                free((void *)(uintptr_t)s->m.items[k].key.data);
                free((void *)(uintptr_t)s->m.items[k].value.data);
            }
            s->m.count = i;
            break;
        }
        assert_int_equal(key_block_writer_add(&s->writer, s->m.items[i].key, common), NACRE_OK);
    }
    assert_int_equal(key_block_writer_close(&s->writer, 7, 64, &bytes), NACRE_OK);
    s->size = bytes.size;
    s->bytes = malloc(bytes.size + KEY_BLOCK_SLACK);
    assert_non_null(s->bytes);
    memcpy(s->bytes, bytes.data, bytes.size + KEY_BLOCK_SLACK);
    assert_true(key_block_check(s->bytes, s->size, &s->b));
    assert_int_equal(s->b.count, s->m.count);
}

static void sample_free(struct sample *s)
{
    key_block_writer_free(&s->writer);
    model_free(&s->m);
    free(s->bytes);
}

static void assert_key(const struct sample *s, size_t i, const struct buffer *key)
{
    assert_true(i < s->m.count);
    assert_true(slice_equal(s->m.items[i].key, buffer_slice(key)));
}

static void check_walks(const struct sample *s)
{
    struct key_block_walk walk = { 0 };
    struct buffer key = { 0 };
    int status = NACRE_OK;
    size_t i = 0;
    for (int round = 0; round < 2; round++) {
        i = 0;
        key_block_walk_begin(&walk, &s->b);
        while (key_block_walk_next(&walk, &status))
            assert_key(s, i++, &walk.key);
        assert_int_equal(status, NACRE_OK);
        assert_int_equal(i, s->m.count);
    }
    for (i = 0; i < s->m.count; i++) {
        assert_int_equal(key_block_key(&s->b, (uint32_t)i, &key), NACRE_OK);
        assert_key(s, i, &key);
    }
    uint32_t at = key_block_at(&s->b, (uint32_t)i - 1);
    while (--i > 0) {
        assert_int_equal(key_block_step_back(&s->b, (uint32_t)i, &at, &key), NACRE_OK);
        assert_key(s, i - 1, &key);
        assert_int_equal(at, key_block_at(&s->b, (uint32_t)i - 1));
    }
    key_block_walk_end(&walk);
    buffer_free(&key);
}

static void check_find(const struct sample *s, nacre_slice key)
{
    bool equal = false;
    size_t expected = model_seek(&s->m, key);
    assert_int_equal(key_block_lower_bound(&s->b, key, &equal), expected);
    assert_int_equal(equal, expected < s->m.count && slice_equal(s->m.items[expected].key, key));
}

/* Keys of the block, and keys that begin like them, end otherwise, or differ in one byte. */
static void check_finds(const struct sample *s, enum model_shape shape, uint64_t *random)
{
    static uint8_t key[MODEL_KEY_MAX + 1];
    for (size_t i = 0; i < s->m.count; i++) {
        nacre_slice own = s->m.items[i].key;
        check_find(s, own);
        memcpy(key, own.data, own.size);
        for (int k = 0; k < 12; k++) {
            size_t at =
                below(random, 3) ? own.size - below(random, own.size < 24 ? own.size : 24) : below(random, own.size);
            check_find(s, slice_of(key, at));
            uint8_t before = key[at];
            key[at] = (uint8_t)(below(random, 2) ? before + 1u : next_random(random));
            check_find(s, slice_of(key, at + 1));
            if (at < own.size)
                check_find(s, slice_of(key, own.size));
            key[at] = before;
        }
    }
    for (int i = 0; i < 200; i++)
        check_find(s, slice_of(key, model_key(shape, random, key)));
}

static void every_key_is_read_back_and_found(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (int shape = 0; shape < STRING_SHAPES; shape++) {
        for (size_t count = 1; count <= KEY_BLOCK_KEYS + 10; count += shape == HUGE_KEYS ? 29 : 1 + count / 3) {
            struct sample s;
            sample_make(&s, (enum model_shape)shape, count, &random);
            check_walks(&s);
            check_finds(&s, (enum model_shape)shape, &random);
            sample_free(&s);
        }
    }
}

static void a_block_says_what_its_keys_are_made_of(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        unsigned flags;
    } cases[] = {
        { "plain", 0 },
        { "caf\xc3\xa9", KEY_BLOCK_NON_ASCII },
        { "\xf4\x8f\xbf\xbf", KEY_BLOCK_NON_ASCII },
        { "\xed\x9f\xbf", KEY_BLOCK_NON_ASCII },
        { "\xff", KEY_BLOCK_NON_ASCII | KEY_BLOCK_NOT_UTF8 },
        { "cut\xe2\x82", KEY_BLOCK_NON_ASCII | KEY_BLOCK_NOT_UTF8 },
        { "\xed\xa0\x80", KEY_BLOCK_NON_ASCII | KEY_BLOCK_NOT_UTF8 },
        { "\xc0\x80", KEY_BLOCK_NON_ASCII | KEY_BLOCK_NOT_UTF8 },
        { "\xe0\x9f\xbf", KEY_BLOCK_NON_ASCII | KEY_BLOCK_NOT_UTF8 },
        { "\xf4\x90\x80\x80", KEY_BLOCK_NON_ASCII | KEY_BLOCK_NOT_UTF8 },
        { "a long one with it behind the first eight: \x80", KEY_BLOCK_NON_ASCII | KEY_BLOCK_NOT_UTF8 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct key_block_writer w = { 0 };
        nacre_slice bytes, key = slice_text(cases[i].key);
        assert_int_equal(key_block_writer_add(&w, slice_text("  an ascii key"), 0), NACRE_OK);
        assert_int_equal(key_block_writer_add(&w, key, 0), NACRE_OK);
        assert_int_equal(key_block_writer_close(&w, 7, 64, &bytes), NACRE_OK);
        assert_int_equal(((const uint8_t *)bytes.data)[14], cases[i].flags);
        key_block_writer_free(&w);
    }
}

static void a_character_that_two_keys_share_in_part_counts_as_whole(void **state)
{
    (void)state;
    struct key_block_writer w = { 0 };
    nacre_slice bytes;
    assert_int_equal(key_block_writer_add(&w, slice_text("x\xc3\xa9"), 0), NACRE_OK);
    assert_int_equal(key_block_writer_add(&w, slice_text("x\xc3\xaa"), 2), NACRE_OK);
    assert_int_equal(key_block_writer_close(&w, 7, 64, &bytes), NACRE_OK);
    assert_int_equal(((const uint8_t *)bytes.data)[14], KEY_BLOCK_NON_ASCII);
    key_block_writer_free(&w);
}

static void long_keys_get_blocks_of_their_own_unless_they_share_their_bytes(void **state)
{
    (void)state;
    struct key_block_writer w = { 0 };
    static uint8_t key[1 << 20];
    memset(key, 'k', sizeof key);
    assert_false(key_block_writer_is_full(&w, 0, sizeof key));
    assert_int_equal(key_block_writer_add(&w, slice_of(key, sizeof key), 0), NACRE_OK);
    assert_true(key_block_writer_is_full(&w, 0, 10));
    assert_true(key_block_writer_is_full(&w, 100, sizeof key));
    assert_false(key_block_writer_is_full(&w, sizeof key - 10, sizeof key));
    key_block_writer_free(&w);
}

/* Whatever it says, a block that passes the check is walked and searched inside its bytes (the sanitizers watch). */
static void use_block(const struct key_block *b)
{
    struct key_block_walk walk = { 0 };
    struct buffer key = { 0 };
    bool equal;
    int status;
    uint32_t steps = 0;
    key_block_walk_begin(&walk, b);
    while (key_block_walk_next(&walk, &status)) {
        assert_int_equal(key_block_lower_bound(b, buffer_slice(&walk.key), &equal), steps);
        assert_true(equal);
        steps++;
    }
    assert_int_equal(steps, b->count);
    assert_int_equal(key_block_key(b, b->count - 1, &key), NACRE_OK);
    key_block_walk_end(&walk);
    buffer_free(&key);
}

static void damaged_blocks_are_refused_or_are_blocks_of_other_keys(void **state)
{
    (void)state;
    const enum model_shape shapes[] = { TINY_ALPHABET, PATHS, TEXTS, CLUSTERED, BINARY };
    uint64_t random = 11;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct sample s;
        sample_make(&s, shapes[i], 40, &random);
        for (int round = 0; round < 20000; round++) {
            /* Exactly as much memory as there is, so that a read past the slack is seen. */
            size_t room = below(&random, 8) ? s.size : below(&random, s.size + 1);
            uint8_t *copy = malloc(room + KEY_BLOCK_SLACK);
            struct key_block b;
            assert_non_null(copy);
            memcpy(copy, s.bytes, room);
            memset(copy + room, 0, KEY_BLOCK_SLACK);
            for (uint64_t flips = 1 + below(&random, 3); flips > 0 && room; flips--)
                copy[below(&random, 2) ? below(&random, room) : below(&random, room < 160 ? room : 160)] ^=
                    (uint8_t)(1u << below(&random, 8));
            if (key_block_check(copy, room, &b))
                use_block(&b);
            free(copy);
        }
        sample_free(&s);
    }
}

static void keys_out_of_order_are_refused(void **state)
{
    (void)state;
    const char *const bad[][2] = { { "b", "a" }, { "a", "a" }, { "ab", "a" }, { "abc", "abb" } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct key_block_writer w = { 0 };
        struct key_block b;
        nacre_slice bytes, first = slice_text(bad[i][0]), second = slice_text(bad[i][1]);
        assert_int_equal(key_block_writer_add(&w, first, 0), NACRE_OK);
        assert_int_equal(key_block_writer_add(&w, second, slice_shared_prefix(first, second)), NACRE_OK);
        assert_int_equal(key_block_writer_close(&w, 7, 64, &bytes), NACRE_OK);
        assert_false(key_block_check(bytes.data, bytes.size, &b));
        key_block_writer_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_read_back_and_found),
        cmocka_unit_test(a_block_says_what_its_keys_are_made_of),
        cmocka_unit_test(a_character_that_two_keys_share_in_part_counts_as_whole),
        cmocka_unit_test(long_keys_get_blocks_of_their_own_unless_they_share_their_bytes),
        cmocka_unit_test(damaged_blocks_are_refused_or_are_blocks_of_other_keys),
        cmocka_unit_test(keys_out_of_order_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
