/* Files of ordered segments of any bytes (segment_exercise.h: exercise_files). */
#include "segment_exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    exercise_files(&kind_ordered, exercise_build, mend_blocks, data, size);
    return 0;
}
