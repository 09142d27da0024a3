/* Allocation, and what fails with it. */
#include "base/big_block.h"
#include "base/memory.h"
#include "base/status.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static void memory_of_no_bytes_is_memory(void **state)
{
    (void)state;
    void *all[] = { memory_alloc(0), memory_zalloc(0), memory_realloc(NULL, 0), memory_alloc_aligned(64, 0) };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_non_null(all[i]);
        memory_free(all[i]);
    }
    memory_free(NULL);
    memory_unmap(NULL, 5);
}

static void aligned_memory_is_aligned_and_whole(void **state)
{
    (void)state;
    for (size_t alignment = 16; alignment <= 4096; alignment *= 2) {
        char *memory = memory_alloc_aligned(alignment, alignment + 1);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % alignment, 0);
        memset(memory, 1, alignment + 1);
        memory_free(memory);
    }
}

static void what_cannot_be_had_is_null_with_a_detail(void **state)
{
    (void)state;
    static volatile size_t too_much = SIZE_MAX - 100; /* so that no compiler warns of it */
    assert_int_equal((fail)(NACRE_IO, "before"), NACRE_IO);
    assert_null(memory_alloc_aligned(4096, too_much));
    assert_non_null(strstr(fail_detail(), "could not be allocated"));
    assert_int_equal((fail)(NACRE_IO, "before"), NACRE_IO);
    assert_null(memory_map(too_much));
    assert_non_null(strstr(fail_detail(), "could not be allocated"));
    assert_null(memory_map(0));
}

static bool is_mapped(const char *page)
{
    return msync((void *)(uintptr_t)page, 1, MS_ASYNC) == 0;
}

static void maps_are_zeroed_and_large_ones_aligned(void **state)
{
    (void)state;
    const size_t sizes[] = { 1, 4096, 100000, 2 * MIB, 2 * MIB + 1, 5 * MIB + 12345, 16 * MIB };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *memory = memory_map(sizes[i]);
        assert_non_null(memory);
        if (sizes[i] >= 2 * MIB) {
            assert_int_equal((uintptr_t)memory % (2 * MIB), 0);
        }
        assert_int_equal(memory[0] | memory[sizes[i] / 2] | memory[sizes[i] - 1], 0);
        memset(memory, 1, sizes[i]);
        memory_unmap(memory, sizes[i]);
        assert_false(is_mapped(memory));
    }
}

/* Pages of address space that this process has. */
static unsigned long pages(void)
{
    unsigned long count = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &count), 1);
    fclose(file);
    return count;
}

static void maps_of_odd_sizes_leave_no_address_space_behind(void **state)
{
    (void)state;
    memory_unmap(memory_map(3 * MIB), 3 * MIB);
    unsigned long before = pages();
    for (unsigned i = 0; i < 100; i++) {
        size_t size = 2 * MIB + 4096 * i + i;
        memory_unmap(memory_map(size), size);
    }
    assert_true(pages() < before + 100); /* what leaked would be 100 times some 500 pages */
}

static bool fail_large(void *context, size_t bytes)
{
    (*(_Atomic unsigned *)context)++;
    return bytes >= 1000;
}

static void the_fault_hook_is_asked_before_every_allocation(void **state)
{
    (void)state;
    _Atomic unsigned asked = 0;
    char text[1200];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    char *kept = memory_alloc(10);
    memory_set_fault(fail_large, &asked);
    assert_null(memory_alloc(1000));
    assert_null(memory_zalloc(1000));
    assert_null(memory_alloc_aligned(64, 1000));
    assert_null(memory_realloc(kept, 1000));
    assert_null(memory_map(1000));
    assert_null(memory_strdup(text));
    assert_int_equal(asked, 6);
    assert_non_null(strstr(fail_detail(), "1200 bytes"));
    char *copy = memory_strdup("short");
    assert_string_equal(copy, "short");
    memory_free(copy);
    memory_set_fault(NULL, NULL);
    assert_int_equal(asked, 7);
    kept = memory_realloc(kept, 1000); /* what a failed one left is good */
    assert_non_null(kept);
    memory_free(kept);
}

static atomic_bool done;

static void *allocate_all_the_time(void *context)
{
    (void)context;
    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        memory_free(memory_alloc(16));
    }
    return NULL;
}

static void the_fault_hook_may_come_and_go_while_others_allocate(void **state)
{
    (void)state;
    _Atomic unsigned asked = 0;
    pthread_t thread;
    atomic_store(&done, false);
    assert_int_equal(pthread_create(&thread, NULL, allocate_all_the_time, NULL), 0);
    while (asked < 20000) {
        memory_set_fault(fail_large, &asked);
        memory_set_fault(NULL, NULL);
    }
    atomic_store_explicit(&done, true, memory_order_relaxed);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void sizes_that_do_not_fit_are_told(void **state)
{
    (void)state;
    size_t result = 0;
    assert_true(size_add(SIZE_MAX - 1, 1, &result));
    assert_int_equal(result, SIZE_MAX);
    assert_false(size_add(SIZE_MAX, 1, &result));
    assert_true(size_multiply(SIZE_MAX / 2, 2, &result));
    assert_false(size_multiply(SIZE_MAX / 2, 3, &result));
}

/* ---- big blocks ---- */

/* Sanitizers watch over all allocations: then there are none. */
static bool has_big_blocks(void)
{
    void *memory = big_block_make(BIG_BLOCK);
    bool has = memory != NULL;
    if (has) {
        big_block_free(memory);
    }
    return has;
}

static void big_blocks_go_back_to_the_system_when_they_are_freed(void **state)
{
    (void)state;
    if (!has_big_blocks()) {
        skip();
    }
    struct memory_use before = memory_used();
    char *small = memory_alloc(BIG_BLOCK - 1), *big = memory_alloc(BIG_BLOCK), *aligned = memory_alloc_aligned(64, MIB);
    char *zeroed = memory_zalloc(3 * MIB + 5);
    assert_true(small && big && aligned && zeroed);
    assert_int_equal(big_block_size(small), 0);
    assert_int_equal(big_block_size(big), BIG_BLOCK);
    assert_int_equal(big_block_size(big + 4096), 0);
    assert_int_equal(big_block_size(aligned), MIB);
    assert_int_equal(big_block_size(zeroed), 3 * MIB + 4096);
    assert_int_equal(zeroed[0] | zeroed[3 * MIB + 4], 0);
    memset(big, 1, BIG_BLOCK);
    memory_free(small);
    memory_free(big);
    memory_free(aligned);
    memory_free(zeroed);
    assert_false(is_mapped(big) || is_mapped(aligned) || is_mapped(zeroed));
    assert_int_equal(memory_used().heap_bytes, before.heap_bytes);
}

/* Fills what is new of the first `bytes` by the place. */
static void fill(uint8_t *memory, size_t from, size_t bytes)
{
    for (size_t at = from; at < bytes; at++) {
        memory[at] = (uint8_t)(at * 31 >> 3);
    }
}

static void blocks_keep_what_they_hold_as_they_grow_and_shrink(void **state)
{
    (void)state;
    const size_t sizes[] = { 100000,  BIG_BLOCK, BIG_BLOCK + 1, 2 * MIB, 2 * MIB + 10, 7 * MIB,
                             3 * MIB, BIG_BLOCK, 5 * MIB,       1000,    4 * MIB,      10 };
    struct memory_use before = memory_used();
    uint8_t *memory = NULL;
    size_t held = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memory = memory_realloc(memory, sizes[i]);
        assert_non_null(memory);
        size_t kept = held < sizes[i] ? held : sizes[i];
        for (size_t at = 0; at < kept; at++) {
            assert_int_equal(memory[at], (uint8_t)(at * 31 >> 3));
        }
        fill(memory, kept, sizes[i]);
        held = sizes[i];
    }
    memory_free(memory);
    assert_int_equal(memory_used().heap_bytes, before.heap_bytes);
}

#define CROWD 3000u

static void *allocate_many(void *context)
{
    static _Thread_local uint8_t *blocks[CROWD];
    unsigned seed = *(const unsigned *)context;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < CROWD; i++) {
            blocks[i] = memory_alloc(BIG_BLOCK + 4096u * (i % 3));
            if (!blocks[i]) {
                return context;
            }
            *(unsigned *)(void *)blocks[i] = seed + i;
        }
        for (unsigned i = 0; i < CROWD; i++) {
            unsigned at = (i * 7919u + round) % CROWD; /* CROWD and the prime have no factor in common: each once */
            blocks[at] = i % 5 ? blocks[at] : memory_realloc(blocks[at], 2 * BIG_BLOCK);
            if (!blocks[at] || *(unsigned *)(void *)blocks[at] != seed + at) {
                return context;
            }
            memory_free(blocks[at]);
        }
    }
    return NULL;
}

static void more_blocks_than_the_table_has_room_for_are_the_allocators(void **state)
{
    (void)state;
    unsigned seeds[] = { 1, 1000000 };
    pthread_t threads[2];
    struct memory_use before = memory_used();
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, allocate_many, &seeds[i]), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(memory_used().heap_bytes, before.heap_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_of_no_bytes_is_memory),
        cmocka_unit_test(aligned_memory_is_aligned_and_whole),
        cmocka_unit_test(what_cannot_be_had_is_null_with_a_detail),
        cmocka_unit_test(maps_are_zeroed_and_large_ones_aligned),
        cmocka_unit_test(maps_of_odd_sizes_leave_no_address_space_behind),
        cmocka_unit_test(the_fault_hook_is_asked_before_every_allocation),
        cmocka_unit_test(the_fault_hook_may_come_and_go_while_others_allocate),
        cmocka_unit_test(sizes_that_do_not_fit_are_told),
        cmocka_unit_test(big_blocks_go_back_to_the_system_when_they_are_freed),
        cmocka_unit_test(blocks_keep_what_they_hold_as_they_grow_and_shrink),
        cmocka_unit_test(more_blocks_than_the_table_has_room_for_are_the_allocators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
