/* Files of segments of vectors of any bytes (segment_exercise.h: exercise_files). */
#include "segment_exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    exercise_files(&kind_vectors, exercise_build_vectors, mend_vector_blocks, data, size);
    return 0;
}
