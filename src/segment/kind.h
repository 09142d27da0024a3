/* The seam between the engine and the kinds of collection. tree and store know a kind only through `struct kind`; a new
   kind is a folder that defines one and a line in src/store/kinds.c.

   Every kind maps keys to versions (base/entry.h), so that logs, memtables, merges, snapshots and recovery are the same for all. What a
   kind decides is how an immutable segment keeps them and what it can answer. */
#ifndef NACRE_SEGMENT_KIND_H
#define NACRE_SEGMENT_KIND_H
#include "base/cursor.h"
#include "segment/container.h"
#include "segment/search.h"

enum compression { COMPRESSION_NONE = 0, COMPRESSION_LZ4 = 1, COMPRESSION_ZSTD = 2 };

struct build_options {
    enum compression compression; /* blocks that do not shrink by 1/8 are kept as they are */
    uint32_t block_bytes;         /* aimed at, before compression */
    bool build_index;             /* make the side file's contents at once */
    uint64_t expected_entries;    /* 0 = unknown */
};

struct lookup {
    nacre_slice key;
    uint64_t hash;     /* hash_bytes(key) */
    uint64_t snapshot; /* versions with sequence <= this count */
};

struct kind {
    uint32_t code; /* nacre_kind; kept in every segment */
    const char *name;
    uint32_t key_max; /* bytes of a key */

    /* Build. Entries come in internal order (cursor.h); `add` copies what it keeps. The builder writes blocks and sections to
       `segment` as they fill; finish writes the rest. When options->build_index, the sections of the side file go to `index` at finish
       (`index` is NULL otherwise). */
    int (*builder_create)(struct container_writer *segment, const struct build_options *, void **builder);
    int (*builder_add)(void *builder, const struct entry *);
    int (*builder_finish)(void *builder, struct container_writer *index);
    void (*builder_free)(void *builder);

    /* Read. `open` is cheap (nothing is scanned); `index` is NULL while there is no good side file. All reading calls may run in any
       number of threads. Damage found is NACRE_CORRUPT with file and offset. */
    int (*open)(struct container *segment, struct block_cache *, void **reader);
    void (*close)(void *reader);
    /* Called when a good side file has come, again when a newer one replaces it (their containers live as long as the reader); readers may be
       inside other calls. */
    int (*attach_index)(void *reader, struct container *index);
    bool (*index_is_good)(
        const void *reader); /* one is attached and no damage was found in it; NULL: every attached one is */
    void (*prefetch)(const void *reader, const struct lookup *); /* touch what get will read first; may do nothing */
    /* The newest version that counts, or NACRE_NOT_FOUND. entry->key is the caller's key; entry->value lives as long as the segment, or as
       *pin where pin->release is set. */
    int (*get)(void *reader, const struct lookup *, struct entry *, struct pin *);
    bool (*may_have_key)(void *reader, const struct lookup *); /* false = surely not in it; cheap */
    bool (*may_have_prefix)(void *reader, nacre_slice prefix);
    int (*cursor_create)(void *reader, struct cursor **);
    /* Up to `count` keys that cut the segment in about equal parts, ascending, appended as buffer_append_slice. */
    int (*sample_keys)(void *reader, size_t count, struct buffer *keys, size_t *made);
    int (*build_index)(void *reader, struct container_writer *index); /* from the segment alone */
    int (*verify)(
        void *reader,
        uint64_t *entries); /* every byte of the segment's and index's sections: checksums, order, agreement */
    int (*dump)(void *reader, void (*line)(void *context, const char *json), void *context);
    uint64_t (*memory)(const void *reader); /* heap bytes it holds */

    /* Search, for kinds that have it; else NULL, all of them.
       A cursor over all versions of the keys in [begin, end) (empty = open) that the search's automaton wants, in internal order, deletes included.
       Moves outside of the bounds are the caller's to avoid. The search and the bounds live as long as the cursor. */
    int (*match_cursor)(void *reader, struct search *, nacre_slice begin, nacre_slice end, struct cursor **);
    /* How many wanted keys of [begin, end) are live in this segment alone: their newest version <= search->snapshot is a put that has not
       expired. Never builds keys that it can count. */
    int (*match_count)(void *reader, struct search *, nacre_slice begin, nacre_slice end, uint64_t *live);
};
#endif
