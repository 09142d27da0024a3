/* The reader of one strings segment: what get, cursors, searches and inspection share. Private to src/strings.

   Blocks begin at 64: for each block of keys (key_block.h) its block of versions (version_block.h), if it has one, right behind it; all at multiples of
   8, filled up with zeros. Sections, of which an empty segment (only range deletes) has STRG alone:

   section STRG:  0 8 base sequence | 8 8 greatest sequence | 16 8 entries | 24 8 distinct keys | 32 8 digest of the blocks' checksums (block_sum.h; in the
                  order of the file) | 40 4 number of blocks of keys | 44 4 zero | 48 32 a bit per byte that occurs in a key | least key | greatest key
                  (each: varint length, bytes)
   section BDIR:  for each block 4 offset | 4 rank of its first key; and one more: where the last block ends, number of keys
   section BFLG:  a byte per block: the flags below
   section VDIR:  only if some block has versions: for each block 4 offset of its block of versions, or 0
   section TRIE:  block_trie_format.h

   Invariants:
   1. Directory, flags and trie are loaded once by whoever needs them first, under `lock`; `ready` (release) publishes them and the words of `checked`.
   2. What was loaded fits: blocks ascend, at multiples of 8, have room for a header and lie between the container's header and its sections; ranks ascend by
      1 to KEY_BLOCK_KEYS; a block of versions lies behind its block of keys.
   3. A mapped block is read without bounds only after its bit in `checked` was set: checksum, structure and number of keys were found right, and its bytes
      never change.
   4. `index` points to the newest side file that was attached; older ones live as long as the reader, in `attachments`.
   Any number of threads; `lock` is a leaf but for the container's own. */
#ifndef NACRE_STRINGS_READER_H
#define NACRE_STRINGS_READER_H
#include "segment/kind.h"
#include "strings/block_trie.h"
#include "strings/key_block.h"
#include "strings/string_index.h"
#include "strings/version_block.h"
#include <pthread.h>
#include <stdatomic.h>

/* Flags of a block in BFLG: those of the key block (key_block.h), and: */
enum {
    BLOCK_HAS_VERSIONS = 16, /* there is a version block */
    BLOCK_NOT_PLAIN = 32     /* the newest version of some key is a delete, or has an expiry */
};

struct strings_reader {
    const uint8_t *map;
    _Atomic bool ready;
    _Atomic(struct string_index *) index;
    struct container *container;
    struct block_cache *cache;
    uint32_t blocks, not_plain; /* of which so many have BLOCK_NOT_PLAIN */
    uint64_t entries, keys, base_sequence, greatest_sequence, digest;
    uint64_t alphabet[4]; /* a bit per byte that occurs in a key */
    nacre_slice least_key, greatest_key;
    const uint8_t *directory, *flags, *version_directory;
    struct block_trie trie;
    _Atomic uint64_t *checked; /* two bits per block: key block, version block */
    _Atomic(struct attachment *) attachments;
    pthread_mutex_t lock;
};

/* A side file that was attached; the newest is first. */
struct attachment {
    struct string_index *index;
    struct container *container;
    struct attachment *older;
};

int strings_load(struct strings_reader *);
static inline int strings_need(struct strings_reader *r)
{
    /* Pairs with the release in strings_load. */
    return __builtin_expect(atomic_load_explicit(&r->ready, memory_order_acquire), 1) ? NACRE_OK : strings_load(r);
}
struct string_index *strings_index(const struct strings_reader *); /* NULL while there is no good one */

/* All below: after strings_need. */
static inline uint32_t strings_block_rank(const struct strings_reader *r,
                                          uint32_t block) /* of its first key; block <= blocks */
{
    return load_u32(r->directory + 8 * (size_t)block + 4);
}
static inline uint32_t strings_block_offset(const struct strings_reader *r, uint32_t block)
{
    return load_u32(r->directory + 8 * (size_t)block);
}
static inline uint32_t strings_block_end(const struct strings_reader *r,
                                         uint32_t block) /* with its versions and zeros */
{
    return strings_block_offset(r, block + 1);
}
static inline uint32_t strings_versions_offset(const struct strings_reader *r, uint32_t block) /* 0 = none */
{
    return r->version_directory ? load_u32(r->version_directory + 4 * (size_t)block) : 0;
}
/* Where the block of keys ends, zeros included. */
static inline uint32_t strings_keys_end(const struct strings_reader *r, uint32_t block)
{
    uint32_t versions = strings_versions_offset(r, block);
    return versions ? versions : strings_block_end(r, block);
}

/* Views of blocks, checked; a view is released by the caller. */
enum { CHECKED_KEYS, CHECKED_VERSIONS };
static inline bool strings_is_checked(const struct strings_reader *r, uint32_t block, unsigned part)
{
    /* Relaxed: what the bit speaks of never changes. */
    return atomic_load_explicit(&r->checked[block / 32], memory_order_relaxed) >> (block % 32 * 2 + part) & 1;
}
int strings_check_mapped_block(struct strings_reader *, uint32_t block);
int strings_fetch_block(struct strings_reader *, uint32_t block, struct key_block *); /* where maps are off */
static inline int strings_view_block(struct strings_reader *r, uint32_t block, struct key_block *b)
{
    if (__builtin_expect(!r->map, 0))
        return strings_fetch_block(r, block, b);
    if (__builtin_expect(!strings_is_checked(r, block, CHECKED_KEYS), 0)) {
        int status = strings_check_mapped_block(r, block);
        if (status != NACRE_OK)
            return status;
    }
    key_block_view(r->map + strings_block_offset(r, block), b);
    return NACRE_OK;
}
/* Asks for all of an ordinary block at once, as a search that begins at its front would wait for one line after another. */
#define BLOCK_PREFETCH_BYTES 2048u
static inline void strings_prefetch_block(const struct strings_reader *r, uint32_t block)
{
    if (!r->map)
        return;
    const uint8_t *at = r->map + strings_block_offset(r, block), *end = r->map + strings_keys_end(r, block);
    if (end - at > BLOCK_PREFETCH_BYTES)
        end = at + BLOCK_PREFETCH_BYTES;
    for (; at < end; at += 64)
        __builtin_prefetch(at);
}
void strings_free_held(void *);
static inline void strings_release_block(struct key_block *b)
{
    if (b->held)
        strings_free_held(b->held);
    b->held = NULL;
}

/* Where the first key >= `key` is: its block and its index there; block == blocks when there is none. */
int strings_lower_bound(struct strings_reader *, nacre_slice key, uint32_t *block, uint32_t *index, bool *equal);
/* The same, with the view of that block, to be released; it is zeroed when there is none. */
int strings_find(struct strings_reader *, nacre_slice key, uint32_t *block, uint32_t *index, bool *equal,
                 struct key_block *);

/* Versions of the keys of a block. */
int strings_view_versions(struct strings_reader *, uint32_t block, struct versions_view *); /* to be released */
static inline void strings_release_versions(struct versions_view *v)
{
    pin_release(&v->pin);
}

/* Read both blocks at their place from the file again and check all that is said of them there; for verify. The buffers keep the raw bytes. */
int strings_verify_block(struct strings_reader *, uint32_t block, struct buffer *raw, struct key_block *,
                         uint64_t *checksum);
int strings_verify_versions(struct strings_reader *, uint32_t block, struct buffer *raw, struct versions_view *,
                            uint64_t *checksum);

/* The table's functions. */
int strings_open(struct container *, struct block_cache *, void **reader);
void strings_close(void *reader);
void strings_give_sequence(void *reader, uint64_t sequence);
int strings_attach_index(void *reader, struct container *index);
bool strings_index_is_good(const void *reader);
void strings_prefetch(const void *reader, const struct lookup *);
int strings_get(void *reader, const struct lookup *, struct entry *, struct pin *);
bool strings_may_have_key(void *reader, const struct lookup *);
bool strings_may_have_prefix(void *reader, nacre_slice prefix);
int strings_cursor_create(void *reader, struct cursor **);
int strings_sample_keys(void *reader, size_t count, struct buffer *keys, size_t *made);
int strings_build_index(void *reader, const struct index_job *, struct container_writer *index);
int strings_verify(void *reader, uint64_t *entries);
int strings_dump(void *reader, void (*line)(void *context, const char *json), void *context);
uint64_t strings_memory(const void *reader);
int strings_salvage(const struct wreck *, const struct salvage_sink *); /* salvage.c */
int strings_match_cursor(void *reader, struct search *, nacre_slice begin, nacre_slice end, struct cursor **);
int strings_match_count(void *reader, struct search *, nacre_slice begin, nacre_slice end, uint64_t *live);

int strings_builder_create(struct container_writer *segment, const struct build_options *, void **builder);
int strings_builder_add(void *builder, const struct entry *);
int strings_builder_finish(void *builder, struct container_writer *index);
void strings_builder_free(void *builder);
#endif
