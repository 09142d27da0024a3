/* The bytes that a merge operator or a compaction filter makes: a buffer that does not grow past the largest value. One thread at a time. */
#ifndef NACRE_BASE_OUTPUT_H
#define NACRE_BASE_OUTPUT_H
#include "base/buffer.h"

/* Zero-initialise; free with buffer_free(&output.bytes). */
struct nacre_output {
    struct buffer bytes;
    int status; /* why an append failed: who was given the output may not have told */
};
/* NACRE_LIMIT (the whole would pass NACRE_VALUE_MAX), NACRE_NO_MEMORY; also kept in `status`. */
int output_append(struct nacre_output *, nacre_slice);
static inline void output_clear(struct nacre_output *output)
{
    buffer_clear(&output->bytes);
    output->status = NACRE_OK;
}
#endif
