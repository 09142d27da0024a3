/* Dumping a strings segment, and samples of its keys. Any thread. */
#include "base/memory.h"
#include "base/status.h"
#include "strings/reader.h"

/* ---- dump ---- */

#define KEY_BYTES_SHOWN 256u /* of a key in a line: it may have a million */

static int append_key(struct buffer *out, nacre_slice key)
{
    size_t shown = key.size < KEY_BYTES_SHOWN ? key.size : KEY_BYTES_SHOWN;
    int status = NACRE_OK;
    for (size_t i = 0; i < shown && status == NACRE_OK; i++)
        status = buffer_append_format(out, "%02x", ((const uint8_t *)key.data)[i]);
    return status == NACRE_OK && shown < key.size ? buffer_append_format(out, "...") : status;
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static int append_versions(struct strings_reader *r, uint32_t block, struct buffer *line)
{
    struct versions_view v;
    uint32_t offset = strings_versions_offset(r, block);
    int status = strings_view_versions(r, block, &v);
    if (status != NACRE_OK)
        return status;
    struct entry newest;
    versions_entry(&v, 0, &newest);
    status = buffer_append_format(line,
                                  ",\"entries\":%u,\"versions_offset\":%u,\"versions_bytes\":%u,\"plain\":%s,"
                                  "\"first_sequence\":%llu}",
                                  v.versions, offset, offset ? strings_block_end(r, block) - offset : 0,
                                  truth(!(r->flags[block] & BLOCK_NOT_PLAIN)), (unsigned long long)newest.sequence);
    strings_release_versions(&v);
    return status;
}

static int dump_block(struct strings_reader *r, uint32_t block, struct buffer *line, struct buffer *key)
{
    struct key_block b;
    int status = strings_view_block(r, block, &b);
    if (status != NACRE_OK)
        return status;
    buffer_clear(line);
    status = buffer_append_format(
        line,
        "{\"block\":%u,\"offset\":%u,\"bytes\":%u,\"rank\":%u,\"keys\":%u,\"shared\":%u,\"wide\":%s,\"ascii\":%s,"
        "\"utf8\":%s,\"first_key\":\"",
        block, strings_block_offset(r, block), strings_keys_end(r, block) - strings_block_offset(r, block),
        strings_block_rank(r, block), b.count, b.shared, truth(b.flags & KEY_BLOCK_WIDE),
        truth(!(b.flags & KEY_BLOCK_NON_ASCII)), truth(!(b.flags & KEY_BLOCK_NOT_UTF8)));
    if (status == NACRE_OK)
        status = key_block_key(&b, 0, key);
    if (status == NACRE_OK)
        status = append_key(line, buffer_slice(key));
    if (status == NACRE_OK)
        status = buffer_append_format(line, "\"");
    strings_release_block(&b);
    return status == NACRE_OK ? append_versions(r, block, line) : status;
}

static int dump_front(struct strings_reader *r, struct buffer *line)
{
    int status = buffer_append_format(line,
                                      "{\"kind\":\"strings\",\"id\":%llu,\"bytes\":%llu,\"blocks\":%u,\"trie_nodes\":%"
                                      "u,\"entries\":%llu,\"keys\":%llu,"
                                      "\"base_sequence\":%llu,\"greatest_sequence\":%llu,\"index\":%s,\"least_key\":\"",
                                      (unsigned long long)r->container->id, (unsigned long long)r->container->bytes,
                                      r->blocks, r->trie.nodes, (unsigned long long)r->entries,
                                      (unsigned long long)r->keys, (unsigned long long)r->base_sequence,
                                      (unsigned long long)r->greatest_sequence, truth(strings_index(r)));
    if (status == NACRE_OK)
        status = append_key(line, r->least_key);
    if (status == NACRE_OK)
        status = buffer_append_format(line, "\",\"greatest_key\":\"");
    if (status == NACRE_OK)
        status = append_key(line, r->greatest_key);
    return status == NACRE_OK ? buffer_append_format(line, "\"}") : status;
}

int strings_dump(void *reader, void (*print)(void *context, const char *json), void *context)
{
    struct strings_reader *r = reader;
    struct buffer line = { 0 }, key = { 0 };
    int status = strings_need(r);
    if (status == NACRE_OK)
        status = dump_front(r, &line);
    if (status == NACRE_OK)
        print(context, (const char *)line.data);
    for (uint32_t block = 0; status == NACRE_OK && block < r->blocks; block++) {
        status = dump_block(r, block, &line, &key);
        if (status == NACRE_OK)
            print(context, (const char *)line.data);
    }
    buffer_free(&line);
    buffer_free(&key);
    return status;
}

/* ---- samples ---- */

/* The key at a place in the order of all: the block is found by halving. */
static int append_key_at(struct strings_reader *r, uint32_t rank, struct buffer *key, struct buffer *keys)
{
    uint32_t low = 0, high = r->blocks;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (strings_block_rank(r, middle) <= rank)
            low = middle;
        else
            high = middle;
    }
    struct key_block b;
    int status = strings_view_block(r, low, &b);
    if (status != NACRE_OK)
        return status;
    status = key_block_key(&b, rank - strings_block_rank(r, low), key);
    strings_release_block(&b);
    return status == NACRE_OK ? buffer_append_slice(keys, buffer_slice(key)) : status;
}

int strings_sample_keys(void *reader, size_t count, struct buffer *keys, size_t *made)
{
    struct strings_reader *r = reader;
    struct buffer key = { 0 };
    *made = 0;
    int status = strings_need(r);
    uint64_t last = 0;
    for (size_t i = 1; i <= count && status == NACRE_OK; i++) {
        uint64_t rank = r->keys * i / (count + 1);
        if (rank == last) /* the least key cuts nothing off, and none is told twice */
            continue;
        status = append_key_at(r, (uint32_t)rank, &key, keys);
        last = rank;
        if (status == NACRE_OK)
            ++*made;
    }
    buffer_free(&key);
    return status;
}
