/* Outputs; see output.h. */
#include "base/output.h"
#include "base/status.h"

int output_append(struct nacre_output *output, nacre_slice bytes)
{
    int status = bytes.size > NACRE_VALUE_MAX || output->bytes.size > NACRE_VALUE_MAX - bytes.size
                     ? fail(NACRE_LIMIT, "a value would pass %u bytes", NACRE_VALUE_MAX)
                     : buffer_append(&output->bytes, bytes.data, bytes.size);
    if (status != NACRE_OK) {
        output->status = status;
    }
    return status;
}
