/* The seam between the engine and the kinds of collection. tree and store know a kind only through `struct kind`; a new
   kind is a folder that defines one and a line in src/store/kinds.c.

   Every kind maps keys to versions (base/entry.h), so that logs, memtables, merges, snapshots and recovery are the same for all. What a
   kind decides is how an immutable segment keeps them and what it can answer. */
#ifndef NACRE_SEGMENT_KIND_H
#define NACRE_SEGMENT_KIND_H
#include "base/cursor.h"
#include "segment/container.h"
#include "segment/dead_rows.h"
#include "segment/nearest.h"
#include "segment/search.h"
#include "segment/words.h"

struct wreck;
struct salvage_sink;

enum compression { COMPRESSION_NONE = 0, COMPRESSION_LZ4 = 1, COMPRESSION_ZSTD = 2 };

struct build_options {
    enum compression compression; /* blocks that do not shrink by 1/8 are kept as they are */
    uint32_t block_bytes;         /* aimed at, before compression */
    uint8_t learned_index;        /* of ordered side files: 0 none, 1 where it pays, 2 always */
    bool build_index;             /* make the side file's contents at once; not for kinds with quick_index */
    uint64_t expected_entries;    /* 0 = unknown */
    bool sync_later;              /* the files are not synced when they are finished: segment_sync does it */
    uint32_t collection;          /* id of the collection; 0 = none knows */
    struct segment_words words;   /* of it; no name: none are written. They live until the builder is made */
    uint32_t dimension;           /* of kinds that hold vectors, else 0; so is the metric */
    nacre_metric metric;
};

/* How an index is to be made. */
struct index_job {
    /* Readers of older segments whose rows are in this one too, mostly: what their indexes say may be used again. */
    void *const *sources;
    size_t source_count;
    uint8_t learned_index;  /* as in build_options */
    uint32_t threads;       /* that it may use, its own among them; at least 1 */
    uint64_t memory_budget; /* bytes of heap it should stay within; 0 = no bound */
    bool
        quick; /* only what takes about as long as writing the segment did; asked for of kinds with quick_index alone */
    int (*stop)(
        void *context); /* asked at least every 50 ms: NACRE_OK to go on, else the status to end in; NULL: never */
    void *stop_context;
};

/* What a lookup met on its way, where someone counts. */
struct lookup_counts {
    uint32_t segments;     /* asked */
    uint32_t filter_asked; /* of these, so many have a filter, or an index that works as one; */
    uint32_t filter_no;    /* it said that the key is not there, */
    uint32_t filter_wrong; /* or let the lookup pass and was wrong */
};

struct lookup {
    nacre_slice key;
    uint64_t hash;                /* hash_bytes(key) */
    uint64_t snapshot;            /* versions with sequence <= this count */
    struct lookup_counts *counts; /* NULL: nobody counts */
};
/* For kinds: what a filter said. */
static inline void lookup_note_filter(const struct lookup *lookup, bool may_have)
{
    if (__builtin_expect(lookup->counts != NULL, 0)) {
        lookup->counts->filter_asked++;
        lookup->counts->filter_no += !may_have;
    }
}

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
    /* Every entry of the segment, all of them written with SEQUENCE_SETTLED, has this sequence from now on. Before anybody else reads. */
    void (*give_sequence)(void *reader, uint64_t sequence);
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
    int (*build_index)(void *reader, const struct index_job *,
                       struct container_writer *index); /* from the segment; a NULL job: one thread, no bounds */
    int (*verify)(
        void *reader,
        uint64_t *entries); /* every byte of the segment's and index's sections: checksums, order, agreement */
    int (*dump)(void *reader, void (*line)(void *context, const char *json), void *context);
    uint64_t (*memory)(const void *reader);        /* heap bytes it holds */
    bool (*has_learned_index)(const void *reader); /* its side file has one; NULL: never */
    /* Every entry of a damaged segment that a checksum proves, in internal order, and what was lost between them (wreck.h). NULL: all is lost. */
    int (*salvage)(const struct wreck *, const struct salvage_sink *);
    /* Of kinds that hold vectors, else NULL: what such a segment is made of. False where it cannot be told. */
    bool (*vectors_of)(const struct wreck *, uint32_t *dimension, nacre_metric *metric);

    /* Search, for kinds that have it; else NULL, all of them.
       A cursor over all versions of the keys in [begin, end) (empty = open) that the search's automaton wants, in internal order, deletes included.
       Moves outside of the bounds are the caller's to avoid. The search and the bounds live as long as the cursor. */
    int (*match_cursor)(void *reader, struct search *, nacre_slice begin, nacre_slice end, struct cursor **);
    /* How many wanted keys of [begin, end) are live in this segment alone: their newest version <= search->snapshot is no delete and has not
       expired. Never builds keys that it can count. */
    int (*match_count)(void *reader, struct search *, nacre_slice begin, nacre_slice end, uint64_t *live);

    /* Vectors, for kinds that hold them. */
    bool holds_vectors; /* every put has entry->vector; collections have a dimension and a metric */
    bool
        whole_runs; /* a search costs about the same in a large segment as in a small one: merges take whole runs (size-tiered), not parts
                           of levels, and make few and large segments */
    bool
        quick_index; /* an index can be made in two steps, see index_job.quick; after the first, index_is_good says false. It is made from a
                            segment that can be read: builder_finish never gets an `index` */
    /* Offers every row (nearest.h) that may be among the k nearest: all of those that are, when the search is exact. */
    int (*nearest)(void *reader, struct nearest *);
    /* The entry of a row that was offered; value and vector as `get` gives them. */
    int (*row_entry)(void *reader, uint32_t row, struct entry *, struct buffer *key, struct pin *);
    /* Adds to `rows` those of this reader's rows that `newer`, a reader of the same collection's newer segment, or one of its range deletes
       (NULL = none) supersedes. `stop` as in index_job. */
    int (*find_dead)(void *reader, void *newer, const struct range_set *newer_ranges, struct dead_rows *rows,
                     int (*stop)(void *context), void *stop_context);
};
#endif
