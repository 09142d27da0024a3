/* What the files of the write-ahead log share. Locks, in order: the caller's commit lock, prepare_lock, files_lock.

   Invariants:
   1. current changes only under the commit lock and files_lock together; the appender reads it without a lock.
   2. While a spare is being made, w->spare is NULL, so that no rotation can happen and the spare's `previous` stays true.
   3. No file operation that may wait for the disk happens under files_lock.
   4. A file with users > 0 is neither recycled nor closed; the last user does what was put off.
   5. synced only grows, and all before it is on disk, or given up after a failure (then its interval is in `failures`). */
#ifndef NACRE_LOG_WAL_INTERNAL_H
#define NACRE_LOG_WAL_INTERNAL_H
#include "log/wal_directory.h"
#include "log/wal_format.h"
#include <pthread.h>
#include <stdatomic.h>

#define WAL_POPULATE_BYTES ((uint64_t)4 << 20) /* pages are faulted in this far ahead of the appender */
#define WAL_POOL_FILES     2
#define WAL_FAILURES       8
#define WAL_SMALL_BYTES    ((uint64_t)64 << 10) /* of a file while space is saved */
#define WAL_CALM_FILES     16 /* made in time, one after the other: then files may be half as large again */

struct wal_file {
    struct wal_file *newer; /* files_lock */
    nacre_file *handle;     /* NULL: existed before this opening; only its name and size matter */
    uint8_t *map;           /* NULL: written by calls */
    uint64_t size;
    uint64_t end;                      /* of its records, once it is not current any more; files_lock */
    uint64_t synced_end;               /* bytes before it are durable; files_lock */
    uint64_t populated;                /* prepare_lock */
    wal_position undecided, void_from; /* as in its header */
    uint32_t number;
    uint32_t users;           /* files_lock */
    bool dropped, recyclable; /* files_lock */
};

/* What a new file's header says about the log's tail before it (struct wal_header); zeros: nothing is wrong with it. */
struct wal_gap {
    wal_position undecided, void_from;
};

struct wal_failure {
    wal_position from, to;
};

struct wal {
    /* The appender's, under the commit lock. */
    _Alignas(64) struct wal_file *current;
    uint8_t *map;
    uint8_t *staging; /* a record on its way to one write */
    size_t staging_bytes;
    uint32_t offset;
    uint32_t room; /* where the last record must end; 0 = nothing may be appended here */
    _Atomic uint64_t appends, bytes;

    /* Written by the appender, read by all. */
    _Alignas(64) _Atomic wal_position end;
    _Atomic wal_position prepare_at; /* wal_prepare has work once the end is here */

    /* Written by who syncs. */
    _Alignas(64) _Atomic wal_position synced;
    _Atomic bool failed;
    _Atomic uint32_t failure_count;
    _Atomic uint64_t syncs, sync_ns_total, sync_ns_max;

    /* Group commit (wal_sync.c). */
    _Alignas(64) _Atomic uint32_t leading;
    _Atomic uint32_t finished; /* rounds */
    _Atomic wal_position covering;
    _Atomic uint64_t arrivals; /* calls that had to wait or lead */
    /* The leader's, handed on with `leading`. */
    uint64_t taken;    /* arrivals that finished rounds have served */
    uint64_t expected; /* arrivals by which everyone who was here lately is here again */
    uint64_t last_sync_ns;
    uint32_t gather_pause, gather_penalty; /* rounds */
    _Alignas(64) _Atomic uint32_t word[2];
    _Atomic uint32_t sleepers[2];

    _Alignas(64) pthread_mutex_t prepare_lock;
    pthread_mutex_t files_lock;
    const nacre_os *os;
    const nacre_logger *logger;
    struct histogram *sync_times;
    char *directory;
    int (*before_sync)(void *context); /* or NULL */
    void *before_sync_context;
    uint64_t file_bytes, file_bytes_most;
    uint64_t next_bytes;    /* size of the next file, as waits have made it; prepare_lock */
    uint32_t calm_files;    /* made in time since the last wait; prepare_lock */
    uint32_t awaited_after; /* the file behind which an appender has waited last; prepare_lock */
    bool use_maps, recycle;
    _Atomic bool saves_space;              /* relaxed: it sizes what is made next */
    struct wal_file *oldest;               /* live files, current last; files_lock */
    struct wal_file *spare;                /* files_lock */
    struct wal_file *pool[WAL_POOL_FILES]; /* files_lock */
    size_t pool_count;
    uint32_t next_number;   /* files_lock */
    wal_position broken_at; /* 0, or: an append failed there and left its file's tail undecided; files_lock */
    struct wal_failure failures[WAL_FAILURES];
    char failure_text[256];
    uint64_t syncs_at_prepare; /* prepare_lock */
    _Atomic uint32_t oldest_number;
    _Atomic uint64_t closed_bytes, rotations, recycled;
};

/* wal_files.c. The size of a file that is otherwise to have `bytes`: less while space is saved. */
uint64_t wal_usual_bytes(const struct wal *, uint64_t bytes);
/* A new file, ready to be appended to: header and name durable, first window populated. */
int wal_file_make(struct wal *, uint32_t number, uint32_t previous, uint64_t size, struct wal_gap, struct wal_file **);
/* The file that is to follow the current one; prepare_lock held and w->spare NULL. */
int wal_make_spare(struct wal *, uint64_t size, struct wal_gap, bool fresh, struct wal_file **);
void wal_file_use(struct wal_file *);                   /* files_lock held */
void wal_file_unuse(struct wal *, struct wal_file *);   /* no lock held */
void wal_file_drop(struct wal *, struct wal_file *);    /* it is on no list any more; no lock held */
void wal_file_free(struct wal *, struct wal_file *);    /* unmaps and closes */
void wal_file_destroy(struct wal *, struct wal_file *); /* removes it as well */

/* wal.c: the swap to a new current file; commit lock and files_lock held. */
void wal_install(struct wal *, struct wal_file *);
#endif
