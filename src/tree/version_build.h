/* Making versions, and questions about their pieces that only the tree asks. */
#ifndef NACRE_TREE_VERSION_BUILD_H
#define NACRE_TREE_VERSION_BUILD_H
#include "tree/version.h"

/* A range of keys: [begin, end); empty = open. */
struct key_range {
    nacre_slice begin, end;
};

/* A piece that a version shall have. Keys and segments stay the caller's; the version copies and counts. */
struct placed {
    uint32_t level;
    uint64_t run;
    struct segment *segment;
    bool has_begin, has_end;
    nacre_slice begin, end;
    uint64_t bytes, entries, deletes, shadowed, hiding, last_expiry_ms;
    struct dead_rows *dead_rows; /* as in struct piece; the version counts it */
    bool dead_known;
    uint64_t dead_unseen;
};

/* Sorts the list. Pieces of a run that overlap are NACRE_CORRUPT. */
int version_build(const struct kind *, struct placed *list, size_t count, struct version **);
/* All pieces of a version, room for `extra` more; free with memory_free. */
int version_placed(const struct version *, size_t extra, struct placed **list, size_t *count);

/* Each segment of the runs with ids below `before_run` once; the version holds them. Free with memory_free. */
int version_segments(const struct version *, uint64_t before_run, struct segment ***list, size_t *count);

/* Sets the shares (bytes, entries, ...) of `part`, which was cut from `whole`, by samples of the segment's keys. */
int placed_estimate(struct placed *part, const struct placed *whole);
void placed_whole(struct placed *); /* bytes, entries and deletes of the whole segment */

/* Of `bytes` in the value log, or in one file of it, that the whole segment points to, the part of a piece with so many entries. The same
   whenever it is asked. */
uint64_t value_share_of(const struct segment *, uint64_t entries, uint64_t bytes);

static inline bool piece_ends_before(const struct piece *p, nacre_slice key) /* all of it < key */
{
    if (p->open_end) {
        return false;
    }
    int order = slice_compare(p->end, key);
    return p->has_end ? order <= 0 : order < 0;
}
static inline bool piece_overlaps(const struct piece *p, const struct key_range *range)
{
    return !piece_ends_before(p, range->begin) && (range->end.size == 0 || slice_compare(p->begin, range->end) < 0);
}
/* Pieces of the run that overlap the range: indexes [*first, *after). */
void run_overlap(const struct run *, const struct key_range *, size_t *first, size_t *after);
/* Is there any piece of runs[from..] that overlaps the range? */
bool version_overlaps(const struct version *, size_t from_run, const struct key_range *);
/* May one of runs[0..run) hold operands of the key? */
bool version_may_have_operands(const struct version *, size_t run, const struct lookup *);
/* Are there operands in a piece of runs[0..run) that overlaps the range? */
bool version_has_operands(const struct version *, size_t run, const struct key_range *);
/* May one of runs[from..] hold the key? */
bool version_may_have_key_from(const struct version *, size_t from_run, const struct lookup *);
#endif
