/* Opening a segment of vectors, and the calls that need no entry. reader.h says what a segment is, keys.h and row_blocks.h have the bytes. Any thread. */
#include "vectors/reader.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/container_format.h"
#include "vectors/index.h"
#include "vectors/keys.h"

int vectors_open(struct container *c, struct block_cache *cache, void **out)
{
    *out = NULL;
    struct vector_reader *r = memory_zalloc(sizeof *r);
    if (!r)
        return NACRE_NO_MEMORY;
    struct vector_description d = { 0 };
    atomic_init(&r->graph, NULL);
    r->segment = c;
    int status = keys_open(c, cache, &d, &r->keys);
    if (status == NACRE_OK) {
        r->entries = r->keys->entries;
        r->rows = (struct vector_rows){
            .stride = 4 * (size_t)d.dimension, .count = r->keys->rows, .dimension = d.dimension, .metric = d.metric
        };
        status = row_blocks_open(c, CONTAINER_HEADER_BYTES, r->rows.count, r->rows.stride, &r->rows.blocks);
    }
    if (status != NACRE_OK) {
        vectors_close(r);
        return status;
    }
    r->rows.vectors = row_blocks_vectors(r->rows.blocks);
    *out = r;
    return NACRE_OK;
}

void vectors_close(void *reader)
{
    struct vector_reader *r = reader;
    index_close(r);
    filter_memory_free(r->filters);
    row_blocks_close(r->rows.blocks);
    keys_close(r->keys);
    memory_free(r);
}

void vectors_give_sequence(void *reader, uint64_t sequence)
{
    struct vector_keys *k = ((struct vector_reader *)reader)->keys;
    k->base_sequence = k->greatest_sequence = sequence; /* settled entries are 0 away from it */
}

void vectors_prefetch(const void *reader, const struct lookup *lookup)
{
    const struct vector_reader *r = reader;
    /* Pairs with keys_may_have. */
    if (atomic_load_explicit(&r->keys->filter_ready, memory_order_acquire))
        key_filter_prefetch(&r->keys->filter, lookup->hash);
}

bool vectors_may_have_key(void *reader, const struct lookup *lookup)
{
    struct vector_reader *r = reader;
    return keys_may_have(r->keys, lookup);
}

bool vectors_may_have_prefix(void *reader, nacre_slice prefix)
{
    const struct vector_keys *k = ((struct vector_reader *)reader)->keys;
    if (k->entries == 0 || slice_compare(k->greatest_key, prefix) < 0)
        return false;
    return slice_compare(k->least_key, prefix) <= 0 || slice_has_prefix(k->least_key, prefix);
}

uint64_t vectors_memory(const void *reader)
{
    const struct vector_reader *r = reader;
    return sizeof *r + keys_memory(r->keys) + row_blocks_memory(r->rows.blocks) + index_memory(r) +
           filter_memory_bytes(r->filters);
}

bool reader_all_rows_count(const struct vector_reader *r, uint64_t snapshot, uint64_t now_ms)
{
    const struct vector_keys *k = r->keys;
    return k->shadowed == 0 && k->greatest_sequence <= snapshot && (k->least_expiry == 0 || k->least_expiry > now_ms);
}
