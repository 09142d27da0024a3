/* Building a side file: each key goes to all parts; string_index.h lists the sections, each part's file has its bytes.
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

struct string_index_builder {
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

int string_index_builder_add(struct string_index_builder *b, nacre_slice key, size_t shared, uint32_t block,
                             uint64_t hash)
{
    int status = signature_builder_add(&b->signatures, key, shared, block);
    if (status == NACRE_OK)
        status = gram_builder_add(b->grams, key, shared, block);
    if (status == NACRE_OK)
        status = literal_builder_add(b->literals, key, shared);
    if (status == NACRE_OK)
        status = tail_builder_add(&b->tails, key);
    if (status == NACRE_OK)
        status = key_filter_add(&b->keys, hash);
    return status == NACRE_OK ? prefix_filter_add(&b->prefixes, key, shared) : status;
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
    int status = signature_section_append(blocks, &part);
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
    uint64_t bytes = sizeof *b + signature_builder_memory(&b->signatures) + gram_builder_memory(b->grams) +
                     literal_builder_memory(b->literals) + b->tails.capacity * sizeof *b->tails.slots +
                     b->keys.capacity * sizeof *b->keys.hashes;
    for (uint32_t i = 0; i < PREFIX_LENGTHS; i++)
        bytes += b->prefixes.part[i].capacity * sizeof *b->prefixes.part[i].hashes;
    return bytes;
}

void string_index_builder_free(struct string_index_builder *b)
{
    if (!b)
        return;
    signature_builder_free(&b->signatures);
    gram_builder_free(b->grams);
    literal_builder_free(b->literals);
    tail_builder_free(&b->tails);
    key_filter_builder_free(&b->keys);
    prefix_filter_builder_free(&b->prefixes);
    memory_free(b);
}
