/* Dumping a segment of vectors, and samples of its keys. Any thread. */
#include "vectors/keys.h"
#include "vectors/reader.h"

/* ---- dump ---- */

#define KEY_BYTES_SHOWN 256u /* of a key in a line */

static int append_key(struct buffer *out, nacre_slice key)
{
    size_t shown = key.size < KEY_BYTES_SHOWN ? key.size : KEY_BYTES_SHOWN;
    int status = NACRE_OK;
    for (size_t i = 0; i < shown && status == NACRE_OK; i++)
        status = buffer_append_format(out, "%02x", ((const uint8_t *)key.data)[i]);
    return status == NACRE_OK && shown < key.size ? buffer_append_format(out, "...") : status;
}

static const char *metric_name(nacre_metric metric)
{
    return metric == NACRE_L2 ? "l2" : metric == NACRE_COSINE ? "cosine" : "dot";
}

static int dump_front(struct vector_reader *r, struct buffer *line)
{
    const struct vector_keys *k = r->keys;
    int status = buffer_append_format(
        line,
        "{\"kind\":\"vectors\",\"id\":%llu,\"bytes\":%llu,\"dimension\":%u,\"metric\":\"%s\",\"rows\":%u,"
        "\"entries\":%u,\"keys\":%u,\"superseded\":%u,\"blocks\":%u,\"vector_blocks\":%u,\"base_sequence\":%llu,"
        "\"greatest_sequence\":%llu,\"index\":%s,\"least_key\":\"",
        (unsigned long long)r->segment->id, (unsigned long long)r->segment->bytes, r->rows.dimension,
        metric_name(r->rows.metric), k->rows, k->entries, k->keys, k->shadowed, k->blocks, r->rows.blocks->blocks,
        (unsigned long long)k->base_sequence, (unsigned long long)k->greatest_sequence,
        vectors_index_is_good(r) ? "true" : "false");
    if (status == NACRE_OK)
        status = append_key(line, k->least_key);
    if (status == NACRE_OK)
        status = buffer_append_format(line, "\",\"greatest_key\":\"");
    if (status == NACRE_OK)
        status = append_key(line, k->greatest_key);
    return status == NACRE_OK ? buffer_append_format(line, "\"}") : status;
}

static int dump_block(struct vector_reader *r, uint32_t block, struct buffer *line)
{
    struct vector_keys *k = r->keys;
    struct entry_block b;
    int status = keys_view(k, block, &b);
    if (status != NACRE_OK)
        return status;
    buffer_clear(line);
    status = buffer_append_format(line,
                                  "{\"block\":%u,\"offset\":%llu,\"bytes\":%u,\"row\":%u,\"rows\":%d,\"entries\":%u,"
                                  "\"values_offset\":%llu,\"values_bytes\":%u,\"first_sequence\":%llu,\"first_key\":\"",
                                  block, (unsigned long long)k->blocks_begin + keys_block_offset(k, block),
                                  keys_block_offset(k, block + 1) - keys_block_offset(k, block), b.first_row,
                                  __builtin_popcount(b.puts), b.count,
                                  b.values_bytes ? (unsigned long long)k->blocks_end + b.values_offset : 0,
                                  b.values_bytes, (unsigned long long)entry_sequence(&b, k->base_sequence, 0));
    if (status == NACRE_OK)
        status = append_key(line, entry_block_first_key(&b));
    keys_release(&b);
    return status == NACRE_OK ? buffer_append_format(line, "\"}") : status;
}

int vectors_dump(void *reader, void (*print)(void *context, const char *json), void *context)
{
    struct vector_reader *r = reader;
    struct buffer line = { 0 };
    int status = keys_need(r->keys);
    if (status == NACRE_OK)
        status = dump_front(r, &line);
    if (status == NACRE_OK)
        print(context, (const char *)line.data);
    for (uint32_t block = 0; status == NACRE_OK && block < r->keys->blocks; block++) {
        status = dump_block(r, block, &line);
        if (status == NACRE_OK)
            print(context, (const char *)line.data);
    }
    buffer_free(&line);
    return status;
}

/* ---- samples ---- */

/* The key at a part of the order of all, in 2^-32 of it: as if all blocks had as many entries. */
static int key_at(struct vector_keys *k, uint64_t part, struct buffer *key)
{
    uint64_t place = part * k->blocks;
    uint32_t block = (uint32_t)(place >> 32);
    struct entry_block b;
    int status = keys_view(k, block, &b);
    if (status != NACRE_OK)
        return status;
    status = entry_block_key(&b, (uint32_t)((place & UINT32_MAX) * b.count >> 32), key);
    keys_release(&b);
    return status;
}

int vectors_sample_keys(void *reader, size_t count, struct buffer *keys, size_t *made)
{
    struct vector_keys *k = ((struct vector_reader *)reader)->keys;
    struct buffer key = { 0 }, last = { 0 };
    *made = 0;
    int status = keys_need(k);
    if (status == NACRE_OK)
        status = buffer_append(&last, k->least_key.data, k->least_key.size); /* it would cut nothing off */
    for (size_t i = 1; i <= count && status == NACRE_OK && k->blocks; i++) {
        status = key_at(k, (uint64_t)((double)i / ((double)count + 1) * 0x1p32), &key);
        if (status != NACRE_OK || slice_equal(buffer_slice(&key), buffer_slice(&last)))
            continue;
        status = buffer_append_slice(keys, buffer_slice(&key));
        *made += status == NACRE_OK;
        struct buffer swapped = last;
        last = key;
        key = swapped;
    }
    buffer_free(&key);
    buffer_free(&last);
    return status;
}
