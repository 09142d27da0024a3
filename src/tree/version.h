/* An immutable picture of a collection's segments: levels of runs of pieces. Counted. Readers inside an RCU read section may use
   one without counting. */
#ifndef NACRE_TREE_VERSION_H
#define NACRE_TREE_VERSION_H
#include "segment/segment.h"

#define TREE_LEVELS 8

struct piece {               /* the keys of [begin, end) of a segment */
    struct segment *segment; /* counted by the version */
    void *reader;            /* the segment's, and its least sequence: so that a lookup touches nothing more of it */
    uint64_t least_sequence;
    nacre_slice begin,
        end; /* owned by the version; bounds as far as given, else the segment's own: then end is its greatest key */
    uint64_t end_head; /* of end, behind the run's shared prefix */
    bool has_begin, has_end;
    bool open_end;  /* a range delete reaches to the end of all keys, and the piece is not cut before */
    uint64_t bytes; /* estimated share of the segment's bytes; so are these: */
    uint64_t entries, deletes;
    uint64_t merges;   /* operands; 0 only where there are none */
    uint64_t shadowed; /* versions under a newer one of the same key, kept for snapshots */
    uint64_t hiding;   /* keys that an older run holds too */
    uint64_t values;   /* bytes of the value log that its entries point to */
    uint64_t dead;     /* bytes of the segment that no piece holds any more; each of its pieces has a share */
    /* Of kinds with find_dead: the rows that the version's newer segments supersede, NULL = none; counted by the version. */
    struct dead_rows *dead_rows;
    bool dead_known;
    uint64_t dead_unseen;    /* so many of them were dead to every viewer when last looked at */
    uint64_t last_expiry_ms; /* the segment's greatest expiry; 0 = no entry has one */
};
struct run { /* pieces ascend and are disjoint */
    struct piece *pieces;
    size_t count;
    uint64_t id, bytes;
    uint64_t *heads; /* of the pieces' begins, behind the shared prefix */
    size_t shared;   /* bytes that all bounds of the run begin with */
    uint32_t level;
    bool has_ranges;
};
struct level {
    struct run *runs;
    size_t count;
    uint64_t bytes;
}; /* level 0: newest run first; deeper: at most one run */
struct version {
    atomic_uint references;
    const struct kind *kind;
    struct level levels[TREE_LEVELS];
    struct run *runs; /* all of them, newest first; the levels' point into it */
    size_t run_count, piece_count, segment_count;
    size_t unknown_dead;  /* pieces of kinds with find_dead whose dead rows are not known */
    uint64_t bytes, dead; /* of the pieces; of parts of segments that no piece holds */
    uint64_t values;      /* bytes of the value log that the pieces' entries point to */
    bool has_ranges;      /* some segment holds range deletes */
    bool has_values;      /* some segment points into the value log */
    uint64_t greatest_sequence;
};
void version_ref(struct version *);
void version_unref(struct version *);

/* The newest version of the key with sequence <= lookup->snapshot in any level, or a range delete that covers it:
   NACRE_OK (entry may be a delete; entry->sequence tells), NACRE_NOT_FOUND, or an error. `covered` in/out: the newest sequence of a range delete over the
   key that is known from newer sources (0 = none); an entry older than it counts as deleted: then NACRE_NOT_FOUND. */
int version_get(const struct version *, const struct lookup *, uint64_t covered, struct entry *, struct pin *);
/* The same in runs[from_run..], whatever range deletes say. */
int version_get_below(const struct version *, size_t from_run, const struct lookup *, struct entry *, struct pin *);
/* Gives the versions of the key with sequence <= lookup->snapshot in any level, the newest first, until `visit` says false; their slices are good during
   the call. Time is linear in the versions that there are. Range deletes are the caller's to apply. */
int version_visit(const struct version *, const struct lookup *, bool (*visit)(void *context, const struct entry *),
                  void *context);
/* As that but only "prefetch what get will touch first" for all of the runs that may hold the key. */
void version_prefetch(const struct version *, size_t from_run, const struct lookup *);
/* One cursor per run that may hold keys of the bounds/prefix (empty slices = open), appended to `children`; they hold what they need of the version's
   segments only as long as the version is held by the caller. */
int version_cursors(const struct version *, nacre_slice begin, nacre_slice end, nacre_slice prefix,
                    struct cursor ***children, size_t *count, size_t *capacity);
/* The same over the keys in [begin, end) that a search wants, of runs[from_run..]; for kinds that search. The search and the bounds live as long as
   the cursors, which share the search's automaton: all in one thread. */
int version_match_cursors(const struct version *, size_t from_run, struct search *, nacre_slice begin, nacre_slice end,
                          struct cursor ***children, size_t *count, size_t *capacity);
/* Whether it is known which of the piece's rows the version's newer segments supersede, for a reader at `snapshot`. True: *dead says it all (NULL =
   none of them). False: keys have to be looked up, version_newer_has. */
bool piece_dead_rows(const struct piece *, uint64_t snapshot, const struct dead_rows **dead);
/* Whether runs[0..run) have a version of the key with sequence <= lookup->snapshot, or a range delete over it, that supersedes the version
   `sequence` of runs[run]. */
int version_newer_has(const struct version *, size_t run, const struct lookup *, uint64_t sequence, bool *newer);
/* Whether runs[from_run..] hold a put of the key, hidden by something or not. */
int version_has_put(const struct version *, size_t from_run, nacre_slice key, bool *has);
/* Bytes of the value log that entries with keys of [begin, end) (empty end = open) point to, by samples of keys. */
uint64_t version_values_in(const struct version *, nacre_slice begin, nacre_slice end);
/* The newest range delete <= snapshot over the key in any segment, with its fragment's bounds; 0 when none. */
uint64_t version_covering(const struct version *, nacre_slice key, uint64_t snapshot, struct range_delete *fragment);
bool version_may_have_key(const struct version *, const struct lookup *,
                          uint32_t from_level); /* filters of levels >= from_level */
/* Looks for a version of a key in [begin, end) (empty = open), or a range delete that meets it, with a sequence > since: *sequence is 0, or that of the
   first one met, and `key` says where. */
int version_changed_since(const struct version *, nacre_slice begin, nacre_slice end, uint64_t since,
                          struct buffer *key, uint64_t *sequence);
#endif
