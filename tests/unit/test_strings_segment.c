/* The strings kind against a plain model: random entries of many shapes, under every way to keep them. */
#include "segment_checks.h"
#include "strings/reader.h"
#include "strings/strings.h"

static size_t usual_count(int shape, size_t count)
{
    return shape == LARGE_VALUES ? 40 : shape == LONG_KEYS ? 120 : shape == HUGE_KEYS ? 60 : count;
}

static void every_shape_answers_as_the_model_does_in_place(void **state)
{
    (void)state;
    for (int shape = 0; shape < STRING_SHAPES; shape++)
        for (int index = 0; index < 2; index++)
            check_shape(&kind_strings, (enum model_shape)shape, usual_count(shape, 1500), true, index, COMPRESSION_NONE,
                        4096, (uint64_t)(shape * 2 + index));
}

static void every_shape_answers_as_the_model_does_when_compressed(void **state)
{
    (void)state;
    for (int shape = 0; shape < STRING_SHAPES; shape++)
        for (int codec = COMPRESSION_LZ4; codec <= COMPRESSION_ZSTD; codec++)
            check_shape(&kind_strings, (enum model_shape)shape, usual_count(shape, 800), codec & 1, true,
                        (enum compression)codec, 4096, (uint64_t)(100 + shape * 2 + codec));
}

static void every_shape_answers_as_the_model_does_without_maps(void **state)
{
    (void)state;
    for (int shape = 0; shape < STRING_SHAPES; shape++)
        check_shape(&kind_strings, (enum model_shape)shape, usual_count(shape, 600), false, shape & 1, COMPRESSION_NONE,
                    4096, (uint64_t)(200 + shape));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_answers_as_the_model_does_in_place),
        cmocka_unit_test(every_shape_answers_as_the_model_does_when_compressed),
        cmocka_unit_test(every_shape_answers_as_the_model_does_without_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
