/* A cursor over the versions of the keys that a search wants (kind.h: match_cursor).

   A block is looked at when the cursor comes to it: its wanted keys are decoded at once, one behind the other, so that steps in both directions are the same. Blocks without any
   are passed by.
   Invariants:
   1. while valid: `block` is the block at hand; `wanted` its wanted keys; `slot` numbers the key among them; `version` is one of [first, after) of `versions`.
   2. keys[ends[slot - 1], ends[slot]) is the key.
   3. the search is made at the first move; one that failed is tried again at the next one.
   One thread at a time; locks: those of first use (reader.h). */
#include "base/memory.h"
#include "base/status.h"
#include "strings/segment_search.h"

struct match_cursor {
    struct cursor base;
    struct strings_reader *reader;
    struct search *search;
    nacre_slice begin, end;
    struct segment_search blocks;
    bool ready, has_versions;
    bool plain; /* all keys of the block have one version, made up: only the key differs from entry to entry */
    struct versions_view versions;
    uint32_t block, count, slot; /* count: of wanted keys */
    uint32_t first, after, version;
    uint8_t index[KEY_BLOCK_KEYS]; /* in the block, of each wanted key */
    size_t ends[KEY_BLOCK_KEYS + 1];
    struct buffer keys;
    struct key_block_walk walk;
};

static struct match_cursor *self(struct cursor *c)
{
    return (struct match_cursor *)c;
}

static void leave_block(struct match_cursor *c)
{
    if (c->has_versions)
        strings_release_versions(&c->versions);
    c->has_versions = false;
    c->count = 0;
}

static void stop(struct match_cursor *c, int status)
{
    leave_block(c);
    c->base.valid = false;
    c->base.status = status;
}

/* A move begins: false when there is nothing to move over. */
static bool start(struct match_cursor *c)
{
    stop(c, NACRE_OK);
    if (!c->ready) {
        segment_search_end(&c->blocks);
        int status = segment_search_begin(&c->blocks, c->reader, c->search, c->begin, c->end);
        c->ready = status == NACRE_OK;
        c->base.status = status;
    }
    return c->ready && c->reader->blocks > 0;
}

static int decode_wanted(struct match_cursor *c, const struct key_block *b, uint64_t wanted)
{
    int status = NACRE_OK;
    buffer_clear(&c->keys);
    c->ends[0] = 0;
    key_block_walk_begin(&c->walk, b);
    for (uint32_t i = 0; i < b->count && wanted && key_block_walk_next(&c->walk, &status); i++, wanted >>= 1) {
        if (!(wanted & 1))
            continue;
        status = buffer_append(&c->keys, c->walk.key.data, c->walk.key.size);
        if (status != NACRE_OK)
            break;
        c->index[c->count++] = (uint8_t)i;
        c->ends[c->count] = c->keys.size;
    }
    return status;
}

/* Looks at the block: c->count becomes the number of its wanted keys. */
static int enter_block(struct match_cursor *c, uint32_t block)
{
    struct key_block view;
    uint64_t wanted;
    leave_block(c);
    c->block = block;
    int status = segment_search_look(&c->blocks, block, &view, &wanted);
    if (status != NACRE_OK)
        return status;
    if (wanted)
        status = decode_wanted(c, &view, wanted);
    strings_release_block(&view);
    if (status == NACRE_OK && c->count) {
        status = strings_view_versions(c->reader, block, &c->versions);
        c->has_versions = status == NACRE_OK;
        c->plain = c->has_versions && !(c->reader->flags[block] & BLOCK_HAS_VERSIONS);
        if (c->plain) {
            versions_entry(&c->versions, 0, &c->base.entry);
            c->first = c->version = 0;
            c->after = 1;
        }
    }
    if (status == NACRE_OK && c->search->report)
        c->search->report->matches += c->count;
    if (status != NACRE_OK)
        c->count = 0;
    return status;
}

static nacre_slice key_of(const struct match_cursor *c, uint32_t slot)
{
    return slice_of(c->keys.data + c->ends[slot], c->ends[slot + 1] - c->ends[slot]);
}

static void show(struct match_cursor *c)
{
    versions_entry(&c->versions, c->version, &c->base.entry);
    c->base.entry.key = key_of(c, c->slot);
    c->base.valid = true;
    c->base.status = NACRE_OK;
}

/* The only version there is. */
static inline void stand_plain(struct match_cursor *c, uint32_t slot)
{
    c->slot = slot;
    c->base.entry.key = key_of(c, slot);
    c->base.valid = true;
    c->base.status = NACRE_OK;
}

static void stand_newest(struct match_cursor *c, uint32_t slot)
{
    if (c->plain) {
        stand_plain(c, slot);
        return;
    }
    c->slot = slot;
    versions_of_key(&c->versions, c->index[slot], &c->first, &c->after);
    c->version = c->first;
    show(c);
}

static void stand_oldest(struct match_cursor *c, uint32_t slot)
{
    if (c->plain) {
        stand_plain(c, slot);
        return;
    }
    c->slot = slot;
    versions_of_key(&c->versions, c->index[slot], &c->first, &c->after);
    c->version = c->after - 1;
    show(c);
}

/* The first wanted key of `from` or a later block. */
static void forward_from(struct match_cursor *c, uint32_t from)
{
    int status = NACRE_OK;
    uint32_t block = segment_search_next(&c->blocks, from);
    for (; block < c->reader->blocks; block = segment_search_next(&c->blocks, block + 1)) {
        status = enter_block(c, block);
        if (status != NACRE_OK)
            break;
        if (c->count) {
            stand_newest(c, 0);
            return;
        }
    }
    stop(c, status);
}

/* The last wanted key of `from` or an earlier block. */
static void backward_from(struct match_cursor *c, uint32_t from)
{
    int status = NACRE_OK;
    uint32_t block = 0;
    for (bool any = segment_search_before(&c->blocks, from, &block); any;
         any = block > 0 && segment_search_before(&c->blocks, block - 1, &block)) {
        status = enter_block(c, block);
        if (status != NACRE_OK)
            break;
        if (c->count) {
            stand_oldest(c, c->count - 1);
            return;
        }
    }
    stop(c, status);
}

static void match_first(struct cursor *base)
{
    struct match_cursor *c = self(base);
    if (start(c))
        forward_from(c, 0);
}

static void match_last(struct cursor *base)
{
    struct match_cursor *c = self(base);
    if (start(c))
        backward_from(c, c->reader->blocks - 1);
}

/* The first slot of the block at hand whose key is >= key; c->count when there is none. */
static uint32_t slot_at(const struct match_cursor *c, nacre_slice key)
{
    uint32_t slot = 0;
    while (slot < c->count && slice_compare(key_of(c, slot), key) < 0)
        slot++;
    return slot;
}

/* Where the key would be. False: an error, which the cursor has. */
static bool find_block(struct match_cursor *c, nacre_slice key, uint32_t *block)
{
    uint32_t index;
    bool equal;
    int status = strings_lower_bound(c->reader, key, block, &index, &equal);
    if (status == NACRE_OK && *block < c->reader->blocks &&
        ((c->blocks.words && (c->blocks.some[*block / 64] | c->blocks.all[*block / 64]) >> (*block % 64) & 1)))
        status = enter_block(c, *block);
    if (status != NACRE_OK)
        stop(c, status);
    return status == NACRE_OK;
}

/* The key may be that of this cursor: it is not used once the block at hand was left. */
static bool keep_target(nacre_slice key, struct buffer *kept)
{
    return buffer_append(kept, key.data, key.size) == NACRE_OK;
}

static void match_seek(struct cursor *base, nacre_slice key)
{
    struct match_cursor *c = self(base);
    struct buffer kept = { 0 };
    uint32_t block;
    if (!keep_target(key, &kept)) {
        stop(c, NACRE_NO_MEMORY);
    } else if (start(c) && find_block(c, buffer_slice(&kept), &block)) {
        uint32_t slot = slot_at(c, buffer_slice(&kept));
        if (slot < c->count)
            stand_newest(c, slot);
        else
            forward_from(c, c->count || block < c->reader->blocks ? block + 1 : block);
    }
    buffer_free(&kept);
}

static void match_seek_before(struct cursor *base, nacre_slice key)
{
    struct match_cursor *c = self(base);
    struct buffer kept = { 0 };
    uint32_t block;
    if (!keep_target(key, &kept)) {
        stop(c, NACRE_NO_MEMORY);
    } else if (start(c) && find_block(c, buffer_slice(&kept), &block)) {
        uint32_t slot = slot_at(c, buffer_slice(&kept));
        if (slot > 0)
            stand_oldest(c, slot - 1);
        else if (block > 0)
            backward_from(c, block - 1);
        else
            stop(c, NACRE_OK);
    }
    buffer_free(&kept);
}

static void match_next(struct cursor *base)
{
    struct match_cursor *c = self(base);
    if (c->version + 1 < c->after) {
        c->version++;
        show(c);
    } else if (c->slot + 1 < c->count) {
        stand_newest(c, c->slot + 1);
    } else {
        forward_from(c, c->block + 1);
    }
}

static void match_prev(struct cursor *base)
{
    struct match_cursor *c = self(base);
    if (c->version > c->first) {
        c->version--;
        show(c);
    } else if (c->slot > 0) {
        stand_oldest(c, c->slot - 1);
    } else if (c->block > 0) {
        backward_from(c, c->block - 1);
    } else {
        stop(c, NACRE_OK);
    }
}

static void match_close(struct cursor *base)
{
    struct match_cursor *c = self(base);
    leave_block(c);
    segment_search_end(&c->blocks);
    key_block_walk_end(&c->walk);
    buffer_free(&c->keys);
    memory_free(c);
}

static const struct cursor_ops match_ops = {
    .first = match_first,
    .last = match_last,
    .seek = match_seek,
    .seek_before = match_seek_before,
    .next = match_next,
    .prev = match_prev,
    .close = match_close,
};

int strings_match_cursor(void *reader, struct search *search, nacre_slice begin, nacre_slice end, struct cursor **out)
{
    struct match_cursor *c = memory_zalloc(sizeof *c);
    *out = NULL;
    if (!c)
        return NACRE_NO_MEMORY;
    c->base.ops = &match_ops;
    c->reader = reader;
    c->search = search;
    c->begin = begin;
    c->end = end;
    *out = &c->base;
    return NACRE_OK;
}
