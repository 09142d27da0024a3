/* Group commit without timers, and what happens after a sync that failed.

   One thread leads at a time: it takes the log's end, syncs the files up to there, publishes `synced`. Callers that come meanwhile sleep on
   one of two words: word[finished % 2] when the running round covers them, the other one when the next round will. At the end of a round the
   leader first wakes one sleeper of the next round, to lead it, then all of its own: each sleeps and wakes once.

   Before it takes the log's end, a leader lets those run who were served by the round before and are about to come again (sched_yield, while
   they keep coming). It is known what that cost and brought; where it does not pay, it is left for some rounds, doubling.

   Invariants:
   1. leading is taken by compare-and-swap from 0 and given back by its holder after `synced` (or `failed`) and `finished` are
      stored; both words change after that. So who read a word before that and found its round still running is woken or does
      not fall asleep.
   2. covering is UINT64_MAX from the end of a round until the next leader has taken the log's end. So one that finds its position not
      covered by the running round is right; one that finds it covered may be wrong, is woken at the round's end and tries again.
   3. After a failure nothing in [synced, end) is ever called durable: `failed` stays until the log goes on in a new file, and then the
      interval stays in `failures`.

   Any thread. Locks: files_lock, for instants; wal_recover_from_failure: prepare_lock, then files_lock, under the commit lock. */
#include "base/clock.h"
#include "base/futex.h"
#include "base/log.h"
#include "base/status.h"
#include "log/wal_internal.h"
#include <limits.h>
#include <sched.h>
#include <stdio.h>

#define GATHER_IDLE_YIELDS 3    /* nobody came during so many: the others are busy elsewhere */
#define GATHER_PAUSE_MAX   1024 /* rounds */

wal_position wal_synced(const struct wal *w)
{
    return atomic_load_explicit(&w->synced, memory_order_acquire); /* pairs with the release in lead */
}

/* The oldest file with unsynced bytes before `target`, in use; NULL when there is none. */
static struct wal_file *next_unsynced(struct wal *w, wal_position target, uint64_t *up_to)
{
    struct wal_file *found = NULL;
    pthread_mutex_lock(&w->files_lock);
    for (struct wal_file *file = w->oldest; file && file->number <= WAL_FILE(target) && !found; file = file->newer) {
        uint64_t end = file->number == WAL_FILE(target) ? WAL_OFFSET(target) : file->end;
        if (file->handle && file->synced_end < end && file->number >= WAL_FILE(wal_synced(w))) {
            found = file;
            *up_to = end;
            wal_file_use(file);
        }
    }
    pthread_mutex_unlock(&w->files_lock);
    return found;
}

static int sync_files(struct wal *w, wal_position target)
{
    uint64_t up_to = 0;
    for (struct wal_file *file; (file = next_unsynced(w, target, &up_to)) != NULL;) {
        int status = w->os->sync(file->handle);
        if (status == NACRE_OK) {
            pthread_mutex_lock(&w->files_lock);
            file->synced_end = up_to;
            pthread_mutex_unlock(&w->files_lock);
        }
        wal_file_unuse(w, file);
        if (status != NACRE_OK) {
            return status;
        }
    }
    return NACRE_OK;
}

static void count_sync(struct wal *w, uint64_t ns)
{
    atomic_fetch_add_explicit(&w->syncs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->sync_ns_total, ns, memory_order_relaxed);
    if (w->sync_times) {
        histogram_note(w->sync_times, ns, 1);
    }
    if (ns > atomic_load_explicit(&w->sync_ns_max, memory_order_relaxed)) { /* one leader at a time: no other writer */
        atomic_store_explicit(&w->sync_ns_max, ns, memory_order_relaxed);
    }
}

static void note_failure(struct wal *w)
{
    char text[sizeof w->failure_text * 2];
    pthread_mutex_lock(&w->files_lock);
    (void)snprintf(w->failure_text, sizeof w->failure_text, "%s", fail_detail());
    pthread_mutex_unlock(&w->files_lock);
    log_line(w->logger, NACRE_LOG_ERROR, "log_sync_failed", "\"detail\":\"%s\"",
             log_escape(fail_detail(), text, sizeof text));
    /* Release: pairs with the acquires in wal_sync and check_failed. */
    atomic_store_explicit(&w->failed, true, memory_order_release);
}

static int report_failure(struct wal *w, wal_position position)
{
    char text[sizeof w->failure_text];
    pthread_mutex_lock(&w->files_lock);
    memcpy(text, w->failure_text, sizeof text);
    pthread_mutex_unlock(&w->files_lock);
    return fail(NACRE_IO, "log file %08x, offset %u: not known to be on disk, its sync failed: %s", WAL_FILE(position),
                WAL_OFFSET(position), text);
}

/* Whether waiting `took` for `gained` more commits was worse than syncing the `present` ones at once. */
static void judge_gathering(struct wal *w, uint64_t present, uint64_t gained, uint64_t took)
{
    if (gained * w->last_sync_ns >= present * took) {
        w->gather_penalty /= 2;
    } else {
        w->gather_penalty = w->gather_penalty < GATHER_PAUSE_MAX / 2 ? 2 * w->gather_penalty + 8 : GATHER_PAUSE_MAX;
        w->gather_pause = w->gather_penalty;
    }
}

/* Lets the threads that were served a moment ago join this round. */
static void gather(struct wal *w)
{
    /* Relaxed: only a count. */
    uint64_t before = atomic_load_explicit(&w->arrivals, memory_order_relaxed), now = before;
    if (before < w->expected && w->gather_pause > 0) {
        w->gather_pause--;
    } else if (before < w->expected) {
        uint64_t start = clock_monotonic_ns();
        for (int idle = 0; now < w->expected && idle < GATHER_IDLE_YIELDS; idle++) {
            sched_yield();
            uint64_t seen = now;
            now = atomic_load_explicit(&w->arrivals, memory_order_relaxed);
            idle = now == seen ? idle : -1;
        }
        judge_gathering(w, before - w->taken, now - before, clock_monotonic_ns() - start);
    }
    w->expected = now - w->taken; /* of this round; lead adds who comes during it */
    w->taken = now;
}

/* The caller has taken `leading`. */
static void lead(struct wal *w)
{
    gather(w);
    wal_position target = wal_end(w);
    uint32_t round = atomic_load_explicit(&w->finished, memory_order_relaxed); /* only leaders change it */
    /* Release, as for the other stores below: pairs with the acquires in wait_turn. */
    atomic_store_explicit(&w->covering, target, memory_order_release);
    if (!atomic_load_explicit(&w->failed, memory_order_acquire) && target > wal_synced(w)) {
        uint64_t start = clock_monotonic_ns();
        int status = w->before_sync ? w->before_sync(w->before_sync_context) : NACRE_OK;
        status = status == NACRE_OK ? sync_files(w, target) : status;
        w->last_sync_ns = clock_monotonic_ns() - start;
        count_sync(w, w->last_sync_ns);
        if (status == NACRE_OK) {
            atomic_store_explicit(&w->synced, target, memory_order_release);
        } else {
            note_failure(w);
        }
    }
    bool failed = atomic_load_explicit(&w->failed, memory_order_relaxed);
    w->expected += atomic_load_explicit(&w->arrivals, memory_order_relaxed);
    atomic_store_explicit(&w->covering, UINT64_MAX, memory_order_release);
    uint32_t own = round & 1, next = own ^ 1;
    atomic_store_explicit(&w->finished, round + 1, memory_order_seq_cst);
    atomic_store_explicit(&w->leading, 0, memory_order_seq_cst);
    atomic_fetch_add_explicit(&w->word[next], 1, memory_order_seq_cst);
    if (atomic_load_explicit(&w->sleepers[next], memory_order_seq_cst) > 0) {
        futex_wake(&w->word[next], failed ? INT_MAX : 1);
    }
    atomic_fetch_add_explicit(&w->word[own], 1, memory_order_seq_cst);
    if (atomic_load_explicit(&w->sleepers[own], memory_order_seq_cst) > 0) {
        futex_wake(&w->word[own], INT_MAX);
    }
}

static bool is_settled(struct wal *w, wal_position position)
{
    return position <= wal_synced(w) || atomic_load_explicit(&w->failed, memory_order_acquire);
}

/* Sleeps until the round that covers `position` ends, or until this thread is woken to lead; may return early. */
static void wait_turn(struct wal *w, wal_position position)
{
    uint32_t round = atomic_load_explicit(&w->finished, memory_order_seq_cst);
    bool covered = position <= atomic_load_explicit(&w->covering, memory_order_acquire);
    uint32_t slot = (round & 1) ^ (covered ? 0 : 1);
    atomic_fetch_add_explicit(&w->sleepers[slot], 1, memory_order_seq_cst);
    uint32_t seen = atomic_load_explicit(&w->word[slot], memory_order_seq_cst);
    /* seq_cst: either this sees that the round is over, or its leader's change of the word comes after `seen`. */
    if (!is_settled(w, position) && atomic_load_explicit(&w->finished, memory_order_seq_cst) == round &&
        atomic_load_explicit(&w->leading, memory_order_seq_cst) != 0) {
        futex_wait(&w->word[slot], seen);
    }
    atomic_fetch_sub_explicit(&w->sleepers[slot], 1, memory_order_seq_cst);
}

/* Whether a position that `synced` has passed lies in a stretch that was given up. */
static int check_given_up(struct wal *w, wal_position position)
{
    /* Acquire: pairs with the release in wal_recover_from_failure. */
    uint32_t count = atomic_load_explicit(&w->failure_count, memory_order_acquire);
    bool lost = false;
    if (count) {
        pthread_mutex_lock(&w->files_lock);
        for (uint32_t i = 0; i < count && i < WAL_FAILURES; i++) {
            lost |= position > w->failures[i].from && position <= w->failures[i].to;
        }
        pthread_mutex_unlock(&w->files_lock);
    }
    return lost ? report_failure(w, position) : NACRE_OK;
}

int wal_sync(struct wal *w, wal_position position)
{
    if (position > wal_end(w)) {
        return fail(NACRE_INVALID, "log file %08x, offset %u: nothing is appended there yet", WAL_FILE(position),
                    WAL_OFFSET(position));
    }
    if (!is_settled(w, position)) {
        atomic_fetch_add_explicit(&w->arrivals, 1, memory_order_relaxed); /* a count, to judge by */
    }
    while (!is_settled(w, position)) {
        uint32_t nobody = 0;
        if (atomic_compare_exchange_strong_explicit(&w->leading, &nobody, 1, memory_order_seq_cst,
                                                    memory_order_seq_cst)) {
            lead(w);
        } else {
            wait_turn(w, position);
        }
    }
    return position <= wal_synced(w) ? check_given_up(w, position) : report_failure(w, position);
}

/* Remembers that [synced, end of the old file) was given up; the oldest two become one when there is no room. */
static void keep_failure(struct wal *w, wal_position from, wal_position to)
{
    uint32_t count = atomic_load_explicit(&w->failure_count, memory_order_relaxed);
    if (count == WAL_FAILURES) {
        w->failures[0].to = w->failures[1].to;
        memmove(&w->failures[1], &w->failures[2], (WAL_FAILURES - 2) * sizeof w->failures[0]);
        count--;
    }
    w->failures[count] = (struct wal_failure){ from, to };
    atomic_store_explicit(&w->failure_count, count + 1, memory_order_release);
}

int wal_recover_from_failure(struct wal *w)
{
    if (!atomic_load_explicit(&w->failed, memory_order_acquire)) {
        return NACRE_OK;
    }
    pthread_mutex_lock(&w->prepare_lock);
    pthread_mutex_lock(&w->files_lock);
    wal_position from = wal_synced(w), to = wal_end(w);
    struct wal_gap gap = { from, w->broken_at };
    struct wal_file *fresh = NULL, *spare = w->spare;
    w->spare = NULL;
    w->room = 0;
    for (struct wal_file *file = w->oldest; file; file = file->newer) {
        file->recyclable &= file->number < WAL_FILE(from);
    }
    pthread_mutex_unlock(&w->files_lock);
    if (spare) {
        wal_file_drop(w, spare);
    }
    int status = wal_make_spare(w, wal_usual_bytes(w, w->file_bytes), gap, true, &fresh);
    if (status == NACRE_OK) {
        pthread_mutex_lock(&w->files_lock);
        w->current->end = w->offset;
        wal_install(w, fresh);
        keep_failure(w, from, to);
        /* In this order: who finds the new `synced` finds the interval, who finds `failed` false finds both. */
        atomic_store_explicit(&w->synced, wal_end(w), memory_order_release);
        atomic_store_explicit(&w->failed, false, memory_order_release);
        pthread_mutex_unlock(&w->files_lock);
    }
    pthread_mutex_unlock(&w->prepare_lock);
    return status;
}
