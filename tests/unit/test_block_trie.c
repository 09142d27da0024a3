/* The trie over the separators of blocks: against a sorted list, by find and by walking; damaged sections are refused or stay inside. */
#include "segment_fixture.h"
#include "strings/block_trie.h"

struct sample {
    struct model m;          /* its keys are the first keys of blocks; the last key of a block is its first */
    nacre_slice *separators; /* as the header says they are */
    struct buffer section;
    struct container container; /* only its path is looked at */
    struct block_trie trie;
};

static void sample_build(struct sample *s)
{
    struct block_trie_builder b = { 0 };
    s->separators = calloc(s->m.count, sizeof *s->separators);
    assert_non_null(s->separators);
    for (size_t i = 0; i < s->m.count; i++) {
        nacre_slice key = s->m.items[i].key;
        size_t common = i ? slice_shared_prefix(s->m.items[i - 1].key, key) : 0;
        assert_int_equal(block_trie_builder_add(&b, common, key), NACRE_OK);
        s->separators[i] = slice_of(key.data, i ? common + 1 : 0);
    }
    assert_int_equal(block_trie_builder_make(&b, &s->section), NACRE_OK);
    block_trie_builder_free(&b);
    /* Other sections and the footer follow in a file. */
    assert_int_equal(buffer_reserve(&s->section, 64), NACRE_OK);
    memset(s->section.data + s->section.size, 0, 64);
    s->container.path = (char *)(uintptr_t) "trie";
    int status = block_trie_open(&s->container, buffer_slice(&s->section), (uint32_t)s->m.count, &s->trie);
    if (status != NACRE_OK)
        print_message("%s\n", fail_detail());
    assert_int_equal(status, NACRE_OK);
}

static void sample_make(struct sample *s, enum model_shape shape, size_t count, uint64_t *random)
{
    static uint8_t key[MODEL_KEY_MAX];
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < count; i++) {
        size_t size = model_key(shape, random, key);
        model_add(&s->m, (struct entry){ .key = { key, size }, .sequence = 1 });
    }
    model_finish(&s->m);
    sample_build(s);
}

static void sample_free(struct sample *s)
{
    free(s->separators);
    buffer_free(&s->section);
    model_free(&s->m);
}

static void check_find(const struct sample *s, nacre_slice key)
{
    size_t low = 0, high = s->m.count; /* the last separator <= key; that of block 0 is */
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (slice_compare(s->separators[middle], key) <= 0)
            low = middle;
        else
            high = middle;
    }
    assert_int_equal(block_trie_find(&s->trie, key), low);
}

static void check_finds(const struct sample *s, enum model_shape shape, uint64_t *random)
{
    static uint8_t key[MODEL_KEY_MAX + 1];
    check_find(s, (nacre_slice){ NULL, 0 });
    for (size_t i = 0; i < s->m.count; i++) {
        nacre_slice own = s->m.items[i].key, separator = s->separators[i];
        check_find(s, own);
        check_find(s, separator);
        memcpy(key, own.data, own.size);
        for (int k = 0; k < 6; k++) {
            size_t at = below(random, separator.size + 1);
            check_find(s, slice_of(key, at));
            uint8_t before = key[at];
            key[at] = (uint8_t)(below(random, 2) ? before + 1u : next_random(random));
            check_find(s, slice_of(key, at + 1));
            if (at < own.size)
                check_find(s, slice_of(key, own.size));
            key[at] = before;
        }
    }
    for (int i = 0; i < 300; i++)
        check_find(s, slice_of(key, model_key(shape, random, key)));
}

struct level {
    struct trie_place place, child;
    size_t size; /* of the path */
    bool begun;
};

/* Depth first, without recursion: every separator is met once and in order, and every place tells the truth of its range. */
static void check_walk(const struct sample *s)
{
    struct level *levels = calloc(s->m.count + 2, sizeof *levels);
    struct buffer path = { 0 };
    uint32_t next = 0;
    size_t depth = 0;
    assert_non_null(levels);
    block_trie_root(&s->trie, &levels[0].place);
    for (;;) {
        struct level *l = &levels[depth];
        if (!l->begun) {
            assert_true(l->place.first == next && l->place.after > next && l->place.after <= s->m.count);
            for (uint32_t i = l->place.first; i < l->place.after; i += 1 + (l->place.after - i) / 2)
                assert_true(slice_has_prefix(s->separators[i], buffer_slice(&path)));
            if (l->place.after < s->m.count)
                assert_false(slice_has_prefix(s->separators[l->place.after], buffer_slice(&path)));
            if (l->place.ends_separator)
                assert_true(slice_equal(s->separators[next++], buffer_slice(&path)));
            else
                assert_true(s->separators[next].size > path.size);
        }
        bool more = l->begun ? block_trie_child_next(&s->trie, &l->place, &l->child)
                             : block_trie_child_first(&s->trie, &l->place, &l->child);
        l->begun = true;
        if (more) {
            assert_true(l->child.edge.size > 0);
            assert_true(l->child.first >= l->place.first && l->child.after <= l->place.after);
            path.size = l->size;
            assert_int_equal(buffer_append(&path, l->child.edge.data, l->child.edge.size), NACRE_OK);
            levels[++depth] = (struct level){ .place = l->child, .size = path.size };
        } else {
            assert_int_equal(next, l->place.after);
            if (depth-- == 0)
                break;
        }
    }
    assert_int_equal(next, s->m.count);
    buffer_free(&path);
    free(levels);
}

static void every_shape_is_found_and_walked(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (int shape = 0; shape < STRING_SHAPES; shape++) {
        for (size_t count = 1; count <= 3000; count = count * 3 + 1) {
            struct sample s;
            if ((shape == LONG_KEYS && count > 200) || (shape == HUGE_KEYS && count > 50))
                break;
            sample_make(&s, (enum model_shape)shape, count, &random);
            check_finds(&s, (enum model_shape)shape, &random);
            check_walk(&s);
            sample_free(&s);
        }
    }
}

static void a_node_with_every_byte_below_it_is_walked(void **state)
{
    (void)state;
    struct sample s = { 0 };
    uint64_t random = 9;
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b += a % 3 ? 85 : 1) {
            uint8_t key[3] = { 'x', (uint8_t)a, (uint8_t)b };
            model_add(&s.m, (struct entry){ .key = { key, 3 }, .sequence = 1 });
        }
    }
    model_finish(&s.m);
    sample_build(&s);
    check_finds(&s, BINARY, &random);
    check_walk(&s);
    sample_free(&s);
}

/* A section that passes the check is walked to its end, and inside its bytes (the sanitizers watch). */
static void use_trie(const struct block_trie *t, const struct sample *s)
{
    struct trie_place *places = calloc((size_t)t->nodes + 1, sizeof *places);
    assert_non_null(places);
    uint32_t count = 1;
    size_t sum = 0;
    block_trie_root(t, &places[0]);
    for (uint32_t i = 0; i < count; i++) {
        struct trie_place child;
        for (bool more = block_trie_child_first(t, &places[i], &child); more;
             more = block_trie_child_next(t, &places[i], &child)) {
            assert_true(child.first >= places[i].first && child.first < child.after && child.after <= places[i].after);
            assert_true(count < t->nodes);
            sum += hash_bytes(child.edge.data, child.edge.size);
            places[count++] = child;
        }
    }
    assert_int_equal(count, t->nodes);
    for (size_t i = 0; i < s->m.count; i++)
        assert_true(block_trie_find(t, s->m.items[i].key) < t->blocks);
    assert_true(block_trie_find(t, (nacre_slice){ NULL, 0 }) < t->blocks);
    free(places);
    (void)sum;
}

static void damaged_tries_are_refused_or_lead_nowhere_else(void **state)
{
    (void)state;
    const enum model_shape shapes[] = { TINY_ALPHABET, PATHS, CLUSTERED, BINARY };
    uint64_t random = 11;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct sample s;
        sample_make(&s, shapes[i], 60, &random);
        for (int round = 0; round < 20000; round++) {
            size_t size = below(&random, 8) ? s.section.size : below(&random, s.section.size + 1);
            uint8_t *copy = malloc(size + 64);
            struct block_trie t;
            assert_non_null(copy);
            memcpy(copy, s.section.data, size);
            memset(copy + size, 0, 64);
            for (uint64_t flips = 1 + below(&random, 3); flips > 0 && size; flips--)
                copy[below(&random, size)] ^= (uint8_t)(1u << below(&random, 8));
            if (block_trie_open(&s.container, slice_of(copy, size), (uint32_t)s.m.count, &t) == NACRE_OK)
                use_trie(&t, &s);
            free(copy);
        }
        sample_free(&s);
    }
}

static void a_trie_of_other_blocks_is_refused(void **state)
{
    (void)state;
    uint64_t random = 5;
    struct sample s;
    struct block_trie t;
    sample_make(&s, PATHS, 100, &random);
    assert_int_equal(block_trie_open(&s.container, buffer_slice(&s.section), (uint32_t)s.m.count + 1, &t),
                     NACRE_CORRUPT);
    assert_int_equal(block_trie_open(&s.container, (nacre_slice){ NULL, 0 }, 0, &t), NACRE_CORRUPT);
    sample_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_is_found_and_walked),
        cmocka_unit_test(a_node_with_every_byte_below_it_is_walked),
        cmocka_unit_test(damaged_tries_are_refused_or_lead_nowhere_else),
        cmocka_unit_test(a_trie_of_other_blocks_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
