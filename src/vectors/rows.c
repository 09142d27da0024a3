/* What is asked of a segment of vectors by row: keys, versions, values. reader.h has the calls. Any thread. */
#include "base/status.h"
#include "vectors/keys.h"
#include "vectors/reader.h"

/* A row's place among the entries. The view is to be released. */
static int find_row(struct vector_reader *r, uint32_t row, uint32_t *block, uint32_t *index, struct entry_block *b)
{
    struct vector_keys *k = r->keys;
    int status = keys_need(k);
    if (status != NACRE_OK)
        return status;
    if (row >= k->rows)
        return fail(NACRE_INVALID, "%s: row %u of %u", r->segment->path, row, k->rows);
    *block = keys_block_of_row(k, row);
    status = keys_view(k, *block, b);
    if (status == NACRE_OK)
        *index = entry_of_row(b, row);
    return status;
}

/* Of the last entry of a block. */
static int last_sequence(struct vector_keys *k, uint32_t block, uint64_t *sequence)
{
    struct entry_block b;
    int status = keys_view(k, block, &b);
    if (status != NACRE_OK)
        return status;
    *sequence = entry_sequence(&b, k->base_sequence, b.count - 1);
    keys_release(&b);
    return NACRE_OK;
}

int reader_row_version(struct vector_reader *r, uint32_t row, struct row_version *version)
{
    struct vector_keys *k = r->keys;
    struct entry_block b;
    uint32_t block, i;
    int status = find_row(r, row, &block, &i, &b);
    if (status != NACRE_OK)
        return status;
    bool is_last = i + 1 == b.count;
    *version =
        (struct row_version){ .sequence = entry_sequence(&b, k->base_sequence, i),
                              .expiry_ms = entry_expiry(&b, i),
                              .shadowed_below = is_last ? b.flags & ENTRY_BLOCK_GOES_ON : !entry_is_newest(&b, i + 1) };
    if (!entry_is_newest(&b, i)) {
        if (i > 0)
            version->shadowed_by = entry_sequence(&b, k->base_sequence, i - 1);
        else if (block > 0)
            status = last_sequence(k, block - 1, &version->shadowed_by);
    }
    keys_release(&b);
    return status;
}

int reader_row_key(struct vector_reader *r, uint32_t row, struct buffer *key)
{
    struct entry_block b;
    uint32_t block, i;
    int status = find_row(r, row, &block, &i, &b);
    if (status != NACRE_OK)
        return status;
    status = entry_block_key(&b, i, key);
    keys_release(&b);
    return status;
}

int reader_row_value(struct vector_reader *r, uint32_t row, struct entry *e, struct pin *pin)
{
    struct entry_block b;
    uint32_t block, i;
    *pin = (struct pin){ NULL, NULL };
    int status = find_row(r, row, &block, &i, &b);
    if (status != NACRE_OK)
        return status;
    e->type = entry_type_of(&b, i);
    status = keys_value(r->keys, block, &b, i, &e->value, pin);
    keys_release(&b);
    return status;
}

int vectors_row_entry(void *reader, uint32_t row, struct entry *e, struct buffer *key, struct pin *pin)
{
    struct vector_reader *r = reader;
    struct entry_block b;
    uint32_t block, i;
    *pin = (struct pin){ NULL, NULL };
    int status = find_row(r, row, &block, &i, &b);
    if (status != NACRE_OK)
        return status;
    *e = (struct entry){ .sequence = entry_sequence(&b, r->keys->base_sequence, i),
                         .expiry_ms = entry_expiry(&b, i),
                         .type = entry_type_of(&b, i) };
    status = entry_block_key(&b, i, key);
    if (status == NACRE_OK)
        status = vector_rows_need(&r->rows, row);
    if (status == NACRE_OK)
        status = keys_value(r->keys, block, &b, i, &e->value, pin);
    keys_release(&b);
    e->key = buffer_slice(key);
    e->vector = vector_row(&r->rows, row);
    return status;
}

/* The rows of [*row, end) that lie in the block. False: no more are wanted, or *status says why not. */
static bool visit_block(const struct entry_block *b, uint32_t *row, uint32_t end,
                        bool (*visit)(void *context, uint32_t row, nacre_slice key), void *context, struct buffer *key,
                        int *status)
{
    uint32_t i = entry_of_row(b, *row);
    for (*status = entry_block_key(b, i, key); *status == NACRE_OK; *status = entry_block_step(b, i, key)) {
        if (entry_is_put(b, i) && !visit(context, (*row)++, buffer_slice(key)))
            return false;
        if (*row == end)
            return false;
        if (++i == b->count)
            return true;
    }
    return false;
}

int reader_visit_keys(struct vector_reader *r, uint32_t begin, uint32_t end,
                      bool (*visit)(void *context, uint32_t row, nacre_slice key), void *context)
{
    struct vector_keys *k = r->keys;
    struct buffer key = { 0 };
    int status = keys_need(k);
    bool more = status == NACRE_OK && begin < end && end <= k->rows;
    for (uint32_t row = begin, block = more ? keys_block_of_row(k, begin) : 0; more; block++) {
        struct entry_block b;
        if (keys_block_row(k, block + 1) == row) /* all of its entries are deletes */
            continue;
        status = keys_view(k, block, &b);
        if (status != NACRE_OK)
            break;
        more = visit_block(&b, &row, end, visit, context, &key, &status);
        keys_release(&b);
    }
    buffer_free(&key);
    return status;
}

/* The first row whose key is not less. */
static int first_row(struct vector_reader *r, nacre_slice key, uint32_t *row)
{
    struct vector_keys *k = r->keys;
    struct entry_block b;
    uint32_t block, index;
    bool equal;
    int status = keys_find(k, key, &block, &index, &equal, &b);
    if (status != NACRE_OK)
        return status;
    *row = block < k->blocks ? entry_row(&b, index) : k->rows;
    keys_release(&b);
    return NACRE_OK;
}

int reader_row_range(struct vector_reader *r, nacre_slice begin, nacre_slice end, uint32_t *first, uint32_t *after)
{
    int status = keys_need(r->keys);
    *first = 0;
    *after = r->keys->rows;
    if (status == NACRE_OK && begin.size)
        status = first_row(r, begin, first);
    if (status == NACRE_OK && end.size)
        status = first_row(r, end, after);
    if (status == NACRE_OK && *after < *first)
        *after = *first;
    return status;
}
