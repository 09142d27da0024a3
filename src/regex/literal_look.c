/* Literals in short keys (see literal_look.h).

   A key is looked at in windows of up to 64 bytes, mostly one. All places of a window are compared at once with the two bytes of a literal
   that are the rarest; where both are right, the literal is compared in full. Windows overlap by a byte less than the longest literal.

   Invariants:
   1. not a byte outside the key is read: loads are masked, or lie in the window.
   2. without folding, literals are whole characters and none is U+FFFD, and UTF-8 can be entered at any character; so a key has such a literal
      as characters if and only if it has its bytes, also a key that is not UTF-8.
   3. with folding, what is known of literals holds for keys of ASCII alone (or of bytes): others are left unknown. */
#include "regex/literal_look.h"
#include "base/cpu.h"
#include "base/utf8.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define WINDOW_LITERAL 32u /* longer ones are looked for in windows only where one window holds the key */
#define REPLACEMENT    "\xEF\xBF\xBD"
#define ALWAYS_INLINE  static inline __attribute__((always_inline))

static inline uint8_t fold(uint8_t byte)
{
    return (uint8_t)(byte - 'A') < 26 ? (uint8_t)(byte | 0x20) : byte;
}

static inline bool stands_at(const uint8_t *at, const struct literal *literal, bool folded)
{
    if (!folded)
        return memcmp(at, literal->bytes, literal->size) == 0;
    for (uint32_t i = 0; i < literal->size; i++)
        if (fold(at[i]) != literal->bytes[i])
            return false;
    return true;
}

static enum automaton_answer found_answer(const struct literal_look *l)
{
    return l->enough ? ANSWER_YES : ANSWER_UNKNOWN;
}

/* ---- plain C ---- */

static bool has_portable(nacre_slice key, const struct literal *literal, bool folded)
{
    const uint8_t *bytes = key.data;
    if (!folded)
        return memmem(bytes, key.size, literal->bytes, literal->size) != NULL;
    for (size_t at = 0; at + literal->size <= key.size; at++)
        if (fold(bytes[at]) == literal->bytes[0] && stands_at(bytes + at, literal, true))
            return true;
    return false;
}

static enum automaton_answer look_portable(const struct literal_look *l, nacre_slice key)
{
    if (l->ascii_only && !utf8_is_ascii(key))
        return ANSWER_UNKNOWN;
    for (uint32_t i = 0; i < l->set->count; i++)
        if (has_portable(key, &l->set->items[i], l->set->folded))
            return found_answer(l);
    return ANSWER_NO;
}

/* With a last byte that is right most keys are told apart. */
static inline bool ends_with(nacre_slice key, const struct literal *literal, bool folded)
{
    const uint8_t *end = (const uint8_t *)key.data + key.size;
    uint32_t size = literal->size;
    return size <= key.size && (folded ? fold(end[-1]) : end[-1]) == literal->bytes[size - 1] &&
           stands_at(end - size, literal, folded);
}

ALWAYS_INLINE enum automaton_answer look_at_end(const struct literal_look *l, nacre_slice key,
                                                bool (*is_ascii)(nacre_slice))
{
    bool ends = false;
    for (uint32_t i = 0; i < l->set->count && !ends; i++)
        ends = ends_with(key, &l->set->items[i], l->set->folded);
    if (l->ascii_only && !is_ascii(key))
        return ANSWER_UNKNOWN;
    return ends ? found_answer(l) : ANSWER_NO;
}

static enum automaton_answer look_at_end_portable(const struct literal_look *l, nacre_slice key)
{
    return look_at_end(l, key, utf8_is_ascii);
}

/* ---- windows ---- */

#if defined(__x86_64__)
enum window { WINDOW_HAS_NONE, WINDOW_HAS_ONE, WINDOW_OTHER_BYTES };
typedef enum window window_function(const struct literal_look *, const uint8_t *bytes, size_t size);

ALWAYS_INLINE enum automaton_answer look_in_windows(const struct literal_look *l, nacre_slice key, size_t window_bytes,
                                                    window_function *look)
{
    const uint8_t *bytes = key.data;
    if (__builtin_expect(key.size <= window_bytes, 1)) {
        enum window found = look(l, bytes, key.size);
        return found == WINDOW_HAS_NONE ? ANSWER_NO : found == WINDOW_HAS_ONE ? found_answer(l) : ANSWER_UNKNOWN;
    }
    if (l->longest > WINDOW_LITERAL)
        return look_portable(l, key);
    for (size_t at = 0, step = window_bytes + 1 - l->longest;; at += step) {
        bool last = at + window_bytes >= key.size;
        enum window found = look(l, bytes + (last ? key.size - window_bytes : at), window_bytes);
        if (found != WINDOW_HAS_NONE) /* other bytes may come behind this window */
            return found == WINDOW_HAS_ONE && !l->ascii_only ? found_answer(l) : ANSWER_UNKNOWN;
        if (last)
            return ANSWER_NO;
    }
}

__attribute__((target("avx2"))) static inline __m256i fold_avx2(__m256i v)
{
    __m256i upper = _mm256_and_si256(_mm256_cmpgt_epi8(v, _mm256_set1_epi8('A' - 1)),
                                     _mm256_cmpgt_epi8(_mm256_set1_epi8('Z' + 1), v));
    return _mm256_or_si256(v, _mm256_and_si256(upper, _mm256_set1_epi8(0x20)));
}

/* The window is `low` and, from byte `high_at` on, `high`. */
struct window_avx2 {
    __m256i low, high;
    unsigned high_at;
};

__attribute__((target("avx2"))) static inline uint64_t equal_avx2(const struct window_avx2 *w, uint8_t byte)
{
    __m256i all = _mm256_set1_epi8((char)byte);
    uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(w->low, all));
    uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(w->high, all));
    return low | (uint64_t)high << w->high_at;
}

__attribute__((target("avx2"))) static enum window window_avx2(const struct literal_look *l, const uint8_t *bytes,
                                                               size_t size)
{
    struct window_avx2 w;
    uint8_t copy[32] = { 0 };
    bool is_short = size < sizeof copy, folded = l->set->folded;
    if (is_short && size)
        memcpy(copy, bytes, size);
    w.high_at = is_short ? 0 : (unsigned)size - 32;
    w.low = _mm256_loadu_si256((const __m256i *)(const void *)(is_short ? copy : bytes));
    w.high = is_short ? w.low : _mm256_loadu_si256((const __m256i *)(const void *)(bytes + w.high_at));
    if (l->ascii_only && _mm256_movemask_epi8(_mm256_or_si256(w.low, w.high)))
        return WINDOW_OTHER_BYTES;
    if (folded) {
        w.low = fold_avx2(w.low);
        w.high = fold_avx2(w.high);
    }
    for (uint32_t i = 0; i < l->set->count; i++) {
        const struct literal *literal = &l->set->items[i];
        if (literal->size > size)
            continue;
        const struct literal_marks *marks = &l->marks[i];
        uint64_t hits = equal_avx2(&w, marks->one) >> marks->one_at & equal_avx2(&w, marks->other) >> marks->other_at;
        for (hits &= UINT64_MAX >> (63 - (size - literal->size)); hits; hits &= hits - 1)
            if (stands_at(bytes + __builtin_ctzll(hits), literal, folded))
                return WINDOW_HAS_ONE;
    }
    return WINDOW_HAS_NONE;
}

__attribute__((target("avx2"))) static enum automaton_answer look_avx2(const struct literal_look *l, nacre_slice key)
{
    return look_in_windows(l, key, 64, window_avx2);
}

__attribute__((target("avx512f,avx512bw,bmi2"))) static inline __m512i load_avx512(const uint8_t *at, size_t size,
                                                                                   bool folded)
{
    __m512i v = _mm512_maskz_loadu_epi8(_bzhi_u64(UINT64_MAX, (unsigned)size), at); /* size <= 64 */
    if (folded) {
        __mmask64 upper = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('A')), _mm512_set1_epi8(26));
        v = _mm512_mask_add_epi8(v, upper, v, _mm512_set1_epi8(0x20));
    }
    return v;
}

/* The first `count` bytes, up to 128, of which those that are `byte` and in `among`. Most keys have 40 to 90 bytes: where they end must not be a
   matter of branches. */
struct places_avx512 {
    __mmask64 low, high;
};

__attribute__((target("avx512f,avx512bw,bmi2"))) static inline struct places_avx512 places_with(
    struct places_avx512 among, const uint8_t *bytes, size_t count, uint8_t byte, bool folded)
{
    size_t behind = count > 64 ? count - 64 : 0;
    __m512i all = _mm512_set1_epi8((char)byte);
    __m512i low = load_avx512(bytes, count - behind, folded);
    __m512i high = load_avx512(behind ? bytes + 64 : bytes, behind, folded);
    return (struct places_avx512){ _mm512_mask_cmpeq_epi8_mask(among.low, low, all),
                                   _mm512_mask_cmpeq_epi8_mask(among.high, high, all) };
}

/* Does the literal stand at one of the places? */
__attribute__((target("avx512f,avx512bw,bmi2"))) static bool stands_avx512(const uint8_t *bytes,
                                                                           struct places_avx512 hits,
                                                                           const struct literal *literal, bool folded)
{
    while (hits.low | hits.high) {
        unsigned at = hits.low ? (unsigned)__builtin_ctzll(hits.low) : 64 + (unsigned)__builtin_ctzll(hits.high);
        if (literal->size > 64 ? stands_at(bytes + at, literal, folded)
                               : _mm512_cmpneq_epi8_mask(load_avx512(bytes + at, literal->size, folded),
                                                         load_avx512(literal->bytes, literal->size, false)) == 0)
            return true;
        if (hits.low)
            hits.low &= hits.low - 1;
        else
            hits.high &= hits.high - 1;
    }
    return false;
}

__attribute__((target("avx512f,avx512bw,bmi2"))) static inline bool has_other_bytes(const uint8_t *bytes, size_t size)
{
    size_t behind = size > 64 ? size - 64 : 0;
    __m512i low = load_avx512(bytes, size - behind, false),
            high = load_avx512(behind ? bytes + 64 : bytes, behind, false);
    return _mm512_movepi8_mask(_mm512_or_si512(low, high)) != 0;
}

__attribute__((target("avx512f,avx512bw,bmi2"))) static enum window window_avx512(const struct literal_look *l,
                                                                                  const uint8_t *bytes, size_t size)
{
    bool folded = l->set->folded;
    if (l->ascii_only && has_other_bytes(bytes, size))
        return WINDOW_OTHER_BYTES;
    for (uint32_t i = 0; i < l->set->count; i++) {
        const struct literal *literal = &l->set->items[i];
        const struct literal_marks *marks = &l->marks[i];
        if (literal->size > size)
            continue;
        size_t count = size - literal->size + 1; /* places where it can begin */
        struct places_avx512 hits = { _bzhi_u64(UINT64_MAX, count < 64 ? (unsigned)count : 64),
                                      _bzhi_u64(UINT64_MAX, count > 64 ? (unsigned)count - 64 : 0) };
        hits = places_with(hits, bytes + marks->one_at, count, marks->one, folded);
        hits = places_with(hits, bytes + marks->other_at, count, marks->other, folded);
        if ((hits.low | hits.high) && stands_avx512(bytes, hits, literal, folded))
            return WINDOW_HAS_ONE;
    }
    return WINDOW_HAS_NONE;
}

__attribute__((target("avx512f,avx512bw,bmi2"))) static bool is_ascii_avx512(nacre_slice key)
{
    return key.size <= 128 ? !has_other_bytes(key.data, key.size) : utf8_is_ascii(key);
}

__attribute__((target("avx512f,avx512bw,bmi2"))) static enum automaton_answer look_at_end_avx512(
    const struct literal_look *l, nacre_slice key)
{
    return look_at_end(l, key, is_ascii_avx512);
}

__attribute__((target("avx512f,avx512bw,bmi2"))) static enum automaton_answer look_avx512(const struct literal_look *l,
                                                                                          nacre_slice key)
{
    return look_in_windows(l, key, 128, window_avx512);
}
#endif

/* ---- making one ---- */

/* Smaller for bytes that are rarer in names and text. */
static unsigned frequency(uint8_t byte)
{
    static const char common[] = "/seratiolcnuhdpmg-._bxf1yvk20634w8Sj5zCMEATPDL9q7RIGFBONHVXU+WK:";
    const char *at = memchr(common, byte, sizeof common - 1);
    return at ? (unsigned)(sizeof common - (size_t)(at - common)) : 0;
}

/* The two rarest bytes; the same one twice where there is only one. */
static struct literal_marks choose_marks(const struct literal *literal)
{
    uint32_t one = 0, other = literal->size - 1;
    for (uint32_t i = 1; i < literal->size; i++)
        if (frequency(literal->bytes[i]) < frequency(literal->bytes[one]))
            one = i;
    other = one == other ? 0 : other;
    for (uint32_t i = 0; i < literal->size; i++)
        if (i != one && frequency(literal->bytes[i]) < frequency(literal->bytes[other]))
            other = i;
    return (struct literal_marks){ literal->bytes[one], literal->bytes[other], one, other };
}

#define LITERALS_FEW 8u

/* Looking for many literals, one after the other, costs more than the automaton does; their ends are compared quickly. */
static bool are_few(const struct literal_set *set, bool at_end)
{
    return set->count > 0 && set->count <= (at_end ? LITERAL_LOOK_MOST : LITERALS_FEW);
}

static bool choose(struct literal_look *l, const struct regex_analysis *analysis)
{
    if (analysis->shape == SHAPE_LITERALS && !analysis->at_begin && are_few(&analysis->literals, analysis->at_end)) {
        *l = (struct literal_look){ .set = &analysis->literals, .at_end = analysis->at_end, .enough = true };
    } else if (are_few(&analysis->required, analysis->required_at_end)) {
        *l = (struct literal_look){ .set = &analysis->required, .at_end = analysis->required_at_end };
    } else {
        return false;
    }
    return true;
}

literal_look_function *literal_look_make(struct literal_look *l, const struct regex_analysis *analysis, bool bytes)
{
    if (!choose(l, analysis))
        return NULL;
    for (uint32_t i = 0; i < l->set->count; i++) {
        const struct literal *literal = &l->set->items[i];
        if (literal->size == 0 || (!bytes && memmem(literal->bytes, literal->size, REPLACEMENT, 3)))
            return NULL;
        l->marks[i] = choose_marks(literal);
        l->longest = literal->size > l->longest ? literal->size : l->longest;
    }
    l->ascii_only = l->set->folded && !bytes;
#if defined(__x86_64__)
    switch (cpu_level()) {
    case CPU_AVX512:
        return l->at_end ? look_at_end_avx512 : look_avx512;
    case CPU_AVX2:
        return l->at_end ? look_at_end_portable : look_avx2;
    case CPU_PORTABLE:
        break;
    }
#endif
    return l->at_end ? look_at_end_portable : look_portable;
}
