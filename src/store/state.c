/* The state of the store: ok, read_only(reason), failed(reason), and the way back. Locks: state_lock. */
#include "base/clock.h"
#include "base/status.h"
#include "store/event.h"
#include "store/store.h"
#include <urcu/urcu-bp.h>

static _Atomic unsigned fork_generation;

/* Whether this thread holds liburcu's locks through its fork: a child that was forked while another thread waited for readers would find them held
   for ever. A fork from within a read (a merge operator may call anything) goes without: who waits for readers waits for this one. */
static _Thread_local bool rcu_held;

static void before_fork(void)
{
    rcu_held = !urcu_bp_read_ongoing();
    if (rcu_held) {
        urcu_bp_before_fork();
    }
}

static void after_fork(void)
{
    if (rcu_held) {
        urcu_bp_after_fork_parent();
    }
}

static void after_fork_in_child(void)
{
    if (rcu_held) {
        urcu_bp_after_fork_child();
    }
    atomic_fetch_add_explicit(&fork_generation, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

unsigned store_fork_generation(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    return atomic_load_explicit(&fork_generation, memory_order_relaxed);
}

int store_check_process(const nacre_store *store)
{
    if (atomic_load_explicit(&fork_generation, memory_order_relaxed) == store->fork_generation) {
        return NACRE_OK;
    }
    return fail(NACRE_INVALID, "%s: the store was opened before a fork; a child process opens it anew", store->path);
}

int store_check_writable(nacre_store *store)
{
    /* Acquire: the reason was written before the state. */
    int state = atomic_load_explicit(&store->state, memory_order_acquire);
    if (state == NACRE_STATE_OK) {
        return NACRE_OK;
    }
    char reason[sizeof store->state_reason];
    pthread_mutex_lock(&store->state_lock);
    memcpy(reason, store->state_reason, sizeof reason);
    pthread_mutex_unlock(&store->state_lock);
    if (state == NACRE_STATE_FAILED) {
        return fail(NACRE_READ_ONLY, "the store has failed: %s", reason);
    }
    return fail(NACRE_READ_ONLY, "the store is read-only: %s", reason);
}

int store_check_freeing(nacre_store *store)
{
    bool goes_on = atomic_load_explicit(&store->space_low, memory_order_acquire) &&
                   atomic_load_explicit(&store->state, memory_order_acquire) == NACRE_STATE_READ_ONLY &&
                   atomic_load_explicit(&store->state_cause, memory_order_relaxed) == NACRE_NO_SPACE &&
                   !atomic_load_explicit(&store->log_failed, memory_order_acquire);
    return goes_on ? NACRE_OK : store_check_writable(store);
}

void store_set_state(nacre_store *store, nacre_state state, int cause, const char *reason)
{
    char text[sizeof store->state_reason];
    if (state == NACRE_STATE_READ_ONLY && cause == NACRE_NO_SPACE && !store->read_only &&
        atomic_load_explicit(&store->state, memory_order_acquire) == NACRE_STATE_OK) {
        reserve_give_up(store); /* who sees the state finds the room */
    }
    pthread_mutex_lock(&store->state_lock);
    int now = atomic_load_explicit(&store->state, memory_order_relaxed);
    bool worse = (int)state > now || state == NACRE_STATE_OK;
    if (worse) {
        size_t size = strlen(reason);
        size = size < sizeof text - 1 ? size : sizeof text - 1;
        memmove(store->state_reason, reason, size);
        store->state_reason[size] = 0;
        atomic_store_explicit(&store->state_cause, cause, memory_order_relaxed);
        atomic_store_explicit(&store->state, (int)state, memory_order_release); /* pairs with store_check_writable */
    }
    memcpy(text, store->state_reason, sizeof text);
    pthread_mutex_unlock(&store->state_lock);
    if (worse) {
        event_state(store, state, cause, text);
        store_progress(store);
    }
}

void store_fail_log(nacre_store *store, int cause, const char *reason)
{
    atomic_store_explicit(&store->log_failed, true, memory_order_seq_cst);
    store_set_state(store, NACRE_STATE_READ_ONLY, cause, reason);
    publish_wake(&store->publisher);
}

static int flush_collection(nacre_collection *collection, void *context)
{
    (void)context;
    return collection_flush(collection);
}

/* Everything acknowledged is in memtables, so that flushing them makes the failed log file needless; commits that were waiting for it become
   visible then, as they are durable now. */
static int leave_failed_log(nacre_store *store)
{
    int status = value_log_recover(store->values); /* memtables point there */
    if (status != NACRE_OK) {
        return status;
    }
    pthread_mutex_lock(&store->commit_lock);
    status = wal_recover_from_failure(store->wal);
    pthread_mutex_unlock(&store->commit_lock);
    if (status != NACRE_OK) {
        return fail_context(status, "a new log file could not be made");
    }
    atomic_store_explicit(&store->log_failed, false, memory_order_seq_cst);
    /* Applied and about to be in segments: no longer a matter of the log. */
    publish_advance(&store->publisher, UINT64_MAX);
    atomic_store_explicit(&store->resuming, true, memory_order_relaxed);
    status = store_each_collection(store, flush_collection, NULL);
    atomic_store_explicit(&store->resuming, false, memory_order_relaxed);
    return status;
}

int store_resume(nacre_store *store)
{
    if (store->read_only) {
        return fail(NACRE_READ_ONLY, "%s was opened read-only", store->path);
    }
    int state = atomic_load_explicit(&store->state, memory_order_acquire);
    if (state == NACRE_STATE_OK) {
        return NACRE_OK;
    }
    if (state == NACRE_STATE_FAILED) {
        (void)store_check_writable(store); /* sets the reason */
        return fail_context(NACRE_READ_ONLY, "only closing the store and opening it again helps");
    }
    uint64_t space = UINT64_MAX;
    int status = store->os->space(store->os->context, store->path, &space);
    if (status == NACRE_OK && space < (8u << 20)) {
        return fail(NACRE_NO_SPACE, "%s: only %llu bytes are free on its disk; 8 MiB are needed", store->path,
                    (unsigned long long)space);
    }
    bool log_failed = atomic_load_explicit(&store->log_failed, memory_order_seq_cst);
    if (log_failed && (status = leave_failed_log(store)) != NACRE_OK) {
        atomic_store_explicit(&store->log_failed, true, memory_order_seq_cst);
        return status;
    }
    wal_save_space(store->wal, false);
    if ((status = wal_prepare(store->wal, 0)) != NACRE_OK) {
        wal_save_space(store->wal, atomic_load_explicit(&store->space_low, memory_order_relaxed));
        return status;
    }
    atomic_store_explicit(&store->space_low, false, memory_order_relaxed);
    store_set_state(store, NACRE_STATE_OK, NACRE_OK, "");
    reserve_make(store);
    pthread_mutex_lock(&store->collections_lock);
    for (size_t i = 0; i < store->collection_count; i++) {
        work_post(store, WORK_FLUSH, store->collections[i]);
        work_post(store, WORK_MERGE, store->collections[i]);
        work_post_indexes(store, store->collections[i]); /* which waited for room */
    }
    pthread_mutex_unlock(&store->collections_lock);
    work_housekeep(store);
    return NACRE_OK;
}
