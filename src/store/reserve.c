/* The disk's reserve: the file RESERVE, whose only use is that it can be removed.

   When the disk is full, the store turns read-only and the reserve is given up: its room is for what frees space. Writes that only delete are taken, drops are,
   memtables are flushed, merges go on; builds of indexes wait. nacre_resume makes the store writable, and the reserve anew where there is room.
   The log saves space until then: its files are small, and pruned ones are removed. An opening that finds the disk too full for two log files of the usual size begins so
   (open.c), and one that finds no room at all gives the reserve up and begins anew.
   It is made only when segments have come to its size: a small store does not take more than it holds.

   Invariants:
   1. Nothing depends on the file: an opening takes it as it finds it.
   2. space_low is set right before the state becomes read-only because of a full disk; nacre_resume clears it. It counts in that state alone.
   The file is made by the housekeeper and nacre_resume, removed by any thread; `reserve_lock` is held around both and takes no other. */
#include "base/status.h"
#include "store/store.h"
#include <stdio.h>

static int reserve_path(const nacre_store *store, char path[OS_PATH_MAX])
{
    return os_path(path, store->path, "RESERVE");
}

/* What is there of it. */
static int look(nacre_store *store, const char *path, uint64_t *bytes)
{
    nacre_file *file = NULL;
    int status = store->os->open(store->os->context, path, NACRE_FILE_READ, &file);
    *bytes = 0;
    if (status == NACRE_OK) {
        status = store->os->size(file, bytes);
        (void)store->os->close(file); /* only read */
    }
    return status == NACRE_NOT_FOUND ? NACRE_OK : status;
}

static int make(nacre_store *store, const char *path, uint64_t bytes)
{
    nacre_file *file = NULL;
    int status =
        store->os->open(store->os->context, path, NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE, &file);
    if (status != NACRE_OK) {
        return status;
    }
    status = store->os->truncate(file, 0);
    if (status == NACRE_OK) {
        status = store->os->allocate(file, bytes);
    }
    (void)store->os->close(file); /* it holds nothing */
    if (status != NACRE_OK) {
        (void)store->os->remove(store->os->context, path); /* a part of it is none */
    }
    return status;
}

/* Twice of it is to be free: what is kept back must not be what fills the disk. */
static bool there_is_room(nacre_store *store, uint64_t bytes)
{
    uint64_t space = 0;
    return store->os->space(store->os->context, store->path, &space) == NACRE_OK && space / 2 >= bytes;
}

void reserve_make(nacre_store *store)
{
    char path[OS_PATH_MAX];
    uint64_t wanted = tuning_get(&store->tuning, TUNING_disk_reserve_bytes), there = 0;
    wanted = atomic_load_explicit(&store->budget.segment_bytes, memory_order_relaxed) >= wanted ? wanted : 0;
    if (store->read_only || atomic_load_explicit(&store->state, memory_order_acquire) != NACRE_STATE_OK ||
        atomic_load_explicit(&store->reserved, memory_order_relaxed) == wanted ||
        reserve_path(store, path) != NACRE_OK) {
        return;
    }
    pthread_mutex_lock(&store->reserve_lock);
    if (look(store, path, &there) == NACRE_OK && there != wanted) {
        if (wanted == 0) {
            (void)store->os->remove(store->os->context, path); /* looked at again with the next housekeeping */
        } else if (!there_is_room(store, wanted) || make(store, path, wanted) != NACRE_OK) {
            wanted = UINT64_MAX; /* tried again */
        }
    }
    atomic_store_explicit(&store->reserved, wanted, memory_order_relaxed);
    pthread_mutex_unlock(&store->reserve_lock);
}

bool reserve_give_up(nacre_store *store)
{
    char path[OS_PATH_MAX], detail[1024];
    bool was_there = false;
    (void)snprintf(detail, sizeof detail, "%s", fail_detail()); /* of what found the disk full */
    if (reserve_path(store, path) == NACRE_OK) {
        pthread_mutex_lock(&store->reserve_lock);
        was_there = store->os->remove(store->os->context, path) == NACRE_OK;
        atomic_store_explicit(&store->reserved, UINT64_MAX, memory_order_relaxed);
        pthread_mutex_unlock(&store->reserve_lock);
    }
    if (atomic_load_explicit(&store->log_open, memory_order_acquire)) {
        wal_save_space(store->wal, true); /* else the next log file would take what was given up */
    }
    atomic_store_explicit(&store->space_low, true, memory_order_release);
    (void)fail(NACRE_NO_SPACE, "%s", detail);
    return was_there;
}
