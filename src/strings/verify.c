/* Verifying a strings segment: every byte, and that its parts agree. Everything that the builder derives is derived again and compared.
   One thread at a time per call; other readers may run beside it. */
#include "base/memory.h"
#include "base/status.h"
#include "segment/block_sum.h"
#include "segment/container_format.h"
#include "strings/reader.h"
#include "base/utf8.h"

struct verification {
    struct strings_reader *reader;
    uint32_t block;
    uint64_t entries, keys, digest, greatest_sequence;
    uint8_t seen[256];
    struct block_trie_builder trie;
    struct key_block_walk walk;
    struct buffer before; /* the last key of the blocks so far */
    struct buffer raw_keys, raw_versions;
};

static int wrong(const struct verification *v, const char *what, uint64_t expected, uint64_t found)
{
    return fail(NACRE_CORRUPT, "%s: block %u at %u: %s: %llu expected, %llu found", v->reader->container->path,
                v->block, strings_block_offset(v->reader, v->block), what, (unsigned long long)expected,
                (unsigned long long)found);
}

/* What the head of the block says of its keys: as the writer would have said it. */
static int verify_head(const struct verification *v, const struct key_block *b)
{
    uint32_t widest = 0, least_common = b->count > 1 ? UINT32_MAX : key_block_len(b, 0);
    for (uint32_t i = 0; i < b->count; i++) {
        widest |= key_block_lcp(b, i) | key_block_len(b, i);
        if (i > 0 && key_block_lcp(b, i) < least_common)
            least_common = key_block_lcp(b, i);
    }
    if (least_common != 0)
        return wrong(v, "shared bytes", b->shared + (uint64_t)least_common, b->shared);
    bool wide = b->flags & KEY_BLOCK_WIDE;
    return wide == (widest > 255) ? NACRE_OK : wrong(v, "width of numbers", widest > 255, wide);
}

static int verify_first_key(struct verification *v, nacre_slice key)
{
    nacre_slice before = buffer_slice(&v->before);
    if (v->block == 0 && !slice_equal(key, v->reader->least_key))
        return fail(NACRE_CORRUPT, "%s: the first key is not the least key of section STRG",
                    v->reader->container->path);
    if (v->block > 0 && slice_compare(before, key) >= 0)
        return wrong(v, "order of the first key", v->block - 1, v->block);
    return block_trie_builder_add(&v->trie, slice_shared_prefix(before, key), key);
}

static int verify_keys(struct verification *v, const struct key_block *b)
{
    uint32_t flags = 0;
    int status = verify_head(v, b);
    if (status != NACRE_OK)
        return status;
    key_block_walk_begin(&v->walk, b);
    while (key_block_walk_next(&v->walk, &status)) {
        nacre_slice key = buffer_slice(&v->walk.key);
        if (!utf8_is_ascii(key))
            flags |= utf8_is_valid(key) ? KEY_BLOCK_NON_ASCII : KEY_BLOCK_NON_ASCII | KEY_BLOCK_NOT_UTF8;
        if (v->walk.next == 1)
            status = verify_first_key(v, key);
        if (status != NACRE_OK)
            return status;
    }
    if (status != NACRE_OK)
        return status;
    if (flags != (b->flags & (KEY_BLOCK_NON_ASCII | KEY_BLOCK_NOT_UTF8)))
        return wrong(v, "flags of bytes", flags, b->flags);
    for (size_t i = 0; i < b->shared + (size_t)b->stream_size; i++) /* they lie behind each other */
        v->seen[b->shared_bytes[i]] = 1;
    buffer_clear(&v->before);
    v->keys += b->count;
    return buffer_append(&v->before, v->walk.key.data, v->walk.key.size);
}

/* The versions of one key. */
static int verify_key_versions(struct verification *v, const struct versions_view *view, uint32_t key,
                               bool *newest_plain)
{
    uint32_t first, after;
    uint64_t before = 0;
    versions_of_key(view, key, &first, &after);
    for (uint32_t i = first; i < after; i++) {
        struct entry e;
        versions_entry(view, i, &e);
        if (i > first && e.sequence >= before)
            return wrong(v, "sequence of an older version, below", before, e.sequence);
        if (e.type == ENTRY_DELETE && e.value.size)
            return wrong(v, "value of a delete", 0, e.value.size);
        if (i == first && (e.type == ENTRY_DELETE || e.expiry_ms))
            *newest_plain = false;
        before = e.sequence;
        if (e.sequence > v->greatest_sequence)
            v->greatest_sequence = e.sequence;
    }
    v->entries += after - first;
    return NACRE_OK;
}

static int verify_versions(struct verification *v)
{
    struct strings_reader *r = v->reader;
    struct versions_view view;
    uint64_t checksum = 0;
    bool newest_plain = true;
    int status = NACRE_OK;
    if (strings_versions_offset(r, v->block)) {
        status = strings_verify_versions(r, v->block, &v->raw_versions, &view, &checksum);
        v->digest = block_digest_add(v->digest, checksum);
    } else {
        status = strings_view_versions(r, v->block, &view);
    }
    if (status != NACRE_OK)
        return status;
    for (uint32_t key = 0; key < view.keys && status == NACRE_OK; key++)
        status = verify_key_versions(v, &view, key, &newest_plain);
    bool flagged = r->flags[v->block] & BLOCK_NOT_PLAIN;
    return status == NACRE_OK && flagged == newest_plain ? wrong(v, "flag of newest versions", !newest_plain, flagged)
                                                         : status;
}

static int verify_block(struct verification *v)
{
    struct key_block b;
    uint64_t checksum = 0;
    int status = strings_verify_block(v->reader, v->block, &v->raw_keys, &b, &checksum);
    v->digest = block_digest_add(v->digest, checksum);
    if (status == NACRE_OK)
        status = verify_keys(v, &b);
    return status == NACRE_OK ? verify_versions(v) : status;
}

static int verify_alphabet(const struct verification *v)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        bool said = v->reader->alphabet[byte / 64] >> (byte % 64) & 1;
        if (said != v->seen[byte])
            return fail(NACRE_CORRUPT, "%s: alphabet: byte %u: %u expected, %u found", v->reader->container->path, byte,
                        v->seen[byte], said);
    }
    return NACRE_OK;
}

static int verify_totals(const struct verification *v)
{
    const struct strings_reader *r = v->reader;
    const char *path = r->container->path;
    const struct {
        const char *what;
        uint64_t said, found;
    } totals[] = {
        { "entries", r->entries, v->entries },
        { "keys", r->keys, v->keys },
        { "digest of the blocks", r->digest, v->digest },
        { "greatest sequence", r->greatest_sequence, v->greatest_sequence },
    };
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++)
        if (totals[i].said != totals[i].found)
            return fail(NACRE_CORRUPT, "%s: section STRG: %s: %llu expected, %llu found", path, totals[i].what,
                        (unsigned long long)totals[i].found, (unsigned long long)totals[i].said);
    if (!slice_equal(buffer_slice(&v->before), r->greatest_key))
        return fail(NACRE_CORRUPT, "%s: the last key is not the greatest key of section STRG", path);
    return verify_alphabet(v);
}

/* The same separators make the same bytes. */
static int verify_trie(const struct verification *v)
{
    struct buffer section = { 0 };
    nacre_slice found = { NULL, 0 };
    if (v->reader->blocks == 0)
        return NACRE_OK;
    int status = block_trie_builder_make(&v->trie, &section);
    if (status == NACRE_OK)
        status = container_section(v->reader->container, "TRIE", &found);
    if (status == NACRE_OK && !slice_equal(found, buffer_slice(&section)))
        status = fail(NACRE_CORRUPT, "%s: section TRIE: it is not that of the blocks", v->reader->container->path);
    buffer_free(&section);
    return status;
}

/* The zeros between the last block and the first section. */
static int verify_gap(struct strings_reader *r)
{
    uint64_t from = r->blocks ? strings_block_offset(r, r->blocks) : CONTAINER_HEADER_BYTES, to = 0, size = 0;
    struct buffer scratch = { 0 };
    const uint8_t *bytes = NULL;
    int status = container_section_bounds(r->container, r->blocks ? "BDIR" : "STRG", &to, &size);
    if (status == NACRE_OK)
        status = container_read(r->container, from, (size_t)(to - from), &scratch, &bytes);
    for (uint64_t i = 0; status == NACRE_OK && i < to - from; i++)
        if (bytes[i])
            status = fail(NACRE_CORRUPT, "%s: padding at %llu: 0 expected, %u found", r->container->path,
                          (unsigned long long)(from + i), bytes[i]);
    buffer_free(&scratch);
    return status;
}

int strings_verify(void *reader, uint64_t *entries)
{
    struct strings_reader *r = reader;
    struct verification v = { .reader = r };
    struct string_index *x = strings_index(r);
    int status = container_verify(r->container);
    if (status == NACRE_OK)
        status = strings_need(r);
    if (status == NACRE_OK)
        status = verify_gap(r);
    if (status == NACRE_OK && x)
        status = string_index_verify(x);
    for (; status == NACRE_OK && v.block < r->blocks; v.block++)
        status = verify_block(&v);
    if (status == NACRE_OK)
        status = verify_totals(&v);
    if (status == NACRE_OK)
        status = verify_trie(&v);
    *entries = v.entries;
    block_trie_builder_free(&v.trie);
    key_block_walk_end(&v.walk);
    buffer_free(&v.before);
    buffer_free(&v.raw_keys);
    buffer_free(&v.raw_versions);
    return status;
}
