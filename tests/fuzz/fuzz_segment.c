/* Files of ordered segments of any bytes: the input as a whole file, and as damage to a good one whose checksums are made right again. */
#include "segment_exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exercise x;
    struct buffer good = { 0 }, file = { 0 };
    bool map = size % 2;
    exercise_begin(&x, &kind_ordered, map);
    exercise_write(&x, false, slice_of(data, size));
    exercise_segment(&x);
    exercise_end(&x);

    exercise_begin(&x, &kind_ordered, map);
    exercise_build(&x);
    exercise_read(&x, false, &good);
    must(buffer_append(&file, good.data, good.size) == NACRE_OK);
    damage(&file, data, size);
    mend_blocks(&file, &good);
    mend_frame(&file, &good);
    exercise_write(&x, false, buffer_slice(&file));
    exercise_segment(&x);
    exercise_end(&x);
    buffer_free(&good);
    buffer_free(&file);
    return 0;
}
