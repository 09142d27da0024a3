/* What is left of a damaged segment of vectors: every entry whose block, vector and value are each right by their checksums. Where the block of an entry
   is whole but its vector or value is not, its key is named.

   Blocks of entries were summed with their distance from the begin of their area, and rows with sums that are in a section of their own: so where these lie is
   worked out first (struct layout), each place from what is proven, or else tried out, as only the right one makes checksums fit. Two passes, as the sequences may have
   to be told from all blocks together. One thread; no locks. */
#include "base/memory.h"
#include "distance/distance.h"
#include "segment/codec.h"
#include "segment/container_format.h"
#include "segment/wreck.h"
#include "vectors/entry_block.h"
#include "vectors/reader.h"

#define VECS_DIMENSION_AT    0u
#define VECS_BASE_AT         32u
#define VECS_DIGEST_AT       56u
#define VECS_BLOCKS_BEGIN_AT 72u
#define VECS_BYTES_LEAST     88u

struct layout {
    size_t stride;
    uint64_t blocks_begin, blocks_end; /* the area of entries; end 0: not known */
    uint32_t rows;                     /* UINT32_MAX: not known */
    const uint8_t *sums;               /* of blocks of rows, or NULL */
    uint64_t sum_count;
    bool all_rows; /* are right */
};

struct vectors_salvage {
    const struct wreck *wreck;
    const struct salvage_sink *sink;
    struct layout layout;
    struct wreck_blocks found;
    struct wreck_sequences read;
    struct wreck_walk walk;
    uint64_t base;
    uint8_t *values;            /* raw ones of the block in hand, or NULL */
    uint32_t checked_rows;      /* number of the block of rows that was looked at last, */
    bool rows_good, rows_known; /* and how it was found */
};

static bool looks_like_block(const uint8_t *bytes, uint32_t size)
{
    (void)size;
    return bytes[12] >= 1 && bytes[12] <= ENTRY_BLOCK_ENTRIES && bytes[13] <= COMPRESSION_ZSTD && bytes[14] <= 8 &&
           bytes[15] <= 8 && bytes[16] <= 4 && load_u16(bytes + 18) == 0;
}

static const struct block_shape shape = { ENTRY_BLOCK_HEADER, looks_like_block };

/* ---- where things lie ---- */

static bool try_blocks_begin(const struct wreck *w, uint64_t begin, struct wreck_blocks *found, int *status)
{
    wreck_blocks_free(found);
    if (begin < CONTAINER_HEADER_BYTES || begin % 8 || begin > w->size)
        return false;
    uint64_t limit = w->parts_end < w->size ? w->parts_end : w->size;
    *status = wreck_find_blocks(w, begin, begin, limit, &shape, found);
    return *status == NACRE_OK && found->count > 0;
}

/* The first block of the area is at distance 0 from it. */
static uint64_t search_blocks_begin(const struct wreck *w)
{
    uint32_t size = 0;
    uint64_t limit = w->parts_end < w->size ? w->parts_end : w->size;
    for (uint64_t at = CONTAINER_HEADER_BYTES; at + ENTRY_BLOCK_HEADER <= limit; at += 8)
        if (wreck_block_at(w, at, at, limit, &shape, &size))
            return at;
    return 0;
}

/* The directory's last item: the size of the area and the number of rows. */
static bool ask_directory(const struct wreck *w, struct layout *l)
{
    const struct wreck_section *s = wreck_section(w, "KDIR");
    if (!s || !s->proven || s->size < 8 || l->stride == 0)
        return false;
    const uint8_t *last = wreck_bytes_of(w, s) + s->size - 8;
    l->rows = load_u32(last + 4);
    l->blocks_begin = (CONTAINER_HEADER_BYTES + (uint64_t)l->rows * l->stride + 7) / 8 * 8;
    l->blocks_end = l->blocks_begin + load_u32(last);
    return true;
}

static void take_description(const uint8_t *section, struct layout *l)
{
    uint32_t dimension = load_u32(section + VECS_DIMENSION_AT);
    l->stride = l->stride ? l->stride : 4 * (size_t)dimension;
    l->rows = load_u32(section + 12);
    l->blocks_begin = load_u32(section + VECS_BLOCKS_BEGIN_AT);
    l->blocks_end = load_u32(section + VECS_BLOCKS_BEGIN_AT + 4);
}

static int find_entries(struct vectors_salvage *s)
{
    const struct wreck *w = s->wreck;
    const struct wreck_section *vecs = wreck_section(w, "VECS");
    struct layout *l = &s->layout, guess = { 0 };
    int status = NACRE_OK;
    l->stride = 4 * (size_t)w->dimension;
    l->rows = UINT32_MAX;
    bool described = vecs && vecs->size >= VECS_BYTES_LEAST;
    if (described && vecs->proven) {
        l->stride = 0;
        take_description(wreck_bytes_of(w, vecs), l);
    } else if (!ask_directory(w, l)) {
        if (described)
            take_description(wreck_bytes_of(w, vecs), &guess);
        l->blocks_begin = guess.blocks_begin;
    }
    if (try_blocks_begin(w, l->blocks_begin, &s->found, &status) || status != NACRE_OK)
        return status;
    uint64_t found = search_blocks_begin(w);
    if (found && try_blocks_begin(w, found, &s->found, &status)) {
        l->blocks_begin = found;
        l->blocks_end = 0;
    }
    return status;
}

/* A block of rows from `begin` on in the file, in rows. */
static uint64_t rows_bytes(const struct layout *l, uint32_t block)
{
    uint64_t rows = UINT64_C(1) << row_block_shift(l->stride), first = (uint64_t)block * rows;
    uint64_t left = l->rows > first ? l->rows - first : 0;
    return (left < rows ? left : rows) * l->stride;
}

static bool rows_fit(const struct wreck *w, const struct layout *l, uint32_t block, uint64_t sum)
{
    uint64_t offset = CONTAINER_HEADER_BYTES + ((uint64_t)block << row_block_shift(l->stride)) * l->stride;
    uint64_t bytes = rows_bytes(l, block);
    return bytes > 0 && offset + bytes <= w->size &&
           row_block_checksum(w->id, offset, w->bytes + offset, (size_t)bytes) == sum &&
           vector_is_finite(w->bytes + offset, (uint32_t)(bytes / 4));
}

/* Where no table tells of the sums: by the sum of one of the first blocks of rows. */
static void search_sums(const struct wreck *w, struct layout *l)
{
    for (uint32_t block = 0; block < 8 && rows_bytes(l, block) > 0; block++) {
        for (uint64_t at = CONTAINER_HEADER_BYTES; at + 8 * (block + 1) <= w->size; at += CONTAINER_ALIGNMENT) {
            uint64_t sum = load_u64(w->bytes + at + 8 * block);
            if (sum && rows_fit(w, l, block, sum)) {
                l->sums = w->bytes + at;
                l->sum_count = (w->size - at) / 8;
                return;
            }
        }
    }
}

/* A damaged section of sums whose checksum is known: with the sums of what the rows are now in place of those that do not fit, it has that checksum if, and only if, the rows
   are what they were. */
static int prove_rows(const struct wreck *w, struct layout *l, const struct wreck_section *vsum)
{
    struct buffer sums = { 0 };
    int status = buffer_append(&sums, l->sums, (size_t)vsum->size);
    for (uint32_t block = 0; block < l->sum_count && status == NACRE_OK; block++) {
        uint64_t offset = CONTAINER_HEADER_BYTES + ((uint64_t)block << row_block_shift(l->stride)) * l->stride;
        uint64_t bytes = rows_bytes(l, block);
        if (bytes > 0 && offset + bytes <= w->size)
            store_u64(sums.data + 8 * (size_t)block,
                      row_block_checksum(w->id, offset, w->bytes + offset, (size_t)bytes));
    }
    l->all_rows = status == NACRE_OK && sums.size > 0 && hash_bytes(sums.data, sums.size) == vsum->checksum;
    buffer_free(&sums);
    return status;
}

/* The number of rows is the one behind the last block of entries, where that was found; it bounds the last block of rows. */
static int find_rows(struct vectors_salvage *s)
{
    const struct wreck *w = s->wreck;
    struct layout *l = &s->layout;
    const struct wreck_section *vsum = wreck_section(w, "VSUM");
    if (l->rows == UINT32_MAX && s->found.count) {
        uint64_t room = l->blocks_begin - CONTAINER_HEADER_BYTES;
        l->rows = l->stride ? (uint32_t)(room / l->stride) : 0;
    }
    if (l->stride == 0 || l->rows == UINT32_MAX)
        return NACRE_OK;
    if (vsum) {
        l->sums = wreck_bytes_of(w, vsum);
        l->sum_count = vsum->size / 8;
        return vsum->proven ? NACRE_OK : prove_rows(w, l, vsum);
    }
    if (!w->table_proven)
        search_sums(w, l);
    return NACRE_OK;
}

/* A row whose block of rows is right, or NULL. */
static const uint8_t *take_row(struct vectors_salvage *s, uint32_t row)
{
    const struct layout *l = &s->layout;
    if (!l->sums || l->stride == 0 || row >= l->rows)
        return NULL;
    uint32_t block = row >> row_block_shift(l->stride);
    if (!s->rows_known || s->checked_rows != block) {
        s->checked_rows = block;
        s->rows_known = true;
        s->rows_good = block < l->sum_count && rows_fit(s->wreck, l, block, load_u64(l->sums + 8 * (size_t)block));
    }
    return s->rows_good ? s->wreck->bytes + CONTAINER_HEADER_BYTES + row * l->stride : NULL;
}

/* ---- values ---- */

static bool values_fit(const struct wreck *w, const struct entry_block *b, uint64_t values_begin)
{
    uint64_t at = values_begin + b->values_offset;
    return b->values_bytes > 8 && at + b->values_bytes <= w->size &&
           load_u64(w->bytes + at) == hash_bytes(w->bytes + at + 8, b->values_bytes - 8) +
                                          block_checksum_mix(w->id, b->values_offset + ENTRY_VALUES_MIX);
}

/* The area of values begins where that of entries ends. Where that is not known, the first values that were found tell. */
static uint64_t values_begin(struct vectors_salvage *s, const struct entry_block *b)
{
    struct layout *l = &s->layout;
    const struct wreck_block *last = &s->found.blocks[s->found.count - 1];
    if (l->blocks_end)
        return l->blocks_end;
    for (uint64_t at = (last->offset + last->size + 7) / 8 * 8; at < s->wreck->size; at += 8) {
        if (values_fit(s->wreck, b, at)) {
            l->blocks_end = at;
            return at;
        }
    }
    return 0;
}

/* Fills `values` where the block has any that are right. */
static int unpack_values(struct vectors_salvage *s, const struct entry_block *b)
{
    memory_free(s->values);
    s->values = NULL;
    size_t size = entry_value_end(b, b->count - 1);
    uint64_t begin = size ? values_begin(s, b) : 0;
    if (size == 0 || size > CODEC_RAW_MAX + UINT32_MAX / 2 || begin == 0 || !values_fit(s->wreck, b, begin) ||
        (b->codec == 0 && size > b->values_bytes - 8) || (b->codec && size > CODEC_RAW_MAX))
        return NACRE_OK;
    const uint8_t *stored = s->wreck->bytes + begin + b->values_offset + 8;
    s->values = memory_alloc(size);
    if (!s->values)
        return NACRE_NO_MEMORY;
    int status = NACRE_OK;
    if (b->codec == 0)
        memcpy(s->values, stored, size);
    else
        status = decompressor_run(s->wreck->decompressor, (enum compression)b->codec, stored, b->values_bytes - 8,
                                  s->values, size);
    if (status != NACRE_OK) {
        memory_free(s->values);
        s->values = NULL;
    }
    return status == NACRE_NO_MEMORY ? status : NACRE_OK;
}

/* ---- entries ---- */

static int lose_key(struct vectors_salvage *s, uint64_t offset, const char *what)
{
    struct lost_part lost = { .offset = offset, .what = what, .is_key = true, .after = buffer_slice(&s->walk.key) };
    return s->sink->lost(s->sink->context, &lost);
}

static int give_entry(struct vectors_salvage *s, const struct entry_block *b, uint32_t i)
{
    uint32_t begin = entry_value_begin(b, i), end = entry_value_end(b, i);
    struct entry e = { .key = buffer_slice(&s->walk.key),
                       .value = slice_of("", 0),
                       .sequence = entry_sequence(b, s->base, i),
                       .expiry_ms = entry_expiry(b, i),
                       .type = entry_type_of(b, i) };
    if (entry_is_put(b, i) && !(e.vector = take_row(s, entry_row(b, i))))
        return lose_key(s, CONTAINER_HEADER_BYTES + entry_row(b, i) * s->layout.stride, "a vector");
    if (end > begin && !s->values)
        return lose_key(s, s->layout.blocks_end + b->values_offset, "values");
    if (end > begin)
        e.value = slice_of(s->values + begin, end - begin);
    return s->sink->entry(s->sink->context, &e);
}

static int give_entries(struct vectors_salvage *s, const struct entry_block *b, uint64_t offset)
{
    struct buffer first = { 0 };
    int status = unpack_values(s, b);
    if (status == NACRE_OK)
        status = entry_block_key(b, 0, &first);
    if (status == NACRE_OK)
        status = wreck_note_gap(&s->walk, offset, buffer_slice(&first));
    for (uint32_t i = 0; i < b->count && status == NACRE_OK; i++) {
        status = i ? entry_block_step(b, i, &s->walk.key) : entry_block_key(b, 0, &s->walk.key);
        if (status == NACRE_OK)
            status = give_entry(s, b, i);
    }
    s->walk.any = true;
    buffer_free(&first);
    return status;
}

static int pass(struct vectors_salvage *s, bool give)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < s->found.count && status == NACRE_OK; i++) {
        const struct wreck_block *block = &s->found.blocks[i];
        struct entry_block b;
        if (entry_block_check(s->wreck->bytes + block->offset, block->size, &b))
            continue;
        for (uint32_t j = 0; !give && j < b.count; j++)
            wreck_note_sequence(&s->read, entry_sequence(&b, 0, j));
        if (give) {
            status = give_entries(s, &b, block->offset);
            s->walk.end = (block->offset + block->size + 7) / 8 * 8;
        }
    }
    return status;
}

/* Whether no block of entries is missing. */
static bool is_complete(const struct vectors_salvage *s)
{
    const struct layout *l = &s->layout;
    return wreck_is_complete(s->wreck, "VECS", VECS_DIGEST_AT, s->read.digest) ||
           (s->found.count && l->blocks_end && s->walk.end >= l->blocks_end);
}

int vectors_salvage(const struct wreck *w, const struct salvage_sink *sink)
{
    struct vectors_salvage s = { .wreck = w,
                                 .sink = sink,
                                 .walk = { .wreck = w, .sink = sink, .what = "blocks of entries" } };
    int status = find_entries(&s);
    s.walk.end = s.layout.blocks_begin;
    s.read.digest = s.found.digest;
    if (status == NACRE_OK)
        status = find_rows(&s);
    if (status == NACRE_OK)
        status = pass(&s, false);
    if (status == NACRE_OK && s.read.entries &&
        !wreck_base_sequence(w, "VECS", VECS_BASE_AT, VECS_DIGEST_AT, &s.read, &s.base))
        status = sink->doubt(sink->context);
    if (status == NACRE_OK)
        status = pass(&s, true);
    if (status == NACRE_OK)
        status = wreck_note_tail(&s.walk, &s.read, is_complete(&s), s.layout.blocks_end);
    memory_free(s.values);
    buffer_free(&s.walk.key);
    wreck_blocks_free(&s.found);
    return status;
}

bool vectors_of_wreck(const struct wreck *w, uint32_t *dimension, nacre_metric *metric)
{
    const struct wreck_section *vecs = wreck_section(w, "VECS");
    if (!vecs || !vecs->proven || vecs->size < VECS_BYTES_LEAST)
        return false;
    *dimension = load_u32(wreck_bytes_of(w, vecs) + VECS_DIMENSION_AT);
    *metric = (nacre_metric)load_u32(wreck_bytes_of(w, vecs) + 4);
    return *dimension > 0 && *dimension <= UINT16_MAX && *metric >= NACRE_L2 && *metric <= NACRE_DOT;
}
