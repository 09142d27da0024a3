/* A cursor over one strings segment. Each step forward makes a key out of the one before it, each step back out of the one behind it.
   Invariants:
   1. While `viewed`: `keys` and `versions` are views of block `block`.
   2. While valid: `key` is key `index` of that block, whose bytes begin at `at` in the stream; the cursor stands on `version`, one of [first, after).
   One thread at a time; no locks but those of first use (reader.h). */
#include "base/memory.h"
#include "base/status.h"
#include "strings/reader.h"

struct strings_cursor {
    struct cursor base;
    struct strings_reader *reader;
    struct key_block keys;
    struct versions_view versions;
    bool viewed;
    uint32_t block, index, at;
    uint32_t version, first, after;
    struct buffer key;
};

static void leave_block(struct strings_cursor *c)
{
    if (c->viewed) {
        strings_release_block(&c->keys);
        strings_release_versions(&c->versions);
    }
    c->viewed = false;
}

static void stop(struct strings_cursor *c, int status)
{
    leave_block(c);
    c->base.valid = false;
    c->base.status = status;
}

static inline void show_version(struct strings_cursor *c, uint32_t version)
{
    c->version = version;
    versions_entry(&c->versions, version, &c->base.entry);
}

/* `key` has just become that of `index`, with `status`. */
static inline void stand(struct strings_cursor *c, int status, bool newest)
{
    if (__builtin_expect(status != NACRE_OK, 0)) {
        stop(c, status);
        return;
    }
    versions_of_key(&c->versions, c->index, &c->first, &c->after);
    show_version(c, newest ? c->first : c->after - 1);
    c->base.entry.key = buffer_slice(&c->key);
    c->base.valid = true;
    c->base.status = NACRE_OK;
}

/* The view of the keys has just become that of c->block. */
static bool entered(struct strings_cursor *c, int status)
{
    c->viewed = status == NACRE_OK;
    if (status == NACRE_OK) {
        status = strings_view_versions(c->reader, c->block, &c->versions);
        if (status != NACRE_OK) {
            strings_release_block(&c->keys);
            c->viewed = false;
        }
    }
    if (__builtin_expect(status != NACRE_OK, 0))
        stop(c, status);
    return status == NACRE_OK;
}

static bool enter(struct strings_cursor *c, uint32_t block)
{
    leave_block(c);
    c->block = block;
    return entered(c, strings_view_block(c->reader, block, &c->keys));
}

static void stand_on_first(struct strings_cursor *c)
{
    c->index = 0;
    c->at = 0;
    stand(c, key_block_step(&c->keys, 0, 0, &c->key), true);
}

/* On a key of the block that is in view. */
static void stand_on(struct strings_cursor *c, uint32_t index, bool newest)
{
    c->index = index;
    c->at = key_block_at(&c->keys, index);
    stand(c, key_block_key(&c->keys, index, &c->key), newest);
}

/* False when there are no blocks, or the directory cannot be read. */
static bool begin(struct strings_cursor *c)
{
    stop(c, strings_need(c->reader));
    return c->base.status == NACRE_OK && c->reader->blocks > 0;
}

static void strings_first(struct cursor *base)
{
    struct strings_cursor *c = (struct strings_cursor *)base;
    if (begin(c) && enter(c, 0))
        stand_on_first(c);
}

static void strings_last(struct cursor *base)
{
    struct strings_cursor *c = (struct strings_cursor *)base;
    if (begin(c) && enter(c, c->reader->blocks - 1))
        stand_on(c, c->keys.count - 1, false);
}

/* The target may be the key or value that the cursor stands on: what holds its bytes is let go only when the place is found. False when there is no
   key that is not less, or no place can be told; c->block is the number of blocks in the first case. */
static bool find(struct strings_cursor *c, nacre_slice key, int *status)
{
    struct key_block keys;
    uint32_t block = 0, index = 0;
    bool equal;
    *status = strings_need(c->reader);
    if (*status == NACRE_OK)
        *status = strings_find(c->reader, key, &block, &index, &equal, &keys);
    stop(c, *status);
    if (*status != NACRE_OK)
        return false;
    c->block = block;
    c->index = index;
    c->keys = keys;
    return block < c->reader->blocks && entered(c, NACRE_OK);
}

static void strings_seek(struct cursor *base, nacre_slice key)
{
    struct strings_cursor *c = (struct strings_cursor *)base;
    int status;
    if (find(c, key, &status))
        stand_on(c, c->index, true);
}

/* From the first key that is not less, one back. */
static void strings_seek_before(struct cursor *base, nacre_slice key)
{
    struct strings_cursor *c = (struct strings_cursor *)base;
    int status;
    bool found = find(c, key, &status);
    if (status != NACRE_OK || (!found && c->base.status != NACRE_OK))
        return;
    if (found && c->index > 0)
        stand_on(c, c->index - 1, false);
    else if (c->block == 0)
        stop(c, NACRE_OK);
    else if (enter(c, c->block - 1))
        stand_on(c, c->keys.count - 1, false);
}

static void next_block(struct strings_cursor *c)
{
    uint32_t block = c->block + 1;
    if (block == c->reader->blocks)
        stop(c, NACRE_OK);
    else if (enter(c, block))
        stand_on_first(c);
}

static void strings_next(struct cursor *base)
{
    struct strings_cursor *c = (struct strings_cursor *)base;
    if (c->version + 1 < c->after) {
        show_version(c, c->version + 1);
    } else if (__builtin_expect(c->index + 1 < c->keys.count, 1)) {
        c->at += key_block_len(&c->keys, c->index++);
        stand(c, key_block_step(&c->keys, c->index, c->at, &c->key), true);
    } else {
        next_block(c);
    }
}

static void strings_prev(struct cursor *base)
{
    struct strings_cursor *c = (struct strings_cursor *)base;
    if (c->version > c->first) {
        show_version(c, c->version - 1);
    } else if (c->index > 0) {
        int status = key_block_step_back(&c->keys, c->index, &c->at, &c->key);
        c->index--;
        stand(c, status, false);
    } else if (c->block == 0) {
        stop(c, NACRE_OK);
    } else if (enter(c, c->block - 1)) {
        stand_on(c, c->keys.count - 1, false);
    }
}

static void strings_cursor_close(struct cursor *base)
{
    struct strings_cursor *c = (struct strings_cursor *)base;
    leave_block(c);
    buffer_free(&c->key);
    memory_free(c);
}

static const struct cursor_ops strings_ops = {
    .first = strings_first,
    .last = strings_last,
    .seek = strings_seek,
    .seek_before = strings_seek_before,
    .next = strings_next,
    .prev = strings_prev,
    .close = strings_cursor_close,
};

int strings_cursor_create(void *reader, struct cursor **out)
{
    struct strings_cursor *c = memory_zalloc(sizeof *c);
    *out = NULL;
    if (!c)
        return NACRE_NO_MEMORY;
    c->base.ops = &strings_ops;
    c->reader = reader;
    *out = &c->base;
    return NACRE_OK;
}
