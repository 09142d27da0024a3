/* Public call: what merge operators and compaction filters write to. */
#include "base/output.h"
#include "base/status.h"

int nacre_output_append(nacre_output *output, nacre_slice bytes)
{
    if (!output) {
        return fail(NACRE_INVALID, "the output is NULL");
    }
    if (bytes.size && !bytes.data) {
        return fail(NACRE_INVALID, "the output's bytes are NULL");
    }
    return output_append(output, bytes);
}
