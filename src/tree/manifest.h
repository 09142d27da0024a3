/* The manifest: which segments make up which level of which collection, and up to where each collection is independent of the
   log. A file of checksummed edits, manifest/<generation, 16 hex digits>; CURRENT names the generation in force. Every commit is
   synced before it returns. When a file has grown past a bound, or a sync failed, the whole state goes to a new generation
   (written aside, synced, CURRENT replaced by rename, directories synced), then the old file is removed.
   Records name ids, never paths. */
#ifndef NACRE_TREE_MANIFEST_H
#define NACRE_TREE_MANIFEST_H
#include "segment/segment.h"

/* A part of a segment in a level: the keys of [begin, end) only. A segment shrinks piece by piece while merges consume it. */
struct manifest_piece {
    uint32_t level;
    uint64_t run; /* level 0: greater = newer; deeper levels have one run, 0 */
    bool has_begin, has_end;
    struct buffer begin, end;             /* owned */
    struct segment_properties properties; /* owned; the same for each piece of a segment */
    uint64_t shadowed;       /* estimated: versions under a newer one of the same key, kept for snapshots */
    uint64_t hiding;         /* estimated: keys that an older run holds too */
    uint64_t last_expiry_ms; /* the greatest expiry of the segment's entries that have one; 0 = none has */
};

struct manifest_collection {
    uint32_t id; /* never used again */
    char *name;
    uint32_t kind;
    uint64_t default_ttl_ms;
    uint32_t dimension, metric;               /* of kinds that hold vectors, else 0 */
    char *merge_operator, *compaction_filter; /* names, or NULL */
    uint64_t value_log_threshold;             /* bytes of a value from which on it goes to the value log; 0 = never */
    uint64_t log_position;                    /* records before it are in segments */
    uint64_t next_run;
    struct manifest_piece *pieces;
    size_t piece_count, piece_capacity;
};

struct manifest_state {
    uint64_t opening;       /* counts openings for writing; high bits of segment ids */
    uint64_t last_sequence; /* no sequence above it is in a segment */
    uint64_t clean_log_end; /* 0, or the log's end at a clean close */
    uint32_t next_collection;
    uint32_t next_log_file; /* a hint: files below it exist or existed */
    struct manifest_collection *collections;
    size_t collection_count;
};

/* One atomic step. Arrays are the caller's. Unset fields change nothing. */
struct manifest_edit {
    uint32_t collection;                      /* 0 = store-wide fields only */
    const struct manifest_collection *create; /* a new collection (all but its pieces) */
    bool drop;
    const struct manifest_piece *remove;
    size_t remove_count; /* matched by segment id, level and bounds */
    const struct manifest_piece *add;
    size_t add_count;
    bool has_log_position;
    uint64_t log_position;
    bool has_next_run;
    uint64_t next_run;
    bool has_last_sequence;
    uint64_t last_sequence;
    bool has_clean_log_end;
    uint64_t clean_log_end;
    bool has_opening;
    uint64_t opening;
    bool has_next_log_file;
    uint32_t next_log_file;
    bool has_next_collection;
    uint32_t next_collection; /* moves by itself with `create` */
};

struct manifest;
/* Makes the manifest of a new store: directory <store>/manifest exists, CURRENT does not. */
int manifest_create(const nacre_os *, const char *store_path, struct manifest **);
/* Reads CURRENT and the edits. A torn last edit (never acknowledged) is cut off (unless read_only) and logged; other damage is
   NACRE_CORRUPT with file, offset, expected, found; a newer format is NACRE_UNSUPPORTED; no CURRENT: NACRE_NOT_FOUND. */
int manifest_open(const nacre_os *, const char *store_path, bool read_only, const nacre_logger *, struct manifest **);
void manifest_close(struct manifest *);
/* Durable on return. Any thread; serialised inside. On failure the state is unchanged, in memory and after the next good commit
   on disk too: a half-written edit is never followed by another in the same file. Until then the disk may hold the failed edit whole
   (a failed sync says nothing): an opening that comes first finds it done, so what it names must stay until a commit succeeds.
   A commit that sets clean_log_end to other than 0 also writes the file's exact length into CURRENT, so that damage to its last edits
   cannot pass for a torn tail. */
int manifest_commit(struct manifest *, const struct manifest_edit *);
/* A deep copy of the state now. */
int manifest_copy_state(struct manifest *, struct manifest_state *);
void manifest_state_free(struct manifest_state *);
int manifest_state_copy(const struct manifest_state *, struct manifest_state *);
/* Writes a whole new manifest (generation 1 and CURRENT) for `state` into another store directory: for checkpoints. */
int manifest_write_copy(const nacre_os *, const char *store_path, const struct manifest_state *state);
/* The bytes that manifest_write_copy would make: of manifest/<generation 1>, and of CURRENT. */
#define MANIFEST_COPY_NAME "manifest/0000000000000001"
int manifest_copy_bytes(const struct manifest_state *, struct buffer *file, struct buffer *current);
uint64_t manifest_generation(const struct manifest *);
/* Names the state: grows with every commit and never comes back, across openings too. The writer and who reads beside it count alike.
   Any thread, under any lock. */
uint64_t manifest_position(const struct manifest *);
/* Brings a manifest that was opened read_only to what the disk says now: applies the edits that came, or reads a new generation. An edit that
   is half there is not. One thread at a time. NACRE_CORRUPT, NACRE_UNSUPPORTED, NACRE_IO: the state is that of some edit before. */
int manifest_follow(struct manifest *);
/* The state itself, of a manifest that was opened read_only: good until the next manifest_follow. For the thread that calls that. */
const struct manifest_state *manifest_followed(const struct manifest *);
uint64_t manifest_bytes(const struct manifest *);
/* A store-wide unique id: opening << 32 | counter. Any thread. */
uint64_t manifest_next_segment_id(struct manifest *);
int manifest_dump_file(const nacre_os *, const char *path, void (*line)(void *context, const char *json),
                       void *context);
int manifest_verify(const nacre_os *, const char *store_path,
                    struct manifest_state *state); /* reads from disk; fills a copy (may be NULL) */
#endif
