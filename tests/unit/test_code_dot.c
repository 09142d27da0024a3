/* Inner products with codes against plain sums, on every level of the processor, with rows and queries that end where memory ends. */
#include "distance/code_dot.h"
#include "base/cpu.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define ROWS 9
#define ROOM ((size_t)1 << 20) /* for ROWS of the longest, 65 536 */

static uint8_t *row_end; /* behind it is no memory */
static int8_t *query_end;
static uint64_t random_state = 88172645463325252u;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static void *memory_with_an_end(size_t bytes)
{
    uint8_t *memory = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED && mprotect(memory + bytes, 4096, PROT_NONE) == 0);
    return memory + bytes;
}

static int set_up(void **state)
{
    (void)state;
    row_end = memory_with_an_end(ROOM);
    query_end = memory_with_an_end(ROOM);
    return 0;
}

static bool limit_to(int level)
{
    cpu_limit((enum cpu_level)level);
    return level <= CPU_AVX512 && cpu_level() == (enum cpu_level)level;
}

static int64_t truth(unsigned bits, const int8_t *query, const uint8_t *row, size_t bytes)
{
    int64_t sum = 0;
    for (size_t i = 0; i < bytes; i++)
        sum += bits == 8 ? query[i] * row[i] : query[i] * (row[i] % 16) + query[bytes + i] * (row[i] / 16);
    return sum;
}

static void check_list(unsigned bits, const int8_t *query, const uint8_t *rows, size_t stride, size_t bytes)
{
    uint32_t list[2 * ROWS];
    int32_t dots[2 * ROWS + 1], again[2 * ROWS + 1];
    size_t count = random_bits() % (2 * ROWS + 1);
    for (size_t i = 0; i < count; i++)
        list[i] = (uint32_t)(random_bits() % ROWS);
    dots[count] = again[count] = 7;
    (bits == 8 ? code8_dot_list : code4_dot_list)(query, rows, stride, list, count, bytes, dots);
    code_dot_list_for(bits, bytes)(query, rows, stride, list, count, bytes, again);
    assert_memory_equal(dots, again, (count + 1) * sizeof dots[0]);
    assert_int_equal(dots[count], 7); /* nothing is written behind */
    for (size_t i = 0; i < count; i++)
        assert_int_equal(dots[i], truth(bits, query, rows + list[i] * stride, bytes));
}

static void check(unsigned bits, size_t bytes, size_t stride)
{
    const int8_t *query = query_end - (bits == 8 ? bytes : 2 * bytes);
    const uint8_t *rows = row_end - (ROWS - 1) * stride - bytes;
    int32_t dots[ROWS + 1];
    for (size_t count = 0; count <= ROWS; count++) {
        const uint8_t *first = rows + (ROWS - count) * stride; /* the last one ends where memory ends */
        dots[count] = 7;
        (bits == 8 ? code8_dot_rows : code4_dot_rows)(query, first, stride, count, bytes, dots);
        assert_int_equal(dots[count], 7);
        for (size_t i = 0; i < count; i++)
            if (dots[i] != truth(bits, query, first + i * stride, bytes))
                fail_msg("%u bits, level %d, %zu bytes, row %zu of %zu: %d", bits, (int)cpu_level(), bytes, i, count,
                         dots[i]);
    }
    check_list(bits, query, rows, stride, bytes);
}

static void fill(size_t bytes, uint8_t (*value)(void))
{
    size_t query_bytes = 2 * bytes < ROOM ? 2 * bytes : ROOM, row_bytes = ROWS * (bytes + 8);
    for (size_t i = 1; i <= query_bytes; i++)
        query_end[-(ptrdiff_t)i] = (int8_t)value();
    for (size_t i = 1; i <= row_bytes; i++)
        row_end[-(ptrdiff_t)i] = value();
}

static void check_all(unsigned bits, size_t bytes, uint8_t (*value)(void))
{
    size_t stride = bytes + random_bits() % 8;
    fill(bytes, value);
    for (int level = CPU_PORTABLE; limit_to(level); level++)
        check(bits, bytes, stride);
}

static uint8_t any(void)
{
    return (uint8_t)random_bits();
}

static uint8_t extreme(void) /* as the query's bytes: -128, 127, -1 and 0 */
{
    static const uint8_t values[] = { 0x80, 0x80, 0x80, 0x7f, 0xff, 0x00 };
    return values[random_bits() % sizeof values];
}

static uint8_t all_ones(void)
{
    return 0xff;
}

static void every_length_agrees_with_plain_sums(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes <= 1100; bytes++) {
        check_all(8, bytes, any);
        check_all(4, bytes, any);
    }
}

static void no_product_is_cut_off(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes <= 300; bytes++)
        for (unsigned bits = 4; bits <= 8; bits += 4) {
            check_all(bits, bytes, extreme);
            check_all(bits, bytes, all_ones);
        }
}

static void the_longest_rows_of_the_largest_codes_fit_their_sums(void **state)
{
    (void)state;
    for (unsigned bits = 4; bits <= 8; bits += 4)
        for (size_t bytes = bits == 8 ? 65536 : 32768, less = 0; less < 3; less++) {
            fill(bytes, all_ones);
            memset(query_end - 65536, less == 0 ? 0x80 : 0x7f, 65536);
            for (int level = CPU_PORTABLE; limit_to(level); level++)
                check(bits, bytes - less, bytes);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_agrees_with_plain_sums),
        cmocka_unit_test(no_product_is_cut_off),
        cmocka_unit_test(the_longest_rows_of_the_largest_codes_fit_their_sums),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
