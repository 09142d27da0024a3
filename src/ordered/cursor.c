/* A cursor over one ordered segment, in place.
   Invariants:
   1. While valid: `view` is the block it stands in (held where the cache owns the bytes), at record `slot` of it.
   2. entry.key points into the block where records have whole keys, else to `key`, whose first view.stripped bytes are the block's shared ones.
   One thread at a time; no locks but those of first use (reader.h). */
#include "base/memory.h"
#include "base/status.h"
#include "ordered/reader.h"

struct ordered_cursor {
    struct cursor base;
    struct ordered_reader *reader;
    struct block_view view;
    uint32_t block, slot;
    uint8_t *key;
    size_t key_capacity;
};

static void stop(struct ordered_cursor *c, int status)
{
    ordered_release_view(&c->view);
    c->base.valid = false;
    c->base.status = status;
}

static bool grow_key(struct ordered_cursor *c, size_t size)
{
    size_t capacity = c->key_capacity ? c->key_capacity : 128;
    while (capacity < size)
        capacity *= 2;
    uint8_t *key = memory_realloc(c->key, capacity);
    if (!key)
        return false;
    c->key = key;
    c->key_capacity = capacity;
    return true;
}

/* A few records ahead of a walk, also over the end of the block: the processor's own guesses begin late and end with each page. */
static inline void prefetch_lines(const uint8_t *at)
{
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
}

static inline void show_record(struct ordered_cursor *c, const uint8_t *at)
{
    struct record rec;
    record_parse(at, c->reader->base_sequence, &rec);
    struct entry *e = &c->base.entry;
    uint32_t stripped = c->view.stripped;
    if (stripped == 0) {
        e->key = (nacre_slice){ rec.key, rec.key_size };
    } else {
        if (unlikely(c->key_capacity < stripped + rec.key_size) && !grow_key(c, stripped + rec.key_size)) {
            stop(c, NACRE_NO_MEMORY);
            return;
        }
        memcpy(c->key + stripped, rec.key, rec.key_size);
        e->key = (nacre_slice){ c->key, stripped + rec.key_size };
    }
    e->value = record_value(&rec);
    e->sequence = rec.sequence;
    e->expiry_ms = rec.expiry_ms;
    e->type = rec.type;
}

/* The view has just become that of c->block. */
static bool entered(struct ordered_cursor *c)
{
    if (c->view.stripped) {
        if (c->key_capacity < c->view.stripped && !grow_key(c, c->view.stripped)) {
            stop(c, NACRE_NO_MEMORY);
            return false;
        }
        memcpy(c->key, c->view.prefix, c->view.stripped);
    }
    return true;
}

/* Leaves the present block for another. */
static bool enter(struct ordered_cursor *c, uint32_t block)
{
    ordered_release_view(&c->view);
    int status = ordered_view_block(c->reader, block, &c->view);
    if (unlikely(status != NACRE_OK)) {
        stop(c, status);
        return false;
    }
    c->block = block;
    return entered(c);
}

static void stand(struct ordered_cursor *c, uint32_t slot)
{
    c->slot = slot;
    c->base.valid = true;
    c->base.status = NACRE_OK;
    show_record(c, c->view.bytes + block_slot(&c->view, slot));
}

/* False when there are no blocks, or the fence cannot be read. */
static bool begin(struct ordered_cursor *c)
{
    stop(c, NACRE_OK);
    c->base.status = ordered_need_fence(c->reader);
    return c->base.status == NACRE_OK && c->reader->fence.blocks > 0;
}

static void ordered_first(struct cursor *base)
{
    struct ordered_cursor *c = (struct ordered_cursor *)base;
    if (begin(c) && enter(c, 0))
        stand(c, 0);
}

static void ordered_last(struct cursor *base)
{
    struct ordered_cursor *c = (struct ordered_cursor *)base;
    if (begin(c) && enter(c, c->reader->fence.blocks - 1))
        stand(c, c->view.count - 1);
}

/* The target may be the key that the cursor stands on: what holds its bytes is let go only when the place is found. */
static bool find(struct ordered_cursor *c, nacre_slice key)
{
    struct cached_block *before = c->view.held;
    c->base.valid = false;
    c->base.status = ordered_lower_bound(c->reader, key, &c->block, &c->slot, &c->view);
    if (before)
        cached_block_release(before);
    return c->base.status == NACRE_OK;
}

/* A walk follows most often: its first lines are asked for while the record itself is looked at. */
static void ordered_seek(struct cursor *base, nacre_slice key)
{
    struct ordered_cursor *c = (struct ordered_cursor *)base;
    if (!find(c, key) || c->block == c->reader->fence.blocks || !entered(c)) {
        return;
    }
    stand(c, c->slot);
    const uint8_t *value = c->base.entry.value.data;
    prefetch_lines(value + 128);
    prefetch_lines(value + 256);
}

/* From the first record that is not less, one back. */
static void ordered_seek_before(struct cursor *base, nacre_slice key)
{
    struct ordered_cursor *c = (struct ordered_cursor *)base;
    if (!find(c, key))
        return;
    if (c->slot > 0) {
        if (entered(c))
            stand(c, c->slot - 1);
    } else if (c->block > 0) {
        if (enter(c, c->block - 1))
            stand(c, c->view.count - 1);
    } else {
        stop(c, NACRE_OK);
    }
}

static void next_block(struct ordered_cursor *c)
{
    uint32_t block = c->block + 1;
    if (block == c->reader->fence.blocks) {
        stop(c, NACRE_OK);
        return;
    }
    if (!enter(c, block))
        return;
    const uint8_t *map = c->reader->map;
    if (map) { /* the block after this one, so that entering it does not wait */
        const uint8_t *ahead = map + fence_offset(&c->reader->fence, block + 1);
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + 64);
    }
    stand(c, 0);
}

static void ordered_next(struct cursor *base)
{
    struct ordered_cursor *c = (struct ordered_cursor *)base;
    if (likely(c->slot + 1 < c->view.count)) {
        /* By its slot, not behind the record before: so the processor can run ahead over records that are not in cache yet. */
        c->slot++;
        const uint8_t *at = c->view.bytes + block_slot(&c->view, c->slot);
        prefetch_lines(at + 320);
        show_record(c, at);
    } else {
        next_block(c);
    }
}

static void ordered_prev(struct cursor *base)
{
    struct ordered_cursor *c = (struct ordered_cursor *)base;
    if (likely(c->slot > 0)) {
        c->slot--;
        const uint8_t *at = c->view.bytes + block_slot(&c->view, c->slot);
        prefetch_lines(at - 320);
        show_record(c, at);
    } else if (c->block == 0) {
        stop(c, NACRE_OK);
    } else if (enter(c, c->block - 1)) {
        stand(c, c->view.count - 1);
    }
}

static void ordered_cursor_close(struct cursor *base)
{
    struct ordered_cursor *c = (struct ordered_cursor *)base;
    ordered_release_view(&c->view);
    memory_free(c->key);
    memory_free(c);
}

static const struct cursor_ops ordered_ops = {
    .first = ordered_first,
    .last = ordered_last,
    .seek = ordered_seek,
    .seek_before = ordered_seek_before,
    .next = ordered_next,
    .prev = ordered_prev,
    .close = ordered_cursor_close,
};

int ordered_cursor_create(void *reader, struct cursor **out)
{
    struct ordered_cursor *c = memory_zalloc(sizeof *c);
    *out = NULL;
    if (!c)
        return NACRE_NO_MEMORY;
    c->base.ops = &ordered_ops;
    c->reader = reader;
    *out = &c->base;
    return NACRE_OK;
}
