/* The side file of strings segments: every answer against one found by looking at every key, whole and damaged files. */
#include "segment_fixture.h"
#include "base/endian.h"
#include "strings/gram_dictionary.h"
#include "strings/literal_counts.h"
#include "strings/posting_list.h"
#include "strings/signature.h"
#include "strings/string_index.h"
#include "base/utf8.h"
#include "support/string_keys.h"

/* ---- what is in the keys, plainly ---- */

struct pairs { /* of a code and where it is */
    uint64_t *items;
    size_t count, capacity;
};

static void pairs_add(struct pairs *p, uint64_t code, uint64_t place)
{
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 1024;
        p->items = realloc(p->items, p->capacity * sizeof *p->items);
        assert_non_null(p->items);
    }
    p->items[p->count++] = code << 32 | place;
}

static int number_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void pairs_finish(struct pairs *p)
{
    size_t kept = 0;
    if (p->count)
        qsort(p->items, p->count, sizeof *p->items, number_order);
    for (size_t i = 0; i < p->count; i++)
        if (kept == 0 || p->items[kept - 1] != p->items[i])
            p->items[kept++] = p->items[i];
    p->count = kept;
}

/* The first pair of the code. */
static size_t pairs_find(const struct pairs *p, uint64_t code)
{
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->items[middle] >> 32 < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t pairs_of(const struct pairs *p, uint64_t code)
{
    return pairs_find(p, code + 1) - pairs_find(p, code);
}

struct truth {
    struct string_keys keys;
    uint32_t *block_of;
    uint32_t blocks;
    struct pairs grams, literals; /* gram and block; literal and key */
    uint64_t *signatures;
};

static void add_grams(struct truth *t, nacre_slice text, uint32_t block)
{
    uint8_t *bytes = malloc(text.size + 2);
    assert_non_null(bytes);
    bytes[0] = GRAM_BEGIN;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = ((const uint8_t *)text.data)[i];
        bytes[i + 1] = (uint8_t)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
    }
    bytes[text.size + 1] = GRAM_END;
    for (size_t i = 0; i < text.size; i++)
        pairs_add(&t->grams, gram_of(bytes + 1 + i, 1), block);
    for (unsigned n = 2; n <= 3; n++)
        for (size_t i = 0; i + n <= text.size + 2; i++)
            pairs_add(&t->grams, gram_of(bytes + i, n), block);
    free(bytes);
}

static bool has_feature(const struct signature_feature *f, nacre_slice key)
{
    const uint64_t *class_ = signature_class_bytes((enum signature_class)f->class_);
    size_t run = 0, longest = 0, count = 0;
    for (size_t i = 0; i < key.size; i++) {
        uint8_t byte = ((const uint8_t *)key.data)[i];
        bool in = class_[byte / 64] >> (byte % 64) & 1;
        run = in ? run + 1 : 0;
        longest = run > longest ? run : longest;
        count += in;
    }
    return (f->measure == MEASURE_RUN ? longest : count) >= f->threshold;
}

static void truth_make(struct truth *t, enum key_shape shape, size_t wanted, uint64_t *random)
{
    *t = (struct truth){ 0 };
    string_keys_make(&t->keys, shape, wanted, random);
    t->block_of = calloc(t->keys.count + 1, sizeof *t->block_of);
    assert_non_null(t->block_of);
    uint64_t ends = 1 + string_keys_random(random, 40);
    uint32_t block = 0;
    for (size_t i = 0; i < t->keys.count; i++) {
        if (i && string_keys_random(random, ends) == 0)
            block += 1 + (string_keys_random(random, 50) == 0);
        t->block_of[i] = block;
    }
    t->blocks = t->keys.count ? block + 1 : 0;
    t->signatures = calloc(t->blocks + 1, sizeof *t->signatures);
    assert_non_null(t->signatures);
    for (size_t i = 0; i < t->keys.count; i++) {
        nacre_slice key = t->keys.keys[i];
        struct buffer repaired = { 0 };
        add_grams(t, key, t->block_of[i]);
        assert_int_equal(utf8_repair(key, &repaired), NACRE_OK);
        add_grams(t, buffer_slice(&repaired), t->block_of[i]);
        buffer_free(&repaired);
        for (unsigned n = 1; n <= 3; n++)
            for (size_t k = 0; k + n <= key.size; k++)
                pairs_add(&t->literals, gram_of((const uint8_t *)key.data + k, n), i);
        for (unsigned f = 0; f < signature_feature_count; f++)
            t->signatures[t->block_of[i]] |= (uint64_t)has_feature(&signature_features[f], key) << f;
    }
    pairs_finish(&t->grams);
    pairs_finish(&t->literals);
}

static void truth_free(struct truth *t)
{
    string_keys_free(&t->keys);
    free(t->block_of);
    free(t->grams.items);
    free(t->literals.items);
    free(t->signatures);
}

/* ---- the side file ---- */

static struct fixture fixture;
static char path[OS_PATH_MAX];

static int set_up(void **state)
{
    (void)state;
    fixture_open(&fixture, true);
    return os_path(path, fixture.directory, "%s", "index");
}

static int tear_down(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

static int feed(const struct truth *t, struct string_index_builder *b)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < t->keys.count && status == NACRE_OK; i++) {
        nacre_slice key = t->keys.keys[i];
        size_t shared = i ? slice_shared_prefix(t->keys.keys[i - 1], key) : 0;
        status = string_index_builder_add(b, key, shared, t->block_of[i], hash_bytes(key.data, key.size));
    }
    return status;
}

static int write_index(const struct truth *t)
{
    struct string_index_builder *b = NULL;
    struct container_writer *w = NULL;
    uint64_t bytes = 0, checksum = 0;
    (void)unlink(path);
    int status = string_index_builder_create(t->keys.count / 2, &b);
    if (status == NACRE_OK)
        status = feed(t, b);
    if (status == NACRE_OK)
        status = container_writer_create(os_posix(), path, CONTAINER_INDEX, 9, 2, &w);
    if (status == NACRE_OK)
        status = string_index_builder_write(b, t->blocks, w);
    if (status == NACRE_OK)
        status = container_writer_finish(w, &bytes, &checksum);
    if (status != NACRE_OK)
        container_writer_abandon(w);
    string_index_builder_free(b);
    return status;
}

struct opened {
    struct container *container;
    struct string_index *index;
};

static int open_index(const struct truth *t, bool map, struct opened *o)
{
    *o = (struct opened){ NULL, NULL };
    int status = container_open(os_posix(), path, CONTAINER_INDEX, 9, 0, map, &o->container);
    return status == NACRE_OK ? string_index_open(o->container, t->blocks, t->keys.count, &o->index) : status;
}

static void close_index(struct opened *o)
{
    string_index_free(o->index);
    container_close(o->container);
}

/* ---- comparing. `strict`: the file is whole, so what it has is to be answered ---- */

static bool keeps_threes(struct opened *o)
{
    struct gram_dictionary d;
    nacre_slice section;
    return container_section(o->container, "GRAM", &section) == NACRE_OK &&
           gram_dictionary_open(section, true, &d) == NACRE_OK && d.lengths & GRAMS_OF_3;
}

static void check_gram(const struct truth *t, struct opened *o, gram g, const uint64_t *start, bool exact)
{
    size_t words = (t->blocks + 63) / 64, from = pairs_find(&t->grams, g), end = pairs_find(&t->grams, (uint64_t)g + 1);
    uint64_t *expected = calloc(words + 1, 8), *found = calloc(words + 1, 8);
    assert_true(expected && found);
    for (size_t i = from; i < end; i++)
        expected[(uint32_t)t->grams.items[i] / 64] |= UINT64_C(1) << (t->grams.items[i] % 64);
    uint64_t last = t->blocks % 64 ? (UINT64_C(1) << (t->blocks % 64)) - 1 : ~UINT64_C(0);
    uint32_t count = string_index_gram_blocks(o->index, g);
    bool all = !exact && count == t->blocks;
    assert_int_equal(count, all ? t->blocks : end - from);
    for (int and_them = 0; and_them < 2; and_them++) {
        memcpy(found, start, words * 8);
        found[words] = UINT64_C(0x1234567890abcdef);
        if (and_them)
            string_index_gram_and(o->index, g, found);
        else
            string_index_gram_or(o->index, g, found);
        assert_int_equal(found[words], UINT64_C(0x1234567890abcdef));
        for (size_t i = 0; i < words; i++) {
            uint64_t valid = i + 1 == words ? last : ~UINT64_C(0), has = all ? valid : expected[i];
            assert_int_equal(found[i], and_them ? start[i] & has : start[i] | has);
        }
    }
    free(expected);
    free(found);
}

static void check_grams(const struct truth *t, struct opened *o, bool strict, uint64_t *random)
{
    size_t words = (t->blocks + 63) / 64;
    uint64_t *start = calloc(words + 1, 8);
    assert_non_null(start);
    bool there = string_index_has_grams(o->index), threes = there && keeps_threes(o);
    assert_true(there || !strict);
    for (size_t i = 0; i < words; i++)
        start[i] = next_random(random);
    for (size_t i = 0; i < t->grams.count; i = pairs_find(&t->grams, (t->grams.items[i] >> 32) + 1)) {
        gram g = (gram)(t->grams.items[i] >> 32);
        check_gram(t, o, g, start, there && (threes || g >> 24 < 3));
    }
    for (int i = 0; i < 300; i++) {
        uint8_t bytes[3] = { (uint8_t)below(random, 256), (uint8_t)below(random, 256), (uint8_t)below(random, 256) };
        gram g = gram_of(bytes, 1 + (unsigned)below(random, 3));
        check_gram(t, o, g, start, there && (threes || g >> 24 < 3));
    }
    free(start);
}

static void check_literal(const struct truth *t, struct opened *o, gram g, bool strict)
{
    uint8_t bytes[3] = { (uint8_t)(g >> 16), (uint8_t)(g >> 8), (uint8_t)g }, folded[3];
    uint64_t keys = 0;
    if (string_index_literal_keys(o->index, bytes, g >> 24, &keys)) {
        assert_int_equal(keys, pairs_of(&t->literals, g));
        return;
    }
    for (int i = 0; i < 3; i++)
        folded[i] = (uint8_t)(bytes[i] >= 'A' && bytes[i] <= 'Z' ? bytes[i] + 32 : bytes[i]);
    assert_true(!strict ||
                (g >> 24 == 3 && (!keeps_threes(o) || pairs_of(&t->grams, gram_of(folded, 3)) < LITERAL_BLOCKS)));
}

static void check_literals(const struct truth *t, struct opened *o, bool strict, uint64_t *random)
{
    for (size_t i = 0; i < t->literals.count; i = pairs_find(&t->literals, (t->literals.items[i] >> 32) + 1))
        check_literal(t, o, (gram)(t->literals.items[i] >> 32), strict);
    for (gram byte = 0; byte < 256; byte++)
        check_literal(t, o, (gram)1 << 24 | byte << 16, strict);
    for (int i = 0; i < 300; i++)
        check_literal(t, o, (gram)3 << 24 | (gram)below(random, 1 << 24), strict);
    for (gram pair = 0; pair < 65536; pair += strict ? 1 : 999)
        check_literal(t, o, (gram)2 << 24 | pair << 8, strict);
}

static uint64_t count_tails(const struct truth *t, const uint8_t *bytes, unsigned size)
{
    uint64_t count = 0;
    for (size_t i = 0; i < t->keys.count; i++) {
        nacre_slice key = t->keys.keys[i];
        count += key.size >= size && memcmp((const uint8_t *)key.data + key.size - size, bytes, size) == 0;
    }
    return count;
}

static void check_tails(const struct truth *t, struct opened *o, bool strict, size_t asked, uint64_t *random)
{
    bool there = container_has_section(o->container, "TAIL");
    for (size_t i = 0; i < asked; i++) {
        uint8_t bytes[8];
        unsigned size = 1 + (unsigned)(i % 8);
        uint64_t keys = 0;
        nacre_slice key = t->keys.count ? t->keys.keys[below(random, t->keys.count)] : slice_of(NULL, 0);
        for (int k = 0; k < 8; k++)
            bytes[k] = (uint8_t)(below(random, 2) ? 0 : below(random, 256));
        if (key.size >= size && i % 5)
            memcpy(bytes, (const uint8_t *)key.data + key.size - size, size);
        else if (key.size < size && key.size)
            memcpy(bytes + size - key.size, key.data, key.size);
        bool said = string_index_tail_keys(o->index, bytes, size, &keys);
        assert_true(said || !strict || !there);
        if (said)
            assert_int_equal(keys, count_tails(t, bytes, size));
    }
}

static void check_rest(const struct truth *t, struct opened *o, bool strict)
{
    const uint64_t *signatures = string_index_signatures(o->index);
    assert_true(signatures || !strict);
    for (uint32_t i = 0; signatures && i < t->blocks; i++)
        assert_int_equal(signatures[i], t->signatures[i]);
    for (size_t i = 0; i < t->keys.count; i++) {
        nacre_slice key = t->keys.keys[i];
        assert_true(string_index_may_have_key(o->index, hash_bytes(key.data, key.size)));
        for (size_t size = 0; size <= key.size; size += 1 + size / 40)
            assert_true(string_index_may_have_prefix(o->index, slice_of(key.data, size)));
    }
}

static void check_all(const struct truth *t, struct opened *o, bool strict, size_t tails, uint64_t *random)
{
    check_grams(t, o, strict, random);
    check_literals(t, o, strict, random);
    check_tails(t, o, strict, tails, random);
    check_rest(t, o, strict);
}

/* ---- tests ---- */

static void every_answer_is_that_of_looking_at_every_key(void **state)
{
    (void)state;
    uint64_t random = 20240611;
    static const size_t counts[] = { 0, 1, 2, 70, 500, 3000 };
    for (int shape = 0; shape < KEY_SHAPES; shape++) {
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            struct truth t;
            struct opened o;
            truth_make(&t, (enum key_shape)shape, shape == KEYS_LONG && counts[i] > 500 ? 700 : counts[i], &random);
            assert_int_equal(write_index(&t), NACRE_OK);
            assert_int_equal(open_index(&t, i % 2, &o), NACRE_OK);
            check_all(&t, &o, true, 400, &random);
            if (string_index_verify(o.index) != NACRE_OK)
                print_message("%s\n", fail_detail());
            assert_int_equal(string_index_verify(o.index), NACRE_OK);
            assert_true(string_index_is_good(o.index));
            assert_true(string_index_memory(o.index) > 0);
            close_index(&o);
            truth_free(&t);
        }
    }
}

static void common_literals_of_three_bytes_are_counted(void **state)
{
    (void)state;
    uint64_t random = 7, keys = 0;
    struct truth t;
    struct opened o;
    truth_make(&t, KEYS_CASES, 20000, &random);
    assert_int_equal(write_index(&t), NACRE_OK);
    assert_int_equal(open_index(&t, true, &o), NACRE_OK);
    assert_true(string_index_literal_keys(o.index, (const uint8_t *)"aBc", 3, &keys));
    assert_int_equal(keys, pairs_of(&t.literals, gram_of((const uint8_t *)"aBc", 3)));
    assert_true(keys > 0);
    close_index(&o);
    truth_free(&t);
}

/* No key has the literal, but keys have it in other letters, in many blocks. */
static void a_literal_that_occurs_in_other_case_only_is_counted_as_zero(void **state)
{
    (void)state;
    struct truth t = { 0 };
    struct opened o;
    uint64_t keys = 7;
    t.keys.keys = calloc(100, sizeof *t.keys.keys);
    t.block_of = calloc(100, sizeof *t.block_of);
    assert_true(t.keys.keys && t.block_of);
    for (uint32_t i = 0; i < 100; i++) {
        char *key = malloc(16);
        assert_non_null(key);
        (void)snprintf(key, 16, "%02u/README", i);
        t.keys.keys[t.keys.count++] = slice_text(key);
        t.block_of[i] = i;
    }
    t.blocks = 100;
    assert_int_equal(write_index(&t), NACRE_OK);
    assert_int_equal(open_index(&t, true, &o), NACRE_OK);
    assert_true(string_index_literal_keys(o.index, (const uint8_t *)"eaD", 3, &keys));
    assert_int_equal(keys, 0);
    assert_true(string_index_literal_keys(o.index, (const uint8_t *)"EAD", 3, &keys));
    assert_int_equal(keys, 100);
    assert_false(string_index_literal_keys(o.index, (const uint8_t *)"xyz", 3, &keys));
    close_index(&o);
    truth_free(&t);
}

/* Short names of few letters, the least compressible keys that there is a use for. */
static void grams_of_names_are_kept(void **state)
{
    (void)state;
    uint64_t random = 12;
    struct truth t = { 0 };
    struct opened o;
    string_keys_make(&t.keys, KEYS_NAMES, 200000, &random);
    t.block_of = calloc(t.keys.count, sizeof *t.block_of);
    assert_non_null(t.block_of);
    for (size_t i = 0; i < t.keys.count; i++)
        t.block_of[i] = (uint32_t)(i / 64);
    t.blocks = (uint32_t)((t.keys.count + 63) / 64);
    assert_int_equal(write_index(&t), NACRE_OK);
    assert_int_equal(open_index(&t, true, &o), NACRE_OK);
    assert_true(string_index_has_grams(o.index));
    assert_true(keeps_threes(&o));
    close_index(&o);
    truth_free(&t);
}

static void random_bytes_do_not_make_a_side_file_that_is_larger_than_they_are(void **state)
{
    (void)state;
    uint64_t random = 99;
    struct truth t = { 0 };
    struct opened o;
    uint64_t key_bytes = 0;
    struct string_index_builder *b = NULL;
    string_keys_make(&t.keys, KEYS_RANDOM_BYTES, 150000, &random);
    t.block_of = calloc(t.keys.count, sizeof *t.block_of);
    assert_non_null(t.block_of);
    for (size_t i = 0; i < t.keys.count; i++) {
        t.block_of[i] = (uint32_t)(i / 64);
        key_bytes += t.keys.keys[i].size;
    }
    t.blocks = (uint32_t)((t.keys.count + 63) / 64);
    assert_int_equal(string_index_builder_create(0, &b), NACRE_OK);
    assert_int_equal(feed(&t, b), NACRE_OK);
    assert_true(string_index_builder_memory(b) < 8 * key_bytes + (16 << 20));
    string_index_builder_free(b);
    assert_int_equal(write_index(&t), NACRE_OK);
    assert_int_equal(open_index(&t, true, &o), NACRE_OK);
    assert_true(string_index_has_grams(o.index));
    assert_false(keeps_threes(&o));
    assert_true(o.container->bytes < key_bytes);
    assert_int_equal(string_index_gram_blocks(o.index, gram_of((const uint8_t *)"abc", 3)), t.blocks);
    close_index(&o);
    truth_free(&t);
}

/* ---- damage ---- */

static void read_file(struct buffer *file)
{
    FILE *f = fopen(path, "rb");
    uint8_t bytes[4096];
    assert_non_null(f);
    for (size_t size; (size = fread(bytes, 1, sizeof bytes, f)) > 0;)
        assert_int_equal(buffer_append(file, bytes, size), NACRE_OK);
    (void)fclose(f);
}

static void write_file(const struct buffer *file)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(file->data, 1, file->size, f), file->size);
    assert_int_equal(fclose(f), 0);
}

/* Makes the checksums of all sections, of the table and of the footer right again. */
static void mend(struct buffer *file)
{
    uint8_t *footer = file->data + file->size - 64, *table = file->data + load_u64(footer);
    uint32_t count = load_u32(footer + 8);
    for (uint32_t i = 0; i < count; i++)
        store_u64(table + 32 * i + 24,
                  hash_bytes(file->data + load_u64(table + 32 * i + 8), load_u64(table + 32 * i + 16)));
    store_u64(footer + 16, hash_seeded(table, (size_t)count * 32, 9));
    store_u64(footer + 56, hash_bytes(footer, 56));
}

static void ask_everything(const struct truth *t, struct opened *o)
{
    uint64_t *bitmap = calloc((t->blocks + 63) / 64 + 1, 8), keys = 0, sum = 0;
    assert_non_null(bitmap);
    for (size_t i = 0; i < t->grams.count; i += 1 + t->grams.count / 2000) {
        gram g = (gram)(t->grams.items[i] >> 32);
        sum += string_index_gram_blocks(o->index, g);
        string_index_gram_or(o->index, g, bitmap);
        string_index_gram_and(o->index, g, bitmap);
    }
    for (size_t i = 0; i < t->literals.count; i += 1 + t->literals.count / 2000) {
        gram g = (gram)(t->literals.items[i] >> 32);
        uint8_t bytes[3] = { (uint8_t)(g >> 16), (uint8_t)(g >> 8), (uint8_t)g };
        sum += string_index_literal_keys(o->index, bytes, g >> 24, &keys);
    }
    for (size_t i = 0; i < t->keys.count; i++) {
        nacre_slice key = t->keys.keys[i];
        for (unsigned size = 1; size <= 8 && size <= key.size; size++)
            sum += string_index_tail_keys(o->index, (const uint8_t *)key.data + key.size - size, size, &keys);
        sum += string_index_may_have_key(o->index, hash_bytes(key.data, key.size));
        sum += string_index_may_have_prefix(o->index, key);
    }
    const uint64_t *signatures = string_index_signatures(o->index);
    for (uint32_t i = 0; signatures && i < t->blocks; i++)
        sum += signatures[i];
    (void)string_index_verify(o->index);
    (void)sum;
    free(bitmap);
}

static void a_damaged_byte_never_makes_an_answer_wrong(void **state)
{
    (void)state;
    uint64_t random = 3;
    struct truth t;
    struct buffer file = { 0 };
    truth_make(&t, KEYS_NOT_UTF8, 120, &random);
    assert_int_equal(write_index(&t), NACRE_OK);
    read_file(&file);
    for (size_t i = 0; i < file.size; i += 1 + below(&random, 7)) {
        struct opened o;
        uint8_t flip = (uint8_t)(1u << below(&random, 8));
        file.data[i] ^= flip;
        write_file(&file);
        file.data[i] ^= flip;
        if (open_index(&t, i % 2, &o) == NACRE_OK) {
            check_all(&t, &o, false, 16, &random);
            assert_int_equal(string_index_verify(o.index), NACRE_CORRUPT);
            assert_false(string_index_is_good(o.index));
        }
        close_index(&o);
    }
    buffer_free(&file);
    truth_free(&t);
}

static void damage_under_right_checksums_harms_nothing(void **state)
{
    (void)state;
    uint64_t random = 4;
    for (int round = 0; round < 2; round++) {
        struct truth t;
        struct buffer file = { 0 }, bad = { 0 };
        truth_make(&t, round ? KEYS_PATHS : KEYS_TINY_ALPHABET, 150, &random);
        assert_int_equal(write_index(&t), NACRE_OK);
        read_file(&file);
        size_t end = (size_t)load_u64(file.data + file.size - 64);
        for (size_t i = 64; i < end; i += 1 + below(&random, 7)) {
            struct opened o;
            buffer_clear(&bad);
            assert_int_equal(buffer_append(&bad, file.data, file.size), NACRE_OK);
            for (size_t k = 0; k < 1 + i % 3; k++)
                bad.data[k ? 64 + below(&random, end - 64) : i] = (uint8_t)(i % 2 ? 0xff : next_random(&random));
            mend(&bad);
            write_file(&bad);
            assert_int_equal(open_index(&t, i % 4 < 2, &o), NACRE_OK);
            ask_everything(&t, &o);
            close_index(&o);
        }
        buffer_free(&file);
        buffer_free(&bad);
        truth_free(&t);
    }
}

static void damage_is_told_once_and_the_rest_goes_on(void **state)
{
    (void)state;
    uint64_t random = 5;
    struct truth t;
    struct opened o;
    struct buffer file = { 0 };
    truth_make(&t, KEYS_PATHS, 300, &random);
    assert_int_equal(write_index(&t), NACRE_OK);
    assert_int_equal(open_index(&t, true, &o), NACRE_OK);
    uint64_t offset = 0, size = 0;
    assert_int_equal(container_section_bounds(o.container, "GPOS", &offset, &size), NACRE_OK);
    close_index(&o);
    read_file(&file);
    file.data[offset + size / 2] ^= 4;
    write_file(&file);
    assert_int_equal(open_index(&t, true, &o), NACRE_OK);
    assert_true(string_index_is_good(o.index));
    check_literals(&t, &o, false, &random);
    check_tails(&t, &o, true, 50, &random);
    check_rest(&t, &o, true);
    assert_false(string_index_has_grams(o.index));
    assert_false(string_index_is_good(o.index));
    close_index(&o);
    buffer_free(&file);
    truth_free(&t);
}

static void a_side_file_of_other_keys_is_not_believed(void **state)
{
    (void)state;
    uint64_t random = 6, keys = 0;
    struct truth t;
    struct opened o;
    truth_make(&t, KEYS_PATHS, 300, &random);
    assert_int_equal(write_index(&t), NACRE_OK);
    t.blocks += 70;
    t.keys.count--;
    assert_int_equal(open_index(&t, true, &o), NACRE_OK);
    assert_false(string_index_has_grams(o.index));
    assert_null(string_index_signatures(o.index));
    assert_false(string_index_literal_keys(o.index, (const uint8_t *)"a", 1, &keys));
    assert_false(string_index_tail_keys(o.index, (const uint8_t *)"a", 1, &keys));
    assert_true(string_index_may_have_key(o.index, 12345));
    assert_false(string_index_is_good(o.index));
    close_index(&o);
    t.keys.count++;
    truth_free(&t);
}

/* ---- memory ---- */

static bool fail_at_zero(void *context, size_t bytes)
{
    (void)bytes;
    return (*(int64_t *)context)-- == 0;
}

static void an_allocation_that_fails_is_reported_and_does_not_spoil_the_reader(void **state)
{
    (void)state;
    uint64_t random = 8;
    struct truth t;
    struct opened o;
    truth_make(&t, KEYS_NOT_UTF8, 300, &random);
    bool failed = true;
    for (int64_t at = 0; failed; at++) {
        int64_t left = at;
        memory_set_fault(fail_at_zero, &left);
        int status = write_index(&t);
        memory_set_fault(NULL, NULL);
        failed = left < 0;
        assert_int_equal(status, failed ? NACRE_NO_MEMORY : NACRE_OK);
    }
    assert_int_equal(write_index(&t), NACRE_OK);
    failed = true;
    for (int64_t at = 0; failed; at++) {
        int64_t left = at;
        memory_set_fault(fail_at_zero, &left);
        int status = open_index(&t, false, &o);
        if (status == NACRE_OK)
            ask_everything(&t, &o);
        memory_set_fault(NULL, NULL);
        failed = left < 0;
        assert_true(status == NACRE_OK || (failed && status == NACRE_NO_MEMORY));
        if (status == NACRE_OK) {
            assert_true(string_index_is_good(o.index));
            check_all(&t, &o, true, 50, &random);
        }
        close_index(&o);
    }
    truth_free(&t);
}

/* ---- posting lists alone ---- */

static void lists_of_every_density_are_read_back(void **state)
{
    (void)state;
    uint64_t random = 11;
    static const uint32_t sizes[] = { 1, 2, 3, 63, 64, 65, 1000, 16384, 16385, 70001 };
    uint32_t gaps = 0;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (uint32_t round = 0; round < 60; round++) {
            uint32_t blocks = sizes[s], count = 0, every = 1 + (uint32_t)below(&random, UINT64_C(1) << (round % 16));
            uint32_t run = round % 3 ? 0 : 1 + (uint32_t)below(&random, 200); /* as many follow one that is in it */
            uint32_t *values = malloc(blocks * sizeof *values);
            uint64_t *found = calloc(blocks / 64 + 1, 8);
            struct buffer list = { 0 };
            assert_true(values && found);
            for (uint32_t b = 0, left = 0; b < blocks; b++) {
                if ((below(&random, every) == 0) == (round % 2 == 0))
                    left = 1 + run;
                if (left)
                    values[count++] = b;
                left -= left != 0;
            }
            uint32_t gap_bytes = 0;
            assert_int_equal(posting_list_append(&list, blocks, values, count, &gap_bytes), NACRE_OK);
            assert_int_equal(list.size, gap_bytes ? gap_bytes : posting_list_size(blocks, count));
            gaps += gap_bytes != 0;
            assert_true(list.size <= blocks / 8 + 1);
            assert_int_equal(buffer_append(&list, "aaaaaaaaaaaaaaaa", POSTING_SLACK), NACRE_OK);
            struct posting_list l = { list.data, blocks, count, count ? values[0] : 0, gap_bytes };
            posting_list_or(&l, found);
            for (uint32_t b = 0, next = 0; b < blocks; b++) {
                bool in = next < count && values[next] == b;
                next += in;
                assert_int_equal(found[b / 64] >> (b % 64) & 1, in);
            }
            for (uint32_t i = 0; i <= blocks / 64; i++)
                found[i] = UINT64_C(0x5555555555555555);
            posting_list_and(&l, found);
            for (uint32_t b = 0, next = 0; b < blocks; b++) {
                bool in = next < count && values[next] == b;
                next += in;
                assert_int_equal(found[b / 64] >> (b % 64) & 1, in && b % 2 == 0);
            }
            bool good = false;
            assert_int_equal(posting_list_check(&l, &good), NACRE_OK);
            assert_true(good);
            buffer_free(&list);
            free(values);
            free(found);
        }
    }
    assert_true(gaps > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_answer_is_that_of_looking_at_every_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(common_literals_of_three_bytes_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_literal_that_occurs_in_other_case_only_is_counted_as_zero, set_up, tear_down),
        cmocka_unit_test_setup_teardown(grams_of_names_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_bytes_do_not_make_a_side_file_that_is_larger_than_they_are, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_byte_never_makes_an_answer_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_under_right_checksums_harms_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_is_told_once_and_the_rest_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_side_file_of_other_keys_is_not_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_allocation_that_fails_is_reported_and_does_not_spoil_the_reader, set_up,
                                        tear_down),
        cmocka_unit_test(lists_of_every_density_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
