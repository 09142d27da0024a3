/* Checking, decoding and searching a block of entries; entry_block.h has the bytes.
   Invariants of a checked block, with size(i) = common(i) + the bytes of key i in the stream:
   1. common(0) is 0; common(i) <= size(i - 1). Ends ascend; the last is the size of the stream. size(i) <= NACRE_KEY_MAX.
   2. Keys ascend: where entry i is the first of its key, common(i) is all that it has in common with key i - 1, and its next byte is greater than that of key
      i - 1, if that has one; else its key is key i - 1.
   3. The ends of values ascend; deletes have no value; pointers are puts. There are bytes of values when the last end is not 0, and only then.
   No locks; any thread. */
#include "vectors/entry_block.h"

void entry_block_view(const uint8_t *bytes, struct entry_block *b)
{
    uint32_t count = bytes[12];
    b->count = count;
    b->codec = bytes[13];
    b->sequence_bytes = bytes[14];
    b->expiry_bytes = bytes[15];
    b->value_bytes = bytes[16];
    b->flags = bytes[17];
    b->puts = load_u32(bytes + 20);
    b->firsts = load_u32(bytes + 24);
    b->first_row = load_u32(bytes + 28);
    b->expiry_base = load_u64(bytes + 32);
    b->values_offset = load_u32(bytes + 40);
    b->values_bytes = load_u32(bytes + 44);
    bool pointers = b->flags & ENTRY_BLOCK_POINTERS;
    b->pointers = pointers ? load_u32(bytes + ENTRY_BLOCK_HEADER) : 0;
    b->commons = bytes + ENTRY_BLOCK_HEADER + (pointers ? 4 : 0);
    b->ends = b->commons + 2 * (size_t)count;
    b->sequences = b->ends + 2 * (size_t)count;
    b->expiries = b->sequences + count * (size_t)b->sequence_bytes;
    b->value_ends = b->expiries + count * (size_t)b->expiry_bytes;
    b->stream = b->value_ends + count * (size_t)b->value_bytes;
    b->held = NULL;
}

/* The byte at `depth` of key i, which is that long. */
static uint8_t byte_of(const struct entry_block *b, uint32_t i, uint32_t depth)
{
    while (depth < entry_common(b, i))
        i--;
    return b->stream[entry_begin(b, i) + depth - entry_common(b, i)];
}

/* Invariants 1 and 2. */
static bool keys_fit(const struct entry_block *b, size_t stream_size)
{
    uint32_t size = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t common = entry_common(b, i), begin = entry_begin(b, i), end = entry_end(b, i);
        if (common > size || end < begin || end > stream_size || common + (end - begin) > NACRE_KEY_MAX)
            return false;
        if (i > 0 && entry_is_newest(b, i)) {
            if (end == begin || (common < size && byte_of(b, i - 1, common) >= b->stream[begin]))
                return false;
        } else if (i > 0 && (end != begin || common != size)) {
            return false;
        }
        size = common + (end - begin);
    }
    return entry_end(b, b->count - 1) == stream_size;
}

/* Invariant 3. */
static bool values_fit(const struct entry_block *b)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t end = entry_value_end(b, i);
        if (end < last || (end > last && !entry_is_put(b, i)))
            return false;
        last = end;
    }
    return last ? b->values_bytes > 8 : b->values_bytes == 0 && b->values_offset == 0 && b->codec == 0;
}

const char *entry_block_check(const uint8_t *bytes, size_t room, struct entry_block *b)
{
    if (room < ENTRY_BLOCK_HEADER + 4) /* with a key, or pointers, there is more than a header */
        return "size";
    entry_block_view(bytes, b);
    if (b->count == 0 || b->count > ENTRY_BLOCK_ENTRIES)
        return "number of entries";
    uint32_t all = UINT32_MAX >> (32 - b->count);
    if (b->codec > 2 || b->sequence_bytes > 8 || b->expiry_bytes > 8 || b->value_bytes > 4 || b->value_bytes == 3 ||
        (b->flags & ~(ENTRY_BLOCK_GOES_ON | ENTRY_BLOCK_POINTERS)) || load_u16(bytes + 18) || (b->puts & ~all) ||
        (b->pointers & ~b->puts) || (b->firsts & ~all))
        return "flags";
    size_t size = load_u32(bytes + 8), columns = (size_t)(b->stream - bytes);
    if (size > room || columns > size)
        return "columns";
    if (!keys_fit(b, size - columns))
        return "keys";
    return values_fit(b) ? NULL : "values";
}

uint32_t entry_of_row(const struct entry_block *b, uint32_t row)
{
    uint32_t left = b->puts;
    for (uint32_t before = row - b->first_row; before > 0; before--)
        left &= left - 1;
    return (uint32_t)__builtin_ctz(left);
}

int entry_block_key(const struct entry_block *b, uint32_t i, struct buffer *key)
{
    size_t to = entry_common(b, i) + (entry_end(b, i) - entry_begin(b, i));
    buffer_clear(key);
    int status = buffer_reserve(key, to + 1);
    if (status != NACRE_OK)
        return status;
    key->size = to;
    for (;; i--) { /* common(0) is 0, so key 0 has all that is left */
        size_t common = entry_common(b, i);
        if (to > common) {
            memcpy(key->data + common, b->stream + entry_begin(b, i), to - common);
            to = common;
        }
        if (to == 0)
            return NACRE_OK;
    }
}

/* While all keys so far are less than the one looked for, `matched` is what it has in common with the last of them: a key that has more in common with that
   one is less, too, and one that has less in common is greater. Only one that has just as much is compared. */
uint32_t entry_block_lower_bound(const struct entry_block *b, nacre_slice key, bool *equal)
{
    const uint8_t *wanted = key.size ? key.data : (const uint8_t *)"";
    size_t matched = 0;
    *equal = false;
    for (uint32_t i = 0; i < b->count; i++) {
        size_t common = entry_common(b, i);
        if (common < matched)
            return i;
        if (common > matched)
            continue;
        const uint8_t *at = b->stream + entry_begin(b, i);
        size_t size = entry_end(b, i) - entry_begin(b, i), left = key.size - matched;
        size_t same = slice_shared_prefix(slice_of(at, size), slice_of(wanted + matched, left));
        if (same == left) {
            *equal = size == left;
            return i;
        }
        if (same < size && at[same] > wanted[matched + same])
            return i;
        matched += same;
    }
    return b->count;
}
