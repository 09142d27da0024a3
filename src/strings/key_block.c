/* Checking, decoding and searching a block of keys; key_block.h has the bytes.
   Invariants of a checked block, with rest(i) = lcps[i] + lens[i], the size of key i behind the shared bytes:
   1. lcps[0] is 0; lcps[i] <= rest(i - 1). The lens add up to the size of the stream. shared + rest(i) <= NACRE_STRING_KEY_MAX.
   2. Keys ascend, and lcps[i] is all that key i has in common with key i - 1: where key i - 1 does not end there, its next byte is less than
      that of key i.
   No locks; any thread. */
#include "strings/key_block.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static inline uint32_t number_at(const uint8_t *numbers, uint32_t i, bool wide)
{
    return wide ? load_u32(numbers + 4 * (size_t)i) : numbers[i];
}

void key_block_view(const uint8_t *bytes, struct key_block *b)
{
    b->count = load_u16(bytes + 12);
    b->flags = bytes[14];
    b->shared = load_u32(bytes + 16);
    b->stream_size = load_u32(bytes + 20);
    size_t numbers = (size_t)b->count * (b->flags & KEY_BLOCK_WIDE ? 4 : 1);
    b->lcps = bytes + KEY_BLOCK_HEADER;
    b->lens = b->lcps + numbers;
    b->shared_bytes = b->lens + numbers;
    b->stream = b->shared_bytes + b->shared;
    b->held = NULL;
}

/* The byte at `depth` (behind the shared ones) of key i, which is that long and begins at `at` in the stream. */
static uint8_t byte_of(const struct key_block *b, uint32_t i, uint32_t at, uint32_t depth)
{
    while (depth < key_block_lcp(b, i)) {
        i--;
        at -= key_block_len(b, i);
    }
    return b->stream[at + depth - key_block_lcp(b, i)];
}

/* Invariants 1 and 2. */
static bool keys_fit(const struct key_block *b)
{
    uint32_t at = 0, rest = 0, before = 0; /* `before`: where the bytes of the key before begin */
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t lcp = key_block_lcp(b, i), len = key_block_len(b, i);
        if (lcp > rest || len > b->stream_size - at || b->shared + (uint64_t)lcp + len > NACRE_STRING_KEY_MAX)
            return false;
        if (i > 0 && (len == 0 || (lcp < rest && byte_of(b, i - 1, before, lcp) >= b->stream[at])))
            return false;
        before = at;
        at += len;
        rest = lcp + len;
    }
    return at == b->stream_size;
}

bool key_block_check(const uint8_t *bytes, size_t room, struct key_block *b)
{
    if (room < KEY_BLOCK_HEADER)
        return false;
    key_block_view(bytes, b);
    if (b->count == 0 || b->count > KEY_BLOCK_KEYS || bytes[15] != 0 ||
        (b->flags & ~(KEY_BLOCK_WIDE | KEY_BLOCK_NON_ASCII | KEY_BLOCK_NOT_UTF8)))
        return false;
    uint64_t numbers = (uint64_t)b->count * (b->flags & KEY_BLOCK_WIDE ? 4 : 1);
    uint32_t size = load_u32(bytes + 8);
    if (size > room || KEY_BLOCK_HEADER + 2 * numbers + b->shared + b->stream_size != size)
        return false;
    return keys_fit(b);
}

uint32_t key_block_at(const struct key_block *b, uint32_t i)
{
    uint32_t at = 0;
    for (uint32_t k = 0; k < i; k++)
        at += key_block_len(b, k);
    return at;
}

/* Copies bytes [from, to) of key i (behind the shared ones) to the same places of `out`; the key begins at `at` in the stream. */
static void copy_part(const struct key_block *b, uint32_t i, uint32_t at, size_t from, size_t to, uint8_t *out)
{
    for (;;) {
        size_t lcp = key_block_lcp(b, i), begin = lcp > from ? lcp : from;
        if (to > begin) {
            memcpy(out + begin, b->stream + at + (begin - lcp), to - begin);
            to = begin;
        }
        if (to <= from)
            return;
        i--; /* lcps[0] is 0, so key 0 has all that is left */
        at -= key_block_len(b, i);
    }
}

int key_block_key(const struct key_block *b, uint32_t i, struct buffer *key)
{
    size_t rest = (size_t)key_block_lcp(b, i) + key_block_len(b, i);
    buffer_clear(key);
    int status = buffer_reserve(key, b->shared + rest + KEY_BLOCK_COPY_SLACK);
    if (status != NACRE_OK)
        return status;
    memcpy(key->data, b->shared_bytes, b->shared);
    copy_part(b, i, key_block_at(b, i), 0, rest, key->data + b->shared);
    key->size = b->shared + rest;
    return NACRE_OK;
}

int key_block_step_back(const struct key_block *b, uint32_t i, uint32_t *at, struct buffer *key)
{
    size_t common = key_block_lcp(b, i), rest = (size_t)key_block_lcp(b, i - 1) + key_block_len(b, i - 1);
    key->size = b->shared + common;
    int status = buffer_reserve(key, rest - common + KEY_BLOCK_COPY_SLACK);
    if (status != NACRE_OK)
        return status;
    *at -= key_block_len(b, i - 1);
    copy_part(b, i - 1, *at, common, rest, key->data + b->shared);
    key->size = b->shared + rest;
    return NACRE_OK;
}

/* How a search goes through the keys. While all keys so far are less than the one looked for, `matched` is what it has in common with the last of them: a key that
   has more in common with that one is less, too, and one that has less in common is greater. Only one that has just as much is compared. */
struct scan {
    const uint8_t *key; /* without the shared bytes */
    size_t size, matched;
    bool equal;
};

/* `same` bytes are in common behind s->matched. True when the key, which has `len` bytes there, is not less; else it is the last one now. */
static inline bool decide(struct scan *s, const uint8_t *at, size_t len, size_t same)
{
    size_t left = s->size - s->matched;
    if (same == left) {
        s->equal = len == left;
        return true;
    }
    if (same < len && at[same] > s->key[s->matched + same])
        return true;
    s->matched += same;
    return false;
}

static uint32_t scan_each(const struct key_block *b, struct scan *s)
{
    bool wide = b->flags & KEY_BLOCK_WIDE;
    const uint8_t *at = b->stream;
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t lcp = number_at(b->lcps, i, wide), len = number_at(b->lens, i, wide);
        if (lcp < s->matched)
            return i;
        if (lcp == s->matched) {
            nacre_slice rest = slice_of(s->key + s->matched, s->size - s->matched);
            if (decide(s, at, len, slice_shared_prefix(slice_of(at, len), rest)))
                return i;
        }
        at += len;
    }
    return b->count;
}

#if defined(__SSE2__)
#define SCAN_KEY_MAX 240u /* behind the shared bytes; longer keys are rare */

static inline __m128i load_16(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* The sum of bytes [from, to) of 16. */
static inline uint32_t sum_bytes(__m128i bytes, uint32_t from, uint32_t to)
{
    static const uint8_t ones[32] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
    __m128i part = _mm_andnot_si128(load_16(ones + 16 - from), load_16(ones + 16 - to));
    __m128i sums = _mm_sad_epu8(_mm_and_si128(bytes, part), _mm_setzero_si128());
    return (uint32_t)_mm_cvtsi128_si32(sums) + (uint32_t)_mm_extract_epi16(sums, 4);
}

/* At most `limit`; both may be read 15 bytes further. */
static inline size_t same_bytes(const uint8_t *a, const uint8_t *b, size_t limit)
{
    for (size_t i = 0; i < limit; i += 16) {
        uint32_t differ = ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(load_16(a + i), load_16(b + i))) & 0xffff;
        if (differ) {
            i += (size_t)__builtin_ctz(differ);
            return i < limit ? i : limit;
        }
    }
    return limit;
}

/* 16 keys at a time: those with more in common than is matched are passed over in one step, together with their bytes. The key may be read 15 bytes further. */
static uint32_t scan_narrow(const struct key_block *b, struct scan *s)
{
    const uint8_t *at = b->stream;
    for (uint32_t base = 0; base < b->count; base += 16) {
        __m128i lcps = load_16(b->lcps + base), lens = load_16(b->lens + base);
        uint32_t valid = b->count - base >= 16 ? 0xffff : (1u << (b->count - base)) - 1, from = 0;
        for (;;) {
            __m128i most = _mm_set1_epi8((char)(s->matched < 255 ? s->matched : 255));
            uint32_t not_more = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(lcps, most), lcps)) & valid;
            if (not_more == 0)
                break;
            uint32_t next = (uint32_t)__builtin_ctz(not_more), i = base + next, len = b->lens[i];
            if (b->lcps[i] < s->matched)
                return i;
            at += sum_bytes(lens, from, next);
            size_t left = s->size - s->matched;
            if (decide(s, at, len, same_bytes(at, s->key + s->matched, len < left ? len : left)))
                return i;
            at += len;
            from = next + 1;
            valid &= ~0u << from;
        }
        at += sum_bytes(lens, from, 16);
    }
    return b->count;
}

static uint32_t scan_keys(const struct key_block *b, struct scan *s)
{
    uint8_t padded[SCAN_KEY_MAX + 16];
    if ((b->flags & KEY_BLOCK_WIDE) || s->size > SCAN_KEY_MAX)
        return scan_each(b, s);
    memcpy(padded, s->key, s->size);
    memset(padded + s->size, 0, 16);
    struct scan narrow = { .key = padded, .size = s->size };
    uint32_t i = scan_narrow(b, &narrow);
    s->equal = narrow.equal;
    return i;
}
#else
static uint32_t scan_keys(const struct key_block *b, struct scan *s)
{
    return scan_each(b, s);
}
#endif

uint32_t key_block_lower_bound(const struct key_block *b, nacre_slice key, bool *equal)
{
    *equal = false;
    size_t part = key.size < b->shared ? key.size : b->shared;
    int order = part ? memcmp(key.data, b->shared_bytes, part) : 0;
    if (order < 0 || (order == 0 && key.size < b->shared))
        return 0;
    if (order > 0)
        return b->count;
    const uint8_t *rest = key.size ? (const uint8_t *)key.data + part : (const uint8_t *)"";
    struct scan s = { .key = rest, .size = key.size - part };
    uint32_t i = scan_keys(b, &s);
    *equal = s.equal;
    return i;
}

void key_block_walk_begin(struct key_block_walk *w, const struct key_block *b)
{
    w->block = b;
    w->next = 0;
    w->at = 0;
    buffer_clear(&w->key);
}

bool key_block_walk_next(struct key_block_walk *w, int *status)
{
    *status = NACRE_OK;
    if (w->next == w->block->count)
        return false;
    *status = key_block_step(w->block, w->next, w->at, &w->key);
    if (*status != NACRE_OK)
        return false;
    w->at += key_block_len(w->block, w->next++);
    return true;
}

void key_block_walk_end(struct key_block_walk *w)
{
    buffer_free(&w->key);
}
