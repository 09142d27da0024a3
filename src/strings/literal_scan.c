/* Literals in front-coded blocks (see literal_scan.h).

   Candidates are positions whose byte is the literal's last one. Where the key's own bytes reach far enough back, the byte `gap` before must be right as well; near a
   key's begin only the byte right before, if it is the key's own. Both tests are done for 64 positions at a time. What is left is compared in full.

   Invariants:
   1. bytes up to PROBE_GAP_MAX before `text` can be read (the block's header and numbers lie there), and KEY_BLOCK_SLACK behind.
   2. hits of one key are met from left to right, so the first one found is the one that most keys inherit.
   Any thread; no locks, no allocation. */
#include "strings/literal_scan.h"
#include "base/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define PROBE_GAP_MAX 15u

struct probe {
    uint8_t last, before, far; /* the literal's last byte, the one before it, and the one `gap` before it */
    uint32_t gap;
    bool folded;
};
struct masks { /* for 64 positions: the last byte is right; also the far one; also the one before */
    uint64_t last, far, before;
};

static inline uint8_t fold(uint8_t byte)
{
    return (uint8_t)(byte - 'A') < 26 ? (uint8_t)(byte | 0x20) : byte;
}

/* ---- 64 positions at a time ---- */

static void probe_portable(const uint8_t *text, uint32_t words, const struct probe *p, struct masks *out)
{
    for (uint32_t w = 0; w < words; w++) {
        const uint8_t *at = text + 64 * (size_t)w;
        struct masks m = { 0, 0, 0 };
        for (unsigned i = 0; i < 64; i++) {
            uint8_t byte = p->folded ? fold(at[i]) : at[i];
            m.last |= (uint64_t)(byte == p->last) << i;
        }
        for (uint64_t left = m.last; left; left &= left - 1) {
            unsigned i = (unsigned)__builtin_ctzll(left);
            uint8_t far = *(at + i - p->gap), before = *(at + i - 1);
            m.far |= (uint64_t)((p->folded ? fold(far) : far) == p->far) << i;
            m.before |= (uint64_t)((p->folded ? fold(before) : before) == p->before) << i;
        }
        out[w] = m;
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static inline __m256i fold_avx2(__m256i v)
{
    __m256i upper = _mm256_and_si256(_mm256_cmpgt_epi8(v, _mm256_set1_epi8('A' - 1)),
                                     _mm256_cmpgt_epi8(_mm256_set1_epi8('Z' + 1), v));
    return _mm256_or_si256(v, _mm256_and_si256(upper, _mm256_set1_epi8(0x20)));
}

__attribute__((target("avx2"))) static inline uint64_t equal_avx2(const uint8_t *at, __m256i byte, bool folded)
{
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)at);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(at + 32));
    if (folded) {
        low = fold_avx2(low);
        high = fold_avx2(high);
    }
    uint32_t a = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, byte));
    uint32_t b = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, byte));
    return (uint64_t)b << 32 | a;
}

__attribute__((target("avx2"))) static void probe_avx2(const uint8_t *text, uint32_t words, const struct probe *p,
                                                       struct masks *out)
{
    __m256i last = _mm256_set1_epi8((char)p->last), far = _mm256_set1_epi8((char)p->far),
            before = _mm256_set1_epi8((char)p->before);
    for (uint32_t w = 0; w < words; w++) {
        const uint8_t *at = text + 64 * (size_t)w;
        struct masks m = { equal_avx2(at, last, p->folded), 0, 0 };
        if (m.last) {
            m.far = m.last & equal_avx2(at - p->gap, far, p->folded);
            m.before = m.last & equal_avx2(at - 1, before, p->folded);
        }
        out[w] = m;
    }
}

__attribute__((target("avx512f,avx512bw"))) static inline __m512i load_avx512(const uint8_t *at, bool folded)
{
    __m512i v = _mm512_loadu_si512(at);
    if (folded) {
        __mmask64 upper = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('A')), _mm512_set1_epi8(26));
        v = _mm512_mask_add_epi8(v, upper, v, _mm512_set1_epi8(0x20));
    }
    return v;
}

__attribute__((target("avx512f,avx512bw"))) static void probe_avx512(const uint8_t *text, uint32_t words,
                                                                     const struct probe *p, struct masks *out)
{
    __m512i last = _mm512_set1_epi8((char)p->last), far = _mm512_set1_epi8((char)p->far),
            before = _mm512_set1_epi8((char)p->before);
    for (uint32_t w = 0; w < words; w++) {
        const uint8_t *at = text + 64 * (size_t)w;
        struct masks m = { _mm512_cmpeq_epi8_mask(load_avx512(at, p->folded), last), 0, 0 };
        if (m.last) {
            m.far = _mm512_mask_cmpeq_epi8_mask(m.last, load_avx512(at - p->gap, p->folded), far);
            m.before = _mm512_mask_cmpeq_epi8_mask(m.last, load_avx512(at - 1, p->folded), before);
        }
        out[w] = m;
    }
}
#endif

/* ---- the block ---- */

bool block_layout_make(struct block_layout *layout, const struct key_block *b)
{
    if ((b->flags & KEY_BLOCK_WIDE) || (uint64_t)b->shared + b->stream_size > SCAN_BYTES_MAX)
        return false;
    layout->text = b->shared_bytes;
    layout->size = b->shared + b->stream_size;
    layout->words = (layout->size + 63) / 64;
    memset(layout->starts, 0, (layout->words + 1) * sizeof layout->starts[0]);
    uint32_t at = b->shared, word = at / 64;
    uint64_t bits = 0; /* of the word at hand: kept out of memory, or each start would wait for the one before */
    layout->begins[0] = at;
    for (uint32_t i = 1; i < b->count; i++) {
        at += b->lens[i - 1];
        layout->begins[i] = at;
        if (at / 64 != word) {
            layout->starts[word] = bits;
            word = at / 64;
            bits = 0;
        }
        bits |= UINT64_C(1) << (at % 64);
    }
    layout->starts[word] = bits;
    layout->begins[b->count] = layout->size;
    return true;
}

/* near[w]: positions less than `gap` behind a start, the start itself included (gap >= 1). */
static void spread(const uint64_t *starts, uint32_t words, uint32_t gap, uint64_t *near)
{
    memcpy(near, starts, words * sizeof near[0]);
    for (uint32_t reach = 1; reach < gap;) {
        uint32_t step = gap - reach < reach ? gap - reach : reach;
        for (uint32_t w = words; w-- > 0;)
            near[w] |= near[w] << step | (w ? near[w - 1] >> (64 - step) : 0);
        reach += step;
    }
}

static inline bool bytes_match(const uint8_t *text, const uint8_t *literal, size_t size, bool folded)
{
    if (!folded)
        return memcmp(text, literal, size) == 0;
    for (size_t i = 0; i < size; i++)
        if (fold(text[i]) != literal[i])
            return false;
    return true;
}

/* Do the `size` bytes of key `i` right before its own ones equal the literal's first ones? They are those of the nearest key before that has its own bytes there. */
static bool context_matches(const struct key_block *b, const struct block_layout *layout, uint32_t i,
                            const uint8_t *literal, size_t size, bool folded)
{
    uint32_t end = b->lcps[i];
    for (uint32_t j = i; j-- > 0 && end > 0;) {
        uint32_t from = b->lcps[j]; /* 0 for key 0 */
        if (from >= end)
            continue;
        size_t some = end - from < size ? end - from : size;
        if (!bytes_match(layout->text + layout->begins[j] + (end - from - some), literal + size - some, some, folded))
            return false;
        size -= some;
        if (size == 0)
            return true;
        end = from;
    }
    return size <= b->shared && bytes_match(layout->text + b->shared - size, literal, size, folded);
}

/* Does the literal stand so that its last byte is at `at`, one of key i's own (or of the shared ones, for key 0)? */
static bool stands_at(const struct key_block *b, const struct block_layout *layout, uint32_t i, uint32_t at,
                      const struct literal *literal, bool folded)
{
    size_t own = at + 1 - (i ? layout->begins[i] : 0);
    if (own >= literal->size)
        return bytes_match(layout->text + at + 1 - literal->size, literal->bytes, literal->size, folded);
    return i > 0 && bytes_match(layout->text + at + 1 - own, literal->bytes + literal->size - own, own, folded) &&
           context_matches(b, layout, i, literal->bytes, literal->size - own, folded);
}

/* Keys from i on that share `depth` bytes (behind the block's shared ones) with key i. */
static uint64_t heirs(const struct key_block *b, uint32_t i, uint32_t depth)
{
    uint32_t after = i + 1;
    while (after < b->count && b->lcps[after] >= depth)
        after++;
    return key_block_first(after) & ~key_block_first(i);
}

struct scan {
    const struct key_block *block;
    const struct block_layout *layout;
    const struct literal *literal;
    bool folded, at_end;
    uint64_t found;
};

/* Looks at one candidate. True when all keys are found. */
static inline bool try_hit(struct scan *s, uint32_t i, uint32_t at)
{
    const struct block_layout *layout = s->layout;
    if ((s->found >> i & 1) || !stands_at(s->block, layout, i, at, s->literal, s->folded))
        return false;
    if (s->at_end) {
        s->found |= UINT64_C(1) << i;
        return false;
    }
    if (at < s->block->shared) {
        s->found = key_block_first(s->block->count);
        return true;
    }
    s->found |= heirs(s->block, i, s->block->lcps[i] + (at - layout->begins[i]) + 1);
    return false;
}

typedef void probe_function(const uint8_t *text, uint32_t words, const struct probe *, struct masks *);

/* The last bytes of keys among the positions of word w. */
static inline uint64_t ends_of(const struct block_layout *layout, uint32_t w)
{
    uint64_t ends = layout->starts[w] >> 1 | layout->starts[w + 1] << 63;
    if (w == (layout->size - 1) / 64)
        ends |= UINT64_C(1) << (layout->size - 1) % 64;
    return ends;
}

/* Inlined into a function per level of the processor, so that counting bits is an instruction where there is one. */
static inline __attribute__((always_inline)) uint64_t scan_block(struct scan *s, const struct probe *probe,
                                                                 probe_function *run)
{
    struct masks masks[SCAN_WORDS];
    uint64_t near[SCAN_WORDS];
    const struct block_layout *layout = s->layout;
    bool near_known = false;
    uint32_t before = 0; /* starts in the words before */
    run(layout->text, layout->words, probe, masks);
    for (uint32_t w = 0; w < layout->words; w++) {
        uint64_t starts = layout->starts[w], hits = masks[w].last;
        if (hits && s->at_end) {
            hits &= ends_of(layout, w);
        } else if (hits && probe->gap) {
            if (!near_known)
                spread(layout->starts, layout->words, probe->gap, near);
            near_known = true;
            hits = (masks[w].far & ~near[w]) | (masks[w].before & near[w] & ~starts) | (masks[w].last & starts);
        }
        for (; hits; hits &= hits - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(hits), at = 64 * w + bit;
            if (at >= layout->size)
                break;
            uint32_t i = before + (uint32_t)__builtin_popcountll(starts & (UINT64_MAX >> (63 - bit)));
            if (try_hit(s, i, at))
                return s->found;
        }
        before += (uint32_t)__builtin_popcountll(starts);
    }
    return s->found;
}

#if defined(__x86_64__)
__attribute__((target("avx2,bmi,bmi2,popcnt"))) static uint64_t scan_avx2(struct scan *s, const struct probe *probe)
{
    return scan_block(s, probe, probe_avx2);
}

__attribute__((target("avx512f,avx512bw,avx512vl,bmi,bmi2,popcnt"))) static uint64_t scan_avx512(
    struct scan *s, const struct probe *probe)
{
    return scan_block(s, probe, probe_avx512);
}
#endif

/* ---- ends of keys ---- */

/* Compares the last 8 bytes of each key, as far as they are its own, with the literal's; what is left is compared in full. */
static uint64_t scan_ends(const struct scan *s)
{
    const struct key_block *b = s->block;
    const struct block_layout *layout = s->layout;
    uint32_t most = s->literal->size < 8 ? s->literal->size : 8;
    uint8_t tail[8] = { 0 };
    memcpy(tail + 8 - most, s->literal->bytes + s->literal->size - most, most);
    uint64_t wanted = load_u64(tail), maybe = 0, found = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        const uint8_t *end = layout->text + layout->begins[i + 1];
        uint32_t own = i ? b->lens[i] : b->lens[0] + b->shared, size = own < most ? own : most;
        uint64_t difference = (load_u64(end - 8) ^ wanted) >> (64 - 8 * size); /* size is at least 1 */
        maybe |= (uint64_t)(difference == 0) << i;
    }
    for (; maybe; maybe &= maybe - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(maybe);
        if (stands_at(b, layout, i, layout->begins[i + 1] - 1, s->literal, false))
            found |= UINT64_C(1) << i;
    }
    return found;
}

uint64_t literal_scan(const struct key_block *b, const struct block_layout *layout, const struct literal *literal,
                      bool folded, bool at_end)
{
    uint32_t size = literal->size, gap = size - 1 < PROBE_GAP_MAX ? size - 1 : PROBE_GAP_MAX;
    struct probe probe = { .last = literal->bytes[size - 1],
                           .before = literal->bytes[size > 1 ? size - 2 : 0],
                           .far = literal->bytes[size - 1 - gap],
                           .gap = gap,
                           .folded = folded };
    struct scan s = {
        .block = b, .layout = layout, .literal = literal, .folded = folded, .at_end = at_end, .found = 0
    };
    if (at_end && !folded)
        return scan_ends(&s);
#if defined(__x86_64__)
    switch (cpu_level()) {
    case CPU_AVX512:
        return scan_avx512(&s, &probe);
    case CPU_AVX2:
        return scan_avx2(&s, &probe);
    case CPU_PORTABLE:
        break;
    }
#endif
    return scan_block(&s, &probe, probe_portable);
}
