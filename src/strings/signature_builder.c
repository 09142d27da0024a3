/* Signatures from front-coded keys.

   All measures of a key but its size are followed at once, one byte lane each: a byte of the key keeps or clears the lane of a run and adds one to the lanes of
   its classes.
   Invariants:
   1. depths[i] holds the lanes after the first i bytes of the key added last, so that the next key goes on from what it shares.
   2. A run or a count of a key's prefix is never greater than the key's own: so the greatest of all depths of a block's keys is the greatest of its keys, and
      what is new to a block is all that must be looked at.
   3. Lanes stop at 255; every threshold but those of sizes is at most that.
   One thread; no locks. */
#include "strings/signature_builder.h"
#include "base/memory.h"
#include "base/status.h"
#include <assert.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static bool class_has(enum signature_class class_, unsigned byte)
{
    return signature_class_bytes(class_)[byte / 64] >> (byte % 64) & 1;
}

static void fill_lane(struct signature_builder *b, unsigned lane, const struct signature_feature *f)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        bool in = class_has((enum signature_class)f->class_, byte);
        b->keep[byte].lane[lane] = in || f->measure == MEASURE_COUNT ? 255 : 0;
        b->more[byte].lane[lane] = in;
    }
}

void signature_builder_begin(struct signature_builder *b)
{
    memset(b, 0, sizeof *b);
    unsigned lanes = 0;
    for (unsigned i = 0; i < signature_feature_count; i++) {
        const struct signature_feature *f = &signature_features[i];
        b->lane_of[i] = SIGNATURE_LANES;
        if (f->class_ == CLASS_ANY)
            continue; /* a run of any bytes is the key, too */
        assert(f->threshold <= 255);
        for (unsigned k = 0; k < i && b->lane_of[i] == SIGNATURE_LANES; k++)
            if (signature_features[k].measure == f->measure && signature_features[k].class_ == f->class_)
                b->lane_of[i] = b->lane_of[k];
        if (b->lane_of[i] < SIGNATURE_LANES)
            continue;
        assert(lanes < SIGNATURE_LANES);
        b->lane_of[i] = (uint8_t)lanes;
        fill_lane(b, lanes++, f);
    }
}

static int end_block(struct signature_builder *b)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < signature_feature_count; i++) {
        size_t measured = b->lane_of[i] < SIGNATURE_LANES ? b->best.lane[b->lane_of[i]] : b->longest;
        word |= (uint64_t)(b->any && measured >= signature_features[i].threshold) << i;
    }
    memset(&b->best, 0, sizeof b->best);
    b->longest = 0;
    b->any = false;
    b->block++;
    return buffer_append_u64(&b->words, word);
}

static int reserve_depth(struct signature_builder *b, size_t depth)
{
    size_t capacity = depth + depth / 2 + 64;
    struct signature_lanes *depths = memory_alloc_aligned(16, capacity * sizeof *depths);
    if (!depths)
        return NACRE_NO_MEMORY;
    if (b->depth_capacity)
        memcpy(depths, b->depths, b->depth_capacity * sizeof *depths);
    else
        memset(depths, 0, sizeof *depths);
    memory_free(b->depths);
    b->depths = depths;
    b->depth_capacity = capacity;
    return NACRE_OK;
}

#if defined(__SSE2__)
static void follow(struct signature_builder *b, const uint8_t *bytes, size_t from, size_t size)
{
    __m128i *depths = (__m128i *)(void *)b->depths;
    __m128i lanes = _mm_load_si128(depths + from);
    __m128i best = _mm_load_si128((const __m128i *)(const void *)&b->best);
    for (size_t i = from; i < size; i++) {
        __m128i keep = _mm_load_si128((const __m128i *)(const void *)&b->keep[bytes[i]]);
        __m128i more = _mm_load_si128((const __m128i *)(const void *)&b->more[bytes[i]]);
        lanes = _mm_adds_epu8(_mm_and_si128(lanes, keep), more);
        best = _mm_max_epu8(best, lanes);
        _mm_store_si128(depths + i + 1, lanes);
    }
    _mm_store_si128((__m128i *)(void *)&b->best, best);
}
#else
static void follow(struct signature_builder *b, const uint8_t *bytes, size_t from, size_t size)
{
    for (size_t i = from; i < size; i++) {
        const uint8_t *keep = b->keep[bytes[i]].lane, *more = b->more[bytes[i]].lane, *before = b->depths[i].lane;
        uint8_t *after = b->depths[i + 1].lane, *best = b->best.lane;
        for (unsigned k = 0; k < SIGNATURE_LANES; k++) {
            unsigned sum = (unsigned)(before[k] & keep[k]) + more[k];
            after[k] = (uint8_t)(sum > 255 ? 255 : sum);
            best[k] = after[k] > best[k] ? after[k] : best[k];
        }
    }
}
#endif

int signature_builder_add(struct signature_builder *b, nacre_slice key, size_t shared, uint32_t block)
{
    while (b->block < block) {
        int status = end_block(b);
        if (status != NACRE_OK)
            return status;
    }
    if (key.size >= b->depth_capacity) {
        int status = reserve_depth(b, key.size + 1);
        if (status != NACRE_OK)
            return status;
    }
    follow(b, key.data, b->any ? shared : 0, key.size);
    b->longest = key.size > b->longest ? key.size : b->longest;
    b->any = true;
    return NACRE_OK;
}

int signature_builder_make(struct signature_builder *b, uint32_t blocks, struct buffer *out)
{
    int status = NACRE_OK;
    while (b->block < blocks && status == NACRE_OK)
        status = end_block(b);
    return status == NACRE_OK ? buffer_append(out, b->words.data, b->words.size) : status;
}

uint64_t signature_builder_memory(const struct signature_builder *b)
{
    return b->depth_capacity * sizeof *b->depths + b->words.capacity;
}

void signature_builder_free(struct signature_builder *b)
{
    memory_free(b->depths);
    buffer_free(&b->words);
}
