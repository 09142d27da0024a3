/* Telling ASCII and UTF-8 from other bytes, eight bytes of ASCII at a time. Any thread. */
#include "strings/utf8.h"
#include "base/endian.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

bool bytes_are_ascii(const uint8_t *bytes, size_t size)
{
    uint64_t seen = 0;
    size_t i = 0;
    for (; i + 8 <= size; i += 8)
        seen |= load_u64(bytes + i);
    for (; i < size; i++)
        seen |= bytes[i];
    return (seen & HIGH_BITS) == 0;
}

/* The size of the character at `at`, which is not ASCII; 0 when it is none. (Table 3-7 of the Unicode standard.) */
static size_t character_size(const uint8_t *at, size_t room)
{
    uint8_t first = at[0], least = 0x80, most = 0xbf;
    size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first < 0xc2 || first > 0xf4 || room < size)
        return 0;
    if (first == 0xe0)
        least = 0xa0; /* else it would be shorter */
    else if (first == 0xed)
        most = 0x9f; /* surrogates */
    else if (first == 0xf0)
        least = 0x90;
    else if (first == 0xf4)
        most = 0x8f; /* behind U+10FFFF */
    if (at[1] < least || at[1] > most)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

bool bytes_are_utf8(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size;) {
        if (i + 8 <= size && (load_u64(bytes + i) & HIGH_BITS) == 0) {
            i += 8;
        } else if (bytes[i] < 0x80) {
            i++;
        } else {
            size_t step = character_size(bytes + i, size - i);
            if (step == 0)
                return false;
            i += step;
        }
    }
    return true;
}
