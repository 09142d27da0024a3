/* Transactions: optimistic, first committer wins. What one reads it reads at its snapshot, plus its own writes; at commit, under commit_lock, it
   is looked whether anything that it relies on has changed since (txn_commit.c has the proof). A transaction belongs to one thread at a time.

   Own writes are a batch. Beside it: one txn_op per operation, and the set of keys, each with its newest operation, which knows the one
   before. So a savepoint is a number of operations, and going back to it is taking operations off the end. */
#ifndef NACRE_STORE_TXN_H
#define NACRE_STORE_TXN_H
#include "store/batch.h"
#include "store/key_set.h"

#define TXN_NO_OP UINT32_MAX
struct txn_op {
    size_t at;         /* where it begins in the batch's payload */
    uint32_t item;     /* of `writes` */
    uint32_t previous; /* the operation before on the same key, or TXN_NO_OP */
};
struct txn_savepoint {
    uint64_t name;
    size_t ops;
};

/* Keys that a cursor went over: [begin, end), empty = open. */
struct txn_range {
    nacre_collection *collection;
    struct buffer begin, end;
    struct txn_range *next;
};

/* A cursor of a transaction, as the transaction knows it (txn_scan.c). */
struct txn_scan {
    nacre_txn *txn; /* NULL once that has ended: the cursor goes on */
    nacre_collection *collection;
    struct txn_scan *previous, *next;
    struct cursor *own;      /* over the own writes in the bounds; the cursor's merge owns it; NULL = none */
    uint64_t own_bytes;      /* counted for the copy */
    struct txn_range *range; /* what it went over since it was last put somewhere; NULL = nothing, or nobody asks */
};

struct nacre_txn {
    nacre_store *store;
    nacre_snapshot snapshot; /* on the store's list */
    bool serializable;
    int doomed; /* what writing and committing give from now on, unless NACRE_OK */
    struct nacre_batch batch;
    struct txn_op *ops;
    size_t op_capacity; /* batch.count of them are used */
    uint64_t repeats;   /* operations on keys that had one already */
    struct key_set writes, reads;
    struct buffer read_keys;
    nacre_collection **read_collections; /* each once, of keys and ranges read */
    size_t read_collection_count, read_collection_capacity;
    struct txn_range *ranges; /* of cursors that were moved elsewhere or closed */
    size_t range_count;
    struct txn_scan *scans; /* open cursors */
    struct txn_savepoint *savepoints;
    size_t savepoint_count, savepoint_capacity;
    uint64_t next_savepoint;
    uint64_t bytes, granted, uncounted;          /* of memory, as counted; of the store's share; beside it */
    const nacre_collection *conflict_collection; /* NULL: no conflict */
    struct buffer conflict_key;
    uint64_t conflict_sequence; /* of the change, where it is known */
};

int store_txn_begin(nacre_store *, const nacre_txn_options *, nacre_txn **);
/* Frees it; cursors that are open stay good. */
void txn_end(nacre_txn *);
int txn_get(nacre_txn *, nacre_collection *, nacre_slice key, nacre_value *);
int txn_get_vector(nacre_txn *, nacre_collection *, nacre_slice key, float *vector, nacre_value *);
int txn_write(nacre_txn *, nacre_collection *, struct batch_op *);
int txn_savepoint(nacre_txn *, uint64_t *savepoint);
int txn_rollback_to(nacre_txn *, uint64_t savepoint);
int txn_commit(nacre_txn *, const nacre_write_options *);
int txn_scan(nacre_txn *, nacre_collection *, const nacre_scan_options *, nacre_cursor **);

/* ---- private to transactions ---- */

/* Counts memory: NACRE_LIMIT over the store's share. */
int txn_charge(nacre_txn *, uint64_t bytes);
void txn_discharge(nacre_txn *, uint64_t bytes);
uint64_t txn_op_bytes(const struct batch_op *); /* that it counts for */
struct batch_op txn_op_at(const nacre_txn *, size_t op);
/* The operation beneath that counts as well: of an operand the one before it; else TXN_NO_OP. */
uint32_t txn_op_beneath(const nacre_txn *, uint32_t op);
/* The transaction's newest operation on the key; TXN_NO_OP: none. */
uint32_t txn_find_own(const nacre_txn *, nacre_collection *, nacre_slice key);
/* Before something is read that commits are held against. */
int txn_note_collection(nacre_txn *, nacre_collection *);
/* NACRE_CONFLICT, and remembers why: `key` of the collection changed, with this sequence (0 = not known). */
int txn_set_conflict(nacre_txn *, const nacre_collection *, nacre_slice key, uint64_t sequence);
int txn_fail_conflict(const nacre_txn *); /* NACRE_CONFLICT with its detail */

/* What is looked up in the ring, under commit_lock. */
struct txn_check {
    struct commit_check base;
    nacre_txn *txn;
    uint64_t since;  /* nothing changed up to it */
    uint64_t steps;  /* how many comparisons may be made */
    uint64_t wanted; /* when the ring did not do: up to where to check by other means first */
};
int txn_check_ring(struct commit_check *); /* NACRE_SNAPSHOT_TOO_OLD: see `wanted` */
/* Outside of any lock, in memtables and segments: NACRE_OK, nothing that the transaction relies on changed up to *since, which moves on to the
   visible sequence; NACRE_CONFLICT; NACRE_NOT_FOUND, a collection was dropped; or an error of reading. */
int txn_check_views(nacre_txn *, uint64_t *since);

/* ---- cursors (txn_scan.c) ---- */

/* Own writes as cursors meet them: newer than all others, and, as signed numbers, older than any snapshot. */
#define TXN_OWN_SEQUENCE (UINT64_C(1) << 63)
/* merged_own.each of a cursor, whose context is its txn_scan. */
void txn_scan_each_own(const void *scan, nacre_slice key, bool (*visit)(void *visitor, const struct entry *),
                       void *visitor);
/* Makes scan->own, over the own writes in [begin, end) so far. */
int txn_scan_make_own(struct txn_scan *, nacre_slice begin, nacre_slice end);
void txn_scan_detach(struct txn_scan *);
void txn_scan_free(struct txn_scan *);
/* The cursor was put somewhere, and went over [begin, end), or with `with_end` [begin, end]. Empty = open. */
int txn_scan_jumped(struct txn_scan *, nacre_slice begin, nacre_slice end, bool with_end);
/* It went on from there, down to `begin`, or up to `end`. */
int txn_scan_reached_begin(struct txn_scan *, nacre_slice begin);
int txn_scan_reached_end(struct txn_scan *, nacre_slice end, bool with_end);
/* Whether a jump of the cursor to `target` (open: to the end) would pass over own writes. */
bool txn_scan_has_own_before(const struct txn_scan *, nacre_slice target, bool open, bool reverse);
#endif
