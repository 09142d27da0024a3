/* What the files of the value log share. Locks, in order: prepare_lock, sync_lock, lock. No file operation happens under `lock`.

   Invariants:
   1. A file's bytes before `end` are its own; those of finished appends (writers == 0) never change, those of running ones belong to their
      writer.
   2. `open_files` has every file that may hold bytes that are not durable; a file leaves it sealed, or removed.
   3. A file is removed under `lock` only with no reference; one that is active, or that is to be sealed, is referenced by the log itself. References from
      nothing are taken under `lock`, too.
   4. handle and map are set once under `lock` and stay until the file is freed, but for value_log_recover, which keeps the old ones, and
      for the handle of a mapped sealed file, which is closed. */
#ifndef NACRE_VALUES_VALUE_INTERNAL_H
#define NACRE_VALUES_VALUE_INTERNAL_H
#include "os/os.h"
#include "values/value_format.h"
#include "values/value_table.h"
#include "values/value_usage.h"
#include <pthread.h>
#include <stdatomic.h>

#define VALUE_WRITE_BEHIND_BYTES ((uint64_t)1 << 20)

struct value_file {
    struct value_log *log;
    uint64_t id;
    _Atomic uint32_t references;
    nacre_file *_Atomic handle;
    uint8_t *_Atomic map; /* of map_bytes */
    uint64_t map_bytes;
    _Atomic uint64_t *_Atomic checked; /* of a mapped sealed file: a bit per page, value_checked.c; NULL: none yet */
    struct value_usage usage;
    struct value_file *superseded; /* handle and map of before a recovery */
    _Atomic uint64_t end;          /* where the next record would start; final once it is sealed */

    /* Under `lock`. */
    uint64_t made_bytes; /* as its header says; of one with a bad header, its size */
    uint64_t settled;    /* before it no append is running */
    uint64_t written;    /* bytes of records whose append succeeded, this opening; a file found unsealed has 1 more */
    uint64_t synced;     /* of these, durable */
    uint64_t behind;     /* written back, or about to be, up to here */
    uint64_t ahead;      /* from here on zeros are being written; 0: none are */
    uint64_t sync_round; /* the last value_log_sync that looked at it; sync_lock */
    uint32_t writers;
    bool active, owned; /* owned: the log holds a reference */
    _Atomic bool sealed;
    bool failed;      /* a sync of it failed */
    uint64_t noticed; /* what may_remove noted when the file was first found unused */
    struct value_file *next_open;
};

struct value_log {
    _Alignas(64) pthread_mutex_t lock;
    struct value_file *active[VALUE_STREAMS];
    struct value_file *spare; /* on no list but open_files */
    bool used;                /* something was appended: a spare is worth having */
    bool started;
    struct value_file *open_files;
    struct value_file **files; /* all, ascending by id */
    size_t file_count, file_capacity;
    _Atomic bool unused; /* some file may have no reference left */
    _Atomic bool failed;
    char failure_text[256];

    _Alignas(64) struct value_table table; /* read without the lock */
    const nacre_os *os;
    const nacre_logger *logger;
    char *directory;
    struct value_log_options options;
    pthread_mutex_t prepare_lock, sync_lock, ahead_lock;
    uint64_t sync_round; /* sync_lock */
    _Atomic uint64_t appends, appended_bytes, syncs, sync_ns_total, sync_ns_max, removed;
    _Alignas(64) _Atomic uint64_t reads, read_bytes;
};

static inline bool value_file_is_sealed(const struct value_file *file)
{
    return atomic_load_explicit(&file->sealed, memory_order_acquire);
}

/* value_files.c */
int value_file_path(const struct value_log *, uint64_t id, char out[OS_PATH_MAX]);
/* A new file, ready to be appended to, its name durable; registered, owned by the log, in open_files. prepare_lock held. */
int value_file_make(struct value_log *, uint64_t bytes, struct value_file **);
/* handle, and map where the log maps; any thread. */
int value_file_load(struct value_file *);
void value_file_free(struct value_file *); /* closes and unmaps; on no list any more */
/* A file that is there; value_log.c. wanted: something points into it. Else a read_only log leaves alone what has no good header: the writer may be
   making it just now. It is looked at again when it is wanted. */
int value_log_adopt(struct value_log *, uint64_t id, bool wanted);
int value_file_register(struct value_log *, struct value_file *); /* `lock` held */
void value_file_close_stale_handle(struct value_file *);          /* `lock` not held */
/* No more appends: it is to be sealed. `lock` held. */
void value_file_retire(struct value_file *);
void value_log_wake(const struct value_log *);
void value_log_warn(const struct value_log *, const char *event, uint64_t id);

/* value_read.c. The file that the pointer leads into, if such bytes can be there; NACRE_CORRUPT. */
int value_find(const struct value_log *, const struct value_pointer *, struct value_file **);

/* value_checked.c. Whether the value of `key` behind the pointer was found good in this opening; what was found so is noted. The file is mapped. */
bool value_is_checked(const struct value_file *, const struct value_pointer *, nacre_slice key);
void value_note_checked(struct value_file *, const struct value_pointer *);
size_t value_checked_bytes(const struct value_file *); /* heap */

/* value_sync.c; sync_lock held */
int value_file_sync(struct value_file *);
int value_log_report_failure(struct value_log *);

/* value_scan.c. What a visit of value_log_each_file says; `lock` held. */
void value_file_say(const struct value_file *, struct value_file_info *);
/* Where the last record of the file ends, going by headers; *certain: nothing is behind it. */
int value_file_find_end(struct value_log *, uint64_t id, uint64_t *end, bool *certain);
#endif
