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
    uint64_t shadowed;       /* versions under a newer one of the same key, kept for snapshots */
    uint64_t hiding;         /* keys that an older run holds too */
    uint64_t dead;           /* bytes of the segment that no piece holds any more; each of its pieces has a share */
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
    uint64_t bytes, dead; /* of the pieces; of parts of segments that no piece holds */
    bool has_ranges;      /* some segment holds range deletes */
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
/* The newest range delete <= snapshot over the key in any segment, with its fragment's bounds; 0 when none. */
uint64_t version_covering(const struct version *, nacre_slice key, uint64_t snapshot, struct range_delete *fragment);
bool version_may_have_key(const struct version *, const struct lookup *,
                          uint32_t from_level); /* filters of levels >= from_level */
#endif
