/* Manifest files of any bytes: read as they are, and as the edits of a file whose checksums are right. */
#include "base/memory.h"
#include "tree/manifest_format.h"
#include <stdlib.h>

static void walk(struct manifest_state *state)
{
    struct manifest_state copy;
    if (manifest_state_copy(state, &copy) == NACRE_OK) {
        manifest_state_free(&copy);
    }
    manifest_state_free(state);
}

/* The input cut into edits (each: one byte length, then its bytes), put behind a right header with right checksums. */
static void read_framed(const uint8_t *data, size_t size)
{
    struct buffer file = { 0 };
    struct manifest_state state;
    struct manifest_read read;
    if (manifest_header_encode(&file, &(struct manifest_header){ .generation = 3 }) != NACRE_OK) {
        abort();
    }
    while (size > 0) {
        size_t length = data[0] < size - 1 ? data[0] : size - 1;
        if (manifest_frame_append(&file, 3, file.size, slice_of(data + 1, length)) != NACRE_OK) {
            abort();
        }
        data += 1 + length;
        size -= 1 + length;
    }
    if (manifest_parse(buffer_slice(&file), "framed", 0, &state, &read) == NACRE_OK) {
        walk(&state);
    }
    buffer_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest_state state;
    struct manifest_read read;
    if (manifest_parse(slice_of(data, size), "raw", 0, &state, &read) == NACRE_OK) {
        walk(&state);
    }
    read_framed(data, size);
    return 0;
}
