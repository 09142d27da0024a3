/* Files of strings segments of any bytes (segment_exercise.h: exercise_files). */
#include "segment_exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    exercise_files(&kind_strings, exercise_build_strings, mend_string_blocks, data, size);
    return 0;
}
