/* Opening a strings segment, its directory, its side files, and the calls that need no block: filters and memory. reader.h has the bytes and the
   invariants. */
#include "strings/reader.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/block_cache.h"
#include "segment/container_format.h"

static bool describe(struct strings_reader *r, nacre_slice section)
{
    struct reader in = reader_of(section);
    r->base_sequence = reader_u64(&in);
    r->greatest_sequence = reader_u64(&in);
    r->entries = reader_u64(&in);
    r->keys = reader_u64(&in);
    r->digest = reader_u64(&in);
    r->blocks = reader_u32(&in);
    uint32_t zero = reader_u32(&in);
    for (int i = 0; i < 4; i++)
        r->alphabet[i] = reader_u64(&in);
    r->least_key = reader_slice(&in);
    r->greatest_key = reader_slice(&in);
    return in.ok && in.at == in.end && zero == 0 && r->keys <= r->entries && (r->keys == 0) == (r->entries == 0) &&
           (r->blocks == 0) == (r->keys == 0) && r->blocks <= r->keys &&
           slice_compare(r->least_key, r->greatest_key) <= 0;
}

int strings_open(struct container *c, struct block_cache *cache, void **out)
{
    *out = NULL;
    nacre_slice section;
    int status = container_section(c, "STRG", &section);
    if (status != NACRE_OK)
        return status;
    struct strings_reader *r = memory_zalloc(sizeof *r);
    if (!r)
        return NACRE_NO_MEMORY;
    r->map = c->map;
    r->container = c;
    r->cache = cache;
    if (!describe(r, section)) {
        memory_free(r);
        return fail(NACRE_CORRUPT, "%s: section STRG: %zu bytes do not fit", c->path, section.size);
    }
    atomic_init(&r->ready, false);
    atomic_init(&r->index, NULL);
    atomic_init(&r->attachments, NULL);
    pthread_mutex_init(&r->lock, NULL);
    *out = r;
    return NACRE_OK;
}

void strings_close(void *reader)
{
    struct strings_reader *r = reader;
    struct attachment *a = atomic_load_explicit(&r->attachments, memory_order_acquire);
    while (a) {
        struct attachment *older = a->older;
        string_index_free(a->index);
        memory_free(a);
        a = older;
    }
    pthread_mutex_destroy(&r->lock);
    memory_free(r->checked);
    memory_free(r);
}

void strings_give_sequence(void *reader, uint64_t sequence)
{
    struct strings_reader *r = reader;
    r->base_sequence = r->greatest_sequence = sequence; /* settled entries are 0 away from it */
}

/* ---- the directory; the lock is held ---- */

static int misfit(const struct strings_reader *r, const char *what, uint32_t block, uint64_t found)
{
    return fail(NACRE_CORRUPT, "%s: %s of block %u: %llu does not fit", r->container->path, what, block,
                (unsigned long long)found);
}

/* A section with so many bytes for each of `count` things. */
static int take_section(struct strings_reader *r, const char name[4], uint64_t bytes, const uint8_t **out)
{
    nacre_slice section;
    int status = container_section(r->container, name, &section);
    if (status == NACRE_NOT_FOUND)
        return fail(NACRE_CORRUPT, "%s: section %.4s expected, none found", r->container->path, name);
    if (status == NACRE_OK && section.size != bytes)
        return fail(NACRE_CORRUPT, "%s: section %.4s: %llu bytes expected, %zu found", r->container->path, name,
                    (unsigned long long)bytes, section.size);
    *out = section.data;
    return status;
}

static int check_directory(const struct strings_reader *r, uint64_t limit)
{
    if (strings_block_offset(r, 0) != CONTAINER_HEADER_BYTES || strings_block_rank(r, 0) != 0)
        return misfit(r, "offset", 0, strings_block_offset(r, 0));
    for (uint32_t i = 0; i < r->blocks; i++) {
        uint32_t offset = strings_block_offset(r, i), end = strings_block_end(r, i);
        if (end <= offset || end - offset < KEY_BLOCK_HEADER || end % 8 || end > limit)
            return misfit(r, "end", i, end);
        uint32_t keys = strings_block_rank(r, i + 1) - strings_block_rank(r, i);
        if (keys == 0 || keys > KEY_BLOCK_KEYS)
            return misfit(r, "number of keys", i, keys);
    }
    return strings_block_rank(r, r->blocks) == r->keys
               ? NACRE_OK
               : misfit(r, "rank behind the last", r->blocks, strings_block_rank(r, r->blocks));
}

static int check_flags(struct strings_reader *r)
{
    r->not_plain = 0;
    uint64_t keys = 0;
    for (uint32_t i = 0; i < r->blocks; i++) {
        uint32_t flags = r->flags[i], versions = strings_versions_offset(r, i);
        if (((flags & BLOCK_HAS_VERSIONS) != 0) != (versions != 0) ||
            (flags & ~(KEY_BLOCK_FLAGS | BLOCK_HAS_VERSIONS | BLOCK_NOT_PLAIN)) ||
            (flags & (BLOCK_HAS_VERSIONS | BLOCK_NOT_PLAIN)) == BLOCK_NOT_PLAIN)
            return misfit(r, "flags", i, flags);
        r->not_plain += (flags & BLOCK_NOT_PLAIN) != 0;
        if (versions && (versions % 8 || versions < strings_block_offset(r, i) + KEY_BLOCK_HEADER ||
                         versions > strings_block_end(r, i) - VERSION_BLOCK_HEADER))
            return misfit(r, "offset of the versions", i, versions);
        keys += versions ? 0 : strings_block_rank(r, i + 1) - strings_block_rank(r, i);
    }
    return keys <= r->entries ? NACRE_OK : misfit(r, "keys up to the end", r->blocks, keys);
}

static int load_sections(struct strings_reader *r)
{
    struct container *c = r->container;
    uint64_t limit = 0, size = 0;
    nacre_slice trie = { NULL, 0 };
    int status = take_section(r, "BDIR", 8 * ((uint64_t)r->blocks + 1), &r->directory);
    if (status == NACRE_OK)
        status = container_section_bounds(c, "BDIR", &limit, &size);
    if (status == NACRE_OK)
        status = check_directory(r, limit);
    if (status == NACRE_OK)
        status = take_section(r, "BFLG", r->blocks, &r->flags);
    if (status == NACRE_OK && container_has_section(c, "VDIR"))
        status = take_section(r, "VDIR", 4 * (uint64_t)r->blocks, &r->version_directory);
    if (status == NACRE_OK)
        status = check_flags(r);
    if (status == NACRE_OK)
        status = container_section(c, "TRIE", &trie);
    if (status == NACRE_NOT_FOUND)
        status = fail(NACRE_CORRUPT, "%s: section TRIE expected, none found", c->path);
    return status == NACRE_OK ? block_trie_open(c, trie, r->blocks, &r->trie) : status;
}

static int load(struct strings_reader *r)
{
    if (r->blocks == 0) {
        if (container_has_section(r->container, "BDIR"))
            return fail(NACRE_CORRUPT, "%s: no blocks expected, section BDIR found", r->container->path);
        return NACRE_OK;
    }
    int status = load_sections(r);
    if (status != NACRE_OK)
        return status;
    size_t words = ((size_t)r->blocks + 31) / 32;
    r->checked = memory_zalloc(words * sizeof *r->checked);
    return r->checked ? NACRE_OK : NACRE_NO_MEMORY;
}

int strings_load(struct strings_reader *r)
{
    int status = NACRE_OK;
    pthread_mutex_lock(&r->lock);
    if (!atomic_load_explicit(&r->ready, memory_order_relaxed)) {
        r->version_directory = NULL; /* of an attempt that failed */
        status = load(r);
        if (status == NACRE_OK)
            atomic_store_explicit(&r->ready, true, memory_order_release); /* pairs with strings_need */
    }
    pthread_mutex_unlock(&r->lock);
    return status;
}

/* ---- side files ---- */

struct string_index *strings_index(const struct strings_reader *r)
{
    struct string_index *x =
        atomic_load_explicit(&r->index, memory_order_acquire); /* pairs with strings_attach_index */
    return x && string_index_is_good(x) ? x : NULL;
}

bool strings_index_is_good(const void *reader)
{
    return strings_index(reader) != NULL;
}

int strings_attach_index(void *reader, struct container *container)
{
    struct strings_reader *r = reader;
    struct attachment *a = memory_zalloc(sizeof *a);
    if (!a)
        return NACRE_NO_MEMORY;
    int status = string_index_open(container, r->blocks, r->keys, &a->index);
    if (status != NACRE_OK) {
        memory_free(a);
        return status;
    }
    a->container = container;
    a->older = atomic_load_explicit(&r->attachments, memory_order_relaxed); /* one attaches at a time */
    atomic_store_explicit(&r->attachments, a, memory_order_release);        /* pairs with strings_memory */
    atomic_store_explicit(&r->index, a->index, memory_order_release);       /* pairs with strings_index */
    return NACRE_OK;
}

/* ---- calls that need no block ---- */

bool strings_may_have_key(void *reader, const struct lookup *lookup)
{
    struct strings_reader *r = reader;
    if (r->entries == 0 || slice_compare(lookup->key, r->least_key) < 0 ||
        slice_compare(lookup->key, r->greatest_key) > 0)
        return false;
    struct string_index *x = strings_index(r);
    return !x || string_index_may_have_key(x, lookup->hash);
}

bool strings_may_have_prefix(void *reader, nacre_slice prefix)
{
    struct strings_reader *r = reader;
    if (r->entries == 0 || slice_compare(r->greatest_key, prefix) < 0)
        return false;
    if (slice_compare(r->least_key, prefix) > 0 && !slice_has_prefix(r->least_key, prefix))
        return false;
    struct string_index *x = strings_index(r);
    return !x || string_index_may_have_prefix(x, prefix);
}

uint64_t strings_memory(const void *reader)
{
    const struct strings_reader *r = reader;
    uint64_t bytes = sizeof *r;
    if (atomic_load_explicit(&r->ready, memory_order_acquire))
        bytes += ((uint64_t)r->blocks + 31) / 32 * 8;
    /* Pairs with strings_attach_index. */
    for (const struct attachment *a = atomic_load_explicit(&r->attachments, memory_order_acquire); a; a = a->older)
        bytes += sizeof *a + string_index_memory(a->index);
    return bytes;
}
