/* Verifying a segment of vectors: every byte, and that its parts agree. Everything that the builder derives is derived again and compared.
   One thread at a time per call; other readers may run beside it. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/block_sum.h"
#include "segment/container_format.h"
#include "vectors/index.h"
#include "vectors/keys.h"
#include "vectors/reader.h"

struct verification {
    struct vector_reader *reader;
    struct vector_keys *keys;
    uint32_t block;
    uint32_t entries, rows, key_count, shadowed;
    uint64_t digest, values_digest, last_sequence, greatest_sequence, least_expiry;
    bool goes_on; /* the block before says that its last key does */
    struct buffer key, before, raw;
    struct key_filter_builder filter;
    uint64_t blocks_at, values_at; /* where the areas are done up to */
};

static int wrong(const struct verification *v, const char *what, uint64_t expected, uint64_t found)
{
    return fail(NACRE_CORRUPT, "%s: block %u at %llu: %s: %llu expected, %llu found", v->reader->segment->path,
                v->block, (unsigned long long)v->keys->blocks_begin + keys_block_offset(v->keys, v->block), what,
                (unsigned long long)expected, (unsigned long long)found);
}

static int verify_zeros(struct container *c, uint64_t from, uint64_t to)
{
    struct buffer scratch = { 0 };
    const uint8_t *bytes = NULL;
    int status = container_read(c, from, (size_t)(to - from), &scratch, &bytes);
    for (uint64_t i = 0; status == NACRE_OK && i < to - from; i++)
        if (bytes[i])
            status = fail(NACRE_CORRUPT, "%s: padding at %llu: 0 expected, %u found", c->path,
                          (unsigned long long)(from + i), bytes[i]);
    buffer_free(&scratch);
    return status;
}

/* ---- vectors ---- */

static int verify_vectors(struct vector_reader *r)
{
    struct buffer scratch = { 0 };
    const uint8_t *rows = NULL;
    int status = NACRE_OK;
    for (uint32_t block = 0; block < r->rows.blocks->blocks && status == NACRE_OK; block++)
        status = row_blocks_verify(r->rows.blocks, block, &scratch, &rows);
    buffer_free(&scratch);
    return status;
}

/* ---- entries ---- */

/* The first key of a block against the one before it, and against the fence. */
static int verify_first_key(struct verification *v, const struct entry_block *b)
{
    const struct vector_keys *k = v->keys;
    nacre_slice key = entry_block_first_key(b), before = buffer_slice(&v->before);
    int order = v->block ? slice_compare(before, key) : -1;
    bool newest = entry_is_newest(b, 0);
    if (v->block == 0 && !slice_equal(key, k->least_key))
        return fail(NACRE_CORRUPT, "%s: the first key is not the least key of section VECS", v->reader->segment->path);
    if (order > 0 || (order == 0) == newest)
        return wrong(v, "order of its first key", newest, (uint64_t)(order + 1));
    if (v->goes_on == newest && v->block > 0)
        return wrong(v, "mark that a key goes on", !newest, v->goes_on);
    if (key.size < k->shared || memcmp(b->stream, k->least_key.data, k->shared) != 0)
        return wrong(v, "bytes that all keys begin with", k->shared, key.size);
    uint64_t head = slice_head(slice_of(b->stream + k->shared, key.size - k->shared));
    uint64_t said = load_u64(k->heads + 8 * (size_t)v->block);
    return head == said ? NACRE_OK : wrong(v, "its head in section HEAD", head, said);
}

static int verify_entry(struct verification *v, const struct entry_block *b, uint32_t i)
{
    uint64_t sequence = entry_sequence(b, v->keys->base_sequence, i), expiry = entry_expiry(b, i);
    bool newest = entry_is_newest(b, i);
    if (!newest && sequence >= v->last_sequence)
        return wrong(v, "sequence of an older version, below", v->last_sequence, sequence);
    v->last_sequence = sequence;
    v->entries++;
    if (entry_is_put(b, i)) {
        v->rows++;
        v->shadowed += !newest;
        if (sequence > v->greatest_sequence)
            v->greatest_sequence = sequence;
        if (expiry && (v->least_expiry == 0 || expiry < v->least_expiry))
            v->least_expiry = expiry;
    }
    if (!newest)
        return NACRE_OK;
    v->key_count++;
    return key_filter_add(&v->filter, hash_bytes(v->key.data, v->key.size));
}

static int verify_keys(struct verification *v, const struct entry_block *b)
{
    int status = verify_first_key(v, b);
    for (uint32_t i = 0; i < b->count && status == NACRE_OK; i++) {
        status = entry_block_step(b, i, &v->key);
        if (status == NACRE_OK)
            status = verify_entry(v, b, i);
    }
    v->goes_on = b->flags & ENTRY_BLOCK_GOES_ON;
    buffer_clear(&v->before);
    return status == NACRE_OK ? buffer_append(&v->before, v->key.data, v->key.size) : status;
}

/* Values lie one behind the other in the order of the blocks. */
static int verify_values(struct verification *v, const struct entry_block *b)
{
    uint64_t checksum = 0;
    if (b->values_bytes == 0)
        return NACRE_OK;
    if (b->values_offset != v->values_at)
        return wrong(v, "offset of its values", v->values_at, b->values_offset);
    int status = keys_verify_values(v->keys, b, &checksum);
    uint64_t end = v->values_at + b->values_bytes, aligned = (end + 7) / 8 * 8;
    if (status == NACRE_OK && aligned > v->keys->values_end - v->keys->blocks_end)
        status = wrong(v, "end of its values", v->keys->values_end - v->keys->blocks_end, aligned);
    if (status == NACRE_OK)
        status = verify_zeros(v->reader->segment, v->keys->blocks_end + end, v->keys->blocks_end + aligned);
    v->values_digest = block_digest_add(v->values_digest, checksum);
    v->values_at = aligned;
    return status;
}

static int verify_block(struct verification *v)
{
    struct entry_block b;
    uint64_t checksum = 0;
    int status = keys_verify_block(v->keys, v->block, &v->raw, &b, &checksum);
    v->digest = block_digest_add(v->digest, checksum);
    if (status == NACRE_OK)
        status = verify_keys(v, &b);
    return status == NACRE_OK ? verify_values(v, &b) : status;
}

/* ---- the whole ---- */

static int verify_totals(const struct verification *v)
{
    const struct vector_keys *k = v->keys;
    const char *path = v->reader->segment->path;
    const struct {
        const char *what;
        uint64_t said, found;
    } totals[] = {
        { "entries", k->entries, v->entries },
        { "rows", k->rows, v->rows },
        { "keys", k->keys, v->key_count },
        { "superseded rows", k->shadowed, v->shadowed },
        { "digest of the blocks", k->digest, v->digest },
        { "digest of the values", k->values_digest, v->values_digest },
        { "greatest sequence of a row", k->greatest_sequence, v->greatest_sequence },
        { "least expiry of a row", k->least_expiry, v->least_expiry },
        { "bytes of values", k->values_end - k->blocks_end, v->values_at },
        { "bytes that all keys begin with", k->shared, slice_shared_prefix(k->least_key, k->greatest_key) },
    };
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++)
        if (totals[i].said != totals[i].found)
            return fail(NACRE_CORRUPT, "%s: section VECS: %s: %llu expected, %llu found", path, totals[i].what,
                        (unsigned long long)totals[i].found, (unsigned long long)totals[i].said);
    if (v->goes_on)
        return fail(NACRE_CORRUPT, "%s: the last key goes on behind the last block", path);
    if (!slice_equal(buffer_slice(&v->before), k->greatest_key))
        return fail(NACRE_CORRUPT, "%s: the last key is not the greatest key of section VECS", path);
    return NACRE_OK;
}

/* The same keys make the same bytes. */
static int verify_filter(const struct verification *v)
{
    struct buffer section = { 0 };
    nacre_slice found = { NULL, 0 };
    if (v->keys->blocks == 0)
        return NACRE_OK;
    int status = key_filter_make(&v->filter, &section);
    if (status == NACRE_OK)
        status = container_section(v->reader->segment, "KFIL", &found);
    if (status == NACRE_NOT_FOUND || (status == NACRE_OK && !slice_equal(found, buffer_slice(&section))))
        status = fail(NACRE_CORRUPT, "%s: section KFIL: it is not that of the keys", v->reader->segment->path);
    buffer_free(&section);
    return status;
}

/* The zeros behind the vectors, and those between the values and the first section. */
static int verify_gaps(struct vector_reader *r)
{
    const struct vector_keys *k = r->keys;
    uint64_t rows_end = CONTAINER_HEADER_BYTES + (uint64_t)k->rows * r->rows.stride, first = 0, size = 0;
    int status = verify_zeros(r->segment, rows_end, k->blocks_begin);
    if (status == NACRE_OK)
        status = container_section_bounds(r->segment, k->rows ? "VSUM" : k->blocks ? "HEAD" : "VECS", &first, &size);
    if (status == NACRE_OK && first < k->values_end)
        return fail(NACRE_CORRUPT, "%s: section VECS: the values end at %llu, behind the first section",
                    r->segment->path, (unsigned long long)k->values_end);
    return status == NACRE_OK ? verify_zeros(r->segment, k->values_end, first) : status;
}

static int verify_all(struct verification *v)
{
    struct vector_reader *r = v->reader;
    int status = container_verify(r->segment);
    if (status == NACRE_OK)
        status = keys_need(r->keys);
    if (status == NACRE_OK)
        status = verify_gaps(r);
    if (status == NACRE_OK)
        status = verify_vectors(r);
    for (; status == NACRE_OK && v->block < r->keys->blocks; v->block++)
        status = verify_block(v);
    if (status == NACRE_OK)
        status = verify_totals(v);
    if (status == NACRE_OK)
        status = verify_filter(v);
    return status == NACRE_OK ? index_verify(r) : status;
}

int vectors_verify(void *reader, uint64_t *entries)
{
    struct vector_reader *r = reader;
    struct verification v = { .reader = r, .keys = r->keys };
    int status = verify_all(&v);
    *entries = v.entries;
    buffer_free(&v.key);
    buffer_free(&v.before);
    buffer_free(&v.raw);
    key_filter_builder_free(&v.filter);
    return status;
}
