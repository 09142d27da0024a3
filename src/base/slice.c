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

const char *slice_show(nacre_slice s, char out[SLICE_SHOWN])
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = s.data;
    size_t at = 0;
    for (size_t i = 0; i < s.size; i++) {
        if (at + 8 > SLICE_SHOWN) {
            memcpy(out + at, "...", 3);
            at += 3;
            break;
        }
        if (bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '\\') {
            out[at++] = (char)bytes[i];
        } else {
            const char escaped[4] = { '\\', 'x', digits[bytes[i] >> 4], digits[bytes[i] & 15] };
            memcpy(out + at, escaped, 4);
            at += 4;
        }
    }
    out[at] = 0;
    return out;
}
