/* Runs that jump (see rest_look.h).

   Invariants:
   1. a byte below 0x80 with leaves[byte] == 0 leads from `rest` to `rest`; so a run over such bytes changes nothing. All other bytes are stepped over.
   2. not a byte outside the key is read: loads are masked, or of a copy.
   Threads: that of the DFA. */
#include "regex/rest_look.h"
#include "base/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define KEYS_BEFORE       256u /* so many keys are run without, before the steps of the state at rest are worth building */
#define INSTRUCTIONS_MOST 4096u /* where a step is quick to build */
#define STAYING_LEAST     32u   /* of 94 printable bytes */
#define WINDOW_BYTES      64u

/* ---- which state ---- */

/* How many printable bytes lead from the state to itself. */
static unsigned count_staying(struct dfa *d, automaton_state state)
{
    unsigned staying = 0;
    for (unsigned byte = '!'; byte <= '~'; byte++)
        staying += dfa_step(d, state, (uint8_t)byte) == state;
    return staying;
}

/* The start, or, where the begin of a key is something of its own, a state behind it. */
static automaton_state choose_rest(struct dfa *d, unsigned *staying)
{
    automaton_state start = d->automaton.start, best = start;
    *staying = count_staying(d, start);
    for (const char *byte = "e~"; *byte && *staying < STAYING_LEAST; byte++) {
        automaton_state state = dfa_step(d, start, (uint8_t)*byte);
        unsigned stay = state > d->automaton.unsure ? count_staying(d, state) : 0;
        if (stay > *staying) {
            *staying = stay;
            best = state;
        }
    }
    return best;
}

static void prepare(struct rest_look *l, struct dfa *d)
{
    unsigned staying;
    l->rest = choose_rest(d, &staying);
    l->ready = staying >= STAYING_LEAST;
    l->never = !l->ready;
    for (unsigned byte = 0; byte < sizeof l->leaves && l->ready; byte++) {
        bool leaves = dfa_step(d, l->rest, (uint8_t)byte) != l->rest;
        l->leaves[byte] = leaves ? 0xFF : 0;
        l->leaves_by_low[byte & 15] |= (uint8_t)(leaves << (byte >> 4));
    }
}

/* ---- which bytes ---- */

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint32_t leaving_avx2(const struct rest_look *l, __m256i v)
{
    const __m256i low_table =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)l->leaves_by_low));
    const __m256i high_table =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)128, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i half = _mm256_set1_epi8(15);
    __m256i by_low = _mm256_shuffle_epi8(low_table, _mm256_and_si256(v, half));
    __m256i high_bit = _mm256_shuffle_epi8(high_table, _mm256_and_si256(_mm256_srli_epi16(v, 4), half));
    __m256i stays = _mm256_cmpeq_epi8(_mm256_and_si256(by_low, high_bit), _mm256_setzero_si256());
    return ~(uint32_t)_mm256_movemask_epi8(stays) | (uint32_t)_mm256_movemask_epi8(v);
}

/* A bit for each byte that has to be stepped over; size is 1 to 64. */
__attribute__((target("avx2"))) static uint64_t leaving_window_avx2(const struct rest_look *l, const uint8_t *bytes,
                                                                    size_t size)
{
    uint8_t copy[32] = { 0 };
    if (size < sizeof copy) {
        memcpy(copy, bytes, size);
        uint32_t mask = leaving_avx2(l, _mm256_loadu_si256((const __m256i *)(const void *)copy));
        return mask & ((UINT64_C(1) << size) - 1);
    }
    uint64_t high = leaving_avx2(l, _mm256_loadu_si256((const __m256i *)(const void *)(bytes + size - 32)));
    return leaving_avx2(l, _mm256_loadu_si256((const __m256i *)(const void *)bytes)) | high << (size - 32);
}

__attribute__((target("avx512f,avx512bw,avx512vbmi"))) static uint64_t leaving_window_avx512(const struct rest_look *l,
                                                                                             const uint8_t *bytes,
                                                                                             size_t size)
{
    __mmask64 inside = UINT64_MAX >> (64 - size);
    __m512i v = _mm512_maskz_loadu_epi8(inside, bytes);
    __m512i leaves = _mm512_permutex2var_epi8(_mm512_loadu_si512(l->leaves), v, _mm512_loadu_si512(l->leaves + 64));
    return _mm512_movepi8_mask(_mm512_or_si512(leaves, v)) & inside;
}
#endif

static uint64_t leaving_window(const struct rest_look *l, const uint8_t *bytes, size_t size)
{
#if defined(__x86_64__)
    switch (cpu_level()) {
    case CPU_AVX512:
        return leaving_window_avx512(l, bytes, size);
    case CPU_AVX2:
        return leaving_window_avx2(l, bytes, size);
    case CPU_PORTABLE:
        break;
    }
#endif
    uint64_t mask = 0;
    for (size_t i = 0; i < size; i++)
        mask |= (uint64_t)(bytes[i] >= 0x80 || l->leaves[bytes[i]]) << i;
    return mask;
}

/* ---- the run ---- */

static enum automaton_answer answer_of(struct dfa *d, automaton_state state)
{
    if (state == d->automaton.unsure)
        return ANSWER_UNKNOWN;
    bool wanted = state == d->automaton.all || (state != AUTOMATON_DEAD && dfa_accepts(d, state));
    return wanted ? ANSWER_YES : ANSWER_NO;
}

static enum automaton_answer run(const struct rest_look *l, struct dfa *d, nacre_slice key)
{
    const uint8_t *bytes = key.data;
    automaton_state state = d->automaton.start;
    size_t at = 0;
    while (at < key.size) {
        size_t size = key.size - at < WINDOW_BYTES ? key.size - at : WINDOW_BYTES, end = at + size;
        uint64_t leaving = leaving_window(l, bytes + at, size);
        for (size_t from = at; at < end;) {
            if (state == l->rest) {
                uint64_t left = leaving >> (at - from);
                if (left == 0) {
                    at = end;
                    break;
                }
                at += (size_t)__builtin_ctzll(left);
            }
            do {
                state = dfa_step(d, state, bytes[at++]);
            } while (at < end && state != l->rest && state > d->automaton.unsure);
            if (state <= d->automaton.unsure)
                return answer_of(d, state);
        }
    }
    return answer_of(d, state);
}

enum automaton_answer rest_look(struct rest_look *l, struct dfa *d, uint32_t instructions, nacre_slice key)
{
    if (l->ready)
        return run(l, d, key);
    if (!l->never && ++l->asked > KEYS_BEFORE && d->automaton.start > d->automaton.unsure) {
        l->never = instructions > INSTRUCTIONS_MOST || cpu_level() == CPU_PORTABLE;
        if (!l->never)
            prepare(l, d);
    }
    return ANSWER_UNKNOWN;
}
