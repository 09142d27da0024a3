/* Building a strings segment, and the side file of one that exists.
   Invariants of a builder:
   1. Entries come in internal order; one that does not is NACRE_INVALID and nothing of it is kept.
   2. `last_key` is the key of the newest entry. The open block holds the keys from rank `block_rank` on; `blocks` are closed.
   3. The trie has the separators of all closed blocks and of the open one.
   One thread at a time. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/block_sum.h"
#include "strings/key_block_writer.h"
#include "strings/reader.h"
#include "strings/version_block_writer.h"

struct strings_builder {
    struct container_writer *out;
    struct key_block_writer keys_writer;
    struct version_block_writer versions_writer;
    struct block_trie_builder trie;
    struct string_index_builder *index; /* NULL: none is made */
    struct buffer directory, flags, version_directory;
    bool has_versions; /* some closed block */
    uint8_t seen[256]; /* bytes of keys */
    uint32_t blocks, block_rank;
    uint64_t entries, keys, digest, last_sequence, greatest_sequence;
    struct buffer least_key, last_key;
};

int strings_builder_create(struct container_writer *out, const struct build_options *options, void **builder)
{
    *builder = NULL;
    struct strings_builder *b = memory_zalloc(sizeof *b);
    if (!b)
        return NACRE_NO_MEMORY;
    b->out = out;
    int status = version_block_writer_init(&b->versions_writer, options->compression);
    if (status == NACRE_OK && options->build_index)
        status = string_index_builder_create(options->expected_entries, &b->index);
    if (status != NACRE_OK) {
        strings_builder_free(b);
        return status;
    }
    *builder = b;
    return NACRE_OK;
}

void strings_builder_free(void *builder)
{
    struct strings_builder *b = builder;
    key_block_writer_free(&b->keys_writer);
    version_block_writer_free(&b->versions_writer);
    block_trie_builder_free(&b->trie);
    if (b->index)
        string_index_builder_free(b->index);
    buffer_free(&b->directory);
    buffer_free(&b->flags);
    buffer_free(&b->version_directory);
    buffer_free(&b->least_key);
    buffer_free(&b->last_key);
    memory_free(b);
}

/* Aligns, and says where the next block goes. */
static int next_offset(struct strings_builder *b, uint64_t *offset)
{
    int status = container_align(b->out, 8);
    *offset = container_offset(b->out);
    return status;
}

static int write_block(struct strings_builder *b, nacre_slice bytes)
{
    b->digest = block_digest_add(b->digest, load_u64(bytes.data));
    return container_write(b->out, bytes.data, bytes.size, NULL);
}

static void note_bytes(struct strings_builder *b)
{
    const struct buffer *stream = &b->keys_writer.stream;
    for (size_t i = 0; i < stream->size; i++)
        b->seen[stream->data[i]] = 1;
}

static int close_block(struct strings_builder *b)
{
    uint64_t offset = 0, versions_offset = 0;
    nacre_slice keys = { NULL, 0 }, versions = { NULL, 0 };
    uint64_t id = container_writer_id(b->out);
    bool newest_plain = b->versions_writer.newest_plain;
    note_bytes(b);
    int status = next_offset(b, &offset);
    if (status == NACRE_OK)
        status = key_block_writer_close(&b->keys_writer, id, offset, &keys);
    if (status == NACRE_OK)
        status = write_block(b, keys);
    if (status == NACRE_OK)
        status = next_offset(b, &versions_offset);
    if (status == NACRE_OK)
        status = version_block_writer_close(&b->versions_writer, id, versions_offset, &versions);
    if (status == NACRE_OK && versions.size)
        status = write_block(b, versions);
    if (status != NACRE_OK)
        return status;
    uint8_t flags = (uint8_t)(((const uint8_t *)keys.data)[14] | (versions.size ? BLOCK_HAS_VERSIONS : 0) |
                              (newest_plain ? 0 : BLOCK_NOT_PLAIN));
    b->has_versions |= versions.size != 0;
    b->blocks++;
    status = buffer_append_u32(&b->directory, (uint32_t)offset);
    if (status == NACRE_OK)
        status = buffer_append_u32(&b->directory, b->block_rank);
    if (status == NACRE_OK)
        status = buffer_append_u8(&b->flags, flags);
    if (status == NACRE_OK)
        status = buffer_append_u32(&b->version_directory, versions.size ? (uint32_t)versions_offset : 0);
    return status;
}

static int add_key(struct strings_builder *b, nacre_slice key, size_t common)
{
    int status = NACRE_OK;
    if (key.size > NACRE_STRING_KEY_MAX || b->keys == UINT32_MAX)
        return fail(NACRE_LIMIT, "a key of %zu bytes, as number %llu of a segment", key.size,
                    (unsigned long long)b->keys);
    if (b->keys_writer.count && (key_block_writer_is_full(&b->keys_writer, common, key.size) ||
                                 version_block_writer_is_full(&b->versions_writer)))
        status = close_block(b);
    if (status == NACRE_OK && b->keys_writer.count == 0) {
        b->block_rank = (uint32_t)b->keys;
        status = block_trie_builder_add(&b->trie, common, key);
    }
    if (status == NACRE_OK)
        status = key_block_writer_add(&b->keys_writer, key, common);
    if (status == NACRE_OK && b->index)
        status = string_index_builder_add(b->index, key, common, b->blocks, hash_bytes(key.data, key.size));
    if (status == NACRE_OK && (b->last_key.capacity < key.size || !b->last_key.data))
        status = buffer_reserve(&b->last_key, key.size + 64); /* more than is missing, whatever there is */
    if (status != NACRE_OK)
        return status;
    if (key.size > common)
        memcpy(b->last_key.data + common, (const uint8_t *)key.data + common, key.size - common);
    b->last_key.size = key.size;
    b->keys++;
    return NACRE_OK;
}

int strings_builder_add(void *builder, const struct entry *e)
{
    struct strings_builder *b = builder;
    nacre_slice last = buffer_slice(&b->last_key), key = e->key;
    size_t common = 0;
    bool new_key = true, in_order = true;
    int status = NACRE_OK;
    if (b->entries) {
        common = slice_shared_prefix(last, key);
        new_key = common < key.size || common < last.size;
        if (!new_key)
            in_order = e->sequence < b->last_sequence;
        else if (common < last.size)
            in_order = common < key.size && ((const uint8_t *)last.data)[common] < ((const uint8_t *)key.data)[common];
    } else {
        b->versions_writer.base_sequence = e->sequence;
        status = buffer_append(&b->least_key, key.data, key.size);
    }
    if (!in_order)
        return fail(NACRE_INVALID, "entries are not in order: sequence %llu after %llu",
                    (unsigned long long)e->sequence, (unsigned long long)b->last_sequence);
    if (status == NACRE_OK && new_key)
        status = add_key(b, key, common);
    if (status == NACRE_OK)
        status = version_block_writer_add(&b->versions_writer, e, new_key);
    if (status != NACRE_OK)
        return status;
    b->last_sequence = e->sequence;
    if (e->sequence > b->greatest_sequence)
        b->greatest_sequence = e->sequence;
    b->entries++;
    return NACRE_OK;
}

static int append_alphabet(const struct strings_builder *b, struct buffer *section)
{
    uint64_t words[4] = { 0 };
    for (unsigned byte = 0; byte < 256; byte++)
        words[byte / 64] |= (uint64_t)b->seen[byte] << (byte % 64);
    return buffer_append(section, words, sizeof words);
}

static int write_description(struct strings_builder *b)
{
    struct buffer section = { 0 };
    const uint64_t numbers[] = { b->versions_writer.base_sequence, b->greatest_sequence, b->entries, b->keys,
                                 b->digest };
    int status = NACRE_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && status == NACRE_OK; i++)
        status = buffer_append_u64(&section, numbers[i]);
    if (status == NACRE_OK)
        status = buffer_append_u32(&section, b->blocks);
    if (status == NACRE_OK)
        status = buffer_append_u32(&section, 0);
    if (status == NACRE_OK)
        status = append_alphabet(b, &section);
    if (status == NACRE_OK)
        status = buffer_append_slice(&section, buffer_slice(&b->least_key));
    if (status == NACRE_OK)
        status = buffer_append_slice(&section, buffer_slice(&b->last_key));
    if (status == NACRE_OK)
        status = container_write_section(b->out, "STRG", buffer_slice(&section));
    buffer_free(&section);
    return status;
}

static int write_directory(struct strings_builder *b)
{
    struct buffer trie = { 0 };
    uint64_t end = 0;
    int status = next_offset(b, &end);
    if (status == NACRE_OK)
        status = buffer_append_u32(&b->directory, (uint32_t)end);
    if (status == NACRE_OK)
        status = buffer_append_u32(&b->directory, (uint32_t)b->keys);
    if (status == NACRE_OK)
        status = container_write_section(b->out, "BDIR", buffer_slice(&b->directory));
    if (status == NACRE_OK)
        status = container_write_section(b->out, "BFLG", buffer_slice(&b->flags));
    if (status == NACRE_OK && b->has_versions)
        status = container_write_section(b->out, "VDIR", buffer_slice(&b->version_directory));
    if (status == NACRE_OK)
        status = block_trie_builder_make(&b->trie, &trie);
    if (status == NACRE_OK)
        status = container_write_section(b->out, "TRIE", buffer_slice(&trie));
    buffer_free(&trie);
    return status;
}

int strings_builder_finish(void *builder, struct container_writer *index)
{
    struct strings_builder *b = builder;
    int status = b->keys_writer.count ? close_block(b) : NACRE_OK;
    if (status == NACRE_OK && b->blocks)
        status = write_directory(b);
    if (status == NACRE_OK)
        status = write_description(b);
    if (status != NACRE_OK || !index || !b->index)
        return status;
    return string_index_builder_write(b->index, b->blocks, index);
}

/* ---- the side file of a segment that exists ---- */

/* The keys of one block. `before` is the last key ahead of it, and then its own last one. */
static int index_block(struct string_index_builder *index, const struct key_block *b, uint32_t block,
                       struct key_block_walk *walk, struct buffer *before)
{
    int status = NACRE_OK;
    key_block_walk_begin(walk, b);
    while (key_block_walk_next(walk, &status)) {
        uint32_t i = walk->next - 1;
        nacre_slice key = buffer_slice(&walk->key);
        size_t shared = i ? b->shared + (size_t)key_block_lcp(b, i) : slice_shared_prefix(key, buffer_slice(before));
        status = string_index_builder_add(index, key, shared, block, hash_bytes(key.data, key.size));
        if (status != NACRE_OK)
            return status;
    }
    buffer_clear(before);
    return status == NACRE_OK ? buffer_append(before, walk->key.data, walk->key.size) : status;
}

int strings_build_index(void *reader, const struct index_job *job, struct container_writer *out)
{
    (void)job; /* one thread, and little time and memory */
    struct strings_reader *r = reader;
    struct string_index_builder *index = NULL;
    struct key_block_walk walk = { 0 };
    struct buffer before = { 0 };
    int status = strings_need(r);
    if (status == NACRE_OK)
        status = string_index_builder_create(r->keys, &index);
    for (uint32_t block = 0; status == NACRE_OK && block < r->blocks; block++) {
        struct key_block b;
        status = strings_view_block(r, block, &b);
        if (status != NACRE_OK)
            break;
        status = index_block(index, &b, block, &walk, &before);
        strings_release_block(&b);
    }
    if (status == NACRE_OK)
        status = string_index_builder_write(index, r->blocks, out);
    if (index)
        string_index_builder_free(index);
    key_block_walk_end(&walk);
    buffer_free(&before);
    return status;
}
