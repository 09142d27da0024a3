/* Allocation, and what fails with it. */
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
