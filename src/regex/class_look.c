/* Looks by classes of bytes (see class_look.h).

   Invariants:
   1. a byte that is not of `leaving` leads from `rest` to `rest`; so a run over such bytes changes nothing. All others are stepped over.
   2. the bytes of a match are all of `readable`, for its program has an instruction for each, or they are 0x80 or more.
   3. not a byte outside the key is read: loads are masked, or of a copy.
   Threads: that of the DFA. */
#include "regex/class_look.h"
#include "base/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define KEYS_BEFORE \
    256u /* so many keys are run without jumps, before the steps of the state at rest are worth building */
#define INSTRUCTIONS_MOST 4096u /* where a step is quick to build */
#define STAYING_LEAST     32u   /* of 94 printable bytes */
#define READABLE_MOST     96u   /* of 128 bytes: else every key is a run of them */
#define LEAST_LEAST       3u    /* shorter runs are everywhere */
#define WINDOW_BYTES      64u

/* ---- making them ---- */

static void class_add(struct byte_class *c, unsigned byte)
{
    c->has[byte] = 0xFF;
    c->by_low[byte & 15] |= (uint8_t)(1 << (byte >> 4));
}

static void find_readable(struct class_look *l, const struct program *program, uint64_t least)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < program->count; i++) {
        const struct instruction *instruction = &program->instructions[i];
        if (instruction->kind != INSTRUCTION_BYTES)
            continue;
        for (unsigned byte = instruction->low; byte <= instruction->high && byte < sizeof l->readable.has; byte++)
            class_add(&l->readable, byte);
    }
    for (unsigned byte = 0; byte < sizeof l->readable.has; byte++)
        count += l->readable.has[byte] != 0;
    if (count <= READABLE_MOST && least >= LEAST_LEAST)
        l->least = least < WINDOW_BYTES ? (uint32_t)least : WINDOW_BYTES;
}

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

static void find_rest(struct class_look *l, struct dfa *d)
{
    unsigned staying;
    l->rest = choose_rest(d, &staying);
    l->jumps = staying >= STAYING_LEAST;
    for (unsigned byte = 0; byte < sizeof l->leaving.has && l->jumps; byte++)
        if (dfa_step(d, l->rest, (uint8_t)byte) != l->rest)
            class_add(&l->leaving, byte);
}

/* ---- which bytes of a window are of a class ---- */

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint32_t class_avx2(const struct byte_class *c, __m256i v)
{
    const __m256i low_table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)c->by_low));
    const __m256i high_table =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)128, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i half = _mm256_set1_epi8(15);
    __m256i by_low = _mm256_shuffle_epi8(low_table, _mm256_and_si256(v, half));
    __m256i high_bit = _mm256_shuffle_epi8(high_table, _mm256_and_si256(_mm256_srli_epi16(v, 4), half));
    __m256i none = _mm256_cmpeq_epi8(_mm256_and_si256(by_low, high_bit), _mm256_setzero_si256());
    return ~(uint32_t)_mm256_movemask_epi8(none) | (uint32_t)_mm256_movemask_epi8(v);
}

__attribute__((target("avx2"))) static uint64_t class_window_avx2(const struct byte_class *c, const uint8_t *bytes,
                                                                  size_t size)
{
    uint8_t copy[32] = { 0 };
    if (size < sizeof copy) {
        if (size)
            memcpy(copy, bytes, size);
        uint32_t mask = class_avx2(c, _mm256_loadu_si256((const __m256i *)(const void *)copy));
        return mask & ((UINT64_C(1) << size) - 1);
    }
    uint64_t high = class_avx2(c, _mm256_loadu_si256((const __m256i *)(const void *)(bytes + size - 32)));
    return class_avx2(c, _mm256_loadu_si256((const __m256i *)(const void *)bytes)) | high << (size - 32);
}

__attribute__((target("avx512f,avx512bw,avx512vbmi,bmi2"))) static uint64_t class_window_avx512(
    const struct byte_class *c, const uint8_t *bytes, size_t size)
{
    __mmask64 inside = _bzhi_u64(UINT64_MAX, (unsigned)size);
    __m512i v = _mm512_maskz_loadu_epi8(inside, bytes);
    __m512i has = _mm512_permutex2var_epi8(_mm512_loadu_si512(c->has), v, _mm512_loadu_si512(c->has + 64));
    return _mm512_movepi8_mask(_mm512_or_si512(has, v)) & inside;
}
#endif

/* A bit for each byte of the class, or of 0x80 or more; size is 64 at most. */
static inline uint64_t class_window(const struct byte_class *c, const uint8_t *bytes, size_t size)
{
#if defined(__x86_64__)
    switch (cpu_level()) {
    case CPU_AVX512:
        return class_window_avx512(c, bytes, size);
    case CPU_AVX2:
        return class_window_avx2(c, bytes, size);
    case CPU_PORTABLE:
        break;
    }
#endif
    uint64_t mask = 0;
    for (size_t i = 0; i < size; i++)
        mask |= (uint64_t)(bytes[i] >= 0x80 || c->has[bytes[i]]) << i;
    return mask;
}

/* ---- is there a run that can be a match? ---- */

static bool may_hold_match(const struct class_look *l, nacre_slice key)
{
    const uint8_t *bytes = key.data;
    if (key.size > 2 * WINDOW_BYTES)
        return true;
    size_t behind = key.size > WINDOW_BYTES ? key.size - WINDOW_BYTES : 0; /* no branch: keys are of about this size */
    uint64_t low = class_window(&l->readable, bytes, key.size - behind);
    uint64_t high = class_window(&l->readable, bytes + (behind ? WINDOW_BYTES : 0), behind);
    for (uint32_t run = 1; run < l->least;) { /* a bit per place where a run of so many begins */
        uint32_t step = l->least - run < run ? l->least - run : run;
        low &= low >> step | high << (64 - step);
        high &= high >> step;
        run += step;
    }
    return (low | high) != 0;
}

/* ---- the run that jumps ---- */

static enum automaton_answer answer_of(struct dfa *d, automaton_state state)
{
    if (state == d->automaton.unsure)
        return ANSWER_UNKNOWN;
    bool wanted = state == d->automaton.all || (state != AUTOMATON_DEAD && dfa_accepts(d, state));
    return wanted ? ANSWER_YES : ANSWER_NO;
}

/* From `at` on up to `end`, whose bytes that lead out of rest are set in `leaving`. */
static automaton_state run_window(const struct class_look *l, struct dfa *d, automaton_state state,
                                  const uint8_t *bytes, size_t size, uint64_t leaving)
{
    for (size_t at = 0; at < size;) {
        if (state == l->rest) {
            uint64_t left = leaving >> at;
            if (left == 0)
                return state;
            at += (size_t)__builtin_ctzll(left);
        }
        do {
            state = dfa_step(d, state, bytes[at++]);
        } while (at < size && state != l->rest && state > d->automaton.unsure);
        if (state <= d->automaton.unsure)
            return state;
    }
    return state;
}

static enum automaton_answer run(const struct class_look *l, struct dfa *d, nacre_slice key)
{
    const uint8_t *bytes = key.data;
    automaton_state state = d->automaton.start;
    for (size_t at = 0; at < key.size && state > d->automaton.unsure; at += WINDOW_BYTES) {
        size_t size = key.size - at < WINDOW_BYTES ? key.size - at : WINDOW_BYTES;
        state = run_window(l, d, state, bytes + at, size, class_window(&l->leaving, bytes + at, size));
    }
    return answer_of(d, state);
}

enum automaton_answer class_look(struct class_look *l, struct dfa *d, const struct program *program, nacre_slice key)
{
    if (l->asked <= KEYS_BEFORE) {
        bool quick = program->count <= INSTRUCTIONS_MOST && cpu_level() != CPU_PORTABLE;
        if (quick && l->asked == 0)
            find_readable(l, program, regex_analysis(d->regex)->least_bytes);
        if (quick && l->asked == KEYS_BEFORE && d->automaton.start > d->automaton.unsure)
            find_rest(l, d);
        l->asked++;
    }
    if (l->least && !may_hold_match(l, key))
        return ANSWER_NO;
    return l->jumps ? run(l, d, key) : ANSWER_UNKNOWN;
}
