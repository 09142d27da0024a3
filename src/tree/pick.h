/* Choosing work. Private to src/tree. */
#ifndef NACRE_TREE_PICK_H
#define NACRE_TREE_PICK_H
#include "tree/tree_private.h"

struct picking {
    struct tree *tree;
    const struct version *version;
    uint64_t *snapshots;
    size_t snapshot_count;
    uint64_t now_ms, wall_ms; /* tree_expiry_clock, and the time */
    uint64_t average;         /* bytes per entry */
    uint64_t segment_bytes, level0_runs, tombstone_percent;
    struct unit *unit;        /* NULL: only ask whether there is one, whatever is claimed */
    bool brief;               /* no unit that makes an index */
    bool heeds_claims;        /* asks what could be taken now */
    bool waits_for_snapshots; /* out: something would be done if snapshots went */
    uint64_t again_at_ms;     /* out: when expiry may make work; 0 = never */
    struct run_window due;    /* out, without a unit: whole runs that it would take */
    int status;
};
/* Each returns whether there is work of its sort; with a unit: whether it was planned and is free of claims. */
bool pick_drop(struct picking *); /* whole pieces that nobody sees */
bool pick_level0(struct picking *);
bool pick_tier(struct picking *);    /* whole runs: neighbours of about one size, or the cheapest when there are many */
bool pick_stale(struct picking *);   /* whole runs: those that much of is dead */
bool pick_level(struct picking *);   /* a level over its target, full of deletes, or of garbage */
bool pick_rewrite(struct picking *); /* in place: deletes and old versions with nothing beneath, small neighbours */

bool pick_drain(struct picking *); /* in place: what points into value files that drain */

/* Plans the unit in a part of `within` that is free of claims on the levels [from, to]. */
bool pick_plan(struct picking *, const struct plan *, uint32_t from, uint32_t to);
bool pick_piece(struct picking *, enum unit_kind, size_t run, const struct piece *first,
                const struct piece *last);                    /* exactly these pieces of one run, in place */
bool pick_runs(struct picking *, size_t first, size_t after); /* whole runs [first, after) into one */
bool is_over_bound(const struct picking *);                   /* garbage */
bool is_claimed(const struct picking *, const struct run *);  /* with somebody who works on it, or waits to */
/* Adds the claim of the planned unit, for the version of now, on the levels [from, to]. */
void pick_take(struct picking *, uint32_t from, uint32_t to);

bool no_snapshot_needs(const struct picking *, const struct piece *); /* anything that a newer version hides in it */
void note_expiry(struct picking *, const struct piece *); /* sets again_at_ms: when enough will have expired */

/* Entries of a piece of the run that expired and may go: none while operands may be on them. Estimated. */
uint64_t pick_expired(const struct picking *, size_t run, const struct piece *);
uint64_t piece_expired(const struct piece *, uint64_t now_ms); /* entries, estimated */
uint64_t average_entry(const struct version *);
uint64_t run_garbage(const struct run *, uint64_t average);
#endif
