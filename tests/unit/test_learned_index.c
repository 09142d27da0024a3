/* The learned index against its oracle, the fence: the same block for every key, whatever the keys look like; bytes that were tampered with are refused, or
   lead to some block of the segment. */
#include "ordered/learned_index.h"
#include "segment_fixture.h"

#define BLOCKS_MOST 3000u
#define KEY_ROOM    256u

enum shape {
    RANDOM_BYTES,
    NUMBERED,
    CLUSTERS,
    TWO_LETTERS,
    PREFIXES_OF_EACH_OTHER,
    LONG_COMMON_PREFIX,
    ONE_HEAD,
    SHAPES
};

struct keys {
    struct buffer bytes;
    nacre_slice list[2 * BLOCKS_MOST];
    size_t count;
};

static size_t make_key(enum shape shape, uint64_t i, uint64_t *random, uint8_t *out)
{
    uint64_t number = next_random(random);
    size_t size = 0;
    switch (shape) {
    case RANDOM_BYTES:
        memcpy(out, &number, 8);
        return 1 + number % 8;
    case NUMBERED:
        return (size_t)snprintf((char *)out, KEY_ROOM, "key%09llu", (unsigned long long)i * 7);
    case CLUSTERS:
        return (size_t)snprintf((char *)out, KEY_ROOM, "%llu",
                                (unsigned long long)(number % 5 * 1000000007 + number / 5 % 900));
    case TWO_LETTERS:
        for (; size < 40 && (number >> size % 60 & 7); size++)
            out[size] = "ab"[next_random(random) & 1];
        return size ? size : 1;
    case PREFIXES_OF_EACH_OTHER:
        memset(out, number & 1 ? 0xff : 0, 200);
        return 1 + number / 2 % 199;
    case LONG_COMMON_PREFIX:
        memset(out, 'p', 60);
        return 60 + (size_t)snprintf((char *)out + 60, KEY_ROOM - 60, "%llx", (unsigned long long)(number % 100000));
    default:
        memset(out, 'h', 30);
        out[3 + number % 3] = (uint8_t)(number >> 8);
        out[20 + number % 9] = (uint8_t)(number >> 16);
        return 30;
    }
}

static int compare_slices(const void *a, const void *b)
{
    return slice_compare(*(const nacre_slice *)a, *(const nacre_slice *)b);
}

static void make_keys(struct keys *k, enum shape shape, size_t count, uint64_t *random)
{
    size_t sizes[2 * BLOCKS_MOST], at = 0, kept = 0;
    *k = (struct keys){ .count = count };
    for (size_t i = 0; i < count; i++) {
        uint8_t key[KEY_ROOM];
        sizes[i] = make_key(shape, i, random, key);
        assert_int_equal(buffer_append(&k->bytes, key, sizes[i]), NACRE_OK);
    }
    for (size_t i = 0; i < count; at += sizes[i++])
        k->list[i] = slice_of(k->bytes.data + at, sizes[i]);
    qsort(k->list, count, sizeof *k->list, compare_slices);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !slice_equal(k->list[kept - 1], k->list[i]))
            k->list[kept++] = k->list[i];
    k->count = kept;
}

/* Each second key begins a block. Some blocks go on with the key before. */
static void make_fence(struct fixture *f, const struct keys *k, uint64_t *random, struct container **container,
                       struct fence *fence)
{
    struct fence_builder builder = { 0 };
    struct container_writer *writer;
    char path[128];
    uint64_t bytes, checksum;
    uint32_t offset = 64;
    nacre_slice section;
    (void)snprintf(path, sizeof path, "%s/%llu", f->directory, (unsigned long long)++f->next_id);
    assert_int_equal(container_writer_create(f->env.os, path, CONTAINER_SEGMENT, f->next_id, 1, &writer), NACRE_OK);
    for (size_t i = 0; i < k->count; i += 2, offset += 64) {
        nacre_slice before = i ? k->list[i - 1] : (nacre_slice){ NULL, 0 };
        bool continues = i && next_random(random) % 20 == 0;
        assert_int_equal(fence_builder_add(&builder, offset, continues ? PLACE_CONTINUES : 0, before,
                                           continues ? before : k->list[i]),
                         NACRE_OK);
    }
    assert_int_equal(fence_builder_write(&builder, writer, offset), NACRE_OK);
    fence_builder_free(&builder);
    assert_int_equal(container_writer_finish(writer, &bytes, &checksum), NACRE_OK);
    assert_int_equal(container_open(f->env.os, path, CONTAINER_SEGMENT, f->next_id, bytes, true, container), NACRE_OK);
    assert_int_equal(container_section(*container, "FENC", &section), NACRE_OK);
    assert_int_equal(fence_open(*container, section, 64, UINT32_MAX, fence), NACRE_OK);
}

static void assert_agree(const struct learned_index *x, const struct fence *fence, nacre_slice key)
{
    assert_int_equal(learned_find(x, fence, key), fence_find(fence, key));
}

/* The key, and keys near to it that need not exist. */
static void assert_agree_around(const struct learned_index *x, const struct fence *fence, nacre_slice key,
                                uint64_t *random)
{
    uint8_t near[256 + 2];
    memcpy(near, key.data, key.size);
    assert_agree(x, fence, key);
    assert_agree(x, fence, slice_of(near, next_random(random) % (key.size + 1)));
    near[key.size] = (uint8_t)next_random(random);
    assert_agree(x, fence, slice_of(near, key.size + 1));
    near[next_random(random) % key.size] = (uint8_t)next_random(random);
    assert_agree(x, fence, slice_of(near, key.size));
}

static void each_key_leads_to_the_block_of_the_fence(void **state)
{
    struct fixture f;
    struct keys k;
    uint64_t random = 99;
    (void)state;
    fixture_open(&f, true);
    for (unsigned round = 0; round < 6 * SHAPES; round++) {
        struct container *container;
        struct fence fence;
        struct buffer section = { 0 };
        struct learned_index x;
        make_keys(&k, (enum shape)(round % SHAPES), 1 + next_random(&random) % (round < SHAPES ? 12 : 2 * BLOCKS_MOST),
                  &random);
        make_fence(&f, &k, &random, &container, &fence);
        assert_int_equal(
            round & 1 ? learned_make(fence.ends, fence.separators, fence.blocks, 0, true, &section)
                      : learned_make_bounded(fence.ends, fence.separators, fence.blocks, 0, round % 20, &section),
            NACRE_OK);
        assert_int_equal(learned_open("x", buffer_slice(&section), fence.blocks, &x), NACRE_OK);
        for (size_t i = 0; i < k.count; i++)
            assert_agree_around(&x, &fence, k.list[i], &random);
        for (unsigned i = 0; i < 1000; i++) {
            uint8_t key[KEY_ROOM];
            size_t size = make_key((enum shape)(next_random(&random) % SHAPES), i, &random, key);
            assert_agree_around(&x, &fence, slice_of(key, size), &random);
        }
        buffer_free(&section);
        buffer_free(&k.bytes);
        container_close(container);
    }
    fixture_close(&f);
}

static void it_is_kept_where_it_pays_alone(void **state)
{
    static const bool pays[SHAPES] = { [RANDOM_BYTES] = true };
    struct fixture f;
    struct keys k;
    uint64_t random = 5;
    (void)state;
    fixture_open(&f, true);
    for (unsigned shape = 0; shape < SHAPES; shape++) {
        struct container *container;
        struct fence fence;
        struct buffer section = { 0 };
        if (shape == CLUSTERS || shape == LONG_COMMON_PREFIX || shape == TWO_LETTERS)
            continue; /* may go either way */
        make_keys(&k, (enum shape)shape, 2 * BLOCKS_MOST, &random);
        make_fence(&f, &k, &random, &container, &fence);
        assert_int_equal(learned_make(fence.ends, fence.separators, fence.blocks, 0, false, &section), NACRE_OK);
        assert_int_equal(section.size != 0, pays[shape]);
        buffer_free(&section);
        buffer_free(&k.bytes);
        container_close(container);
    }
    fixture_close(&f);
}

static void tampered_bytes_are_refused_or_lead_to_some_block(void **state)
{
    struct fixture f;
    struct keys k;
    uint64_t random = 31;
    unsigned refused = 0, opened = 0;
    struct container *container;
    struct fence fence;
    struct buffer section = { 0 };
    (void)state;
    fixture_open(&f, true);
    make_keys(&k, NUMBERED, 600, &random);
    make_fence(&f, &k, &random, &container, &fence);
    assert_int_equal(learned_make(fence.ends, fence.separators, fence.blocks, 0, true, &section), NACRE_OK);
    for (unsigned round = 0; round < 20000; round++) {
        struct learned_index x;
        size_t at = round % 3 ? next_random(&random) % section.size : next_random(&random) % 64;
        uint8_t before = section.data[at];
        section.data[at] = (uint8_t)next_random(&random);
        nacre_slice bytes = slice_of(section.data, round % 50 ? section.size : next_random(&random) % section.size);
        if (learned_open("x", bytes, fence.blocks, &x) == NACRE_OK) {
            opened++;
            for (unsigned i = 0; i < 20; i++)
                assert_true(learned_find(&x, &fence, k.list[next_random(&random) % k.count]) < fence.blocks);
        } else {
            refused++;
        }
        section.data[at] = before;
    }
    assert_true(refused > 100 && opened > 100);
    buffer_free(&section);
    buffer_free(&k.bytes);
    container_close(container);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_leads_to_the_block_of_the_fence),
        cmocka_unit_test(it_is_kept_where_it_pays_alone),
        cmocka_unit_test(tampered_bytes_are_refused_or_lead_to_some_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
