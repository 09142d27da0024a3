/* Checking and searching a block of the ordered kind; block.h has the bytes and the invariants. No locks; any thread. */
#include "ordered/block.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

void block_view_make(const uint8_t *bytes, struct block_view *v)
{
    uint32_t flags = bytes[23];
    v->bytes = bytes;
    v->size = load_u32(bytes + 12);
    v->count = load_u32(bytes + 16);
    v->shared = load_u16(bytes + 20);
    v->slot_shift = flags & BLOCK_WIDE_SLOTS ? 2 : 1;
    v->heads = bytes + BLOCK_HEADER_BYTES;
    v->slots = v->heads + 2 * (size_t)v->count;
    if (flags & BLOCK_STRIPPED) {
        v->stripped = v->shared;
        v->prefix = v->slots + ((size_t)v->count << v->slot_shift);
    } else {
        v->stripped = 0;
        struct record first;
        record_parse(v->slots + ((size_t)v->count << v->slot_shift), 0, &first);
        v->prefix = first.key;
    }
}

const char *block_check(const uint8_t *bytes, size_t size)
{
    if (size < BLOCK_HEADER_BYTES + 8 || load_u32(bytes + 12) != size)
        return "raw size";
    uint64_t count = load_u32(bytes + 16);
    uint32_t shared = load_u16(bytes + 20), flags = bytes[23];
    if (flags & ~(BLOCK_WIDE_SLOTS | BLOCK_STRIPPED))
        return "flags";
    uint32_t stripped = flags & BLOCK_STRIPPED ? shared : 0, slot_shift = flags & BLOCK_WIDE_SLOTS ? 2 : 1;
    if (count == 0 || BLOCK_HEADER_BYTES + count * (2 + (UINT64_C(1) << slot_shift)) + stripped >= size)
        return "number of records";
    const uint8_t *slots = bytes + BLOCK_HEADER_BYTES + 2 * count;
    const uint8_t *at = slots + (count << slot_shift) + stripped, *end = bytes + size;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t slot = slot_shift == 1 ? load_u16(slots + 2 * i) : load_u32(slots + 4 * i);
        if (slot != (size_t)(at - bytes))
            return "slot";
        if (!record_fits(at, end))
            return "record";
        struct record r;
        record_parse(at, 0, &r);
        if (r.key_size + stripped > NACRE_KEY_MAX || r.key_size < shared - stripped)
            return "size of a key";
        at = record_end(&r);
    }
    return at == end ? NULL : "end of the records";
}

int block_key_compare(const struct block_view *v, const struct record *r, nacre_slice key)
{
    if (v->stripped) {
        size_t part = key.size < v->stripped ? key.size : v->stripped;
        int order = memcmp(v->prefix, key.data, part);
        if (order != 0)
            return order;
        if (key.size < v->stripped)
            return 1;
        key = slice_of((const uint8_t *)key.data + v->stripped, key.size - v->stripped);
    }
    return slice_compare(slice_of(r->key, r->key_size), key);
}

static inline uint32_t head_of(const uint8_t *key, size_t size)
{
    return size >= 2 ? (uint32_t)key[0] << 8 | key[1] : size == 1 ? (uint32_t)key[0] << 8 : 0;
}

/* How many of the ascending heads are less than `limit`: eight at a time where the machine can. Small blocks are counted through; in large
   ones the place is halved down first. */
static uint32_t heads_below(const uint8_t *heads, uint32_t count, uint32_t limit)
{
    uint32_t low = 0;
    while (count - low > 128) {
        uint32_t middle = low + (count - low) / 2;
        if (load_u16(heads + 2 * (size_t)middle) < limit)
            low = middle + 1;
        else
            count = middle;
    }
    uint32_t below = 0, i = low;
#if defined(__SSE2__)
    if (limit > UINT16_MAX)
        return count;
    const __m128i wanted = _mm_set1_epi16((short)limit), zero = _mm_setzero_si128();
    for (; i + 8 <= count; i += 8) {
        __m128i part = _mm_loadu_si128((const __m128i *)(const void *)(heads + 2 * (size_t)i));
        /* limit - head, not below zero: zero where head >= limit. */
        uint32_t not_below = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi16(_mm_subs_epu16(wanted, part), zero));
        below += 8 - (uint32_t)__builtin_popcount(not_below) / 2;
    }
#endif
    for (; i < count; i++)
        below += load_u16(heads + 2 * (size_t)i) < limit;
    return low + below;
}

uint32_t block_lower_bound(const struct block_view *v, uint64_t base_sequence, nacre_slice key)
{
    if (v->shared) {
        size_t part = key.size < v->shared ? key.size : v->shared;
        int order = part ? memcmp(key.data, v->prefix, part) : 0;
        if (order < 0 || (order == 0 && key.size < v->shared))
            return 0;
        if (order > 0)
            return v->count;
    }
    uint32_t head = head_of((const uint8_t *)key.data + v->shared, key.size - v->shared);
    uint32_t low = heads_below(v->heads, v->count, head);
    /* Records whose head is the same are told apart by their whole keys. They are few as a rule: look at the first before the rest. */
    if (low == v->count || load_u16(v->heads + 2 * (size_t)low) != head)
        return low;
    struct record r;
    record_parse(v->bytes + block_slot(v, low), base_sequence, &r);
    if (block_key_compare(v, &r, key) >= 0)
        return low;
    uint32_t high = heads_below(v->heads, v->count, head + 1);
    for (low++; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        record_parse(v->bytes + block_slot(v, middle), base_sequence, &r);
        if (block_key_compare(v, &r, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
