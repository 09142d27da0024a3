/* What commits tell open transactions: each notes its changes in the store's ring (change_ring.h) in the step that gives it its sequences.
   Stores without transactions pay a load and a store per commit.

   Invariant: under commit_lock, every change with a sequence in (ring.since, last_sequence] is in the ring, whether it has been applied
   to a memtable yet or not, is visible or not, and whoever made it. */
#ifndef NACRE_STORE_CHANGES_H
#define NACRE_STORE_CHANGES_H
#include "store/change_ring.h"
#include <stdatomic.h>

struct changes {
    struct change_ring ring;    /* commit_lock */
    uint32_t commits;           /* noted since it was last looked whether anybody needs them; commit_lock */
    _Atomic bool wanted;        /* commits note their changes */
    _Atomic bool keys_wanted;   /* with the keys' bytes: somebody reads ranges */
    _Atomic bool used;          /* transactions began since then */
    _Atomic uint64_t txn_bytes; /* memory that they were granted */
};

/* The changes of one commit, gathered before the lock is taken. */
#define CHANGES_INLINE 8u
struct change_list {
    struct change inline_changes[CHANGES_INLINE], *changes; /* keys point into the payload */
    size_t count;
    bool known; /* false: nobody asked, they are too many, or there was no memory */
};

/* A transaction is about to begin: from now on changes are noted. NACRE_NO_MEMORY. */
int changes_want(nacre_store *);
void changes_want_keys(nacre_store *); /* it reads ranges, too */
void changes_gather(nacre_store *, nacre_slice payload, uint64_t sequences, struct change_list *);
void change_list_free(struct change_list *);
/* commit_lock held; the changes have the sequences from `first` to `last`. */
void changes_note(nacre_store *, const struct change_list *, uint64_t first, uint64_t last);
/* Changes came by another way than a commit, as a file of entries does; commit_lock held. Transactions that began before are checked
   against memtables and segments. */
void changes_miss(nacre_store *, uint64_t last);
#endif
