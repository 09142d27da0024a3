/* Side files of any bytes beside a good segment: the input as a whole file, and as damage whose checksums are made right again. */
#include "segment_exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exercise x;
    struct buffer good = { 0 }, file = { 0 };
    exercise_begin(&x, &kind_ordered, size % 2);
    exercise_build(&x);
    exercise_read(&x, true, &good);
    must(buffer_append(&file, good.data, good.size) == NACRE_OK);
    exercise_write(&x, true, slice_of(data, size));
    exercise_segment(&x);

    damage(&file, data, size);
    mend_pages(&file, &good);
    mend_frame(&file, &good);
    exercise_write(&x, true, buffer_slice(&file));
    exercise_segment(&x);
    exercise_end(&x);
    buffer_free(&good);
    buffer_free(&file);
    return 0;
}
