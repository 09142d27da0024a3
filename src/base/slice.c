/* Helpers over keys (see slice.h). */
#include "base/slice.h"

size_t slice_shared_prefix(nacre_slice a, nacre_slice b)
{
    const unsigned char *x = a.data, *y = b.data;
    size_t most = a.size < b.size ? a.size : b.size, i = 0;
    for (; i + 8 <= most; i += 8) {
        uint64_t p, q;
        memcpy(&p, x + i, 8);
        memcpy(&q, y + i, 8);
        if (p != q) {
            return i + (size_t)__builtin_ctzll(p ^ q) / 8;
        }
    }
    while (i < most && x[i] == y[i]) {
        i++;
    }
    return i;
}

bool slice_prefix_end(nacre_slice prefix, void *out, size_t *out_size)
{
    const unsigned char *bytes = prefix.data;
    size_t size = prefix.size;
    while (size > 0 && bytes[size - 1] == 0xFF) {
        size--;
    }
    *out_size = size;
    if (size == 0) {
        return false;
    }
    memmove(out, bytes, size);
    ((unsigned char *)out)[size - 1]++;
    return true;
}
