/* Point reads of a segment of vectors: the filter, the fence, a search of one block, and the value where it has one. Any thread; no locks but those of first use
   (keys.h, row_blocks.h). */
#include "vectors/keys.h"
#include "vectors/reader.h"

/* The newest version that counts, from its key's newest one on, which the view stands on. */
static int find_version(struct vector_keys *k, uint64_t snapshot, uint32_t *block, uint32_t *index,
                        struct entry_block *b)
{
    while (entry_sequence(b, k->base_sequence, *index) > snapshot) {
        if (++*index == b->count) {
            bool goes_on = b->flags & ENTRY_BLOCK_GOES_ON;
            if (!goes_on || *block + 1 == k->blocks)
                return NACRE_NOT_FOUND;
            keys_release(b);
            *b = (struct entry_block){ 0 };
            *index = 0;
            int status = keys_view(k, ++*block, b);
            if (status != NACRE_OK)
                return status;
        }
        if (entry_is_newest(b, *index)) /* another key */
            return NACRE_NOT_FOUND;
    }
    return NACRE_OK;
}

static int give(struct vector_reader *r, uint32_t block, const struct entry_block *b, uint32_t i, struct entry *e,
                struct pin *pin)
{
    e->sequence = entry_sequence(b, r->keys->base_sequence, i);
    e->expiry_ms = entry_expiry(b, i);
    e->type = entry_type_of(b, i);
    e->vector = NULL;
    if (entry_sets(e)) {
        uint32_t row = entry_row(b, i);
        int status = vector_rows_need(&r->rows, row);
        if (status != NACRE_OK)
            return status;
        e->vector = vector_row(&r->rows, row);
    }
    return keys_value(r->keys, block, b, i, &e->value, pin);
}

int vectors_get(void *reader, const struct lookup *lookup, struct entry *e, struct pin *pin)
{
    struct vector_reader *r = reader;
    struct vector_keys *k = r->keys;
    struct entry_block b;
    uint32_t block, index;
    bool equal;
    *pin = (struct pin){ NULL, NULL };
    bool may_have = keys_may_have(k, lookup);
    lookup_note_filter(lookup, may_have);
    if (!may_have)
        return NACRE_NOT_FOUND;
    int status = keys_need(k);
    if (status == NACRE_OK)
        status = keys_find(k, lookup->key, &block, &index, &equal, &b);
    if (status != NACRE_OK)
        return status;
    status = equal ? find_version(k, lookup->snapshot, &block, &index, &b) : NACRE_NOT_FOUND;
    if (status == NACRE_OK) {
        e->key = lookup->key;
        status = give(r, block, &b, index, e, pin);
    }
    keys_release(&b);
    return status;
}
