/* UTF-8 by the book: no surrogates, no overlong forms, nothing over U+10FFFF. Any thread, no locks. */
#include "base/utf8.h"
#include "base/endian.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

uint32_t utf8_encode(uint32_t code, uint8_t out[UTF8_BYTES_MAX])
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    uint32_t size = utf8_size(code);
    for (uint32_t i = size - 1; i > 0; i--, code >>= 6)
        out[i] = (uint8_t)(0x80 | (code & 0x3F));
    out[0] = (uint8_t)((0xF00u >> size & 0xF0) | code); /* C0, E0, F0 */
    return size;
}

/* 0 when there is no valid character; `left` is at least 1. */
static size_t valid_character(const uint8_t *s, size_t left)
{
    uint8_t lead = s[0];
    if (lead < 0x80)
        return 1;
    size_t size = lead >= 0xC2 && lead < 0xE0 ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (lead == 0xE0 && s[1] < 0xA0) || (lead == 0xF0 && s[1] < 0x90);
    bool beyond = (lead == 0xED && s[1] > 0x9F) || (lead == 0xF4 && s[1] > 0x8F);
    return overlong || beyond ? 0 : size;
}

size_t utf8_valid_size(nacre_slice text)
{
    const uint8_t *s = text.data;
    size_t at = 0;
    while (at < text.size) {
        if (text.size - at >= 8 && (load_u64(s + at) & HIGH_BITS) == 0) {
            at += 8;
            continue;
        }
        size_t size = valid_character(s + at, text.size - at);
        if (size == 0)
            break;
        at += size;
    }
    return at;
}

bool utf8_is_ascii(nacre_slice text)
{
    const uint8_t *s = text.data;
    uint64_t seen = 0;
    size_t at = 0;
    for (; at + 8 <= text.size; at += 8)
        seen |= load_u64(s + at);
    for (; at < text.size; at++)
        seen |= s[at];
    return (seen & HIGH_BITS) == 0;
}

int utf8_repair(nacre_slice text, struct buffer *out)
{
    const uint8_t *s = text.data;
    int status = NACRE_OK;
    for (size_t at = 0; at < text.size && status == NACRE_OK;) {
        size_t valid = utf8_valid_size(slice_of(s + at, text.size - at));
        status = buffer_append(out, s + at, valid);
        at += valid;
        if (status == NACRE_OK && at < text.size) {
            status = buffer_append(out, "\xef\xbf\xbd", 3);
            at++;
        }
    }
    return status;
}

uint32_t utf8_decode(const uint8_t *s, uint32_t *size)
{
    uint8_t lead = s[0];
    if (lead < 0x80) {
        *size = 1;
        return lead;
    }
    uint32_t bytes = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t code = lead & (0x7Fu >> bytes);
    for (uint32_t i = 1; i < bytes; i++)
        code = code << 6 | (s[i] & 0x3F);
    *size = bytes;
    return code;
}
