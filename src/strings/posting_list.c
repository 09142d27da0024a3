/* Posting lists; posting_list.h has the bytes.
   Invariants:
   1. A decoder reads no byte outside of the list and its slack, whatever the bytes say: the lower part is read for numbers below n only.
   2. It touches no bit of a bitmap at or past `blocks`.
   No state, no locks. */
#include "strings/posting_list.h"
#include "base/endian.h"
#include "base/memory.h"
#include "strings/gap_code.h"
#include <string.h>

/* A list of so few numbers is ANDed number by number. */
#define FEW_NUMBERS 256u
/* Lists are decoded to a piece of a bitmap that stays in the first level cache, where the bitmap itself cannot be the target. */
#define PIECE_WORDS  256u
#define PIECE_BLOCKS (PIECE_WORDS * 64)

enum posting_form { FORM_NONE, FORM_ALL, FORM_ONE, FORM_BITMAP, FORM_PRESENT, FORM_ABSENT, FORM_GAPS };

struct elias_fano {
    uint32_t numbers, low;
    uint64_t upper_bits, upper_bytes, lower_bytes;
};

static struct elias_fano elias_fano_of(uint32_t numbers, uint32_t universe)
{
    struct elias_fano e = { .numbers = numbers };
    if (universe / numbers)
        e.low = 31 - (uint32_t)__builtin_clz(universe / numbers);
    e.upper_bits = (uint64_t)numbers + (universe >> e.low) + 1;
    e.upper_bytes = (e.upper_bits + 7) / 8;
    e.lower_bytes = ((uint64_t)numbers * e.low + 7) / 8;
    return e;
}

static enum posting_form form_of(uint32_t blocks, uint32_t count, struct elias_fano *e, uint64_t *bytes)
{
    *bytes = 0;
    if (count == 0)
        return FORM_NONE;
    if (count == blocks)
        return FORM_ALL;
    if (count == 1)
        return FORM_ONE;
    bool fewer_absent = count > blocks / 2;
    *e = elias_fano_of(fewer_absent ? blocks - count : count, blocks);
    *bytes = e->upper_bytes + e->lower_bytes;
    uint64_t bitmap_bytes = ((uint64_t)blocks + 7) / 8;
    if (bitmap_bytes <= *bytes) {
        *bytes = bitmap_bytes;
        return FORM_BITMAP;
    }
    return fewer_absent ? FORM_ABSENT : FORM_PRESENT;
}

uint64_t posting_list_size(uint32_t blocks, uint32_t count)
{
    struct elias_fano e;
    uint64_t bytes;
    form_of(blocks, count, &e, &bytes);
    return bytes;
}

/* ---- encoding ---- */

/* Writes numbers as they come, ascending: the lower bits through a word. */
struct elias_fano_writer {
    uint8_t *upper, *lower;
    uint64_t bits;
    uint32_t low, used, index;
};

static struct elias_fano_writer begin_writing(const struct elias_fano *e, uint8_t *bytes)
{
    return (struct elias_fano_writer){ bytes, bytes + e->upper_bytes, 0, e->low, 0, 0 };
}

static inline void put_number(struct elias_fano_writer *w, uint32_t value)
{
    uint64_t upper = (uint64_t)(value >> w->low) + w->index++;
    w->upper[upper / 8] = (uint8_t)(w->upper[upper / 8] | 1u << (upper % 8));
    w->bits |= (uint64_t)(value & ((UINT32_C(1) << w->low) - 1)) << w->used;
    w->used += w->low;
    if (w->used >= 32) {
        store_u32(w->lower, (uint32_t)w->bits);
        w->lower += 4;
        w->bits >>= 32;
        w->used -= 32;
    }
}

static void end_writing(struct elias_fano_writer *w)
{
    for (uint32_t used = 0; used < w->used; used += 8, w->bits >>= 8)
        *w->lower++ = (uint8_t)w->bits;
}

static void put_absent(struct elias_fano_writer *w, uint32_t blocks, const uint32_t *values, uint32_t count)
{
    uint32_t next = 0;
    for (uint32_t k = 0; k <= count; k++) {
        for (uint32_t end = k < count ? values[k] : blocks; next < end; next++)
            put_number(w, next);
        next++;
    }
}

/* Bytes of the list as gaps where that is what it is to be kept as, else 0. */
static uint32_t gaps_size(uint32_t blocks, const uint32_t *values, uint32_t count, uint64_t otherwise)
{
    if (otherwise == 0 || blocks > GAP_CODE_MAX)
        return 0;
    uint64_t size = (gap_code_bits(values, count) + 7) / 8;
    return size < otherwise - otherwise / 10 ? (uint32_t)size : 0;
}

int posting_list_append(struct buffer *out, uint32_t blocks, const uint32_t *values, uint32_t count,
                        uint32_t *gap_bytes)
{
    struct elias_fano e;
    uint64_t size;
    enum posting_form form = form_of(blocks, count, &e, &size);
    *gap_bytes = gaps_size(blocks, values, count, size);
    if (*gap_bytes) {
        form = FORM_GAPS;
        size = *gap_bytes;
    }
    int status = buffer_reserve(out, (size_t)size);
    if (status != NACRE_OK || size == 0)
        return status;
    uint8_t *bytes = out->data + out->size;
    memset(bytes, 0, (size_t)size);
    out->size += (size_t)size;
    if (form == FORM_GAPS) {
        gap_code_write(bytes, values, count);
        return NACRE_OK;
    }
    for (uint32_t i = 0; i < count && form == FORM_BITMAP; i++)
        bytes[values[i] / 8] = (uint8_t)(bytes[values[i] / 8] | 1u << (values[i] % 8));
    if (form == FORM_BITMAP)
        return NACRE_OK;
    struct elias_fano_writer w = begin_writing(&e, bytes);
    if (form == FORM_ABSENT)
        put_absent(&w, blocks, values, count);
    for (uint32_t i = 0; i < count && form == FORM_PRESENT; i++)
        put_number(&w, values[i]);
    end_writing(&w);
    return NACRE_OK;
}

/* ---- decoding ---- */

/* Where a decoder stands: bits of the upper part from `base` on that are not yet looked at, and the index of the next number. */
struct elias_fano_place {
    const uint8_t *upper, *lower;
    uint64_t word, base;
    uint32_t index;
};

/* The 64 bits of the upper part from `base` on, without those behind its end. */
static inline uint64_t upper_word(const struct elias_fano *e, const uint8_t *upper, uint64_t base)
{
    if (base >= e->upper_bits)
        return 0;
    uint64_t word = load_u64(upper + base / 8); /* ends inside the slack */
    return e->upper_bits - base >= 64 ? word : word & ((UINT64_C(1) << (e->upper_bits - base)) - 1);
}

static struct elias_fano_place elias_fano_begin(const struct elias_fano *e, const uint8_t *bytes)
{
    return (struct elias_fano_place){ bytes, bytes + e->upper_bytes, upper_word(e, bytes, 0), 0, 0 };
}

/* Sets (or clears) the bits of the numbers that come before `end` in a bitmap that begins with number `begin`. */
static inline __attribute__((always_inline)) void elias_fano_apply(const struct elias_fano *e,
                                                                   struct elias_fano_place *p, bool set, uint32_t begin,
                                                                   uint32_t end, uint64_t *bitmap)
{
    const uint32_t low = e->low, mask = (UINT32_C(1) << low) - 1;
    const uint8_t *lower = p->lower;
    uint64_t word = p->word, base = p->base;
    uint32_t i = p->index;
    for (;;) {
        if (e->numbers - i < 64 && (uint32_t)__builtin_popcountll(word) > e->numbers - i)
            return; /* hostile bytes: more than there may be */
        while (word) {
            uint64_t upper = base + (uint32_t)__builtin_ctzll(word) - i, bit = (uint64_t)i * low;
            uint64_t value = upper << low | ((uint32_t)(load_u64(lower + bit / 8) >> (bit % 8)) & mask);
            if (value >= end) {
                p->word = word;
                p->base = base;
                p->index = i;
                return;
            }
            if (__builtin_expect(value < begin, 0))
                return; /* hostile bytes: not ascending */
            uint32_t at = (uint32_t)value - begin;
            if (set)
                bitmap[at / 64] |= UINT64_C(1) << (at % 64);
            else
                bitmap[at / 64] &= ~(UINT64_C(1) << (at % 64));
            word &= word - 1;
            i++;
        }
        base += 64;
        if (base >= e->upper_bits)
            break;
        word = upper_word(e, p->upper, base);
    }
    p->word = 0;
    p->base = base;
    p->index = i;
}

static inline uint32_t words_of(uint32_t blocks)
{
    return (uint32_t)(((uint64_t)blocks + 63) / 64);
}
/* The bits of the last word that are blocks. */
static inline uint64_t last_mask(uint32_t blocks)
{
    return blocks % 64 ? (UINT64_C(1) << (blocks % 64)) - 1 : ~UINT64_C(0);
}
static inline uint64_t word_mask(uint32_t blocks, uint32_t word)
{
    return word == words_of(blocks) - 1 ? last_mask(blocks) : ~UINT64_C(0);
}
static inline uint64_t bitmap_word(const struct posting_list *l, uint32_t word)
{
    return load_u64(l->bytes + (size_t)word * 8) & word_mask(l->blocks, word); /* the last one ends inside the slack */
}

static void apply(const struct posting_list *l, const struct elias_fano *e, bool set, uint64_t *bitmap)
{
    struct elias_fano_place place = elias_fano_begin(e, l->bytes);
    if (set)
        elias_fano_apply(e, &place, true, 0, l->blocks, bitmap);
    else
        elias_fano_apply(e, &place, false, 0, l->blocks, bitmap);
}

/* ANDs a list of at most FEW_NUMBERS: notes which of its bits are set, clears all, sets these again. */
static void and_few(const struct posting_list *l, const struct elias_fano *e, uint64_t *bitmap)
{
    uint32_t kept[FEW_NUMBERS], count = 0, i = 0;
    const uint32_t mask = (UINT32_C(1) << e->low) - 1;
    for (uint64_t base = 0; base < e->upper_bits && i < e->numbers; base += 64) {
        for (uint64_t word = upper_word(e, l->bytes, base); word && i < e->numbers; word &= word - 1, i++) {
            uint64_t upper = base + (uint32_t)__builtin_ctzll(word) - i, bit = (uint64_t)i * e->low;
            uint32_t lower = (uint32_t)(load_u64(l->bytes + e->upper_bytes + bit / 8) >> (bit % 8)) & mask;
            uint64_t value = upper << e->low | lower;
            if (value >= l->blocks)
                break; /* hostile bytes */
            kept[count] = (uint32_t)value;
            count += bitmap[value / 64] >> (value % 64) & 1;
        }
    }
    memset(bitmap, 0, (size_t)words_of(l->blocks) * sizeof *bitmap);
    for (uint32_t k = 0; k < count; k++)
        bitmap[kept[k] / 64] |= UINT64_C(1) << (kept[k] % 64);
}

static inline void combine_words(uint64_t *target, const uint64_t *piece, uint32_t words, bool and_them)
{
    uint32_t i = 0;
    for (; i + 4 <= words; i += 4) { /* four at a time, which compilers turn into wide instructions */
        for (uint32_t k = i; k < i + 4; k++)
            target[k] = and_them ? target[k] & piece[k] : target[k] | piece[k];
    }
    for (; i < words; i++)
        target[i] = and_them ? target[i] & piece[i] : target[i] | piece[i];
}

/* ANDs the numbers, or ORs all but the numbers, piece by piece. */
static void combine_pieces(const struct posting_list *l, const struct elias_fano *e, bool and_them, uint64_t *bitmap)
{
    struct elias_fano_place place = elias_fano_begin(e, l->bytes);
    for (uint64_t begin = 0; begin < l->blocks; begin += PIECE_BLOCKS) {
        uint64_t piece[PIECE_WORDS];
        uint32_t end = l->blocks - begin < PIECE_BLOCKS ? l->blocks : (uint32_t)begin + PIECE_BLOCKS;
        uint32_t words = words_of(end - (uint32_t)begin);
        memset(piece, and_them ? 0 : 0xff, words * sizeof *piece);
        if (and_them)
            elias_fano_apply(e, &place, true, (uint32_t)begin, end, piece);
        else
            elias_fano_apply(e, &place, false, (uint32_t)begin, end, piece);
        if (end == l->blocks)
            piece[words - 1] &= last_mask(l->blocks);
        if (and_them)
            combine_words(bitmap + begin / 64, piece, words, true);
        else
            combine_words(bitmap + begin / 64, piece, words, false);
    }
}

/* One piece of a list of gaps: as combine_pieces. Gives the bits that its decoding has set behind its end. */
static uint64_t combine_gaps(const struct posting_list *l, struct gap_reader *reader, uint32_t begin, uint32_t end,
                             uint64_t behind, bool and_them, uint64_t *bitmap)
{
    uint64_t piece[PIECE_WORDS + 2];
    uint32_t words = words_of(end - begin);
    memset(piece, 0, (words + 2) * sizeof *piece);
    piece[0] = behind;
    gap_reader_or(reader, begin, end, piece);
    behind = piece[words];
    if (end == l->blocks)
        piece[words - 1] &= last_mask(l->blocks);
    if (and_them)
        combine_words(bitmap + begin / 64, piece, words, true);
    else
        combine_words(bitmap + begin / 64, piece, words, false);
    return behind;
}

static void and_gaps(const struct posting_list *l, uint64_t *bitmap)
{
    struct gap_reader reader = { .bytes = l->bytes, .bits = (uint64_t)l->gap_bytes * 8 };
    uint64_t behind = 0;
    for (uint64_t begin = 0; begin < l->blocks; begin += PIECE_BLOCKS) {
        uint32_t end = l->blocks - begin < PIECE_BLOCKS ? l->blocks : (uint32_t)begin + PIECE_BLOCKS;
        behind = combine_gaps(l, &reader, (uint32_t)begin, end, behind, true, bitmap);
    }
}

/* All but the last two words in place: those have no room behind them. */
static void or_gaps(const struct posting_list *l, uint64_t *bitmap)
{
    struct gap_reader reader = { .bytes = l->bytes, .bits = (uint64_t)l->gap_bytes * 8 };
    uint32_t words = words_of(l->blocks), begin = words > 2 ? (words - 2) * 64 : 0;
    gap_reader_or(&reader, 0, begin, bitmap);
    (void)combine_gaps(l, &reader, begin, l->blocks, 0, false, bitmap);
}

static enum posting_form form_of_list(const struct posting_list *l, struct elias_fano *e)
{
    uint64_t bytes;
    return l->gap_bytes ? FORM_GAPS : form_of(l->blocks, l->count, e, &bytes);
}

void posting_list_or(const struct posting_list *l, uint64_t *bitmap)
{
    struct elias_fano e;
    enum posting_form form = form_of_list(l, &e);
    uint32_t words = words_of(l->blocks);
    if (form == FORM_ONE && l->only < l->blocks)
        bitmap[l->only / 64] |= UINT64_C(1) << (l->only % 64);
    for (uint32_t i = 0; i < words && form == FORM_ALL; i++)
        bitmap[i] |= word_mask(l->blocks, i);
    for (uint32_t i = 0; i < words && form == FORM_BITMAP; i++)
        bitmap[i] |= bitmap_word(l, i);
    if (form == FORM_GAPS)
        or_gaps(l, bitmap);
    if (form == FORM_PRESENT)
        apply(l, &e, true, bitmap);
    if (form == FORM_ABSENT)
        combine_pieces(l, &e, false, bitmap);
}

void posting_list_and(const struct posting_list *l, uint64_t *bitmap)
{
    struct elias_fano e;
    enum posting_form form = form_of_list(l, &e);
    uint32_t words = words_of(l->blocks);
    if (form == FORM_GAPS)
        and_gaps(l, bitmap);
    if (form == FORM_ONE || form == FORM_NONE) {
        uint64_t kept =
            form == FORM_ONE && l->only < l->blocks ? bitmap[l->only / 64] & UINT64_C(1) << (l->only % 64) : 0;
        memset(bitmap, 0, (size_t)words * sizeof *bitmap);
        if (kept)
            bitmap[l->only / 64] = kept;
    }
    for (uint32_t i = 0; i < words && form == FORM_BITMAP; i++)
        bitmap[i] &= bitmap_word(l, i);
    if (form == FORM_PRESENT && e.numbers <= FEW_NUMBERS)
        and_few(l, &e, bitmap);
    else if (form == FORM_PRESENT)
        combine_pieces(l, &e, true, bitmap);
    if (form == FORM_ABSENT)
        apply(l, &e, false, bitmap);
    if ((form == FORM_ALL || form == FORM_ABSENT) && words)
        bitmap[words - 1] &= last_mask(l->blocks);
}

/* ---- checking ---- */

int posting_list_check(const struct posting_list *l, bool *good)
{
    uint64_t size = l->gap_bytes ? l->gap_bytes : posting_list_size(l->blocks, l->count);
    uint32_t gap_bytes = 0;
    struct buffer again = { 0 };
    *good = l->count != 1 || l->only < l->blocks;
    if (size == 0)
        return NACRE_OK;
    uint32_t words = words_of(l->blocks), count = 0;
    uint64_t *bitmap = memory_zalloc((size_t)words * sizeof *bitmap);
    uint32_t *values = memory_alloc((size_t)l->count * sizeof *values);
    int status = bitmap && values ? NACRE_OK : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        posting_list_or(l, bitmap);
        for (uint32_t i = 0; i < words; i++)
            for (uint64_t word = bitmap[i]; word; word &= word - 1, count++)
                if (count < l->count)
                    values[count] = i * 64 + (uint32_t)__builtin_ctzll(word);
        *good = *good && count == l->count;
        if (*good)
            status = posting_list_append(&again, l->blocks, values, count, &gap_bytes);
    }
    if (status == NACRE_OK && *good)
        *good = gap_bytes == l->gap_bytes && memcmp(again.data, l->bytes, (size_t)size) == 0;
    buffer_free(&again);
    memory_free(values);
    memory_free(bitmap);
    return status;
}
