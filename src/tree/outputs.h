/* Builds the segments that a flush or merge makes, from a cursor over its inputs. */
#ifndef NACRE_TREE_OUTPUTS_H
#define NACRE_TREE_OUTPUTS_H
#include "tree/filter.h"
#include "tree/tree_private.h"

#define RUN_SEGMENT_ENTRIES_MAX \
    (UINT64_C(8) \
     << 20) /* of kinds with whole_runs: an index of some hundred bytes per row stays below the container's limit */

/* How large a segment may get. */
struct output_sizes {
    uint64_t target_bytes, entries_most;
};
/* As the tuning says for a level. */
void output_options(const struct tree *, uint32_t level, struct build_options *, struct output_sizes *);
/* The segment is to end before an entry with a value of so many bytes. */
bool output_is_full(const struct output_sizes *, const struct segment_builder *, size_t next_value);

struct output_job {
    struct tree *tree;
    struct cursor *cursor;             /* over the inputs, in internal order; the caller closes it */
    struct key_range range;            /* only these keys */
    const struct range_delete *ranges; /* the inputs' range deletes, clipped to the range */
    size_t range_count;
    const struct version *base; /* what lies beneath: its runs from `beneath` on */
    size_t beneath;
    bool
        exact_beneath; /* deletes are kept for puts that lie beneath, not where filters and other deletes are all there is */
    size_t
        newer; /* its runs [0, newer) are newer than the inputs, and what they hide is left out; 0: is not looked for */
    size_t above;    /* its runs [0, above) are newer than the inputs, and may hold operands on their versions */
    uint64_t now_ms; /* what expired by then counts as deleted: tree_expiry_clock, taken together with `base` */
    uint32_t level;  /* of the outputs */
    uint64_t run;
    uint64_t expected_bytes, expected_entries;
    uint64_t reach;         /* of the outputs (segment/words.h) */
    const uint64_t *inputs; /* the segments that the range is taken out of */
    size_t input_count;
    struct value_moves *moves;  /* values that are to go elsewhere; NULL: none */
    bool syncs_values;          /* what entries point to in the value log may not be durable yet */
    bool filters;               /* the collection's compaction filter is asked */
    bool fills;                 /* full segments instead of equal ones */
    int (*stop)(void *context); /* looked at every 1024 entries; NULL: only whether the tree stops */
    void *stop_context;
};
struct outputs {
    struct placed *made; /* their segments: one reference each; their keys in `keys` */
    size_t count, capacity;
    struct buffer *keys;     /* one per made segment: begin and end */
    uint64_t bytes, entries; /* bytes: side files too */
    struct filtered filtered;
};
/* Synced, with their directory. On failure nothing is left behind. NACRE_CANCELLED when the tree stops. */
int outputs_build(const struct output_job *, struct outputs *);
void outputs_release(struct outputs *, bool remove_files);
#endif
