/* What is left of a damaged segment of strings: every block of keys whose checksum is right, with its block of versions, wherever they lie. Where only the
   versions are damaged the keys are named one by one.

   A block of keys does not say whether it has versions. The section VDIR does; where that is damaged, what follows the block does: a block of versions with
   as many keys belongs to it. Where what follows is damaged, too, the keys count as lost. Two passes, as the sequences may have to be told from all blocks together.
   One thread; no locks. */
#include "base/memory.h"
#include "segment/codec.h"
#include "segment/container_format.h"
#include "segment/wreck.h"
#include "strings/reader.h"

#define STRG_BASE_AT   0u
#define STRG_DIGEST_AT 32u

struct strings_salvage {
    const struct wreck *wreck;
    const struct salvage_sink *sink;
    struct wreck_blocks found;
    struct wreck_sequences read;
    uint64_t base;
    struct key_block_walk keys;
    struct wreck_walk walk;
    bool complete; /* no block is missing */
};

static bool looks_like_keys(const uint8_t *bytes)
{
    uint32_t count = load_u16(bytes + 12);
    return count >= 1 && count <= KEY_BLOCK_KEYS && bytes[14] <= KEY_BLOCK_FLAGS && bytes[15] == 0;
}

static bool looks_like_block(const uint8_t *bytes, uint32_t size)
{
    if (looks_like_keys(bytes))
        return true;
    uint32_t raw_size = load_u32(bytes + 12);
    return size >= VERSION_BLOCK_HEADER && bytes[22] <= COMPRESSION_ZSTD && bytes[24] <= 8 && bytes[25] <= 8 &&
           (bytes[22] == 0 ? raw_size == size : raw_size >= VERSION_BLOCK_HEADER && raw_size <= CODEC_RAW_MAX);
}

static const struct block_shape shape = { KEY_BLOCK_HEADER, looks_like_block };

/* The raw block of versions for so many keys; *raw is NULL where it is none. */
static int unpack_versions(const struct wreck *w, const struct wreck_block *block, uint32_t keys, uint8_t **raw)
{
    const uint8_t *stored = w->bytes + block->offset;
    *raw = NULL;
    if (block->size < VERSION_BLOCK_HEADER || load_u16(stored + 20) != keys)
        return NACRE_OK;
    size_t size = load_u32(stored + 12);
    if (stored[22] > COMPRESSION_ZSTD || (stored[22] == 0 ? size != block->size : size > CODEC_RAW_MAX) ||
        size < VERSION_BLOCK_HEADER)
        return NACRE_OK;
    uint8_t *copy = memory_zalloc(size + VERSION_BLOCK_SLACK);
    if (!copy)
        return NACRE_NO_MEMORY;
    memcpy(copy, stored, VERSION_BLOCK_HEADER);
    int status = NACRE_OK;
    if (stored[22] == 0)
        memcpy(copy, stored, size);
    else
        status = decompressor_run(w->decompressor, (enum compression)stored[22], stored + VERSION_BLOCK_HEADER,
                                  block->size - VERSION_BLOCK_HEADER, copy + VERSION_BLOCK_HEADER,
                                  size - VERSION_BLOCK_HEADER);
    if (status == NACRE_OK && version_block_check(copy, size, keys) == NULL) {
        *raw = copy;
        return NACRE_OK;
    }
    memory_free(copy);
    return status == NACRE_NO_MEMORY ? status : NACRE_OK;
}

enum versions_state { VERSIONS_NONE, VERSIONS_THERE, VERSIONS_UNKNOWN };

/* What the directory says of the block of keys at `offset`: VERSIONS_UNKNOWN where it says nothing. */
static enum versions_state ask_directory(const struct wreck *w, uint64_t offset)
{
    const struct wreck_section *blocks = wreck_section(w, "BDIR"), *versions = wreck_section(w, "VDIR");
    if (w->table_proven && !versions)
        return VERSIONS_NONE;
    if (!blocks || !blocks->proven || !versions || !versions->proven)
        return VERSIONS_UNKNOWN;
    uint64_t low = 0, high = versions->size / 4;
    high = high < blocks->size / 8 ? high : blocks->size / 8;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (load_u32(wreck_bytes_of(w, blocks) + 8 * middle) < offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low >= versions->size / 4 || 8 * low + 4 > blocks->size ||
        load_u32(wreck_bytes_of(w, blocks) + 8 * low) != offset)
        return VERSIONS_UNKNOWN;
    return load_u32(wreck_bytes_of(w, versions) + 4 * low) ? VERSIONS_THERE : VERSIONS_NONE;
}

/* The versions of the keys of block i: *raw where they have a block of their own. */
static int find_versions(const struct strings_salvage *s, size_t i, uint32_t keys, enum versions_state *state,
                         uint8_t **raw)
{
    const struct wreck_block *block = &s->found.blocks[i];
    uint64_t end = (block->offset + block->size + 7) / 8 * 8;
    bool next_there = i + 1 < s->found.count && s->found.blocks[i + 1].offset == end;
    *state = ask_directory(s->wreck, block->offset);
    *raw = NULL;
    int status = next_there && *state != VERSIONS_NONE ? unpack_versions(s->wreck, &s->found.blocks[i + 1], keys, raw)
                                                       : NACRE_OK;
    if (*raw) {
        *state = VERSIONS_THERE;
    } else if (*state == VERSIONS_THERE) {
        *state = VERSIONS_UNKNOWN; /* they are damaged */
    } else if (*state == VERSIONS_UNKNOWN && (next_there || s->complete)) {
        *state = VERSIONS_NONE; /* another block of keys follows, or nothing */
    }
    return status;
}

static int give_key(struct strings_salvage *s, const struct versions_view *v, uint32_t index, nacre_slice key)
{
    uint32_t first = 0, after = 0;
    int status = NACRE_OK;
    versions_of_key(v, index, &first, &after);
    for (uint32_t i = first; i < after && status == NACRE_OK; i++) {
        struct entry e = { 0 };
        versions_entry(v, i, &e);
        e.key = key;
        status = s->sink->entry(s->sink->context, &e);
    }
    return status;
}

static int lose_key(struct strings_salvage *s, uint64_t offset, nacre_slice key)
{
    struct lost_part lost = { .offset = offset, .what = "versions of a key", .is_key = true, .after = key };
    return s->sink->lost(s->sink->context, &lost);
}

/* The keys of a block with their versions; NULL: these are lost. */
static int give_keys(struct strings_salvage *s, const struct key_block *b, const struct versions_view *v,
                     uint64_t offset, uint64_t versions_offset)
{
    int status = NACRE_OK;
    key_block_walk_begin(&s->keys, b);
    while (key_block_walk_next(&s->keys, &status)) {
        nacre_slice key = buffer_slice(&s->keys.key);
        uint32_t index = s->keys.next - 1;
        if (index == 0)
            status = wreck_note_gap(&s->walk, offset, key);
        if (status == NACRE_OK)
            status = v ? give_key(s, v, index, key) : lose_key(s, versions_offset, key);
        if (status != NACRE_OK)
            return status;
    }
    if (status == NACRE_OK) {
        buffer_clear(&s->walk.key);
        status = buffer_append(&s->walk.key, s->keys.key.data, s->keys.key.size);
        s->walk.any = true;
    }
    return status;
}

static void note_sequences(struct strings_salvage *s, const struct versions_view *v)
{
    for (uint32_t i = 0; i < v->versions; i++) {
        struct entry e = { 0 };
        versions_entry(v, i, &e);
        wreck_note_sequence(&s->read, e.sequence);
    }
}

/* Block i, if it is one of keys; *next is the one behind it and its versions. */
static int take_block(struct strings_salvage *s, size_t i, bool give, size_t *next)
{
    const struct wreck_block *block = &s->found.blocks[i];
    const uint8_t *bytes = s->wreck->bytes + block->offset;
    struct key_block b;
    struct versions_view v;
    enum versions_state state;
    uint8_t *raw = NULL;
    *next = i + 1;
    if (!looks_like_keys(bytes) || !key_block_check(bytes, block->size, &b))
        return NACRE_OK; /* versions without their keys */
    int status = find_versions(s, i, b.count, &state, &raw);
    if (status != NACRE_OK)
        return status;
    if (raw)
        versions_make(&v, raw, s->base);
    else
        versions_make_plain(&v, b.count, s->base);
    *next += raw != NULL;
    uint64_t end = (block->offset + block->size + 7) / 8 * 8;
    if (!give && state != VERSIONS_UNKNOWN)
        note_sequences(s, &v);
    if (give) {
        status = give_keys(s, &b, state == VERSIONS_UNKNOWN ? NULL : &v, block->offset, end);
        const struct wreck_block *last = &s->found.blocks[*next - 1];
        s->walk.end = (last->offset + last->size + 7) / 8 * 8;
    }
    memory_free(raw);
    return status;
}

static int pass(struct strings_salvage *s, bool give)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < s->found.count && status == NACRE_OK;) {
        size_t next = i + 1;
        status = take_block(s, i, give, &next);
        i = next;
    }
    return status;
}

int strings_salvage(const struct wreck *w, const struct salvage_sink *sink)
{
    struct strings_salvage s = {
        .wreck = w,
        .sink = sink,
        .walk = { .wreck = w, .sink = sink, .what = "blocks of keys", .end = CONTAINER_HEADER_BYTES }
    };
    int status = wreck_find_blocks(w, CONTAINER_HEADER_BYTES, 0, w->parts_end < w->size ? w->parts_end : w->size,
                                   &shape, &s.found);
    s.read.digest = s.found.digest;
    s.complete = wreck_is_complete(w, "STRG", STRG_DIGEST_AT, s.found.digest);
    if (status == NACRE_OK)
        status = pass(&s, false);
    if (status == NACRE_OK && s.read.entries &&
        !wreck_base_sequence(w, "STRG", STRG_BASE_AT, STRG_DIGEST_AT, &s.read, &s.base))
        status = sink->doubt(sink->context);
    if (status == NACRE_OK)
        status = pass(&s, true);
    if (status == NACRE_OK)
        status = wreck_note_tail(&s.walk, &s.read, s.complete, w->parts_end);
    key_block_walk_end(&s.keys);
    buffer_free(&s.walk.key);
    wreck_blocks_free(&s.found);
    return status;
}
