/* Committing a transaction: nothing that it relies on has changed since its snapshot, or it is a conflict.

   It relies on every key that it writes; if it is serializable, also on every key that it read, found or not, and on every range of
   keys that its cursors went over. "Changed" is: somebody else's put, delete or merge of the key, or range delete over it, with a
   sequence > S, its snapshot's, that was assigned before its own.

   Where this is looked up. commit_lock is where sequences are assigned. Let L be the last one when this transaction holds the lock. The
   changes in (S, L] come in three states: visible, applied to a memtable, and only logged, which is why memtables alone do not do.
   1. The ring (changes.h) has all changes in (ring.since, L], in whatever state. When ring.since <= S, a look at its records > S under
      the lock decides everything.
   2. Else, or when there are more records than may be compared under the lock, P = the visible sequence is taken, then memtables and
      segments are searched without any lock for a version newer than S of each key, and in each range. Every change <= P was applied
      before P was visible, and is in every view taken later; or a newer version of the same key is, and then that one is found. (Flushes
      and merges drop versions under newer ones, and nothing that the snapshot sees, as it is on the list.) So either a conflict is
      found, or nothing changed up to P, and 1 is tried again with P in the place of S. Finding what is newer than P as well does no
      harm: it precedes this transaction. What no trace is left of is no conflict: a key that was not there at S, was put and deleted
      again, and of which a merge dropped both. It is as it was.
   3. The check passes and the sequence is assigned in one critical section, so no change comes between.

   Why that is serializable: order the transactions that wrote by their sequences, which is the order in which they are replayed after a
   crash, too. What one read at S is what it would read right before its own sequence, as nothing of it changed; its cursors would go
   over the same keys. One that wrote nothing is put right after all that its snapshot sees: it sees all of them as wholes, and no other,
   and needs no check. At snapshot isolation only writes are compared: of two transactions that run at the same time and write the same
   key, the second to commit fails.

   A conflict with a change that is not visible yet would be met again by who tries at once: it is waited for first.
   One thread at a time per transaction. Lock: commit_lock, through store_commit. */
#include "base/memory.h"
#include "base/status.h"
#include "store/txn.h"

/* Comparisons under the lock: at first, and so many times more with each try; after the last the transaction is told to come again. */
#define FIRST_STEPS UINT64_C(512)
#define STEPS_RATIO 8u
#define TRIES       7u

/* ---- what is committed ---- */

/* Of each key the newest operation, and those that operands are merged into: what lies under a put or delete is never seen. */
static void mark_counting(const nacre_txn *txn, bool *counts)
{
    for (size_t i = 0; i < txn->writes.count; i++) {
        for (uint32_t op = txn->writes.items[i].newest; op != TXN_NO_OP; op = txn_op_beneath(txn, op)) {
            counts[op] = true;
        }
    }
}

static int copy_counting(const nacre_txn *txn, struct nacre_batch *out)
{
    bool *counts = memory_zalloc(txn->batch.count);
    int status = counts ? NACRE_OK : NACRE_NO_MEMORY;
    if (counts) {
        mark_counting(txn, counts);
    }
    for (uint32_t i = 0; i < txn->batch.count && status == NACRE_OK; i++) {
        if (counts[i]) {
            struct batch_op op = txn_op_at(txn, i);
            status = batch_add(out, txn->writes.items[txn->ops[i].item].collection, &op);
        }
    }
    memory_free(counts);
    return status;
}

static bool targets_are_all_used(const struct nacre_batch *batch)
{
    for (size_t i = 0; i < batch->target_count; i++) {
        if (batch->targets[i].entries == 0) {
            return false; /* a collection whose writes were all taken back */
        }
    }
    return true;
}

static bool is_as_written(const nacre_txn *txn)
{
    return txn->repeats == 0 && targets_are_all_used(&txn->batch);
}

/* ---- the check, and the commit ---- */

/* For a later try to succeed, the change that was met must be visible. A failing log ends the wait. */
static void wait_for(nacre_store *store, uint64_t sequence)
{
    (void)publish_wait(&store->publisher, sequence, &store->log_failed);
}

static int give_up(const nacre_txn *txn)
{
    stats_add(&txn->store->stats, STATS_busy, 1);
    return fail(NACRE_BUSY,
                "the transaction could not be held against what others write at the same time, %u times over; "
                "commit it again",
                TRIES);
}

/* Values that go to the value log are garbage there when no commit follows: what is a conflict already is not begun. */
static int look_before_writing_values(nacre_txn *txn)
{
    struct txn_check check = { .txn = txn, .since = txn->snapshot.sequence, .steps = FIRST_STEPS };
    pthread_mutex_lock(&txn->store->commit_lock);
    int status = txn_check_ring(&check.base);
    pthread_mutex_unlock(&txn->store->commit_lock);
    return status == NACRE_SNAPSHOT_TOO_OLD ? NACRE_OK : status;
}

static int commit_checked(nacre_txn *txn, const struct commit *commit)
{
    nacre_store *store = txn->store;
    struct txn_check check = {
        .base.ask = txn_check_ring, .txn = txn, .since = txn->snapshot.sequence, .steps = FIRST_STEPS
    };
    struct commit asked = *commit;
    asked.check = &check.base;
    for (unsigned tries = 0; tries < TRIES; tries++) {
        int status = store_commit(store, &asked);
        if (status != NACRE_SNAPSHOT_TOO_OLD) {
            return status;
        }
        stats_add(&store->stats, STATS_txn_view_checks, 1);
        wait_for(store, check.wanted);
        if ((status = txn_check_views(txn, &check.since)) != NACRE_OK) {
            return status;
        }
        check.steps *= STEPS_RATIO;
    }
    return give_up(txn);
}

static int conflict(nacre_txn *txn)
{
    txn->doomed = NACRE_CONFLICT;
    stats_add(&txn->store->stats, STATS_txn_conflicts, 1);
    wait_for(txn->store, txn->conflict_sequence);
    return txn_fail_conflict(txn);
}

static int commit_batch(nacre_txn *txn, const struct nacre_batch *batch, const nacre_write_options *options)
{
    struct stamped_batch stamped;
    int status = batch->values_due ? look_before_writing_values(txn) : NACRE_OK;
    if (status != NACRE_OK) {
        return status;
    }
    status = batch_stamp(batch, options->ttl_ms, &stamped);
    if (status == NACRE_OK) {
        stamped.commit.durability = options->durability;
        stamped.commit.timeout_ms = options->timeout_ms;
        status = commit_checked(txn, &stamped.commit);
    }
    batch_stamp_free(&stamped);
    return status;
}

static int commit_writes(nacre_txn *txn, const nacre_write_options *options)
{
    if (is_as_written(txn)) {
        return commit_batch(txn, &txn->batch, options);
    }
    struct nacre_batch counting = { 0 };
    int status = copy_counting(txn, &counting);
    if (status == NACRE_OK) {
        status = commit_batch(txn, &counting, options);
    }
    buffer_free(&counting.payload);
    memory_free(counting.targets);
    return status;
}

int txn_commit(nacre_txn *txn, const nacre_write_options *options)
{
    if (txn->doomed != NACRE_OK) {
        return txn_fail_conflict(txn);
    }
    int status = txn->batch.count > 0 ? commit_writes(txn, options) : NACRE_OK;
    if (status == NACRE_CONFLICT) {
        return conflict(txn);
    }
    if (status == NACRE_OK) {
        stats_add(&txn->store->stats, STATS_txn_commits, 1);
        txn_end(txn);
    }
    return status;
}
