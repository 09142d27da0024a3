/* The reader of one strings segment: what get, cursors, searches and inspection share. Private to src/strings.

   section STRG: description (formats.md); BDIR: per block 4 offset | 4 rank of its first key, and one more for the end; BFLG: a byte of flags per block;
   TRIE: block_trie.h. VDIR, only if some block has versions: per block 4 offset of its version block, or 0.

   Invariants:
   1. Directory, flags and trie are loaded once by whoever needs them first, under `lock`; `ready` (release) publishes them.
   2. A mapped block is read without bounds only after its bit in `checked` was set.
   3. `index` points to the newest side file attached; older ones live as long as the reader.
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
    uint32_t blocks;
    uint64_t entries, keys, base_sequence, greatest_sequence, digest;
    uint64_t alphabet[4]; /* a bit per byte that occurs in a key */
    nacre_slice least_key, greatest_key;
    const uint8_t *directory, *flags, *version_directory;
    struct block_trie trie;
    _Atomic uint64_t *checked; /* two bits per block: key block, version block */
    pthread_mutex_t lock;
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
int strings_view_block(struct strings_reader *, uint32_t block, struct key_block *); /* checked; to be released */
void strings_free_held(void *);
static inline void strings_release_block(struct key_block *b)
{
    if (b->held)
        strings_free_held(b->held);
    b->held = NULL;
}

/* Where the first key >= `key` is: its block and its index there; block == blocks when there is none. */
int strings_lower_bound(struct strings_reader *, nacre_slice key, uint32_t *block, uint32_t *index, bool *equal);

/* Versions of the keys of a block. */
int strings_view_versions(struct strings_reader *, uint32_t block, struct versions_view *); /* to be released */
void strings_release_versions(struct versions_view *);
/* The table's functions. */
int strings_open(struct container *, struct block_cache *, void **reader);
void strings_close(void *reader);
int strings_attach_index(void *reader, struct container *index);
bool strings_index_is_good(const void *reader);
void strings_prefetch(const void *reader, const struct lookup *);
int strings_get(void *reader, const struct lookup *, struct entry *, struct pin *);
bool strings_may_have_key(void *reader, const struct lookup *);
bool strings_may_have_prefix(void *reader, nacre_slice prefix);
int strings_cursor_create(void *reader, struct cursor **);
int strings_sample_keys(void *reader, size_t count, struct buffer *keys, size_t *made);
int strings_build_index(void *reader, struct container_writer *index);
int strings_verify(void *reader, uint64_t *entries);
int strings_dump(void *reader, void (*line)(void *context, const char *json), void *context);
uint64_t strings_memory(const void *reader);
int strings_match_cursor(void *reader, struct search *, nacre_slice begin, nacre_slice end, struct cursor **);
int strings_match_count(void *reader, struct search *, nacre_slice begin, nacre_slice end, uint64_t *live);

int strings_builder_create(struct container_writer *segment, const struct build_options *, void **builder);
int strings_builder_add(void *builder, const struct entry *);
int strings_builder_finish(void *builder, struct container_writer *index);
void strings_builder_free(void *builder);
#endif
