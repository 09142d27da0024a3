/* UTF-8 as Go reads it. No state; any thread. */
#include "strings/utf8_repair.h"
#include "strings/ascii.h"

/* Bytes of the valid encoding at `at`, which is before `end`; 0: there is none. (The Unicode Standard, table 3-7.) */
static size_t encoding_size(const uint8_t *at, const uint8_t *end)
{
    uint8_t lead = at[0], least = 0x80, greatest = 0xbf;
    size_t size = 0;
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if ((size_t)(end - at) < size)
        return 0;
    if (lead == 0xe0)
        least = 0xa0;
    if (lead == 0xed)
        greatest = 0x9f;
    if (lead == 0xf0)
        least = 0x90;
    if (lead == 0xf4)
        greatest = 0x8f;
    if (at[1] < least || at[1] > greatest)
        return 0;
    for (size_t i = 2; i < size; i++)
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    return size;
}

bool utf8_is_valid(nacre_slice text)
{
    const uint8_t *at = text.data;
    for (size_t i = 0; i < text.size;) {
        bool eight = i + 8 <= text.size && (load_u64(at + i) & ASCII_HIGH_BITS) == 0;
        size_t size = eight ? 8 : encoding_size(at + i, at + text.size);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

int utf8_repair(nacre_slice text, struct buffer *out)
{
    static const uint8_t replacement[3] = { 0xef, 0xbf, 0xbd };
    const uint8_t *at = text.data;
    int status = NACRE_OK;
    for (size_t i = 0; i < text.size && status == NACRE_OK;) {
        size_t size = encoding_size(at + i, at + text.size);
        status = size ? buffer_append(out, at + i, size) : buffer_append(out, replacement, sizeof replacement);
        i += size ? size : 1;
    }
    return status;
}
