/* An immutable segment of one collection: its file, its side file of indexes when there is one, its kind's reader, and what every
   kind has in common (properties, range deletes). Counted; the last reference closes it and, when it was marked obsolete,
   hands its files to the reaper for removal. Also the writer that makes one. */
#ifndef NACRE_SEGMENT_SEGMENT_H
#define NACRE_SEGMENT_SEGMENT_H
#include "segment/kind.h"
#include "segment/replaced.h"
#include "segment/value_shares.h"
#include "values/value_log.h"
#include <stdatomic.h>

struct segment_env { /* shared by all segments of a store */
    const nacre_os *os;
    const nacre_logger *logger;
    const char *directory; /* <store>/segments */
    struct block_cache *cache;
    size_t buffer_bytes; /* of each file that is written; 0: WRITER_BUFFER_BYTES */
    bool map;
    bool ignore_indexes; /* side files are not opened */
    struct value_log
        *values; /* where entries of type ENTRY_POINTER point to; NULL: segments have none, or nobody reads them */
    /* Called by the last unref of an obsolete segment: remove these files soon (never blocks). NULL: removed at once. */
    void (*reap)(void *context, uint64_t segment_id);
    void *reap_context;
    struct gone_list *gone; /* obsolete segments whose files are there yet; NULL: not kept */
};

/* Kept in the segment's PROP section and, as far as recovery needs them, in the manifest. Keys are owned copies. */
struct segment_properties {
    uint64_t id, bytes, index_bytes, checksum;
    uint64_t entries, deletes, range_deletes, key_value_bytes;
    uint64_t least_sequence, greatest_sequence;
    uint64_t
        given_sequence; /* 0, or the one sequence of all entries, which the file has as settled: see segment_give_sequence */
    uint64_t earliest_expiry_ms, latest_expiry_ms; /* 0 = none has one; latest is UINT64_MAX when some never expire */
    uint64_t expiring;                             /* entries with an expiry */
    uint64_t collection;                           /* its id; 0: written before segments knew it */
    struct buffer smallest, greatest;              /* keys, covering entries AND range deletes' begins and ends */
    uint64_t merges;                               /* operands of merges among the entries */
    bool greatest_open;                            /* a range delete runs to the end of all keys */
    struct value_shares values;                    /* what the entries point to in the value log */
};

/* As bytes, for the PROP section and the manifest. decode makes owned copies into a zeroed struct; on failure it frees them. A reader that
   fails is NACRE_CORRUPT; the caller says where. */
int segment_properties_encode(const struct segment_properties *, struct buffer *out);
int segment_properties_decode(struct reader *, struct segment_properties *);
int segment_properties_copy(const struct segment_properties *, struct segment_properties *copy);
void segment_properties_free(struct segment_properties *);

struct segment {
    const struct kind *kind;
    void *reader;
    struct segment_env *env;
    struct container *container;
    _Atomic(struct container *) index;    /* the newest side file, NULL while missing; older ones follow in ->older */
    struct range_set *ranges;             /* NULL when none */
    struct segment_properties properties; /* as of opening; never change */
    struct value_file **value_files;      /* of properties.values, one reference each; NULL without env->values */
    atomic_uint references;
    atomic_bool obsolete;
};

int segment_open(struct segment_env *, const struct kind *, uint64_t id, uint64_t expected_bytes,
                 struct segment **); /* 1 reference; a bad or missing side file is only logged */
/* The files of a segment that was built with sync_later. A failure is for good: what was lost is not known, and a later sync may hide it. */
int segment_sync(const struct segment *);
/* All entries, which were written as settled, have this sequence from now on. Only while nobody else reads the segment; may be called again.
   NACRE_CORRUPT where the segment holds anything else. */
int segment_give_sequence(struct segment *, uint64_t sequence);
void segment_ref(struct segment *);
void segment_unref(struct segment *);
void segment_mark_obsolete(struct segment *);
int segment_path(const struct segment_env *, uint64_t id, bool index,
                 char out[OS_PATH_MAX]); /* <dir>/<id as 16 hex digits>.seg|.idx */
int segment_remove_files(const struct segment_env *, uint64_t id);
int segment_writer(const struct segment_env *, const char *path, enum container_role, uint64_t id, uint32_t kind,
                   struct container_writer **);      /* as container_writer_create */
bool segment_has_index(const struct segment *);      /* a good one: no damage was found in it so far */
bool segment_index_is_sound(const struct segment *); /* the same, after reading and checking all of it */
uint64_t segment_index_bytes(const struct segment *);
uint64_t segment_memory(const struct segment *); /* heap bytes */
/* Makes or remakes the side file and attaches it; one thread at a time per segment. job: NULL for one thread without bounds. */
int segment_build_index(struct segment *, const struct index_job *);
/* Attaches a side file that another process has made since, where the one at hand is not good enough; one thread at a time. */
void segment_take_index(struct segment *);
int segment_verify(struct segment *, uint64_t *entries);

/* ---- private to src/segment ---- */
/* Counts what the entry points to in the value log, if it does. NACRE_CORRUPT: it is no pointer. */
int segment_note_value(struct value_shares *, const struct entry *);
int segment_write_identity(struct container_writer *index,
                           const struct segment_properties *); /* names the segment in its side file */

/* Makes one segment out of entries in internal order. */
struct segment_builder;
int segment_builder_create(struct segment_env *, const struct kind *, uint64_t id, const struct build_options *,
                           struct segment_builder **);
int segment_builder_add(struct segment_builder *, const struct entry *);
int segment_builder_add_range(struct segment_builder *, const struct range_delete *); /* any order */
int segment_builder_replaces(struct segment_builder *, nacre_slice groups);           /* of replaced.h, more of them */
int segment_builder_reaches(struct segment_builder *, nacre_slice from,
                            nacre_slice to);                    /* the keys that the words' reach is about */
uint64_t segment_builder_bytes(const struct segment_builder *); /* so far */
uint64_t segment_builder_entries(const struct segment_builder *);
int segment_builder_finish(
    struct segment_builder *,
    struct segment *
        *); /* synced file(s), opened, 1 reference; the caller syncs the directory before the manifest names it; frees the builder */
void segment_builder_abandon(struct segment_builder *); /* removes what was written; frees */
#endif
