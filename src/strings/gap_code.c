/* Gaps as gamma codes; gap_code.h has the bits.

   Decoding looks up WINDOW bits at once: the table says which numbers all codes that end inside of them stand for, as bits to be set from the next number on, and how far they go. So
   a cluster costs less than a look-up per number.
   Invariants:
   1. The codes of a window go 64 numbers on at most: the longest code that fits, of 11 bits, stands for a gap below 64.
   2. The table is made once, by whoever needs it first (pthread_once); then it does not change.
   No locks. */
#include "strings/gap_code.h"
#include "base/endian.h"
#include <pthread.h>

#define WINDOW           11u
#define WINDOWS_PER_WORD 5u /* that are surely there in 57 bits */

static struct gap_window {
    uint64_t numbers;  /* bit i: `next + i` */
    uint8_t bits, gap; /* how many bits the codes take; by how much they move `next`. 0: no code ends in the window */
} windows[1u << WINDOW];
static pthread_once_t windows_made = PTHREAD_ONCE_INIT;

static void make_windows(void)
{
    for (uint32_t content = 0; content < 1u << WINDOW; content++) {
        struct gap_window w = { 0, 0, 0 };
        for (;;) {
            uint32_t rest = content >> w.bits, left = WINDOW - w.bits;
            uint32_t k = rest ? (uint32_t)__builtin_ctz(rest) : left;
            if (2 * k + 1 > left)
                break;
            uint32_t gap = 1u << k | (rest >> (k + 1) & ((1u << k) - 1));
            w.gap = (uint8_t)(w.gap + gap);
            w.bits = (uint8_t)(w.bits + 2 * k + 1);
            w.numbers |= UINT64_C(1) << (w.gap - 1);
        }
        windows[content] = w;
    }
}

static inline uint32_t log_of(uint32_t gap)
{
    return 31 - (uint32_t)__builtin_clz(gap);
}

uint64_t gap_code_bits(const uint32_t *values, uint32_t count)
{
    uint64_t bits = count;
    uint32_t next = 0;
    for (uint32_t i = 0; i < count; i++) {
        bits += 2 * log_of(values[i] + 1 - next);
        next = values[i] + 1;
    }
    return bits;
}

void gap_code_write(uint8_t *bytes, const uint32_t *values, uint32_t count)
{
    uint64_t word = 0;
    uint32_t used = 0, next = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t gap = values[i] + 1 - next, k = log_of(gap);
        uint64_t code = (UINT64_C(1) | (uint64_t)(gap & ((UINT32_C(1) << k) - 1)) << 1) << k;
        word |= code << used;
        uint32_t size = 2 * k + 1;
        if (used + size >= 64) {
            store_u64(bytes, word);
            bytes += 8;
            word = used ? code >> (64 - used) : 0;
            used = used + size - 64;
        } else {
            used += size;
        }
        next = values[i] + 1;
    }
    for (; used; used = used > 8 ? used - 8 : 0, word >>= 8)
        *bytes++ = (uint8_t)word;
}

/* The bits from `at` on, at least 57 of them or what is left, then zeros. Ends inside the slack. */
static inline uint64_t bits_at(const struct gap_reader *r, uint64_t at)
{
    uint64_t word = load_u64(r->bytes + at / 8) >> (at % 8), left = r->bits - at;
    return left < 64 ? word & ((UINT64_C(1) << left) - 1) : word;
}

/* One code of at most 57 bits; false when there is none. */
static bool next_code(uint64_t word, uint32_t *size, uint32_t *gap)
{
    uint32_t k = word ? (uint32_t)__builtin_ctzll(word) : 64;
    *size = 2 * k + 1;
    if (*size > 57)
        return false;
    *gap = (uint32_t)(UINT64_C(1) << k | (word >> (k + 1) & ((UINT64_C(1) << k) - 1)));
    return true;
}

void gap_reader_or(struct gap_reader *r, uint32_t begin, uint32_t end, uint64_t *bitmap)
{
    (void)pthread_once(&windows_made, make_windows);
    uint64_t at = r->at;
    uint32_t next = r->next;
    while (next < end && at < r->bits) {
        uint64_t word = bits_at(r, at);
        uint32_t i = 0;
        for (; i < WINDOWS_PER_WORD && next < end; i++) {
            const struct gap_window *w = &windows[word & ((1u << WINDOW) - 1)];
            if (__builtin_expect(w->bits == 0, 0))
                break;
            uint32_t place = next - begin, shift = place % 64;
            bitmap[place / 64] |= w->numbers << shift;
            bitmap[place / 64 + 1] |= w->numbers >> 1 >> (63 - shift);
            next += w->gap;
            at += w->bits;
            word >>= w->bits;
        }
        if (i == WINDOWS_PER_WORD || next >= end)
            continue;
        /* A code that is longer than a window: it stands for a gap of 64 or more, and comes here again when it is left to the next piece. */
        uint32_t size = 0, gap = 0;
        if (!next_code(bits_at(r, at), &size, &gap))
            at = r->bits; /* zeros at the end, or hostile bytes */
        else if (gap > end - next)
            break; /* a number of a later piece, or none */
        else {
            uint32_t place = next + gap - 1 - begin;
            bitmap[place / 64] |= UINT64_C(1) << (place % 64);
            next += gap;
            at += size;
        }
    }
    r->at = at;
    r->next = next;
}
