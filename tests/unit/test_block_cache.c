/* The block cache: what is held stays, what is kept stays inside the bound, one scan does not drive out what is used. */
#include "segment_fixture.h"
#include <pthread.h>

static void *block_of(uint64_t file, uint64_t offset, size_t size)
{
    uint8_t *bytes = memory_alloc(size);
    assert_non_null(bytes);
    memset(bytes, (int)(file * 31 + offset), size);
    return bytes;
}

static void check_block(const struct cached_block *block, uint64_t file, uint64_t offset, size_t size)
{
    size_t found = 0;
    const uint8_t *bytes = cached_block_bytes(block, &found);
    assert_int_equal(found, size);
    assert_int_equal(bytes[0], (uint8_t)(file * 31 + offset));
    assert_int_equal(bytes[size - 1], (uint8_t)(file * 31 + offset));
}

static void a_block_is_found_under_its_file_and_offset_only(void **state)
{
    (void)state;
    struct block_cache *cache = NULL;
    uint64_t hits, misses;
    assert_int_equal(block_cache_create(1 << 20, &cache), NACRE_OK);
    assert_null(block_cache_get(cache, 1, 64));
    struct cached_block *block = block_cache_put(cache, 1, 64, block_of(1, 64, 1000), 1000);
    check_block(block, 1, 64, 1000);
    cached_block_release(block);
    assert_null(block_cache_get(cache, 2, 64));
    assert_null(block_cache_get(cache, 1, 65));
    block = block_cache_get(cache, 1, 64);
    check_block(block, 1, 64, 1000);
    cached_block_hold(block);
    cached_block_release(block);
    cached_block_release(block);
    block_cache_counts(cache, &hits, &misses);
    assert_int_equal(hits, 1);
    assert_int_equal(misses, 3);
    block_cache_free(cache);
}

static void of_two_puts_the_first_stays(void **state)
{
    (void)state;
    struct block_cache *cache = NULL;
    assert_int_equal(block_cache_create(1 << 20, &cache), NACRE_OK);
    struct cached_block *first = block_cache_put(cache, 1, 0, block_of(1, 0, 10), 10);
    struct cached_block *second = block_cache_put(cache, 1, 0, block_of(1, 0, 10), 10);
    assert_ptr_equal(first, second);
    cached_block_release(first);
    cached_block_release(second);
    block_cache_free(cache);
}

static void the_bound_is_kept(void **state)
{
    (void)state;
    struct block_cache *cache = NULL;
    for (int shift = 16; shift <= 27; shift++) {
        uint64_t capacity = UINT64_C(1) << shift;
        assert_int_equal(block_cache_create(capacity, &cache), NACRE_OK);
        for (uint64_t i = 0; i < 3 * capacity / 65536 + 100; i++) {
            size_t size = 1000 + (i * 7919) % 100000;
            struct cached_block *block = block_cache_put(cache, i % 7, i, block_of(i % 7, i, size), size);
            check_block(block, i % 7, i, size);
            cached_block_release(block);
            assert_true(block_cache_bytes(cache) <= capacity);
        }
        block_cache_set_capacity(cache, capacity / 4);
        assert_true(block_cache_bytes(cache) <= capacity / 4);
        block_cache_set_capacity(cache, 0);
        assert_int_equal(block_cache_bytes(cache), 0);
        block_cache_free(cache);
    }
}

static void held_blocks_outlive_their_eviction_and_their_file(void **state)
{
    (void)state;
    struct block_cache *cache = NULL;
    struct cached_block *held[50];
    assert_int_equal(block_cache_create(20000, &cache), NACRE_OK);
    for (uint64_t i = 0; i < 50; i++)
        held[i] = block_cache_put(cache, 3, i, block_of(3, i, 1000), 1000);
    block_cache_drop_file(cache, 3);
    for (uint64_t i = 0; i < 50; i++)
        assert_null(block_cache_get(cache, 3, i));
    for (uint64_t i = 0; i < 50; i++) {
        check_block(held[i], 3, i, 1000);
        cached_block_release(held[i]);
    }
    assert_int_equal(block_cache_bytes(cache), 0);
    block_cache_free(cache);
}

static void a_dropped_file_takes_only_its_own_blocks(void **state)
{
    (void)state;
    struct block_cache *cache = NULL;
    assert_int_equal(block_cache_create(64 << 20, &cache), NACRE_OK);
    for (uint64_t i = 0; i < 1000; i++)
        cached_block_release(block_cache_put(cache, i % 3, i, block_of(i % 3, i, 100), 100));
    block_cache_drop_file(cache, 1);
    for (uint64_t i = 0; i < 1000; i++) {
        struct cached_block *block = block_cache_get(cache, i % 3, i);
        assert_int_equal(block != NULL, i % 3 != 1);
        if (block)
            cached_block_release(block);
    }
    block_cache_free(cache);
}

static void a_scan_does_not_drive_out_what_is_used_again(void **state)
{
    (void)state;
    struct block_cache *cache = NULL;
    assert_int_equal(block_cache_create(1 << 20, &cache), NACRE_OK);
    for (uint64_t i = 0; i < 50; i++)
        cached_block_release(block_cache_put(cache, 1, i, block_of(1, i, 4096), 4096));
    for (uint64_t i = 0; i < 2000; i++) {
        cached_block_release(block_cache_put(cache, 2, i, block_of(2, i, 4096), 4096));
        struct cached_block *hot = block_cache_get(cache, 1, i % 50);
        assert_non_null(hot);
        cached_block_release(hot);
    }
    block_cache_free(cache);
}

struct worker {
    struct block_cache *cache;
    uint64_t seed;
};

static void *work(void *argument)
{
    struct worker *w = argument;
    uint64_t random = w->seed;
    for (int i = 0; i < 20000; i++) {
        uint64_t file = below(&random, 3), offset = below(&random, 300);
        if (below(&random, 1000) == 0)
            block_cache_drop_file(w->cache, file);
        if (below(&random, 1000) == 0)
            block_cache_set_capacity(w->cache, 100000 + below(&random, 1000000));
        struct cached_block *block = block_cache_get(w->cache, file, offset);
        if (!block)
            block = block_cache_put(w->cache, file, offset, block_of(file, offset, 3000), 3000);
        check_block(block, file, offset, 3000);
        cached_block_release(block);
    }
    return NULL;
}

static void threads_share_blocks(void **state)
{
    (void)state;
    struct block_cache *cache = NULL;
    pthread_t threads[4];
    struct worker workers[4];
    assert_int_equal(block_cache_create(8 << 20, &cache), NACRE_OK);
    for (uint64_t i = 0; i < 4; i++) {
        workers[i] = (struct worker){ cache, i + 1 };
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    block_cache_set_capacity(cache, 0);
    assert_int_equal(block_cache_bytes(cache), 0);
    block_cache_free(cache);
}

static void put_away(struct block_cache *cache, uint64_t offset)
{
    struct cached_block *block = block_cache_get(cache, 1, offset);
    cached_block_release(block ? block : block_cache_put(cache, 1, offset, block_of(1, offset, 1000), 1000));
}

static void count_press(void *context)
{
    ++*(unsigned *)context;
}

/* Blocks are asked for in turn: each has been driven out when it is asked for again, by as much as all of them are over the capacity. */
static void what_a_larger_cache_would_have_had_is_near(void **state)
{
    (void)state;
    static const struct {
        uint64_t blocks, reach;
        bool near;
    } rows[] = { { 1200, 400000, true }, { 1200, 20000, false }, { 500, 400000, false } };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct block_cache *cache = NULL;
        struct cache_pressure pressure;
        unsigned pressed = 0;
        assert_int_equal(block_cache_create(1 << 20, &cache), NACRE_OK);
        block_cache_set_reach(cache, rows[i].reach);
        block_cache_watch(cache, count_press, &pressed);
        for (uint64_t at = 0; at < 10 * rows[i].blocks; at++)
            put_away(cache, at % rows[i].blocks);
        block_cache_pressure(cache, &pressure);
        assert_int_equal(pressure.hits + pressure.misses, 10 * rows[i].blocks);
        assert_true(rows[i].near ? pressure.near > rows[i].blocks / 10 : pressure.near == 0);
        assert_true(pressure.near <= pressure.misses);
        assert_true(pressure.loads > 0 && pressure.loads <= pressure.misses);
        assert_int_equal(pressed, pressure.misses / CACHE_PRESSED_EVERY);
        block_cache_free(cache);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_found_under_its_file_and_offset_only),
        cmocka_unit_test(of_two_puts_the_first_stays),
        cmocka_unit_test(the_bound_is_kept),
        cmocka_unit_test(held_blocks_outlive_their_eviction_and_their_file),
        cmocka_unit_test(a_dropped_file_takes_only_its_own_blocks),
        cmocka_unit_test(a_scan_does_not_drive_out_what_is_used_again),
        cmocka_unit_test(threads_share_blocks),
        cmocka_unit_test(what_a_larger_cache_would_have_had_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
