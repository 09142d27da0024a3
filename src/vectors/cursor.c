/* A cursor over one segment of vectors. Each step forward makes a key out of the one before it; a step back makes it anew.
   Invariants:
   1. While `viewed`: `entries` is a view of block `block`; `values` are its raw values once one of them was needed, until then NULL.
   2. While valid: `key` is that of entry `index` of that block.
   3. Without a map, `vectors` is the block of vectors number `vectors_block`, unless that is NO_BLOCK: a pass over all entries keeps none of them in memory.
   One thread at a time; no locks but those of first use. */
#include "base/memory.h"
#include "vectors/keys.h"
#include "vectors/reader.h"

#define NO_BLOCK UINT32_MAX

struct vectors_cursor {
    struct cursor base;
    struct vector_reader *reader;
    struct entry_block entries;
    const uint8_t *values;
    struct pin pin; /* what keeps the values */
    bool viewed;
    uint32_t block, index, vectors_block;
    struct buffer key, scratch;
    const uint8_t *vectors;
};

static void leave_block(struct vectors_cursor *c)
{
    if (c->viewed)
        keys_release(&c->entries);
    pin_release(&c->pin);
    c->values = NULL;
    c->viewed = false;
}

static void stop(struct vectors_cursor *c, int status)
{
    leave_block(c);
    c->base.valid = false;
    c->base.status = status;
}

static int show_value(struct vectors_cursor *c)
{
    const struct entry_block *b = &c->entries;
    uint32_t begin = entry_value_begin(b, c->index), end = entry_value_end(b, c->index);
    c->base.entry.value = slice_of("", 0);
    if (begin == end)
        return NACRE_OK;
    if (!c->values) {
        int status = keys_values(c->reader->keys, c->block, b, &c->values, &c->pin);
        if (status != NACRE_OK)
            return status;
    }
    c->base.entry.value = slice_of(c->values + begin, end - begin);
    return NACRE_OK;
}

static int show_vector(struct vectors_cursor *c)
{
    const struct vector_rows *rows = &c->reader->rows;
    c->base.entry.vector = NULL;
    if (!entry_is_put(&c->entries, c->index))
        return NACRE_OK;
    uint32_t row = entry_row(&c->entries, c->index), block = row >> rows->blocks->shift;
    if (c->reader->segment->map) {
        c->base.entry.vector = vector_row(rows, row);
        return vector_rows_need(rows, row);
    }
    if (block != c->vectors_block) {
        c->vectors_block = NO_BLOCK;
        int status = row_blocks_peek(rows->blocks, block, &c->scratch, &c->vectors);
        if (status != NACRE_OK)
            return status;
        c->vectors_block = block;
    }
    c->base.entry.vector = c->vectors + (row - (block << rows->blocks->shift)) * rows->stride;
    return NACRE_OK;
}

/* `key` has just become that of `index`, with `status`. */
static void stand(struct vectors_cursor *c, int status)
{
    struct entry *e = &c->base.entry;
    if (status == NACRE_OK)
        status = show_value(c);
    if (status == NACRE_OK)
        status = show_vector(c);
    if (__builtin_expect(status != NACRE_OK, 0)) {
        stop(c, status);
        return;
    }
    e->key = buffer_slice(&c->key);
    e->sequence = entry_sequence(&c->entries, c->reader->keys->base_sequence, c->index);
    e->expiry_ms = entry_expiry(&c->entries, c->index);
    e->type = entry_type_of(&c->entries, c->index);
    c->base.valid = true;
    c->base.status = NACRE_OK;
}

static void stand_on(struct vectors_cursor *c, uint32_t index)
{
    c->index = index;
    stand(c, entry_block_key(&c->entries, index, &c->key));
}

static bool enter(struct vectors_cursor *c, uint32_t block)
{
    leave_block(c);
    c->block = block;
    int status = keys_view(c->reader->keys, block, &c->entries);
    c->viewed = status == NACRE_OK;
    if (status != NACRE_OK)
        stop(c, status);
    return c->viewed;
}

/* False when there are no blocks, or they cannot be told. */
static bool begin(struct vectors_cursor *c)
{
    stop(c, keys_need(c->reader->keys));
    return c->base.status == NACRE_OK && c->reader->keys->blocks > 0;
}

static void vectors_first(struct cursor *base)
{
    struct vectors_cursor *c = (struct vectors_cursor *)base;
    if (begin(c) && enter(c, 0))
        stand_on(c, 0);
}

static void vectors_last(struct cursor *base)
{
    struct vectors_cursor *c = (struct vectors_cursor *)base;
    if (begin(c) && enter(c, c->reader->keys->blocks - 1))
        stand_on(c, c->entries.count - 1);
}

/* The target may be the key or value that the cursor stands on: what holds its bytes is let go only when the place is found. */
static int find(struct vectors_cursor *c, nacre_slice key)
{
    struct entry_block b = { 0 };
    uint32_t block = 0, index = 0;
    bool equal;
    int status = keys_need(c->reader->keys);
    if (status == NACRE_OK)
        status = keys_find(c->reader->keys, key, &block, &index, &equal, &b);
    stop(c, status);
    if (status != NACRE_OK)
        return status;
    c->block = block;
    c->index = index;
    c->entries = b;
    c->viewed = block < c->reader->keys->blocks;
    return NACRE_OK;
}

static void vectors_seek(struct cursor *base, nacre_slice key)
{
    struct vectors_cursor *c = (struct vectors_cursor *)base;
    if (find(c, key) == NACRE_OK && c->viewed)
        stand_on(c, c->index);
}

/* From the first entry whose key is not less, one back. */
static void vectors_seek_before(struct cursor *base, nacre_slice key)
{
    struct vectors_cursor *c = (struct vectors_cursor *)base;
    if (find(c, key) != NACRE_OK)
        return;
    if (c->viewed && c->index > 0)
        stand_on(c, c->index - 1);
    else if (c->block == 0)
        stop(c, NACRE_OK);
    else if (enter(c, c->block - 1))
        stand_on(c, c->entries.count - 1);
}

static void vectors_next(struct cursor *base)
{
    struct vectors_cursor *c = (struct vectors_cursor *)base;
    if (__builtin_expect(c->index + 1 < c->entries.count, 1)) {
        c->index++;
        stand(c, entry_block_step(&c->entries, c->index, &c->key));
    } else if (c->block + 1 == c->reader->keys->blocks) {
        stop(c, NACRE_OK);
    } else if (enter(c, c->block + 1)) {
        stand_on(c, 0);
    }
}

static void vectors_prev(struct cursor *base)
{
    struct vectors_cursor *c = (struct vectors_cursor *)base;
    if (c->index > 0)
        stand_on(c, c->index - 1);
    else if (c->block == 0)
        stop(c, NACRE_OK);
    else if (enter(c, c->block - 1))
        stand_on(c, c->entries.count - 1);
}

static void vectors_cursor_close(struct cursor *base)
{
    struct vectors_cursor *c = (struct vectors_cursor *)base;
    leave_block(c);
    buffer_free(&c->key);
    buffer_free(&c->scratch);
    memory_free(c);
}

static const struct cursor_ops vectors_ops = {
    .first = vectors_first,
    .last = vectors_last,
    .seek = vectors_seek,
    .seek_before = vectors_seek_before,
    .next = vectors_next,
    .prev = vectors_prev,
    .close = vectors_cursor_close,
};

int vectors_cursor_create(void *reader, struct cursor **out)
{
    struct vectors_cursor *c = memory_zalloc(sizeof *c);
    *out = NULL;
    if (!c)
        return NACRE_NO_MEMORY;
    c->base.ops = &vectors_ops;
    c->reader = reader;
    c->vectors_block = NO_BLOCK;
    *out = &c->base;
    return NACRE_OK;
}
