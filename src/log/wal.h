/* The write-ahead log of a store: numbered files of fixed size, records one after another, mapped and written by memcpy
   (or by one write each where maps are off), synced in groups.

   A position names a byte: file number << 32 | offset. Positions only grow. A record never spans two files.

   Level os costs no system call: a mapped page survives the death of the process. Level disk is wal_sync. */
#ifndef NACRE_LOG_WAL_H
#define NACRE_LOG_WAL_H
#include "base/histogram.h"
#include "base/slice.h"

struct wal;
typedef uint64_t wal_position;
#define WAL_POSITION(file, offset) ((wal_position)(file) << 32 | (offset))
#define WAL_FILE(position)         ((uint32_t)((position) >> 32))
#define WAL_OFFSET(position)       ((uint32_t)(position))

#define WAL_FILE_NAME "%08x.log" /* of the file's number: names sort as numbers do */

struct wal_options {
    const nacre_os *os;
    const char *directory; /* <store>/log, exists; copied */
    const nacre_logger *logger;
    uint64_t file_bytes; /* size of a file; a larger record gets a larger file */
    uint64_t
        file_bytes_most; /* up to which files grow while an appender has to wait for the next one; 0: they do not */
    bool map;            /* false: pwrite per record */
    bool recycle;        /* keep pruned files as spares (at most 2) */
    bool save_space;     /* begins as after wal_save_space */
    struct histogram *sync_times; /* nanoseconds of each sync; may be NULL; lives as long as the log */
    /* Called by who leads a sync, before the log's files are synced and after their end was taken: makes durable what the records up to there speak
       of. Its failure is that of the sync. May be NULL. */
    int (*before_sync)(void *context);
    void *before_sync_context;
};

/* Starts a new file with number `first_file` (greater than any that exists), or the next number that is free; existing files are kept until pruned. The
   file and one spare are ready on return. Where the disk has no room for both the log begins to save space: then the file is small, and there may be no
   spare. NACRE_NO_SPACE: not for a small one either. */
int wal_open(const struct wal_options *, uint32_t first_file, struct wal **);
/* Syncs nothing. Files stay; spares and the space behind the newest record are given back. */
void wal_close(struct wal *);

uint64_t wal_payload_hash(nacre_slice payload); /* made outside of the commit lock */

/* Appends one record. One call at a time (the commit lock). `sequence` is that of the record's first entry.
   *begin and *end receive the record's positions (end = where the next one starts, in this file).
   NACRE_BUSY: the file is full and no spare is ready: call wal_prepare without the lock and try again.
   NACRE_IO and NACRE_NO_SPACE (pwrite mode): nothing was appended; the file's tail is not trusted any more and the next append goes to
   a new file. */
int wal_append(struct wal *, uint64_t sequence, nacre_slice payload, uint64_t payload_hash, wal_position *begin,
               wal_position *end);
wal_position wal_end(const struct wal *); /* where the next record would start; any thread */
/* Makes a spare of at least min_bytes ready (recycled or new: allocated, mapped, pages populated a window ahead). Any thread, no lock held;
   slow. No-op when a fitting spare is there. 0: ahead of the need; else the caller waits for it: the files to come are larger then, so that
   there is more time to make each, and smaller again after a while without a wait. */
int wal_prepare(struct wal *, uint64_t min_bytes);
/* The disk is full: from here on files are as small as they can be (64 KiB, or what a record needs), and pruned ones go instead of serving again. Until it is
   told otherwise. Any thread, no lock of the log's held. */
void wal_save_space(struct wal *, bool saves);
bool wal_saves_space(const struct wal *);
bool wal_wants_prepare(const struct wal *); /* cheap; any thread */
/* Ends the current file: the next append goes to the spare. One at a time with wal_append. NACRE_BUSY as above. */
int wal_rotate(struct wal *);

/* Returns when everything before `position` is on disk: leader/follower group commit without timers. The first caller syncs all that
   is appended; callers that come meanwhile wait, and one of them leads the next sync. Any thread, no lock held.
   A failed sync is never retried on that file: every waiter and every later call for a position in it gets NACRE_IO. */
int wal_sync(struct wal *, wal_position position);
wal_position wal_synced(const struct wal *); /* all before it is durable */
/* After a failure: abandon the current file (its unsynced records must already be elsewhere) and go on in a new one. */
int wal_recover_from_failure(struct wal *);

/* Removes (or recycles) files with a smaller number than that of `position`. Only after the manifest that no longer needs them is durable. */
int wal_prune(struct wal *, wal_position position);
uint64_t wal_bytes(const struct wal *);                 /* of all live files: appended bytes for the current one */
uint64_t wal_bytes_before(struct wal *, uint32_t file); /* of the live files with smaller numbers */
uint32_t wal_oldest_file(const struct wal *);

struct wal_stats {
    uint64_t appends, bytes, syncs, rotations, recycled, sync_ns_total, sync_ns_max;
    uint64_t files;        /* live ones, this opening's */
    uint64_t mapped_bytes; /* of files that are mapped, spares too; the system's memory, not the heap */
    uint64_t heap_bytes;
};
void wal_get_stats(struct wal *, struct wal_stats *);

/* Reading back. Calls `visit` for every record at or after `from`, in order of position; a visitor's error stops the replay and is returned.
   A torn tail (records or bytes of the newest part that never were durable) is left out and counted; with truncate, it is
   also overwritten so that it can never be read again, and synced. Damage before it (a bad record followed, here or in a later
   file, by a good one that says the bad place had been synced; a missing file in the middle; a bad file header; anything
   bad before `clean_end`) is NACRE_CORRUPT with file, offset, expected and found, unless `salvage`: then the file is copied to
   <name>.corrupt, the good records before and after the damage are visited, and the damage is counted; with truncate it is also
   made passable, so that later replays visit the same records and report nothing. */
struct wal_replay_options {
    const nacre_os *os;
    const char *directory;
    const nacre_logger *logger;
    wal_position from;
    wal_position clean_end; /* 0, or: the store was closed cleanly with the log ending here, all durable */
    wal_position end;       /* 0, or: nothing at or behind it is looked at (a log that is being written: its wal_end) */
    bool truncate;          /* false for read-only opens: not a byte is written */
    bool salvage;
    bool
        keep_all; /* with salvage: also what stands behind a place that may be a torn one, which counts as damage then */
    void (*damaged)(void *context, wal_position at, uint64_t bytes,
                    const char *text); /* salvage: each damaged place; bytes 0: not known; may be NULL */
    /* Asked about each good record before it is visited: NACRE_CORRUPT when something it speaks of is not there. Then the record is as good as
       not there itself: a torn one, or damage where it was durable. Other failures end the replay. May be NULL. */
    int (*check)(void *context, wal_position begin, nacre_slice payload);
    int (*finish)(
        void *context); /* at the end, also after a failure, while all payloads are still there; may be NULL */
};
struct wal_replay_report {
    uint64_t records, bytes;           /* visited */
    uint64_t torn_bytes, torn_records; /* cut off; records only where their headers could be read */
    wal_position torn_at;
    uint64_t damaged_regions;
    char damage[512];
    wal_position end;             /* behind the last good record, or in the file where one would stand; 0: no file */
    bool ended;                   /* it is behind that file's end record: the next record is in the next file */
    uint32_t last_file;           /* greatest file number seen, 0 when none */
    uint64_t next_sequence_floor; /* unused = 0 */
};
typedef int wal_visitor(void *context, wal_position begin, wal_position end, uint64_t sequence, nacre_slice payload);
int wal_replay(const struct wal_replay_options *, wal_visitor *visit, void *context, struct wal_replay_report *);
/* The payload slices handed to `visit` stay valid until wal_replay returns (files are mapped or read whole), so that visitors
   may hand them to other threads. */

/* One file, record by record, as far as it can be read: for `nacre dump log`. */
int wal_dump_file(const nacre_os *, const char *path, wal_visitor *visit, void *context, struct wal_replay_report *);
#endif
