/* Building a side file: each key goes to all parts; string_index.h lists the sections, each part's file has its bytes.

   Keys are gathered in batches that each part takes at once: what a part needs is then in the cache for a hundred keys, not for one.
   One thread; no locks. */
#include "base/memory.h"
#include "base/status.h"
#include "filter/key_filter.h"
#include "filter/prefix_filter.h"
#include "strings/gram_builder.h"
#include "strings/literal_counts.h"
#include "strings/signature_builder.h"
#include "strings/signature_section.h"
#include "strings/string_index.h"
#include "strings/tail_index.h"

#define BATCH_KEYS  128u
#define BATCH_BYTES (64u << 10) /* a batch is taken before it would grow past it */
#define TAILS_AHEAD 8u          /* keys whose tails are fetched before they are counted */

struct batch {
    struct buffer bytes; /* of all keys, back to back */
    struct batch_key {
        size_t begin, size, shared;
        uint64_t hash;
        uint32_t block;
    } keys[BATCH_KEYS];
    uint32_t count;
};

struct string_index_builder {
    struct batch batch;
    struct signature_builder signatures;
    struct gram_builder *grams;
    struct literal_builder *literals;
    struct tail_builder tails;
    struct key_filter_builder keys;
    struct prefix_filter_builder prefixes;
};

int string_index_builder_create(uint64_t expected_keys, struct string_index_builder **out)
{
    *out = NULL;
    struct string_index_builder *b = memory_zalloc(sizeof *b);
    if (!b)
        return NACRE_NO_MEMORY;
    signature_builder_begin(&b->signatures);
    int status = gram_builder_create(&b->grams);
    if (status == NACRE_OK)
        status = literal_builder_create(&b->literals);
    if (status == NACRE_OK && expected_keys)
        status = key_filter_reserve(&b->keys, (size_t)expected_keys);
    if (status != NACRE_OK) {
        string_index_builder_free(b);
        return status;
    }
    *out = b;
    return NACRE_OK;
}

static nacre_slice key_of(const struct batch *batch, uint32_t i)
{
    return slice_of(batch->bytes.data + batch->keys[i].begin, batch->keys[i].size);
}

static int take_tails(struct string_index_builder *b)
{
    const struct batch *batch = &b->batch;
    int status = NACRE_OK;
    for (uint32_t i = 0; i < batch->count && status == NACRE_OK; i++) {
        if (i + TAILS_AHEAD < batch->count)
            tail_builder_prefetch(&b->tails, key_of(batch, i + TAILS_AHEAD));
        status = tail_builder_add(&b->tails, key_of(batch, i));
    }
    return status;
}

static int take_batch(struct string_index_builder *b)
{
    struct batch *batch = &b->batch;
    const struct batch_key *keys = batch->keys;
    const uint32_t count = batch->count;
    int status = NACRE_OK;
    for (uint32_t i = 0; i < count && status == NACRE_OK; i++)
        status = signature_builder_add(&b->signatures, key_of(batch, i), keys[i].shared, keys[i].block);
    for (uint32_t i = 0; i < count && status == NACRE_OK; i++)
        status = gram_builder_add(b->grams, key_of(batch, i), keys[i].shared, keys[i].block);
    for (uint32_t i = 0; i < count && status == NACRE_OK; i++)
        status = literal_builder_add(b->literals, key_of(batch, i), keys[i].shared);
    if (status == NACRE_OK)
        status = take_tails(b);
    for (uint32_t i = 0; i < count && status == NACRE_OK; i++)
        status = key_filter_add(&b->keys, keys[i].hash);
    for (uint32_t i = 0; i < count && status == NACRE_OK; i++)
        status = prefix_filter_add(&b->prefixes, key_of(batch, i), keys[i].shared);
    batch->count = 0;
    buffer_clear(&batch->bytes);
    return status;
}

int string_index_builder_add(struct string_index_builder *b, nacre_slice key, size_t shared, uint32_t block,
                             uint64_t hash)
{
    struct batch *batch = &b->batch;
    int status = NACRE_OK;
    if (batch->count == BATCH_KEYS || (batch->count && batch->bytes.size + key.size > BATCH_BYTES))
        status = take_batch(b);
    size_t begin = batch->bytes.size;
    if (status == NACRE_OK)
        status = buffer_append(&batch->bytes, key.data, key.size);
    if (status == NACRE_OK)
        batch->keys[batch->count++] = (struct batch_key){ begin, key.size, shared, hash, block };
    return status;
}

/* Writes what was made and empties the buffer; nothing where nothing was made. */
static int write_part(struct container_writer *out, const char name[4], struct buffer *part)
{
    int status = part->size ? container_write_section(out, name, buffer_slice(part)) : NACRE_OK;
    buffer_clear(part);
    return status;
}

int string_index_builder_write(struct string_index_builder *b, uint32_t blocks, struct container_writer *out)
{
    struct buffer part = { 0 };
    int status = take_batch(b);
    if (status == NACRE_OK)
        status = signature_section_append(blocks, &part);
    if (status == NACRE_OK)
        status = signature_builder_make(&b->signatures, blocks, &part);
    if (status == NACRE_OK)
        status = write_part(out, "SGNT", &part);
    if (status == NACRE_OK)
        status = gram_builder_write(b->grams, blocks, b->tails.keys, out);
    if (status == NACRE_OK)
        status = literal_builder_make(b->literals, b->grams, &part);
    if (status == NACRE_OK)
        status = write_part(out, "GCNT", &part);
    if (status == NACRE_OK)
        status = tail_builder_make(&b->tails, &part);
    if (status == NACRE_OK)
        status = write_part(out, "TAIL", &part);
    if (status == NACRE_OK)
        status = key_filter_make(&b->keys, &part);
    if (status == NACRE_OK)
        status = write_part(out, "KFIL", &part);
    if (status == NACRE_OK)
        status = prefix_filter_make(&b->prefixes, &part);
    if (status == NACRE_OK)
        status = write_part(out, "PFIX", &part);
    buffer_free(&part);
    return status;
}

uint64_t string_index_builder_memory(const struct string_index_builder *b)
{
    uint64_t bytes = sizeof *b + b->batch.bytes.capacity + signature_builder_memory(&b->signatures) +
                     gram_builder_memory(b->grams) + literal_builder_memory(b->literals) +
                     b->tails.capacity * sizeof *b->tails.slots + b->keys.capacity * sizeof *b->keys.hashes;
    for (uint32_t i = 0; i < PREFIX_LENGTHS; i++)
        bytes += b->prefixes.part[i].capacity * sizeof *b->prefixes.part[i].hashes;
    return bytes;
}

void string_index_builder_free(struct string_index_builder *b)
{
    if (!b)
        return;
    buffer_free(&b->batch.bytes);
    signature_builder_free(&b->signatures);
    gram_builder_free(b->grams);
    literal_builder_free(b->literals);
    tail_builder_free(&b->tails);
    key_filter_builder_free(&b->keys);
    prefix_filter_builder_free(&b->prefixes);
    memory_free(b);
}
