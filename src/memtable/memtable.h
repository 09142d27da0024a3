/* The mutable table of a collection: an ordered map from key to versions, newest first. Insert-only (a delete is a
   version). Any number of threads put and read at once; readers take no lock. Memory comes from an arena that lives as
   long as the table, so nothing a reader has found moves or goes away while it holds the table.

   Structure: an adaptive radix tree (Leis et al., "The Adaptive Radix Tree", ICDE 2013) with path compression; writers
   synchronise as in ROWEX (Leis et al., "The ART of Practical Synchronization", DaMoN 2016): they lock the nodes they
   change, readers never wait. */
#ifndef NACRE_MEMTABLE_MEMTABLE_H
#define NACRE_MEMTABLE_MEMTABLE_H
#include "base/automaton.h"
#include "base/buffer.h"
#include "base/cursor.h"
#include "base/range_set.h"

struct memtable;
struct chunk_pool; /* recycles the big chunks of dead memtables: memtable/chunk_pool.h */

struct memtable_options {
    bool
        searched; /* its keys are also listed in the order they came, for searches that the tree is of no use to (8 to 9 bytes per key) */
    uint32_t
        vector_bytes; /* not 0: every put has a vector of so many bytes (entry.vector, copied), kept in rows: see memtable_rows */
};
int memtable_create(struct chunk_pool *, const struct memtable_options *, struct memtable **);
void memtable_ref(struct memtable *);
void memtable_unref(struct memtable *); /* the last one frees it */

/* Makes sure that `entries` puts (or range deletes) of `bytes` key and value bytes together will find memory.
   NACRE_NO_MEMORY; NACRE_BUSY when the pool's guard says no (chunk_pool_guard). Called before a write is logged, one caller at a time (the commit lock), so that memtable_put need
   not fail. Reservations add up until their puts have come. Exact for the entries, and for the tree's nodes of up to
   128 puts outstanding; beyond that nodes are estimated, amply for any keys but those made to defeat the estimate. */
int memtable_reserve(struct memtable *, size_t entries, size_t bytes);
/* Takes back a reservation whose puts will never come (the write failed before the log). Same callers. */
void memtable_unreserve(struct memtable *, size_t entries, size_t bytes);
/* The same for the vectors of so many of those puts, in tables that hold vectors. */
int memtable_reserve_vectors(struct memtable *, size_t puts);
void memtable_unreserve_vectors(struct memtable *, size_t puts);
/* Adds one version (key and value are copied). Any thread. Versions of one key may come in any order of sequence; a
   sequence that the key already has is ignored. NACRE_NO_MEMORY only past what was reserved. */
int memtable_put(struct memtable *, const struct entry *);
int memtable_delete_range(struct memtable *, const struct range_delete *); /* serialised inside */

/* The newest version of `key` with sequence <= snapshot; false when there is none. Range deletes are the caller's to
   apply. The entry's slices live as long as the table. */
bool memtable_get(const struct memtable *, nacre_slice key, uint64_t snapshot, struct entry *found);
/* Gives the versions of `key` with sequence <= snapshot, the newest first, until `visit` says false. Their slices live as long as the table. */
void memtable_visit_versions(const struct memtable *, nacre_slice key, uint64_t snapshot,
                             bool (*visit)(void *context, const struct entry *), void *context);
/* The newest sequence of any range delete <= snapshot that covers the key, 0 when none. Cheap when there are none at
   all. */
uint64_t memtable_covering(const struct memtable *, nacre_slice key, uint64_t snapshot);
bool memtable_has_ranges(const struct memtable *);
/* Gives each range delete so far, newest first by arrival. Cheap: nothing is made. */
void memtable_visit_ranges(const struct memtable *, void (*visit)(void *context, const struct range_delete *),
                           void *context);
/* All range deletes so far as an immutable set (NULL when none), owned by the table. Costs a new set when ranges came
   since the last call; the table keeps, and memtable_bytes counts, the old ones. NACRE_NO_MEMORY. */
int memtable_ranges(struct memtable *, const struct range_set **set);

/* Over all versions in internal order. Meets all whose put had finished at its last seek (seek_before, first, last);
   sees puts that happen later or not, each whole. The cursor does not hold the table: the caller does. */
int memtable_cursor_create(struct memtable *, struct cursor **);

/* What a match cursor is to give: the keys in [begin, end) (empty = open) that an automaton wants. Lives as long as the cursor. */
struct memtable_search {
    struct automaton *automaton;
    nacre_slice begin, end;
    int (*stop)(
        void *
            context); /* asked every MEMTABLE_STOP_KEYS keys: NACRE_OK to go on, else the status to end in. May be NULL */
    void *stop_context;
    /* A match cursor that has met so many keys in the tree, few of them wanted, gathers the rest from the list of keys, which costs about a
       tenth per key. 0 = never: where the automaton keeps the walk out of most of the tree. Tables that are searched only. */
    uint64_t list_after;
    uint64_t keys_run; /* counts up by the keys that were looked at one by one */
};
#define MEMTABLE_STOP_KEYS 256u
/* As memtable_cursor_create, over all versions of those keys alone. seek and seek_before take any key. Meets all whose put had finished
   when the cursor was first moved. Its status may be what `stop` gives, or NACRE_NO_MEMORY. */
int memtable_match_cursor_create(struct memtable *, struct memtable_search *, struct cursor **);

#define MEMTABLE_SCAN_AHEAD 16u /* keys: about what a fetch from memory takes; a power of two */
/* The keys of a searched table that an automaton wants, each once, in no order: part `part` of `parts`, which are about equal and together
   hold all keys whose put had finished when the first of them was begun; keys put later may be met or not. */
struct memtable_scan {
    struct memtable *table;
    struct memtable_search *search;
    size_t part, parts;
    /* The rest is memtable_scan_next's own; zero at first. */
    int status;
    bool drained; /* no more leaves come into the queue */
    size_t lane;
    struct leaf_piece *piece;
    size_t at, count; /* places */
    struct leaf_place *queue[MEMTABLE_SCAN_AHEAD];
    size_t queue_begin, queue_end;
};
/* The next wanted key that has a version with sequence <= snapshot; *entry is the newest such, and lives as long as the table. False: there
   is none, or scan->status says why not (what `stop` gave, NACRE_NO_MEMORY). */
bool memtable_scan_next(struct memtable_scan *, uint64_t snapshot, struct entry *entry);

/* What older tables and segments hold of a key of this table: a note that who looked there leaves with the key, for those who come later.
   It stays true as long as the table is in use, since every version below is older than the table's own, and none is added there. Any thread.
   `key` is the slice that a cursor or scan over the table gave, not a copy. */
enum memtable_below {
    MEMTABLE_BELOW_UNKNOWN,
    MEMTABLE_BELOW_DEAD, /* nothing, or a delete */
    MEMTABLE_BELOW_LIVE  /* a put that never expires */
};
enum memtable_below memtable_below(nacre_slice key);
void memtable_note_below(nacre_slice key, enum memtable_below);

/* ---- rows ----
   Tables with vectors keep these apart from keys and values, one after the other in the order they came, each at a multiple of 64 bytes, in chunks that never
   move: an exact search streams over them. Overwritten and deleted versions' rows stay until the table goes. */
#define MEMTABLE_BLOCK_ROWS 64u
struct memtable_row_block {
    const float *
        vectors; /* of `count` rows, `stride` bytes apart; aligned to 64 bytes, zeros behind the last element up to the stride */
    size_t stride, count; /* count: 1 to MEMTABLE_BLOCK_ROWS */
    const void *rows;     /* for memtable_row_entry */
};
struct memtable_rows { /* set `table`, the rest zero */
    struct memtable *table;
    /* The rest is memtable_rows_next's own. */
    const void *chunk;
    size_t at;
};
/* The next rows, each once; false at the end. Meets all whose put had finished when it was first called; rows that are being put meanwhile are met or
   not, each whole. Any thread; takes no lock. */
bool memtable_rows_next(struct memtable_rows *, struct memtable_row_block *);
/* The version that row `i` of the block is of, if it is the newest of its key with sequence <= snapshot; else false. Expiry and range deletes are the caller's
   to apply. */
bool memtable_row_entry(const struct memtable_row_block *, size_t i, uint64_t snapshot, struct entry *);
uint64_t memtable_row_count(const struct memtable *);    /* 0 for tables without vectors */
uint64_t memtable_vector_bytes(const struct memtable *); /* of the rows: what a search over all of them reads */

/* Up to `count` keys that cut the table in parts of about the same size, ascending, appended as buffer_append_slice. Looks at the
   upper nodes alone, so a part may be some times larger than another. NACRE_NO_MEMORY. */
int memtable_sample_keys(struct memtable *, size_t count, struct buffer *keys, size_t *made);

uint64_t memtable_bytes(const struct memtable *);   /* arena memory used, rows, and sets of range deletes */
uint64_t memtable_memory(const struct memtable *);  /* all that it holds of the system, used or not */
uint64_t memtable_entries(const struct memtable *); /* versions + range deletes */
uint64_t memtable_deletes(const struct memtable *);
uint64_t memtable_newest(const struct memtable *); /* greatest sequence put, 0 when empty */
uint64_t memtable_oldest(const struct memtable *);
/* The least clock of any operand put so far (base/operand.h), SEQUENCE_MAX when there is none. */
uint64_t memtable_oldest_clock(const struct memtable *);
#endif
