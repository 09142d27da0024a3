/* An immutable segment of one collection: its file, its side file of indexes when there is one, its kind's reader, and what every
   kind has in common (properties, range deletes). Counted; the last reference closes it and, when it was marked obsolete,
   hands its files to the reaper for removal. Also the writer that makes one. */
#ifndef NACRE_SEGMENT_SEGMENT_H
#define NACRE_SEGMENT_SEGMENT_H
#include "segment/kind.h"
#include <stdatomic.h>

struct segment_env { /* shared by all segments of a store */
    const nacre_os *os;
    const nacre_logger *logger;
    const char *directory; /* <store>/segments */
    struct block_cache *cache;
    bool map;
    /* Called by the last unref of an obsolete segment: remove these files soon (never blocks). NULL: removed at once. */
    void (*reap)(void *context, uint64_t segment_id);
    void *reap_context;
};

/* Kept in the segment's PROP section and, as far as recovery needs them, in the manifest. Keys are owned copies. */
struct segment_properties {
    uint64_t id, bytes, index_bytes, checksum;
    uint64_t entries, deletes, range_deletes, key_value_bytes;
    uint64_t least_sequence, greatest_sequence;
    uint64_t earliest_expiry_ms, latest_expiry_ms; /* 0 = none has one; latest is UINT64_MAX when some never expire */
    uint64_t expiring;                             /* entries with an expiry */
    struct buffer smallest, greatest;              /* keys, covering entries AND range deletes' begins and ends */
    bool greatest_open;                            /* a range delete runs to the end of all keys */
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
    atomic_uint references;
    atomic_bool obsolete;
};

int segment_open(struct segment_env *, const struct kind *, uint64_t id, uint64_t expected_bytes,
                 struct segment **); /* 1 reference; a bad or missing side file is only logged */
void segment_ref(struct segment *);
void segment_unref(struct segment *);
void segment_mark_obsolete(struct segment *);
int segment_path(const struct segment_env *, uint64_t id, bool index,
                 char out[OS_PATH_MAX]); /* <dir>/<id as 16 hex digits>.seg|.idx */
int segment_remove_files(const struct segment_env *, uint64_t id);
bool segment_has_index(const struct segment *);      /* a good one: no damage was found in it so far */
bool segment_index_is_sound(const struct segment *); /* the same, after reading and checking all of it */
uint64_t segment_index_bytes(const struct segment *);
uint64_t segment_memory(const struct segment *); /* heap bytes */
int segment_build_index(
    struct segment *); /* makes or remakes the side file and attaches it; one thread at a time per segment */
int segment_verify(struct segment *, uint64_t *entries);

/* ---- private to src/segment ---- */
int segment_write_identity(struct container_writer *index,
                           const struct segment_properties *); /* names the segment in its side file */

/* Makes one segment out of entries in internal order. */
struct segment_builder;
int segment_builder_create(struct segment_env *, const struct kind *, uint64_t id, const struct build_options *,
                           struct segment_builder **);
int segment_builder_add(struct segment_builder *, const struct entry *);
int segment_builder_add_range(struct segment_builder *, const struct range_delete *); /* any order */
uint64_t segment_builder_bytes(const struct segment_builder *);                       /* so far */
uint64_t segment_builder_entries(const struct segment_builder *);
int segment_builder_finish(
    struct segment_builder *,
    struct segment *
        *); /* synced file(s), opened, 1 reference; the caller syncs the directory before the manifest names it; frees the builder */
void segment_builder_abandon(struct segment_builder *); /* removes what was written; frees */
#endif
