/* The k best rows of a search, against sorting all that were offered. */
#include "memtable_model.h"
#include "base/memory.h"
#include "segment/nearest.h"
#include <math.h>

struct offered {
    float distance;
    uint32_t number; /* its key, big-endian, 2 to 600 bytes long */
    bool current;
};

static nacre_slice key_of(uint32_t number, uint8_t *out)
{
    size_t size = 2 + (number % 97 == 0 ? 598 : number % 30);
    memset(out, 'k', size);
    out[0] = (uint8_t)(number >> 8);
    out[1] = (uint8_t)number;
    return slice_of(out, size);
}

static int by_distance_then_key(const void *a, const void *b)
{
    const struct offered *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static bool ask(void *context, nacre_slice key, uint64_t sequence)
{
    const struct offered *all = context;
    assert_true(key.size >= 2);
    return all[sequence - 1].current;
}

static int offer(struct nearest *n, const struct offered *o, uint64_t sequence, bool *current)
{
    uint8_t bytes[600];
    struct entry entry = { .key = key_of(o->number, bytes), .sequence = sequence, .type = ENTRY_PUT };
    return nearest_offer(n, o->distance, &entry, o->number, current);
}

static void offer_all(struct nearest *n, struct offered *all, size_t count)
{
    n->is_current = ask;
    n->current_context = all;
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[600];
        bool current, fits = nearest_fits(n, all[i].distance, key_of(all[i].number, bytes));
        float bound = nearest_bound(n);
        assert_true(!fits || all[i].distance <= bound);
        assert_true(fits || all[i].distance >= bound);
        assert_int_equal(offer(n, &all[i], i + 1, &current), NACRE_OK);
        assert_true(current == (!fits || all[i].current));
        assert_true(n->found_count <= n->k);
        assert_true(nearest_bound(n) <= bound);
    }
}

static struct offered *random_offers(size_t count, unsigned distances, unsigned stale_in, uint64_t *random)
{
    struct offered *all = calloc(count, sizeof *all);
    for (size_t i = 0; i < count; i++)
        all[i] = (struct offered){ (float)random_below(random, distances) - 3, (uint32_t)i,
                                   stale_in == 0 || random_below(random, stale_in) != 0 };
    for (size_t i = count; i > 1; i--) {
        size_t j = random_below(random, i);
        struct offered swap = all[i - 1];
        all[i - 1] = all[j];
        all[j] = swap;
    }
    return all;
}

static void check(struct nearest *n, struct offered *all, size_t count)
{
    size_t currents = 0;
    nearest_sort(n);
    qsort(all, count, sizeof *all, by_distance_then_key);
    for (size_t i = 0; i < count && currents < n->k; i++) {
        uint8_t bytes[600];
        if (!all[i].current)
            continue;
        assert_true(currents < n->found_count);
        assert_true(n->found[currents].distance == all[i].distance);
        assert_int_equal(n->found[currents].row, all[i].number);
        assert_true(slice_equal(buffer_slice(&n->found[currents].key), key_of(all[i].number, bytes)));
        currents++;
    }
    assert_int_equal(currents, n->found_count);
}

static void the_k_best_are_those_of_a_sort(void **state)
{
    static const size_t ks[] = { 1, 2, 3, 10, 100, 5000, 1000000 };
    (void)state;
    uint64_t random = 7;
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
        for (unsigned distances = 1; distances <= 100000; distances *= 10) {
            size_t count = 1 + random_below(&random, 6000);
            struct nearest n = { .k = ks[i] };
            struct offered *all = random_offers(count, distances, i % 2 ? 3 : 0, &random);
            offer_all(&n, all, count);
            check(&n, all, count);
            nearest_free(&n);
            free(all);
        }
    }
}

static void equal_distances_go_by_key(void **state)
{
    (void)state;
    struct nearest n = { .k = 2 };
    struct offered high = { 1, 9, true }, middle = { 1, 5, true }, low = { 1, 2, true };
    bool current;
    offer(&n, &high, 1, &current);
    offer(&n, &middle, 2, &current);
    offer(&n, &low, 3, &current);
    nearest_sort(&n);
    assert_int_equal(n.found[0].row, 2);
    assert_int_equal(n.found[1].row, 5);
    nearest_free(&n);
}

static void a_row_that_does_not_fit_is_not_asked_about(void **state)
{
    (void)state;
    struct offered all[2] = { { 1, 1, true }, { 2, 2, false } };
    struct nearest n = { .k = 1, .is_current = ask, .current_context = all };
    bool current = false;
    offer(&n, &all[0], 1, NULL);
    offer(&n, &all[1], 2, &current);
    assert_true(current);
    assert_int_equal(n.found_count, 1);
    nearest_free(&n);
}

static void the_bound_is_infinite_until_there_are_k(void **state)
{
    (void)state;
    struct nearest n = { .k = 2 };
    struct offered one = { 1, 1, true }, two = { 2, 2, true };
    assert_true(isinf(nearest_bound(&n)));
    offer(&n, &one, 1, NULL);
    assert_true(isinf(nearest_bound(&n)));
    offer(&n, &two, 2, NULL);
    assert_true(nearest_bound(&n) == 2);
    nearest_free(&n);
}

static int allocations_left;
static bool fails_later(void *context, size_t bytes)
{
    (void)context;
    (void)bytes;
    return allocations_left-- <= 0;
}

static void without_memory_what_was_found_stays(void **state)
{
    (void)state;
    uint64_t random = 3;
    size_t count = 400;
    for (int left = 0; left < 60; left++) {
        struct nearest n = { .k = 20 };
        struct offered *all = random_offers(count, 100, 0, &random);
        size_t taken = 0;
        allocations_left = left;
        memory_set_fault(fails_later, NULL);
        while (taken < count && offer(&n, &all[taken], taken + 1, NULL) == NACRE_OK)
            taken++;
        memory_set_fault(NULL, NULL);
        check(&n, all, taken);
        nearest_free(&n);
        free(all);
    }
}

static void offers_allocate_nothing_once_there_are_k(void **state)
{
    (void)state;
    struct nearest n = { .k = 10 };
    for (uint32_t i = 0; i < 10; i++) {
        struct offered one = { 1000, 100 + i % 30, true };
        assert_int_equal(offer(&n, &one, i + 1, NULL), NACRE_OK);
    }
    allocations_left = 0;
    memory_set_fault(fails_later, NULL);
    for (uint32_t i = 0; i < 900; i++) {
        struct offered one = { (float)(900 - i), 1 + i % 90, true };
        assert_int_equal(offer(&n, &one, i + 1, NULL), NACRE_OK);
    }
    memory_set_fault(NULL, NULL);
    nearest_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_k_best_are_those_of_a_sort),
        cmocka_unit_test(equal_distances_go_by_key),
        cmocka_unit_test(a_row_that_does_not_fit_is_not_asked_about),
        cmocka_unit_test(the_bound_is_infinite_until_there_are_k),
        cmocka_unit_test(without_memory_what_was_found_stays),
        cmocka_unit_test(offers_allocate_nothing_once_there_are_k),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
