/* The names of tuning parameters in nacre.h are those of the table, in its order. */
#include "store/tuning.h"
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <nacre/nacre.h>

#define NAME(macro) \
    { \
#macro, macro \
    }
static const struct {
    const char *macro, *name;
} names[] = {
    NAME(NACRE_TUNING_SEAL_BYTES),         NAME(NACRE_TUNING_VECTOR_SCAN_US),
    NAME(NACRE_TUNING_LOG_FILE_BYTES),     NAME(NACRE_TUNING_LOG_MAP),
    NAME(NACRE_TUNING_LOG_RECYCLE),        NAME(NACRE_TUNING_VALUE_FILE_BYTES),
    NAME(NACRE_TUNING_SEGMENT_MAP),        NAME(NACRE_TUNING_FILE_HANDLES),
    NAME(NACRE_TUNING_DISK_RESERVE_BYTES), NAME(NACRE_TUNING_CACHE_BYTES),
    NAME(NACRE_TUNING_SEGMENT_BYTES),      NAME(NACRE_TUNING_LEVEL_BASE_BYTES),
    NAME(NACRE_TUNING_LEVEL_RATIO),        NAME(NACRE_TUNING_LEVEL0_RUNS),
    NAME(NACRE_TUNING_TOMBSTONE_PERCENT),  NAME(NACRE_TUNING_VALUE_GARBAGE_PERCENT),
    NAME(NACRE_TUNING_TIER_RUNS),          NAME(NACRE_TUNING_RUNS_MOST),
    NAME(NACRE_TUNING_RUN_SEGMENT_BYTES),  NAME(NACRE_TUNING_BLOCK_BYTES),
    NAME(NACRE_TUNING_COMPRESSION_TOP),    NAME(NACRE_TUNING_COMPRESSION_MIDDLE),
    NAME(NACRE_TUNING_COMPRESSION_BOTTOM), NAME(NACRE_TUNING_LEARNED_INDEX),
    NAME(NACRE_TUNING_ASYNC_INDEX_BUILD),  NAME(NACRE_TUNING_AUTOTUNE),
    NAME(NACRE_TUNING_STATISTICS),
};
_Static_assert(sizeof names / sizeof names[0] == TUNING_COUNT, "a parameter has no name in nacre.h, or one has gone");

static void each_parameter_has_its_name_in_the_header(void **state)
{
    (void)state;
    for (size_t i = 0; i < TUNING_COUNT; i++) {
        assert_string_equal(names[i].name, tuning_name_of((enum tuning_name)i));
        assert_memory_equal(names[i].macro, "NACRE_TUNING_", 13);
        const char *upper = names[i].macro + 13;
        assert_int_equal(strlen(upper), strlen(names[i].name));
        for (size_t k = 0; upper[k]; k++) {
            assert_int_equal(upper[k], toupper((unsigned char)names[i].name[k]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_parameter_has_its_name_in_the_header) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
